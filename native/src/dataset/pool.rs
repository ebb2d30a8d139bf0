//! Arrays that a reader is done with in, arrays for the next batches out: fresh memory would cost more than what is written to it.

use std::sync::{Arc, Mutex};

/// Unused arrays beyond this number are freed.
const MOST: usize = 1024;

/// Clones share their arrays.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<i32>>>>);

impl Pool {
    /// An empty array with room for `len` numbers.
    pub fn take(&self, len: usize) -> Vec<i32> {
        let fits = |array: &Vec<i32>| array.capacity() >= len && array.capacity() / 2 <= len;
        if let Ok(mut idle) = self.0.lock()
            && let Some(at) = idle.iter().rposition(fits)
        {
            let mut array = idle.swap_remove(at);
            array.clear();
            return array;
        }
        Vec::with_capacity(len)
    }

    /// An array of `len` times `value`.
    pub fn filled(&self, len: usize, value: i32) -> Vec<i32> {
        let mut array = self.take(len);
        array.resize(len, value);
        array
    }

    pub fn give(&self, array: Vec<i32>) {
        if let Ok(mut idle) = self.0.lock()
            && idle.len() < MOST
        {
            idle.push(array);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_and_keep_nothing() {
        let pool = Pool::default();
        let mut array = pool.filled(100, 7);
        array[3] = 1;
        let place = array.as_ptr();
        pool.give(array);
        assert_ne!(pool.take(10).capacity(), 100, "far too large");
        let again = pool.filled(90, -100);
        assert_eq!((again.as_ptr(), again), (place, vec![-100; 90]));
    }
}
