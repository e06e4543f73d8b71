//! Who does it to whom: "Who follows me?" and "Who do I follow?" have the same words.
//!
//! There is no grammar here, only places: what stands between an auxiliary, an interrogative or the
//! beginning of a clause and a verb is its subject, and what follows up to a preposition is its
//! object. A word that is the subject of a verb on one side and its object on the other turns the
//! question round.

use super::lexicon::Class;
use super::reading::{Features, Item};
use super::token::Form;
use super::{Difference, DifferenceKind, differ};

/// Someone or something that a verb is about.
#[derive(Debug, Clone, Copy)]
enum Actor<'a> {
    /// The one who asks, or the one who is asked.
    Person(&'static str),
    /// What is asked for.
    Unknown,
    /// A word of meaning.
    Thing(&'a Item),
}

impl Actor<'_> {
    fn is(&self, other: &Actor<'_>) -> bool {
        match (self, other) {
            (Actor::Person(one), Actor::Person(other)) => one == other,
            (Actor::Thing(one), Actor::Thing(other)) => one.matches(other),
            _ => false,
        }
    }

    fn name(&self) -> &str {
        match self {
            Actor::Person(person) => person,
            Actor::Unknown => "",
            Actor::Thing(item) => &item.token.text,
        }
    }
}

/// A verb with what stands around it.
struct Frame<'a> {
    verb: &'a Item,
    subject: Vec<Actor<'a>>,
    object: Vec<Actor<'a>>,
    /// All behind the verb, whatever governs it.
    rest: &'a [Item],
}

/// No subject of a verb may be its object on the other side.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    counted(a, b)?;
    let (ones, others) = (frames(a, b), frames(b, a));
    for one in &ones {
        for other in others.iter().filter(|other| other.verb.stem == one.verb.stem) {
            if let Some(actor) = swapped(one, other).or_else(|| swapped(other, one)) {
                let (name, verb) = (actor.name(), &one.verb.token.text);
                let (before, after) = (format!("{name} {verb}"), format!("{verb} {name}"));
                return differ(DifferenceKind::Direction, &before, &after);
            }
        }
    }
    Ok(())
}

/// The subject of `one` that is an object of `other` where that makes it another question.
fn swapped<'a>(one: &Frame<'a>, other: &Frame<'_>) -> Option<Actor<'a>> {
    let has = |actors: &[Actor<'_>], wanted: &Actor<'_>| actors.iter().any(|a| a.is(wanted));
    let unknown = other.subject.iter().any(|actor| matches!(actor, Actor::Unknown));
    let person = other.subject.iter().any(|actor| matches!(actor, Actor::Person(_)));
    if let Some(actor) = crossed(one, other) {
        return Some(actor);
    }
    let exchanged = other.subject.iter().any(|actor| has(&one.object, actor));
    one.subject.iter().copied().find(|actor| {
        // "My car does not start" and "I cannot start my car" are the same, of people it is not.
        let turns = match actor {
            Actor::Person(_) => !has(&other.subject, actor),
            Actor::Thing(item) => {
                let passed = !has(&other.subject, actor) && !has(&one.object, actor);
                unknown || exchanged || (is_human(item) && (person || passed))
            }
            Actor::Unknown => false,
        };
        turns && has(&other.object, actor)
    })
}

/// "Does zinc help with copper" and "Does copper help with zinc".
fn crossed<'a>(one: &Frame<'a>, other: &Frame<'_>) -> Option<Actor<'a>> {
    const SYMMETRIC: [&str; 10] = [
        "work",
        "match",
        "pair",
        "compare",
        "differ",
        "integrate",
        "merge",
        "connect",
        "go",
        "mix",
    ];
    if SYMMETRIC.contains(&one.verb.stem.as_str()) {
        return None;
    }
    let behind = |frame: &Frame<'_>, actor: &Actor<'_>| {
        let Actor::Thing(item) = actor else { return false };
        frame.rest.iter().take(8).any(|other| item.matches(other))
    };
    let there = other.subject.iter().any(|actor| behind(one, actor) && !behind(other, actor));
    let mut subject = one.subject.iter().copied();
    subject.find(|actor| there && behind(other, actor) && !behind(one, actor))
}

/// All words that may be verbs, have a subject and are in the other question too.
fn frames<'a>(features: &'a Features, other: &Features) -> Vec<Frame<'a>> {
    let items = &features.tokens;
    let verbs = items.iter().enumerate().filter(|(_, item)| {
        may_be_verb(item) && other.tokens.iter().any(|there| there.stem == item.stem)
    });
    verbs
        .filter_map(|(at, verb)| {
            let (subject, passive) = subject(items, at)?;
            if !passive {
                return Some(Frame {
                    verb,
                    subject,
                    object: object(items, at),
                    rest: &items[at + 1..],
                });
            }
            let by = items[at..].iter().take(4).position(|item| item.token.text == "by");
            let agent = by.map_or_else(Vec::new, |by| object(items, at + by));
            Some(Frame { verb, subject: agent, object: subject, rest: &[] })
        })
        .collect()
}

