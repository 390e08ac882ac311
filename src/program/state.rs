//! The states of a process, each with just what it has.

use std::fmt;
use std::time::Duration;

use super::{End, Exit, Hook, Now};
use crate::config::Process;

/// Where a process is in its life. Several of these share one public [`Name`].
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Not started, or stopped on request.
    Stopped,
    /// STARTING: it may not start yet, for something else must happen first.
    Waiting {
        /// Failed starts before this one.
        tries: u32,
    },
    /// STARTING: `pre_start` runs.
    Preparing {
        /// Failed starts before this one.
        tries: u32,
        /// A stop was asked for meanwhile: it stops when the hook has ended, even if it is wanted again by then.
        stop: bool,
    },
    /// STARTING: the fork was asked for and is not yet answered.
    Spawning {
        /// Failed starts before this one.
        tries: u32,
        /// A stop was asked for meanwhile: it is stopped as soon as its pid is known, even if it is wanted again by then.
        stop: bool,
    },
    /// STARTING: forked; the child has not yet executed its command.
    Launching {
        /// The child.
        pid: i32,
        /// When it was forked.
        since: Duration,
        /// Failed starts before this one.
        tries: u32,
    },
    /// STARTING: forked, but the child said that it cannot execute its command; it is not reaped yet.
    Failing {
        /// The child.
        pid: i32,
        /// Failed starts before this one.
        tries: u32,
        /// What failed.
        error: String,
    },
    /// STARTING: the command runs, not yet for `startsecs`.
    Starting {
        /// The child.
        pid: i32,
        /// When it was forked.
        since: Duration,
        /// Failed starts before this one.
        tries: u32,
    },
    /// STARTING: it did not get ready in time; it was sent the stop signal.
    Abandoning {
        /// The child.
        pid: i32,
        /// When KILL is due.
        kill_at: Duration,
        /// Failed starts before this one.
        tries: u32,
        /// What it was waited for.
        error: String,
    },
    /// It stayed up for `startsecs`, or is ready.
    Running {
        /// The child.
        pid: i32,
        /// When it was forked.
        since: Duration,
    },
    /// A start failed; the next one is due.
    Backoff {
        /// When to try again.
        until: Duration,
        /// Failed starts so far.
        tries: u32,
    },
    /// BACKOFF: it ended by itself, and its next start is due after a pause (`restart_delay`).
    Resting {
        /// When it starts.
        until: Duration,
    },
    /// The stop signal was sent.
    Stopping {
        /// The child.
        pid: i32,
        /// When KILL is due.
        kill_at: Duration,
    },
    /// STOPPING: the child is reaped; what is left of its process group is awaited.
    Emptying {
        /// The process group, named after the child that led it.
        group: i32,
        /// When KILL is due.
        kill_at: Duration,
        /// When to look again. Members that are not our children end without a sign to us.
        look_at: Duration,
        /// KILLs sent since the child is gone.
        kills: u32,
    },
    /// It ended by itself.
    Exited,
    /// Too many starts failed.
    Fatal,
    /// It could not be signalled; it may live on.
    Unknown {
        /// The child.
        pid: i32,
    },
}

/// A state as people and clients know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// `STOPPED`
    Stopped,
    /// `STARTING`
    Starting,
    /// `RUNNING`
    Running,
    /// `BACKOFF`
    Backoff,
    /// `STOPPING`
    Stopping,
    /// `EXITED`
    Exited,
    /// `FATAL`
    Fatal,
    /// `UNKNOWN`
    Unknown,
}

impl Name {
    /// Every name.
    pub const ALL: [Name; 8] = [
        Name::Stopped,
        Name::Starting,
        Name::Running,
        Name::Backoff,
        Name::Stopping,
        Name::Exited,
        Name::Fatal,
        Name::Unknown,
    ];

