//! Arithmetic on many numbers at once, by the widest instructions that the processor has; which
//! those are is found out while running.

use super::sketch::Sketch;
use pulp::{Arch, Simd, WithSimd};

/// The dot product of each row with `query`; `rows` are as long as it, one after the other.
pub(super) fn dots(rows: &[f32], query: &[f32], out: &mut [f32]) {
    if !query.is_empty() {
        Arch::new().dispatch(Dots { rows, query, out });
    }
}

/// The dot product of two vectors of the same length.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    Arch::new().dispatch(Dot { left, right })
}

/// Appends those rows of a block that differ from `query` in at most `most` bits, as the number of
/// bits and the row; the block's first row has the number `first`.
pub(super) fn near(
    sketches: &[Sketch],
    query: &Sketch,
    most: u32,
    first: u32,
    out: &mut Vec<(u32, u32)>,
) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (row, sketch) in (first..).zip(sketches) {
                let bits = sketch.differs(query);
                if bits <= most {
                    out.push((bits, row));
                }
            }
        },
    );
}

/// The Walsh-Hadamard transform in place, without its scale; the length is a power of two.
pub(super) fn hadamard(values: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut half = 1;
            while half < values.len() {
                for pair in values.chunks_exact_mut(half * 2) {
                    let (low, high) = pair.split_at_mut(half);
                    for (low, high) in low.iter_mut().zip(high) {
                        (*low, *high) = (*low + *high, *low - *high);
                    }
                }
                half *= 2;
            }
        },
    );
}

struct Dots<'a> {
    rows: &'a [f32],
    query: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (row, out) in self.rows.chunks_exact(self.query.len()).zip(self.out) {
            *out = product(simd, row, self.query);
        }
    }
}

struct Dot<'a> {
    left: &'a [f32],
    right: &'a [f32],
}

impl WithSimd for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        product(simd, self.left, self.right)
    }
}

/// Four sums side by side, because a multiplication takes several cycles until its sum can be
/// added to.
#[inline(always)]
fn product<S: Simd>(simd: S, left: &[f32], right: &[f32]) -> f32 {
    let (left, left_rest) = S::as_simd_f32s(left);
    let (right, right_rest) = S::as_simd_f32s(right);
    let (left, left_few) = left.as_chunks::<4>();
    let (right, right_few) = right.as_chunks::<4>();
    let mut sums = [simd.splat_f32s(0.0); 4];
    for (left, right) in left.iter().zip(right) {
        sums[0] = simd.mul_add_f32s(left[0], right[0], sums[0]);
        sums[1] = simd.mul_add_f32s(left[1], right[1], sums[1]);
        sums[2] = simd.mul_add_f32s(left[2], right[2], sums[2]);
        sums[3] = simd.mul_add_f32s(left[3], right[3], sums[3]);
    }
    for (left, right) in left_few.iter().zip(right_few) {
        sums[0] = simd.mul_add_f32s(*left, *right, sums[0]);
    }
    let low = simd.add_f32s(sums[0], sums[1]);
    let high = simd.add_f32s(sums[2], sums[3]);
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    simd.reduce_sum_f32s(simd.add_f32s(low, high)) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_any_length_is_that_of_plain_arithmetic() {
        for length in [1, 3, 8, 31, 32, 33, 100, 384, 1000] {
            let left: Vec<f32> = (0..length).map(|at| (at as f32 * 0.37).sin()).collect();
            let rows: Vec<f32> = (0..length * 3).map(|at| (at as f32 * 0.11).cos()).collect();
            let mut out = [0.0; 3];
            dots(&rows, &left, &mut out);
            for (row, out) in rows.chunks(length).zip(out) {
                let plain: f64 =
                    row.iter().zip(&left).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                assert!((f64::from(out) - plain).abs() < 1e-3, "{length}: {out} {plain}");
                assert!((f64::from(dot(row, &left)) - plain).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn the_transform_is_its_own_inverse_but_for_the_scale() {
        let before: Vec<f32> = (0..64).map(|at| (at as f32).sin()).collect();
        let mut values = before.clone();
        hadamard(&mut values);
        assert!((values[0] - before.iter().sum::<f32>()).abs() < 1e-3);
        hadamard(&mut values);
        for (before, after) in before.iter().zip(values) {
            assert!((before - after / 64.0).abs() < 1e-4);
        }
    }
}
