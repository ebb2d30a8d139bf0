//! The short way for byte-level BPE: pre-tokens as bytes of the text itself in, ids out, through the cache.
//! No offsets, no strings in between; the long way (`tokenizer.rs`) gives the same ids.

use super::bpe::{Bpe, SMALL};
use super::cache::{Cache, Key, SHORT};
use super::pairs::NO_RANK;
use super::{bytes, vocab::Vocab};
use crate::error::Result;

#[derive(Clone, Debug)]
pub struct ByteBpe {
    ids: Box<[u32; 256]>,
    /// The rank of each pair of bytes, `first << 8 | second`.
    ranks: Box<[u32]>,
    /// Whole pre-tokens by their bytes, where the model looks for them first (`ignore_merges`).
    whole: Option<Vocab>,
}

/// What encoding keeps from one call to the next. Belongs to one tokenizer.
#[derive(Debug, Default)]
pub struct Memory {
    pub cache: Cache,
    ids: Vec<u32>,
    starts: Vec<u32>,
}

impl ByteBpe {
    /// `None` where the vocabulary doesn't spell all bytes, or merges are dropped at random.
    pub fn new(bpe: &Bpe) -> Result<Option<Self>> {
        let options = &bpe.options;
        let decorated = [&options.continuing_subword_prefix, &options.end_of_word_suffix];
        if options.dropout.is_some() || decorated.iter().any(|s| s.as_deref().is_some_and(|s| !s.is_empty())) {
            return Ok(None);
        }
        let Some(ids) = bpe.byte_ids() else { return Ok(None) };
        let ranks = (0..1 << 16).map(|pair| bpe.pairs.rank(ids[pair >> 8], ids[pair & 255])).collect();
        let mut whole = None;
        if options.ignore_merges {
            let mut vocab = Vocab::with_capacity(bpe.vocab.len());
            for (id, token) in bpe.vocab.iter() {
                if let Some(bytes) = std::str::from_utf8(token).ok().and_then(bytes::to_bytes) {
                    vocab.insert(&bytes, id)?;
                }
            }
            whole = Some(vocab);
        }
        Ok(Some(Self { ids, ranks, whole }))
    }

    /// Appends the ids of the pre-token `text[start..end]`.
    #[inline(always)]
    pub fn encode(&self, bpe: &Bpe, text: &[u8], start: usize, end: usize, memory: &mut Memory, out: &mut Vec<u32>) {
        let len = end - start;
        if len > SHORT {
            return self.encode_long(bpe, &text[start..end], memory, out);
        }
        if len == 0 {
            return;
        }
        let key = Key::new(text, start, len);
        let hash = key.hash();
        if !memory.cache.get(key, hash, out) {
            self.miss(bpe, &text[start..end], key, hash, memory, out);
        }
    }

    #[cold]
    #[inline(never)]
    fn miss(&self, bpe: &Bpe, piece: &[u8], key: Key, hash: u64, memory: &mut Memory, out: &mut Vec<u32>) {
        let first = out.len();
        self.merge(bpe, piece, memory, out);
        memory.cache.put(key, hash, &out[first..]);
    }

    #[inline(never)]
    fn encode_long(&self, bpe: &Bpe, piece: &[u8], memory: &mut Memory, out: &mut Vec<u32>) {
        if memory.cache.get_long(piece, out) {
            return;
        }
        let first = out.len();
        self.merge(bpe, piece, memory, out);
        memory.cache.put_long(piece, &out[first..]);
    }

    fn merge(&self, bpe: &Bpe, piece: &[u8], memory: &mut Memory, out: &mut Vec<u32>) {
        if let Some(id) = self.whole.as_ref().and_then(|whole| whole.id(piece)) {
            out.push(id);
            return;
        }
        if piece.len() > SMALL {
            memory.ids.clear();
            memory.ids.extend(piece.iter().map(|byte| self.ids[*byte as usize]));
            memory.starts.clear();
            memory.starts.resize(piece.len(), 0);
            let kept = bpe.merge_large(&mut memory.ids, &mut memory.starts, |_| false);
            out.extend_from_slice(&memory.ids[..kept]);
            return;
        }
        let mut n = piece.len();
        let mut ids = [0u32; SMALL];
        let mut ranks = [NO_RANK; SMALL];
        for (i, byte) in piece.iter().enumerate() {
            ids[i] = self.ids[*byte as usize];
        }
        for (i, pair) in piece.windows(2).enumerate() {
            ranks[i] = self.ranks[(pair[0] as usize) << 8 | pair[1] as usize];
        }
        while n > 1 {
            let (mut best, mut at) = (NO_RANK, 0);
            for (i, rank) in ranks[..n - 1].iter().enumerate() {
                if *rank < best {
                    (best, at) = (*rank, i);
                }
            }
            if best == NO_RANK {
                break;
            }
            ids[at] = bpe.made[best as usize];
            ids.copy_within(at + 2..n, at + 1);
            ranks.copy_within(at + 1..n, at);
            n -= 1;
            ranks[n - 1] = NO_RANK;
            if at > 0 {
                ranks[at - 1] = bpe.pairs.rank(ids[at - 1], ids[at]);
            }
            if at + 1 < n {
                ranks[at] = bpe.pairs.rank(ids[at], ids[at + 1]);
            }
        }
        out.extend_from_slice(&ids[..n]);
    }
}
