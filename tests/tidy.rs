//! Checks that no compiler makes: who imports whom, how long files get.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For each room, the rooms that it may import (ARCHITECTURE.md, "Direction").
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("llm", &[]),
    ("dialect", &["llm"]),
    ("provider", &["llm", "dialect"]),
    ("store", &[]),
    ("config", &["llm", "dialect", "provider", "store"]),
    ("govern", &["llm", "dialect", "provider", "config", "store"]),
    ("route", &["llm", "dialect", "provider", "config"]),
    ("upstream", &["llm", "dialect", "provider", "config"]),
    ("telemetry", &["llm", "dialect", "provider", "config", "store"]),
    ("cache", &["llm", "dialect", "provider", "config"]),
    (
        "app",
        &[
            "llm",
            "dialect",
            "provider",
            "config",
            "store",
            "govern",
            "route",
            "upstream",
            "telemetry",
            "cache",
        ],
    ),
    (
        "pipeline",
        &[
            "llm",
            "dialect",
            "provider",
            "config",
            "govern",
            "route",
            "upstream",
            "telemetry",
            "cache",
            "app",
        ],
    ),
    (
        "api",
        &[
            "llm",
            "dialect",
            "provider",
            "config",
            "govern",
            "route",
            "telemetry",
            "app",
            "pipeline",
        ],
    ),
    (
        "admin",
        &[
            "llm",
            "dialect",
            "provider",
            "config",
            "store",
            "govern",
            "route",
            "telemetry",
            "cache",
            "app",
        ],
    ),
    ("ui", &[]),
    (
        "server",
        &[
            "llm",
            "provider",
            "config",
            "store",
            "govern",
            "route",
            "upstream",
            "telemetry",
            "cache",
            "app",
            "pipeline",
            "api",
            "admin",
            "ui",
            "cli",
        ],
    ),
    ("cli", &[]),
    ("main", &["cli", "server"]),
    ("lib", &[]),
];

/// In `govern`, `route` and the others only these files may know the store.
const KNOWS_STORE: &[&str] = &[
    "govern/flush.rs",
    "govern/ledger.rs",
    "telemetry/request_log.rs",
    "telemetry/record.rs",
    "telemetry/rollup.rs",
];

/// Lines of code in a file, tests left out.
const LONGEST_FILE: usize = 600;

#[test]
fn rooms_import_only_what_stands_before_them() {
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in sources() {
        let relative = path.strip_prefix("src").unwrap().to_str().unwrap().to_owned();
        let room = relative.split(['/', '.']).next().unwrap().to_owned();
        let allowed =
            table.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not in the table"));
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            // What stands below the tests' mark is a test's own affair.
            if line.trim() == "#[cfg(test)]" || is_test_file(&relative) {
                break;
            }
            for import in line.split("crate::").skip(1) {
                let imported =
                    import.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let known = table.contains_key(imported);
                if known && imported != room && !allowed.contains(&imported) {
                    wrong.push(format!("{relative}:{}: {room} imports {imported}", number + 1));
                }
                let keeps_out = ["govern", "telemetry"].contains(&room.as_str());
                if keeps_out && imported == "store" && !KNOWS_STORE.contains(&relative.as_str()) {
                    wrong
                        .push(format!("{relative}:{}: only some files know the store", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    for path in sources() {
        if is_test_file(path.to_str().unwrap()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap().lines().count();
        if code > LONGEST_FILE {
            long.push(format!("{}: {code} lines", path.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_panics_on_purpose() {
    let mut found = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["todo!(", "unimplemented!(", "dbg!("] {
            if text.contains(word) {
                found.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files);
    assert!(files.len() > 50, "the sources are not where they should be");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
