//! Numbers, times and dates in one notation.
//!
//! A number is written in digits without grouping (`1000`, `2.5`), a percentage with its sign
//! (`50%`), an ordinal with a dot (`2.`), a time as `15:00` and a date as `2024-05-01`. Currencies
//! and units that are glued to a number become words behind it.

use super::reading::Features;
use super::token::{Form, Token};
use super::{Difference, DifferenceKind, differ};

/// The tokens of `text` when it is a number, perhaps with a unit, or a range of two.
pub(super) fn parse(text: &str) -> Option<Vec<(String, Form)>> {
    if text.eq_ignore_ascii_case("2fa") {
        return None;
    }
    let (currency, amount) = strip_currency(text);
    if !amount.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '°') {
        return None;
    }
    let amount_end =
        amount.find(|c: char| !c.is_ascii_digit() && !".,:-/".contains(c)).unwrap_or(amount.len());
    let (digits, suffix) = amount.split_at(amount_end);
    let digits = digits.trim_end_matches(['.', ',', ':', '-', '/']);
    let mut parts = Vec::new();
    match suffix.trim_start_matches('-') {
        "st" | "nd" | "rd" | "th" if !digits.contains('.') => {
            push(&mut parts, &format!("{digits}."))
        }
        "%" => push(&mut parts, &format!("{}%", plain(digits)?)),
        "k" | "K" => push(&mut parts, &format!("{}000", plain(digits)?)),
        "am" | "pm" | "AM" | "PM" => push(&mut parts, &clock(digits, suffix)?),
        unit => {
            parse_digits(digits, &mut parts)?;
            if let Some(name) = unit_name(unit) {
                parts.push((name.to_owned(), Form::Word));
            } else if !unit.is_empty() {
                let word = unit.to_lowercase();
                if !word.chars().all(char::is_alphabetic) {
                    return None;
                }
                parts.push((word, Form::Word));
            }
        }
    }
    if let Some(currency) = currency {
        parts.push((currency.to_owned(), Form::Word));
    }
    Some(parts)
}

fn push(parts: &mut Vec<(String, Form)>, text: &str) {
    parts.push((text.to_owned(), Form::Number));
}

/// A time, a date, a range or a plain number.
fn parse_digits(digits: &str, parts: &mut Vec<(String, Form)>) -> Option<()> {
    if digits.is_empty() {
        return Some(());
    }
    if digits.contains(':') {
        push(parts, &clock(digits, "")?);
        return Some(());
    }
    if digits.matches(['-', '/']).count() == 2 {
        push(parts, &digits.replace('/', "-"));
        return Some(());
    }
    for side in digits.split('-') {
        push(parts, &plain(side)?);
    }
    Some(())
}

/// Digits without grouping and without zeros that say nothing.
fn plain(digits: &str) -> Option<String> {
    let groups: Vec<&str> = digits.split(',').collect();
    let grouped = groups.len() > 1 && groups[1..].iter().all(|group| group.len() == 3);
    let text = if grouped { digits.replace(',', "") } else { digits.replace(',', ".") };
    if text.contains('/') {
        return Some(text);
    }
    if text.matches('.').count() > 1 {
        return Some(text.replace('.', ""));
    }
    let valid = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !valid || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    // `3.10` is a version and no `3.1`: only zeros of nothing but zeros are dropped.
    let fraction = if fraction.bytes().all(|byte| byte == b'0') { "" } else { fraction };
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

/// A time of day on the 24-hour clock. The half of the day is in `suffix`, if any.
fn clock(digits: &str, suffix: &str) -> Option<String> {
    let (hour, minute) = digits.split_once([':', '.']).unwrap_or((digits, "00"));
    let hour: u32 = hour.parse().ok()?;
    let hour = match suffix.to_ascii_lowercase().as_str() {
        "pm" if hour < 12 => hour + 12,
        "am" if hour == 12 => 0,
        _ => hour,
    };
    Some(format!("{hour}:{minute}"))
}

fn strip_currency(text: &str) -> (Option<&'static str>, &str) {
    for (sign, name) in CURRENCIES {
        if let Some(rest) = text.strip_prefix(sign) {
            return (Some(name), rest);
        }
        if let Some(rest) = text.strip_suffix(sign) {
            return (Some(name), rest);
        }
    }
    (None, text)
}

const CURRENCIES: [(&str, &str); 6] = [
    ("$", "dollar"),
    ("€", "euro"),
    ("£", "sterling"),
    ("¥", "yen"),
    ("₹", "rupee"),
    ("₽", "ruble"),
];

/// Units that are words of another meaning, or none, when they do not follow a number.
pub(super) fn unit_name(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "m" => "meter",
        "g" => "gram",
        "l" | "L" => "liter",
        "t" => "ton",
        "in" | "\"" => "inch",
        "s" | "sec" | "secs" => "second",
        "min" | "mins" => "minute",
        "h" | "hr" | "hrs" => "hour",
        "d" => "day",
        "°" => "degree",
        "°C" | "°c" | "ºC" | "C" => "celsius",
        "°F" | "°f" | "ºF" | "F" => "fahrenheit",
        "K" => "kelvin",
        "'" => "foot",
        _ => return None,
    })
}

