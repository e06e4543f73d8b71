//! Cuts a question into words, numbers, code and quotations.

use super::lexicon::Class;
use super::number;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A word, in lower case.
    Word,
    /// A number, in the one notation of [`number`].
    Number,
    /// Code, an identifier, an option, an address or an operator, as written.
    Code,
}

/// A piece of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The piece; words in lower case.
    pub(super) text: String,
    /// What it is.
    pub(super) form: Form,
    /// Written with a capital where sentences do not have one.
    pub(super) stands_out: bool,
    /// A small letter first and a capital later, as identifiers have: `useState`.
    pub(super) camel: bool,
    /// All capitals, in a text that is not.
    pub(super) shouted: bool,
    /// First of the text, a sentence or a clause.
    pub(super) leads: bool,
    /// How much it says, where the phrase that it comes from decides that.
    pub(super) says: Option<Class>,
}

impl Token {
    /// A word without any marks.
    pub(super) fn word(text: &str, leads: bool) -> Token {
        Token {
            text: text.to_owned(),
            form: Form::Word,
            stands_out: false,
            camel: false,
            shouted: false,
            leads,
            says: None,
        }
    }
}

/// A text cut into tokens, and its quotations.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// In reading order, without the quotations.
    pub(super) tokens: Vec<Token>,
    /// What was in quotation marks, in lower case and without its punctuation.
    pub(super) quotes: Vec<String>,
}

/// Cuts `text`.
pub(super) fn cut(text: &str) -> Cut {
    let (rest, quotes, code) = take_quotes(text);
    let shouting = !rest.chars().any(char::is_lowercase);
    let mut cutter = Cutter {
        tokens: Vec::new(),
        leads: true,
        sentence: true,
        shouting,
        headline: is_headline(&rest),
        code: code.into_iter(),
    };
    let mut chunks = rest.split_whitespace().peekable();
    while let Some(chunk) = chunks.next() {
        let next_is_number = chunks.peek().is_some_and(|next| next.starts_with(is_digit));
        cutter.chunk(chunk, next_is_number);
    }
    Cut { tokens: cutter.tokens, quotes }
}

/// Whether all longer words of the text begin with a capital.
fn is_headline(text: &str) -> bool {
    let mut words = text.split_whitespace().filter(|word| word.chars().count() > 3).skip(1);
    let first = words.next();
    first.into_iter().chain(words).all(|word| word.chars().next().is_some_and(char::is_uppercase))
        && first.is_some()
}

/// Stands in for a span in back ticks, so that its place among the words is kept.
const CODE_MARK: char = '\u{e000}';

/// Takes the quotations and code spans out of `text`: the rest, the quotations, the code.
fn take_quotes(text: &str) -> (String, Vec<String>, Vec<String>) {
    let characters: Vec<char> = text.chars().filter(|c| *c != CODE_MARK).collect();
    let (mut rest, mut quotes, mut code) = (String::new(), Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        let begins = at == 0 || characters.get(at - 1).is_some_and(|c| !c.is_alphanumeric());
        let end = closing(character).filter(|_| begins).and_then(|closing| {
            let length = characters[at + 1..].iter().position(|c| *c == closing)?;
            let after = characters.get(at + length + 2);
            let ends = after.is_none_or(|c| !c.is_alphanumeric());
            (ends && length > 0).then_some(at + 1 + length)
        });
        let Some(end) = end else {
            rest.push(straight(character));
            at += 1;
            continue;
        };
        let inner: String = characters[at + 1..end].iter().collect();
        if character == '`' {
            rest.extend([' ', CODE_MARK, ' ']);
            code.push(inner);
        } else {
            rest.push(' ');
            quotes.push(plain(&inner));
        }
        at = end + 1;
    }
    (rest, quotes, code)
}

/// The mark that ends a quotation begun with `opening`.
fn closing(opening: char) -> Option<char> {
    Some(match opening {
        '"' => '"',
        '\'' => '\'',
        '`' => '`',
        '“' => '”',
        '„' => '“',
        '‘' => '’',
        '«' => '»',
        '»' => '«',
        '「' => '」',
        '『' => '』',
        _ => return None,
    })
}

/// Typographic apostrophes and dashes as typewriters have them.
fn straight(character: char) -> char {
    match character {
        '’' | '‘' | 'ʼ' | '`' => '\'',
        '–' | '—' | '−' | '‑' => '-',
        other => other,
    }
}

