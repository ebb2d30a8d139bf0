//! Rows of gradient and the ids that they belong to enter, a range of their table's gradient leaves.

use crate::optim::wide;

wide! {
    /// Adds each row of `dy` to the row of its id, for ids in first .. first + rows of `table`, in order; `skip` adds nothing.
    pub fn add_rows(table: &mut [f32], first: usize, ids: &[i32], dy: &[f32], width: usize, skip: i64) {
        let end = first + table.len() / width;
        for (&id, dy) in ids.iter().zip(dy.chunks_exact(width)) {
            let at = id as usize;
            if id < 0 || at < first || at >= end || i64::from(id) == skip {
                continue;
            }
            for (t, d) in table[(at - first) * width..(at - first + 1) * width].iter_mut().zip(dy) {
                *t += d;
            }
        }
    }
}
