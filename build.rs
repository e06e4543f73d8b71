//! Says so when the dashboard is not built. The build goes on: the gateway then serves a page that
//! says how to build it.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    // A path that does not exist would make every build a rebuild; the nearest one that does
    // changes when the missing one appears.
    let watched = ["web-ui/dist", "web-ui", "build.rs"];
    if let Some(path) = watched.iter().find(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
    if !Path::new("web-ui/dist/index.html").exists() {
        println!("cargo:warning=built without the dashboard; `make ui` builds it (needs Node.js)");
    }
}
