//! The short way for byte-level BPE: pre-tokens as bytes of the text itself in, ids out, through the cache.
//! No offsets, no strings in between; the long way (`tokenizer.rs`) gives the same ids.

use std::ops::Range;

use super::bpe::Bpe;
use super::bytes;
use super::cache::{Cache, Key, Packed, SHORT, Table, hash_of};
use super::cuts::{Cuts, Spelt};
use super::merger::Merger;
use super::queue::Queue;
use super::vocab::Vocab;
use crate::error::Result;
use crate::text::classes::decode;
use crate::text::split::Sink;
use crate::vocab::machine::in_parts;

#[derive(Clone, Debug)]
pub struct ByteBpe {
    merger: Merger,
    /// The tokens of up to 15 bytes that are their own encoding, what most pre-tokens are: a cache starts with them.
    whole: Table,
    /// Tokens that no merges lead to, where the model looks for whole pre-tokens first (`ignore_merges`).
    odd: Option<Vocab>,
    cuts: Cuts,
    /// The tokens of each single character below U+10000, by code point: three ids of 21 bits, `NO_ID` for none.
    chars: Box<[u64]>,
}

/// What encoding keeps from one call to the next. Belongs to one tokenizer.
#[derive(Debug, Default)]
pub struct Memory {
    pub queue: Queue,
    pub cache: Cache,
    ids: Vec<u32>,
}

/// A part of `ByteBpe`: see its fields.
#[derive(Default)]
struct Tokens {
    whole: Vec<(Key, Packed)>,
    odd: Vec<(Vec<u8>, u32)>,
    cuts: Cuts,
}

/// What a pre-token that isn't in the cache is encoded with.
struct Room<'a> {
    cache: &'a mut Cache,
    ids: &'a mut Vec<u32>,
}

/// Ids that are gathered before they go out.
const FOUND: usize = 29;

/// No id has all 21 bits set.
const NO_ID: u32 = (1 << 21) - 1;

impl Merger {
    /// What encoding must know of the tokens with these ids.
    fn tokens(&self, bpe: &Bpe, ids: Range<u32>) -> Tokens {
        let mut found = Tokens::default();
        let (mut scratch, mut out, mut token) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            token.clear();
            let spelt = bpe.vocab.token(id).is_some_and(|spelt| bytes::append_bytes(spelt, &mut token));
            if !spelt || token.is_empty() {
                continue;
            }
            found.cuts.add(&token);
            out.clear();
            self.merge(bpe, &token, &mut scratch, &mut out);
            if out != [id] {
                if bpe.options.ignore_merges {
                    found.odd.push((token.clone(), id));
                }
            } else if let (true, Some(packed)) = (token.len() <= SHORT, Packed::new(&[id])) {
                found.whole.push((Key::new(&token, 0, token.len()), packed));
            }
        }
        found
    }

    /// The tokens of these characters, see `ByteBpe::chars`.
    fn chars(&self, bpe: &Bpe, codes: Range<u32>) -> Vec<u64> {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        let mut buffer = [0; 4];
        let tokens = codes.map(|code| {
            out.clear();
            if let Some(c) = char::from_u32(code) {
                self.merge(bpe, c.encode_utf8(&mut buffer).as_bytes(), &mut scratch, &mut out);
            }
            out.resize(3, NO_ID);
            out.iter().rev().fold(0, |word, id| (word << 21) | u64::from(*id))
        });
        tokens.collect()
    }
}

impl ByteBpe {
    /// What encoding keeps, at its start.
    pub fn memory(&self) -> Memory {
        Memory { cache: Cache::with(&self.whole), ..Memory::default() }
    }

