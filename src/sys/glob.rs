//! Files by pattern, as Python's `glob` finds them. The C library's does the same, and brings tables of all the world's
//! letters.

use std::path::Path;

use crate::order;

/// The paths that match a pattern with `*`, `?`, `[set]` and `[!set]`, sorted by their bytes; none is fine. Neither `*`
/// nor a set matches a dot in front, a backslash means itself. A relative pattern is seen from the current directory.
/// Passed over: what cannot be read, and names that are not UTF-8.
pub fn glob(pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for (at, part) in pattern.split('/').enumerate() {
        if at > 0 {
            found.iter_mut().for_each(|path| path.push('/'));
        }
        if part.contains(['*', '?', '[']) {
            found = found.iter().flat_map(|directory| inside(directory, part)).collect();
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
    let pattern: Vec<char> = part.chars().collect();
    let Ok(entries) = std::fs::read_dir(if directory.is_empty() { "." } else { directory }) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| part.starts_with('.') || !name.starts_with('.'))
        .filter(|name| matches(&pattern, &name.chars().collect::<Vec<char>>()))
        .map(|name| format!("{directory}{name}"))
        .collect()
}

fn matches(mut pattern: &[char], mut name: &[char]) -> bool {
    // What follows the last star, and how much of the name it has not tried yet.
    let mut star = None;
    loop {
        if let Some(('*', rest)) = pattern.split_first() {
            star = Some((rest, name));
            pattern = rest;
        } else if pattern.is_empty() && name.is_empty() {
            return true;
        } else if let Some(left) = one(pattern, name) {
            (pattern, name) = left;
        } else {
            let Some((rest, [_, later @ ..])) = star else { return false };
            star = Some((rest, later));
            (pattern, name) = (rest, later);
        }
    }
}

/// What is left when the pattern's first element takes the name's first letter.
fn one<'p, 'n>(pattern: &'p [char], name: &'n [char]) -> Option<(&'p [char], &'n [char])> {
    let (first, rest) = pattern.split_first()?;
    let (letter, later) = name.split_first()?;
    let set = if *first == '[' { set(rest) } else { None };
    let (fits, rest) = match set {
        Some((['!', members @ ..], rest)) => (!is_member(members, *letter), rest),
        Some((members, rest)) => (is_member(members, *letter), rest),
        None => (*first == '?' || first == letter, rest),
    };
    fits.then_some((rest, later))
}

/// Splits what follows a `[` at its `]`, which is a member when it stands first.
fn set(text: &[char]) -> Option<(&[char], &[char])> {
    let first = if text.starts_with(&['!']) { 2 } else { 1 };
    let end = text.iter().skip(first).position(|c| *c == ']')?.saturating_add(first);
    Some((text.get(..end)?, text.get(end.saturating_add(1)..)?))
}

/// Members are letters and ranges like `a-z`.
fn is_member(mut members: &[char], letter: char) -> bool {
    loop {
        members = match members {
            [low, '-', high, ..] if (*low..=*high).contains(&letter) => return true,
            [_, '-', _, rest @ ..] => rest,
            [member, ..] if *member == letter => return true,
            [_, rest @ ..] => rest,
            [] => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        let [pattern, name] = [pattern, name].map(|text| text.chars().collect::<Vec<char>>());
        matches(&pattern, &name)
    }

    #[test]
    fn name_of_the_patterns_form_matches() {
        for (pattern, name) in [
            ("*", ""),
            ("*.conf", "a.conf"),
            ("*.conf", ".conf.conf"),
            ("a*b*c", "aXbbYc"),
            ("a**c", "ac"),
            ("?.?", "ü.x"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[]]", "]"),
            ("[!]]", "a"),
            ("[a-]", "-"),
            ("[-a]", "-"),
            ("[^a]", "^"),
            ("[a", "[a"),
            ("a\\*", "a\\b"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn name_of_another_form_does_not_match() {
        for (pattern, name) in [
            ("", "a"),
            ("?", ""),
            ("*.conf", "a.conf~"),
            ("a*b*c", "acb"),
            ("[a-c]x", "dx"),
            ("[!a-c]x", "ax"),
            ("[c-a]", "b"),
            ("[]", "]"),
            ("[a]", "]"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!fits(&format!("{}b", "a*".repeat(60)), &"a".repeat(255)));
    }

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
