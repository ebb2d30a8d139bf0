//! Scores and an additive mask enter, attention weights leave; and weights with their gradients, the scores' gradients.

use super::math::{LANES, exp, sum};
use crate::optim::wide;

/// Adds the mask (a row, or nothing), and makes e^(x - the largest) of each x. Returns the largest and the sum.
#[inline(always)]
pub fn powers(row: &mut [f32], mask: &[f32]) -> (f32, f32) {
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
    (most, sum(row.len(), |i| row[i]))
}

wide! {
    /// Rows of `width` scores become softmax(scores + mask). `mask` is empty, one row for all, or as long as `rows`.
    pub fn softmax(rows: &mut [f32], mask: &[f32], width: usize) {
        for (number, row) in rows.chunks_exact_mut(width).enumerate() {
            let mask = if mask.len() > width { &mask[number * width..(number + 1) * width] } else { mask };
            let scale = 1.0 / powers(row, mask).1;
            for x in row.iter_mut() {
                *x *= scale;
            }
        }
    }
}

wide! {
    /// One row of scores becomes softmax(scores + mask) = scale e^(score + mask - most); returns most and scale.
    pub fn softmax_row(row: &mut [f32], mask: &[f32]) -> [f32; 2] {
        let (most, total) = powers(row, mask);
        let scale = 1.0 / total;
        for x in row.iter_mut() {
            *x *= scale;
        }
        [most, scale]
    }
}

wide! {
    /// The same weights again, from those two numbers.
    pub fn softmax_again(row: &mut [f32], mask: &[f32], most: f32, scale: f32) {
        for (x, m) in row.iter_mut().zip(mask) {
            *x += m;
        }
        for x in row.iter_mut() {
            *x = exp(*x - most) * scale;
        }
    }
}

wide! {
    /// A row of d(loss)/d(weights) becomes d(loss)/d(scores) = p (dp - total), `total` being sum(p dp).
    pub fn scores_grad(weights: &[f32], row: &mut [f32], total: f32) {
        for (d, p) in row.iter_mut().zip(weights) {
            *d = p * (*d - total);
        }
    }
}

wide! {
    /// x *= y, element by element.
    pub fn times(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x *= y;
        }
    }
}

wide! {
    /// The sum of the products, element by element.
    pub fn dot(x: &[f32], y: &[f32]) -> f32 {
        let y = &y[..x.len()];
        sum(x.len(), |i| x[i] * y[i])
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
