//! One row of logits and what was said before enter, the next token leaves. The processors, their order and their ties
//! are those of Hugging Face's `generate`: penalty, temperature, top-k, top-p, min-p, then a draw.

use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub struct Options {
    /// 0 takes the likeliest token.
    pub temperature: f32,
    /// Keep the k likeliest.
    pub top_k: Option<usize>,
    /// Keep the likeliest that together reach this probability (Holtzman et al. 2020).
    pub top_p: Option<f32>,
    /// Keep those that have at least this share of the likeliest one's probability (Nguyen et al. 2024).
    pub min_p: Option<f32>,
    /// Divides the positive scores and multiplies the negative ones of tokens that occurred (Keskar et al. 2019, 4.1).
    pub repetition_penalty: f32,
    /// Never chosen.
    pub suppress: Vec<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None, min_p: None, repetition_penalty: 1.0, suppress: Vec::new() }
    }
}

impl Options {
    pub fn check(&self) -> Result<()> {
        let refuse = |key: &str, value: String, range: &str| {
            Err(Error::config(format!("{key} {value} makes no sense")).with_hint(format!("{key} is {range}")))
        };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return refuse("temperature", self.temperature.to_string(), "0 (take the likeliest) or more");
        }
        if self.top_k == Some(0) {
            return refuse("topK", "0".into(), "1 or more");
        }
        if let Some(p) = self.top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return refuse("topP", p.to_string(), "above 0 and at most 1");
        }
        if let Some(p) = self.min_p.filter(|p| !(*p >= 0.0 && *p <= 1.0)) {
            return refuse("minP", p.to_string(), "between 0 and 1");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return refuse("repetitionPenalty", self.repetition_penalty.to_string(), "above 0 (1: no penalty)");
        }
        Ok(())
    }
}

/// A token and its probability among those that were kept.
pub type Candidate = (u32, f64);

/// Chooses tokens; keeps its buffers from one call to the next.
pub struct Sampler {
    options: Options,
    scores: Vec<f32>,
    order: Vec<u32>,
    seen: Vec<u64>,
    kept: Vec<Candidate>,
}

impl Sampler {
    pub fn new(options: Options) -> Result<Self> {
        options.check()?;
        Ok(Self { options, scores: Vec::new(), order: Vec::new(), seen: Vec::new(), kept: Vec::new() })
    }

    /// The next token. `uniform` in [0, 1) decides where temperature is above 0.
    pub fn pick(&mut self, logits: &[f32], history: &[u32], uniform: f64) -> Result<u32> {
        self.penalise(logits, history);
        if self.options.temperature == 0.0 {
            return best(&self.scores);
        }
        self.filter()?;
        let mut left = uniform * self.kept.iter().map(|c| c.1).sum::<f64>();
        for &(token, probability) in &self.kept {
            left -= probability;
            if left < 0.0 {
                return Ok(token);
            }
        }
        // Rounding can leave a sliver at the end.
        self.kept.last().map(|c| c.0).ok_or_else(no_token)
    }

    /// What `pick` draws from: tokens in rising order with probabilities that sum to 1.
    pub fn distribution(&mut self, logits: &[f32], history: &[u32]) -> Result<&[Candidate]> {
        self.penalise(logits, history);
        self.filter()?;
        let total: f64 = self.kept.iter().map(|c| c.1).sum();
        for candidate in &mut self.kept {
            candidate.1 /= total;
        }
        Ok(&self.kept)
    }

    fn penalise(&mut self, logits: &[f32], history: &[u32]) {
        self.scores.clear();
        self.scores.extend_from_slice(logits);
        if self.options.repetition_penalty != 1.0 {
            self.seen.clear();
            self.seen.resize(logits.len().div_ceil(64), 0);
            for &token in history {
                let (at, bit) = (token as usize, 1u64 << (token % 64));
                let Some(score) = self.scores.get_mut(at) else { continue };
                if self.seen[at / 64] & bit == 0 {
                    self.seen[at / 64] |= bit;
                    let penalty = self.options.repetition_penalty;
                    *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
                }
            }
        }
        for &token in &self.options.suppress {
            if let Some(score) = self.scores.get_mut(token as usize) {
                *score = f32::NEG_INFINITY;
            }
        }
    }

