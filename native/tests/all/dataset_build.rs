//! Building a dataset end to end with a tokenizer whose ids are bytes, so that the text can be read back from the rows.

// clippy.toml lets test functions panic; this lets their helpers too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt16Type};
use arrow_array::{ArrayRef, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use millrace_native::arrow::read::Mapped;
use millrace_native::corpus::clean::Clean;
use millrace_native::corpus::records::Fields;
use millrace_native::corpus::{Format, Source};
use millrace_native::dataset::build::{Options, build};
use millrace_native::dataset::encoder::{Encoder, Session};
use millrace_native::dataset::ids::TokenIds;
use millrace_native::dataset::loader::{self, Loader, SetOptions};
use millrace_native::dataset::manifest::Manifest;
use millrace_native::dataset::plan::{Plan, Task, VERSION, Vocabulary};
use millrace_native::dataset::special::Special;
use millrace_native::dataset::tasks::causal::{Causal, Pack};
use millrace_native::error::{Error, Kind, Result};
use millrace_native::progress::Progress;
use parquet::arrow::ArrowWriter;

/// Ids are the bytes of the text.
struct Bytes;

impl Encoder for Bytes {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Bytes)
    }
}

impl Session for Bytes {
    fn encode(&mut self, text: &str, out: &mut TokenIds) -> Result<()> {
        out.extend(text.bytes().map(u32::from));
        Ok(())
    }

    fn encode_words(&mut self, text: &str, out: &mut TokenIds, _: &mut Vec<u8>) -> Result<()> {
        self.encode(text, out)
    }
}

const END: u32 = 256;

fn plan(pack: Pack, seq_len: usize) -> Plan {
    Plan {
        version: VERSION,
        task: Task::Causal(Causal { pack, bos: None, eos: Some(END) }),
        seq_len,
        seed: 3,
        split: [0.9, 0.1, 0.0],
        fields: Fields { names: vec!["text".into()], nested: false },
        clean: Clean::default(),
        vocabulary: Vocabulary { size: 257, sha256: "bytes".into(), special: Special::default() },
        partition_bytes: 3 << 20,
    }
}

/// A fresh folder under the target folder.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dataset_build").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// About `megabytes` of JSONL with documents of very different lengths, in three files, one of them packed with zstd.
fn corpus(dir: &Path, megabytes: usize) -> (Vec<Source>, Vec<String>) {
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    };
    let mut texts = Vec::new();
    let mut sources = Vec::new();
    for file in 0..3 {
        let mut lines = String::new();
        while lines.len() < (megabytes << 20) / 3 {
            let length = 1 + (next() % 100) * (next() % 60);
            let text: String = (0..length).map(|_| (b'a' + (next() % 26) as u8) as char).collect();
            lines += &serde_json::to_string(&serde_json::json!({ "id": texts.len(), "text": text })).unwrap();
            lines.push('\n');
            texts.push(text);
        }
        let path = dir.join(format!("{file}.jsonl{}", if file == 1 { ".zst" } else { "" }));
        let bytes = if file == 1 { zstd::encode_all(lines.as_bytes(), 1).unwrap() } else { lines.into_bytes() };
        fs::write(&path, bytes).unwrap();
        sources.push(Source { path: path.to_str().unwrap().into(), format: Format::Jsonl });
    }
    (sources, texts)
}

fn options(out: &Path, sources: &[Source], threads: usize) -> Options {
    Options { out: out.to_owned(), sources: sources.to_vec(), threads, max_rejects: 0, parquet: false }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// The pieces of every row of a split.
fn pieces(dir: &Path, manifest: &Manifest, split: &str) -> Vec<Vec<Vec<u32>>> {
    let mut rows = Vec::new();
    for shard in &manifest.split(split).unwrap().shards {
        for batch in Mapped::open(&dir.join(&shard.file)).unwrap().batches().unwrap() {
            let ids = batch.column_by_name("input_ids").unwrap().as_fixed_size_list().clone();
            let lengths = batch.column_by_name("lengths").unwrap().as_list::<i32>().clone();
            for row in 0..batch.num_rows() {
                let ids = ids.value(row);
                let ids = ids.as_primitive::<UInt16Type>().values();
                let mut at = 0;
                let lengths = lengths.value(row);
                let row = lengths.as_primitive::<Int32Type>().values().iter().map(|&length| {
                    at += length as usize;
                    ids[at - length as usize..at].iter().map(|&id| u32::from(id)).collect()
                });
                rows.push(row.collect());
            }
        }
    }
    rows
}

fn encoded(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).chain([END]).collect()
}

