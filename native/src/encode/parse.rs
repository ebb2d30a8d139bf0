//! The text of a tokenizer.json in, its vocabulary and merges and the rest of its JSON out. Vocabulary and merges are
//! read straight into their tables: they are most of the file. Of a large file the merges are read on a thread of their own.

use std::fmt;

use memchr::memmem;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::file::{File, RawModel};
use super::merges::Merges;
use super::vocab::Vocab;

/// Files from this size on are worth a thread.
const LARGE: usize = 1 << 20;

pub fn parse(bytes: &[u8]) -> serde_json::Result<File> {
    let beside = if bytes.len() < LARGE { None } else { in_two(bytes) };
    beside.map_or_else(|| read(bytes, None), Ok)
}

/// `merges`: where their list begins, which is then only read over.
fn read<'a>(bytes: &'a [u8], merges: Option<&'a [u8]>) -> serde_json::Result<File> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let file = Whole { merges }.deserialize(&mut json)?;
    json.end()?;
    Ok(file)
}

/// None where the merges aren't found or something is wrong: reading all in one go tells what and where.
fn in_two(bytes: &[u8]) -> Option<File> {
    let list = list_of_merges(bytes)?;
    std::thread::scope(|scope| {
        let merges = scope.spawn(|| Pairs::deserialize(&mut serde_json::Deserializer::from_slice(list)).ok());
        let file = read(bytes, Some(list));
        let Pairs(merges) = merges.join().ok()??;
        let mut file = file.ok()?;
        // Were they what stands at `model.merges`?
        *file.model.merges.as_mut()? = merges;
        Some(file)
    })
}

/// What follows the first `"merges":` that is followed by a list.
fn list_of_merges(bytes: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"\"merges\"";
    memmem::find_iter(bytes, KEY).find_map(|at| {
        let value = bytes[at + KEY.len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        value.starts_with(b"[").then_some(value)
    })
}

/// The whole file.
struct Whole<'a> {
    merges: Option<&'a [u8]>,
}

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = File;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<File, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = File;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a tokenizer.json object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<File, A::Error> {
        let mut file = File::default();
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "model" {
                file.model = map.next_value_seed(Model { merges: self.merges })?;
                found = true;
            } else {
                file.rest.insert(key, map.next_value()?);
            }
        }
        if found { Ok(file) } else { Err(de::Error::custom("`model` is missing: this is no tokenizer.json")) }
    }
}

/// `model`.
struct Model<'a> {
    merges: Option<&'a [u8]>,
}

impl<'de> DeserializeSeed<'de> for Model<'_> {
    type Value = RawModel;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<RawModel, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Model<'_> {
    type Value = RawModel;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("`model` to be an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<RawModel, A::Error> {
        let mut model = RawModel::default();
        while let Some(key) = map.next_key::<String>()? {
            match (key.as_str(), self.merges) {
                ("vocab", _) => model.vocab = map.next_value::<Tokens>()?.0,
                ("merges", None) => model.merges = Some(map.next_value::<Pairs>()?.0),
                ("merges", Some(list)) => {
                    let value = map.next_value::<&'de RawValue>()?;
                    if !std::ptr::eq(value.get().as_ptr(), list.as_ptr()) {
                        return Err(de::Error::custom("another list was read"));
                    }
                    model.merges = Some(Merges::default());
                }
                _ => {
                    model.options.insert(key, map.next_value()?);
                }
            }
        }
        Ok(model)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of two megabytes, with `before` in front of its model and `merges` as the list.
    fn file(before: &str, merges: &str) -> String {
        let tokens: Vec<String> = (0..100_000).map(|id| format!("\"token {id}\": {id}")).collect();
        format!("{{{before}\"model\": {{\"vocab\": {{{}}}, \"merges\" : {merges}}}}}", tokens.join(",\n"))
    }

    fn merges_of(file: &File) -> Vec<(&str, &str)> {
        let merges = file.model.merges.as_ref().unwrap();
        (0..merges.len()).map(|rank| merges.get(rank)).collect()
    }

    #[test]
    fn merges_are_read_beside_the_rest() {
        let text = file("", "[[\"a\", \"b\"], \"c d\"]");
        assert!(in_two(text.as_bytes()).is_some());
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(merges_of(&parsed), [("a", "b"), ("c", "d")]);
        assert_eq!(parsed.model.vocab.unwrap().len(), 100_000);
    }

    #[test]
    fn another_list_of_that_name_is_not_taken_for_them() {
        let text = file("\"merges\": [[\"x\", \"y\"]], \"z\": {\"merges\": 1},", "[\"a b\"]");
        assert!(in_two(text.as_bytes()).is_none());
        assert_eq!(merges_of(&parse(text.as_bytes()).unwrap()), [("a", "b")]);
        let text = file("", "[\"a b\"], \"merges\": [\"c d\"]");
        assert_eq!(merges_of(&parse(text.as_bytes()).unwrap()), [("c", "d")]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let text = file("", "[\"a b\", \"a b c\"]");
        let error = parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("model.merges[1]: must be two tokens"), "{error}");
        assert_eq!(error.line(), 100_000);
        assert!(parse(file("", "[\"a b\"").as_bytes()).is_err());
        assert!(parse((file("", "[]") + "x").as_bytes()).is_err());
    }
}
