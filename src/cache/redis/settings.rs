//! How Redis is reached.

use super::super::breaker::StoreError;
use crate::provider::Secret;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use std::time::Duration;

/// How Redis (since 6.2) or Valkey is reached and used: one server, or a primary; no cluster.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `host:port`, or `redis://user:password@host:port/db`, with TLS `rediss://…`. A secret, as it
    /// may carry a password.
    pub addr: Secret,
    /// The account, instead of that of the address. Empty for the default one.
    pub username: String,
    /// Its password, instead of that of the address.
    pub password: Secret,
    /// The number of the database, instead of that of the address.
    pub db: Option<u32>,
    /// TLS, also without `rediss://`.
    pub tls: bool,
    /// Whose certificates are taken, in PEM form, instead of those of the public authorities.
    pub ca_certificate: Option<String>,
    /// How long making a connection may take. Requests do not wait for it.
    pub dial_timeout: Duration,
    /// How long a request waits for an answer.
    pub read_timeout: Duration,
    /// How long writing an entry may take.
    pub write_timeout: Duration,
    /// Told apart from other caches in the same database by this.
    pub namespace: String,
}

impl Default for RedisSettings {
    fn default() -> Self {
        RedisSettings {
            addr: Secret::default(),
            username: String::new(),
            password: Secret::default(),
            db: None,
            tls: false,
            ca_certificate: None,
            dial_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_millis(100),
            write_timeout: Duration::from_secs(1),
            namespace: "default".to_owned(),
        }
    }
}

impl RedisSettings {
    /// Whether the address can be used; else [`StoreError::Settings`], which does not quote it.
    pub fn check(&self) -> Result<(), StoreError> {
        self.client().map(drop)
    }

    /// The client that the settings describe. Connects to nothing.
    pub(super) fn client(&self) -> Result<Client, StoreError> {
        let info = self.connection_info()?;
        let client = match &self.ca_certificate {
            // Taken by the driver for a list of no authorities.
            Some(pem) if !pem.contains("-----BEGIN CERTIFICATE-----") => {
                let problem = "the certificate of Redis' authority is not in PEM form";
                return Err(StoreError::Settings(problem.to_owned()));
            }
            Some(pem) => {
                let root_cert = Some(pem.clone().into_bytes());
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
            }
            None => Client::open(info),
        };
        client.map_err(|error| unusable(&error))
    }

    fn connection_info(&self) -> Result<ConnectionInfo, StoreError> {
        let addr = self.addr.expose();
        if addr.is_empty() {
            return Err(StoreError::Settings("the address of Redis is missing".to_owned()));
        }
        let scheme = if self.tls { "rediss" } else { "redis" };
        let info = match addr.split_once("://") {
            None => format!("{scheme}://{addr}").into_connection_info(),
            Some(("redis" | "valkey", rest)) => format!("{scheme}://{rest}").into_connection_info(),
            Some(_) => addr.into_connection_info(),
        };
        let info = info.map_err(|error| unusable(&error))?;
        let mut account = info.redis_settings().clone();
        if !self.username.is_empty() {
            account = account.set_username(&self.username);
        }
        if !self.password.is_empty() {
            account = account.set_password(self.password.expose());
        }
        if let Some(db) = self.db {
            account = account.set_db(db.into());
        }
        let unverified = matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. });
        if unverified {
            let problem = "the address of Redis may not end in #insecure: name the certificate of \
                           its authority instead";
            return Err(StoreError::Settings(problem.to_owned()));
        }
        Ok(info.set_redis_settings(account))
    }

    /// Where it is, without the credentials.
    pub fn shown_addr(&self) -> String {
        match self.connection_info() {
            Ok(info) => match info.addr() {
                ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
                ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port} (TLS)"),
                ConnectionAddr::Unix(path) => path.display().to_string(),
                _ => String::new(),
            },
            Err(_) => String::new(),
        }
    }
}

fn unusable(error: &redis::RedisError) -> StoreError {
    StoreError::Settings(format!("the address of Redis cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(addr: &str) -> RedisSettings {
        RedisSettings { addr: Secret::new(addr), ..RedisSettings::default() }
    }

    #[test]
    fn an_address_is_a_host_or_a_url() {
        for (addr, shown) in [
            ("cache:6380", "cache:6380"),
            ("cache", "cache:6379"),
            ("[::1]:6380", "::1:6380"),
            ("redis://u:s3cret@cache:1/2", "cache:1"),
            ("rediss://u:s3cret@cache:1/2", "cache:1 (TLS)"),
        ] {
            assert_eq!(settings(addr).check(), Ok(()), "{addr}");
            assert_eq!(settings(addr).shown_addr(), shown);
        }
        for addr in ["cache:1", "redis://cache:1", "rediss://cache:1"] {
            let settings = RedisSettings { tls: true, ..settings(addr) };
            assert_eq!(settings.shown_addr(), "cache:1 (TLS)");
        }
    }

    #[test]
    fn the_fields_go_before_the_address() {
        let mut settings = settings("redis://u:p%40ss@cache:1/2");
        let of = |settings: &RedisSettings| {
            let info = settings.connection_info().unwrap();
            let account = info.redis_settings();
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            (text(account.username()), text(account.password()), account.db())
        };
        assert_eq!(of(&settings), ("u".to_owned(), "p@ss".to_owned(), 2));
        settings.username = "v".to_owned();
        settings.password = Secret::new("q:/@");
        settings.db = Some(0);
        assert_eq!(of(&settings), ("v".to_owned(), "q:/@".to_owned(), 0));
    }

    #[test]
    fn problems_do_not_show_the_password() {
        for addr in
            ["", "redis://u:s3cret@cache:x", "http://u:s3cret@cache", "rediss://:s3cret@c#insecure"]
        {
            let error = settings(addr).check().unwrap_err().to_string();
            assert!(error.contains("the address of Redis"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let shown = format!("{:?}", settings("redis://u:s3cret@cache"));
        assert!(!shown.contains("s3cret"), "{shown}");
        let bad = RedisSettings { ca_certificate: Some("no".into()), ..settings("rediss://cache") };
        assert!(matches!(bad.check(), Err(StoreError::Settings(_))));
    }
}
