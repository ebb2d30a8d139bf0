//! Two matrices enter, their product leaves: c = alpha a b (+ c) (+ bias), each of a and b transposed or not, without copies
//! of a. Blocks of b are packed into panels that stay in the second-level cache (Goto and van de Geijn 2008), so that every
//! layout runs at the same rate. Pieces are cut by the sizes alone: the result is the same for any number of threads.

mod pack;
mod tile;

use std::cell::RefCell;

pub use pack::{pack, packed};
pub use tile::{Finish, Matrix, WIDTH};

/// Rows of b that are packed at once, at most: with `PANELS` panels, half a megabyte.
const DEPTH: usize = 512;
/// Panels of a piece, at most.
const PANELS: usize = 8;
/// Pieces that a product is cut into where it is large enough.
const PIECES: usize = 8;
/// Below this many multiplications a piece is not worth handing out.
const WORTH: usize = 1 << 18;
/// Up to this many rows of a, b is read where it lies: packing it would take as long as the product.
const FEW: usize = 8;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends a thread's memory of at least `len` floats, whatever they hold.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with(|own| {
        // A caller inside another one's work gets memory of its own.
        let Ok(mut own) = own.try_borrow_mut() else { return work(&mut vec![0.0; len]) };
        if own.len() < len {
            own.resize(len, 0.0);
        }
        work(&mut own[..len])
    })
}

/// alpha a b with b packed: `rows` of a, `columns` of b from the panel that `panels` points to; panels are `stride` floats apart.
///
/// # Safety
/// `a` has the rows and `depth` columns, the panels `depth` rows, and `finish` (whose `columns` is set here) room for all.
pub unsafe fn multiply(
    (rows, columns, depth): (usize, usize, usize),
    a: Matrix,
    panels: *const f32,
    stride: usize,
    finish: Finish,
) {
    let tiles = tile::tiles();
    for i in (0..rows).step_by(tiles.len()) {
        let tile = tiles[(rows - i).min(tiles.len()) - 1];
        for (number, j) in (0..columns).step_by(WIDTH).enumerate() {
            let finish = Finish { columns: WIDTH.min(columns - j), ..finish.from(i, j) };
            // SAFETY: the caller's, from row i and column j on.
            unsafe { tile(depth, a.from(i, 0), panels.wrapping_add(number * stride), WIDTH, finish) };
        }
    }
}

/// One product: c [rows, columns] = alpha a [rows, depth] b [depth, columns] (+ c) (+ bias [columns]).
#[derive(Clone, Copy)]
pub struct Product {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    pub a: Matrix,
    pub b: Matrix,
    pub finish: Finish,
}

// SAFETY: the pieces of a product write to different parts of c, and only read a and b.
unsafe impl Send for Product {}
// SAFETY: as above.
unsafe impl Sync for Product {}

impl Product {
    /// (columns of a piece, pieces side by side, rows of a piece, pieces one below the other).
    fn cut(&self) -> (usize, usize, usize, usize) {
        let pieces = (self.rows * self.columns * self.depth / WORTH).clamp(1, PIECES);
        let panels = self.columns.div_ceil(WIDTH).max(1);
        let each = panels.div_ceil(pieces).clamp(1, PANELS);
        let across = panels.div_ceil(each);
        let down = pieces.div_ceil(across);
        let rows = self.rows.div_ceil(down).next_multiple_of(8).max(8);
        (each * WIDTH, across, rows, self.rows.div_ceil(rows).max(1))
    }

    /// How many pieces `piece` knows.
    pub fn pieces(&self) -> usize {
        let (_, across, _, down) = self.cut();
        across * down
    }

