//! The files of a vocabulary in, the ids of the special tokens by role out (`<cls>`, `<sep>`, `<eos>`, ... under whatever name they have there).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use rustc_hash::FxHashMap;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// Ids by role; None where the vocabulary has no such token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Special {
    pub pad: Option<u32>,
    pub unk: Option<u32>,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub cls: Option<u32>,
    pub sep: Option<u32>,
    pub mask: Option<u32>,
    /// `<extra_id_0>`, `<extra_id_1>`, ... of T5, in that order.
    pub sentinels: Vec<u32>,
    /// Every special token, sorted: never masked, never drawn as a replacement.
    pub all: Vec<u32>,
}

/// The names that published vocabularies use, most specific first.
const NAMES: [(&str, &[&str]); 7] = [
    ("pad", &["[PAD]", "<pad>", "<|pad|>", "<|padding|>", "<|finetune_right_pad_id|>"]),
    ("unk", &["[UNK]", "<unk>", "<|unk|>"]),
    ("bos", &["<bos>", "[BOS]", "<s>", "<|begin_of_text|>", "<|startoftext|>", "<|bos|>"]),
    ("eos", &["<eos>", "[EOS]", "</s>", "<|endoftext|>", "<|end_of_text|>", "<|eos|>"]),
    ("cls", &["[CLS]", "<cls>", "<|cls|>"]),
    ("sep", &["[SEP]", "<sep>", "<|sep|>"]),
    ("mask", &["[MASK]", "<mask>", "<|mask|>"]),
];

impl Special {
    /// `tokenizer` is tokenizer.json; `config`, where there is one, is special_tokens_map.json or tokenizer_config.json,
    /// whose `cls_token`, `eos_token`, ... go before the names above. Also says how many ids there are (the highest and one).
    pub fn find(tokenizer: &[u8], config: Option<&[u8]>) -> Result<(Self, usize)> {
        let wrong = |error: serde_json::Error, name: &str| Error::input(format!("{name}: {error}"));
        let bytes = tokenizer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(tokenizer);
        let tokenizer: File = serde_json::from_slice(bytes).map_err(|error| wrong(error, "tokenizer.json"))?;
        let config: Option<Value> =
            config.map(serde_json::from_slice).transpose().map_err(|error| wrong(error, "special tokens"))?;
        let mut ids = tokenizer.model.vocab.0;
        let mut all = Vec::new();
        for token in tokenizer.added_tokens {
            if token.special {
                all.push(token.id);
            }
            ids.insert(token.content, token.id);
        }
        let role = |role: &str| {
            let entry = config.as_ref().map(|config| &config[format!("{role}_token")]);
            let named = entry.and_then(|entry| entry.as_str().or_else(|| entry["content"].as_str()));
            let known = NAMES.iter().find(|(name, _)| *name == role).map_or(&[][..], |(_, names)| names);
            named.into_iter().chain(known.iter().copied()).find_map(|name| ids.get(name).copied())
        };
        let sentinels: Vec<u32> = (0..).map_while(|i| ids.get(format!("<extra_id_{i}>").as_str()).copied()).collect();
        let mut special = Self {
            pad: role("pad"),
            unk: role("unk"),
            bos: role("bos"),
            eos: role("eos"),
            cls: role("cls"),
            sep: role("sep"),
            mask: role("mask"),
            sentinels,
            all,
        };
        let named = [special.pad, special.unk, special.bos, special.eos, special.cls, special.sep, special.mask];
        special.all.extend(named.into_iter().flatten());
        special.all.extend(&special.sentinels);
        special.all.sort_unstable();
        special.all.dedup();
        let size = ids.values().max().map_or(0, |&id| id as usize + 1);
        if size == 0 {
            return Err(Error::input("tokenizer.json: it has no vocabulary"));
        }
        Ok((special, size))
    }

    /// The id of a role that a task can't do without.
    pub fn need(&self, role: &str) -> Result<u32> {
        let id = match role {
            "pad" => self.pad,
            "bos" => self.bos,
            "eos" => self.eos,
            "cls" => self.cls,
            "sep" => self.sep,
            "mask" => self.mask,
            _ => None,
        };
        id.ok_or_else(|| {
            let names =
                NAMES.iter().find(|(name, _)| *name == role).map_or_else(String::new, |(_, names)| names.join(", "));
            Error::config(format!("the vocabulary has no {role} token"))
                .with_hint(format!("train it with one of these special tokens: {names}"))
        })
    }

    /// What fills the end of a row. Padding is told from text by length, so it may share an id with any token.
    pub fn filler(&self) -> u32 {
        self.pad.or(self.eos).unwrap_or(0)
    }
}

/// What is looked at of a tokenizer.json.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, default)]
    added_tokens: Vec<Added<'a>>,
    #[serde(borrow, default)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct Added<'a> {
    id: u32,
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(default)]
    special: bool,
}

#[derive(Default, Deserialize)]
struct Model<'a> {
    #[serde(borrow, default)]
    vocab: Ids<'a>,
}

/// `{"token": id, ...}`; the list of another kind of model counts as none.
#[derive(Default)]
struct Ids<'a>(FxHashMap<Cow<'a, str>, u32>);

impl<'de: 'a, 'a> Deserialize<'de> for Ids<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Entries<'a> {
            type Value = Ids<'a>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`model.vocab` to be an object of tokens and ids")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Ids<'a>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Ids::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Ids<'a>, A::Error> {
                let mut ids = Ids::default();
                while let Some((Token(token), id)) = map.next_entry()? {
                    ids.0.insert(token, id);
                }
                Ok(ids)
            }
        }
        deserializer.deserialize_any(Entries(PhantomData))
    }
}

/// A token where it stands in the file, unless it is written with escapes.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Token<'a>(#[serde(borrow)] Cow<'a, str>);
