//! The faults of the original's API: their kinds, numbers and names.
//!
//! Owns: the one table of them, for who gives faults (`rpc`) and who gets them (`remote`). Does not own: what visor's failures are here.

/// What kind of failure a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No such method.
    UnknownMethod,
    /// Too few, too many or wrong parameters.
    IncorrectParameters,
    /// Parameters that make no sense together.
    BadArguments,
    /// `system.methodHelp` or `system.methodSignature` of no method.
    SignatureUnsupported,
    /// visor is going down.
    ShutdownState,
    /// No such process or group.
    BadName,
    /// No such signal.
    BadSignal,
    /// The command or log does not exist.
    NoFile,
    /// The command is not executable.
    NotExecutable,
    /// Anything else.
    Failed,
    /// The process ended before it counted as started.
    AbnormalTermination,
    /// The process could not be started.
    SpawnError,
    /// The process runs already.
    AlreadyStarted,
    /// The process does not run.
    NotRunning,
    /// No failure: stands in lists of results.
    Success,
    /// The group is active already.
    AlreadyAdded,
    /// Processes of the group still run.
    StillRunning,
    /// The configuration cannot be read.
    CantReread,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 18] = [
        Kind::UnknownMethod,
        Kind::IncorrectParameters,
        Kind::BadArguments,
        Kind::SignatureUnsupported,
        Kind::ShutdownState,
        Kind::BadName,
        Kind::BadSignal,
        Kind::NoFile,
        Kind::NotExecutable,
        Kind::Failed,
        Kind::AbnormalTermination,
        Kind::SpawnError,
        Kind::AlreadyStarted,
        Kind::NotRunning,
        Kind::Success,
        Kind::AlreadyAdded,
        Kind::StillRunning,
        Kind::CantReread,
    ];

    /// The kind that has a number.
    #[must_use]
    pub fn of_code(code: i32) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Kind::UnknownMethod => 1,
            Kind::IncorrectParameters => 2,
            Kind::BadArguments => 3,
            Kind::SignatureUnsupported => 4,
            Kind::ShutdownState => 6,
            Kind::BadName => 10,
            Kind::BadSignal => 11,
            Kind::NoFile => 20,
            Kind::NotExecutable => 21,
            Kind::Failed => 30,
            Kind::AbnormalTermination => 40,
            Kind::SpawnError => 50,
            Kind::AlreadyStarted => 60,
            Kind::NotRunning => 70,
            Kind::Success => 80,
            Kind::AlreadyAdded => 90,
            Kind::StillRunning => 91,
            Kind::CantReread => 92,
        }
    }

    /// Its name, with which every fault's text begins.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::UnknownMethod => "UNKNOWN_METHOD",
            Kind::IncorrectParameters => "INCORRECT_PARAMETERS",
            Kind::BadArguments => "BAD_ARGUMENTS",
            Kind::SignatureUnsupported => "SIGNATURE_UNSUPPORTED",
            Kind::ShutdownState => "SHUTDOWN_STATE",
            Kind::BadName => "BAD_NAME",
            Kind::BadSignal => "BAD_SIGNAL",
            Kind::NoFile => "NO_FILE",
            Kind::NotExecutable => "NOT_EXECUTABLE",
            Kind::Failed => "FAILED",
            Kind::AbnormalTermination => "ABNORMAL_TERMINATION",
            Kind::SpawnError => "SPAWN_ERROR",
            Kind::AlreadyStarted => "ALREADY_STARTED",
            Kind::NotRunning => "NOT_RUNNING",
            Kind::Success => "SUCCESS",
            Kind::AlreadyAdded => "ALREADY_ADDED",
            Kind::StillRunning => "STILL_RUNNING",
            Kind::CantReread => "CANT_REREAD",
        }
    }
}
