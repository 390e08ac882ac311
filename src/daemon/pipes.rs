//! What children write: from their pipes to the outlets, fairly, and to the last byte.

use super::children::{PipeId, Sent};
use super::outputs::Happening;
use super::{CHUNK_BYTES, Daemon, FAREWELL, Token, clock};
use crate::config::LogLevel;
use crate::event::{self, Event as Happened};
use crate::program::Now;
use crate::protocol::Stream;
use crate::supervisor::{Input, ProcessId};
use crate::sys::fds::{self, Read};
use crate::sys::poll::Event;

/// Chunks read from one pipe in one turn: nobody starves.
const CHUNKS_PER_TURN: usize = 4;
/// Chunks read from the pipes of a process that has ended, before its end is told. A pipe holds one unless somebody
/// enlarged it (the kernel's limit for that is 1 MiB), so what it wrote is all read.
const CHUNKS_AT_DEATH: usize = 20;

impl Daemon {
    /// Everything that is readable on pipes, status pipes and consoles.
    pub(super) fn read_outputs(&mut self, events: &[Event<Token>], now: Now) {
        for event in events {
            match event.token {
                Token::Pipe(id) => self.read_pipe(id, CHUNKS_PER_TURN, now),
                Token::Status(id) => self.read_status(id, now),
                Token::Stdin(id) => self.children.flush_stdin(id, &mut self.poll),
                Token::Console(fd) => self.console_has_room(fd),
                Token::Foreground => self.read_foreground_status(),
                Token::Signals | Token::Listener(_) | Token::Client(_) | Token::Gateway | Token::GatewayErrors(_) => {}
            }
        }
    }

    fn console_has_room(&mut self, fd: std::os::fd::RawFd) {
        if let Some(dropped) = self.outputs.consoles.resume(fd, &mut self.poll) {
            let now = clock::now();
            // Oldest first, a chunk each: who finds the console full again keeps its place among those that wait.
            for pipe in std::mem::take(&mut self.children.resting) {
                self.children.wake(pipe, &mut self.poll);
                self.read_pipe(pipe, 1, now);
            }
            if dropped > 0 {
                let text = format!("{dropped} lines of this log were dropped: descriptor {fd} was full");
                self.log(LogLevel::Warn, &text);
            }
        }
    }

    /// Reads a pipe until it is empty, at most `chunks` times.
    fn read_pipe(&mut self, id: PipeId, chunks: usize, now: Now) {
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.resize(CHUNK_BYTES, 0);
        for _ in 0..chunks {
            let Some(pipe) = self.children.pipes.get(&id) else { break };
            let (process, stream) = (pipe.process, pipe.stream);
            if self.outputs.full_console(process, stream).is_some() {
                self.children.rest(id, &mut self.poll);
                break;
            }
            let (count, full) = match fds::read(&pipe.fd, &mut chunk) {
                Ok(Read::Bytes(count)) => (count, count == CHUNK_BYTES),
                Ok(Read::WouldBlock) => break,
                Ok(Read::End) | Err(_) => {
                    if self.children.ends_stream(id) {
                        let happened = self.outputs.end(process, stream, now.mono, &mut self.poll);
                        self.tell_happenings(process, stream, happened, now);
                    }
                    self.children.close_pipe(id, &mut self.poll);
                    break;
                }
            };
            if let Some(bytes) = chunk.get(..count) {
                let happened = self.outputs.write(process, stream, bytes, now.mono, &mut self.poll);
                self.tell_happenings(process, stream, happened, now);
                let talks = stream == Stream::Stdout && self.supervisor.listens_to(process);
                // Who has a pipe of an earlier life has nothing to say for this one.
                if talks && self.children.is_of_this_life(process, id) {
                    self.input(Input::ListenerSaid(process, bytes.to_vec()), now);
                }
                self.clients.output(process, stream, bytes);
            }
            // Less than was asked for: the pipe is empty, and poll says when that changes.
            if !full {
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
            self.read_pipe(pipe, CHUNKS_AT_DEATH, now);
        }
    }

    /// All is stopped: what is left in pipes and consoles gets out, within reason.
    pub(super) fn say_farewell(&mut self) {
        let until = clock::now().mono.saturating_add(FAREWELL);
        let mut events = Vec::new();
        loop {
            let now = clock::now();
            for fd in self.outputs.consoles.full() {
                self.console_has_room(fd);
            }
            let pipes: Vec<PipeId> = self.children.pipes.keys().copied().collect();
            for pipe in pipes {
                self.read_pipe(pipe, CHUNKS_AT_DEATH, now);
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
        let pipes: Vec<PipeId> = self.children.pipes.keys().copied().collect();
        for pipe in pipes {
            if self.children.pipes.get(&pipe).is_some_and(|pipe| !pipe.resting) {
                self.poll.remove(Token::Pipe(pipe));
            }
        }
    }
}
