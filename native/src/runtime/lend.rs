//! An operator's context enters, its tensors leave as slices, and ranges of them to work on from several threads.

use std::marker::PhantomData;
use std::ops::Range;

use ort::Error;
use ort::operator::ComputeContext;
use ort::value::{DynValueTypeMarker, PrimitiveTensorElementType, ValueRef, ValueRefMut};

/// Elements of a piece of work, about: 128 kB of floats.
const PIECE: usize = 1 << 15;

/// An input.
pub struct In<'a, T> {
    value: ValueRef<'a, DynValueTypeMarker>,
    marker: PhantomData<T>,
}

impl<T: PrimitiveTensorElementType> In<'_, T> {
    pub fn shape(&self) -> &[i64] {
        self.value.try_extract_tensor::<T>().map_or(&[], |(shape, _)| shape)
    }
    pub fn data(&self) -> &[T] {
        self.value.try_extract_tensor::<T>().map_or(&[], |(_, data)| data)
    }
    /// Elements of a row; at least 1.
    pub fn width(&self) -> usize {
        self.shape().last().map_or(1, |&n| n.max(1) as usize)
    }
}

impl In<'_, f32> {
    /// The elements, as many as another tensor has.
    pub fn same_as(&self, other: &Self) -> ort::Result<&[f32]> {
        self.row(other.data().len())
    }
    /// The elements, `length` of them.
    pub fn row(&self, length: usize) -> ort::Result<&[f32]> {
        let data = self.data();
        if data.len() == length { Ok(data) } else { Err(Error::new("two tensors do not fit each other")) }
    }
}

/// An output.
pub struct Out<'a> {
    value: ValueRefMut<'a, DynValueTypeMarker>,
}

impl Out<'_> {
    pub fn data(&mut self) -> &mut [f32] {
        self.value.try_extract_tensor_mut::<f32>().map_or(&mut [], |(_, data)| data)
    }
    /// Begins with an input's elements: a copy, or nothing where the runtime gave both the same memory.
    pub fn start_from(&mut self, context: &ComputeContext, input: usize) -> ort::Result<()> {
        let input = floats(context, input)?;
        let (from, length) = (input.data().as_ptr(), input.data().len());
        let own = self.data();
        if own.len() != length {
            return Err(Error::new("two tensors do not fit each other"));
        }
        if own.as_ptr() != from {
            own.copy_from_slice(input.data());
        }
        Ok(())
    }
}

fn input<T>(context: &ComputeContext, index: usize) -> ort::Result<In<'_, T>> {
    let value = context.input(index)?.ok_or_else(|| Error::new("an input is missing"))?;
    Ok(In { value, marker: PhantomData })
}
pub fn floats(context: &ComputeContext, index: usize) -> ort::Result<In<'_, f32>> {
    input(context, index)
}
pub fn ints(context: &ComputeContext, index: usize) -> ort::Result<In<'_, i32>> {
    input(context, index)
}
pub fn floats_mut<'a>(context: &'a ComputeContext, index: usize, shape: &[i64]) -> ort::Result<Out<'a>> {
    let value = context.output(index, shape.to_vec())?.ok_or_else(|| Error::new("an output is missing"))?;
    Ok(Out { value })
}

/// A slice whose parts several threads write to.
pub struct Lent<'a> {
    start: *mut f32,
    len: usize,
    marker: PhantomData<&'a mut [f32]>,
}

// SAFETY: the threads take parts that do not overlap, see `part`.
unsafe impl Send for Lent<'_> {}
// SAFETY: as above.
unsafe impl Sync for Lent<'_> {}

impl<'a> Lent<'a> {
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), marker: PhantomData }
    }
    /// Where element `index` is, for work on parts that are no ranges.
    pub fn address(&self, index: usize) -> *mut f32 {
        self.start.wrapping_add(index)
    }
    /// Ranges taken at the same time must not overlap: each piece of work takes its own. Cut off at the end of the slice.
    #[allow(clippy::mut_from_ref)]
    pub fn part(&self, range: Range<usize>) -> &mut [f32] {
        let (start, end) = (range.start.min(self.len), range.end.min(self.len));
        // SAFETY: inside the slice by the line above, and no other piece has this range.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), end - start) }
    }
}

fn step(width: usize) -> usize {
    (PIECE / width).max(1) * width
}

/// How many pieces `pieces` makes.
pub fn count(len: usize, width: usize) -> usize {
    len.div_ceil(step(width))
}

/// Cuts `len` elements into pieces of whole rows: `work(piece, range)` on the runtime's threads.
pub fn pieces(
    context: &ComputeContext,
    len: usize,
    width: usize,
    work: impl Fn(usize, Range<usize>) + Sync + Send,
) -> ort::Result<()> {
    let step = step(width);
    context.par_for(count(len, width), 0, |piece| work(piece, piece * step..((piece + 1) * step).min(len)))
}

/// The same where there are no rows.
pub fn whole(context: &ComputeContext, len: usize, work: impl Fn(Range<usize>) + Sync + Send) -> ort::Result<()> {
    pieces(context, len, 1, |_, range| work(range))
}
