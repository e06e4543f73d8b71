//! The process: open the stores, bind, serve on one event loop per core, drain, flush.

mod connection;
mod health;
mod listen;
mod start;
mod watched;

pub use health::check as health_check;
pub use start::{Running, Settings, start};
pub use watched::Patience;

use crate::cli::{Cli, Command, LogStyle, Serve};
use crate::config::Environment;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let (flags, health) = match cli.command {
        None => (cli.flags, false),
        Some(Command::Serve(flags)) => (flags, false),
        Some(Command::Health(flags)) => (flags, true),
    };
    let environment = Environment::process();
    let serve = match flags.complete(&|name| environment.variable(name)) {
        Ok(serve) => serve,
        Err(message) => return refuse(&message),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    if health {
        return runtime.block_on(health_check(&serve.host, serve.port));
    }
    start_log(&serve);
    match runtime.block_on(serve_until_signal(&serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tracing::error!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// There is no log yet whose style could be known.
fn refuse(message: &str) -> ExitCode {
    use std::io::Write;
    let _nobody_listens = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::from(2)
}

async fn serve_until_signal(serve: &Serve) -> Result<(), String> {
    let settings = Settings {
        app_dir: serve.app_dir.clone().unwrap_or_else(default_app_dir),
        host: serve.host.clone(),
        port: serve.port,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        patience: Patience::default(),
    };
    let running = start(settings).await?;
    // CI scripts of Bifrost's users wait for the second half of this line.
    tracing::info!(
        "successfully started tollbridge, serving UI on http://{}:{}",
        serve.host,
        running.address.port()
    );
    let signal = stop_signal().await?;
    tracing::info!(signal, "stopping: no new connections, streams in flight may finish");
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

async fn stop_signal() -> Result<&'static str, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// `$XDG_CONFIG_HOME/tollbridge`, or the same below the home folder.
fn default_app_dir() -> PathBuf {
    let environment = Environment::process();
    let base = environment
        .variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| environment.variable("HOME").map(|home| PathBuf::from(home).join(".config")));
    base.unwrap_or_else(|| PathBuf::from(".")).join("tollbridge")
}

fn start_log(serve: &Serve) {
    let filter = EnvFilter::new(format!("{},sqlx=warn,hyper=warn", serve.log_level.as_str()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would say on the same stderr that a line could not be written, and so panic: a full disk or a closed
        // pipe costs lines and no requests.
        .log_internal_errors(false);
    // A second logger in one process is a test's; the first one stays.
    let _already_set = match serve.log_style {
        LogStyle::Json => builder.json().flatten_event(true).try_init(),
        LogStyle::Pretty => builder.try_init(),
    };
}
