//! 64 bytes enter, a bit mask for each class of ASCII characters leaves: bit i speaks of byte i.

/// Bytes that are looked at together.
pub const BLOCK: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    pub letter: u64,
    pub upper: u64,
    pub digit: u64,
    /// Tab to carriage return, and the space.
    pub space: u64,
    /// The space alone.
    pub blank: u64,
    /// `\r` and `\n`
    pub newline: u64,
    pub quote: u64,
    pub slash: u64,
    /// ASCII punctuation, all of it.
    pub punctuation: u64,
    /// Vertical tab and form feed.
    pub feed: u64,
    /// Beyond ASCII.
    pub wide: u64,
}

impl Masks {
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn of(block: &[u8; BLOCK]) -> Self {
        use std::arch::x86_64::*;
        let mut out = Self::default();
        for (i, part) in block.as_chunks::<16>().0.iter().enumerate() {
            // SAFETY: every x86-64 has SSE2, and the load reads the 16 bytes that `part` borrows.
            unsafe {
                let bytes = _mm_loadu_si128(part.as_ptr().cast());
                let bits = |mask: __m128i| u64::from(_mm_movemask_epi8(mask) as u32) << (16 * i);
                let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
                let within = |bytes: __m128i, from: u8, to: u8| {
                    let above = _mm_sub_epi8(bytes, _mm_set1_epi8(from as i8));
                    _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((to - from) as i8)), above)
                };
                let folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
                out.letter |= bits(within(folded, b'a', b'z'));
                out.upper |= bits(within(bytes, b'A', b'Z'));
                out.digit |= bits(within(bytes, b'0', b'9'));
                out.space |= bits(_mm_or_si128(is(b' '), within(bytes, b'\t', b'\r')));
                out.blank |= bits(is(b' '));
                out.newline |= bits(_mm_or_si128(is(b'\n'), is(b'\r')));
                out.quote |= bits(is(b'\''));
                out.slash |= bits(is(b'/'));
                out.feed |= bits(within(bytes, 0xb, 0xc));
                out.punctuation |= bits(within(bytes, b'!', b'~'));
                out.wide |= bits(bytes);
            }
        }
        out.punctuation &= !(out.letter | out.digit);
        out
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline(always)]
    pub fn of(block: &[u8; BLOCK]) -> Self {
        Self::bytewise(block)
    }

    /// The same, byte by byte.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn bytewise(block: &[u8; BLOCK]) -> Self {
        let mask = |is: fn(u8) -> bool| block.iter().rev().fold(0, |mask, byte| mask << 1 | u64::from(is(*byte)));
        Self {
            letter: mask(|b| b.is_ascii_alphabetic()),
            upper: mask(|b| b.is_ascii_uppercase()),
            digit: mask(|b| b.is_ascii_digit()),
            space: mask(|b| matches!(b, b'\t'..=b'\r' | b' ')),
            blank: mask(|b| b == b' '),
            newline: mask(|b| matches!(b, b'\n' | b'\r')),
            quote: mask(|b| b == b'\''),
            slash: mask(|b| b == b'/'),
            punctuation: mask(|b| b.is_ascii_punctuation()),
            feed: mask(|b| matches!(b, 0xb | 0xc)),
            wide: mask(|b| !b.is_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for shift in 0..=255u8 {
            let block: [u8; BLOCK] = std::array::from_fn(|i| (i as u8).wrapping_mul(5).wrapping_add(shift));
            assert_eq!(Masks::of(&block), Masks::bytewise(&block));
        }
    }
}
