//! A key and a counter enter, random words leave: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011), and what the trainer draws from it: dropout masks and first weights.
//! Nothing is kept between calls, so a resumed run draws exactly what the undisturbed one would have drawn.

use rayon::prelude::*;

use crate::optim::{CHUNK, wide};

/// Which stream a counter belongs to. `key` is the run's seed; the rest goes into the counter's upper three words.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub key: u64,
    pub upper: [u32; 3],
}

const M0: u32 = 0xD251_1F53;
const M1: u32 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// Blocks computed side by side, so that the compiler turns the rounds into vector code.
const LANES: usize = 8;

#[inline(always)]
fn philox(mut c: [[u32; LANES]; 4], key: u64) -> [[u32; LANES]; 4] {
    let (mut k0, mut k1) = (key as u32, (key >> 32) as u32);
    for _ in 0..10 {
        let mut next = [[0u32; LANES]; 4];
        for i in 0..LANES {
            let a = u64::from(M0) * u64::from(c[0][i]);
            let b = u64::from(M1) * u64::from(c[2][i]);
            next[0][i] = (b >> 32) as u32 ^ c[1][i] ^ k0;
            next[1][i] = b as u32;
            next[2][i] = (a >> 32) as u32 ^ c[3][i] ^ k1;
            next[3][i] = a as u32;
        }
        c = next;
        k0 = k0.wrapping_add(W0);
        k1 = k1.wrapping_add(W1);
    }
    c
}

/// The words of blocks `first .. first + LANES` of a stream: word `w` of block `b` at `[w][b - first]`.
#[inline(always)]
fn blocks(stream: Stream, first: u32) -> [[u32; LANES]; 4] {
    let [a, b, c] = stream.upper;
    let counter = [std::array::from_fn(|i| first.wrapping_add(i as u32)), [a; LANES], [b; LANES], [c; LANES]];
    philox(counter, stream.key)
}

wide! {
    /// Elements `start ..` of a dropout mask: 0 where the element's word is below `threshold`, else `keep`.
    /// `start` is a multiple of 32: element e takes word `(e % 32) / 8` of block `8 * (e / 32) + e % 8`.
    pub fn mask_chunk(out: &mut [f32], start: usize, stream: Stream, threshold: u32, keep: f32) {
        for (group, values) in out.chunks_mut(4 * LANES).enumerate() {
            let words = blocks(stream, (start / 4 + group * LANES) as u32);
            let mut row = [0.0f32; 4 * LANES];
            for w in 0..4 {
                for i in 0..LANES {
                    row[w * LANES + i] = if words[w][i] < threshold { 0.0 } else { keep };
                }
            }
            values.copy_from_slice(&row[..values.len()]);
        }
    }
}

/// A whole mask, threaded: 0 with probability `p`, else 1 / (1 - p). `p` is at least 0 and below 1.
pub fn dropout_mask(out: &mut [f32], p: f64, stream: Stream) {
    let threshold = (p * 4_294_967_296.0).round().min(4_294_967_295.0) as u32;
    let keep = (1.0 / (1.0 - p)) as f32;
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| mask_chunk(chunk, i * CHUNK, stream, threshold, keep));
}

/// The stream of a dropout mask, keyed by all that names it.
pub fn mask_stream(seed: u64, step: u32, micro: u32, mask: u32) -> Stream {
    Stream { key: seed, upper: [mask, micro, step] }
}

/// The stream that a parameter's first values come from: keyed by its name, so that they don't depend on its neighbours.
/// Bit 31 of the last word keeps it apart from all dropout streams of the first two thousand million steps.
pub fn init_stream(seed: u64, name: &str) -> Stream {
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    Stream { key: seed, upper: [hash as u32, (hash >> 32) as u32, 1 << 31] }
}

/// How a tensor starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    Constant(f32),
    Normal {
        std: f64,
    },
    /// Redrawn outside of two standard deviations, as BERT's initialiser does.
    TruncatedNormal {
        std: f64,
    },
    /// In [-bound, bound).
    Uniform {
        bound: f64,
    },
}

/// Fills a tensor, threaded; the same values for any thread count.
pub fn fill(out: &mut [f32], init: Init, stream: Stream) {
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| {
        let first = (i * CHUNK / 2) as u32;
        for (at, pair) in (first..).zip(chunk.chunks_mut(2)) {
            let values = draw_pair(init, stream, at);
            pair.copy_from_slice(&values[..pair.len()]);
        }
    });
}

fn word_block(stream: Stream, block: u32, retry: u32) -> [u32; 4] {
    let upper = [stream.upper[0], stream.upper[1], stream.upper[2] ^ retry];
    let words = philox([[block; LANES], [upper[0]; LANES], [upper[1]; LANES], [upper[2]; LANES]], stream.key);
    [words[0][0], words[1][0], words[2][0], words[3][0]]
}

