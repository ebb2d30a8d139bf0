//! A vocabulary that exists enters, words cut into its tokens leave: where extending it starts from.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

/// How a model cuts a word into symbols (token number plus one).
pub enum Known {
    /// The longest token that fits, from left to right; continuing ones under their prefix.
    WordPiece { symbols: FxHashMap<String, u32>, prefix: String, longest: usize },
    /// The merge of the lowest rank first: (left, right) to (rank, merged).
    Bpe { first: First, merges: FxHashMap<(u32, u32), (u32, u32)> },
}

pub enum First {
    Bytes(Box<[u32; 256]>),
    Chars(FxHashMap<char, u32>),
}

impl Known {
    /// The symbols of a word, those of characters that have none left out.
    pub fn cut(&self, word: &[u8]) -> Vec<u32> {
        match self {
            Self::WordPiece { symbols, prefix, longest } => {
                longest_first(std::str::from_utf8(word).unwrap_or_default(), symbols, prefix, *longest)
            }
            Self::Bpe { first, merges } => {
                let symbols = match first {
                    First::Bytes(symbols) => word.iter().map(|&byte| symbols[byte as usize]).collect(),
                    First::Chars(symbols) => {
                        let chars = std::str::from_utf8(word).unwrap_or_default().chars();
                        chars.filter_map(|c| symbols.get(&c).copied()).collect()
                    }
                };
                merge_all(symbols, merges)
            }
        }
    }
}

fn longest_first(word: &str, symbols: &FxHashMap<String, u32>, prefix: &str, longest: usize) -> Vec<u32> {
    let (mut out, mut start, mut piece) = (Vec::new(), 0, String::new());
    while start < word.len() {
        let rest = &word[start..];
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).take(longest);
        let found = ends.collect::<Vec<_>>().into_iter().rev().find_map(|end| {
            piece.clear();
            if start > 0 {
                piece.push_str(prefix);
            }
            piece.push_str(&rest[..end]);
            symbols.get(piece.as_str()).map(|&symbol| (symbol, end))
        });
        match found {
            Some((symbol, end)) => {
                out.push(symbol);
                start += end;
            }
            None => start += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    out
}

/// Merges a word with a heap of its pairs, so that long words take no longer than their length times its logarithm.
fn merge_all(mut symbols: Vec<u32>, merges: &FxHashMap<(u32, u32), (u32, u32)>) -> Vec<u32> {
    let n = symbols.len();
    let mut next: Vec<usize> = (1..=n).collect();
    let mut before: Vec<usize> = (0..n).map(|at| at.wrapping_sub(1)).collect();
    let mut heap: BinaryHeap<Reverse<(u32, usize, u32, u32)>> = BinaryHeap::new();
    let offer = |heap: &mut BinaryHeap<_>, at: usize, left: u32, right: u32| {
        if let Some(&(rank, _)) = merges.get(&(left, right)) {
            heap.push(Reverse((rank, at, left, right)));
        }
    };
    for at in 1..n {
        offer(&mut heap, at - 1, symbols[at - 1], symbols[at]);
    }
    while let Some(Reverse((_, at, left, right))) = heap.pop() {
        let second = next[at];
        // Symbols that were merged away are 0.
        if second >= n || symbols[at] != left || symbols[second] != right {
            continue;
        }
        let Some(&(_, merged)) = merges.get(&(left, right)) else { continue };
        symbols[at] = merged;
        symbols[second] = 0;
        next[at] = next[second];
        if next[at] < n {
            before[next[at]] = at;
            offer(&mut heap, at, merged, symbols[next[at]]);
        }
        if let Some(&previous) = symbols.get(before[at]) {
            offer(&mut heap, before[at], previous, merged);
        }
    }
    symbols.retain(|&symbol| symbol != 0);
    symbols
}
