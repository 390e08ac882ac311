//! Names by pattern: `*`, `?`, `[set]` and `[!set]`, of files and of processes. Pure.

/// Whether a text has letters that make it a pattern.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a process is meant by `GROUP:PROCESS`, each a name or a pattern. Without a colon it is both; nothing or `*` behind the colon is every
/// process of such groups.
#[must_use]
pub fn means(name: &str, group: &str, process: &str) -> bool {
    let (of_group, of_process) = name.split_once(':').unwrap_or((name, name));
    fits(of_group, group) && (matches!(of_process, "" | "*") || fits(of_process, process))
}

/// Whether a name is this one or has the form of this pattern.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    pattern == name || (is_pattern(pattern) && matches(pattern, name))
}

/// Whether a name has the form of a pattern, all of it. A backslash means itself.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let [pattern, name] = [pattern, name].map(|text| text.chars().collect::<Vec<char>>());
    consumes(&pattern, &name)
}

fn consumes(mut pattern: &[char], mut name: &[char]) -> bool {
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

    #[test]
    fn pattern_of_processes_is_of_group_and_process() {
        for (pattern, group, process) in [
            ("web-*", "web-a", "web-a"),
            ("web*", "web", "web_00"),
            ("web:web_*", "web", "web_07"),
            ("*:worker?", "any", "worker1"),
            ("w*:", "web", "x"),
            ("*", "web", "x"),
            ("[ab]:*", "b", "x"),
            ("web", "web", "web"),
            ("web:", "web", "x"),
            ("we[b]:[x", "web", "[x"),
        ] {
            assert!(means(pattern, group, process), "{pattern} {group}:{process}");
        }
        for (pattern, group, process) in [
            ("web-*", "site", "web-a"),
            ("web-*", "web-a", "x"),
            ("web:web_*", "webs", "web_07"),
            ("*:worker?", "any", "worker"),
            ("w?:*", "web", "x"),
            ("web", "web", "web_00"),
            ("", "web", "web"),
        ] {
            assert!(!means(pattern, group, process), "{pattern} {group}:{process}");
        }
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
            assert!(matches(pattern, name), "{pattern} {name}");
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
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&format!("{}b", "a*".repeat(60)), &"a".repeat(255)));
    }
}
