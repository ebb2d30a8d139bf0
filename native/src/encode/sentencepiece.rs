//! A sentencepiece .model (protocol buffers) of the BPE kind in, what a tokenizer.json would say out. Field numbers
//! are those of sentencepiece_model.proto.

use serde_json::{Map, Value, json};

use super::bpe::canonical_merges;
use super::decode::byte_token;
use super::file::{File, RawModel};
use super::files::special_token;
use super::vocab::Vocab;
use crate::error::{Error, Result};

/// A field of a message: its number, and its bytes or its number.
enum Field<'a> {
    Bytes(&'a [u8]),
    Number(u64),
    Float(f32),
}

fn broken() -> Error {
    Error::input("this is no sentencepiece model: the file is cut off or damaged")
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut out = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or_else(broken)?;
        *bytes = rest;
        out |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(out);
        }
    }
    Err(broken())
}

fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Field<'_>)>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let mut take = |n: usize| -> Result<&[u8]> {
            let (taken, rest) = bytes.split_at_checked(n).ok_or_else(broken)?;
            bytes = rest;
            Ok(taken)
        };
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => {
                take(8)?;
                continue;
            }
            2 => {
                let length = varint(&mut bytes)?;
                let (taken, rest) =
                    usize::try_from(length).ok().and_then(|n| bytes.split_at_checked(n)).ok_or_else(broken)?;
                bytes = rest;
                Field::Bytes(taken)
            }
            5 => Field::Float(f32::from_le_bytes(take(4)?.try_into().map_err(|_| broken())?)),
            _ => return Err(broken()),
        };
        out.push((tag >> 3, field));
    }
    Ok(out)
}

struct Settings {
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
    byte_fallback: bool,
}

const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// `Input` error for a unigram model and for a normalisation table.
pub fn from_sentencepiece(bytes: &[u8]) -> Result<File> {
    let mut vocab = Vocab::default();
    let mut ranked: Vec<(f32, u32)> = Vec::new();
    let (mut added, mut unk): (Vec<Value>, Option<String>) = (Vec::new(), None);
    let mut bos = None;
    let mut settings = Settings {
        add_dummy_prefix: true,
        remove_extra_whitespaces: true,
        escape_whitespaces: true,
        byte_fallback: false,
    };
    for (number, field) in fields(bytes)? {
        let Field::Bytes(message) = field else { continue };
        match number {
            1 => {
                let id = vocab.end();
                let (mut piece, mut score, mut kind) = ("", 0.0, 1);
                for field in fields(message)? {
                    match field {
                        (1, Field::Bytes(text)) => piece = std::str::from_utf8(text).map_err(|_| broken())?,
                        (2, Field::Float(value)) => score = value,
                        (3, Field::Number(value)) => kind = value,
                        _ => {}
                    }
                }
                vocab.insert(piece.as_bytes(), id).map_err(|e| Error::input(format!("piece {id}: {e}")))?;
                match kind {
                    UNKNOWN => unk = Some(piece.to_owned()),
                    CONTROL if piece == "<s>" => bos = Some(id),
                    _ => {}
                }
                match kind {
                    UNKNOWN | CONTROL | USER_DEFINED => {
                        let mut token = special_token(piece, id);
                        token["special"] = json!(kind != USER_DEFINED);
                        added.push(token);
                    }
                    _ if byte_token(piece).is_none() => ranked.push((score, id)),
                    _ => {}
                }
            }
            2 => train_settings(message, &mut settings)?,
            3 => normal_settings(message, &mut settings)?,
            _ => {}
        }
    }
    if vocab.is_empty() {
        return Err(broken());
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let merges = canonical_merges(&vocab, ranked.iter().map(|(_, id)| *id))?;
    let options = json!({
        "type": "BPE", "dropout": null, "unk_token": unk, "fuse_unk": true, "byte_fallback": settings.byte_fallback,
    });
    Ok(File {
        rest: components(&settings, bos, added),
        model: RawModel { options: map(options), vocab: Some(vocab), merges: Some(merges) },
    })
}

fn train_settings(message: &[u8], settings: &mut Settings) -> Result<()> {
    let mut kind = 1;
    for field in fields(message)? {
        match field {
            (3, Field::Number(value)) => kind = value,
            (35, Field::Number(value)) => settings.byte_fallback = value != 0,
            _ => {}
        }
    }
    if kind == 2 {
        return Ok(());
    }
    let name = ["", "unigram", "", "word", "char"].get(kind as usize).copied().unwrap_or("unknown");
    Err(Error::input(format!("a sentencepiece model of the kind {name} can't be read")).with_hint("BPE models can"))
}

fn normal_settings(message: &[u8], settings: &mut Settings) -> Result<()> {
    for field in fields(message)? {
        match field {
            (2, Field::Bytes(table)) if !table.is_empty() => {
                return Err(Error::input("a sentencepiece model with a normalisation table can't be read")
                    .with_hint("train it with --normalization_rule_name=identity"));
            }
            (3, Field::Number(value)) => settings.add_dummy_prefix = value != 0,
            (4, Field::Number(value)) => settings.remove_extra_whitespaces = value != 0,
            (5, Field::Number(value)) => settings.escape_whitespaces = value != 0,
            _ => {}
        }
    }
    Ok(())
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn components(settings: &Settings, bos: Option<u32>, added: Vec<Value>) -> Map<String, Value> {
    let space = if settings.escape_whitespaces { "\u{2581}" } else { " " };
    let mut normalizers = Vec::new();
    if settings.remove_extra_whitespaces {
        normalizers.push(json!({"type": "Replace", "pattern": {"Regex": "^ +| +$"}, "content": ""}));
        normalizers.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
    }
    if settings.add_dummy_prefix {
        normalizers.push(json!({"type": "Prepend", "prepend": space}));
    }
    if settings.escape_whitespaces {
        normalizers.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": space}));
    }
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if settings.add_dummy_prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let template = bos.map(|id| {
        let token = |type_id: u32| json!({"SpecialToken": {"id": "<s>", "type_id": type_id}});
        let text = |id: &str, type_id: u32| json!({"Sequence": {"id": id, "type_id": type_id}});
        json!({
            "type": "TemplateProcessing",
            "single": [token(0), text("A", 0)],
            "pair": [token(0), text("A", 0), token(1), text("B", 1)],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [id], "tokens": ["<s>"]}},
        })
    });
    map(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": null, "post_processor": template,
        "decoder": {"type": "Sequence", "decoders": decoders},
    }))
}
