//! One connection: what it is doing, and its bytes in both directions.

use std::os::fd::OwnedFd;

use super::rights::Asker;
use crate::logs::TailReader;
use crate::protocol::{self, DataLine, Framer, TooLong};
use crate::sys::socket::Peer;

/// Bytes of output that somebody who follows it may be behind; more is left out and counted.
const FOLLOW_BACKLOG_BYTES: usize = 1024 * 1024;
/// Bytes of replies above which a client's next request waits.
pub(super) const ENOUGH_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Client {
    pub fd: OwnedFd,
    pub framer: Framer,
    pub out: Vec<u8>,
    /// Bytes of `out` that are written.
    pub written: usize,
    pub mode: Mode,
    /// It sends nothing more, or nothing more that is listened to.
    pub ended: bool,
    /// Its last line had no end within the limit.
    pub too_long: Option<TooLong>,
    /// It is dropped when its buffer is written.
    pub closing: bool,
    /// Who it is.
    pub asker: Asker,
    /// For whom the gateway asks what comes next.
    pub behalf: Option<String>,
}

/// What a client is doing.
#[derive(Debug)]
pub(super) enum Mode {
    /// The first byte of the connection decides who serves it.
    Fresh(Visitor),
    /// It was told why nobody serves it; what it still sends, at most so many bytes, is thrown away.
    TurnedAway { patience: usize, told: bool },
    /// Its next request is taken.
    Idle,
    /// A request is under way.
    Waiting,
    /// A file is being sent.
    Sending(TailReader),
    /// Output is sent as it comes, for ever; bytes that a slow reader missed are counted.
    Following { missed: u64 },
    /// Events of these types (none = all but output and ticks) and processes (none = all) are sent as they come, for ever.
    Watching { kinds: Vec<String>, names: Vec<String>, missed: u64 },
}

/// Somebody of this machine who has not said anything yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    /// The door it came by.
    pub door: usize,
    pub peer: Peer,
    /// It may control visor: root, or who visor runs as.
    pub trusted: bool,
}

impl Client {
    pub fn new(fd: OwnedFd, mode: Mode, asker: Asker) -> Client {
        Client {
            fd,
            framer: Framer::new(),
            out: Vec::new(),
            written: 0,
            mode,
            ended: false,
            too_long: None,
            closing: false,
            asker,
            behalf: None,
        }
    }

    pub fn backlog(&self) -> usize {
        self.out.len().saturating_sub(self.written)
    }

    /// Tells a follower or watcher what it missed, if it did.
    pub fn tell_missed(&mut self) {
        let (Mode::Following { missed } | Mode::Watching { missed, .. }) = &mut self.mode else { return };
        let missed = std::mem::take(missed);
        if missed > 0 {
            DataLine::new(&mut self.out).number("missed", missed).end();
        }
    }

    /// A reader that is always a little behind never empties its buffer: what is written is let go all the same, whenever
    /// that moves no more than it frees.
    pub fn forget_written(&mut self) {
        if self.written >= self.backlog() {
            self.out.drain(..self.written.min(self.out.len()));
            self.out.shrink_to(ENOUGH_BYTES);
            self.written = 0;
        }
    }

    /// Adds a block for a follower, or counts it when it reads too slowly.
    pub fn follow(&mut self, block: &[u8]) {
        let behind = self.backlog() > FOLLOW_BACKLOG_BYTES;
        let Mode::Following { missed } = &mut self.mode else { return };
        if behind {
            *missed = missed.saturating_add(block.len() as u64);
            return;
        }
        self.tell_missed();
        protocol::write_block(&mut self.out, block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let (fd, _) = crate::sys::fds::pipe().unwrap();
        Client::new(fd, Mode::Following { missed: 0 }, Asker::Gateway(1, crate::protocol::handover::Rights::All))
    }

    #[test]
    fn reader_that_is_always_behind_costs_no_more_than_its_backlog() {
        let mut client = client();
        for _ in 0..1000 {
            client.follow(&[b'x'; 1000]);
            // It has read all but the last bytes.
            client.written = client.out.len() - 10;
            client.forget_written();
            assert_eq!(client.out.len() - client.written, 10);
        }
        assert!(client.out.len() < 10_000 && client.out.capacity() <= ENOUGH_BYTES, "{}", client.out.capacity());
    }

    #[test]
    fn what_is_not_written_is_kept() {
        let mut client = client();
        client.out.extend_from_slice(b"0123456789");
        client.written = 3;
        client.forget_written();
        assert_eq!((&client.out[client.written..], client.backlog()), (&b"3456789"[..], 7));
        client.written = 6;
        client.forget_written();
        assert_eq!((&client.out[client.written..], client.backlog()), (&b"6789"[..], 4));
    }
}
