//! Words with counts enter, merges leave: byte-pair encoding by the rules of Hugging Face's trainer (most frequent
//! pair first, ties to the smaller pair of ids).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::alphabet::{byte_level, bytes_in_order};
use crate::vocab::count::WordCounts;

pub struct BpeOptions {
    /// A cap on all entries: special tokens, alphabet and merged tokens.
    pub vocab_size: usize,
    pub special_tokens: Vec<String>,
    /// Pairs seen less often are not merged.
    pub min_frequency: u64,
}

/// A trained vocabulary. The id of a token is its place in `tokens`.
pub struct Bpe {
    pub special_tokens: usize,
    /// As a tokenizer.json spells them.
    pub tokens: Vec<String>,
    /// Pairs of ids, in order of rank.
    pub merges: Vec<(u32, u32)>,
}

type Pair = (u32, u32);

pub fn train(words: &WordCounts, options: &BpeOptions, progress: &Progress) -> Result<Bpe> {
    let mut tokens = options.special_tokens.clone();
    let special_tokens = tokens.len();
    let mut id_of_byte = [0u32; 256];
    for byte in bytes_in_order() {
        id_of_byte[byte as usize] = tokens.len() as u32;
        tokens.push(byte_level(&[byte]));
    }
    if tokens.len() > options.vocab_size {
        return Err(Error::config(format!(
            "a vocabulary of {} can't hold the {special_tokens} special tokens and the alphabet of 256 bytes",
            options.vocab_size
        ))
        .with_hint(format!("use a size of {} at least", tokens.len())));
    }
    let mut ids: FxHashMap<String, u32> = tokens.iter().enumerate().map(|(id, t)| (t.clone(), id as u32)).collect();
    let (mut words, counts): (Vec<Vec<u32>>, Vec<u64>) =
        words.iter().map(|(word, n)| (word.iter().map(|&b| id_of_byte[b as usize]).collect(), n)).unzip();

    let mut pairs: FxHashMap<Pair, u64> = FxHashMap::default();
    let mut places: FxHashMap<Pair, FxHashSet<usize>> = FxHashMap::default();
    for (at, word) in words.iter().enumerate() {
        for pair in word.windows(2) {
            *pairs.entry((pair[0], pair[1])).or_default() += counts[at];
            places.entry((pair[0], pair[1])).or_default().insert(at);
        }
    }
    let mut heap: BinaryHeap<(u64, Reverse<Pair>)> = pairs.iter().map(|(pair, n)| (*n, Reverse(*pair))).collect();
    let mut merges = Vec::new();
    progress.start((options.vocab_size - tokens.len()) as u64);
    while tokens.len() < options.vocab_size {
        progress.check()?;
        let Some((count, Reverse(pair))) = heap.pop() else { break };
        let now = pairs.get(&pair).copied().unwrap_or(0);
        if now != count {
            if now > 0 && now < count {
                heap.push((now, Reverse(pair)));
            }
            continue;
        }
        if count < options.min_frequency.max(1) {
            break;
        }
        let text = format!("{}{}", tokens[pair.0 as usize], tokens[pair.1 as usize]);
        let new = *ids.entry(text.clone()).or_insert(tokens.len() as u32);
        if new as usize == tokens.len() {
            tokens.push(text);
            progress.add(1);
        }
        merges.push(pair);
        let mut changed = FxHashSet::default();
        for at in places.remove(&pair).unwrap_or_default() {
            merge_word(&mut words[at], pair, new, |pair, up| {
                let n = pairs.entry(pair).or_default();
                if up {
                    *n += counts[at];
                    places.entry(pair).or_default().insert(at);
                    changed.insert(pair);
                } else {
                    *n = n.saturating_sub(counts[at]);
                }
            });
        }
        pairs.remove(&pair);
        heap.extend(changed.into_iter().filter_map(|pair| Some((*pairs.get(&pair)?, Reverse(pair)))));
    }
    Ok(Bpe { special_tokens, tokens, merges })
}

/// Replaces `pair` from left to right, telling of each neighbouring pair that goes (`false`) and comes (`true`).
fn merge_word(word: &mut Vec<u32>, pair: Pair, new: u32, mut change: impl FnMut(Pair, bool)) {
    let mut at = 0;
    while at + 1 < word.len() {
        if (word[at], word[at + 1]) == pair {
            if at > 0 {
                change((word[at - 1], pair.0), false);
                change((word[at - 1], new), true);
            }
            word[at] = new;
            word.remove(at + 1);
            if let Some(&next) = word.get(at + 1) {
                change((pair.1, next), false);
                change((new, next), true);
            }
        }
        at += 1;
    }
}
