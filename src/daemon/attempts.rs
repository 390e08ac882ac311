//! One attempt of a check: a connection, a request, a file, a command. None of them is waited for.
//!
//! Owns: what an attempt needs while it is under way. Does not own: when one is made and what it comes to (`checks`).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::sys::signal::Signal as Number;

use super::launch::{Beside, spawn_beside};
use super::{Daemon, Token, clock};
use crate::config::{Check, Probe, Url};
use crate::program::{Exit, Now};
use crate::supervisor::{Input, ProcessId};
use crate::sys::connect::{self, Begun};
use crate::sys::fds::{self, Read, Written};
use crate::sys::poll::Interest;
use crate::sys::spawn::{self, ExecStatus, Output};
use crate::sys::{errno_text, reap, socket};

/// Longest first line of an answer, in bytes: it has room for any version, code and reason.
const STATUS_LINE_BYTES: usize = 512;
/// Bytes read from an attempt at a time.
const READ_BYTES: usize = 4096;
/// Reads from a command in one turn.
const READS_PER_TURN: usize = 4;
/// How much of the end of a command's output is kept, in bytes: its last line tells what is wrong.
const LAST_WORDS_BYTES: usize = 256;

/// What is under way.
#[derive(Debug, Default)]
pub(super) enum Attempt {
    /// Nothing; or the program is listened to.
    #[default]
    None,
    Connection(Connection),
    Command(Command),
}

#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    connected: bool,
    /// What is asked for, if anything.
    url: Option<Url>,
    /// The answer so far.
    answer: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Command {
    pid: i32,
    output: Option<OwnedFd>,
    /// Whether it could be executed.
    status: OwnedFd,
    /// The end of what it wrote.
    last_words: Vec<u8>,
}

/// How it went, if it is over.
type Outcome = Option<Result<(), String>>;

impl Attempt {
    /// Ends it. A command is killed with its process group, and reaped like everybody.
    pub(super) fn end(self) {
        match self {
            // Not reaped yet, so that its number is nobody else's.
            Attempt::Command(command) => drop(reap::kill_group(command.pid, Number::SIGKILL as i32)),
            Attempt::Connection(_) | Attempt::None => {}
        }
    }
}

impl Connection {
    /// Goes on as far as it goes.
    fn proceed(&mut self) -> Outcome {
        if !self.connected {
            if let Err(error) = connect::outcome(&self.fd) {
                return Some(Err(reason(&error)));
            }
            self.connected = true;
            return match &self.url {
                None => Some(Ok(())),
                Some(url) => ask(&self.fd, url),
            };
        }
        let mut buffer = [0; STATUS_LINE_BYTES];
        match fds::read(&self.fd, &mut buffer) {
            Ok(Read::WouldBlock) => None,
            Ok(Read::End) => Some(Err("the connection ended before an answer".to_owned())),
            Err(error) => Some(Err(reason(&error))),
            Ok(Read::Bytes(count)) => {
                self.answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
                match self.answer.iter().position(|byte| *byte == b'\n') {
                    Some(end) => Some(judge(self.answer.get(..end).unwrap_or_default())),
                    None if self.answer.len() >= STATUS_LINE_BYTES => Some(Err(NO_HTTP.to_owned())),
                    None => None,
                }
            }
        }
    }

    fn interest(&self) -> Interest {
        if self.connected { Interest::READ } else { Interest::WRITE }
    }
}

const NO_HTTP: &str = "the answer is no HTTP";

/// Sends the request: it is small and the first, so that there is room for it.
fn ask(fd: &OwnedFd, Url { host, path, .. }: &Url) -> Outcome {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: visor\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    match socket::write(fd, request.as_bytes()) {
        Ok(Written::Bytes(count)) if count == request.len() => None,
        Ok(Written::Bytes(_) | Written::WouldBlock) => Some(Err("the request could not be sent whole".to_owned())),
        Ok(Written::Gone) => Some(Err("the connection ended before the request".to_owned())),
        Err(error) => Some(Err(reason(&error))),
    }
}

/// What the first line of an answer means: 2xx and 3xx are well.
fn judge(line: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(line);
    let (version, rest) = text.trim_end().split_once(' ').ok_or(NO_HTTP)?;
    let code = rest.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
    match code {
        Some(code) if version.starts_with("HTTP/") && code.starts_with(['2', '3']) => Ok(()),
        Some(_) if version.starts_with("HTTP/") => Err(format!("the answer is {}", shown(rest))),
        Some(_) | None => Err(NO_HTTP.to_owned()),
    }
}

/// A foreign text that is to stand in messages.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect::<String>().trim().to_owned()
}

fn reason(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), errno_text)
}

impl Command {
    /// Reads what it wrote, `reads` times at most, and keeps the end.
    fn read(&mut self, reads: usize) {
        let mut buffer = [0; READ_BYTES];
        for _ in 0..reads {
            let Some(output) = &self.output else { return };
            match fds::read(output, &mut buffer) {
                Ok(Read::Bytes(count)) => {
                    self.last_words.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    let surplus = self.last_words.len().saturating_sub(LAST_WORDS_BYTES);
                    self.last_words.drain(..surplus);
                }
                Ok(Read::WouldBlock) => return,
                Ok(Read::End) | Err(_) => self.output = None,
            }
        }
    }

    /// What its end means.
    fn judge(&self, exit: Exit) -> Result<(), String> {
        if let ExecStatus::Failed(error) = spawn::read_status(&self.status) {
            return Err(error.to_string());
        }
        if exit == Exit::Code(0) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.last_words);
        match text.lines().map(shown).rfind(|line| !line.is_empty()) {
            Some(line) => Err(format!("{exit}, `{line}`")),
            None => Err(exit.to_string()),
        }
    }
}

