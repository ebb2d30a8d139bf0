//! The stages of a cluster against the local build: however the text is cut into portions, batches and rows, and whichever
//! process takes which, the merged result is the local one, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use millrace_native::corpus::clean::Clean;
use millrace_native::corpus::portion::Portion;
use millrace_native::corpus::records::Fields;
use millrace_native::corpus::{Format, Source};
use millrace_native::dataset::build::{Options, build};
use millrace_native::dataset::manifest::Manifest;
use millrace_native::dataset::plan::{Plan, Task, VERSION, Vocabulary};
use millrace_native::dataset::special::Special;
use millrace_native::dataset::tasks::causal::{Causal, Pack};
use millrace_native::dataset::tasks::mask::Masking;
use millrace_native::dataset::tasks::mlm::Mlm;
use millrace_native::encode::Tokenizer;
use millrace_native::error::{Kind, Result};
use millrace_native::progress::Progress;
use millrace_native::stage::dedup::Copies;
use millrace_native::stage::plan::{Count, FORMAT, SizedSource, StagePlan};
use millrace_native::stage::run::{Stage, Step, run};
use millrace_native::stage::stream::{About, Form, KEY, Reader};
use millrace_native::stage::{count, work};
use millrace_native::text::split::Splitter;
use millrace_native::vocab::alphabet::byte_chars;
use millrace_native::vocab::count::Counter;
use millrace_native::vocab::words::WordCounts;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stage").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A token a byte, and one for the end, one for the start, one for masks.
fn tokenizer() -> String {
    let mut vocab: BTreeMap<String, u32> =
        byte_chars().iter().enumerate().map(|(id, c)| (c.to_string(), id as u32)).collect();
    let special = ["<|endoftext|>", "[CLS]", "[SEP]", "[MASK]", "[PAD]"];
    vocab.extend(special.iter().enumerate().map(|(i, token)| (token.to_string(), 256 + i as u32)));
    let added: Vec<_> = special
        .iter()
        .enumerate()
        .map(|(i, token)| {
            serde_json::json!({"id": 256 + i, "content": token, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    serde_json::json!({"version": "1.0", "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": []}})
    .to_string()
}

fn plan(task: Task, clean: Clean, partition_bytes: u64) -> Plan {
    let special = Special { all: vec![256, 257, 258, 259, 260], pad: Some(260), ..Special::default() };
    Plan {
        version: VERSION,
        task,
        seq_len: 64,
        seed: 5,
        split: [0.8, 0.2, 0.0],
        fields: Fields { names: vec!["text".into()], nested: false },
        clean,
        vocabulary: Vocabulary { size: 261, sha256: "bytes".into(), special },
        partition_bytes,
    }
}

fn causal() -> Task {
    Task::Causal(Causal { pack: Pack::BestFit, bos: None, eos: Some(256) })
}

fn mlm() -> Task {
    let masking =
        Masking { probability: 0.15, max_predictions: 10, fixed: true, whole_word: true, ngram: 1, mask: 259 };
    Task::Mlm(Mlm { pack: Pack::BestFit, masking, cls: 257, sep: 258 })
}

fn sized(sources: &[Source]) -> Vec<SizedSource> {
    let size = |source: &Source| {
        let bytes = fs::read(&source.path).unwrap();
        let open_ended = bytes.iter().rev().take_while(|&&byte| byte != b'\n').count() as u64;
        SizedSource { path: source.path.clone(), format: source.format, bytes: bytes.len() as u64, open_ended }
    };
    sources.iter().map(size).collect()
}

fn stage_plan(sources: &[Source], dataset: Option<Plan>, count: Option<Count>, partition_bytes: u64) -> String {
    let plan = StagePlan {
        format: FORMAT.into(),
        code: env!("CARGO_PKG_VERSION").into(),
        sources: sized(sources),
        partition_bytes,
        count,
        tokenizer: dataset.as_ref().map(|_| tokenizer()),
        dataset,
    };
    serde_json::to_string(&plan).unwrap()
}

fn hash(plan: &str) -> String {
    Sha256::digest(plan).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

fn stream(plan: &str, form: Form, copies: Option<String>, batches: Vec<Vec<(usize, Vec<u8>)>>) -> Vec<u8> {
    stream_about(&About { copies, ..About::new(&hash(plan), form) }, batches)
}

fn stream_about(about: &About, batches: Vec<Vec<(usize, Vec<u8>)>>) -> Vec<u8> {
    let fields = vec![Field::new("source", DataType::Int32, false), Field::new("data", DataType::Binary, false)];
    let metadata = [(KEY.to_string(), serde_json::to_string(about).unwrap())];
    let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    for rows in batches {
        let source: ArrayRef =
            Arc::new(Int32Array::from(rows.iter().map(|(source, _)| *source as i32).collect::<Vec<_>>()));
        let data: ArrayRef =
            Arc::new(BinaryArray::from(rows.iter().map(|(_, data)| data.as_slice()).collect::<Vec<_>>()));
        writer.write(&RecordBatch::try_new(schema.clone(), vec![source, data]).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// A portion's text as a reader of an engine gives it: lines of a part as Hadoop cuts them, or pieces of files of any size.
fn input(plan: &str, portion: &Portion, sources: &[Source], copies: Option<String>, dice: &mut Dice) -> Vec<u8> {
    let mut rows: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut form = Form::Files;
    for file in portion.files.clone() {
        let bytes = fs::read(&sources[file].path).unwrap();
        match &portion.bytes {
            Some(part) if dice.below(3) > 0 => {
                form = Form::Lines;
                let mut start = 0u64;
                for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                    let inside = (start > part.start || start == 0 && part.start == 0) && start <= part.end;
                    if inside {
                        rows.push((file, line.strip_suffix(b"\n").unwrap_or(line).to_vec()));
                    }
                    start += line.len() as u64;
                }
            }
            Some(part) => {
                let after = |at: u64| {
                    let at = at as usize;
                    let found = bytes.iter().skip(at).position(|&byte| byte == b'\n');
                    found.map_or(bytes.len(), |found| at + found + 1)
                };
                let start = if part.start == 0 { 0 } else { after(part.start) };
                let end = after(part.end);
                rows.push((file, bytes[start.min(end)..end].to_vec()));
            }
            None => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at((1 + dice.below(400)).min(rest.len()));
                    rows.push((file, piece.to_vec()));
                    rest = after;
                }
            }
        }
    }
    let mut batches = Vec::new();
    while !rows.is_empty() {
        let rest = rows.split_off((1 + dice.below(9)).min(rows.len()));
        batches.push(std::mem::replace(&mut rows, rest));
    }
    stream(plan, form, copies, batches)
}

fn steps(plan: &str, partition: u64, steps: &[Step], input: Option<Vec<u8>>) -> Result<Vec<u8>> {
    let mut output = Vec::new();
    let stage = Stage { steps, plan, partition: Some(partition), into: None };
    let input = input.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>);
    run(&stage, input, &mut output, &Progress::new())?;
    Ok(output)
}

fn deliver(out: &Path, files: &[u8]) {
    for batch in StreamReader::try_new(files, None).unwrap().map(|batch| batch.unwrap()) {
        for row in 0..batch.num_rows() {
            let name = batch.column(0).as_string::<i32>().value(row);
            fs::write(out.join(".build").join(name), batch.column(1).as_binary::<i64>().value(row)).unwrap();
        }
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Builds locally and by stages, and compares all files. `apart`: a process a stage rather than one for all.
fn compare(dir: &Path, sources: &[Source], plan: Plan, seed: u64, apart: bool) {
    let [local, merged] = ["local", "merged"].map(|name| dir.join(name));
    let options =
        Options { out: local.clone(), sources: sources.to_vec(), threads: 2, max_rejects: 1000, parquet: false };
    let encoder = Tokenizer::from_json(tokenizer().as_bytes()).unwrap();
    let built = build(&plan, &options, &encoder, &Progress::new());
    let text = stage_plan(sources, Some(plan.clone()), None, plan.partition_bytes);
    let portions = StagePlan::parse(&text).unwrap().0.portions();
    let mut dice = Dice(seed);
    let copies = copies(&text, &plan, sources, &portions, &mut dice);
    assert!(work::open(&merged, &text).unwrap().is_empty());
    let mut order: Vec<usize> = (0..portions.len()).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, dice.below(last + 1));
    }
    for number in order {
        let copies = copies.get(&(number as i32)).map(|bits| bits.iter().map(|byte| format!("{byte:02x}")).collect());
        let own = if dice.below(4) == 0 && copies.is_none() {
            None
        } else {
            Some(input(&text, &portions[number], sources, copies, &mut dice))
        };
        let number = number as u64;
        let outputs = if apart {
            let tokens = steps(&text, number, &[Step::Tokenize], own).unwrap();
            let packed = steps(&text, number, &[Step::Pack], Some(tokens)).unwrap();
            steps(&text, number, &[Step::Mask], Some(packed)).unwrap()
        } else {
            steps(&text, number, &[Step::Tokenize, Step::Pack, Step::Mask], own).unwrap()
        };
        deliver(&merged, &outputs);
    }
    let Ok(manifest) = built else {
        let error = built.unwrap_err();
        let again = work::merge(&merged, &text, Vec::new(), 1000, &Progress::new()).unwrap_err();
        assert_eq!(
            again.message.replace(" 0 files", ""),
            error.message.replace(&format!(" {} files", sources.len()), "")
        );
        return;
    };
    assert_eq!(work::open(&merged, &text).unwrap().len(), portions.len());
    let inputs = Manifest::read(&local).unwrap().inputs;
    let again = work::merge(&merged, &text, inputs, 1000, &Progress::new()).unwrap();
    assert_eq!(manifest, again);
    assert!(files(&local) == files(&merged));
}

/// What the steps of finding copies come to, sorted between them as an engine does.
fn copies(
    text: &str,
    plan: &Plan,
    sources: &[Source],
    portions: &[Portion],
    dice: &mut Dice,
) -> BTreeMap<i32, Vec<u8>> {
    if !plan.clean.dedup && plan.clean.near_dedup.is_none() {
        return BTreeMap::new();
    }
    let own = |(number, portion): (usize, &Portion)| {
        let input = input(text, portion, sources, None, dice);
        steps(text, number as u64, &[Step::Dedup], Some(input)).unwrap()
    };
    let signatures: Vec<Vec<u8>> = portions.iter().enumerate().map(own).collect();
    let firsts = steps(text, 0, &[Step::Dedup], Some(sorted(text, &signatures, Form::Signatures))).unwrap();
    let near = steps(text, 0, &[Step::Dedup], Some(sorted(text, std::slice::from_ref(&firsts), Form::Bands))).unwrap();
    let mut copies = Copies::default();
    for stream in [firsts, near] {
        let mut reader = Reader::any(stream.as_slice()).unwrap();
        while let Some(batch) = reader.next_batch().unwrap() {
            copies.add(&batch).unwrap();
        }
    }
    copies.finish()
}

fn sorted(text: &str, streams: &[Vec<u8>], form: Form) -> Vec<u8> {
    let read = |stream: &Vec<u8>| {
        StreamReader::try_new(Cursor::new(stream.clone()), None).unwrap().map(|b| b.unwrap()).collect::<Vec<_>>()
    };
    let batches: Vec<RecordBatch> = streams.iter().flat_map(read).collect();
    let about = serde_json::to_string(&About::new(&hash(text), form)).unwrap();
    let fields = millrace_native::stage::dedup::fields();
    let schema = Arc::new(Schema::new(fields).with_metadata([(KEY.to_string(), about)]));
    let batches: Vec<RecordBatch> =
        batches.iter().map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()).unwrap()).collect();
    let all = concat_batches(&schema, &batches).unwrap();
    let keys = all.column(0).as_binary::<i32>();
    let (portions, n) = (all.column(1).as_primitive::<Int32Type>(), all.column(2).as_primitive::<Int64Type>());
    let mut order: Vec<u32> = (0..all.num_rows() as u32).filter(|&row| keys.is_valid(row as usize)).collect();
    order.sort_by_key(|&row| (keys.value(row as usize).to_vec(), portions.value(row as usize), n.value(row as usize)));
    let taken = take_record_batch(&all, &arrow_array::UInt32Array::from(order)).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&taken).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// Files of several formats: lines with and without a last newline, broken records, paragraphs, whole files, packed ones.
fn corpus(dir: &Path, texts: &[String], dice: &mut Dice) -> Vec<Source> {
    let mut sources = Vec::new();
    let count = 1 + dice.below(4);
    for (number, texts) in texts.chunks(texts.len().div_ceil(count).max(1)).enumerate() {
        let (mut text, format, end) = match dice.below(4) {
            0 => (texts.join("\n\n"), Format::Paragraph, "txt"),
            1 => (texts.join("\n"), Format::File, "txt"),
            _ => {
                let line = |text: &String| format!("{}\n", serde_json::json!({ "text": text }));
                let mut lines: String = texts.iter().map(line).collect();
                if dice.below(3) == 0 {
                    lines.insert_str(0, "{broken\n\n");
                }
                (lines, Format::Jsonl, "jsonl")
            }
        };
        if dice.below(2) == 0 {
            text.truncate(text.trim_end_matches('\n').len());
        }
        if dice.below(4) == 0 {
            text.insert(0, '\u{feff}');
        }
        let packed = dice.below(4) == 0;
        let path = dir.join(format!("{number}.{end}{}", if packed { ".gz" } else { "" }));
        if packed {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            fs::write(&path, encoder.finish().unwrap()).unwrap();
        } else {
            fs::write(&path, text).unwrap();
        }
        sources.push(Source { path: path.to_str().unwrap().into(), format });
    }
    sources
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_partitioning_merges_to_the_local_build(
        texts in prop::collection::vec("[a-f 你好,.]{0,60}(\n[a-c ]{0,20}){0,2}", 1..40),
        partition_bytes in 30u64..1500, seed: u64, masked: bool, apart: bool, dedup in 0..4,
    ) {
        let dir = folder(&format!("any-{seed:016x}"));
        let clean = Clean { dedup: dedup == 1, near_dedup: (dedup == 2).then_some(0.5), ..Clean::default() };
        let sources = corpus(&dir, &texts, &mut Dice(seed));
        let task = if masked { mlm() } else { causal() };
        compare(&dir, &sources, plan(task, clean, partition_bytes), seed, apart);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn words_add_up_however_they_are_shared_out(
        texts in prop::collection::vec("[a-c ]{0,9}\n?", 1..60), partition_bytes in 5u64..200, seed: u64,
    ) {
        let dir = folder(&format!("words-{seed:016x}"));
        let mut dice = Dice(seed);
        let sources: Vec<Source> = texts.chunks(1 + dice.below(texts.len())).enumerate().map(|(number, texts)| {
            let path = dir.join(format!("{number}.txt"));
            fs::write(&path, texts.concat()).unwrap();
            Source { path: path.to_str().unwrap().into(), format: Format::Line }
        }).collect();
        let counter = Counter::new(Splitter::from_name_or_pattern("gpt2").unwrap(), None, &[]).unwrap();
        let paths: Vec<PathBuf> = sources.iter().map(|source| PathBuf::from(&source.path)).collect();
        counter.count_files(&paths, 1, &Progress::new()).unwrap();

        let how = Count { split: "gpt2".into(), normalizer: "none".into(), special_tokens: vec![], lines: true, fields: vec![] };
        let text = stage_plan(&sources, None, Some(how), partition_bytes);
        let mut summed = WordCounts::default();
        for (number, portion) in StagePlan::parse(&text).unwrap().0.portions().iter().enumerate() {
            let own = (dice.below(4) > 0).then(|| input(&text, portion, &sources, None, &mut dice));
            let output = steps(&text, number as u64, &[Step::Count], own).unwrap();
            count::add_stream(output.as_slice(), Some("split=gpt2 normalizer=none"), &mut summed, &Progress::new()).unwrap();
        }
        let all = |counts: &WordCounts| {
            let mut all = BTreeMap::new();
            counts.for_each(|word, n| { all.insert(String::from_utf8(word.to_vec()).unwrap(), n); });
            all
        };
        prop_assert_eq!(all(&counter.counts), all(&summed));
        fs::remove_dir_all(&dir).unwrap();
    }
}

/// Partitions large enough to be packed and masked by themselves, parts of one file among them.
#[test]
fn packed_partitions_are_the_local_ones() {
    for (name, task, apart) in [("causal", causal(), false), ("masked", mlm(), true)] {
        let dir = folder(name);
        let mut dice = Dice(7);
        let mut lines = String::new();
        while lines.len() < 7 << 20 {
            let text: String = (0..1 + dice.below(3000)).map(|_| (b'a' + dice.below(20) as u8) as char).collect();
            lines += &format!("{}\n", serde_json::json!({ "text": text }));
        }
        fs::write(dir.join("a.jsonl"), lines).unwrap();
        let sources = [Source { path: dir.join("a.jsonl").to_str().unwrap().into(), format: Format::Jsonl }];
        compare(&dir, &sources, plan(task, Clean::default(), 2 << 20), 3, apart);
        let manifest = Manifest::read(&dir.join("merged")).unwrap();
        assert!(manifest.splits[0].shards.len() > 3, "{:?}", manifest.splits[0].shards);
    }
}

#[test]
fn what_can_be_tried_again_is_told_from_what_can_not() {
    let dir = folder("errors");
    let path = dir.join("a.jsonl");
    fs::write(&path, "{\"text\": \"one two\"}\n".repeat(50)).unwrap();
    let sources = [Source { path: path.to_str().unwrap().into(), format: Format::Jsonl }];
    let text = stage_plan(&sources, Some(plan(causal(), Clean::default(), 100)), None, 100);
    let portion = StagePlan::parse(&text).unwrap().0.portion(2).unwrap();
    let whole = input(&text, &portion, &sources, None, &mut Dice(1));
    let all = [Step::Tokenize, Step::Pack, Step::Mask];
    steps(&text, 2, &all, Some(whole.clone())).unwrap();
    for cut in (0..whole.len()).step_by(7).chain([whole.len() - 1, whole.len() - 8]) {
        let error = steps(&text, 2, &all, Some(whole[..cut].to_vec())).unwrap_err();
        assert_eq!(error.kind, Kind::Corrupt, "cut at {cut}: {error}");
    }
    let other = text.replace("\"seed\":5", "\"seed\":6");
    assert_eq!(steps(&other, 2, &all, Some(whole.clone())).unwrap_err().kind, Kind::Config);
    assert_eq!(steps("{}", 2, &all, Some(whole.clone())).unwrap_err().kind, Kind::Config);
    assert_eq!(steps(&text, 99, &all, Some(whole.clone())).unwrap_err().kind, Kind::Config);
    // The rows of another partition, or in another order, are not taken for this one's.
    let two = stream(&text, Form::Files, None, vec![vec![(1, b"x".to_vec())]]);
    assert_eq!(steps(&text, 2, &all, Some(two)).unwrap_err().kind, Kind::Corrupt);
}

/// One process, streams one after the other in any order: each comes out as from a process of its own.
#[test]
fn a_process_that_goes_on_makes_of_each_partition_what_a_new_one_makes() {
    let dir = folder("kept");
    let path = dir.join("a.jsonl");
    let mut dice = Dice(3);
    let word = |dice: &mut Dice| (b'a' + dice.below(6) as u8) as char;
    let line = |dice: &mut Dice| (0..1 + dice.below(40)).map(|_| word(dice)).collect::<String>();
    let lines: String = (0..300).map(|_| format!("{{\"text\": \"{}\"}}\n", line(&mut dice))).collect();
    fs::write(&path, lines).unwrap();
    let sources = [Source { path: path.to_str().unwrap().into(), format: Format::Jsonl }];
    let text = stage_plan(&sources, Some(plan(mlm(), Clean::default(), 1500)), None, 1500);
    let portions = StagePlan::parse(&text).unwrap().0.portions();
    assert!(portions.len() > 4);
    let all = [Step::Tokenize, Step::Pack, Step::Mask];
    let named = |number: usize, dice: &mut Dice| {
        let bytes = fs::read(&path).unwrap();
        let part = portions[number].bytes.clone().unwrap();
        let mut start = 0;
        let mut rows = Vec::new();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if (start > part.start || start == 0 && part.start == 0) && start <= part.end {
                rows.push((0, line.strip_suffix(b"\n").unwrap().to_vec()));
            }
            start += line.len() as u64;
        }
        let batches = rows.chunks(1 + dice.below(9)).map(<[_]>::to_vec).collect();
        stream_about(&About { partition: Some(number as u64), ..About::new(&hash(&text), Form::Lines) }, batches)
    };
    let order = [3, 0, 3, 4, 1];
    let inputs: Vec<Vec<u8>> = order.iter().map(|&number| named(number, &mut dice)).collect();
    let apart: Vec<u8> = order
        .iter()
        .zip(&inputs)
        .flat_map(|(&number, input)| steps(&text, number as u64, &all, Some(input.clone())).unwrap())
        .collect();
    let together = |input: Vec<u8>, output: &mut Vec<u8>| {
        let stage = Stage { steps: &all, plan: &text, partition: None, into: None };
        run(&stage, Some(Box::new(Cursor::new(input))), output, &Progress::new())
    };
    let mut output = Vec::new();
    together(inputs.concat(), &mut output).unwrap();
    assert!(output == apart);
    together(Vec::new(), &mut Vec::new()).unwrap();
    // What is cut off within a stream, and a stream that doesn't say what it is.
    let cut = inputs.concat();
    assert_eq!(together(cut[..cut.len() - 9].to_vec(), &mut Vec::new()).unwrap_err().kind, Kind::Corrupt);
    let unnamed = stream(&text, Form::Lines, None, vec![vec![(0, b"{}".to_vec())]]);
    assert_eq!(together(unnamed, &mut Vec::new()).unwrap_err().kind, Kind::Config);
}