/// Two values: the block's words make two uniforms of 64 bits, Box and Muller (1958) turn them into normals.
fn draw_pair(init: Init, stream: Stream, block: u32) -> [f32; 2] {
    let unit =
        |hi: u32, lo: u32| ((u64::from(hi) << 32 | u64::from(lo)) >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0);
    let uniforms = |retry| {
        let w = word_block(stream, block, retry);
        (unit(w[0], w[1]), unit(w[2], w[3]))
    };
    let normals = |retry| {
        let (u, v) = uniforms(retry);
        let radius = (-2.0 * (1.0 - u).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
        [radius * cos, radius * sin]
    };
    match init {
        Init::Constant(value) => [value; 2],
        Init::Uniform { bound } => {
            let (u, v) = uniforms(0);
            [((2.0 * u - 1.0) * bound) as f32, ((2.0 * v - 1.0) * bound) as f32]
        }
        Init::Normal { std } => normals(0).map(|z| (z * std) as f32),
        Init::TruncatedNormal { std } => {
            let mut kept = [0.0f64; 2];
            let mut found = [false; 2];
            // 64 rejections in a row have probability 1e-86; the mean is then a fair value.
            for retry in 0..64 {
                for (i, z) in normals(retry).into_iter().enumerate() {
                    if !found[i] && z.abs() <= 2.0 {
                        (kept[i], found[i]) = (z, true);
                    }
                }
                if found == [true; 2] {
                    break;
                }
            }
            kept.map(|z| (z * std) as f32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123's kat_vectors file for philox4x32-10.
    #[test]
    fn known_answers() {
        let run = |counter: [u32; 4], key: [u32; 2]| {
            let c = counter.map(|w| [w; LANES]);
            philox(c, u64::from(key[1]) << 32 | u64::from(key[0])).map(|w| w[LANES - 1])
        };
        assert_eq!(run([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(run([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            run([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn masks_have_their_rate_and_depend_on_every_part_of_the_key() {
        let make = |seed, step, micro, mask| {
            let mut out = vec![0.0f32; 200_001];
            dropout_mask(&mut out, 0.1, mask_stream(seed, step, micro, mask));
            out
        };
        let base = make(1, 2, 3, 4);
        let zeros = base.iter().filter(|&&x| x == 0.0).count() as f64 / base.len() as f64;
        assert!((zeros - 0.1).abs() < 0.003, "{zeros}");
        assert!(base.iter().all(|&x| x == 0.0 || x == (1.0f64 / 0.9) as f32));
        for other in [make(2, 2, 3, 4), make(1, 3, 3, 4), make(1, 2, 4, 4), make(1, 2, 3, 5)] {
            let same = base.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / base.len() as f64;
            assert!((same - 0.82).abs() < 0.005, "{same}");
        }
        assert_eq!(base, make(1, 2, 3, 4));
    }

    #[test]
    fn a_mask_is_the_same_in_one_piece_and_in_many() {
        let mut whole = vec![0.0f32; 3 * CHUNK + 77];
        let stream = mask_stream(9, 1, 0, 0);
        rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap()
            .install(|| dropout_mask(&mut whole, 0.3, stream));
        let mut plain = vec![0.0f32; whole.len()];
        mask_chunk(&mut plain, 0, stream, (0.3f64 * 4_294_967_296.0).round() as u32, (1.0f64 / 0.7) as f32);
        assert_eq!(whole, plain);
    }

    #[test]
    fn first_weights_have_their_moments() {
        let stats = |init| {
            let mut out = vec![0.0f32; 300_000];
            fill(&mut out, init, init_stream(7, "model.embed_tokens.weight"));
            let n = out.len() as f64;
            let mean = out.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let var = out.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
            let top = out.iter().fold(0.0f32, |a, &x| a.max(x.abs()));
            (mean, var.sqrt(), f64::from(top))
        };
        let (mean, std, top) = stats(Init::Normal { std: 0.02 });
        assert!(mean.abs() < 2e-4 && (std - 0.02).abs() < 2e-4 && top > 0.06, "{mean} {std} {top}");
        // A normal cut at two deviations has 0.8796 of the deviation.
        let (mean, std, top) = stats(Init::TruncatedNormal { std: 0.02 });
        assert!(mean.abs() < 2e-4 && (std - 0.02 * 0.879_6).abs() < 2e-4 && top <= 0.04, "{mean} {std} {top}");
        let (mean, std, top) = stats(Init::Uniform { bound: 0.3 });
        assert!(mean.abs() < 2e-3 && (std - 0.3 / 3f64.sqrt()).abs() < 2e-3 && top <= 0.3, "{mean} {std} {top}");
    }
}