/// A quotation for comparing: case and what is around it do not count, the spaces within do.
fn plain(inner: &str) -> String {
    let lower = inner.trim().to_lowercase();
    lower.trim_matches(|c: char| ".,;:!?…".contains(c)).to_owned()
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// Punctuation around words.
fn is_edge(character: char) -> bool {
    ",.;:!?()[]{}\"'…¿¡«»„“”‘’。、，！？；：（）「」『』|*~".contains(character)
}

struct Cutter {
    tokens: Vec<Token>,
    /// The next token begins a clause.
    leads: bool,
    /// The next token begins a sentence.
    sentence: bool,
    /// The whole text is in capitals, or has none.
    shouting: bool,
    /// All longer words begin with a capital.
    headline: bool,
    code: std::vec::IntoIter<String>,
}

impl Cutter {
    fn chunk(&mut self, chunk: &str, next_is_number: bool) {
        if chunk.starts_with(CODE_MARK) {
            let span = self.code.next().unwrap_or_default();
            for part in span.split_whitespace() {
                self.push(part, Form::Code);
            }
            return;
        }
        let inner = chunk.trim_matches(is_edge);
        if inner.is_empty() {
            self.end_clause(chunk);
            return;
        }
        if chunk.starts_with('(') {
            self.leads = true;
        }
        // "15 % of 80" is "15% of 80".
        let number = self.tokens.last_mut().filter(|last| last.form == Form::Number);
        if let Some(number) =
            number.filter(|it| inner == "%" && !it.text.ends_with('%') && !next_is_number)
        {
            number.text.push('%');
        } else if is_operator(inner) {
            let dash = inner == "-" || inner == "/" || inner == "&" || inner == "--";
            if !dash || next_is_number {
                self.push(inner, Form::Code);
            } else {
                self.leads = true;
            }
        } else if is_code(inner) {
            let trimmed = inner.trim_end_matches("()").trim_end_matches('/');
            self.push(trimmed, Form::Code);
        } else {
            self.plain_chunk(inner);
        }
        self.end_clause(&chunk[chunk.rfind(inner).unwrap_or(0) + inner.len()..]);
    }

    fn end_clause(&mut self, punctuation: &str) {
        if punctuation.contains(|c| ".!?:;…。！？：；".contains(c)) {
            self.sentence = true;
            self.leads = true;
        } else if punctuation.contains([',', ')', '，', '、']) {
            self.leads = true;
        }
    }

    /// Words, numbers and what is joined of them by hyphens and slashes.
    fn plain_chunk(&mut self, inner: &str) {
        // "-5" and "-$5", but not the range "3-5", which does not begin with its dash.
        if let Some(parts) = inner.strip_prefix('-').and_then(number::parse) {
            for (text, form) in parts {
                let sign = if form == Form::Number { "-" } else { "" };
                self.push(&format!("{sign}{text}"), form);
            }
            return;
        }
        if let Some(parts) = number::parse(inner) {
            for (text, form) in parts {
                self.push(&text, form);
            }
            return;
        }
        for part in inner.split(['-', '/', '_', '|', '…', ',', ':', ';', '?', '!', '(', ')']) {
            match number::parse(part) {
                Some(parts) => parts.into_iter().for_each(|(text, form)| self.push(&text, form)),
                None => self.word(part),
            }
        }
    }

    fn word(&mut self, word: &str) {
        let word = word.trim_matches(|c| is_edge(c) || c == '=' || c == '%');
        if word.is_empty() {
            return;
        }
        if word.chars().any(is_unspaced) {
            return self.unspaced(word);
        }
        let capital = word.chars().next().is_some_and(char::is_uppercase);
        let mixed = word.chars().skip_while(|c| !c.is_lowercase()).any(char::is_uppercase);
        let camel = mixed && !capital;
        let all = word.chars().count() > 1 && !word.chars().any(char::is_lowercase) && capital;
        // In a headline, an article has a capital as all words do.
        let article = self.headline && matches!(word, "A" | "An" | "The");
        let stands_out =
            !self.shouting && !article && (mixed || all || (capital && !self.sentence));
        let lower = word.to_lowercase();
        for piece in uncontract(&lower) {
            let token = Token {
                stands_out: stands_out && piece != "i",
                camel,
                shouted: all && !self.shouting,
                ..Token::word(&piece, self.leads)
            };
            self.tokens.push(token);
            self.leads = false;
        }
        self.sentence = false;
    }

    /// Scripts without spaces: each character is a word.
    fn unspaced(&mut self, word: &str) {
        let mut other = String::new();
        for character in word.chars().flat_map(char::to_lowercase) {
            if is_unspaced(character) {
                if !other.is_empty() {
                    self.push(&std::mem::take(&mut other), Form::Word);
                }
                self.push(&character.to_string(), Form::Word);
            } else if !is_edge(character) {
                other.push(character);
            }
        }
        if !other.is_empty() {
            self.push(&other, Form::Word);
        }
    }

    fn push(&mut self, text: &str, form: Form) {
        self.tokens.push(Token { form, ..Token::word(text, self.leads) });
        self.leads = false;
        self.sentence = false;
    }
}

/// Han, Hiragana and Katakana.
fn is_unspaced(character: char) -> bool {
    matches!(u32::from(character), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff)
}

fn is_operator(inner: &str) -> bool {
    inner.chars().all(|c| "=<>+-*/%^&|!~@#\\".contains(c))
}

/// Addresses, paths, options, identifiers and expressions.
fn is_code(inner: &str) -> bool {
    let bytes = inner.as_bytes();
    if inner.contains("://") || inner.starts_with("www.") || inner.contains('@') {
        return true;
    }
    if inner.contains("::") || inner.contains(['_', '\\', '=', '<', '>', '^', '{', '[', '*']) {
        return true;
    }
    if inner.contains('(') || inner.ends_with("()") {
        return true;
    }
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    if inner.starts_with("--") && letter(2) || inner.starts_with('-') && letter(1) {
        return true;
    }
    if inner.starts_with('/') && letter(1) || inner.starts_with("~/") {
        return true;
    }
    has_code_dots(inner) || mixes_digits(inner)
}

/// `config.yaml` and `10.0.0.1`, but not `3.8`, `U.S` or `1.000.000`.
fn has_code_dots(inner: &str) -> bool {
    let parts: Vec<&str> = inner.split('.').collect();
    if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
        return false;
    }
    if parts.iter().all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic)) {
        return false;
    }
    let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.iter().all(digits) {
        return parts.len() > 2 && !parts[1..].iter().all(|part| part.len() == 3);
    }
    number::parse(inner).is_none()
}

