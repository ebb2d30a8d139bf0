//! Added tokens: text in, the stretches between added tokens and the tokens themselves out. They are found before
//! the model sees the text, leftmost and longest first, those with `normalized` in the normalised text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::json::At;
use super::vocab::{MAX_ID, Vocab};
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedToken {
    pub id: u32,
    pub content: String,
    /// Matches only where no word character touches it.
    pub single_word: bool,
    /// Swallows the whitespace before it.
    pub lstrip: bool,
    /// Swallows the whitespace behind it.
    pub rstrip: bool,
    /// Is looked for in the normalised text, in its own normalised form.
    pub normalized: bool,
    /// Is left out by decoding when asked.
    pub special: bool,
}

impl AddedToken {
    /// A special token with all flags off.
    pub fn special(content: &str, id: u32) -> Self {
        Self {
            id,
            content: content.to_owned(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        }
    }

    pub fn from_json(at: &At) -> Result<Self> {
        at.only(&["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])?;
        let id = at.need("id")?;
        if id.u32()? > MAX_ID {
            return Err(id.error(format!("{} is larger than {MAX_ID}", id.value)));
        }
        let special = at.flag("special", false)?;
        let content = at.need("content")?;
        if content.str()?.is_empty() {
            return Err(content.error("must not be empty"));
        }
        Ok(Self {
            id: id.u32()?,
            content: content.str()?.to_owned(),
            single_word: at.flag("single_word", false)?,
            lstrip: at.flag("lstrip", false)?,
            rstrip: at.flag("rstrip", false)?,
            normalized: at.flag("normalized", !special)?,
            special,
        })
    }
}

/// One searcher and the tokens (by index) that its patterns stand for.
#[derive(Clone, Debug)]
struct Finder {
    automaton: AhoCorasick,
    tokens: Vec<usize>,
}

impl Finder {
    fn new(patterns: Vec<(usize, String)>) -> Result<Option<Self>> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let (tokens, texts): (Vec<usize>, Vec<String>) = patterns.into_iter().unzip();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&texts)
            .map_err(|e| Error::input(format!("added_tokens: {e}")))?;
        Ok(Some(Self { automaton, tokens }))
    }
}

#[derive(Clone, Debug, Default)]
pub struct Added {
    tokens: Vec<AddedToken>,
    /// Index into `tokens` by id, sorted.
    by_id: Vec<(u32, usize)>,
    raw: Option<Finder>,
    normalized: Option<Finder>,
}

impl Added {
    /// `normalise` is what the tokenizer does to text before it looks for tokens with `normalized`.
    pub fn new(tokens: Vec<AddedToken>, normalise: impl Fn(&str) -> Result<String>) -> Result<Self> {
        let mut by_id: Vec<(u32, usize)> = tokens.iter().enumerate().map(|(i, t)| (t.id, i)).collect();
        by_id.sort_unstable();
        if let Some(pair) = by_id.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let [a, b] = [pair[0].1, pair[1].1].map(|i| &tokens[i].content);
            return Err(Error::input(format!("added_tokens: {a:?} and {b:?} have the same id {}", pair[0].0)));
        }
        let mut patterns: [Vec<(usize, String)>; 2] = Default::default();
        for (i, token) in tokens.iter().enumerate() {
            if token.normalized {
                let text = normalise(&token.content)?;
                if !text.is_empty() {
                    patterns[1].push((i, text));
                }
            } else {
                patterns[0].push((i, token.content.clone()));
            }
        }
        let [raw, normalized] = patterns;
        Ok(Self { raw: Finder::new(raw)?, normalized: Finder::new(normalized)?, tokens, by_id })
    }

    /// Whether tokens are looked for in normalised text.
    pub fn has_normalized(&self) -> bool {
        self.normalized.is_some()
    }

    pub fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    pub fn get(&self, id: u32) -> Option<&AddedToken> {
        let at = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.tokens.get(self.by_id[at].1)
    }

    pub fn id(&self, content: &str) -> Option<u32> {
        self.tokens.iter().find(|token| token.content == content).map(|token| token.id)
    }

    /// One more than the largest id of an added token.
    pub fn end(&self) -> u32 {
        self.by_id.last().map_or(0, |(id, _)| id + 1)
    }

    /// Calls `f` for each stretch of raw `text`, in order: with the token it is, or with `None`.
    /// `as_text`: special tokens count as plain text.
    pub fn split_raw<'a>(
        &'a self,
        text: &str,
        as_text: bool,
        f: impl FnMut(Range<usize>, Option<&'a AddedToken>) -> Result<()>,
    ) -> Result<()> {
        self.split(self.raw.as_ref(), text, as_text, f)
    }

    /// The same for text that is normalised already.
    pub fn split_normalized<'a>(
        &'a self,
        text: &str,
        as_text: bool,
        f: impl FnMut(Range<usize>, Option<&'a AddedToken>) -> Result<()>,
    ) -> Result<()> {
        self.split(self.normalized.as_ref(), text, as_text, f)
    }

    fn split<'a>(
        &'a self,
        finder: Option<&'a Finder>,
        text: &str,
        as_text: bool,
        mut f: impl FnMut(Range<usize>, Option<&'a AddedToken>) -> Result<()>,
    ) -> Result<()> {
        let Some(finder) = finder else { return if text.is_empty() { Ok(()) } else { f(0..text.len(), None) } };
        let mut done = 0;
        for found in finder.automaton.find_iter(text) {
            let token = &self.tokens[finder.tokens[found.pattern().as_usize()]];
            let (mut start, mut end) = (found.start(), found.end());
            if as_text && token.special {
                continue;
            }
            if token.single_word && !(alone(text[..start].chars().next_back()) && alone(text[end..].chars().next())) {
                continue;
            }
            if token.lstrip {
                start = done.min(start) + text[done.min(start)..start].trim_end().len();
            }
            if token.rstrip {
                end = text.len() - text[end..].trim_start().len();
            }
            if done < start {
                f(done..start, None)?;
            }
            f(start..end, Some(token))?;
            done = end;
        }
        if done < text.len() { f(done..text.len(), None) } else { Ok(()) }
    }

    /// Complains where an added token and the vocabulary disagree about an id.
    pub fn check(&self, vocab: &Vocab) -> Result<()> {
        for (i, token) in self.tokens.iter().enumerate() {
            match (vocab.id(token.content.as_bytes()), vocab.token(token.id)) {
                (Some(id), _) if id != token.id => {
                    return Err(Error::input(format!(
                        "added_tokens[{i}].id: {:?} has id {} here but {id} in model.vocab",
                        token.content, token.id
                    )));
                }
                (None, Some(other)) => {
                    return Err(Error::input(format!(
                        "added_tokens[{i}].id: {:?} has id {}, which model.vocab gives to {other:?}",
                        token.content, token.id
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a neighbour leaves a `single_word` token alone: `\w` of Unicode is letters, marks, digits, connectors.
fn alone(neighbour: Option<char>) -> bool {
    neighbour.is_none_or(|c| !regex_syntax::is_word_character(c))
}
