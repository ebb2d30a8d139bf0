//! The steps of a dataset alone, on one thread, without files in between. Prints tokens or rows a second of processor time as JSON:
//!
//!     cargo bench --no-default-features --manifest-path native/Cargo.toml --bench dataset -- TOKENIZER.json FILES.jsonl...
//!
//! `encode` text to ids, first pass; `bestFit` lengths to bins; `pack` ids to Arrow rows; `mask` Arrow rows to masked batches of
//! [256, 128]; `pairs` ids to next sentence rows with masks (`pairsOnAllCores`: a thread a core, by the clock); `write` rows to a hashed file. Medians of seven.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use millrace_native::arrow::write::write_file;
use millrace_native::corpus::clean::Clean;
use millrace_native::corpus::cut::Cutter;
use millrace_native::corpus::records::Fields;
use millrace_native::corpus::{Format, Source};
use millrace_native::dataset::collate::{Batcher, Choice, RowKey};
use millrace_native::dataset::encoder::Encoder;
use millrace_native::dataset::pack::best_fit;
use millrace_native::dataset::plan::{Plan, Task, VERSION, Vocabulary};
use millrace_native::dataset::shard::Shard;
use millrace_native::dataset::special::Special;
use millrace_native::dataset::task::assemble;
use millrace_native::dataset::tasks::causal::{Causal, Pack};
use millrace_native::dataset::tasks::mask::Masking;
use millrace_native::dataset::tasks::mlm::Mlm;
use millrace_native::dataset::tasks::pair::Pair;
use millrace_native::dataset::tokenize::{Tokenized, tokenize};
use millrace_native::encode::Tokenizer;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [tokenizer, files @ ..] = args.as_slice() else {
        eprintln!("usage: ... --bench dataset -- TOKENIZER.json FILES.jsonl...");
        return;
    };
    let tokenizer = std::fs::read(tokenizer).unwrap();
    let encoder = Tokenizer::from_json(&tokenizer).unwrap();
    let (special, size) = (Special::find(&encoder, None).unwrap(), encoder.vocab_size() as usize);
    let sources: Vec<Source> = files.iter().map(|path| Source { path: path.clone(), format: Format::Jsonl }).collect();
    // Vocabularies of decoders lack the marks of BERT: any id does for a measurement.
    let (mask, cls, sep) = (special.mask.unwrap_or(0), special.cls.unwrap_or(0), special.sep.unwrap_or(0));
    let masking = Masking { probability: 0.15, max_predictions: 20, fixed: false, whole_word: false, ngram: 1, mask };
    let plan = |task: Task, seq_len: usize| Plan {
        version: VERSION,
        task,
        seq_len,
        seed: 1,
        split: [1.0, 0.0, 0.0],
        fields: Fields { names: vec!["text".into()], nested: false },
        clean: Clean::default(),
        vocabulary: Vocabulary { size, sha256: String::new(), special: special.clone() },
        partition_bytes: u64::MAX,
    };
    let read = |plan: &Plan| {
        let mut all = Tokenized::default();
        let mut cutter = Cutter::new(sources.clone(), &plan.fields, u64::MAX);
        let mut session = encoder.session();
        while let Some(block) = cutter.next(Vec::new()).unwrap() {
            tokenize(plan, session.as_mut(), &block, &sources, None, &mut all).unwrap();
        }
        all.splits.into_iter().next().unwrap()
    };

    let causal = plan(Task::Causal(Causal { pack: Pack::BestFit, bos: None, eos: special.eos }), 1024);
    let started = cpu_seconds();
    let docs = read(&causal);
    let tokens = docs.ids.len();
    show("encode", tokens, cpu_seconds() - started);
    let lengths: Vec<u32> = (0..docs.len())
        .flat_map(|doc| docs.doc(doc).to_vec().chunks(1024).map(|piece| piece.len() as u32).collect::<Vec<_>>())
        .collect();
    measure("bestFit", tokens, || best_fit(&lengths, 1024));
    measure_with("pack", tokens, || docs.clone(), |docs| assemble(&causal, docs, true).unwrap());

    let mlm = plan(Task::Mlm(Mlm { pack: Pack::BestFit, masking: masking.clone(), cls, sep }), 128);
    let rows = assemble(&mlm, docs, true).unwrap().rows.unwrap();
    let shard = [Shard::new("rows".as_ref(), &rows).unwrap()];
    for (name, positions) in [("mask", false), ("maskPositions", true)] {
        let choice = Choice { seed: 1, boundary_loss: false, positions, cu_seqlens: false };
        let batcher = Batcher::of(&mlm, choice).unwrap();
        let batches = (rows.num_rows() / 256).min(400);
        measure(name, batches * 256 * 128, || {
            for batch in 0..batches {
                let keys: Vec<RowKey> = (batch * 256..batch * 256 + 256)
                    .map(|row| RowKey { shard: 0, row, number: row as u64, epoch: 0 })
                    .collect();
                // What the reader does with arrays that were read.
                let columns = std::hint::black_box(batcher.collate(&shard, &keys).unwrap());
                columns.into_iter().for_each(|column| batcher.pool.give(column.data));
            }
        });
    }
    let path = std::env::temp_dir().join(format!("millrace-bench-{}.arrow", std::process::id()));
    measure("write", rows.num_rows() * 128, || write_file(&path, &rows.schema(), std::slice::from_ref(&rows)).unwrap());
    let _ = std::fs::remove_file(path);

    for (name, fixed) in [("pairsDynamic", false), ("pairs", true)] {
        let masking = Masking { fixed, ..masking.clone() };
        let pair = Pair { order: false, masking, short_probability: 0.1, dupe_factor: 5, lines: false, cls, sep };
        let nsp = plan(Task::Pair(pair), 128);
        let docs = read(&nsp);
        let rows = assemble(&nsp, docs.clone(), true).unwrap().rows.unwrap().num_rows();
        measure_with(name, rows, || docs.clone(), |docs| assemble(&nsp, docs, true).unwrap());
        if fixed {
            everywhere("pairsOnAllCores", rows, || docs.clone(), |docs| assemble(&nsp, docs, true).unwrap());
        }
    }
}

