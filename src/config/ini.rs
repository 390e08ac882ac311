//! Text of one file → sections and keys with their positions.
//!
//! The only file that names `configparser`. A scan of ours joins physical lines into logical ones
//! (comments, continuations), the crate decides what a logical line is, and the answer keeps the place
//! it came from. Which section wins, defaults and values are decided elsewhere.

use configparser::ini::{Ini, IniDefault};

use super::error::Mistake;

/// Stands for a line break inside a logical line, and marks a key whose line begins with `[`.
/// It cannot occur in a text, because a text that holds it is refused.
const MARK: char = '\0';
/// Name the crate gives to keys without a header.
const NO_SECTION: &str = "\0";

/// One thing a file says, in the order it says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Line from 1.
    pub line: usize,
    /// Column of the first character, from 1, in characters.
    pub column: usize,
    /// What stands there.
    pub what: What,
}

/// What a logical line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// `[name]`
    Header(String),
    /// `key = value`
    Option {
        /// Lower case.
        key: String,
        /// Trimmed, lines joined with `\n`.
        value: String,
        /// Column of the value from 1, or of the delimiter when there is no value on that line.
        value_column: usize,
    },
}

/// A logical line before the crate has seen it.
struct Logical {
    line: usize,
    column: usize,
    /// Comment cut, trimmed; further lines follow after [`MARK`].
    text: String,
    is_header: bool,
}

/// Reads one file's bytes. What is wrong goes to `mistakes`; what is right comes back all the same.
pub(super) fn parse(file: &str, bytes: &[u8], mistakes: &mut Vec<Mistake>) -> Vec<Item> {
    let text = decode(file, bytes, mistakes);
    let lines = logical_lines(&text);
    let mut parser = Ini::new_from_defaults(dialect());
    let mut items = Vec::new();
    let mut in_section = false;
    let mut headless_told = false;
    for logical in lines {
        if !logical.is_header && !in_section {
            if !headless_told {
                headless_told = true;
                mistakes.push(wrong(file, &logical, "File contains no section headers."));
            }
            continue;
        }
        match understand(&mut parser, &logical) {
            Ok(what) => {
                in_section |= logical.is_header;
                items.push(Item { line: logical.line, column: logical.column, what });
            }
            Err(reason) => mistakes.push(wrong(file, &logical, reason)),
        }
    }
    items
}

/// Supervisor's dialect, as far as the crate can be told.
fn dialect() -> IniDefault {
    let mut dialect = IniDefault::default();
    dialect.case_sensitive = true;
    dialect.multiline = false;
    dialect.enable_inline_comments = false;
    dialect.comment_symbols = Vec::new();
    dialect.default_section = NO_SECTION.to_owned();
    dialect
}

fn wrong(file: &str, logical: &Logical, reason: &str) -> Mistake {
    Mistake {
        line: logical.line,
        column: logical.column,
        text: Some(first_line(&logical.text).to_owned()),
        ..Mistake::of_file(file, reason)
    }
}

fn first_line(text: &str) -> &str {
    text.split(MARK).next().unwrap_or("")
}

/// Asks the crate what a logical line is.
fn understand(parser: &mut Ini, logical: &Logical) -> Result<What, &'static str> {
    const UNREADABLE: &str = "this is neither a section, nor `key = value`, nor an indented continuation of a value";
    // An option whose key begins with `[` (a header without its end) would stop the crate.
    let bracket_key = !logical.is_header && logical.text.starts_with('[');
    let input = if bracket_key { format!("{MARK}{}", logical.text) } else { logical.text.clone() };
    let answer = parser.read(input).map_err(|_| UNREADABLE)?;
    let (section, keys) = answer.into_iter().next().ok_or(UNREADABLE)?;
    if logical.is_header {
        return Ok(What::Header(untrimmed_name(&logical.text, section)));
    }
    let (key, value) = keys.into_iter().next().ok_or(UNREADABLE)?;
    let key = match key.strip_prefix(MARK) {
        Some(rest) if bracket_key => rest,
        _ => key.as_str(),
    };
    let value = match value {
        Some(value) if !key.contains(MARK) && !key.is_empty() => value,
        _ => return Err(UNREADABLE),
    };
    Ok(What::Option {
        key: key.trim_end().to_lowercase(),
        value: value.replace(MARK, "\n").trim_end().to_owned(),
        value_column: logical.column + value_offset(first_line(&logical.text)),
    })
}

/// The crate trims a name; the original does not, and then does not know the section.
fn untrimmed_name(line: &str, name: String) -> String {
    let inner = line.rfind(']').and_then(|end| line.get(1..end)).unwrap_or("");
    if inner.trim() == name { inner.to_owned() } else { name }
}

