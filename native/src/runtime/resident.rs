//! Weights and moments enter once and stay on a device: each step's outputs are the next step's inputs. They are copied
//! back when somebody asks for them.

use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::value::DynValue;

use super::graph::{Device, Graph};
use super::library::failed;
use super::tensor::{Dtype, Edge, Tensor};
use crate::error::{Error, Result};
use crate::optim::{AdamW, Slot};

/// A tensor of the state: the input that holds it and the output that takes its place.
#[derive(Clone, Debug)]
pub struct Update {
    pub input: String,
    pub output: String,
    pub shape: Vec<i64>,
}

#[derive(Default)]
pub struct Resident {
    /// Names of the state's tensors: of weights, `exp_avg.` and `exp_avg_sq.` with a weight's name.
    names: Vec<String>,
    state: Option<Vec<DynValue>>,
    /// What is on the device is newer than what is here.
    ahead: bool,
    /// Puts its inputs out unchanged, as `host.<name>`.
    copier: Option<Graph>,
}

/// What of a state lies here: the weights, and which of them the optimizer's slots belong to.
pub struct Host<'a> {
    pub weights: &'a mut [Tensor],
    pub trained: &'a [usize],
    pub adamw: &'a mut AdamW,
}

enum Place {
    Weight(usize),
    First(usize),
    Second(usize),
}

impl Host<'_> {
    fn place(&self, name: &str) -> Result<Place> {
        let weight = |name: &str| self.weights.iter().position(|t| t.name() == name);
        let slot = |name: &str| weight(name).and_then(|w| self.trained.iter().position(|&t| t == w));
        if let Some(index) = weight(name) {
            return Ok(Place::Weight(index));
        }
        let first = name.strip_prefix("exp_avg.").and_then(slot).map(Place::First);
        let second = name.strip_prefix("exp_avg_sq.").and_then(slot).map(Place::Second);
        first
            .or(second)
            .ok_or_else(|| Error::internal(format!("the graph updates {name}, which is no state of a weight")))
    }
    fn read(&self, name: &str) -> Result<&[f32]> {
        let slot = |index: usize| self.adamw.slots().get(index).ok_or_else(|| Error::internal("a slot is missing"));
        Ok(match self.place(name)? {
            Place::Weight(index) => self.weights[index].floats(),
            Place::First(index) => &slot(index)?.first,
            Place::Second(index) => &slot(index)?.second,
        })
    }
    fn write(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let place = self.place(name)?;
        let part = |slot: Option<&mut Slot>, first: bool| -> Result<()> {
            let slot = slot.ok_or_else(|| Error::internal("a slot is missing"))?;
            let own = if first { &mut slot.first } else { &mut slot.second };
            copy(own, values)
        };
        match place {
            Place::Weight(index) => copy(self.weights[index].floats_mut(), values),
            Place::First(index) => part(self.adamw.slots_mut().get_mut(index), true),
            Place::Second(index) => part(self.adamw.slots_mut().get_mut(index), false),
        }
    }
}

fn copy(own: &mut [f32], values: &[f32]) -> Result<()> {
    if own.len() != values.len() {
        return Err(Error::internal("a tensor came back from the device with another length"));
    }
    own.copy_from_slice(values);
    Ok(())
}

/// Where a device keeps its tensors.
pub fn memory(device: Device) -> Result<MemoryInfo<'static>> {
    let (place, id) = match device {
        Device::Cpu => (AllocationDevice::CPU, 0),
        Device::Cuda(id) => (AllocationDevice::CUDA, id),
        Device::WebGpu => (AllocationDevice::WEBGPU_BUFFER, 0),
    };
    MemoryInfo::new(place, id, AllocatorType::Device, MemoryType::Default).map_err(failed("name the device's memory"))
}

impl Resident {
    /// The first graph decides what the state is; others of other shapes must have the same.
    pub fn join(&mut self, updates: &[Update], copier: impl FnOnce() -> Result<Graph>) -> Result<()> {
        let names: Vec<String> = updates.iter().map(|u| u.input.clone()).collect();
        if self.copier.is_none() {
            self.copier = Some(copier()?);
            self.names = names;
        } else if self.names != names {
            return Err(Error::internal("two graphs update different tensors"));
        }
        Ok(())
    }

    /// Runs one step from the state. `keep` says of the outputs whether the new state holds; else it stays as it was.
    pub fn step(
        &mut self,
        graph: &mut Graph,
        updates: &[Update],
        host: &Host,
        device: Device,
        keep: impl FnOnce(&Graph) -> bool,
    ) -> Result<bool> {
        let state = match self.state.take() {
            Some(state) => state,
            None => updates.iter().map(|u| upload(u, host.read(&u.input)?)).collect::<Result<_>>()?,
        };
        let kept: Vec<(&str, &DynValue)> = self.names.iter().map(String::as_str).zip(&state).collect();
        let fresh: Vec<&str> = updates.iter().map(|u| u.output.as_str()).collect();
        let next = graph.run_kept(host.weights, &kept, &fresh, &memory(device)?);
        drop(kept);
        match next {
            Ok(next) if keep(graph) => {
                self.state = Some(next);
                self.ahead = true;
                Ok(true)
            }
            other => {
                self.state = Some(state);
                other.map(|_| false)
            }
        }
    }

    /// Copies the state back where it is newer on the device.
    pub fn pull(&mut self, host: &mut Host) -> Result<()> {
        let (true, Some(state), Some(copier)) = (self.ahead, &self.state, &mut self.copier) else { return Ok(()) };
        let kept: Vec<(&str, &DynValue)> = self.names.iter().map(String::as_str).zip(state).collect();
        let outputs: Vec<String> = self.names.iter().map(|name| format!("host.{name}")).collect();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let copies = copier.run_kept(&[], &kept, &outputs, &memory(Device::Cpu)?)?;
        for (name, copy) in self.names.iter().zip(&copies) {
            let (_, values) = copy.try_extract_tensor::<f32>().map_err(failed("read a tensor of the device"))?;
            host.write(name, values)?;
        }
        self.ahead = false;
        Ok(())
    }

    /// What is here is about to change: the next step begins from it.
    pub fn forget(&mut self) {
        self.state = None;
        self.ahead = false;
    }
}

fn upload(update: &Update, values: &[f32]) -> Result<DynValue> {
    let edge = Edge { name: update.input.clone(), dtype: Dtype::F32, shape: update.shape.clone() };
    let mut tensor = Tensor::zeros(&edge)?;
    copy(tensor.floats_mut(), values)?;
    Ok(tensor.value.into_dyn())
}
