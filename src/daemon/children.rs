//! Children of ours while they live, and their pipes, which may outlive them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::signal::Signal as Number;

use super::environment;
use super::foreground::Foreground;
use super::outputs::Happening;
use super::{CHUNK_BYTES, Daemon, FAREWELL, Poll, Token, clock};
use crate::config::{Channel, LogLevel, Logfile, Process, Signal};
use crate::event::{self, Event as Happened};
use crate::program::{self, Exit, Now, SpawnFailure, SpawnFailureKind};
use crate::protocol::{Ending, Stream};
use crate::sorted::Map;
use crate::supervisor::{Input, ProcessId};
use crate::sys::command::{self, Lookup};
use crate::sys::fds::{self, Read, Written};
use crate::sys::poll::{Event, Interest};
use crate::sys::reap::{self, WaitStatus};
use crate::sys::spawn::{self, Credentials, ExecStatus, Lead, Output, Signals, SpawnError, Spec, Stage, Stdin};

/// Chunks read from one pipe in one turn: nobody starves.
const CHUNKS_PER_TURN: usize = 4;
/// Chunks read from the pipes of a process that has ended, before its end is told. A pipe holds one unless somebody
/// enlarged it (the kernel's limit for that is 1 MiB), so what it wrote is all read.
const CHUNKS_AT_DEATH: usize = 20;
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
    pipes: Map<PipeId, Pipe>,
    lives: Map<ProcessId, Life>,
    next_pipe: u64,
    /// Pipes that rest, the longest first: they take turns, or one flood would keep all others from a slow console.
    resting: VecDeque<PipeId>,
}

#[derive(Debug)]
struct Pipe {
    fd: OwnedFd,
    process: ProcessId,
    stream: Stream,
    /// Not read, for the console it leads to is full.
    resting: bool,
}

/// Descriptors of one process.
#[derive(Debug, Default)]
struct Life {
    stdin: Option<OwnedFd>,
    stdin_pending: Vec<u8>,
    status: Option<OwnedFd>,
    /// Pipes of the child that lives.
    pipes: Vec<PipeId>,
    /// Pipes of earlier children, oldest first.
    leftovers: VecDeque<PipeId>,
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
    fn add_pipe(&mut self, fd: OwnedFd, process: ProcessId, stream: Stream, poll: &mut Poll) -> PipeId {
        let id = PipeId(self.next_pipe);
        self.next_pipe = self.next_pipe.wrapping_add(1);
        poll.set(Token::Pipe(id), fd.as_raw_fd(), Interest::READ);
        self.pipes.insert(id, Pipe { fd, process, stream, resting: false });
        id
    }

    fn close_pipe(&mut self, id: PipeId, poll: &mut Poll) {
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
    fn rest(&mut self, id: PipeId, poll: &mut Poll) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        poll.set(Token::Pipe(id), pipe.fd.as_raw_fd(), Interest::NONE);
        if !std::mem::replace(&mut pipe.resting, true) {
            self.resting.push_back(id);
        }
    }

