//! The bytes of a pre-token enter, its tokens leave: byte-level merging by rank, without offsets.

use super::bpe::Bpe;
use super::pairs::{NO_RANK, Pairs, Probe};
use crate::vocab::machine::prefetch;

/// Byte-level merging: the ids of single bytes, the ranks of pairs.
#[derive(Clone, Debug)]
pub struct Merger {
    pub ids: Box<[u32; 256]>,
    /// The rank of each pair of bytes, `first << 8 | second`.
    pub ranks: Box<[u32]>,
    pub pairs: Pairs,
    pub made: Vec<u32>,
}

/// Symbols beyond this number are merged through a heap: below it, looking for the least rank is faster.
const FEW: usize = 64;

impl Merger {
    /// The bytes of a pre-token to its tokens.
    pub fn merge(&self, bpe: &Bpe, piece: &[u8], ids: &mut Vec<u32>, out: &mut Vec<u32>) {
        if piece.len() > FEW {
            ids.clear();
            ids.extend(piece.iter().map(|byte| self.ids[*byte as usize]));
            let mut starts = vec![0; piece.len()];
            let kept = bpe.merge_large(ids, &mut starts, |_| false);
            out.extend_from_slice(&ids[..kept]);
            return;
        }
        let mut symbols = Few::default();
        symbols.merge(self, piece);
        let mut at = 0;
        while at < piece.len() {
            out.push(symbols.ids[at]);
            at = symbols.next[at] as usize;
        }
    }

    #[inline(always)]
    fn key(&self, probe: Option<Probe>, at: usize) -> i32 {
        let rank = probe.map_or(NO_RANK, |probe| self.pairs.answer(probe));
        if rank != NO_RANK {
            prefetch(&self.made, rank as usize);
        }
        Few::key(rank, at)
    }
}

/// Up to 64 symbols on the stack. A symbol stays at the place of its first byte; `next` and `previous` are the places
/// of its neighbours. `keys` hold `rank << 6 | place`, so that the least one is the merge to make.
struct Few {
    ids: [u32; FEW],
    keys: [i32; FEW],
    next: [u8; FEW],
    previous: [u8; FEW],
}

const NO_KEY: i32 = i32::MAX;

impl Default for Few {
    fn default() -> Self {
        Self { ids: [0; FEW], keys: [NO_KEY; FEW], next: [0; FEW], previous: [0; FEW] }
    }
}

impl Few {
    #[inline(always)]
    fn key(rank: u32, at: usize) -> i32 {
        if rank == NO_RANK { NO_KEY } else { (rank << 6) as i32 | at as i32 }
    }

    #[inline(always)]
    fn merge(&mut self, merger: &Merger, piece: &[u8]) {
        let n = piece.len();
        for (i, byte) in piece.iter().enumerate() {
            self.ids[i] = merger.ids[*byte as usize];
            self.next[i] = i as u8 + 1;
            self.previous[i] = (i as u8).wrapping_sub(1);
        }
        for (i, pair) in piece.windows(2).enumerate() {
            self.keys[i] = Self::key(merger.ranks[(pair[0] as usize) << 8 | pair[1] as usize], i);
        }
        let end = n.next_multiple_of(8).min(FEW);
        loop {
            let best = self.keys[..end].iter().copied().fold(NO_KEY, i32::min);
            if best == NO_KEY {
                return;
            }
            let at = best as usize & (FEW - 1);
            let gone = self.next[at] as usize & (FEW - 1);
            let after = self.next[gone] as usize;
            let id = merger.made[(best >> 6) as usize];
            self.ids[at] = id;
            self.keys[gone] = NO_KEY;
            self.next[at] = after as u8;
            // Both neighbours are asked for before either answer is waited for.
            let right = if after < n { merger.pairs.probe(id, self.ids[after & (FEW - 1)]) } else { None };
            let before = self.previous[at] as usize & (FEW - 1);
            let left = if at > 0 { merger.pairs.probe(self.ids[before], id) } else { None };
            self.keys[at] = merger.key(right, at);
            if after < n {
                self.previous[after & (FEW - 1)] = at as u8;
            }
            if at > 0 {
                self.keys[before] = merger.key(left, before);
            }
        }
    }
}
