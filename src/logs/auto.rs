//! AUTO logs: files in the child log directory whose names visor invents and later cleans up.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::trouble::{Trouble, TroubleKind};

/// Who may read an AUTO log: its owner.
pub const AUTO_MODE: u32 = 0o600;

/// What the random part of a name is made of.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789_";

/// Length of the random part, and of the randomness that [`name`] wants.
pub const RANDOM_BYTES: usize = 8;

/// The path of a new AUTO log; `channel` is `stdout` or `stderr`.
pub fn name(childlogdir: &Path, process: &str, channel: &str, identifier: &str, random: [u8; RANDOM_BYTES]) -> PathBuf {
    let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().map_or('_', char::from);
    let suffix: String = random.into_iter().map(letter).collect();
    childlogdir.join(format!("{process}-{channel}---{identifier}-{suffix}.log"))
}

/// Creates the empty log at `path`, for its owner only.
///
/// # Errors
/// `AlreadyExists` when the name is taken (try other random bytes), or what the system said.
pub fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(AUTO_MODE).open(path).map(drop)
}

/// Deletes the AUTO logs that an earlier run with the same identifier left in `childlogdir`, rotated
/// ones too. Only plain files are touched. Returns what could not be deleted.
pub fn clean(childlogdir: &Path, identifier: &str) -> Vec<Trouble> {
    let Ok(entries) = fs::read_dir(childlogdir) else {
        let message = "Could not clear childlog dir".to_owned();
        return vec![Trouble { kind: TroubleKind::Clean, message }];
    };
    let mut troubles = Vec::new();
    for entry in entries.flatten() {
        if !is_left_over(&entry.file_name(), identifier) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => {
                let message = format!("Failed to clean up '{}'", path.display());
                troubles.push(Trouble { kind: TroubleKind::Clean, message });
            }
        }
    }
    troubles
}

/// True for a name that begins with `.+?---<identifier>-\S+\.log`; what follows does not matter, so
/// the numbers of backups need no look.
fn is_left_over(name: &OsStr, identifier: &str) -> bool {
    let name = String::from_utf8_lossy(name.as_bytes());
    let marker = format!("---{identifier}-");
    // The first character may be anything, so the marker is looked for behind it.
    let Some(first) = name.chars().next() else { return false };
    let places = (first.len_utf8()..name.len()).filter(|&at| name.is_char_boundary(at));
    places
        .filter_map(|at| Some((name.get(..at)?, name.get(at..)?.strip_prefix(&marker)?)))
        .any(|(before, after)| !before.contains('\n') && begins_with_log_name(after))
}

/// True for `\S+\.log` at the beginning of `text`.
fn begins_with_log_name(text: &str) -> bool {
    let word = text.split(char::is_whitespace).next().unwrap_or_default();
    let mut rest = word.chars();
    rest.next().is_some() && rest.as_str().contains(".log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_name_is_built_as_the_original_builds_it() {
        let path = name(Path::new("/tmp"), "web_00", "stdout", "supervisor", [0, 25, 26, 35, 36, 37, 255, 1]);
        assert_eq!(path, Path::new("/tmp/web_00-stdout---supervisor-az09_a7b.log"));
        assert!(is_left_over(path.file_name().unwrap(), "supervisor"));
    }

    #[test]
    fn a_new_log_is_private_and_never_an_existing_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p-stdout---supervisor-aaaaaaaa.log");
        create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, AUTO_MODE);
        assert_eq!(create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn names_match_as_the_pattern_says() {
        for left_over in [
            "web-stdout---supervisor-ab12cd_f.log",
            "web-stdout---supervisor-ab12cd_f.log.1",
            "web-stdout---supervisor-ab12cd_f.log.10 and more",
            "odd name \u{fc}-stderr---supervisor-x.log",
            "a---supervisor----supervisor-x.log",
            "----supervisor-x.log",
            "x---supervisor-.log.log",
        ] {
            assert!(is_left_over(OsStr::new(left_over), "supervisor"), "{left_over:?}");
        }
        for other in [
            "",
            "web.log",
            "---supervisor-x.log",
            "web-stdout---supervisor-.log",
            "web-stdout---supervisor-x.txt",
            "web-stdout---supervisor-a b.log",
            "web-stdout---supervisor2-x.log",
            "web-stdout--supervisor-x.log",
            "we\nb---supervisor-x.log",
        ] {
            assert!(!is_left_over(OsStr::new(other), "supervisor"), "{other:?}");
        }
    }

    #[test]
    fn an_identifier_is_taken_literally() {
        assert!(is_left_over(OsStr::new("a---s.p-x.log"), "s.p"));
        assert!(!is_left_over(OsStr::new("a---sup-x.log"), "s.p"));
        assert!(is_left_over(OsStr::new("a---s(p-x.log"), "s(p"));
    }

    #[test]
    fn a_name_that_is_no_text_still_matches() {
        assert!(is_left_over(OsStr::from_bytes(b"\xff\xfe---supervisor-\xff.log"), "supervisor"));
    }

    #[test]
    fn cleaning_deletes_plain_files_of_this_identifier_only() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for file in ["a-stdout---me-1.log", "a-stdout---me-1.log.3", "a-stdout---you-1.log", "keep.log"] {
            fs::write(at(file), "x").unwrap();
        }
        fs::create_dir(at("d-stdout---me-2.log")).unwrap();
        std::os::unix::fs::symlink(at("keep.log"), at("l-stdout---me-3.log")).unwrap();
        assert_eq!(clean(dir.path(), "me"), []);
        let mut left: Vec<String> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["a-stdout---you-1.log", "d-stdout---me-2.log", "keep.log", "l-stdout---me-3.log"]);
    }

    #[test]
    fn a_directory_that_cannot_be_read_is_one_trouble() {
        let troubles = clean(Path::new("/no/such/directory"), "me");
        assert_eq!(troubles.len(), 1);
        assert_eq!(troubles[0].message, "Could not clear childlog dir");
    }
}
