//! Bytes → a reply's lines, as they come.
//!
//! Owns: where a line or block ends, and its limits. Does not own: which keys there are.

use std::fmt;

use super::reply::BLOCK_KEY;
use super::{Code, Line, MAX_BLOCK_BYTES, MAX_REPLY_LINE_BYTES, word};

/// What came is not of this language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyError(pub String);

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes replies apart as their bytes come. It holds no more than was fed and not taken.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// Everything before this was given out.
    start: usize,
    /// Everything before this was searched for a line's end.
    searched: usize,
    /// Length of the block whose announcement was read.
    block: Option<usize>,
}

impl Reader {
    /// One that holds nothing.
    #[must_use]
    pub fn new() -> Reader {
        Reader::default()
    }

    /// Adds bytes as they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start >= self.bytes.len() - self.start {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line; `None` until more is fed.
    ///
    /// # Errors
    /// What came is no reply; nothing sensible can follow, the connection should be closed.
    pub fn next_line(&mut self) -> Result<Option<Line>, ReplyError> {
        loop {
            if let Some(length) = self.block {
                return self.take_block(length);
            }
            let Some(line) = self.take_text()? else { return Ok(None) };
            match parse(&line)? {
                Parsed::Line(line) => return Ok(Some(line)),
                Parsed::Block(length) => self.block = Some(length),
            }
        }
    }

    fn take_block(&mut self, length: usize) -> Result<Option<Line>, ReplyError> {
        let end = self.start + length;
        let Some(&last) = self.bytes.get(end) else { return Ok(None) };
        if last != b'\n' {
            return Err(ReplyError("block of bytes has no end of line after it".to_owned()));
        }
        let block = self.bytes.get(self.start..end).unwrap_or_default().to_vec();
        self.block = None;
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(Line::Bytes(block)))
    }

    fn take_text(&mut self) -> Result<Option<Vec<u8>>, ReplyError> {
        let rest = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.bytes.len();
            return if self.bytes.len() - self.start > MAX_REPLY_LINE_BYTES { Err(too_long()) } else { Ok(None) };
        };
        let end = self.searched + length;
        if end - self.start > MAX_REPLY_LINE_BYTES {
            return Err(too_long());
        }
        let line = self.bytes.get(self.start..end).unwrap_or_default().to_vec();
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(line))
    }
}

fn too_long() -> ReplyError {
    ReplyError(format!("reply line is longer than {MAX_REPLY_LINE_BYTES} bytes"))
}

enum Parsed {
    Line(Line),
    Block(usize),
}

fn parse(line: &[u8]) -> Result<Parsed, ReplyError> {
    let not_ours = || ReplyError(format!("not a line of visor's language: `{}`", excerpt(line)));
    let parsed = if let Some(data) = line.strip_prefix(b" ") {
        match block_length(data) {
            Some(Some(length)) => Some(Parsed::Block(length)),
            Some(None) => None,
            None => parse_data(data).map(|pairs| Parsed::Line(Line::Data(pairs))),
        }
    } else {
        parse_end(line).map(Parsed::Line)
    };
    parsed.ok_or_else(not_ours)
}

/// `Some(None)`: announces a block, but no possible one.
fn block_length(data: &[u8]) -> Option<Option<usize>> {
    let digits = data.strip_prefix(BLOCK_KEY)?.strip_prefix(b"=")?;
    let length = if digits.iter().all(u8::is_ascii_digit) { text(digits.to_vec())?.parse().ok() } else { None };
    Some(length.filter(|&length| length <= MAX_BLOCK_BYTES))
}

fn parse_data(data: &[u8]) -> Option<Vec<(String, String)>> {
    data.split(|&byte| byte == b' ')
        .map(|pair| {
            let equals = pair.iter().position(|&byte| byte == b'=')?;
            let (key, value) = pair.split_at(equals);
            Some((text(word::decode(key)?)?, text(word::decode(value.get(1..)?)?)?))
        })
        .collect()
}

fn parse_end(line: &[u8]) -> Option<Line> {
    let (first, rest) = split_space(line);
    match first {
        b"ok" => Some(Line::Ok(text(word::unescape(rest)?)?)),
        b"error" => {
            let (code, rest) = split_space(rest);
            // A newer visor may have codes that we do not know: its sentence says enough.
            let code = Code::from_word(std::str::from_utf8(code).ok()?).unwrap_or(Code::Failed);
            Some(Line::Error(code, text(word::unescape(rest)?)?))
        }
        _ => None,
    }
}