/// Runs `work` seven times; the median says how many of `amount` a second make.
fn measure<T>(name: &str, amount: usize, mut work: impl FnMut() -> T) {
    measure_with(name, amount, || (), |()| work());
}

/// The same, with an input that is made before the clock starts.
fn measure_with<I, T>(name: &str, amount: usize, mut input: impl FnMut() -> I, mut work: impl FnMut(I) -> T) {
    let mut seconds: Vec<f64> = (0..7)
        .map(|_| {
            let input = input();
            let started = cpu_seconds();
            std::hint::black_box(work(input));
            cpu_seconds() - started
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    show(name, amount, seconds[3]);
}

/// The same work on as many threads as there are cores: how much of `amount` all make in a second by the clock.
fn everywhere<I: Send, T>(name: &str, amount: usize, input: impl Fn() -> I, work: impl Fn(I) -> T + Sync) {
    let threads = std::thread::available_parallelism().unwrap().get();
    let mut seconds: Vec<f64> = (0..7)
        .map(|_| {
            let inputs: Vec<I> = (0..threads).map(|_| input()).collect();
            let started = Instant::now();
            std::thread::scope(|scope| {
                for input in inputs {
                    scope.spawn(|| drop(std::hint::black_box(work(input))));
                }
            });
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!(
        "{{\"step\": \"{name}\", \"threads\": {threads}, \"perSecond\": {:.0}}}",
        (amount * threads) as f64 / seconds[3]
    );
}

/// Processor time of this thread, so that what else the machine does counts for less.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives across the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn show(name: &str, amount: usize, seconds: f64) {
    println!("{{\"step\": \"{name}\", \"amount\": {amount}, \"perCpuSecond\": {:.0}}}", amount as f64 / seconds);
}
