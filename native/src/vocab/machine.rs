//! What the hot loops ask of the machine: parts of the work on threads, cache lines ahead of time, huge pages.

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
const WORTH: usize = 4 << 20;

/// A vector of `len` equal elements, on huge pages where it is large.
pub fn on_huge_pages<T: Copy>(value: T, len: usize) -> Vec<T> {
    let mut out = room_on_huge_pages(len);
    out.resize(len, value);
    out
}

/// A copy, on huge pages where it is large.
pub fn copy_on_huge_pages<T: Copy>(from: &[T]) -> Vec<T> {
    let mut out = room_on_huge_pages(from.len());
    out.extend_from_slice(from);
    out
}

/// Room for `len` elements and, where they are many, around them, so that whole huge pages fit in.
pub fn room_on_huge_pages<T>(len: usize) -> Vec<T> {
    const HUGE: usize = 2 << 20;
    let bytes = len * size_of::<T>();
    let around = if bytes >= WORTH { HUGE / size_of::<T>().max(1) } else { 0 };
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
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let start = vec.as_mut_ptr() as usize;
        let end = start + vec.capacity() * size_of::<T>();
        let (start, end) = (start.next_multiple_of(PAGE), end / PAGE * PAGE);
        if end > start + WORTH {
            // SAFETY: the range lies inside the vector's own allocation, and the advice changes no content.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = vec;
}
