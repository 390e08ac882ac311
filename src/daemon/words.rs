//! What a program says about itself: a line on a descriptor, messages to its `NOTIFY_SOCKET`, a text in its output.
//!
//! Believed are messages of the program, of its process group and of its descendants, as the kernel tells who sent them; and of a process
//! that has ended since, when it was of the program's user or root.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::attempts::shown;
use super::launch::other_failure;
use super::{Daemon, Poll, Token};
use crate::config::{LogLevel, Probe, Process};
use crate::program::{Now, Purpose, SpawnFailure};
use crate::protocol::Stream;
use crate::supervisor::ProcessId;
use crate::sys::descent;
use crate::sys::fds::{self, Read};
use crate::sys::notify::{self, Message};
use crate::sys::poll::Interest;

/// Longest message, in bytes.
const MESSAGE_BYTES: usize = 4096;
/// Messages taken from one socket in one turn.
const MESSAGES_PER_TURN: usize = 16;
/// Bytes read from a descriptor at a time.
const LINE_BYTES: usize = 512;
/// How many parents of a sender are looked at.
const MOST_PARENTS: usize = 32;

const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// What a child is given to speak by.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Read end, write end and number of its descriptor.
    line: Option<(OwnedFd, OwnedFd, RawFd)>,
    socket: Option<OwnedFd>,
}

impl Given {
    /// Makes it ready and puts it into the child's environment.
    pub(super) fn prepare(process: &Process, env: &mut Vec<(OsString, OsString)>) -> Result<Given, SpawnFailure> {
        let Some(checks) = process.checks.as_deref() else { return Ok(Given::default()) };
        let failed = |what: &str, error: std::io::Error| other_failure(format!("cannot make {what}: {error}"));
        let mut given = Given::default();
        if let Some(Probe::Fd(number)) = checks.ready.as_ref().map(|check| &check.probe) {
            let (reader, writer) = fds::pipe().map_err(|error| failed("its pipe for `ready`", error))?;
            fds::set_nonblocking(&reader, true).map_err(|error| failed("its pipe for `ready`", error))?;
            given.line = Some((reader, writer, *number));
        }
        if checks.notifies() {
            let (socket, name) = notify::open().map_err(|error| failed("its NOTIFY_SOCKET", error))?;
            given.socket = Some(socket);
            env.retain(|(key, _)| key != NOTIFY_SOCKET && key != WATCHDOG_USEC && key != WATCHDOG_PID);
            env.push((NOTIFY_SOCKET.into(), name.into()));
            if let Some(health) = checks.health.as_ref().filter(|check| check.probe == Probe::Notify) {
                env.push((WATCHDOG_USEC.into(), health.timeout.as_micros().to_string().into()));
            }
        }
        Ok(given)
    }

    /// The descriptor of the child, and the number it gets.
    pub(super) fn extra(&self) -> Option<(RawFd, RawFd)> {
        self.line.as_ref().map(|(_, writer, number)| (writer.as_raw_fd(), *number))
    }
}

/// What a child said, and by what.
#[derive(Debug)]
pub(super) struct Words {
    line: Option<OwnedFd>,
    socket: Option<OwnedFd>,
    search: Option<Search>,
    /// Whether it is ready, as it said itself; not yet told.
    ready: Option<Result<(), String>>,
    status: Option<String>,
    doing: Option<&'static str>,
}

/// Looks for a text in both streams.
#[derive(Debug)]
struct Search {
    text: Vec<u8>,
    /// The end of each stream so far, shorter than the text.
    ends: [Vec<u8>; 2],
}

impl Search {
    /// Whether the text is there, now that these bytes came.
    fn finds(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        let [stdout, stderr] = &mut self.ends;
        let end = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        let (text, keep) = (self.text.as_slice(), self.text.len().saturating_sub(1));
        // What lies across the border first, then the rest.
        end.extend_from_slice(bytes.get(..keep.min(bytes.len())).unwrap_or_default());
        let is_there = |place: &[u8]| place.windows(text.len()).any(|window| window == text);
        if is_there(end) || is_there(bytes) {
            return true;
        }
        if bytes.len() >= keep {
            end.clear();
            end.extend_from_slice(bytes.get(bytes.len().saturating_sub(keep)..).unwrap_or_default());
        } else {
            let surplus = end.len().saturating_sub(keep);
            end.drain(..surplus);
        }
        false
    }
}

