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
    pub serve: Serve,
}

/// What the binary can do besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (the default).
    Serve(Serve),
    /// Ask a running gateway whether it is well, for container health checks. Exits with 0 or 1.
    Health(Serve),
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Where config.json and the databases are [default: the user's config folder + /tollbridge].
    #[arg(long, env = "APP_DIR")]
    pub app_dir: Option<PathBuf>,
    /// The address to listen on. Anything but localhost lets others in.
    #[arg(long, env = "APP_HOST", default_value = "localhost")]
    pub host: String,
    /// The port to listen on.
    #[arg(long, env = "APP_PORT", default_value_t = 8080)]
    pub port: u16,
    /// How much to log.
    #[arg(long, env = "LOG_LEVEL", value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// How to write the log: one JSON object a line, or for reading.
    #[arg(long, env = "LOG_STYLE", value_enum, default_value_t = LogStyle::Json)]
    pub log_style: LogStyle,
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
}
