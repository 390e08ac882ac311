//! Where bytes go: each output stream of each process has an outlet, and visor's own log is one more.
//!
//! Bytes of children come here straight from their pipes and are not decoded on the way to a file.

use std::hash::{BuildHasher, Hasher};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::clock;
use super::consoles::Consoles;
use super::packing::Packing;
use super::shaper::Shaper;
use super::voice::{SYSLOG_PATH, Voice};
use super::{CHUNK_BYTES, Poll, Settings};
use crate::config::{Channel, LogLevel, Logfile, Process, Upkeep};
use crate::event::{Capture, Piece};
use crate::list::List as _;
use crate::logs::{self, Lines, LogFile, Ring, Stripper};
use crate::program::Now;
use crate::protocol::Stream;
use crate::sorted::Map;
use crate::supervisor::ProcessId;
use crate::sys;
use crate::sys::syslog::Syslog;

/// Mode of a log file before the umask.
const LOG_MODE: u32 = 0o666;
/// Tries to find a free AUTO name.
const AUTO_TRIES: u32 = 8;
/// Bytes read at a time from a stream whose lines are shaped: short ones become many times as long.
const SHAPED_BYTES: usize = 8 * 1024;

/// Every sink of the daemon.
#[derive(Debug)]
pub(super) struct Outputs {
    pub consoles: Consoles,
    pub voice: Voice,
    syslog: Syslog,
    pub packing: Packing,
    pub(super) outlets: Map<Key, Outlet>,
    stripped: Vec<u8>,
    /// When dropped lines are to be told.
    pub due: Option<Duration>,
    /// Whose waiting lines were written last.
    pub(super) served: Option<Key>,
}

/// A stream of a process.
pub(super) type Key = (ProcessId, Stream);

/// Where one output stream of a process goes.
#[derive(Debug)]
pub(super) struct Outlet {
    /// The process' name.
    process: String,
    pub sink: Sink,
    pub upkeep: Upkeep,
    /// For lines that are more than bytes.
    pub shaper: Option<Box<Shaper>>,
    /// What no file has.
    pub ring: Ring,
    /// Lines for the system log.
    lines: Option<Lines>,
    strip: Option<Stripper>,
    capture: Option<Capture>,
    /// What it logs is an event, too.
    pub is_event: bool,
    /// Bytes that came.
    bytes: u64,
    /// Bytes that an earlier shaper dropped.
    pub dropped: u64,
}