#[test]
fn same_bytes_for_any_thread_count_and_after_a_stop() {
    let dir = folder("same");
    let (sources, _) = corpus(&dir, 12);
    let plan = plan(Pack::BestFit, 512);
    let (one, two, resumed) = (dir.join("one"), dir.join("two"), dir.join("resumed"));
    build(&plan, &options(&one, &sources, 1), &Bytes, &Progress::new()).unwrap();
    build(&plan, &options(&two, &sources, 2), &Bytes, &Progress::new()).unwrap();
    assert!(files(&one) == files(&two));

    // Stopped as soon as the first partition has its record; then again with more threads.
    let progress = Progress::new();
    let watcher = std::thread::spawn({
        let (progress, work) = (progress.clone(), resumed.join(".build"));
        move || {
            while !work.join("part-000000.json").exists() && !work.join("part-000001.json").exists() {
                std::thread::sleep(std::time::Duration::from_micros(100));
            }
            progress.cancel();
        }
    });
    let stopped = build(&plan, &options(&resumed, &sources, 2), &Bytes, &progress);
    watcher.join().unwrap();
    assert_eq!(stopped.unwrap_err().kind, Kind::Cancelled);
    assert!(!resumed.join("manifest.json").exists());
    let kept = |n: u32| resumed.join(format!(".build/part-00000{n}.json")).exists();
    assert!((kept(0) || kept(1)) && !kept(3));
    build(&plan, &options(&resumed, &sources, 2), &Bytes, &Progress::new()).unwrap();
    assert!(files(&one) == files(&resumed));
}

/// Encodes some documents, then fails.
struct Failing(AtomicUsize);

impl Encoder for Failing {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(self)
    }
}

impl Session for &Failing {
    fn encode(&mut self, text: &str, out: &mut TokenIds) -> Result<()> {
        let left = self.0.fetch_sub(1, Ordering::Relaxed);
        if left == 0 { Err(Error::internal("as wanted")) } else { Bytes.encode(text, out) }
    }

    fn encode_words(&mut self, text: &str, out: &mut TokenIds, _: &mut Vec<u8>) -> Result<()> {
        self.encode(text, out)
    }
}

/// A power cut may leave the files of a stopped build damaged: those partitions are made again.
#[test]
fn a_stopped_build_trusts_no_damaged_file() {
    let dir = folder("damaged");
    let (sources, texts) = corpus(&dir, 8);
    let plan = plan(Pack::BestFit, 512);
    let (whole, out) = (dir.join("whole"), dir.join("out"));
    build(&plan, &options(&whole, &sources, 2), &Bytes, &Progress::new()).unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("-train.arrow", |bytes| bytes[5000] ^= 4),
        ("-rest.arrow", |bytes| bytes[200] ^= 1),
        ("-train.arrow", |bytes| bytes.truncate(4096)),
        (".json", |bytes| bytes.truncate(40)),
        (".json", Vec::clear),
    ];
    for (ending, damage) in damages {
        let failing = Failing(AtomicUsize::new(texts.len() - 1));
        build(&plan, &options(&out, &sources, 1), &failing, &Progress::new()).unwrap_err();
        let mut damaged = 0;
        for entry in fs::read_dir(out.join(".build")).unwrap() {
            let path = entry.unwrap().path();
            if path.to_str().unwrap().ends_with(ending) {
                let mut bytes = fs::read(&path).unwrap();
                damage(&mut bytes);
                fs::write(&path, bytes).unwrap();
                damaged += 1;
            }
        }
        assert!(damaged > 0, "{ending}");
        build(&plan, &options(&out, &sources, 2), &Bytes, &Progress::new()).unwrap();
        assert!(files(&whole) == files(&out), "{ending}");
        fs::remove_dir_all(&out).unwrap();
    }
}

/// A defect in an encoder ends the build, not the process.
#[test]
fn a_thread_that_dies_is_an_error() {
    struct Dying;
    impl Encoder for Dying {
        fn session(&self) -> Box<dyn Session + '_> {
            panic!("as wanted")
        }
    }
    let dir = folder("dying");
    let (sources, _) = corpus(&dir, 1);
    let plan = plan(Pack::BestFit, 512);
    let error = build(&plan, &options(&dir.join("out"), &sources, 2), &Dying, &Progress::new()).unwrap_err();
    assert_eq!(error.kind, Kind::Internal);
}