    /// Fills `kept` with the tokens left by all filters and their weights e^(score - best), in rising order.
    fn filter(&mut self) -> Result<()> {
        let temperature = if self.options.temperature == 0.0 { 1.0 } else { self.options.temperature };
        let scores = &mut self.scores;
        scores.iter_mut().for_each(|score| *score /= temperature);
        let top = scores[best(scores)? as usize];
        let weight = |score: f32| f64::from(score - top).exp();
        let mut floor = f32::NEG_INFINITY;
        if let Some(k) = self.options.top_k.filter(|&k| k < scores.len()) {
            floor = nth_largest(scores, &mut self.order, k);
        }
        self.order.clear();
        self.order.extend((0..scores.len() as u32).filter(|&t| {
            let score = scores[t as usize];
            score >= floor && score > f32::NEG_INFINITY
        }));
        if let Some(p) = self.options.top_p.filter(|&p| p < 1.0) {
            keep_mass(&mut self.order, scores, f64::from(p), weight);
        }
        if let Some(share) = self.options.min_p {
            self.order.retain(|&t| weight(scores[t as usize]) >= f64::from(share));
        }
        self.order.sort_unstable();
        self.kept.clear();
        self.kept.extend(self.order.iter().map(|&t| (t, weight(scores[t as usize]))));
        Ok(())
    }
}

/// The likeliest token; the first of equals.
pub fn best(scores: &[f32]) -> Result<u32> {
    let mut at = 0;
    let mut top = f32::NEG_INFINITY;
    let mut broken = false;
    for (i, &score) in scores.iter().enumerate() {
        broken |= score.is_nan();
        if score > top {
            (at, top) = (i, score);
        }
    }
    if broken || top == f32::INFINITY {
        return Err(Error::input("the model gives scores that are not numbers")
            .with_hint("its weights are damaged, or training has diverged: use an earlier checkpoint"));
    }
    if top == f32::NEG_INFINITY { Err(no_token()) } else { Ok(at as u32) }
}

fn no_token() -> Error {
    Error::config("every token is suppressed").with_hint("suppress fewer tokens")
}

/// The k-th largest score, k at least 1 and at most the number of scores.
fn nth_largest(scores: &[f32], order: &mut Vec<u32>, k: usize) -> f32 {
    order.clear();
    order.extend(0..scores.len() as u32);
    let descending = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]);
    let (_, token, _) = order.select_nth_unstable_by(k - 1, descending);
    scores[*token as usize]
}

/// Keeps the likeliest tokens until those kept reach the share `p` of all weight. Sorts only as many as it takes.
fn keep_mass(order: &mut Vec<u32>, scores: &[f32], p: f64, weight: impl Fn(f32) -> f64) {
    let total: f64 = order.iter().map(|&t| weight(scores[t as usize])).sum();
    let descending = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    let (mut sorted, mut mass, mut wanted) = (0, 0.0, 64);
    while sorted < order.len() {
        let end = (sorted + wanted).min(order.len());
        if end < order.len() {
            order[sorted..].select_nth_unstable_by(end - sorted, descending);
        }
        order[sorted..end].sort_unstable_by(descending);
        for at in sorted..end {
            mass += weight(scores[order[at] as usize]);
            if mass >= p * total {
                order.truncate(at + 1);
                return;
            }
        }
        sorted = end;
        wanted *= 4;
    }
}

