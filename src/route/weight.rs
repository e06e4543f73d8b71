//! The weighted draw.

use rand::{Rng, RngExt};

/// Draws an index by weight. Weights that are not positive and finite count as zero; if all are
/// zero, `None`.
pub fn draw(weights: impl Iterator<Item = f64> + Clone, rng: &mut impl Rng) -> Option<usize> {
    let total: f64 = weights.clone().map(usable).sum();
    if total <= 0.0 {
        return None;
    }
    let mut at = rng.random::<f64>() * total;
    let mut last = None;
    for (index, weight) in weights.map(usable).enumerate() {
        if weight <= 0.0 {
            continue;
        }
        last = Some(index);
        if at < weight {
            break;
        }
        at -= weight;
    }
    last
}

fn usable(weight: f64) -> f64 {
    if weight.is_finite() { weight.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn draws_in_proportion() {
        let mut rng = StdRng::seed_from_u64(7);
        let weights = [0.5, 0.0, 0.3, 0.2];
        let mut seen = [0_u32; 4];
        for _ in 0..100_000 {
            if let Some(index) = draw(weights.iter().copied(), &mut rng) {
                seen[index] += 1;
            }
        }
        let share = |index: usize| f64::from(seen[index]) / 100_000.0;
        assert!((share(0) - 0.5).abs() < 0.01 && (share(2) - 0.3).abs() < 0.01);
        assert_eq!(seen[1], 0);
        assert_eq!(draw([0.0, f64::NAN].into_iter(), &mut rng), None);
    }
}
