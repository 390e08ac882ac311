//! Lines from stdin, shared by the prompt and `fg`.

use crate::list::List as _;
use std::io;

use nix::errno::Errno;

/// Bytes asked for at a time.
const READ_BYTES: usize = 4096;

/// stdin as lines. It is read directly, so that polling its descriptor and waiting for a line see the same bytes.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    ended: bool,
}

impl Input {
    /// Waits for a line, without its end; `None` = no more. A last line without an end counts.
    pub fn read_line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.next_line() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.read_once();
        }
    }

    /// The next line if it was read already.
    pub fn next_line(&mut self) -> Option<Vec<u8>> {
        let length = match self.bytes.iter().position(|&byte| byte == b'\n') {
            Some(at) => at,
            None if self.ended && !self.bytes.is_empty() => self.bytes.len(),
            None => return None,
        };
        let line = self.bytes.drain(..length).list();
        self.bytes.drain(..self.bytes.len().min(1));
        Some(line)
    }

    /// Reads once; any failure is the end.
    pub fn read_once(&mut self) {
        let mut buffer = [0; READ_BYTES];
        match nix::unistd::read(io::stdin(), &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => self.bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.ended = true,
        }
    }

    /// Whether no more will come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_one_by_one_and_the_last_needs_no_end() {
        let mut input = Input { bytes: b"a\n\nbc".to_vec(), ended: false };
        assert_eq!(input.next_line().as_deref(), Some(&b"a"[..]));
        assert_eq!(input.next_line().as_deref(), Some(&b""[..]));
        assert_eq!(input.next_line(), None);
        input.ended = true;
        assert_eq!(input.read_line().as_deref(), Some(&b"bc"[..]));
        assert_eq!(input.read_line(), None);
    }
}
