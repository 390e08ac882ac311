//! A log file: append, rotate, reopen, clear, and get through bad times.
//!
//! A `LogFile` always exists; whether its file does is its state. While the file cannot be written
//! the output is dropped and counted, and the file is tried again once per [`RETRY`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::opened::{Cut, Drops, Hitch, Kind, Look, Opened};
use super::rotate;
use super::trouble::{Trouble, TroubleKind, cause, join};

/// How long a log that cannot be opened, written or rotated is left alone before the next try.
pub const RETRY: Duration = Duration::from_secs(1);

/// How often a log that is being written is compared with the file at its path.
const CHECK: Duration = Duration::from_secs(1);

/// One log file.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// Size from which the file is rotated after a write; 0: never.
    maxbytes: u64,
    backups: u64,
    mode: u32,
    state: State,
    next_check: Duration,
    /// Bytes dropped ever.
    lost: u64,
    /// The file is rotated before a write when it is older.
    max_age: Option<Duration>,
    /// When it is; `None` = not known yet.
    old_at: Option<Duration>,
    /// How old it was when it was opened.
    age: Duration,
    /// Compressed backups are ours, too.
    packed: bool,
    /// Rotations since they were asked for.
    rotations: u64,
}

#[derive(Debug)]
enum State {
    Open(Opened),
    /// Output is dropped.
    Failing {
        /// Bytes dropped so far.
        lost: u64,
        next_try: Duration,
    },
}

impl LogFile {
    /// Opens the log at `path` for appending, creating it with `mode` (before the umask) if need be.
    /// It is rotated after a write when it has reached `maxbytes` (0 or less: never), keeping
    /// `backups` old files (0 or less: none, the file starts again empty).
    /// A file that cannot be opened is a trouble, and is tried again at the next write.
    pub fn open(path: &Path, maxbytes: i64, backups: i64, mode: u32) -> (LogFile, Option<Trouble>) {
        let (state, trouble) = match Opened::open(path, mode, false) {
            Ok(opened) => (State::Open(opened), None),
            Err(error) => (State::Failing { lost: 0, next_try: Duration::ZERO }, Some(Trouble::open(path, &error))),
        };
        let log = LogFile {
            path: path.to_owned(),
            maxbytes: u64::try_from(maxbytes).unwrap_or(0),
            backups: u64::try_from(backups).unwrap_or(0),
            mode,
            state,
            next_check: Duration::ZERO,
            lost: 0,
            max_age: None,
            old_at: None,
            age: Duration::ZERO,
            packed: false,
            rotations: 0,
        };
        (log, trouble)
    }

    /// From now on the file, which is of this age now, is also rotated before a write when it is older than `max_age`, and with
    /// `packed` the names of compressed backups are taken for backups.
    pub fn keep(&mut self, max_age: Option<Duration>, packed: bool, age: Duration) {
        (self.max_age, self.packed, self.old_at, self.age) = (max_age, packed, None, age);
    }

    /// Sizes as in [`LogFile::open`], from the next write on.
    pub fn resize(&mut self, maxbytes: i64, backups: i64) {
        self.maxbytes = u64::try_from(maxbytes).unwrap_or(0);
        self.backups = u64::try_from(backups).unwrap_or(0);
    }

    /// How often it was rotated since this was asked last.
    pub fn take_rotations(&mut self) -> u64 {
        std::mem::take(&mut self.rotations)
    }

    /// The number of the newest backup that can be compressed now: it is written no more.
    pub fn packable(&self) -> Option<u64> {
        match &self.state {
            State::Open(Opened { kind: Kind::Regular { hitch: Hitch::None, .. }, .. }) if self.packed => {
                rotate::newest_plain(&self.path, self.backups)
            }
            State::Open(_) | State::Failing { .. } => None,
        }
    }

    /// How many backups are kept.
    pub fn backups(&self) -> u64 {
        self.backups
    }

