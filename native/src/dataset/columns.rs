//! Values in, Arrow columns out: the few shapes of column that shards are made of.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, FixedSizeListArray, Int32Array, ListArray, UInt16Array};
use arrow_buffer::{BooleanBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

use super::ids::Run;
use super::tokens::arrow;
use crate::error::{Error, Result};
use crate::vocab::machine::huge_pages;

/// Token ids in 16 or 32 bits, as the vocabulary needs.
pub enum Ids {
    Narrow(Vec<u16>),
    Wide(Vec<i32>),
}

impl Ids {
    pub fn with_capacity(narrow: bool, capacity: usize) -> Self {
        if narrow {
            let mut ids = Vec::with_capacity(capacity);
            huge_pages(&mut ids);
            Ids::Narrow(ids)
        } else {
            let mut ids = Vec::with_capacity(capacity);
            huge_pages(&mut ids);
            Ids::Wide(ids)
        }
    }

    #[inline]
    pub fn extend(&mut self, ids: &[u32]) {
        match self {
            Ids::Narrow(out) => out.extend(ids.iter().map(|&id| id as u16)),
            Ids::Wide(out) => out.extend(ids.iter().map(|&id| id as i32)),
        }
    }

    #[inline]
    pub fn extend_from(&mut self, run: Run) {
        match (run, self) {
            (Run::Narrow(ids), Ids::Narrow(out)) => out.extend_from_slice(ids),
            (Run::Narrow(ids), Ids::Wide(out)) => out.extend(ids.iter().map(|&id| i32::from(id))),
            (Run::Wide(ids), out) => out.extend(ids),
        }
    }

    #[inline]
    pub fn extend_signed(&mut self, ids: &[i32]) {
        match self {
            Ids::Narrow(out) => out.extend(ids.iter().map(|&id| id as u16)),
            Ids::Wide(out) => out.extend_from_slice(ids),
        }
    }

    pub fn fill(&mut self, id: u32, count: usize) {
        match self {
            Ids::Narrow(out) => out.resize(out.len() + count, id as u16),
            Ids::Wide(out) => out.resize(out.len() + count, id as i32),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Ids::Narrow(out) => out.len(),
            Ids::Wide(out) => out.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn values(self) -> (DataType, ArrayRef) {
        match self {
            Ids::Narrow(out) => (DataType::UInt16, Arc::new(UInt16Array::from(out))),
            Ids::Wide(out) => (DataType::Int32, Arc::new(Int32Array::from(out))),
        }
    }

    /// A column of rows of `width` ids.
    pub fn fixed(self, name: &str, width: usize) -> Result<(Field, ArrayRef)> {
        let (kind, values) = self.values();
        let item = Arc::new(Field::new("item", kind, false));
        let size = i32::try_from(width).map_err(|_| Error::config(format!("rows of {width} tokens are too long")))?;
        let array = FixedSizeListArray::try_new(item, size, values, None).map_err(arrow)?;
        Ok((Field::new(name, arrow_array::Array::data_type(&array).clone(), false), Arc::new(array)))
    }

    /// A column of rows that end at `ends`.
    pub fn list(self, name: &str, ends: &[i32]) -> Result<(Field, ArrayRef)> {
        let (kind, values) = self.values();
        list(name, kind, values, ends)
    }
}

/// A column of lists of int32 that end at `ends`.
pub fn int_list(name: &str, values: Vec<i32>, ends: &[i32]) -> Result<(Field, ArrayRef)> {
    list(name, DataType::Int32, Arc::new(Int32Array::from(values)), ends)
}

fn list(name: &str, kind: DataType, values: ArrayRef, ends: &[i32]) -> Result<(Field, ArrayRef)> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend_from_slice(ends);
    let item = Arc::new(Field::new("item", kind, false));
    let array =
        ListArray::try_new(item, OffsetBuffer::new(ScalarBuffer::from(offsets)), values, None).map_err(arrow)?;
    Ok((Field::new(name, arrow_array::Array::data_type(&array).clone(), false), Arc::new(array)))
}

/// A column of one int32 a row.
pub fn ints(name: &str, values: Vec<i32>) -> (Field, ArrayRef) {
    (Field::new(name, DataType::Int32, false), Arc::new(Int32Array::from(values)))
}

/// Flags, eight in a byte.
pub struct Bits(BooleanBufferBuilder);

impl Bits {
    pub fn with_capacity(capacity: usize) -> Self {
        Self(BooleanBufferBuilder::new(capacity))
    }

    pub fn fill(&mut self, flag: bool, count: usize) {
        self.0.append_n(count, flag);
    }

    pub fn extend(&mut self, flags: impl Iterator<Item = bool>) {
        flags.for_each(|flag| self.0.append(flag));
    }

    /// A column of rows of `width` flags.
    pub fn fixed(mut self, name: &str, width: usize) -> Result<(Field, ArrayRef)> {
        let item = Arc::new(Field::new("item", DataType::Boolean, false));
        let size = i32::try_from(width).map_err(|_| Error::config(format!("rows of {width} tokens are too long")))?;
        let values = Arc::new(BooleanArray::new(self.0.finish(), None));
        let array = FixedSizeListArray::try_new(item, size, values, None).map_err(arrow)?;
        Ok((Field::new(name, arrow_array::Array::data_type(&array).clone(), false), Arc::new(array)))
    }
}
