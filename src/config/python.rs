//! How Python writes and reads small things, because Supervisor's messages and numbers are Python's.

use std::fmt::Write as _;

/// A text as Python's `repr` shows it.
pub(super) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || c == '\u{a0}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A number as Python's `int(text, base)` reads it: blanks around, a sign, single underscores between
/// digits. Numbers beyond 64 bits become the nearest one that fits.
pub(super) fn integer(text: &str, base: u32) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = base == 8 && (digits.starts_with("0o") || digits.starts_with("0O"));
    let digits = match digits.get(2..) {
        Some(rest) if prefixed => rest.strip_prefix('_').unwrap_or(rest),
        _ => digits,
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = 0i64;
    for group in digits.split('_') {
        if group.is_empty() {
            return None;
        }
        for c in group.chars() {
            let digit = i64::from(c.to_digit(base)?);
            let shifted = number.saturating_mul(i64::from(base));
            number = if negative { shifted.saturating_sub(digit) } else { shifted.saturating_add(digit) };
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repr_quotes_and_control_characters_are_escaped() {
        assert_eq!(repr("a"), "'a'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("'\""), "'\\'\"'");
        assert_eq!(repr("a\n\t\\\u{1}"), "'a\\n\\t\\\\\\x01'");
        assert_eq!(repr("é"), "'é'");
    }

    #[test]
    fn integer_python_forms_are_read() {
        assert_eq!(integer(" -12 ", 10), Some(-12));
        assert_eq!(integer("+1_000", 10), Some(1000));
        assert_eq!(integer("0o17", 8), Some(15));
        assert_eq!(integer("0022", 8), Some(18));
        assert_eq!(integer("99999999999999999999", 10), Some(i64::MAX));
        assert_eq!(integer("-99999999999999999999", 10), Some(i64::MIN));
    }

    #[test]
    fn integer_other_texts_are_none() {
        for text in ["", " ", "-", "1.0", "1__0", "_1", "1_", "0x1", "0o7", "- 1", "١a"] {
            assert_eq!(integer(text, 10), None, "{text:?}");
        }
        assert_eq!(integer("8", 8), None);
        assert_eq!(integer("0o", 8), None);
    }
}
