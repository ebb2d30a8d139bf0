//! UTF-16 enters, UTF-8 leaves. Half of a surrogate pair alone becomes U+FFFD, as everywhere in JavaScript.

#[cfg(target_arch = "x86_64")]
use super::machine::has_avx2;

/// Units that are looked at together.
const ASCII: usize = 32;
const WIDE: usize = 8;

/// Room that a text of so many units takes at most: three bytes a unit (a pair takes four), and one that is written over.
const fn room(units: usize) -> usize {
    3 * units + 1
}

/// Writes the text of `units` to the front of `out`, which must have room for it, and returns its length.
#[inline]
fn write(units: &[u16], out: &mut [u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { write_avx2(units, out) };
    }
    write_any(units, out)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn write_avx2(units: &[u16], out: &mut [u8]) -> usize {
    write_any(units, out)
}

#[inline(always)]
fn write_any(units: &[u16], out: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < units.len() {
        if let Some(block) = units[from..].first_chunk::<ASCII>()
            && block.iter().fold(0, |all, unit| all | unit) < 0x80
        {
            let bytes: [u8; ASCII] = std::array::from_fn(|i| block[i] as u8);
            out[to..to + ASCII].copy_from_slice(&bytes);
            (from, to) = (from + ASCII, to + ASCII);
            continue;
        }
        if let Some(block) = units[from..].first_chunk::<WIDE>()
            && block.iter().all(|unit| *unit >= 0x800 && !is_surrogate(*unit))
        {
            let out = &mut out[to..to + room(WIDE)];
            for (i, unit) in block.iter().enumerate() {
                // Three bytes, and a fourth that the next character writes over.
                let unit = u32::from(*unit);
                let bytes = 0x80_80e0 | unit >> 12 | (unit & 0xfc0) << 2 | (unit & 0x3f) << 16;
                out[3 * i..3 * i + 4].copy_from_slice(&bytes.to_le_bytes());
            }
            (from, to) = (from + WIDE, to + 3 * WIDE);
            continue;
        }
        let end = units.len().min(from + WIDE);
        while from < end {
            let unit = units[from];
            from += 1;
            let rest = |shift: u32| 0x80 | ((unit >> shift) as u8 & 0x3f);
            match unit {
                0..0x80 => {
                    out[to] = unit as u8;
                    to += 1;
                }
                0x80..0x800 => {
                    out[to..to + 2].copy_from_slice(&[0xc0 | (unit >> 6) as u8, rest(0)]);
                    to += 2;
                }
                0xd800..0xe000 => {
                    let pair = units.get(from).filter(|next| unit < 0xdc00 && (0xdc00..0xe000).contains(*next));
                    let c = pair.and_then(|next| {
                        char::from_u32(0x1_0000 + ((u32::from(unit) & 0x3ff) << 10 | (u32::from(*next) & 0x3ff)))
                    });
                    from += usize::from(c.is_some());
                    let mut four = [0; 4];
                    let bytes = c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut four).as_bytes();
                    out[to..to + bytes.len()].copy_from_slice(bytes);
                    to += bytes.len();
                }
                _ => {
                    out[to..to + 3].copy_from_slice(&[0xe0 | (unit >> 12) as u8, rest(6), rest(0)]);
                    to += 3;
                }
            }
        }
    }
    to
}

#[inline(always)]
fn is_surrogate(unit: u16) -> bool {
    unit & 0xf800 == 0xd800
}

/// Many texts, one behind the other.
#[derive(Debug, Default)]
pub struct Texts {
    /// Text up to `len`, room behind it.
    bytes: Vec<u8>,
    len: usize,
    ends: Vec<usize>,
}

impl Texts {
    /// No texts yet; `room` is written over.
    pub fn new(room: Vec<u8>) -> Self {
        Self { bytes: room, ..Self::default() }
    }

    pub fn push(&mut self, units: &[u16]) {
        let needed = self.len + room(units.len());
        if needed > self.bytes.len() {
            // A quarter more than needed, so that many texts don't move the room often.
            self.bytes.resize(needed + needed / 4, 0);
        }
        self.len += write(units, &mut self.bytes[self.len..]);
        self.ends.push(self.len);
    }

    pub fn all(&self) -> Vec<&str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        // SAFETY: `write` writes whole characters, and each text ends behind one.
        let text = |range: std::ops::Range<usize>| unsafe { std::str::from_utf8_unchecked(&self.bytes[range]) };
        starts.zip(&self.ends).map(|(start, end)| text(start..*end)).collect()
    }

    /// The room that was written to.
    pub fn into_room(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_to_the_standard_library(
            units in prop::collection::vec(prop_oneof![0u16..0x80, 0x80u16..0x900, 0xd700u16..0xe100, any::<u16>()], 0..80),
            ascii in "[ -~]{0,70}", text in "\\PC{0,40}", wide in "[一-龥。가ࠀ￮]{0,40}",
        ) {
            let mut all: Vec<u16> = ascii.encode_utf16().chain(wide.encode_utf16()).chain(units).collect();
            all.extend(text.encode_utf16());
            let parts = [&all[..], &all[all.len() / 2..], &all[..all.len() / 3], &[]];
            let mut texts = Texts::new(b"before".to_vec());
            parts.iter().for_each(|part| texts.push(part));
            prop_assert_eq!(texts.all(), parts.map(String::from_utf16_lossy));
        }
    }
}
