//! Descriptors that visor inherited (`/dev/stdout` and the like) as log targets of several processes and of visor's own log.
//!
//! A console that is full is never waited for: what did not fit is kept here, whoever writes to it is asked to wait, and
//! pipes that lead to it rest until there is room again. Order is kept, and nothing is lost but visor's own chatter.

use std::os::fd::RawFd;

use super::{Poll, Token};
use crate::list::List as _;
use crate::sorted::Map;
use crate::sys::console::{Console, Write};
use crate::sys::poll::Interest;

/// Bytes of visor's own log kept for a console that is full; more is dropped and counted.
const OWN_BACKLOG_BYTES: usize = 64 * 1024;

/// All inherited descriptors in use, by number.
#[derive(Debug, Default)]
pub(super) struct Consoles {
    open: Map<RawFd, Entry>,
}

#[derive(Debug)]
struct Entry {
    console: Console,
    /// What did not fit: at most one chunk of a child's output or one line of ours, and [`OWN_BACKLOG_BYTES`].
    pending: Vec<u8>,
    /// Lines of our own that were dropped since it is full.
    dropped: u64,
}

impl Consoles {
    /// Makes an inherited descriptor usable.
    pub fn open(&mut self, fd: RawFd) -> std::io::Result<()> {
        if !self.open.contains_key(&fd) {
            let console = Console::inherit(fd)?;
            self.open.insert(fd, Entry { console, pending: Vec::new(), dropped: 0 });
        }
        Ok(())
    }

    /// Whether nobody may write now.
    pub fn is_full(&self, fd: RawFd) -> bool {
        self.open.get(&fd).is_some_and(|entry| !entry.pending.is_empty())
    }

    /// Writes a child's chunk; call it only when the console is not full.
    pub fn write(&mut self, fd: RawFd, chunk: &[u8], poll: &mut Poll) {
        if let Some(entry) = self.open.get_mut(&fd) {
            entry.pending.extend_from_slice(chunk);
            entry.flush(fd, poll);
        }
    }

    /// Writes a line of our own, or drops it when the console is full for long.
    pub fn write_own(&mut self, fd: RawFd, line: &[u8], poll: &mut Poll) {
        let Some(entry) = self.open.get_mut(&fd) else { return };
        // A line longer than all that is kept, such as a child's whole chunk in the debug log, has its chance when there is room.
        if !entry.pending.is_empty() && entry.pending.len().saturating_add(line.len()) > OWN_BACKLOG_BYTES {
            entry.dropped = entry.dropped.saturating_add(1);
            return;
        }
        let was_full = !entry.pending.is_empty();
        entry.pending.extend_from_slice(line);
        if !was_full {
            entry.flush(fd, poll);
        }
    }

    /// There may be room again. Answers the lines that were dropped meanwhile once there is.
    pub fn resume(&mut self, fd: RawFd, poll: &mut Poll) -> Option<u64> {
        let entry = self.open.get_mut(&fd)?;
        entry.flush(fd, poll);
        if entry.pending.is_empty() { Some(std::mem::take(&mut entry.dropped)) } else { None }
    }

    /// Those that hold bytes back.
    pub fn full(&self) -> Vec<RawFd> {
        self.open.iter().filter(|(_, entry)| !entry.pending.is_empty()).map(|(fd, _)| *fd).list()
    }
}

impl Entry {
    fn flush(&mut self, fd: RawFd, poll: &mut Poll) {
        let mut written = 0;
        while let Some(rest) = self.pending.get(written..).filter(|rest| !rest.is_empty()) {
            match self.console.write(rest) {
                Write::Wrote(count) => written = written.saturating_add(count),
                Write::Full => break,
                // Nobody will ever read it: as with any closed stdout, what is written is lost.
                Write::Gone(_) => written = self.pending.len(),
            }
        }
        self.pending.drain(..written.min(self.pending.len()));
        if self.pending.is_empty() {
            poll.remove(Token::Console(fd));
        } else {
            poll.set(Token::Console(fd), self.console.fd(), Interest::WRITE);
        }
    }
}
