//! Every task against an example written by hand from its paper's rule, and against its statistics.

// clippy.toml lets test functions panic; this lets their helpers too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use millrace_native::corpus::clean::Clean;
use millrace_native::corpus::records::Fields;
use millrace_native::corpus::{Format, Source};
use millrace_native::dataset::build::{Options, build};
use millrace_native::dataset::collate::Column;
use millrace_native::dataset::encoder::{Encoder, Session};
use millrace_native::dataset::ids::TokenIds;
use millrace_native::dataset::loader::{self, Loader, SetOptions};
use millrace_native::dataset::plan::{Plan, Task, VERSION, Vocabulary};
use millrace_native::dataset::rng::{Purpose, Rng};
use millrace_native::dataset::special::Special;
use millrace_native::dataset::tasks::causal::Pack;
use millrace_native::dataset::tasks::chat::Chat;
use millrace_native::dataset::tasks::classify::Classify;
use millrace_native::dataset::tasks::mask::{Masker, Masking, Scratch};
use millrace_native::dataset::tasks::mlm::Mlm;
use millrace_native::dataset::tasks::pair::Pair;
use millrace_native::dataset::tasks::seq2seq::Seq2seq;
use millrace_native::dataset::tasks::span::{self, Span};
use millrace_native::dataset::tokens::WORD;
use millrace_native::error::{Error, Result};
use millrace_native::progress::Progress;

const PAD: i32 = 0;
const CLS: i32 = 2;
const SEP: i32 = 3;
const MASK: i32 = 4;
const EOS: i32 = 5;
const BOS: i32 = 6;
const EXTRA: i32 = 7;
const NO: i32 = -100;
/// First ordinary id; letters count from here.
const A: i32 = 10;

/// A letter is a token, a run of letters a word; "." is a token too.
struct Letters;

impl Encoder for Letters {
    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(Letters)
    }
}

impl Session for Letters {
    fn encode(&mut self, text: &str, out: &mut TokenIds) -> Result<()> {
        self.encode_words(text, out, &mut Vec::new())
    }

    fn encode_words(&mut self, text: &str, out: &mut TokenIds, marks: &mut Vec<u8>) -> Result<()> {
        marks.resize(out.len(), 0);
        let mut begins = true;
        for c in text.chars() {
            if c.is_whitespace() {
                begins = true;
                continue;
            }
            out.push(if c == '.' { 9 } else { A as u32 + (c as u32 - 'a' as u32) });
            marks.push(if begins { WORD } else { 0 });
            begins = false;
        }
        Ok(())
    }
}

fn special() -> Special {
    let some = |id: i32| Some(id as u32);
    Special {
        pad: some(PAD),
        unk: some(1),
        bos: some(BOS),
        eos: some(EOS),
        cls: some(CLS),
        sep: some(SEP),
        mask: some(MASK),
        sentinels: vec![7, 8],
        all: (0..9).collect(),
    }
}

fn plan(task: Task, seq_len: usize, fields: &[&str]) -> Plan {
    let nested = matches!(task, Task::Chat(_));
    Plan {
        version: VERSION,
        task,
        seq_len,
        seed: 1,
        split: [1.0, 0.0, 0.0],
        fields: Fields { names: fields.iter().map(|&name| name.to_owned()).collect(), nested },
        clean: Clean::default(),
        vocabulary: Vocabulary { size: 36, sha256: "letters".into(), special: special() },
        partition_bytes: 1 << 20,
    }
}

fn masking() -> Masking {
    Masking { probability: 0.15, max_predictions: 20, fixed: false, whole_word: false, ngram: 1, mask: MASK as u32 }
}

