//! What the cache asks others for: vectors, and the judge's word. Neither may hold a request up for long.

use super::call::Call;
use super::inner;
use super::shadow::text_of;
use crate::app::App;
use crate::cache::{Embedder, question_for_judge, verdict_of};
use crate::llm::Response;
use std::sync::Arc;
use std::time::Duration;

/// How long an embedding or the judge may take; after that it is a miss.
const PATIENCE: Duration = Duration::from_secs(3);

/// The vector of `text` and the tokens that it took; `None` when it cannot be had in time.
pub(super) async fn embed(
    app: &Arc<App>,
    call: &Call,
    embedder: &Embedder,
    text: &str,
    charged: bool,
) -> Option<(Arc<[f32]>, u64)> {
    let embedding = async {
        match embedder {
            Embedder::None(_) => None,
            Embedder::Local(model) => match model.embed(text).await {
                Ok(vector) => Some((vector.into(), 0)),
                Err(error) => {
                    tracing::debug!("semantic cache: {error}");
                    None
                }
            },
            Embedder::Provider { provider, model } => {
                inner::embed(app, call, provider, model, text, charged).await
            }
        }
    };
    let remote = matches!(embedder, Embedder::Provider { .. });
    let rest = &app.cache.embeddings_rest;
    let embedded = match remote && rest.is_on(app.now_ms()) {
        true => None,
        false => match tokio::time::timeout(PATIENCE, embedding).await {
            Ok(embedded) => embedded,
            Err(_) => {
                rest.begin(app.now_ms());
                None
            }
        },
    };
    if embedded.is_none() && !matches!(embedder, Embedder::None(_)) {
        app.cache.stats.embedding_failure();
    }
    embedded
}

/// Whether one answer serves both questions, the one asked and the one kept; `None` when the judge does
/// not say.
pub(super) async fn ask_judge(
    app: &Arc<App>,
    call: &Call,
    judge: &str,
    (asked, stored): (&str, &str),
    charged: bool,
) -> Option<bool> {
    let question = question_for_judge(judge, asked, stored)?;
    let rest = &app.cache.judge_rests;
    if rest.is_on(app.now_ms()) {
        return None;
    }
    app.cache.stats.judge();
    let answer = inner::chat(app, call, &question, charged);
    let Ok(answer) = tokio::time::timeout(PATIENCE, answer).await else {
        rest.begin(app.now_ms());
        return None;
    };
    Some(verdict_of(&text_of(&Response::Chat(Box::new(answer?)))))
}
