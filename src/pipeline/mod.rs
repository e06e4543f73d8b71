//! The life of a request.
//!
//! [`serve`] reads like the story: plan the targets, try them in order, and hand the answer on with
//! a [`Recorder`] that closes the books exactly once, however the request ends.

mod attempt;
mod backoff;
mod cache_asks;
mod cache_note;
mod cached;
mod call;
mod explain;
mod extra_fields;
mod inner;
mod keeper;
mod model_lists;
mod pin;
mod plan;
mod price;
mod raw_events;
mod record;
mod redact;
mod refusal;
mod replay;
mod shadow;
mod stream;
mod translate;

pub use crate::upstream::refuse_loop;
pub use call::{Call, Purpose};
pub use explain::{decision_json, explain};
pub use model_lists::{first_model_lists, follow_model_lists};
pub use record::{Recorder, turned_away};
pub use stream::StreamReply;

use crate::app::App;
use crate::llm::Failure;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;

/// What a client gets.
#[derive(Debug)]
pub struct Reply {
    /// Where the answer came from, for the answer's headers.
    pub trail: Trail,
    /// The provider's own headers that cross the gateway.
    pub headers: HeaderMap,
    /// The answer itself.
    pub body: ReplyBody,
    /// What the cache did, as `Cache-Status` says it (RFC 9211).
    pub cache_status: Option<HeaderValue>,
}

/// The answer itself.
#[derive(Debug)]
pub enum ReplyBody {
    /// Complete.
    Full(Bytes),
    /// Piece by piece.
    Stream(Box<StreamReply>),
    /// All pieces of a stream at once: a kept answer.
    Replay(Bytes),
}

/// Where an answer came from.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// The provider that answered, or failed last.
    pub provider: Option<Arc<str>>,
    /// The model that it was asked for.
    pub model: Option<Arc<str>>,
    /// The key's name; empty for a provider without keys.
    pub key: Option<Arc<str>>,
    /// Attempts made.
    pub attempts: usize,
}

/// A request that could not be served.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub failure: Failure,
    /// Where it had been tried.
    pub trail: Trail,
}

/// Serves a call to its answer, or to the failure that the client is told.
///
/// # Errors
/// The first target's failure, when every target has failed.
pub async fn serve(app: &Arc<App>, call: Arc<Call>) -> Result<Reply, Box<Refused>> {
    let mut recorder = Recorder::open(app, &call);
    let answer = match refuse_loop(&call.headers) {
        Ok(()) => attempt::run(app, &call, &mut recorder).await,
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(answer) => Ok(answer.finish(&call, recorder)),
        Err(failure) => {
            let trail = recorder.trail();
            recorder.fail(&failure);
            Err(Box::new(Refused { failure, trail }))
        }
    }
}
