//! Start a child: prepare everything, fork, and hand back its pid and our ends of its pipes. Whether the program really
//! started is read later from the status pipe, so that a child stuck on a dead disk holds up nobody.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use libc::c_char;

use super::call::c_string;
use super::child::{self, Plan, REPORT_BYTES};
use super::limits::Limits;
pub use super::stage::{SpawnError, Stage};
use super::{fds, signals};
use crate::list::List as _;

/// Whom a child becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Every supplementary group, usually with the primary one among them.
    pub groups: Vec<u32>,
}

impl Credentials {
    /// Whether a child has to change anything to run as this. Our own uid needs nothing, not even groups, as Supervisor
    /// has it; only root is held to the group, too, which it can change.
    pub fn differ_from_ours(&self) -> bool {
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        self.uid != uid.as_raw() || (uid.is_root() && self.gid != gid.as_raw())
    }
}

/// What a child reads on descriptor 0.
#[derive(Debug, Clone, Copy)]
pub enum Stdin<'a> {
    /// A pipe that we write to.
    Pipe,
    /// This descriptor, which must be blocking.
    Fd(BorrowedFd<'a>),
    /// `/dev/null`, or without it an empty pipe: end of file at once.
    Null,
    /// Our own.
    Inherit,
    /// The terminal of [`Lead::Terminal`].
    Terminal,
}

/// Where a child's descriptor 1 or 2 leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A pipe that we read from.
    Pipe,
    /// `/dev/null`, or without it a pipe that nobody reads.
    Null,
    /// Our own.
    Inherit,
    /// This descriptor, which must be open.
    Fd(RawFd),
    /// The terminal of [`Lead::Terminal`].
    Terminal,
}

/// What a child leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead<'a> {
    /// A process group of its own, in our session.
    Group,
    /// A process group of its own, which becomes the foreground of the terminal on descriptor 0.
    Foreground,
    /// A session of its own, without a terminal. Nobody else can be in its group, and it cannot go into another one.
    Alone,
    /// A session of its own, with the terminal on descriptor 0 if that is free.
    Session,
    /// A session of its own with the terminal at this path as its controlling one, taken away from whatever session had it.
    Terminal(&'a str),
}

/// What a child finds of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// Every signal has its default action, none is blocked.
    Default,
    /// What we ourselves were started with.
    Inherited,
}

/// Listening sockets that one child can get.
pub const MAX_LISTENING: usize = 16;
/// Its entry in the environment that only the child can fill in, and room for any pid.
const LISTEN_PID: &[u8] = b"LISTEN_PID=";
const PID_DIGITS: usize = 10;

/// A child to start. No descriptor above 2 is open in it but those of `keep`.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a> {
    /// The file to execute. A relative one is looked up after the change of directory.
    pub path: &'a Path,
    /// The arguments; the first is the program's name as it was written.
    pub argv: &'a [OsString],
    /// The whole environment, in order.
    pub env: &'a [(OsString, OsString)],
    /// Where it runs; `None`: where we are.
    pub directory: Option<&'a str>,
    /// Its umask; `None`: ours.
    pub umask: Option<u32>,
    /// What it leads.
    pub lead: Lead<'a>,
    /// What it finds of signals.
    pub signals: Signals,
    /// What it may use and do; `None`: as we.
    pub limits: Option<&'a Limits>,
    /// Whom it becomes; `None`: it stays who we are.
    pub credentials: Option<&'a Credentials>,
    /// Descriptor 2 is descriptor 1; `stderr` is not looked at.
    pub redirect_stderr: bool,
    /// Descriptor 0.
    pub stdin: Stdin<'a>,
    /// Descriptor 1.
    pub stdout: Output,
    /// Descriptor 2.
    pub stderr: Output,
    /// Open descriptors above 2 that it has as well.
    pub keep: &'a [RawFd],
    /// Sockets that it gets from descriptor 3 on, at most [`MAX_LISTENING`]. If the environment tells of them by `LISTEN_FDS`, the
    /// child's pid is added to it as `LISTEN_PID`.
    pub listen: &'a [RawFd],
    /// One more descriptor that it gets, and the number it gets it as: beyond those of `listen`.
    pub extra: Option<(RawFd, RawFd)>,
    /// It never gets more rights than it begins with, as by a set-uid program, and leaves no core. Where the kernel knows no such thing it
    /// goes without.
    pub confined: bool,
}

/// A child that was forked. Our ends are non-blocking and closed on exec.
#[derive(Debug)]
pub struct Child {
    /// Its pid, and the id of its process group.
    pub pid: i32,
    /// Write end of its stdin, for [`Stdin::Pipe`].
    pub stdin: Option<OwnedFd>,
    /// Read end of its stdout, for [`Output::Pipe`].
    pub stdout: Option<OwnedFd>,
    /// Read end of its stderr, for [`Output::Pipe`] without `redirect_stderr`.
    pub stderr: Option<OwnedFd>,
    /// Readable when the program runs or could not be started: ask [`read_status`].
    pub status: OwnedFd,
}

