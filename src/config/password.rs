//! The admin password at rest: a salted hash that is slow to guess from.

use crate::provider::Secret;
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;

/// What begins a hash: then rounds, salt and hash follow, each after a `$`.
const MARK: &str = "$pbkdf2-sha256$";
/// Some milliseconds: every process asks once, and whoever guesses each time.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(100_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};

/// The hash under which `password` is stored.
pub(super) fn hash(password: &str) -> String {
    let salt: [u8; 16] = rand::random();
    let mut hash = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, ROUNDS, &salt, password.as_bytes(), &mut hash);
    format!("{MARK}{ROUNDS}${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
}

/// Whether a stored password is a hash of it.
pub(super) fn is_hash(text: &str) -> bool {
    parse(text).is_some()
}

/// Whether `hash` is one of `password`.
pub(super) fn verify(hash: &Secret, password: &[u8]) -> bool {
    let Some((rounds, salt, hash)) = parse(hash.expose()) else { return false };
    pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password, &hash).is_ok()
}

fn parse(text: &str) -> Option<(NonZeroU32, Vec<u8>, Vec<u8>)> {
    let mut parts = text.strip_prefix(MARK)?.split('$');
    let rounds = parts.next()?.parse().ok()?;
    let salt = STANDARD.decode(parts.next()?).ok()?;
    let hash = STANDARD.decode(parts.next()?).ok()?;
    (parts.next().is_none() && hash.len() == 32).then_some((rounds, salt, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password_only() {
        let hash = hash("s3:cret");
        assert!(is_hash(&hash) && !hash.contains("s3:cret"));
        assert_ne!(hash, super::hash("s3:cret"));
        let hash = Secret::new(hash);
        assert!(verify(&hash, b"s3:cret") && !verify(&hash, b"s3:cre"));
        for text in ["s3:cret", "", "$pbkdf2-sha256$0$AA==$AA==", "$pbkdf2-sha256$x"] {
            assert!(!is_hash(text), "{text}");
        }
    }
}
