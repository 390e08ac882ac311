//! Files by pattern, as Python's `glob` finds them. The C library's does the same, and brings tables of all the world's
//! letters.

use std::path::Path;

use super::files;
use crate::list::List as _;
use crate::{order, wildcard};

/// The paths that match a pattern with `*`, `?`, `[set]` and `[!set]`, sorted by their bytes; none is fine. Neither `*`
/// nor a set matches a dot in front, a backslash means itself. A relative pattern is seen from the current directory.
/// Passed over: what cannot be read, and names that are not UTF-8.
pub fn glob(pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for (at, part) in pattern.split('/').enumerate() {
        if at > 0 {
            found.iter_mut().for_each(|path| path.push('/'));
        }
        if wildcard::is_pattern(part) {
            for directory in std::mem::take(&mut found) {
                found.append(&mut inside(&directory, part));
            }
        } else {
            found.iter_mut().for_each(|path| path.push_str(part));
        }
    }
    found.retain(|path| Path::new(path).symlink_metadata().is_ok());
    order::sort(&mut found);
    found
}

/// What a directory has of a pattern; its own path ends with a slash, or is empty.
fn inside(directory: &str, part: &str) -> Vec<String> {
    let names = files::names(Path::new(if directory.is_empty() { "." } else { directory })).unwrap_or_default();
    let fits = |name: &str| (part.starts_with('.') || !name.starts_with('.')) && wildcard::matches(part, name);
    let texts = names.iter().filter_map(|name| name.to_str());
    texts.filter(|name| fits(name)).map(|name| format!("{directory}{name}")).list()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_finds_files_sorted_by_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "B.conf", "a.ini", ".hidden.conf"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let place = folder.path().display();
        let names = |pattern: &str| -> Vec<String> {
            let found = glob(&format!("{place}/{pattern}"));
            found.iter().map(|path| path.strip_prefix(&format!("{place}/")).unwrap().to_owned()).collect()
        };
        assert_eq!(names("*.conf"), ["B.conf", "a.conf", "b.conf"]);
        assert_eq!(names(".*.conf"), [".hidden.conf"]);
        assert_eq!(names("a.conf"), ["a.conf"]);
        assert_eq!(names("c.conf"), [""; 0]);
        assert_eq!(names("a.conf/"), [""; 0]);
    }

    #[test]
    fn pattern_of_directories_finds_what_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "two", "other"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("file"), "").unwrap();
        std::fs::write(folder.path().join("one/x.conf"), "").unwrap();
        std::fs::write(folder.path().join("two/x.conf"), "").unwrap();
        let place = folder.path().display();
        assert_eq!(glob(&format!("{place}/*/x.conf")), [format!("{place}/one/x.conf"), format!("{place}/two/x.conf")]);
        assert_eq!(glob(&format!("{place}/o*//x.*")), [format!("{place}/one//x.conf")]);
    }

    #[test]
    fn pattern_without_match_finds_nothing() {
        assert_eq!(glob("/nowhere/*.conf"), [""; 0]);
        assert_eq!(glob("/a\0b*/c\0d"), [""; 0]);
    }
}