/// Gives a capture bytes, and its pieces to what is passed with it.
type Feed<'f> = &'f mut dyn FnMut(Option<&mut Capture>, &mut dyn FnMut(Piece<'_>));

/// Something in a stream that listeners hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happening {
    /// It was logged.
    Logged(Vec<u8>),
    /// It stood between the capture tags.
    Captured(Vec<u8>),
}

#[derive(Debug)]
pub(super) enum Sink {
    None,
    /// A file that is opened with the first start.
    Closed {
        path: PathBuf,
        maxbytes: i64,
        backups: i64,
        mode: u32,
    },
    File(LogFile),
    Console(RawFd),
}

impl Outputs {
    pub fn new() -> Outputs {
        Outputs {
            consoles: Consoles::default(),
            voice: Voice::new(),
            syslog: Syslog::new(SYSLOG_PATH),
            packing: Packing::default(),
            outlets: Map::new(),
            stripped: Vec::new(),
            due: None,
            served: None,
        }
    }

    /// A line of visor's own log.
    pub fn log(&mut self, level: LogLevel, text: &str, poll: &mut Poll) {
        self.voice.say(level, text.as_bytes(), &mut self.consoles, &mut self.syslog, poll);
    }

    /// A process became known: its AUTO logs are made now, its other logs with its first start.
    pub fn add(&mut self, id: ProcessId, process: &Process, group: &str, settings: &Settings, poll: &mut Poll) {
        self.add_stream(id, process, Stream::Stdout, &process.stdout, settings, poll);
        if !process.redirect_stderr {
            self.add_stream(id, process, Stream::Stderr, &process.stderr, settings, poll);
        }
        self.introduce(id, process, group, 0);
    }

    fn add_stream(
        &mut self,
        id: ProcessId,
        process: &Process,
        stream: Stream,
        channel: &Channel,
        settings: &Settings,
        poll: &mut Poll,
    ) {
        let (maxbytes, backups) = (channel.maxbytes, channel.backups);
        let sink = match &channel.logfile {
            Logfile::None | Logfile::Terminal => Sink::None,
            Logfile::Auto => match auto_log(&process.name, stream, settings) {
                Ok(path) => Sink::Closed { path, maxbytes, backups, mode: logs::auto::AUTO_MODE },
                Err(error) => {
                    let text = format!("cannot create log of {} in `{}`: {error}", process.name, settings.childlogdir);
                    self.log(LogLevel::Warn, &text, poll);
                    Sink::None
                }
            },
            Logfile::File(path) => match sys::console::parse_inherited(path) {
                Some(fd) => match self.consoles.open(fd) {
                    Ok(()) => Sink::Console(fd),
                    Err(error) => {
                        let text = format!("cannot write log `{path}` of {}: {error}", process.name);
                        self.log(LogLevel::Warn, &text, poll);
                        Sink::None
                    }
                },
                None => Sink::Closed { path: PathBuf::from(path), maxbytes, backups, mode: LOG_MODE },
            },
        };
        let outlet = Outlet {
            process: process.name.clone(),
            sink,
            upkeep: channel.upkeep,
            shaper: Shaper::new(&process.log_lines).map(Box::new),
            ring: Ring::new(ring_bytes(process)),
            lines: channel.syslog.then(Lines::default),
            strip: settings.strip_ansi.then(Stripper::default),
            capture: usize::try_from(channel.capture_maxbytes).ok().filter(|limit| *limit > 0).map(Capture::new),
            is_event: channel.events_enabled,
            bytes: 0,
            dropped: 0,
        };
        self.outlets.insert((id, stream), outlet);
    }

    /// A process is forgotten.
    pub fn remove(&mut self, id: ProcessId) {
        self.outlets.remove(&(id, Stream::Stdout));
        self.outlets.remove(&(id, Stream::Stderr));
    }

    /// A process is about to start: its files are opened.
    pub fn prepare(&mut self, id: ProcessId, poll: &mut Poll) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let trouble = self.outlets.get_mut(&(id, stream)).and_then(Outlet::open);
            if let Some(trouble) = trouble {
                self.log(LogLevel::Warn, &trouble, poll);
            }
        }
    }

    /// The console that a stream leads to, when that is full: its pipe must rest.
    pub fn full_console(&self, id: ProcessId, stream: Stream) -> Option<RawFd> {
        let outlet = self.outlets.get(&(id, stream))?;
        match outlet.sink {
            Sink::Console(fd) if self.consoles.is_full(fd) => {
                outlet.shaper.as_ref().is_none_or(|it| it.blocks()).then_some(fd)
            }
            Sink::Console(_) | Sink::None | Sink::Closed { .. } | Sink::File(_) => None,
        }
    }

    /// Bytes of a stream to read at a time.
    pub fn bite(&self, id: ProcessId, stream: Stream) -> usize {
        let shaped = self.outlets.get(&(id, stream)).is_some_and(|outlet| outlet.shaper.is_some());
        if shaped { SHAPED_BYTES } else { CHUNK_BYTES }
    }

    /// A chunk of a child's output; answers what listeners are to hear of it.
    pub fn write(&mut self, id: ProcessId, stream: Stream, chunk: &[u8], now: Now, poll: &mut Poll) -> Vec<Happening> {
        let Some(outlet) = self.outlets.get_mut(&(id, stream)) else { return Vec::new() };
        outlet.shaper.iter_mut().for_each(|shaper| shaper.begin());
        outlet.bytes = outlet.bytes.saturating_add(chunk.len() as u64);
        let mut stripped = std::mem::take(&mut self.stripped);
        let chunk = match &mut outlet.strip {
            None => chunk,
            Some(strip) => {
                stripped.clear();
                strip.strip(chunk, &mut stripped);
                stripped.as_slice()
            }
        };
        let happenings = self.split(id, stream, now, poll, &mut |capture, each| match capture {
            None => each(Piece::Log(chunk)),
            Some(capture) => capture.feed(chunk, each),
        });
        self.stripped = stripped;
        happenings
    }

    /// A stream has ended: what was held back is let go.
    pub fn end(&mut self, id: ProcessId, stream: Stream, now: Now, poll: &mut Poll) -> Vec<Happening> {
        let Some(outlet) = self.outlets.get_mut(&(id, stream)) else { return Vec::new() };
        outlet.shaper.iter_mut().for_each(|shaper| shaper.begin());
        let mut rest = Vec::new();
        if let Some(strip) = &mut outlet.strip {
            strip.finish(&mut rest);
        }
        let happenings = self.split(id, stream, now, poll, &mut |capture, each| match capture {
            None => each(Piece::Log(&rest)),
            Some(capture) => {
                capture.feed(&rest, each);
                capture.end(each);
            }
        });
        self.shape((id, stream), now, poll, &mut |shaper| shaper.finish(now));
        if let Some(outlet) = self.outlets.get_mut(&(id, stream))
            && let Some(lines) = &mut outlet.lines
        {
            let (process, syslog) = (&outlet.process, &mut self.syslog);
            lines.flush(&mut |piece| send_line(syslog, process, piece.text));
        }
        happenings
    }

    /// Logs what is not captured.
    fn split(&mut self, id: ProcessId, stream: Stream, now: Now, poll: &mut Poll, feed: Feed) -> Vec<Happening> {
        let Some(outlet) = self.outlets.get_mut(&(id, stream)) else { return Vec::new() };
        let is_event = outlet.is_event;
        let mut capture = outlet.capture.take();
        let mut happenings = Vec::new();
        feed(capture.as_mut(), &mut |piece| match piece {
            Piece::Log([]) => {}
            Piece::Log(bytes) => {
                self.put(id, stream, bytes, now, poll);
                if is_event {
                    happenings.push(Happening::Logged(bytes.to_vec()));
                }
            }
            Piece::Captured(bytes) => happenings.push(Happening::Captured(bytes.to_vec())),
        });
        if let Some(outlet) = self.outlets.get_mut(&(id, stream)) {
            outlet.capture = capture;
        }
        happenings
    }

    fn put(&mut self, id: ProcessId, stream: Stream, chunk: &[u8], now: Now, poll: &mut Poll) {
        if !self.shape((id, stream), now, poll, &mut |shaper| shaper.feed(chunk, now)) {
            self.bring((id, stream), chunk, now, poll);
        }
        let Some(outlet) = self.outlets.get_mut(&(id, stream)) else { return };
        if let Some(lines) = &mut outlet.lines {
            let (process, syslog) = (&outlet.process, &mut self.syslog);
            lines.push(chunk, &mut |piece| send_line(syslog, process, piece.text));
        }
        if self.voice.hears(LogLevel::Debug) {
            let mut text = Vec::with_capacity(chunk.len().saturating_add(outlet.process.len()));
            logs::format::child_output(&mut text, &outlet.process, stream.word(), chunk);
            let line = text.strip_suffix(b"\n").unwrap_or(&text);
            self.voice.say(LogLevel::Debug, line, &mut self.consoles, &mut self.syslog, poll);
        }
    }

    /// Brings bytes to where they are kept.
    pub(super) fn bring(&mut self, key: Key, bytes: &[u8], now: Now, poll: &mut Poll) {
        let Some(outlet) = self.outlets.get_mut(&key).filter(|_| !bytes.is_empty()) else { return };
        let mut trouble = outlet.open();
        let mut readable = false;
        match &mut outlet.sink {
            Sink::None | Sink::Closed { .. } => {}
            Sink::File(file) => {
                if let Some(problem) = file.write(bytes, now.mono) {
                    trouble = Some(problem.message);
                }
                readable = file.is_readable();
                let rotations = file.take_rotations();
                if rotations > 0 && outlet.upkeep.compress {
                    self.packing.rotated(key, file.path(), rotations);
                }
            }
            Sink::Console(fd) => {
                let full = self.consoles.is_full(*fd);
                if outlet.shaper.as_mut().is_none_or(|shaper| shaper.may_write(bytes, full)) {
                    self.consoles.write(*fd, bytes, poll);
                }
            }
        }
        if !readable {
            outlet.ring.push(bytes);
        } else if !outlet.ring.is_empty() {
            outlet.ring.clear();
        }
        if let Some(trouble) = trouble {
            self.log(LogLevel::Warn, &trouble, poll);
        }
    }

    /// The file behind a stream, if there is one.
    pub fn path(&self, id: ProcessId, stream: Stream) -> Option<&Path> {
        match &self.outlets.get(&(id, stream))?.sink {
            Sink::Closed { path, .. } => Some(path),
            Sink::File(file) => Some(file.path()),
            Sink::None | Sink::Console(_) => None,
        }
    }

    /// What status shows as the log's place.
    pub fn shown_path(&self, id: ProcessId, stream: Stream) -> Option<String> {
        match &self.outlets.get(&(id, stream))?.sink {
            Sink::Closed { path, .. } => Some(path.display().to_string()),
            Sink::File(file) => Some(file.path().display().to_string()),
            Sink::Console(1) => Some("/dev/stdout".to_string()),
            Sink::Console(2) => Some("/dev/stderr".to_string()),
            Sink::Console(fd) => Some(format!("/dev/fd/{fd}")),
            Sink::None => None,
        }
    }

    /// What came by a stream, and how much of it could not be logged, in bytes.
    pub fn traffic(&self, id: ProcessId, stream: Stream) -> (u64, u64) {
        let Some(outlet) = self.outlets.get(&(id, stream)) else { return (0, 0) };
        let lost = match &outlet.sink {
            Sink::File(file) => file.lost(),
            Sink::None | Sink::Closed { .. } | Sink::Console(_) => 0,
        };
        let shaped = outlet.shaper.as_ref().map_or(0, |shaper| shaper.lost);
        (outlet.bytes, lost.saturating_add(shaped).saturating_add(outlet.dropped))
    }

    /// Opens every open log anew, visor's own too.
    pub fn reopen(&mut self, poll: &mut Poll) {
        let mut troubles: Vec<String> = self.voice.reopen().into_iter().list();
        for outlet in self.outlets.values_mut() {
            if let Sink::File(file) = &mut outlet.sink {
                troubles.extend(file.reopen().map(|trouble| trouble.message));
            }
        }
        for trouble in troubles {
            self.log(LogLevel::Warn, &trouble, poll);
        }
    }

    /// Empties the logs of a process.
    ///
    /// # Errors
    /// A sentence for who asked.
    pub fn clear(&mut self, id: ProcessId) -> Result<(), String> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(outlet) = self.outlets.get_mut(&(id, stream)) else { continue };
            outlet.ring.clear();
            match &mut outlet.sink {
                Sink::None | Sink::Console(_) => {}
                Sink::Closed { path, .. } => logs::clear_unopened(path).map_err(|error| error.to_string())?,
                Sink::File(file) => match file.clear() {
                    Some(trouble) if !trouble.is_over() => return Err(trouble.message),
                    Some(_) | None => {}
                },
            }
        }
        Ok(())
    }
}

