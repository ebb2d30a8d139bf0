//! The text of a tokenizer.json in, its vocabulary and merges and the rest of its JSON out. Vocabulary and merges are
//! read straight into their tables: they are most of the file.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::bpe::{Bpe, Options};
use super::json::At;
use super::merges::Merges;
use super::vocab::Vocab;
use super::wordpiece::{WordLevel, WordPiece};
use crate::error::{Error, Result};

/// A tokenizer.json: `model` apart, all else as it stands.
#[derive(Debug, Default)]
pub struct File {
    pub rest: Map<String, Value>,
    pub model: RawModel,
}

#[derive(Debug, Default)]
pub struct RawModel {
    pub options: Map<String, Value>,
    pub vocab: Option<Vocab>,
    pub merges: Option<Merges>,
}

pub enum Model {
    Bpe(Box<Bpe>),
    WordPiece(Box<WordPiece>),
    WordLevel(Box<WordLevel>),
}

impl Model {
    pub fn vocab(&self) -> &Vocab {
        match self {
            Self::Bpe(model) => &model.vocab,
            Self::WordPiece(model) => &model.vocab,
            Self::WordLevel(model) => &model.vocab,
        }
    }

    pub fn unk_token(&self) -> Option<&str> {
        match self {
            Self::Bpe(model) => model.options.unk_token.as_deref(),
            Self::WordPiece(model) => Some(&model.unk_token),
            Self::WordLevel(model) => Some(&model.unk_token),
        }
    }
}

impl File {
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        serde_json::from_slice(bytes).map_err(|e| {
            let what = if e.is_data() { "" } else { "not valid JSON: " };
            Error::input(format!("{what}{e}"))
        })
    }

    /// The component `key`, unless it is missing or null.
    pub fn get(&self, key: &str) -> Option<At<'_>> {
        let value = self.rest.get(key)?;
        (!value.is_null()).then(|| At::new(value, key))
    }
}

impl RawModel {
    pub fn build(self) -> Result<Model> {
        let options = Value::Object(self.options);
        let at = At::new(&options, "model");
        let text = |key: &str| at.get(key).map(|at| at.str().map(str::to_owned)).transpose();
        // Old files name no type: merges make it BPE.
        let kind = match at.get("type") {
            Some(kind) => kind.str()?,
            None if self.merges.is_some() => "BPE",
            None if at.get("continuing_subword_prefix").is_some() => "WordPiece",
            None => return Err(at.error("`type` is missing")),
        };
        if !["BPE", "WordPiece", "WordLevel"].contains(&kind) {
            return Err(at
                .error(format!("type {kind:?} is not a model that Millrace knows"))
                .with_hint("known here: BPE, WordPiece, WordLevel"));
        }
        let vocab = self.vocab.ok_or_else(|| at.error("`vocab` must be an object of tokens and ids"))?;
        match kind {
            "BPE" => {
                at.only(&[
                    "dropout",
                    "unk_token",
                    "continuing_subword_prefix",
                    "end_of_word_suffix",
                    "fuse_unk",
                    "byte_fallback",
                    "ignore_merges",
                ])?;
                let dropout = at.get("dropout").map(|at| at.f64()).transpose()?.map(|p| p as f32);
                if dropout.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
                    return Err(at.error("`dropout` must be from 0 to 1"));
                }
                let merges = self.merges.ok_or_else(|| at.error("`merges` is missing"))?;
                let options = Options {
                    unk_token: text("unk_token")?,
                    continuing_subword_prefix: text("continuing_subword_prefix")?.filter(|s| !s.is_empty()),
                    end_of_word_suffix: text("end_of_word_suffix")?.filter(|s| !s.is_empty()),
                    fuse_unk: at.flag("fuse_unk", false)?,
                    byte_fallback: at.flag("byte_fallback", false)?,
                    ignore_merges: at.flag("ignore_merges", false)?,
                    dropout: dropout.filter(|p| *p > 0.0),
                };
                Ok(Model::Bpe(Box::new(Bpe::new(vocab, &merges, options)?)))
            }
            "WordPiece" => {
                at.only(&["unk_token", "continuing_subword_prefix", "max_input_chars_per_word"])?;
                let unk = text("unk_token")?.unwrap_or_else(|| "[UNK]".to_owned());
                let prefix = text("continuing_subword_prefix")?.unwrap_or_else(|| "##".to_owned());
                let longest = at.get("max_input_chars_per_word").map_or(Ok(100), |at| at.usize())?;
                Ok(Model::WordPiece(Box::new(WordPiece::new(vocab, unk, &prefix, longest)?)))
            }
            _ => {
                at.only(&["unk_token"])?;
                let unk_token = text("unk_token")?.unwrap_or_else(|| "<unk>".to_owned());
                Ok(Model::WordLevel(Box::new(WordLevel { vocab, unk_token })))
            }
        }
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = File;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a tokenizer.json object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<File, A::Error> {
                let mut file = File::default();
                let mut found = false;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "model" {
                        file.model = map.next_value()?;
                        found = true;
                    } else {
                        file.rest.insert(key, map.next_value()?);
                    }
                }
                if found { Ok(file) } else { Err(de::Error::custom("`model` is missing: this is no tokenizer.json")) }
            }
        }
        deserializer.deserialize_map(Whole)
    }
}

