//! A trained vocabulary enters, the bytes of a Hugging Face tokenizer.json leave.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::text::split::Splitter;
use crate::vocab::train::Vocabulary;

/// Which model the vocabulary is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// BPE over bytes.
    ByteLevel,
    /// BPE over characters; those that were not seen become the unknown token, where there is one.
    Chars {
        unknown: Option<String>,
    },
    WordPiece {
        unknown: String,
    },
}

/// How text becomes words, as far as the file tells.
pub struct Recipe<'a> {
    pub model: &'a Model,
    pub splitter: &'a Splitter,
    pub normalizer: Option<&'a Value>,
}

/// Serialises the first `size` entries of a vocabulary with the merges that they need.
pub fn tokenizer_json(vocabulary: &Vocabulary, size: usize, recipe: &Recipe) -> Result<Vec<u8>> {
    let vocabulary = View { vocabulary, size: size.min(vocabulary.tokens.len()) };
    let file = File { vocabulary, recipe };
    serde_json::to_vec(&file).map_err(|error| Error::internal(format!("tokenizer.json can't be written: {error}")))
}

struct File<'a> {
    vocabulary: View<'a>,
    recipe: &'a Recipe<'a>,
}

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let special = &self.vocabulary.vocabulary.tokens[..self.vocabulary.vocabulary.special_tokens];
        let added: Vec<Value> = special
            .iter()
            .enumerate()
            .map(|(id, content)| {
                json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                       "normalized": false, "special": true})
            })
            .collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", "1.0")?;
        map.serialize_entry("truncation", &Value::Null)?;
        map.serialize_entry("padding", &Value::Null)?;
        map.serialize_entry("added_tokens", &added)?;
        map.serialize_entry("normalizer", &self.recipe.normalizer)?;
        map.serialize_entry("pre_tokenizer", &pre_tokenizer(self.recipe))?;
        map.serialize_entry("post_processor", &post_processor(self.recipe, special))?;
        map.serialize_entry("decoder", &decoder(self.recipe))?;
        map.serialize_entry("model", &ModelOf(self))?;
        map.end()
    }
}

struct ModelOf<'a>(&'a File<'a>);

impl Serialize for ModelOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let bpe = |map: &mut S::SerializeMap, unknown: Option<&str>| {
            map.serialize_entry("type", "BPE")?;
            map.serialize_entry("dropout", &Value::Null)?;
            map.serialize_entry("unk_token", &unknown)?;
            map.serialize_entry("continuing_subword_prefix", &Value::Null)?;
            map.serialize_entry("end_of_word_suffix", &Value::Null)?;
            map.serialize_entry("fuse_unk", &false)?;
            map.serialize_entry("byte_fallback", &false)?;
            map.serialize_entry("ignore_merges", &false)?;
            map.serialize_entry("vocab", &Vocab(&self.0.vocabulary))?;
            map.serialize_entry("merges", &Merges(&self.0.vocabulary))
        };
        match self.0.recipe.model {
            Model::ByteLevel => bpe(&mut map, None)?,
            Model::Chars { unknown } => bpe(&mut map, unknown.as_deref())?,
            Model::WordPiece { unknown } => {
                map.serialize_entry("type", "WordPiece")?;
                map.serialize_entry("unk_token", unknown)?;
                map.serialize_entry("continuing_subword_prefix", "##")?;
                map.serialize_entry("max_input_chars_per_word", &100)?;
                map.serialize_entry("vocab", &Vocab(&self.0.vocabulary))?;
            }
        }
        map.end()
    }
}

struct View<'a> {
    vocabulary: &'a Vocabulary,
    size: usize,
}

struct Vocab<'a>(&'a View<'a>);

impl Serialize for Vocab<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.vocabulary.tokens[..self.0.size].iter().zip(0u32..))
    }
}

struct Merges<'a>(&'a View<'a>);

impl Serialize for Merges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let tokens = &self.0.vocabulary.tokens;
        let merges = self.0.vocabulary.merges_of(self.0.size);
        let mut list = serializer.serialize_seq(Some(merges.len()))?;
        for &(left, right) in merges {
            list.serialize_element(&[&tokens[left as usize], &tokens[right as usize]])?;
        }
        list.end()
    }
}

fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}

fn pre_tokenizer(recipe: &Recipe) -> Value {
    let split = match (recipe.splitter, recipe.splitter.pattern()) {
        (_, Some(pattern)) => {
            Some(json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false}))
        }
        (Splitter::Bert, _) => Some(json!({"type": "BertPreTokenizer"})),
        _ => None,
    };
    match (recipe.model, recipe.splitter, split) {
        (Model::ByteLevel, Splitter::Gpt2, _) => byte_level(true),
        (Model::ByteLevel, _, Some(split)) => json!({"type": "Sequence", "pretokenizers": [split, byte_level(false)]}),
        (Model::ByteLevel, _, None) => byte_level(false),
        (_, _, Some(split)) => split,
        (_, _, None) => Value::Null,
    }
}

fn decoder(recipe: &Recipe) -> Value {
    match recipe.model {
        Model::ByteLevel => {
            json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})
        }
        // Characters lose nothing but what the split drops; a fuse puts them together without spaces.
        Model::Chars { .. } => json!({"type": "Fuse"}),
        Model::WordPiece { .. } => json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
    }
}

/// `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, where a WordPiece vocabulary has such tokens, however they are written.
fn post_processor(recipe: &Recipe, special: &[String]) -> Value {
    if !matches!(recipe.model, Model::WordPiece { .. }) {
        return Value::Null;
    }
    let find = |name: &str| {
        let bare = |token: &str| token.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case(name);
        special.iter().position(|token| bare(token))
    };
    let (Some(cls), Some(sep)) = (find("cls"), find("sep")) else { return Value::Null };
    let token = |id: usize, segment: u8| json!({"SpecialToken": {"id": special[id], "type_id": segment}});
    let text = |name: &str, segment: u8| json!({"Sequence": {"id": name, "type_id": segment}});
    let entry = |id: usize| json!({"id": special[id], "ids": [id], "tokens": [special[id]]});
    let mut tokens = serde_json::Map::new();
    tokens.insert(special[cls].clone(), entry(cls));
    tokens.insert(special[sep].clone(), entry(sep));
    json!({
        "type": "TemplateProcessing",
        "single": [token(cls, 0), text("A", 0), token(sep, 0)],
        "pair": [token(cls, 0), text("A", 0), token(sep, 0), text("B", 1), token(sep, 1)],
        "special_tokens": tokens,
    })
}
