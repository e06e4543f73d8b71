//! Requests of the gateway's own: embeddings and the judge of the cache. They take the way that every
//! request takes: routed, limited, priced, and written down as requests of their own.

use super::call::{Call, Purpose};
use super::translate::CLIENT;
use super::{ReplyBody, serve};
use crate::app::App;
use crate::dialect::openai_chat::raw::RawRequest;
use crate::dialect::{ClientDialect, Dialect};
use crate::govern::Caller;
use crate::llm::{ChatResponse, Embedding, Operation, Response};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

/// A future of its own, because a request may ask one of these and each of them is a request.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The normalised vector of `text` from a provider, and its tokens. `charged` puts the cost on the
/// virtual key of `call`.
pub(super) fn embed<'a>(
    app: &'a Arc<App>,
    call: &'a Call,
    provider: &'a str,
    model: &'a str,
    text: &'a str,
    charged: bool,
) -> Boxed<'a, Option<(Arc<[f32]>, u64)>> {
    Box::pin(async move {
        let body = json!({"model": format!("{provider}/{model}"), "input": text,
            "encoding_format": "float"});
        let response = ask(app, call, Operation::Embedding, &body, charged).await?;
        let Response::Embedding(response) = response else { return None };
        let tokens = response.usage.map_or(0, |usage| usage.input);
        let Some(Embedding::Floats(vector)) = response.data.into_iter().next() else { return None };
        Some((normalised(vector)?, tokens))
    })
}

/// The answer to a chat request. `charged` puts the cost on the virtual key of `call`.
pub(super) fn chat<'a>(
    app: &'a Arc<App>,
    call: &'a Call,
    body: &'a Value,
    charged: bool,
) -> Boxed<'a, Option<ChatResponse>> {
    Box::pin(async move {
        match ask(app, call, Operation::Chat, body, charged).await? {
            Response::Chat(chat) => Some(*chat),
            Response::Embedding(_) => None,
        }
    })
}

async fn ask(
    app: &Arc<App>,
    call: &Call,
    operation: Operation,
    body: &Value,
    charged: bool,
) -> Option<Response> {
    let request = RawRequest::parse(operation, Bytes::from(body.to_string())).ok()?;
    let caller = if charged { call.caller.clone() } else { Caller::default() };
    let own = Arc::new(Call {
        id: uuid::Uuid::now_v7().to_string().into(),
        decision_id: format!("{}-{}", call.decision_id, operation.as_str(false)).into(),
        operation,
        request,
        headers: HeaderMap::new(),
        query: None,
        snapshot: call.snapshot.clone(),
        clears: call.clears,
        caller: Caller { direct_key: None, ..caller },
        purpose: Purpose::Cache,
        arrived: Instant::now(),
        timestamp_ms: app.now_ms(),
    });
    let decoded = CLIENT.decode_request(operation, own.request.body()).ok()?;
    let reply = match serve(app, own).await {
        Ok(reply) => reply,
        Err(refused) => {
            let message = &refused.failure.message;
            tracing::debug!(operation = operation.as_str(false), "semantic cache: {message}");
            return None;
        }
    };
    match reply.body {
        ReplyBody::Full(body) => CLIENT.decode_response(&decoded, &body).ok(),
        ReplyBody::Stream(_) | ReplyBody::Replay(_) => None,
    }
}

/// Cosines are products of vectors of length 1; not every provider's are.
fn normalised(vector: Vec<f32>) -> Option<Arc<[f32]>> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    let usable = length.is_finite() && length > 0.0;
    usable.then(|| vector.into_iter().map(|value| value / length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_or_are_none() {
        assert_eq!(&*normalised(vec![3.0, 4.0]).unwrap(), [0.6, 0.8]);
        assert_eq!(normalised(vec![0.0, 0.0]), None);
        assert_eq!(normalised(vec![f32::NAN]), None);
        assert_eq!(normalised(Vec::new()), None);
    }
}
