//! Text enters, its stretches leave: what lies between places where BERT's words end whatever stands there, which are ASCII
//! white space, both sides of ASCII punctuation and (where the normalizer spaces them) of ideographs. None of these takes
//! part in what normalising does to its neighbours, so a stretch alone gives the words that it gives in its text.

use std::ops::Range;

use super::masks::{BLOCK, Masks};
#[cfg(target_arch = "x86_64")]
use crate::text::machine::has_avx2;
use crate::text::normalise::is_cjk;

const INSIDE: u8 = 0;
const SPACE: u8 = 1;
const ALONE: u8 = 2;
const WIDE: u8 = 3;

/// What a byte of UTF-8 says about its place.
static KINDS: [u8; 256] = {
    let mut kinds = [INSIDE; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' => SPACE,
            0x80.. => WIDE,
            ascii if ascii.is_ascii_punctuation() => ALONE,
            _ => INSIDE,
        };
        byte += 1;
    }
    kinds
};

/// Calls `stretch` with the stretches of `text`, none of them empty. `ideographs`: each stands alone.
#[inline]
pub fn walk(text: &str, ideographs: bool, stretch: impl FnMut(Range<usize>)) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { walk_avx2(text, ideographs, stretch) };
    }
    walk_by(Masks::of, text, ideographs, stretch);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn walk_avx2(text: &str, ideographs: bool, stretch: impl FnMut(Range<usize>)) {
    walk_by(|block| Masks::of_avx2(block), text, ideographs, stretch);
}

#[inline(always)]
fn walk_by(
    masks_of: impl Fn(&[u8; BLOCK]) -> Masks,
    text: &str,
    ideographs: bool,
    mut stretch: impl FnMut(Range<usize>),
) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let mut until = at;
        if let Some(block) = bytes[at..].first_chunk::<BLOCK>()
            && block[..16].is_ascii()
        {
            let (next, known) = block_of(&masks_of(block), at, &mut stretch);
            at = next;
            if at > until && known == BLOCK {
                continue;
            }
            until += known;
        }
        // What isn't ASCII, what is longer than a block, and the last stretches.
        while at < bytes.len() && at <= until {
            let (found, next) = next(text, at, ideographs);
            found.into_iter().filter(|range| !range.is_empty()).for_each(&mut stretch);
            at = next;
        }
    }
}

/// Calls `stretch` with the stretches of a block of text that starts at `base`; returns where the next one starts and
/// how many bytes of the block are ASCII.
#[inline(always)]
fn block_of(masks: &Masks, base: usize, mut stretch: impl FnMut(Range<usize>)) -> (usize, usize) {
    let known = masks.wide.trailing_zeros();
    let inside = !(masks.punctuation | (masks.space & !masks.feed));
    let mut starts = (inside & !(inside << 1)) | masks.punctuation;
    let mut ends = (!inside & (inside << 1)) | (masks.punctuation << 1);
    if known < 64 {
        // What reaches the first character beyond ASCII may go on there.
        let sure = (1 << known) - 1;
        (starts, ends) = (starts & sure, ends & sure);
    }
    while ends != 0 {
        stretch(base + starts.trailing_zeros() as usize..base + ends.trailing_zeros() as usize);
        starts &= starts - 1;
        ends &= ends - 1;
    }
    let next = if starts == 0 { known } else { starts.trailing_zeros() };
    (base + next as usize, known as usize)
}

/// From `start` on: the stretch that starts there, what stands alone behind it (either may be empty), and where to go on.
#[inline]
fn next(text: &str, start: usize, ideographs: bool) -> ([Range<usize>; 2], usize) {
    let bytes = text.as_bytes();
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        let kind = KINDS[*byte as usize];
        if kind == INSIDE {
            at += 1;
            continue;
        }
        let mut width = 1;
        if kind == WIDE {
            let Some(c) = text[at..].chars().next() else { break };
            width = c.len_utf8();
            if !(ideographs && is_cjk(c)) {
                at += width;
                continue;
            }
        }
        let alone = if kind == SPACE { at..at } else { at..at + width };
        return ([start..at, alone], at + width);
    }
    ([start..at, at..at], at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::normalise::{Bert, Normalizer};
    use crate::text::split::Splitter;

    fn words(text: &str, out: &mut Vec<String>) {
        let bert = Bert { clean_text: true, handle_chinese_chars: true, strip_accents: true, lowercase: true };
        let text = Normalizer::Bert(bert).normalise(text).unwrap();
        Splitter::Bert.split(&text, |word| out.push(text[word].to_string())).unwrap();
    }

    proptest! {
        #[test]
        fn a_stretch_alone_gives_the_words_that_it_gives_in_its_text(
            text in "([a-zA-Z]{1,9}| |\\n|[!-~]|[\u{b}\u{c}\u{85}\u{a0}\u{200b}\u{300}\u{301}éÉİß中文。“”—\u{3000}\u{f900}가각\u{2b820}]|\\PC){0,90}",
        ) {
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            words(&text, &mut whole);
            walk(&text, true, |range| words(&text[range], &mut parts));
            prop_assert_eq!(parts, whole);
        }
    }
}
