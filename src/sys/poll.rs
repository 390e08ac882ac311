//! Wait for descriptors. Each is registered with a token that says what it is; what to do about it is the daemon's
//! business. Nothing is allocated while waiting.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use libc::{c_short, pollfd};
use nix::errno::Errno;

use crate::sorted::Map;

/// The longest single wait. Whoever asks for more is woken once in between, for nothing; old interfaces count
/// milliseconds in 31 bits and wrap after that.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 24 * 3600);

/// What is waited for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// Bytes, connections or the end.
    pub read: bool,
    /// Room to write.
    pub write: bool,
}

impl Interest {
    /// Wait to read.
    pub const READ: Interest = Interest { read: true, write: false };
    /// Wait to write.
    pub const WRITE: Interest = Interest { read: false, write: true };
    /// Wait for either.
    pub const BOTH: Interest = Interest { read: true, write: true };
    /// Registered, but not even the other side's end is reported: the descriptor rests.
    pub const NONE: Interest = Interest { read: false, write: false };

    fn events(self) -> c_short {
        let read = if self.read { libc::POLLIN } else { 0 };
        let write = if self.write { libc::POLLOUT } else { 0 };
        read | write
    }
}

/// What happened on a descriptor. Only what was of interest is set, so a hang-up seen while only writing is of
/// interest is `writable`: the write finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<T> {
    /// Whose descriptor.
    pub token: T,
    /// A read answers at once: bytes, the end, or an error.
    pub readable: bool,
    /// A write answers at once: room, or an error.
    pub writable: bool,
    /// The other side is gone or the descriptor is broken. Bytes may still be there: read until the end.
    pub hangup: bool,
    /// The number is not open: a mistake of ours. Remove it, or every wait ends at once.
    pub invalid: bool,
}

/// The set of descriptors waited for.
///
/// Descriptors are raw numbers: remove a token before its descriptor is closed. Events of one wait may name a token
/// that the handling of an earlier event removed: ask [`Poll::contains`].
#[derive(Debug)]
pub struct Poll<T> {
    /// A descriptor at rest is stored as its complement, which is negative and which the kernel skips.
    fds: Vec<pollfd>,
    /// The token at the same position of `fds`.
    tokens: Vec<T>,
    positions: Map<T, usize>,
}

impl<T: Copy + Ord> Default for Poll<T> {
    fn default() -> Self {
        Poll { fds: Vec::new(), tokens: Vec::new(), positions: Map::new() }
    }
}

impl<T: Copy + Ord> Poll<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wait for this on that descriptor, replacing what the token stood for before.
    pub fn set(&mut self, token: T, fd: RawFd, interest: Interest) {
        let events = interest.events();
        let fd = if events == 0 { !fd } else { fd };
        let entry = pollfd { fd, events, revents: 0 };
        match self.positions.get(&token).and_then(|&at| self.fds.get_mut(at)) {
            Some(place) => *place = entry,
            None => {
                self.positions.insert(token, self.fds.len());
                self.fds.push(entry);
                self.tokens.push(token);
            }
        }
    }

    /// Forget a token; unknown ones are fine.
    pub fn remove(&mut self, token: T) {
        let Some(at) = self.positions.remove(&token) else { return };
        if at < self.fds.len() && at < self.tokens.len() {
            self.fds.swap_remove(at);
            self.tokens.swap_remove(at);
        }
        if let Some(&moved) = self.tokens.get(at) {
            self.positions.insert(moved, at);
        }
    }

    /// Whether the token is registered.
    pub fn contains(&self, token: T) -> bool {
        self.positions.contains_key(&token)
    }

    /// How many are registered.
    pub fn len(&self) -> usize {
        self.fds.len()
    }

    /// Whether none is registered.
    pub fn is_empty(&self) -> bool {
        self.fds.is_empty()
    }

    /// Wait until something happens or the time is over (`None`: for ever) and put what happened into `out`, which is
    /// cleared first. A signal ends the wait with nothing. A wait may end early, never late by our rounding.
    ///
    /// # Errors
    /// ENOMEM, or EINVAL when more descriptors are registered than the process may open.
    pub fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Event<T>>) -> io::Result<()> {
        out.clear();
        let ready = raw_poll(&mut self.fds, timeout.map(|time| time.min(LONGEST_WAIT)));
        if ready < 0 {
            if Errno::last_raw() == libc::EINTR {
                return Ok(());
            }
            return Err(io::Error::last_os_error());
        }
        let seen = self.fds.iter().zip(&self.tokens).filter(|(fd, _)| fd.revents != 0);
        out.extend(seen.take(usize::try_from(ready).unwrap_or(0)).map(|(fd, &token)| event(fd, token)));
        Ok(())
    }
}

fn event<T>(fd: &pollfd, token: T) -> Event<T> {
    let came = |bits: c_short| fd.revents & bits != 0;
    let wanted = |bits: c_short| fd.events & bits != 0;
    // A pipe whose writer is gone reports hang-up alone, without readable.
    let hangup = came(libc::POLLHUP | libc::POLLERR);
    Event {
        token,
        readable: wanted(libc::POLLIN) && (hangup || came(libc::POLLIN)),
        writable: wanted(libc::POLLOUT) && (hangup || came(libc::POLLOUT)),
        hangup,
        invalid: came(libc::POLLNVAL),
    }
}