impl Daemon {
    /// Makes an attempt; one that ends at once is told at once.
    pub(super) fn attempt(&mut self, id: ProcessId, check: &Check, now: Now) {
        let outcome = match &check.probe {
            // The program is listened to.
            Probe::Fd(_) | Probe::Notify | Probe::Log(_) => return,
            Probe::File(path) => std::fs::metadata(path).map(drop).map_err(|error| reason(&error)),
            Probe::Tcp(address) => return self.connected(id, connect::tcp(*address), None, now),
            Probe::Unix(path) => return self.connected(id, connect::unix(Path::new(path)), None, now),
            Probe::Http(url) => return self.connected(id, connect::tcp(url.address), Some(url.clone()), now),
            Probe::Exec(_, words) => match self.start_command(id, words) {
                Ok(()) => return,
                Err(reason) => Err(reason),
            },
        };
        self.check_ended(id, outcome, now);
    }

    fn connected(&mut self, id: ProcessId, begun: io::Result<(OwnedFd, Begun)>, url: Option<Url>, now: Now) {
        match begun {
            Err(error) => self.check_ended(id, Err(reason(&error)), now),
            Ok((fd, how)) => {
                let connection = Connection { fd, connected: false, url, answer: Vec::new() };
                if let Some(watched) = self.checks.watched.get_mut(&id) {
                    self.poll.set(Token::Check(id), connection.fd.as_raw_fd(), connection.interest());
                    watched.attempt = Attempt::Connection(connection);
                }
                if how == Begun::Connected {
                    self.continue_check(id, now);
                }
            }
        }
    }

    /// Something happened to an attempt.
    pub(super) fn continue_check(&mut self, id: ProcessId, now: Now) {
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let outcome = match &mut watched.attempt {
            Attempt::None => {
                self.poll.remove(Token::Check(id));
                None
            }
            Attempt::Connection(connection) => {
                let outcome = connection.proceed();
                self.poll.set(Token::Check(id), connection.fd.as_raw_fd(), connection.interest());
                outcome
            }
            Attempt::Command(command) => {
                command.read(READS_PER_TURN);
                if command.output.is_none() {
                    self.poll.remove(Token::Check(id));
                }
                None
            }
        };
        if let Some(outcome) = outcome {
            self.check_ended(id, outcome, now);
        }
    }

    /// Runs the command of a check as the program itself is run, but in a process group of its own, without its cgroup, and with an
    /// output that is only looked at when it fails.
    fn start_command(&mut self, id: ProcessId, words: &[String]) -> Result<(), String> {
        if self.checks.commands.values().any(|of| *of == id) {
            return Err("the command of the last attempt has not ended".to_owned());
        }
        let Some(entry) = self.supervisor.entry(id) else { return Ok(()) };
        let Some(watched) = self.checks.watched.get_mut(&id) else { return Ok(()) };
        let process = &watched.config;
        let beside = Beside { words, told: Vec::new(), redirect_stderr: true, stderr: Output::Null };
        let ours = (self.settings.server_url.as_deref(), self.environment.as_slice());
        let child = spawn_beside(process, &entry.group, ours, beside)?;
        if let Some(output) = &child.stdout {
            self.poll.set(Token::Check(id), output.as_raw_fd(), Interest::READ);
        }
        self.checks.commands.insert(child.pid, id);
        let (pid, output, status) = (child.pid, child.stdout, child.status);
        watched.attempt = Attempt::Command(Command { pid, output, status, last_words: Vec::new() });
        self.input(Input::NumberTaken { pid }, clock::now());
        Ok(())
    }

    /// If the child that died is an attempt, or was.
    pub(super) fn check_died(&mut self, pid: i32, exit: Exit, now: Now) -> bool {
        let Some(id) = self.checks.commands.remove(&pid) else { return false };
        let Some(watched) = self.checks.watched.get_mut(&id) else { return true };
        // It is reaped: nobody signals it any more.
        match std::mem::take(&mut watched.attempt) {
            Attempt::Command(mut command) if command.pid == pid => {
                command.read(READS_PER_TURN);
                let outcome = command.judge(exit);
                self.check_ended(id, outcome, now);
            }
            other @ (Attempt::None | Attempt::Connection(_) | Attempt::Command(_)) => watched.attempt = other,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_2xx_and_3xx_are_well_and_others_say_what_they_are() {
        for line in ["HTTP/1.1 200 OK\r", "HTTP/1.0 204", "HTTP/1.1 302 Found", "HTTP/2 399"] {
            assert_eq!(judge(line.as_bytes()), Ok(()), "{line}");
        }
        for (line, part) in [
            ("HTTP/1.1 503 Service Unavailable\r", "the answer is 503 Service Unavailable"),
            ("HTTP/1.1 404\r", "the answer is 404"),
            ("HTTP/1.1 100 Continue", "the answer is 100 Continue"),
            ("HTTP/1.1 500 a\x1b[2Jb", "the answer is 500 a [2Jb"),
            ("HTTP/1.1", NO_HTTP),
            ("HTTP/1.1 20", NO_HTTP),
            ("HTTP/1.1 2x0 OK", NO_HTTP),
            ("SSH-2.0-x 200", NO_HTTP),
            ("", NO_HTTP),
            ("\u{fffd}\u{fffd} é€", NO_HTTP),
        ] {
            assert_eq!(judge(line.as_bytes()), Err(part.to_owned()), "{line}");
        }
    }
}
