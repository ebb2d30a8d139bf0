//! Times encoding on one thread without Node: `cargo run --release --no-default-features --example encode --
//! VOCABULARY CORPUS [MB] [SPLIT] [PASSES]`. The corpus is cut into documents of about 4 kB; the first pass is cold, the
//! median of the next ones (5) is warm. With `--cold` behind it all, every pass starts with an empty cache. Speeds are of processor time (Linux) and of the clock. `SPLIT` names the split where the vocabulary is a file of tiktoken ranks.

use std::time::Instant;

use millrace_native::encode::{Scratch, Tokenizer};

/// Nanoseconds that this process has spent on a processor; the clock where the system doesn't say.
fn spent(since: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let spent = stat.split(' ').next().and_then(|n| n.parse().ok());
    spent.unwrap_or_else(|| since.elapsed().as_nanos() as f64)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [vocabulary, corpus, ..] = args.as_slice() else { return Err("VOCABULARY CORPUS [MB] [SPLIT]".into()) };
    let bytes = std::fs::read(vocabulary)?;
    let started = Instant::now();
    let tokenizer = match args.get(3).filter(|split| *split != "-") {
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
    let mut ids = Vec::new();
    let always_cold = args.iter().any(|arg| arg == "--cold");
    let mut pass = || -> Result<[f64; 2], Box<dyn std::error::Error>> {
        let (clock, before) = (Instant::now(), spent(started));
        ids.clear();
        if always_cold {
            scratch = Scratch::default();
        }
        for document in &documents {
            tokenizer.encode_into(document, &mut scratch, &mut ids)?;
        }
        let rate = |nanoseconds: f64| text.len() as f64 * 1e3 / nanoseconds;
        Ok([rate(spent(started) - before), rate(clock.elapsed().as_nanos() as f64)])
    };
    let passes = args.get(4).map_or(Ok(5), |n| n.parse::<usize>())?.max(1);
    let cold = pass()?;
    let mut warm = (0..passes).map(|_| pass()).collect::<Result<Vec<_>, _>>()?;
    warm.sort_by(|a, b| a[0].total_cmp(&b[0]));
    println!(
        "load {:.0} ms; MB/s of processor time (clock): cold {:.0} ({:.0}), warm {:.0} ({:.0}), best {:.0}; {} tokens",
        load.as_secs_f64() * 1e3,
        cold[0],
        cold[1],
        warm[passes / 2][0],
        warm[passes / 2][1],
        warm[passes - 1][0],
        ids.len()
    );
    Ok(())
}
