//! Merges as tokenizer.json names them: pairs of tokens in the order of rank, in one text, so that a hundred thousand
//! of them are no hundred thousand allocations.

/// Pairs of tokens, best first.
#[derive(Clone, Debug, Default)]
pub struct Merges {
    text: String,
    /// Where the left token of each ends, and where the right one does.
    ends: Vec<(usize, usize)>,
}

impl Merges {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn push(&mut self, left: &str, right: &str) {
        self.text.push_str(left);
        let middle = self.text.len();
        self.text.push_str(right);
        self.ends.push((middle, self.text.len()));
    }

    /// Where both tokens of a pair are appended to, before `end_pair`.
    pub fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// Both tokens are there: the first ends at `middle`.
    pub fn end_pair(&mut self, middle: usize) {
        self.ends.push((middle, self.text.len()));
    }

    /// Both tokens of a rank, one behind the other, and where the second begins.
    pub fn get(&self, rank: usize) -> Option<(&str, usize)> {
        let (middle, end) = *self.ends.get(rank)?;
        let start = if rank == 0 { 0 } else { self.ends[rank - 1].1 };
        Some((self.text.get(start..end)?, middle - start))
    }
}
