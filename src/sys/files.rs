//! What is in a folder, opening files that may be none, and when a file was made, which the standard library does not tell for every C library.

use super::failure::failure;
use crate::list::List as _;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Opens for reading. Does not wait for a FIFO that nobody writes to, takes no terminal, and reads from either do not wait.
///
/// # Errors
/// What the system said.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Opens a regular file for reading, and nothing that somebody has put in its place: no link, no FIFO.
///
/// # Errors
/// What the system said, or that it is something else.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
    regular(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

/// A file, if it is a regular one.
///
/// # Errors
/// It is something else, or the system does not tell.
pub fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(failure(io::ErrorKind::Other, "it is not a regular file")) }
}

/// The names in a folder, in no order. What fails after it was opened is passed over.
///
/// # Errors
/// It cannot be opened.
pub fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry.map(|entry| entry.file_name()));
    }
    Ok(names)
}

/// Those of the names in a folder that are numbers, such as processes in `/proc`; none where there is no such folder.
#[must_use]
pub fn numbers(folder: &str) -> Vec<i32> {
    let names = names(Path::new(folder)).unwrap_or_default();
    names.iter().filter_map(|name| name.to_str()?.parse().ok()).list()
}

/// How long ago the file at a path was made; `None` when there is none or its file system does not know. Never waits for a FIFO.
#[cfg(target_os = "linux")]
#[must_use]
pub fn age(path: &Path) -> Option<Duration> {
    let path = super::call::c_string(path.as_os_str().as_encoded_bytes()).ok()?;
    // SAFETY: plain numbers, of which all zeros is a valid value.
    let mut facts: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a C string, and `facts` a valid place for the answer.
    let done = unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), 0, libc::STATX_BTIME, &raw mut facts) };
    super::call::check(done).ok()?;
    if facts.stx_mask & libc::STATX_BTIME == 0 {
        return None;
    }
    let made = Duration::new(u64::try_from(facts.stx_btime.tv_sec).ok()?, facts.stx_btime.tv_nsec);
    super::clock::wall().checked_sub(made)
}

/// How long ago the file at a path was made; `None` when there is none or its file system does not know.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn age(path: &Path) -> Option<Duration> {
    std::fs::metadata(path).ok()?.created().ok()?.elapsed().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_file_is_young_and_a_missing_one_has_no_age() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert_eq!(age(&path), None);
        std::fs::write(&path, "").unwrap();
        // Not every file system knows.
        assert!(age(&path).is_none_or(|age| age < Duration::from_secs(60)));
        assert!(age(Path::new("/\0")).is_none());
    }
}
