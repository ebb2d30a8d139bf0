//! A row of logits and its label enter, the cross-entropy leaves and its gradient takes the logits' place.

use super::math::sum;
use super::softmax::powers;
use crate::optim::wide;

wide! {
    /// -weight * ((1 - smoothing) log p[label] + smoothing mean(log p)) with p = softmax(row); the row becomes
    /// weight * (p - target) (Szegedy et al. 2015, section 7, for the smoothed target). A row of weight 0 costs nothing.
    pub fn cross_entropy(row: &mut [f32], label: usize, weight: f32, smoothing: f32) -> f32 {
        if weight == 0.0 {
            row.fill(0.0);
            return 0.0;
        }
        let width = row.len();
        let even = smoothing / width as f32;
        let mean = if smoothing > 0.0 { sum(width, |i| row[i]) / width as f32 } else { 0.0 };
        let hit = row.get(label).copied().unwrap_or(f32::NAN);
        let (most, total) = powers(row, &[]);
        let scale = weight / total;
        for x in row.iter_mut() {
            *x = *x * scale - weight * even;
        }
        if let Some(x) = row.get_mut(label) {
            *x -= weight * (1.0 - smoothing);
        }
        let log = most + total.ln();
        -weight * ((1.0 - smoothing) * (hit - log) + smoothing * (mean - log))
    }
}