impl Words {
    /// Nothing was said. The child's own ends are closed here.
    pub(super) fn new(process: &Process, given: Given) -> Words {
        let ready = process.checks.as_ref().and_then(|checks| checks.ready.as_ref());
        let search = match ready.map(|check| &check.probe) {
            Some(Probe::Log(text)) => Some(Search { text: text.clone().into_bytes(), ends: Default::default() }),
            Some(
                Probe::Fd(_)
                | Probe::Notify
                | Probe::Tcp(_)
                | Probe::Unix(_)
                | Probe::Http(_)
                | Probe::Exec(..)
                | Probe::File(_),
            )
            | None => None,
        };
        let Given { line, socket } = given;
        Words { line: line.map(|(reader, ..)| reader), socket, search, ready: None, status: None, doing: None }
    }

    pub(super) fn listen(&self, id: ProcessId, poll: &mut Poll) {
        for (token, fd) in [(Token::Line(id), &self.line), (Token::Notify(id), &self.socket)] {
            if let Some(fd) = fd {
                poll.set(token, fd.as_raw_fd(), Interest::READ);
            }
        }
    }

    pub(super) fn leave(self, id: ProcessId, poll: &mut Poll) {
        poll.remove(Token::Line(id));
        poll.remove(Token::Notify(id));
    }

    pub(super) fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// It is ready: its output does not matter any more.
    pub(super) fn stop_searching(&mut self) {
        self.search = None;
    }

    /// Whether it is ready, if it said so since this was asked last.
    pub(super) fn take(&mut self) -> Option<Result<(), String>> {
        self.ready.take()
    }

    /// What it is doing, in its own words.
    pub(super) fn said(&self) -> Option<String> {
        match (self.doing, &self.status) {
            (None, status) => status.clone(),
            (Some(doing), None) => Some(doing.to_owned()),
            (Some(doing), Some(status)) => Some(format!("{doing}, {status}")),
        }
    }

    /// Takes in one message; whether it is a sign of life, and whether anything was understood.
    fn hear(&mut self, message: &[u8]) -> (bool, bool) {
        let (mut beat, mut understood) = (false, false);
        for line in message.split(|byte| *byte == b'\n') {
            let Some(equals) = line.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = line.split_at(equals);
            understood = true;
            match (key, value) {
                (b"READY", b"=1") => {
                    self.doing = None;
                    self.ready = Some(Ok(()));
                }
                (b"RELOADING", b"=1") => self.doing = Some("reloading"),
                (b"STOPPING", b"=1") => self.doing = Some("stopping"),
                (b"WATCHDOG", b"=1") => beat = true,
                (b"STATUS", text) => {
                    let text = shown(&String::from_utf8_lossy(text.get(1..).unwrap_or_default()));
                    self.status = Some(text).filter(|text| !text.is_empty());
                }
                // `MAINPID` too: whose life it is, is not theirs to say.
                _ => {}
            }
        }
        (beat, understood)
    }
}

impl Daemon {
    /// The descriptor of `fd:N`. What comes after the line is thrown away, so that the program is never held up by it.
    pub(super) fn read_line(&mut self, id: ProcessId) {
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let words = &mut watched.words;
        let Some(line) = &words.line else { return };
        let mut buffer = [0; LINE_BYTES];
        let word = match fds::read(line, &mut buffer) {
            Ok(Read::WouldBlock) => return,
            Ok(Read::Bytes(count)) => buffer.get(..count).unwrap_or_default().contains(&b'\n').then_some(Ok(())),
            Ok(Read::End) | Err(_) => {
                self.poll.remove(Token::Line(id));
                words.line = None;
                Some(Err("it was closed without a line".to_owned()))
            }
        };
        if words.ready.is_none() {
            words.ready = word;
        }
        self.checks.touch();
    }

    /// Bytes of a child's output.
    pub(super) fn search_output(&mut self, id: ProcessId, stream: Stream, bytes: &[u8]) {
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let words = &mut watched.words;
        if words.search.as_mut().is_some_and(|search| search.finds(stream, bytes)) {
            words.search = None;
            words.ready = Some(Ok(()));
            self.checks.touch();
        }
    }

