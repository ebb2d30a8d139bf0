//! One line of JSON in, the values of a few fields out: a scanner that checks the grammar (RFC 8259) and copies only what is asked for.

use std::borrow::Cow;

use memchr::memchr2;

/// Objects and arrays inside one another; deeper is refused.
const DEPTH: usize = 128;

/// A field path such as `text` or `meta.title`; a number picks an array's element.
pub type Path = Vec<String>;

pub fn path(text: &str) -> Path {
    text.split('.').map(str::to_owned).collect()
}

/// A value found: a string unescaped, anything else as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Raw(&'a str),
}

impl<'a> Value<'a> {
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Value::Text(text) => text,
            Value::Raw(raw) => Cow::Borrowed(raw),
        }
    }
}

type Scan<T> = std::result::Result<T, String>;

/// Fills `out[i]` with the value at `paths[i]` (None where there is none). The last one of repeated keys counts.
pub fn extract<'a>(line: &'a str, paths: &[Path], out: &mut Vec<Option<Value<'a>>>) -> Scan<()> {
    out.clear();
    out.resize(paths.len(), None);
    let mut scanner = Scanner { text: line, at: 0, paths, out };
    scanner.space();
    let live = if paths.len() >= 64 { u64::MAX } else { (1 << paths.len()) - 1 };
    scanner.value(0, live)?;
    scanner.space();
    if scanner.at < line.len() { Err(scanner.wrong("something follows the value")) } else { Ok(()) }
}

struct Scanner<'a, 'p> {
    text: &'a str,
    at: usize,
    paths: &'p [Path],
    out: &'p mut Vec<Option<Value<'a>>>,
}

impl<'a> Scanner<'a, '_> {
    fn wrong(&self, what: &str) -> String {
        let before = &self.text[..self.text.floor_char_boundary(self.at)];
        format!("not JSON: {what} at column {}", before.chars().count() + 1)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong(&format!("'{}' is missing", byte as char)))
        }
    }

    /// Reads a value; `live` has a bit for each path whose first `depth` names led here.
    fn value(&mut self, depth: usize, live: u64) -> Scan<()> {
        match self.peek() {
            Some(b'{') => self.object(depth, live),
            Some(b'[') => self.array(depth, live),
            Some(b'"') => self.skip_string(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("a value is missing")),
        }
    }

    /// Reads the value under `key`, and keeps it where a path ends here.
    fn member(&mut self, key: &str, depth: usize, live: u64) -> Scan<()> {
        let mut inner = 0u64;
        let mut ends = 0u64;
        if live != 0 {
            for (i, path) in self.paths.iter().enumerate().take(64) {
                if live >> i & 1 == 1 && path.get(depth).is_some_and(|name| name == key) {
                    if path.len() == depth + 1 { ends |= 1 << i } else { inner |= 1 << i }
                }
            }
        }
        if depth >= DEPTH {
            return Err(self.wrong("nested too deeply"));
        }
        let start = self.at;
        if ends != 0 && self.peek() == Some(b'"') {
            let text = self.string()?;
            return self.keep(ends, Value::Text(text));
        }
        self.value(depth + 1, inner)?;
        if ends != 0 {
            let raw = &self.text[start..self.at];
            return self.keep(ends, Value::Raw(raw));
        }
        Ok(())
    }

    fn keep(&mut self, ends: u64, value: Value<'a>) -> Scan<()> {
        let value = (value != Value::Raw("null")).then_some(value);
        // The last of several gets the value itself, not a copy.
        let Some(last) = ends.checked_ilog2().map(|last| last as usize) else { return Ok(()) };
        for i in (0..last).filter(|i| ends >> i & 1 == 1) {
            self.out[i] = value.clone();
        }
        self.out[last] = value;
        Ok(())
    }

    fn object(&mut self, depth: usize, live: u64) -> Scan<()> {
        self.expect(b'{')?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
            self.member(&key, depth, live)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.expect(b'}'),
            }
        }
    }

    fn array(&mut self, depth: usize, live: u64) -> Scan<()> {
        self.expect(b'[')?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        for index in 0usize.. {
            self.space();
            if live == 0 {
                self.member("", depth, 0)?
            } else {
                self.member(&index.to_string(), depth, live)?
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b']')
    }

    fn literal(&mut self, word: &str) -> Scan<()> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.wrong("an unknown word"))
        }
    }

    fn digits(&mut self) -> Scan<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.wrong("a digit is missing"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Scan<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1
        } else {
            self.digits()?
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn skip_string(&mut self) -> Scan<()> {
        self.expect(b'"')?;
        loop {
            match memchr2(b'"', b'\\', &self.text.as_bytes()[self.at..]) {
                None => return Err(self.wrong("a string does not end")),
                Some(n) if self.text.as_bytes()[self.at + n] == b'"' => {
                    self.at += n + 1;
                    return Ok(());
                }
                Some(n) => {
                    // What is escaped is a character of ASCII, or the string is wrong.
                    self.at += n;
                    self.at += escape(&self.text[self.at..]).map_err(|what| self.wrong(&what))?.1;
                }
            }
        }
    }

    /// A string without its escapes.
    fn string(&mut self) -> Scan<Cow<'a, str>> {
        self.expect(b'"')?;
        let text = self.text;
        let Some(n) = memchr2(b'"', b'\\', &text.as_bytes()[self.at..]) else {
            return Err(self.wrong("a string does not end"));
        };
        let plain = &text[self.at..self.at + n];
        self.at += n;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        // It is seldom longer than what is left of the line.
        let mut out = String::with_capacity(n + text.len() - self.at);
        out.push_str(plain);
        loop {
            let (character, length) = escape(&text[self.at..]).map_err(|what| self.wrong(&what))?;
            out.push(character);
            self.at += length;
            // Escapes stand close together: a search by vectors would take longer to begin than to end.
            let plain = until_special(&text.as_bytes()[self.at..]);
            out.push_str(&text[self.at..self.at + plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => break,
                Some(_) => {}
                None => return Err(self.wrong("a string does not end")),
            }
        }
        self.at += 1;
        Ok(Cow::Owned(out))
    }
}

