//! Weights and gradients enter, weights and moments are updated in place: AdamW (Loshchilov & Hutter 2019, algorithm 2),
//! AMSGrad on request, with clipping, weight decay and an average of the weights fused into one pass over memory.

use rayon::prelude::*;

use super::{CHUNK, wide};
use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub amsgrad: bool,
    /// Decay of an exponential moving average of the weights, kept beside them.
    pub ema: Option<f64>,
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    pub lr: f64,
    /// Multiplies every gradient first: the clipping factor.
    pub scale: f64,
}

/// The state of one trained tensor. All lengths are equal; `max` and `ema` are empty where not wanted.
#[derive(Clone, Debug)]
pub struct Slot {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    pub max: Vec<f32>,
    pub ema: Vec<f32>,
    /// The decoupled decay of this tensor: 0 for biases and norms as a rule.
    pub decay: f64,
}

pub struct AdamW {
    options: Options,
    slots: Vec<Slot>,
    steps: u64,
}

/// One chunk of one tensor, all its arrays cut at the same place.
struct Chunk<'a> {
    weight: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    max: &'a mut [f32],
    ema: &'a mut [f32],
    decay: f64,
}

impl AdamW {
    /// Moments at zero for tensors of these lengths and decays.
    pub fn new(options: Options, tensors: &[(usize, f64)]) -> Result<Self> {
        let unit = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::config(format!("optimizer: {name} is {value}, it must be at least 0 and below 1")))
            }
        };
        unit("beta1", options.beta1)?;
        unit("beta2", options.beta2)?;
        options.ema.map_or(Ok(()), |ema| unit("ema", ema))?;
        if options.eps.is_nan() || options.eps < 0.0 {
            return Err(Error::config(format!("optimizer: eps is {}, it must not be negative", options.eps)));
        }
        let slots = tensors
            .iter()
            .map(|&(len, decay)| Slot {
                first: vec![0.0; len],
                second: vec![0.0; len],
                max: vec![0.0; if options.amsgrad { len } else { 0 }],
                ema: vec![0.0; if options.ema.is_some() { len } else { 0 }],
                decay,
            })
            .collect();
        Ok(Self { options, slots, steps: 0 })
    }

    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
    pub fn slots_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }
    /// Updates done so far: the `t` of the bias corrections.
    pub fn steps(&self) -> u64 {
        self.steps
    }
    /// For a resumed run.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// One update of all tensors, in the order given to `new`, on the current rayon pool.
    pub fn step(&mut self, weights: &mut [&mut [f32]], gradients: &[&[f32]], update: Update) -> Result<()> {
        if weights.len() != self.slots.len() || gradients.len() != self.slots.len() {
            return Err(Error::internal("the optimizer got another number of tensors than it was made for"));
        }
        for ((slot, weight), gradient) in self.slots.iter().zip(weights.iter()).zip(gradients) {
            if weight.len() != slot.first.len() || gradient.len() != slot.first.len() {
                return Err(Error::internal("a tensor's length is not the one that the optimizer was made for"));
            }
        }
        self.steps += 1;
        let options = self.options;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let step_size = (update.lr / (1.0 - options.beta1.powi(t))) as f32;
        let correction = ((1.0 - options.beta2.powi(t)).sqrt()) as f32;
        // The average starts at the first updated weights, so it never holds a mix with zeros.
        let ema = if self.steps == 1 { 0.0 } else { options.ema.unwrap_or(0.0) } as f32;

        let mut chunks = Vec::new();
        for ((slot, weight), gradient) in self.slots.iter_mut().zip(weights.iter_mut()).zip(gradients) {
            let mut max = slot.max.chunks_mut(CHUNK);
            let mut average = slot.ema.chunks_mut(CHUNK);
            let cut = weight
                .chunks_mut(CHUNK)
                .zip(gradient.chunks(CHUNK))
                .zip(slot.first.chunks_mut(CHUNK))
                .zip(slot.second.chunks_mut(CHUNK));
            for (((weight, gradient), first), second) in cut {
                let max = max.next().unwrap_or_default();
                let ema = average.next().unwrap_or_default();
                chunks.push(Chunk { weight, gradient, first, second, max, ema, decay: slot.decay });
            }
        }
        chunks.into_par_iter().for_each(|c| {
            let k = Constants {
                scale: update.scale as f32,
                keep: (1.0 - update.lr * c.decay) as f32,
                one_minus_beta1: (1.0 - options.beta1) as f32,
                beta2: options.beta2 as f32,
                one_minus_beta2: (1.0 - options.beta2) as f32,
                eps: options.eps as f32,
                step_size,
                correction,
            };
            if options.amsgrad {
                amsgrad(c.weight, c.gradient, c.first, c.second, c.max, k);
            } else {
                adamw(c.weight, c.gradient, c.first, c.second, k);
            }
            if !c.ema.is_empty() {
                average_weights(c.ema, c.weight, ema);
            }
        });
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub struct Constants {
    scale: f32,
    keep: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    eps: f32,
    step_size: f32,
    correction: f32,
}

wide! {
    /// AdamW on one chunk, in the order of operations of torch.optim.AdamW.
    pub fn adamw(weight: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], k: Constants) {
        let n = weight.len();
        let (gradient, first, second) = (&gradient[..n], &mut first[..n], &mut second[..n]);
        for i in 0..n {
            let g = gradient[i] * k.scale;
            let m = first[i] + (g - first[i]) * k.one_minus_beta1;
            let v = second[i] * k.beta2 + g * g * k.one_minus_beta2;
            first[i] = m;
            second[i] = v;
            weight[i] = weight[i] * k.keep - k.step_size * (m / (v.sqrt() / k.correction + k.eps));
        }
    }
}

