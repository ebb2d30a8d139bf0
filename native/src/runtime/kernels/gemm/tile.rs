//! Rows of one matrix and a panel of another enter, a tile of their product leaves: the inner loops of `gemm`, one a kind of
//! processor. A sum over the depth is added up in the same order by each.

/// Columns of a panel and of a tile.
pub const WIDTH: usize = 32;

/// A matrix in somebody else's memory: where element (0, 0) is, and how many elements lie between rows and columns.
#[derive(Clone, Copy)]
pub struct Matrix {
    pub data: *const f32,
    pub row: usize,
    pub column: usize,
}

impl Matrix {
    pub fn new(data: *const f32, row: usize, column: usize) -> Self {
        Self { data, row, column }
    }
    pub fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
    /// The part that begins at (row, column).
    pub fn from(self, row: usize, column: usize) -> Self {
        Self { data: self.data.wrapping_add(row * self.row + column * self.column), ..self }
    }
}

/// Where a tile goes and what it is added to.
#[derive(Clone, Copy)]
pub struct Finish {
    pub c: *mut f32,
    /// Elements between rows of `c`.
    pub row: usize,
    /// Columns that are wanted, up to `WIDTH`.
    pub columns: usize,
    pub alpha: f32,
    /// Add to what `c` holds.
    pub add: bool,
    /// A row added to each; null for none.
    pub bias: *const f32,
}

impl Finish {
    /// The part that begins at (row, column).
    pub fn from(self, row: usize, column: usize) -> Self {
        let bias = if self.bias.is_null() { self.bias } else { self.bias.wrapping_add(column) };
        Self { c: self.c.wrapping_add(row * self.row + column), bias, ..self }
    }
}

/// (depth, rows of a, panel, elements between the panel's rows, finish).
pub type Tile = unsafe fn(usize, Matrix, *const f32, usize, Finish);

/// The processor's tiles: entry m - 1 computes m rows.
pub fn tiles() -> &'static [Tile] {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return &x86::AVX512;
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return &x86::AVX2;
        }
    }
    &PLAIN
}

const PLAIN: [Tile; 2] = [plain::<1>, plain::<2>];

/// # Safety
/// `a` has ROWS rows and `depth` columns, `b` `depth` rows of WIDTH, and `finish` room for ROWS rows of its columns.
unsafe fn plain<const ROWS: usize>(depth: usize, a: Matrix, b: *const f32, step: usize, finish: Finish) {
    let mut sums = [[0.0f32; WIDTH]; ROWS];
    for p in 0..depth {
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: inside a and b, as the caller says.
            let (x, b) = unsafe { (*a.from(i, p).data, std::slice::from_raw_parts(b.add(p * step), WIDTH)) };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += x * b;
            }
        }
    }
    // SAFETY: the caller's `finish`.
    unsafe { put(&sums, finish) }
}

