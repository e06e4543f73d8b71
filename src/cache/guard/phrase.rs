//! Set phrases that stand for one word, or for none.

use super::lexicon::Class;
use super::token::{Form, Token};
use super::wrapper;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Replaces the phrases of the table; the longest match at each place wins.
pub(super) fn rewrite(tokens: &[Token]) -> Vec<Token> {
    let mut rewritten: Vec<Token> = Vec::with_capacity(tokens.len() + 2);
    let (mut at, mut leads) = (0, false);
    while let Some(token) = tokens.get(at) {
        // What begins a clause keeps doing so when the phrase before it says nothing.
        leads |= token.leads;
        if let Some((length, words)) = longest(&tokens[at..], leads, rewritten.last()) {
            for word in words.split_whitespace() {
                rewritten.push(replacement(word, std::mem::take(&mut leads)));
            }
            at += length;
        } else {
            rewritten.push(Token { leads: std::mem::take(&mut leads), ..token.clone() });
            at += 1;
        }
    }
    join_particles(&mut rewritten);
    rewritten
}

/// A word of a replacement: one marked `?` is weak, one marked `~` a weak verb.
fn replacement(word: &str, leads: bool) -> Token {
    let (text, says) = match (word.strip_suffix('?'), word.strip_suffix('~')) {
        (Some(text), _) => (text, Some(Class::Weak)),
        (_, Some(text)) => (text, Some(Class::WeakVerb)),
        _ => (word, None),
    };
    Token { says, ..Token::word(text, leads) }
}

/// The longest phrase that `tokens` begin with: its length and its replacement.
fn longest(tokens: &[Token], leads: bool, before: Option<&Token>) -> Option<(usize, &'static str)> {
    let first = tokens.first().filter(|token| token.form == Form::Word)?;
    let candidates = PHRASES.get(first.text.as_str())?;
    // "Tell me" asks, "Can my boss tell me" tells.
    let asks = leads || before.is_none_or(|before| ASKERS.contains(&before.text.as_str()));
    let begins = |phrase: &&Phrase| {
        let words = &phrase.words;
        (leads || !phrase.leading)
            && (asks || !phrase.to.is_empty() || words.last() != Some(&"me"))
            && words.len() <= tokens.len()
            && words.iter().zip(tokens).enumerate().all(|(index, (word, token))| {
                *word == token.text && (index == 0 || !token.leads || token.form != Form::Word)
            })
    };
    let phrase = candidates.iter().filter(begins).max_by_key(|phrase| phrase.words.len())?;
    Some((phrase.words.len(), phrase.to))
}

/// "turn the light on" is "enable the light": the particle may be some words away.
fn join_particles(tokens: &mut Vec<Token>) {
    let mut at = 0;
    while at < tokens.len() {
        if matches!(tokens[at].text.as_str(), "turn" | "switch" | "turned" | "turning") {
            let near = tokens
                .iter()
                .skip(at + 1)
                .take(4)
                .position(|token| token.text == "on" || token.text == "off");
            if let Some(offset) = near {
                let place = at + 1 + offset;
                // "turn X on Y": an "on" with a noun behind it is a preposition.
                let last = tokens.get(place + 1).is_none_or(|next| next.leads);
                if last || tokens[place].text == "off" {
                    let word = if tokens[place].text == "on" { "enable" } else { "disable" };
                    tokens[at] = Token::word(word, tokens[at].leads);
                    tokens.remove(place);
                }
            }
        }
        at += 1;
    }
    join_removals(tokens);
}

/// "get the stain out of it" and "take the lid off it" are "remove".
fn join_removals(tokens: &mut Vec<Token>) {
    let mut at = 0;
    while at < tokens.len() {
        if matches!(tokens[at].text.as_str(), "get" | "take" | "getting" | "taking") {
            let clause = tokens.iter().skip(at + 1).take(5).take_while(|token| !token.leads);
            let near = clause
                .enumerate()
                .skip(1)
                .find(|(_, token)| token.text == "out" || token.text == "off");
            if let Some((offset, _)) = near {
                tokens[at] = Token::word("remove", tokens[at].leads);
                tokens.remove(at + 1 + offset);
            }
        }
        at += 1;
    }
}

/// What may stand before "tell me" when it asks.
const ASKERS: [&str; 7] = ["please", "you", "to", "kindly", "and", "just", "then"];

/// A phrase and what it stands for.
struct Phrase {
    words: Vec<&'static str>,
    to: &'static str,
    /// Only at the beginning of a clause.
    leading: bool,
}

type ByFirstWord = HashMap<&'static str, Vec<Phrase>>;

