//! Python's `%`-formatting over a mapping, as far as Supervisor's values use it.
//!
//! Owns the names a value may use ([`Scope`]) and the sentences for what goes wrong. Which names a key
//! may use is decided by whoever reads that key.

use std::fmt::Write as _;

use super::python::repr;

use crate::list::List as _;
use crate::order;
use crate::sorted::Map;

/// Widest field and longest fraction a format may ask for; Python's own limit is far above any use.
const WIDEST: usize = 4096;
/// How deep defaults may stand in defaults.
const DEEPEST: usize = 8;
/// How a name of the environment begins.
const ENVIRONMENT: &str = "ENV_";

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning<'a> {
    /// A text.
    Text(&'a str),
    /// A number, which `%d` can format.
    Number(i64),
}

/// Names a value may use.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'a> {
    /// Names that are not of the environment.
    pub names: Vec<(&'static str, Meaning<'a>)>,
    /// Layers of `ENV_` names, first wins.
    pub environments: Vec<&'a Map<String, String>>,
}

impl<'a> Scope<'a> {
    fn get(&self, name: &str) -> Option<Meaning<'a>> {
        if let Some(variable) = name.strip_prefix(ENVIRONMENT) {
            let text = self.environments.iter().find_map(|map| map.get(variable))?;
            return Some(Meaning::Text(text));
        }
        self.names.iter().find_map(|(known, meaning)| (*known == name).then_some(*meaning))
    }

    /// Every name, sorted, joined with `, `.
    fn list(&self) -> String {
        let mut all: Vec<String> = self.names.iter().map(|(name, _)| (*name).to_owned()).list();
        for map in &self.environments {
            all.extend(map.keys().map(|name| format!("{ENVIRONMENT}{name}")));
        }
        order::sort(&mut all);
        all.dedup();
        all.join(", ")
    }
}

/// Why a value cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Names that stand for nothing, each once.
    Missing {
        /// Names nobody knows.
        unknown: Vec<String>,
        /// What is said of variables that must be set.
        required: Vec<String>,
    },
    /// Not a format; the reason.
    Malformed(String),
}

impl Failure {
    /// Whether an environment that could not be read may be the cause.
    pub(super) fn is_unknown_environment(&self) -> bool {
        match self {
            Self::Missing { unknown, .. } => unknown.iter().all(|name| name.starts_with(ENVIRONMENT)),
            Self::Malformed(_) => false,
        }
    }

    /// Supervisor's sentence; `label` is what the value is called there.
    pub(super) fn sentence(&self, value: &str, label: &str, scope: &Scope) -> String {
        let (value, label) = (repr(value), repr(label));
        match self {
            Self::Missing { unknown, required } => {
                let mut sentences = required.clone();
                if !unknown.is_empty() {
                    let names: Vec<String> = unknown.iter().map(|name| repr(name)).list();
                    let names = names.join(", ");
                    let available = scope.list();
                    sentences.push(format!(
                        "Format string {value} for {label} contains names ({names}) which cannot be expanded. \
                         Available names: {available}"
                    ));
                }
                sentences.join("; ")
            }
            Self::Malformed(reason) => {
                format!("Format string {value} for {label} is badly formatted: {reason}")
            }
        }
    }
}

/// One conversion's flags and sizes.
#[derive(Default)]
struct Format {
    left: bool,
    zero: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// Replaces every `%(name)…` and `%%`.
pub(super) fn expand(text: &str, scope: &Scope) -> Result<String, Failure> {
    expand_inside(text, scope, 0)
}

/// The same of a text that stands inside `depth` others.
fn expand_inside(text: &str, scope: &Scope, depth: usize) -> Result<String, Failure> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = Cursor { text, byte: 0, index: 0, depth, mapping_used: false };
    let (mut unknown, mut required) = (Vec::new(), Vec::new());
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match conversion(&mut rest, scope, &mut out) {
            Ok(()) => {}
            Err(Failure::Missing { unknown: names, required: sentences }) => {
                unknown.extend(names);
                required.extend(sentences);
            }
            // What came first is told.
            Err(Failure::Malformed(_)) if !(unknown.is_empty() && required.is_empty()) => break,
            Err(malformed @ Failure::Malformed(_)) => return Err(malformed),
        }
    }
    if unknown.is_empty() && required.is_empty() {
        return Ok(out);
    }
    for names in [&mut unknown, &mut required] {
        let mut met = std::mem::take(names);
        met.retain(|name| {
            let is_new = !names.contains(name);
            is_new.then(|| names.push(name.clone()));
            is_new
        });
    }
    Err(Failure::Missing { unknown, required })
}

