//! A tokenizer in, the files that others read out: tokenizer.json, vocab.txt, vocab.json with merges.txt, tiktoken ranks.

use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use super::bytes;
use super::file::Model;
use super::files::to_base64;
use super::tokenizer::Tokenizer;
use super::vocab::Vocab;
use crate::error::{Error, Result};

/// The files of a form by their names.
pub type Files = Vec<(&'static str, Vec<u8>)>;

impl Tokenizer {
    /// `format`: tokenizer.json, vocab.txt, gpt2 (vocab.json and merges.txt) or tiktoken.
    pub fn to_files(&self, format: &str) -> Result<Files> {
        match (format, &self.model) {
            ("tokenizer.json", _) => Ok(vec![("tokenizer.json", self.to_json()?)]),
            ("vocab.txt", Model::WordPiece(model)) => Ok(vec![("vocab.txt", lines(&model.vocab)?)]),
            ("gpt2", Model::Bpe(_)) => {
                let vocab = serde_json::to_vec(&Tokens(self.model.vocab())).map_err(internal)?;
                let merges = self.merges().into_iter().map(|(left, right)| format!("{left} {right}\n"));
                let merges = std::iter::once("#version: 0.2\n".to_owned()).chain(merges).collect::<String>();
                Ok(vec![("vocab.json", vocab), ("merges.txt", merges.into_bytes())])
            }
            ("tiktoken", Model::Bpe(model)) if self.is_byte_level() => {
                let mut out = Vec::new();
                for (id, token) in model.vocab.iter() {
                    let token = std::str::from_utf8(token).map_err(internal)?;
                    if self.added.get(id).is_some() {
                        continue;
                    }
                    let Some(bytes) = bytes::to_bytes(token) else {
                        return Err(Error::config(format!("{token:?} spells no bytes: tiktoken can't hold it")));
                    };
                    out.extend(format!("{} {id}\n", to_base64(&bytes)).into_bytes());
                }
                Ok(vec![("ranks.tiktoken", out)])
            }
            ("vocab.txt" | "gpt2" | "tiktoken", _) => {
                Err(Error::config(format!("this tokenizer can't be written as {format}"))
                    .with_hint("tokenizer.json holds any"))
            }
            (other, _) => {
                Err(Error::config(format!("{other:?} is not one of tokenizer.json, vocab.txt, gpt2, tiktoken")))
            }
        }
    }

    fn merges(&self) -> Vec<(&str, &str)> {
        let Model::Bpe(model) = &self.model else { return Vec::new() };
        let token = |id| model.vocab.token(id).unwrap_or_default();
        model.merges.iter().map(|merge| (token(merge.left), token(merge.right))).collect()
    }

    fn to_json(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"  ");
        let mut json = serde_json::Serializer::with_formatter(&mut out, formatter);
        let mut file = json.serialize_map(None).map_err(internal)?;
        for (key, value) in &self.rest {
            file.serialize_entry(key, value).map_err(internal)?;
        }
        file.serialize_entry("model", &Written(self)).map_err(internal)?;
        SerializeMap::end(file).map_err(internal)?;
        Ok(out)
    }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("writing a tokenizer: {error}"))
}

fn lines(vocab: &Vocab) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for id in 0..vocab.end() {
        match vocab.bytes(id) {
            Some(token) if !token.contains(&b'\n') => out.extend_from_slice(token),
            _ => {
                return Err(Error::config(format!(
                    "vocab.txt can't hold this vocabulary: id {id} is a gap or has a newline"
                )));
            }
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// `{"token": id, ...}` in the order of ids.
struct Tokens<'a>(&'a Vocab);

impl serde::Serialize for Tokens<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, token) in self.0.iter() {
            map.serialize_entry(std::str::from_utf8(token).map_err(serde::ser::Error::custom)?, &id)?;
        }
        map.end()
    }
}

/// `model`: its options as they were read, its vocabulary and its merges.
struct Written<'a>(&'a Tokenizer);

impl serde::Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        struct Pairs<'a>(&'a Tokenizer);
        impl serde::Serialize for Pairs<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                let merges = self.0.merges();
                let mut seq = serializer.serialize_seq(Some(merges.len()))?;
                for (left, right) in merges {
                    seq.serialize_element(&[left, right])?;
                }
                seq.end()
            }
        }
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.0.model_options {
            map.serialize_entry::<str, Value>(key, value)?;
        }
        map.serialize_entry("vocab", &Tokens(self.0.model.vocab()))?;
        if matches!(self.0.model, Model::Bpe(_)) {
            map.serialize_entry("merges", &Pairs(self.0))?;
        }
        map.end()
    }
}
