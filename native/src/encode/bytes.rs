//! The byte-level alphabet of GPT-2: a printable character for each of the 256 bytes, and back.

/// The character that stands for `byte`: itself where it is printable Latin-1, else U+0100 and up in order.
pub const fn char_of(byte: u8) -> char {
    CHARS[byte as usize]
}

/// The byte that `c` stands for.
pub fn byte_of(c: char) -> Option<u8> {
    let code = c as usize;
    if code < 0x100 && printable(code as u8) {
        return Some(code as u8);
    }
    REST.get(code.checked_sub(0x100)?).copied()
}

const fn printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

const CHARS: [char; 256] = {
    let mut out = ['\0'; 256];
    let (mut byte, mut next) = (0, 0x100);
    while byte < 256 {
        let code = if printable(byte as u8) {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        out[byte] = match char::from_u32(code) {
            Some(c) => c,
            None => '\0',
        };
        byte += 1;
    }
    out
};

/// The 68 bytes that are not printable, in the order of their characters.
const REST: [u8; 68] = {
    let mut out = [0; 68];
    let (mut byte, mut next) = (0, 0);
    while byte < 256 {
        if !printable(byte as u8) {
            out[next] = byte as u8;
            next += 1;
        }
        byte += 1;
    }
    out
};

/// Appends the bytes that a token of the byte-level alphabet stands for; false, and nothing appended, where a character
/// stands for no byte.
pub fn append_bytes(token: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    for c in token.chars() {
        let Some(byte) = byte_of(c) else {
            out.truncate(start);
            return false;
        };
        out.push(byte);
    }
    true
}

/// A token of the byte-level alphabet as the bytes it stands for; `None` where a character stands for no byte.
pub fn to_bytes(token: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(token.len());
    append_bytes(token, &mut out).then_some(out)
}

/// Bytes as a token of the byte-level alphabet.
pub fn to_token(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char_of(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character() {
        assert_eq!((char_of(b' '), char_of(b'\n'), char_of(0), char_of(0xad)), ('Ġ', 'Ċ', 'Ā', 'Ń'));
        for byte in 0..=255 {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        assert_eq!(byte_of(' '), None);
        assert_eq!(byte_of('中'), None);
    }
}
