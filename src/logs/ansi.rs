//! Removes terminal escapes: everything from `ESC [` up to its final letter.
//!
//! The same letters count as final ones as in Supervisor, so whole sequences vanish as they do
//! there. Unlike there, one that is split over two chunks vanishes too, and text is never thrown
//! away for a sequence that does not end.

const ESC: u8 = 0x1b;
const BRACKET: u8 = b'[';

/// The most that is held back between two chunks, in bytes. A longer beginning is no escape and
/// is given out as text.
pub const HELD_LIMIT: usize = 1024;

/// Strips one stream; keeps the beginning of a sequence from one chunk to the next.
#[derive(Debug, Default)]
pub struct Stripper {
    held: Vec<u8>,
}

/// Where the next escape of some text is.
enum Found {
    /// From `start` up to and without `end`.
    Whole {
        start: usize,
        end: usize,
    },
    /// From `start` on, the end is not here yet.
    Begun {
        start: usize,
    },
    None,
}

impl Stripper {
    /// Appends `chunk` without its escapes to `out`. What may be the beginning of an escape waits for
    /// the next chunk.
    pub fn strip(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let rest = self.finish_held(chunk, out);
        self.strip_fresh(rest, out);
    }

    /// Gives out what was held back: at the end of the stream it is text after all.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Decides what becomes of the held bytes now that `chunk` follows; returns what is left of it.
    fn finish_held<'a>(&mut self, chunk: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if self.held.is_empty() || chunk.is_empty() {
            return chunk;
        }
        let mut rest = chunk;
        if self.held == [ESC] {
            match rest.split_first() {
                Some((&BRACKET, after)) => {
                    self.held.push(BRACKET);
                    rest = after;
                }
                Some(_) | None => {
                    self.finish(out);
                    return rest;
                }
            }
        }
        if let Some(last) = rest.iter().position(|&byte| is_final(byte)) {
            self.held.clear();
            return rest.get(last.saturating_add(1)..).unwrap_or_default();
        }
        if self.held.len().saturating_add(rest.len()) <= HELD_LIMIT {
            self.held.extend_from_slice(rest);
        } else {
            self.finish(out);
            out.extend_from_slice(rest);
        }
        &[]
    }

    /// Strips text that no held bytes precede.
    fn strip_fresh(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        loop {
            let (shown, held, next) = match find_escape(rest) {
                Found::Whole { start, end } => (rest.get(..start), None, rest.get(end..)),
                Found::Begun { start } if rest.len().saturating_sub(start) <= HELD_LIMIT => {
                    (rest.get(..start), rest.get(start..), None)
                }
                Found::Begun { .. } | Found::None => (Some(rest), None, None),
            };
            out.extend_from_slice(shown.unwrap_or_default());
            self.held.extend_from_slice(held.unwrap_or_default());
            match next {
                Some(next) => rest = next,
                None => return,
            }
        }
    }
}

fn find_escape(text: &[u8]) -> Found {
    let mut from = 0;
    while let Some(offset) = text.get(from..).and_then(|rest| rest.iter().position(|&byte| byte == ESC)) {
        let start = from.saturating_add(offset);
        let after = start.saturating_add(1);
        match text.get(after) {
            None => return Found::Begun { start },
            Some(&BRACKET) => {
                let last = text.iter().skip(after).position(|&byte| is_final(byte));
                return match last {
                    Some(last) => Found::Whole { start, end: after.saturating_add(last).saturating_add(1) },
                    None => Found::Begun { start },
                };
            }
            Some(_) => from = after,
        }
    }
    Found::None
}

/// The letters that end a sequence.
fn is_final(byte: u8) -> bool {
    b"HfABCDRsuJKhlpm".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip_in_pieces(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut stripper, mut out) = (Stripper::default(), Vec::new());
        for piece in pieces {
            stripper.strip(piece, &mut out);
        }
        stripper.finish(&mut out);
        out
    }

    /// The plainest reading of the original's rule for text whose sequences are whole.
    fn model(text: &[u8]) -> Vec<u8> {
        let (mut out, mut i) = (Vec::new(), 0);
        while i < text.len() {
            if text[i..].starts_with(b"\x1b[") {
                i += text[i..].iter().position(|&byte| is_final(byte)).unwrap() + 1;
            } else {
                out.push(text[i]);
                i += 1;
            }
        }
        out
    }

    const SAMPLES: [&[u8]; 7] = [
        b"plain\n",
        b"\x1b[1;31mred\x1b[0m \x1b[2Jx\x1b[H",
        b"\x1b]0;title\x07stays \x1b7 too",
        b"\x1b\x1b[mx\x1b",
        b"a\x1b[\x1b[31mb",
        b"\xff\xfe\x1b[38;2;1;2;3m\x00",
        b"\x1b[Gp gone up to the letter p",
    ];

    #[test]
    fn whole_sequences_vanish_as_in_the_original() {
        assert_eq!(strip_in_pieces(&[SAMPLES[1]]), b"red x");
        assert_eq!(strip_in_pieces(&[SAMPLES[2]]), SAMPLES[2]);
        for sample in SAMPLES {
            assert_eq!(strip_in_pieces(&[sample]), model(sample), "{sample:?}");
        }
    }

    #[test]
    fn every_cut_into_three_gives_the_same_text() {
        for sample in SAMPLES {
            for a in 0..=sample.len() {
                for b in a..=sample.len() {
                    let cut = strip_in_pieces(&[&sample[..a], &sample[a..b], &sample[b..]]);
                    assert_eq!(cut, model(sample), "{sample:?} at {a} and {b}");
                }
            }
        }
    }

    #[test]
    fn an_unterminated_sequence_comes_out_at_the_end() {
        assert_eq!(strip_in_pieces(&[b"ok \x1b[31"]), b"ok \x1b[31");
        assert_eq!(strip_in_pieces(&[b"ok \x1b"]), b"ok \x1b");
    }

    #[test]
    fn what_is_held_back_is_bounded_and_nothing_is_lost() {
        let long = [b"\x1b[".as_slice(), &[b'1'; 3 * HELD_LIMIT]].concat();
        assert_eq!(strip_in_pieces(&[&long]), long);
        let (mut stripper, mut out) = (Stripper::default(), Vec::new());
        for byte in &long {
            stripper.strip(&[*byte], &mut out);
            assert!(stripper.held.len() <= HELD_LIMIT);
        }
        assert_eq!(out, long);
    }
}
