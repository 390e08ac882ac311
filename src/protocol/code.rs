//! The stable words of failure.

use std::fmt;

/// Why a request, or one item of it, failed. The same set as the faults of Supervisor's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Not a line of this language.
    BadRequest,
    /// The first word is no verb.
    UnknownVerb,
    /// Too few, too many or wrong arguments.
    BadArguments,
    /// No such process or group.
    BadName,
    /// No such signal.
    BadSignal,
    /// The process does not run.
    NotRunning,
    /// The process runs already.
    AlreadyStarted,
    /// The process could not be started.
    SpawnError,
    /// The process ended before it counted as started.
    AbnormalTermination,
    /// The command, log or stdin does not exist.
    NoFile,
    /// The command is not executable.
    NotExecutable,
    /// Anything else.
    Failed,
    /// The peer may not do this.
    NotPermitted,
    /// visor is going down.
    ShuttingDown,
    /// The configuration could not be read; nothing changed.
    CannotReread,
    /// Too much is under way.
    Busy,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Code; 16] = [
        Code::BadRequest,
        Code::UnknownVerb,
        Code::BadArguments,
        Code::BadName,
        Code::BadSignal,
        Code::NotRunning,
        Code::AlreadyStarted,
        Code::SpawnError,
        Code::AbnormalTermination,
        Code::NoFile,
        Code::NotExecutable,
        Code::Failed,
        Code::NotPermitted,
        Code::ShuttingDown,
        Code::CannotReread,
        Code::Busy,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Code::BadRequest => "bad-request",
            Code::UnknownVerb => "unknown-verb",
            Code::BadArguments => "bad-arguments",
            Code::BadName => "bad-name",
            Code::BadSignal => "bad-signal",
            Code::NotRunning => "not-running",
            Code::AlreadyStarted => "already-started",
            Code::SpawnError => "spawn-error",
            Code::AbnormalTermination => "abnormal-termination",
            Code::NoFile => "no-file",
            Code::NotExecutable => "not-executable",
            Code::Failed => "failed",
            Code::NotPermitted => "not-permitted",
            Code::ShuttingDown => "shutting-down",
            Code::CannotReread => "cannot-reread",
            Code::Busy => "busy",
        }
    }

    /// The code of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.word() == word)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