/// What a name in parentheses stands for.
enum Found<'a> {
    Known(Meaning<'a>),
    Default(String),
}

/// A name as it stands, or one with what to do when it is not set: `ENV_X:-default`, `ENV_X:?message`, `ENV_X?message`.
fn find<'a>(name: String, scope: &Scope<'a>, depth: usize) -> Result<Found<'a>, Failure> {
    let unknown = |name| Failure::Missing { unknown: vec![name], required: Vec::new() };
    if let Some(meaning) = scope.get(&name) {
        return Ok(Found::Known(meaning));
    }
    let at = name.find([':', '?']).filter(|_| name.starts_with(ENVIRONMENT));
    let Some((plain, otherwise)) = at.and_then(|at| name.split_at_checked(at)) else { return Err(unknown(name)) };
    let meaning = scope.get(plain);
    let filled = meaning.filter(|meaning| !matches!(meaning, Meaning::Text("")));
    let required = |what: &str, message: &str| {
        let colon = if message.is_empty() { "" } else { ": " };
        let variable = plain.strip_prefix(ENVIRONMENT).unwrap_or(plain);
        let sentence = format!("the environment variable `{variable}` is not set{what}{colon}{message}");
        Failure::Missing { unknown: Vec::new(), required: vec![sentence] }
    };
    if let Some(default) = otherwise.strip_prefix(":-") {
        return match filled {
            Some(meaning) => Ok(Found::Known(meaning)),
            None if depth >= DEEPEST => Err(malformed("defaults are nested too deep")),
            None => expand_inside(default, scope, depth + 1).map(Found::Default),
        };
    }
    if let Some(message) = otherwise.strip_prefix(":?") {
        return filled.map(Found::Known).ok_or_else(|| required(" or empty", message));
    }
    match otherwise.strip_prefix('?') {
        Some(message) => meaning.map(Found::Known).ok_or_else(|| required("", message)),
        None => Err(unknown(name)),
    }
}

/// Characters with their index, as Python counts it.
struct Cursor<'a> {
    text: &'a str,
    byte: usize,
    index: usize,
    /// In how many defaults the text stands.
    depth: usize,
    /// Whether a conversion came before: the first one without a name is given the whole mapping, a later
    /// one nothing.
    mapping_used: bool,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.byte..).and_then(|rest| rest.chars().next())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.byte += c.len_utf8();
        self.index += 1;
        Some(c)
    }

    fn digits(&mut self) -> Result<usize, Failure> {
        let mut number = 0usize;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(digit as usize);
            self.next();
        }
        if number > WIDEST {
            return Err(malformed("width too big"));
        }
        Ok(number)
    }
}

fn malformed(reason: impl Into<String>) -> Failure {
    Failure::Malformed(reason.into())
}

