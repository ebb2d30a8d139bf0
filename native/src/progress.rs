//! Progress and cancellation shared between a long piece of work and whoever watches it: three atomics, no callback.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

#[derive(Debug, Default)]
struct Shared {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
}

/// A handle on one piece of work. Clones share state. The unit (bytes, rows, merges) is the worker's to document.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Shared>);

impl Progress {
    pub fn new() -> Self {
        Self::default()
    }
    /// Starts a new phase: `done` returns to zero.
    pub fn start(&self, total: u64) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
    }
    pub fn add(&self, n: u64) {
        self.0.done.fetch_add(n, Ordering::Relaxed);
    }
    pub fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }
    pub fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }
    /// An error of kind `Cancelled` once somebody has asked to stop. Call it every few milliseconds of work.
    pub fn check(&self) -> Result<()> {
        if self.0.cancelled.load(Ordering::Relaxed) { Err(Error::cancelled()) } else { Ok(()) }
    }
}
