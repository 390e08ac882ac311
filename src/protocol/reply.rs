//! A reply's lines, as values and to bytes.
//!
//! Owns: how data, blocks of raw bytes and ends are written. Does not own: which keys there are.

use std::fmt::{self, Write as _};

use super::{Code, MAX_BLOCK_BYTES, word};

/// The key that announces a block; a data line never begins with it.
pub(super) const BLOCK_KEY: &[u8] = b"bytes";

/// One line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Keys and values, in order. A line without any is not written.
    Data(Vec<(String, String)>),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// The end: all well, with an optional text.
    Ok(String),
    /// The end: it failed.
    Error(Code, String),
}

impl Line {
    /// Appends the line as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Line::Data(pairs) => {
                let line = pairs.iter().fold(DataLine::new(out), |line, (key, value)| line.key(key, value));
                line.end();
            }
            Line::Bytes(bytes) => write_block(out, bytes),
            Line::Ok(text) => write_ok(out, text),
            Line::Error(code, text) => write_error(out, *code, text),
        }
    }

    /// The value of a data line's key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        match self {
            Line::Data(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()),
            Line::Bytes(_) | Line::Ok(_) | Line::Error(..) => None,
        }
    }

    /// Whether nothing of the same reply follows.
    #[must_use]
    pub fn is_end(&self) -> bool {
        match self {
            Line::Data(_) | Line::Bytes(_) => false,
            Line::Ok(_) | Line::Error(..) => true,
        }
    }
}

/// Writes one data line straight into a buffer: `DataLine::new(out).key("name", "web").number("pid", 7).end()`.
#[derive(Debug)]
#[must_use = "the line has no end before `end` is called"]
pub struct DataLine<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> DataLine<'a> {
    /// A line at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> DataLine<'a> {
        DataLine { out, first: true }
    }

    /// Adds ` key=value`; any bytes, escaped as needed.
    pub fn key(mut self, key: &str, value: impl AsRef<[u8]>) -> DataLine<'a> {
        self.begin(key);
        word::encode(self.out, value.as_ref());
        self
    }

    /// As [`DataLine::key`] when there is a value, else nothing.
    pub fn maybe(self, key: &str, value: Option<impl AsRef<[u8]>>) -> DataLine<'a> {
        match value {
            Some(value) => self.key(key, value),
            None => self,
        }
    }

    /// Adds ` key=value` of a number or anything else that prints.
    pub fn number(mut self, key: &str, value: impl fmt::Display) -> DataLine<'a> {
        self.begin(key);
        // Writing into a Vec through this adapter cannot fail.
        let _ = write!(Words(self.out), "{value}");
        self
    }

    /// Ends the line.
    pub fn end(self) {
        if !self.first {
            self.out.push(b'\n');
        }
    }

    fn begin(&mut self, key: &str) {
        self.out.push(b' ');
        match key.as_bytes() {
            [byte, rest @ ..] if self.first && key.as_bytes() == BLOCK_KEY => {
                word::escape(self.out, *byte);
                word::encode_key(self.out, rest);
            }
            plain => word::encode_key(self.out, plain),
        }
        self.out.push(b'=');
        self.first = false;
    }
}

/// Escapes what is formatted into it.
struct Words<'a>(&'a mut Vec<u8>);

impl fmt::Write for Words<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        word::encode(self.0, text.as_bytes());
        Ok(())
    }
}

/// Appends raw bytes as one `bytes=` block, or as several when they are more than [`MAX_BLOCK_BYTES`].
pub fn write_block(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let (block, after) = rest.split_at(rest.len().min(MAX_BLOCK_BYTES));
        out.extend_from_slice(format!(" bytes={}\n", block.len()).as_bytes());
        out.extend_from_slice(block);
        out.push(b'\n');
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// Appends the end line of a reply that went well.
pub fn write_ok(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"ok");
    if !text.is_empty() {
        out.push(b' ');
        word::encode_text(out, text);
    }
    out.push(b'\n');
}

/// Appends the end line of a reply that failed.
pub fn write_error(out: &mut Vec<u8>, code: Code, text: &str) {
    out.extend_from_slice(b"error ");
    out.extend_from_slice(code.word().as_bytes());
    out.push(b' ');
    word::encode_text(out, text);
    out.push(b'\n');
}
