//! Byte-pair encoding: one pre-token in, its tokens out. Symbols merge in the order of rank, leftmost first
//! (Sennrich et al. 2016, section 3.2); the symbols are characters, which a byte-level vocabulary spells bytes with.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::bytes;
use super::merges::Merges;
use super::pairs::{MAX_RANK, NO_RANK, Pairs};
use super::vocab::Vocab;
use crate::error::{Error, Result};
use crate::vocab::machine::in_parts;

/// A token and the bytes of the pre-token that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub id: u32,
    pub start: u32,
    pub end: u32,
}

/// What tokenizer.json says about the model beside its vocabulary and merges.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub unk_token: Option<String>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub fuse_unk: bool,
    pub byte_fallback: bool,
    pub ignore_merges: bool,
    pub dropout: Option<f32>,
}

/// `left` and `right` become `made`; the lowest rank merges first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    pub left: u32,
    pub right: u32,
    pub made: u32,
    pub rank: u32,
}

#[derive(Clone, Debug)]
pub struct Bpe {
    pub vocab: Vocab,
    pub options: Options,
    pub merges: Vec<Merge>,
    pub(super) pairs: Pairs,
    /// The token that the merge of each rank makes.
    pub(super) made: Vec<u32>,
    unk: Option<u32>,
    /// The ids of `<0x00>` to `<0xFF>`, where the vocabulary has them.
    fallback: Vec<Option<u32>>,
    chars: FxHashMap<char, u32>,
}

/// The merges behind a vocabulary that says only which tokens are made in which order (`made`, best first): of all ways
/// to halve a token just the one that the merges before it leave can ever be asked for. A token that they don't bring
/// down to two is made by no merge.
pub fn canonical_merges(vocab: &Vocab, made: impl Iterator<Item = u32>) -> Result<Merges> {
    let mut model = Bpe::from_ranked(vocab.clone(), Vec::new(), Options::default())?;
    model.pairs = Pairs::with_capacity(vocab.len());
    let mut out = Merges::default();
    let mut pieces = Vec::new();
    for id in made {
        let Some(token) = vocab.token(id) else { continue };
        pieces.clear();
        model.tokenize(token, None, &mut pieces)?;
        if let [left, right] = pieces.as_slice()
            && let (Some(l), Some(r)) = (vocab.token(left.id), vocab.token(right.id))
            && l.len() + r.len() == token.len()
            && out.len() <= MAX_RANK as usize
        {
            model.pairs.insert(left.id, right.id, out.len() as u32);
            model.made.push(id);
            out.push(l, r);
        }
    }
    Ok(out)
}

/// Symbols beyond this number are merged through a heap: below it, looking for the least rank is faster.
const SMALL: usize = 96;

/// Merges that are looked up at once.
const AT_ONCE: usize = 16;

impl Bpe {
    /// From merges in the order of rank.
    pub fn new(vocab: Vocab, merges: &Merges, options: Options) -> Result<Self> {
        let prefix = options.continuing_subword_prefix.as_deref().unwrap_or("");
        let half = merges.len() / 2;
        let ranked = in_parts(vec![0..half, half..merges.len()], |ranks| {
            let mut out: Vec<Merge> = Vec::with_capacity(ranks.len());
            let mut spelt = String::new();
            for first in ranks.clone().step_by(AT_ONCE) {
                // Some at once, so that the table is not waited for token by token.
                let some = first..ranks.end.min(first + AT_ONCE);
                let mut hashes = [(0, 0); AT_ONCE];
                for (rank, hashes) in some.clone().zip(&mut hashes) {
                    let (left, right) = merges.get(rank);
                    *hashes = (vocab.fetch(left.as_bytes()), vocab.fetch(right.as_bytes()));
                }
                for (rank, hashes) in some.zip(hashes) {
                    let (left, right) = merges.get(rank);
                    let missing =
                        |token: &str| Error::input(format!("model.merges[{rank}]: {token:?} isn't in model.vocab"));
                    let l = vocab.id_at(left.as_bytes(), hashes.0).ok_or_else(|| missing(left))?;
                    let r = vocab.id_at(right.as_bytes(), hashes.1).ok_or_else(|| missing(right))?;
                    spelt.clear();
                    spelt.push_str(left);
                    spelt.push_str(right.strip_prefix(prefix).unwrap_or(right));
                    // Most vocabularies list what merges make in the order of the merges.
                    let next = out.last().map_or(0, |merge| merge.made + 1);
                    let made = match vocab.bytes(next) {
                        Some(token) if token == spelt.as_bytes() => next,
                        _ => vocab.id(spelt.as_bytes()).ok_or_else(|| missing(&spelt))?,
                    };
                    out.push(Merge { left: l, right: r, made, rank: rank as u32 });
                }
            }
            Ok(out)
        });
        let ranked = ranked.into_iter().collect::<Result<Vec<_>>>()?.concat();
        Self::from_ranked(vocab, ranked, options)
    }