#[test]
fn best_fit_keeps_every_document_that_fits_whole_and_every_token_once() {
    let dir = folder("best-fit");
    let (sources, texts) = corpus(&dir, 9);
    let plan = plan(Pack::BestFit, 2048);
    let manifest = build(&plan, &options(&dir.join("out"), &sources, 2), &Bytes, &Progress::new()).unwrap();
    let mut found: BTreeMap<Vec<u32>, i64> = BTreeMap::new();
    let mut tokens = 0;
    for split in ["train", "validation"] {
        for row in pieces(&dir.join("out"), &manifest, split) {
            assert!(row.iter().map(Vec::len).sum::<usize>() <= 2048);
            for piece in row {
                tokens += piece.len();
                *found.entry(piece).or_default() += 1;
            }
        }
    }
    for text in &texts {
        for piece in encoded(text).chunks(2048) {
            let count = found.get_mut(piece).expect("a piece is missing or was cut");
            *count -= 1;
        }
    }
    assert!(found.values().all(|&count| count == 0));
    assert_eq!(tokens, texts.iter().map(|text| text.len() + 1).sum::<usize>());
    let train = manifest.split("train").unwrap();
    assert!((train.counts.padding as f64) < 0.002 * train.counts.tokens as f64, "{train:?}");
}

#[test]
fn concatenation_shares_one_token_between_neighbours() {
    let dir = folder("concat");
    let (sources, texts) = corpus(&dir, 1);
    let plan = Plan { split: [1.0, 0.0, 0.0], ..plan(Pack::Concat, 100) };
    let manifest = build(&plan, &options(&dir.join("out"), &sources, 2), &Bytes, &Progress::new()).unwrap();
    let rows = pieces(&dir.join("out"), &manifest, "train");
    let stream: Vec<u32> = texts.iter().flat_map(|text| encoded(text)).collect();
    let mut at = 0;
    for row in &rows {
        let row: Vec<u32> = row.concat();
        assert_eq!(row[..], stream[at..at + row.len()]);
        at += 100;
    }
    assert!(at + 1 >= stream.len() && rows.len() == (stream.len() - 1).div_ceil(100));
}

#[test]
fn splits_depend_on_the_text_alone_and_hold_their_shares() {
    let dir = folder("splits");
    let (sources, texts) = corpus(&dir, 9);
    let plan = Plan { split: [0.8, 0.1, 0.1], ..plan(Pack::None, 8000) };
    let manifest = build(&plan, &options(&dir.join("out"), &sources, 2), &Bytes, &Progress::new()).unwrap();
    for (split, share) in [("train", 0.8), ("validation", 0.1), ("test", 0.1)] {
        let n = manifest.split(split).unwrap().documents as f64;
        let expected = texts.len() as f64 * share;
        assert!((n - expected).abs() < 4.0 * (expected * (1.0 - share)).sqrt(), "{split}: {n}, expected {expected}");
    }
}

#[test]
fn a_flipped_byte_is_found_by_verify_and_by_the_reader() {
    let dir = folder("flipped");
    let (sources, _) = corpus(&dir, 1);
    let out = dir.join("out");
    let manifest = build(&plan(Pack::BestFit, 128), &options(&out, &sources, 1), &Bytes, &Progress::new()).unwrap();
    manifest.verify(&out, &Progress::new()).unwrap();
    let shard = out.join(&manifest.split("train").unwrap().shards[0].file);
    let mut bytes = fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&shard, bytes).unwrap();
    let error = manifest.verify(&out, &Progress::new()).unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
    assert!(error.message.contains("train-00000.arrow"), "{error}");
    let mut loader = Loader::new(reading(&[(&out, 1.0)], 4, Vec::new())).unwrap();
    assert_eq!(loader.next_batch().unwrap_err().kind, Kind::Corrupt);
}

#[test]
fn bad_records_are_named_and_a_limit_stops_the_build() {
    let dir = folder("rejects");
    let path = dir.join("bad.jsonl");
    let text = b"{\"text\": \"one\"}\n{\"text\": \n{\"tex\": 1}\n{\"text\": \"caf\xe9\"}\n\n{\"text\": \"two\"}\n";
    fs::write(&path, text).unwrap();
    let sources = [Source { path: path.to_str().unwrap().into(), format: Format::Jsonl }];
    let plan = Plan { split: [1.0, 0.0, 0.0], ..plan(Pack::None, 8) };
    let allowed = Options { max_rejects: 3, ..options(&dir.join("out"), &sources, 1) };
    let manifest = build(&plan, &allowed, &Bytes, &Progress::new()).unwrap();
    assert_eq!(manifest.statistics.rejected, 3);
    assert_eq!(manifest.statistics.documents, 2);
    let lines = fs::read_to_string(dir.join("out/rejects.jsonl")).unwrap();
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["line"].as_u64().unwrap();
    assert_eq!(lines.lines().map(number).collect::<Vec<_>>(), [2, 3, 4]);
    let error = build(&plan, &options(&dir.join("out2"), &sources, 1), &Bytes, &Progress::new()).unwrap_err();
    assert!(error.message.contains("bad.jsonl:2"), "{error}");
}

