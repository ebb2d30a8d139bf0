//! A text in, its sentences out, for English and other languages of Latin, Greek or Cyrillic script, and for Chinese and Japanese.
//!
//! A sentence ends at `.`, `!`, `?` or `…` (closing quotes and brackets behind it belong to it) where white space and
//! something that can begin a sentence follow; not after an abbreviation, an initial or a numbered point. `。！？` and their
//! like end one at once. A blank line always does; a single line break does not, since text may be wrapped.

use std::ops::Range;

/// Abbreviations that stand before a name or a number, so that a capital behind them begins no sentence. Sorted.
const BEFORE_NAMES: [&str; 38] = [
    "adm", "al", "apr", "aug", "ave", "capt", "cf", "col", "dec", "dr", "ed", "eg", "feb", "fig", "gen", "gov", "hon",
    "ie", "jan", "lieut", "lt", "messrs", "mr", "mrs", "ms", "mt", "no", "nov", "oct", "p", "pp", "prof", "rev", "sen",
    "sept", "sgt", "st", "vs",
];

/// Calls `each` with the byte ranges of the sentences, white space around them left out.
pub fn sentences(text: &str, mut each: impl FnMut(Range<usize>)) {
    let mut start = 0;
    let mut give = |range: Range<usize>| {
        let inner = &text[range.clone()];
        let trimmed = inner.trim();
        if !trimmed.is_empty() {
            let from = range.start + (inner.len() - inner.trim_start().len());
            each(from..from + trimmed.len());
        }
    };
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = at + c.len_utf8();
        let end = match c {
            '。' | '！' | '？' | '｡' => Some(closing(text, after)),
            '.' | '!' | '?' | '…' => {
                let end = closing(text, after);
                if ends_here(text, at, c, end) { Some(end) } else { None }
            }
            '\n' if blank_line(&text[after..]) => Some(after),
            _ => None,
        };
        if let Some(end) = end {
            give(start..end);
            start = end;
            while chars.peek().is_some_and(|&(next, _)| next < end) {
                chars.next();
            }
        }
    }
    give(start..text.len());
}

fn blank_line(rest: &str) -> bool {
    let end = rest.find('\n').unwrap_or(rest.len());
    end < rest.len() && rest[..end].trim().is_empty()
}

/// Past marks, quotes and brackets that close what is before them.
fn closing(text: &str, mut at: usize) -> usize {
    const CLOSING: [char; 20] =
        ['.', '!', '?', '…', '"', '\'', ')', ']', '}', '”', '’', '»', '」', '』', '）', '】', '》', '。', '！', '？'];
    while let Some(c) = text[at..].chars().next().filter(|c| CLOSING.contains(c)) {
        at += c.len_utf8();
    }
    at
}

/// Does the mark at `at`, with what closes at `end`, end a sentence?
fn ends_here(text: &str, at: usize, mark: char, end: usize) -> bool {
    let rest = &text[end..];
    let Some(next) = rest.chars().next() else { return true };
    if !next.is_whitespace() {
        // Chinese writes no space: a stop behind a quote may be followed by text at once.
        return mark != '.' && is_cjk(next);
    }
    let opening = |c: &char| matches!(c, '"' | '\'' | '(' | '[' | '{' | '“' | '‘' | '«' | '—' | '-' | '*' | '_');
    let first = rest.trim_start().chars().find(|c| !opening(c) && !c.is_whitespace());
    let Some(first) = first else { return true };
    if first.is_lowercase() {
        return false;
    }
    mark != '.' || end > at + 1 || !abbreviation(text, at)
}

/// Is the word before the stop at `at` one that a stop belongs to?
fn abbreviation(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let start = before
        .rfind(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '—'))
        .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    // An initial ("J."), or letters with stops ("U.S.", "e.g.").
    let letters = word.split('.').all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic));
    // "1." at the start of a line numbers a point.
    let numbers_a_point =
        word.chars().all(|c| c.is_ascii_digit()) && before[..start].trim_end_matches(' ').ends_with(['\n', '\r']);
    let opens = start == 0 && word.chars().all(|c| c.is_ascii_digit());
    let lower = word.to_lowercase().replace('.', "");
    (letters && word != "I")
        || numbers_a_point
        || (opens && !word.is_empty())
        || BEFORE_NAMES.binary_search(&lower.as_str()).is_ok()
}

fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        sentences(text, |range| out.push(&text[range]));
        out
    }

    #[test]
    fn english() {
        assert_eq!(
            split("Call me Ishmael. Some years ago—never mind. \"Who?\" he said."),
            ["Call me Ishmael.", "Some years ago—never mind.", "\"Who?\" he said."]
        );
        assert_eq!(
            split("Mr. Starbuck met Dr. J. R. Smith at 3.5 p.m. today. He left! \"Why?\" Nobody knew..."),
            ["Mr. Starbuck met Dr. J. R. Smith at 3.5 p.m. today.", "He left!", "\"Why?\"", "Nobody knew..."]
        );
        assert_eq!(split("It was I. He came."), ["It was I.", "He came."]);
        assert_eq!(
            split("He said (see Fig. 3). Then\nhe wrapped\nlines.\n\nA heading\n\n1. First point. Second."),
            ["He said (see Fig. 3).", "Then\nhe wrapped\nlines.", "A heading", "1. First point.", "Second."]
        );
        assert_eq!(split("  "), [""; 0]);
        assert_eq!(split("no end"), ["no end"]);
    }

    #[test]
    fn chinese() {
        assert_eq!(
            split("今天天气很好。我们去公园吧！“好吗？”他问。"),
            ["今天天气很好。", "我们去公园吧！", "“好吗？”", "他问。"]
        );
        assert_eq!(split("版本3.5发布了。Hello world. 你好"), ["版本3.5发布了。", "Hello world.", "你好"]);
    }

    proptest::proptest! {
        /// Nothing but white space is ever lost.
        #[test]
        fn keeps_the_text(text in "[a-zA-Z.!?\"' \n。！你好)(1]*") {
            let kept: String = split(&text).concat();
            let squeeze = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            proptest::prop_assert_eq!(squeeze(&kept), squeeze(&text));
        }
    }
}