/// Builds from text and reads one epoch in order.
fn batches(
    name: &str,
    plan: &Plan,
    format: Format,
    text: &str,
    positions: bool,
) -> Result<Vec<BTreeMap<&'static str, Vec<i32>>>> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dataset_tasks").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("text");
    fs::write(&path, text).unwrap();
    let sources = vec![Source { path: path.to_str().unwrap().into(), format }];
    let out = dir.join("out");
    build(
        plan,
        &Options { out: out.clone(), sources, threads: 2, max_rejects: 0, parquet: false },
        &Letters,
        &Progress::new(),
    )?;
    let options = loader::Options {
        sets: vec![SetOptions { dir: out, weight: 1.0 }],
        split: "train".into(),
        batch_size: 64,
        seed: 1,
        shuffle: false,
        start_epoch: 0,
        epochs: Some(1),
        drop_last: false,
        rank: 0,
        world: 1,
        verify: true,
        boundary_loss: false,
        masked_positions: positions,
        cu_seqlens: false,
        prefetch: 1,
        taken: Vec::new(),
    };
    let mut loader = Loader::new(options)?;
    let mut all = Vec::new();
    while let Some(batch) = loader.next_batch()? {
        all.push(batch.columns.into_iter().map(|Column { name, data, .. }| (name, data)).collect());
    }
    Ok(all)
}

fn one(name: &str, plan: &Plan, format: Format, text: &str) -> BTreeMap<&'static str, Vec<i32>> {
    batches(name, plan, format, text, false).unwrap().remove(0)
}

fn letter(c: char) -> i32 {
    A + (c as i32 - 'a' as i32)
}

