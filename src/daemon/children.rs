//! Children of ours while they live, and their pipes, which may outlive them.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::signal::Signal as Number;

use super::foreground::Foreground;
use super::{Daemon, Poll, Token};
use crate::config::{LogLevel, Signal};
use crate::list::List as _;
use crate::program::{Exit, Now};
use crate::protocol::{Ending, Stream};
use crate::sorted::Map;
use crate::supervisor::{Input, ProcessId};
use crate::sys::fds::{self, Written};
use crate::sys::poll::Interest;
use crate::sys::reap::{self, WaitStatus};
use crate::sys::spawn;

/// Deaths told in one turn: programs that die as fast as they are started would keep all others waiting for ever.
const DEATHS_PER_TURN: usize = 32;
/// Pipes of earlier lives of a process that others still hold open; the oldest beyond is closed.
const MAX_LEFTOVERS: usize = 8;
/// Bytes kept for a stdin that is full.
pub(super) const STDIN_BACKLOG_BYTES: usize = 64 * 1024;

/// One pipe that a child writes to. Numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PipeId(u64);

/// All children and pipes.
#[derive(Debug, Default)]
pub(super) struct Children {
    pub pipes: Map<PipeId, Pipe>,
    pub lives: Map<ProcessId, Life>,
    next_pipe: u64,
    /// Pipes that rest, the longest first: they take turns, or one flood would keep all others from a slow console.
    pub resting: VecDeque<PipeId>,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub fd: OwnedFd,
    pub process: ProcessId,
    pub stream: Stream,
    /// Not read, for the console it leads to is full.
    pub resting: bool,
}

/// Descriptors of one process.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub stdin: Option<OwnedFd>,
    pub stdin_pending: Vec<u8>,
    pub status: Option<OwnedFd>,
    /// Pipes of the child that lives.
    pub pipes: Vec<PipeId>,
    /// Pipes of earlier children, oldest first.
    pub leftovers: VecDeque<PipeId>,
}

/// What became of bytes for a stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Written, or kept until there is room.
    Taken,
    /// The bytes before these are not yet read.
    Busy,
    /// It has no stdin, or closed it.
    NoStdin,
}

impl Children {
    pub fn add_pipe(&mut self, fd: OwnedFd, process: ProcessId, stream: Stream, poll: &mut Poll) -> PipeId {
        let id = PipeId(self.next_pipe);
        self.next_pipe = self.next_pipe.wrapping_add(1);
        poll.set(Token::Pipe(id), fd.as_raw_fd(), Interest::READ);
        self.pipes.insert(id, Pipe { fd, process, stream, resting: false });
        id
    }

    pub fn close_pipe(&mut self, id: PipeId, poll: &mut Poll) {
        poll.remove(Token::Pipe(id));
        self.resting.retain(|other| *other != id);
        let Some(pipe) = self.pipes.remove(&id) else { return };
        if let Some(life) = self.lives.get_mut(&pipe.process) {
            life.pipes.retain(|other| *other != id);
            life.leftovers.retain(|other| *other != id);
        }
    }

    /// Forgets a process: nobody reads what its descendants still write.
    pub fn remove(&mut self, id: ProcessId, poll: &mut Poll) {
        let Some(life) = self.lives.remove(&id) else { return };
        poll.remove(Token::Stdin(id));
        poll.remove(Token::Status(id));
        for pipe in life.pipes.into_iter().chain(life.leftovers) {
            poll.remove(Token::Pipe(pipe));
            self.pipes.remove(&pipe);
            self.resting.retain(|other| *other != pipe);
        }
    }

