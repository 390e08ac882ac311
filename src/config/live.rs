//! Which settings of a process that runs may change under it, and which need another one.
//!
//! Does not own: how a change is applied (`supervisor::reload`, `daemon::retune`).

use super::check::{Checks, Probe};
use super::diff::needs_new_processes;
use super::dump;
use super::limits::{Limits, ResourceLimit};
use super::origin::shown;
use super::types::{Channel, Group, Process};

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

/// The old settings with all that is new in them and that a process need not be started anew for. A key that is not named here is not such a
/// one.
fn tuned(old: &Process, new: &Process) -> Process {
    Process {
        priority: new.priority,
        autostart: new.autostart,
        autorestart: new.autorestart,
        startsecs: new.startsecs,
        startretries: new.startretries,
        exitcodes: new.exitcodes.clone(),
        stopsignal: new.stopsignal,
        stopwaitsecs: new.stopwaitsecs,
        stopasgroup: new.stopasgroup,
        killasgroup: new.killasgroup,
        policy: new.policy,
        schedule: new.schedule.clone(),
        conditions: new.conditions.clone(),
        checks: tuned_checks(old, new).clone(),
        hooks: new.hooks.clone(),
        operate: new.operate.clone(),
        log_lines: new.log_lines.clone(),
        stdout: tuned_channel(&old.stdout, &new.stdout),
        stderr: tuned_channel(&old.stderr, &new.stderr),
        limits: tuned_limits(&old.limits, &new.limits),
        ..old.clone()
    }
}

/// A child keeps what it was given to speak by, and has been found ready.
fn tuned_checks<'a>(old: &'a Process, new: &'a Process) -> &'a Option<Box<Checks>> {
    let given = |process: &Process| {
        let checks = process.checks.as_deref();
        let watchdog = checks.and_then(|checks| checks.health.clone()).filter(|check| check.probe == Probe::Notify);
        (checks.and_then(|checks| checks.ready.clone()), watchdog)
    };
    if given(old) == given(new) { &new.checks } else { &old.checks }
}

fn tuned_channel(old: &Channel, new: &Channel) -> Channel {
    Channel {
        maxbytes: new.maxbytes,
        backups: new.backups,
        events_enabled: new.events_enabled,
        upkeep: new.upkeep,
        ..old.clone()
    }
}

/// What the kernel can be told of a process that runs. A limit that is taken away would have to become what it was before, which nobody
/// knows; nice and ioprio are kept for each thread.
fn tuned_limits(old: &Limits, new: &Limits) -> Limits {
    let has = |limits: &[ResourceLimit], key: &str| limits.iter().any(|limit| limit.key == key);
    let kept = old.rlimits.iter().all(|limit| has(&new.rlimits, limit.key));
    let grouped =
        |limits: &Limits| limits.memory_max.is_some() || limits.pids_max.is_some() || limits.cpu_max.is_some();
    let mut tuned = old.clone();
    if kept {
        tuned.rlimits.clone_from(&new.rlimits);
    }
    if new.oom_score_adj.is_some() {
        tuned.oom_score_adj = new.oom_score_adj;
    }
    // Only one that has a cgroup can be limited by it, and one that has needs it until it ends.
    if grouped(old) && grouped(new) {
        (tuned.memory_max, tuned.pids_max, tuned.cpu_max) = (new.memory_max, new.pids_max, new.cpu_max);
    }
    tuned
}

/// Whether a process can go on with its new settings.
pub(super) fn is_live(old: &Process, new: &Process) -> bool {
    tuned(old, new) == *new
}

/// Every option of a process that differs.
#[must_use]
pub fn process_changes(old: &Process, new: &Process) -> Vec<KeyChange> {
    let half = tuned(old, new);
    let [before, between, after] = [old, &half, new].map(dump::process_options);
    let mut changes = compare(&before, &after, |key| find(&between, key) == find(&after, key));
    if changes.iter().all(|change| change.live) && half != *new {
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
    let gone = old.iter().filter(|(key, _)| find(new, key).is_none());
    let keys = new.iter().chain(gone).map(|(key, _)| key.as_str());
    let differs = keys.filter(|key| find(old, key) != find(new, key));
    differs
        .map(|key| KeyChange {
            from: shown(key, find(old, key)),
            to: shown(key, find(new, key)),
            live: is_live(key),
            key: key.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLines;
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
