//! Queries, keys and values of one head enter, what each query reads leaves; and with the gradient of that, theirs. The
//! weights exist for a block of queries at a time and are made again in the backward pass (Dao et al. 2022, algorithms 1 and
//! 4); keys that no query of a block may see are left out.

use super::gemm::{Finish, Matrix, WIDTH, multiply, pack, packed, with_scratch};
use super::softmax::{dot, scores_grad, softmax_again, softmax_row, times};

/// Queries of a block.
const BLOCK: usize = 64;
/// What a mask adds to a score that must not count; e^-1e9 is 0.
const HIDDEN: f32 = -1e9;

/// What the heads of one piece of work share.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub queries: usize,
    pub keys: usize,
    /// Of a head.
    pub width: usize,
    /// On the scores.
    pub scale: f32,
}

/// One head's tensors: [queries or keys, width].
#[derive(Clone, Copy)]
pub struct Head<'a> {
    pub q: Matrix,
    pub k: Matrix,
    pub v: Matrix,
    /// Added to the scores: nothing, one row for all queries, or a row each.
    pub mask: &'a [f32],
    /// Factors on the weights: nothing, or [queries, keys].
    pub dropout: &'a [f32],
}

impl<'a> Head<'a> {
    fn mask_row(&self, keys: usize, query: usize) -> &'a [f32] {
        if self.mask.len() > keys { &self.mask[query * keys..(query + 1) * keys] } else { self.mask }
    }

    /// The keys first .. end that a block of queries needs; all where some query of it sees none.
    fn seen(&self, keys: usize, from: usize, count: usize) -> (usize, usize) {
        if self.mask.is_empty() {
            return (0, keys);
        }
        let visible = |&m: &f32| m > 0.5 * HIDDEN;
        let (mut first, mut end) = (keys, 0);
        let rows = if self.mask.len() > keys { count } else { 1 };
        for query in from..from + rows {
            let row = self.mask_row(keys, query);
            let (Some(low), Some(high)) = (row.iter().position(visible), row.iter().rposition(visible)) else {
                return (0, keys);
            };
            first = first.min(low);
            end = end.max(high + 1);
        }
        (first / WIDTH * WIDTH, end)
    }

    /// Scores of a block of queries against keys first .. first + seen, into rows of `out`.
    ///
    /// # Safety
    /// The head's tensors have their sizes; `turned` holds its keys' panels, `out` count rows of seen.
    unsafe fn scores(&self, sizes: Sizes, at: Block, turned: &[f32], out: &mut [f32]) {
        let finish = plain(out.as_mut_ptr(), at.seen, sizes.scale);
        let shape = (at.count, at.seen, sizes.width);
        // SAFETY: the caller's.
        unsafe {
            multiply(
                shape,
                self.q.from(at.query, 0),
                &raw const turned[at.first * sizes.width],
                sizes.width * WIDTH,
                finish,
            )
        };
    }
}

/// Queries query .. query + count and keys first .. first + seen.
#[derive(Clone, Copy)]
struct Block {
    query: usize,
    count: usize,
    first: usize,
    seen: usize,
}

fn blocks<'a>(head: &'a Head<'a>, sizes: Sizes) -> impl Iterator<Item = Block> + 'a {
    (0..sizes.queries).step_by(BLOCK).map(move |query| {
        let count = BLOCK.min(sizes.queries - query);
        let (first, end) = head.seen(sizes.keys, query, count);
        Block { query, count, first, seen: end - first }
    })
}

fn plain(c: *mut f32, row: usize, alpha: f32) -> Finish {
    Finish { c, row, columns: 0, alpha, add: false, bias: std::ptr::null() }
}

/// Writes what the head's queries read to `out`, and the two numbers that make each query's weights again.
///
/// # Safety
/// The head's tensors have the sizes, and `out` (elements between its rows) a row for each query.
pub unsafe fn forward(sizes: Sizes, head: &Head, (out, out_row): (*mut f32, usize), sums: &mut [[f32; 2]]) {
    let Sizes { keys, width, .. } = sizes;
    let (turned, values) = (packed(width, keys), packed(keys, width));
    with_scratch(turned + values + BLOCK * keys, |all| {
        let (turned, rest) = all.split_at_mut(turned);
        let (values, weights) = rest.split_at_mut(values);
        // SAFETY: the caller's sizes.
        unsafe {
            pack(head.k.transposed(), width, keys, turned);
            pack(head.v, keys, width, values);
        }
        for at in blocks(head, sizes) {
            let Block { query, count, first, seen } = at;
            // SAFETY: the keys were packed just now.
            unsafe { head.scores(sizes, at, turned, weights) };
            for (i, row) in weights[..count * seen].chunks_exact_mut(seen).enumerate() {
                let mask = head.mask_row(keys, query + i);
                sums[query + i] = softmax_row(row, mask.get(first..first + seen).unwrap_or(&[]));
                times(row, drop_row(head, keys, query + i, at));
            }
            let read = Matrix::new(weights.as_ptr(), seen, 1);
            let finish = plain(out.wrapping_add(query * out_row), out_row, 1.0);
            // SAFETY: the values were packed with all keys; from row `first` of each panel there are `seen`.
            unsafe { multiply((count, width, seen), read, &raw const values[first * WIDTH], keys * WIDTH, finish) };
        }
    });
}

