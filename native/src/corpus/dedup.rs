//! Documents in as fingerprints, the set of those to leave out: exact copies by hash, near copies by MinHash
//! (Broder 1997, "On the resemblance and containment of documents") with banded lookup.
//!
//! `signature` looks at one document alone and so runs in any process; `resolve` sees all signatures in order.
//! The first of equal documents stays, whatever the number of threads.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Hash functions of a MinHash, and their grouping: two documents are compared where one of 16 bands of 8 agrees.
const HASHES: usize = 128;
pub const BANDS: usize = 16;
const SHINGLE: usize = 5;

/// What is kept of a document: 16 bytes, and 512 where near copies are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub exact: u128,
    /// The low half of each minimum; empty where not wanted.
    pub minima: Vec<u32>,
}

pub fn signature(text: &str, near: bool) -> Signature {
    let exact = xxh3_128(text.as_bytes());
    Signature { exact, minima: if near { minima(text) } else { Vec::new() } }
}

/// Minima of 128 hashes over all runs of five words (a Chinese character counts as a word).
fn minima(text: &str) -> Vec<u32> {
    let words: Vec<u64> = words(text).map(|word| xxh3_64(word.as_bytes())).collect();
    let mut minima = vec![u64::MAX; HASHES];
    let mut shingle = |window: &[u64]| {
        let base =
            window.iter().fold(0u64, |sum, &word| (sum.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for (i, minimum) in minima.iter_mut().enumerate() {
            // A family of multiply-xorshift hashes of one 64-bit value.
            let mut z = base ^ (i as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
            z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            z ^= z >> 32;
            *minimum = (*minimum).min(z);
        }
    };
    if words.len() < SHINGLE {
        shingle(&words)
    } else {
        words.windows(SHINGLE).for_each(&mut shingle)
    }
    minima.iter().map(|&minimum| minimum as u32).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).flat_map(|word| {
        let wide = word.chars().next().is_some_and(|c| c >= '\u{2e80}');
        let step = if wide { 1 } else { usize::MAX };
        let mut rest = word;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let end = rest.char_indices().nth(step).map_or(rest.len(), |(at, _)| at);
            let (head, tail) = rest.split_at(end);
            rest = tail;
            Some(head)
        })
    })
}

/// For each signature, in order: is it a copy of one before it? `near`: from which similarity on, or exact copies only.
pub fn resolve<'a>(signatures: impl Iterator<Item = &'a Signature>, near: Option<f64>) -> Vec<bool> {
    let mut seen: FxHashMap<u128, ()> = FxHashMap::default();
    let mut bands: FxHashMap<(usize, u64), Bucket<'a>> = FxHashMap::default();
    let mut copies = Vec::new();
    for signature in signatures {
        let mut copy = seen.insert(signature.exact, ()).is_some();
        if let Some(threshold) = near.filter(|_| !copy) {
            for band in 0..BANDS {
                let bucket = bands.entry((band, band_hash(&signature.minima, band))).or_default();
                copy |= bucket.add(Cow::Borrowed(&signature.minima), threshold);
            }
        }
        copies.push(copy);
    }
    copies
}

/// Documents that a bucket compares others with: keeps the work on one that thousands share (a page's frame) linear.
const KEPT: usize = 64;

/// The minima of documents with one band in common, those that are like an earlier one of them left out.
/// What a document is found to be depends on its own bands alone, so that buckets can lie on different machines.
#[derive(Default)]
pub struct Bucket<'a>(Vec<Cow<'a, [u32]>>);

impl<'a> Bucket<'a> {
    /// Is it similar to one that is here? It stays if not.
    pub fn add(&mut self, minima: Cow<'a, [u32]>, threshold: f64) -> bool {
        let copy = self.0.iter().any(|other| similarity(&minima, other) >= threshold);
        if !copy && self.0.len() < KEPT {
            self.0.push(minima);
        }
        copy
    }
}

/// What two documents that are compared have in common.
pub fn band_hash(minima: &[u32], band: usize) -> u64 {
    let rows = HASHES / BANDS;
    let bytes: Vec<u8> = minima.iter().skip(band * rows).take(rows).flat_map(|value| value.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

/// The share of minima that agree: an unbiased estimate of the Jaccard similarity.
pub fn similarity(a: &[u32], b: &[u32]) -> f64 {
    let equal = a.iter().zip(b).filter(|(x, y)| x == y).count();
    equal as f64 / HASHES as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: impl Iterator<Item = usize>) -> String {
        words.map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_estimate_is_close_to_the_true_similarity() {
        // Sets of runs of five words: 0..1000 against 0..900 with 100 others.
        let a = signature(&text(0..1004), true);
        let b = signature(&text((0..904).chain(5000..5100)), true);
        let truth = 900.0 / 1100.0;
        let spread = (truth * (1.0 - truth) / HASHES as f64).sqrt();
        let estimate = similarity(&a.minima, &b.minima);
        assert!((estimate - truth).abs() < 3.0 * spread, "{estimate}");
    }

    #[test]
    fn copies_go_and_first_ones_stay() {
        let texts = [
            text(0..400),
            text(1000..1400),
            text(0..400),
            text((0..395).chain([9, 9, 9])),
            "你好世界，今天天气很好".into(),
            "你好世界，今天天气很好！".into(),
        ];
        let signatures: Vec<Signature> = texts.iter().map(|text| signature(text, true)).collect();
        assert_eq!(resolve(signatures.iter(), None), [false, false, true, false, false, false]);
        assert_eq!(resolve(signatures.iter(), Some(0.8)), [false, false, true, true, false, true]);
    }
}
