//! Post-processors: the encodings of one text or of a pair in, one encoding with the template's tokens out.

use super::encoding::Encoding;
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first (0) or second (1) text.
    Text { index: u8, type_id: u32 },
    /// Tokens of the template's own.
    Tokens { ids: Vec<u32>, type_id: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostProcessor {
    Sequence(Vec<PostProcessor>),
    Template {
        single: Vec<Part>,
        pair: Vec<Part>,
    },
    /// `cls A sep`, `cls A sep B sep`.
    Bert {
        cls: u32,
        sep: u32,
    },
    /// `cls A sep`, `cls A sep sep B sep`, all of type 0.
    Roberta {
        cls: u32,
        sep: u32,
        trim: Option<Trim>,
    },
    /// Takes the whitespace out of offsets.
    ByteLevel {
        trim: Option<Trim>,
    },
}

/// Offsets leave out the whitespace of their token, but not a single space that `add_prefix_space` put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub add_prefix_space: bool,
}

impl PostProcessor {
    /// How many tokens it adds.
    pub fn added(&self, pair: bool) -> usize {
        match self {
            Self::Sequence(all) => all.iter().map(|one| one.added(pair)).sum(),
            Self::Template { single, pair: both } => (if pair { both } else { single })
                .iter()
                .map(|part| match part {
                    Part::Tokens { ids, .. } => ids.len(),
                    Part::Text { .. } => 0,
                })
                .sum(),
            Self::Bert { .. } => 2 + usize::from(pair),
            Self::Roberta { .. } => 2 + 2 * usize::from(pair),
            Self::ByteLevel { .. } => 0,
        }
    }

    /// The tokens that it puts before and behind a single text.
    pub fn around(&self) -> (Vec<u32>, Vec<u32>) {
        match self {
            Self::Sequence(all) => all.iter().fold((Vec::new(), Vec::new()), |(before, after), one| {
                let (first, last) = one.around();
                ([first, before].concat(), [after, last].concat())
            }),
            Self::Template { single, .. } => {
                let (mut before, mut after, mut behind) = (Vec::new(), Vec::new(), false);
                for part in single {
                    match part {
                        Part::Text { .. } => behind = true,
                        Part::Tokens { ids, .. } => if behind { &mut after } else { &mut before }.extend(ids),
                    }
                }
                (before, after)
            }
            Self::Bert { cls, sep } | Self::Roberta { cls, sep, .. } => (vec![*cls], vec![*sep]),
            Self::ByteLevel { .. } => (Vec::new(), Vec::new()),
        }
    }

    /// `token` gives the text of an id, for trimming. `special`: whether tokens are added.
    pub fn apply<'t>(
        &self,
        texts: Vec<Encoding>,
        special: bool,
        token: &impl Fn(u32) -> Option<&'t str>,
    ) -> Result<Vec<Encoding>> {
        let tokens = |id: u32, type_id| Part::Tokens { ids: vec![id], type_id };
        let text = |index, type_id| Part::Text { index, type_id };
        let pair = texts.len() > 1;
        Ok(match self {
            Self::Sequence(all) => all.iter().try_fold(texts, |texts, one| one.apply(texts, special, token))?,
            Self::Template { single, pair: both } => fill(if pair { both } else { single }, texts, special)?,
            Self::Bert { cls, sep } => {
                let mut template = vec![tokens(*cls, 0), text(0, 0), tokens(*sep, 0)];
                if pair {
                    template.extend([text(1, 1), tokens(*sep, 1)]);
                }
                fill(&template, texts, special)?
            }
            Self::Roberta { cls, sep, trim } => {
                let texts = trimmed(texts, *trim, token);
                let mut template = vec![tokens(*cls, 0), text(0, 0), tokens(*sep, 0)];
                if pair {
                    template.extend([tokens(*sep, 0), text(1, 0), tokens(*sep, 0)]);
                }
                fill(&template, texts, special)?
            }
            Self::ByteLevel { trim } => trimmed(texts, *trim, token),
        })
    }
}

fn fill(template: &[Part], texts: Vec<Encoding>, special: bool) -> Result<Vec<Encoding>> {
    let mut out = Encoding::default();
    for part in template {
        match part {
            Part::Text { index, type_id } => {
                let Some(mut text) = texts.get(*index as usize).cloned() else {
                    return Err(Error::input("post_processor.single: a template for one text can't hold `B`"));
                };
                text.type_ids.fill(*type_id);
                for part in &mut text.overflowing {
                    part.type_ids.fill(*type_id);
                }
                out.join(text);
            }
            Part::Tokens { ids, type_id } if special => {
                let mut tokens = Encoding::default();
                ids.iter().for_each(|id| tokens.push_special(*id, *type_id));
                out.join(tokens);
            }
            Part::Tokens { .. } => {}
        }
    }
    Ok(vec![out])
}

fn trimmed<'t>(mut texts: Vec<Encoding>, trim: Option<Trim>, token: &impl Fn(u32) -> Option<&'t str>) -> Vec<Encoding> {
    if let Some(trim) = trim {
        for text in &mut texts {
            trim_offsets(text, trim, token);
            for part in &mut text.overflowing {
                trim_offsets(part, trim, token);
            }
        }
    }
    texts
}

fn trim_offsets<'t>(encoding: &mut Encoding, trim: Trim, token: &impl Fn(u32) -> Option<&'t str>) {
    let space = |c: &char| *c == super::bytes::char_of(b' ') || c.is_whitespace();
    for (i, id) in encoding.ids.iter().enumerate() {
        let Some(token) = token(*id) else { continue };
        let mut leading = token.chars().take_while(space).count() as u32;
        let trailing = token.chars().rev().take_while(space).count() as u32;
        let offsets = &mut encoding.offsets[i];
        if leading > 0 {
            if (i == 0 || offsets.0 == 0) && trim.add_prefix_space && leading == 1 {
                leading = 0;
            }
            offsets.0 = (offsets.0 + leading).min(offsets.1);
        }
        if trailing > 0 && offsets.1 >= trailing {
            offsets.1 = (offsets.1 - trailing).max(offsets.0);
        }
    }
}
