//! Calls and responses → XML.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Value;

/// First line of every document.
const HEADER: &str = "<?xml version='1.0'?>\n";

/// A call of `method`, as a client sends it.
#[must_use]
pub fn write_call(method: &str, params: &[Value]) -> String {
    let mut out = format!("{HEADER}<methodCall>\n<methodName>");
    push_text(&mut out, method);
    out.push_str("</methodName>\n<params>\n");
    for param in params {
        out.push_str("<param>\n");
        push_value(&mut out, param);
        out.push_str("</param>\n");
    }
    out.push_str("</params>\n</methodCall>\n");
    out
}

/// The response that carries a result.
#[must_use]
pub fn write_response(value: &Value) -> String {
    let mut out = format!("{HEADER}<methodResponse>\n<params>\n<param>\n");
    push_value(&mut out, value);
    out.push_str("</param>\n</params>\n</methodResponse>\n");
    out
}

/// The response of a call that failed.
#[must_use]
pub fn write_fault(code: i32, text: &str) -> String {
    let mut out = format!("{HEADER}<methodResponse>\n<fault>\n");
    push_value(&mut out, &Value::record([("faultCode", Value::Int(code)), ("faultString", Value::text(text))]));
    out.push_str("</fault>\n</methodResponse>\n");
    out
}

/// Bytes as text: what is not UTF-8 becomes U+FFFD.
#[must_use]
pub fn lossy_text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// Writes a response whose one value is a long text, piece by piece. What is not UTF-8 becomes U+FFFD, but not a character that
/// is cut between two pieces.
#[derive(Debug, Default)]
pub struct TextStream {
    /// The beginning of a character whose rest has not come.
    pending: Vec<u8>,
}

impl TextStream {
    /// What comes before the text.
    #[must_use]
    pub fn begin(&self) -> String {
        format!("{HEADER}<methodResponse>\n<params>\n<param>\n<value><string>")
    }

    /// The next piece of it.
    pub fn more(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let keep = incomplete(&self.pending);
        let rest = self.pending.split_off(self.pending.len() - keep);
        let text = lossy_text(std::mem::replace(&mut self.pending, rest));
        let mut out = String::with_capacity(text.len());
        push_text(&mut out, &text);
        out
    }

    /// What comes after it.
    #[must_use]
    pub fn end(self) -> String {
        let mut out = String::new();
        push_text(&mut out, &lossy_text(self.pending));
        out.push_str("</string></value>\n</param>\n</params>\n</methodResponse>\n");
        out
    }
}

/// How many bytes at the end may be the beginning of a character.
fn incomplete(bytes: &[u8]) -> usize {
    /// Longest beginning of a character that is not all of it.
    const LONGEST: usize = 3;
    let tail = bytes.len().saturating_sub(LONGEST);
    let last = bytes.iter().enumerate().skip(tail).rev().find(|(_, byte)| (**byte & 0xc0) != 0x80);
    match last {
        Some((at, lead)) => {
            let needed = match lead {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => 1,
            };
            let there = bytes.len() - at;
            if there < needed { there } else { 0 }
        }
        None => 0,
    }
}

