//! Rotation: `log.1` becomes `log.2`, …, and `log` becomes `log.1`.
//!
//! [`plan`] is pure; [`rotate`] looks which backups exist and does the renames. Opening the new,
//! empty file is the caller's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::order;

/// Up to this many backups each number is asked for; beyond it the directory is listed once, so
/// that `backups=1000000` does not cost a million look-ups.
const PROBE_LIMIT: u64 = 256;

/// One rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The file to move.
    pub from: PathBuf,
    /// Its new name; a file that has it is replaced.
    pub to: PathBuf,
}

/// The name of backup `number` of the log at `path`.
pub fn backup_path(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The renames that make room for a new file at `path`, in the order in which they must be done.
/// `existing` are the numbers of the backups that there are, in any order; those that are not
/// below `backups` stay untouched, except that number `backups` itself is replaced.
/// No backups, no renames.
pub fn plan(path: &Path, backups: u64, existing: &[u64]) -> Vec<Rename> {
    if backups == 0 {
        return Vec::new();
    }
    let mut numbers: Vec<u64> = existing.iter().copied().filter(|&number| number >= 1 && number < backups).collect();
    order::sort_by(&mut numbers, |a, b| b.cmp(a));
    numbers.dedup();
    let shift =
        |number: u64| Rename { from: backup_path(path, number), to: backup_path(path, number.saturating_add(1)) };
    let mut renames: Vec<Rename> = numbers.into_iter().map(shift).collect();
    renames.push(Rename { from: path.to_owned(), to: backup_path(path, 1) });
    renames
}

/// Moves the log at `path` and its backups one number up. A file that has vanished meanwhile is no
/// error. The first rename that fails ends it, since going on would overwrite the file that stayed;
/// trying again later is safe.
///
/// # Errors
/// The rename that failed, and why.
pub fn rotate(path: &Path, backups: u64) -> Result<(), (Rename, io::Error)> {
    for rename in plan(path, backups, &existing(path, backups)) {
        match fs::rename(&rename.from, &rename.to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err((rename, error)),
        }
    }
    Ok(())
}

/// The numbers below `backups` for which there is a backup.
fn existing(path: &Path, backups: u64) -> Vec<u64> {
    if backups <= PROBE_LIMIT {
        return (1..backups).filter(|&number| backup_path(path, number).exists()).collect();
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let (Ok(entries), Some(name)) = (fs::read_dir(directory), path.file_name()) else { return Vec::new() };
    let name = name.as_encoded_bytes();
    entries.flatten().filter_map(|entry| number_of(name, entry.file_name().as_encoded_bytes())).collect()
}

/// The number of the backup that is called `entry`, if it is one of `name`.
fn number_of(name: &[u8], entry: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(entry.strip_prefix(name)?.strip_prefix(b".")?).ok()?;
    let number: u64 = digits.parse().ok()?;
    // `log.01` and `log.+1` are somebody else's files.
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(renames: &[Rename]) -> Vec<String> {
        renames.iter().map(|rename| format!("{}>{}", rename.from.display(), rename.to.display())).collect()
    }

    #[test]
    fn no_backups_no_renames() {
        assert!(plan(Path::new("f"), 0, &[1, 2]).is_empty());
    }

    #[test]
    fn existing_backups_move_from_the_highest_down_and_gaps_stay_gaps() {
        assert_eq!(names(&plan(Path::new("f"), 5, &[1, 3, 4])), ["f.4>f.5", "f.3>f.4", "f.1>f.2", "f>f.1"]);
    }

    #[test]
    fn backups_at_or_beyond_the_limit_are_not_moved() {
        assert_eq!(names(&plan(Path::new("f"), 2, &[1, 2, 7])), ["f.1>f.2", "f>f.1"]);
        assert_eq!(names(&plan(Path::new("f"), 1, &[1])), ["f>f.1"]);
    }

    #[test]
    fn a_limit_too_large_to_probe_finds_the_same_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for name in ["f", "f.1", "f.3", "f.03", "f.x", "ff.2", "f.2.gz", "f.+4"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let mut listed = existing(&path, 1_000_000);
        listed.sort_unstable();
        assert_eq!(listed, [1, 3]);
        assert_eq!(existing(&path, 10), [1, 3]);
        rotate(&path, u64::MAX).unwrap();
        assert_eq!(fs::read(dir.path().join("f.1")).unwrap(), b"f");
        assert_eq!(fs::read(dir.path().join("f.2")).unwrap(), b"f.1");
        assert_eq!(fs::read(dir.path().join("f.4")).unwrap(), b"f.3");
        assert!(!path.exists());
    }

    #[test]
    fn a_rename_that_fails_leaves_every_file_where_it_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "now").unwrap();
        fs::write(dir.path().join("f.1"), "before").unwrap();
        fs::create_dir(dir.path().join("f.2")).unwrap();
        let (rename, _) = rotate(&path, 2).unwrap_err();
        assert_eq!(rename.to, dir.path().join("f.2"));
        assert_eq!(fs::read(&path).unwrap(), b"now");
        assert_eq!(fs::read(dir.path().join("f.1")).unwrap(), b"before");
    }
}
