//! Times the training of a vocabulary by its steps, without Node: `cargo run --release --no-default-features --example
//! vocab -- CORPUS [bpe|wordpiece] [SIZE] [THREADS] [RUNS]`. Each run starts afresh; prints seconds of the clock and of
//! processor time (Linux) of each step, and of the fastest run the sum.

use std::path::PathBuf;
use std::time::Instant;

use millrace_native::progress::Progress;
use millrace_native::text::split::Splitter;
use millrace_native::vocab::alphabet::Alphabet;
use millrace_native::vocab::count::Counter;
use millrace_native::vocab::files::{Model, Recipe, tokenizer_json};
use millrace_native::vocab::normalizer;
use millrace_native::vocab::train::{Objective, Options, train};

/// Seconds that the threads of this process have spent on processors, those that have ended included.
fn spent() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |at: usize| stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(at)?.parse::<f64>().ok());
    (ticks(12).unwrap_or(0.0) + ticks(13).unwrap_or(0.0)) / 100.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let corpus = PathBuf::from(args.first().ok_or("CORPUS [bpe|wordpiece] [SIZE] [THREADS] [RUNS]")?);
    let arg = |at: usize, default: &str| args.get(at).cloned().unwrap_or_else(|| default.into());
    let wordpiece = arg(1, "bpe").starts_with("wordpiece");
    let objective = match arg(1, "bpe").as_str() {
        "wordpiece-ratio" => Objective::LikelihoodRatio,
        "wordpiece-gain" => Objective::LikelihoodGain,
        _ => Objective::Frequency,
    };
    let (size, threads) = (arg(2, "32000").parse()?, arg(3, "2").parse()?);
    for _ in 0..arg(4, "3").parse()? {
        let (started, before) = (Instant::now(), spent());
        let mut last = (started, before);
        let mut step = |name: &str| {
            let now = (Instant::now(), spent());
            print!("{name} {:.3} ({:.2})  ", (now.0 - last.0).as_secs_f64(), now.1 - last.1);
            last = now;
        };
        let progress = Progress::default();
        let (name, special) = if wordpiece { ("bert", "[UNK]") } else { ("none", "<|endoftext|>") };
        let split = if wordpiece { "bert" } else { "gpt2" };
        let (normalizer, value) = normalizer::named(name)?.unzip();
        let special = vec![special.to_owned()];
        let counter = Counter::new(Splitter::from_name_or_pattern(split)?, normalizer, &special)?;
        step("start");
        counter.count_files(std::slice::from_ref(&corpus), threads, &progress)?;
        step("count");
        let (alphabet, model) = if wordpiece {
            let model = Model::WordPiece { unknown: special[0].clone() };
            (Alphabet::chars(&counter.counts, None, "##"), model)
        } else {
            (Alphabet::bytes(), Model::ByteLevel)
        };
        step("alphabet");
        let min_frequency =
            if objective == Objective::LikelihoodRatio { counter.words() / (5 * size as u64) } else { 0 };
        let options = Options {
            objective,
            vocab_size: size,
            special_tokens: special,
            min_frequency,
            max_token_length: None,
            threads,
            keep_words: false,
        };
        let distinct = counter.counts.len();
        let vocabulary = train(&counter.counts, &alphabet, &options, &progress)?;
        step("train");
        let recipe = Recipe { model: &model, splitter: &counter.splitter, normalizer: value.as_ref() };
        let file = tokenizer_json(&vocabulary, size, &recipe)?;
        step("write");
        drop(counter);
        step("drop");
        println!(
            "= {:.3} ({:.2}); {distinct} words, {} tokens, {} bytes",
            started.elapsed().as_secs_f64(),
            spent() - before,
            vocabulary.tokens.len(),
            file.len()
        );
    }
    Ok(())
}
