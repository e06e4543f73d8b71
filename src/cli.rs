//! The command line: Bifrost's flags and environment names.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A standalone LLM gateway: one OpenAI-compatible API in front of every model provider.
#[derive(Debug, Parser)]
#[command(name = "tollbridge", version, about)]
pub struct Cli {
    /// What to do; serving when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub flags: Flags,
}

/// What the binary can do besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (the default).
    Serve(Flags),
    /// Ask a running gateway whether it is well, for container health checks. Exits with 0 or 1.
    Health(Flags),
}

/// How to serve, as far as the command line says it.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Where config.json and the databases are [env: APP_DIR] [default: the user's config folder +
    /// /tollbridge].
    #[arg(long)]
    pub app_dir: Option<PathBuf>,
    /// The address to listen on; anything but localhost lets others in [env: APP_HOST,
    /// BIFROST_HOST] [default: localhost].
    #[arg(long)]
    pub host: Option<String>,
    /// The port to listen on [env: APP_PORT] [default: 8080].
    #[arg(long)]
    pub port: Option<u16>,
    /// How much to log [env: LOG_LEVEL] [default: info].
    #[arg(long, value_enum)]
    pub log_level: Option<LogLevel>,
    /// How to write the log: one JSON object a line, or for reading [env: LOG_STYLE] [default: json].
    #[arg(long, value_enum)]
    pub log_style: Option<LogStyle>,
}

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// Where config.json and the databases are, if somebody said so.
    pub app_dir: Option<PathBuf>,
    /// The address to listen on.
    pub host: String,
    /// The port to listen on.
    pub port: u16,
    /// How much to log.
    pub log_level: LogLevel,
    /// How to write the log.
    pub log_style: LogStyle,
}

/// Reads an environment variable.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Flags {
    /// What the flags leave open is up to the environment, of which `variable` tells what is set and
    /// not empty.
    ///
    /// # Errors
    /// Names the variable whose value makes no sense.
    pub fn complete(self, variable: Variable<'_>) -> Result<Serve, String> {
        let host = || ["APP_HOST", "BIFROST_HOST"].iter().find_map(|it| variable(it));
        Ok(Serve {
            app_dir: self.app_dir.or_else(|| variable("APP_DIR").map(PathBuf::from)),
            host: self.host.or_else(host).unwrap_or_else(|| "localhost".to_owned()),
            port: match (self.port, variable("APP_PORT")) {
                (Some(port), _) => port,
                (None, None) => 8080,
                (None, Some(text)) => text.parse().map_err(|_| {
                    format!("APP_PORT: `{text}` is no port, which is a number from 0 to 65535")
                })?,
            },
            log_level: word(self.log_level, "LOG_LEVEL", variable)?.unwrap_or(LogLevel::Info),
            log_style: word(self.log_style, "LOG_STYLE", variable)?.unwrap_or(LogStyle::Json),
        })
    }
}

/// One of a few words, by flag or by variable.
fn word<T: ValueEnum>(
    flag: Option<T>,
    name: &str,
    variable: Variable<'_>,
) -> Result<Option<T>, String> {
    if flag.is_some() {
        return Ok(flag);
    }
    let Some(text) = variable(name) else { return Ok(None) };
    T::from_str(&text, true).map(Some).map_err(|_| {
        let words = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let words: Vec<_> = words.map(|word| word.get_name().to_owned()).collect();
        format!("{name}: `{text}` is none of {}", words.join(", "))
    })
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator wants to read.
    Info,
    /// What may need somebody.
    Warn,
    /// What needs somebody.
    Error,
}

impl LogLevel {
    /// The level's name.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// How to write the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogStyle {
    /// One JSON object a line.
    Json,
    /// For reading in a terminal.
    Pretty,
}

impl Cli {
    /// Reads the process's arguments. Bifrost's binary takes its flags with one dash as well.
    pub fn from_process() -> Cli {
        Cli::parse_from(std::env::args_os().map(|argument| match argument.to_str() {
            Some(text) => two_dashes(text).into(),
            None => argument,
        }))
    }
}

fn two_dashes(argument: &str) -> String {
    const FLAGS: [&str; 5] = ["-app-dir", "-host", "-port", "-log-level", "-log-style"];
    let name = argument.split('=').next().unwrap_or_default();
    if FLAGS.contains(&name) { format!("-{argument}") } else { argument.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn one_dash_is_as_good_as_two() {
        Cli::command().debug_assert();
        assert_eq!(two_dashes("-port=9"), "--port=9");
        assert_eq!(two_dashes("-app-dir"), "--app-dir");
        assert_eq!(two_dashes("-h"), "-h");
    }

    fn complete(flags: Flags, variables: &[(&str, &str)]) -> Result<Serve, String> {
        let environment = crate::config::Environment::of(variables);
        flags.complete(&|name| environment.variable(name))
    }

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        let names = ["APP_DIR", "APP_HOST", "BIFROST_HOST", "APP_PORT", "LOG_LEVEL", "LOG_STYLE"];
        let empty = names.map(|name| (name, ""));
        let defaults = complete(Flags::default(), &[]).unwrap();
        assert_eq!((defaults.host.as_str(), defaults.port), ("localhost", 8080));
        assert_eq!(complete(Flags::default(), &empty).unwrap(), defaults);
    }

    #[test]
    fn flags_go_before_variables_and_ours_before_bifrosts() {
        let host = |flag: Option<&str>, variables: &[(&str, &str)]| {
            let flags = Flags { host: flag.map(str::to_owned), ..Flags::default() };
            complete(flags, variables).unwrap().host
        };
        assert_eq!(host(None, &[("BIFROST_HOST", "0.0.0.0")]), "0.0.0.0");
        let both = [("BIFROST_HOST", "0.0.0.0"), ("APP_HOST", "10.0.0.1")];
        assert_eq!(host(None, &both), "10.0.0.1");
        assert_eq!(host(Some("::1"), &both), "::1");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let wrong = |name, value| complete(Flags::default(), &[(name, value)]).unwrap_err();
        assert!(wrong("APP_PORT", "http").starts_with("APP_PORT: `http` is no port"));
        assert_eq!(
            wrong("LOG_LEVEL", "loud"),
            "LOG_LEVEL: `loud` is none of debug, info, warn, error"
        );
        let serve = complete(Flags::default(), &[("LOG_STYLE", "PRETTY")]).unwrap();
        assert_eq!(serve.log_style, LogStyle::Pretty);
    }
}
