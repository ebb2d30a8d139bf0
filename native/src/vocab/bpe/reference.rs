//! The rules of Hugging Face's trainer written down plainly: what the fast merge loop is tested against.

use std::cmp::Reverse;
use std::collections::BTreeMap;

type Pair = (u32, u32);

/// Merges words of symbol ids until `size` symbols exist; returns the pairs.
pub fn merges(words: &[(Vec<u32>, u64)], symbols: usize, size: usize, min: u64, max_length: u32) -> Vec<Pair> {
    let mut words = words.to_vec();
    let mut lengths = vec![1u32; symbols + 1];
    let mut out = Vec::new();
    while lengths.len() - 1 < size {
        let mut pairs: BTreeMap<Pair, u64> = BTreeMap::new();
        for (word, count) in &words {
            for pair in word.windows(2) {
                *pairs.entry((pair[0], pair[1])).or_default() += count;
            }
        }
        let length = |&(a, b): &Pair| lengths[a as usize] + lengths[b as usize];
        pairs.retain(|pair, count| *count >= min.max(1) && (length(pair) == 2 || length(pair) < max_length));
        let Some((&(a, b), _)) = pairs.iter().max_by_key(|(pair, count)| (**count, Reverse(**pair))) else { break };
        let new = lengths.len() as u32;
        lengths.push(length(&(a, b)));
        out.push((a, b));
        for (word, _) in &mut words {
            let mut at = 0;
            while at + 1 < word.len() {
                if (word[at], word[at + 1]) == (a, b) {
                    word.splice(at..at + 2, [new]);
                }
                at += 1;
            }
        }
    }
    out
}