static PHRASES: LazyLock<ByFirstWord> = LazyLock::new(|| {
    let mut phrases = ByFirstWord::new();
    let anywhere = TABLE.iter().map(|row| (row, false));
    let rows = anywhere.chain(wrapper::LEADING.iter().map(|row| (row, true)));
    for ((froms, to), leading) in rows {
        for from in froms.split(" | ") {
            let words: Vec<&str> = from.split(' ').collect();
            if let Some(first) = words.first() {
                phrases.entry(*first).or_default().push(Phrase { words, to, leading });
            }
        }
    }
    phrases
});

/// Phrases, by ` | `, and what they stand for.
static TABLE: &[(&str, &str)] = &[
    // Switching and signing.
    ("turn on | turned on | turning on | switch on | turns on", "enable"),
    ("turn off | turned off | turning off | switch off", "disable"),
    (
        "log in | logs in | logged in | logging in | sign in | signed in | signing in | log into | sign into | log on",
        "login",
    ),
    ("log out | logged out | sign out | signed out | log off | sign off", "logout"),
    ("sign up | signed up | signing up", "register"),
    ("set up | sets up | setting up", "setup"),
    ("get rid of | getting rid of | take off | get out of | take out of | dispose of", "remove"),
    ("speed up | speeding up", "make faster"),
    ("more quickly | more rapidly | quicker", "faster"),
    ("more slowly", "slower"),
    ("more easily", "easier"),
    (
        "place an order | placed an order | placing an order | place my order | placed my order",
        "order",
    ),
    ("take place | takes place | took place | taking place", "happen"),
    ("capture the screen | capture my screen | capture screen", "take screenshot"),
    ("both sides | two sided | double sided | duplex", "doublesided"),
    ("stop receiving | stop getting emails | opt out of receiving", "unsubscribe"),
    (
        "get the number of | find the number of | get the count of | determine the number of",
        "count",
    ),
    ("phone number | telephone number", "phone? number"),
    ("boiling point", "temperature boil"),
    ("freezing point", "temperature freeze"),
    ("melting point", "temperature melt"),
    (
        "in another country | in other countries | to other countries | in a foreign country | in foreign countries | outside the country | to another country",
        "abroad",
    ),
    ("once i have | once i | once you have | once you | after i have | after i", "after"),
    ("covid 19 | coronavirus | sars cov 2", "covid"),
    ("load faster", "load fast"),
    ("give up", "quit"),
    (
        "hand luggage | cabin luggage | cabin bag | carry on bag | carry on luggage | carry on",
        "carryon",
    ),
    ("stand for | stands for", "mean"),
    ("work from home | working from home", "work remotely"),
    ("command line", "terminal"),
    ("bring down", "lower"),
    ("come up with", "create"),
    ("check my", "check~ my"),
    ("check the", "check~ the"),
    ("check which", "check~ which"),
    ("check what", "check~ what"),
    ("at any time | whenever i want | any time i want | whenever i like", "anytime"),
    ("annual leave | paid leave | paid time off | pto", "vacation"),
    ("put off", "postpone"),
    ("look for | search for | looking for", "search"),
    ("find out", "know"),
    ("signed in person | sign in person", "sign in person"),
    ("segmentation fault", "segfault"),
    ("flight time", "flight duration"),
    ("travel time", "travel duration"),
    ("cooking time", "cook duration"),
    ("delivery time | shipping time", "delivery duration"),
    ("processing time", "processing duration"),
    ("waiting time | wait time", "wait duration"),
    ("fall asleep | falling asleep | get to sleep | go to sleep", "sleep"),
    ("get in touch with | getting in touch with | reach out to", "contact"),
    ("automatic payments | automatic payment", "autopay"),
    ("regular expression | regular expressions", "regex"),
    ("high blood pressure", "hypertension"),
    ("throw up | throwing up | threw up", "vomit"),
    ("due date", "deadline"),
    ("city center | city centre | town center | town centre", "center"),
    ("in general | for example | for instance | as soon as possible", ""),
    ("fill in | fill out", "complete"),
    ("hand in | turn in", "submit"),
    ("free up | make available", "free"),
    ("back up", "backup"),
    ("disk space | storage space", "space"),
    ("running slow | running slowly | runs slow | runs slowly", "slow"),
    ("money back", "refund"),
    ("in simple terms | in plain language | in simple words", "simply"),
    // Asking.
    (
        "what are business hours | what are the business hours | what are your business hours | what are your opening hours | what are the opening hours | what are your hours",
        "when are you open",
    ),
    (
        "what is your opening time | what are your opening times | what are the opening times | what time do you open",
        "when do you open",
    ),
    (
        "what is your closing time | what are your closing times | what are the closing times | what time do you close",
        "when do you close",
    ),
    (
        "what are the opening hours of | the opening hours of | opening hours of | opening times of | what are the opening times of | what are the business hours of",
        "when open",
    ),
    ("what are the consequences of | what is the consequence of", "what happens if"),
    ("is it better to | is it best to | would it be better to", "should i"),
    ("which artist | which author | which person | which people | what person", "who"),
    (
        "tips for | tips on | tips to | some tips for | some tips on | advice on | advice for",
        "tips? how to",
    ),
    ("how come | what causes | what is the cause of | what are the causes of | what caused", "why"),
    (
        "what is the reason | what is the reason for | for what reason | what makes | what could be the cause",
        "why",
    ),
    (
        "at what time | what time | by what time | in what year | in which year | what year | which year",
        "when",
    ),
    (
        "on what date | what date | what day | on what day | on which day | which day | by when | since when",
        "when",
    ),
    ("what is the best time | what is a good time", "when is the best time"),
    ("what time is it", "what clocktime"),
    (
        "how late is it | what is the time in | what is the time now | what is the time right now | the current time | current time",
        "what clocktime",
    ),
    ("by whom | whom | which person", "who"),
    ("in what place | in which place | what place | which place", "where"),
    (
        "is it possible to | am i allowed to | are we allowed to | may i | is it okay to | is it ok to | is it allowed to | am i able to | am i permitted to | is it permitted to",
        "can i",
    ),
    ("is it possible for me to | would it be possible to | would i be able to", "can i"),
    ("how often | how frequently | how many times | how regularly", "what frequency"),
    ("how long | for how long | how much time", "what duration"),
    ("how many days", "what duration days?"),
    ("how many hours", "what duration hours?"),
    ("how many minutes", "what duration minutes?"),
    ("how many seconds", "what duration seconds?"),
    ("how many weeks", "what duration weeks?"),
    ("how many months", "what duration months?"),
    ("how many years", "what duration years?"),
    ("how many days of", "what many days? of"),
    ("how many hours of", "what many hours? of"),
    ("how many minutes of", "what many minutes? of"),
    ("how far", "what distance"),
    ("how tall | how high", "what height"),
    ("how old", "what age"),
    ("how fast", "what speed"),
    ("how heavy", "what weight"),
    ("how big | how large", "what size"),
    ("how deep", "what depth"),
    ("how wide", "what width"),
    ("how expensive", "what price"),
    ("how much is | how much are", "what price"),
    ("how much money", "what price"),
    ("how many | how much | what amount of | what number of | what quantity of", "what many"),
    ("the number of | the amount of | the quantity of | the total number of", "many"),
    ("the population of", "many people live in"),
    ("how do you say | how would you say | how to say | what is the word for", "translate"),
    // Times.
    ("every day | per day | each day | a day", "daily"),
    ("in a day", "in day"),
    ("for a day", "for day"),
    ("every week | per week | each week | a week", "weekly"),
    ("every month | per month | each month | a month", "monthly"),
    ("every year | per year | each year | a year", "yearly"),
    ("right now | at the moment | these days | at present", "now"),
    ("new year's day | new years day", "newyear"),
    ("all the time", "always"),
    ("all night | all night long", "overnight"),
    // Fixed expressions.
    ("a lot of | lots of | plenty of | a bunch of", ""),
    ("quick question | excuse me | i was wondering | i am wondering | just wondering", ""),
    (
        "tell me | tell us | show me | give me | let me know | explain to me | do you know | say me",
        "",
    ),
    ("in order to", "to"),
    ("instead of", "instead"),
    ("rather than", "instead"),
    ("as well as", "and"),
    ("as well", "also"),
    ("such as", "like"),
    ("from scratch", "homemade"),
    ("multiplied by", "times"),
    ("divided by", "over"),
    ("capital city", "capital"),
    ("as json", "in json"),
    ("not only", ""),
    ("no matter", ""),
    ("no longer", "not"),
    ("not sure | not know", "wonder"),
    ("why not", "why not"),
    ("or not", ""),
    // Names and compounds.
    ("united states of america | united states | u s", "usa"),
    ("united kingdom | great britain | u k", "uk"),
    ("new york city | nyc", "new york"),
    ("e mail", "email"),
    ("wi fi", "wifi"),
    ("cell phone | mobile phone | smart phone", "phone"),
    ("two factor authentication | two factor", "2fa"),
    ("time off", "vacation"),
    ("e g | eg | i e", ""),
];
