use std::collections::BTreeMap;

use super::*;
use crate::text::normalise::Bert;

fn count(texts: &[&[u8]], split: &str, threads: usize) -> Result<BTreeMap<String, u64>> {
    count_with(texts, split, None, &[], threads)
}

fn count_with(
    texts: &[&[u8]],
    split: &str,
    normalizer: Option<Normalizer>,
    special: &[String],
    threads: usize,
) -> Result<BTreeMap<String, u64>> {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..texts.len()).map(|i| folder.path().join(format!("{i}.txt"))).collect();
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).unwrap();
    }
    let counter = Counter::new(Splitter::from_name_or_pattern(split)?, normalizer, special)?;
    counter.count_files(&files, threads, &Progress::new())?;
    let mut all = BTreeMap::new();
    counter.counts.for_each(|word, n| assert!(all.insert(String::from_utf8(word.to_vec()).unwrap(), n).is_none()));
    assert_eq!(all.values().sum::<u64>(), counter.words());
    Ok(all)
}

#[test]
fn whitespace_never_crosses_lines_and_a_bom_is_dropped() {
    let all = count(&[b"\xef\xbb\xbfa  b\n\n  c", b"\r\nd \xef\xbb\xbf"], "gpt2", 2).unwrap();
    let expected = [("a", 1), (" ", 2), (" b", 1), ("\n", 2), (" c", 1), ("\r\n", 1), ("d", 1), (" \u{feff}", 1)];
    assert_eq!(all, expected.into_iter().map(|(word, n)| (word.to_string(), n)).collect());
}

#[test]
fn invalid_utf8_is_an_error_that_says_where() {
    let mut text = vec![b'a'; 3 << 20];
    text[1_000_000] = b'\n';
    text[2_000_000] = 0xff;
    let error = count(&[b"fine\n", &text], "gpt2", 2).unwrap_err();
    assert!(error.message.contains("1.txt: invalid UTF-8 at byte 2000000"), "{error}");
}

#[test]
fn chunks_and_threads_change_nothing() {
    let line = "the quick brown fox, 12 naïve 日本語 words  and\ttabs ".repeat(9);
    let lines = format!("{line}\n").repeat(4000);
    let one_line = line.repeat(12_000);
    for text in [&lines, &one_line] {
        let mut expected = BTreeMap::new();
        for line in text.split_inclusive('\n') {
            Splitter::Gpt2.split(line, |range| *expected.entry(line[range].to_string()).or_insert(0) += 1).unwrap();
        }
        for threads in [1, 2, 3] {
            assert_eq!(count(&[text.as_bytes()], "gpt2", threads).unwrap(), expected);
        }
    }
}

#[test]
fn a_line_without_spaces_is_one_chunk() {
    let text = "a".repeat(20 << 20);
    assert_eq!(count(&[text.as_bytes()], "gpt2", 2).unwrap(), BTreeMap::from([(text, 1)]));
}

#[test]
fn berts_words_are_those_of_the_text_normalised_as_a_whole() {
    let bert = |lowercase| {
        Normalizer::Bert(Bert { clean_text: true, handle_chinese_chars: true, strip_accents: lowercase, lowercase })
    };
    let line = "The [MASK] naïve “Cafe\u{301}” isn't日本語 １２\u{3000}é\u{b}x\u{ad}-ﬁne\u{85} a\u{2014}b ΑΣ İ U+2B820 \u{2b820}x…\r";
    let text = format!("{line}\n{}\n\n", line.repeat(40)).repeat(300);
    for normalizer in [None, Some(bert(true)), Some(bert(false))] {
        let mut expected = BTreeMap::new();
        for part in text.split("[MASK]") {
            let part = normalizer.as_ref().map_or(part.into(), |normalizer| normalizer.normalise(part).unwrap());
            Splitter::Bert.split(&part, |range| *expected.entry(part[range].to_string()).or_insert(0) += 1).unwrap();
        }
        for threads in [1, 2] {
            let special = ["[MASK]".to_string()];
            let found = count_with(&[text.as_bytes()], "bert", normalizer.clone(), &special, threads).unwrap();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn an_error_in_the_middle_leaves_no_word_that_points_nowhere() {
    let counter = Counter::new(Splitter::Gpt2, None, &[]).unwrap();
    let error = counter.on_threads(2, |session| {
        session.count("a word that is longer than fifteen bytes: incomprehensibilities")?;
        Err(Error::input("stop"))
    });
    assert_eq!(error.unwrap_err().message, "stop");
    counter.count_all(&["antidisestablishmentarianism"], 1, &Progress::new()).unwrap();
    let mut all = Vec::new();
    counter.counts.for_each(|word, _| all.push(String::from_utf8(word.to_vec()).unwrap()));
    assert!(all.contains(&"antidisestablishmentarianism".to_string()));
    assert!(all.iter().all(|word| {
        "a word that is longer than fifteen bytes: incomprehensibilities antidisestablishmentarianism"
            .contains(word.as_str())
    }));
}
