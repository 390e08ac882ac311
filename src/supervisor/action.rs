//! What a decision wants done.

use std::sync::Arc;

use super::{ClientId, JobId, ProcessId};
use crate::config::{Config, LogLevel, Process, Signal};
use crate::event::Event;
use crate::program::Hook;
use crate::protocol::Line;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start a process; answer with `Spawned` or `SpawnFailed`.
    Spawn(ProcessId),
    /// Run a hook of a process, or send its `reload_signal`; answer with `HookEnded`.
    Hook(ProcessId, Hook),
    /// Kill a hook of a process; it is answered all the same.
    EndHook(ProcessId, Hook),
    /// Send a signal; answer with `SignalFailed` when it fails otherwise than for want of a process.
    Signal {
        /// On whose behalf.
        id: ProcessId,
        /// The child, or the group it leads.
        pid: i32,
        /// To the group.
        group: bool,
        /// Which.
        signal: Signal,
    },
    /// See whether a process group has members; answer with `Group`.
    LookForGroup {
        /// On whose behalf.
        id: ProcessId,
        /// The group.
        group: i32,
    },
    /// Write to visor's log.
    Log(LogLevel, String),
    /// See whether the commands of these processes can be executed, before they start; answer with [`Input::LookedUp`].
    LookUp {
        /// Who asks.
        job: JobId,
        /// Whose commands.
        ids: Vec<ProcessId>,
    },
    /// Tell watchers.
    Event(Event),
    /// Write an event to a listener's stdin; answer with `NotDelivered` when that is closed.
    Deliver(ProcessId, Vec<u8>),
    /// A line of a reply. One that ends the reply ends the request.
    Reply(ClientId, Line),
    /// Read the configuration file; answer with [`Input::ConfigRead`].
    ReadConfig(JobId),
    /// The same with another `numprocs` of a program.
    ReadScaled {
        /// Who asks.
        job: JobId,
        /// Its name, as in its section.
        program: String,
        /// How many.
        count: u32,
    },
    /// A process became known: make its logs ready.
    Added(ProcessId),
    /// A process is forgotten: close its logs.
    Removed(ProcessId),
    /// A process goes on with other settings; those it had before.
    Tuned(ProcessId, Arc<Process>),
    /// The new configuration's own settings of visor hold from now on.
    Adopt(Arc<Config>),
    /// All is stopped: go.
    Leave,
}
