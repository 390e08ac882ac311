//! Lines `NAME=value` → variables. Pure; nothing of a file's content goes into a complaint, for it may be a secret.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong {
    /// From 1.
    pub line: usize,
    pub reason: &'static str,
}

const EXPORT: &[u8] = b"export";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Every variable in the order of the file; the first thing that is wrong ends it.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(OsString, OsString)>, Wrong> {
    let mut rest = Rest { bytes: bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes), line: 1 };
    let mut variables = Vec::new();
    if let Some(at) = rest.bytes.iter().position(|byte| *byte == 0) {
        let line = rest.bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        return Err(Wrong { line, reason: "a NUL byte cannot be in a variable" });
    }
    while let Some(byte) = rest.peek() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => drop(rest.next()),
            b'#' | b';' => drop(rest.up_to_line_end()),
            _ => {
                let name = rest.name()?;
                let value = rest.value()?;
                variables.push((OsString::from_vec(name), OsString::from_vec(value)));
            }
        }
    }
    Ok(variables)
}

/// What is not read yet.
struct Rest<'a> {
    bytes: &'a [u8],
    line: usize,
}

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        self.line += usize::from(*byte == b'\n');
        Some(*byte)
    }

    /// The rest of the line; its end stays.
    fn up_to_line_end(&mut self) -> &'a [u8] {
        let end = self.bytes.iter().position(|byte| *byte == b'\n').unwrap_or(self.bytes.len());
        let (line, rest) = self.bytes.split_at_checked(end).unwrap_or((self.bytes, &[]));
        self.bytes = rest;
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.next();
        }
    }

    fn wrong(&self, reason: &'static str) -> Wrong {
        Wrong { line: self.line, reason }
    }

    /// `[export ]NAME=`
    fn name(&mut self) -> Result<Vec<u8>, Wrong> {
        if let Some(rest) = self.bytes.strip_prefix(EXPORT)
            && rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'))
        {
            self.bytes = rest;
            self.skip_blanks();
        }
        let mut name = Vec::new();
        loop {
            match self.peek() {
                None | Some(b'\n') => return Err(self.wrong("this is not `NAME=value`")),
                Some(b'=') => break,
                Some(byte) => name.push(byte),
            }
            self.next();
        }
        self.next();
        let name = name.trim_ascii_end();
        if name.is_empty() || name.iter().any(|byte| byte.is_ascii_whitespace() || b"'\"\\`$".contains(byte)) {
            return Err(self.wrong("what stands before the `=` is not a name"));
        }
        Ok(name.to_vec())
    }

    fn value(&mut self) -> Result<Vec<u8>, Wrong> {
        self.skip_blanks();
        let value = match self.peek() {
            Some(b'\'') => self.single_quoted()?,
            Some(b'"') => self.double_quoted()?,
            Some(_) | None => return Ok(without_comment(self.up_to_line_end()).to_vec()),
        };
        let after = self.up_to_line_end().trim_ascii_start();
        if after.is_empty() || after.starts_with(b"#") {
            return Ok(value);
        }
        Err(self.wrong("something follows the closing quote"))
    }

    fn single_quoted(&mut self) -> Result<Vec<u8>, Wrong> {
        let open = self.wrong("the quote is not closed");
        self.next();
        let mut value = Vec::new();
        loop {
            match self.next().ok_or(open)? {
                b'\'' => return Ok(value),
                byte => value.push(byte),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<Vec<u8>, Wrong> {
        let open = self.wrong("the quote is not closed");
        self.next();
        let mut value = Vec::new();
        loop {
            match self.next().ok_or(open)? {
                b'"' => return Ok(value),
                b'\\' => match self.next().ok_or(open)? {
                    b'n' => value.push(b'\n'),
                    b't' => value.push(b'\t'),
                    b'r' => value.push(b'\r'),
                    byte @ (b'"' | b'\\' | b'$' | b'`') => value.push(byte),
                    b'\n' => {}
                    byte => value.extend([b'\\', byte]),
                },
                byte => value.push(byte),
            }
        }
    }
}

/// Without what follows a blank and a `#`, and without blanks at the end.
fn without_comment(line: &[u8]) -> &[u8] {
    let starts = |pair: &[u8]| matches!(pair, [b' ' | b'\t', b'#']);
    let end = if line.starts_with(b"#") { 0 } else { line.windows(2).position(starts).unwrap_or(line.len()) };
    line.get(..end).unwrap_or(line).trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &[u8]) -> Vec<(String, String)> {
        let variables = parse(text).unwrap();
        let text = |it: OsString| it.into_string().unwrap();
        variables.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn bad(text: &[u8]) -> (usize, &'static str) {
        let Wrong { line, reason } = parse(text).unwrap_err();
        (line, reason)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn plain_lines_end_at_blanks_and_comments() {
        assert_eq!(
            good(b"# c\n; c\n\nA=1\nexport B = two words  # c\r\nC=a#b\nD=\nE=x\\ny $B\nF=#c\nexports=1\nG=a=b"),
            pairs(&[
                ("A", "1"),
                ("B", "two words"),
                ("C", "a#b"),
                ("D", ""),
                ("E", "x\\ny $B"),
                ("F", ""),
                ("exports", "1"),
                ("G", "a=b"),
            ])
        );
        assert_eq!(good(b""), []);
        assert_eq!(good(b"\xef\xbb\xbfA=1"), pairs(&[("A", "1")]));
    }

    #[test]
    fn quoted_values_keep_what_is_in_them() {
        assert_eq!(
            good(b"A=' a # \"b\" \\n '  # c\nB=\"a\\n\\t\\\"\\\\\\$x \\q\"\nC='one\ntwo'\nD=\"a\\\nb\"\nE=\"\"\n"),
            pairs(&[("A", " a # \"b\" \\n "), ("B", "a\n\t\"\\$x \\q"), ("C", "one\ntwo"), ("D", "ab"), ("E", "")])
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let variables = parse(b"A=\xff\xfe").unwrap();
        assert_eq!(variables, [(OsString::from("A"), OsString::from_vec(vec![0xff, 0xfe]))]);
    }

    #[test]
    fn wrong_lines_are_told_by_number_without_their_text() {
        assert_eq!(bad(b"A=1\nhunter2\n"), (2, "this is not `NAME=value`"));
        assert_eq!(bad(b"A='x\ny'\n=1"), (3, "what stands before the `=` is not a name"));
        assert_eq!(bad(b"two words=1"), (1, "what stands before the `=` is not a name"));
        assert_eq!(bad(b"\nA=\"x\n\n"), (2, "the quote is not closed"));
        assert_eq!(bad(b"A='x\\"), (1, "the quote is not closed"));
        assert_eq!(bad(b"A=\"x\\"), (1, "the quote is not closed"));
        assert_eq!(bad(b"A='x'y"), (1, "something follows the closing quote"));
        assert_eq!(bad(b"A=1\nB=\0"), (2, "a NUL byte cannot be in a variable"));
        assert_eq!(bad(b"export A"), (1, "this is not `NAME=value`"));
    }

    #[test]
    fn any_bytes_are_refused_or_read() {
        let pieces: [&[u8]; 12] =
            [b"A", b"=", b"'", b"\"", b"\\", b"\n", b"\r", b" ", b"#", b"export ", b"\xff", b"\0"];
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut random = |limit: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed >> 33).unwrap() % limit
        };
        let mut read = 0;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..random(10)).flat_map(|_| pieces[random(pieces.len())]).copied().collect();
            match parse(&text) {
                Ok(variables) => {
                    read += variables.len();
                    assert!(variables.iter().all(|(name, _)| !name.is_empty()));
                }
                Err(wrong) => assert!(wrong.line >= 1 && wrong.line <= 11, "{wrong:?}"),
            }
        }
        assert!(read > 100, "{read}");
    }
}