impl Outlet {
    /// Opens a file that is not open yet.
    fn open(&mut self) -> Option<String> {
        let Sink::Closed { path, maxbytes, backups, mode } = &self.sink else { return None };
        let (mut file, trouble) = LogFile::open(path, *maxbytes, *backups, *mode);
        keep(&mut file, self.upkeep);
        self.sink = Sink::File(file);
        trouble.map(|trouble| trouble.message)
    }
}

/// Bytes of a stream to keep in memory.
pub(super) fn ring_bytes(process: &Process) -> usize {
    usize::try_from(process.log_lines.ring.unwrap_or(0)).unwrap_or(0)
}

/// Has a file kept in this way.
pub(super) fn keep(file: &mut LogFile, upkeep: Upkeep) {
    let age = upkeep.max_age.and_then(|_| sys::files::age(file.path()));
    file.keep(upkeep.max_age, upkeep.compress, age.unwrap_or_default());
}

fn send_line(syslog: &mut Syslog, process: &str, line: &[u8]) {
    let mut message = Vec::with_capacity(process.len().saturating_add(line.len()).saturating_add(1));
    message.extend_from_slice(process.as_bytes());
    message.push(b' ');
    message.extend_from_slice(line);
    let stamp = clock::stamp(sys::clock::wall());
    let mut datagram = Vec::new();
    logs::syslog_datagram(&mut datagram, &stamp, "supervisord", sys::process::pid(), &message);
    syslog.send(&datagram);
}

/// Creates an AUTO log under a name that is free.
fn auto_log(process: &str, stream: Stream, settings: &Settings) -> std::io::Result<PathBuf> {
    let directory = Path::new(&settings.childlogdir);
    let mut tries = 0;
    loop {
        let path = logs::auto::name(directory, process, stream.word(), &settings.identifier, random());
        match logs::auto::create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && tries < AUTO_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Eight unpredictable bytes: the standard library seeds its hashers from the kernel's randomness.
fn random() -> [u8; logs::auto::RANDOM_BYTES] {
    std::collections::hash_map::RandomState::new().build_hasher().finish().to_ne_bytes()
}
