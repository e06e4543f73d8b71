//! What a word counts for in the comparison.

use super::DifferenceKind;
use super::stem::stem;
use super::synonyms::SYNONYMS;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// How much a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Nothing: it is not compared.
    Empty,
    /// Little: the other side may lack it, but not have another one instead.
    Weak,
    /// As little, of a verb; it replaces other verbs only.
    WeakVerb,
    /// Something: the other side must have it.
    Specific,
}

/// What the tables know of a stem.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// How much it says.
    pub(super) class: Class,
    /// The groups of [`SYNONYMS`] that it is in.
    pub(super) groups: Vec<u16>,
    /// What it is when the other side lacks it.
    pub(super) kind: Option<DifferenceKind>,
}

/// The entry of a stem, if any table has it.
pub(super) fn entry(stem: &str) -> Option<&'static Entry> {
    ENTRIES.get(stem)
}

/// Whether the word, as written, is an empty one in English.
pub(super) fn is_empty(word: &str) -> bool {
    EMPTY.contains(word)
}

/// Whether the word says that something is not so.
pub(super) fn is_negation(word: &str) -> bool {
    matches!(
        word,
        "not"
            | "no"
            | "never"
            | "without"
            | "nor"
            | "neither"
            | "none"
            | "nobody"
            | "nothing"
            | "nowhere"
            | "hardly"
            | "barely"
            | "scarcely"
            | "except"
            | "excluding"
            | "unless"
            | "non"
            | "unable"
            | "besides"
            | "minus"
            | "lacking"
    )
}

/// Whether an adverb of manner or degree, which says little when only one side has it.
pub(super) fn is_adverb(word: &str) -> bool {
    word.len() > 5 && word.ends_with("ly") && !NOT_ADVERBS.contains(&word)
}

const NOT_ADVERBS: [&str; 18] = [
    "anomaly",
    "apply",
    "assembly",
    "butterfly",
    "comply",
    "deadly",
    "elderly",
    "family",
    "friendly",
    "italy",
    "lonely",
    "lovely",
    "melancholy",
    "monopoly",
    "multiply",
    "sicily",
    "supply",
    "weekly",
];

static EMPTY: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| EMPTY_WORDS.iter().flat_map(|row| row.split(' ')).collect());

static ENTRIES: LazyLock<HashMap<String, Entry>> = LazyLock::new(|| {
    let mut entries: HashMap<String, Entry> = HashMap::new();
    let fresh = || Entry { class: Class::Specific, groups: Vec::new(), kind: None };
    for (group, words) in (0..).zip(SYNONYMS.iter().flat_map(|row| row.split("; "))) {
        for word in words.split(' ') {
            entries.entry(stem(word)).or_insert_with(fresh).groups.push(group);
        }
    }
    for (words, class) in [(WEAK_WORDS, Class::Weak), (WEAK_VERBS, Class::WeakVerb)] {
        for word in words.iter().flat_map(|row| row.split(' ')) {
            entries.entry(stem(word)).or_insert_with(fresh).class = class;
        }
    }
    for (kind, rows) in KINDS {
        for word in rows.iter().flat_map(|row| row.split(' ')) {
            let entry = entries.entry(stem(word)).or_insert_with(fresh);
            entry.kind = Some(*kind);
            entry.class = Class::Specific;
        }
    }
    entries
});

/// Words without a meaning of their own, as written.
static EMPTY_WORDS: &[&str] = &[
    "a an the this that these those such there here it its itself",
    "i me my mine myself you your yours yourself we us our ours they them their he him his she her hers",
    "am is are was were be been being do does did doing have has had having",
    "can could may might must shall should will would ought able possible allowed permitted",
    "who whom whose what which when where why how whether if than then so as",
    "of at on in to for from with by about into onto via per upon through regarding concerning up over",
    "and or but also too just only even really actually exactly simply basically very quite please kindly",
    "between among during once recommend suggest suggesting recommending suggestion",
    "some any both each every other another own same ones",
    "need want wanted like wish hope wonder wondering trying",
    "please let",
    "way ways method methods step steps process procedure approach",
    "good best proper correct right properly correctly recommended common possible various certain",
    "question thing things stuff something anything guys folks sorry anyway sir madam btw tbh lol asap",
    "term called",
    "ok okay well oh um hmm yes because since while still yet already ever",
    "much many suggestions advice",
];

/// Verbs that say little, in any inflection.
static WEAK_VERBS: &[&str] = &[
    "go use get make take put keep see look work happen come become try provide offer obtain",
    "require set place throw raise feel consider serve exist include travel play follow",
    "proceed locate situate belong relate expect intend turn bring hold seem tell explain",
    "describe define know say show give list name mean calculate compute find determine help",
    "assist understand learn perform achieve accomplish handle contain consist",
];

/// Other words that say little, in any inflection.
static WEAK_WORDS: &[&str] = &[
    "more most item command string real actual code safe location spot easy simple easiest",
    "simplest whole entire total correct instruction guide tutorial approximately roughly",
    "around approx popular famous single extra solution object element value entry content",
    "data statement operator expression option feature case situation system form all one",
    "meaning definition great top nice usual typical usually normally generally typically",
    "quick city people person time times quantity amount kind type sort purpose reason",
    "formula idea detail information info fact role keyword explanation overview currently",
    "now existing available different certain specific particular world always day current fully exact overall",
];

/// Words that must be on both sides, by what they differ in.
static KINDS: &[(DifferenceKind, &[&str])] = &[
    (
        DifferenceKind::Date,
        &[
            "monday tuesday wednesday thursday friday saturday sunday weekday weekend",
            "january february march april june july august september october november december",
            "spring summer autumn winter morning noon afternoon evening night midnight tonight",
            "today tomorrow yesterday last next previous upcoming past future",
            "daily weekly monthly yearly annual quarterly hourly annually nightly",
            "easter christmas thanksgiving halloween ramadan",
        ],
    ),
    (
        DifferenceKind::Unit,
        &[
            "second minute hour week month quarter year decade century millisecond",
            "meter kilometer centimeter millimeter mile foot inch yard",
            "gram kilogram milligram pound ounce ton stone",
            "liter milliliter gallon pint quart cup teaspoon tablespoon",
            "celsius fahrenheit kelvin degree mph kmh knot",
            "byte kilobyte megabyte gigabyte terabyte bit",
            "dollar euro yen rupee franc yuan ruble sterling peso bitcoin cent",
            "km cm mm mi ft yd kg lb lbs oz ml mg gb mb kb tb kmh kph usd eur gbp",
            "watt kilowatt volt ampere joule calorie hectare acre percent",
        ],
    ),
    (
        DifferenceKind::Language,
        &[
            "english german french spanish italian portuguese dutch danish swedish norwegian finnish",
            "polish czech slovak hungarian romanian bulgarian greek turkish russian ukrainian arabic",
            "hebrew hindi bengali urdu persian farsi chinese mandarin cantonese japanese korean thai",
            "vietnamese indonesian malay swahili latin catalan croatian serbian slovenian",
        ],
    ),
    (
        DifferenceKind::Format,
        &[
            "json csv xml yaml toml html markdown latex pdf table bullet bulleted numbered",
            "paragraph sentence word essay poem haiku limerick tweet email letter outline",
            "short long brief concise detailed formal informal casual only verbatim bold",
            "diagram chart graph json-schema plaintext rhyme emoji step-by-step",
        ],
    ),
    (DifferenceKind::Opposite, &["before after until less least out off under above below within"]),
    (DifferenceKind::Negation, &["avoid except exclude lack forbid forbidden prohibit"]),
];
