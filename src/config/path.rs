//! Path arithmetic on text, as Python's `os.path` does it. Nothing here looks at a disk.

use super::host::Host;

/// Everything before the last slash; empty when there is none. Trailing slashes of the result go,
/// unless it is nothing but slashes.
pub(super) fn directory_of(path: &str) -> &str {
    let Some(end) = path.rfind('/') else {
        return "";
    };
    let head = path.get(..=end).unwrap_or("");
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { head } else { trimmed }
}

/// `base/path`, or `path` alone when it is absolute.
pub(super) fn join(base: &str, path: &str) -> String {
    if path.starts_with('/') || base.is_empty() {
        path.to_owned()
    } else if base.ends_with('/') {
        format!("{base}{path}")
    } else {
        format!("{base}/{path}")
    }
}

/// Without `.`, `..` and double slashes. Two leading slashes stay two, as POSIX allows.
pub(super) fn normalize(path: &str) -> String {
    let root = match path.bytes().take_while(|byte| *byte == b'/').count() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                Some(_) => parts.push(".."),
                None if root.is_empty() => parts.push(".."),
                None => {}
            },
            name => parts.push(name),
        }
    }
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() { ".".to_owned() } else { joined }
}

/// Absolute and normalized.
pub(super) fn absolute(host: &dyn Host, path: &str) -> String {
    normalize(&join(&host.current_directory(), path))
}

/// With a leading `~` or `~name` replaced; unchanged when that home is unknown.
pub(super) fn expand_home(host: &dyn Host, path: &str) -> String {
    let Some(rest) = path.strip_prefix('~') else {
        return path.to_owned();
    };
    let (user, tail) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let user = if user.is_empty() { None } else { Some(user) };
    match host.home(user) {
        Some(home) => {
            let whole = format!("{}{tail}", home.trim_end_matches('/'));
            if whole.is_empty() { "/".to_owned() } else { whole }
        }
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_of_path_is_its_head() {
        assert_eq!(directory_of("a"), "");
        assert_eq!(directory_of("/a"), "/");
        assert_eq!(directory_of("a/b"), "a");
        assert_eq!(directory_of("/a//b"), "/a");
        assert_eq!(directory_of("a/"), "a");
        assert_eq!(directory_of(""), "");
    }

    #[test]
    fn normalize_dots_and_slashes_are_removed() {
        assert_eq!(normalize("/a/./b//c/../d"), "/a/b/d");
        assert_eq!(normalize("/../a"), "/a");
        assert_eq!(normalize("../a/.."), "..");
        assert_eq!(normalize("//a"), "//a");
        assert_eq!(normalize("///a"), "/a");
        assert_eq!(normalize(""), ".");
    }

    #[test]
    fn join_absolute_path_wins() {
        assert_eq!(join("/a", "b"), "/a/b");
        assert_eq!(join("/", "b"), "/b");
        assert_eq!(join("/a", "/b"), "/b");
    }
}