    /// The word, in capitals.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Name::Stopped => "STOPPED",
            Name::Starting => "STARTING",
            Name::Running => "RUNNING",
            Name::Backoff => "BACKOFF",
            Name::Stopping => "STOPPING",
            Name::Exited => "EXITED",
            Name::Fatal => "FATAL",
            Name::Unknown => "UNKNOWN",
        }
    }

    /// The name of a word in capitals.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Name> {
        Name::ALL.into_iter().find(|name| name.word() == word)
    }

    /// Supervisor's number of the state.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Name::Stopped => 0,
            Name::Starting => 10,
            Name::Running => 20,
            Name::Backoff => 30,
            Name::Stopping => 40,
            Name::Exited => 100,
            Name::Fatal => 200,
            Name::Unknown => 1000,
        }
    }

    /// Supervisor's "running set": a start request finds nothing to do.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Name::Starting | Name::Running | Name::Backoff)
    }

    /// Supervisor's "stopped set": a stop request finds nothing to do.
    #[must_use]
    pub fn is_down(self) -> bool {
        matches!(self, Name::Stopped | Name::Exited | Name::Fatal | Name::Unknown)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl State {
    /// The public name.
    #[must_use]
    pub fn name(&self) -> Name {
        match self {
            State::Stopped => Name::Stopped,
            State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. } => Name::Starting,
            State::Running { .. } => Name::Running,
            State::Backoff { .. } | State::Resting { .. } => Name::Backoff,
            State::Stopping { .. } | State::Emptying { .. } => Name::Stopping,
            State::Exited => Name::Exited,
            State::Fatal => Name::Fatal,
            State::Unknown { .. } => Name::Unknown,
        }
    }

    /// The child that lives and may be signalled.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        match self {
            State::Launching { pid, .. }
            | State::Failing { pid, .. }
            | State::Starting { pid, .. }
            | State::Abandoning { pid, .. }
            | State::Running { pid, .. }
            | State::Stopping { pid, .. }
            | State::Unknown { pid } => Some(*pid),
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Emptying { .. }
            | State::Exited
            | State::Fatal => None,
        }
    }

    /// The process group whose leader is reaped and whose end is awaited.
    #[must_use]
    pub fn awaited_group(&self) -> Option<i32> {
        match self {
            State::Emptying { group, .. } => Some(*group),
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Stopping { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => None,
        }
    }

    /// When [`super::Input::Deadline`] is due.
    #[must_use]
    pub fn deadline(&self, policy: &Process) -> Option<Duration> {
        match self {
            State::Starting { .. } if policy.waits_for_ready() => None,
            State::Starting { since, .. } => Some(*since + seconds(policy.startsecs)),
            State::Backoff { until, .. } | State::Resting { until } => Some(*until),
            State::Stopping { kill_at, .. } | State::Abandoning { kill_at, .. } => Some(*kill_at),
            State::Emptying { kill_at, look_at, .. } => Some(*kill_at.min(look_at)),
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Running { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => None,
        }
    }
}

/// Longest time any option can mean: far beyond any uptime, far from overflow.
const MAX_SECONDS: u64 = 100 * 365 * 24 * 3600;

/// A configured number of seconds; Supervisor lets negative ones pass and they mean none.
pub(super) fn seconds(configured: i64) -> Duration {
    Duration::from_secs(u64::try_from(configured).unwrap_or(0).min(MAX_SECONDS))
}

/// What is asked of a process, apart from what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It should run.
    Up,
    /// It should not.
    Down,
}

/// How a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Well.
    Healthy,
    /// Not well, and why.
    Unhealthy(String),
}

/// A process: its state, what is wanted of it, and what is remembered of its past.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// Where it is.
    pub state: State,
    /// What is asked of it.
    pub wanted: Wanted,
    /// Last start.
    pub started: Option<Now>,
    /// Last end.
    pub ended: Option<Now>,
    /// How it ended last; forgotten by a new start.
    pub exit: Option<Exit>,
    /// What went wrong last; forgotten by a new start.
    pub error: Option<String>,
    /// How its last child ended, a failed start's included; `None` = there was none.
    pub last: Option<Exit>,
    /// Why its last child ended, or is about to.
    pub end: End,
    /// Which hook failed last, and how; forgotten by a new start.
    pub hook_error: Option<(Hook, String)>,
    /// What its `health` check said last; `None` = nothing since it runs.
    pub health: Option<Health>,
    /// A hook of it runs, told before each input: its next start waits for that, whatever its settings are by then.
    pub hooked: bool,
    /// Starts after a pause in a row, none of which was a good run.
    pub restarts: u32,
}

impl Life {
    /// A process that was never started.
    #[must_use]
    pub fn new() -> Life {
        Life {
            state: State::Stopped,
            wanted: Wanted::Down,
            started: None,
            ended: None,
            exit: None,
            error: None,
            last: None,
            end: End::Exited,
            hook_error: None,
            health: None,
            hooked: false,
            restarts: 0,
        }
    }
}

impl Default for Life {
    fn default() -> Life {
        Life::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn states_are_those_of_the_protocol() {
        assert_eq!(Name::ALL.map(Name::word), crate::protocol::STATES);
    }
}
