//! A parameter's name enters, its weights, gradients or moments leave, to read or to write: checkpoints, first values, averages.

use super::Trainer;
use crate::error::{Error, Result};
use crate::runtime::philox;

/// The arrays that a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Array {
    Weight,
    Gradient,
    First,
    Second,
    Max,
    Ema,
}

impl Array {
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "weight" => Ok(Self::Weight),
            "gradient" => Ok(Self::Gradient),
            "exp_avg" => Ok(Self::First),
            "exp_avg_sq" => Ok(Self::Second),
            "max_exp_avg_sq" => Ok(Self::Max),
            "ema" => Ok(Self::Ema),
            _ => Err(Error::internal(format!("no array {name}"))),
        }
    }
}

impl Trainer {
    /// Draws a parameter's first values.
    pub fn init(&mut self, name: &str, init: philox::Init, seed: u64) -> Result<()> {
        let index = self.weight_index(name)?;
        self.resident.forget();
        let values = self.weights[index].floats_mut();
        self.pool.install(|| philox::fill(values, init, philox::init_stream(seed, name)));
        Ok(())
    }

    /// One array of one parameter. Empty where the parameter has none (frozen, no AMSGrad, no average).
    pub fn array(&self, array: Array, name: &str) -> Result<&[f32]> {
        let index = self.weight_index(name)?;
        if array == Array::Weight {
            return Ok(self.weights[index].floats());
        }
        let Some(place) = self.trained.iter().position(|&i| i == index) else { return Ok(&[]) };
        if array == Array::Gradient {
            return Ok(self.sum[place].floats());
        }
        let Some(slot) = self.adamw.as_ref().and_then(|a| a.slots().get(place)) else { return Ok(&[]) };
        Ok(match array {
            Array::First => &slot.first,
            Array::Second => &slot.second,
            Array::Max => &slot.max,
            _ => &slot.ema,
        })
    }

    /// The same, to write into.
    pub fn array_mut(&mut self, array: Array, name: &str) -> Result<&mut [f32]> {
        self.pull()?;
        self.resident.forget();
        let index = self.weight_index(name)?;
        if array == Array::Weight {
            return Ok(self.weights[index].floats_mut());
        }
        let Some(place) = self.trained.iter().position(|&i| i == index) else { return Ok(&mut []) };
        if array == Array::Gradient {
            return Ok(self.sum[place].floats_mut());
        }
        let Some(slot) = self.adamw.as_mut().and_then(|a| a.slots_mut().get_mut(place)) else { return Ok(&mut []) };
        Ok(match array {
            Array::First => &mut slot.first,
            Array::Second => &mut slot.second,
            Array::Max => &mut slot.max,
            _ => &mut slot.ema,
        })
    }

    /// Swaps the weights with their moving average and back, for evaluation.
    pub fn swap_average(&mut self) {
        let Some(adamw) = &mut self.adamw else { return };
        for (&index, slot) in self.trained.iter().zip(adamw.slots_mut()) {
            if !slot.ema.is_empty() {
                self.weights[index].floats_mut().swap_with_slice(&mut slot.ema);
            }
        }
    }
}
