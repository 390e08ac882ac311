//! Which settings of a process that runs may change under it, and which need another one.
//!
//! Does not own: how a change is applied (`supervisor::reload`, `daemon::retune`).

use super::check::{Check, Checks, Probe};
use super::diff::needs_new_processes;
use super::dump;
use super::limits::Limits;
use super::origin::shown;
use super::types::{Channel, Group, Process};
use crate::list::List as _;

/// One option that differs between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// As in the file; `environment.NAME` for one variable.
    pub key: String,
    /// Before, as `dump` writes it; of a variable nothing.
    pub from: String,
    /// After.
    pub to: String,
    /// A process that runs need not be started anew for it.
    pub live: bool,
}

/// A part of what a child took with it when it started: whether it is the same, and the keys that make it. One that ends with `_` or `.` stands
/// for all that begin so.
type Part = (bool, &'static [&'static str]);

/// All that is not looked at only when it is needed, and that nobody can tell a process that runs.
fn taken(old: &Process, new: &Process) -> [Part; 18] {
    // Each is named, so that none is forgotten that is new here.
    let Process {
        priority: _,
        autostart: _,
        autorestart: _,
        startsecs: _,
        startretries: _,
        exitcodes: _,
        stopsignal: _,
        stopwaitsecs: _,
        stopasgroup: _,
        killasgroup: _,
        policy: _,
        schedule: _,
        conditions: _,
        hooks: _,
        operate: _,
        log_lines: _,
        name,
        section,
        command,
        argv,
        directory,
        umask,
        user,
        redirect_stderr,
        stdout,
        stderr,
        tty,
        checks,
        listen,
        limits,
        environment,
        serverurl,
        sources,
    } = old;
    [
        (*name == new.name && *section == new.section, &[]),
        (*command == new.command && *argv == new.argv, &["command"]),
        (*directory == new.directory, &["directory"]),
        (*umask == new.umask, &["umask"]),
        (*user == new.user, &["user"]),
        (*redirect_stderr == new.redirect_stderr, &["redirect_stderr"]),
        (*tty == new.tty, &["tty"]),
        (*listen == new.listen, &["listen"]),
        (*environment == new.environment, &["environment."]),
        (*serverurl == new.serverurl, &["serverurl"]),
        (*sources == new.sources, &["clear_env", "user_env", "env_file", "env_dir", "secret."]),
        (same_pipe(stdout, &new.stdout), &["stdout_logfile", "stdout_capture_maxbytes", "stdout_syslog"]),
        (same_pipe(stderr, &new.stderr), &["stderr_logfile", "stderr_capture_maxbytes", "stderr_syslog"]),
        (spoken_by(checks) == spoken_by(&new.checks), &["ready", "ready_", "health", "health_", "on_unhealthy"]),
        (same_rights(limits, &new.limits), &["nice", "ioprio", "no_new_privs", "capabilities", "kill_tree"]),
        (keeps_rlimits(limits, &new.limits), &["rlimit_"]),
        (new.limits.oom_score_adj.is_some() || limits.oom_score_adj.is_none(), &["oom_score_adj"]),
        (keeps_cgroup(limits, &new.limits), &["memory_max", "pids_max", "cpu_max"]),
    ]
}

fn same_pipe(old: &Channel, new: &Channel) -> bool {
    let Channel { maxbytes: _, backups: _, events_enabled: _, upkeep: _, logfile, capture_maxbytes, syslog } = old;
    (logfile, capture_maxbytes, syslog) == (&new.logfile, &new.capture_maxbytes, &new.syslog)
}

/// What a child was given to speak by, and has been found ready with.
fn spoken_by(checks: &Option<Box<Checks>>) -> (Option<&Check>, Option<&Check>) {
    let Some(checks) = checks else { return (None, None) };
    (checks.ready.as_ref(), checks.health.as_ref().filter(|check| check.probe == Probe::Notify))
}

/// Nice and ioprio are kept for each thread.
fn same_rights(old: &Limits, new: &Limits) -> bool {
    let Limits {
        rlimits: _,
        oom_score_adj: _,
        memory_max: _,
        pids_max: _,
        cpu_max: _,
        nice,
        ioprio,
        no_new_privs,
        capabilities,
        kill_tree,
    } = old;
    (*nice, *ioprio, *no_new_privs) == (new.nice, new.ioprio, new.no_new_privs)
        && (*capabilities, *kill_tree) == (new.capabilities, new.kill_tree)
}

/// A limit that is taken away would have to become what it was before, which nobody knows.
fn keeps_rlimits(old: &Limits, new: &Limits) -> bool {
    old.rlimits.iter().all(|limit| new.rlimits.iter().any(|other| other.key == limit.key))
}

/// Only a process that has a cgroup can be limited by it, and one that has needs it until it ends.
fn keeps_cgroup(old: &Limits, new: &Limits) -> bool {
    let limits = |limits: &Limits| (limits.memory_max, limits.pids_max, limits.cpu_max);
    let (old, new) = (limits(old), limits(new));
    old == new || (old != (None, None, None) && new != (None, None, None))
}

/// Whether a process can go on with its new settings.
pub(super) fn is_live(old: &Process, new: &Process) -> bool {
    taken(old, new).iter().all(|(same, _)| *same)
}