/// # Safety
/// `finish` has room for the rows.
#[inline(always)]
unsafe fn put(sums: &[[f32; WIDTH]], finish: Finish) {
    let Finish { c, row, columns, alpha, add, bias } = finish;
    for (i, sums) in sums.iter().enumerate() {
        // SAFETY: row i of c has `columns` elements; so has the bias.
        let out = unsafe { std::slice::from_raw_parts_mut(c.add(i * row), columns) };
        for (j, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
            let mut y = alpha * sum;
            if add {
                y += *out;
            }
            if !bias.is_null() {
                // SAFETY: as above.
                y += unsafe { *bias.add(j) };
            }
            *out = y;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Finish, Matrix, Tile, WIDTH, put};

    pub const AVX512: [Tile; 8] =
        [wide::<1>, wide::<2>, wide::<3>, wide::<4>, wide::<5>, wide::<6>, wide::<7>, wide::<8>];
    pub const AVX2: [Tile; 3] = [half::<1>, half::<2>, half::<3>];

    /// Two registers of sixteen a row.
    ///
    /// # Safety
    /// As `plain`, on a processor with AVX-512.
    #[target_feature(enable = "avx512f")]
    unsafe fn wide<const ROWS: usize>(depth: usize, a: Matrix, b: *const f32, step: usize, finish: Finish) {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        let (mut at, mut b) = (a.data, b);
        for _ in 0..depth {
            // SAFETY: inside a and b, as the caller says.
            unsafe {
                let (left, right) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*at.add(i * a.row));
                    sums[0] = _mm512_fmadd_ps(x, left, sums[0]);
                    sums[1] = _mm512_fmadd_ps(x, right, sums[1]);
                }
            }
            (at, b) = (at.wrapping_add(a.column), b.wrapping_add(step));
        }
        let Finish { c, row, columns, alpha, add, bias } = finish;
        let alpha = _mm512_set1_ps(alpha);
        let keep = if columns < WIDTH { (1u32 << columns) - 1 } else { !0 };
        for (half, keep) in [keep as u16, (keep >> 16) as u16].into_iter().enumerate() {
            for (i, sums) in sums.iter().enumerate() {
                let mut y = _mm512_mul_ps(alpha, sums[half]);
                // SAFETY: only elements under `keep` are touched, and those the caller has.
                unsafe {
                    let out = c.wrapping_add(i * row + 16 * half);
                    if add {
                        y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(keep, out));
                    }
                    if !bias.is_null() {
                        y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(keep, bias.wrapping_add(16 * half)));
                    }
                    _mm512_mask_storeu_ps(out, keep, y);
                }
            }
        }
    }

    /// Four registers of eight a row.
    ///
    /// # Safety
    /// As `plain`, on a processor with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn half<const ROWS: usize>(depth: usize, a: Matrix, b: *const f32, step: usize, finish: Finish) {
        let mut sums = [[_mm256_setzero_ps(); 4]; ROWS];
        let (mut at, mut b) = (a.data, b);
        for _ in 0..depth {
            // SAFETY: inside a and b, as the caller says.
            unsafe {
                let xs: [__m256; ROWS] = std::array::from_fn(|i| _mm256_set1_ps(*at.add(i * a.row)));
                for quarter in 0..4 {
                    let b = _mm256_loadu_ps(b.add(8 * quarter));
                    for (sums, x) in sums.iter_mut().zip(xs) {
                        sums[quarter] = _mm256_fmadd_ps(x, b, sums[quarter]);
                    }
                }
            }
            (at, b) = (at.wrapping_add(a.column), b.wrapping_add(step));
        }
        let mut rows = [[0.0f32; WIDTH]; ROWS];
        for (row, sums) in rows.iter_mut().zip(&sums) {
            for (part, sum) in row.chunks_exact_mut(8).zip(sums) {
                // SAFETY: eight floats.
                unsafe { _mm256_storeu_ps(part.as_mut_ptr(), *sum) };
            }
        }
        // SAFETY: the caller's `finish`.
        unsafe { put(&rows, finish) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_tile_adds_up() {
        let mut kinds: Vec<&[Tile]> = vec![&PLAIN, tiles()];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            kinds.push(&x86::AVX2);
        }
        let depth = 5;
        let a: Vec<f32> = (0..8 * depth).map(|i| (i % 7) as f32 - 3.0).collect();
        let b: Vec<f32> = (0..depth * WIDTH).map(|i| (i % 5) as f32 - 2.0).collect();
        let bias: Vec<f32> = (0..WIDTH).map(|i| i as f32).collect();
        for (tile, rows) in kinds.iter().flat_map(|tiles| tiles.iter().zip(1..)) {
            for columns in [1, 16, 17, 31, 32] {
                let mut c = vec![1.0f32; rows * WIDTH];
                let finish =
                    Finish { c: c.as_mut_ptr(), row: WIDTH, columns, alpha: 0.5, add: true, bias: bias.as_ptr() };
                // SAFETY: all have the sizes that the tile reads and writes.
                unsafe { tile(depth, Matrix::new(a.as_ptr(), depth, 1), b.as_ptr(), WIDTH, finish) };
                for (i, row) in c.chunks(WIDTH).enumerate() {
                    for (j, &y) in row.iter().enumerate() {
                        let sum: f32 = (0..depth).map(|p| a[i * depth + p] * b[p * WIDTH + j]).sum();
                        assert_eq!(y, if j < columns { 0.5 * sum + 1.0 + j as f32 } else { 1.0 });
                    }
                }
            }
        }
    }
}
