//! The byte path: what a client or provider sent passes as it came, but for the fields that the
//! gateway must change.
//!
//! Key order, unknown fields, number spellings and cache markers survive, and a long prompt is never
//! parsed into values and written again.

#[cfg(target_arch = "x86_64")]
pub mod blocks;
mod members;
mod outline;
mod plain;
mod quotes;
mod reasoning;
mod request;
mod response;
#[cfg(target_arch = "x86_64")]
mod scan;
mod stream;
mod walk;

pub use outline::{Ambiguous, Outline, OutlineMessage, OutlineMessages};
pub use plain::{PlainChunks, UNSAID, is_plain_text, may_say_more};
pub use request::RawRequest;
pub use response::{
    BYTES_PER_TOKEN, RawResponse, estimated_output, failure_in_answer, splice_extra_fields,
};
pub use stream::{RawStream, TextRun, Texts};
pub use walk::unescaped;

#[cfg(test)]
mod tests;
