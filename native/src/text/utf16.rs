//! UTF-16 enters, UTF-8 leaves. Half of a surrogate pair alone becomes U+FFFD, as everywhere in JavaScript.

/// Room for UTF-8, kept from one text to the next.
#[derive(Debug, Default)]
pub struct Utf8(Vec<u8>);

/// Units that are looked at together.
const BLOCK: usize = 16;

impl Utf8 {
    /// The text of `units`.
    pub fn of(&mut self, units: &[u16]) -> &str {
        // No unit takes more than three bytes; a pair takes four.
        if self.0.len() < 3 * units.len() {
            self.0.resize(3 * units.len(), 0);
        }
        let (mut from, mut to) = (0, 0);
        while from < units.len() {
            if let Some(block) = units[from..].first_chunk::<BLOCK>()
                && block.iter().fold(0, |all, unit| all | unit) < 0x80
            {
                let bytes: [u8; BLOCK] = std::array::from_fn(|i| block[i] as u8);
                self.0[to..to + BLOCK].copy_from_slice(&bytes);
                (from, to) = (from + BLOCK, to + BLOCK);
                continue;
            }
            let end = units.len().min(from + BLOCK);
            while from < end {
                let unit = units[from];
                from += 1;
                let low = unit as u8;
                let rest = |shift: u32| 0x80 | ((unit >> shift) as u8 & 0x3f);
                match unit {
                    0..0x80 => {
                        self.0[to] = low;
                        to += 1;
                    }
                    0x80..0x800 => {
                        self.0[to..to + 2].copy_from_slice(&[0xc0 | (unit >> 6) as u8, rest(0)]);
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
                        self.0[to..to + bytes.len()].copy_from_slice(bytes);
                        to += bytes.len();
                    }
                    _ => {
                        self.0[to..to + 3].copy_from_slice(&[0xe0 | (unit >> 12) as u8, rest(6), rest(0)]);
                        to += 3;
                    }
                }
            }
        }
        // SAFETY: the bytes up to `to` are whole characters, written one after the other above.
        unsafe { std::str::from_utf8_unchecked(&self.0[..to]) }
    }
}

/// Many texts, one behind the other.
#[derive(Debug, Default)]
pub struct Texts {
    text: String,
    ends: Vec<usize>,
    room: Utf8,
}

/// Longer texts are turned in parts.
const PART: usize = 1 << 14;

impl Texts {
    /// No texts yet; `room` is written to.
    pub fn new(mut room: String) -> Self {
        room.clear();
        Self { text: room, ..Self::default() }
    }

    pub fn push(&mut self, mut units: &[u16]) {
        while !units.is_empty() {
            let mut end = units.len().min(PART);
            // A pair stays together.
            if end < units.len() && (0xd800..0xdc00).contains(&units[end - 1]) {
                end -= 1;
            }
            self.text.push_str(self.room.of(&units[..end]));
            units = &units[end..];
        }
        self.ends.push(self.text.len());
    }

    pub fn all(&self) -> Vec<&str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end]).collect()
    }

    /// The room that was written to.
    pub fn into_room(self) -> String {
        self.text
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
            ascii in "[ -~]{0,70}", text in "\\PC{0,40}",
        ) {
            let mut room = Utf8::default();
            let all: Vec<u16> = ascii.encode_utf16().chain(units).chain(text.encode_utf16()).collect();
            for part in [&all[..], &all[all.len() / 2..], &all[..all.len() / 3]] {
                prop_assert_eq!(room.of(part), String::from_utf16_lossy(part));
            }
            let mut texts = Texts::new("before".into());
            let long: Vec<u16> = all.iter().copied().cycle().take(if all.is_empty() { 0 } else { 2 * PART + 7 }).collect();
            texts.push(&long);
            texts.push(&all);
            prop_assert_eq!(texts.all(), [String::from_utf16_lossy(&long), String::from_utf16_lossy(&all)]);
        }
    }
}
