//! The `tollbridge` binary.

use std::process::ExitCode;
use tollbridge::cli::Cli;

fn main() -> ExitCode {
    tollbridge::server::run(Cli::from_process())
}
