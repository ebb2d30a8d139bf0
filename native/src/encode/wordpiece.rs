//! WordPiece and word-level models: one word in, its tokens out. WordPiece takes the longest token that the rest of
//! the word starts with, again and again (Schuster and Nakajima 2012; Devlin et al. 2019).

use rustc_hash::FxHashMap;

use super::bpe::Piece;
use super::vocab::Vocab;
use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub struct WordPiece {
    pub vocab: Vocab,
    pub unk_token: String,
    /// Words of more characters are unknown.
    pub longest: usize,
    unk: Option<u32>,
    trie: Trie,
}

/// The tokens as two tries over bytes, one for the start of a word and one (without the prefix) for its rest.
#[derive(Clone, Debug, Default)]
struct Trie {
    edges: FxHashMap<u32, u32>,
    /// The token that ends at each node.
    tokens: Vec<Option<u32>>,
}

const START: u32 = 0;
const REST: u32 = 1;

impl Trie {
    fn add(&mut self, root: u32, text: &[u8], id: u32) {
        let mut node = root;
        for byte in text {
            let next = self.tokens.len() as u32;
            node = *self.edges.entry(edge(node, *byte)).or_insert(next);
            if node == next {
                self.tokens.push(None);
            }
        }
        self.tokens[node as usize] = Some(id);
    }

    /// The longest token at the start of `text`, and its length.
    fn longest(&self, root: u32, text: &[u8]) -> Option<(u32, usize)> {
        let (mut node, mut best) = (root, None);
        for (i, byte) in text.iter().enumerate() {
            let Some(next) = self.edges.get(&edge(node, *byte)) else { break };
            node = *next;
            if let Some(id) = self.tokens[node as usize] {
                best = Some((id, i + 1));
            }
        }
        best
    }
}

/// Nodes number fewer than 2^24: the vocabulary's text is checked to be shorter.
fn edge(node: u32, byte: u8) -> u32 {
    (node << 8) | u32::from(byte)
}

impl WordPiece {
    pub fn new(vocab: Vocab, unk_token: String, prefix: &str, longest: usize) -> Result<Self> {
        if vocab.iter().map(|(_, token)| token.len()).sum::<usize>() >= (1 << 24) - 2 {
            return Err(Error::input("model.vocab: the tokens are longer than 16 MB together"));
        }
        let mut trie = Trie { edges: FxHashMap::default(), tokens: vec![None, None] };
        for (id, token) in vocab.iter() {
            if !token.is_empty() {
                trie.add(START, token, id);
            }
            match token.strip_prefix(prefix.as_bytes()) {
                Some(rest) if !rest.is_empty() => trie.add(REST, rest, id),
                _ => {}
            }
        }
        let unk = vocab.id(unk_token.as_bytes());
        Ok(Self { vocab, unk_token, longest, unk, trie })
    }

    pub fn tokenize(&self, word: &str, out: &mut Vec<Piece>) -> Result<()> {
        let first = out.len();
        if word.len() <= self.longest || word.chars().count() <= self.longest {
            let mut at = 0;
            while at < word.len() {
                let root = if at == 0 { START } else { REST };
                let Some((id, length)) = self.trie.longest(root, &word.as_bytes()[at..]) else { break };
                out.push(Piece { id, start: at as u32, end: (at + length) as u32 });
                at += length;
            }
            if at == word.len() {
                return Ok(());
            }
            out.truncate(first);
        }
        let id = self
            .unk
            .ok_or_else(|| Error::input(format!("model.unk_token: {:?} isn't in model.vocab", self.unk_token)))?;
        out.push(Piece { id, start: 0, end: word.len() as u32 });
        Ok(())
    }
}

/// A vocabulary of whole words.
#[derive(Clone, Debug)]
pub struct WordLevel {
    pub vocab: Vocab,
    pub unk_token: String,
}

impl WordLevel {
    pub fn tokenize(&self, word: &str, out: &mut Vec<Piece>) -> Result<()> {
        let id = self
            .vocab
            .id(word.as_bytes())
            .or_else(|| self.vocab.id(self.unk_token.as_bytes()))
            .ok_or_else(|| Error::input(format!("model.unk_token: {:?} isn't in model.vocab", self.unk_token)))?;
        out.push(Piece { id, start: 0, end: word.len() as u32 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> WordPiece {
        let mut vocab = Vocab::default();
        for (id, token) in ["[UNK]", "un", "##aff", "##able", "##a", "é"].iter().enumerate() {
            vocab.insert(token.as_bytes(), id as u32).unwrap();
        }
        WordPiece::new(vocab, "[UNK]".into(), "##", 10).unwrap()
    }

    fn ids(word: &str) -> Vec<u32> {
        let mut out = Vec::new();
        model().tokenize(word, &mut out).unwrap();
        out.iter().map(|p| p.id).collect()
    }

    #[test]
    fn takes_the_longest_and_gives_up_on_the_whole_word() {
        assert_eq!(ids("unaffable"), [1, 2, 3]);
        assert_eq!(ids("una"), [1, 4]);
        assert_eq!(ids("unx"), [0]);
        assert_eq!(ids("é"), [5]);
        assert_eq!(ids("unaaaaaaaa").len(), 9);
        assert_eq!(ids("unaaaaaaaaa"), [0]);
    }
}
