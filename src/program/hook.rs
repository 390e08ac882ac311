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

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
