//! Find the file that the first word of a command means, as Supervisor does.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::call::{c_string, check};

/// Where commands are looked for when PATH is unset or empty.
pub const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";
/// Any of the three execute permissions.
const ANY_EXECUTE: u32 = 0o111;

/// Why a word names no file that can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// No such file.
    NotFound,
    /// It is a directory.
    Directory(PathBuf),
    /// Nobody may execute it.
    NotExecutable(PathBuf),
    /// Others may execute it, we may not.
    NotPermitted(PathBuf),
}

/// The file that `word` means. With a slash it is a path, seen from the current directory; else the first existing
/// entry of `path_env` (`dir:dir:…`) is taken, even when it cannot be executed.
///
/// # Errors
/// As [`Lookup`] says.
pub fn find(word: &str, path_env: &str) -> Result<PathBuf, Lookup> {
    if word.is_empty() {
        return Err(Lookup::NotFound);
    }
    if word.contains('/') {
        return examine(PathBuf::from(word)).unwrap_or(Err(Lookup::NotFound));
    }
    let path_env = if path_env.is_empty() { DEFAULT_PATH } else { path_env };
    let mut entries = path_env.split(':').map(|directory| Path::new(directory).join(word));
    entries.find_map(examine).unwrap_or(Err(Lookup::NotFound))
}

/// `None` when there is no such file.
fn examine(path: PathBuf) -> Option<Result<PathBuf, Lookup>> {
    let facts = std::fs::metadata(&path).ok()?;
    Some(if facts.is_dir() {
        Err(Lookup::Directory(path))
    } else if facts.permissions().mode() & ANY_EXECUTE == 0 {
        Err(Lookup::NotExecutable(path))
    } else if may_execute(&path).is_err() {
        Err(Lookup::NotPermitted(path))
    } else {
        Ok(path)
    })
}

fn may_execute(path: &Path) -> io::Result<()> {
    let path = c_string(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: the path is a C string.
    check(unsafe { libc::access(path.as_ptr(), libc::X_OK) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn word_is_searched_in_order_and_the_first_existing_entry_wins() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let search = format!("/nowhere:{}:{}", a.display(), b.display());
        let second = file(&b, "tool", 0o755);
        assert_eq!(find("tool", &search), Ok(second));
        let first = file(&a, "tool", 0o644);
        assert_eq!(find("tool", &search), Err(Lookup::NotExecutable(first)));
        assert_eq!(find("absent", &search), Err(Lookup::NotFound));
        assert_eq!(find("", &search), Err(Lookup::NotFound));
    }

    #[test]
    fn path_unset_means_the_usual_places() {
        assert!(find("sh", "").is_ok());
    }

    #[test]
    fn word_with_slash_is_not_searched() {
        assert_eq!(find("/bin/sh", "/nowhere"), Ok("/bin/sh".into()));
        assert_eq!(find("/bin/absent-tool", "/bin"), Err(Lookup::NotFound));
        assert_eq!(find("/usr/", ""), Err(Lookup::Directory("/usr/".into())));
    }

    #[test]
    fn nul_in_a_word_is_not_found() {
        assert_eq!(find("s\0h", ""), Err(Lookup::NotFound));
    }

    #[test]
    fn file_that_only_its_owner_may_execute_is_not_permitted_to_others() {
        if !crate::sys::testing::root_or_skip("not_permitted") {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = file(root.path(), "tool", 0o744);
        let word = path.to_str().unwrap();
        assert!(crate::sys::testing::in_fork(|| {
            // SAFETY: the copy gives up its rights.
            unsafe { libc::setuid(12_345) };
            find(word, "") == Err(Lookup::NotPermitted(path.clone()))
        }));
    }
}
