//! Control characters in answers: the original sends a log's bytes as they are, which XML forbids.
//!
//! Before an answer is read, each is put into a character that nobody uses; afterwards it is put back. So colours in a log arrive,
//! and a carriage return, which every reader of XML drops, does too.

use std::borrow::Cow;

use crate::http::xml::Value;

/// The first of the characters that stand for control characters: the end of the plane for private use.
const STAND_IN: u32 = 0x10_FF00;

/// Values stand between the first of these and the last of those.
const FIRST: &[u8] = b"<value";
const LAST: &[u8] = b"</value>";

/// Whether XML cannot carry a byte, or not unchanged.
fn is_lost(byte: u8) -> bool {
    byte < b' ' && byte != b'\t' && byte != b'\n'
}

/// The document with stand-ins, and whether there are any.
pub fn hide(document: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let (before, values, after) = around_values(document);
    if !values.iter().any(|&byte| is_lost(byte)) {
        return (Cow::Borrowed(document), false);
    }
    let mut out = Vec::with_capacity(document.len());
    out.extend_from_slice(before);
    for &byte in values {
        match char::from_u32(STAND_IN + u32::from(byte)).filter(|_| is_lost(byte)) {
            Some(stand_in) => out.extend_from_slice(stand_in.encode_utf8(&mut [0; 4]).as_bytes()),
            None => out.push(byte),
        }
    }
    out.extend_from_slice(after);
    (Cow::Owned(out), true)
}

/// Splits a document before its first value and after its last. Outside of them a carriage return is a blank, which its stand-in is not.
fn around_values(document: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let first = document.windows(FIRST.len()).position(|window| window == FIRST).unwrap_or(document.len());
    let (before, rest) = document.split_at(first);
    let last = rest.windows(LAST.len()).rposition(|window| window == LAST).unwrap_or(0);
    let (values, after) = rest.split_at(last);
    (before, values, after)
}

/// The value with the control characters where their stand-ins are.
pub fn bring_back(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.chars().map(back).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(bring_back).collect()),
        Value::Struct(members) => {
            Value::Struct(members.into_iter().map(|(name, value)| (name, bring_back(value))).collect())
        }
        other @ (Value::Int(_) | Value::Bool(_) | Value::Double(_) | Value::DateTime(_) | Value::Base64(_)) => other,
    }
}

fn back(character: char) -> char {
    let offset = u32::from(character).checked_sub(STAND_IN).and_then(|offset| u8::try_from(offset).ok());
    offset.filter(|&byte| is_lost(byte)).map_or(character, char::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::xml::{Reply, parse_response};

    #[test]
    fn control_characters_in_a_log_arrive_as_they_were() {
        let log = "\u{1b}[31mred\u{1b}[0m\r\n\0\u{8}\ttab é\n";
        let document = format!(
            "<?xml version='1.0'?>\r\n<methodResponse><params><param><value><string>{log}</string></value></param></params></methodResponse>\r\n"
        );
        assert!(parse_response(document.as_bytes()).is_err(), "it is no XML");
        let (hidden, had_controls) = hide(document.as_bytes());
        assert!(had_controls);
        let Ok(Reply::Value(value)) = parse_response(&hidden) else { panic!("it can be read") };
        assert_eq!(bring_back(value), Value::text(log));
    }

    #[test]
    fn plain_document_is_left_alone() {
        assert_eq!(hide(b"a\t\n"), (Cow::Borrowed(&b"a\t\n"[..]), false));
    }
}
