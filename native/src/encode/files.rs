//! Other files than tokenizer.json: vocab.txt, vocab.json with merges.txt, tiktoken ranks, read into what a
//! tokenizer.json would say (see `sentencepiece.rs` for .model files).

use serde_json::{Map, Value, json};

use super::bpe::canonical_merges;
use super::bytes::to_token;
use super::file::{File, RawModel};
use super::merges::Merges;
use super::vocab::Vocab;
use crate::error::{Error, Result};
use crate::text::split::Splitter;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn text<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Error::input(format!("{name}: line {line} is not UTF-8"))
    })
}

pub fn special_token(content: &str, id: u32) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    })
}

/// BERT's vocab.txt: one token a line, its id the line's number from 0. Line ends of Windows are read too.
pub fn from_vocab_txt(bytes: &[u8], lowercase: bool) -> Result<File> {
    let mut vocab = Vocab::default();
    for (i, line) in text(bytes, "vocab.txt")?.lines().enumerate() {
        let id = u32::try_from(i).unwrap_or(u32::MAX);
        vocab.insert(line.as_bytes(), id).map_err(|e| Error::input(format!("vocab.txt: line {}: {e}", i + 1)))?;
    }
    let find =
        |names: [&str; 2]| names.into_iter().find_map(|name| Some((name.to_owned(), vocab.id(name.as_bytes())?)));
    let unk = find(["[UNK]", "<unk>"]);
    let Some((unk_token, _)) = unk.clone() else {
        return Err(Error::input("vocab.txt: there is neither [UNK] nor <unk>").with_hint("is this BERT's vocab.txt?"));
    };
    let (cls, sep) = (find(["[CLS]", "<cls>"]), find(["[SEP]", "<sep>"]));
    let specials = [find(["[PAD]", "<pad>"]), unk, cls.clone(), sep.clone(), find(["[MASK]", "<mask>"])];
    let template = cls.zip(sep).map(|((cls, cls_id), (sep, sep_id))| {
        let token = |id: &str, type_id: u32| json!({"SpecialToken": {"id": id, "type_id": type_id}});
        let sequence = |id: &str, type_id: u32| json!({"Sequence": {"id": id, "type_id": type_id}});
        json!({
            "type": "TemplateProcessing",
            "single": [token(&cls, 0), sequence("A", 0), token(&sep, 0)],
            "pair": [token(&cls, 0), sequence("A", 0), token(&sep, 0), sequence("B", 1), token(&sep, 1)],
            "special_tokens": {
                cls.clone(): {"id": cls, "ids": [cls_id], "tokens": [cls]},
                sep.clone(): {"id": sep, "ids": [sep_id], "tokens": [sep]},
            },
        })
    });
    let rest = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": specials.iter().flatten().map(|(name, id)| special_token(name, *id)).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    });
    let options = json!({
        "type": "WordPiece", "unk_token": unk_token, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    });
    Ok(File { rest: map(rest), model: RawModel { options: map(options), vocab: Some(vocab), merges: None } })
}

/// The components of byte-level BPE: GPT-2's own, or any other split before the byte-level alphabet.
fn byte_level(split: &Splitter, added_tokens: Vec<Value>) -> Map<String, Value> {
    let level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
    let pre_tokenizer = match (split, split.pattern()) {
        (Splitter::Gpt2, _) => level(true),
        (_, Some(pattern)) => json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            level(false),
        ]}),
        _ => level(false),
    };
    map(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added_tokens, "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    }))
}

