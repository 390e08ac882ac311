//! Names of sections and keys that mean something, and the nearest one to a name that does not.

use super::document::{Document, Section};
use super::error::Mistake;
use super::server::{INET, RPC, UNIX};
use super::template::{PROGRAM_DEFAULT, TEMPLATE};
use super::types::Warning;
use super::{check, hooks, limits, logline, schedule};

use crate::list::List as _;
use crate::order;

/// Section names without a colon.
const SECTIONS: [&str; 8] = [
    "supervisord",
    "supervisorctl",
    "unix_http_server",
    "inet_http_server",
    "include",
    "visor",
    PROGRAM_DEFAULT,
    "DEFAULT",
];
/// What stands before the colon of other section names.
const KINDS: [&str; 9] = [
    "program:",
    "group:",
    "eventlistener:",
    "fcgi-program:",
    "rpcinterface:",
    "ctlplugin:",
    "unix_http_server:",
    "inet_http_server:",
    TEMPLATE,
];
const SUPERVISORD: [&str; 18] = [
    "logfile",
    "logfile_maxbytes",
    "logfile_backups",
    "loglevel",
    "pidfile",
    "umask",
    "nodaemon",
    "silent",
    "minfds",
    "minprocs",
    "nocleanup",
    "childlogdir",
    "user",
    "directory",
    "strip_ansi",
    "environment",
    "identifier",
    "profile_options",
];
const CTL: [&str; 5] = ["serverurl", "username", "password", "prompt", "history_file"];
const UNIX_KEYS: [&str; 7] =
    ["file", "chmod", "chown", "username", "password", "readonly_username", "readonly_password"];
const INET_KEYS: [&str; 5] = ["port", "username", "password", "readonly_username", "readonly_password"];
const VISOR: [&str; 13] = [
    "socket",
    "socket_mode",
    "socket_owner",
    "machine",
    "hostname",
    "http_user",
    "allowed_hosts",
    "gateway",
    "exit_when",
    "shutdown_timeout",
    "observe",
    "operate",
    "admin",
];
const GROUP: [&str; 2] = ["programs", "priority"];
const LISTENER: [&str; 3] = ["events", "buffer_size", "result_handler"];
const FCGI: [&str; 4] = ["socket", "socket_owner", "socket_mode", "socket_backlog"];
const PROGRAM: [&str; 54] = [
    "command",
    "process_name",
    "numprocs",
    "numprocs_start",
    "priority",
    "autostart",
    "startsecs",
    "startretries",
    "autorestart",
    "exitcodes",
    "stopsignal",
    "stopwaitsecs",
    "stopasgroup",
    "killasgroup",
    "user",
    "redirect_stderr",
    "stdout_logfile",
    "stdout_logfile_maxbytes",
    "stdout_logfile_backups",
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_syslog",
    "stderr_logfile",
    "stderr_logfile_maxbytes",
    "stderr_logfile_backups",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_syslog",
    "environment",
    "directory",
    "umask",
    "serverurl",
    "tty",
    "listen",
    "type",
    "essential",
    "exit_on",
    "restart_delay",
    "restart_factor",
    "restart_max_delay",
    "restart_jitter",
    "restart_reset_after",
    "env_file",
    "env_dir",
    "secret",
    "user_env",
    "clear_env",
    "extends",
    "operate",
    "depends_on",
    "on_dependency_failure",
    "dependent_startup",
    "dependent_startup_wait_for",
    "dependent_startup_inherit_priority",
];
/// What every kind of program may have.
const OF_PROGRAMS: [&[&str]; 6] =
    [&PROGRAM, &hooks::KEYS, &limits::KEYS, &logline::KEYS, &check::KEYS, &schedule::KEYS];
/// A name this many edits away is not offered; also not one that differs in more than every third letter.
const FARTHEST: usize = 4;
/// Longer names are not compared.
const LONGEST: usize = 64;

