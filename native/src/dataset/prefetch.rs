//! Batches made one after the other in, the same batches out, made ahead on a thread of their own.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};

use super::loader::{Batch, Loader, Options};
use super::pool::Pool;
use crate::error::{Error, Result};

/// A batch, None at the end.
type Message = Result<Option<Batch>>;

/// A loader that is a few batches ahead.
pub struct Prefetch {
    /// None once all is said, or closed.
    messages: Mutex<Option<Receiver<Message>>>,
    pub rows: u64,
    /// Takes back the arrays of batches that nobody reads any more.
    pub pool: Pool,
}

impl Prefetch {
    pub fn start(options: Options) -> Result<Arc<Self>> {
        let ahead = options.prefetch;
        let mut loader = Loader::new(options)?;
        let (rows, pool) = (loader.rows(), loader.pool());
        let messages = Mutex::new(Some(run(ahead, move || loader.next_batch())?));
        Ok(Arc::new(Self { messages, rows, pool }))
    }

    /// Waits for the next batch; None at the end.
    pub fn next(&self) -> Result<Option<Batch>> {
        let mut messages = self.messages.lock().map_err(|_| died())?;
        let Some(open) = messages.as_ref() else { return Ok(None) };
        let message = open.recv().unwrap_or_else(|_| Err(died()));
        if !matches!(message, Ok(Some(_))) {
            *messages = None;
        }
        message
    }

    /// The next batch if it is ready; None may also be the end.
    pub fn ready(&self) -> Result<Option<Batch>> {
        let Ok(mut messages) = self.messages.try_lock() else { return Ok(None) };
        let Some(open) = messages.as_ref() else { return Ok(None) };
        let message = match open.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Empty) => return Ok(None),
            Err(TryRecvError::Disconnected) => Err(died()),
        };
        if !matches!(message, Ok(Some(_))) {
            *messages = None;
        }
        message
    }

    /// Ends the thread; there are no batches any more.
    pub fn close(&self) {
        if let Ok(mut messages) = self.messages.try_lock() {
            *messages = None;
        }
    }
}

fn died() -> Error {
    Error::internal("the thread that reads ahead died")
}

/// Calls `next` on a thread until the end, an error, or until nobody listens.
fn run(ahead: usize, mut next: impl FnMut() -> Message + Send + 'static) -> Result<Receiver<Message>> {
    let (sender, receiver) = sync_channel(ahead.max(1));
    let work = move || {
        loop {
            let message = next();
            let more = matches!(message, Ok(Some(_)));
            if sender.send(message).is_err() || !more {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("millrace-batches".into()).spawn(work);
    thread.map_err(|error| Error::environment(format!("a thread can't be started: {error}")))?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn over(next: impl FnMut() -> Message + Send + 'static) -> Prefetch {
        Prefetch { messages: Mutex::new(Some(run(2, next).unwrap())), rows: 0, pool: Pool::default() }
    }

    /// Whoever reads must not take a thread that died, or an error, for the end of the data.
    #[test]
    fn the_end_an_error_and_a_death_are_told_apart() {
        let batch = || Batch { rows: 1, columns: Vec::new(), taken: Vec::new(), epoch: 0 };
        let after = |last: fn() -> Message| {
            let mut left = 3;
            over(move || {
                left -= 1;
                if left > 0 { Ok(Some(batch())) } else { last() }
            })
        };
        for wait in [true, false] {
            let drain = |reader: &Prefetch| -> (usize, Result<Option<Batch>>) {
                let mut found = 0;
                loop {
                    let message = if wait { reader.next() } else { reader.ready() };
                    match message {
                        Ok(Some(_)) => found += 1,
                        Ok(None) if !wait && reader.messages.lock().unwrap().is_some() => std::thread::yield_now(),
                        other => return (found, other),
                    }
                }
            };
            let (found, end) = drain(&after(|| Ok(None)));
            assert_eq!((found, end.unwrap()), (2, None));
            let (found, error) = drain(&after(|| Err(Error::corrupt("a shard"))));
            assert_eq!((found, error.unwrap_err().kind), (2, Kind::Corrupt));
            let reader = after(|| panic!("as wanted"));
            let (found, error) = drain(&reader);
            assert_eq!((found, error.unwrap_err().kind), (2, Kind::Internal));
            assert_eq!(reader.next().unwrap(), None);
        }
    }
}
