//! Decoders: tokens in, text out. They are the components named in a tokenizer.json (`ByteLevel`, `WordPiece`,
//! `ByteFallback`, `Fuse`, `Strip`, `Replace`, `Metaspace`, ...), each a map from a list of strings to another.

use super::bytes;
use super::pretokenise::Prepend;
use crate::error::Result;
use crate::text::normalise::Find;

#[derive(Clone, Debug)]
pub enum Decoder {
    Sequence(Vec<Decoder>),
    ByteLevel,
    WordPiece {
        prefix: String,
        cleanup: bool,
    },
    Metaspace {
        replacement: char,
        prepend: Prepend,
    },
    /// The suffix that ends a word becomes a space.
    Bpe {
        suffix: String,
    },
    ByteFallback,
    Fuse,
    /// Takes up to `start` and `stop` of one character off the ends of each token.
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    Replace {
        find: Find,
        content: String,
    },
}

impl Decoder {
    pub fn apply(&self, tokens: Vec<String>) -> Result<Vec<String>> {
        Ok(match self {
            Self::Sequence(all) => all.iter().try_fold(tokens, |tokens, one| one.apply(tokens))?,
            Self::ByteLevel => {
                let mut out = Vec::new();
                for token in &tokens {
                    match bytes::to_bytes(token) {
                        Some(bytes) => out.extend(bytes),
                        None => out.extend_from_slice(token.as_bytes()),
                    }
                }
                vec![String::from_utf8_lossy(&out).into_owned()]
            }
            Self::WordPiece { prefix, cleanup } => {
                let spaced =
                    tokens.into_iter().enumerate().map(|(i, token)| match token.strip_prefix(prefix.as_str()) {
                        _ if i == 0 => token,
                        Some(rest) => rest.to_owned(),
                        None => format!(" {token}"),
                    });
                if *cleanup { spaced.map(|token| clean_up(&token)).collect() } else { spaced.collect() }
            }
            Self::Metaspace { replacement, prepend } => {
                let mark = |i: usize, c: char| match c {
                    _ if c != *replacement => Some(c),
                    _ if i == 0 && *prepend != Prepend::Never => None,
                    _ => Some(' '),
                };
                let one = |(i, token): (usize, &String)| token.chars().filter_map(|c| mark(i, c)).collect();
                tokens.iter().enumerate().map(one).collect()
            }
            Self::Bpe { suffix } => {
                let last = tokens.len().saturating_sub(1);
                let end = |i| if i == last { "" } else { " " };
                tokens.iter().enumerate().map(|(i, token)| token.replace(suffix.as_str(), end(i))).collect()
            }
            Self::ByteFallback => bytes_to_text(tokens),
            Self::Fuse => vec![tokens.concat()],
            Self::Strip { content, start, stop } => {
                let strip = |token: String| {
                    let from = token.chars().take(*start).take_while(|c| c == content).count() * content.len_utf8();
                    let rest = &token[from..];
                    let n = rest.chars().rev().take(*stop).take_while(|c| c == content).count() * content.len_utf8();
                    rest[..rest.len() - n].to_owned()
                };
                tokens.into_iter().map(strip).collect()
            }
            Self::Replace { find, content } => {
                let replace = |token: String| {
                    let matches = find.matches(&token)?;
                    Ok(matches.iter().map(|(r, hit)| if *hit { content.as_str() } else { &token[r.clone()] }).collect())
                };
                tokens.into_iter().map(replace).collect::<Result<_>>()?
            }
        })
    }
}

/// Runs of `<0x00>` tokens become text, or one U+FFFD a byte where they aren't UTF-8.
fn bytes_to_text(tokens: Vec<String>) -> Vec<String> {
    fn flush(run: &mut Vec<u8>, out: &mut Vec<String>) {
        match std::str::from_utf8(run) {
            Ok("") => {}
            Ok(text) => out.push(text.to_owned()),
            Err(_) => out.extend(run.iter().map(|_| "\u{fffd}".to_owned())),
        }
        run.clear();
    }
    let (mut out, mut run) = (Vec::with_capacity(tokens.len()), Vec::new());
    for token in tokens {
        match byte_token(&token) {
            Some(byte) => run.push(byte),
            None => {
                flush(&mut run, &mut out);
                out.push(token);
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

/// The byte that a token of the form `<0x0A>` stands for.
pub fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Takes out the spaces that pre-tokenizing put before punctuation and English contractions.
fn clean_up(text: &str) -> String {
    const PAIRS: [(&str, &str); 11] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    PAIRS
        .iter()
        .fold(text.to_owned(), |text, (from, to)| if text.contains(from) { text.replace(from, to) } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(decoder: &Decoder, tokens: &[&str]) -> String {
        decoder.apply(tokens.iter().map(|t| t.to_string()).collect()).unwrap().concat()
    }

    #[test]
    fn each_undoes_its_pre_tokenizer() {
        let wordpiece = Decoder::WordPiece { prefix: "##".into(), cleanup: true };
        assert_eq!(run(&wordpiece, &["i", "do", "##n", "'", "t", "know", "."]), "i don ' t know.");
        let llama = Decoder::Sequence(vec![
            Decoder::Replace { find: Find::Text("▁".into()), content: " ".into() },
            Decoder::ByteFallback,
            Decoder::Fuse,
            Decoder::Strip { content: ' ', start: 1, stop: 0 },
        ]);
        assert_eq!(run(&llama, &["▁Hey", "<0xE4>", "<0xBD>", "<0xA0>", "▁x", "<0xFF>"]), "Hey你 x\u{fffd}");
        assert_eq!(run(&Decoder::ByteLevel, &["ä½", "ł", "Ġx"]), "你 x");
        assert_eq!(run(&Decoder::Bpe { suffix: "</w>".into() }, &["a", "b</w>", "c</w>"]), "ab c");
        let strip = Decoder::Strip { content: '▁', start: 1, stop: 2 };
        assert_eq!(run(&strip, &["▁▁", "", "a▁▁▁"]), "a▁");
    }
}