/// What follows a `%`.
fn conversion(rest: &mut Cursor, scope: &Scope, out: &mut String) -> Result<(), Failure> {
    let mut found = None;
    match rest.peek() {
        Some('%') => {
            rest.next();
            out.push('%');
            return Ok(());
        }
        Some('(') => {
            rest.next();
            let name = key(rest)?;
            match find(name, scope, rest.depth) {
                Ok(known) => found = Some(known),
                Err(failure) => {
                    // Names that follow are to be told as well, this one before what its format may have wrong.
                    let _ = flags(rest);
                    rest.next();
                    rest.mapping_used = true;
                    return Err(failure);
                }
            }
        }
        Some(_) | None => {}
    }
    let format = flags(rest)?;
    let kind = rest.next().ok_or_else(|| malformed("incomplete format"))?;
    let first = !std::mem::replace(&mut rest.mapping_used, true);
    let meaning = found.as_ref().map(|found| match found {
        Found::Known(meaning) => *meaning,
        Found::Default(text) => Meaning::Text(text),
    });
    if meaning.is_none() && !first {
        return Err(malformed("not enough arguments for format string"));
    }
    if !"diouxXeEfFgGcrsa".contains(kind) {
        let shown = if kind.is_ascii() { kind } else { '?' };
        let (code, index) = (u32::from(kind), rest.index.saturating_sub(1));
        return Err(malformed(format!("unsupported format character '{shown}' ({code:#x}) at index {index}")));
    }
    let meaning = meaning.ok_or_else(|| nameless(kind))?;
    out.push_str(&pad(&body(kind, meaning, &format)?, kind, &format));
    Ok(())
}

/// Why a conversion needs a name. Where Python would write down the whole mapping, we refuse.
fn nameless(kind: char) -> Failure {
    match kind {
        'd' | 'i' | 'u' => malformed(format!("%{kind} format: a real number is required, not dict")),
        'o' | 'x' | 'X' => malformed(format!("%{kind} format: an integer is required, not dict")),
        'c' => malformed("%c requires int or char"),
        's' | 'r' | 'a' => malformed("format requires a name in parentheses"),
        _ => malformed("must be real number, not dict"),
    }
}

/// The name between parentheses, which may nest.
fn key(rest: &mut Cursor) -> Result<String, Failure> {
    let mut name = String::new();
    let mut depth = 1usize;
    while let Some(c) = rest.next() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(name);
        }
        name.push(c);
    }
    Err(malformed("incomplete format key"))
}

fn flags(rest: &mut Cursor) -> Result<Format, Failure> {
    let mut format = Format::default();
    while let Some(c) = rest.peek() {
        match c {
            '-' => format.left = true,
            '0' => format.zero = true,
            '+' => format.plus = true,
            ' ' => format.blank = true,
            '#' => format.alternate = true,
            _ => break,
        }
        rest.next();
    }
    if rest.peek() == Some('*') {
        return Err(malformed("* wants int"));
    }
    format.width = rest.digits()?;
    if rest.peek() == Some('.') {
        rest.next();
        if rest.peek() == Some('*') {
            return Err(malformed("* wants int"));
        }
        format.precision = Some(rest.digits()?);
    }
    if matches!(rest.peek(), Some('h' | 'l' | 'L')) {
        rest.next();
    }
    Ok(format)
}

/// A value without its padding.
fn body(kind: char, meaning: Meaning, format: &Format) -> Result<String, Failure> {
    match (kind, meaning) {
        ('s', Meaning::Text(text)) => Ok(cut(text, format)),
        ('r' | 'a', Meaning::Text(text)) => Ok(cut(&repr(text), format)),
        ('s' | 'r' | 'a', Meaning::Number(number)) => Ok(cut(&number.to_string(), format)),
        ('c', Meaning::Text(text)) if text.chars().count() == 1 => Ok(text.to_owned()),
        ('c', Meaning::Text(_)) => Err(malformed("%c requires int or char")),
        ('c', Meaning::Number(number)) => u32::try_from(number)
            .ok()
            .and_then(char::from_u32)
            .map(String::from)
            .ok_or_else(|| malformed("%c arg not in range(0x110000)")),
        ('o' | 'x' | 'X', Meaning::Text(_)) => {
            Err(malformed(format!("%{kind} format: an integer is required, not str")))
        }
        ('d' | 'i' | 'u', Meaning::Text(_)) => {
            Err(malformed(format!("%{kind} format: a real number is required, not str")))
        }
        (_, Meaning::Text(_)) => Err(malformed("must be real number, not str")),
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Meaning::Number(number)) => {
            Ok(signed(number, fraction(kind, number, format), format))
        }
        (_, Meaning::Number(number)) => Ok(signed(number, digits(kind, number, format), format)),
    }
}

