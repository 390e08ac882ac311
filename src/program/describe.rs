//! A process in words: Supervisor's description, and one sentence that says why.

use std::time::Duration;

use super::{End, Health, Hook, Life, Name, Now, State, Wanted};
use crate::config::{AutoRestart, Process};

/// How the reason begins why a process cannot start that needs others.
pub const NEEDS: &str = "it depends on ";

/// Supervisor's description of a process, as its status shows it. `stamp` words a wall-clock time (`Nov 22 11:22 AM`, local).
#[must_use]
pub fn describe(life: &Life, now: Now, stamp: &dyn Fn(Duration) -> String) -> String {
    match &life.state {
        State::Running { pid, since } => format!("pid {pid}, uptime {}", uptime(now.mono.saturating_sub(*since))),
        State::Backoff { .. } | State::Resting { .. } | State::Fatal => match &life.error {
            Some(error) => error.clone(),
            None => "unknown error (try \"tail <name>\")".to_string(),
        },
        State::Stopped | State::Exited => match (life.ended, life.started) {
            (Some(ended), _) => stamp(ended.wall),
            (None, Some(started)) => stamp(started.wall),
            (None, None) => "Not started".to_string(),
        },
        State::Abandoning { error, .. } => error.clone(),
        State::Waiting { .. }
        | State::Preparing { .. }
        | State::Spawning { .. }
        | State::Launching { .. }
        | State::Failing { .. }
        | State::Starting { .. }
        | State::Stopping { .. }
        | State::Emptying { .. }
        | State::Unknown { .. } => String::new(),
    }
}

