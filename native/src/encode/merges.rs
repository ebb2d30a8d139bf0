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

    /// Both tokens of a rank; empty ones beyond the last.
    pub fn get(&self, rank: usize) -> (&str, &str) {
        let start = if rank == 0 { 0 } else { self.ends.get(rank - 1).map_or(0, |ends| ends.1) };
        let (middle, end) = self.ends.get(rank).copied().unwrap_or((start, start));
        (self.text.get(start..middle).unwrap_or_default(), self.text.get(middle..end).unwrap_or_default())
    }
}
