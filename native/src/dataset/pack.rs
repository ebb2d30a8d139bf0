//! Lengths in, bins out: best-fit decreasing (Ding et al. 2024, "Fewer truncations improve language modeling", section 3).
//!
//! The longest piece goes first, each into the fullest bin that still has room. Bins are kept in stacks by the room they
//! have left, with a bit set that finds the next stack that isn't empty: a piece costs a few nanoseconds at any corpus size.

/// Bins as runs of piece numbers: bin i holds `pieces[ends[i-1]..ends[i]]`, in the order the pieces came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Bins {
    pub pieces: Vec<u32>,
    pub ends: Vec<u32>,
    /// Tokens in each bin.
    pub fill: Vec<u32>,
}

impl Bins {
    pub fn len(&self) -> usize {
        self.ends.len()
    }
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
    pub fn bin(&self, bin: usize) -> &[u32] {
        let start = if bin == 0 { 0 } else { self.ends[bin - 1] };
        &self.pieces[start as usize..self.ends[bin] as usize]
    }
}

/// No bin yet, or the end of a stack.
const NONE: u32 = u32::MAX;

/// Packs pieces of `lengths` tokens (each 1..=width) into bins of `width`. Pieces of other lengths are left out.
pub fn best_fit(lengths: &[u32], width: u32) -> Bins {
    let width = width as usize;
    let order = by_length(lengths, width);
    let mut rooms = Rooms::new(width);
    let mut bin_of = vec![NONE; lengths.len()];
    let mut next: Vec<u32> = Vec::new();
    let mut fill: Vec<u32> = Vec::new();
    for piece in order {
        let length = lengths[piece as usize] as usize;
        let (bin, room) = match rooms.at_least(length) {
            Some(room) => {
                let bin = rooms.head[room];
                rooms.head[room] = next[bin as usize];
                if rooms.head[room] == NONE {
                    rooms.clear(room);
                }
                (bin, room)
            }
            None => {
                next.push(NONE);
                fill.push(0);
                (fill.len() as u32 - 1, width)
            }
        };
        bin_of[piece as usize] = bin;
        fill[bin as usize] += length as u32;
        let left = room - length;
        if left > 0 {
            next[bin as usize] = rooms.head[left];
            rooms.head[left] = bin;
            rooms.set(left);
        }
    }
    gather(&bin_of, fill)
}

/// Piece numbers from the longest to the shortest, equal ones in order (a counting sort).
fn by_length(lengths: &[u32], width: usize) -> Vec<u32> {
    let fits = |length: u32| length > 0 && length as usize <= width;
    let mut starts = vec![0u32; width + 2];
    for &length in lengths.iter().filter(|&&length| fits(length)) {
        starts[width - length as usize + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut order = vec![0; starts[width + 1] as usize];
    for (piece, &length) in lengths.iter().enumerate().filter(|&(_, &length)| fits(length)) {
        let place = &mut starts[width - length as usize];
        order[*place as usize] = piece as u32;
        *place += 1;
    }
    order
}

fn gather(bin_of: &[u32], fill: Vec<u32>) -> Bins {
    let mut ends = vec![0u32; fill.len() + 1];
    for &bin in bin_of.iter().filter(|&&bin| bin != NONE) {
        ends[bin as usize + 1] += 1;
    }
    for i in 1..ends.len() {
        ends[i] += ends[i - 1];
    }
    let mut pieces = vec![0; ends[fill.len()] as usize];
    for (piece, &bin) in bin_of.iter().enumerate().filter(|&(_, &bin)| bin != NONE) {
        let place = &mut ends[bin as usize];
        pieces[*place as usize] = piece as u32;
        *place += 1;
    }
    ends.pop();
    Bins { pieces, ends, fill }
}

/// Stacks of bins by room left, and a two-level bit set of the stacks that are not empty.
struct Rooms {
    head: Vec<u32>,
    bits: Vec<u64>,
    summary: Vec<u64>,
}

impl Rooms {
    fn new(width: usize) -> Self {
        let words = width / 64 + 1;
        Self { head: vec![NONE; width + 1], bits: vec![0; words], summary: vec![0; words / 64 + 1] }
    }

    fn set(&mut self, room: usize) {
        self.bits[room / 64] |= 1 << (room % 64);
        self.summary[room / 4096] |= 1 << (room / 64 % 64);
    }

    fn clear(&mut self, room: usize) {
        self.bits[room / 64] &= !(1 << (room % 64));
        if self.bits[room / 64] == 0 {
            self.summary[room / 4096] &= !(1 << (room / 64 % 64));
        }
    }

    /// The least room of at least `length` that some bin has.
    fn at_least(&self, length: usize) -> Option<usize> {
        let word = length / 64;
        let here = self.bits.get(word)? & (u64::MAX << (length % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let next = word + 1;
        let mut mask = u64::MAX << (next % 64);
        for group in next / 64..self.summary.len() {
            let found = self.summary[group] & mask;
            if found != 0 {
                let word = group * 64 + found.trailing_zeros() as usize;
                return Some(word * 64 + self.bits[word].trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Best-fit decreasing as one reads it in the paper: every bin is looked at for every piece.
    fn naive(lengths: &[u32], width: u32) -> Vec<u32> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&piece| std::cmp::Reverse(lengths[piece]));
        let mut room: Vec<u32> = Vec::new();
        for piece in order {
            let best = (0..room.len()).filter(|&bin| room[bin] >= lengths[piece]).min_by_key(|&bin| room[bin]);
            match best {
                Some(bin) => room[bin] -= lengths[piece],
                None => room.push(width - lengths[piece]),
            }
        }
        room.sort_unstable();
        room
    }

    proptest! {
        #[test]
        fn every_piece_once_and_as_full_as_the_naive_one(lengths in prop::collection::vec(1u32..=200, 0..300), extra in 0u32..9000) {
            let width = 200 + extra;
            let bins = best_fit(&lengths, width);
            let mut seen: Vec<u32> = bins.pieces.clone();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len() as u32).collect::<Vec<_>>());
            for bin in 0..bins.len() {
                let sum: u32 = bins.bin(bin).iter().map(|&piece| lengths[piece as usize]).sum();
                prop_assert!(sum <= width && sum == bins.fill[bin]);
            }
            let mut room: Vec<u32> = bins.fill.iter().map(|fill| width - fill).collect();
            room.sort_unstable();
            prop_assert_eq!(room, naive(&lengths, width));
        }
    }
}
