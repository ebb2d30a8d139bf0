//! Gradients enter, their global L2 norm and the clipping factor leave; micro-batch gradients are added up here too.

use rayon::prelude::*;

use super::{CHUNK, wide};

wide! {
    /// Sum of squares of one chunk: float32 lanes within blocks of 512, blocks added in float64.
    pub fn square_sum(values: &[f32]) -> f64 {
        let mut total = 0.0f64;
        for block in values.chunks(512) {
            let mut lanes = [0.0f32; 16];
            let (whole, rest) = block.as_chunks::<16>();
            for eight in whole {
                for (lane, x) in lanes.iter_mut().zip(eight) {
                    *lane += x * x;
                }
            }
            for (lane, x) in lanes.iter_mut().zip(rest) {
                *lane += x * x;
            }
            total += lanes.iter().map(|&x| f64::from(x)).sum::<f64>();
        }
        total
    }
}

wide! {
    /// `into += from`, element by element.
    pub fn add(into: &mut [f32], from: &[f32]) {
        for (a, b) in into.iter_mut().zip(from) {
            *a += b;
        }
    }
}

/// The L2 norm over all tensors together, as `torch.nn.utils.clip_grad_norm_` defines it. Runs on the current rayon pool.
pub fn global_norm(tensors: &[&[f32]]) -> f64 {
    let chunks: Vec<&[f32]> = tensors.iter().flat_map(|t| t.chunks(CHUNK)).collect();
    let sums: Vec<f64> = chunks.par_iter().map(|chunk| square_sum(chunk)).collect();
    sums.iter().sum::<f64>().sqrt()
}

/// torch's factor: `min(1, max_norm / (norm + 1e-6))`.
pub fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

/// `into += from` for each pair, threaded.
pub fn accumulate(into: &mut [&mut [f32]], from: &[&[f32]]) {
    let pairs: Vec<(&mut [f32], &[f32])> =
        into.iter_mut().zip(from).flat_map(|(a, b)| a.chunks_mut(CHUNK).zip(b.chunks(CHUNK))).collect();
    pairs.into_par_iter().for_each(|(a, b)| add(a, b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norm_is_that_of_float64_and_the_same_for_any_thread_count() {
        let tensors: Vec<Vec<f32>> =
            (0..5).map(|t| (0..70_001 + t * 31).map(|i| ((i * 37 + t) as f32).sin() * 1e-3).collect()).collect();
        let refs: Vec<&[f32]> = tensors.iter().map(Vec::as_slice).collect();
        let exact = tensors.iter().flatten().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        let run = |n: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| global_norm(&refs))
        };
        assert!((run(1) - exact).abs() < 1e-7 * exact);
        assert_eq!(run(1).to_bits(), run(2).to_bits());
        assert_eq!(run(1).to_bits(), run(3).to_bits());
    }

    #[test]
    fn clips_as_torch_does() {
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert!((clip_factor(4.0, 1.0) - 1.0 / 4.000001).abs() < 1e-15);
    }
}
