//! The symbols that merging starts from: all 256 bytes, in the order and under the names that GPT-2 gave them.

/// GPT-2's printable stand-in for each byte: itself where it prints, else the next free code point from U+0100 on.
pub fn byte_chars() -> [char; 256] {
    let mut next = 0x100u32;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => byte as char,
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
        }
    })
}

/// The bytes in the order of their stand-ins' code points: the order of ids, and so of ties between pairs.
pub fn bytes_in_order() -> [u8; 256] {
    let chars = byte_chars();
    let mut bytes: [u8; 256] = std::array::from_fn(|byte| byte as u8);
    bytes.sort_by_key(|&byte| chars[byte as usize]);
    bytes
}

/// Raw bytes as the text that stands for them in a tokenizer.json of a byte-level model.
pub fn byte_level(bytes: &[u8]) -> String {
    let chars = byte_chars();
    bytes.iter().map(|&byte| chars[byte as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_those_of_gpt2() {
        assert_eq!(byte_level(" a\n\u{e9}".as_bytes()), "ĠaĊÃ©");
        let order = bytes_in_order();
        assert_eq!((order[0], order[93], order[94], order[188]), (b'!', b'~', 0xa1, 0));
    }
}