/// Turns number words into numbers, and joins numbers with the words that belong to them.
pub(super) fn read_words(tokens: Vec<Token>) -> Vec<Token> {
    let mut read: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let Some(text) = numeral(&token, read.last()) {
            let number = Token { text, form: Form::Number, stands_out: false, ..token };
            match read.last_mut().filter(|last| last.form == Form::Number) {
                Some(last) if joins(last, &number) => last.text = join(&last.text, &number.text),
                _ => read.push(number),
            }
        } else if let Some(last) = read.last_mut().filter(|last| last.form == Form::Number) {
            let half = matches!(token.text.as_str(), "am" | "pm").then_some(token.text.as_str());
            match half.and_then(|half| clock(&last.text, half)) {
                Some(time) => last.text = time,
                None if matches!(token.text.as_str(), "percent" | "per cent") => {
                    last.text.push('%')
                }
                None => match unit_name(&token.text).or_else(|| unit_name(&upper(&token.text))) {
                    Some(unit) => read.push(Token { text: unit.to_owned(), ..token }),
                    None => read.push(token),
                },
            }
        } else {
            read.push(token);
        }
    }
    read
}

/// `°c` as it is in [`unit_name`]; only the single letters of temperatures are told by case.
fn upper(unit: &str) -> String {
    if unit.starts_with('°') || matches!(unit, "c" | "f") {
        unit.to_uppercase()
    } else {
        String::new()
    }
}

fn numeral(token: &Token, before: Option<&Token>) -> Option<String> {
    if token.form == Form::Number {
        return Some(token.text.clone());
    }
    let before = before.map_or("", |token| token.text.as_str());
    let word = token.text.as_str();
    if let Some(at) = CARDINALS.iter().position(|cardinal| *cardinal == word) {
        return Some((at + 2).to_string());
    }
    let value = match word {
        "thirty" => "30",
        "forty" | "fourty" => "40",
        "fifty" => "50",
        "sixty" => "60",
        "seventy" => "70",
        "eighty" => "80",
        "ninety" => "90",
        "hundred" => "100",
        "thousand" => "1000",
        "million" => "1000000",
        "billion" => "1000000000",
        "dozen" => "12",
        "half" => "50%",
        "twice" => "2",
        "zero" => "0",
        "second" if !matches!(before, "per" | "a" | "each" | "every" | "one") => "2.",
        _ => return ordinal(word).or_else(|| roman(token, before)),
    };
    Some(value.to_owned())
}

const CARDINALS: [&str; 19] = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

fn ordinal(word: &str) -> Option<String> {
    const ORDINALS: [&str; 12] = [
        "first", "", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
        "eleventh", "twelfth",
    ];
    let at = ORDINALS.iter().position(|ordinal| !word.is_empty() && *ordinal == word)?;
    Some(format!("{}.", at + 1))
}

fn roman(token: &Token, before: &str) -> Option<String> {
    const LOWER_TOO: [&str; 6] = ["ii", "iii", "vii", "viii", "xii", "xiii"];
    let word = token.text.as_str();
    let value = match word {
        "i" if before == "war" => 1,
        "ii" => 2,
        "iii" => 3,
        "iv" => 4,
        "vi" => 6,
        "vii" => 7,
        "viii" => 8,
        "ix" => 9,
        "xi" => 11,
        "xii" => 12,
        "xiii" => 13,
        "xiv" => 14,
        "xv" => 15,
        "xvi" => 16,
        _ => return None,
    };
    (value == 1 || token.shouted || LOWER_TOO.contains(&word)).then(|| value.to_string())
}

/// "two hundred" and "twenty five" are one number, "2 3" are two.
fn joins(last: &Token, next: &Token) -> bool {
    let (Ok(last), Ok(next)) = (last.text.parse::<u64>(), next.text.parse::<u64>()) else {
        return false;
    };
    matches!(next, 100 | 1000 | 1_000_000 | 1_000_000_000) && last < next
        || matches!(last, 20 | 30 | 40 | 50 | 60 | 70 | 80 | 90) && (1..10).contains(&next)
        || last >= 100 && last % 100 == 0 && next < 100
}

fn join(last: &str, next: &str) -> String {
    let (Ok(last_value), Ok(next_value)) = (last.parse::<u64>(), next.parse::<u64>()) else {
        return last.to_owned();
    };
    let joined = if next_value >= 100 && next_value > last_value {
        last_value.saturating_mul(next_value)
    } else {
        last_value.saturating_add(next_value)
    };
    joined.to_string()
}

/// The numbers must be the same ones; their order is the matter of `direction`.
pub(super) fn compare(a: &Features, b: &Features) -> Result<(), Difference> {
    let only_a = missing(a, b);
    let only_b = missing(b, a);
    if only_a.is_none() && only_b.is_none() {
        return Ok(());
    }
    let (left, right) = (only_a.unwrap_or_default(), only_b.unwrap_or_default());
    let kind =
        if is_date(left) || is_date(right) { DifferenceKind::Date } else { DifferenceKind::Number };
    differ(kind, left, right)
}

/// The first number of `a` that `b` does not have as often. One may be written as "a".
fn missing<'a>(a: &'a Features, b: &Features) -> Option<&'a str> {
    let count = |side: &Features, number: &str| side.numbers().filter(|n| *n == number).count();
    a.numbers().find(|number| {
        let one = *number == "1"
            && b.tokens.iter().any(|t| matches!(t.token.text.as_str(), "one" | "a" | "an"));
        !one && count(a, number) > count(b, number)
    })
}

/// Times, dates and years.
fn is_date(number: &str) -> bool {
    let year =
        number.len() == 4 && number.parse::<u32>().is_ok_and(|year| (1500..2100).contains(&year));
    year || number.contains(':') || number.matches('-').count() == 2
}