    /// The console that a pipe leads to is full: it is not read until there is room.
    pub fn rest(&mut self, id: PipeId, poll: &mut Poll) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        poll.set(Token::Pipe(id), pipe.fd.as_raw_fd(), Interest::NONE);
        if !std::mem::replace(&mut pipe.resting, true) {
            self.resting.push_back(id);
        }
    }

    /// A pipe is read again.
    pub fn wake(&mut self, id: PipeId, poll: &mut Poll) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.resting = false;
            poll.set(Token::Pipe(id), pipe.fd.as_raw_fd(), Interest::READ);
        }
    }

    /// Sends bytes to a process' stdin.
    pub fn send(&mut self, id: ProcessId, data: &[u8], poll: &mut Poll) -> Sent {
        let Some(life) = self.lives.get_mut(&id) else { return Sent::NoStdin };
        if life.stdin.is_none() {
            return Sent::NoStdin;
        }
        if !life.stdin_pending.is_empty() || data.len() > STDIN_BACKLOG_BYTES {
            return Sent::Busy;
        }
        self.deliver(id, data, poll)
    }

    /// As [`Children::send`] for what must arrive whole: an event, of which a listener has one at a time. One that answers
    /// without reading gets no more than there is room for.
    pub fn deliver(&mut self, id: ProcessId, data: &[u8], poll: &mut Poll) -> Sent {
        let Some(life) = self.lives.get_mut(&id) else { return Sent::NoStdin };
        if life.stdin.is_none() {
            return Sent::NoStdin;
        }
        let kept = life.stdin_pending.len();
        if kept > 0 && kept.saturating_add(data.len()) > STDIN_BACKLOG_BYTES {
            return Sent::Busy;
        }
        life.stdin_pending.extend_from_slice(data);
        life.flush_stdin(id, poll);
        if life.stdin.is_some() { Sent::Taken } else { Sent::NoStdin }
    }

    /// There may be room in a stdin.
    pub fn flush_stdin(&mut self, id: ProcessId, poll: &mut Poll) {
        if let Some(life) = self.lives.get_mut(&id) {
            life.flush_stdin(id, poll);
        }
    }

    pub fn is_of_this_life(&self, process: ProcessId, pipe: PipeId) -> bool {
        self.lives.get(&process).is_some_and(|life| life.pipes.contains(&pipe))
    }

    /// Whether the end of a pipe is that of its stream: not when the child that lives has another one for it.
    pub fn ends_stream(&self, id: PipeId) -> bool {
        let Some(pipe) = self.pipes.get(&id) else { return true };
        let of_life = self.lives.get(&pipe.process).map_or(&[][..], |life| &life.pipes);
        let is_same = |other: &PipeId| self.pipes.get(other).is_some_and(|other| other.stream == pipe.stream);
        !of_life.iter().any(|other| *other != id && is_same(other))
    }

    pub fn any_readable_left(&self) -> bool {
        self.pipes.values().any(|pipe| pipe.resting)
    }
}

impl Life {
    fn flush_stdin(&mut self, id: ProcessId, poll: &mut Poll) {
        let Some(stdin) = &self.stdin else { return };
        while !self.stdin_pending.is_empty() {
            match fds::write(stdin, &self.stdin_pending) {
                Ok(Written::Bytes(count)) => {
                    self.stdin_pending.drain(..count.min(self.stdin_pending.len()));
                }
                Ok(Written::WouldBlock) => {
                    poll.set(Token::Stdin(id), stdin.as_raw_fd(), Interest::WRITE);
                    return;
                }
                Ok(Written::Gone) | Err(_) => {
                    poll.remove(Token::Stdin(id));
                    self.stdin = None;
                    self.stdin_pending.clear();
                    return;
                }
            }
        }
        poll.remove(Token::Stdin(id));
    }
}

