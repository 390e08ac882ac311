//! Names as the original reads them, and as visor must hear them.
//!
//! Owns: what a name means. Does not own: whether there is such a process.

use super::fault::{Fault, Kind};

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One process, as `group:process`: bare words such as `all` would mean something else to visor.
    Process(String),
    /// All of a group, its name.
    Group(String),
}

/// What a client calls a process or, as `group:*`, a group.
///
/// # Errors
/// BAD_NAME for what can be no name.
pub fn target(name: &str) -> Result<Target, Fault> {
    let (group, process) = match name.split_once(':') {
        None => (name, Some(name)),
        Some((group, "" | "*")) => (group, None),
        Some((group, process)) => (group, Some(process)),
    };
    if group.is_empty() {
        return Err(Fault::about(Kind::BadName, name));
    }
    Ok(match process {
        Some(process) => Target::Process(format!("{group}:{process}")),
        None => Target::Group(group.to_owned()),
    })
}

/// One process, and no group.
///
/// # Errors
/// BAD_NAME.
pub fn process(name: &str) -> Result<String, Fault> {
    match target(name)? {
        Target::Process(word) => Ok(word),
        Target::Group(_) => Err(Fault::about(Kind::BadName, name)),
    }
}

/// A group by its bare name.
///
/// # Errors
/// BAD_NAME.
pub fn group(name: &str) -> Result<String, Fault> {
    if name.is_empty() || name.contains(':') { Err(Fault::about(Kind::BadName, name)) } else { Ok(name.to_owned()) }
}

/// How visor is told of a whole group.
#[must_use]
pub fn whole(group: &str) -> String {
    format!("{group}:*")
}

/// Group and process of a name in visor's replies.
#[must_use]
pub fn split(shown: &str) -> (&str, &str) {
    shown.split_once(':').unwrap_or((shown, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_they_mean_to_the_original() {
        let process = |word: &str| Ok(Target::Process(word.to_owned()));
        let group = |word: &str| Ok(Target::Group(word.to_owned()));
        assert_eq!(target("web"), process("web:web"));
        assert_eq!(target("all"), process("all:all"));
        assert_eq!(target("g:p"), process("g:p"));
        assert_eq!(target("g:p:q"), process("g:p:q"));
        assert_eq!(target("g:*"), group("g"));
        assert_eq!(target("g:"), group("g"));
        for bad in ["", ":", ":p", ":*"] {
            assert_eq!(target(bad), Err(Fault::about(Kind::BadName, bad)));
        }
    }

    #[test]
    fn group_is_no_process_and_the_other_way_round() {
        assert!(super::process("g:*").is_err() && super::process("g").is_ok());
        assert!(super::group("g:p").is_err() && super::group("").is_err() && super::group("g").is_ok());
        assert_eq!(split("g:p:q"), ("g", "p:q"));
        assert_eq!(split("web"), ("web", "web"));
    }
}
