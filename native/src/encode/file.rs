//! What a tokenizer.json says: its vocabulary, its merges, the rest of its JSON (`parse.rs` reads them); and the model that
//! they make.

use serde_json::{Map, Value};

use super::bpe::{Bpe, Options};
use super::json::At;
use super::merges::Merges;
use super::parse::parse;
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
        parse(bytes).map_err(|e| {
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