wide! {
    /// The same with the running maximum of the second moment in the denominator (Reddi et al. 2018).
    pub fn amsgrad(weight: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], max: &mut [f32], k: Constants) {
        let n = weight.len();
        let (gradient, first, second, max) = (&gradient[..n], &mut first[..n], &mut second[..n], &mut max[..n]);
        for i in 0..n {
            let g = gradient[i] * k.scale;
            let m = first[i] + (g - first[i]) * k.one_minus_beta1;
            let v = second[i] * k.beta2 + g * g * k.one_minus_beta2;
            let top = if v > max[i] { v } else { max[i] };
            first[i] = m;
            second[i] = v;
            max[i] = top;
            weight[i] = weight[i] * k.keep - k.step_size * (m / (top.sqrt() / k.correction + k.eps));
        }
    }
}

wide! {
    /// `average = keep * average + (1 - keep) * weight`.
    pub fn average_weights(average: &mut [f32], weight: &[f32], keep: f32) {
        for (a, w) in average.iter_mut().zip(weight) {
            *a = *w + (*a - *w) * keep;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { beta1: 0.9, beta2: 0.95, eps: 1e-8, amsgrad: false, ema: None }
    }

    fn wave(n: usize, k: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7 + k * 131) as f32 * 0.1).sin()).collect()
    }

    fn run(threads: usize, options: Options, steps: usize) -> (Vec<Vec<f32>>, AdamW) {
        let lens = [100_003usize, 7, 65_536];
        let mut weights: Vec<Vec<f32>> = lens.iter().enumerate().map(|(k, &n)| wave(n, k)).collect();
        let mut adam = AdamW::new(options, &[(lens[0], 0.1), (lens[1], 0.0), (lens[2], 0.1)]).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for s in 0..steps {
            let gradients: Vec<Vec<f32>> = lens.iter().enumerate().map(|(k, &n)| wave(n, k + 10 * s + 3)).collect();
            let mut w: Vec<&mut [f32]> = weights.iter_mut().map(Vec::as_mut_slice).collect();
            let g: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
            pool.install(|| adam.step(&mut w, &g, Update { lr: 1e-2, scale: 0.5 })).unwrap();
        }
        (weights, adam)
    }

    #[test]
    fn equals_a_float64_loop() {
        for amsgrad in [false, true] {
            let o = Options { amsgrad, ..options() };
            let (weights, _) = run(2, o, 6);
            let (mut w, mut m, mut v, mut top) = (wave(100_003, 0), 0.0f64, 0.0f64, 0.0f64);
            for index in [0usize, 1, 99_999] {
                (m, v, top) = (m * 0.0, v * 0.0, top * 0.0);
                let mut x = f64::from(w[index]);
                for s in 0..6 {
                    let g = f64::from(wave(100_003, 10 * s + 3)[index]) * 0.5;
                    m = o.beta1 * m + (1.0 - o.beta1) * g;
                    v = o.beta2 * v + (1.0 - o.beta2) * g * g;
                    top = top.max(v);
                    let t = s as i32 + 1;
                    let den = (if amsgrad { top } else { v } / (1.0 - o.beta2.powi(t))).sqrt() + o.eps;
                    x = x * (1.0 - 1e-2 * 0.1) - 1e-2 * m / (1.0 - o.beta1.powi(t)) / den;
                }
                w[index] = x as f32;
                assert!((f64::from(weights[0][index]) - x).abs() < 2e-6, "{} {x}", weights[0][index]);
            }
        }
    }

    #[test]
    fn same_bits_for_any_thread_count() {
        let bits = |threads| {
            let (weights, adam) = run(threads, Options { ema: Some(0.9), ..options() }, 4);
            let mut all: Vec<u32> = weights.iter().flatten().map(|x| x.to_bits()).collect();
            all.extend(
                adam.slots().iter().flat_map(|s| s.first.iter().chain(&s.second).chain(&s.ema)).map(|x| x.to_bits()),
            );
            all
        };
        let one = bits(1);
        assert_eq!(one, bits(2));
        assert_eq!(one, bits(3));
    }

    #[test]
    fn the_average_follows_the_weights() {
        let (weights, adam) = run(1, Options { ema: Some(0.0), ..options() }, 3);
        assert_eq!(weights[0], adam.slots()[0].ema);
    }

    #[test]
    fn refuses_senseless_options() {
        assert!(AdamW::new(Options { beta1: 1.0, ..options() }, &[]).is_err());
        assert!(AdamW::new(Options { eps: f64::NAN, ..options() }, &[]).is_err());
    }
}
