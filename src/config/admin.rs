//! The credentials of the management API, and whether a request carries them.

use super::password;
use super::turns::Turns;
use crate::provider::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::{sleep, timeout};

/// What became of credentials that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are the operator's.
    Right,
    /// They are not, or there are none.
    Wrong,
    /// Too many others were to be looked at; they may be right.
    NotLookedAt,
}

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
    pub(super) known: Arc<Known>,
}

/// What is known of credentials that were sent, where finding out is slow. Holds for one user name and
/// one hash, and outlives snapshots with them.
#[derive(Debug, Default)]
pub(super) struct Known {
    accepted: OnceLock<[u8; 32]>,
    /// The latest wrong ones: a client that is configured badly sends the same again and again.
    refused: Mutex<VecDeque<[u8; 32]>>,
    /// Hashing takes a processor for some milliseconds; it shall not take all of them.
    turns: Arc<Turns>,
}

/// How many wrong credentials are remembered.
const MOST_REFUSED: usize = 256;
/// How long a refusal takes: whoever guesses waits, and nobody else.
const REFUSAL: Duration = Duration::from_millis(500);
/// How long credentials wait to be looked at before they are sent away.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Admin {
    /// Whether `Authorization` carries the credentials: `Basic`, or the same text after `Bearer`.
    /// Wrong ones are refused late, ones never seen before are hashed on another thread.
    pub async fn judge(&self, headers: &HeaderMap) -> Verdict {
        let Some(given) = given(headers) else { return Verdict::Wrong };
        if self.knows_given(&given) {
            return Verdict::Right;
        }
        // Boxed: almost always the credentials are known.
        let verdict = Box::pin(self.find_out(given)).await;
        if verdict == Verdict::Wrong {
            sleep(REFUSAL).await;
        }
        verdict
    }

    /// Takes over what `old` knows, where it asked for the same.
    pub(super) fn remember(&mut self, old: &Admin) {
        let same = |new: &Secret, old: &Secret| new.expose() == old.expose();
        if same(&self.username, &old.username) && same(&self.password, &old.password) {
            self.known = old.known.clone();
        }
    }

    /// Whether `Authorization` carries credentials that are known to be right. Of a hash that means that
    /// [`Admin::judge`] has found them so.
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        given(headers).is_some_and(|given| self.knows_given(&given))
    }

    fn knows_given(&self, given: &[u8]) -> bool {
        let given = digest(given);
        // Digests are of one length, so not even the length of the password shows in the time.
        if password::is_hash(self.password.expose()) {
            return self.known.accepted.get().is_some_and(|known| known.ct_eq(&given).into());
        }
        let expected = format!("{}:{}", self.username.expose(), self.password.expose());
        digest(expected.as_bytes()).ct_eq(&given).into()
    }

    /// Whether credentials that are not known to be right are so.
    async fn find_out(&self, given: Vec<u8>) -> Verdict {
        let username = [self.username.expose().as_bytes(), b":"].concat();
        let Some((name, password)) = given.split_at_checked(username.len()) else {
            return Verdict::Wrong;
        };
        let named = bool::from(name.ct_eq(&username));
        let digest = digest(&given);
        if !named || !password::is_hash(self.password.expose()) || self.known.refuses(&digest) {
            return Verdict::Wrong;
        }
        let Ok(Some(turn)) = timeout(LONGEST_WAIT, self.known.turns.take()).await else {
            return Verdict::NotLookedAt;
        };
        // A page sends several requests at once: the first one to be looked at answers for all.
        if self.known.accepted.get().is_some_and(|known| known.ct_eq(&digest).into()) {
            return Verdict::Right;
        }
        if self.known.refuses(&digest) {
            return Verdict::Wrong;
        }
        let (hash, password, known) =
            (self.password.clone(), password.to_vec(), self.known.clone());
        let hashing = tokio::task::spawn_blocking(move || {
            let accepted = password::verify(&hash, &password);
            known.learn(digest, accepted);
            // Kept until here, even if the client has gone: there is one thread that hashes.
            drop(turn);
            accepted
        });
        match hashing.await {
            Ok(true) => Verdict::Right,
            Ok(false) => Verdict::Wrong,
            Err(_) => Verdict::NotLookedAt,
        }
    }
}

