//! Fields that have no neutral meaning.

use serde_json::{Map, Value};

/// The wire formats, as a tag of where an [`Extra`] came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Wire {
    /// OpenAI's chat completions and embeddings.
    #[default]
    OpenaiChat,
    /// Anthropic's messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
}

/// Unknown fields of an object and the wire format that they came from.
///
/// Only the codec of the same format writes them back; every other one leaves them out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extra {
    wire: Wire,
    fields: Option<Box<Map<String, Value>>>,
}

impl Extra {
    /// Keeps `fields` as coming from `wire`.
    pub fn new(wire: Wire, fields: Map<String, Value>) -> Self {
        let fields = (!fields.is_empty()).then(|| Box::new(fields));
        Extra { wire, fields }
    }

    /// The fields, if they came from `wire`.
    pub fn of(&self, wire: Wire) -> Option<&Map<String, Value>> {
        self.fields.as_deref().filter(|_| self.wire == wire)
    }

    /// The fields, wherever they came from.
    pub fn fields(&self) -> Option<&Map<String, Value>> {
        self.fields.as_deref()
    }

    /// One field, if the extras came from `wire`.
    pub fn field(&self, wire: Wire, name: &str) -> Option<&Value> {
        self.of(wire)?.get(name)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.fields.is_none()
    }

    /// Copies the fields into `object` when they came from `wire`; fields already there win.
    pub fn write(&self, wire: Wire, object: &mut Map<String, Value>) {
        let Some(fields) = self.of(wire) else { return };
        for (name, value) in fields {
            if !object.contains_key(name) {
                object.insert(name.clone(), value.clone());
            }
        }
    }
}
