//! The components of a tokenizer.json in, ours out. A component or option that isn't known here is an error that names
//! it: a guess would give other ids without a word.

use super::bytes;
use super::decode::Decoder;
use super::encoding::{Direction, Padding, Strategy, Truncation};
use super::json::At;
use super::post::{Part, PostProcessor, Trim};
use super::pretokenise::{Delimiter, Metaspace, PreTokenizer, Prepend};
use super::vocab::MAX_ID;
use crate::error::{Error, Result};
use crate::text::normalise::{Behavior, Bert, Find, Normalizer};
use crate::text::split::Splitter;

fn unknown(at: &At, kind: &str, known: &str) -> Error {
    at.error(format!("{kind:?} is not a component that Millrace knows")).with_hint(format!("known here: {known}"))
}

pub fn normalizer(at: &At) -> Result<Normalizer> {
    let kind = at.kind()?;
    let plain = |normalizer| at.only(&[]).map(|()| normalizer);
    match kind {
        "Sequence" => {
            at.only(&["normalizers"])?;
            let all = at.need("normalizers")?.list()?;
            Ok(Normalizer::Sequence(all.iter().map(normalizer).collect::<Result<_>>()?))
        }
        "BertNormalizer" => {
            at.only(&["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"])?;
            let lowercase = at.flag("lowercase", true)?;
            Ok(Normalizer::Bert(Bert {
                clean_text: at.flag("clean_text", true)?,
                handle_chinese_chars: at.flag("handle_chinese_chars", true)?,
                strip_accents: at.flag("strip_accents", lowercase)?,
                lowercase,
            }))
        }
        "NFC" => plain(Normalizer::Nfc),
        "NFD" => plain(Normalizer::Nfd),
        "NFKC" => plain(Normalizer::Nfkc),
        "NFKD" => plain(Normalizer::Nfkd),
        "Lowercase" => plain(Normalizer::Lowercase),
        "StripAccents" => plain(Normalizer::StripAccents),
        "Nmt" => plain(Normalizer::Nmt),
        "ByteLevel" => plain(Normalizer::ByteLevel(bytes::char_of)),
        "Strip" => {
            at.only(&["strip_left", "strip_right"])?;
            Ok(Normalizer::Strip { left: at.flag("strip_left", true)?, right: at.flag("strip_right", true)? })
        }
        "Replace" => {
            at.only(&["pattern", "content"])?;
            let (find, content) = (find(&at.need("pattern")?)?, at.need("content")?.str()?.to_owned());
            Ok(Normalizer::Replace { find, content })
        }
        "Prepend" => {
            at.only(&["prepend"])?;
            Ok(Normalizer::Prepend(at.need("prepend")?.str()?.to_owned()))
        }
        other => Err(unknown(
            at,
            other,
            "Sequence, BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, Prepend, Nmt, ByteLevel",
        )),
    }
}

/// `{"String": "..."}` or `{"Regex": "..."}`.
fn find(at: &At) -> Result<Find> {
    match (at.get("String"), at.get("Regex")) {
        (Some(text), None) => Ok(Find::Text(text.str()?.to_owned())),
        (None, Some(regex)) => Find::regex(regex.str()?, &regex.path),
        _ => Err(at.error("must be {\"String\": ...} or {\"Regex\": ...}")),
    }
}

fn behavior(at: &At) -> Result<Behavior> {
    Ok(match at.str()? {
        "Removed" => Behavior::Removed,
        "Isolated" => Behavior::Isolated,
        "MergedWithPrevious" => Behavior::MergedWithPrevious,
        "MergedWithNext" => Behavior::MergedWithNext,
        "Contiguous" => Behavior::Contiguous,
        other => {
            return Err(at.error(format!(
                "{other:?} is not one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous"
            )));
        }
    })
}

pub fn pre_tokenizer(at: &At) -> Result<PreTokenizer> {
    let kind = at.kind()?;
    let plain = |pre_tokenizer| at.only(&[]).map(|()| pre_tokenizer);
    match kind {
        "Sequence" => {
            at.only(&["pretokenizers"])?;
            let all = at.need("pretokenizers")?.list()?;
            Ok(PreTokenizer::Sequence(all.iter().map(pre_tokenizer).collect::<Result<_>>()?))
        }
        "BertPreTokenizer" => plain(PreTokenizer::Bert),
        "WhitespaceSplit" => plain(PreTokenizer::WhitespaceSplit),
        "Whitespace" => plain(PreTokenizer::Whitespace(Find::regex(r"\w+|[^\w\s]+", &at.path)?)),
        "ByteLevel" => {
            at.only(&["add_prefix_space", "trim_offsets", "use_regex"])?;
            let split = if at.flag("use_regex", true)? { Some(Splitter::Gpt2) } else { None };
            Ok(PreTokenizer::ByteLevel { add_prefix_space: at.need("add_prefix_space")?.bool()?, split })
        }
        "Split" => {
            at.only(&["pattern", "behavior", "invert"])?;
            Ok(PreTokenizer::Split {
                delimiter: delimiter(&at.need("pattern")?)?,
                behavior: behavior(&at.need("behavior")?)?,
                invert: at.need("invert")?.bool()?,
            })
        }
        "Metaspace" => Ok(PreTokenizer::Metaspace(metaspace(at)?)),
        "CharDelimiterSplit" => {
            at.only(&["delimiter"])?;
            Ok(PreTokenizer::CharDelimiterSplit(at.need("delimiter")?.char()?))
        }
        "Punctuation" => {
            at.only(&["behavior"])?;
            Ok(PreTokenizer::Punctuation(at.get("behavior").map_or(Ok(Behavior::Isolated), |b| behavior(&b))?))
        }
        "Digits" => {
            at.only(&["individual_digits"])?;
            Ok(PreTokenizer::Digits { individual: at.flag("individual_digits", false)? })
        }
        "FixedLength" => {
            at.only(&["length"])?;
            let length = at.get("length").map_or(Ok(5), |length| length.usize())?;
            if length == 0 {
                return Err(at.error("`length` must be at least 1"));
            }
            Ok(PreTokenizer::FixedLength(length))
        }
        other => Err(unknown(
            at,
            other,
            "Sequence, BertPreTokenizer, ByteLevel, Split, Metaspace, Whitespace, WhitespaceSplit, CharDelimiterSplit, Punctuation, Digits, FixedLength",
        )),
    }
}

