//! Commands around a process' life: `pre_start`, `post_stop`, `stop_command`, `reload_command`. Keys of visor's own.
//!
//! Owns: the shapes. Does not own: when they run (`program::step`), and how (`daemon`).

use std::time::Duration;

use super::Signal;

/// Commands around a process' life, not split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Runs before each start, which fails when it does.
    pub pre_start: Option<String>,
    /// Runs after each end of a child; the next start waits for it.
    pub post_stop: Option<String>,
    /// Runs instead of the stop signal.
    pub stop: Option<String>,
    /// What `svc reload-program` does.
    pub reload: Option<Reload>,
    /// The time each may take.
    pub timeout: Duration,
}

/// How a program is told to read its own configuration again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// By a command.
    Command(String),
    /// By a signal.
    Signal(Signal),
}
