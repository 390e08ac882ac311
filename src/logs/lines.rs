//! Cuts a stream into lines, for receivers that take messages.

/// The longest piece of a line, in bytes. A longer line is handed out in several pieces.
pub const LINE_LIMIT: usize = 8 * 1024;

/// A line, or a part of a very long one, without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes.
    pub text: &'a [u8],
    /// True when an earlier piece of the same line went before.
    pub continues: bool,
}

/// Splits one stream. Between two chunks it keeps the line that has no newline yet.
///
/// Empty lines at the end of a chunk are dropped, as Supervisor does on the way to syslog.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line; never as long as `LINE_LIMIT` between two calls.
    partial: Vec<u8>,
    /// A piece of the current line was already handed out.
    continues: bool,
}

impl Lines {
    /// Takes a chunk and hands each line that is now whole to `each`.
    pub fn push(&mut self, chunk: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = chunk;
        let mut blanks = 0_usize;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
            if line.is_empty() && !self.is_amid_line() {
                blanks = blanks.saturating_add(1);
                continue;
            }
            hand_out_blanks(&mut blanks, each);
            self.end_line(line, each);
        }
        if !rest.is_empty() {
            hand_out_blanks(&mut blanks, each);
            self.keep(rest, each);
        }
    }

    /// Hands out the line that has no newline, if there is one: the stream has ended, or nobody wants
    /// to wait longer. What comes next begins a new line.
    pub fn flush(&mut self, each: &mut dyn FnMut(Piece<'_>)) {
        if !self.partial.is_empty() {
            each(Piece { text: &self.partial, continues: self.continues });
        }
        self.partial.clear();
        self.continues = false;
    }

    /// True while a line waits for its newline.
    pub fn has_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    fn is_amid_line(&self) -> bool {
        self.has_partial() || self.continues
    }

    /// The current line ends with `line`.
    fn end_line(&mut self, line: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        if self.is_amid_line() {
            self.keep(line, each);
            self.flush(each);
            return;
        }
        // The usual case: the line lies in the chunk as a whole and need not be copied.
        let mut continues = false;
        for text in line.chunks(LINE_LIMIT) {
            each(Piece { text, continues });
            continues = true;
        }
    }

    /// Adds to the current line, handing out what exceeds the limit.
    fn keep(&mut self, text: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = text;
        loop {
            let room = LINE_LIMIT.saturating_sub(self.partial.len());
            let Some((fits, over)) = rest.split_at_checked(room).filter(|(_, over)| !over.is_empty()) else {
                self.partial.extend_from_slice(rest);
                return;
            };
            self.partial.extend_from_slice(fits);
            each(Piece { text: &self.partial, continues: self.continues });
            self.partial.clear();
            self.continues = true;
            rest = over;
        }
    }
}

fn hand_out_blanks(blanks: &mut usize, each: &mut dyn FnMut(Piece<'_>)) {
    for _ in 0..std::mem::take(blanks) {
        each(Piece { text: b"", continues: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (mut lines, mut pieces) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, &mut |piece| pieces.push((piece.text.to_vec(), piece.continues)));
        }
        lines.flush(&mut |piece| pieces.push((piece.text.to_vec(), piece.continues)));
        pieces
    }

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        split(chunks).into_iter().map(|(text, _)| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn whole_lines_come_at_once_and_a_partial_one_waits() {
        assert_eq!(texts(&[b"a\nb\n"]), ["a", "b"]);
        assert_eq!(texts(&[b"a\nbe", b"gin", b"ning\nend"]), ["a", "beginning", "end"]);
        let mut lines = Lines::default();
        lines.push(b"half", &mut |_| panic!("not a line yet"));
        assert!(lines.has_partial());
    }

    #[test]
    fn empty_lines_stay_inside_a_chunk_and_vanish_at_its_end() {
        assert_eq!(texts(&[b"a\n\nb\n\n\n", b"c\n"]), ["a", "", "b", "c"]);
        assert_eq!(texts(&[b"a", b"\n", b"\n", b"b"]), ["a", "b"]);
        assert_eq!(texts(&[b"a\n\nb"]), ["a", "", "b"]);
        assert!(texts(&[b"\n\n", b""]).is_empty());
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_one_piece() {
        let line = vec![b'x'; LINE_LIMIT];
        let ended = [line.as_slice(), b"\n"].concat();
        assert_eq!(split(&[&ended]), [(line.clone(), false)]);
        assert_eq!(split(&[&line, b"\n", b"y\n"]), [(line.clone(), false), (b"y".to_vec(), false)]);
    }

    #[test]
    fn a_longer_line_comes_in_marked_pieces_however_it_arrives() {
        let long = vec![b'x'; 2 * LINE_LIMIT + 3];
        let expected = [
            (vec![b'x'; LINE_LIMIT], false),
            (vec![b'x'; LINE_LIMIT], true),
            (b"xxx".to_vec(), true),
            (b"next".to_vec(), false),
        ];
        let whole = [long.as_slice(), b"\nnext\n"].concat();
        assert_eq!(split(&[&whole]), expected);
        assert_eq!(split(&[&long, b"\nnext"]), expected);
        let bytes: Vec<&[u8]> = whole.chunks(1000).collect();
        assert_eq!(split(&bytes), expected);
    }
}
