//! Reading JSON strictly: every field asked for by name, every problem with its path, and at the
//! end whatever nobody asked for.

use super::entity::SecretRef;
use super::problem::{Problem, join};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// Where problems go while reading.
#[derive(Debug, Default)]
pub(super) struct Log {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Log {
    pub(super) fn problem(&self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(path, message));
    }

    pub(super) fn warn(&self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::new(path, message));
    }

    /// The problems and the warnings.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

/// An object while it is read.
pub(super) struct Object<'a> {
    pub(super) path: String,
    pub(super) log: &'a Log,
    map: Option<&'a Map<String, Value>>,
    known: RefCell<Vec<&'static str>>,
}

/// `None` is absent, `Some(None)` is null.
pub(super) type Field<T> = Option<Option<T>>;

impl<'a> Object<'a> {
    /// Reads `value`, which has to be an object.
    pub(super) fn new(value: &'a Value, path: impl Into<String>, log: &'a Log) -> Self {
        let path = path.into();
        let map = value.as_object();
        if map.is_none() {
            log.problem(&path, format!("must be an object, not {}", kind(value)));
        }
        Object { path, log, map, known: RefCell::default() }
    }

    /// The path of a field.
    pub(super) fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Whether it has no fields at all.
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_none_or(Map::is_empty)
    }

    /// Every field of an object whose names are data.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.map.into_iter().flatten()
    }

    /// A field as it is.
    pub(super) fn value(&self, name: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(name);
        self.map?.get(name)
    }

    /// A field read by `read`, which says what it expected otherwise.
    pub(super) fn field<T>(
        &self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Field<T> {
        let value = self.value(name)?;
        if value.is_null() {
            return Some(None);
        }
        let read = read(value);
        if read.is_none() {
            let message = format!("must be {expected}, not {}", kind(value));
            self.log.problem(self.path_of(name), message);
        }
        read.map(Some)
    }

    /// Text.
    pub(super) fn text(&self, name: &'static str) -> Field<String> {
        self.field(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// True or false; null is absent.
    pub(super) fn boolean(&self, name: &'static str) -> Option<bool> {
        self.field(name, "true or false", Value::as_bool)?
    }

    /// A number.
    pub(super) fn number(&self, name: &'static str) -> Field<f64> {
        self.field(name, "a number", Value::as_f64)
    }

    /// A whole number; `10.0` counts as one.
    pub(super) fn integer(&self, name: &'static str) -> Field<i64> {
        self.field(name, "a whole number", whole)
    }

    /// A whole number from 0 up that fits a setting; null is absent.
    pub(super) fn count(&self, name: &'static str) -> Option<u32> {
        self.field(name, "a whole number from 0 up", |value| u32::try_from(whole(value)?).ok())?
    }

    /// A list of strings.
    pub(super) fn strings(&self, name: &'static str) -> Field<Vec<String>> {
        self.field(name, "a list of strings", |value| {
            value.as_array()?.iter().map(|entry| entry.as_str().map(str::to_owned)).collect()
        })
    }

    /// A list that grants access: `["*"]` stands alone, nothing stands twice.
    pub(super) fn access_list(&self, name: &'static str) -> Field<Vec<String>> {
        let list = self.strings(name)?;
        if let Some(list) = &list {
            self.check_access_list(name, list);
        }
        Some(list)
    }

    /// See [`Object::access_list`].
    pub(super) fn check_access_list(&self, name: &str, list: &[String]) {
        if list.len() > 1 && list.iter().any(|entry| entry == "*") {
            let message = "`*` is everything and cannot stand beside other entries";
            self.log.problem(self.path_of(name), message);
        }
        for (at, entry) in list.iter().enumerate() {
            if list[..at].contains(entry) {
                self.log.problem(self.path_of(name), format!("`{entry}` is listed twice"));
            }
        }
    }

    /// A secret: plain, `env.NAME`, or Bifrost's object form.
    pub(super) fn secret(&self, name: &'static str) -> Field<SecretRef> {
        let expected = "a string, `env.NAME` or {value, env_var, from_env}";
        self.field(name, expected, secret)
    }

    /// An object; null is absent.
    pub(super) fn object(&self, name: &'static str) -> Option<Object<'a>> {
        let value = self.value(name).filter(|value| !value.is_null())?;
        Some(Object::new(value, self.path_of(name), self.log))
    }

    /// A list of objects.
    pub(super) fn objects(&self, name: &'static str) -> Field<Vec<Object<'a>>> {
        let value = self.value(name)?;
        if value.is_null() {
            return Some(None);
        }
        let Some(list) = value.as_array() else {
            let message = format!("must be a list of objects, not {}", kind(value));
            self.log.problem(self.path_of(name), message);
            return None;
        };
        let path = self.path_of(name);
        let objects = list.iter().enumerate();
        let objects =
            objects.map(|(at, value)| Object::new(value, format!("{path}[{at}]"), self.log));
        Some(Some(objects.collect()))
    }

    /// Fields that mean nothing to the gateway and would not mean anything to the caller either.
    pub(super) fn ignore(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend(names);
    }

    /// Fields that the gateway does not support yet: refused unless they are empty and so without
    /// effect.
    pub(super) fn unsupported(&self, names: &[&'static str]) {
        for name in names {
            if self.value(name).is_some_and(|value| !is_blank(value)) {
                self.log.problem(self.path_of(name), format!("`{name}` is not supported yet"));
            }
        }
    }

    /// Like [`Object::unsupported`], where ignoring the field grants nothing.
    pub(super) fn unsupported_leniently(&self, names: &[&'static str]) {
        for name in names {
            if self.value(name).is_some_and(|value| !is_blank(value)) {
                self.log.warn(self.path_of(name), "not supported yet; ignored");
            }
        }
    }

    /// Refuses every field that nobody asked for.
    pub(super) fn finish(self) {
        for (name, message) in self.unknown() {
            self.log.problem(self.path_of(name), message);
        }
    }

    /// Warns of every field that nobody asked for.
    pub(super) fn finish_leniently(self) {
        self.warn_unknown();
    }

    /// Warns of every field that nobody asked for so far.
    pub(super) fn warn_unknown(&self) {
        for (name, message) in self.unknown() {
            self.log.warn(self.path_of(name), format!("{message}; ignored"));
        }
    }

    fn unknown(&self) -> Vec<(&'a str, String)> {
        let known = self.known.borrow();
        let names = self.entries().map(|(name, _)| name.as_str());
        let unknown = names.filter(|name| !known.contains(name));
        let unknown = unknown.map(|name| {
            let near = known.iter().map(|known| (distance(name, known), known)).min();
            let message = match near.filter(|(distance, _)| *distance <= 2) {
                Some((_, near)) => format!("unknown field `{name}`; did you mean `{near}`?"),
                None => format!("unknown field `{name}`"),
            };
            (name, message)
        });
        unknown.collect()
    }
}

/// A secret in any of its spellings.
pub(super) fn secret(value: &Value) -> Option<SecretRef> {
    if let Some(text) = value.as_str() {
        return Some(SecretRef::parse(text));
    }
    let map = value.as_object()?;
    let text = |name: &str| map.get(name).and_then(Value::as_str).unwrap_or_default();
    if map.keys().any(|name| !matches!(name.as_str(), "value" | "env_var" | "from_env")) {
        return None;
    }
    let variable = text("env_var");
    if !variable.is_empty() {
        let name = variable.strip_prefix("env.").unwrap_or(variable);
        return Some(SecretRef::Env(name.to_owned()));
    }
    Some(SecretRef::parse(text("value")))
}

fn whole(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
    Some(number as i64)
}

/// Whether a value says nothing: null, false, 0, empty, or an object of such values.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_blank),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            left = (above + 1).min(left + 1).min(diagonal + usize::from(x != y));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn distances() {
        assert_eq!(distance("budgett", "budget"), 1);
        assert_eq!(distance("wieght", "weight"), 2);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn an_unknown_field_names_its_neighbour() {
        let log = Log::default();
        let value = json!({"budgett": {}, "weight": "x", "zzz": 1});
        let object = Object::new(&value, "provider_configs[0]", &log);
        object.ignore(&["budget"]);
        assert_eq!(object.number("weight"), None);
        object.finish();
        let (problems, _) = log.into_parts();
        let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            problems,
            [
                "provider_configs[0].weight: must be a number, not a string",
                "provider_configs[0].budgett: unknown field `budgett`; did you mean `budget`?",
                "provider_configs[0].zzz: unknown field `zzz`",
            ]
        );
    }

    #[test]
    fn secrets_in_every_spelling() {
        let env = SecretRef::Env("X".to_owned());
        assert_eq!(secret(&json!("env.X")), Some(env.clone()));
        let object = json!({"value": "sk-1****", "env_var": "env.X", "from_env": true});
        assert_eq!(secret(&object), Some(env));
        let object = json!({"value": "sk", "env_var": "", "from_env": false});
        assert_eq!(secret(&object), Some(SecretRef::Value("sk".to_owned())));
        assert_eq!(secret(&json!({"val": "sk"})), None);
    }
}
