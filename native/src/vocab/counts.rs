//! Words with their counts to a file and back: a line for each word, `<count> <tab> <word>`, sorted by the words' bytes,
//! under a line that says how the words were made, so that counts of different kinds are never added up.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::words::WordCounts;

const MAGIC: &str = "# millrace counts 1 ";

/// How words were made, in one line.
pub fn made(split: &str, normalizer: &str) -> String {
    format!("split={} normalizer={normalizer}", split.replace('\n', "\\n"))
}

/// Writes all words. `made` says how (split and normalizer) in one line.
pub fn write(counts: &WordCounts, made: &str, out: &mut impl Write) -> std::io::Result<()> {
    let mut words: Vec<(Box<[u8]>, u64)> = Vec::with_capacity(counts.len());
    counts.for_each(|word, count| words.push((word.into(), count)));
    words.sort_unstable();
    writeln!(out, "{MAGIC}{made}")?;
    for (word, count) in words {
        write!(out, "{count}\t")?;
        for &byte in &word {
            match byte {
                b'\\' => out.write_all(b"\\\\")?,
                b'\n' => out.write_all(b"\\n")?,
                b'\r' => out.write_all(b"\\r")?,
                b'\t' => out.write_all(b"\\t")?,
                _ => out.write_all(&[byte])?,
            }
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Adds the counts of a file, and returns how they were made. `Input` error that names the line where it is no such file,
/// or was made in another way than `made`.
pub fn add_file(counts: &mut WordCounts, path: &Path, made: Option<&str>, progress: &Progress) -> Result<String> {
    let fail = |error| Error::io(path, error);
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(fail)?);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).map_err(fail)?;
    let first = String::from_utf8_lossy(&line);
    let Some(own) = first.strip_prefix(MAGIC).map(|rest| rest.trim_end().to_string()) else {
        return Err(Error::input(format!("{}:1: this is no counts file", path.display()))
            .with_hint("counts files are written by `millrace vocab count`"));
    };
    if let Some(made) = made
        && made != own
    {
        return Err(Error::input(format!("{}: its words were made by {own}, not by {made}", path.display()))
            .with_hint("count again with the same --split and --normalizer"));
    }
    let mut number = 1;
    loop {
        line.clear();
        number += 1;
        if reader.read_until(b'\n', &mut line).map_err(fail)? == 0 {
            return Ok(own);
        }
        if number % 4096 == 0 {
            progress.check()?;
        }
        progress.add(line.len() as u64);
        let (count, word) = parse(&line).ok_or_else(|| {
            Error::input(format!("{}:{number}: a line must be a count, a tab and a word in UTF-8", path.display()))
        })?;
        counts.add(&word, count)?;
    }
}

fn parse(line: &[u8]) -> Option<(u64, Vec<u8>)> {
    let tab = memchr::memchr(b'\t', line)?;
    let count = std::str::from_utf8(&line[..tab]).ok()?.parse().ok()?;
    let mut word = Vec::with_capacity(line.len());
    let mut rest = line[tab + 1..].strip_suffix(b"\n").unwrap_or(&line[tab + 1..]).iter();
    while let Some(&byte) = rest.next() {
        word.push(match byte {
            b'\\' => match rest.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                _ => return None,
            },
            _ => byte,
        });
    }
    std::str::from_utf8(&word).is_ok().then_some((count, word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn all(counts: &WordCounts) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        counts.for_each(|word, n| assert!(all.insert(String::from_utf8(word.to_vec()).unwrap(), n).is_none()));
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn what_is_written_is_read(words in prop::collection::btree_map("(?s:[\\\\\\n\\r\\ta日n]{1,30})", 1u64..u64::MAX / 4, 0..50)) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut counts = WordCounts::default();
            for (word, n) in &words {
                counts.add(word.as_bytes(), *n).unwrap();
            }
            write(&counts, "gpt2", &mut file.as_file()).unwrap();
            let mut twice = WordCounts::default();
            for _ in 0..2 {
                add_file(&mut twice, file.path(), Some("gpt2"), &Progress::new()).unwrap();
            }
            prop_assert_eq!(all(&twice), words.into_iter().map(|(word, n)| (word, 2 * n)).collect());
        }
    }

    #[test]
    fn other_files_are_refused_by_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, message) in [
            ("", ":1: this is no counts file"),
            ("# millrace counts 1 gpt2\n3\ta\nx\tb\n", ":3: a line must be"),
            ("# millrace counts 1 gpt2\n3 a\n", ":2: a line must be"),
            ("# millrace counts 1 bert\n", "made by bert, not by gpt2"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let error = add_file(&mut WordCounts::default(), file.path(), Some("gpt2"), &Progress::new()).unwrap_err();
            assert!(error.message.contains(message), "{error}");
        }
    }
}
