//! What happened to a process, and the original's sentence for it. Scripts look at these.

use crate::config::{LogLevel, Signal};

use super::{Exit, Health, Hook};

/// Something that visor's log tells about a process.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Forked.
    Spawned {
        /// The child.
        pid: i32,
    },
    /// It could not be started.
    SpawnError {
        /// Why.
        error: String,
    },
    /// It stayed up.
    Success {
        /// As configured.
        startsecs: i64,
    },
    /// It is ready.
    Ready,
    /// It did not get ready.
    NotReady {
        /// What was waited for.
        error: String,
    },
    /// What it waits for will not happen.
    CannotStart {
        /// Why.
        reason: String,
    },
    /// A command around its life failed.
    HookFailed {
        /// Which.
        hook: Hook,
        /// How.
        error: String,
    },
    /// Its health changed.
    Health(Health),
    /// It ended by itself.
    Exited {
        /// How.
        exit: Exit,
        /// Whether `exitcodes` lists it and it was not too early.
        expected: bool,
    },
    /// It ended on request.
    Stopped {
        /// How.
        exit: Exit,
        /// Whether `exitcodes` lists it.
        expected: bool,
    },
    /// Too many starts failed.
    GaveUp,
    /// Stopped while it waited for its next try: there was nothing to signal.
    StoppedInBackoff,
    /// Patience is over.
    Killing {
        /// The child or group.
        pid: i32,
    },
    /// A signal is sent.
    Signalling {
        /// The child.
        pid: i32,
        /// To its whole group.
        group: bool,
        /// Which.
        signal: Signal,
    },
    /// A signal could not be sent.
    SignalFailed {
        /// The child.
        pid: i32,
        /// Which.
        signal: Signal,
        /// The system's words.
        error: String,
    },
    /// The child is gone, some of its group will not go.
    GroupLeft {
        /// The group.
        group: i32,
    },
}

impl Report {
    /// How severe it is.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        match self {
            Report::Spawned { .. }
            | Report::SpawnError { .. }
            | Report::Success { .. }
            | Report::GaveUp
            | Report::Ready
            | Report::Health(Health::Healthy) => LogLevel::Info,
            Report::NotReady { .. }
            | Report::CannotStart { .. }
            | Report::HookFailed { .. }
            | Report::Health(Health::Unhealthy(_)) => LogLevel::Warn,
            Report::Exited { expected, .. } | Report::Stopped { expected, .. } => {
                if *expected {
                    LogLevel::Info
                } else {
                    LogLevel::Warn
                }
            }
            Report::Killing { .. } | Report::GroupLeft { .. } => LogLevel::Warn,
            Report::Signalling { .. } | Report::StoppedInBackoff => LogLevel::Debug,
            Report::SignalFailed { .. } => LogLevel::Critical,
        }
    }

    /// The sentence about process `name`.
    #[must_use]
    pub fn sentence(&self, name: &str) -> String {
        match self {
            Report::Spawned { pid } => format!("spawned: '{name}' with pid {pid}"),
            Report::SpawnError { error } => format!("spawnerr: {error}"),
            Report::Success { startsecs } => format!(
                "success: {name} entered RUNNING state, process has stayed up for > than {startsecs} seconds (startsecs)"
            ),
            Report::Ready => format!("success: {name} entered RUNNING state, it is ready"),
            Report::NotReady { error } => format!("not ready: {name} ({error})"),
            Report::CannotStart { reason } => format!("gave up: {name} entered FATAL state, {reason}"),
            Report::HookFailed { hook, error } => format!("{hook} of {name} failed: {error}"),
            Report::Health(Health::Healthy) => format!("healthy: {name}"),
            Report::Health(Health::Unhealthy(error)) => format!("unhealthy: {name} ({error})"),
            Report::Exited { exit, expected } => {
                format!("exited: {name} ({exit}; {})", if *expected { "expected" } else { "not expected" })
            }
            Report::Stopped { exit, .. } => format!("stopped: {name} ({exit})"),
            Report::GaveUp => {
                format!("gave up: {name} entered FATAL state, too many start retries too quickly")
            }
            Report::StoppedInBackoff => format!("Attempted to kill {name}, which is in BACKOFF state."),
            Report::Killing { pid } => format!("killing '{name}' ({pid}) with SIGKILL"),
            Report::Signalling { pid, group, signal } => {
                let whom = if *group { " process group" } else { "" };
                format!("killing {name} (pid {pid}){whom} with signal {}", signal.name())
            }
            Report::SignalFailed { pid, signal, error } => {
                format!("unknown problem sending {} to {name} (pid {pid}): {error}", signal.name())
            }
            Report::GroupLeft { group } => {
                format!("stopped: {name}, but processes of its group {group} are left that cannot be killed")
            }
        }
    }
}
