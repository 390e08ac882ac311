//! A call that failed: its kind, and what it is about.

use std::fmt;

use crate::http::control::AskError;
pub use crate::http::faults::Kind;
use crate::protocol::Code;

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