impl Known {
    fn refuses(&self, digest: &[u8; 32]) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.contains(digest)
    }

    fn learn(&self, digest: [u8; 32], accepted: bool) {
        if accepted {
            self.accepted.get_or_init(|| digest);
            return;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.truncate(MOST_REFUSED - 1);
        refused.push_front(digest);
    }
}

/// User name and password as they were sent, with a colon between them.
fn given(headers: &HeaderMap) -> Option<Vec<u8>> {
    let authorization = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = authorization.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") && !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    STANDARD.decode(token.trim()).ok()
}

fn digest(credentials: &[u8]) -> [u8; 32] {
    Sha256::digest(credentials).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn admin(password: &str) -> Admin {
        Admin {
            username: Secret::new("admin"),
            password: Secret::new(password),
            on_inference: false,
            known: Arc::default(),
        }
    }

    fn authorization(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    fn basic(text: &str) -> HeaderMap {
        authorization(&format!("Basic {}", STANDARD.encode(text)))
    }

    async fn accepts(admin: &Admin, headers: &HeaderMap) -> bool {
        admin.judge(headers).await == Verdict::Right
    }

    #[tokio::test]
    async fn a_hash_serves_as_the_password() {
        let admin = admin(&password::hash("s3:cret"));
        let right = basic("admin:s3:cret");
        assert!(!admin.knows(&right));
        assert!(accepts(&admin, &right).await && admin.knows(&right));
        for wrong in ["admin:s3:cre", "admin", "nimda:s3:cret"] {
            assert!(
                !accepts(&admin, &basic(wrong)).await && !admin.knows(&basic(wrong)),
                "{wrong}"
            );
        }
        // Neither a wrong guess nor the hash itself changes anything.
        assert!(accepts(&admin, &right).await);
        let hash = format!("admin:{}", admin.password.expose());
        assert!(!accepts(&admin, &basic(&hash)).await);
    }

    #[tokio::test]
    async fn wrong_guesses_delay_their_own_answer_only() {
        let admin = admin(&password::hash("s3:cret"));
        let guesses = (0..10).map(|at| {
            let admin = admin.clone();
            tokio::spawn(async move { admin.judge(&basic(&format!("admin:guess-{at}"))).await })
        });
        let guesses: Vec<_> = guesses.collect();
        tokio::task::yield_now().await;
        let began = Instant::now();
        assert!(accepts(&admin, &basic("admin:s3:cret")).await);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(guesses.iter().all(|guess| !guess.is_finished()));
        for guess in guesses {
            assert_eq!(guess.await.unwrap(), Verdict::Wrong);
        }
        // A name that is not the operator's, or a guess that was wrong before, takes no turn.
        let turn = admin.known.turns.take().await;
        for wrong in ["nimda:s3:cret", "admin:guess-7"] {
            let refused = timeout(REFUSAL * 4, admin.judge(&basic(wrong))).await;
            assert_eq!(refused, Ok(Verdict::Wrong), "{wrong}");
        }
        drop(turn);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_looked_at_is_not_told_that_it_is_wrong() {
        let admin = admin(&password::hash("s3:cret"));
        let turn = admin.known.turns.take().await;
        for given in ["admin:s3:cret", "admin:guess"] {
            assert_eq!(admin.judge(&basic(given)).await, Verdict::NotLookedAt);
        }
        assert_eq!(admin.judge(&basic("nobody:s3:cret")).await, Verdict::Wrong);
        drop(turn);
    }

    #[tokio::test]
    async fn passwords() {
        let admin = admin("s3:cret");
        let given = async |value: &str| {
            let headers = authorization(value);
            let accepted = accepts(&admin, &headers).await;
            assert_eq!(admin.knows(&headers), accepted);
            accepted
        };
        let token = STANDARD.encode("admin:s3:cret");
        assert!(given(&format!("Basic {token}")).await);
        assert!(given(&format!("bearer {token}")).await);
        assert!(!given(&format!("Basic {}", STANDARD.encode("admin:s3:cre"))).await);
        assert!(!given(&format!("Digest {token}")).await);
        assert!(!given("Basic ???").await);
        assert!(!accepts(&admin, &HeaderMap::new()).await);
    }
}
