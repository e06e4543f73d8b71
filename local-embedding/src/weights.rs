//! The tensors of a `model.safetensors`, as single-precision floats.

use super::folder::{LoadError, read};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// A weights file in memory.
pub(super) struct WeightsFile {
    file: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// The tensors of a weights file.
pub(super) struct Weights<'a> {
    file: &'a Path,
    tensors: SafeTensors<'a>,
    /// What begins each name: a model that was saved with a head calls its body `bert`.
    prefix: &'static str,
}

impl WeightsFile {
    pub(super) fn read(folder: &Path) -> Result<WeightsFile, LoadError> {
        let file = folder.join("model.safetensors");
        Ok(WeightsFile { bytes: read(&file)?, file })
    }

    pub(super) fn open(&self) -> Result<Weights<'_>, LoadError> {
        let tensors = SafeTensors::deserialize(&self.bytes).map_err(|error| {
            LoadError::new(&self.file, format!("is not a safetensors file: {error}"))
        })?;
        let headed = tensors.names().iter().any(|name| name.starts_with("bert."));
        Ok(Weights { file: &self.file, tensors, prefix: if headed { "bert." } else { "" } })
    }
}

impl Weights<'_> {
    /// The tensor of this name, which must have this shape.
    pub(super) fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let name = format!("{}{name}", self.prefix);
        let wrong = |problem| Err(LoadError::new(self.file, format!("{name} {problem}")));
        let Ok(tensor) = self.tensors.tensor(&name) else {
            return wrong("is missing".into());
        };
        if tensor.shape() != shape {
            return wrong(format!("has the shape {:?} instead of {shape:?}", tensor.shape()));
        }
        floats(tensor.dtype(), tensor.data()).map_or_else(
            || wrong(format!("has numbers of an unsupported kind: {:?}", tensor.dtype())),
            Ok,
        )
    }
}

/// Numbers of a floating type, little-endian.
fn floats(kind: Dtype, data: &[u8]) -> Option<Vec<f32>> {
    let halves = || data.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
    match kind {
        Dtype::F32 => Some(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Some(halves().map(half).collect()),
        // The upper half of a single.
        Dtype::BF16 => Some(halves().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()),
        _ => None,
    }
}

/// An IEEE 754 half: a sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3ff) / 1024.0;
    sign * match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_in_each_precision() {
        let singles = floats(Dtype::F32, &[0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc1]);
        assert_eq!(singles, Some(vec![1.0, -10.0]));
        let halves = [0x00, 0x3c, 0x00, 0xc9, 0x01, 0x00, 0xff, 0x7b];
        let expected = vec![1.0, -10.0, 2f32.powi(-24), 65504.0];
        assert_eq!(floats(Dtype::F16, &halves), Some(expected));
        assert_eq!(floats(Dtype::BF16, &[0x80, 0x3f, 0x20, 0xc1]), Some(vec![1.0, -10.0]));
        assert_eq!(floats(Dtype::I64, &[0; 8]), None);
        assert!(half(0x7c00).is_infinite() && half(0x7c01).is_nan());
    }
}
