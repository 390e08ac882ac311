//! One open log: what kind of file it is, appending to it, and whether it is still the file at its path.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// A file that is open for appending.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    device: u64,
    inode: u64,
    pub(super) kind: Kind,
}

/// What a log path can turn out to be, with what matters only there.
#[derive(Debug)]
pub(super) enum Kind {
    /// Has a size and is rotated.
    Regular {
        /// Bytes in the file: its size when it was opened or last looked at, counted since.
        size: u64,
        /// What is wrong with the file while it can still be written.
        hitch: Hitch,
    },
    /// A FIFO or a device: never rotated, never deleted; may have no room.
    Stream {
        /// Set while output is dropped because nobody takes it.
        drops: Option<Drops>,
    },
}

/// Something that was told, loses nothing and is to be put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hitch {
    None,
    /// The file was moved away and a new one could not be opened: output goes where the file went.
    Stray,
    /// A rotation failed; the next is tried when `next_try` has come.
    Unrotated {
        next_try: Duration,
    },
}

/// Output dropped for want of room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drops {
    pub(super) lost: u64,
    /// It counts as over when nothing was dropped until this moment; without it a slow reader
    /// would make a message of every other write.
    pub(super) quiet_at: Duration,
}

/// A write that did not get everything out.
#[derive(Debug)]
pub(super) struct Cut {
    /// Bytes that did not get out.
    pub(super) missing: u64,
    pub(super) cause: io::Error,
}

/// How the file at the path compares with the one that is open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is the same.
    Same,
    /// The path leads nowhere or to another file.
    Gone,
}

impl Opened {
    /// Opens for appending, creating the file if need be. A FIFO without a reader is an error
    /// rather than a wait, and a terminal does not become ours.
    pub(super) fn open(path: &Path, mode: u32, truncate: bool) -> io::Result<Opened> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(mode);
        let mut flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        if truncate {
            // `OpenOptions` refuses to truncate together with append.
            flags |= libc::O_TRUNC;
        }
        let file = options.custom_flags(flags).open(path)?;
        let facts = file.metadata()?;
        let kind = if facts.is_file() {
            Kind::Regular { size: facts.len(), hitch: Hitch::None }
        } else {
            Kind::Stream { drops: None }
        };
        Ok(Opened { file, device: facts.dev(), inode: facts.ino(), kind })
    }

    /// Appends all of `bytes`, or as much as goes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let cause = match self.file.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    self.count(written);
                    rest = rest.get(written..).unwrap_or_default();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            return Err(Cut { missing: rest.len() as u64, cause });
        }
        Ok(())
    }

    /// Compares with the file at `path`; a file that is still ours also has its size looked at, so
    /// that one that was cut from outside is not rotated too early.
    pub(super) fn look(&mut self, path: &Path) -> Look {
        match fs::metadata(path) {
            Ok(facts) if facts.dev() == self.device && facts.ino() == self.inode => {
                if let Kind::Regular { size, .. } = &mut self.kind {
                    *size = facts.len();
                }
                Look::Same
            }
            Ok(_) => Look::Gone,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Gone,
                // Not being allowed to look says nothing about the file.
                _ => Look::Same,
            },
        }
    }

    /// True for a file of which some name is left somewhere, so that what is written is not lost.
    pub(super) fn has_a_name(&self) -> bool {
        matches!(self.kind, Kind::Regular { .. }) && self.file.metadata().is_ok_and(|facts| facts.nlink() > 0)
    }

    /// Throws the content of a plain file away.
    pub(super) fn truncate(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.kind = Kind::Regular { size: 0, hitch: Hitch::None };
        Ok(())
    }

    /// Empties the file at `path` without creating it.
    pub(super) fn truncate_at(path: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?.set_len(0)
    }

    fn count(&mut self, written: usize) {
        if let Kind::Regular { size, .. } = &mut self.kind {
            *size = size.saturating_add(written as u64);
        }
    }
}
