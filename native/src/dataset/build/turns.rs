//! Lets few threads at a time do what takes the most memory: assembling partitions.

use std::sync::{Condvar, Mutex};

use super::lock;
use crate::error::{Error, Result};

pub struct Turns {
    free: Mutex<usize>,
    given_back: Condvar,
}

/// Ends when it is dropped.
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// One in four of these threads.
    pub fn new(threads: usize) -> Self {
        Self { free: Mutex::new(threads.div_ceil(4).max(1)), given_back: Condvar::new() }
    }

    pub fn wait(&self) -> Result<Turn<'_>> {
        let free = self.given_back.wait_while(lock(&self.free)?, |free| *free == 0);
        *free.map_err(|_| Error::internal("a build thread died"))? -= 1;
        Ok(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Ok(mut free) = self.0.free.lock() {
            *free += 1;
        }
        self.0.given_back.notify_one();
    }
}