/// Nanoseconds: nothing to round.
#[cfg(not(target_vendor = "apple"))]
fn raw_poll(fds: &mut [pollfd], timeout: Option<Duration>) -> libc::c_int {
    let time = timeout
        .map(|time| libc::timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as libc::c_long });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the slice is valid for its length; `time` is null or points to a timespec that outlives the call; a null
    // mask leaves ours alone.
    unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, time, std::ptr::null()) }
}

/// Milliseconds, rounded up: a wait that ends too early would be repeated in a spin until its time.
#[cfg(target_vendor = "apple")]
fn raw_poll(fds: &mut [pollfd], timeout: Option<Duration>) -> libc::c_int {
    const FOR_EVER: libc::c_int = -1;
    let rounded =
        |time: Duration| libc::c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX);
    let time = timeout.map_or(FOR_EVER, rounded);
    // SAFETY: the slice is valid for its length.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, time) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{fds, testing};
    use std::os::fd::AsRawFd;
    use std::time::Instant;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn events(poll: &mut Poll<u32>) -> Vec<Event<u32>> {
        let mut out = Vec::new();
        poll.wait(NOW, &mut out).unwrap();
        out
    }

    #[test]
    fn pipe_with_bytes_is_readable_and_without_is_silent() {
        let (reader, writer) = fds::pipe().unwrap();
        let mut poll = Poll::new();
        poll.set(1, reader.as_raw_fd(), Interest::READ);
        assert_eq!(events(&mut poll), []);
        fds::write(&writer, b"x").unwrap();
        let seen = events(&mut poll);
        assert_eq!(seen, [Event { token: 1, readable: true, writable: false, hangup: false, invalid: false }]);
    }

    #[test]
    fn pipe_whose_writer_is_gone_is_readable() {
        testing::alone(|| {
            let (reader, writer) = fds::pipe().unwrap();
            let mut poll = Poll::new();
            poll.set(1, reader.as_raw_fd(), Interest::READ);
            drop(writer);
            let seen = events(&mut poll);
            assert!(matches!(seen[..], [Event { token: 1, readable: true, writable: false, hangup: true, .. }]));
        });
    }

    #[test]
    fn resting_descriptor_reports_not_even_hangup() {
        testing::alone(|| {
            let (reader, writer) = fds::pipe().unwrap();
            let mut poll = Poll::new();
            poll.set(1, reader.as_raw_fd(), Interest::NONE);
            drop(writer);
            assert_eq!(events(&mut poll), []);
            poll.set(1, reader.as_raw_fd(), Interest::READ);
            assert_eq!(events(&mut poll).len(), 1);
        });
    }

    #[test]
    fn pipe_whose_reader_is_gone_is_writable_not_readable() {
        testing::alone(|| {
            let (reader, writer) = fds::pipe().unwrap();
            let mut poll = Poll::new();
            poll.set(1, writer.as_raw_fd(), Interest::WRITE);
            drop(reader);
            assert!(matches!(events(&mut poll)[..], [Event { readable: false, writable: true, hangup: true, .. }]));
        });
    }

    #[test]
    fn closed_number_is_invalid() {
        let mut poll = Poll::new();
        poll.set(1, i32::MAX, Interest::READ);
        assert!(matches!(events(&mut poll)[..], [Event { invalid: true, readable: false, .. }]));
    }

    #[test]
    fn removing_from_the_middle_keeps_the_others() {
        let pipes: Vec<_> = (0..4).map(|_| fds::pipe().unwrap()).collect();
        let mut poll = Poll::new();
        for (token, (reader, writer)) in (0u32..).zip(&pipes) {
            poll.set(token, reader.as_raw_fd(), Interest::READ);
            fds::write(writer, b"x").unwrap();
        }
        poll.remove(1);
        poll.remove(1);
        poll.remove(3);
        poll.remove(99);
        let mut tokens: Vec<u32> = events(&mut poll).iter().map(|event| event.token).collect();
        tokens.sort_unstable();
        assert_eq!(tokens, [0, 2]);
        assert!(poll.contains(2) && !poll.contains(3) && poll.len() == 2);
        poll.remove(0);
        poll.remove(2);
        assert!(poll.is_empty() && events(&mut poll).is_empty());
    }

    #[test]
    fn setting_a_token_again_replaces_its_descriptor() {
        let (quiet, _quiet_writer) = fds::pipe().unwrap();
        let (loud, loud_writer) = fds::pipe().unwrap();
        fds::write(&loud_writer, b"x").unwrap();
        let mut poll = Poll::new();
        poll.set(1, loud.as_raw_fd(), Interest::READ);
        poll.set(1, quiet.as_raw_fd(), Interest::READ);
        assert_eq!((events(&mut poll).len(), poll.len()), (0, 1));
    }

    #[test]
    fn wait_of_less_than_a_millisecond_is_not_cut_to_zero() {
        let mut poll = Poll::<u32>::new();
        let mut out = Vec::new();
        let start = Instant::now();
        poll.wait(Some(Duration::from_micros(300)), &mut out).unwrap();
        assert!(start.elapsed() >= Duration::from_micros(300));
    }

    #[test]
    fn endless_timeout_is_clamped_not_refused() {
        let (reader, writer) = fds::pipe().unwrap();
        fds::write(&writer, b"x").unwrap();
        let mut poll = Poll::new();
        poll.set(1, reader.as_raw_fd(), Interest::READ);
        let mut out = Vec::new();
        poll.wait(Some(Duration::MAX), &mut out).unwrap();
        assert_eq!(out.len(), 1);
    }
}
