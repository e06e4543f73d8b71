//! Bifrost's names of operations, as `allowed_requests` and `request_path_overrides` use them.

use crate::llm::Operation;

/// The operation of that name: `Some(None)` is one that the gateway does not offer yet.
pub(super) fn find(name: &str) -> Option<Option<Operation>> {
    match name {
        "chat_completion" | "chat_completion_stream" => Some(Some(Operation::Chat)),
        "embedding" => Some(Some(Operation::Embedding)),
        "list_models" => Some(Some(Operation::ListModels)),
        _ => OTHERS.contains(&name).then_some(None),
    }
}

const OTHERS: &[&str] = &[
    "text_completion",
    "text_completion_stream",
    "responses",
    "responses_stream",
    "count_tokens",
    "rerank",
    "speech",
    "speech_stream",
    "transcription",
    "transcription_stream",
    "image_generation",
    "image_generation_stream",
    "image_edit",
    "image_edit_stream",
    "image_variation",
    "video_generation",
    "video_retrieve",
    "video_download",
    "video_delete",
    "video_list",
    "video_remix",
    "batch_create",
    "batch_list",
    "batch_retrieve",
    "batch_cancel",
    "batch_delete",
    "batch_results",
    "file_upload",
    "file_list",
    "file_retrieve",
    "file_delete",
    "file_content",
    "container_create",
    "container_list",
    "container_retrieve",
    "container_delete",
    "container_file_create",
    "container_file_list",
    "container_file_retrieve",
    "container_file_content",
    "container_file_delete",
    "passthrough",
    "passthrough_stream",
    "mcp_tool_execution",
    "websocket_responses",
    "realtime",
];
