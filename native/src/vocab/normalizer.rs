//! The name of a normalizer enters; what applies it, and how a tokenizer.json spells it, leave.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::text::normalise::{Bert, Normalizer};

/// `none`, `bert`, `bert-cased`, or any of `nfc`, `nfd`, `nfkc`, `nfkd`, `lowercase`, `strip-accents` in a list with
/// commas, applied from left to right. `Config` error for another name.
pub fn named(name: &str) -> Result<Option<(Normalizer, Value)>> {
    if matches!(name, "" | "none") {
        return Ok(None);
    }
    let mut parts = name.split(',').map(|part| single(part.trim())).collect::<Result<Vec<_>>>()?;
    if parts.len() == 1 {
        return Ok(parts.pop());
    }
    let (normalizers, values): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    Ok(Some((Normalizer::Sequence(normalizers), json!({"type": "Sequence", "normalizers": values}))))
}

fn single(name: &str) -> Result<(Normalizer, Value)> {
    let bert = |lowercase: bool| {
        let normalizer = Normalizer::Bert(Bert {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents: lowercase,
            lowercase,
        });
        let value = json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": lowercase});
        (normalizer, value)
    };
    Ok(match name {
        "bert" => bert(true),
        "bert-cased" => bert(false),
        "nfc" => (Normalizer::Nfc, json!({"type": "NFC"})),
        "nfd" => (Normalizer::Nfd, json!({"type": "NFD"})),
        "nfkc" => (Normalizer::Nfkc, json!({"type": "NFKC"})),
        "nfkd" => (Normalizer::Nfkd, json!({"type": "NFKD"})),
        "lowercase" => (Normalizer::Lowercase, json!({"type": "Lowercase"})),
        "strip-accents" => (Normalizer::StripAccents, json!({"type": "StripAccents"})),
        _ => {
            return Err(Error::config(format!("there is no normalizer `{name}`")).with_hint(
                "use none, bert, bert-cased, or a list such as nfkc,lowercase (nfc, nfd, nfkc, nfkd, lowercase, strip-accents)",
            ));
        }
    })
}