impl Daemon {
    /// Takes over the descriptors of a new child; those of its predecessor that are still open are left over.
    pub(super) fn adopt_child(&mut self, id: ProcessId, child: spawn::Child) {
        self.children.lives.insert_new(id, Life::default);
        let Some(life) = self.children.lives.get_mut(&id) else { return };
        let old = std::mem::take(&mut life.pipes);
        life.stdin = child.stdin;
        life.stdin_pending.clear();
        self.poll.set(Token::Status(id), child.status.as_raw_fd(), Interest::READ);
        life.status = Some(child.status);
        self.leave_over(id, old);
        let mut pipes = Vec::new();
        for (fd, stream) in [(child.stdout, Stream::Stdout), (child.stderr, Stream::Stderr)] {
            if let Some(fd) = fd {
                pipes.push(self.children.add_pipe(fd, id, stream, &mut self.poll));
            }
        }
        if let Some(life) = self.children.lives.get_mut(&id) {
            life.pipes = pipes;
        }
    }

    /// Pipes that are read until they end, whatever else begins.
    pub(super) fn leave_over(&mut self, id: ProcessId, pipes: Vec<PipeId>) {
        let Some(life) = self.children.lives.get_mut(&id) else { return };
        life.leftovers.extend(pipes);
        let surplus = life.leftovers.len().saturating_sub(MAX_LEFTOVERS);
        let closing: Vec<PipeId> = life.leftovers.iter().take(surplus).copied().list();
        for pipe in closing {
            self.children.close_pipe(pipe, &mut self.poll);
        }
    }

    /// Signals first of all: the mask says which came, SIGCHLD means that children wait to be reaped.
    pub(super) fn take_signals(&mut self, now: Now) {
        let mut reap = self.more_dead;
        for signal in self.signals.take().iter() {
            match Number::try_from(signal) {
                Ok(Number::SIGCHLD) => reap = true,
                _ if matches!(self.foreground, Foreground::Running { .. }) => self.forward(signal),
                Ok(stop @ (Number::SIGTERM | Number::SIGINT | Number::SIGQUIT)) => {
                    if stop == Number::SIGINT {
                        // What the kernel makes of Ctrl-Alt-Del.
                        self.choose_ending(Ending::Reboot);
                    }
                    self.input(Input::StopSignal(Signal(signal)), now);
                }
                Ok(Number::SIGHUP) => {
                    self.input(Input::ReloadSignal, now);
                    self.restore_listeners();
                }
                Ok(Number::SIGUSR2) => self.reopen_logs(),
                Ok(_) | Err(_) => {
                    let text = format!("received {}, which means nothing here", Signal(signal).name());
                    self.log(LogLevel::Debug, &text);
                }
            }
        }
        if reap {
            self.reap(now);
        }
    }

    /// Reaps until nobody is left, or goes on in the next turn. What a child wrote is read before its end is told.
    pub(super) fn reap(&mut self, now: Now) {
        self.more_dead = true;
        for _ in 0..DEATHS_PER_TURN {
            // A child forked in this very turn is known once what led to it is carried out; and who is reaped may be signalled no more.
            self.carry_out(now);
            let Some((pid, status)) = reap::reap(self.stops()) else {
                self.more_dead = false;
                return;
            };
            let exit = match status {
                WaitStatus::Stopped { signal } => {
                    self.child_stopped(pid, signal);
                    continue;
                }
                WaitStatus::Exited(code) => Exit::Code(code),
                WaitStatus::Signaled { signal, core } => Exit::Signal { signal: Signal(signal), core },
            };
            if self.foreground_died(pid, exit, now)
                || self.gateway_died(pid, exit, now)
                || self.hook_died(pid, exit, now)
                || self.packing_died(pid, exit)
                || self.check_died(pid, exit, now)
            {
                continue;
            }
            let process = self.supervisor.process_of(pid);
            if let Some(id) = process {
                self.read_status(id, now);
                self.drain(id, now);
                self.close_stdin(id);
                self.sweep(id, exit);
            }
            self.input(Input::Died { pid, exit }, now);
            self.close_unused_sockets();
            self.tidy_trees(now);
        }
    }

    fn close_stdin(&mut self, id: ProcessId) {
        self.poll.remove(Token::Stdin(id));
        if let Some(life) = self.children.lives.get_mut(&id) {
            life.stdin = None;
            life.stdin_pending.clear();
        }
    }
}
