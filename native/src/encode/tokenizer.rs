//! A tokenizer.json in, a tokenizer out: text to ids and back. Two ways lead to the same ids: the short one
//! (`encode_into`, ids alone, through a cache) and the long one (`encode`, with offsets, words and the template).

use serde_json::{Map, Value};

use super::added::{Added, AddedToken};
use super::bpe::Piece;
use super::bytes;
use super::decode::Decoder;
use super::encoding::{Encoding, Padding, Truncation, truncate};
use super::fast::{ByteBpe, Memory};
use super::file::{File, Model};
use super::hash::hash;
use super::post::PostProcessor;
use super::pretokenise::{Delimiter, PreTokenizer};
use super::roles::Roles;
use super::sentencepiece::from_sentencepiece;
use super::stretches::Stretches;
use super::{files, read};
use crate::error::{Error, Result};
use crate::text::normalise::{Aligned, Behavior, Normalizer};
use crate::text::split::Splitter;

pub struct Tokenizer {
    pub(super) model: Model,
    pub(super) added: Added,
    /// What tokenizer.json says beside the model, and about the model beside vocabulary and merges, for writing.
    pub(super) rest: Map<String, Value>,
    pub(super) model_options: Map<String, Value>,
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<PreTokenizer>,
    post_processor: Option<PostProcessor>,
    decoder: Option<Decoder>,
    pub truncation: Option<Truncation>,
    pub padding: Option<Padding>,
    roles: Roles,
    short: Option<ByteBpe>,
    /// The bytes that each id decodes to, where the decoder is byte-level alone.
    spelling: Option<Spelling>,
    key: u64,
}

/// Bytes by id in one arena.
struct Spelling {
    arena: Vec<u8>,
    ends: Vec<u32>,
}

/// What `encode_into` keeps from call to call: the cache. One a thread; it adapts to the tokenizer it is used with.
#[derive(Debug, Default)]
pub struct Scratch {
    key: u64,
    memory: Memory,
    pieces: Vec<Piece>,
}

/// What offsets count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    CodePoints,
    #[default]
    Utf16,
}

