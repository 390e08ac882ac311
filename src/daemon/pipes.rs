//! What children write: from their pipes to the outlets, fairly, and to the last byte.

use super::children::{PipeId, Sent};
use super::outputs::Happening;
use super::{CHUNK_BYTES, Daemon, FAREWELL, Token, clock};
use crate::config::LogLevel;
use crate::event::{self, Event as Happened};
use crate::list::List as _;
use crate::program::Now;
use crate::protocol::Stream;
use crate::supervisor::{Input, ProcessId};
use crate::sys::fds::{self, Read};
use crate::sys::poll::Event;

/// Bytes read from one pipe in one turn: nobody starves.
const BYTES_PER_TURN: usize = 4 * CHUNK_BYTES;
/// Bytes read from the pipes of a process that has ended, before its end is told. A pipe holds a chunk unless somebody
/// enlarged it (the kernel's limit for that is 1 MiB), so what it wrote is all read.
const BYTES_AT_DEATH: usize = 20 * CHUNK_BYTES;

impl Daemon {
    /// Everything that is readable on pipes, status pipes and consoles.
    pub(super) fn read_outputs(&mut self, events: &[Event<Token>], now: Now) {
        for event in events {
            match event.token {
                Token::Pipe(id) => self.read_pipe(id, BYTES_PER_TURN, now),
                Token::Status(id) => self.read_status(id, now),
                Token::Stdin(id) => self.children.flush_stdin(id, &mut self.poll),
                Token::Check(id) => self.continue_check(id, now),
                Token::Line(id) => self.read_line(id),
                Token::Notify(id) => self.read_messages(id, now),
                Token::Console(fd) => self.console_has_room(fd),
                Token::Foreground => self.read_foreground_status(),
                Token::Signals
                | Token::WallClock
                | Token::Listener(_)
                | Token::Client(_)
                | Token::Gateway
                | Token::GatewayErrors(_) => {}
            }
        }
    }

    fn console_has_room(&mut self, fd: std::os::fd::RawFd) {
        if let Some(dropped) = self.outputs.consoles.resume(fd, &mut self.poll) {
            let now = clock::now();
            // Lines that wait here and pipes that rest: who is asked first changes from time to time.
            let lines_first = !self.pipes_first;
            self.pipes_first = lines_first;
            if lines_first {
                self.outputs.release(fd, now, &mut self.poll);
            }
            // Oldest first, a chunk each: who finds the console full again keeps its place among those that wait.
            for pipe in std::mem::take(&mut self.children.resting) {
                self.children.wake(pipe, &mut self.poll);
                self.read_pipe(pipe, 1, now);
            }
            if !lines_first {
                self.outputs.release(fd, now, &mut self.poll);
            }
            if dropped > 0 {
                let text = format!("{dropped} lines of this log were dropped: descriptor {fd} was full");
                self.log(LogLevel::Warn, &text);
            }
        }
    }

    /// Reads a pipe until it is empty or at least so many bytes were read.
    fn read_pipe(&mut self, id: PipeId, bytes: usize, now: Now) {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.resize(CHUNK_BYTES, 0);
        let mut left = bytes;
        while left > 0 {
            let Some(pipe) = self.children.pipes.get(&id) else { break };
            let (process, stream) = (pipe.process, pipe.stream);
            if self.outputs.full_console(process, stream).is_some() {
                self.children.rest(id, &mut self.poll);
                break;
            }
            let bite = self.outputs.bite(process, stream);
            left = left.saturating_sub(bite);
            let (count, full) = match fds::read(&pipe.fd, chunk.get_mut(..bite).unwrap_or_default()) {
                Ok(Read::Bytes(count)) => (count, count == bite),
                Ok(Read::WouldBlock) => break,
                Ok(Read::End) | Err(_) => {
                    if self.children.ends_stream(id) {
                        let happened = self.outputs.end(process, stream, now, &mut self.poll);
                        self.tell_happenings(process, stream, happened, now);
                        self.clients.output(process, stream, self.outputs.shown(process, stream).unwrap_or_default());
                    }
                    self.children.close_pipe(id, &mut self.poll);
                    break;
                }
            };
            if let Some(bytes) = chunk.get(..count) {
                let happened = self.outputs.write(process, stream, bytes, now, &mut self.poll);
                self.tell_happenings(process, stream, happened, now);
                let talks = stream == Stream::Stdout && self.supervisor.listens_to(process);
                // Who has a pipe of an earlier life has nothing to say for this one.
                if (talks || self.checks.searches(process)) && self.children.is_of_this_life(process, id) {
                    self.search_output(process, stream, bytes);
                    if talks {
                        self.input(Input::ListenerSaid(process, bytes.to_vec()), now);
                    }
                }
                self.clients.output(process, stream, self.outputs.shown(process, stream).unwrap_or(bytes));
            }
            // Less than was asked for: the pipe is empty, and poll says when that changes. At a death its end is looked for as well: a line
            // that has none is held until then, and is in the log before the death is told.
            if !full && bytes != BYTES_AT_DEATH {
                break;
            }
        }
        self.chunk = chunk;
    }

