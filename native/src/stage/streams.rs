//! A pipe in, the streams that come through it one after the other out.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::stream::Reader;
use crate::error::{Error, Result};

/// What is read of a pipe; a stream that has been read to its end leaves it at the start of the next.
#[derive(Clone)]
pub struct Pipe(Arc<Mutex<BufReader<Box<dyn Read + Send>>>>);

impl Pipe {
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self(Arc::new(Mutex::new(BufReader::with_capacity(1 << 18, input))))
    }

    /// The next stream, which must be one of the plan with this hash. An empty pipe is `Corrupt`, as a stream that was cut off.
    pub fn stream(&self, plan: &str) -> Result<Reader<Self>> {
        Reader::new(self.clone(), plan)
    }

    /// Has the other side closed the pipe? Waits until it closes it or writes.
    pub fn is_closed(&self) -> Result<bool> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.fill_buf().map(<[u8]>::is_empty).map_err(|error| Error::io("stdin", error))
    }
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(out)
    }
}