    /// `None` where the vocabulary doesn't spell all bytes, or merges are dropped at random.
    pub fn new(bpe: &Bpe) -> Result<Option<Self>> {
        let options = &bpe.options;
        if options.dropout.is_some() || bpe.is_decorated() {
            return Ok(None);
        }
        let Some(ids) = bpe.byte_ids() else { return Ok(None) };
        let ranks = (0..1 << 16).map(|pair| bpe.pairs.rank(ids[pair >> 8], ids[pair & 255])).collect();
        let merger = Merger { ids, ranks, pairs: bpe.pairs.clone(), made: bpe.made.clone() };
        let half = bpe.vocab.end() / 2;
        let parts = vec![(0..half, 0..1 << 15), (half..bpe.vocab.end(), 1 << 15..1 << 16)];
        let parts = in_parts(parts, |(ids, codes)| (merger.tokens(bpe, ids), merger.chars(bpe, codes)));
        let mut whole = Table::new(bpe.vocab.len() * 2, usize::MAX);
        let mut odd = Vocab::default();
        let mut cuts = Cuts::default();
        let mut chars = Vec::with_capacity(1 << 16);
        for (tokens, some) in parts {
            tokens.whole.iter().for_each(|&(key, id)| whole.put(key, hash_of(key), id));
            tokens.odd.iter().try_for_each(|(token, id)| odd.insert(token, *id))?;
            cuts.merge(&tokens.cuts);
            chars.extend(some);
        }
        let odd = (!odd.is_empty()).then_some(odd);
        Ok(Some(Self { merger, whole, odd, cuts, chars: chars.into_boxed_slice() }))
    }

    /// A pre-token cut wherever no token reaches across.
    #[inline(never)]
    fn encode_in_parts(&self, bpe: &Bpe, text: &[u8], start: usize, end: usize, room: &mut Room, out: &mut Vec<u32>) {
        let (mut found, mut n) = ([0; FOUND + 3], 0);
        let mut last = Spelt::at(text, start);
        let (mut from, mut at) = (start, start + last.width);
        loop {
            let next = (at < end).then(|| Spelt::at(text, at));
            if next.is_none_or(|next| self.cuts.between(last, next)) {
                match self.chars.get(decode(text, from).0 as usize) {
                    Some(word) if at - from == last.width => {
                        // A single character: all three ids, and on by as many as count.
                        let ids = [0, 21, 42].map(|shift| (word >> shift) as u32 & NO_ID);
                        found[n..n + 3].copy_from_slice(&ids);
                        n += 1 + usize::from(ids[1] != NO_ID) + usize::from(ids[2] != NO_ID);
                    }
                    _ => {
                        out.extend_from_slice(&found[..n]);
                        n = 0;
                        self.encode_part(bpe, text, from, at, room, out);
                    }
                }
                if n > FOUND - 3 {
                    out.extend_from_slice(&found[..n]);
                    n = 0;
                }
                from = at;
            }
            let Some(next) = next else { break };
            (last, at) = (next, at + next.width);
        }
        out.extend_from_slice(&found[..n]);
    }

    /// A part of several characters, or of one beyond the table.
    #[inline(never)]
    fn encode_part(&self, bpe: &Bpe, text: &[u8], start: usize, end: usize, room: &mut Room, out: &mut Vec<u32>) {
        if self.odd_of(&text[start..end]).is_some() {
            // Only a whole pre-token is looked up before it is merged, and the cache may know this part as one.
            return self.merger.merge(bpe, &text[start..end], room.ids, out);
        }
        if end - start > SHORT {
            return self.merge_long(bpe, &text[start..end], room, out);
        }
        let key = Key::new(text, start, end - start);
        let hash = hash_of(key);
        match room.cache.short.get(key, hash) {
            Some(ids) => ids.push(out),
            None => self.merge_short(bpe, &text[start..end], key, hash, room, out),
        }
    }

    /// A pre-token of up to 15 bytes that is not in the cache.
    #[cold]
    #[inline(never)]
    fn miss(&self, bpe: &Bpe, text: &[u8], start: usize, end: usize, room: &mut Room, out: &mut Vec<u32>) {
        let key = Key::new(text, start, end - start);
        let hash = hash_of(key);
        if without_spaces(&text[start..end]) && self.odd_of(&text[start..end]).is_none() {
            self.encode_in_parts(bpe, text, start, end, room, out);
        } else {
            self.merge_short(bpe, &text[start..end], key, hash, room, out);
        }
    }

    #[inline(always)]
    fn odd_of(&self, piece: &[u8]) -> Option<u32> {
        self.odd.as_ref()?.id(piece)
    }

