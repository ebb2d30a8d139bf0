//! The split of cl100k_base and LLaMA 3:
//! `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
//! tiktoken's own form has `\s+$` before the newlines.

use super::blocks::{Rules, Starts, low, settled};
use super::masks::{BLOCK, Masks};
use super::shared::{White, contraction};
use crate::text::classes::{Classes, LETTER, NEWLINE, NUMBER, SPACE, WORDLIKE};

/// `TAIL`: whitespace that reaches the end of the text stays whole.
pub struct Cl100k<'a, const TAIL: bool>(pub &'a Classes);

impl<const TAIL: bool> Rules for Cl100k<'_, TAIL> {
    #[inline(always)]
    fn starts(masks: &Masks, block: &[u8; BLOCK], known: u32) -> Starts {
        let runs = Runs::of(masks, masks.newline);
        let mut bits = runs.starts() | (first(masks.letter) & !(runs.prefixes << 1));
        let mut sure = settled(runs.white, known);
        let mut quotes = masks.quote & runs.symbols;
        while quotes != 0 {
            let at = quotes.trailing_zeros();
            quotes &= quotes - 1;
            if at + 3 >= known {
                sure = sure.min(at + 1);
                break;
            }
            if let Some(end) = contraction::<true>(block, at as usize) {
                bits |= 1 << end;
            }
        }
        Starts { bits, sure }
    }

    #[inline(always)]
    fn next(&self, text: &[u8], at: usize) -> usize {
        next::<TAIL>(self.0, text, at)
    }
}

#[inline(always)]
pub fn first(class: u64) -> u64 {
    class & !(class << 1)
}

/// What cl100k and o200k have in common: where runs of white space, symbols and digits start in a block.
pub struct Runs {
    /// White space, but for newlines that belong to the symbols before them.
    pub white: u64,
    white_starts: u64,
    /// Starts of symbols.
    pub symbols: u64,
    digits: u64,
    /// The characters that letters may take in front.
    pub prefixes: u64,
    /// What symbols take behind them.
    pub trailing: u64,
}

impl Runs {
    /// `trailing`: what belongs to symbols behind them.
    #[inline(always)]
    pub fn of(masks: &Masks, trailing: u64) -> Self {
        let Masks { letter, digit, space, blank, newline, .. } = *masks;
        let other = !(letter | digit | space);
        // Adding its first bit to a run of ones carries through the run and clears it.
        let taken = trailing & !trailing.wrapping_add((other << 1) & newline);
        let white = space & !taken;
        let gaps = white & !newline;
        // A run starts a word, so does what follows its last newline, and so does its last character, if no newline.
        let mut white_starts = first(white) | (gaps & ((newline << 1) | !(space >> 1)));
        let mut again = newline & (gaps << 1);
        while again != 0 {
            // Up to the last newline a run is one word.
            let at = again.trailing_zeros();
            again &= again - 1;
            let run = (first(white) & low(at + 1)).leading_zeros();
            white_starts &= !(low(at + 1) & !low(64 - run));
        }
        let symbols = first(other) & !(blank << 1);
        let mut digits = first(digit);
        let four = digit & (digit << 1) & (digit << 2) & (digit << 3);
        if four != 0 {
            let mut third = digits;
            while third != 0 {
                third = (third << 3) & four;
                digits |= third;
            }
        }
        Self { white, white_starts, symbols, digits, prefixes: gaps | symbols, trailing: taken }
    }

    #[inline(always)]
    pub fn starts(&self) -> u64 {
        self.white_starts | self.symbols | self.digits
    }
}

/// The ASCII characters of `[^\r\n\p{L}\p{N}]`, but for the apostrophe, behind which a contraction may stand.
pub const PREFIXES: u128 = {
    let mut bits = 0;
    let mut c = 0u8;
    while c < 128 {
        if !c.is_ascii_alphanumeric() && !matches!(c, b'\r' | b'\n' | b'\'') {
            bits |= 1 << c;
        }
        c += 1;
    }
    bits
};

/// The end of the word that starts at `at < text.len()`. `TAIL`: whitespace that reaches the end of the text stays whole.
#[inline(always)]
pub fn next<const TAIL: bool>(classes: &Classes, text: &[u8], at: usize) -> usize {
    if let Some(end) = classes.word(text, at, PREFIXES) {
        return end;
    }
    let (bits, n) = classes.at(text, at);
    if bits & LETTER != 0 {
        return classes.letters(text, at + n);
    }
    if bits & NUMBER != 0 {
        return digits(classes, text, at + n);
    }
    if text[at] == b'\''
        && let Some(end) = contraction::<true>(text, at)
    {
        return end;
    }
    let (after, m) = classes.at(text, at + n);
    if bits & NEWLINE == 0 && after & LETTER != 0 {
        return classes.letters(text, at + n + m);
    }
    let symbols = if bits & SPACE == 0 {
        at + n
    } else if text[at] == b' ' && m != 0 && after & WORDLIKE == 0 {
        at + n + m
    } else {
        return whitespace::<TAIL>(classes, text, at);
    };
    let end = classes.run(text, symbols, |c| c & WORDLIKE == 0);
    classes.run(text, end, |c| c & NEWLINE != 0)
}

/// `\p{N}{1,3}` after its first digit.
#[inline]
pub fn digits(classes: &Classes, text: &[u8], mut at: usize) -> usize {
    for _ in 0..2 {
        let (bits, n) = classes.at(text, at);
        if bits & NUMBER == 0 {
            break;
        }
        at += n;
    }
    at
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last newline of the run, else as GPT-2 does.
#[inline]
pub fn whitespace<const TAIL: bool>(classes: &Classes, text: &[u8], at: usize) -> usize {
    let run = White::from::<false>(classes, text, at);
    match run.newline {
        Some(newline) if !(TAIL && run.ends_text) => newline,
        _ => run.before_word(at),
    }
}
