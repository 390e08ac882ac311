//! What happened, as a value. Owns the names of events; who hears of them is decided elsewhere.

use crate::program::Name;

/// Something that watchers hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The public state of a process changed.
    ProcessState {
        /// The process.
        process: String,
        /// Its group.
        group: String,
        /// Before.
        from: Name,
        /// After.
        to: Name,
        /// Failed starts so far.
        tries: u32,
        /// The child it is about; 0 = none.
        pid: i32,
        /// Whether an exit was expected.
        expected: bool,
    },
    /// A group became active.
    GroupAdded {
        /// The group.
        group: String,
    },
    /// A group is not active any more.
    GroupRemoved {
        /// The group.
        group: String,
    },
    /// visor runs.
    SupervisorRunning,
    /// visor goes down.
    SupervisorStopping,
}

impl Event {
    /// Supervisor's name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::ProcessState { to, .. } => match to {
                Name::Stopped => "PROCESS_STATE_STOPPED",
                Name::Starting => "PROCESS_STATE_STARTING",
                Name::Running => "PROCESS_STATE_RUNNING",
                Name::Backoff => "PROCESS_STATE_BACKOFF",
                Name::Stopping => "PROCESS_STATE_STOPPING",
                Name::Exited => "PROCESS_STATE_EXITED",
                Name::Fatal => "PROCESS_STATE_FATAL",
                Name::Unknown => "PROCESS_STATE_UNKNOWN",
            },
            Event::GroupAdded { .. } => "PROCESS_GROUP_ADDED",
            Event::GroupRemoved { .. } => "PROCESS_GROUP_REMOVED",
            Event::SupervisorRunning => "SUPERVISOR_STATE_CHANGE_RUNNING",
            Event::SupervisorStopping => "SUPERVISOR_STATE_CHANGE_STOPPING",
        }
    }
}
