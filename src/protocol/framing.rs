//! Bytes → whole lines, with a limit.
//!
//! Owns: where a request line ends and how long it may be. Does not own: descriptors, what a line means.

use std::fmt;

use super::MAX_REQUEST_BYTES;

/// Collects the bytes of one connection into request lines.
///
/// It holds what was pushed and not yet taken; a caller that wants a limit on pipelined lines stops reading while
/// [`Framer::buffered`] is above it.
#[derive(Debug, Default)]
pub struct Framer {
    bytes: Vec<u8>,
    /// Everything before this was given out.
    start: usize,
    /// Everything before this is whole lines or was searched for a line's end.
    searched: usize,
    /// Length of the line that has no end yet.
    partial: usize,
    too_long: bool,
}

/// A request line is longer than [`MAX_REQUEST_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request line is longer than {MAX_REQUEST_BYTES} bytes")
    }
}

impl Framer {
    /// One that holds nothing.
    #[must_use]
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Adds bytes as they came from the peer.
    ///
    /// # Errors
    /// A line, its LF included, is longer than [`MAX_REQUEST_BYTES`]. The lines before it can still be taken; it and
    /// everything after it is thrown away, now and at every later call: there is no telling where the next line begins.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.too_long {
            return Err(TooLong);
        }
        self.forget_taken();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let length = self.partial.saturating_add(piece.len());
            let whole = piece.ends_with(b"\n");
            // A line that has no LF yet needs room for it.
            if length + usize::from(!whole) > MAX_REQUEST_BYTES {
                self.bytes.truncate(self.bytes.len() - self.partial);
                self.partial = 0;
                self.too_long = true;
                return Err(TooLong);
            }
            self.bytes.extend_from_slice(piece);
            self.partial = if whole { 0 } else { length };
        }
        Ok(())
    }

    /// The next whole line without its LF (and the CR before it, if any).
    pub fn next_line(&mut self) -> Option<Vec<u8>> {
        let rest = self.bytes.get(self.searched..)?;
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.bytes.len();
            return None;
        };
        let end = self.searched + length;
        let line = self.bytes.get(self.start..end)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.start = end + 1;
        self.searched = self.start;
        Some(line)
    }

    /// Bytes held: whole lines not taken yet, and the beginning of the next.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Moves the rest to the front, only when that is cheap or frees at least as much as it moves.
    fn forget_taken(&mut self) {
        if self.start > 0 && self.start >= self.buffered() {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(framer: &mut Framer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| framer.next_line()).collect()
    }

    #[test]
    fn text_split_at_every_byte_gives_the_same_lines() {
        let text = b"hello\nstatus a b\r\n\nstop all\npartial";
        for at in 0..=text.len() {
            let mut framer = Framer::new();
            let (first, second) = text.split_at(at);
            framer.push(first).unwrap();
            let mut got = lines(&mut framer);
            framer.push(second).unwrap();
            got.extend(lines(&mut framer));
            assert_eq!(got, [&b"hello"[..], b"status a b", b"", b"stop all"], "split at {at}");
            assert_eq!(framer.buffered(), b"partial".len());
        }
    }

    #[test]
    fn bytes_one_by_one_give_the_same_lines() {
        let mut framer = Framer::new();
        let mut got = Vec::new();
        for byte in b"a\r\nbc\n\r\n" {
            framer.push(&[*byte]).unwrap();
            got.extend(lines(&mut framer));
        }
        assert_eq!(got, [&b"a"[..], b"bc", b""]);
    }

    #[test]
    fn longest_line_passes_and_one_byte_more_does_not() {
        let mut longest = vec![b'x'; MAX_REQUEST_BYTES - 1];
        let mut framer = Framer::new();
        framer.push(&longest).unwrap();
        assert_eq!(framer.push(b"x"), Err(TooLong));

        longest.push(b'\n');
        let mut framer = Framer::new();
        framer.push(&longest).unwrap();
        assert_eq!(framer.next_line().map(|line| line.len()), Some(MAX_REQUEST_BYTES - 1));

        longest.insert(0, b'x');
        assert_eq!(Framer::new().push(&longest), Err(TooLong));
    }

    #[test]
    fn lines_before_a_too_long_one_are_kept_and_nothing_after() {
        let mut text = b"status\n".to_vec();
        text.extend(vec![b'x'; MAX_REQUEST_BYTES]);
        text.extend(b"\nshutdown\n");
        let mut framer = Framer::new();
        assert_eq!(framer.push(&text), Err(TooLong));
        assert_eq!(framer.push(b"shutdown\n"), Err(TooLong));
        assert_eq!(lines(&mut framer), [b"status"]);
        assert_eq!(framer.buffered(), 0);
    }

    #[test]
    fn too_long_line_in_small_pieces_is_found_without_keeping_it() {
        let mut framer = Framer::new();
        let mut refused = 0;
        for _ in 0..MAX_REQUEST_BYTES {
            refused += usize::from(framer.push(b"abc").is_err());
        }
        assert!(refused > 0);
        assert_eq!(framer.next_line(), None);
        assert_eq!(framer.buffered(), 0);
    }

    #[test]
    fn many_pipelined_lines_come_out_in_order() {
        let mut framer = Framer::new();
        let text: Vec<u8> = (0..20_000).flat_map(|n| format!("status {n}\n").into_bytes()).collect();
        framer.push(&text).unwrap();
        for n in 0..20_000 {
            assert_eq!(framer.next_line(), Some(format!("status {n}").into_bytes()));
        }
        assert_eq!(framer.next_line(), None);
    }
}