    /// What a stream held for listeners becomes events.
    fn tell_happenings(&mut self, id: ProcessId, stream: Stream, happened: Vec<Happening>, now: Now) {
        for happening in happened {
            let Some(entry) = self.supervisor.entry(id) else { return };
            let output = |data: Vec<u8>| event::Output {
                process: entry.config.name.clone(),
                group: entry.group.clone(),
                pid: entry.life.state.pid().unwrap_or(0),
                stream,
                data: data.into(),
            };
            let event = match happening {
                Happening::Logged(data) => Happened::Log(output(data)),
                Happening::Captured(data) => {
                    let text = format!("'{}' {} emitted a comm event", entry.config.name, stream.word());
                    let event = Happened::Communication(output(data));
                    self.log(LogLevel::Debug, &text);
                    event
                }
            };
            self.input(Input::Happened(event), now);
        }
    }

    /// Tells in the logs how many lines were dropped, where that is due.
    pub(super) fn tell_dropped(&mut self, now: Now) {
        for (process, stream) in self.outputs.tell_dropped(now, &mut self.poll) {
            self.clients.output(process, stream, self.outputs.shown(process, stream).unwrap_or_default());
        }
    }

    /// Hands a listener its event.
    pub(super) fn deliver(&mut self, id: ProcessId, bytes: &[u8], now: Now) {
        match self.children.deliver(id, bytes, &mut self.poll) {
            Sent::Taken => {}
            Sent::Busy | Sent::NoStdin => self.input(Input::NotDelivered(id), now),
        }
    }

    /// Reads what a child left in its pipes.
    pub(super) fn drain(&mut self, id: ProcessId, now: Now) {
        let pipes = self.children.lives.get(&id).map(|life| life.pipes.clone()).unwrap_or_default();
        self.drain_pipes(pipes, now);
    }

    pub(super) fn drain_pipes(&mut self, pipes: Vec<PipeId>, now: Now) {
        for pipe in pipes {
            self.read_pipe(pipe, BYTES_AT_DEATH, now);
        }
    }

    /// All is stopped: what is left in pipes and consoles gets out, within reason.
    pub(super) fn say_farewell(&mut self) {
        let until = clock::now().mono.saturating_add(FAREWELL);
        // Nobody is left to check: what they said does not wake us.
        self.align_checks();
        let mut events = Vec::new();
        loop {
            let now = clock::now();
            for fd in self.outputs.consoles.full() {
                self.console_has_room(fd);
            }
            let pipes: Vec<PipeId> = self.children.pipes.keys().copied().list();
            for pipe in pipes {
                self.read_pipe(pipe, BYTES_AT_DEATH, now);
            }
            self.flush_clients(now);
            let waiting = !self.outputs.consoles.full().is_empty() || self.children.any_readable_left();
            if (!waiting && !self.clients.any_pending()) || now.mono >= until {
                return;
            }
            self.rest_all_but_writers();
            if self.poll.wait(Some(until.saturating_sub(now.mono)), &mut events).is_err() {
                return;
            }
            self.serve_clients(&events, now);
        }
    }

    /// While visor leaves, only room to write is waited for.
    fn rest_all_but_writers(&mut self) {
        for (door, _) in self.doors.descriptors() {
            self.poll.remove(Token::Listener(door));
        }
        self.poll.remove(Token::Signals);
        let pipes: Vec<PipeId> = self.children.pipes.keys().copied().list();
        for pipe in pipes {
            if self.children.pipes.get(&pipe).is_some_and(|pipe| !pipe.resting) {
                self.poll.remove(Token::Pipe(pipe));
            }
        }
    }
}
