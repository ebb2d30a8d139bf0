//! The trainers' rules written down plainly, everything counted anew for each merge: what the merge loop is tested against.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Objective;

pub struct Rules {
    pub objective: Objective,
    pub min_frequency: u64,
    pub max_length: u32,
}

/// Merges words of symbols (1 to `symbols`) until there are `size` symbols; returns the pairs.
pub fn merges(words: &[(Vec<u32>, u64)], symbols: usize, size: usize, rules: &Rules) -> Vec<(u32, u32)> {
    let mut words = words.to_vec();
    let mut lengths = vec![1u32; symbols + 1];
    let mut out = Vec::new();
    while lengths.len() - 1 < size {
        let mut pairs: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        let mut single = vec![0u64; lengths.len()];
        for (word, count) in &words {
            word.iter().for_each(|&symbol| single[symbol as usize] += count);
            for pair in word.windows(2) {
                *pairs.entry((pair[0], pair[1])).or_default() += count;
            }
        }
        let total = single.iter().sum::<u64>() as f64;
        let length = |(a, b): (u32, u32)| lengths[a as usize] + lengths[b as usize];
        let score = |(a, b): (u32, u32), count: u64| {
            let (count, both) = (count as f64, single[a as usize] as f64 * single[b as usize] as f64);
            match rules.objective {
                Objective::Frequency => count,
                Objective::LikelihoodRatio => count / both,
                Objective::LikelihoodGain => count * libm::log(total * count / both),
            }
        };
        let best = pairs
            .into_iter()
            .filter(|&(_, count)| count >= rules.min_frequency.max(1))
            .filter(|&(pair, _)| length(pair) == 2 || length(pair) < rules.max_length)
            .map(|(pair, count)| (score(pair, count), Reverse(pair)))
            .filter(|&(score, _)| score > 0.0)
            .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let Some((_, Reverse((a, b)))) = best else { break };
        let new = lengths.len() as u32;
        lengths.push(length((a, b)));
        out.push((a, b));
        for (word, _) in &mut words {
            let mut at = 0;
            while at + 1 < word.len() {
                if (word[at], word[at + 1]) == (a, b) {
                    word.splice(at..at + 2, [new]);
                }
                at += 1;
            }
        }
    }
    out
}