    /// Whether what is written can be read back from a plain file.
    pub fn is_readable(&self) -> bool {
        matches!(&self.state, State::Open(Opened { kind: Kind::Regular { .. }, .. }))
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file, as far as is known without asking; 0 while it is not open and for a FIFO
    /// or a device.
    pub fn size(&self) -> u64 {
        match &self.state {
            State::Open(Opened { kind: Kind::Regular { size, .. }, .. }) => *size,
            State::Open(Opened { kind: Kind::Stream { .. }, .. }) | State::Failing { .. } => 0,
        }
    }

    /// Bytes that were dropped ever, in good times the sum of all that was told.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// False while output is dropped because the file cannot be opened or written.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Appends `bytes` at the monotonic time `now`, then rotates if that is due. A chunk is never
    /// split over two files. Returns what is worth telling, once per occasion.
    pub fn write(&mut self, bytes: &[u8], now: Duration) -> Option<Trouble> {
        if bytes.is_empty() {
            return None;
        }
        let mut trouble = self.check(now);
        if self.is_old(now) {
            trouble = join(trouble, self.rotate_now(now));
        }
        trouble = join(trouble, self.append(bytes, now));
        if self.is_large() {
            trouble = join(trouble, self.rotate_now(now));
        }
        trouble
    }

    /// Opens the file at the path anew, as after `SIGUSR2`; one that was renamed keeps its new name.
    /// If that fails the old file is written on, as long as it has a name.
    pub fn reopen(&mut self) -> Option<Trouble> {
        self.reopen_saying(None)
    }

    /// Deletes the file and opens an empty one; backups stay. A file that may not be deleted is
    /// emptied where it is. A FIFO or a device is only reopened.
    pub fn clear(&mut self) -> Option<Trouble> {
        let regular = fs::metadata(&self.path).is_ok_and(|facts| facts.is_file());
        let deleted = if regular { fs::remove_file(&self.path) } else { Ok(()) };
        let trouble = match deleted.or_else(|_| clear_unopened(&self.path)) {
            Ok(()) => None,
            Err(error) => Some(Trouble::clear(&self.path, &error)),
        };
        join(trouble, self.reopen())
    }

    /// Notices, at most once per [`CHECK`], that the file was deleted or replaced.
    fn check(&mut self, now: Duration) -> Option<Trouble> {
        let State::Open(opened) = &mut self.state else { return None };
        if now < self.next_check {
            return None;
        }
        self.next_check = now.saturating_add(CHECK);
        match opened.look(&self.path) {
            Look::Gone => self.reopen_saying(Some(Trouble::replaced(&self.path))),
            Look::Same => match &mut opened.kind {
                // Somebody moved the file back.
                Kind::Regular { hitch: hitch @ Hitch::Stray, .. } => {
                    *hitch = Hitch::None;
                    Some(Trouble::resumed(&self.path, 0))
                }
                Kind::Regular { .. } | Kind::Stream { .. } => None,
            },
        }
    }

    /// Opens the path anew. `news` is what to say when that works and nothing was wrong before.
    fn reopen_saying(&mut self, news: Option<Trouble>) -> Option<Trouble> {
        (self.old_at, self.age) = (None, Duration::ZERO);
        let fresh = match Opened::open(&self.path, self.mode, false) {
            Ok(fresh) => fresh,
            Err(error) => return self.give_up_path(&error),
        };
        match &mut self.state {
            // That the file opens does not say that there is room in it: the next write tells.
            State::Failing { next_try, .. } => {
                *next_try = Duration::ZERO;
                None
            }
            State::Open(opened) => match opened.kind {
                Kind::Stream { drops: Some(Drops { lost, .. }) } => {
                    self.state = State::Failing { lost, next_try: Duration::ZERO };
                    news
                }
                Kind::Regular { hitch: Hitch::Stray | Hitch::Unrotated { .. }, .. } => {
                    *opened = fresh;
                    Some(Trouble::resumed(&self.path, 0))
                }
                Kind::Regular { hitch: Hitch::None, .. } | Kind::Stream { drops: None } => {
                    *opened = fresh;
                    news
                }
            },
        }
    }

    /// The path cannot be opened: goes on with the file that is open while something of it is left,
    /// else into the failing state. Says so unless that was told before and nothing got worse.
    fn give_up_path(&mut self, error: &io::Error) -> Option<Trouble> {
        let State::Open(opened) = &mut self.state else { return None };
        let named = opened.has_a_name();
        let (lost, told) = match &mut opened.kind {
            Kind::Regular { hitch, .. } => {
                let told = named && *hitch == Hitch::Stray;
                *hitch = Hitch::Stray;
                (0, told)
            }
            Kind::Stream { drops } => drops.map_or((0, false), |drops| (drops.lost, true)),
        };
        if !named {
            self.state = State::Failing { lost, next_try: Duration::ZERO };
        }
        if told { None } else { Some(Trouble::open(&self.path, error)) }
    }

    fn append(&mut self, bytes: &[u8], now: Duration) -> Option<Trouble> {
        match &mut self.state {
            State::Failing { .. } => self.append_again(bytes, now),
            State::Open(opened) => match opened.append(bytes) {
                Ok(()) => self.delivered(now),
                Err(cut) => self.undelivered(cut, now),
            },
        }
    }

    /// A write in the failing state: dropped, or, when the time has come, tried.
    fn append_again(&mut self, bytes: &[u8], now: Duration) -> Option<Trouble> {
        let State::Failing { lost, next_try } = &mut self.state else { return None };
        if now < *next_try {
            *lost = lost.saturating_add(bytes.len() as u64);
            self.lost = self.lost.saturating_add(bytes.len() as u64);
            return None;
        }
        *next_try = now.saturating_add(RETRY);
        let missing = match Opened::open(&self.path, self.mode, false) {
            Err(_) => bytes.len() as u64,
            Ok(mut opened) => match opened.append(bytes) {
                Ok(()) => {
                    let resumed = Trouble::resumed(&self.path, *lost);
                    self.state = State::Open(opened);
                    self.next_check = now.saturating_add(CHECK);
                    return Some(resumed);
                }
                Err(cut) => cut.missing,
            },
        };
        *lost = lost.saturating_add(missing);
        self.lost = self.lost.saturating_add(missing);
        None
    }

    /// After a whole write: a stream that was full may have room for good again.
    fn delivered(&mut self, now: Duration) -> Option<Trouble> {
        let State::Open(Opened { kind: Kind::Stream { drops }, .. }) = &mut self.state else { return None };
        let lost = drops.filter(|drops| now >= drops.quiet_at)?.lost;
        *drops = None;
        Some(Trouble::resumed(&self.path, lost))
    }

    /// After a write that failed: a full stream is tried again with the next write, anything else later.
    fn undelivered(&mut self, cut: Cut, now: Duration) -> Option<Trouble> {
        let later = now.saturating_add(RETRY);
        self.lost = self.lost.saturating_add(cut.missing);
        let State::Open(opened) = &mut self.state else { return None };
        let (before, told) = match opened.kind {
            // If a hitch was told, that output is lost is news all the same.
            Kind::Regular { .. } => (0, false),
            Kind::Stream { drops } => drops.map_or((0, false), |drops| (drops.lost, true)),
        };
        let lost = before.saturating_add(cut.missing);
        match &mut opened.kind {
            Kind::Stream { drops } if cut.cause.kind() == io::ErrorKind::WouldBlock => {
                *drops = Some(Drops { lost, quiet_at: later });
            }
            Kind::Regular { .. } | Kind::Stream { .. } => self.state = State::Failing { lost, next_try: later },
        }
        if told { None } else { Some(Trouble::write(&self.path, &cut.cause)) }
    }

    fn is_large(&self) -> bool {
        self.maxbytes > 0 && self.size() >= self.maxbytes
    }

    /// The age of a file that was empty counts from now on.
    fn is_old(&mut self, now: Duration) -> bool {
        let Some(max_age) = self.max_age else { return false };
        let State::Open(opened) = &self.state else { return false };
        let age = match opened.kind {
            Kind::Stream { .. } => return false,
            Kind::Regular { size: 0, .. } => Some(Duration::ZERO),
            Kind::Regular { .. } if self.old_at.is_none() => Some(self.age),
            Kind::Regular { .. } => None,
        };
        if let Some(age) = age {
            self.old_at = Some(now.saturating_add(max_age.saturating_sub(age)));
        }
        self.size() > 0 && self.old_at.is_some_and(|at| at <= now)
    }

    fn rotate_now(&mut self, now: Duration) -> Option<Trouble> {
        let State::Open(Opened { kind: Kind::Regular { hitch, .. }, .. }) = &self.state else { return None };
        let again = match *hitch {
            Hitch::None => false,
            Hitch::Unrotated { next_try } if now >= next_try => true,
            Hitch::Unrotated { .. } | Hitch::Stray => return None,
        };
        let rotated = self.rotate();
        if rotated.is_ok() {
            self.old_at = self.max_age.map(|age| now.saturating_add(age));
        }
        match rotated {
            Ok(()) if again => Some(Trouble::resumed(&self.path, 0)),
            Ok(()) => None,
            Err(message) => {
                if let State::Open(Opened { kind: Kind::Regular { hitch, .. }, .. }) = &mut self.state {
                    *hitch = Hitch::Unrotated { next_try: now.saturating_add(RETRY) };
                }
                if again { None } else { Some(Trouble { kind: TroubleKind::Rotate, message }) }
            }
        }
    }

    /// Rotates. On failure the open file stays the one that is written, wherever it is now.
    ///
    /// # Errors
    /// The whole message.
    fn rotate(&mut self) -> Result<(), String> {
        let log = self.path.display();
        let State::Open(opened) = &mut self.state else { return Ok(()) };
        if self.backups == 0 {
            return opened.truncate().map_err(|error| format!("cannot empty log `{log}`: {}", cause(&error)));
        }
        rotate::rotate(&self.path, self.backups, self.packed).map_err(|(rename, error)| {
            let (from, to) = (rename.from.display(), rename.to.display());
            format!("cannot rotate log `{log}`: cannot rename `{from}` to `{to}`: {}", cause(&error))
        })?;
        *opened = Opened::open(&self.path, self.mode, true)
            .map_err(|error| format!("cannot rotate log `{log}`: cannot open a new one: {}", cause(&error)))?;
        self.rotations = self.rotations.saturating_add(1);
        Ok(())
    }
}

/// Empties the log at `path` of a process that has no log open. A file that is not there is empty
/// already; one that is no plain file is left alone.
///
/// # Errors
/// What the system said, for instance that the file may not be written.
pub fn clear_unopened(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(facts) if !facts.is_file() => Ok(()),
        Ok(_) => Opened::truncate_at(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
