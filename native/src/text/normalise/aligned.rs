//! A text on its way through normalisation: what it has become, and for each byte of that, the range of the original
//! text it stands for. The rules for inserted, replaced and removed characters are those of Hugging Face's
//! `NormalizedString`, because offsets must equal theirs.

use std::ops::Range;

/// A byte range of the original text.
pub type Span = (u32, u32);

/// What happens to the delimiters of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// A stretch of text and whether the pattern matched it.
pub type Match = (Range<usize>, bool);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    pub text: String,
    /// One span for each byte of `text`, in bytes of the original.
    pub spans: Vec<Span>,
}

/// A character of the new text and its relation to the old: 0 replaces one character, n > 0 is inserted,
/// -n replaces one and removes the n that follow.
pub type Change = (char, isize);

impl Aligned {
    /// `text` unchanged, where it starts at byte `base` of the original.
    pub fn new(text: &str, base: u32) -> Self {
        let mut spans = Vec::with_capacity(text.len());
        let mut at = base;
        for c in text.chars() {
            let n = c.len_utf8() as u32;
            spans.extend(std::iter::repeat_n((at, at + n), n as usize));
            at += n;
        }
        Self { text: text.to_owned(), spans }
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn slice(&self, range: Range<usize>) -> Self {
        Self { text: self.text[range.clone()].to_owned(), spans: self.spans[range].to_vec() }
    }

    /// The original bytes that `range` of the text stands for.
    pub fn original(&self, range: Range<usize>) -> Span {
        match (self.spans.get(range.start), range.end.checked_sub(1).and_then(|last| self.spans.get(last))) {
            (Some(first), Some(last)) if range.start < range.end => (first.0, last.1),
            (Some(first), _) => (first.0, first.0),
            _ => self.spans.last().map_or((0, 0), |last| (last.1, last.1)),
        }
    }

    /// Rewrites the text. `skipped` characters are dropped at its start.
    pub fn transform(&mut self, changes: impl IntoIterator<Item = Change>, skipped: usize) {
        let mut old = self.text.chars();
        let mut at: usize = old.by_ref().take(skipped).map(char::len_utf8).sum();
        let mut text = String::with_capacity(self.text.len());
        let mut spans = Vec::with_capacity(self.spans.len());
        for (c, change) in changes {
            let span = if change > 0 {
                at.checked_sub(1).and_then(|i| self.spans.get(i)).copied().unwrap_or((0, 0))
            } else {
                self.spans.get(at).copied().unwrap_or((0, 0))
            };
            if change <= 0 {
                let taken = 1 + change.unsigned_abs();
                at += old.by_ref().take(taken).map(char::len_utf8).sum::<usize>();
            }
            spans.extend(std::iter::repeat_n(span, c.len_utf8()));
            text.push(c);
        }
        self.text = text;
        self.spans = spans;
    }

    /// Keeps the characters that `keep` accepts.
    pub fn filter(&mut self, keep: impl Fn(char) -> bool) {
        if self.text.chars().all(&keep) {
            return;
        }
        let (mut changes, mut skipped, mut removed) = (Vec::with_capacity(self.text.len()), 0, 0);
        let mut held: Option<char> = None;
        for c in self.text.chars() {
            if !keep(c) {
                removed += 1;
                continue;
            }
            match held {
                Some(previous) => changes.push((previous, -removed)),
                None => skipped = removed as usize,
            }
            held = Some(c);
            removed = 0;
        }
        if let Some(previous) = held {
            changes.push((previous, -removed));
        }
        self.transform(changes, skipped);
    }

    /// Replaces each character by one other.
    pub fn map(&mut self, f: impl Fn(char) -> char) {
        let changes: Vec<Change> = self.text.chars().map(|c| (f(c), 0)).collect();
        self.transform(changes, 0);
    }

    /// Replaces each character by one or more.
    pub fn expand<I: Iterator<Item = char>>(&mut self, f: impl Fn(char) -> I) {
        let changes: Vec<Change> =
            self.text.chars().flat_map(|c| f(c).enumerate().map(|(i, c)| (c, isize::from(i > 0)))).collect();
        self.transform(changes, 0);
    }

    /// Puts `s` before the text, unless that is empty. It shares the span of the first character.
    pub fn prepend(&mut self, s: &str) {
        let Some(span) = self.spans.first().copied() else { return };
        self.text.insert_str(0, s);
        self.spans.splice(0..0, std::iter::repeat_n(span, s.len()));
    }

    /// Puts `content` in the place of every match. It shares the span of the match's last byte.
    pub fn replace(&mut self, matches: &[Match], content: &str) {
        if !matches.iter().any(|(_, hit)| *hit) {
            return;
        }
        let mut text = String::with_capacity(self.text.len());
        let mut spans = Vec::with_capacity(self.spans.len());
        for (range, hit) in matches {
            if *hit {
                let span = range.end.checked_sub(1).and_then(|i| self.spans.get(i)).copied().unwrap_or((0, 0));
                text.push_str(content);
                spans.extend(std::iter::repeat_n(span, content.len()));
            } else {
                text.push_str(&self.text[range.clone()]);
                spans.extend_from_slice(&self.spans[range.clone()]);
            }
        }
        self.text = text;
        self.spans = spans;
    }

    /// The parts that `matches`, which cover the whole text, leave; none is empty.
    pub fn split(self, matches: Vec<Match>, behavior: Behavior) -> Vec<Self> {
        let ranges = parts(matches, behavior);
        if let [range] = ranges.as_slice()
            && *range == (0..self.text.len())
        {
            return if self.is_empty() { Vec::new() } else { vec![self] };
        }
        ranges.into_iter().filter(|r| !r.is_empty()).map(|r| self.slice(r)).collect()
    }
}

/// The ranges that remain of `matches` under `behavior`, in order.
pub fn parts(matches: Vec<Match>, behavior: Behavior) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::with_capacity(matches.len());
    match behavior {
        Behavior::Isolated => out.extend(matches.into_iter().map(|(r, _)| r)),
        Behavior::Removed => out.extend(matches.into_iter().filter(|(_, hit)| !hit).map(|(r, _)| r)),
        Behavior::Contiguous => {
            let mut previous = false;
            for (range, hit) in matches {
                match out.last_mut() {
                    Some(last) if hit == previous => last.end = range.end,
                    _ => out.push(range),
                }
                previous = hit;
            }
        }
        Behavior::MergedWithPrevious => {
            let mut previous = false;
            for (range, hit) in matches {
                match out.last_mut() {
                    Some(last) if hit && !previous => last.end = range.end,
                    _ => out.push(range),
                }
                previous = hit;
            }
        }
        Behavior::MergedWithNext => {
            let mut next = false;
            for (range, hit) in matches.into_iter().rev() {
                match out.last_mut() {
                    Some(last) if hit && !next => last.start = range.start,
                    _ => out.push(range),
                }
                next = hit;
            }
            out.reverse();
        }
    }
    out
}