fn cut(text: &str, format: &Format) -> String {
    match format.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    }
}

/// An integer's digits without sign.
fn digits(kind: char, number: i64, format: &Format) -> String {
    let size = number.unsigned_abs();
    let (prefix, digits) = match kind {
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        'o' => ("0o", format!("{size:o}")),
        _ => ("", size.to_string()),
    };
    let least = format.precision.unwrap_or(0);
    let prefix = if format.alternate { prefix } else { "" };
    format!("{prefix}{digits:0>least$}")
}

/// A number as Python's `%e`, `%f` and `%g` write it; no file is known that uses them. Nothing but whole numbers comes
/// here, so the binaries do without the arithmetic of fractions.
fn fraction(kind: char, number: i64, format: &Format) -> String {
    const DIGITS: usize = 6;
    let places = format.precision.unwrap_or(DIGITS);
    let size = number.unsigned_abs();
    match kind {
        'f' | 'F' if places == 0 => size.to_string(),
        'f' | 'F' => format!("{size}.{:0<places$}", ""),
        'g' | 'G' => size.to_string(),
        _ => {
            let plain = format!("{size:.places$e}");
            let (head, power) = plain.split_once('e').unwrap_or((&plain, "0"));
            let mut text = String::from(head);
            let _ = write!(text, "{}+{power:0>2}", kind);
            text
        }
    }
}

fn signed(number: i64, digits: String, format: &Format) -> String {
    let sign = match (number < 0, format.plus, format.blank) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    format!("{sign}{digits}")
}

