//! The `mock-provider` command.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use mock_provider::{
    DEFAULT_KEEP_RECEIVED, FastOptions, MockProvider, Options, parse_rules, serve_fast,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A scripted fake of the model providers' APIs.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// A file of rules (JSON: one or a list).
    #[arg(long)]
    rules: Option<PathBuf>,
    /// How many requests to remember; 0 is none.
    #[arg(long, default_value_t = DEFAULT_KEEP_RECEIVED)]
    keep_received: usize,
    /// Benchmark mode: answers made once, one thread, no script, no memory.
    #[arg(long, conflicts_with = "rules")]
    fast: bool,
    /// Milliseconds between two deltas.
    #[arg(long)]
    gap_ms: Option<u64>,
    /// Milliseconds before each response.
    #[arg(long)]
    delay_ms: Option<u64>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    if args.fast {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(run_fast(args));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run_fast(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind(args.listen).await?;
    let millis = |value: Option<u64>| Duration::from_millis(value.unwrap_or(0));
    let options = FastOptions { delay: millis(args.delay_ms), gap: millis(args.gap_ms) };
    announce(listener.local_addr()?)?;
    tokio::select! {
        () = serve_fast(listener, options) => Ok(()),
        told = until_told() => told,
    }
}

async fn run(args: Args) -> io::Result<()> {
    let options = Options {
        listen: args.listen,
        keep_received: args.keep_received,
        delay_ms: args.delay_ms,
        gap_ms: args.gap_ms,
    };
    let server = MockProvider::start_with(options).await?;
    if let Some(path) = &args.rules {
        let text = std::fs::read(path)?;
        for rule in parse_rules(&text).map_err(io::Error::other)? {
            server.script(rule);
        }
    }
    announce(server.addr())?;
    until_told().await
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "mock-provider listening on http://{address}")?;
    out.flush()
}

/// Waits for the signal to end.
async fn until_told() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