    fn merge_short(&self, bpe: &Bpe, piece: &[u8], key: Key, hash: u64, room: &mut Room, out: &mut Vec<u32>) {
        // Those with too many ids for a slot are kept as long ones.
        if room.cache.get_long(piece, out) {
            return;
        }
        let first = out.len();
        match self.odd_of(piece) {
            Some(id) => out.push(id),
            None => self.merger.merge(bpe, piece, room.ids, out),
        }
        match Packed::new(&out[first..]) {
            Some(ids) => room.cache.short.put(key, hash, ids),
            None => room.cache.put_long(piece, &out[first..]),
        }
    }

    #[inline(never)]
    fn encode_long(&self, bpe: &Bpe, text: &[u8], start: usize, end: usize, room: &mut Room, out: &mut Vec<u32>) {
        let piece = &text[start..end];
        if let Some(id) = self.odd_of(piece) {
            out.push(id);
        } else if without_spaces(&piece[..SHORT]) {
            self.encode_in_parts(bpe, text, start, end, room, out);
        } else {
            self.merge_long(bpe, piece, room, out);
        }
    }

    fn merge_long(&self, bpe: &Bpe, piece: &[u8], room: &mut Room, out: &mut Vec<u32>) {
        if room.cache.get_long(piece, out) {
            return;
        }
        let first = out.len();
        self.merger.merge(bpe, piece, room.ids, out);
        room.cache.put_long(piece, &out[first..]);
    }
}

/// The way of a text through a `ByteBpe`: takes its pre-tokens, appends their ids at once or with the next `flush`.
pub struct Run<'a> {
    pub short: &'a ByteBpe,
    pub bpe: &'a Bpe,
    pub text: &'a [u8],
    pub memory: &'a mut Memory,
    pub out: &'a mut Vec<u32>,
}

impl Sink for Run<'_> {
    #[inline(always)]
    fn word(&mut self, Range { start, end }: Range<usize>, ascii: bool) {
        let text = self.text;
        if !ascii && end - start > 6 && text[end - 3] >= WIDE && self.short.odd.is_none() {
            self.parts(start, end);
        } else if self.memory.queue.push(start, end) {
            self.flush();
        }
    }

    #[inline(always)]
    fn block(&mut self, at: usize, ends: u64) {
        if self.memory.queue.push_block(at, ends) {
            self.flush();
        }
    }
}

impl Run<'_> {
    /// A pre-token that is cut wherever no token reaches across, because its parts come again sooner than the whole does.
    #[inline(never)]
    fn parts(&mut self, start: usize, end: usize) {
        let text = self.text;
        let mut last = Spelt::at(text, start);
        let (mut from, mut at) = (start, start + last.width);
        while at < end {
            let next = Spelt::at(text, at);
            // Without a branch: a guess would fail for every other part.
            let cut = self.short.cuts.between(last, next);
            if self.memory.queue.push_if(cut, from, at) {
                self.flush();
            }
            from = if cut { at } else { from };
            (last, at) = (next, at + next.width);
        }
        if self.memory.queue.push(from, end) {
            self.flush();
        }
    }

    /// Encodes the pre-tokens that wait. To be called when the text has ended.
    #[inline(never)]
    pub fn flush(&mut self) {
        let Self { short, bpe, text, memory, out } = self;
        let Memory { queue, cache, ids } = &mut **memory;
        let all = queue.flush(text, cache, out, |start, end, cache, out| {
            let mut room = Room { cache, ids };
            if end - start > SHORT {
                short.encode_long(bpe, text, start, end, &mut room, out);
            } else {
                short.miss(bpe, text, start, end, &mut room, out);
            }
            Ok(())
        });
        debug_assert!(all.is_ok());
    }
}

/// The first byte of characters from U+3000 on, of scripts that are written without spaces: their pre-tokens seldom come
/// twice, but parts of them do.
const WIDE: u8 = 0xe3;

/// Whether a pre-token is of such a script.
fn without_spaces(piece: &[u8]) -> bool {
    piece.len() > 6 && piece.iter().take(SHORT).filter(|byte| **byte >= WIDE).count() > 1
}