fn split_space(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b' ') {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// The beginning of a line for a message.
fn excerpt(line: &[u8]) -> String {
    const EXCERPT_BYTES: usize = 60;
    line.get(..EXCERPT_BYTES).unwrap_or(line).escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{DataLine, write_block, write_error, write_ok};
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    fn samples() -> Vec<Line> {
        let mut lines = vec![
            Line::Data(vec![pair("name", "web:a b"), pair("pid", "0"), pair("text", "50 % = é\n")]),
            Line::Data(vec![pair("empty", "")]),
            Line::Data(vec![pair("bytes", "5"), pair("bytes", "6")]),
            Line::Data(vec![pair("", "x"), pair("k=v", "=")]),
            Line::Bytes(Vec::new()),
            Line::Bytes(b"ok\n bytes=3\nerror failed x\n\0\xff".to_vec()),
            Line::Bytes(vec![b'\n'; MAX_BLOCK_BYTES]),
            Line::Ok(String::new()),
            Line::Ok("two words, 100 %\nnext".to_owned()),
        ];
        lines.extend(Code::ALL.map(|code| Line::Error(code, "why: `x`".to_owned())));
        lines.push(Line::Error(Code::Failed, String::new()));
        lines
    }

    fn read_all(reader: &mut Reader) -> Vec<Line> {
        std::iter::from_fn(|| reader.next_line().unwrap()).collect()
    }

    #[test]
    fn every_line_survives_the_round_trip_in_one_piece_and_byte_by_byte() {
        let mut wire = Vec::new();
        samples().iter().for_each(|line| line.write_to(&mut wire));
        let mut reader = Reader::new();
        reader.feed(&wire);
        assert_eq!(read_all(&mut reader), samples());

        let mut reader = Reader::new();
        let mut got = Vec::new();
        for byte in wire {
            reader.feed(&[byte]);
            got.extend(read_all(&mut reader));
        }
        assert_eq!(got, samples());
    }

    #[test]
    fn builder_writes_what_the_grammar_shows() {
        let mut out = Vec::new();
        DataLine::new(&mut out).key("name", "a b").number("pid", 7).maybe("exit", None::<&str>).key("e", "").end();
        write_block(&mut out, b"hi");
        write_ok(&mut out, "");
        write_error(&mut out, Code::BadName, "no such process `x`");
        let expected = " name=a%20b pid=7 e=\n bytes=2\nhi\nok\nerror bad-name no such process `x`\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn data_without_pairs_writes_nothing() {
        let mut out = Vec::new();
        Line::Data(Vec::new()).write_to(&mut out);
        assert_eq!(out, b"");
    }

    #[test]
    fn too_many_bytes_become_several_blocks() {
        let mut wire = Vec::new();
        write_block(&mut wire, &vec![b'x'; 2 * MAX_BLOCK_BYTES + 1]);
        let mut reader = Reader::new();
        reader.feed(&wire);
        let lengths: Vec<usize> = read_all(&mut reader)
            .iter()
            .map(|line| match line {
                Line::Bytes(bytes) => bytes.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lengths, [MAX_BLOCK_BYTES, MAX_BLOCK_BYTES, 1]);
    }

    #[test]
    fn strange_replies_are_errors_not_panics() {
        for bad in [
            &b"\n"[..],
            b" \n",
            b"  a=b\n",
            b" novalue\n",
            b" a=%\n",
            b" a=\xff\n",
            b" a=%ff\n",
            b" bytes=\n",
            b" bytes=-1\n",
            b" bytes=65537\n",
            b" bytes=99999999999999999999999999\n",
            b" bytes=1 x=2\n",
            b" bytes=2\nabc\n",
            b"OK\n",
            b"okay\n",
            b"HTTP/1.1 501 Not Implemented\r\n",
            b"error \xff x\n",
            b"ok \xff\n",
        ] {
            let mut reader = Reader::new();
            reader.feed(bad);
            assert!(reader.next_line().is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn unknown_code_of_a_newer_visor_is_a_failure_with_its_text() {
        let mut reader = Reader::new();
        reader.feed(b"error too-green try a red one\n");
        assert_eq!(reader.next_line(), Ok(Some(Line::Error(Code::Failed, "try a red one".to_owned()))));
    }

    #[test]
    fn endless_line_is_refused_at_its_limit() {
        let mut reader = Reader::new();
        reader.feed(&vec![b' '; MAX_REPLY_LINE_BYTES]);
        assert_eq!(reader.next_line(), Ok(None));
        reader.feed(b"xx");
        assert!(reader.next_line().is_err());
    }
}
