//! Model endpoints: HTTP ⇄ calls and replies.

mod body;
mod extract;
mod models;
mod reply;
mod request_body;
mod service;
mod unread;

pub use body::ReplyBytes;
pub use models::{list_models, retrieve_model};
pub use reply::failure_response;
pub(crate) use service::is_allowed_origin;
pub use service::{no_route, serve, wrong_method};

use crate::llm::Operation;

/// A route of the data plane.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The path, exactly.
    pub path: &'static str,
    /// What it asks for.
    pub operation: Operation,
}

/// Every inference route: the plain ones, and those below `/openai` that Bifrost's users have.
pub const ROUTES: &[Route] = &[
    Route { path: "/v1/chat/completions", operation: Operation::Chat },
    Route { path: "/v1/embeddings", operation: Operation::Embedding },
    Route { path: "/openai/v1/chat/completions", operation: Operation::Chat },
    Route { path: "/openai/v1/embeddings", operation: Operation::Embedding },
    Route { path: "/openai/chat/completions", operation: Operation::Chat },
    Route { path: "/openai/embeddings", operation: Operation::Embedding },
];

/// The route at `path`, if it is one of the data plane.
pub fn route(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}
