//! Invented configurations, built as values.

use std::sync::Arc;
use std::time::Duration;

use visor::config::{
    AutoRestart, Channel, Check, Checks, Config, Daemon, ExitOn, Group, GroupKind, Limits, LogLevel, Logfile,
    MainLogfile, OnUnhealthy, Policy, Probe, Process, Restart, Signal, Visor,
};
use visor::schedule::{Cron, Overlap, Schedule, When, Zone};
use visor::sorted::Map;

use crate::conditions;
use crate::rng::Rng;

/// Names of groups that may exist.
pub const GROUPS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "omega"];
/// Processes of a group, at most.
const MAX_PROCESSES: usize = 3;

/// A configuration of these groups, everything else as dull as can be.
pub fn config(groups: Vec<Group>) -> Config {
    Config {
        included: Vec::new(),
        file: "/etc/supervisord.conf".to_string(),
        daemon: daemon(),
        visor: Visor {
            shutdown_timeout: groups.len().is_multiple_of(3).then_some(Duration::from_secs(4)),
            ..Visor::default()
        },
        servers: Vec::new(),
        server_url: None,
        rpc_interfaces: Vec::new(),
        ctl: None,
        groups,
        warnings: Vec::new(),
    }
}

fn daemon() -> Daemon {
    Daemon {
        logfile: MainLogfile::None,
        logfile_maxbytes: 0,
        logfile_backups: 0,
        loglevel: LogLevel::Info,
        pidfile: "/run/supervisord.pid".to_string(),
        umask: 0o22,
        nodaemon: true,
        silent: true,
        minfds: 0,
        minprocs: 0,
        nocleanup: true,
        childlogdir: "/tmp".to_string(),
        user: None,
        directory: None,
        strip_ansi: false,
        environment: Map::new(),
        identifier: "supervisor".to_string(),
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
        upkeep: visor::config::Upkeep::default(),
    }
}

/// Any policy; most processes have none, and few take visor with them.
fn policy(rng: &mut Rng) -> Policy {
    let seconds = |n| Duration::from_secs(n);
    let restart = rng.chance(25).then(|| Restart {
        delay: seconds(rng.pick(&[0, 1, 2])),
        factor: rng.pick(&[100, 150, 300]),
        max_delay: seconds(rng.pick(&[1, 5])),
        jitter: rng.pick(&[0, 50]),
        reset_after: seconds(rng.pick(&[0, 3])),
    });
    let exit_on = ExitOn { success: rng.chance(2), failure: rng.chance(2), fatal: rng.chance(3) };
    Policy { oneshot: rng.chance(10), exit_on, restart }
}

/// What `ready` and `health` look at does not matter here: what comes of it is invented.
fn checks(rng: &mut Rng) -> Option<Box<Checks>> {
    let check = || {
        let second = Duration::from_secs(1);
        let probe = Probe::File("/up".to_string());
        Check { probe, interval: second, timeout: second, retries: 0, delay: Duration::ZERO }
    };
    let on_unhealthy = rng.pick(&[OnUnhealthy::Restart, OnUnhealthy::Stop, OnUnhealthy::Ignore]);
    let (ready, health) = (rng.chance(50), rng.chance(50));
    let checks = Checks { ready: ready.then(check), health: health.then(check), on_unhealthy };
    rng.chance(30).then(|| Box::new(checks))
}

/// Runs at short pauses, or at each minute of the wall clock.
fn schedule(rng: &mut Rng) -> Option<Arc<Schedule>> {
    let when = match rng.pick(&[true, false]) {
        true => When::Every(Duration::from_secs(rng.pick(&[1, 2, 5, 60]))),
        false => When::Cron(Cron::parse("* * * * *").expect("good fields"), Zone::utc()),
    };
    let schedule = Schedule {
        text: "often".to_string(),
        when,
        timezone: "UTC".to_string(),
        jitter: Duration::from_millis(rng.pick(&[0, 0, 900])),
        overlap: rng.pick(&[Overlap::Skip, Overlap::Queue, Overlap::Replace]),
        make_up: rng.chance(50),
    };
    rng.chance(20).then(|| Arc::new(schedule))
}

