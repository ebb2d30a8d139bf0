use proptest::prelude::*;

use super::reference::Rules;
use super::*;
use crate::text::split::Splitter;
use crate::vocab::count::Counter;

fn count(text: &str, split: &str) -> Counter {
    let counter = Counter::new(Splitter::from_name_or_pattern(split).unwrap(), None, &[]).unwrap();
    counter.count_all(&text.lines().collect::<Vec<_>>(), 2, &Progress::new()).unwrap();
    counter
}

fn options(vocab_size: usize) -> Options {
    Options {
        objective: Objective::Frequency,
        vocab_size,
        special_tokens: vec!["<s>".into()],
        min_frequency: 0,
        max_token_length: None,
        threads: 2,
        keep_words: true,
    }
}

/// Merges as symbols, by the reference.
fn expected(words: &WordCounts, alphabet: &Alphabet, size: usize, rules: &Rules) -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    words.for_each(|word, count| {
        let mut symbols = vec![0u32; alphabet.count(word)];
        alphabet.write(word, &mut symbols);
        all.push((symbols, count));
    });
    reference::merges(&all, alphabet.tokens().len(), size, rules)
}

/// Trains in every way and compares with the reference.
fn check(text: &str, split: &str, more: usize, min: u64, max: Option<u32>) -> std::result::Result<(), TestCaseError> {
    let counter = count(text, split);
    let words = &counter.counts;
    for alphabet in [Alphabet::bytes(), Alphabet::chars(words, None, ""), Alphabet::chars(words, Some(5), "##")] {
        for objective in [Objective::Frequency, Objective::LikelihoodRatio, Objective::LikelihoodGain] {
            let size = alphabet.tokens().len() + more;
            let rules = Rules { objective, min_frequency: min, max_length: max.unwrap_or(u32::MAX) };
            let symbol_merges = expected(words, &alphabet, size, &rules);
            let options = Options { objective, min_frequency: min, max_token_length: max, ..options(size + 1) };
            for wide in [false, true] {
                let train = if wide { train_with::<u32> } else { train_with::<u16> };
                let vocabulary = train(words, &alphabet, &options, &Progress::new()).unwrap();
                prop_assert_eq!(&vocabulary.merges, &symbol_merges, "{:?}", objective);
                prop_assert!(vocabulary.tokens.len() <= options.vocab_size);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn equal_to_the_reference(text in "[ab \\n]{0,300}", min in 0u64..4, max in prop::option::of(2u32..9)) {
        check(&text, "gpt2", 40, min, max)?;
        check(&text, "none", 40, min, max)?;
    }

    #[test]
    fn equal_to_the_reference_on_any_text(text in "(?s:.{0,80})", more in 0usize..60) {
        check(&text, "cl100k", more, 0, None)?;
    }

    #[test]
    fn runs_of_one_letter(lengths in prop::collection::vec(1usize..40, 1..30)) {
        let text = lengths.iter().map(|&n| "a".repeat(n)).collect::<Vec<_>>().join("\n");
        check(&text, "none", 30, 0, None)?;
    }
}

#[test]
fn the_size_is_a_cap_that_holds() {
    let counter = count("aaaa bbbb aaaa", "gpt2");
    let train = |size| train(&counter.counts, &Alphabet::bytes(), &options(size), &Progress::new());
    assert_eq!(train(258).unwrap().tokens.len(), 258);
    assert_eq!(train(257).unwrap().merges, []);
    let error = train(256).unwrap_err();
    assert!(error.message.contains("1 special tokens and an alphabet of 256"), "{error}");
}

#[test]
fn no_merge_spells_a_special_token() {
    let counter = count("<s><s><s> <s>", "none");
    let bpe = train(&counter.counts, &Alphabet::bytes(), &options(300), &Progress::new()).unwrap();
    assert_eq!(bpe.tokens.iter().filter(|token| *token == "<s>").count(), 1);
}

#[test]
fn the_floor_goes_down_until_the_vocabulary_is_full() {
    let text: String = (0..600).map(|i| format!("w{} x{} ", i * i % 97, i % 13)).collect();
    let counter = count(&text, "gpt2");
    let words = &counter.counts;
    for (size, first) in [(260, 300), (300, 300), (330, 100), (700, 50)] {
        let at = |floor| {
            let options =
                Options { objective: Objective::LikelihoodRatio, min_frequency: floor, threads: 1, ..options(size) };
            train(words, &Alphabet::bytes(), &options, &Progress::new()).unwrap()
        };
        let mut floor = first;
        while at(floor).tokens.len() < size && floor > 2 {
            floor = (floor * 3 / 4).max(2);
        }
        for threads in [1, 2, 4] {
            let options =
                Options { objective: Objective::LikelihoodRatio, min_frequency: first, threads, ..options(size) };
            let found = train_full(words, &Alphabet::bytes(), &options, &Progress::new()).unwrap();
            assert_eq!(found, (at(floor), floor));
        }
    }
}

/// Enough words for a share for each thread.
#[test]
fn threads_make_no_difference() {
    let mut words = WordCounts::default();
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for _ in 0..90_000 {
        // Syllables, some of which are runs of one letter, so that merges meet their own neighbours.
        let syllable =
            |n: u64| [b"a".repeat(n as usize), vec![b'b' + (n % 9) as u8, b'a' + (n * n % 7) as u8]].concat();
        let word: Vec<u8> = (0..4 + next(4)).flat_map(|_| syllable(next(60))).collect();
        words.add(&word, 1 + 400 / (1 + next(400))).unwrap();
    }
    assert!(words.parts(4).len() == 4);
    let alphabet = Alphabet::bytes();
    for objective in [Objective::Frequency, Objective::LikelihoodRatio, Objective::LikelihoodGain] {
        let train = |threads| {
            let options = Options { objective, threads, min_frequency: 3, ..options(900) };
            train(&words, &alphabet, &options, &Progress::new()).unwrap()
        };
        let one = train(1);
        assert!(one.merges.len() > 400, "{objective:?}: {}", one.merges.len());
        for threads in [2, 3, 8] {
            assert!(train(threads) == one, "{objective:?} on {threads} threads");
        }
    }
}