/// Fork a child that becomes the program of `spec`.
///
/// # Errors
/// What failed before there was a child: EINVAL ([`Stage::Prepare`]), EMFILE or ENFILE ([`Stage::Pipes`]), EAGAIN or
/// ENOMEM ([`Stage::Fork`]). What fails in the child comes through its status pipe.
pub fn spawn(spec: &Spec) -> Result<Child, SpawnError> {
    let mut texts = Texts::prepare(spec).map_err(|error| SpawnError::new(Stage::Prepare, &error))?;
    let ends = Ends::open(spec).map_err(|error| SpawnError::new(Stage::Pipes, &error))?;
    let (argv, envp) = (pointers(&texts.argv), texts.environment());
    let plan = Plan {
        path: &texts.path,
        argv: &argv,
        envp: &envp,
        directory: texts.directory.as_deref(),
        umask: spec.umask.map(|mask| mask as libc::mode_t),
        limits: spec.limits,
        credentials: spec.credentials.filter(|credentials| credentials.differ_from_ours()),
        lead: spec.lead,
        terminal: texts.terminal.as_deref(),
        signals: spec.signals,
        stdio: ends.child_side(spec.redirect_stderr),
        keep: spec.keep,
        listen: spec.listen.get(..MAX_LISTENING).unwrap_or(spec.listen),
        extra: spec.extra,
        listen_pid: texts.listen_pid.as_mut().map(|entry| entry.as_mut_ptr_range()),
        confined: spec.confined,
        status: ends.status.1.as_raw_fd(),
    };
    let pid = fork(&plan).map_err(|error| SpawnError::new(Stage::Fork, &error))?;
    Ok(ends.into_child(pid))
}

/// Signals are held back from before the fork until the child has dropped our handlers.
fn fork(plan: &Plan) -> io::Result<i32> {
    let mask = signals::block_all();
    // SAFETY: the child runs `child::run` only, which keeps to async-signal-safe calls and never returns.
    let pid = super::call::check(unsafe { libc::fork() })?;
    if pid == 0 {
        child::run(plan);
    }
    drop(mask);
    match plan.lead {
        Lead::Alone | Lead::Session | Lead::Terminal(_) => return Ok(pid),
        Lead::Group | Lead::Foreground => {}
    }
    // The child does the same; done twice so that a signal to its group finds the group whoever runs first. Once it
    // has executed its file this answers EACCES, and it did it itself by then.
    // SAFETY: takes two numbers.
    unsafe { libc::setpgid(pid, pid) };
    Ok(pid)
}

/// The texts of a spec as C wants them.
struct Texts {
    path: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    directory: Option<CString>,
    terminal: Option<CString>,
    /// `LISTEN_PID=` with room for the child's pid, which only the child knows; ends in NUL.
    listen_pid: Option<Vec<u8>>,
}

impl Texts {
    fn prepare(spec: &Spec) -> io::Result<Texts> {
        let pair = |(key, value): &(OsString, OsString)| {
            let mut text = Vec::with_capacity(key.len() + value.len() + 2);
            text.extend_from_slice(key.as_bytes());
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
            c_string(text)
        };
        let terminal = match spec.lead {
            Lead::Terminal(path) => Some(path),
            Lead::Group | Lead::Foreground | Lead::Alone | Lead::Session => None,
        };
        let has_sockets = !spec.listen.is_empty() && spec.env.iter().any(|(key, _)| key == "LISTEN_FDS");
        Ok(Texts {
            path: c_string(spec.path.as_os_str().to_os_string().into_vec())?,
            argv: spec.argv.iter().map(|word| c_string(word.as_bytes())).list_all()?,
            env: spec.env.iter().filter(|(key, _)| !has_sockets || key != "LISTEN_PID").map(pair).list_all()?,
            listen_pid: has_sockets.then(|| [LISTEN_PID, &[0; PID_DIGITS + 1]].concat()),
            directory: spec.directory.map(c_string).transpose()?,
            terminal: terminal.map(c_string).transpose()?,
        })
    }
}

impl Texts {
    /// The environment as exec wants it.
    fn environment(&mut self) -> Vec<*const c_char> {
        let mut all: Vec<*const c_char> = self.env.iter().map(|text| text.as_ptr()).list();
        all.extend(self.listen_pid.as_mut().map(|entry| entry.as_mut_ptr().cast_const().cast::<c_char>()));
        all.push(std::ptr::null());
        all
    }
}

/// The array exec wants: a pointer each, then null.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).list()
}