/// Characters before the value of a `key = value` line.
fn value_offset(line: &str) -> usize {
    let Some((key, rest)) = line.split_once(['=', ':']) else {
        return 0;
    };
    let blanks = rest.chars().take_while(|c| c.is_whitespace()).count();
    let skipped = if blanks == rest.chars().count() { 0 } else { blanks + 1 };
    key.chars().count() + skipped
}

/// UTF-8 text without a byte order mark; bytes that are no text are told and replaced.
fn decode(file: &str, bytes: &[u8], mistakes: &mut Vec<Mistake>) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let position = error.valid_up_to();
            let byte = bytes.get(position).copied().unwrap_or(0);
            let why = match error.error_len() {
                None => "unexpected end of data",
                Some(_) if matches!(byte, 0xC2..=0xF4) => "invalid continuation byte",
                Some(_) => "invalid start byte",
            };
            let (line, column) = place(bytes.get(..position).unwrap_or(&[]));
            mistakes.push(Mistake {
                line,
                column,
                ..Mistake::of_file(
                    file,
                    format!("'utf-8' codec can't decode byte {byte:#04x} in position {position}: {why}"),
                )
            });
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    if let Some(position) = text.find(MARK) {
        let (line, column) = place(text.as_bytes().get(..position).unwrap_or(&[]));
        mistakes.push(Mistake {
            line,
            column,
            ..Mistake::of_file(file, "a NUL character stands here; no argument and no environment can hold one")
        });
    }
    text.strip_prefix('\u{feff}').unwrap_or(&text).replace(MARK, "\u{fffd}")
}

/// Line and column (in characters) of what follows these bytes.
fn place(before: &[u8]) -> (usize, usize) {
    let text = String::from_utf8_lossy(before);
    let lines = physical_lines(&text);
    let ends = text.ends_with(['\n', '\r']);
    match lines.last() {
        None => (1, 1),
        Some(_) if ends => (lines.len() + 1, 1),
        Some(last) => (lines.len(), last.chars().count() + 1),
    }
}

/// LF, CRLF and a lone CR all end a line.
fn physical_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    for chunk in text.split_inclusive('\n') {
        let body = chunk.strip_suffix('\n').unwrap_or(chunk);
        let body = if body.len() < chunk.len() { body.strip_suffix('\r').unwrap_or(body) } else { body };
        lines.extend(body.split('\r'));
    }
    if text.ends_with('\r') {
        lines.pop();
    }
    lines
}

/// Drops comments and joins what is indented deeper than its option line.
fn logical_lines(text: &str) -> Vec<Logical> {
    let mut lines: Vec<Logical> = Vec::new();
    // Indentation that must be exceeded to continue the option above.
    let mut option_indent: Option<usize> = None;
    let mut blank_lines = 0usize;
    for (index, raw) in physical_lines(text).into_iter().enumerate() {
        let content = match without_comment(raw) {
            Some(content) => content.trim(),
            None => continue,
        };
        if content.is_empty() {
            blank_lines += 1;
            continue;
        }
        let indent = raw.chars().take_while(|c| c.is_whitespace()).count();
        match (option_indent, lines.last_mut()) {
            (Some(limit), Some(last)) if indent > limit => {
                for _ in 0..=blank_lines {
                    last.text.push(MARK);
                }
                last.text.push_str(content);
            }
            _ => {
                let is_header = is_header(content);
                option_indent = if is_header { None } else { Some(indent) };
                lines.push(Logical { line: index + 1, column: indent + 1, text: content.to_owned(), is_header });
            }
        }
        blank_lines = 0;
    }
    lines
}

/// A line that opens a section: `[`, at least one character, `]`.
fn is_header(content: &str) -> bool {
    content.starts_with('[') && content.rfind(']').is_some_and(|end| end >= 2)
}

/// The line up to its comment; `None` when it is nothing but a comment.
fn without_comment(raw: &str) -> Option<&str> {
    if raw.trim_start().starts_with([';', '#']) {
        return None;
    }
    if !raw.contains([';', '#']) {
        return Some(raw);
    }
    match comment_start(raw) {
        Some(start) => raw.get(..start),
        None => Some(raw),
    }
}

