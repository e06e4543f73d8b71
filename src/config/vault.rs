//! Secrets at rest: sealed in config.db when the operator gives a key, plain otherwise.
//!
//! AES-256-GCM under a key derived from the passphrase. Each value is bound to its row, so that sealed
//! values cannot change places. References to the environment are no secrets and stay readable.

use super::password;
use super::problem::Problems;
use crate::provider::Secret;
use crate::store::{AuthRow, ConfigChange, ConfigRows, Error, KeyRow, ProviderRow};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;

/// What begins a sealed value.
const MARK: &str = "enc:v1:";
/// What OWASP advises for PBKDF2 with SHA-256.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(600_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};
/// One salt for all: the same passphrase must open the store on every node.
const SALT: &[u8] = b"tollbridge config.db";

/// Seals and opens secrets.
#[derive(Default)]
pub(super) struct Vault {
    key: Option<LessSafeKey>,
}

/// What was found unsealed though there is a key, or as it is though there should be a hash.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unsealed {
    pub(super) providers: HashSet<String>,
    pub(super) auth: bool,
}

impl Vault {
    /// A vault under `passphrase`; without one nothing is sealed.
    pub(super) fn new(passphrase: Option<&Secret>) -> Self {
        let key = passphrase.and_then(|passphrase| {
            let mut key = [0; 32];
            let passphrase = passphrase.expose().as_bytes();
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, SALT, passphrase, &mut key);
            UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
        });
        Vault { key }
    }

    /// Whether there is a key.
    pub(super) fn seals(&self) -> bool {
        self.key.is_some()
    }

    /// Seals what is about to be written. Of the admin password there is a hash in any case.
    pub(super) fn seal(&self, change: &mut ConfigChange) -> Result<(), Error> {
        for row in change.auth.iter_mut().flatten() {
            let (_, text) = auth_secret(row);
            if !is_open(text) && !password::is_hash(text) {
                *text = password::hash(text);
            }
        }
        let Some(key) = &self.key else { return Ok(()) };
        for rows in &mut change.put_providers {
            for (path, text) in provider_secrets(&mut rows.provider) {
                seal(key, &path, text)?;
            }
            for row in &mut rows.keys {
                let (path, text) = key_secret(row);
                seal(key, &path, text)?;
            }
        }
        for row in change.auth.iter_mut().flatten() {
            let (path, text) = auth_secret(row);
            seal(key, path, text)?;
        }
        Ok(())
    }

    /// Opens what was read, and tells what was not sealed.
    ///
    /// # Errors
    /// A sealed value without a key, or under another one.
    pub(super) fn open(&self, rows: &mut ConfigRows) -> Result<Unsealed, Problems> {
        let mut problems = Problems::default();
        let mut unsealed = Unsealed::default();
        for row in &mut rows.providers {
            let name = row.name.clone();
            for (path, text) in provider_secrets(row) {
                if !self.open_text(&path, text, &mut problems) {
                    unsealed.providers.insert(name.clone());
                }
            }
        }
        for row in &mut rows.keys {
            let provider = row.provider.clone();
            let (path, text) = key_secret(row);
            if !self.open_text(&path, text, &mut problems) {
                unsealed.providers.insert(provider);
            }
        }
        if let Some(row) = &mut rows.auth {
            let (path, text) = auth_secret(row);
            let sealed = self.open_text(path, text, &mut problems);
            unsealed.auth = !sealed || !(is_open(text) || password::is_hash(text));
        }
        problems.check(unsealed)
    }

    /// Whether the value is stored as it should be.
    fn open_text(&self, path: &str, text: &mut String, problems: &mut Problems) -> bool {
        let Some(sealed) = text.strip_prefix(MARK) else {
            return self.key.is_none() || is_open(text);
        };
        match self.key.as_ref().map(|key| open(key, path, sealed)) {
            Some(Some(opened)) => *text = opened,
            Some(None) => problems.add(
                path,
                "is encrypted under another key: give the one of old as `encryption_key` in \
                 config.json or as BIFROST_ENCRYPTION_KEY",
            ),
            None => problems.add(
                path,
                "is encrypted: give the key as `encryption_key` in config.json or as \
                 BIFROST_ENCRYPTION_KEY",
            ),
        }
        true
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("seals", &self.seals()).finish()
    }
}

fn provider_secrets(row: &mut ProviderRow) -> [(String, &mut String); 4] {
    let path = |column: &str| format!("providers.{}.{column}", row.name);
    let paths = ["extra_headers", "proxy_url", "proxy_username", "proxy_password"].map(path);
    let [headers, url, username, password] = paths;
    [
        (headers, &mut row.extra_headers),
        (url, &mut row.proxy_url),
        (username, &mut row.proxy_username),
        (password, &mut row.proxy_password),
    ]
}

fn key_secret(row: &mut KeyRow) -> (String, &mut String) {
    (format!("providers.{}.keys.{}.value", row.provider, row.id), &mut row.value)
}

fn auth_secret(row: &mut AuthRow) -> (&'static str, &mut String) {
    ("governance.auth_config.admin_password", &mut row.admin_password)
}

/// Nothing, no headers, or a reference to the environment.
fn is_open(text: &str) -> bool {
    text.is_empty() || text == "{}" || text.starts_with("env.")
}

fn seal(key: &LessSafeKey, path: &str, text: &mut String) -> Result<(), Error> {
    if is_open(text) {
        return Ok(());
    }
    let nonce: [u8; NONCE_LEN] = rand::random();
    let mut sealed = text.as_bytes().to_vec();
    let aad = Aad::from(path.as_bytes());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
        .map_err(|_| Error::Database(format!("{path} cannot be encrypted")))?;
    *text = format!("{MARK}{}", STANDARD.encode([&nonce[..], &sealed].concat()));
    Ok(())
}

fn open(key: &LessSafeKey, path: &str, sealed: &str) -> Option<String> {
    let mut bytes = STANDARD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = key.open_in_place(nonce, Aad::from(path.as_bytes()), sealed).ok()?;
    String::from_utf8(opened.to_vec()).ok()
}
