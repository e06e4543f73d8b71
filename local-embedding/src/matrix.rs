//! The arithmetic of the model, for the vector units that the processor has. One core, no threads.

use pulp::{Arch, Simd, WithSimd};

/// Rows that are multiplied at once. Six rows by two vectors of columns fill twelve of the sixteen
/// registers of AVX2; the rest hold the operands.
const ROWS: usize = 6;

/// A matrix laid out for multiplying with it: columns in panels of two vectors, each panel in the
/// order in which it is read, so that the weights pass through the caches once and in a row.
pub(super) struct Panels {
    arch: Arch,
    /// Floats of a panel's row: two vectors.
    width: usize,
    /// Rows: what a product sums over.
    depth: usize,
    columns: usize,
    data: Vec<f32>,
}

impl Panels {
    /// Lays out a matrix of `depth` by `columns`; `at` gives the element of a row and a column.
    pub(super) fn new(
        arch: Arch,
        depth: usize,
        columns: usize,
        at: impl Fn(usize, usize) -> f32,
    ) -> Panels {
        let width = arch.dispatch(PanelWidth);
        let mut data = vec![0.0; columns.div_ceil(width) * width * depth];
        // `max`: chunks of nothing are not allowed, and a matrix without rows has no data anyway.
        for (panel, data) in data.chunks_exact_mut((width * depth).max(1)).enumerate() {
            let from = panel * width;
            let used = width.min(columns - from);
            for (row, data) in data.chunks_exact_mut(width).enumerate() {
                for (column, value) in data[..used].iter_mut().enumerate() {
                    *value = at(row, from + column);
                }
            }
        }
        Panels { arch, width, depth, columns, data }
    }

    /// Floats of a row that it is multiplied with.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Writes `rows · self` to `out`, whose rows begin `stride` floats apart.
    pub(super) fn multiply(&self, rows: &Blocks, out: &mut [f32], stride: usize) {
        debug_assert_eq!(rows.depth, self.depth);
        self.arch.dispatch(Multiply { panels: self, rows, out, stride });
    }
}

/// The left side of a product: rows in blocks of six, each block column by column.
pub(super) struct Blocks {
    count: usize,
    depth: usize,
    data: Vec<f32>,
}

impl Blocks {
    /// Lays out `count` rows of `depth` floats that begin `stride` floats apart.
    pub(super) fn new(rows: &[f32], stride: usize, count: usize, depth: usize) -> Blocks {
        let mut data = vec![0.0; count * depth];
        for first in (0..count).step_by(ROWS) {
            let height = ROWS.min(count - first);
            let block = &mut data[first * depth..(first + height) * depth];
            for row in 0..height {
                let from = &rows[(first + row) * stride..][..depth];
                for (to, value) in block[row..].iter_mut().step_by(height).zip(from) {
                    *to = *value;
                }
            }
        }
        Blocks { count, depth, data }
    }
}

struct PanelWidth;

impl WithSimd for PanelWidth {
    type Output = usize;

    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
}

struct Multiply<'a> {
    panels: &'a Panels,
    rows: &'a Blocks,
    out: &'a mut [f32],
    stride: usize,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Multiply { panels, rows, out, stride } = self;
        let size = (panels.width * panels.depth).max(1);
        for (number, panel) in panels.data.chunks_exact(size).enumerate() {
            let column = number * panels.width;
            let used = panels.width.min(panels.columns - column);
            let (panel, _) = S::as_simd_f32s(panel);
            for first in (0..rows.count).step_by(ROWS) {
                let height = ROWS.min(rows.count - first);
                let block = &rows.data[first * rows.depth..(first + height) * rows.depth];
                let place = Place { out: &mut out[first * stride + column..], stride, used };
                match height {
                    1 => product::<S, 1>(simd, block, panel, place),
                    2 => product::<S, 2>(simd, block, panel, place),
                    3 => product::<S, 3>(simd, block, panel, place),
                    4 => product::<S, 4>(simd, block, panel, place),
                    5 => product::<S, 5>(simd, block, panel, place),
                    _ => product::<S, ROWS>(simd, block, panel, place),
                }
            }
        }
    }
}

/// Where a block's product with a panel goes.
struct Place<'a> {
    out: &'a mut [f32],
    stride: usize,
    /// Columns of the panel that exist; the last panel may be filled up.
    used: usize,
}

/// One block of `R` rows by one panel. The order in which an element is summed does not depend on
/// `R`, so that a text's vector is the same to the bit whatever else is in its batch.
#[inline(always)]
fn product<S: Simd, const R: usize>(simd: S, block: &[f32], panel: &[S::f32s], place: Place<'_>) {
    let Place { out, stride, used } = place;
    let mut sums = [[simd.splat_f32s(0.0); 2]; R];
    let (block, _) = block.as_chunks::<R>();
    let (panel, _) = panel.as_chunks::<2>();
    for (values, [left, right]) in block.iter().zip(panel) {
        for (value, sum) in values.iter().zip(&mut sums) {
            let value = simd.splat_f32s(*value);
            sum[0] = simd.mul_add_e_f32s(value, *left, sum[0]);
            sum[1] = simd.mul_add_e_f32s(value, *right, sum[1]);
        }
    }
    for (row, sum) in sums.into_iter().enumerate() {
        let out = &mut out[row * stride..][..used];
        let (left, right) = out.split_at_mut(S::F32_LANES.min(used));
        simd.partial_store_f32s(left, sum[0]);
        simd.partial_store_f32s(right, sum[1]);
    }
}

/// Adds `bias` to each row.
pub(super) fn add_bias(arch: Arch, rows: &mut [f32], bias: &[f32]) {
    arch.dispatch(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
    });
}

