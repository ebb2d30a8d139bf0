//! What the hot loops ask of the machine: parts of the work on threads, cache lines ahead of time, huge pages.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use crate::error::{Error, Result};

/// Runs `work` on each part, on a thread of its own for all but the first, and returns the results in order.
pub fn in_parts<P: Send, R: Send>(parts: Vec<P>, work: impl Fn(P) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let mut parts = parts.into_iter();
        let first = parts.next();
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mut results: Vec<R> = first.into_iter().map(work).collect();
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

/// A pool of so many threads, for work that is handed out in many small parts.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(|error| Error::environment(format!("threads can't be started: {error}")))
}

/// Asks for the cache line of an element that will be read soon.
#[inline(always)]
pub fn prefetch<T>(slice: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing, wherever it points.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(slice.as_ptr().wrapping_add(at).cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, at);
}

/// Less memory is not worth huge pages: half of it could be waste.
const WORTH: usize = 1 << 20;
const HUGE: usize = 2 << 20;

/// A slice of fixed length, on huge pages from its first element on where it is large.
#[derive(Debug)]
pub struct Huge<T> {
    /// Its spare room holds the elements, from `start` on.
    room: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy> Huge<T> {
    /// `len` times the same.
    pub fn new(value: T, len: usize) -> Self {
        Self::with(len, |slots| {
            slots.fill(MaybeUninit::new(value));
        })
    }

    /// `fill` must write to every element.
    fn with(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Self {
        let bytes = len * size_of::<T>();
        if bytes < WORTH {
            let mut room = Vec::with_capacity(len);
            fill(&mut room.spare_capacity_mut()[..len]);
            return Self { room, start: 0, len };
        }
        let mut room = Vec::<T>::with_capacity(len + 2 * HUGE / size_of::<T>() + 1);
        let address = room.as_ptr() as usize;
        let first = address.next_multiple_of(HUGE);
        let start = (first - address).div_ceil(size_of::<T>());
        advise(first, (first + bytes).next_multiple_of(HUGE).min(address + room.capacity() * size_of::<T>()));
        fill(&mut room.spare_capacity_mut()[start..start + len]);
        Self { room, start, len }
    }

    /// Keeps the first `len` elements.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl<T> Default for Huge<T> {
    fn default() -> Self {
        Self { room: Vec::new(), start: 0, len: 0 }
    }
}

impl<T: Copy> Clone for Huge<T> {
    fn clone(&self) -> Self {
        Self::with(self.len, |slots| {
            slots.iter_mut().zip(self.iter()).for_each(|(slot, &value)| {
                slot.write(value);
            });
        })
    }
}

impl<T> Deref for Huge<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: these elements are in the room, and were written to when it was made.
        unsafe { std::slice::from_raw_parts(self.room.as_ptr().add(self.start), self.len) }
    }
}

impl<T> DerefMut for Huge<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else can reach them.
        unsafe { std::slice::from_raw_parts_mut(self.room.as_mut_ptr().add(self.start), self.len) }
    }
}

/// Room for `len` elements and, where they are many, around them, so that whole huge pages fit in.
pub fn room_on_huge_pages<T>(len: usize) -> Vec<T> {
    let around = if len * size_of::<T>() >= 2 * HUGE { HUGE / size_of::<T>().max(1) } else { 0 };
    let mut out = Vec::with_capacity(len + around);
    huge_pages(&mut out);
    out
}

/// From now on large vectors go back to the system as soon as they are freed. The allocator of glibc keeps larger and larger
/// ones otherwise, in pieces that the next one doesn't fit into.
pub fn give_back_large() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: a setting of the allocator, which may be made at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 4 << 20);
    }
}

/// Asks for huge pages under a large vector, before it is written to: its random reads miss the page tables otherwise.
pub fn huge_pages<T>(vec: &mut Vec<T>) {
    const PAGE: usize = 4096;
    let start = vec.as_mut_ptr() as usize;
    let end = start + vec.capacity() * size_of::<T>();
    if end > start + 2 * HUGE {
        advise(start.next_multiple_of(PAGE), end / PAGE * PAGE);
    }
}

/// Asks for huge pages from one address, where a page starts, to another: both inside one allocation.
fn advise(start: usize, end: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the advice changes no content.
    unsafe {
        libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_there_and_large_slices_start_on_a_page() {
        for len in [0, 1, 1000, WORTH / 24, WORTH / 24 + 1, HUGE / 8] {
            let mut slice = Huge::new((7u64, 8u64, 9u64), len);
            assert!(slice.len() == len && slice.iter().all(|&three| three == (7, 8, 9)));
            assert!(len * 24 < WORTH || slice.as_ptr() as usize % HUGE < 24);
            slice.iter_mut().zip(0..).for_each(|(three, n)| three.0 = n);
            let copy = slice.clone();
            slice.truncate(len / 2);
            assert_eq!(slice[..], copy[..len / 2]);
            assert!(copy.iter().zip(0..).all(|(&three, n)| three == (n, 8, 9)));
        }
    }
}
