//! One stored shard: its columns found by name and type once, its rows handed out as slices.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt16Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;

use crate::error::{Error, Result};
use crate::vocab::machine::prefetch;

/// The columns that the tasks use; each has those of its own kind.
pub struct Shard {
    name: String,
    input_ids: Tokens,
    /// The other side of pairs.
    labels: Option<Tokens>,
    lengths: Option<(OffsetBuffer<i32>, Int32Array)>,
    ints: Vec<(String, Int32Array)>,
    bits: Option<(usize, BooleanArray)>,
    masked: Option<(OffsetBuffer<i32>, Int32Array, Int32Array)>,
}

/// Ids of all rows, and where each row lies.
struct Tokens {
    values: Values,
    bounds: Bounds,
}

enum Values {
    Narrow(arrow_array::UInt16Array),
    Wide(Int32Array),
}

enum Bounds {
    Fixed(usize),
    Offsets(OffsetBuffer<i32>),
}

impl Tokens {
    fn new(column: &ArrayRef) -> Option<Self> {
        let (values, bounds) = if let Some(list) = column.as_fixed_size_list_opt() {
            (list.values(), Bounds::Fixed(list.value_length() as usize))
        } else {
            let list = column.as_list_opt::<i32>()?;
            (list.values(), Bounds::Offsets(list.offsets().clone()))
        };
        let values = match values.data_type() {
            DataType::UInt16 => Values::Narrow(values.as_primitive::<UInt16Type>().clone()),
            DataType::Int32 => Values::Wide(values.as_primitive::<Int32Type>().clone()),
            _ => return None,
        };
        Some(Self { values, bounds })
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        match &self.bounds {
            Bounds::Fixed(width) => row * width..(row + 1) * width,
            Bounds::Offsets(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
        }
    }

    /// Asks for the cache lines of a row.
    #[inline]
    fn fetch(&self, row: usize) {
        let range = self.range(row);
        match &self.values {
            Values::Narrow(ids) => range.step_by(32).for_each(|at| prefetch(ids.values(), at)),
            Values::Wide(ids) => range.step_by(16).for_each(|at| prefetch(ids.values(), at)),
        }
    }

    /// Appends `width` ids: the first ones of a row, then zeros.
    #[inline]
    fn append(&self, row: usize, width: usize, out: &mut Vec<i32>) {
        let range = self.range(row);
        let end = out.len() + width;
        let range = range.start..range.end.min(range.start + width);
        match &self.values {
            Values::Narrow(ids) => out.extend(ids.values()[range].iter().map(|&id| i32::from(id))),
            Values::Wide(ids) => out.extend_from_slice(&ids.values()[range]),
        }
        out.resize(end, 0);
    }

    /// Copies the first ids of a row, as many as there are and as `out` holds; says how many.
    fn copy(&self, row: usize, out: &mut [i32]) -> usize {
        let range = self.range(row);
        let n = range.len().min(out.len());
        let range = range.start..range.start + n;
        match &self.values {
            Values::Narrow(ids) => {
                out[..n].iter_mut().zip(&ids.values()[range]).for_each(|(to, &from)| *to = i32::from(from));
            }
            Values::Wide(ids) => out[..n].copy_from_slice(&ids.values()[range]),
        }
        n
    }
}

impl Shard {
    pub fn new(path: &Path, batch: &RecordBatch) -> Result<Self> {
        let name = path.display().to_string();
        let wrong = |column: &str| Error::corrupt(format!("{name}: the column {column} is missing or of another type"));
        let tokens =
            |column: &str| batch.column_by_name(column).map(|found| Tokens::new(found).ok_or_else(|| wrong(column)));
        let list = |column: &str| {
            let found = batch.column_by_name(column)?;
            let list = found.as_list_opt::<i32>().filter(|list| *list.values().data_type() == DataType::Int32);
            let parts = list.map(|list| (list.offsets().clone(), list.values().as_primitive::<Int32Type>().clone()));
            Some(parts.ok_or_else(|| wrong(column)))
        };
        let input_ids = tokens("input_ids").ok_or_else(|| wrong("input_ids"))??;
        // Classes are one number a row, the other side of a pair a list.
        let labels = match batch.column_by_name("labels") {
            Some(column) if *column.data_type() != DataType::Int32 => tokens("labels").transpose()?,
            _ => None,
        };
        let masked = match (list("masked_positions").transpose()?, list("masked_labels").transpose()?) {
            (Some((offsets, positions)), Some((_, labels))) if positions.len() == labels.len() => {
                Some((offsets, positions, labels))
            }
            (None, None) => None,
            _ => return Err(wrong("masked_labels")),
        };
        let mut ints = Vec::new();
        let mut bits = None;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if let Some(values) = column.as_primitive_opt::<Int32Type>() {
                ints.push((field.name().clone(), values.clone()));
            } else if let Some(list) = column.as_fixed_size_list_opt()
                && let Some(values) = list.values().as_boolean_opt()
            {
                bits = Some((list.value_length() as usize, values.clone()));
            }
        }
        Ok(Self { input_ids, labels, lengths: list("lengths").transpose()?, ints, bits, masked, name })
    }

    fn missing(&self, column: &str) -> Error {
        Error::corrupt(format!("{}: the column {column} is missing or of another type", self.name))
    }

    pub fn input_ids(&self, row: usize, out: &mut [i32]) -> usize {
        self.input_ids.copy(row, out)
    }

    /// Appends the first `width` ids of a row, zeros where it has fewer.
    #[inline]
    pub fn append_ids(&self, row: usize, width: usize, out: &mut Vec<i32>) {
        self.input_ids.append(row, width, out);
    }

    /// Asks the memory for what will soon be read of a row.
    #[inline]
    pub fn fetch(&self, row: usize) {
        self.input_ids.fetch(row);
        if let Some((offsets, _)) = &self.lengths {
            prefetch(offsets, row);
        }
    }

    /// The same for what is found through it.
    #[inline]
    pub fn fetch_lengths(&self, row: usize) {
        if let Some((offsets, lengths)) = &self.lengths {
            prefetch(lengths.values(), offsets[row] as usize);
        }
    }

    pub fn labels(&self, row: usize, out: &mut [i32]) -> Result<usize> {
        self.labels.as_ref().map(|labels| labels.copy(row, out)).ok_or_else(|| self.missing("labels"))
    }

    /// Tokens of each piece of a row.
    pub fn lengths(&self, row: usize) -> Result<&[i32]> {
        let (offsets, values) = self.lengths.as_ref().ok_or_else(|| self.missing("lengths"))?;
        Ok(&values.values()[offsets[row] as usize..offsets[row + 1] as usize])
    }

    /// A column of one number a row.
    pub fn ints(&self, column: &str) -> Result<&[i32]> {
        let found = self.ints.iter().find(|(name, _)| name == column);
        found.map(|(_, values)| &values.values()[..]).ok_or_else(|| self.missing(column))
    }

    /// The flags of a row's tokens.
    pub fn flag(&self, row: usize) -> Option<impl Fn(usize) -> bool> {
        let (width, values) = self.bits.as_ref()?;
        let start = row * width;
        Some(move |token: usize| values.value(start + token))
    }

    /// Masked places of a row and what stood there.
    pub fn masked(&self, row: usize) -> Option<(&[i32], &[i32])> {
        let (offsets, positions, labels) = self.masked.as_ref()?;
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        Some((&positions.values()[range.clone()], &labels.values()[range]))
    }
}
