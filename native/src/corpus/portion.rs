//! Files in, portions out: what one process reads from its start to its end. Partitions never reach over a portion's end,
//! so where they lie follows from the files' sizes and bytes alone: the same on one machine and on a cluster.

use std::ops::Range;

use super::{Format, Source};

/// Consecutive small files, one large file, or a part of a large file of lines.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Portion {
    /// Indices into the list of sources.
    pub files: Range<usize>,
    /// A part of the one file: the records that start behind `bytes.start` and up to `bytes.end`, those at 0 included.
    /// That is what readers of lines in Hadoop and Spark take for a split.
    pub bytes: Option<Range<u64>>,
}

/// Whether a process can begin to read in the middle of the file: lines, not packed.
pub fn divisible(source: &Source) -> bool {
    let packed = source.path.ends_with(".gz") || source.path.ends_with(".zst");
    !packed && matches!(source.format, Format::Line | Format::Jsonl | Format::Tsv)
}

/// The number given to the first line of a part of a file: 1 at the file's start, 2 elsewhere, where nobody knows it yet.
pub fn first_line(bytes: Option<&Range<u64>>) -> u64 {
    if bytes.is_some_and(|bytes| bytes.start > 0) { 2 } else { 1 }
}

/// Runs of files whose partitions don't mix: a file of more than `limit` bytes on disk alone, smaller ones together, in
/// their order, up to the limit.
pub fn runs(sizes: &[u64], limit: u64) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut filled = 0u64;
    for (file, &size) in sizes.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if filled.saturating_add(size) <= limit => run.end = file + 1,
            _ => {
                runs.push(file..file + 1);
                filled = 0;
            }
        }
        filled = filled.saturating_add(size);
    }
    runs
}

/// The portions of files of these sizes on disk, in order.
pub fn portions(sources: &[Source], sizes: &[u64], limit: u64) -> Vec<Portion> {
    let mut portions = Vec::new();
    for files in runs(sizes, limit) {
        let (first, size) = (files.start, sizes[files.start]);
        if files.len() == 1 && size > limit && divisible(&sources[first]) {
            let parts = (0..size).step_by(usize::try_from(limit).unwrap_or(usize::MAX));
            portions.extend(parts.map(|start| Portion {
                files: files.clone(),
                bytes: Some(start..size.min(start.saturating_add(limit))),
            }));
        } else {
            portions.push(Portion { files, bytes: None });
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_stand_alone_and_lines_are_divided() {
        let source = |path: &str, format| Source { path: path.into(), format };
        let sources = [
            source("a.txt", Format::File),
            source("b.txt", Format::File),
            source("c.jsonl", Format::Jsonl),
            source("d.jsonl.gz", Format::Jsonl),
            source("e.jsonl", Format::Jsonl),
            source("f.jsonl", Format::Jsonl),
        ];
        let portion = |files: Range<usize>, bytes| Portion { files, bytes };
        assert_eq!(
            portions(&sources, &[40, 60, 250, 300, 99, 2], 100),
            [
                portion(0..2, None),
                portion(2..3, Some(0..100)),
                portion(2..3, Some(100..200)),
                portion(2..3, Some(200..250)),
                portion(3..4, None),
                portion(4..5, None),
                portion(5..6, None),
            ]
        );
        assert_eq!(portions(&sources[..2], &[0, 0], u64::MAX), [portion(0..2, None)]);
    }
}