fn reading(sets: &[(&Path, f64)], batch_size: usize, taken: Vec<u64>) -> loader::Options {
    loader::Options {
        sets: sets.iter().map(|(dir, weight)| SetOptions { dir: dir.to_path_buf(), weight: *weight }).collect(),
        split: "train".into(),
        batch_size,
        seed: 9,
        shuffle: true,
        start_epoch: 0,
        epochs: Some(2),
        drop_last: false,
        rank: 0,
        world: 1,
        verify: true,
        boundary_loss: false,
        masked_positions: false,
        cu_seqlens: false,
        prefetch: 2,
        taken,
    }
}

#[test]
fn a_reader_goes_on_from_any_batch_and_blends_by_weight() {
    let dir = folder("reader");
    let (sources, _) = corpus(&dir, 3);
    let sets: Vec<PathBuf> = (0..2)
        .map(|i| {
            let out = dir.join(format!("out{i}"));
            build(&plan(Pack::BestFit, 64), &options(&out, &sources[i..i + 2], 1), &Bytes, &Progress::new()).unwrap();
            out
        })
        .collect();
    let all = |options: loader::Options| {
        let mut loader = Loader::new(options).unwrap();
        std::iter::from_fn(move || loader.next_batch().unwrap()).collect::<Vec<_>>()
    };
    let whole = all(reading(&[(&sets[0], 1.0)], 1000, Vec::new()));
    for at in [0, 1, 7, whole.len() - 2] {
        let rest = all(reading(&[(&sets[0], 1.0)], 1000, whole[at].taken.clone()));
        assert!(rest == whole[at + 1..]);
    }
    // Two epochs: every row twice, in two orders.
    let rows: u64 = whole.iter().map(|batch| batch.rows as u64).sum();
    assert_eq!(rows, 2 * Manifest::read(&sets[0]).unwrap().split("train").unwrap().counts.rows);

    let blend = [(sets[0].as_path(), 0.7), (sets[1].as_path(), 0.3)];
    let mixed = all(reading(&blend, 256, Vec::new()));
    for batch in &mixed {
        let total: u64 = batch.taken.iter().sum();
        assert!((batch.taken[0] as f64 - 0.7 * total as f64).abs() <= 1.0);
    }
    let rest = all(reading(&blend, 256, mixed[3].taken.clone()));
    assert!(rest == mixed[4..]);

    // Two ranks share the rows of one reader with batches twice as large.
    let rank = |rank| all(loader::Options { rank, world: 2, ..reading(&[(&sets[0], 1.0)], 500, Vec::new()) });
    let ranks = [rank(0), rank(1)];
    for (i, batch) in whole.iter().enumerate() {
        for row in 0..batch.rows {
            let ids = |batch: &loader::Batch, row: usize| batch.columns[0].data[row * 64..(row + 1) * 64].to_vec();
            assert_eq!(ids(batch, row), ids(&ranks[row % 2][i], row / 2));
        }
    }
}

#[test]
fn causal_batches_are_shifted_once_and_masked_by_length() {
    let dir = folder("golden");
    let path = dir.join("two.jsonl");
    fs::write(&path, "{\"text\": \"abc\"}\n{\"text\": \"de\"}\n").unwrap();
    let sources = [Source { path: path.to_str().unwrap().into(), format: Format::Jsonl }];
    let special = Special { eos: Some(END), ..Special::default() };
    let vocabulary = Vocabulary { size: 257, sha256: "bytes".into(), special };
    let plan = Plan { split: [1.0, 0.0, 0.0], vocabulary, ..plan(Pack::BestFit, 10) };
    let out = dir.join("out");
    build(&plan, &options(&out, &sources, 1), &Bytes, &Progress::new()).unwrap();
    let batch = |boundary_loss: bool| {
        let options = loader::Options { boundary_loss, ..reading(&[(&out, 1.0)], 1, Vec::new()) };
        let columns = Loader::new(options).unwrap().next_batch().unwrap().unwrap().columns;
        columns.into_iter().map(|column| column.data).collect::<Vec<_>>()
    };
    // Padding has the id of the end token: only the lengths tell them apart.
    let (a, b, c, d, e, end, no) = (97, 98, 99, 100, 101, 256, -100);
    let columns = batch(false);
    assert_eq!(columns[0], [a, b, c, end, d, e, end, end, end, end]);
    assert_eq!(columns[1], [b, c, end, no, e, end, no, no, no, no]);
    assert_eq!(columns[2], [0, 1, 2, 3, 0, 1, 2, 0, 0, 0]);
    assert_eq!(columns[3], [1, 1, 1, 1, 2, 2, 2, 0, 0, 0]);
    assert_eq!(batch(true)[1], [b, c, end, d, e, end, no, no, no, no]);
}

