//! A JSON value that fits a simple JSON schema.

use serde_json::{Map, Value, json};

/// How deep a sample goes; deeper (a schema that holds itself) is null.
const DEPTH: usize = 12;

/// The schema a request wants its answer to fit; `Some(None)`: any JSON object.
pub(crate) fn wanted(body: &Value) -> Option<Option<Value>> {
    let schema = [
        "/response_format/json_schema/schema",
        "/output_config/format/schema",
        "/output_format/schema",
        "/generationConfig/responseJsonSchema",
        "/generationConfig/responseSchema",
        "/generationConfig/response_json_schema",
        "/generation_config/response_json_schema",
    ]
    .iter()
    .find_map(|pointer| body.pointer(pointer));
    if let Some(schema) = schema {
        return Some(Some(schema.clone()));
    }
    let any_json = body.pointer("/response_format/type").and_then(Value::as_str)
        == Some("json_object")
        || body.pointer("/response_format/type").and_then(Value::as_str) == Some("json_schema")
        || body.pointer("/generationConfig/responseMimeType").and_then(Value::as_str)
            == Some("application/json");
    any_json.then_some(None)
}

/// A value that fits the schema.
pub(crate) fn sample(schema: Option<&Value>) -> Value {
    match schema {
        Some(schema) => fit(schema, schema, DEPTH),
        None => json!({"message": "Hello"}),
    }
}

fn fit(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str) {
        let target = pointer.strip_prefix('#').and_then(|path| root.pointer(path));
        return target.map_or(Value::Null, |target| fit(target, root, depth - 1));
    }
    if let Some(value) = schema.get("const").or_else(|| schema.get("default")) {
        return value.clone();
    }
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(word).and_then(|options| options.get(0)) {
            return fit(first, root, depth - 1);
        }
    }
    match type_of(schema).as_str() {
        "object" => object(schema, root, depth),
        "array" => array(schema, root, depth),
        "integer" => number(schema, true),
        "number" => number(schema, false),
        "boolean" => Value::Bool(true),
        "null" => Value::Null,
        _ => string(schema),
    }
}

/// The schema's type; Gemini's own schemas write it in capitals.
fn type_of(schema: &Value) -> String {
    let named = match schema.get("type") {
        Some(Value::String(name)) => Some(name.as_str()),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|n| *n != "null"),
        _ => None,
    };
    match named {
        Some(name) => name.to_ascii_lowercase(),
        None if schema.get("properties").is_some() => "object".to_owned(),
        None if schema.get("items").is_some() => "array".to_owned(),
        None => "string".to_owned(),
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let mut fields = Map::new();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            fields.insert(name.clone(), fit(property, root, depth - 1));
        }
    }
    Value::Object(fields)
}

fn array(schema: &Value, root: &Value, depth: usize) -> Value {
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 64);
    let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(least);
    let item = schema.get("items").map_or(Value::Null, |items| fit(items, root, depth - 1));
    Value::Array((0..least.min(most)).map(|_| item.clone()).collect())
}

fn number(schema: &Value, whole: bool) -> Value {
    let least = schema.get("minimum").and_then(Value::as_f64);
    let above = schema.get("exclusiveMinimum").and_then(Value::as_f64).map(|least| least + 1.0);
    let most = schema.get("maximum").and_then(Value::as_f64);
    let mut value = least.or(above).unwrap_or(1.0);
    if let Some(most) = most {
        value = value.min(most);
    }
    if whole {
        #[expect(clippy::cast_possible_truncation, reason = "a sample value")]
        let value = value.ceil() as i64;
        json!(value)
    } else {
        json!(value)
    }
}

fn string(schema: &Value) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-02T03:04:05Z",
        Some("date") => "2026-01-02",
        Some("time") => "03:04:05Z",
        Some("email") => "someone@example.com",
        Some("uri") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "text",
    };
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(4096);
    let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let mut text = text.to_owned();
    while (text.len() as u64) < least {
        text.push('t');
    }
    Value::String(text.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect())
}