#[derive(Clone, Copy, Debug)]
pub struct EncodeOptions<'a> {
    /// Add the tokens of the template.
    pub add_special_tokens: bool,
    /// Take special tokens that stand in the text for plain text.
    pub special_as_text: bool,
    pub offsets: Unit,
    pub truncation: Option<&'a Truncation>,
    /// Seed of BPE dropout, where the model has it.
    pub seed: u64,
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
            spelling: None,
            key,
            rest: Map::new(),
            model_options,
        };
        tokenizer.rest = file.rest;
        if let (Model::Bpe(bpe), Some(_)) = (&tokenizer.model, tokenizer.byte_level_split()) {
            tokenizer.short = ByteBpe::new(bpe)?;
        }
        if matches!(tokenizer.decoder, Some(Decoder::ByteLevel)) {
            tokenizer.spelling = Some(tokenizer.spell()?);
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
    fn byte_level_split(&self) -> Option<(Option<&Splitter>, bool)> {
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

    /// The short way of a tokenizer that is BERT's in all its parts.
    fn stretches(&self) -> Option<Stretches<'_>> {
        match (&self.model, &self.normalizer, &self.pre_tokenizer) {
            (Model::WordPiece(model), Some(normalizer), Some(PreTokenizer::Bert)) if !self.added.has_normalized() => {
                let Normalizer::Bert(bert) = normalizer else { return None };
                Some(Stretches { model, normalizer, bert })
            }
            _ => None,
        }
    }

    /// Appends the ids of `text`. Added tokens are recognised; the template, truncation and padding stay out.
    pub fn encode_into(&self, text: &str, scratch: &mut Scratch, out: &mut Vec<u32>) -> Result<()> {
        if scratch.key != self.key {
            let memory = self.short.as_ref().map(ByteBpe::memory).unwrap_or_default();
            *scratch = Scratch { key: self.key, memory, ..Scratch::default() };
        }
        let (Model::Bpe(bpe), Some(short), Some((split, prefix_space))) =
            (&self.model, &self.short, self.byte_level_split())
        else {
            return match self.stretches() {
                Some(stretches) => self.added.split_raw(text, false, |range, token| match token {
                    Some(token) => {
                        out.push(token.id);
                        Ok(())
                    }
                    None => stretches.encode(&text[range], &mut scratch.memory, &mut scratch.pieces, out),
                }),
                None => self.encode_long_way(text, scratch, out),
            };
        };
        let memory = &mut scratch.memory;
        let mut plain = |text: &str, out: &mut Vec<u32>| -> Result<()> {
            let spaced;
            let mut text = text;
            if prefix_space && !text.starts_with(' ') {
                spaced = format!(" {text}");
                text = &spaced;
            }
            let bytes = text.as_bytes();
            match split {
                Some(splitter) => splitter.split_told(text, |word, ascii| {
                    short.encode(bpe, bytes, word.start, word.end, ascii, memory, out);
                })?,
                None if text.is_empty() => {}
                None => short.encode(bpe, bytes, 0, text.len(), false, memory, out),
            }
            short.flush(bpe, bytes, memory, out);
            Ok(())
        };
        self.added.split_raw(text, false, |range, token| match token {
            Some(token) => {
                out.push(token.id);
                Ok(())
            }
            None => {
                let part = &text[range];
                let part = match &self.normalizer {
                    Some(normalizer) => normalizer.normalise(part)?,
                    None => part.into(),
                };
                self.added.split_normalized(&part, false, |range, token| match token {
                    Some(token) => {
                        out.push(token.id);
                        Ok(())
                    }
                    None => plain(&part[range], out),
                })
            }
        })
    }

    /// The same, within the tokens of the template where `add_special_tokens` is on.
    pub fn encode_ids(
        &self,
        text: &str,
        add_special_tokens: bool,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        match self.post_processor.as_ref().map(|post| post.around()) {
            Some((before, after)) if add_special_tokens => {
                out.extend(before);
                self.encode_into(text, scratch, out)?;
                out.extend(after);
                Ok(())
            }
            _ => self.encode_into(text, scratch, out),
        }
    }

    fn encode_long_way(&self, text: &str, scratch: &mut Scratch, out: &mut Vec<u32>) -> Result<()> {
        let mut coin = Coin::new(0, text);
        for (word, token) in self.words(text, false)? {
            if let Some(id) = token {
                out.push(id);
                continue;
            }
            scratch.pieces.clear();
            self.tokenize(&word.text, &mut coin, &mut scratch.pieces)?;
            out.extend(scratch.pieces.iter().map(|piece| piece.id));
        }
        Ok(())
    }

    /// The words of `text` as the model sees them, and added tokens with their ids.
    fn words(&self, text: &str, special_as_text: bool) -> Result<Vec<(Aligned, Option<u32>)>> {
        if text.len() > u32::MAX as usize {
            return Err(Error::input("a text of more than 4 GiB can't be encoded at once"));
        }
        let mut out = Vec::new();
        self.added.split_raw(text, special_as_text, |range, token| {
            let mut part = Aligned::new(&text[range.clone()], range.start as u32);
            if let Some(token) = token {
                out.push((part, Some(token.id)));
                return Ok(());
            }
            if let Some(normalizer) = &self.normalizer {
                normalizer.apply(&mut part)?;
            }
            self.added.split_normalized(&part.text, special_as_text, |range, token| {
                let part = part.slice(range);
                match (token, &self.pre_tokenizer) {
                    (Some(token), _) => out.push((part, Some(token.id))),
                    (None, None) => out.push((part, None)),
                    (None, Some(pre)) => out.extend(pre.apply(vec![part])?.into_iter().map(|word| (word, None))),
                }
                Ok(())
            })
        })?;
        Ok(out)
    }

    fn tokenize(&self, word: &str, coin: &mut Coin, out: &mut Vec<Piece>) -> Result<()> {
        match &self.model {
            Model::Bpe(model) => model.tokenize(word, Some(&mut || coin.toss()), out),
            Model::WordPiece(model) => model.tokenize(word, out),
            Model::WordLevel(model) => model.tokenize(word, out),
        }
    }

    /// One text with offsets and words, without template, truncation and padding.
    fn encode_alone(&self, text: &str, options: &EncodeOptions) -> Result<Encoding> {
        let mut out = Encoding::default();
        let mut pieces = Vec::new();
        let mut coin = Coin::new(options.seed, text);
        for (index, (word, token)) in self.words(text, options.special_as_text)?.into_iter().enumerate() {
            if let Some(id) = token {
                out.push(id, word.original(0..word.text.len()), index as u32);
                continue;
            }
            pieces.clear();
            self.tokenize(&word.text, &mut coin, &mut pieces)?;
            for piece in &pieces {
                out.push(piece.id, word.original(piece.start as usize..piece.end as usize), index as u32);
            }
        }
        convert(text, options.offsets, &mut out);
        Ok(out)
    }

    /// A text or a pair with all that the options ask for. Padding is the batch's, see `pad`.
    pub fn encode(&self, text: &str, pair: Option<&str>, options: &EncodeOptions) -> Result<Encoding> {
        let mut first = self.encode_alone(text, options)?;
        let mut second = pair.map(|text| self.encode_alone(text, options)).transpose()?;
        if let Some(second) = &mut second {
            second.sequences.fill(Some(1));
            second.type_ids.fill(1);
        }
        let added = match &self.post_processor {
            Some(post) if options.add_special_tokens => post.added(second.is_some()),
            _ => 0,
        };
        if let Some(by) = options.truncation {
            truncate(&mut first, second.as_mut(), by, added)?;
        }
        let mut texts = vec![first];
        texts.extend(second);
        if let Some(post) = &self.post_processor {
            texts = post.apply(texts, options.add_special_tokens, &|id| self.id_to_token(id))?;
        }
        let mut texts = texts.into_iter();
        let mut out = texts.next().unwrap_or_default();
        texts.for_each(|text| out.join(text));
        Ok(out)
    }

    fn decoded_token(&self, id: u32) -> Result<(&str, bool)> {
        if let Some(token) = self.added.get(id) {
            return Ok((&token.content, token.special));
        }
        self.model
            .vocab()
            .token(id)
            .map(|token| (token, false))
            .ok_or_else(|| Error::input(format!("id {id} is not in the vocabulary of {} ids", self.vocab_size())))
    }

    /// Ids to text. An id that the vocabulary lacks is an error.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if let Some(spelling) = &self.spelling {
            let mut out = Vec::with_capacity(ids.len() * 4);
            for id in ids {
                if !(self.decoded_token(*id)?.1 && skip_special) {
                    out.extend_from_slice(spelling.bytes(*id));
                }
            }
            return Ok(match String::from_utf8(out) {
                Ok(text) => text,
                Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
            });
        }
        let mut tokens = Vec::with_capacity(ids.len());
        for id in ids {
            let (token, special) = self.decoded_token(*id)?;
            if !(special && skip_special) {
                tokens.push(token.to_owned());
            }
        }
        match &self.decoder {
            Some(decoder) => Ok(decoder.apply(tokens)?.concat()),
            None => Ok(tokens.join(" ")),
        }
    }

    fn spell(&self) -> Result<Spelling> {
        let mut spelling = Spelling { arena: Vec::new(), ends: Vec::new() };
        for id in 0..self.vocab_size() {
            if let Ok((token, _)) = self.decoded_token(id) {
                match bytes::to_bytes(token) {
                    Some(bytes) => spelling.arena.extend(bytes),
                    None => spelling.arena.extend_from_slice(token.as_bytes()),
                }
            }
            let end = u32::try_from(spelling.arena.len())
                .map_err(|_| Error::input("the vocabulary's text is longer than 4 GiB"))?;
            spelling.ends.push(end);
        }
        Ok(spelling)
    }
}

impl Spelling {
    fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] as usize };
        &self.arena[start..self.ends[id] as usize]
    }
}

/// Numbers in [0, 1) that depend on the seed and the text alone (splitmix64).
struct Coin(u64);

impl Coin {
    fn new(seed: u64, text: &str) -> Self {
        Self(seed ^ hash(text.as_bytes()))
    }

    fn toss(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// Byte offsets to those of another unit.
fn convert(text: &str, unit: Unit, encoding: &mut Encoding) {
    if unit == Unit::Bytes || text.is_ascii() {
        return;
    }
    let mut units = vec![0u32; text.len() + 1];
    let mut n = 0;
    for (at, c) in text.char_indices() {
        units[at..at + c.len_utf8()].fill(n);
        n += if unit == Unit::Utf16 { c.len_utf16() as u32 } else { 1 };
    }
    units[text.len()] = n;
    for span in &mut encoding.offsets {
        *span = (units[span.0 as usize], units[span.1 as usize]);
    }
}
