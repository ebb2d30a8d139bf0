//! A tokenizer in, the ids of the special tokens by role out (`<cls>`, `<sep>`, `<eos>`, ... under whatever name they have there).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encode::Tokenizer;
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
    /// `config`, where there is one, is special_tokens_map.json or tokenizer_config.json, whose `cls_token`, `eos_token`,
    /// ... go before the names above.
    pub fn find(tokenizer: &Tokenizer, config: Option<&[u8]>) -> Result<Self> {
        let config: Option<Value> = config
            .map(serde_json::from_slice)
            .transpose()
            .map_err(|error| Error::input(format!("special tokens: {error}")))?;
        let added = tokenizer.added_tokens().iter();
        let all = added.filter(|token| token.special).map(|token| token.id).collect();
        let role = |role: &str| {
            let entry = config.as_ref().map(|config| &config[format!("{role}_token")]);
            let named = entry.and_then(|entry| entry.as_str().or_else(|| entry["content"].as_str()));
            let known = NAMES.iter().find(|(name, _)| *name == role).map_or(&[][..], |(_, names)| names);
            named.into_iter().chain(known.iter().copied()).find_map(|name| tokenizer.token_to_id(name))
        };
        let sentinels: Vec<u32> = (0..).map_while(|i| tokenizer.token_to_id(&format!("<extra_id_{i}>"))).collect();
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
        Ok(special)
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
