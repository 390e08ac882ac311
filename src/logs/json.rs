//! As much of JSON as a log line needs: a text as a string, and whether a text is an object.

/// Objects and arrays inside each other; deeper ones are taken for text.
const DEEPEST: u32 = 64;

/// Appends `text` as a string in quotes; what is not UTF-8 becomes U+FFFD.
pub fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for part in text.utf8_chunks() {
        for byte in part.valid().bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..0x20 | 0x7f => {
                    out.extend_from_slice(b"\\u00");
                    out.extend(
                        [byte >> 4, byte & 0xf]
                            .map(|half| b"0123456789abcdef".get(usize::from(half)).copied().unwrap_or(b'0')),
                    );
                }
                _ => out.push(byte),
            }
        }
        if !part.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

/// What stands between the braces of a text that is an object and nothing else.
pub fn members(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii();
    let inside = text.strip_prefix(b"{")?.strip_suffix(b"}")?;
    std::str::from_utf8(text).ok()?;
    let mut scan = Scan { rest: text };
    scan.value(0)?;
    scan.rest.is_empty().then(|| inside.trim_ascii())
}

/// Goes over a text; every method answers `None` where it is not JSON.
struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    fn value(&mut self, depth: u32) -> Option<()> {
        match self.rest.first()? {
            b'{' => self.items(depth, b'}', true),
            b'[' => self.items(depth, b']', false),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn items(&mut self, depth: u32, close: u8, named: bool) -> Option<()> {
        self.skip(1);
        self.blanks();
        if self.taken(close) {
            return Some(());
        }
        if depth >= DEEPEST {
            return None;
        }
        loop {
            if named {
                self.string()?;
                self.blanks();
                self.word(b":")?;
                self.blanks();
            }
            self.value(depth.saturating_add(1))?;
            self.blanks();
            if self.taken(close) {
                return Some(());
            }
            self.word(b",")?;
            self.blanks();
        }
    }

    fn string(&mut self) -> Option<()> {
        self.word(b"\"")?;
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(()),
                0..0x20 => return None,
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    match escaped {
                        b'u' => {
                            let digits = self.rest.get(..4)?;
                            digits.iter().all(u8::is_ascii_hexdigit).then(|| self.skip(4))?;
                        }
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        _ => return None,
                    }
                }
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        self.taken(b'-');
        if !self.taken(b'0') {
            self.digits()?;
        }
        if self.taken(b'.') {
            self.digits()?;
        }
        if self.taken(b'e') || self.taken(b'E') {
            let _ = self.taken(b'+') || self.taken(b'-');
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.skip(count);
        (count > 0).then_some(())
    }

    fn blanks(&mut self) {
        let count = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.skip(count);
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn taken(&mut self, byte: u8) -> bool {
        self.word(&[byte]).is_some()
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &[u8]) -> String {
        let mut out = Vec::new();
        quote(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_becomes_a_string_that_reads_back() {
        assert_eq!(quoted(b"a \"b\" \\ \t\r\n\x1b[0m"), r#""a \"b\" \\ \t\r\n\u001b[0m""#);
        assert_eq!(quoted("grün €".as_bytes()), "\"grün €\"");
        for text in ["", "\0\x01\x1f\x7f", "\u{2028}", "𝄞\"\\"] {
            assert_eq!(serde_json::from_str::<String>(&quoted(text.as_bytes())).unwrap(), text);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(quoted(b"a\xffb\xc3"), "\"a\u{fffd}b\u{fffd}\"");
    }

    #[test]
    fn objects_are_known_and_nothing_else_is() {
        for text in [
            "{}",
            " {\t} \r",
            r#"{"a":1}"#,
            r#"{"a":{"b":[true,false,null,-1.5e+3,0,"x\u00e9\"\n"]},"é":[]}"#,
            r#"{ "a" : [ 1 , { } ] }"#,
        ] {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
            assert_eq!(
                members(text.as_bytes()),
                Some(text.trim()[1..text.trim().len() - 1].trim().as_bytes()),
                "{text}"
            );
        }
        for text in [
            "",
            "{",
            "}",
            "{foo}",
            "{}{}",
            "{} x",
            "[1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":-}",
            "{\"a\":tru}",
            "{'a':1}",
            "{a:1}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"}",
            "{\"a\":[1}",
            "{\"a\":1 \"b\":2}",
        ] {
            assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_err(), "{text}");
            assert_eq!(members(text.as_bytes()), None, "{text}");
        }
        assert_eq!(members(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn depth_has_an_end() {
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(members(deep(50).as_bytes()).is_some());
        assert!(members(deep(100_000).as_bytes()).is_none());
    }
}
