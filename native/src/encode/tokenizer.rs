//! A tokenizer.json in, a tokenizer out. Two ways lead to the same ids: the short one (`ids.rs`, ids alone, through a
//! cache) and the long one (`rows.rs`, with offsets, words and the template); `spelling.rs` leads back to text.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::added::{Added, AddedToken};
use super::decode::Decoder;
use super::encoding::{Padding, Truncation};
use super::fast::ByteBpe;
use super::file::{File, Model};
use super::hash::hash;
use super::post::PostProcessor;
use super::pretokenise::{Delimiter, PreTokenizer};
use super::roles::Roles;
use super::sentencepiece::from_sentencepiece;
use super::spelling::Spelling;
use super::{files, read};
use crate::error::Result;
use crate::text::normalise::{Behavior, Normalizer};
use crate::text::split::Splitter;

pub struct Tokenizer {
    pub(super) model: Model,
    pub(super) added: Added,
    /// What tokenizer.json says beside the model, and about the model beside vocabulary and merges, for writing.
    pub(super) rest: Map<String, Value>,
    pub(super) model_options: Map<String, Value>,
    pub(super) normalizer: Option<Normalizer>,
    pub(super) pre_tokenizer: Option<PreTokenizer>,
    pub(super) post_processor: Option<PostProcessor>,
    pub(super) decoder: Option<Decoder>,
    pub truncation: Option<Truncation>,
    pub padding: Option<Padding>,
    roles: Roles,
    pub(super) short: Option<ByteBpe>,
    /// The bytes that each id decodes to, where the decoder is byte-level alone: made by the first who decodes.
    pub(super) spelling: OnceLock<Spelling>,
    pub(super) key: u64,
}

impl Tokenizer {
    /// Reads a tokenizer.json. An error names the key that is wrong.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        Self::from_file(File::parse(bytes)?, hash(bytes))
    }

    /// `key` tells tokenizers apart.
    pub(super) fn from_file(mut file: File, key: u64) -> Result<Self> {
        let model_options = file.model.options.clone();
        let model = std::mem::take(&mut file.model).build()?;
        let normalizer = file.get("normalizer").map(|at| read::normalizer(&at)).transpose()?;
        let tokens = match file.get("added_tokens") {
            Some(at) => at.list()?.iter().map(AddedToken::from_json).collect::<Result<_>>()?,
            None => Vec::new(),
        };
        let normalise = |text: &str| match &normalizer {
            Some(normalizer) => Ok(normalizer.normalise(text)?.into_owned()),
            None => Ok(text.to_owned()),
        };
        let added = Added::new(tokens, normalise)?;
        added.check(model.vocab())?;
        let roles =
            Roles::find(model.unk_token(), |token| added.id(token).or_else(|| model.vocab().id(token.as_bytes())));
        let mut tokenizer = Self {
            pre_tokenizer: file.get("pre_tokenizer").map(|at| read::pre_tokenizer(&at)).transpose()?,
            post_processor: file.get("post_processor").map(|at| read::post_processor(&at)).transpose()?,
            decoder: file.get("decoder").map(|at| read::decoder(&at)).transpose()?,
            truncation: file.get("truncation").map(|at| read::truncation(&at)).transpose()?,
            padding: file.get("padding").map(|at| read::padding(&at)).transpose()?,
            model,
            added,
            normalizer,
            roles,
            short: None,
            spelling: OnceLock::new(),
            key,
            rest: Map::new(),
            model_options,
        };
        tokenizer.rest = file.rest;
        if let (Model::Bpe(bpe), Some(_)) = (&tokenizer.model, tokenizer.byte_level_split()) {
            tokenizer.short = ByteBpe::new(bpe)?;
        }
        Ok(tokenizer)
    }

    /// A vocab.txt of BERT's; see `files`.
    pub fn from_vocab_txt(bytes: &[u8], lowercase: bool) -> Result<Self> {
        Self::from_file(files::from_vocab_txt(bytes, lowercase)?, hash(bytes))
    }

    /// GPT-2's vocab.json and merges.txt.
    pub fn from_vocab_and_merges(vocab: &[u8], merges: &[u8]) -> Result<Self> {
        Self::from_file(files::from_vocab_and_merges(vocab, merges)?, hash(vocab) ^ hash(merges))
    }

    /// tiktoken's ranks, the split they belong to, and the special tokens beside them.
    pub fn from_tiktoken(bytes: &[u8], split: &str, special: &[(String, u32)]) -> Result<Self> {
        Self::from_file(files::from_tiktoken(bytes, split, special)?, hash(bytes) ^ hash(split.as_bytes()))
    }

    /// A sentencepiece model of the BPE kind.
    pub fn from_sentencepiece(bytes: &[u8]) -> Result<Self> {
        Self::from_file(from_sentencepiece(bytes)?, hash(bytes))
    }

    /// Whether tokens are spelt in the byte-level alphabet.
    pub(super) fn is_byte_level(&self) -> bool {
        self.short.is_some()
    }

    /// One more than the largest id: the number of rows that an embedding needs.
    pub fn vocab_size(&self) -> u32 {
        self.model.vocab().end().max(self.added.end())
    }

    pub fn roles(&self) -> Roles {
        self.roles
    }

    pub fn added_tokens(&self) -> &[AddedToken] {
        self.added.tokens()
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.added.id(token).or_else(|| self.model.vocab().id(token.as_bytes()))
    }

    pub fn id_to_token(&self, id: u32) -> Option<&str> {
        self.added.get(id).map(|token| token.content.as_str()).or_else(|| self.model.vocab().token(id))
    }

    /// The split and prefix space of a pre-tokenizer that is byte-level; `None` as the split is the whole text.
    pub(super) fn byte_level_split(&self) -> Option<(Option<&Splitter>, bool)> {
        match self.pre_tokenizer.as_ref()? {
            PreTokenizer::ByteLevel { add_prefix_space, split } => Some((split.as_ref(), *add_prefix_space)),
            PreTokenizer::Sequence(all) => match all.as_slice() {
                [
                    PreTokenizer::Split { delimiter: Delimiter::Words(splitter), behavior, invert },
                    PreTokenizer::ByteLevel { add_prefix_space: false, split: None },
                ] if matches!((behavior, invert), (Behavior::Isolated, false) | (Behavior::Removed, true)) => {
                    Some((Some(splitter), false))
                }
                _ => None,
            },
            _ => None,
        }
    }
}
