//! Types of events and the families that a listener may subscribe to.

use crate::program::Name;
use crate::protocol::Stream;

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `PROCESS_STATE_*`
    ProcessState(Name),
    /// `PROCESS_COMMUNICATION_*`
    Communication(Stream),
    /// `PROCESS_LOG_*`
    Log(Stream),
    /// `REMOTE_COMMUNICATION`
    Remote,
    /// `SUPERVISOR_STATE_CHANGE_RUNNING`
    SupervisorRunning,
    /// `SUPERVISOR_STATE_CHANGE_STOPPING`
    SupervisorStopping,
    /// `TICK_*`
    Tick(Period),
    /// `PROCESS_HEALTH_HEALTHY` and `PROCESS_HEALTH_UNHEALTHY`: visor's own.
    Health {
        /// Which of the two.
        healthy: bool,
    },
    /// `PROCESS_GROUP_ADDED`
    GroupAdded,
    /// `PROCESS_GROUP_REMOVED`
    GroupRemoved,
}

/// Seconds between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// 5 s
    Five,
    /// 60 s
    Minute,
    /// 3600 s
    Hour,
}

impl Period {
    /// All of them.
    pub const ALL: [Period; 3] = [Period::Five, Period::Minute, Period::Hour];

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        match self {
            Period::Five => 5,
            Period::Minute => 60,
            Period::Hour => 3600,
        }
    }
}

impl Kind {
    /// Supervisor's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::ProcessState(name) => match name {
                Name::Stopped => "PROCESS_STATE_STOPPED",
                Name::Starting => "PROCESS_STATE_STARTING",
                Name::Running => "PROCESS_STATE_RUNNING",
                Name::Backoff => "PROCESS_STATE_BACKOFF",
                Name::Stopping => "PROCESS_STATE_STOPPING",
                Name::Exited => "PROCESS_STATE_EXITED",
                Name::Fatal => "PROCESS_STATE_FATAL",
                Name::Unknown => "PROCESS_STATE_UNKNOWN",
            },
            Kind::Communication(Stream::Stdout) => "PROCESS_COMMUNICATION_STDOUT",
            Kind::Communication(Stream::Stderr) => "PROCESS_COMMUNICATION_STDERR",
            Kind::Log(Stream::Stdout) => "PROCESS_LOG_STDOUT",
            Kind::Log(Stream::Stderr) => "PROCESS_LOG_STDERR",
            Kind::Remote => "REMOTE_COMMUNICATION",
            Kind::SupervisorRunning => "SUPERVISOR_STATE_CHANGE_RUNNING",
            Kind::SupervisorStopping => "SUPERVISOR_STATE_CHANGE_STOPPING",
            Kind::Tick(Period::Five) => "TICK_5",
            Kind::Tick(Period::Minute) => "TICK_60",
            Kind::Tick(Period::Hour) => "TICK_3600",
            Kind::Health { healthy: true } => "PROCESS_HEALTH_HEALTHY",
            Kind::Health { healthy: false } => "PROCESS_HEALTH_UNHEALTHY",
            Kind::GroupAdded => "PROCESS_GROUP_ADDED",
            Kind::GroupRemoved => "PROCESS_GROUP_REMOVED",
        }
    }

    /// The family it is of; `EVENT` is that of all that Supervisor has.
    #[must_use]
    pub fn family(self) -> &'static str {
        match self {
            Kind::ProcessState(_) => "PROCESS_STATE",
            Kind::Communication(_) => "PROCESS_COMMUNICATION",
            Kind::Log(_) => "PROCESS_LOG",
            Kind::Remote => "REMOTE_COMMUNICATION",
            Kind::SupervisorRunning | Kind::SupervisorStopping => "SUPERVISOR_STATE_CHANGE",
            Kind::Tick(_) => "TICK",
            Kind::Health { .. } => "PROCESS_HEALTH",
            Kind::GroupAdded | Kind::GroupRemoved => "PROCESS_GROUP",
        }
    }

    /// Whether somebody who subscribed to `wanted` hears of it. What only visor has is no `EVENT` of Supervisor.
    #[must_use]
    pub fn is_of(self, wanted: &str) -> bool {
        (wanted == "EVENT" && !matches!(self, Kind::Health { .. })) || wanted == self.family() || wanted == self.name()
    }

    /// Every type.
    #[must_use]
    pub fn all() -> Vec<Kind> {
        let output = [Stream::Stdout, Stream::Stderr].map(|stream| [Kind::Communication(stream), Kind::Log(stream)]);
        let others =
            [Kind::Remote, Kind::SupervisorRunning, Kind::SupervisorStopping, Kind::GroupAdded, Kind::GroupRemoved];
        let health = [true, false].map(|healthy| Kind::Health { healthy });
        let [states, ticks] = [&Name::ALL.map(Kind::ProcessState)[..], &Period::ALL.map(Kind::Tick)];
        [states, output.as_flattened(), ticks, &others, &health].concat()
    }

    /// Whether a word names a type or a family.
    #[must_use]
    pub fn exists(wanted: &str) -> bool {
        Kind::all().iter().any(|kind| kind.is_of(wanted))
    }

    /// Whether losing it loses more than output that is in a log file anyway.
    #[must_use]
    pub fn is_state(self) -> bool {
        match self {
            Kind::ProcessState(_)
            | Kind::SupervisorRunning
            | Kind::SupervisorStopping
            | Kind::Health { .. }
            | Kind::GroupAdded
            | Kind::GroupRemoved => true,
            Kind::Communication(_) | Kind::Log(_) | Kind::Remote | Kind::Tick(_) => false,
        }
    }
}
