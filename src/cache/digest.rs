//! How what a request asks becomes the name of its entry.

use blake3::Hasher as Blake3;
use highway::{HighwayHash, HighwayHasher, Key};
use std::fmt;

/// Bytes of a digest: of so many no two that differ are equal, as far as anybody has found out.
pub(super) const DIGEST: usize = 16;
/// Bytes of a secret.
pub const SECRET: usize = 32;

/// How digests are made.
#[derive(Clone, Copy)]
pub enum Digests {
    /// BLAKE3, which every node of a shared store computes alike.
    Shared,
    /// HighwayHash under a secret of this store, which takes a quarter of the time. Who does not know the
    /// secret cannot look for two requests with the same digest.
    Own([u64; 4]),
}

/// A digest of what is appended, in the order in which it is.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "the large one is made for every request")]
pub(super) enum Digest {
    Shared(Box<Blake3>),
    Own(HighwayHasher),
}

impl Digests {
    /// Under this secret.
    pub fn of_secret(secret: &[u8; SECRET]) -> Self {
        let (words, _) = secret.as_chunks::<8>();
        let mut key = [0; 4];
        key.iter_mut().zip(words).for_each(|(to, word)| *to = u64::from_le_bytes(*word));
        Digests::Own(key)
    }

    /// A digest of nothing yet.
    pub(super) fn begin(&self) -> Digest {
        match self {
            Digests::Shared => Digest::Shared(Box::default()),
            Digests::Own(key) => Digest::Own(HighwayHasher::new(Key(*key))),
        }
    }
}

/// Without the secret.
impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Digests::Shared => "Shared",
            Digests::Own(_) => "Own(***)",
        })
    }
}

impl Digest {
    pub(super) fn append(&mut self, bytes: &[u8]) {
        match self {
            Digest::Shared(hasher) => {
                hasher.update(bytes);
            }
            Digest::Own(hasher) => hasher.append(bytes),
        }
    }

    /// Of all that was appended.
    pub(super) fn end(&self) -> [u8; DIGEST] {
        match self {
            Digest::Shared(hasher) => first_half(hasher.finalize().as_bytes()),
            Digest::Own(hasher) => bytes_of(hasher.clone().finalize128()),
        }
    }
}

fn first_half(digest: &[u8; 32]) -> [u8; DIGEST] {
    digest.first_chunk().copied().unwrap_or_default()
}

fn bytes_of([low, high]: [u64; 2]) -> [u8; DIGEST] {
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(digests: &Digests, pieces: &[&[u8]]) -> [u8; DIGEST] {
        let mut digest = digests.begin();
        pieces.iter().for_each(|piece| digest.append(piece));
        assert_eq!(digest.clone().end(), digest.end());
        digest.end()
    }

    #[test]
    fn another_secret_makes_other_digests() {
        let (one, other) = ([7; SECRET], [8; SECRET]);
        let own = Digests::of_secret(&one);
        assert_eq!(of(&own, &[b"a"]), of(&Digests::of_secret(&one), &[b"a"]));
        assert_ne!(of(&own, &[b"a"]), of(&Digests::of_secret(&other), &[b"a"]));
        assert_ne!(of(&own, &[b"a"]), of(&Digests::Shared, &[b"a"]));
        // Every byte of it counts.
        for at in 0..SECRET {
            let mut changed = one;
            changed[at] ^= 1;
            assert_ne!(of(&own, &[b"a"]), of(&Digests::of_secret(&changed), &[b"a"]), "{at}");
        }
        assert!(!format!("{own:?}").contains('7'));
    }

    #[test]
    fn nodes_agree_on_what_is_shared() {
        // The first half of `b3sum` of the same text.
        let hex: String =
            of(&Digests::Shared, &[b"ab", b"c"]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "6437b3ac38465133ffb63b75273a8db5");
    }

    proptest! {
        #[test]
        fn only_the_bytes_count_and_not_how_they_come(
            text in prop::collection::vec(any::<u8>(), 0..200),
            cut in any::<prop::sample::Index>(),
            changed in any::<prop::sample::Index>(),
        ) {
            for digests in [Digests::Shared, Digests::of_secret(&[7; SECRET])] {
                let whole = of(&digests, &[&text]);
                let (before, after) = text.split_at(cut.index(text.len() + 1));
                prop_assert_eq!(of(&digests, &[before, after]), whole);
                prop_assert_ne!(of(&digests, &[&text, b"\0"]), whole);
                if !text.is_empty() {
                    let mut other = text.clone();
                    other[changed.index(text.len())] ^= 1;
                    prop_assert_ne!(of(&digests, &[&other]), whole);
                }
            }
        }
    }
}
