//! Cuts a stream into whole lines for the formats that need them. Nothing is lost: empty lines are lines, too.

/// The longest line that is handed out as one, in bytes. What is longer comes in parts.
pub const WHOLE_LIMIT: usize = 16 * 1024;
/// Bytes of a character of UTF-8 behind its first.
const MOST_CONTINUATION: usize = 3;

/// How a line that was handed out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a newline, which is not handed out.
    Newline,
    /// Not here: the next one goes on with it.
    Partial,
    /// Nowhere: the stream is over.
    Unended,
}

/// Splits one stream. Keeps the line that has no newline yet, at most [`WHOLE_LIMIT`] bytes between two chunks.
#[derive(Debug, Default)]
pub struct Whole {
    begun: Vec<u8>,
}

impl Whole {
    /// Takes a chunk and hands out what is whole or too long.
    pub fn push(&mut self, chunk: &[u8], each: &mut dyn FnMut(&[u8], End)) {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
            if self.begun.is_empty() {
                // The usual case: the line lies in the chunk and need not be copied.
                in_parts(line, End::Newline, each);
            } else {
                self.begun.extend_from_slice(line);
                in_parts(&self.begun, End::Newline, each);
                self.forget();
            }
        }
        self.begun.extend_from_slice(rest);
        let mut given = 0;
        while let Some(rest) = self.begun.get(given..).filter(|rest| rest.len() > WHOLE_LIMIT) {
            let cut = cut(rest);
            each(rest.get(..cut).unwrap_or_default(), End::Partial);
            given = given.saturating_add(cut);
        }
        self.begun.drain(..given.min(self.begun.len()));
    }

    /// The stream has ended: hands out the line that has no newline, if there is one.
    pub fn finish(&mut self, each: &mut dyn FnMut(&[u8], End)) {
        if !self.begun.is_empty() {
            each(&self.begun, End::Unended);
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.begun.clear();
        self.begun.shrink_to(WHOLE_LIMIT);
    }
}

fn in_parts(line: &[u8], end: End, each: &mut dyn FnMut(&[u8], End)) {
    let mut rest = line;
    while rest.len() > WHOLE_LIMIT {
        let (part, after) = rest.split_at_checked(cut(rest)).unwrap_or((rest, &[]));
        each(part, End::Partial);
        rest = after;
    }
    each(rest, end);
}

/// Where a line longer than the limit is cut: not inside a character, as far as there are any.
fn cut(line: &[u8]) -> usize {
    let continues = |at: usize| line.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let at = (0..=MOST_CONTINUATION).map(|back| WHOLE_LIMIT - back).find(|at| !continues(*at));
    at.unwrap_or(WHOLE_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<(Vec<u8>, End)> {
        let (mut whole, mut lines) = (Whole::default(), Vec::new());
        for chunk in chunks {
            whole.push(chunk, &mut |text, end| lines.push((text.to_vec(), end)));
            assert!(whole.begun.len() <= WHOLE_LIMIT);
        }
        whole.finish(&mut |text, end| lines.push((text.to_vec(), end)));
        lines
    }

    fn line(text: &str) -> (Vec<u8>, End) {
        (text.as_bytes().to_vec(), End::Newline)
    }

    #[test]
    fn lines_come_whole_however_they_arrive_and_empty_ones_too() {
        let expected = [line("a"), line(""), line("bcd"), (b"e".to_vec(), End::Unended)];
        assert_eq!(split(&[b"a\n\nbcd\ne"]), expected);
        assert_eq!(split(&[b"a", b"\n", b"\nb", b"c", b"d\ne", b""]), expected);
        assert_eq!(split(&[b"\n\n"]), [line(""), line("")]);
        assert_eq!(split(&[]), []);
    }

    #[test]
    fn line_of_the_limit_is_one_and_a_longer_one_comes_in_parts() {
        let long = vec![b'x'; WHOLE_LIMIT];
        assert_eq!(split(&[&long, b"\n"]), [(long.clone(), End::Newline)]);
        let longer = [&long[..], &long, b"yz"].concat();
        let expected = [(long.clone(), End::Partial), (long.clone(), End::Partial), line("yz"), line("next")];
        let whole = [&longer[..], b"\nnext\n"].concat();
        assert_eq!(split(&[&whole]), expected);
        assert_eq!(split(&whole.chunks(999).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn parts_end_between_characters() {
        let long = "é".repeat(WHOLE_LIMIT) + "€";
        for shift in ["", "x", "xx"] {
            let lines = split(&[shift.as_bytes(), long.as_bytes(), b"\n"]);
            assert!(lines.len() > 1 && lines.iter().all(|(text, _)| std::str::from_utf8(text).is_ok()), "{shift}");
            let all: Vec<u8> = lines.into_iter().flat_map(|(text, _)| text).collect();
            assert_eq!(all, [shift, &long].concat().as_bytes());
        }
    }

    #[test]
    fn nonsense_of_continuation_bytes_is_cut_at_the_limit() {
        let lines = split(&[&vec![0x80; WHOLE_LIMIT + 1]]);
        assert_eq!(lines.iter().map(|(text, _)| text.len()).collect::<Vec<_>>(), [WHOLE_LIMIT, 1]);
    }
}
