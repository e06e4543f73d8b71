//! What is wrong with a configuration, all of it at once.

use std::collections::HashSet;
use std::fmt;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The JSON path, such as `governance.virtual_keys[0].provider_configs[1].weight`.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// Everything that is wrong; never empty when it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(path, message));
    }

    /// Adds what a later stage found, but for what is only a consequence: its fields, or what holds
    /// them, are wrong already.
    pub fn add_later(&mut self, later: Problems) {
        let known: HashSet<String> = self.0.iter().map(|problem| problem.path.clone()).collect();
        let is_known = |path: &str| {
            let parent = path.rsplit_once('.').map(|(parent, _)| parent);
            known.contains(path) || parent.is_some_and(|parent| known.contains(parent))
        };
        self.0.extend(later.0.into_iter().filter(|problem| !is_known(&problem.path)));
    }

    /// `value`, unless something is wrong.
    pub fn check<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(problems: Vec<Problem>) -> Self {
        Problems(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The path of a field of what stands at `path`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
