//! Sketches: 512 bits that tell how far apart two vectors may be.
//!
//! A vector is turned by a fixed random rotation, and of each coordinate only the sign is kept. Two
//! vectors at an angle of θ then differ in each bit with probability θ/π, whatever the embedding
//! model and however the vectors are spread. So two of 512 bits are compared in a few cycles,
//! where the vectors take a hundred, and the number of differing bits is known to be below a limit
//! for (nearly) all vectors that are similar enough. What passes is compared exactly.

use super::simd;

const WORDS: usize = 8;
const BITS: usize = WORDS * 64;
/// Rounds of sign changes and transform; three mix as a random rotation does.
const ROUNDS: u64 = 3;
/// How many standard deviations of the number of differing bits a limit leaves: a vector exactly at
/// the floor is overlooked three times in a million, one above it less often.
const DEVIATIONS: f32 = 4.5;

/// The signs of a rotated vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sketch([u64; WORDS]);

impl Sketch {
    /// Bytes that it takes.
    pub(super) const BYTES: usize = WORDS * 8;

    /// Of a vector of any length. Some 3 µs for 384 dimensions.
    pub(super) fn of(vector: &[f32]) -> Self {
        let mut values = vec![0.0; vector.len().next_power_of_two().max(BITS)];
        for (value, from) in values.iter_mut().zip(vector) {
            *value = *from;
        }
        for round in 0..ROUNDS {
            flip_signs(&mut values, round);
            simd::hadamard(&mut values);
        }
        let mut words = [0; WORDS];
        for (word, values) in words.iter_mut().zip(values.chunks_exact(64)) {
            for (bit, value) in values.iter().enumerate() {
                *word |= u64::from(*value > 0.0) << bit;
            }
        }
        Sketch(words)
    }

    /// In how many bits two differ.
    #[inline(always)]
    pub(super) fn differs(&self, other: &Sketch) -> u32 {
        self.0.iter().zip(&other.0).map(|(left, right)| (left ^ right).count_ones()).sum()
    }

    /// In how many bits vectors of this cosine differ at most.
    pub(super) fn limit(cosine: f32) -> u32 {
        let bits = BITS as f32;
        let share = cosine.clamp(-1.0, 1.0).acos() / std::f32::consts::PI;
        (bits * share + DEVIATIONS * (bits * share * (1.0 - share)).sqrt()).ceil() as u32
    }
}

/// Changes signs as fixed random bits say: sketches of one process are compared only, but equal
/// ones in every run make behaviour reproducible.
fn flip_signs(values: &mut [f32], round: u64) {
    for (number, values) in (0_u64..).zip(values.chunks_mut(64)) {
        let bits = scramble((round << 32) | number);
        for (bit, value) in values.iter_mut().enumerate() {
            // The highest bit of a float is its sign.
            let sign = u32::from((bits >> bit) & 1 == 1) << 31;
            *value = f32::from_bits(value.to_bits() ^ sign);
        }
    }
}

/// Bits without a pattern from a number: the finaliser of SplitMix64.
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pair at the angle, in the plane of two axes: the worst case for signs without a rotation.
    fn pair(length: usize, axis: usize, angle: f32) -> (Vec<f32>, Vec<f32>) {
        let (mut left, mut right) = (vec![0.0; length], vec![0.0; length]);
        left[axis] = 1.0;
        right[axis] = angle.cos();
        right[(axis + 7) % length] = angle.sin();
        (left, right)
    }

    #[test]
    fn differing_bits_follow_the_angle() {
        for length in [16, 384, 768, 1536] {
            for angle in [0.2_f32, 0.6435, 1.2, 1.57, 2.5] {
                let mut sum = 0;
                let count = 16;
                for axis in 0..count {
                    let (left, right) = pair(length, axis, angle);
                    sum += Sketch::of(&left).differs(&Sketch::of(&right));
                }
                let mean = f64::from(sum) / count as f64;
                let expected = f64::from(angle) / std::f64::consts::PI * BITS as f64;
                assert!((mean - expected).abs() < 20.0, "{length} {angle}: {mean} {expected}");
            }
        }
    }

    #[test]
    fn a_limit_holds_for_what_is_similar_and_keeps_out_what_is_not() {
        let limit = Sketch::limit(0.8);
        for axis in 0..384 {
            let (left, right) = pair(384, axis, 0.8_f32.acos());
            assert!(Sketch::of(&left).differs(&Sketch::of(&right)) <= limit);
            let (left, right) = pair(384, axis, 0.2_f32.acos());
            assert!(Sketch::of(&left).differs(&Sketch::of(&right)) > limit);
        }
        assert_eq!(Sketch::limit(1.5), 0);
        assert_eq!(Sketch::limit(-1.0), 512);
    }
}