#[test]
fn seq2seq_golden() {
    let task = Task::Seq2seq(Seq2seq { target_len: 4, eos: EOS as u32, start: BOS as u32 });
    let text = "{\"de\": \"ab\", \"en\": \"c\"}\n{\"de\": \"abcdefgh\", \"en\": \"ddddddd\"}\n";
    let batch = one("seq2seq", &plan(task, 8, &["de", "en"]), Format::Jsonl, text);
    let l = letter;
    assert_eq!(batch["input_ids"][..8], [l('a'), l('b'), EOS, PAD, PAD, PAD, PAD, PAD]);
    assert_eq!(batch["attention_mask"][..8], [1, 1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(batch["decoder_input_ids"][..4], [BOS, l('c'), PAD, PAD]);
    assert_eq!(batch["labels"][..4], [l('c'), EOS, NO, NO]);
    assert_eq!(batch["decoder_attention_mask"][..4], [1, 1, 0, 0]);
    // Too long: cut, the end token stays.
    assert_eq!(batch["input_ids"][8..], [l('a'), l('b'), l('c'), l('d'), l('e'), l('f'), l('g'), EOS]);
    assert_eq!(batch["labels"][4..], [l('d'), l('d'), l('d'), EOS]);
    assert_eq!(batch["decoder_input_ids"][4..], [BOS, l('d'), l('d'), l('d')]);
}

#[test]
fn classification_golden() {
    let task = |pair, begin: Option<i32>, end: i32| {
        Task::Classify(Classify {
            classes: vec!["bad".into(), "good".into()],
            pair,
            begin: begin.map(|id| id as u32),
            between: if end == EOS { EOS } else { SEP } as u32,
            end: end as u32,
        })
    };
    let l = letter;
    let text = "{\"a\": \"ab\", \"b\": \"cde\", \"y\": \"good\"}\n{\"a\": \"abcdef\", \"b\": \"cd\", \"y\": \"bad\"}\n";
    let batch = one("pair-class", &plan(task(true, Some(CLS), SEP), 8, &["a", "b", "y"]), Format::Jsonl, text);
    assert_eq!(batch["input_ids"][..8], [CLS, l('a'), l('b'), SEP, l('c'), l('d'), l('e'), SEP]);
    assert_eq!(batch["token_type_ids"][..8], [0, 0, 0, 0, 1, 1, 1, 1]);
    // Eleven tokens: the longer text loses three.
    assert_eq!(batch["input_ids"][8..], [CLS, l('a'), l('b'), l('c'), SEP, l('c'), l('d'), SEP]);
    assert_eq!(batch["labels"], [1, 0]);
    // A decoder's vocabulary: no begin mark, an end token; the language model's targets beside the class.
    let batch = one("class", &plan(task(false, None, EOS), 8, &["a", "y"]), Format::Jsonl, text);
    assert_eq!(batch["input_ids"][..8], [l('a'), l('b'), EOS, PAD, PAD, PAD, PAD, PAD]);
    assert_eq!(batch["attention_mask"][..8], [1, 1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(batch["lm_labels"][..8], [l('b'), EOS, NO, NO, NO, NO, NO, NO]);
    let wrong = batches("class-wrong", &plan(task(false, None, EOS), 8, &["a", "b"]), Format::Jsonl, text, false);
    assert!(wrong.unwrap_err().message.contains("\"cde\" is none of bad, good"));
}

#[test]
fn chat_golden() {
    let chat =
        Chat { pack: Pack::BestFit, prefix: "{role} ".into(), suffix: ".".into(), bos: None, eos: Some(EOS as u32) };
    let text = r#"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}, {"role": "user", "content": "x"}]}"#;
    let chat = |suffix: &str| Task::Chat(Chat { suffix: suffix.into(), ..chat.clone() });
    let batch = one("chat", &plan(chat("."), 40, &["messages"]), Format::Jsonl, text);
    let spelled = "userhi.assistantyo.userx.";
    let ids: Vec<i32> = spelled.chars().map(|c| if c == '.' { 9 } else { letter(c) }).chain([EOS]).collect();
    assert_eq!(batch["input_ids"][..ids.len()], ids);
    // "y", "o" and "." after it are targets, each at the place before.
    let expected: Vec<i32> = (0..40).map(|t| if (15..18).contains(&t) { ids[t + 1] } else { NO }).collect();
    assert_eq!(batch["labels"], expected);
    // A prompt and a completion in two fields: the completion and the end token.
    let text = "{\"prompt\": \"q\", \"completion\": \"a\"}\n";
    let batch = one("completion", &plan(chat(""), 24, &["prompt", "completion"]), Format::Jsonl, text);
    assert_eq!(batch["labels"].iter().filter(|&&label| label != NO).copied().collect::<Vec<_>>(), [letter('a'), EOS]);
    let nothing = "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n";
    let wrong = batches("chat-wrong", &plan(chat("."), 24, &["messages"]), Format::Jsonl, nothing, false);
    assert!(wrong.unwrap_err().message.contains("no message of the assistant"));
}

#[test]
fn spans_golden_and_whole() {
    let task = |density: f64, mean_length: f64| Span {
        density,
        mean_length,
        fixed: false,
        eos: EOS as u32,
        start: PAD as u32,
        sentinels: (EXTRA as u32..EXTRA as u32 + 200).collect(),
        text_len: 0,
        target_len: 0,
    };
    let run = |task: &Span, text: &[i32], seed: u64| {
        let (mut input, mut target) = (Vec::new(), Vec::new());
        span::corrupt(task, text, &mut Rng::new(seed, Purpose::Span, 0, 0), &mut input, &mut target);
        (input, target)
    };
    // Two tokens: one is hidden, and the rest comes first.
    assert_eq!(run(&task(0.15, 3.0), &[50, 51], 1), (vec![50, EXTRA, EOS], vec![EXTRA, 51, EOS]));
    // Four tokens at one half in one span: round(4 / 2) = 2 hidden, max(1, round(2 / 3)) = 1 span.
    assert_eq!(run(&task(0.5, 3.0), &[50, 51, 52, 53], 1), (vec![50, 51, EXTRA, EOS], vec![EXTRA, 52, 53, EOS]));
    // Spans of one: noise and rest alternate and nothing is left to chance.
    let alternating = (vec![50, EXTRA, 52, EXTRA + 1, EOS], vec![EXTRA, 51, EXTRA + 1, 53, EOS]);
    assert_eq!(run(&task(0.5, 1.0), &[50, 51, 52, 53], 1), alternating);
    // Putting the parts back gives the text, and the counts are the formula's.
    let text: Vec<i32> = (1000..1100).collect();
    for seed in 0..50 {
        let (input, target) = run(&task(0.15, 3.0), &text, seed);
        let is_sentinel = |id: &i32| (EXTRA..EXTRA + 200).contains(id);
        assert_eq!(input.iter().filter(|id| is_sentinel(id)).count(), 5);
        assert_eq!(target.len(), 15 + 5 + 1);
        let mut parts = target[..target.len() - 1].split(is_sentinel);
        parts.next();
        let mut whole = Vec::new();
        for id in &input[..input.len() - 1] {
            if is_sentinel(id) { whole.extend_from_slice(parts.next().unwrap()) } else { whole.push(*id) }
        }
        assert_eq!(whole, text);
    }
    // T5's own figures: 512 tokens of input are made of 568 of text, targets of 114 (t5 1.0, 15 %, spans of 3).
    assert_eq!(span::lengths(512, 0.15, 3.0).unwrap(), (568, 114));
    let (text_len, target_len) = span::lengths(16, 0.15, 3.0).unwrap();
    let task = Task::Span(Span { text_len, target_len, sentinels: vec![7, 8], ..task(0.15, 3.0) });
    let batch = one("span", &plan(task, 16, &["text"]), Format::Line, "abcdefghijklmnopqrstuvwxyz\n");
    let n = batch["labels"].iter().take(target_len).filter(|&&label| label != NO).count();
    assert_eq!(batch["decoder_input_ids"][0], PAD);
    assert_eq!(batch["decoder_input_ids"][1..n], batch["labels"][..n - 1]);
    assert_eq!(batch["labels"][n - 1], EOS);
}

/// Chi-square against expected counts.
fn chi(observed: &[f64], expected: &[f64]) -> f64 {
    observed.iter().zip(expected).map(|(o, e)| (o - e).powi(2) / e).sum()
}

/// The value that chi-square exceeds with a probability of about 0.0005 (Wilson and Hilferty's approximation).
fn bound(freedom: usize) -> f64 {
    let k = freedom as f64;
    k * (1.0 - 2.0 / (9.0 * k) + 3.29 * (2.0 / (9.0 * k)).sqrt()).powi(3)
}

#[test]
fn masking_holds_its_shares() {
    let vocabulary = Vocabulary {
        size: 1000,
        sha256: String::new(),
        special: Special { all: vec![0, 1, 2, 3, 4, 500], ..special() },
    };
    let masker = Masker::new(&Masking { max_predictions: 100, ..masking() }, &vocabulary).unwrap();
    let (rows, width) = (40_000u64, 128usize);
    let mut scratch = Scratch::default();
    let mut places = vec![0.0; width];
    let mut kinds = [0.0; 3];
    let mut drawn = vec![0.0; 1000];
    for number in 0..rows {
        let mut row: Vec<i32> = (0..width as i32).map(|t| 600 + t).collect();
        (row[0], row[60], row[61], row[127]) = (CLS, SEP, 500, SEP);
        let before = row.clone();
        let mut stood = vec![0; width];
        masker.mask(&mut row, &mut stood, None, &mut Rng::new(11, Purpose::Mask, 0, number), &mut scratch);
        // round(128 * 0.15) = 19, begin and end marks counted.
        let chosen: BTreeSet<usize> = scratch.places().collect();
        assert_eq!(chosen.len(), 19);
        for (t, (&was, &is)) in before.iter().zip(&row).enumerate() {
            if !chosen.contains(&t) {
                assert_eq!(was, is);
                continue;
            }
            assert!(![0, 60, 61, 127].contains(&t), "a special token was chosen");
            assert_eq!(stood[t], was);
            places[t] += 1.0;
            let kind = if is == MASK {
                0
            } else if is == was {
                1
            } else {
                2
            };
            kinds[kind] += 1.0;
            if kind == 2 {
                drawn[is as usize] += 1.0;
            }
        }
    }
    let total = rows as f64 * 19.0;
    let open: Vec<usize> = (0..width).filter(|t| ![0, 60, 61, 127].contains(t)).collect();
    let observed: Vec<f64> = open.iter().map(|&t| places[t]).collect();
    let x = chi(&observed, &vec![total / open.len() as f64; open.len()]);
    assert!(x < bound(open.len() - 1), "places: chi-square {x}");
    // One in 994 replacements happens to be the token itself.
    let same = 0.1 / 994.0;
    let x = chi(&kinds, &[total * 0.8, total * (0.1 + same), total * (0.1 - same)]);
    assert!(x < bound(2), "80/10/10: chi-square {x}, {kinds:?}");
    let ordinary: Vec<usize> = (0..1000).filter(|id| ![0, 1, 2, 3, 4, 500].contains(id)).collect();
    assert_eq!(
        drawn.iter().sum::<f64>(),
        ordinary.iter().map(|&id| drawn[id]).sum::<f64>(),
        "a special token was drawn"
    );
    // Those at 600..728 are seen a little less, as above: test the others.
    let others: Vec<f64> = ordinary.iter().filter(|&&id| !(600..728).contains(&id)).map(|&id| drawn[id]).collect();
    let mean = others.iter().sum::<f64>() / others.len() as f64;
    let x = chi(&others, &vec![mean; others.len()]);
    assert!(x < bound(others.len() - 1), "replacements: chi-square {x}");
    assert!((mean * 994.0 / (total * 0.1) - 1.0).abs() < 0.01);
}

#[test]
fn a_row_is_never_without_a_target_and_never_beyond_the_limit() {
    let vocabulary = Vocabulary { size: 100, sha256: String::new(), special: special() };
    let masker = Masker::new(&Masking { max_predictions: 3, ..masking() }, &vocabulary).unwrap();
    let (mut scratch, mut stood) = (Scratch::default(), [0; 100]);
    for n in 3..100 {
        let mut row: Vec<i32> = [CLS].into_iter().chain(vec![50; n - 2]).chain([SEP]).collect();
        masker.mask(&mut row, &mut stood, None, &mut Rng::new(1, Purpose::Mask, 0, n as u64), &mut scratch);
        let expected = ((n as f64 * 0.15).round_ties_even() as usize).clamp(1, 3);
        assert_eq!(scratch.places().count(), expected.min(n - 2));
    }
}

#[test]
fn whole_words_and_ngrams_are_chosen_as_one() {
    let vocabulary = Vocabulary { size: 1000, sha256: String::new(), special: special() };
    // Words of one, two, three and four tokens in turn.
    let lengths: Vec<usize> = (0..40).map(|i| 1 + i % 4).collect();
    let mut starts = vec![1usize];
    for length in &lengths {
        starts.push(starts.last().unwrap() + length);
    }
    let n = starts.pop().unwrap() + 1;
    let word = |t: usize| starts.contains(&t);
    let mut chosen_words = vec![0.0; 40];
    for ngram in [1, 3] {
        let masker = Masker::new(&Masking { whole_word: true, ngram, ..masking() }, &vocabulary).unwrap();
        let (mut scratch, mut stood) = (Scratch::default(), vec![0; n]);
        let mut runs = 0;
        for number in 0..4000 {
            let mut row: Vec<i32> = [CLS].into_iter().chain(100..100 + n as i32 - 2).chain([SEP]).collect();
            masker.mask(&mut row, &mut stood, Some(&word), &mut Rng::new(5, Purpose::Mask, 0, number), &mut scratch);
            let chosen: BTreeSet<usize> = scratch.places().collect();
            let target = ((n as f64 * 0.15).round_ties_even() as usize).min(20);
            assert!(chosen.len() <= target && chosen.len() + 3 >= target, "{} of {target}", chosen.len());
            let mut before = false;
            for (w, &start) in starts.iter().enumerate() {
                let inside = (start..start + lengths[w]).filter(|t| chosen.contains(t)).count();
                assert!(inside == 0 || inside == lengths[w], "a part of a word");
                if inside > 0 && ngram == 1 {
                    chosen_words[w] += 1.0;
                }
                runs += usize::from(inside > 0 && before);
                before = inside > 0;
            }
        }
        // Neighbouring words are chosen together far more often with n-grams.
        assert_eq!(runs > 6000, ngram == 3, "{runs}");
    }
    // Words of one length are all as likely.
    for length in 0..4 {
        let counts: Vec<f64> = (0..10).map(|i| chosen_words[4 * i + length]).collect();
        let mean = counts.iter().sum::<f64>() / 10.0;
        assert!(chi(&counts, &[mean; 10]) < bound(9), "{counts:?}");
    }
}

#[test]
fn masked_rows_golden() {
    let mlm = |fixed: bool, whole_word: bool, pack: Pack| {
        Task::Mlm(Mlm { pack, masking: Masking { fixed, whole_word, ..masking() }, cls: CLS as u32, sep: SEP as u32 })
    };
    let text = "abc de\nfg\n";
    for (name, pack) in [("best", Pack::BestFit), ("concat", Pack::Concat)] {
        let batch = one(&format!("mlm-{name}"), &plan(mlm(false, false, pack), 12, &["text"]), Format::Line, text);
        let l = letter;
        let whole = [CLS, l('a'), l('b'), l('c'), l('d'), l('e'), SEP, l('f'), l('g'), SEP, PAD, PAD];
        assert_eq!(batch["attention_mask"], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert_eq!(batch["token_type_ids"], [0; 12]);
        // round(10 * 0.15) = 2 targets; putting them back gives the row.
        let labels = &batch["labels"];
        assert_eq!(labels.iter().filter(|&&label| label != NO).count(), 2);
        let back: Vec<i32> =
            labels.iter().zip(&batch["input_ids"]).map(|(&label, &id)| if label == NO { id } else { label }).collect();
        assert_eq!(back, whole);
    }
    // Stored masks and masks as places say the same.
    let text: String = (0..300).map(|i| format!("{} word number\n", "abcdefghij".repeat(1 + i % 3))).collect();
    let fixed = plan(mlm(true, true, Pack::BestFit), 64, &["text"]);
    let labels = batches("mlm-fixed", &fixed, Format::Line, &text, false).unwrap();
    let places = batches("mlm-places", &fixed, Format::Line, &text, true).unwrap();
    for (a, b) in labels.iter().zip(&places) {
        assert_eq!(a["input_ids"], b["input_ids"]);
        for (row, labels) in a["labels"].chunks(64).enumerate() {
            let found: Vec<(i32, i32)> = (0..64).filter(|&t| labels[t] != NO).map(|t| (t as i32, labels[t])).collect();
            let slots = row * 20..(row + 1) * 20;
            let pairs = b["masked_positions"][slots.clone()].iter().zip(&b["masked_labels"][slots]);
            let stored: Vec<(i32, i32)> =
                pairs.filter(|(_, label)| **label != NO).map(|(&place, &label)| (place, label)).collect();
            assert_eq!(found, stored);
        }
    }
}

fn pair(order: bool, short_probability: f64, dupe_factor: u64) -> Task {
    Task::Pair(Pair {
        order,
        masking: Masking { fixed: true, ..masking() },
        short_probability,
        dupe_factor,
        lines: true,
        cls: CLS as u32,
        sep: SEP as u32,
    })
}

/// A row taken apart, with the masked tokens put back: A, B, label.
fn pairs(batches: &[BTreeMap<&'static str, Vec<i32>>], width: usize) -> Vec<(Vec<i32>, Vec<i32>, i32)> {
    let mut out = Vec::new();
    for batch in batches {
        for (row, ids) in batch["input_ids"].chunks(width).enumerate() {
            let labels = &batch["labels"][row * width..(row + 1) * width];
            let ids: Vec<i32> =
                ids.iter().zip(labels).map(|(&id, &label)| if label == NO { id } else { label }).collect();
            let n = batch["attention_mask"][row * width..(row + 1) * width].iter().filter(|&&one| one == 1).count();
            let types = &batch["token_type_ids"][row * width..row * width + n];
            let first = types.iter().position(|&kind| kind == 1).unwrap();
            assert!(
                ids[0] == CLS
                    && ids[first - 1] == SEP
                    && ids[n - 1] == SEP
                    && types[first..].iter().all(|&kind| kind == 1)
            );
            assert!(ids[n..].iter().all(|&id| id == PAD));
            out.push((ids[1..first - 1].to_vec(), ids[first..n - 1].to_vec(), batch["next_sentence_label"][row]));
        }
    }
    out
}

fn spell(text: &str) -> Vec<i32> {
    text.chars().map(letter).collect()
}

#[test]
fn next_sentence_golden() {
    // Two documents of two sentences, rows longer than both: A is the first sentence of its document; B the second, or
    // what follows from a random sentence of the other document on.
    let text = "aa\nbb\n\ncc\ndd\n";
    let mut seen = BTreeSet::new();
    let rows = pairs(
        &batches("nsp-golden", &plan(pair(false, 0.0, 40), 32, &["text"]), Format::Paragraph, text, false).unwrap(),
        32,
    );
    for (a, b, label) in rows {
        let possible = match (label, a == spell("aa")) {
            (0, true) => vec![spell("bb")],
            (1, true) => vec![spell("ccdd"), spell("dd")],
            (0, false) => vec![spell("dd")],
            // A random pair gives its unused second sentence back, which then stands alone as A of another one.
            _ if a == spell("bb") => vec![spell("ccdd"), spell("dd")],
            _ => vec![spell("aabb"), spell("bb")],
        };
        assert!(possible.contains(&b), "{a:?} {b:?} {label}");
        seen.insert((a, b, label));
    }
    assert_eq!(seen.len(), 2 + 4 + 4, "every case comes about");
}

/// Documents of one letter each cannot be told apart: each token says its document, as a pair of letters does.
fn many(documents: usize, sentences: impl Fn(usize) -> usize) -> (String, BTreeMap<Vec<i32>, usize>) {
    let mut text = String::new();
    let mut owner = BTreeMap::new();
    for doc in 0..documents {
        for sentence in 0..sentences(doc) {
            let mut word = String::new();
            let mut n = doc * 64 + sentence;
            for _ in 0..5 {
                word.push((b'a' + (n % 26) as u8) as char);
                n /= 26;
            }
            owner.insert(spell(&word), doc);
            text += &word;
            text.push('\n');
        }
        text.push('\n');
    }
    (text, owner)
}

#[test]
fn next_sentences_are_half_random_and_never_of_the_same_document() {
    // Between one and twelve sentences of five tokens each, so that many chunks have one sentence only.
    let (text, owner) = many(4000, |doc| 1 + doc % 12);
    for (name, task) in [("nsp", pair(false, 0.1, 5)), ("sop", pair(true, 0.1, 5))] {
        let order = name == "sop";
        let rows = pairs(&batches(name, &plan(task, 33, &["text"]), Format::Paragraph, &text, false).unwrap(), 33);
        let random = rows.iter().filter(|(_, _, label)| *label == 1).count() as f64 / rows.len() as f64;
        let spread = if order { 0.02 } else { 0.005 };
        assert!((random - 0.5).abs() < spread, "{name}: {random} of {} pairs", rows.len());
        let doc_of = |side: &[i32]| (0..=4).find_map(|skip| owner.get(side.get(skip..skip + 5)?));
        let mut followed = 0;
        for (a, b, label) in &rows {
            assert!(a.len() + b.len() <= 30 && !a.is_empty() && !b.is_empty());
            if let (Some(x), Some(y)) = (doc_of(a), doc_of(b)) {
                assert_eq!(x == y, order || *label == 0);
                followed += 1;
            }
        }
        assert!(followed * 2 > rows.len());
    }
}

#[test]
fn a_corpus_without_pairs_is_refused() {
    let refused = |name: &str, text: &str, order: bool| -> Error {
        batches(name, &plan(pair(order, 0.1, 1), 32, &["text"]), Format::Paragraph, text, false).unwrap_err()
    };
    let (one_document, _) = many(1, |_| 60);
    assert!(refused("nsp-one", &one_document, false).message.contains("one document"));
    let (one_line, _) = many(300, |_| 1);
    let error = refused("nsp-lines", &one_line, false);
    assert!(error.message.contains("100 % of the pairs would be random"), "{error}");
    assert!(refused("sop-lines", &one_line, true).message.contains("one sentence"));
}
