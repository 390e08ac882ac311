//! The commands around a process' life, by name.

use std::fmt;

/// One of the commands around a process' life. Each may run once at a time for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Before each start.
    PreStart,
    /// After each end.
    PostStop,
    /// Instead of the stop signal.
    Stop,
    /// On request.
    Reload,
}

impl Hook {
    /// The key that sets it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Hook::PreStart => "pre_start",
            Hook::PostStop => "post_stop",
            Hook::Stop => "stop_command",
            Hook::Reload => "reload_command",
        }
    }
}

/// Why a child has ended, as its `post_stop` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited,
    /// It was asked to.
    Stopped,
    /// It was not well.
    Unhealthy,
    /// Its start failed.
    Failed,
}

impl End {
    /// In small letters.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            End::Exited => "exited",
            End::Stopped => "stopped",
            End::Unhealthy => "unhealthy",
            End::Failed => "failed",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
