//! JSON Schemas that cross from one vendor to another.

use serde_json::Value;

/// The schema without `$schema`: libraries such as zod write it, and vendors other than OpenAI
/// refuse it.
pub(super) fn plain(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(members) = &mut schema {
        members.remove("$schema");
    }
    schema
}
