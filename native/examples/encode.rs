//! Times encoding on one thread without Node: `cargo run --release --no-default-features --example encode --
//! VOCABULARY CORPUS [MB] [SPLIT]`. The corpus is cut into documents of about 4 kB; the first pass is cold, the median of
//! the next five is warm. `SPLIT` names the split where the vocabulary is a file of tiktoken ranks.

use std::time::Instant;

use millrace_native::encode::{Scratch, Tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [vocabulary, corpus, ..] = args.as_slice() else { return Err("VOCABULARY CORPUS [MB] [SPLIT]".into()) };
    let bytes = std::fs::read(vocabulary)?;
    let started = Instant::now();
    let tokenizer = match args.get(3) {
        Some(split) => Tokenizer::from_tiktoken(&bytes, split, &[])?,
        None => Tokenizer::from_json(&bytes)?,
    };
    let load = started.elapsed();
    let mut text = std::fs::read(corpus)?;
    text.truncate(args.get(2).map_or(Ok(10), |mb| mb.parse::<usize>())? << 20);
    let text = String::from_utf8_lossy(&text);
    let mut documents = Vec::new();
    let mut rest = text.as_ref();
    while !rest.is_empty() {
        let mut end = rest.len().min(4096);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        documents.push(&rest[..end]);
        rest = &rest[end..];
    }
    let mut scratch = Scratch::default();
    let mut ids = Vec::with_capacity(text.len());
    let mut pass = || -> Result<f64, Box<dyn std::error::Error>> {
        let started = Instant::now();
        ids.clear();
        for document in &documents {
            tokenizer.encode_into(document, &mut scratch, &mut ids)?;
        }
        Ok(text.len() as f64 / 1e6 / started.elapsed().as_secs_f64())
    };
    let cold = pass()?;
    let mut warm = (0..5).map(|_| pass()).collect::<Result<Vec<_>, _>>()?;
    warm.sort_by(f64::total_cmp);
    println!(
        "load {:.0} ms, cold {cold:.0} MB/s, warm {:.0} MB/s (best {:.0}), {} tokens",
        load.as_secs_f64() * 1e3,
        warm[2],
        warm[4],
        ids.len()
    );
    Ok(())
}