    /// Messages to a `NOTIFY_SOCKET`.
    pub(super) fn read_messages(&mut self, id: ProcessId, now: Now) {
        let mut buffer = [0; MESSAGE_BYTES];
        for _ in 0..MESSAGES_PER_TURN {
            let Some(watched) = self.checks.watched.get(&id) else { return };
            let Some(socket) = &watched.words.socket else { return };
            match notify::receive(socket, &mut buffer) {
                Ok(Some(message)) => {
                    let text = buffer.get(..message.length).unwrap_or_default();
                    self.hear_message(id, message, text, now);
                }
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn hear_message(&mut self, id: ProcessId, message: Message, text: &[u8], now: Now) {
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let ours = nix::unistd::geteuid().as_raw();
        let user = watched.config.user.as_ref().map_or(ours, |user| user.uid);
        let believed = belongs(message, watched.pid, user);
        let (beat, understood) = if believed && !message.cut { watched.words.hear(text) } else { (false, false) };
        if !understood {
            let cause = match (believed, message.cut) {
                (false, _) => "its sender is not of the program",
                (true, true) => "it is too long",
                (true, false) => "it is not `KEY=value`",
            };
            let name = &watched.config.name;
            let text = format!("ignored a message to the NOTIFY_SOCKET of {name} by pid {}: {cause}", message.pid);
            self.log(LogLevel::Debug, &text);
            return;
        }
        let watchdog = watched.purpose() == Some(Purpose::Health)
            && watched.check().is_some_and(|check| check.probe == Probe::Notify);
        self.checks.touch();
        self.note_words(id, now);
        if beat && watchdog {
            self.check_ended(id, Ok(()), now);
        }
    }
}

/// Whether a sender speaks for the program whose child this is.
fn belongs(message: Message, child: i32, user: u32) -> bool {
    if message.pid == child {
        return true;
    }
    if message.pid <= 0 {
        return false;
    }
    let Some(mut who) = descent::someone(message.pid) else {
        // It is gone, or there is no /proc.
        return message.uid == user || message.uid == 0;
    };
    for _ in 0..MOST_PARENTS {
        if who.group == child || who.parent == child {
            return true;
        }
        match descent::someone(who.parent) {
            Some(parent) => who = parent,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::sample::process;

    fn search(text: &str) -> Search {
        Search { text: text.into(), ends: Default::default() }
    }

    #[test]
    fn text_is_found_wherever_the_chunks_are_cut() {
        let stream = b"xx server is readready to serve\n";
        for one in 0..=stream.len() {
            for two in one..=stream.len() {
                let mut search = search("is readready");
                let chunks = [&stream[..one], &stream[one..two], &stream[two..]];
                let found = chunks.iter().any(|chunk| search.finds(Stream::Stdout, chunk));
                assert!(found, "cut at {one} and {two}");
                assert!(search.ends.iter().all(|end| end.len() < 24), "{search:?}");
            }
        }
    }

    #[test]
    fn text_split_over_two_streams_or_not_there_is_not_found() {
        let mut one = search("ready");
        assert!(!one.finds(Stream::Stdout, b"rea"));
        assert!(!one.finds(Stream::Stderr, b"dy"));
        assert!(!one.finds(Stream::Stdout, b"l"));
        for byte in b"read y".repeat(100) {
            assert!(!one.finds(Stream::Stdout, &[byte]));
        }
        assert!(one.ends.iter().all(|end| end.len() < 5), "{one:?}");
        assert!(search("x").finds(Stream::Stderr, b"x"));
    }

    #[test]
    fn messages_are_understood_and_nonsense_is_not() {
        let mut words = Words::new(&process("p"), Given::default());
        assert_eq!(words.hear(b""), (false, false));
        assert_eq!(words.hear(b"READY"), (false, false));
        assert_eq!(words.hear(b"\xff\xfe\n\n"), (false, false));
        assert_eq!(words.hear(b"READY=0\nMAINPID=1\nX_OWN=2"), (false, true));
        assert_eq!((words.take(), words.said()), (None, None));
        assert_eq!(words.hear(b"READY=1\nSTATUS=up \x1b[1m and well\nWATCHDOG=1\n"), (true, true));
        assert_eq!((words.take(), words.take()), (Some(Ok(())), None));
        assert_eq!(words.said().as_deref(), Some("up  [1m and well"));
        words.hear(b"RELOADING=1");
        assert_eq!(words.said().as_deref(), Some("reloading, up  [1m and well"));
        words.hear(b"STATUS=\xff\nREADY=1");
        assert_eq!(words.said().as_deref(), Some("\u{fffd}"));
        words.hear(b"STATUS=\nSTOPPING=1");
        assert_eq!(words.said().as_deref(), Some("stopping"));
        words.hear(format!("STATUS={}", "x".repeat(5000)).as_bytes());
        assert!(words.said().unwrap().len() < 300);
    }

    #[test]
    fn sender_is_believed_as_the_child_its_descendant_or_gone_with_the_right_user() {
        let ours = i32::try_from(std::process::id()).unwrap();
        let parent = nix::unistd::getppid().as_raw();
        let by = |pid, uid| Message { pid, uid, length: 0, cut: false };
        assert!(belongs(by(7, 5), 7, 1));
        assert!(belongs(by(ours, 5), parent, 1));
        assert!(!belongs(by(0, 1), 7, 1));
        assert!(!belongs(by(ours, 1), i32::MAX, 1), "it lives and is somebody else's");
        assert!(belongs(by(i32::MAX, 1), 7, 1));
        assert!(belongs(by(i32::MAX, 0), 7, 1));
        assert!(!belongs(by(i32::MAX, 2), 7, 1));
    }
}
