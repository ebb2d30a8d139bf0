//! Text in, its words with their counts out, sorted by the words' bytes: `word: binary`, `n: int64`. Whoever gets several
//! such streams adds up what belongs to equal words.

use std::borrow::Cow;
use std::io::{BufReader, Read, Write};
use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field};

use super::plan::{Count, StagePlan};
use super::read::Documents;
use super::stream::{About, Cells, Form, Reader, Writer};
use crate::corpus::cut::Block;
use crate::corpus::records::{self, Fields};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::split::Splitter;
use crate::vocab::count::{Counter, Session};
use crate::vocab::counts::made;
use crate::vocab::normalizer;
use crate::vocab::words::WordCounts;

/// Words of a batch.
const ROWS: usize = 1 << 16;

pub fn fields() -> Vec<Field> {
    vec![Field::new("word", DataType::Binary, false), Field::new("n", DataType::Int64, false)]
}

pub fn run(
    plan: &StagePlan,
    hash: &str,
    documents: &mut Documents,
    output: impl Write,
    progress: &Progress,
) -> Result<()> {
    let how = plan.count.as_ref().ok_or_else(|| Error::config("the plan is not one of counting words"))?;
    let normalizer = normalizer::named(&how.normalizer)?.map(|(normalizer, _)| normalizer);
    let counter = Counter::new(Splitter::from_name_or_pattern(&how.split)?, normalizer, &how.special_tokens)?;
    counter.on_this_thread(|session| {
        let mut spare = Vec::new();
        while let Some(block) = documents.next(spare)? {
            progress.check()?;
            count(plan, how, &block, session)?;
            progress.add(block.size);
            spare = block.bytes;
        }
        Ok(())
    })?;
    write(&counter.counts, (hash, made(&how.split, &how.normalizer)), output)
}

fn count(plan: &StagePlan, how: &Count, block: &Block, session: &mut Session) -> Result<()> {
    if !how.lines {
        let refuse =
            |reject: records::Reject| Err(Error::input(format!("{}:{}: {}", reject.file, reject.line, reject.reason)));
        let each = |_: &_, _: u64, texts: &[Cow<'_, str>]| texts.iter().try_for_each(|text| session.count(text));
        return records::read(
            block,
            &plan.sources(),
            &Fields { names: how.fields.clone(), nested: false },
            each,
            refuse,
        );
    }
    for span in &block.spans {
        let bytes = &block.bytes[span.bytes.clone()];
        let bytes = if span.line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = span.line + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() as u64;
            Error::input(format!("{}: invalid UTF-8 in line {line} of this part", plan.sources[span.source].path))
                .with_hint("convert the file to UTF-8 (iconv -f LATIN1 -t UTF-8), or cut such bytes out (iconv -c)")
        })?;
        session.count_lines(text)?;
    }
    Ok(())
}

fn write(counts: &WordCounts, (hash, made): (&str, String), output: impl Write) -> Result<()> {
    let mut words: Vec<(Box<[u8]>, u64)> = Vec::with_capacity(counts.len());
    counts.for_each(|word, n| words.push((word.into(), n)));
    words.sort_unstable();
    let about = About { made: Some(made), ..About::new(hash, Form::Counts) };
    let mut writer = Writer::about(output, fields(), about)?;
    for rows in words.chunks(ROWS) {
        let mut column = BinaryBuilder::with_capacity(rows.len(), rows.len() * 8);
        rows.iter().for_each(|(word, _)| column.append_value(word));
        let n: Vec<i64> = rows.iter().map(|&(_, n)| i64::try_from(n).unwrap_or(i64::MAX)).collect();
        writer.write(vec![Arc::new(column.finish()) as ArrayRef, Arc::new(Int64Array::from(n))])?;
    }
    writer.finish()
}

/// Adds such a stream, made in the way `made`, to `counts`. `Input` error where it was made in another.
pub fn add_stream(input: impl Read, made: Option<&str>, counts: &mut WordCounts, progress: &Progress) -> Result<()> {
    let mut reader = Reader::any(BufReader::with_capacity(1 << 18, input))?;
    if let (Some(ours), Some(theirs)) = (made, &reader.about.made)
        && ours != theirs
    {
        return Err(Error::input(format!("its words were made by {theirs}, not by {ours}"))
            .with_hint("count again with the same --split and --normalizer"));
    }
    while let Some(batch) = reader.next_batch()? {
        progress.check()?;
        add(&batch, counts)?;
        progress.add(batch.get_array_memory_size() as u64);
    }
    Ok(())
}

fn add(batch: &RecordBatch, counts: &mut WordCounts) -> Result<()> {
    let missing = || Error::input("the stream has no columns word: binary and n: int64");
    let words = Cells::of(batch, "word")?;
    let n = batch.column_by_name("n").and_then(|column| column.as_primitive_opt::<Int64Type>()).ok_or_else(missing)?;
    for row in 0..batch.num_rows() {
        let n = u64::try_from(n.value(row)).map_err(|_| Error::input("a word was counted less than no times"))?;
        counts.add(words.at(row), n)?;
    }
    Ok(())
}
