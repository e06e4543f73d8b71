//! SQL and nothing else: rows in, rows out.
pub mod log;