#[test]
fn parquet_and_arrow_give_the_rows_of_jsonl() {
    let dir = folder("columns");
    let texts: Vec<String> = (0..3000).map(|n| format!("document number {n} of several")).collect();
    let lines: String = texts.iter().map(|text| format!("{{\"meta\": {{\"text\": \"{text}\"}}}}\n")).collect();
    fs::write(dir.join("a.jsonl"), lines).unwrap();
    let values: ArrayRef = Arc::new(StringArray::from(texts));
    let field = Arc::new(Field::new("text", DataType::Utf8, false));
    let meta: ArrayRef = Arc::new(StructArray::from(vec![(field, values)]));
    let batch = RecordBatch::try_from_iter([("meta", meta)]).unwrap();
    let mut parquet =
        ArrowWriter::try_new(fs::File::create(dir.join("a.parquet")).unwrap(), batch.schema(), None).unwrap();
    parquet.write(&batch).unwrap();
    parquet.close().unwrap();
    millrace_native::arrow::write::write_file(&dir.join("a.arrow"), &batch.schema(), std::slice::from_ref(&batch))
        .unwrap();

    let plan = Plan { fields: Fields { names: vec!["meta.text".into()], nested: false }, ..plan(Pack::BestFit, 64) };
    let shards = |name: &str, format: Format| {
        let sources = [Source { path: dir.join(name).to_str().unwrap().into(), format }];
        let out = dir.join(format!("out-{name}"));
        build(&plan, &options(&out, &sources, 2), &Bytes, &Progress::new()).unwrap();
        let mut all = files(&out);
        all.remove("manifest.json");
        all
    };
    let jsonl = shards("a.jsonl", Format::Jsonl);
    assert!(jsonl == shards("a.parquet", Format::Parquet));
    assert!(jsonl == shards("a.arrow", Format::Arrow));
    let wrong = Plan { fields: Fields { names: vec!["text".into()], nested: false }, ..plan.clone() };
    let sources = [Source { path: dir.join("a.parquet").to_str().unwrap().into(), format: Format::Parquet }];
    let error = build(&wrong, &options(&dir.join("wrong"), &sources, 1), &Bytes, &Progress::new()).unwrap_err();
    assert!(error.message.contains("no column text") && error.hint.unwrap().contains("meta"));
}

#[test]
fn copies_are_left_out_the_same_for_any_thread_count() {
    let dir = folder("copies");
    let (sources, texts) = corpus(&dir, 6);
    let twice: Vec<Source> = sources.iter().chain(&sources).cloned().collect();
    let plan = Plan { clean: Clean { dedup: true, ..Clean::default() }, ..plan(Pack::BestFit, 512) };
    let manifest = build(&plan, &options(&dir.join("one"), &twice, 1), &Bytes, &Progress::new()).unwrap();
    build(&plan, &options(&dir.join("two"), &twice, 2), &Bytes, &Progress::new()).unwrap();
    assert!(files(&dir.join("one")) == files(&dir.join("two")));
    let distinct = texts.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
    assert_eq!(manifest.statistics.documents, distinct);
    assert_eq!(manifest.statistics.copies, 2 * texts.len() as u64 - distinct);
}

#[test]
fn paragraphs_and_lines() {
    let dir = folder("paragraphs");
    let path = dir.join("a.txt");
    fs::write(&path, "\u{feff}one\ntwo\n\n \n\nthree\r\n\r\nfour").unwrap();
    let count = |format: Format| {
        let sources = [Source { path: path.to_str().unwrap().into(), format }];
        let plan = Plan { split: [1.0, 0.0, 0.0], ..plan(Pack::None, 32) };
        let out = dir.join(format!("{format:?}"));
        let manifest = build(&plan, &options(&out, &sources, 1), &Bytes, &Progress::new()).unwrap();
        let rows = pieces(&out, &manifest, "train");
        rows.into_iter()
            .map(|row| row[0].iter().filter(|&&id| id < END).map(|&id| id as u8 as char).collect())
            .collect::<Vec<String>>()
    };
    assert_eq!(count(Format::Paragraph), ["one\ntwo", "three", "four"]);
    assert_eq!(count(Format::Line), ["one", "two", "three", "four"]);
    assert_eq!(count(Format::File), ["one\ntwo\n\n \n\nthree\r\n\r\nfour"]);
}
