//! What can be asked for.

/// An operation of the inference API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A chat completion.
    Chat,
    /// Embeddings.
    Embedding,
    /// The list of models.
    ListModels,
}

impl Operation {
    /// Bifrost's name of the operation, used as `request_type`, as `method` in metrics and in
    /// `allowed_requests`.
    pub fn as_str(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Operation::Chat, false) => "chat_completion",
            (Operation::Chat, true) => "chat_completion_stream",
            (Operation::Embedding, _) => "embedding",
            (Operation::ListModels, _) => "list_models",
        }
    }
}
