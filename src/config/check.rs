//! How a process is known to be ready and well: `ready`, `health`. Keys of visor's own.
//!
//! Owns: the shapes. Does not own: how it is found out (`daemon::checks`).

/// How a process is known to be ready and well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checks {
    /// It is RUNNING when this says so; `None` = after `startsecs`.
    pub ready: Option<Check>,
    /// Asked while it is RUNNING.
    pub health: Option<Check>,
    /// What follows when it is not well.
    pub on_unhealthy: OnUnhealthy,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {}

/// What follows when a process is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnhealthy {
    /// It is stopped and started again.
    #[default]
    Restart,
    /// It is stopped.
    Stop,
    /// Nothing: it is only shown.
    Ignore,
}