fn drop_row<'a>(head: &Head<'a>, keys: usize, query: usize, at: Block) -> &'a [f32] {
    let start = query * keys + at.first;
    head.dropout.get(start..start + at.seen).unwrap_or(&[])
}

/// Where a head's gradients go; all of them [queries or keys, width].
#[derive(Clone, Copy)]
pub struct Grads {
    pub q: *mut f32,
    pub k: *mut f32,
    pub v: *mut f32,
    pub q_row: usize,
    /// Of k and v.
    pub row: usize,
    /// Whether k and v hold the gradients of heads before that share them.
    pub add: bool,
}

/// `d` [queries, width] is the gradient of what `forward` wrote, and `sums` are its sums. What a row of scores' gradients must add
/// up to 0 with is summed from the row itself, not from the output as in the paper: a query that sees one key has exactly none.
///
/// # Safety
/// All tensors have the sizes that they should.
pub unsafe fn backward(sizes: Sizes, head: &Head, d: Matrix, sums: &[[f32; 2]], grads: Grads) {
    let Sizes { keys, width, scale, .. } = sizes;
    let (turned, plain_keys, block) = (packed(width, keys), packed(keys, width), packed(BLOCK, width));
    with_scratch(2 * turned + plain_keys + 2 * block + 2 * BLOCK * keys, |all| {
        let (turned_k, rest) = all.split_at_mut(turned);
        let (turned_v, rest) = rest.split_at_mut(turned);
        let (packed_k, rest) = rest.split_at_mut(plain_keys);
        let (packed_q, rest) = rest.split_at_mut(block);
        let (packed_d, rest) = rest.split_at_mut(block);
        let (weights, changes) = rest.split_at_mut(BLOCK * keys);
        // SAFETY: the caller's sizes.
        unsafe {
            pack(head.k.transposed(), width, keys, turned_k);
            pack(head.v.transposed(), width, keys, turned_v);
            pack(head.k, keys, width, packed_k);
        }
        if !grads.add {
            for key in 0..keys {
                // SAFETY: row `key` of each.
                unsafe {
                    std::slice::from_raw_parts_mut(grads.k.add(key * grads.row), width).fill(0.0);
                    std::slice::from_raw_parts_mut(grads.v.add(key * grads.row), width).fill(0.0);
                }
            }
        }
        for at in blocks(head, sizes) {
            let Block { query, count, first, seen } = at;
            let panel = first * width;
            // SAFETY: packed above; the block's rows of d.
            unsafe {
                head.scores(sizes, at, turned_k, weights);
                let finish = plain(changes.as_mut_ptr(), seen, 1.0);
                multiply((count, seen, width), d.from(query, 0), &raw const turned_v[panel], width * WIDTH, finish);
            }
            let rows = weights[..count * seen].chunks_exact_mut(seen).zip(changes.chunks_exact_mut(seen));
            for (i, (p, change)) in rows.enumerate() {
                let at_query = query + i;
                let mask = head.mask_row(keys, at_query);
                let kept = drop_row(head, keys, at_query, at);
                let [most, scale] = sums[at_query];
                softmax_again(p, mask.get(first..first + seen).unwrap_or(&[]), most, scale);
                times(change, kept);
                scores_grad(p, change, dot(p, change));
                times(p, kept);
            }
            let kept = Matrix::new(weights.as_ptr(), seen, 1);
            let change = Matrix::new(changes.as_ptr(), seen, 1);
            let into =
                |c: *mut f32, alpha| Finish { add: true, ..plain(c.wrapping_add(first * grads.row), grads.row, alpha) };
            // SAFETY: as above; keys first .. first + seen are inside k and v.
            unsafe {
                pack(head.q.from(query, 0), count, width, packed_q);
                pack(d.from(query, 0), count, width, packed_d);
                let finish = plain(grads.q.wrapping_add(query * grads.q_row), grads.q_row, scale);
                multiply((count, width, seen), change, &raw const packed_k[first * WIDTH], keys * WIDTH, finish);
                let by = count * WIDTH;
                multiply((seen, width, count), change.transposed(), packed_q.as_ptr(), by, into(grads.k, scale));
                multiply((seen, width, count), kept.transposed(), packed_d.as_ptr(), by, into(grads.v, 1.0));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 17 + i / 7) % 103) as f32 / 51.0 - 1.0).collect()
    }

    /// sum(out * g) for the attention of one head, in float64.
    fn loss(sizes: Sizes, [q, k, v]: [&[f64]; 3], mask: &[f32], dropout: &[f32], g: &[f32]) -> f64 {
        let Sizes { queries, keys, width, scale } = sizes;
        let mut total = 0.0;
        for i in 0..queries {
            let mask = if mask.len() > keys { &mask[i * keys..] } else { mask };
            let powers: Vec<f64> = (0..keys)
                .map(|j| {
                    let dot: f64 = (0..width).map(|c| q[i * width + c] * k[j * width + c]).sum();
                    (f64::from(scale) * dot + f64::from(mask.get(j).copied().unwrap_or(0.0))).exp()
                })
                .collect();
            let sum: f64 = powers.iter().sum();
            for (j, power) in powers.iter().enumerate() {
                let weight = power / sum * f64::from(dropout.get(i * keys + j).copied().unwrap_or(1.0));
                let read: f64 = (0..width).map(|c| v[j * width + c] * f64::from(g[i * width + c])).sum();
                total += weight * read;
            }
        }
        total
    }

    #[test]
    fn equals_the_formula_and_its_differences() {
        for (queries, keys, width, causal, drop) in
            [(5, 5, 3, true, true), (150, 150, 8, true, false), (70, 33, 36, false, true)]
        {
            let sizes = Sizes { queries, keys, width, scale: 0.7 };
            // Two documents: what the second one's queries see begins later.
            let cut = keys / 2;
            let hidden = |i: usize, j: usize| j > i || (i >= cut && j < cut);
            let mask: Vec<f32> = (0..queries * keys)
                .map(|at| if causal && hidden(at / keys, at % keys) { HIDDEN } else { 0.0 })
                .collect();
            let mask = if causal { mask } else { Vec::new() };
            let dropout: Vec<f32> =
                (0..if drop { queries * keys } else { 0 }).map(|i| [0.0, 1.5, 1.5][i % 3]).collect();
            let (q, k, v) = (wave(queries * width, 1), wave(keys * width, 2), wave(keys * width, 3));
            let g = wave(queries * width, 4);
            let matrix = |x: &[f32]| Matrix::new(x.as_ptr(), width, 1);
            let head = Head { q: matrix(&q), k: matrix(&k), v: matrix(&v), mask: &mask, dropout: &dropout };
            let (mut out, mut sums) = (vec![0.0; queries * width], vec![[0.0; 2]; queries]);
            let (mut dq, mut dk, mut dv) = (out.clone(), vec![9.0; keys * width], vec![9.0; keys * width]);
            let grads = Grads {
                q: dq.as_mut_ptr(),
                k: dk.as_mut_ptr(),
                v: dv.as_mut_ptr(),
                q_row: width,
                row: width,
                add: false,
            };
            // SAFETY: all have the sizes.
            unsafe {
                forward(sizes, &head, (out.as_mut_ptr(), width), &mut sums);
                backward(sizes, &head, matrix(&g), &sums, grads);
            }
            let exact = [&q, &k, &v].map(|x| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
            let whole = |x: &[Vec<f64>; 3]| loss(sizes, [&x[0], &x[1], &x[2]], &mask, &dropout, &g);
            let found: f64 = out.iter().zip(&g).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((found - whole(&exact)).abs() < 1e-3, "{found} {}", whole(&exact));
            for (which, grad) in [&dq, &dk, &dv].into_iter().enumerate() {
                for at in (0..grad.len()).step_by(grad.len() / 9) {
                    let moved = |step: f64| {
                        let mut x = exact.clone();
                        x[which][at] += step;
                        whole(&x)
                    };
                    let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                    assert!((slope - f64::from(grad[at])).abs() < 1e-4, "{which} {at}: {} is not {slope}", grad[at]);
                }
            }
        }
    }
}