/// Every character that `test` accepts as a match of its own, the rest between them; covers the whole text.
pub fn matches_of(text: &str, test: impl Fn(char) -> bool) -> Vec<Match> {
    let (mut out, mut last) = (Vec::new(), 0);
    for (at, c) in text.char_indices() {
        if test(c) {
            if last < at {
                out.push((last..at, false));
            }
            last = at + c.len_utf8();
            out.push((at..last, true));
        }
    }
    if last < text.len() || text.is_empty() {
        out.push((last..text.len(), false));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[Aligned]) -> Vec<&str> {
        parts.iter().map(|p| p.text.as_str()).collect()
    }

    #[test]
    fn splits_by_each_behavior() {
        let cut = |behavior| {
            let text = "the-final--countdown";
            Aligned::new(text, 0).split(matches_of(text, |c| c == '-'), behavior)
        };
        assert_eq!(texts(&cut(Behavior::Removed)), ["the", "final", "countdown"]);
        assert_eq!(texts(&cut(Behavior::Isolated)), ["the", "-", "final", "-", "-", "countdown"]);
        assert_eq!(texts(&cut(Behavior::MergedWithPrevious)), ["the-", "final-", "-", "countdown"]);
        assert_eq!(texts(&cut(Behavior::MergedWithNext)), ["the", "-final", "-", "-countdown"]);
        assert_eq!(texts(&cut(Behavior::Contiguous)), ["the", "-", "final", "--", "countdown"]);
    }

    #[test]
    fn keeps_spans_through_removal_and_insertion() {
        let mut text = Aligned::new("xéx", 10);
        text.filter(|c| c != 'x');
        assert_eq!((text.text.as_str(), text.spans.as_slice()), ("é", [(11, 13), (11, 13)].as_slice()));
        text.prepend("_");
        assert_eq!(text.original(0..1), (11, 13));
        assert_eq!(text.original(0..3), (11, 13));
    }
}
