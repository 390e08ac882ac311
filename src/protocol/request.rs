//! A request, from and to its line.

use super::Code;

/// What may be asked. Names are as people write them; who answers resolves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Who is there.
    Hello,
    /// visor's pid (no names), or those of processes.
    Pid(Vec<String>),
    /// State of visor itself.
    State,
    /// State of processes; empty = all.
    Status(Vec<String>),
    /// Start processes.
    Start {
        /// At least one.
        names: Vec<String>,
        /// Answer when started, not when spawned.
        wait: bool,
    },
    /// Stop processes.
    Stop {
        /// At least one.
        names: Vec<String>,
        /// Answer when gone, not when signalled.
        wait: bool,
    },
    /// Stop, then start.
    Restart(Vec<String>),
    /// Send a signal.
    Signal {
        /// Name or number, unchecked.
        signal: String,
        /// At least one.
        names: Vec<String>,
    },
    /// Read the configuration again and say what differs.
    Reread,
    /// Make what runs match the configuration; empty = every group.
    Update(Vec<String>),
    /// Activate configured groups.
    Add(Vec<String>),
    /// Forget stopped groups.
    Remove(Vec<String>),
    /// Update everything, visor's own settings included.
    Reload,
    /// Stop everything and leave.
    Shutdown,
    /// The end of a process' log.
    Tail {
        /// The process.
        name: String,
        /// Which log.
        stream: Stream,
        /// How much; 0 = all.
        bytes: u64,
    },
    /// The end of a process' log and what is added to it.
    Follow {
        /// The process.
        name: String,
        /// Which log.
        stream: Stream,
        /// How much to begin with.
        bytes: u64,
    },
    /// The end of visor's own log.
    Maintail {
        /// And what is added to it.
        follow: bool,
        /// How much; 0 = all (nothing with `follow`).
        bytes: u64,
    },
    /// Empty the logs of processes.
    Clear(Vec<String>),
    /// Write to a process' stdin.
    Send {
        /// The process.
        name: String,
        /// Any bytes.
        data: Vec<u8>,
    },
    /// State changes as they happen; empty = of every process.
    Watch(Vec<String>),
    /// What is configured.
    Config,
    /// One sentence on what a process waits for or why it is down.
    Why(String),
    /// Whether what should run runs; empty = everything.
    Ready(Vec<String>),
    /// Open all log files anew.
    Reopen,
}

/// One of a process' output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// Why a line is no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// `bad-request`, `unknown-verb` or `bad-arguments`.
    pub code: Code,
    /// The sentence.
    pub text: String,
}
