//! Set phrases that stand for one word, or for none.

use super::token::{Form, Token};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Replaces the phrases of the table; the longest match at each place wins.
pub(super) fn rewrite(tokens: &[Token]) -> Vec<Token> {
    let mut rewritten: Vec<Token> = Vec::with_capacity(tokens.len() + 2);
    let (mut at, mut leads) = (0, false);
    while let Some(token) = tokens.get(at) {
        // What begins a clause keeps doing so when the phrase before it says nothing.
        leads |= token.leads;
        if let Some((length, words)) = longest(&tokens[at..]) {
            for word in words.split_whitespace() {
                rewritten.push(Token::word(word, std::mem::take(&mut leads)));
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

/// The longest phrase that `tokens` begin with: its length and its replacement.
fn longest(tokens: &[Token]) -> Option<(usize, &'static str)> {
    let first = tokens.first().filter(|token| token.form == Form::Word)?;
    let candidates = PHRASES.get(first.text.as_str())?;
    let begins = |(words, _): &&(Vec<&str>, &str)| {
        words.len() <= tokens.len()
            && words.iter().zip(tokens).enumerate().all(|(index, (word, token))| {
                *word == token.text && (index == 0 || !token.leads || token.form != Form::Word)
            })
    };
    let (words, replacement) =
        candidates.iter().filter(begins).max_by_key(|(words, _)| words.len())?;
    Some((words.len(), *replacement))
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

type ByFirstWord = HashMap<&'static str, Vec<(Vec<&'static str>, &'static str)>>;

static PHRASES: LazyLock<ByFirstWord> = LazyLock::new(|| {
    let mut phrases = ByFirstWord::new();
    for (froms, to) in TABLE {
        for from in froms.split(" | ") {
            let words: Vec<&str> = from.split(' ').collect();
            if let Some(first) = words.first() {
                phrases.entry(*first).or_default().push((words, *to));
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
    ("put off", "postpone"),
    ("look for | search for | looking for", "search"),
    ("find out", "find"),
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
    ("how late is it", "what clocktime"),
    ("by whom | whom | which person", "who"),
    ("in what place | in which place | what place | which place", "where"),
    (
        "is it possible to | am i allowed to | are we allowed to | may i | is it okay to | is it ok to | is it allowed to | am i able to | am i permitted to | is it permitted to",
        "can i",
    ),
    ("is it possible for me to | would it be possible to | would i be able to", "can i"),
    ("how often | how frequently | how many times | how regularly", "what frequency"),
    ("how long | for how long | how much time", "what duration"),
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
    ("every day | per day | each day", "daily"),
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
    ("as well", ""),
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
