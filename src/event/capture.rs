//! Capture mode: what a process writes between two tags is an event and not a log line.

/// Before what is captured.
const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
/// After it.
const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// Splits one stream.
#[derive(Debug)]
pub struct Capture {
    limit: usize,
    inside: bool,
    /// The newest captured bytes, at most `limit`.
    captured: Vec<u8>,
    /// What may be the beginning of a tag: shorter than one.
    held: Vec<u8>,
}

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// For the log.
    Log(&'a [u8]),
    /// Was written between the tags.
    Captured(&'a [u8]),
}

impl Capture {
    /// Keeps at most `limit` bytes between two tags, the newest.
    #[must_use]
    pub fn new(limit: usize) -> Capture {
        Capture { limit, inside: false, captured: Vec::new(), held: Vec::new() }
    }

    /// Takes a chunk; tags may be split over chunks.
    pub fn feed(&mut self, chunk: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        let joined;
        let mut rest = if self.held.is_empty() {
            chunk
        } else {
            let mut bytes = std::mem::take(&mut self.held);
            bytes.extend_from_slice(chunk);
            joined = bytes;
            &joined
        };
        loop {
            let tag = if self.inside { END } else { BEGIN };
            let Some(at) = find(rest, tag) else { break };
            let (before, after) = rest.split_at(at);
            self.put(before, each);
            if self.inside {
                each(Piece::Captured(&self.captured));
                self.captured.clear();
            }
            self.inside = !self.inside;
            rest = after.get(tag.len()..).unwrap_or_default();
        }
        let tag = if self.inside { END } else { BEGIN };
        let (sure, maybe) = rest.split_at(rest.len() - beginning_of(rest, tag));
        self.put(sure, each);
        self.held = maybe.to_vec();
    }

    /// The stream has ended: what looked like the beginning of a tag was none.
    pub fn end(&mut self, each: &mut dyn FnMut(Piece<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.put(&held, each);
        self.inside = false;
        self.captured.clear();
    }

    fn put(&mut self, bytes: &[u8], each: &mut dyn FnMut(Piece<'_>)) {
        if !self.inside {
            if !bytes.is_empty() {
                each(Piece::Log(bytes));
            }
            return;
        }
        self.captured.extend_from_slice(bytes);
        let surplus = self.captured.len().saturating_sub(self.limit);
        self.captured.drain(..surplus);
    }
}

fn find(bytes: &[u8], tag: &[u8]) -> Option<usize> {
    let first = tag.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| byte == first) {
        let start = from + at;
        if bytes.get(start..)?.starts_with(tag) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

/// How many bytes at the end may be the beginning of the tag.
fn beginning_of(bytes: &[u8], tag: &[u8]) -> usize {
    let longest = bytes.len().min(tag.len().saturating_sub(1));
    (1..=longest).rev().find(|length| bytes.ends_with(tag.get(..*length).unwrap_or_default())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(limit: usize, chunks: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut capture = Capture::new(limit);
        let (mut log, mut events) = (Vec::new(), Vec::new());
        let mut each = |piece: Piece<'_>| match piece {
            Piece::Log(bytes) => log.extend_from_slice(bytes),
            Piece::Captured(bytes) => events.push(bytes.to_vec()),
        };
        for chunk in chunks {
            capture.feed(chunk, &mut each);
        }
        capture.end(&mut each);
        (log, events)
    }

    const TEXT: &[u8] =
        b"a<!--XSUPERVISOR:BEGIN-->one<!--XSUPERVISOR:END-->b<<!--XSUPERVISOR:BEGIN--><two<!--XSUPERVISOR:END-->c";

    #[test]
    fn tags_split_anywhere_mean_the_same() {
        let expected = (b"ab<c".to_vec(), vec![b"one".to_vec(), b"<two".to_vec()]);
        for at in 0..=TEXT.len() {
            let (first, second) = TEXT.split_at(at);
            assert_eq!(run(100, &[first, second]), expected, "{at}");
        }
        let single: Vec<&[u8]> = TEXT.chunks(1).collect();
        assert_eq!(run(100, &single), expected);
    }

    #[test]
    fn last_bytes_that_look_like_a_tag_are_not_lost() {
        assert_eq!(run(10, &[b"end<!--XSUPER"]), (b"end<!--XSUPER".to_vec(), vec![]));
    }

    #[test]
    fn buffer_keeps_the_newest_up_to_its_limit() {
        let chunks: &[&[u8]] = &[b"<!--XSUPERVISOR:BEGIN-->0123456789", b"abc<!--XSUPERVISOR:END-->"];
        assert_eq!(run(4, chunks), (vec![], vec![b"9abc".to_vec()]));
    }
}
