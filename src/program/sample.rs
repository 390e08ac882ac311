//! A process' settings and times for unit tests.

use std::time::Duration;

use super::{Action, Now, SpawnFailure, SpawnFailureKind};
use crate::config::{AutoRestart, Channel, Check, Logfile, Policy, Probe, Process, Signal};
use crate::sorted::Map;

/// The child of a test.
pub(crate) const PID: i32 = 42;
pub(crate) const TERM: Signal = Signal(15);

/// The defaults of a program section.
pub(crate) fn process(name: &str) -> Process {
    Process {
        conditions: None,
        checks: None,
        hooks: None,
        name: name.to_string(),
        section: format!("program:{name}"),
        command: format!("/bin/{name}"),
        argv: Ok(vec![format!("/bin/{name}")]),
        directory: None,
        umask: None,
        priority: 999,
        autostart: true,
        autorestart: AutoRestart::Unexpected,
        startsecs: 1,
        startretries: 3,
        exitcodes: vec![0],
        stopsignal: Signal(15),
        stopwaitsecs: 10,
        stopasgroup: false,
        killasgroup: false,
        user: None,
        redirect_stderr: false,
        stdout: channel(),
        stderr: channel(),
        environment: Map::new(),
        serverurl: None,
        sources: None,
        tty: None,
        schedule: None,
        policy: Policy::default(),
        listen: Vec::new(),
        limits: crate::config::Limits::default(),
        operate: Vec::new(),
        log_lines: crate::config::LogLines::default(),
    }
}

fn channel() -> Channel {
    Channel {
        logfile: Logfile::None,
        maxbytes: 0,
        backups: 0,
        capture_maxbytes: 0,
        events_enabled: false,
        syslog: false,
        upkeep: crate::config::Upkeep::default(),
    }
}

/// A check that looks for a file at once.
pub(crate) fn check() -> Check {
    let probe = Probe::File("/up".to_string());
    Check { probe, interval: ms(1000), timeout: ms(300), retries: 0, delay: ms(0) }
}

/// So many milliseconds after an arbitrary start.
pub(crate) fn at(millis: u64) -> Now {
    let mono = Duration::from_millis(millis);
    Now { mono, wall: Duration::from_secs(1_700_000_000) + mono }
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A start that fails.
pub(crate) fn failure() -> SpawnFailure {
    SpawnFailure { kind: SpawnFailureKind::NoFile, text: "can't find command 'x'".to_string() }
}

/// An action in a word or two; reports are looked at elsewhere.
pub(crate) fn shown(action: &Action) -> Option<String> {
    match action {
        Action::Spawn => Some("spawn".to_string()),
        Action::Signal { group, signal, .. } => Some(format!("{}{}", if *group { "group " } else { "" }, signal.0)),
        Action::Hook(hook) => Some(hook.to_string()),
        Action::EndHook(hook) => Some(format!("end {hook}")),
        Action::HealthChanged => Some("health".to_string()),
        Action::LookForGroup { .. } => Some("look".to_string()),
        Action::Changed { to, .. } => Some(to.word().to_string()),
        Action::Report(_) => None,
        Action::Failed(_) => Some("failed".to_string()),
    }
}