/// Where an inline comment begins. The two characters are searched in step: first the first `;` and the
/// first `#`, then the second ones, and so on; the first round with one behind a blank decides.
fn comment_start(raw: &str) -> Option<usize> {
    let opens = |symbol: char| {
        raw.match_indices(symbol).map(|(at, _)| {
            let before = raw.get(..at).and_then(|head| head.chars().next_back());
            (at, before.is_none_or(char::is_whitespace))
        })
    };
    let mut semicolons = opens(';');
    let mut hashes = opens('#');
    loop {
        let round = [semicolons.next(), hashes.next()];
        if round.iter().all(Option::is_none) {
            return None;
        }
        let found = round.into_iter().flatten().filter_map(|(at, opens)| opens.then_some(at)).min();
        if found.is_some() {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers as `[name]`, options as `key=value`, each with its line.
    fn read(text: &str) -> (Vec<String>, Vec<(usize, String)>) {
        let mut mistakes = Vec::new();
        let items = parse("f", text.as_bytes(), &mut mistakes);
        let shown = items.into_iter().map(|item| match item.what {
            What::Header(name) => format!("{}[{name}]", item.line),
            What::Option { key, value, .. } => format!("{}{key}={value}", item.line),
        });
        (shown.collect(), mistakes.into_iter().map(|m| (m.line, m.reason)).collect())
    }

    fn good(text: &str) -> Vec<String> {
        let (items, mistakes) = read(text);
        assert_eq!(mistakes, []);
        items
    }

    #[test]
    fn option_first_delimiter_splits_and_key_is_lowered() {
        assert_eq!(good("[a]\nKey : v=w\nX=y:z\ne="), ["1[a]", "2key=v=w", "3x=y:z", "4e="]);
    }

    #[test]
    fn header_ends_at_last_bracket_and_keeps_case_and_blanks() {
        assert_eq!(good("[a]b] junk\n[ A ] ; c\n"), ["1[a]b]", "2[ A ]"]);
    }

    #[test]
    fn unclosed_header_is_an_option() {
        assert_eq!(good("[a]\n[program:x\n[]=1"), ["1[a]", "2[program=x", "3[]=1"]);
    }

    #[test]
    fn deeper_lines_continue_a_value() {
        assert_eq!(good("[a]\nk = 1\n  2 ; c\n# c\n\n\t[3]\n\nj=4\n x=5\n"), ["1[a]", "2k=1\n2\n\n[3]", "8j=4\nx=5"]);
    }

    #[test]
    fn indented_first_option_is_an_option() {
        assert_eq!(good("[a]\n   k=1\n  j=2\n"), ["1[a]", "2k=1", "3j=2"]);
    }

    #[test]
    fn inline_comment_needs_a_blank_before_it() {
        assert_eq!(
            good("[a]\na=x;y\nb=x ;y\nc=p#w\t#z\nd=\";\" ;\n"),
            ["1[a]", "2a=x;y", "3b=x", "4c=p#w", "5d=\";\""]
        );
        assert_eq!(good("[a]\na=x#y #z ;w\nb=;x\n"), ["1[a]", "2a=x#y #z", "3b=;x"]);
    }

    #[test]
    fn every_line_end_is_accepted_and_a_byte_order_mark_skipped() {
        assert_eq!(good("\u{feff}[a]\r\nk=1\r\n  2\rj=3\r"), ["1[a]", "2k=1\n2", "4j=3"]);
    }

    #[test]
    fn wrong_lines_are_all_told_and_the_rest_is_read() {
        let (items, mistakes) = read("[a]\njunk\nk=1\n=x\n[]\n[b]\n");
        assert_eq!(items, ["1[a]", "3k=1", "6[b]"]);
        let lines: Vec<usize> = mistakes.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 4, 5]);
    }

    #[test]
    fn text_before_a_header_is_told_once() {
        let (items, mistakes) = read("a=1\nb=2\n[c]\n");
        assert_eq!(items, ["3[c]"]);
        assert_eq!(mistakes, [(1, "File contains no section headers.".to_owned())]);
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_place() {
        let mut mistakes = Vec::new();
        parse("f", b"[a]\nk=\xe9x\nj=\0\n", &mut mistakes);
        let told: Vec<_> = mistakes.iter().map(|m| (m.line, m.column)).collect();
        assert_eq!(told, [(2, 3), (3, 3)]);
        assert_eq!(
            mistakes.first().map(|m| m.reason.as_str()),
            Some("'utf-8' codec can't decode byte 0xe9 in position 6: invalid continuation byte")
        );
        mistakes.clear();
        parse("f", b"[a]\nj=\0\n", &mut mistakes);
        assert_eq!(mistakes.iter().map(|m| (m.line, m.column)).collect::<Vec<_>>(), [(2, 3)]);
    }

    #[test]
    fn columns_point_at_key_and_value() {
        let items = parse("f", "[a]\n  é = x\nk=\n".as_bytes(), &mut Vec::new());
        let places: Vec<_> = items
            .iter()
            .filter_map(|item| match item.what {
                What::Option { value_column, .. } => Some((item.column, value_column)),
                What::Header(_) => None,
            })
            .collect();
        assert_eq!(places, [(3, 7), (1, 2)]);
    }
}