impl<'de> Deserialize<'de> for RawModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Model;
        impl<'de> Visitor<'de> for Model {
            type Value = RawModel;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`model` to be an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<RawModel, A::Error> {
                let mut model = RawModel::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "vocab" => model.vocab = map.next_value::<Tokens>()?.0,
                        "merges" => model.merges = Some(map.next_value::<Pairs>()?.0),
                        _ => {
                            model.options.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(model)
            }
        }
        deserializer.deserialize_map(Model)
    }
}

/// `{"token": id, ...}`; a list (Unigram's form) is read over.
struct Tokens(Option<Vocab>);

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Tokens;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`model.vocab` to be an object of tokens and ids")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Tokens, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Tokens(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Tokens, A::Error> {
                let mut vocab = Vocab::default();
                let mut token = String::new();
                while map.next_key_seed(Text(&mut token))?.is_some() {
                    let value = map.next_value::<Value>()?;
                    let id = value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
                        de::Error::custom(format!(
                            "model.vocab[{token:?}]: must be a whole number from 0 to {}, not {value}",
                            super::vocab::MAX_ID
                        ))
                    })?;
                    vocab.insert(token.as_bytes(), id).map_err(|e| de::Error::custom(format!("model.vocab: {e}")))?;
                    token.clear();
                }
                Ok(Tokens(Some(vocab)))
            }
        }
        deserializer.deserialize_any(Map)
    }
}

/// Appends a string to the given one.
struct Text<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
}

/// `["a b", ...]` or `[["a", "b"], ...]`.
struct Pairs(Merges);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`model.merges` to be a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Pairs, A::Error> {
                let mut out = Merges::default();
                while let Some(whole) = seq.next_element_seed(Pair(&mut out))? {
                    if !whole {
                        let at = out.len();
                        return Err(de::Error::custom(format!(
                            "model.merges[{at}]: must be two tokens with one space between"
                        )));
                    }
                }
                Ok(Pairs(out))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Adds a pair; false where it isn't two tokens.
struct Pair<'a>(&'a mut Merges);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`model.merges` to hold \"left right\" or [\"left\", \"right\"]")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<bool, E> {
        let pair = text.split_once(' ').filter(|(_, right)| !right.contains(' '));
        if let Some((left, right)) = pair {
            self.0.push(left, right);
        }
        Ok(pair.is_some())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<bool, A::Error> {
        let text = self.0.text();
        let left = seq.next_element_seed(Text(text))?;
        let middle = text.len();
        let right = seq.next_element_seed(Text(text))?;
        if left.and(right).is_none() || seq.next_element::<IgnoredAny>()?.is_some() {
            return Err(de::Error::custom("expected two tokens, in `model.merges`"));
        }
        self.0.end_pair(middle);
        Ok(true)
    }
}
