//! Numbers enter, numbers leave: exp and erf in float32 without branches or calls, so that loops over them become vector code,
//! and sums in sixteen lanes.

/// Lanes of a sum: one AVX-512 register, two of AVX2.
pub const LANES: usize = 16;

/// Below, e^x is no normal float32 and counts as 0.
const LEAST: f32 = -87.336_54;

/// e^x within 2 units in the last place: x = n ln 2 + r, and a polynomial in r (Cephes' expf). NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let inside = x.clamp(LEAST, 88.0);
    let shifted = inside * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = inside - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
        p = p * r + c;
    }
    let power = (shifted.to_bits().wrapping_sub(ROUND.to_bits())).wrapping_add(127) << 23;
    let y = (p * r * r + r + 1.0) * f32::from_bits(power);
    if x < LEAST { 0.0 } else { y }
}

/// erf(x) within 5e-7: a ratio of polynomials on [-4, 4], beyond which it is 1 in float32.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut top = -2.726_142_3e-10;
    for c in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2] {
        top = top * s + c;
    }
    let mut bottom = -1.456_607_2e-5;
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_474_6e-2] {
        bottom = bottom * s + c;
    }
    x * top / bottom
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The sum of f(i) for i below `len`, in lanes and always in the same order.
#[inline(always)]
pub fn sum(len: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = len - len % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += f(start + lane);
        }
    }
    let rest: f32 = (whole..len).map(&f).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_erf_are_those_of_libm() {
        for i in -90_000..88_000 {
            let x = i as f32 / 1000.0;
            let right = f64::from(x).exp();
            let error = (f64::from(exp(x)) - right).abs();
            assert!(error <= 3e-7 * right + 2e-38, "exp({x}) = {}, not {right}", exp(x));
            let y = x / 10.0;
            let right = libm::erf(f64::from(y));
            assert!((f64::from(erf(y)) - right).abs() < 5e-7, "erf({y}) = {}, not {right}", erf(y));
        }
        assert_eq!(exp(-1e9), 0.0);
        assert!(exp(f32::NAN).is_nan() && erf(f32::NAN).is_nan());
    }

    #[test]
    fn a_sum_takes_every_element() {
        for len in [0, 1, 15, 16, 17, 100] {
            assert_eq!(sum(len, |i| i as f32), (0..len).sum::<usize>() as f32);
        }
    }
}
