//! Tells a paraphrase from a different question that reads almost the same.
//!
//! Embeddings find stored questions that are about the same thing, and score "Cancel my order" and
//! "Do not cancel my order" 0.96. This comparison of the two texts decides whether the one's answer
//! may serve the other: everything that carries meaning on one side must have its counterpart on
//! the other. Words that nobody listed count as meaning, so what the tables do not know is a miss
//! and not a wrong answer.
//!
//! A text becomes tokens ([`token`]), set phrases become one word ([`phrase`]), and every word is
//! empty, weak or specific ([`lexicon`]):
//!
//! * *empty* words ("the", "please", "tell me") are not compared;
//! * *weak* words ("get", "way") may be missing on one side, but not be replaced by another;
//! * all others are *specific* and must be there on both sides: as the same word in any inflection
//!   ([`stem`]), as a synonym ([`synonyms`]), or with a typo.
//!
//! What people put around a question falls away first ([`wrapper`]), and what the rest of it implies
//! weighs little ([`context`]). The same words must also stand to each other in the same way
//! ([`roles`], [`direction`], [`governor`]): who owes whom, and what becomes what. Words that are
//! empty elsewhere count where they are the question ([`quantity`], [`tense`]).
//!
//! Some of it needs no words at all, and holds in any language: the same words in another order
//! ([`order`]), a text that something is to be done to ([`payload`]), code among words
//! ([`expression`]), capitals and small letters ([`letters`]). Requests whose fingerprints agree come
//! here as well, because these fold letters and spaces.

mod context;
mod direction;
mod expression;
mod foreign;
mod governor;
mod language;
mod letters;
mod lexicon;
mod matching;
mod number;
mod opposites;
mod order;
mod payload;
mod person;
mod phrase;
mod quantity;
mod question;
mod reading;
mod roles;
mod stem;
mod synonyms;
mod tense;
mod token;
mod wrapper;

#[cfg(test)]
mod tests;

use reading::Reading;

/// Why the answer to a stored question does not serve the asked one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In what they differ.
    pub kind: DifferenceKind,
    /// The part of the asked question; empty when it has no counterpart.
    pub asked: String,
    /// The part of the stored question; empty when it has no counterpart.
    pub stored: String,
}

/// In what two questions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// One says what the other denies: not, never, without, except.
    Negation,
    /// Another number or ordinal.
    Number,
    /// Another date, time, weekday, month, season or period.
    Date,
    /// Another unit or currency.
    Unit,
    /// Other words in quotation marks.
    Quotation,
    /// Another person, place, product or other name.
    Name,
    /// Other code, identifier, option, address or operator.
    Code,
    /// Written in another language, or asks for an answer in another.
    Language,
    /// Asks for another format, length or style.
    Format,
    /// The opposite: start and stop, before and after, cheapest and dearest.
    Opposite,
    /// The same things the other way round: from A to B, and from B to A.
    Direction,
    /// Asks for something else about the same: when and why, how and whether.
    Question,
    /// About someone else: mine and yours, his and hers.
    Person,
    /// Another thing in the same sentence, or one that only one side has.
    Subject,
}

impl DifferenceKind {
    /// The word for it in headers, `cache_debug` and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            DifferenceKind::Negation => "negation",
            DifferenceKind::Number => "number",
            DifferenceKind::Date => "date",
            DifferenceKind::Unit => "unit",
            DifferenceKind::Quotation => "quotation",
            DifferenceKind::Name => "name",
            DifferenceKind::Code => "code",
            DifferenceKind::Language => "language",
            DifferenceKind::Format => "format",
            DifferenceKind::Opposite => "opposite",
            DifferenceKind::Direction => "direction",
            DifferenceKind::Question => "question",
            DifferenceKind::Person => "person",
            DifferenceKind::Subject => "subject",
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {:?} is not {:?}", self.kind.as_str(), self.asked, self.stored)
    }
}

/// Whether the answer to `stored` serves `asked`. Symmetric but for the sides in the difference.
///
/// # Errors
/// The first difference found that makes it another question.
pub fn compare(asked: &str, stored: &str) -> Result<(), Difference> {
    if asked.trim() == stored.trim() {
        return Ok(());
    }
    payload::compare(asked, stored)?;
    let mut a = Reading::of(asked);
    let mut b = Reading::of(stored);
    reading::join_compounds(&mut a, &mut b);
    let a = a.finish();
    let b = b.finish();
    language::compare(&a, &b)?;
    matching::compare_quotes(&a, &b)?;
    matching::compare_code(&a, &b)?;
    matching::compare_negation(&a, &b)?;
    number::compare(&a, &b)?;
    matching::compare_words(&a, &b)?;
    matching::compare_contrasts(&a, &b)?;
    quantity::compare(&a, &b)?;
    question::compare(&a, &b)?;
    person::compare(&a, &b)?;
    roles::compare(&a, &b)?;
    direction::compare(&a, &b)?;
    governor::compare(&a, &b)?;
    order::compare(&a, &b)?;
    expression::compare(asked, stored)?;
    letters::compare(asked, stored)
}

/// A difference as an error.
fn differ(kind: DifferenceKind, asked: &str, stored: &str) -> Result<(), Difference> {
    Err(Difference { kind, asked: asked.to_owned(), stored: stored.to_owned() })
}
