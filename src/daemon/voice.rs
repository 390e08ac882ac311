//! visor's own log: the only printing of the daemon once it runs.

use std::os::fd::RawFd;
use std::path::Path;

use super::Poll;
use super::clock;
use super::consoles::Consoles;
use crate::config::{Daemon as Settings, LogLevel, MainLogfile};
use crate::logs::{self, LogFile};
use crate::sys;

/// Mode of the log file before the umask.
const LOG_MODE: u32 = 0o666;
/// Where the system log listens.
pub(super) const SYSLOG_PATH: &str = "/dev/log";
/// Descriptor of our stdout.
const STDOUT: RawFd = 1;
/// Bytes kept for those who follow the log, until the end of the turn.
const FOLLOWED_BYTES: usize = 256 * 1024;

/// visor's own log and where it goes.
#[derive(Debug)]
pub(super) struct Voice {
    level: LogLevel,
    target: Target,
    /// A copy goes to our stdout.
    copy: bool,
    line: Vec<u8>,
    /// Lines for those who follow; `None` = nobody does.
    pub followed: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Target {
    File(LogFile),
    Console(RawFd),
    Syslog,
    None,
}

impl Voice {
    /// A voice that only speaks to stdout, for the time before the log is open.
    pub fn new() -> Voice {
        Voice { level: LogLevel::Info, target: Target::None, copy: false, line: Vec::new(), followed: None }
    }

    /// Opens the log as configured. What went wrong is told on the way that is left.
    pub fn open(&mut self, settings: &Settings, foreground: bool, consoles: &mut Consoles) -> Option<String> {
        self.level = settings.loglevel;
        self.copy = foreground && !settings.silent;
        if self.copy && consoles.open(STDOUT).is_err() {
            self.copy = false;
        }
        let mut trouble = None;
        self.target = match &settings.logfile {
            MainLogfile::None => Target::None,
            MainLogfile::Syslog => Target::Syslog,
            MainLogfile::File(path) => match sys::console::parse_inherited(path) {
                Some(fd) => match consoles.open(fd) {
                    // One line is enough where log and copy are the same place.
                    Ok(()) if fd == STDOUT && self.copy => Target::None,
                    Ok(()) => Target::Console(fd),
                    Err(error) => {
                        trouble = Some(format!("cannot write log `{path}`: {error}"));
                        Target::None
                    }
                },
                None => {
                    let (maxbytes, backups) = (settings.logfile_maxbytes, settings.logfile_backups);
                    let (file, problem) = LogFile::open(Path::new(path), maxbytes, backups, LOG_MODE);
                    trouble = problem.map(|problem| problem.message);
                    Target::File(file)
                }
            },
        };
        trouble
    }

    /// Takes what can be changed while running.
    pub fn set_level(&mut self, level: LogLevel) {
        self.level = level;
    }

    /// Whether a line of this level is written at all.
    pub fn hears(&self, level: LogLevel) -> bool {
        level <= self.level
    }

    /// The file behind the log.
    pub fn path(&self) -> Option<&Path> {
        match &self.target {
            Target::File(file) => Some(file.path()),
            Target::Console(_) | Target::Syslog | Target::None => None,
        }
    }

    /// Opens the file anew.
    pub fn reopen(&mut self) -> Option<String> {
        match &mut self.target {
            Target::File(file) => file.reopen().map(|trouble| trouble.message),
            Target::Console(_) | Target::Syslog | Target::None => None,
        }
    }

    /// Empties the file, if there is one.
    ///
    /// # Errors
    /// A sentence for who asked.
    pub fn clear(&mut self) -> Result<(), String> {
        match &mut self.target {
            Target::File(file) => match file.clear() {
                Some(trouble) if !trouble.is_over() => Err(trouble.message),
                Some(_) | None => Ok(()),
            },
            Target::Console(_) | Target::Syslog | Target::None => Ok(()),
        }
    }

    /// Writes one line to wherever the log goes.
    pub fn say(
        &mut self,
        level: LogLevel,
        text: &[u8],
        consoles: &mut Consoles,
        syslog: &mut sys::syslog::Syslog,
        poll: &mut Poll,
    ) {
        if !self.hears(level) {
            return;
        }
        let now = clock::now();
        let stamp = clock::stamp(now.wall);
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        logs::main_line(&mut line, &stamp, level.tag(), text);
        let mut trouble = None;
        match &mut self.target {
            Target::File(file) => trouble = file.write(&line, now.mono),
            Target::Console(fd) => consoles.write_own(*fd, &line, poll),
            Target::Syslog => {
                let mut datagram = Vec::with_capacity(line.len());
                let message = line.strip_suffix(b"\n").unwrap_or(&line);
                logs::syslog_datagram(&mut datagram, &stamp, "supervisord", sys::process::pid(), message);
                syslog.send(&datagram);
            }
            Target::None => {}
        }
        if self.copy {
            consoles.write_own(STDOUT, &line, poll);
        }
        if let Some(followed) = &mut self.followed
            && followed.len() < FOLLOWED_BYTES
        {
            followed.extend_from_slice(&line);
        }
        if let Some(trouble) = trouble {
            // The file is what is in trouble: only the copy can tell.
            line.clear();
            logs::main_line(&mut line, &stamp, LogLevel::Warn.tag(), trouble.message.as_bytes());
            if self.copy {
                consoles.write_own(STDOUT, &line, poll);
            }
        }
        self.line = line;
    }
}