    /// From merges that may share ranks: of two with the same rank the leftmost in the text comes first.
    pub fn from_ranked(vocab: Vocab, merges: Vec<Merge>, options: Options) -> Result<Self> {
        let ranks = merges.iter().map(|m| m.rank as usize + 1).max().unwrap_or(0);
        if ranks > MAX_RANK as usize {
            return Err(Error::input(format!("model.merges: {ranks} merges are more than {MAX_RANK}")));
        }
        let mut made = vec![0; ranks];
        for merge in &merges {
            made[merge.rank as usize] = merge.made;
        }
        let unk = match &options.unk_token {
            Some(token) => vocab.id(token.as_bytes()),
            None => None,
        };
        let fallback = (0..=255u8).map(|byte| vocab.id(format!("<0x{byte:02X}>").as_bytes())).collect();
        let mut chars = FxHashMap::default();
        for (id, token) in vocab.iter() {
            if token.len() > 4 {
                continue;
            }
            let mut rest = std::str::from_utf8(token).unwrap_or("").chars();
            if let (Some(c), None) = (rest.next(), rest.next()) {
                chars.insert(c, id);
            }
        }
        let pairs = Pairs::with_capacity(0);
        let mut model = Self { vocab, options, merges, pairs, made, unk, fallback, chars };
        model.rank_pairs()?;
        Ok(model)
    }

    /// Fills the table of pairs. Files that were made from tiktoken ranks list every way to halve a token: the ways that
    /// the merges before them never leave are left out, because a small table is a fast one.
    fn rank_pairs(&mut self) -> Result<()> {
        let all = self.merges.len() <= self.vocab.len() || self.is_decorated() || self.merges_what_comes_later();
        self.pairs = Pairs::with_capacity(if all { self.merges.len() } else { self.vocab.len() });
        let (ignore_merges, dropout) = (self.options.ignore_merges, self.options.dropout);
        self.options.ignore_merges = false;
        self.options.dropout = None;
        let mut pieces = Vec::new();
        for i in 0..self.merges.len() {
            let Merge { left, right, made, rank } = self.merges[i];
            if !all {
                pieces.clear();
                self.tokenize(self.vocab.token(made).unwrap_or_default(), None, &mut pieces)?;
                if !matches!(pieces.as_slice(), [l, r] if l.id == left && r.id == right) {
                    continue;
                }
            }
            self.pairs.insert(left, right, rank);
        }
        (self.options.ignore_merges, self.options.dropout) = (ignore_merges, dropout);
        Ok(())
    }

    /// Whether a merge takes a token that only merges of higher rank make, as in LLaMA 3's: then what the merges before
    /// it leave says nothing about what can reach it.
    fn merges_what_comes_later(&self) -> bool {
        let mut first = FxHashMap::default();
        for merge in &self.merges {
            let rank = first.entry(merge.made).or_insert(merge.rank);
            *rank = merge.rank.min(*rank);
        }
        let later = |token: u32, rank: u32| first.get(&token).is_some_and(|made| *made > rank);
        self.merges.iter().any(|merge| later(merge.left, merge.rank) || later(merge.right, merge.rank))
    }