/// `E0382`, but not `3pm`, `10kg`, `5-10`, `1st` or `mid-2020`, and not `COVID-19`, which many write
/// small: a word and a number compare as well.
fn mixes_digits(inner: &str) -> bool {
    let digit = inner.bytes().any(|byte| byte.is_ascii_digit());
    let first_is_letter = inner.starts_with(char::is_alphabetic);
    digit && first_is_letter && { !inner.contains('-') && !inner.contains('/') }
}

/// The words of a contraction; the word itself when it is none.
fn uncontract(word: &str) -> Vec<String> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    if let Some(dotted) = undot(word) {
        return vec![dotted];
    }
    match word {
        "can't" | "cant" | "cannot" => return own(&["can", "not"]),
        "won't" | "wont" => return own(&["will", "not"]),
        "shan't" | "ain't" => return own(&["is", "not"]),
        "whats" => return own(&["what", "is"]),
        "wheres" => return own(&["where", "is"]),
        "whos" => return own(&["who", "is"]),
        "hows" => return own(&["how", "is"]),
        "let's" => return own(&["let", "us"]),
        "wanna" => return own(&["want", "to"]),
        "gonna" => return own(&["going", "to"]),
        "gotta" => return own(&["have", "to"]),
        "gimme" => return own(&["give", "me"]),
        "lemme" => return own(&["let", "me"]),
        "pls" | "plz" => return own(&["please"]),
        "thx" => return own(&["thanks"]),
        "u" => return own(&["you"]),
        "ur" => return own(&["your"]),
        "cuz" => return own(&["because"]),
        "im" => return own(&["i", "am"]),
        "o'clock" => return own(&["o'clock"]),
        "dont" | "doesnt" | "didnt" | "isnt" | "arent" | "wasnt" | "werent" | "havent"
        | "hasnt" | "hadnt" | "shouldnt" | "wouldnt" | "couldnt" => {
            return own(&[&word[..word.len() - 2], "not"]);
        }
        _ => {}
    }
    let Some((head, tail)) = word.split_once('\'') else {
        return vec![word.to_owned()];
    };
    match (head, tail) {
        (verb, "t") if verb.ends_with('n') => own(&[&verb[..verb.len() - 1], "not"]),
        (
            "what" | "who" | "where" | "when" | "why" | "how" | "it" | "that" | "there" | "here",
            "s",
        ) => own(&[head, "is"]),
        (_, "s" | "") => own(&[head]),
        ("i" | "you" | "we" | "they" | "he" | "she" | "it" | "who" | "what" | "that", _) => {
            own(&[head])
        }
        (_, "re" | "ve" | "ll" | "d" | "m") => own(&[head]),
        (
            "l" | "d" | "n" | "j" | "m" | "t" | "s" | "c" | "qu" | "un" | "dell" | "all" | "nell"
            | "sull" | "dall" | "jusqu" | "lorsqu" | "puisqu",
            _,
        ) => own(&[head, tail]),
        _ => own(&[&format!("{head}{tail}")]),
    }
}

/// `u.s` and `e.g` without their dots.
fn undot(word: &str) -> Option<String> {
    let single = |part: &str| part.chars().count() == 1;
    (word.contains('.') && word.split('.').all(single)).then(|| word.replace('.', ""))
}
