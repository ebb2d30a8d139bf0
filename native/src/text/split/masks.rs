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
    /// `\n` alone, which ends a line.
    pub line: u64,
    pub quote: u64,
    pub slash: u64,
    /// ASCII punctuation, all of it.
    pub punctuation: u64,
    /// Vertical tab and form feed.
    pub feed: u64,
    /// Beyond ASCII.
    pub wide: u64,
}

/// Makes `Masks::$of` from vectors of `$width` bytes.
#[cfg(target_arch = "x86_64")]
macro_rules! masks_of {
    ($(#[$note:meta])* $of:ident $width:literal $load:ident $bits:ident $equal:ident $all:ident $minus:ident $min:ident $or:ident) => {
        $(#[$note])*
        pub(crate) fn $of(block: &[u8; BLOCK]) -> Self {
            use std::arch::x86_64::*;
            let mut out = Self::default();
            for (i, part) in block.as_chunks::<$width>().0.iter().enumerate() {
                // SAFETY: the instructions are there (see above), and the load reads the bytes that `part` borrows.
                unsafe {
                    let bytes = $load(part.as_ptr().cast());
                    let bits = |mask| u64::from($bits(mask) as u32) << ($width * i);
                    let is = |byte: u8| $equal(bytes, $all(byte as i8));
                    let within = |bytes, from: u8, to: u8| {
                        let above = $minus(bytes, $all(from as i8));
                        $equal($min(above, $all((to - from) as i8)), above)
                    };
                    let line = is(b'\n');
                    out.letter |= bits(within($or(bytes, $all(0x20)), b'a', b'z'));
                    out.upper |= bits(within(bytes, b'A', b'Z'));
                    out.digit |= bits(within(bytes, b'0', b'9'));
                    out.space |= bits($or(is(b' '), within(bytes, b'\t', b'\r')));
                    out.blank |= bits(is(b' '));
                    out.newline |= bits($or(line, is(b'\r')));
                    out.line |= bits(line);
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
    };
}

impl Masks {
    #[cfg(target_arch = "x86_64")]
    masks_of! {
        /// Every x86-64 has SSE2.
        #[inline(always)]
        of 16 _mm_loadu_si128 _mm_movemask_epi8 _mm_cmpeq_epi8 _mm_set1_epi8 _mm_sub_epi8 _mm_min_epu8 _mm_or_si128
    }

    #[cfg(target_arch = "x86_64")]
    masks_of! {
        /// The same with AVX2, twice as much at a time.
        #[target_feature(enable = "avx2")]
        #[inline]
        of_avx2 32 _mm256_loadu_si256 _mm256_movemask_epi8 _mm256_cmpeq_epi8 _mm256_set1_epi8 _mm256_sub_epi8
        _mm256_min_epu8 _mm256_or_si256
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
            line: mask(|b| b == b'\n'),
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
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: asked for just now.
                assert_eq!(unsafe { Masks::of_avx2(&block) }, Masks::bytewise(&block));
            }
        }
    }
}