/// The named patterns are split by hand, any other by a regex engine.
fn delimiter(at: &At) -> Result<Delimiter> {
    if let Some(regex) = at.get("Regex") {
        let pattern = regex.str()?;
        let known = !matches!(pattern, "" | "gpt2" | "cl100k" | "o200k" | "llama3" | "bert" | "none");
        match known.then(|| Splitter::from_name_or_pattern(pattern)) {
            None | Some(Err(_) | Ok(Splitter::Pattern(_) | Splitter::Bert | Splitter::Whole)) => {}
            Some(Ok(splitter)) => return Ok(Delimiter::Words(splitter)),
        }
    }
    Ok(Delimiter::Find(find(at)?))
}

fn metaspace(at: &At) -> Result<Metaspace> {
    at.only(&["replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"])?;
    let mut prepend = Prepend::Always;
    if let Some(scheme) = at.get("prepend_scheme") {
        prepend = match scheme.str()? {
            "first" => Prepend::First,
            "never" => Prepend::Never,
            "always" => Prepend::Always,
            other => return Err(scheme.error(format!("{other:?} is not one of first, never, always"))),
        };
    }
    if !at.flag("add_prefix_space", true)? {
        if at.get("prepend_scheme").is_some() && prepend != Prepend::Never {
            return Err(at.error("`add_prefix_space` is false, but `prepend_scheme` isn't \"never\""));
        }
        prepend = Prepend::Never;
    }
    Ok(Metaspace { replacement: at.need("replacement")?.char()?, prepend, split: at.flag("split", true)? })
}

pub fn decoder(at: &At) -> Result<Decoder> {
    let kind = at.kind()?;
    match kind {
        "Sequence" => {
            at.only(&["decoders"])?;
            let all = at.need("decoders")?.list()?;
            Ok(Decoder::Sequence(all.iter().map(decoder).collect::<Result<_>>()?))
        }
        "ByteLevel" => {
            at.only(&["add_prefix_space", "trim_offsets", "use_regex"])?;
            Ok(Decoder::ByteLevel)
        }
        "WordPiece" => {
            at.only(&["prefix", "cleanup"])?;
            Ok(Decoder::WordPiece { prefix: at.need("prefix")?.str()?.to_owned(), cleanup: at.flag("cleanup", true)? })
        }
        "Metaspace" => {
            let Metaspace { replacement, prepend, .. } = metaspace(at)?;
            Ok(Decoder::Metaspace { replacement, prepend })
        }
        "BPEDecoder" => {
            at.only(&["suffix"])?;
            Ok(Decoder::Bpe { suffix: at.get("suffix").map_or(Ok("</w>"), |suffix| suffix.str())?.to_owned() })
        }
        "ByteFallback" => at.only(&[]).map(|()| Decoder::ByteFallback),
        "Fuse" => at.only(&[]).map(|()| Decoder::Fuse),
        "Strip" => {
            at.only(&["content", "start", "stop"])?;
            Ok(Decoder::Strip {
                content: at.need("content")?.char()?,
                start: at.need("start")?.usize()?,
                stop: at.need("stop")?.usize()?,
            })
        }
        "Replace" => {
            at.only(&["pattern", "content"])?;
            let (find, content) = (find(&at.need("pattern")?)?, at.need("content")?.str()?.to_owned());
            Ok(Decoder::Replace { find, content })
        }
        other => Err(unknown(
            at,
            other,
            "Sequence, ByteLevel, WordPiece, Metaspace, BPEDecoder, ByteFallback, Fuse, Strip, Replace",
        )),
    }
}

