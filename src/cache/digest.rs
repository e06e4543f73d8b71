//! How what a request asks becomes the name of its entry.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use blake3::Hasher as Blake3;
use highway::{HighwayHash, HighwayHasher, Key};
use std::fmt;

/// Bytes of a digest: of so many no two that differ are equal, as far as anybody has found out.
pub(super) const DIGEST: usize = 16;
/// Bytes of a secret.
pub const SECRET: usize = 32;
/// Bytes from which on a text is long.
const LONG: usize = 2048;

/// How digests are made.
pub enum Digests {
    /// BLAKE3, which every node of a shared store computes alike.
    Shared,
    /// HighwayHash under a secret of this store, which takes a quarter of the time.
    Own(Own),
}

/// A secret, as it is used. Who does not know it cannot look for two requests with the same digest.
pub struct Own {
    key: [u64; 4],
    /// For long texts: GMAC, whose tags HighwayHash then takes in their place, which for 10 KB takes less than half of
    /// the time where the processor has AVX-512. `None` where it may take longer.
    long: Option<LessSafeKey>,
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
        Digests::Own(Own::new(secret, has_fast_gmac()))
    }

    /// A digest of nothing yet.
    pub(super) fn begin(&self) -> Digest {
        match self {
            Digests::Shared => Digest::Shared(Box::default()),
            Digests::Own(own) => Digest::Own(HighwayHasher::new(Key(own.key))),
        }
    }

    /// What is digested in place of a [long](LONG) text; `None` where that is the text itself. Not to be shown: only
    /// what is digested further tells nothing of the secret.
    pub(super) fn tag(&self, text: &[u8]) -> Option<[u8; DIGEST]> {
        match self {
            Digests::Own(Own { long: Some(key), .. }) if text.len() >= LONG => gmac(key, text),
            _ => None,
        }
    }
}

impl Own {
    fn new(secret: &[u8; SECRET], fast_gmac: bool) -> Self {
        let (words, _) = secret.as_chunks::<8>();
        let mut key = [0; 4];
        key.iter_mut().zip(words).for_each(|(to, word)| *to = u64::from_le_bytes(*word));
        // A key of its own, which tells nothing of the secret.
        let long = first_half(&blake3::derive_key("tollbridge cache: long texts", secret));
        let long = fast_gmac.then(|| UnboundKey::new(&AES_128_GCM, &long).ok()).flatten();
        Own { key, long: long.map(LessSafeKey::new) }
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

/// Whether GMAC is known to be faster than HighwayHash here.
fn has_fast_gmac() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("vpclmulqdq");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The tag of a text. Under one nonce, two texts have the same one by a chance of their length in blocks, and one, in
/// 2^128 for all who know neither the key nor any tag ([NIST SP 800-38D](https://doi.org/10.6028/NIST.SP.800-38D)).
fn gmac(key: &LessSafeKey, text: &[u8]) -> Option<[u8; DIGEST]> {
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(text), &mut []).ok()?;
    tag.as_ref().first_chunk().copied()
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
pub(super) mod fixture {
    //! Digests for tests.
    use super::*;

    /// Both kinds of a store's own, whatever the processor has.
    pub(in crate::cache) fn with_and_without_gmac(secret: u8) -> [Digests; 2] {
        [true, false].map(|fast| Digests::Own(Own::new(&[secret; SECRET], fast)))
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::with_and_without_gmac;
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
    fn every_bit_of_a_long_text_counts_and_every_byte_of_the_secret() {
        let [fast, plain] = with_and_without_gmac(7);
        let text = vec![b'a'; LONG];
        let tag = fast.tag(&text).unwrap();
        // So it is in the next process, which finds what this one has written.
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "083ae40c2a404d387aa21ee1db17a654");
        for at in 0..SECRET {
            let mut secret = [7; SECRET];
            secret[at] ^= 1;
            assert_ne!(Digests::Own(Own::new(&secret, true)).tag(&text), Some(tag), "{at}");
        }
        let padded = [&text[..], b"\0"].concat();
        assert_ne!(fast.tag(&padded), Some(tag));
        for bit in 0..LONG * 8 {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(fast.tag(&changed), Some(tag), "{bit}");
        }
        assert_eq!(fast.tag(&text[1..]), None);
        assert_eq!(plain.tag(&text), None);
        assert_eq!(Digests::Shared.tag(&text), None);
        assert_eq!(of(&fast, &[b"a"]), of(&plain, &[b"a"]));
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
