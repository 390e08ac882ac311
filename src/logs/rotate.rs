//! Rotation: `log.1` becomes `log.2`, …, and `log` becomes `log.1`. Backups may be compressed: `log.1.gz`.
//!
//! [`plan`] is pure; [`rotate`] looks which backups exist and does the renames. Opening the new,
//! empty file is the caller's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::list::List as _;
use crate::order;
use crate::sys::files;

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

/// What a compressed backup's name ends in.
const PACKED: &str = ".gz";

/// A backup of some log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backup {
    /// From 1, the newest.
    pub number: u64,
    /// It is compressed.
    pub packed: bool,
}

impl Backup {
    /// Its name, of the log at `path`.
    pub fn path(self, path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}{}", self.number, if self.packed { PACKED } else { "" }));
        PathBuf::from(name)
    }
}

/// The name of the plain backup `number` of the log at `path`.
pub fn backup_path(path: &Path, number: u64) -> PathBuf {
    Backup { number, packed: false }.path(path)
}

/// Where a backup of the log at `path` is compressed to before it has its name.
pub fn packing_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz.tmp");
    PathBuf::from(name)
}

/// The newest backup of the log at `path` that is not compressed, among the first `backups`.
pub fn newest_plain(path: &Path, backups: u64) -> Option<u64> {
    existing(path, backups, false).into_iter().map(|backup| backup.number).min()
}

/// The renames that make room for a new file at `path`, in the order in which they must be done.
/// `existing` are the backups that there are, in any order; those whose numbers are not
/// below `backups` stay untouched, except that number `backups` itself is replaced.
/// No backups, no renames.
pub fn plan(path: &Path, backups: u64, existing: &[Backup]) -> Vec<Rename> {
    if backups == 0 {
        return Vec::new();
    }
    let mut moved: Vec<Backup> = existing.iter().copied().filter(|backup| (1..backups).contains(&backup.number)).list();
    order::sort_by(&mut moved, |a, b| b.cmp(a));
    moved.dedup();
    let shift = |backup: Backup| Rename {
        from: backup.path(path),
        to: Backup { number: backup.number.saturating_add(1), ..backup }.path(path),
    };
    let mut renames: Vec<Rename> = moved.into_iter().map(shift).list();
    renames.push(Rename { from: path.to_owned(), to: backup_path(path, 1) });
    renames
}

/// Moves the log at `path` and its backups one number up. A file that has vanished meanwhile is no
/// error. The first rename that fails ends it, since going on would overwrite the file that stayed;
/// trying again later is safe. With `packed` compressed backups count as well; without it they are
/// somebody else's files.
///
/// # Errors
/// The rename that failed, and why.
pub fn rotate(path: &Path, backups: u64, packed: bool) -> Result<(), (Rename, io::Error)> {
    let last = [false, true].map(|packed| Backup { number: backups, packed }.path(path));
    for rename in plan(path, backups, &existing(path, backups, packed)) {
        match fs::rename(&rename.from, &rename.to) {
            Ok(()) if packed => {
                // What had the last number in the other form is not replaced by the rename.
                let other = last.iter().filter(|_| last.contains(&rename.to)).find(|path| **path != rename.to);
                let _ = other.map(fs::remove_file);
            }
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err((rename, error)),
        }
    }
    Ok(())
}

