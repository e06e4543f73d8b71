//! The question of a request, as it is kept to be compared.

use crate::dialect::openai_chat::raw::unescaped;
use std::borrow::Cow;

/// A question as it stands where it was asked: most are kept, and few are ever read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// As text; empty when only the exact request may be answered.
    Text(&'a str),
    /// What stands between the quotes of a JSON string.
    Json(&'a [u8]),
}

impl<'a> Question<'a> {
    /// None is compared.
    pub const NONE: Question<'static> = Question::Text("");

    /// Its bytes as they stand.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Question::Text(text) => text.as_bytes(),
            Question::Json(json) => json,
        }
    }

    /// What it says. Nothing if it is no sound JSON, of which none is made.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Question::Text(text) => Cow::Borrowed(text),
            Question::Json(json) => unescaped(json).unwrap_or_default(),
        }
    }
}
