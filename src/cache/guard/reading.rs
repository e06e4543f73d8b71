//! A question as it is compared.

use super::DifferenceKind;
use super::context;
use super::language;
use super::lexicon::{self, Class, Entry};
use super::number;
use super::order;
use super::phrase;
use super::stem::{self, stem};
use super::token::{self, Form, Token};

/// A question cut into tokens, before its words are looked up.
#[derive(Debug)]
pub(super) struct Reading {
    tokens: Vec<Token>,
    quotes: Vec<String>,
    spoken: Vec<String>,
    script: &'static str,
    language: (usize, usize),
}

/// A token with all that is compared of it.
#[derive(Debug)]
pub(super) struct Item {
    /// The token.
    pub(super) token: Token,
    /// Its stem; the text itself when it is no word.
    pub(super) stem: String,
    /// How much it says.
    pub(super) class: Class,
    /// It denies.
    pub(super) negates: bool,
    /// Some table has it, so it is spelled right.
    pub(super) known: bool,
    /// A noun that may be made of a verb.
    pub(super) nominal: bool,
    /// What the tables know of it.
    pub(super) entry: Option<&'static Entry>,
}

/// A question as it is compared.
#[derive(Debug)]
pub(super) struct Features {
    /// In reading order.
    pub(super) tokens: Vec<Item>,
    /// What was in quotation marks.
    pub(super) quotes: Vec<String>,
    /// All words before phrases were replaced, see [`order::fold`].
    pub(super) spoken: Vec<String>,
    /// The script of most letters; empty without letters.
    pub(super) script: &'static str,
    /// See [`language::detect`].
    pub(super) language: (usize, usize),
}

impl Reading {
    /// Cuts `text`.
    pub(super) fn of(text: &str) -> Reading {
        let cut = token::cut(text);
        // Before the phrases are replaced, which takes function words away.
        let language = language::detect(&cut.tokens);
        let spoken = order::fold(&cut.tokens);
        let tokens = number::read_words(phrase::rewrite(&cut.tokens));
        Reading { tokens, quotes: cut.quotes, spoken, script: language::script(text), language }
    }

    /// Looks the words up.
    pub(super) fn finish(self) -> Features {
        let language = self.language;
        let last = self.tokens.len().saturating_sub(1);
        let has_number = self.tokens.iter().any(|token| token.form == Form::Number);
        let item = |(at, token): (usize, Token)| {
            let mut item = Item::of(token, language.0);
            let greets = at == 0 && GREETINGS.contains(&item.token.text.as_str());
            let thanks = at + 2 > last && matches!(item.token.text.as_str(), "thanks" | "thank");
            // "How much is 15 % of 200" asks for no price.
            let price = item.token.text == "price" && has_number;
            if greets || thanks {
                item.class = Class::Empty;
            } else if price {
                item.class = Class::Weak;
            }
            item
        };
        let mut tokens: Vec<Item> = self.tokens.into_iter().enumerate().map(item).collect();
        context::weigh(&mut tokens, !self.quotes.is_empty());
        Features { tokens, quotes: self.quotes, spoken: self.spoken, script: self.script, language }
    }
}

const GREETINGS: [&str; 6] = ["hi", "hello", "hey", "dear", "thanks", "thank"];

impl Item {
    fn of(token: Token, language: usize) -> Item {
        if token.form != Form::Word {
            let stem = token.text.clone();
            return Item {
                token,
                stem,
                class: Class::Specific,
                negates: false,
                known: false,
                nominal: false,
                entry: None,
            };
        }
        let stem = stem(&token.text);
        let entry = lexicon::entry(&stem);
        let english = language == 0;
        let sense = if english { None } else { language::sense(&token.text, language) };
        let negates = if english { lexicon::is_negation(&token.text) } else { sense == Some(true) };
        let listed = lexicon::is_empty(&token.text);
        let empty = if english { listed } else { sense == Some(false) };
        let text = token.text.as_str();
        let abbreviation = token.shouted && matches!(text, "it" | "us" | "who")
            || token.stands_out && matches!(text, "may" | "a");
        let class = if let Some(says) = token.says {
            says
        } else if (empty || negates) && !abbreviation {
            Class::Empty
        } else if english
            && entry.is_none_or(|entry| entry.kind.is_none())
            && lexicon::is_adverb(text)
        {
            Class::Weak
        } else {
            entry.map_or(Class::Specific, |entry| entry.class)
        };
        let known = entry.is_some() || listed;
        let nominal = stem::is_nominal(text);
        Item { token, stem, class, negates, known, nominal, entry }
    }

    /// Whether they are the same word in another inflection, or synonyms.
    pub(super) fn matches(&self, other: &Item) -> bool {
        if self.stem == other.stem {
            return true;
        }
        if self.nominal && stem::is_noun_of(&self.token.text, &other.stem)
            || other.nominal && stem::is_noun_of(&other.token.text, &self.stem)
        {
            return true;
        }
        let (Some(one), Some(two)) = (self.entry, other.entry) else { return false };
        one.groups.iter().any(|group| two.groups.contains(group))
    }

    /// In what a question differs that lacks this.
    pub(super) fn kind(&self) -> DifferenceKind {
        if let Some(kind) = self.entry.and_then(|entry| entry.kind) {
            return kind;
        }
        match self.token.form {
            Form::Code => DifferenceKind::Code,
            Form::Number => DifferenceKind::Number,
            Form::Word if self.token.camel && self.token.stands_out => DifferenceKind::Code,
            Form::Word if self.token.stands_out => DifferenceKind::Name,
            Form::Word => DifferenceKind::Subject,
        }
    }
}

impl Features {
    /// The numbers, in reading order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &str> {
        self.of_form(Form::Number)
    }

    /// The tokens of a form, in reading order.
    pub(super) fn of_form(&self, form: Form) -> impl Iterator<Item = &str> {
        self.tokens
            .iter()
            .filter(move |item| item.token.form == form)
            .map(|item| item.token.text.as_str())
    }

    /// Whether the word is there as written.
    pub(super) fn has(&self, word: &str) -> bool {
        self.tokens.iter().any(|item| item.token.form == Form::Word && item.token.text == word)
    }
}

/// Joins neighbours that the other side writes as one word: "user name" and "username".
pub(super) fn join_compounds(a: &mut Reading, b: &mut Reading) {
    join_as_in(&mut a.tokens, &b.tokens);
    join_as_in(&mut b.tokens, &a.tokens);
}

fn join_as_in(tokens: &mut Vec<Token>, other: &[Token]) {
    let mut at = 0;
    while at + 1 < tokens.len() {
        let (first, second) = (&tokens[at], &tokens[at + 1]);
        let words = first.form == Form::Word && second.form == Form::Word && first.text.len() > 1;
        let length = first.text.len() + second.text.len();
        let compound = |token: &&Token| {
            token.text.len() == length
                && token.text.starts_with(&first.text)
                && token.text.ends_with(&second.text)
        };
        if let Some(found) = other.iter().filter(|_| words).find(compound) {
            tokens[at].text.clone_from(&found.text);
            tokens.remove(at + 1);
        }
        at += 1;
    }
}