fn may_be_verb(item: &Item) -> bool {
    let text = item.token.text.as_str();
    let word = item.token.form == Form::Word && !item.negates;
    word && (item.class > Class::Empty
        || matches!(text, "like" | "likes" | "need" | "needs" | "want" | "wants" | "own" | "owns"))
}

/// What stands before the verb at this place as its subject, and whether the verb is passive.
fn subject(items: &[Item], verb: usize) -> Option<(Vec<Actor<'_>>, bool)> {
    let participle = is_participle(&items[verb]);
    let mut at = verb;
    let mut passive = false;
    while at > 0 && !items[at].token.leads {
        let text = items[at - 1].token.text.as_str();
        let is_form = participle && BE.contains(&text);
        if !(BETWEEN.contains(&text) || is_form || items[at - 1].negates) {
            break;
        }
        passive |= is_form || matches!(text, "being" | "get" | "gets" | "got");
        at -= 1;
    }
    if at == 0 || items[at].token.leads {
        return None;
    }
    let text = items[at - 1].token.text.as_str();
    let single = person(text, true)
        .map(Actor::Person)
        .or_else(|| matches!(text, "who" | "what").then_some(Actor::Unknown));
    let (subject, first) = match single {
        Some(actor) => (vec![actor], at - 1),
        None => noun(items, at)?,
    };
    let before = if items[first].token.leads { None } else { first.checked_sub(1) };
    let before = before.map_or("", |at| items[at].token.text.as_str());
    let is_form = BE.contains(&before);
    // "Is a normal rate": nothing acts here, as in "Is my landlord evicting me".
    let idle = is_form && at == verb && !participle && !items[verb].token.text.ends_with("ing");
    (!idle).then_some((subject, participle && (passive || is_form)))
}

/// The noun that ends before `end`, and where it begins. It must follow an auxiliary, an
/// interrogative or the beginning of a clause.
fn noun(items: &[Item], end: usize) -> Option<(Vec<Actor<'_>>, usize)> {
    let mut first = end;
    let mut actors = Vec::new();
    loop {
        let at = first.checked_sub(1)?;
        let item = &items[at];
        let text = item.token.text.as_str();
        let word = item.class > Class::Empty && !item.negates && item.token.form == Form::Word;
        if word && actors.len() < 4 {
            actors.push(Actor::Thing(item));
        } else if matches!(text, "which" | "what" | "whose") && !actors.is_empty() {
            return Some((vec![Actor::Unknown], at));
        } else if !DETERMINERS.contains(&text) {
            let opens =
                AUXILIARIES.contains(&text) || BE.contains(&text) || OPENERS.contains(&text);
            return (opens && !actors.is_empty()).then_some((actors, first));
        }
        first = at;
        if item.token.leads {
            return (!actors.is_empty()).then_some((actors, first));
        }
    }
}

/// What follows the verb at this place up to the next preposition but "to".
fn object(items: &[Item], verb: usize) -> Vec<Actor<'_>> {
    let mut actors = Vec::new();
    for item in items[verb + 1..].iter().take(7).take_while(|item| !item.token.leads) {
        let text = item.token.text.as_str();
        if PREPOSITIONS.contains(&text) || matches!(text, "i" | "we" | "he" | "she" | "they") {
            break;
        }
        if let Some(person) = person(text, false) {
            actors.push(Actor::Person(person));
        } else if item.class > Class::Empty {
            actors.push(Actor::Thing(item));
        }
    }
    actors
}

fn person(text: &str, subject: bool) -> Option<&'static str> {
    Some(match (text, subject) {
        ("i" | "we", true) | ("me" | "us", false) => "I",
        ("you", _) => "you",
        ("he", true) | ("him", false) => "he",
        ("she", true) => "she",
        ("they", true) | ("them", false) => "they",
        _ => return None,
    })
}

/// "charged", "built" and "written", but not "charge", "charges" or "charging".
fn is_participle(item: &Item) -> bool {
    let text = item.token.text.as_str();
    let plain = text.ends_with("ing") || text.ends_with('s');
    text.ends_with("ed") || text.ends_with("en") || (!plain && !text.starts_with(&item.stem))
}

