//! Splitting of `command=` and `environment=`: one lexer, the two ways Supervisor uses Python's.
//!
//! A command is split at blanks, shell-like. An environment is cut into words, quoted texts and single
//! other characters, and then taken four tokens at a time. No variable, `~` or pattern is replaced.

use std::iter::Peekable;
use std::str::Chars;

use super::python::repr;

use crate::sorted::Map;

/// Which of the two ways.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Only blanks separate; `#` is a character like any other.
    Command,
    /// What is no word character is a token of its own; `#` begins a comment.
    Environment,
}

/// The words of a command.
///
/// # Errors
/// Supervisor's sentence for a command that is empty or whose quotes do not end.
pub fn split(command: &str) -> Result<Vec<String>, String> {
    let words =
        tokens(command, Style::Command).map_err(|reason| format!("can't parse command {}: {reason}", repr(command)))?;
    if words.is_empty() {
        return Err("command is empty".to_owned());
    }
    Ok(words)
}

/// `KEY=value,KEY="other value"` as a map; a later key wins.
pub(super) fn environment(text: &str) -> Result<Map<String, String>, String> {
    let mut tokens = tokens(text, Style::Environment)?.into_iter();
    let mut pairs = Map::new();
    while let Some(key) = tokens.next() {
        match (tokens.next().as_deref(), tokens.next()) {
            (Some("="), Some(value)) => pairs.insert(key, value),
            _ => {
                // The original repeats the value here, which may be a secret.
                return Err("Unexpected end of key/value pairs".to_owned());
            }
        };
        // Normally the comma; whatever it is, it is passed over unseen.
        tokens.next();
    }
    Ok(pairs)
}

fn tokens(text: &str, style: Style) -> Result<Vec<String>, String> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = rest.next() {
        if is_blank(c) {
            continue;
        }
        if style == Style::Environment {
            if c == '#' {
                skip_line(&mut rest);
                continue;
            }
            if !is_word(c) && !matches!(c, '\'' | '"' | '\\') {
                tokens.push(c.to_string());
                continue;
            }
        }
        tokens.push(word(c, &mut rest, style)?);
    }
    Ok(tokens)
}

/// One word from its first character on, up to what separates.
fn word(first: char, rest: &mut Peekable<Chars>, style: Style) -> Result<String, String> {
    let mut word = String::new();
    let mut next = Some(first);
    while let Some(c) = next {
        match c {
            '\'' => quoted(rest, &mut word)?,
            '"' => double_quoted(rest, &mut word)?,
            '\\' => word.push(rest.next().ok_or("No escaped character")?),
            c => word.push(c),
        }
        let goes_on = |c: &char| match style {
            Style::Command => !is_blank(*c),
            Style::Environment => is_word(*c) || matches!(c, '\'' | '"' | '\\'),
        };
        next = rest.next_if(goes_on);
    }
    Ok(word)
}

/// Up to the closing `'`, everything as it stands.
fn quoted(rest: &mut Peekable<Chars>, word: &mut String) -> Result<(), String> {
    for c in rest.by_ref() {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err("No closing quotation".to_owned())
}

/// Up to the closing `"`; a backslash escapes only `"` and itself.
fn double_quoted(rest: &mut Peekable<Chars>, word: &mut String) -> Result<(), String> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '\\' => {
                let escaped = rest.next().ok_or("No escaped character")?;
                if !matches!(escaped, '"' | '\\') {
                    word.push('\\');
                }
                word.push(escaped);
            }
            c => word.push(c),
        }
    }
    Err("No closing quotation".to_owned())
}

fn skip_line(rest: &mut Peekable<Chars>) {
    for c in rest.by_ref() {
        if c == '\n' {
            break;
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// A character of an unquoted word in an environment: ASCII letters, digits, `_/.+-():` and the letters
/// of Latin-1.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "_/.+-():".contains(c)
        || (('ß'..='ÿ').contains(&c) && c != '÷')
        || (('À'..='Þ').contains(&c) && c != '×')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<String> {
        split(command).unwrap()
    }

    #[test]
    fn split_quotes_and_escapes_are_resolved() {
        assert_eq!(words("a  'b c' \"d e\"f"), ["a", "b c", "d ef"]);
        assert_eq!(words(r#"a\ b "c\"d\n" '\'"#), ["a b", "c\"d\\n", "\\"]);
        assert_eq!(words("a '' \"\""), ["a", "", ""]);
        assert_eq!(words("a #b;c\nd\re"), ["a", "#b;c", "d", "e"]);
        assert_eq!(words("a\\\nb"), ["a\nb"]);
    }

    #[test]
    fn split_unfinished_command_is_refused() {
        assert_eq!(split("a 'b"), Err("can't parse command \"a 'b\": No closing quotation".to_owned()));
        assert_eq!(split("a\\"), Err("can't parse command 'a\\\\': No escaped character".to_owned()));
        assert_eq!(split(" \n"), Err("command is empty".to_owned()));
    }

    fn pairs(text: &str) -> Vec<(String, String)> {
        environment(text).unwrap().into_iter().collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn environment_pairs_are_read_as_the_reference_says() {
        assert_eq!(pairs("A=1,B=2"), [pair("A", "1"), pair("B", "2")]);
        assert_eq!(pairs("A=1,\n B=\"x, y\",\n"), [pair("A", "1"), pair("B", "x, y")]);
        assert_eq!(pairs("A=1;B=2"), [pair("A", "1"), pair("B", "2")]);
        assert_eq!(pairs("A=\"\",A=2"), [pair("A", "2")]);
        assert_eq!(pairs("A=\"\""), [pair("A", "")]);
        assert_eq!(pairs("A=x#y\n"), [pair("A", "x")]);
        assert_eq!(pairs("A=$HOME"), [pair("A", "$")]);
        assert_eq!(pairs("A=http://h:80/y?z=1"), [pair("A", "http://h:80/y"), pair("z", "1")]);
        assert_eq!(pairs("A=a\"b c\",B=caf\u{e9}"), [pair("A", "ab c"), pair("B", "café")]);
        assert_eq!(pairs(r#"A="a\"b\\c\d",B=x\,y"#), [pair("A", "a\"b\\c\\d"), pair("B", "x,y")]);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn environment_without_value_or_comma_is_refused() {
        for text in ["A", "A=", "A=1,,B=2", "A=1 B=2", "A=x@y", "A=1\nB=2", "=1"] {
            assert_eq!(environment(text), Err("Unexpected end of key/value pairs".to_owned()));
        }
        assert_eq!(environment("A='1"), Err("No closing quotation".to_owned()));
    }
}
