//! A trained vocabulary enters, the bytes of a Hugging Face tokenizer.json leave.

use serde_json::{Map, Value, json};

use crate::text::split::Splitter;
use crate::vocab::train::Vocabulary;

/// A tokenizer.json with a byte-level BPE model.
pub fn bpe_json(bpe: &Vocabulary, splitter: &Splitter) -> Value {
    let level =
        |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
    let pre_tokenizer = match (splitter, splitter.pattern()) {
        (Splitter::Gpt2, _) => level(true),
        (_, Some(pattern)) => json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            level(false),
        ]}),
        (Splitter::Bert, _) => {
            json!({"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, level(false)]})
        }
        _ => level(false),
    };
    let added: Vec<Value> = bpe.tokens[..bpe.special_tokens]
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        })
        .collect();
    let vocab: Map<String, Value> =
        bpe.tokens.iter().enumerate().map(|(id, token)| (token.clone(), Value::from(id))).collect();
    let token = |id: u32| bpe.tokens[id as usize].as_str();
    let merges: Vec<Value> = bpe.merges.iter().map(|&(a, b)| json!([token(a), token(b)])).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": merges,
        },
    })
}