/// One standard descriptor: the child's side, and ours when it is a pipe.
struct End<'a> {
    child: ChildSide<'a>,
    ours: Option<OwnedFd>,
}

enum ChildSide<'a> {
    Owned(OwnedFd),
    Borrowed(BorrowedFd<'a>),
    /// The number it has in us as well.
    Inherited(RawFd),
    /// Opened by the child.
    Terminal,
}

impl End<'_> {
    fn raw(&self) -> RawFd {
        match &self.child {
            ChildSide::Owned(fd) => fd.as_raw_fd(),
            ChildSide::Borrowed(fd) => fd.as_raw_fd(),
            ChildSide::Inherited(number) => *number,
            ChildSide::Terminal => child::TERMINAL,
        }
    }
}

struct Ends<'a> {
    stdin: End<'a>,
    stdout: End<'a>,
    stderr: End<'a>,
    /// Read end, write end.
    status: (OwnedFd, OwnedFd),
}

impl<'a> Ends<'a> {
    fn open(spec: &Spec<'a>) -> io::Result<Ends<'a>> {
        let stderr = if spec.redirect_stderr { Output::Inherit } else { spec.stderr };
        let status = fds::pipe()?;
        fds::set_nonblocking(&status.0, true)?;
        Ok(Ends {
            stdin: open_stdin(spec.stdin)?,
            stdout: open_output(spec.stdout, libc::STDOUT_FILENO)?,
            stderr: open_output(stderr, libc::STDERR_FILENO)?,
            status,
        })
    }

    fn child_side(&self, redirect_stderr: bool) -> [RawFd; 3] {
        let stdout = self.stdout.raw();
        [self.stdin.raw(), stdout, if redirect_stderr { stdout } else { self.stderr.raw() }]
    }

    /// Keeps our ends; the child's are closed here, or its pipes would never end.
    fn into_child(self, pid: i32) -> Child {
        let Ends { stdin, stdout, stderr, status } = self;
        Child { pid, stdin: stdin.ours, stdout: stdout.ours, stderr: stderr.ours, status: status.0 }
    }
}

fn open_stdin(stdin: Stdin) -> io::Result<End> {
    match stdin {
        Stdin::Pipe => {
            let (reader, writer) = fds::pipe()?;
            piped(reader, writer)
        }
        Stdin::Fd(fd) => Ok(End { child: ChildSide::Borrowed(fd), ours: None }),
        Stdin::Null => {
            let end = fds::null().or_else(|_| fds::pipe().map(|(reader, _closed)| reader))?;
            Ok(End { child: ChildSide::Owned(end), ours: None })
        }
        Stdin::Inherit => Ok(End { child: ChildSide::Inherited(libc::STDIN_FILENO), ours: None }),
        Stdin::Terminal => Ok(End { child: ChildSide::Terminal, ours: None }),
    }
}

fn open_output<'a>(output: Output, number: RawFd) -> io::Result<End<'a>> {
    match output {
        Output::Pipe => {
            let (reader, writer) = fds::pipe()?;
            piped(writer, reader)
        }
        Output::Null => {
            let end = fds::null().or_else(|_| fds::pipe().map(|(_closed, writer)| writer))?;
            Ok(End { child: ChildSide::Owned(end), ours: None })
        }
        Output::Inherit => Ok(End { child: ChildSide::Inherited(number), ours: None }),
        Output::Fd(number) => Ok(End { child: ChildSide::Inherited(number), ours: None }),
        Output::Terminal => Ok(End { child: ChildSide::Terminal, ours: None }),
    }
}

/// Our end does not block; the child's does, since programs expect it so.
fn piped<'a>(child: OwnedFd, ours: OwnedFd) -> io::Result<End<'a>> {
    fds::set_nonblocking(&ours, true)?;
    Ok(End { child: ChildSide::Owned(child), ours: Some(ours) })
}

/// What is known about a child's way to its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecStatus {
    /// Not there yet.
    Pending,
    /// It executes the program, or died on the way without a word (the wait status tells).
    Execed,
    /// It could not, and exits with 127.
    Failed(SpawnError),
}

/// Read [`Child::status`] without waiting.
pub fn read_status(status: impl AsFd) -> ExecStatus {
    let mut report = [0; REPORT_BYTES];
    match fds::read(status, &mut report) {
        Ok(fds::Read::WouldBlock) => ExecStatus::Pending,
        Ok(fds::Read::End) | Err(_) => ExecStatus::Execed,
        Ok(fds::Read::Bytes(_)) => {
            let [stage, a, b, c, d] = report;
            let stage = Stage::from_byte(stage).unwrap_or(Stage::Exec);
            ExecStatus::Failed(SpawnError { stage, errno: i32::from_ne_bytes([a, b, c, d]) })
        }
    }
}

#[cfg(test)]
#[path = "spawn_tests.rs"]
mod tests;
