//! Bytes to a 64-bit hash by folded multiplication: two 64-bit words at a time, the 128-bit product folded by xor.

const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xd1b5_4a32_d192_ed03;
/// What keys are hashed under.
pub const SEEDS: (u64, u64) = (A, B);

#[inline(always)]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The hash of two words.
#[inline(always)]
pub fn mix(lo: u64, hi: u64) -> u64 {
    fold(lo ^ A, hi ^ B)
}

fn word(bytes: &[u8]) -> u64 {
    let mut out = [0; 8];
    out[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(out)
}

/// The hash of any bytes.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut state = bytes.len() as u64 ^ A;
    let (pairs, rest) = bytes.as_chunks::<16>();
    for pair in pairs {
        let both = u128::from_le_bytes(*pair);
        state = fold(both as u64 ^ state, (both >> 64) as u64 ^ B);
    }
    let (lo, hi) = if rest.len() > 8 { (word(&rest[..8]), word(&rest[8..])) } else { (word(rest), 0) };
    fold(lo ^ state, hi ^ B)
}
