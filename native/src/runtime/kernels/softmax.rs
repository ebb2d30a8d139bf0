//! Scores and an additive mask enter, attention weights leave; and weights with their gradients, the scores' gradients.

use super::math::{LANES, exp, sum};
use crate::optim::wide;

wide! {
    /// Rows of `width` scores become softmax(scores + mask). `mask` is empty, one row for all, or as long as `rows`.
    pub fn softmax(rows: &mut [f32], mask: &[f32], width: usize) {
        for (number, row) in rows.chunks_exact_mut(width).enumerate() {
            let mask = if mask.len() > width { &mask[number * width..(number + 1) * width] } else { mask };
            for (x, m) in row.iter_mut().zip(mask) {
                *x += m;
            }
            let mut lanes = [f32::NEG_INFINITY; LANES];
            let chunks = row.chunks_exact(LANES);
            let mut most = chunks.remainder().iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            for chunk in chunks {
                for (lane, &x) in lanes.iter_mut().zip(chunk) {
                    *lane = if x > *lane { x } else { *lane };
                }
            }
            most = lanes.iter().fold(most, |a, &b| a.max(b));
            for x in row.iter_mut() {
                *x = exp(*x - most);
            }
            let scale = 1.0 / sum(width, |i| row[i]);
            for x in row.iter_mut() {
                *x *= scale;
            }
        }
    }
}

wide! {
    /// Rows of d(loss)/d(weights) become d(loss)/d(scores) = p (dp - sum(p dp)).
    pub fn softmax_grad(weights: &[f32], rows: &mut [f32], width: usize) {
        for (p, d) in weights.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
            let total = sum(width, |i| p[i] * d[i]);
            for (d, p) in d.iter_mut().zip(p) {
                *d = p * (*d - total);
            }
        }
    }
}