/// Which keys a section may have.
enum Keys {
    /// These.
    Listed(Vec<&'static str>),
    /// Any: somebody else reads them.
    Any,
    /// The section itself is unknown.
    Unknown,
}

/// Those of every kind of program, and more.
fn of_programs(more: &[&'static str]) -> Keys {
    Keys::Listed([&OF_PROGRAMS.concat(), more].concat())
}

fn keys(section: &str) -> Keys {
    let listed = |keys: &[&'static str]| Keys::Listed(keys.to_vec());
    match section {
        "supervisord" => return listed(&SUPERVISORD),
        "supervisorctl" => return listed(&CTL),
        "include" => return listed(&["files"]),
        "visor" => return listed(&VISOR),
        PROGRAM_DEFAULT => return of_programs(&[]),
        _ => {}
    }
    if section.starts_with("program:") {
        of_programs(&[])
    } else if section.starts_with("eventlistener:") {
        of_programs(&LISTENER)
    } else if section.starts_with("fcgi-program:") {
        of_programs(&FCGI)
    } else if section.starts_with(TEMPLATE) {
        of_programs(&[&LISTENER[..], &FCGI].concat())
    } else if section.starts_with("group:") {
        listed(&GROUP)
    } else if section.starts_with(RPC) || section.starts_with("ctlplugin:") {
        Keys::Any
    } else if section.starts_with(UNIX) {
        listed(&UNIX_KEYS)
    } else if section.starts_with(INET) {
        listed(&INET_KEYS)
    } else {
        Keys::Unknown
    }
}

/// Every unknown section and key, in the order of the files. A key of `[DEFAULT]` is looked at only where
/// it stands, and is unknown when no section could use it.
pub(super) fn unknown(document: &Document) -> Vec<Mistake> {
    let mut found = Vec::new();
    for section in &document.sections {
        match keys(&section.name) {
            Keys::Any => {}
            Keys::Unknown => found.push(unknown_section(section)),
            Keys::Listed(known) => found.extend(unknown_keys(section, &known)),
        }
    }
    let of_programs = OF_PROGRAMS.concat();
    let every =
        [&of_programs, &SUPERVISORD[..], &CTL, &UNIX_KEYS, &INET_KEYS, &VISOR, &GROUP, &LISTENER, &FCGI].concat();
    let any = document.sections.iter().any(|section| matches!(keys(&section.name), Keys::Any));
    if !any {
        found.extend(unknown_keys(&document.defaults, &every));
    }
    found
}

/// The same as a remark.
pub(super) fn as_warning(mistake: &Mistake) -> Warning {
    let section = mistake.section.as_deref().unwrap_or_default();
    Warning {
        file: mistake.file.clone(),
        line: mistake.line,
        text: format!("[{section}] {}", mistake.reason),
        original: false,
    }
}

fn unknown_section(section: &Section) -> Mistake {
    let name = &section.name;
    let near = match name.split_once(':') {
        Some((kind, title)) => {
            let kind = format!("{kind}:");
            nearest(&kind, &KINDS).map(|near| format!("{near}{title}"))
        }
        None => nearest(name, &SECTIONS).map(str::to_owned),
    };
    section.mistake(None, format!("unknown section{}", offer(near.as_deref())))
}

fn unknown_keys(section: &Section, known: &[&'static str]) -> Vec<Mistake> {
    let mut found: Vec<Mistake> = Vec::new();
    for (key, entry) in &section.entries {
        if known.contains(&key.as_str()) {
            continue;
        }
        let near = nearest(key, known);
        let reason = format!("unknown key `{key}`{}", offer(near));
        let mut mistake = section.mistake(Some(key), reason);
        mistake.file = entry.file.to_string();
        mistake.line = entry.line;
        found.push(mistake);
    }
    order::sort_by(&mut found, |a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    found
}

fn offer(near: Option<&str>) -> String {
    near.map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// The known name with the fewest edits, if it is near enough to be meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let letters = name.chars().count();
    if letters > LONGEST {
        return None;
    }
    known
        .iter()
        .map(|candidate| (distance(&name.to_lowercase(), candidate), *candidate))
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, _)| *edits <= FARTHEST && *edits * 3 <= letters.max(3))
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements between two names.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().list();
    let mut row: Vec<usize> = (0..=other.len()).list();
    for (index, c) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (above, d) in row.iter().skip(1).zip(&other) {
            let replaced = diagonal + usize::from(c != *d);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("auto_start", "autostart"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn nearest_typo_finds_key_and_strange_name_finds_none() {
        assert_eq!(nearest("stopwitsecs", &PROGRAM), Some("stopwaitsecs"));
        assert_eq!(nearest("auto_start", &PROGRAM), Some("autostart"));
        assert_eq!(nearest("depend", &PROGRAM), None);
        assert_eq!(nearest("x", &PROGRAM), None);
        assert_eq!(nearest("SUPERVISORD", &SECTIONS), Some("supervisord"));
    }
}
