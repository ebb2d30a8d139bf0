//! AdamW on tensors that JavaScript holds: the trainer's own kernels, for small models, fixtures and experiments.

use napi::bindgen_prelude::Float32Array;
use napi_derive::napi;

use super::error::Result;
use crate::error::Error;
use crate::optim::{self, Update, norm};

#[napi(object)]
pub struct AdamWOptions {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub amsgrad: Option<bool>,
    /// Decay of a moving average of the weights, kept beside them.
    pub ema: Option<f64>,
}

impl From<AdamWOptions> for optim::Options {
    fn from(o: AdamWOptions) -> Self {
        Self { beta1: o.beta1, beta2: o.beta2, eps: o.eps, amsgrad: o.amsgrad.unwrap_or(false), ema: o.ema }
    }
}

#[napi]
pub struct AdamW {
    inner: optim::AdamW,
}

#[napi]
impl AdamW {
    /// Moments at zero for tensors of these lengths and weight decays.
    #[napi(constructor)]
    pub fn new(options: AdamWOptions, lengths: Vec<u32>, decays: Vec<f64>) -> Result<Self> {
        if lengths.len() != decays.len() {
            return Err(Error::config("optimizer: as many decays as tensors are needed").into());
        }
        let sizes: Vec<(usize, f64)> = lengths.iter().map(|&n| n as usize).zip(decays).collect();
        Ok(Self { inner: optim::AdamW::new(options.into(), &sizes)? })
    }

    /// Updates `weights` in place and returns the gradients' global norm before clipping.
    #[napi]
    pub fn step(
        &mut self,
        mut weights: Vec<Float32Array>,
        gradients: Vec<Float32Array>,
        lr: f64,
        max_norm: Option<f64>,
    ) -> Result<f64> {
        let gradients: Vec<&[f32]> = gradients.iter().map(|g| g.as_ref()).collect();
        let total = norm::global_norm(&gradients);
        let scale = max_norm.map_or(1.0, |max| norm::clip_factor(total, max));
        // SAFETY: the arrays belong to the caller, who waits for this call; nobody else writes to them meanwhile.
        let mut weights: Vec<&mut [f32]> = weights.iter_mut().map(|w| unsafe { w.as_mut() }).collect();
        self.inner.step(&mut weights, &gradients, Update { lr, scale })?;
        Ok(total)
    }
}