    /// The id of each byte where the vocabulary spells bytes with the byte-level alphabet and has them all.
    pub fn byte_ids(&self) -> Option<Box<[u32; 256]>> {
        let ids: Option<Vec<u32>> = (0..=255).map(|byte| self.chars.get(&bytes::char_of(byte)).copied()).collect();
        ids?.into_boxed_slice().try_into().ok()
    }

    /// Whether symbols carry a prefix or suffix that tells their place in the word.
    pub fn is_decorated(&self) -> bool {
        self.options.continuing_subword_prefix.is_some() || self.options.end_of_word_suffix.is_some()
    }

    /// The tokens of `piece`, appended to `out`. `coin` gives numbers in [0, 1) where merges are dropped at random.
    pub fn tokenize(&self, piece: &str, coin: Option<&mut dyn FnMut() -> f32>, out: &mut Vec<Piece>) -> Result<()> {
        if self.options.ignore_merges
            && let Some(id) = self.vocab.id(piece.as_bytes())
        {
            out.push(Piece { id, start: 0, end: piece.len() as u32 });
            return Ok(());
        }
        let first = out.len();
        self.symbols(piece, out)?;
        let (mut ids, mut starts): (Vec<u32>, Vec<u32>) = out.drain(first..).map(|p| (p.id, p.start)).unzip();
        let kept = match (self.options.dropout, coin) {
            (Some(p), Some(coin)) if p > 0.0 => self.merge_large(&mut ids, &mut starts, |_| coin() < p),
            _ if ids.len() > SMALL => self.merge_large(&mut ids, &mut starts, |_| false),
            _ => self.merge_small(&mut ids, &mut starts),
        };
        for i in 0..kept {
            let end = if i + 1 < kept { starts[i + 1] } else { piece.len() as u32 };
            out.push(Piece { id: ids[i], start: starts[i], end });
        }
        Ok(())
    }

    /// The symbols that merging starts from. Characters outside the vocabulary become their bytes, or the unknown
    /// token, or nothing where there is no unknown token.
    fn symbols(&self, piece: &str, out: &mut Vec<Piece>) -> Result<()> {
        let Options { continuing_subword_prefix: prefix, end_of_word_suffix: suffix, .. } = &self.options;
        let plain = prefix.as_deref().unwrap_or("").is_empty() && suffix.as_deref().unwrap_or("").is_empty();
        let mut unknown: Option<Piece> = None;
        let mut spelt = String::new();
        for (at, c) in piece.char_indices() {
            let (start, end) = (at as u32, (at + c.len_utf8()) as u32);
            spelt.clear();
            let id = if plain {
                self.chars.get(&c).copied()
            } else {
                spelt.push_str(if at > 0 { prefix.as_deref().unwrap_or("") } else { "" });
                spelt.push(c);
                spelt.push_str(if end as usize == piece.len() { suffix.as_deref().unwrap_or("") } else { "" });
                self.vocab.id(spelt.as_bytes())
            };
            if let Some(id) = id {
                out.extend(unknown.take());
                out.push(Piece { id, start, end });
                continue;
            }
            if self.options.byte_fallback {
                if plain {
                    spelt.push(c);
                }
                let ids: Option<Vec<u32>> = spelt.bytes().map(|byte| self.fallback[byte as usize]).collect();
                if let Some(ids) = ids {
                    for (i, id) in ids.into_iter().enumerate() {
                        let start = (start + i as u32).min(end);
                        out.push(Piece { id, start, end: (start + 1).min(end) });
                    }
                    continue;
                }
            }
            if let Some(name) = &self.options.unk_token {
                let Some(id) = self.unk else {
                    return Err(Error::input(format!("model.unk_token: {name:?} isn't in model.vocab")));
                };
                match &mut unknown {
                    Some(piece) if self.options.fuse_unk => piece.end = end,
                    _ => out.extend(unknown.replace(Piece { id, start, end })),
                }
            }
        }
        out.extend(unknown);
        Ok(())
    }