/// Any process.
pub fn process(rng: &mut Rng, group: &str, name: String) -> Process {
    let stopasgroup = rng.chance(25);
    let policy = policy(rng);
    // A oneshot has none.
    let checks = checks(rng).filter(|_| !policy.oneshot);
    Process {
        conditions: None,
        checks,
        hooks: crate::hooks::any(rng),
        section: format!("program:{group}"),
        command: format!("/bin/{name}{}", if rng.chance(25) { "-other" } else { "" }),
        argv: Ok(vec![format!("/bin/{name}")]),
        name,
        directory: None,
        umask: None,
        priority: rng.pick(&[1, 5, 999]),
        autostart: rng.chance(75),
        autorestart: rng.pick(&[AutoRestart::Always, AutoRestart::Never, AutoRestart::Unexpected]),
        startsecs: rng.pick(&[-1, 0, 1, 1, 2]),
        startretries: rng.pick(&[-1, 0, 1, 3]),
        exitcodes: rng.pick(&[vec![0], vec![0, 2], Vec::new()]),
        stopsignal: rng.pick(&[Signal(15), Signal(15), Signal(2), Signal(9), Signal(18)]),
        stopwaitsecs: rng.pick(&[-1, 0, 1, 3]),
        stopasgroup,
        killasgroup: stopasgroup || rng.chance(25),
        user: None,
        redirect_stderr: false,
        stdout: channel(),
        stderr: channel(),
        environment: Map::new(),
        serverurl: None,
        sources: None,
        tty: None,
        policy,
        schedule: schedule(rng),
        listen: Vec::new(),
        operate: Vec::new(),
        limits: Limits { kill_tree: rng.chance(25), ..Limits::default() },
        log_lines: visor::config::LogLines::default(),
    }
}

/// Any process that may wait for others.
fn dependent(rng: &mut Rng, group: &str, name: String) -> Process {
    let conditions = conditions::invent(rng, group, &name);
    Process { conditions, ..process(rng, group, name) }
}

fn group(rng: &mut Rng, name: &str) -> Group {
    let many = rng.below(MAX_PROCESSES + 1);
    let names: Vec<String> = match many {
        1 => vec![name.to_string()],
        more => (0..more).map(|n| format!("{name}-{n}")).collect(),
    };
    let processes = names.into_iter().map(|process_name| Arc::new(dependent(rng, name, process_name))).collect();
    Group { name: name.to_string(), priority: rng.pick(&[-1, 1, 999]), kind: GroupKind::Program, processes }
}

/// Any groups.
pub fn groups(rng: &mut Rng) -> Vec<Group> {
    let mut groups = Vec::new();
    for name in GROUPS {
        if rng.chance(70) {
            groups.push(group(rng, name));
        }
    }
    in_order(groups)
}

/// The same groups with some changed, added and removed.
pub fn edited(rng: &mut Rng, old: &[Group]) -> Vec<Group> {
    let mut groups = Vec::new();
    for name in GROUPS {
        match (old.iter().find(|group| group.name == name), rng.below(10)) {
            (None, 0..=3) | (Some(_), 0) => groups.push(group(rng, name)),
            (Some(old), 1..=2) => groups.push(member_changed(rng, old)),
            (Some(old), 3) => groups.push(Group { priority: rng.pick(&[-1, 1, 999]), ..old.clone() }),
            (Some(old), 4..=8) => groups.push(old.clone()),
            (Some(_) | None, _) => {}
        }
    }
    in_order(groups)
}

fn member_changed(rng: &mut Rng, old: &Group) -> Group {
    let mut group = old.clone();
    if group.processes.is_empty() {
        return group;
    }
    let which = rng.below(group.processes.len());
    let name = group.processes[which].name.clone();
    group.processes[which] = Arc::new(dependent(rng, &old.name, name));
    group
}

fn in_order(mut groups: Vec<Group>) -> Vec<Group> {
    groups.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    groups
}