fn push_value(out: &mut String, value: &Value) {
    out.push_str("<value>");
    match value {
        Value::Int(number) => push_element(out, "int", &number.to_string()),
        Value::Bool(yes) => push_element(out, "boolean", if *yes { "1" } else { "0" }),
        Value::String(text) => push_element(out, "string", text),
        Value::Double(number) => push_element(out, "double", &number.to_string()),
        Value::DateTime(text) => push_element(out, "dateTime.iso8601", text),
        Value::Base64(bytes) => push_element(out, "base64", &STANDARD.encode(bytes)),
        Value::Array(items) => {
            out.push_str("<array><data>\n");
            items.iter().for_each(|item| push_value(out, item));
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>\n");
            for (name, value) in members {
                out.push_str("<member>\n");
                push_element(out, "name", name);
                out.push('\n');
                push_value(out, value);
                out.push_str("</member>\n");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>\n");
}

fn push_element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    push_text(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Appends text so that any reader of XML gets it back, but for what XML cannot carry at all.
fn push_text(out: &mut String, text: &str) {
    /// Where the pictures of the control characters begin.
    const PICTURES: u32 = 0x2400;
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\u{1f}' => {
                out.push(char::from_u32(PICTURES + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Reply, parse_call, parse_response};
    use super::*;

    fn samples() -> Vec<Value> {
        vec![
            Value::Int(i32::MIN),
            Value::Bool(true),
            Value::text("a & <b> \"c\" ]]> \r\n\t é \u{1F600}"),
            Value::text(""),
            Value::Double(-0.25),
            Value::DateTime("20260101T00:00:00".to_owned()),
            Value::Base64((0..=255).collect()),
            Value::Array(vec![Value::Array(Vec::new()), Value::Int(1)]),
            Value::Struct(vec![("b".to_owned(), Value::Int(1)), ("a <".to_owned(), Value::Struct(Vec::new()))]),
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        for value in samples() {
            assert_eq!(parse_response(write_response(&value).as_bytes()), Ok(Reply::Value(value)));
        }
        let call = Call { method: "supervisor.x".to_owned(), params: samples() };
        assert_eq!(parse_call(write_call(&call.method, &call.params).as_bytes()), Ok(call));
        let fault = write_fault(10, "BAD_NAME: <x>");
        assert_eq!(parse_response(fault.as_bytes()), Ok(Reply::Fault(10, "BAD_NAME: <x>".to_owned())));
    }

    #[test]
    fn characters_that_xml_cannot_carry_get_a_stand_in() {
        let all: String = ('\0'..='\u{1f}').chain(['\u{7f}', '\u{85}', '\u{fffe}', '\u{ffff}']).collect();
        let read = parse_response(write_response(&Value::String(all)).as_bytes()).unwrap();
        let Reply::Value(Value::String(text)) = read else { panic!("a text") };
        assert!(text.starts_with("\u{2400}\u{2401}"));
        assert!(text.contains("\u{2408}\t\n\u{240b}\u{240c}\r\u{240e}") && text.contains('\u{241b}'));
        assert!(text.ends_with("\u{241f}\u{7f}\u{85}\u{fffd}\u{fffd}"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(lossy_text(b"a\xffb\xc3".to_vec()), "a\u{fffd}b\u{fffd}");
        assert_eq!(lossy_text("é".as_bytes().to_vec()), "é");
    }

    #[test]
    fn text_in_pieces_of_any_size_is_the_text() {
        let bytes = "é<\u{1F600}&\r\u{1b}z€".as_bytes();
        for size in 1..=bytes.len() {
            let mut stream = TextStream::default();
            let mut document = stream.begin();
            bytes.chunks(size).for_each(|piece| document.push_str(&stream.more(piece)));
            document.push_str(&stream.end());
            let expected = Reply::Value(Value::text("é<\u{1F600}&\r\u{241b}z€"));
            assert_eq!(parse_response(document.as_bytes()), Ok(expected), "in pieces of {size}");
        }
        let mut stream = TextStream::default();
        let text = [stream.more(b"a\xff\xe2\x82"), stream.more(b"b\xc3"), stream.end()].concat();
        assert!(text.starts_with("a\u{fffd}\u{fffd}b\u{fffd}</string>"), "{text}");
    }

    #[test]
    fn numbers_are_cut_to_32_bits() {
        assert_eq!(Value::int(u64::MAX), Value::Int(i32::MAX));
        assert_eq!(Value::int(i64::MIN), Value::Int(i32::MIN));
        assert_eq!(Value::int(-7_i64), Value::Int(-7));
        assert_eq!(Value::int(4_102_444_800_u64), Value::Int(i32::MAX), "a time after 2038");
    }
}