    /// A pipe is read again.
    fn wake(&mut self, id: PipeId, poll: &mut Poll) {
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

    fn is_of_this_life(&self, process: ProcessId, pipe: PipeId) -> bool {
        self.lives.get(&process).is_some_and(|life| life.pipes.contains(&pipe))
    }

    fn any_readable_left(&self) -> bool {
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
    /// Starts a process and tells the supervisor how that went.
    pub(super) fn spawn(&mut self, id: ProcessId) {
        let Some(entry) = self.supervisor.entry(id) else { return };
        let (process, group) = (std::sync::Arc::clone(&entry.config), entry.group.clone());
        self.outputs.prepare(id, &mut self.poll);
        let input = match self.fork(id, &process, &group) {
            Ok(pid) => program::Input::Spawned { pid },
            Err(failure) => program::Input::SpawnFailed(failure),
        };
        let failed = matches!(input, program::Input::SpawnFailed(_));
        // Many starts in one turn take their time: each is dated for itself.
        self.input(Input::Process(id, input), clock::now());
        if failed {
            self.close_unused_sockets();
        }
    }

    fn fork(&mut self, id: ProcessId, process: &Process, group: &str) -> Result<i32, SpawnFailure> {
        let argv = match &process.argv {
            Ok(argv) => argv,
            Err(text) => return Err(other_failure(text.clone())),
        };
        let Some(word) = argv.first() else { return Err(other_failure("command is empty".to_string())) };
        let has_socket = self.open_socket(group)?;
        let listening = self.open_listening(id, process)?;
        let path = find_command(word, &environment::search_path(process, &self.environment))?;
        let env = environment::of(process, group, self.settings.server_url.as_deref(), &self.environment);
        let credentials =
            process.user.as_ref().map(|user| Credentials { uid: user.uid, gid: user.gid, groups: user.groups.clone() });
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        // It is passed on as descriptor 0: there is no pipe to write to then.
        let socket = if has_socket { self.sockets.fcgi(group) } else { None };
        let spec = Spec {
            path: &path,
            argv: &argv,
            env: &env,
            directory: process.directory.as_deref(),
            umask: process.umask,
            lead: process.tty.as_deref().map_or(Lead::Group, Lead::Terminal),
            signals: Signals::Default,
            credentials: credentials.as_ref(),
            redirect_stderr: process.redirect_stderr,
            stdin: match (socket, &process.tty) {
                (Some(socket), _) => Stdin::Fd(socket.as_fd()),
                (None, Some(_)) => Stdin::Terminal,
                (None, None) => Stdin::Pipe,
            },
            stdout: output(&process.stdout),
            stderr: output(&process.stderr),
            keep: &[],
            listen: &listening,
        };
        let child = spawn::spawn(&spec).map_err(|error| other_failure(fork_failure(&process.name, &error)))?;
        let pid = child.pid;
        self.adopt_child(id, child);
        Ok(pid)
    }

    fn adopt_child(&mut self, id: ProcessId, child: spawn::Child) {
        self.children.lives.insert_new(id, Life::default);
        let Some(life) = self.children.lives.get_mut(&id) else { return };
        let old = std::mem::take(&mut life.pipes);
        life.leftovers.extend(old);
        let surplus = life.leftovers.len().saturating_sub(MAX_LEFTOVERS);
        let closing: Vec<PipeId> = life.leftovers.iter().take(surplus).copied().collect();
        life.stdin = child.stdin;
        life.stdin_pending.clear();
        self.poll.set(Token::Status(id), child.status.as_raw_fd(), Interest::READ);
        life.status = Some(child.status);
        for pipe in closing {
            self.children.close_pipe(pipe, &mut self.poll);
        }
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
            // A child forked in this very turn is known only once what led to it is carried out.
            self.carry_out(now);
            if self.foreground_died(pid, exit, now) {
                continue;
            }
            let process = self.supervisor.process_of(pid);
            if let Some(id) = process {
                self.read_status(id, now);
                self.drain(id, now);
                self.close_stdin(id);
            }
            self.input(Input::Died { pid, exit }, now);
            self.close_unused_sockets();
        }
    }

    fn close_stdin(&mut self, id: ProcessId) {
        self.poll.remove(Token::Stdin(id));
        if let Some(life) = self.children.lives.get_mut(&id) {
            life.stdin = None;
            life.stdin_pending.clear();
        }
    }

    /// Whether the child has executed its command by now.
    fn read_status(&mut self, id: ProcessId, now: Now) {
        let Some(life) = self.children.lives.get_mut(&id) else { return };
        let Some(status) = &life.status else { return };
        let input = match spawn::read_status(status) {
            ExecStatus::Pending => return,
            ExecStatus::Execed => program::Input::Execed,
            ExecStatus::Failed(error) => {
                let failure = self.exec_failure(id, &error);
                program::Input::ExecFailed(failure)
            }
        };
        self.poll.remove(Token::Status(id));
        if let Some(life) = self.children.lives.get_mut(&id) {
            life.status = None;
        }
        self.input(Input::Process(id, input), now);
    }

    /// Words a failed step between fork and exec, and leaves the original's words in the log where it leaves them.
    fn exec_failure(&mut self, id: ProcessId, error: &SpawnError) -> SpawnFailure {
        let Some(entry) = self.supervisor.entry(id) else { return other_failure(error.to_string()) };
        let process = std::sync::Arc::clone(&entry.config);
        let name = crate::sys::errno_name(error.errno);
        let text = match error.stage {
            Stage::Exec => {
                let word = process.argv.as_ref().ok().and_then(|argv| argv.first()).cloned().unwrap_or_default();
                format!("couldn't exec {word}: {name}")
            }
            Stage::Directory => {
                format!("couldn't chdir to {}: {name}", process.directory.as_deref().unwrap_or_default())
            }
            Stage::Groups | Stage::GroupId | Stage::UserId => {
                let uid = process.user.as_ref().map(|user| user.uid).unwrap_or_default();
                format!("couldn't setuid to {uid}: {}: {name}", error.stage.describe())
            }
            Stage::Terminal => {
                format!("couldn't take the terminal {}: {name}", process.tty.as_deref().unwrap_or_default())
            }
            Stage::Prepare | Stage::Pipes | Stage::Fork | Stage::Group | Stage::Descriptors => {
                format!("couldn't {}: {name}", error.stage.describe())
            }
        };
        let stream = if process.redirect_stderr { Stream::Stdout } else { Stream::Stderr };
        let told = format!("supervisor: {text}\nsupervisor: child process was not spawned\n");
        let now = clock::now().mono;
        self.outputs.write(id, stream, told.as_bytes(), now, &mut self.poll);
        // Only what the look-up of the command finds has a code of its own, as in the original.
        SpawnFailure { kind: SpawnFailureKind::Other, text }
    }

    /// Everything that is readable on pipes, status pipes and consoles.
    pub(super) fn read_outputs(&mut self, events: &[Event<Token>], now: Now) {
        for event in events {
            match event.token {
                Token::Pipe(id) => self.read_pipe(id, CHUNKS_PER_TURN, now),
                Token::Status(id) => self.read_status(id, now),
                Token::Stdin(id) => self.children.flush_stdin(id, &mut self.poll),
                Token::Console(fd) => self.console_has_room(fd),
                Token::Foreground => self.read_foreground_status(),
                Token::Signals | Token::Listener(_) | Token::Client(_) => {}
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
                    let happened = self.outputs.end(process, stream, now.mono, &mut self.poll);
                    self.tell_happenings(process, stream, happened, now);
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
    fn drain(&mut self, id: ProcessId, now: Now) {
        let pipes = self.children.lives.get(&id).map(|life| life.pipes.clone()).unwrap_or_default();
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
        for (index, _) in self.listeners.iter().enumerate() {
            self.poll.remove(Token::Listener(index));
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

/// How the output that a channel describes comes out of a child.
fn output(channel: &Channel) -> Output {
    match channel.logfile {
        Logfile::Terminal => Output::Terminal,
        Logfile::Auto | Logfile::None | Logfile::File(_) => Output::Pipe,
    }
}

fn other_failure(text: String) -> SpawnFailure {
    SpawnFailure { kind: SpawnFailureKind::Other, text }
}

/// Finds a command as the original does, in its words when it cannot be run.
fn find_command(word: &str, search_path: &str) -> Result<PathBuf, SpawnFailure> {
    command::find(word, search_path).map_err(|lookup| {
        let (kind, text) = match lookup {
            Lookup::NotFound => (SpawnFailureKind::NoFile, format!("can't find command '{word}'")),
            Lookup::Directory(path) => {
                (SpawnFailureKind::NotExecutable, format!("command at '{}' is a directory", path.display()))
            }
            Lookup::NotExecutable(path) => {
                (SpawnFailureKind::NotExecutable, format!("command at '{}' is not executable", path.display()))
            }
            Lookup::NotPermitted(path) => {
                (SpawnFailureKind::NotExecutable, format!("no permission to run command '{}'", path.display()))
            }
        };
        SpawnFailure { kind, text }
    })
}

/// The original's words for what fails before there is a child.
fn fork_failure(name: &str, error: &SpawnError) -> String {
    match (error.stage, Errno::from_raw(error.errno)) {
        (Stage::Pipes, Errno::EMFILE) => format!("too many open files to spawn '{name}'"),
        (Stage::Fork, Errno::EAGAIN) => format!("Too many processes in process table to spawn '{name}'"),
        (Stage::Fork, _) => {
            format!("unknown error during fork for '{name}': {}", crate::sys::errno_name(error.errno))
        }
        (Stage::Pipes, _) => {
            format!("unknown error making dispatchers for '{name}': {}", crate::sys::errno_name(error.errno))
        }
        _ => error.to_string(),
    }
}