pub fn post_processor(at: &At) -> Result<PostProcessor> {
    let kind = at.kind()?;
    let pair = |key: &str| -> Result<u32> {
        let at = at.need(key)?;
        match at.list()?.as_slice() {
            [token, id] => token.str().and_then(|_| token_id(id)),
            _ => Err(at.error("must be a token and its id")),
        }
    };
    let trim = |default: bool| -> Result<Option<Trim>> {
        let add_prefix_space = at.flag("add_prefix_space", true)?;
        Ok(at.flag("trim_offsets", default)?.then_some(Trim { add_prefix_space }))
    };
    match kind {
        "Sequence" => {
            at.only(&["processors"])?;
            let all = at.need("processors")?.list()?;
            Ok(PostProcessor::Sequence(all.iter().map(post_processor).collect::<Result<_>>()?))
        }
        "TemplateProcessing" => {
            at.only(&["single", "pair", "special_tokens"])?;
            Ok(PostProcessor::Template { single: template(at, "single", 1)?, pair: template(at, "pair", 2)? })
        }
        "BertProcessing" => {
            at.only(&["sep", "cls"])?;
            Ok(PostProcessor::Bert { cls: pair("cls")?, sep: pair("sep")? })
        }
        "RobertaProcessing" => {
            at.only(&["sep", "cls", "trim_offsets", "add_prefix_space"])?;
            Ok(PostProcessor::Roberta { cls: pair("cls")?, sep: pair("sep")?, trim: trim(true)? })
        }
        "ByteLevel" => {
            at.only(&["add_prefix_space", "trim_offsets", "use_regex"])?;
            Ok(PostProcessor::ByteLevel { trim: trim(true)? })
        }
        other => Err(unknown(at, other, "Sequence, TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel")),
    }
}

fn token_id(at: &At) -> Result<u32> {
    let id = at.u32()?;
    if id > MAX_ID { Err(at.error(format!("{id} is larger than {MAX_ID}"))) } else { Ok(id) }
}

fn template(at: &At, key: &str, texts: u8) -> Result<Vec<Part>> {
    let mut out = Vec::new();
    for part in at.need(key)?.list()? {
        if let Some(text) = part.get("Sequence") {
            text.only(&["id", "type_id"])?;
            let id = text.need("id")?;
            let index = match id.str()? {
                "A" => 0,
                "B" if texts == 2 => 1,
                other => return Err(id.error(format!("{other:?} is not a text of this template"))),
            };
            out.push(Part::Text { index, type_id: text.need("type_id")?.u32()? });
        } else if let Some(token) = part.get("SpecialToken") {
            token.only(&["id", "type_id"])?;
            let name = token.need("id")?.str()?;
            let Some(entry) = at.need("special_tokens")?.get(name) else {
                return Err(token.error(format!("{name:?} is not in special_tokens")));
            };
            let ids = entry.need("ids")?.list()?.iter().map(token_id).collect::<Result<_>>()?;
            out.push(Part::Tokens { ids, type_id: token.need("type_id")?.u32()? });
        } else {
            return Err(part.error("must be {\"Sequence\": ...} or {\"SpecialToken\": ...}"));
        }
    }
    Ok(out)
}

fn direction(at: &At) -> Result<Direction> {
    match at.get("direction") {
        None => Ok(Direction::Right),
        Some(at) => match at.str()? {
            "Left" | "left" => Ok(Direction::Left),
            "Right" | "right" => Ok(Direction::Right),
            other => Err(at.error(format!("{other:?} is neither \"Left\" nor \"Right\""))),
        },
    }
}

pub fn truncation(at: &At) -> Result<Truncation> {
    at.only(&["direction", "max_length", "strategy", "stride"])?;
    let strategy = at.need("strategy")?;
    Ok(Truncation {
        max_length: at.need("max_length")?.usize()?,
        stride: at.get("stride").map_or(Ok(0), |stride| stride.usize())?,
        strategy: match strategy.str()? {
            "LongestFirst" => Strategy::LongestFirst,
            "OnlyFirst" => Strategy::OnlyFirst,
            "OnlySecond" => Strategy::OnlySecond,
            other => {
                return Err(strategy.error(format!("{other:?} is not one of LongestFirst, OnlyFirst, OnlySecond")));
            }
        },
        direction: direction(at)?,
    })
}

/// The longest padding that a file may ask for: more is a slip that would eat all memory.
const LONGEST: usize = 1 << 24;

pub fn padding(at: &At) -> Result<Padding> {
    at.only(&["strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"])?;
    let strategy = at.need("strategy")?;
    let length = match strategy.get("Fixed") {
        Some(fixed) => Some(fixed.usize()?),
        None if strategy.value == "BatchLongest" => None,
        None => return Err(strategy.error("must be \"BatchLongest\" or {\"Fixed\": length}")),
    };
    let multiple_of = at.get("pad_to_multiple_of").map(|at| at.usize()).transpose()?;
    if length.into_iter().chain(multiple_of).any(|n| n > LONGEST) {
        return Err(at.error(format!("padding to more than {LONGEST} tokens")));
    }
    Ok(Padding {
        length,
        direction: direction(at)?,
        multiple_of,
        id: token_id(&at.need("pad_id")?)?,
        type_id: at.get("pad_type_id").map_or(Ok(0), |at| at.u32())?,
        token: at.need("pad_token")?.str()?.to_owned(),
    })
}
