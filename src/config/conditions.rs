//! What must hold before a process starts: `depends_on`. Keys of visor's own.
//!
//! Owns: the shapes. Does not own: when they hold (`supervisor::gate`).

/// What must hold before a process starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// All of them.
    pub needs: Vec<Need>,
    /// What a need that cannot be met any more means.
    pub on_failure: OnFailure,
}

/// One process or group, and how far it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// As people write it: `name`, `group:process`, or `group` for all its processes.
    pub name: String,
    /// How far.
    pub state: NeedState,
}

/// How far a process must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedState {
    /// It is only stopped later: nothing is waited for.
    Listed,
    /// Its command runs.
    Started,
    /// It is RUNNING.
    Running,
    /// It is RUNNING because its `ready` check said so.
    Ready,
    /// Its `health` check says well.
    Healthy,
    /// It ended with one of its `exitcodes`.
    Exited,
}

/// What a need that cannot be met any more means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// FATAL, with the reason.
    #[default]
    Fail,
    /// It waits on: somebody may mend it.
    Wait,
    /// It starts all the same.
    Ignore,
}
