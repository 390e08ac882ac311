//! What reaches all programs from outside: requests of clients, and what came of actions.

use super::{JobId, Notes, ProcessId};
use crate::config::{Config, Signal};
use crate::event::Event;
use crate::program::{self, Exit, SpawnFailure};
use crate::sorted::Map;

/// A connection that asked for something. Numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// What a client may ask that needs a decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Start processes.
    Start {
        /// As people write them.
        names: Vec<String>,
        /// Answer when started, not when spawned.
        wait: bool,
    },
    /// Stop processes.
    Stop {
        /// As people write them.
        names: Vec<String>,
        /// Answer when gone, not when signalled.
        wait: bool,
    },
    /// Stop, then start.
    Restart(Vec<String>),
    /// Have programs read their own configuration again.
    ReloadProgram(Vec<String>),
    /// Read the configuration, say what differs.
    Reread,
    /// Read the configuration and make it so; empty = every group.
    Update(Vec<String>),
    /// Read the configuration and say what an update of these groups would do; empty = every group.
    Preview(Vec<String>),
    /// Have so many processes of a program, until the next update of its group.
    Scale {
        /// Its name, as in its section.
        program: String,
        /// How many.
        count: u32,
    },
    /// Activate groups of the configuration read last.
    Add(Vec<String>),
    /// Forget groups that are down.
    Remove(Vec<String>),
    /// Update everything, and visor's own settings.
    Reload,
    /// Stop everything and leave.
    Shutdown,
}

/// What may happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Set-up is done: start what is to start.
    Boot,
    /// Something happened to one process.
    Process(ProcessId, program::Input),
    /// A child that is no process was forked, and leads a process group.
    NumberTaken {
        /// It.
        pid: i32,
    },
    /// A child of ours, known or not, was reaped.
    Died {
        /// Which.
        pid: i32,
        /// How.
        exit: Exit,
    },
    /// A client asks.
    Ask(ClientId, Ask),
    /// A client is gone; what it waits for is done without it.
    ClientGone(ClientId),
    /// The answer to [`Action::ReadConfig`]: a configuration, or its mistakes as lines.
    ConfigRead(JobId, Result<Box<Config>, Vec<String>>),
    /// The answer to [`Action::LookUp`]: those that cannot be started, and why.
    LookedUp(JobId, Map<ProcessId, SpawnFailure>),
    /// A signal that means stop.
    StopSignal(Signal),
    /// What visor was started for has ended: stop everything and leave.
    ShutDown,
    /// The signal that means reload.
    ReloadSignal,
    /// Something happened that the daemon saw: output between tags or with events, a client's word.
    Happened(Event),
    /// A listener wrote to its stdout.
    ListenerSaid(ProcessId, Vec<u8>),
    /// What checks and the program itself say of a process beside its states.
    Noted(ProcessId, Notes),
    /// The bytes of [`Action::Deliver`] could not be written.
    NotDelivered(ProcessId),
    /// [`Supervisor::next_deadline`] has passed.
    Deadline,
    /// [`Supervisor::next_wall_deadline`] has passed, or the wall clock was set.
    ClockLookedAt,
}