/// The `k` likeliest tokens of a row with their log-probabilities, best first; the smaller id of equals first.
pub fn top_log_probs(logits: &[f32], suppress: &[u32], k: usize) -> Result<Vec<(u32, f32)>> {
    let mut scores = logits.to_vec();
    for &token in suppress {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
    let top = f64::from(scores[best(&scores)? as usize]);
    // The normaliser counts suppressed tokens too: they lose their turn, not their share.
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from(x - peak).exp()).sum();
    let log_sum = sum.ln() + f64::from(peak);
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    let descending = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    let k = k.min(order.len());
    if k < order.len() {
        order.select_nth_unstable_by(k, descending);
    }
    order.truncate(k);
    order.sort_unstable_by(descending);
    debug_assert!(order.first().is_none_or(|&t| f64::from(scores[t as usize]) == top));
    Ok(order.into_iter().map(|t| (t, (f64::from(scores[t as usize]) - log_sum) as f32)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(options: Options, logits: &[f32], history: &[u32]) -> Vec<u32> {
        let mut sampler = Sampler::new(options).unwrap();
        sampler.distribution(logits, history).unwrap().iter().map(|c| c.0).collect()
    }

    #[test]
    fn greedy_takes_the_first_of_equals() {
        let mut sampler = Sampler::new(Options { temperature: 0.0, ..Options::default() }).unwrap();
        assert_eq!(sampler.pick(&[0.0, 3.0, 3.0, 1.0], &[], 0.9).unwrap(), 1);
    }

    #[test]
    fn top_k_keeps_ties_with_the_kth() {
        let options = Options { top_k: Some(2), ..Options::default() };
        assert_eq!(tokens(options, &[1.0, 3.0, 2.0, 2.0, 0.0], &[]), [1, 2, 3]);
    }

    #[test]
    fn top_p_keeps_the_token_that_crosses() {
        let logits = [0.5f32, 0.3, 0.15, 0.05].map(f32::ln);
        let keep = |p| tokens(Options { top_p: Some(p), ..Options::default() }, &logits, &[]);
        assert_eq!(keep(0.4), [0]);
        assert_eq!(keep(0.6), [0, 1]);
        assert_eq!(keep(0.9), [0, 1, 2]);
        assert_eq!(keep(0.01), [0]);
        assert_eq!(keep(1.0), [0, 1, 2, 3]);
    }

    #[test]
    fn top_p_over_many_equal_tokens() {
        let logits = vec![0.0f32; 10_000];
        let kept = tokens(Options { top_p: Some(0.5), ..Options::default() }, &logits, &[]);
        assert!((4_999..=5_001).contains(&kept.len()), "{}", kept.len());
    }

    #[test]
    fn min_p_is_a_share_of_the_best() {
        let logits = [0.5f32, 0.3, 0.15, 0.05].map(f32::ln);
        assert_eq!(tokens(Options { min_p: Some(0.25), ..Options::default() }, &logits, &[]), [0, 1, 2]);
    }

    #[test]
    fn the_penalty_counts_a_token_once() {
        let options = Options { temperature: 0.0, repetition_penalty: 2.0, ..Options::default() };
        let mut sampler = Sampler::new(options).unwrap();
        assert_eq!(sampler.pick(&[4.0, 1.5, -1.0], &[0, 0], 0.0).unwrap(), 0);
        assert_eq!(sampler.pick(&[4.0, 2.5, -1.0], &[0, 0], 0.0).unwrap(), 1);
        assert_eq!(sampler.pick(&[-1.5, -2.0], &[0], 0.0).unwrap(), 1);
    }

    #[test]
    fn draws_follow_the_distribution() {
        let logits = [0.5f32, 0.3, 0.2].map(f32::ln);
        let mut sampler = Sampler::new(Options::default()).unwrap();
        let mut counts = [0usize; 3];
        for i in 0..30_000 {
            counts[sampler.pick(&logits, &[], crate::generate::random::uniform(3, 0, i)).unwrap() as usize] += 1;
        }
        for (count, p) in counts.iter().zip([0.5, 0.3, 0.2]) {
            assert!((*count as f64 / 30_000.0 - p).abs() < 0.01, "{counts:?}");
        }
    }

    #[test]
    fn nan_is_an_error() {
        let mut sampler = Sampler::new(Options::default()).unwrap();
        assert!(sampler.pick(&[0.0, f32::NAN], &[], 0.5).is_err());
        assert!(Sampler::new(Options { top_p: Some(0.0), ..Options::default() }).is_err());
        let all = Options { suppress: vec![0, 1], ..Options::default() };
        assert!(Sampler::new(all).unwrap().pick(&[0.0, 1.0], &[], 0.5).is_err());
    }

    #[test]
    fn log_probs_are_of_the_whole_row() {
        let logits = [0.5f32, 0.3, 0.2].map(f32::ln);
        let top = top_log_probs(&logits, &[0], 2).unwrap();
        assert_eq!(top.iter().map(|t| t.0).collect::<Vec<_>>(), [1, 2]);
        assert!((top[0].1 - 0.3f32.ln()).abs() < 1e-6);
    }
}
