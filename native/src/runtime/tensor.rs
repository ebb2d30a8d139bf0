//! A dtype and a shape enter, a tensor in the runtime's own memory leaves: bound once, written and read in place.

use ort::memory::Allocator;
use ort::value::{DynTensor, Shape, TensorElementType};

use super::library::failed;
use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    I32,
    I64,
    Bool,
    U8,
}

impl Dtype {
    /// Reads the names that programs use: `float32`, `int32`, `int64`, `bool`, `uint8`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "float32" => Ok(Self::F32),
            "int32" => Ok(Self::I32),
            "int64" => Ok(Self::I64),
            "bool" => Ok(Self::Bool),
            "uint8" => Ok(Self::U8),
            _ => Err(Error::config(format!("no tensors of dtype {name} here"))
                .with_hint("use float32, int32, int64, bool or uint8")),
        }
    }
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
            Self::Bool | Self::U8 => 1,
        }
    }
    fn element(self) -> TensorElementType {
        match self {
            Self::F32 => TensorElementType::Float32,
            Self::I32 => TensorElementType::Int32,
            Self::I64 => TensorElementType::Int64,
            Self::Bool => TensorElementType::Bool,
            Self::U8 => TensorElementType::Uint8,
        }
    }
}

/// The name, dtype and shape of one tensor at the edge of a graph.
#[derive(Clone, Debug)]
pub struct Edge {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<i64>,
}

impl Edge {
    pub fn len(&self) -> usize {
        self.shape.iter().map(|&d| d.max(0) as usize).product()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A tensor in CPU memory that the runtime allocated, all zeros at first.
pub struct Tensor {
    pub(super) value: DynTensor,
    edge: Edge,
}

impl Tensor {
    pub fn zeros(edge: &Edge) -> Result<Self> {
        if edge.shape.iter().any(|&d| d < 0) {
            return Err(Error::internal(format!("tensor {} has an unknown dimension", edge.name)));
        }
        let shape = Shape::new(edge.shape.iter().copied());
        let value =
            DynTensor::new(&Allocator::default(), edge.dtype.element(), shape).map_err(failed("allocate a tensor"))?;
        Ok(Self { value, edge: edge.clone() })
    }
    pub fn name(&self) -> &str {
        &self.edge.name
    }
    pub fn edge(&self) -> &Edge {
        &self.edge
    }
    pub fn len(&self) -> usize {
        self.edge.len()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn bytes(&self) -> &[u8] {
        let len = self.len() * self.edge.dtype.bytes();
        if len == 0 {
            return &[];
        }
        // SAFETY: the value is a CPU tensor of this dtype and shape, and lives as long as self.
        unsafe { std::slice::from_raw_parts(self.value.data_ptr().cast(), len) }
    }
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.len() * self.edge.dtype.bytes();
        if len == 0 {
            return &mut [];
        }
        // SAFETY: as above; the runtime writes only inside `Graph::run`, which can't overlap with this borrow's owner.
        unsafe { std::slice::from_raw_parts_mut(self.value.data_ptr_mut().cast(), len) }
    }
    /// Empty where the dtype is another one.
    pub fn floats(&self) -> &[f32] {
        if self.edge.dtype != Dtype::F32 || self.is_empty() {
            return &[];
        }
        // SAFETY: float32 by the check, and the runtime aligns its memory to 64 bytes.
        unsafe { std::slice::from_raw_parts(self.value.data_ptr().cast(), self.len()) }
    }
    pub fn floats_mut(&mut self) -> &mut [f32] {
        if self.edge.dtype != Dtype::F32 || self.is_empty() {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.value.data_ptr_mut().cast(), self.len()) }
    }
    /// Copies raw little-endian elements in. An error where the length is wrong.
    pub fn set(&mut self, bytes: &[u8]) -> Result<()> {
        let name = self.edge.name.clone();
        let own = self.bytes_mut();
        if own.len() != bytes.len() {
            return Err(Error::input(format!("tensor {name} takes {} bytes, got {}", own.len(), bytes.len())));
        }
        own.copy_from_slice(bytes);
        Ok(())
    }
}
