//! The credentials of the management API, and whether a request carries them.

use super::password;
use crate::provider::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// Credentials of the management API.
#[derive(Debug, Clone)]
pub struct Admin {
    /// User name.
    pub username: Secret,
    /// Password, or its hash.
    pub password: Secret,
    /// Whether inference asks for them as well.
    pub on_inference: bool,
    /// What is known of credentials that were sent.
    pub(super) known: Arc<Mutex<Known>>,
}

/// What is known of credentials that were sent, where finding out is slow.
#[derive(Debug, Default)]
pub(super) struct Known {
    accepted: Option<[u8; 32]>,
    last_failure: Option<Instant>,
}

/// How long guesses are refused unread after a wrong one, so that they cannot keep a thread busy.
const PAUSE: Duration = Duration::from_millis(100);

impl Admin {
    /// Whether `Authorization` carries the credentials: `Basic`, or the same text after `Bearer`.
    pub fn accepts(&self, headers: &HeaderMap) -> bool {
        let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = authorization.and_then(|value| value.trim().split_once(' '))
        else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case("basic") && !scheme.eq_ignore_ascii_case("bearer") {
            return false;
        }
        let Ok(given) = STANDARD.decode(token.trim()) else { return false };
        if password::is_hash(self.password.expose()) {
            return self.accepts_by_hash(&given);
        }
        let expected = format!("{}:{}", self.username.expose(), self.password.expose());
        // Digests are of one length, so not even the length of the password shows in the time.
        let (given, expected) = (Sha256::digest(&given), Sha256::digest(expected.as_bytes()));
        given.as_slice().ct_eq(expected.as_slice()).into()
    }

    fn accepts_by_hash(&self, given: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(given).into();
        // Held while finding out: a page that sends several requests at once waits for one.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.accepted.is_some_and(|accepted| accepted.ct_eq(&digest).into()) {
            return true;
        }
        if known.last_failure.is_some_and(|at| at.elapsed() < PAUSE) {
            return false;
        }
        let username = [self.username.expose().as_bytes(), b":"].concat();
        let accepted = given.split_at_checked(username.len()).is_some_and(|(name, password)| {
            bool::from(name.ct_eq(&username)) && password::verify(&self.password, password)
        });
        match accepted {
            true => known.accepted = Some(digest),
            false => known.last_failure = Some(Instant::now()),
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(password: &str) -> Admin {
        Admin {
            username: Secret::new("admin"),
            password: Secret::new(password),
            on_inference: false,
            known: Arc::default(),
        }
    }

    #[test]
    fn a_hash_serves_as_the_password() {
        let admin = admin(&password::hash("s3:cret"));
        let given = |text: &str| {
            let value = format!("Basic {}", STANDARD.encode(text));
            admin.accepts(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]))
        };
        assert!(given("admin:s3:cret"));
        assert!(!given("admin:s3:cre") && !given("admin") && !given("nimda:s3:cret"));
        // Neither a wrong guess nor the hash itself changes anything.
        assert!(given("admin:s3:cret"));
        assert!(!given(&format!("admin:{}", admin.password.expose())));
    }

    #[test]
    fn passwords() {
        let admin = admin("s3:cret");
        let given = |value: String| {
            admin.accepts(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]))
        };
        let token = STANDARD.encode("admin:s3:cret");
        assert!(given(format!("Basic {token}")));
        assert!(given(format!("bearer {token}")));
        assert!(!given(format!("Basic {}", STANDARD.encode("admin:s3:cre"))));
        assert!(!given(format!("Digest {token}")));
        assert!(!given("Basic ???".to_owned()));
        assert!(!admin.accepts(&HeaderMap::new()));
    }
}