    /// Computes a piece.
    ///
    /// # Safety
    /// a, b, c and the bias have the sizes that the product says.
    pub unsafe fn piece(&self, index: usize) {
        let (width, across, height, _) = self.cut();
        let (top, left) = (index / across * height, index % across * width);
        let (rows, columns) = (height.min(self.rows - top), width.min(self.columns - left));
        let (a, b) = (self.a.from(top, 0), self.b.from(0, left));
        let finish = self.finish.from(top, left);
        let step = self.depth.div_ceil(self.depth.div_ceil(DEPTH).max(1)).max(1);
        if self.rows <= FEW && b.column == 1 {
            // SAFETY: the caller's.
            return unsafe { few((rows, columns, self.depth), a, b, finish) };
        }
        with_scratch(packed(step, columns), |panels| {
            // A depth of 0 is a product of zeros, which must still be written.
            for first in (0..self.depth.max(1)).step_by(step) {
                let depth = step.min(self.depth - first);
                let part = if first == 0 { finish } else { Finish { add: true, bias: std::ptr::null(), ..finish } };
                // SAFETY: the caller's, from depth `first` on.
                unsafe {
                    pack(b.from(first, 0), depth, columns, panels);
                    multiply((rows, columns, depth), a.from(0, first), panels.as_ptr(), depth * WIDTH, part);
                }
            }
        });
    }
}

/// A product of few rows: b's rows are read where they lie, all but its last columns.
///
/// # Safety
/// As `Product::piece`; b's columns are next to each other.
unsafe fn few((rows, columns, depth): (usize, usize, usize), a: Matrix, b: Matrix, finish: Finish) {
    let tiles = tile::tiles();
    let whole = columns - columns % WIDTH;
    for i in (0..rows).step_by(tiles.len()) {
        let tile = tiles[(rows - i).min(tiles.len()) - 1];
        for j in (0..whole).step_by(WIDTH) {
            let finish = Finish { columns: WIDTH, ..finish.from(i, j) };
            // SAFETY: the caller's, from row i and column j on.
            unsafe { tile(depth, a.from(i, 0), b.from(0, j).data, b.row, finish) };
        }
    }
    if whole < columns {
        let rest = finish.from(0, whole);
        with_scratch(packed(depth, columns - whole), |panels| {
            // SAFETY: the last columns of the same.
            unsafe {
                pack(b.from(0, whole), depth, columns - whole, panels);
                multiply((rows, columns - whole, depth), a, panels.as_ptr(), depth * WIDTH, rest);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn equals_a_loop_in_float64_in_every_layout() {
        let sizes =
            [(1, 1, 1), (1, 100, 600), (3, 70, 5), (8, 33, 9), (9, 31, 1030), (130, 300, 40), (65, 1, 17), (5, 4, 0)];
        for (rows, columns, depth) in sizes {
            for layout in 0..8 {
                let (a, b, bias) = (wave(rows * depth, 1), wave(depth * columns, 2), wave(columns, 3));
                let start = wave(rows * columns, 4);
                let mut c = start.clone();
                let turned =
                    |flag: usize, wide: usize, high: usize| if layout & flag > 0 { (1, high) } else { (wide, 1) };
                let ((ar, ac), (br, bc)) = (turned(1, depth, rows), turned(2, columns, depth));
                let add = layout & 4 > 0;
                let product = Product {
                    rows,
                    columns,
                    depth,
                    a: Matrix::new(a.as_ptr(), ar, ac),
                    b: Matrix::new(b.as_ptr(), br, bc),
                    finish: Finish {
                        c: c.as_mut_ptr(),
                        row: columns,
                        columns,
                        alpha: 0.5,
                        add,
                        bias: if add { bias.as_ptr() } else { std::ptr::null() },
                    },
                };
                for index in 0..product.pieces() {
                    // SAFETY: the sizes are those of the vectors.
                    unsafe { product.piece(index) };
                }
                for (at, y) in c.iter().enumerate() {
                    let (i, j) = (at / columns, at % columns);
                    let terms = (0..depth).map(|p| f64::from(a[i * ar + p * ac]) * f64::from(b[p * br + j * bc]));
                    let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                    let before = if add { f64::from(start[at]) + f64::from(bias[j]) } else { 0.0 };
                    let right = 0.5 * sum + before;
                    assert!(
                        (f64::from(*y) - right).abs() < 2e-6 * (1.0 + size),
                        "{rows} {columns} {depth} {layout}: {y} is not {right}"
                    );
                }
            }
        }
    }
}
