//! Token ids in as many bytes as they need: two until one comes that is 65,536 or more. Most vocabularies have none, and the
//! ids of a partition are most of what a build holds in memory.

use std::ops::Range;

use arrow_buffer::ToByteSlice;
use xxhash_rust::xxh3::Xxh3;

use crate::vocab::machine::{prefetch, room_on_huge_pages};

/// A growing array of ids.
#[derive(Clone, Debug)]
pub enum TokenIds {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

/// A part of it.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    Narrow(&'a [u16]),
    Wide(&'a [u32]),
}

/// Ids that are handled at once where they come one by one.
const AT_ONCE: usize = 256;

impl TokenIds {
    /// Empty, with room for so many narrow ids.
    pub fn with_room(len: usize) -> Self {
        Self::Narrow(room_on_huge_pages(len))
    }

    pub fn len(&self) -> usize {
        self.run().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        match self {
            Self::Narrow(ids) => ids.clear(),
            Self::Wide(ids) => ids.clear(),
        }
    }

    pub fn push(&mut self, id: u32) {
        self.extend_from_slice(&[id]);
    }

    pub fn extend_from_slice(&mut self, more: &[u32]) {
        if let Self::Narrow(ids) = self {
            if more.iter().fold(0, |all, id| all | id) >> 16 == 0 {
                return ids.extend(more.iter().map(|&id| id as u16));
            }
            self.widen();
        }
        if let Self::Wide(ids) = self {
            ids.extend_from_slice(more);
        }
    }

    /// Appends a part of another array.
    pub fn extend_from(&mut self, run: Run) {
        match (run, self) {
            (Run::Narrow(more), Self::Narrow(ids)) => ids.extend_from_slice(more),
            (Run::Narrow(more), Self::Wide(ids)) => ids.extend(more.iter().map(|&id| u32::from(id))),
            (Run::Wide(more), ids) => ids.extend_from_slice(more),
        }
    }

    fn widen(&mut self) {
        if let Self::Narrow(ids) = self {
            let mut wide = room_on_huge_pages(ids.capacity());
            wide.extend(ids.iter().map(|&id| u32::from(id)));
            *self = Self::Wide(wide);
        }
    }

    /// All of it.
    pub fn run(&self) -> Run<'_> {
        match self {
            Self::Narrow(ids) => Run::Narrow(ids),
            Self::Wide(ids) => Run::Wide(ids),
        }
    }

    pub fn part(&self, range: Range<usize>) -> Run<'_> {
        self.run().part(range)
    }

    /// Asks for the memory of an id that will be read soon.
    #[inline]
    pub fn prefetch(&self, at: usize) {
        match self {
            Self::Narrow(ids) => prefetch(ids, at),
            Self::Wide(ids) => prefetch(ids, at),
        }
    }
}

impl Default for TokenIds {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl PartialEq for TokenIds {
    fn eq(&self, other: &Self) -> bool {
        self.run().iter().eq(other.run().iter())
    }
}

impl Eq for TokenIds {}

impl Extend<u32> for TokenIds {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, more: I) {
        let mut some = [0; AT_ONCE];
        let mut n = 0;
        for id in more {
            some[n] = id;
            n += 1;
            if n == AT_ONCE {
                self.extend_from_slice(&some);
                n = 0;
            }
        }
        self.extend_from_slice(&some[..n]);
    }
}

impl<'a> Run<'a> {
    pub fn len(self) -> usize {
        match self {
            Self::Narrow(ids) => ids.len(),
            Self::Wide(ids) => ids.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn part(self, range: Range<usize>) -> Self {
        match self {
            Self::Narrow(ids) => Self::Narrow(&ids[range]),
            Self::Wide(ids) => Self::Wide(&ids[range]),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        let (narrow, wide): (&[u16], &[u32]) = match self {
            Self::Narrow(ids) => (ids, &[]),
            Self::Wide(ids) => (&[], ids),
        };
        narrow.iter().map(|&id| u32::from(id)).chain(wide.iter().copied())
    }

    pub fn to_vec(self) -> Vec<u32> {
        self.iter().collect()
    }

    /// Hashes them as numbers of four bytes, whatever they take in memory.
    pub fn hash_into(self, hash: &mut Xxh3) {
        match self {
            Self::Wide(ids) => hash.update(ids.to_byte_slice()),
            Self::Narrow(ids) => {
                let mut some = [0u32; AT_ONCE];
                for ids in ids.chunks(AT_ONCE) {
                    some.iter_mut().zip(ids).for_each(|(wide, &id)| *wide = u32::from(id));
                    hash.update(some[..ids.len()].to_byte_slice());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_two_bytes_until_one_needs_four() {
        let numbers: Vec<u32> = (0..1000).map(|i| i * 65).collect();
        let mut ids = TokenIds::default();
        ids.extend(numbers.iter().copied());
        assert!(matches!(&ids, TokenIds::Narrow(_)));
        let mut more = TokenIds::default();
        more.push(7);
        more.extend_from(ids.part(10..20));
        assert_eq!(more.part(1..11).to_vec(), numbers[10..20]);
        let hash_of = |ids: &TokenIds| {
            let mut hash = Xxh3::new();
            ids.run().hash_into(&mut hash);
            hash.digest()
        };
        let narrow = (hash_of(&ids), ids.clone());
        ids.push(65_536);
        assert!(matches!(&ids, TokenIds::Wide(_)));
        assert_eq!((ids.part(0..1000).to_vec(), ids.len()), (numbers.clone(), 1001));
        let mut wide = TokenIds::Wide(numbers);
        assert_eq!((hash_of(&wide), wide.clone()), narrow);
        wide.extend_from(more.run());
        assert_eq!(wide.len(), 1011);
    }
}