    /// Merges in place and returns how many symbols are left. `starts` moves along with `ids`.
    /// Quadratic, but fast for few symbols.
    fn merge_small(&self, ids: &mut [u32], starts: &mut [u32]) -> usize {
        let mut n = ids.len();
        if n < 2 {
            return n;
        }
        let mut ranks = [NO_RANK; SMALL];
        for i in 0..n - 1 {
            ranks[i] = self.pairs.rank(ids[i], ids[i + 1]);
        }
        loop {
            let (mut best, mut at) = (NO_RANK, 0);
            for (i, rank) in ranks[..n - 1].iter().enumerate() {
                if *rank < best {
                    (best, at) = (*rank, i);
                }
            }
            if best == NO_RANK {
                return n;
            }
            ids[at] = self.made[best as usize];
            ids.copy_within(at + 2..n, at + 1);
            starts.copy_within(at + 2..n, at + 1);
            ranks.copy_within(at + 1..n, at);
            n -= 1;
            ranks[n - 1] = NO_RANK;
            if n == 1 {
                return n;
            }
            if at > 0 {
                ranks[at - 1] = self.pairs.rank(ids[at - 1], ids[at]);
            }
            if at + 1 < n {
                ranks[at] = self.pairs.rank(ids[at], ids[at + 1]);
            }
        }
    }

    /// The same through a heap of `(rank, place)`: n log n for any input.
    /// BPE dropout (Provilkov et al. 2020, algorithm 1): a merge that `drop` names is passed over until another is made.
    pub(super) fn merge_large(&self, ids: &mut [u32], starts: &mut [u32], mut drop: impl FnMut(u64) -> bool) -> usize {
        let n = ids.len();
        const GONE: u32 = u32::MAX;
        let mut next: Vec<u32> = (1..=n as u32).collect();
        let mut previous: Vec<u32> = (0..n as u32).map(|i| i.wrapping_sub(1)).collect();
        let entry = |rank: u32, at: usize| Reverse((u64::from(rank) << 32) | at as u64);
        let mut heap: BinaryHeap<Reverse<u64>> = (0..n.saturating_sub(1))
            .filter_map(|i| {
                let rank = self.pairs.rank(ids[i], ids[i + 1]);
                (rank != NO_RANK).then(|| entry(rank, i))
            })
            .collect();
        let mut dropped = Vec::new();
        while let Some(Reverse(top)) = heap.pop() {
            if drop(top) {
                dropped.push(Reverse(top));
                continue;
            }
            heap.extend(dropped.drain(..));
            let (rank, at) = ((top >> 32) as u32, (top as u32) as usize);
            let right = next[at] as usize;
            if ids[at] == GONE || right >= n || self.pairs.rank(ids[at], ids[right]) != rank {
                continue;
            }
            ids[at] = self.made[rank as usize];
            ids[right] = GONE;
            next[at] = next[right];
            let after = next[at] as usize;
            if after < n {
                previous[after] = at as u32;
                let rank = self.pairs.rank(ids[at], ids[after]);
                if rank != NO_RANK {
                    heap.push(entry(rank, at));
                }
            }
            if at > 0 {
                let before = previous[at] as usize;
                let rank = self.pairs.rank(ids[before], ids[at]);
                if rank != NO_RANK {
                    heap.push(entry(rank, before));
                }
            }
        }
        let mut kept = 0;
        for i in 0..n {
            if ids[i] != GONE {
                (ids[kept], starts[kept]) = (ids[i], starts[i]);
                kept += 1;
            }
        }
        kept
    }
}
