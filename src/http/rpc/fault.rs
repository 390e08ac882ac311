//! The API's faults.

use std::fmt;

use crate::http::control::AskError;
use crate::protocol::Code;

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
    /// Its number.
    #[must_use]
    pub fn code(self) -> i32 {
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

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// What it is about, if there is something to say.
    pub extra: Option<String>,
}

impl Fault {
    /// One that says no more than its kind.
    #[must_use]
    pub fn new(kind: Kind) -> Fault {
        Fault { kind, extra: None }
    }

    /// One that says what it is about.
    pub fn about(kind: Kind, extra: impl fmt::Display) -> Fault {
        Fault { kind, extra: Some(extra.to_string()) }
    }

    /// `NAME`, or `NAME: extra`.
    #[must_use]
    pub fn text(&self) -> String {
        let name = self.kind.name();
        match &self.extra {
            None => name.to_owned(),
            Some(extra) => format!("{name}: {extra}"),
        }
    }
}

impl Fault {
    /// What one of visor's failures is in this API; `name` is what the client called the thing.
    #[must_use]
    pub fn of(code: Code, name: &str, text: &str) -> Fault {
        let kind = match code {
            Code::BadName => Kind::BadName,
            Code::BadSignal => Kind::BadSignal,
            Code::NotRunning => Kind::NotRunning,
            Code::AlreadyStarted => Kind::AlreadyStarted,
            Code::SpawnError => Kind::SpawnError,
            Code::AbnormalTermination => Kind::AbnormalTermination,
            // No text: no such thing was configured.
            Code::NoFile if text.is_empty() => return Fault::new(Kind::NoFile),
            Code::NoFile => return Fault::about(Kind::NoFile, text),
            Code::NotExecutable => return Fault::about(Kind::NotExecutable, text),
            Code::CannotReread => return Fault::about(Kind::CantReread, text),
            Code::ShuttingDown => return Fault::new(Kind::ShutdownState),
            Code::BadRequest
            | Code::UnknownVerb
            | Code::BadArguments
            | Code::Failed
            | Code::NotPermitted
            | Code::Busy => return Fault::about(Kind::Failed, text),
        };
        Fault::about(kind, name)
    }
}

impl From<AskError> for Fault {
    fn from(error: AskError) -> Fault {
        Fault::about(Kind::Failed, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_name_and_what_it_is_about() {
        assert_eq!(Fault::new(Kind::Failed).text(), "FAILED");
        assert_eq!(Fault::of(Code::BadName, "x", "no such process").text(), "BAD_NAME: x");
        assert_eq!(Fault::of(Code::NoFile, "x", "can't find command 'y'").text(), "NO_FILE: can't find command 'y'");
        assert_eq!(Fault::of(Code::BadName, "", "no such process").text(), "BAD_NAME: ");
        assert_eq!(Fault::of(Code::NoFile, "x", "").text(), "NO_FILE");
        assert_eq!(Fault::of(Code::ShuttingDown, "x", "y").text(), "SHUTDOWN_STATE");
    }

    #[test]
    fn every_code_of_visor_is_a_fault_and_never_success() {
        for code in Code::ALL {
            assert_ne!(Fault::of(code, "", "").kind, Kind::Success);
        }
    }
}