/// `H:MM:SS`, with days before it when there are any.
#[must_use]
pub fn uptime(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = time.as_secs();
    let clock = format!("{}:{:02}:{:02}", seconds % DAY / HOUR, seconds % HOUR / MINUTE, seconds % MINUTE);
    match seconds / DAY {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

/// Seconds with one digit after the point.
fn tenths(time: Duration) -> String {
    let tenths =
        time.as_secs().saturating_mul(10).saturating_add(u64::from(time.subsec_millis().saturating_add(50) / 100));
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// One sentence: what the process waits for, why it is down, what comes next.
#[must_use]
pub fn why(policy: &Process, life: &Life, now: Now) -> String {
    let in_seconds = |then: Duration| tenths(then.saturating_sub(now.mono));
    let cause = life.error.as_deref().unwrap_or("no error is known");
    if let Some(reason) = life.unwell() {
        return format!("stopped because it was unhealthy ({reason}); start it by hand");
    }
    match &life.state {
        State::Stopped => match (life.started, life.wanted) {
            (None, _) if policy.schedule.is_some() => "not started yet: it waits for its time".to_string(),
            (None, _) if policy.autostart && !policy.starts_at_boot() => {
                "not started: visor itself does what it is for".to_string()
            }
            (None, _) if !policy.starts_at_boot() => "not started: `autostart=false`, start it by hand".to_string(),
            (None, _) => "not started yet".to_string(),
            (Some(_), Wanted::Down) if policy.schedule.is_some() => {
                "stopped on request; it waits for its time".to_string()
            }
            (Some(_), Wanted::Down) => "stopped on request; it stays down until it is started".to_string(),
            (Some(_), Wanted::Up) => "stopped; it is about to start again".to_string(),
        },
        State::Spawning { .. } | State::Launching { .. } => "being started: its command is not yet running".to_string(),
        State::Failing { error, .. } => format!("its start failed: {error}"),
        State::Waiting { .. } => "waiting for what must happen before it starts".to_string(),
        State::Preparing { .. } => "being started".to_string(),
        State::Abandoning { kill_at, error, .. } => {
            format!("not ready ({error}): it is being stopped; KILL follows in {} s", in_seconds(*kill_at))
        }
        State::Starting { since, .. } if policy.waits_for_ready() => {
            format!("started {} s ago; counts as running when it is ready", tenths(now.mono.saturating_sub(*since)))
        }
        State::Starting { since, .. } => format!(
            "started {} s ago; counts as running when it has stayed up for `startsecs={}`",
            tenths(now.mono.saturating_sub(*since)),
            policy.startsecs
        ),
        State::Running { pid, since } => {
            format!("running with pid {pid} for {}", uptime(now.mono.saturating_sub(*since)))
        }
        State::Resting { until } => {
            format!("{}; starts again in {} s (restart {})", exited_how(life), in_seconds(*until), life.restarts)
        }
        State::Backoff { until, tries } if policy.startretries < 0 => {
            format!("start {tries} failed ({cause}); the next try comes in {} s, and so on", in_seconds(*until))
        }
        State::Backoff { until, tries } => format!(
            "start {tries} failed ({cause}); the next try comes in {} s, {} more before it is given up",
            in_seconds(*until),
            policy.startretries.saturating_sub(i64::from(*tries)).max(0).saturating_add(1)
        ),
        State::Stopping { pid, kill_at } => format!(
            "waiting for pid {pid} to end after {}; KILL follows in {} s",
            stopped_by(policy, life),
            in_seconds(*kill_at)
        ),
        State::Emptying { group, kill_at, .. } => format!(
            "pid {group} has ended, others of its process group have not; KILL follows in {} s",
            in_seconds(*kill_at)
        ),
        State::Exited => format!("{}; {}", exited_how(life), exited_next(policy, life)),
        State::Fatal if cause.starts_with(NEEDS) => format!("given up: {cause}; start it by hand"),
        State::Fatal => {
            format!(
                "given up after {} failed starts: {cause}; start it by hand",
                policy.startretries.max(0).saturating_add(1)
            )
        }
        State::Unknown { pid } => format!("pid {pid} could not be signalled: {cause}"),
    }
}

/// What it was told to stop by: the signal follows a `stop_command` that failed.
fn stopped_by(policy: &Process, life: &Life) -> String {
    let commanded = policy.hooks.as_ref().is_some_and(|hooks| hooks.stop.is_some());
    if commanded && !matches!(life.hook_error, Some((Hook::Stop, _))) {
        Hook::Stop.to_string()
    } else {
        policy.stopsignal.name()
    }
}

fn exited_how(life: &Life) -> String {
    match life.exit {
        Some(exit) => format!("ended by itself ({exit})"),
        None => "ended by itself".to_string(),
    }
}

fn exited_next(policy: &Process, life: &Life) -> &'static str {
    match (policy.autorestart, life.exit.is_some_and(|exit| exit.is_expected(&policy.exitcodes))) {
        (AutoRestart::Never, _) if policy.schedule.is_some() => "it waits for its time",
        (AutoRestart::Never, _) => "not started again: `autorestart=false`",
        (AutoRestart::Unexpected, true) => "not started again: the exit code is in `exitcodes`",
        (AutoRestart::Unexpected, false) | (AutoRestart::Always, _) => "not started again: visor is going down",
    }
}

impl Life {
    /// Why it was stopped, if that was not asked for: by `on_unhealthy=stop`.
    fn unwell(&self) -> Option<&str> {
        match (&self.state, self.wanted, self.end, &self.health) {
            (State::Stopped, Wanted::Down, End::Unhealthy, Some(Health::Unhealthy(reason))) => Some(reason),
            _ => None,
        }
    }

    /// Whether it should run and does not, or is not well. An end that its settings allow is no fault.
    #[must_use]
    pub fn is_missing(&self, policy: &Process) -> bool {
        match (self.wanted, self.state.name()) {
            (Wanted::Down, _) => self.unwell().is_some(),
            (Wanted::Up, Name::Running) => {
                let checked = policy.checks.as_ref().is_some_and(|checks| checks.health.is_some());
                checked && matches!(self.health, Some(Health::Unhealthy(_)))
            }
            (Wanted::Up, Name::Exited) => !self.exit.is_some_and(|exit| exit.is_expected(&policy.exitcodes)),
            (
                Wanted::Up,
                Name::Stopped | Name::Starting | Name::Backoff | Name::Stopping | Name::Fatal | Name::Unknown,
            ) => true,
        }
    }
}
