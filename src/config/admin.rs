//! The credentials of the management API, and whether a request carries them.

use crate::provider::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Credentials of the management API.
#[derive(Debug, Clone)]
pub struct Admin {
    /// User name.
    pub username: Secret,
    /// Password.
    pub password: Secret,
    /// Whether inference asks for them as well.
    pub on_inference: bool,
}

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
        let expected = format!("{}:{}", self.username.expose(), self.password.expose());
        // Digests are of one length, so not even the length of the password shows in the time.
        let (given, expected) = (Sha256::digest(&given), Sha256::digest(expected.as_bytes()));
        given.as_slice().ct_eq(expected.as_slice()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let admin = Admin {
            username: Secret::new("admin"),
            password: Secret::new("s3:cret"),
            on_inference: false,
        };
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