/// Adds `bias` to each row, then GELU: `x · Φ(x)`, with the error function and not the `tanh`.
pub(super) fn add_bias_and_gelu(arch: Arch, rows: &mut [f32], bias: &[f32]) {
    arch.dispatch(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                let x = *value + bias;
                *value = 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
            }
        }
    });
}

/// Scales each row of `width` floats, then softmax over it.
pub(super) fn scale_and_softmax(arch: Arch, rows: &mut [f32], width: usize, scale: f32) {
    arch.dispatch(|| {
        for row in rows.chunks_exact_mut(width) {
            let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|value| *value = exp((*value - highest) * scale));
            let sum = sum(row, |value| value);
            row.iter_mut().for_each(|value| *value /= sum);
        }
    });
}

/// The weights of a layer normalisation.
pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// Added to the variance.
    pub(super) epsilon: f32,
}

impl Norm {
    /// Normalises each row to mean 0 and variance 1, then scales and shifts it.
    pub(super) fn apply(&self, arch: Arch, rows: &mut [f32]) {
        let width = self.weight.len();
        arch.dispatch(|| {
            for row in rows.chunks_exact_mut(width) {
                let mean = sum(row, |value| value) / width as f32;
                let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f32;
                let scale = 1.0 / (variance + self.epsilon).sqrt();
                for ((value, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                    *value = (*value - mean) * scale * weight + bias;
                }
            }
        });
    }
}

/// Adds `more` to `rows`.
pub(super) fn add(arch: Arch, rows: &mut [f32], more: &[f32]) {
    arch.dispatch(|| rows.iter_mut().zip(more).for_each(|(value, more)| *value += more));
}

/// The mean of rows of `width` floats.
pub(super) fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
    }
    let count = (rows.len() / width) as f32;
    mean.iter_mut().for_each(|mean| *mean /= count);
    mean
}

/// The sum of `f` of each value, in eight lanes: a plain sum is a chain that waits for each step.
#[inline(always)]
fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += f(*value));
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| f(*value)).sum::<f32>()
}

/// The error function to 5e-7: Abramowitz and Stegun, 7.1.26. Without branches, for vector units.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let sum = ((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t;
    let sum = ((sum - 0.284_496_74) * t + 0.254_829_6) * t;
    (1.0 - sum * exp(-size * size)).copysign(x)
}

/// `e` to a power of at most 0, to a relative 3e-7; below -87 it is that of -87, which is nothing
/// beside the largest value of a row. Without branches, for vector units.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it leaves no bits for a fraction: rounds.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln 2 in two parts, of which the first times `whole` is exact.
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let taylor = ((rest / 720.0 + 1.0 / 120.0) * rest + 1.0 / 24.0) * rest + 1.0 / 6.0;
    let power = ((taylor * rest + 0.5) * rest + 1.0) * rest + 1.0;
    // The low bits of `shifted` are the whole number: times two to it, in the exponent's place.
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_product_is_that_of_the_definition_for_every_shape() {
        for arch in [Arch::new(), Arch::Scalar] {
            for (count, depth, columns) in [(1, 1, 1), (6, 8, 16), (7, 33, 35), (13, 5, 50)] {
                let (left, right) = (noise(count * depth), noise(depth * columns));
                let panels =
                    Panels::new(arch, depth, columns, |row, column| right[row * columns + column]);
                // Rows of the result lie apart, and what is between them is left alone.
                let stride = columns + 3;
                let mut out = vec![9.0; count * stride];
                panels.multiply(&Blocks::new(&left, depth, count, depth), &mut out, stride);
                for (place, value) in out.iter().enumerate() {
                    let (row, column) = (place / stride, place % stride);
                    let expected: f32 = if column < columns {
                        (0..depth)
                            .map(|at| left[row * depth + at] * right[at * columns + column])
                            .sum()
                    } else {
                        9.0
                    };
                    assert!((value - expected).abs() < 1e-4, "{value} for {expected}");
                }
            }
        }
    }

    #[test]
    fn exp_and_erf_are_those_of_the_tables() {
        for x in (-8600..=0).map(|x| x as f32 / 100.0) {
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 4e-7, "exp {x}");
        }
        assert!(exp(-1e30) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
        let known = [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3)];
        for (x, expected) in known {
            assert!((erf(x) - expected).abs() < 6e-7, "erf {x}");
            assert!((erf(-x) + expected).abs() < 6e-7, "erf -{x}");
        }
    }

    #[test]
    fn softmax_sums_to_one_and_norm_to_nothing() {
        let mut rows = vec![1.0, 3.0, 2.0, 1e4, 0.0, -1e4];
        scale_and_softmax(Arch::new(), &mut rows, 3, 0.5);
        let e = std::f32::consts::E;
        let total = 1.0 + e + e.sqrt();
        for (value, expected) in
            rows.iter().zip([1.0 / total, e / total, e.sqrt() / total, 1.0, 0.0, 0.0])
        {
            assert!((value - expected).abs() < 1e-6, "{rows:?}");
        }
        let norm = Norm { weight: vec![2.0; 10], bias: vec![1.0; 10], epsilon: 0.0 };
        let mut row: Vec<f32> = (0..10).map(|x| x as f32).collect();
        norm.apply(Arch::new(), &mut row);
        let deviation = 8.25f32.sqrt();
        assert!((row[0] - (1.0 - 9.0 / deviation)).abs() < 1e-5, "{row:?}");
        assert!((row[9] - (1.0 + 9.0 / deviation)).abs() < 1e-5, "{row:?}");
    }
}
