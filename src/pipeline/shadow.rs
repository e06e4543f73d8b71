//! Shadow mode: was what would have been served right? Found out beside the requests.

use super::cache_asks::{ask_judge, embed};
use super::cached::Candidate;
use super::call::Call;
use super::translate::decoded_answer;
use crate::app::App;
use crate::cache::{Embedder, Entry, Grade, guard};
use crate::llm::{Operation, Part, Response};
use std::sync::Arc;

/// Bytes of an answer that can be compared with another one without a judge.
const COMPARABLE: usize = 2_000;
/// Cosine similarity from which on two answers count as saying the same, where no judge is there.
const SAME_ANSWER: f32 = 0.85;

/// What is needed to grade would-be hits against the real answer.
pub(super) struct Grading {
    pub(super) app: Arc<App>,
    pub(super) call: Arc<Call>,
    /// Empty without one.
    pub(super) judge: String,
    pub(super) embedder: Embedder,
    pub(super) question: Arc<str>,
    /// The real one.
    pub(super) answer: String,
}

impl Grading {
    /// Grades one and writes it down.
    pub(super) async fn grade(&self, candidate: Candidate) {
        let (right, by) = self.right(&candidate.entry).await;
        let app = self.app.clone();
        let grade = Grade {
            timestamp_ms: app.now_ms(),
            similarity: candidate.similarity,
            rejected: candidate.rejected.unwrap_or_default().to_owned(),
            right,
            by: by.to_owned(),
        };
        // It logs what goes wrong itself.
        let _written = tokio::task::spawn_blocking(move || app.cache.grades.add(grade)).await;
    }

    /// Equal answers need no judge. Without one, answers are compared as questions are.
    async fn right(&self, entry: &Entry) -> (Option<bool>, &'static str) {
        let Some(kept) = decoded_answer(Operation::Chat, entry.wire, &entry.answer)
            .map(|response| text_of(&response))
        else {
            return (None, "");
        };
        let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        if words(&kept) == words(&self.answer) {
            return (Some(true), "answer");
        }
        let (app, call) = (&self.app, &self.call);
        if !self.judge.is_empty() {
            let questions = (&*self.question, &*entry.question);
            return (ask_judge(app, call, &self.judge, questions, false).await, "judge");
        }
        if self.answer.len().max(kept.len()) > COMPARABLE {
            return (None, "");
        }
        let first = embed(app, call, &self.embedder, &kept, false).await;
        let second = embed(app, call, &self.embedder, &self.answer, false).await;
        let right = first.zip(second).map(|((first, _), (second, _))| {
            let cosine: f32 = first.iter().zip(second.iter()).map(|(a, b)| a * b).sum();
            cosine >= SAME_ANSWER && guard::compare(&self.answer, &kept).is_ok()
        });
        (right, "answer")
    }
}

/// What an answer says, without what was thought.
pub(super) fn text_of(response: &Response) -> String {
    let Response::Chat(chat) = response else { return String::new() };
    let parts = chat.choices.iter().flat_map(|choice| &choice.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