/// Every option of a process that differs.
#[must_use]
pub fn process_changes(old: &Process, new: &Process) -> Vec<KeyChange> {
    let parts = taken(old, new);
    let fixed = || parts.iter().filter(|(same, _)| !same).flat_map(|(_, keys)| *keys);
    let is_fixed =
        |key: &str| fixed().any(|part| key == *part || (part.ends_with(['_', '.']) && key.starts_with(part)));
    let mut changes = compare(&dump::process_options(old), &dump::process_options(new), |key| !is_fixed(key));
    if changes.iter().all(|change| change.live) && !is_live(old, new) {
        // A name that stands for something else now.
        let number = |process: &Process| process.user.as_ref().map_or(0, |user| user.uid).to_string();
        changes.push(KeyChange { key: "user".to_owned(), from: number(old), to: number(new), live: false });
    }
    changes
}

/// Every option of a group itself that differs.
#[must_use]
pub fn group_changes(old: &Group, new: &Group) -> Vec<KeyChange> {
    let live = !needs_new_processes(&old.kind, &new.kind);
    compare(&dump::group_options(old), &dump::group_options(new), |key| live || key == "priority")
}

fn find<'a>(options: &'a [(String, String)], key: &str) -> Option<&'a str> {
    options.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

fn compare(old: &[(String, String)], new: &[(String, String)], is_live: impl Fn(&str) -> bool) -> Vec<KeyChange> {
    let mut keys: Vec<&str> = new.iter().map(|(key, _)| key.as_str()).list();
    keys.extend(old.iter().map(|(key, _)| key.as_str()).filter(|key| find(new, key).is_none()));
    keys.retain(|key| find(old, key) != find(new, key));
    keys.into_iter()
        .map(|key| KeyChange {
            from: shown(key, find(old, key)),
            to: shown(key, find(new, key)),
            live: is_live(key),
            key: key.to_owned(),
        })
        .list()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLines;
    use crate::config::limits::ResourceLimit;
    use crate::program::sample::process;

    #[test]
    fn what_is_read_when_it_is_needed_is_live_and_what_a_child_took_with_it_is_not() {
        let old = process("web");
        let live = [
            Process { stopwaitsecs: 77, ..old.clone() },
            Process { priority: 3, autostart: !old.autostart, exitcodes: vec![7], ..old.clone() },
            Process { stdout: Channel { maxbytes: 7, backups: 2, ..old.stdout.clone() }, ..old.clone() },
            Process { limits: Limits { oom_score_adj: Some(5), ..Limits::default() }, ..old.clone() },
            Process { log_lines: LogLines { ring: Some(5), ..LogLines::default() }, ..old.clone() },
        ];
        for new in live {
            assert!(is_live(&old, &new) && process_changes(&old, &new).iter().all(|change| change.live), "{new:?}");
        }
        let others = [
            Process { command: "/bin/other".to_owned(), ..old.clone() },
            Process { umask: Some(0o77), stopwaitsecs: 77, ..old.clone() },
            Process { stdout: Channel { capture_maxbytes: 5, ..old.stdout.clone() }, ..old.clone() },
            Process { limits: Limits { nice: Some(5), ..Limits::default() }, ..old.clone() },
            Process { limits: Limits { memory_max: Some(5), ..Limits::default() }, ..old.clone() },
        ];
        for new in others {
            assert!(!is_live(&old, &new) && process_changes(&old, &new).iter().any(|change| !change.live), "{new:?}");
        }
    }

    #[test]
    fn limit_that_is_taken_away_needs_another_process_and_one_that_moves_does_not() {
        let with = |rlimits: &[(&'static str, u64)], oom: Option<i32>, memory: Option<u64>| {
            let limit = |(key, soft): &(&'static str, u64)| ResourceLimit { key, soft: *soft, hard: *soft };
            let rlimits = rlimits.iter().map(limit).collect();
            let limits =
                Limits { rlimits, oom_score_adj: oom, memory_max: memory, pids_max: memory, ..Limits::default() };
            Process { limits, ..process("web") }
        };
        let old = with(&[("rlimit_nofile", 5)], Some(1), Some(100));
        assert!(is_live(&old, &with(&[("rlimit_nofile", 6), ("rlimit_core", 0)], Some(2), Some(50))));
        assert!(!is_live(&old, &with(&[("rlimit_core", 0)], Some(1), Some(100))));
        assert!(!is_live(&old, &with(&[("rlimit_nofile", 5)], None, Some(100))));
        assert!(!is_live(&old, &with(&[("rlimit_nofile", 5)], Some(1), None)));
    }

    #[test]
    fn changes_are_told_per_key_with_both_values_and_no_variables() {
        let old = process("web");
        let mut new = Process { stopwaitsecs: 77, command: "/bin/other".to_owned(), ..old.clone() };
        new.environment.insert("TOKEN".to_owned(), "hunter2".to_owned());
        let changes = process_changes(&old, &new);
        let told: Vec<(&str, bool)> = changes.iter().map(|change| (change.key.as_str(), change.live)).collect();
        assert_eq!(told, [("command", false), ("stopwaitsecs", true), ("environment.TOKEN", false)]);
        assert_eq!((changes[1].from.as_str(), changes[1].to.as_str()), ("10", "77"));
        assert_eq!((changes[2].from.as_str(), changes[2].to.as_str()), ("unset", "(not shown)"));
        assert_eq!(process_changes(&old, &old), []);
        let limits = Limits { capabilities: Some(crate::config::Capabilities(0)), ..Limits::default() };
        let changes = process_changes(&old, &Process { limits, ..old.clone() });
        assert_eq!((changes[0].from.as_str(), changes[0].to.as_str()), ("unset", "none"));
    }
}
