//! What may happen to a process, and what is then to be done.

use std::time::Duration;

use super::{Exit, Hook, Name, Report};
use crate::config::Signal;

/// What may happen to a process.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// It is asked to run.
    Start,
    /// It is asked to stop.
    Stop,
    /// It is asked to stop, and KILL comes no later than this (monotonic); a stop under way becomes that short.
    StopBy(Duration),
    /// visor goes down: it is not to be started any more, but its turn to stop has not come.
    NoMoreStarts,
    /// What had to happen before its start has happened.
    Proceed,
    /// What had to happen before its start will not happen.
    CannotStart(String),
    /// Its program is asked to read its own configuration again.
    Reload,
    /// A hook has ended: well, or why not.
    HookEnded(Hook, Result<(), String>),
    /// Its `ready` check says so.
    Ready,
    /// Its `ready` check gave up.
    NotReady(String),
    /// Its `health` check says well.
    Healthy,
    /// Its `health` check gave up.
    Unhealthy(String),
    /// The fork succeeded.
    Spawned {
        /// The child.
        pid: i32,
    },
    /// There is no child.
    SpawnFailed(SpawnFailure),
    /// The child runs its command.
    Execed,
    /// The child could not run its command and will exit.
    ExecFailed(SpawnFailure),
    /// The child was reaped.
    Exited(Exit),
    /// The answer to [`Action::LookForGroup`].
    Group {
        /// Whether any member is left.
        alive: bool,
    },
    /// A signal of the stop could not be sent, for another reason than that nobody is there.
    SignalFailed {
        /// Which.
        signal: Signal,
        /// The system's words.
        error: String,
    },
    /// [`super::State::deadline`] may have passed.
    Deadline,
}

/// Why a process could not be started.
#[derive(Debug, Clone, PartialEq)]
pub struct SpawnFailure {
    /// For the answer to a start request.
    pub kind: SpawnFailureKind,
    /// Supervisor's `spawnerr`.
    pub text: String,
}

/// What a client is told about a failed start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnFailureKind {
    /// The command does not exist.
    NoFile,
    /// The command may not be executed.
    NotExecutable,
    /// Anything else.
    Other,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Fork and execute; answer with [`Input::Spawned`] or [`Input::SpawnFailed`].
    Spawn,
    /// Run a hook, or send `reload_signal`; answer with [`Input::HookEnded`].
    Hook(Hook),
    /// Kill a hook; it is answered all the same.
    EndHook(Hook),
    /// Send a signal.
    Signal {
        /// The child, or the group it leads.
        pid: i32,
        /// To the group.
        group: bool,
        /// Which.
        signal: Signal,
    },
    /// See whether the process group has members; answer with [`Input::Group`].
    LookForGroup {
        /// The group.
        group: i32,
    },
    /// The public state changed.
    Changed {
        /// Before.
        from: Name,
        /// After.
        to: Name,
        /// Failed starts so far (STARTING, BACKOFF).
        tries: u32,
        /// The child it is about (0 = none).
        pid: i32,
        /// Whether an exit was expected.
        expected: bool,
    },
    /// Its health changed.
    HealthChanged,
    /// The log tells something.
    Report(Report),
    /// A start failed: what waits for it hears why.
    Failed(SpawnFailureKind),
}

/// Actions in the order they are to be done. Kept by the caller and reused.
pub type Actions = Vec<Action>;
