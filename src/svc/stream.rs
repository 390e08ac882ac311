//! Waiting for several replies that have no end, for stdin and for Ctrl-C, with one poll.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::input::Input;
use crate::client::{Client, ClientError};
use crate::list::List as _;
use crate::protocol::Line;
use crate::span;
use crate::sys::signals::SelfPipe;

/// What happened next.
#[derive(Debug)]
pub enum Wake {
    /// A line of the reply to the client of this number.
    Line(usize, Line),
    /// A client's connection ended; it is not waited for any more.
    Gone(ClientError),
    /// A line of stdin.
    Input(Vec<u8>),
    /// stdin ended.
    InputEnd,
    /// Ctrl-C.
    Interrupt,
    /// There is nobody left to wait for.
    Nobody,
    /// The time set is over.
    TimedOut,
}

/// Several connections waited for together. Ctrl-C is an event while this lives.
pub struct Streams {
    clients: Vec<Option<Client>>,
    interrupt: Interrupt,
    /// Whose turn it is to be looked at first, so that a loud one does not hide the others.
    turn: usize,
    gone: VecDeque<(usize, ClientError)>,
}

impl Streams {
    /// Waits for these; their numbers are their places in the list.
    ///
    /// # Errors
    /// The system gives no way to catch Ctrl-C.
    pub fn new(clients: Vec<Client>) -> io::Result<Streams> {
        let clients = clients.into_iter().map(Some).list();
        Ok(Streams { clients, interrupt: Interrupt::catch()?, turn: 0, gone: VecDeque::new() })
    }

    /// Hangs up on one.
    pub fn close(&mut self, number: usize) {
        if let Some(client) = self.clients.get_mut(number) {
            *client = None;
        }
    }

    /// Waits for what happens next; with `input`, a line of stdin is such a thing too.
    pub fn next(&mut self, mut input: Option<&mut Input>) -> Wake {
        loop {
            if let Some(wake) = self.at_hand(input.as_deref_mut()) {
                return wake;
            }
            if self.clients.iter().all(Option::is_none) {
                return Wake::Nobody;
            }
            if let Some(wake) = self.wait(input.as_deref_mut(), PollTimeout::NONE) {
                return wake;
            }
        }
    }

    /// As [`Streams::next`], but not beyond `deadline`; then it is worth waiting for when there is nobody.
    pub fn next_until(&mut self, deadline: Option<Instant>) -> Wake {
        let Some(deadline) = deadline else { return self.next(None) };
        loop {
            if let Some(wake) = self.at_hand(None) {
                return wake;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Wake::TimedOut;
            }
            // Rounded up: a poll that ends too early would be repeated for nothing.
            let millis = span::millis(left).saturating_add(1);
            let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
            if let Some(wake) = self.wait(None, timeout) {
                return wake;
            }
        }
    }

    /// What needs no waiting.
    fn at_hand(&mut self, input: Option<&mut Input>) -> Option<Wake> {
        let count = self.clients.len();
        for offset in 0..count {
            let number = (self.turn + offset) % count;
            let Some(client) = self.clients.get_mut(number).and_then(Option::as_mut) else { continue };
            match client.buffered_line() {
                Ok(Some(line)) => {
                    self.turn = number + 1;
                    return Some(Wake::Line(number, line));
                }
                Ok(None) => {}
                Err(error) => {
                    self.close(number);
                    return Some(Wake::Gone(error));
                }
            }
        }
        if let Some((number, error)) = self.gone.pop_front() {
            self.close(number);
            return Some(Wake::Gone(error));
        }
        let input = input?;
        match input.next_line() {
            Some(line) => Some(Wake::Input(line)),
            None if input.has_ended() => Some(Wake::InputEnd),
            None => None,
        }
    }

    /// Polls once and reads what is ready.
    fn wait(&mut self, input: Option<&mut Input>, timeout: PollTimeout) -> Option<Wake> {
        let stdin = std::io::stdin();
        let numbers: Vec<usize> =
            self.clients.iter().enumerate().filter_map(|(number, client)| client.as_ref().map(|_| number)).list();
        let mut polled = vec![PollFd::new(self.interrupt.signals.as_fd(), PollFlags::POLLIN)];
        polled.extend(self.clients.iter().flatten().map(|client| PollFd::new(client.as_fd(), PollFlags::POLLIN)));
        if input.is_some() {
            polled.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        // An interrupted or failed poll reads nothing; the next turn tries again.
        poll(&mut polled, timeout).ok()?;
        let ready: Vec<bool> = polled.iter().map(|one| one.any().unwrap_or(true)).list();
        drop(polled);
        let mut ready = ready.into_iter();
        if ready.next() == Some(true) && self.interrupt.take() {
            return Some(Wake::Interrupt);
        }
        for (number, is_ready) in numbers.into_iter().zip(ready.by_ref()) {
            if let Some(client) = self.clients.get_mut(number).and_then(Option::as_mut).filter(|_| is_ready)
                && let Err(error) = client.read_once()
            {
                self.gone.push_back((number, error));
            }
        }
        if let Some(input) = input
            && ready.next() == Some(true)
        {
            input.read_once();
        }
        None
    }
}

/// Ctrl-C as a descriptor, while this lives.
struct Interrupt {
    signals: SelfPipe,
}

impl Interrupt {
    fn catch() -> io::Result<Interrupt> {
        Ok(Interrupt { signals: SelfPipe::install(&[libc::SIGINT])? })
    }

    fn take(&mut self) -> bool {
        !self.signals.take().is_empty()
    }
}