/// The backups up to number `backups` that there are.
fn existing(path: &Path, backups: u64, packed: bool) -> Vec<Backup> {
    let forms = if packed { &[false, true][..] } else { &[false] };
    if backups <= PROBE_LIMIT {
        let mut found = Vec::new();
        for number in 1..=backups {
            let both = forms.iter().map(|&packed| Backup { number, packed });
            found.extend(both.filter(|backup| backup.path(path).exists()));
        }
        return found;
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let (Ok(entries), Some(name)) = (files::names(directory), path.file_name()) else { return Vec::new() };
    let name = name.as_encoded_bytes();
    let listed = entries.iter().filter_map(|entry| backup_of(name, entry.as_encoded_bytes()));
    listed.filter(|backup| (1..=backups).contains(&backup.number) && (packed || !backup.packed)).list()
}

/// The backup that is called `entry`, if it is one of `name`.
fn backup_of(name: &[u8], entry: &[u8]) -> Option<Backup> {
    let rest = std::str::from_utf8(entry.strip_prefix(name)?.strip_prefix(b".")?).ok()?;
    let (digits, packed) = rest.strip_suffix(PACKED).map_or((rest, false), |digits| (digits, true));
    let number: u64 = digits.parse().ok()?;
    // `log.01` and `log.+1` are somebody else's files.
    (number.to_string() == digits).then_some(Backup { number, packed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(renames: &[Rename]) -> Vec<String> {
        renames.iter().map(|rename| format!("{}>{}", rename.from.display(), rename.to.display())).collect()
    }

    fn plain(numbers: &[u64]) -> Vec<Backup> {
        numbers.iter().map(|&number| Backup { number, packed: false }).collect()
    }

    #[test]
    fn no_backups_no_renames() {
        assert!(plan(Path::new("f"), 0, &plain(&[1, 2])).is_empty());
    }

    #[test]
    fn existing_backups_move_from_the_highest_down_and_gaps_stay_gaps() {
        assert_eq!(names(&plan(Path::new("f"), 5, &plain(&[1, 3, 4]))), ["f.4>f.5", "f.3>f.4", "f.1>f.2", "f>f.1"]);
    }

    #[test]
    fn backups_at_or_beyond_the_limit_are_not_moved() {
        assert_eq!(names(&plan(Path::new("f"), 2, &plain(&[1, 2, 7]))), ["f.1>f.2", "f>f.1"]);
        assert_eq!(names(&plan(Path::new("f"), 1, &plain(&[1]))), ["f>f.1"]);
    }

    #[test]
    fn a_limit_too_large_to_probe_finds_the_same_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for name in ["f", "f.1", "f.3", "f.03", "f.x", "ff.2", "f.2.gz", "f.+4"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let mut listed = existing(&path, 1_000_000, false);
        listed.sort_unstable();
        assert_eq!(listed, plain(&[1, 3]));
        assert_eq!(existing(&path, 10, false), plain(&[1, 3]));
        let mut listed = existing(&path, 1_000_000, true);
        listed.sort_unstable();
        assert_eq!(listed, existing(&path, 10, true));
        assert_eq!(listed[1], Backup { number: 2, packed: true });
        rotate(&path, u64::MAX, false).unwrap();
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
        let (rename, _) = rotate(&path, 2, false).unwrap_err();
        assert_eq!(rename.to, dir.path().join("f.2"));
        assert_eq!(fs::read(&path).unwrap(), b"now");
        assert_eq!(fs::read(dir.path().join("f.1")).unwrap(), b"before");
    }
    #[test]
    fn compressed_backups_move_on_and_leave_in_their_turn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let names = || {
            let mut names: Vec<String> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        for (before, backups, after) in [
            (&["f", "f.1", "f.2.gz", "f.3.gz"][..], 3, &["f.1", "f.2", "f.3.gz"][..]),
            (&["f", "f.1", "f.2", "f.3.gz"], 3, &["f.1", "f.2", "f.3"]),
            (&["f", "f.1.gz", "f.2.gz", "f.3"], 3, &["f.1", "f.2.gz", "f.3.gz"]),
            (&["f", "f.1.gz"], 1, &["f.1"]),
            (&["f", "f.2", "f.2.gz", "f.3", "f.9.gz"], 3, &["f.1", "f.3", "f.9.gz"]),
        ] {
            for name in before {
                fs::write(dir.path().join(name), name).unwrap();
            }
            rotate(&path, backups, true).unwrap();
            assert_eq!(names(), after, "{before:?}");
            assert_eq!(newest_plain(&path, backups), Some(1));
            for name in names() {
                fs::remove_file(dir.path().join(name)).unwrap();
            }
        }
        fs::write(dir.path().join("f.1.gz"), "").unwrap();
        fs::write(dir.path().join("f.5"), "").unwrap();
        assert_eq!((newest_plain(&path, 4), newest_plain(&path, 5)), (None, Some(5)));
        assert_eq!(packing_path(&path), dir.path().join("f.gz.tmp"));
    }
}
