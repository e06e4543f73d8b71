//! What shadow mode has learned: would-be hits, each with its similarity and whether it was right.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Grades that are kept; the oldest go.
const MOST: usize = 20_000;
/// Bytes of the file beyond which it is written anew; as many grades as are kept take some 3 MB.
const LARGEST_FILE: u64 = 8 << 20;
/// Graded hits that a threshold needs before it is suggested.
const ENOUGH: u64 = 20;
/// Share of false hits that a suggested threshold may have.
const BEARABLE: f64 = 0.01;

/// One would-be hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// Unix milliseconds.
    pub timestamp_ms: i64,
    /// Cosine similarity of the questions.
    pub similarity: f32,
    /// Why the guard rejected it; empty when it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rejected: String,
    /// Whether the kept answer would have been right; `None` when nobody could tell.
    pub right: Option<bool>,
    /// Who told: `judge` or `answer`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// The grades so far, in memory and in a file.
#[derive(Debug, Default)]
pub struct Grades {
    all: Mutex<VecDeque<Grade>>,
    file: Option<PathBuf>,
}

/// What the grades say of one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Cosine similarity from which on a hit would have been served.
    pub threshold: f64,
    /// Hits that would have been served, the guard on.
    pub hits: u64,
    /// Those of them that were graded.
    pub graded: u64,
    /// Those of the graded ones that were wrong.
    pub false_hits: u64,
    /// `false_hits` / `graded`; null without grades.
    pub false_hit_rate: Option<f64>,
    /// Hits that would have been served without the guard.
    pub hits_unguarded: u64,
    /// The false ones among them.
    pub false_hits_unguarded: u64,
    /// `false_hits_unguarded` / graded of them; null without grades.
    pub false_hit_rate_unguarded: Option<f64>,
}

impl Grades {
    /// Those of `file`, to which new ones are added. Lines that cannot be read are skipped.
    pub fn open(file: PathBuf) -> Self {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let mut all: VecDeque<Grade> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let surplus = all.len().saturating_sub(MOST);
        all.drain(..surplus);
        let grades = Grades { all: Mutex::new(all), file: Some(file) };
        if surplus > 0 {
            grades.rewrite();
        }
        grades
    }

    /// Adds one. Writes a line to the file, and so may block; what cannot be written is not worth a failure.
    pub fn add(&self, grade: Grade) {
        let line = serde_json::to_string(&grade).unwrap_or_default();
        {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST {
                all.pop_front();
            }
            all.push_back(grade);
        }
        let Some(file) = &self.file else { return };
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        let written = opened.and_then(|mut file| {
            writeln!(file, "{line}")?;
            Ok(file.metadata()?.len())
        });
        match written {
            Ok(length) if length > LARGEST_FILE => self.rewrite(),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!("a grade of the semantic cache could not be written: {error}");
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.rewrite();
    }

    fn rewrite(&self) {
        let Some(file) = &self.file else { return };
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = all.iter().filter_map(|grade| serde_json::to_string(grade).ok());
        let text: String = lines.map(|line| line + "\n").collect();
        drop(all);
        if let Err(error) = std::fs::write(file, text) {
            tracing::warn!("the grades of the semantic cache could not be written: {error}");
        }
    }

    /// What the grades say of each threshold from 0.50 to 0.98, and which one they suggest: the lowest
    /// at which, and above which, at most one graded hit in a hundred is false.
    pub fn report(&self) -> (Vec<Report>, Option<f64>) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<Report> =
            (0..=24).map(|step| report(&all, 0.5 + f64::from(step) * 0.02)).collect();
        let good = |row: &Report| {
            row.graded >= ENOUGH && row.false_hit_rate.is_some_and(|rate| rate <= BEARABLE)
        };
        let suggested =
            rows.iter().rev().skip_while(|row| row.graded < ENOUGH).take_while(|row| good(row));
        let suggested = suggested.last().map(|row| row.threshold);
        (rows, suggested)
    }
}

fn report(all: &VecDeque<Grade>, threshold: f64) -> Report {
    let above = || all.iter().filter(|grade| f64::from(grade.similarity) >= threshold - 1e-6);
    let guarded = || above().filter(|grade| grade.rejected.is_empty());
    let count = |grades: &mut dyn Iterator<Item = &Grade>| -> (u64, u64, u64) {
        grades.fold((0, 0, 0), |(hits, graded, wrong), grade| {
            let (is_graded, is_wrong) = (grade.right.is_some(), grade.right == Some(false));
            (hits + 1, graded + u64::from(is_graded), wrong + u64::from(is_wrong))
        })
    };
    let (hits, graded, false_hits) = count(&mut guarded());
    let (hits_unguarded, graded_unguarded, false_hits_unguarded) = count(&mut above());
    let rate = |wrong: u64, of: u64| (of > 0).then(|| wrong as f64 / of as f64);
    Report {
        threshold: (threshold * 100.0).round() / 100.0,
        hits,
        graded,
        false_hits,
        false_hit_rate: rate(false_hits, graded),
        hits_unguarded,
        false_hits_unguarded,
        false_hit_rate_unguarded: rate(false_hits_unguarded, graded_unguarded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(similarity: f32, rejected: &str, right: Option<bool>) -> Grade {
        let by = "judge".to_owned();
        Grade { timestamp_ms: 0, similarity, rejected: rejected.to_owned(), right, by }
    }

    #[test]
    fn a_threshold_is_suggested_when_enough_hits_above_it_were_right() {
        let grades = Grades::default();
        assert_eq!(grades.report().1, None);
        for _ in 0..40 {
            grades.add(grade(0.85, "", Some(true)));
            grades.add(grade(0.90, "negation", Some(false)));
        }
        for right in [true, false, true] {
            grades.add(grade(0.71, "", Some(right)));
        }
        grades.add(grade(0.81, "", None));
        let (rows, suggested) = grades.report();
        assert_eq!(suggested, Some(0.72));
        let at = |threshold: f64| rows.iter().find(|row| row.threshold == threshold).unwrap();
        let row = at(0.8);
        assert_eq!((row.hits, row.graded, row.false_hits), (41, 40, 0));
        assert_eq!((row.hits_unguarded, row.false_hits_unguarded), (81, 40));
        assert_eq!(row.false_hit_rate_unguarded, Some(0.5));
        assert_eq!(at(0.7).false_hits, 1);
        assert_eq!(at(0.96).false_hit_rate, None);
    }

    #[test]
    fn grades_survive_a_restart() {
        let folder = std::env::temp_dir().join(format!("grades-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("cache-grades.jsonl");
        Grades::open(file.clone()).add(grade(0.9, "", Some(true)));
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + "damaged\n").unwrap();
        let again = Grades::open(file.clone());
        assert_eq!(again.report().0[0].graded, 1);
        again.clear();
        assert_eq!(Grades::open(file).report().0[0].graded, 0);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
