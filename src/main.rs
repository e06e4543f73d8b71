//! The `tollbridge` binary.

use std::process::ExitCode;
use tollbridge::cli::Cli;

/// A request makes and frees some hundred small allocations, and the last of them on another
/// thread than the first; glibc's allocator takes a tenth of its time for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tollbridge::server::run(Cli::from_process())
}