/// People and bodies that act.
fn is_human(item: &Item) -> bool {
    let text = item.token.text.as_str();
    HUMANS.contains(&text) || text.strip_suffix('s').is_some_and(|one| HUMANS.contains(&one))
}

/// What is counted, and what all of are meant: "How many ounces are a pound?" and "How many pounds
/// are an ounce?", "Are all squares rectangles?" and "Are all rectangles squares?"
fn counted(a: &Features, b: &Features) -> Result<(), Difference> {
    for word in ["many", "all", "every", "is"] {
        let (Some(one), Some(other)) = (behind(a, word), behind(b, word)) else { continue };
        let has = |items: &[Item], item: &Item| items.iter().any(|other| other.matches(item));
        // "Many bags" and "many checked bags" count the same.
        let near =
            has(&one[..one.len().min(3)], &other[0]) || has(&other[..other.len().min(3)], &one[0]);
        // "All squares rectangles" is "all rectangles squares" turned.
        let turned = word != "many" && follows(one, &other[0]) && follows(other, &one[0]);
        if (!near && word != "is" || turned) && has(&a.tokens, &other[0]) && has(&b.tokens, &one[0])
        {
            let (one, other) = (&one[0].token.text, &other[0].token.text);
            return differ(DifferenceKind::Direction, one, other);
        }
    }
    Ok(())
}

fn is_article(item: &Item) -> bool {
    matches!(item.token.text.as_str(), "a" | "an")
}

/// Whether the second of `items` is this word, and both are more than one.
fn follows(items: &[Item], word: &Item) -> bool {
    let plural = |item: &Item| item.token.text.ends_with('s');
    let second = items.get(1).filter(|item| !is_article(item)).or_else(|| items.get(2));
    let alike = items.get(1).is_some_and(is_article) || plural(word);
    alike && second.is_some_and(|second| second.matches(word) && plural(second) == plural(word))
}

/// What follows `word`, from a word of meaning on that is not one of a list.
fn behind<'a>(features: &'a Features, word: &str) -> Option<&'a [Item]> {
    let at = features.tokens.iter().position(|item| item.token.text == word)?;
    let mut rest = features.tokens.get(at + 1..)?;
    if let [article, behind @ ..] = rest
        && word == "is"
        && is_article(article)
    {
        rest = behind;
    }
    let item = rest.first()?;
    let next = rest.get(1).map_or("", |item| item.token.text.as_str());
    let listed = matches!(next, "and" | "or");
    (item.class > Class::Empty && item.token.form == Form::Word && !listed).then_some(rest)
}

/// What may stand between a subject and its verb.
static BETWEEN: [&str; 38] = [
    "to", "also", "still", "just", "even", "really", "always", "usually", "ever", "already",
    "only", "want", "wants", "wanted", "need", "needs", "try", "trying", "like", "have", "has",
    "had", "going", "able", "allowed", "be", "been", "being", "get", "gets", "got", "can", "will",
    "should", "could", "would", "did", "please",
];

static DETERMINERS: [&str; 16] = [
    "the", "a", "an", "my", "your", "his", "her", "our", "their", "its", "this", "that", "these",
    "those", "some", "any",
];

static AUXILIARIES: [&str; 16] = [
    "do", "does", "did", "can", "could", "will", "would", "should", "shall", "may", "might",
    "must", "have", "has", "had", "all",
];

static BE: [&str; 7] = ["is", "are", "was", "were", "am", "be", "been"];

/// What a clause may begin with before its subject.
static OPENERS: [&str; 10] =
    ["if", "when", "whether", "that", "because", "why", "how", "and", "or", "not"];

static PREPOSITIONS: [&str; 22] = [
    "at", "in", "on", "with", "by", "for", "of", "from", "about", "after", "before", "during",
    "through", "via", "into", "than", "as", "if", "when", "because", "without", "or",
];

static HUMANS: [&str; 52] = [
    "manager",
    "boss",
    "employer",
    "employee",
    "colleague",
    "coworker",
    "landlord",
    "tenant",
    "bank",
    "company",
    "doctor",
    "patient",
    "nurse",
    "teacher",
    "student",
    "professor",
    "parent",
    "mother",
    "father",
    "mom",
    "mum",
    "dad",
    "wife",
    "husband",
    "partner",
    "child",
    "children",
    "kid",
    "son",
    "daughter",
    "brother",
    "sister",
    "friend",
    "neighbor",
    "neighbour",
    "customer",
    "client",
    "seller",
    "buyer",
    "user",
    "admin",
    "guest",
    "host",
    "driver",
    "lawyer",
    "insurer",
    "police",
    "government",
    "school",
    "team",
    "people",
    "recruiter",
];
