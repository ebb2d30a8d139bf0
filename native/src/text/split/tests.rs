//! The hand-written splits against the regular expressions that define them, on text made to hurt.

use proptest::prelude::*;

use std::ops::Range;

use super::*;

fn words(splitter: &Splitter, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    splitter.split(text, |range| out.push(text[range].to_string())).unwrap();
    out
}

fn words_of_lines(splitter: &Splitter, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    splitter.split_lines(text, &mut |range: Range<usize>, _: bool| out.push(text[range].to_string())).unwrap();
    out
}

fn pairs() -> [(Splitter, Splitter); 4] {
    [(Splitter::Gpt2, GPT2), (Splitter::Cl100k, CL100K), (Splitter::Llama3, LLAMA3), (Splitter::O200k, O200K)]
        .map(|(hand, pattern)| (hand, Splitter::Pattern(Box::new(Pattern::new(pattern).unwrap()))))
}

#[test]
fn the_splits_of_a_sentence() {
    let text = "I'LL  say it's\n\n 12345 of 日本語 words!!\r\n\tOK ";
    assert_eq!(
        words(&Splitter::Gpt2, text),
        [
            "I",
            "'",
            "LL",
            " ",
            " say",
            " it",
            "'s",
            "\n\n",
            " 12345",
            " of",
            " 日本語",
            " words",
            "!!",
            "\r\n",
            "\t",
            "OK",
            " "
        ]
    );
    assert_eq!(
        words(&Splitter::Cl100k, text),
        [
            "I",
            "'LL",
            " ",
            " say",
            " it",
            "'s",
            "\n\n",
            " ",
            "123",
            "45",
            " of",
            " 日本語",
            " words",
            "!!\r\n",
            "\tOK",
            " "
        ]
    );
    assert_eq!(words(&Splitter::O200k, "HTTPServer's aB'S"), ["HTTPServer's", " a", "B'S"]);
    assert_eq!(words(&Splitter::Bert, " Don't stop…日本 $5 "), ["Don", "'", "t", "stop", "…", "日本", "$", "5"]);
}

#[test]
fn whitespace_at_the_end_is_what_tells_cl100k_from_llama3() {
    assert_eq!(words(&Splitter::Cl100k, "a\n  "), ["a", "\n  "]);
    assert_eq!(words(&Splitter::Llama3, "a\n  "), ["a", "\n", "  "]);
}

#[test]
fn every_code_point_between_letters_digits_and_spaces() {
    for (hand, regex) in pairs() {
        let mut text = String::new();
        for (i, c) in (0..0x3_0000).filter_map(char::from_u32).enumerate() {
            text.push_str([["a", "B", "1", " ", "'"][i % 5], "", "é"][i % 3]);
            text.push(c);
            if i % 500 == 499 {
                assert_eq!(words(&hand, &text), words(&regex, &text));
                text.clear();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn equal_to_their_expressions(text in "(?s:[ \\n\\r\\t'/!.sStTdDmMlLrRvVeEaAbB019\u{a0}\u{17f}\u{301}\u{1c5}\u{2b0}éÉ中あ½\u{3000}]{0,40})", any in "\\PC{0,30}") {
        for (hand, regex) in pairs() {
            prop_assert_eq!(words(&hand, &text), words(&regex, &text));
            prop_assert_eq!(words(&hand, &any), words(&regex, &any));
        }
    }

    #[test]
    fn equal_in_blocks(
        ascii in "[ \\n\\r\\t'/!.sStTdDmMlLrRvVeEaAbB019\\x00-\\x7f]{0,400}",
        plain in "( |  |[a-z]{1,9}|[A-Z][a-z]{0,5}|[0-9]{1,7}|'(s|t|ll|RE|x)|[.,;(/-]{1,2}|\\n{1,3}|\\r\\n| \\n |\\t|é|中文){0,120}",
    ) {
        for (hand, regex) in pairs() {
            for text in [&ascii, &plain, &format!("{plain}{ascii}")] {
                prop_assert_eq!(words(&hand, text), words(&regex, text));
                prop_assert_eq!(words_of_lines(&hand, text), words_of_lines(&regex, text));
            }
        }
    }

    #[test]
    fn no_byte_is_lost(text in "\\PC*") {
        for (hand, _) in pairs() {
            prop_assert_eq!(words(&hand, &text).concat(), text.clone());
        }
    }
}