fn pad(body: &str, kind: char, format: &Format) -> String {
    let missing = format.width.saturating_sub(body.chars().count());
    if format.left {
        return format!("{body}{}", " ".repeat(missing));
    }
    if format.zero && !"srac".contains(kind) {
        let sign = body.len() - body.trim_start_matches(['+', '-', ' ']).len();
        let (sign, digits) = body.split_at(sign);
        let (base, digits) = match digits.get(..2) {
            Some("0x" | "0X" | "0o") if format.alternate => digits.split_at(2),
            _ => ("", digits),
        };
        return format!("{sign}{base}{}{digits}", "0".repeat(missing));
    }
    format!("{}{body}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(run: impl FnOnce(&Scope) -> T) -> T {
        let environment = Map::from([
            ("HOME".to_owned(), "/root".to_owned()),
            ("EMPTY".to_owned(), String::new()),
            ("a:-b".to_owned(), "odd".to_owned()),
        ]);
        run(&Scope {
            names: vec![("program_name", Meaning::Text("web")), ("process_num", Meaning::Number(7))],
            environments: vec![&environment],
        })
    }

    fn good(text: &str) -> String {
        with(|scope| expand(text, scope).unwrap())
    }

    fn bad(text: &str) -> String {
        with(|scope| expand(text, scope).unwrap_err().sentence(text, "program:web.x", scope))
    }

    #[test]
    fn expand_names_are_replaced() {
        assert_eq!(good("%(program_name)s_%(process_num)02d"), "web_07");
        assert_eq!(good("%(ENV_HOME)s/é"), "/root/é");
        assert_eq!(good("100%%"), "100%");
    }

    #[test]
    fn expand_flags_format_as_python() {
        assert_eq!(good("[%(program_name)6s]"), "[   web]");
        assert_eq!(good("[%(program_name)-6s]"), "[web   ]");
        assert_eq!(good("[%(program_name).2s]"), "[we]");
        assert_eq!(good("[%(process_num)+04d]"), "[+007]");
        assert_eq!(good("[%(process_num)#06x]"), "[0x0007]");
        assert_eq!(good("[%(process_num).3d]"), "[007]");
        assert_eq!(good("[%(process_num)03s]"), "[  7]");
        assert_eq!(good("[%(program_name)r]"), "['web']");
        assert_eq!(good("[%(process_num).1f]"), "[7.0]");
        assert_eq!(good("[%(process_num)e]"), "[7.000000e+00]");
    }

    #[test]
    fn expand_unknown_name_lists_known_ones() {
        assert_eq!(
            bad("%(nope)s"),
            "Format string '%(nope)s' for 'program:web.x' contains names ('nope') which cannot be \
             expanded. Available names: ENV_EMPTY, ENV_HOME, ENV_a:-b, process_num, program_name"
        );
    }

    #[test]
    fn expand_default_stands_for_what_is_not_set_or_empty() {
        for (text, expected) in [
            ("%(ENV_HOME:-/x)s", "/root"),
            ("%(ENV_NO:-/x y)s.", "/x y."),
            ("%(ENV_NO:-)s", ""),
            ("%(ENV_EMPTY:-x)s", "x"),
            ("%(ENV_EMPTY?)s", ""),
            ("%(ENV_HOME?)s%(ENV_HOME:?why)s", "/root/root"),
            ("%(ENV_NO:-%(ENV_NEITHER:-%(program_name)s)s-%(process_num)03d)s", "web-007"),
            ("%(ENV_NO:-100%%)s", "100%"),
            ("%(ENV_NO:-abc).2s", "ab"),
            ("%(ENV_a:-b)s", "odd"),
        ] {
            assert_eq!(good(text), expected, "{text}");
        }
    }

    #[test]
    fn expand_tells_all_that_is_missing_at_once() {
        assert_eq!(
            bad("%(nope)s %(ENV_A)s %(nope)d %(ENV_HOME)s %(ENV_B:?set it)s%(ENV_C?)s%(ENV_EMPTY:?)s %z"),
            "the environment variable `B` is not set or empty: set it; the environment variable `C` is not set; \
             the environment variable `EMPTY` is not set or empty; \
             Format string '%(nope)s %(ENV_A)s %(nope)d %(ENV_HOME)s %(ENV_B:?set it)s%(ENV_C?)s%(ENV_EMPTY:?)s %z' for \
             'program:web.x' contains names ('nope', 'ENV_A') which cannot be expanded. \
             Available names: ENV_EMPTY, ENV_HOME, ENV_a:-b, process_num, program_name"
        );
        assert!(bad("%(nope:-x)s").contains("names ('nope:-x')"));
        assert!(bad("%(ENV_A:x)s").contains("names ('ENV_A:x')"));
        assert!(bad("%(ENV_A:-%(ENV_B)s)s").contains("names ('ENV_B')"));
        assert!(bad("%(ENV_A:-x)d").ends_with("a real number is required, not str"));
        let deep = format!("{}x{}", "%(ENV_A:-".repeat(9), ")s".repeat(9));
        assert!(bad(&deep).ends_with("defaults are nested too deep"));
        assert_eq!(good(&format!("{}x{}", "%(ENV_A:-".repeat(8), ")s".repeat(8))), "x");
    }

    #[test]
    fn expand_bad_format_names_character_and_index() {
        let start = "Format string";
        assert_eq!(
            bad("é%USER%"),
            format!(
                "{start} 'é%USER%' for 'program:web.x' is badly formatted: \
                 unsupported format character 'U' (0x55) at index 2"
            )
        );
        assert!(bad("50%").ends_with("badly formatted: incomplete format"));
        assert!(bad("%(a").ends_with("incomplete format key"));
        assert!(bad("%s").ends_with("a name in parentheses"));
        assert!(bad("%d").ends_with("a real number is required, not dict"));
        assert!(bad("%(process_num)d%z").ends_with("not enough arguments for format string"));
        assert!(bad("%(process_num)5%").ends_with("unsupported format character '%' (0x25) at index 15"));
        assert!(bad("%(program_name)d").ends_with("a real number is required, not str"));
        assert!(bad("%(process_num)99999999999999999999d").ends_with("width too big"));
        assert!(bad("%(process_num)*d").ends_with("* wants int"));
    }
}