/// GPT-2's vocab.json and merges.txt. A token of the form `<|...|>` that no merge makes is special.
pub fn from_vocab_and_merges(vocab: &[u8], merges: &[u8]) -> Result<File> {
    let entries = text(vocab, "vocab.json")?;
    let parsed = File::parse(format!("{{\"model\":{{\"vocab\":{entries}}}}}").as_bytes())
        .map_err(|e| Error::input(format!("vocab.json: {}", e.message)))?;
    let vocab = parsed.model.vocab.ok_or_else(|| Error::input("vocab.json: must be an object of tokens and ids"))?;
    let mut pairs = Merges::default();
    for (i, line) in text(merges, "merges.txt")?.lines().enumerate() {
        if line.is_empty() || (i == 0 && line.starts_with("#version")) {
            continue;
        }
        match line.split_once(' ') {
            Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
                pairs.push(left, right);
            }
            _ => {
                return Err(Error::input(format!(
                    "merges.txt: line {} must be two tokens with one space between",
                    i + 1
                )));
            }
        }
    }
    let special = |token: &str| token.len() > 4 && token.starts_with("<|") && token.ends_with("|>");
    let added = vocab
        .iter()
        .filter_map(|(id, token)| Some((id, std::str::from_utf8(token).ok()?)))
        .filter(|(_, token)| special(token))
        .map(|(id, token)| special_token(token, id))
        .collect();
    let options = json!({"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false});
    Ok(File {
        rest: byte_level(&Splitter::Gpt2, added),
        model: RawModel { options: map(options), vocab: Some(vocab), merges: Some(pairs) },
    })
}

/// tiktoken's ranks: a line is a token in base64 and its id, which is its rank as well. `split` is the name of a split
/// or a regular expression; `special` are the tokens that stand outside the ranks.
pub fn from_tiktoken(bytes: &[u8], split: &str, special: &[(String, u32)]) -> Result<File> {
    let mut vocab = Vocab::default();
    let mut ranked: Vec<(u32, Vec<u8>)> = Vec::new();
    for (i, line) in text(bytes, "ranks")?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parts = line.split_once(' ').and_then(|(token, rank)| Some((base64(token)?, rank.trim().parse().ok()?)));
        let (token, rank) = parts
            .ok_or_else(|| Error::input(format!("ranks: line {} must be a token in base64 and its rank", i + 1)))?;
        vocab
            .insert(to_token(&token).as_bytes(), rank)
            .map_err(|e| Error::input(format!("ranks: line {}: {e}", i + 1)))?;
        ranked.push((rank, token));
    }
    if (0..=255).any(|byte| vocab.id(to_token(&[byte]).as_bytes()).is_none()) {
        return Err(
            Error::input("ranks: a token of one byte is missing").with_hint("is this a file of tiktoken ranks?")
        );
    }
    ranked.sort_unstable();
    let merges = canonical_merges(&vocab, ranked.iter().map(|(rank, _)| *rank))?;
    let splitter = Splitter::from_name_or_pattern(split)?;
    let added = special.iter().map(|(token, id)| special_token(token, *id)).collect();
    let options = json!({"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true});
    Ok(File {
        rest: byte_level(&splitter, added),
        model: RawModel { options: map(options), vocab: Some(vocab), merges: Some(merges) },
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as base64 (RFC 4648, section 4).
pub fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * i)) as usize & 63] as char;
            out.push(if i <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if digits.is_empty() || digits.len() % 4 == 1 || text.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut word, mut bits) = (0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        word = (word << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Tokenizer;

    #[test]
    fn base64_there_and_back() {
        for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar"] {
            let coded = to_base64(text.as_bytes());
            assert_eq!(base64(&coded).unwrap_or_default(), text.as_bytes());
        }
        assert_eq!(to_base64(b"foob"), "Zm9vYg==");
        assert_eq!(base64("Zm9v!"), None);
        assert_eq!(base64("Z"), None);
    }

    #[test]
    fn reads_ranks_and_names_bad_lines() {
        let mut ranks: String = (0..=255u8).map(|b| format!("{} {b}\n", to_base64(&[b]))).collect();
        for (i, token) in ["ab", "bc", "abc", "abcd"].iter().enumerate() {
            ranks.push_str(&format!("{} {}\n", to_base64(token.as_bytes()), 256 + i));
        }
        let file = from_tiktoken(ranks.as_bytes(), "cl100k", &[("<|end|>".into(), 300)]).unwrap();
        // "abcd" would need d to have merged with "abc": it does, by the last rank.
        assert_eq!(file.model.merges.as_ref().unwrap().len(), 4);
        let tokenizer = Tokenizer::from_file(file, 1).unwrap();
        let mut ids = Vec::new();
        tokenizer.encode_into("abcde<|end|>bc", &mut Default::default(), &mut ids).unwrap();
        assert_eq!(ids, [259, u32::from(b'e'), 300, 257]);
        let error = from_tiktoken(b"YQ== 0\nYg==\n", "cl100k", &[]).unwrap_err();
        assert!(error.message.contains("line 2"), "{}", error.message);
        assert!(from_tiktoken(b"YQ== 0\n", "cl100k", &[]).unwrap_err().message.contains("one byte"));
    }
}
