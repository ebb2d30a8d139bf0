//! Counted words enter, a vocabulary leaves: byte-pair encoding by the rules of Hugging Face's trainer (most frequent pair
//! first, ties to the smaller pair of ids), or WordPiece, which can also merge by likelihood.

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::alphabet::Alphabet;
use crate::vocab::merge::{ByCount, ByLikelihood, Limits, MOST, Score, Token, merge};
use crate::vocab::names::Names;
use crate::vocab::segments::{Segments, Symbol};
use crate::vocab::words::WordCounts;

/// Which pair is merged next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// f(ab)
    Frequency,
    /// f(ab) / (f(a) f(b))
    LikelihoodRatio,
    /// f(ab) log(N f(ab) / (f(a) f(b)))
    LikelihoodGain,
}

pub struct Options {
    pub objective: Objective,
    /// A cap on all entries: special tokens, alphabet and merged tokens.
    pub vocab_size: usize,
    pub special_tokens: Vec<String>,
    /// Pairs seen less often are not merged.
    pub min_frequency: u64,
    /// A merged token is shorter than that, counted in symbols of the alphabet.
    pub max_token_length: Option<u32>,
    pub threads: usize,
    /// Leave the words where they are, for another training; else their memory is given back before the merging.
    pub keep_words: bool,
}

/// A trained vocabulary. The id of a token is its place in `tokens`.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// How many of the tokens, from the first on, are special, and how many after them are the alphabet.
    pub special_tokens: usize,
    pub alphabet: usize,
    /// As a tokenizer.json spells them.
    pub tokens: Vec<String>,
    /// Pairs of ids, in order of rank.
    pub merges: Vec<(u32, u32)>,
    /// The number of tokens after each merge (it doesn't grow where the merge spells a token that exists).
    sizes: Vec<u32>,
}

impl Vocabulary {
    /// The merges of the vocabulary that stops at `size` tokens. It is what training to that size gives.
    pub fn merges_of(&self, size: usize) -> &[(u32, u32)] {
        let start = self.special_tokens + self.alphabet;
        let n = match size {
            _ if size >= self.tokens.len() => self.merges.len(),
            _ if size <= start => 0,
            _ => self.sizes.partition_point(|&after| (after as usize) < size) + 1,
        };
        &self.merges[..n.min(self.merges.len())]
    }
}

/// Trains with a floor (`min_frequency`) that goes down in steps of a quarter, to 2 at least, until the vocabulary is full;
/// returns the floor too. While one floor is tried another thread tries the next one, where there is another.
pub fn train_full(
    words: &WordCounts,
    alphabet: &Alphabet,
    options: &Options,
    progress: &Progress,
) -> Result<(Vocabulary, u64)> {
    let below = |floor: u64| (floor - floor.div_ceil(4)).max(2);
    let is_full = |vocabulary: &Vocabulary| vocabulary.tokens.len() >= options.vocab_size;
    let mut floor = options.min_frequency.max(2);
    loop {
        let next = below(floor);
        let alone = options.threads < 2 || next == floor;
        let threads = if alone { options.threads } else { options.threads / 2 };
        let at = |floor: u64, progress: &Progress| {
            let options = Options {
                min_frequency: floor,
                threads,
                keep_words: true,
                special_tokens: options.special_tokens.clone(),
                ..*options
            };
            train(words, alphabet, &options, progress)
        };
        let ahead = Progress::new();
        let (first, second) = std::thread::scope(|scope| {
            let other = (!alone).then(|| scope.spawn(|| at(next, &ahead)));
            let first = at(floor, progress);
            if !matches!(&first, Ok(vocabulary) if !is_full(vocabulary)) {
                ahead.cancel();
            }
            (first, other.map(|other| other.join()))
        });
        let first = first?;
        if is_full(&first) || next == floor {
            return Ok((first, floor));
        }
        if let Some(second) = second {
            let second = second.unwrap_or_else(|_| Err(Error::internal("a training thread failed")))?;
            if is_full(&second) || below(next) == next {
                return Ok((second, next));
            }
            floor = below(next);
        } else {
            floor = next;
        }
    }
}

/// Trains on counted words. Progress in merges. The same for any number of threads.
pub fn train(words: &WordCounts, alphabet: &Alphabet, options: &Options, progress: &Progress) -> Result<Vocabulary> {
    // Symbol 0 is none, and 16 bits are enough for most vocabularies.
    if options.vocab_size < u16::MAX as usize {
        train_with::<u16>(words, alphabet, options, progress)
    } else {
        train_with::<u32>(words, alphabet, options, progress)
    }
}

fn train_with<S: Symbol>(
    words: &WordCounts,
    alphabet: &Alphabet,
    options: &Options,
    progress: &Progress,
) -> Result<Vocabulary> {
    let mut names = Names::new(alphabet);
    options.special_tokens.iter().for_each(|token| {
        names.add(token);
    });
    let special_tokens = names.len();
    for token in alphabet.tokens() {
        if !names.add(token) {
            return Err(Error::config(format!("the special token `{token}` is spelled like a symbol of the alphabet"))
                .with_hint("choose another name for it, such as <|name|>"));
        }
    }
    if names.len() > options.vocab_size {
        let (size, alphabet) = (options.vocab_size, alphabet.tokens().len());
        return Err(Error::config(format!(
            "a vocabulary of {size} can't hold {special_tokens} special tokens and an alphabet of {alphabet}"
        ))
        .with_hint(format!("use a size of {} or more, or limit the alphabet", names.len())));
    }
    let merges_left = options.vocab_size - names.len();
    progress.start(merges_left as u64);

    let limits = Limits {
        min_count: options.min_frequency,
        max_length: options.max_token_length.unwrap_or(u32::MAX),
        merges: merges_left,
    };
    let (mut merges, mut sizes) = (Vec::new(), Vec::new());
    // Symbols count from 1 and leave the special tokens out.
    let id_of = |symbol: usize| symbol - 1 + special_tokens;
    let token = |left: usize, right: usize| {
        if names.len() == options.vocab_size {
            return Token::Full;
        }
        let (left, right) = (id_of(left), id_of(right));
        match names.find(left, right) {
            // No merge spells a special token, nor (`#` and `###a`) a piece that stands elsewhere in a word.
            Some(id) if id < special_tokens || alphabet.has_prefix() => return Token::Refused,
            Some(id) => {
                if !alphabet.has_merge(left - special_tokens + 1, right - special_tokens + 1) {
                    merges.push((left as u32, right as u32));
                    sizes.push(names.len() as u32);
                }
                return Token::Known(id + 1 - special_tokens);
            }
            None => {}
        }
        merges.push((left as u32, right as u32));
        names.join(left, right);
        sizes.push(names.len() as u32);
        Token::New
    };
    let shares = Segments::<S>::new(words, alphabet, options.threads.min(MOST))?;
    let score = match options.objective {
        Objective::Frequency => None,
        Objective::LikelihoodRatio => Some(Score::Ratio),
        Objective::LikelihoodGain => Some(Score::Gain),
    };
    let lengths = vec![1; 1 + alphabet.tokens().len()];
    let queue = score.map(|score| ByLikelihood::new(score, alphabet.frequencies(words)));
    if !options.keep_words {
        words.clear();
    }
    match queue {
        None => merge(shares, lengths, ByCount::default(), &limits, progress, token)?,
        Some(queue) => merge(shares, lengths, queue, &limits, progress, token)?,
    }
    let tokens = names.into_texts();
    Ok(Vocabulary { special_tokens, alphabet: alphabet.tokens().len(), tokens, merges, sizes })
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