/// Bytes before the first quote or backslash; all, where there is none.
#[inline]
fn until_special(bytes: &[u8]) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    // The high bit of each byte that is zero; a byte above one may be marked too.
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (LOW * b'"' as u64)) | zeros(word ^ (LOW * b'\\' as u64));
        if found != 0 {
            return 8 * i + found.trailing_zeros() as usize / 8;
        }
        if i == 7 {
            return 64 + memchr2(b'"', b'\\', &bytes[64..]).unwrap_or(bytes.len() - 64);
        }
    }
    let rest = 8 * words.len();
    rest + bytes[rest..].iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(bytes.len() - rest)
}

/// The character that an escape at the start of `text` writes, and the bytes that it takes.
#[inline]
fn escape(text: &str) -> Scan<(char, usize)> {
    let character = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(&byte @ (b'"' | b'\\' | b'/')) => byte as char,
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode(text),
        _ => return Err("an unknown escape".into()),
    };
    Ok((character, 2))
}

/// The character that `\uXXXX` or a surrogate pair of them writes, and the bytes that takes.
fn unicode(text: &str) -> Scan<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| "a broken \\u escape".to_owned())
    };
    let first = unit(2)?;
    if !(0xD800..0xE000).contains(&first) {
        return char::from_u32(first).map(|character| (character, 6)).ok_or_else(|| "a broken \\u escape".into());
    }
    let second = if first < 0xDC00 && text.get(6..8) == Some("\\u") { unit(8)? } else { 0 };
    if !(0xDC00..0xE000).contains(&second) {
        return Err("half of a surrogate pair".into());
    }
    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|character| (character, 12)).ok_or_else(|| "a broken \\u escape".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(line: &str, name: &str) -> Scan<Option<String>> {
        let paths = [path(name)];
        let mut out = Vec::new();
        extract(line, &paths, &mut out).map(|()| out[0].clone().map(|value| value.into_text().into_owned()))
    }

    #[test]
    fn finds_fields_and_refuses_what_is_not_json() {
        let line = r#"{"a": [1, {"b": "x\n\u00e9\ud83d\ude00\"/"}], "c": {"d": -1.5e3, "text": "no"}, "text": "yes", "n": null}"#;
        assert_eq!(get(line, "text"), Ok(Some("yes".into())));
        assert_eq!(get(line, "c.text"), Ok(Some("no".into())));
        assert_eq!(get(line, "a.1.b"), Ok(Some("x\né😀\"/".into())));
        assert_eq!(get(line, "c.d"), Ok(Some("-1.5e3".into())));
        assert_eq!(get(line, "c"), Ok(Some(r#"{"d": -1.5e3, "text": "no"}"#.into())));
        assert_eq!(get(line, "n"), Ok(None));
        assert_eq!(get(line, "missing"), Ok(None));
        for n in 0..100 {
            let plain = "x".repeat(n);
            assert_eq!(
                get(&format!(r#"{{"text": "\n{plain}\"{plain}"}}"#), "text"),
                Ok(Some(format!("\n{plain}\"{plain}")))
            );
        }
        for bad in [
            "",
            "{",
            "{\"text\"}",
            "{\"text\": \"x}",
            "{\"text\": 01}",
            "{\"text\": 1,}",
            "[1 2]",
            "{} {}",
            "tru",
            "{\"text\": \"\\x\"}",
            "{\"text\": \"\\é",
            "{\"text\": \"\\ud800\"}",
            "{\"text\": \"\\",
        ] {
            assert!(get(bad, "text").is_err(), "{bad}");
        }
        assert!(get(&"[".repeat(10_000), "text").is_err());
    }

    proptest::proptest! {
        /// serde_json is the outside truth: what it writes we read, field by field.
        #[test]
        fn agrees_with_serde(text in ".*", other in ".*", pretty: bool) {
            let value = serde_json::json!({"other": [other, {"text": "decoy"}], "text": text});
            let line = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            proptest::prop_assert_eq!(get(&line.unwrap(), "text"), Ok(Some(text)));
        }

        #[test]
        fn never_panics(line in "[\\[\\]{}\",:\\\\u0-9a-f é]*") {
            let _ = get(&line, "text");
        }
    }
}
