//! Rows of activations enter, normalised rows leave; and with the gradient of those, gradients of the rows, gain and bias.

use super::math::sum;
use crate::optim::wide;

wide! {
    /// y = x / sqrt(mean(x^2) + epsilon) * gain, and 1 / sqrt(..) a row (Zhang and Sennrich 2019, eq. 4).
    pub fn rms_norm(x: &[f32], gain: &[f32], epsilon: f32, y: &mut [f32], inverse: &mut [f32]) {
        let width = gain.len();
        for ((x, y), inverse) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(inverse) {
            let scale = 1.0 / (sum(width, |i| x[i] * x[i]) / width as f32 + epsilon).sqrt();
            *inverse = scale;
            for ((y, x), g) in y.iter_mut().zip(x).zip(gain) {
                *y = x * scale * g;
            }
        }
    }
}

wide! {
    /// With x^ = (x - mean) * inverse and g = dy * gain: dx = inverse (g - mean(g) - x^ mean(g x^)); gain's gradient gets
    /// dy x^, bias's dy. Without centring (RMSNorm: `mean` is empty) the terms of the mean are 0.
    pub fn norm_grad(
        dy: &[f32], x: &[f32], gain: &[f32], mean: &[f32], inverse: &[f32],
        dx: &mut [f32], d_gain: &mut [f32], d_bias: &mut [f32],
    ) {
        let width = gain.len();
        let part = 1.0 / width as f32;
        let rows = dy.chunks_exact(width).zip(x.chunks_exact(width)).zip(dx.chunks_exact_mut(width)).zip(inverse);
        for (number, (((dy, x), dx), &scale)) in rows.enumerate() {
            let centre = mean.get(number).copied().unwrap_or(0.0);
            let along = part * sum(width, |i| dy[i] * gain[i] * ((x[i] - centre) * scale));
            let level = if mean.is_empty() { 0.0 } else { part * sum(width, |i| dy[i] * gain[i]) };
            for i in 0..width {
                let normal = (x[i] - centre) * scale;
                dx[i] = scale * (dy[i] * gain[i] - level - normal * along);
                d_gain[i] += dy[i] * normal;
            }
            for (d, dy) in d_bias.iter_mut().zip(dy) {
                *d += dy;
            }
        }
    }
}
