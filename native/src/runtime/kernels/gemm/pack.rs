//! A matrix enters, panels of it leave: WIDTH columns after WIDTH columns, each panel row by row without gaps, so that the
//! inner loops read one stream. Columns that are missing in the last panel are zero.

use super::tile::{Matrix, WIDTH};

/// Floats that the panels of a matrix take.
pub fn packed(depth: usize, columns: usize) -> usize {
    columns.div_ceil(WIDTH) * WIDTH * depth
}

/// # Safety
/// `b` has `depth` rows and `columns` columns.
pub unsafe fn pack(b: Matrix, depth: usize, columns: usize, panels: &mut [f32]) {
    if depth == 0 {
        return;
    }
    for (number, panel) in panels[..packed(depth, columns)].chunks_exact_mut(WIDTH * depth).enumerate() {
        let first = number * WIDTH;
        let width = WIDTH.min(columns - first);
        if width < WIDTH {
            panel.fill(0.0);
        }
        let b = b.from(0, first);
        // SAFETY: the caller's b; the panel has depth rows of WIDTH.
        unsafe {
            if b.column == 1 {
                rows(b, width, panel);
            } else {
                columns_of(b, depth, width, panel);
            }
        }
    }
}

/// # Safety
/// `b` has as many rows as the panel and `width` columns, next to each other.
unsafe fn rows(b: Matrix, width: usize, panel: &mut [f32]) {
    for (p, row) in panel.chunks_exact_mut(WIDTH).enumerate() {
        // SAFETY: row p of b.
        row[..width].copy_from_slice(unsafe { std::slice::from_raw_parts(b.from(p, 0).data, width) });
    }
}

/// # Safety
/// `b` has `depth` rows and `width` columns.
unsafe fn columns_of(b: Matrix, depth: usize, width: usize, panel: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    let eights = b.row == 1 && std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let eights = false;
    for first in (0..width).step_by(8) {
        let wide = 8.min(width - first);
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if eights && wide == 8 {
            while done + 8 <= depth {
                // SAFETY: eight columns of eight elements from here, and eight rows of the panel.
                unsafe { turn(b.from(done, first), panel.as_mut_ptr().add(done * WIDTH + first)) };
                done += 8;
            }
        }
        let _ = eights;
        for p in done..depth {
            for j in first..first + wide {
                // SAFETY: element (p, j) of b.
                panel[p * WIDTH + j] = unsafe { *b.from(p, j).data };
            }
        }
    }
}

/// Eight columns of eight elements, each column without gaps, become eight rows.
///
/// # Safety
/// They are there, `out` has seven rows of WIDTH and eight more floats, and the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn turn(b: Matrix, out: *mut f32) {
    use std::arch::x86_64::*;
    // SAFETY: the caller's.
    let c: [__m256; 8] = std::array::from_fn(|j| unsafe { _mm256_loadu_ps(b.from(0, j).data) });
    let pairs: [(__m256, __m256); 4] = std::array::from_fn(|i| {
        (_mm256_unpacklo_ps(c[2 * i], c[2 * i + 1]), _mm256_unpackhi_ps(c[2 * i], c[2 * i + 1]))
    });
    let fours = |(low, high): (__m256, __m256), (low2, high2): (__m256, __m256)| {
        [
            _mm256_shuffle_ps::<0x44>(low, low2),
            _mm256_shuffle_ps::<0xee>(low, low2),
            _mm256_shuffle_ps::<0x44>(high, high2),
            _mm256_shuffle_ps::<0xee>(high, high2),
        ]
    };
    let (left, right) = (fours(pairs[0], pairs[1]), fours(pairs[2], pairs[3]));
    for (i, (l, r)) in left.into_iter().zip(right).enumerate() {
        // SAFETY: rows i and i + 4 of out.
        unsafe {
            _mm256_storeu_ps(out.add(i * WIDTH), _mm256_permute2f128_ps::<0x20>(l, r));
            _mm256_storeu_ps(out.add((i + 4) * WIDTH), _mm256_permute2f128_ps::<0x31>(l, r));
        }
    }
}
