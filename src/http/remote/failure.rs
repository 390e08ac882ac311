//! Why a foreign server did not do it, in the words and codes of visor's language.

use std::io;

use crate::http::faults::Kind;
use crate::protocol::remote::Trouble;
use crate::protocol::{Code, Line};

/// Numbers of faults that mean something here.
pub const BAD_NAME: i32 = Kind::BadName.code();
/// The server is going down.
const SHUTDOWN_STATE: i32 = Kind::ShutdownState.code();
/// The method is not there: the server has no programs.
const UNKNOWN_METHOD: i32 = Kind::UnknownMethod.code();

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens there.
    Refused,
    /// There is no such socket.
    NoFile,
    /// The socket may not be used.
    NotPermitted,
    /// Another user name or password is wanted.
    Unauthorized,
    /// It hung up without an answer.
    HungUp,
    /// No answer in time.
    TimedOut,
    /// A status of HTTP.
    Status(u16),
    /// Supervisor's own: number and text.
    Fault(i32, String),
    /// A sentence.
    Other(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Other(error.to_string())
    }
}

/// What a number of a fault is here.
pub fn code_of(fault: i32) -> Code {
    let Some(kind) = Kind::of_code(fault) else { return Code::Failed };
    match kind {
        Kind::UnknownMethod => Code::UnknownVerb,
        Kind::IncorrectParameters | Kind::BadArguments | Kind::SignatureUnsupported => Code::BadArguments,
        Kind::ShutdownState => Code::ShuttingDown,
        Kind::BadName => Code::BadName,
        Kind::BadSignal => Code::BadSignal,
        Kind::NoFile => Code::NoFile,
        Kind::NotExecutable => Code::NotExecutable,
        Kind::Failed | Kind::Success => Code::Failed,
        Kind::AbnormalTermination => Code::AbnormalTermination,
        Kind::SpawnError => Code::SpawnError,
        Kind::AlreadyStarted | Kind::AlreadyAdded => Code::AlreadyStarted,
        Kind::NotRunning => Code::NotRunning,
        Kind::StillRunning => Code::Busy,
        Kind::CantReread => Code::CannotReread,
    }
}

/// The text of a fault without its name.
pub fn text_of(fault: i32, text: &str) -> String {
    let name = Kind::of_code(fault).map_or("", Kind::name);
    match text.strip_prefix(name) {
        Some("") => String::new(),
        Some(rest) => rest.strip_prefix(": ").unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

impl Failure {
    /// The code.
    pub fn code(&self) -> Code {
        match self {
            Failure::Fault(number, _) => code_of(*number),
            Failure::Unauthorized | Failure::NotPermitted => Code::NotPermitted,
            Failure::Refused
            | Failure::NoFile
            | Failure::HungUp
            | Failure::TimedOut
            | Failure::Status(_)
            | Failure::Other(_) => Code::Failed,
        }
    }

    /// The sentence.
    pub fn text(&self) -> String {
        match self {
            Failure::Refused => "connection refused".to_owned(),
            Failure::NoFile => "there is no such socket".to_owned(),
            Failure::NotPermitted => "permission denied".to_owned(),
            Failure::Unauthorized => "the user name or the password is wrong, or none was given".to_owned(),
            Failure::HungUp => "it hung up without an answer: no supervisord?".to_owned(),
            Failure::TimedOut => "no answer in time".to_owned(),
            Failure::Status(status) => format!("it answers with HTTP status {status}"),
            Failure::Fault(SHUTDOWN_STATE, _) => "supervisord is shutting down".to_owned(),
            Failure::Fault(number, text) => text_of(*number, text),
            Failure::Other(text) => text.clone(),
        }
    }

    /// The end line.
    pub fn to_line(&self) -> Line {
        Line::Error(self.code(), self.text())
    }

    /// What it means for somebody who has just connected, and the sentence.
    pub fn trouble(&self) -> (Trouble, String) {
        match self {
            Failure::Refused => (Trouble::Refused, self.text()),
            Failure::NoFile => (Trouble::NoFile, self.text()),
            Failure::NotPermitted => (Trouble::NotPermitted, self.text()),
            Failure::Unauthorized => (Trouble::Unauthorized, self.text()),
            Failure::Fault(UNKNOWN_METHOD, _) => (Trouble::NotSupervisor, NO_NAMESPACE.to_owned()),
            Failure::Status(status) => {
                (Trouble::Other, format!("no supervisord: it answers with HTTP status {status}"))
            }
            Failure::HungUp | Failure::TimedOut | Failure::Fault(..) | Failure::Other(_) => {
                (Trouble::Other, self.text())
            }
        }
    }

    /// Whether nothing else need be tried.
    pub fn is_final(&self) -> bool {
        match self {
            Failure::Fault(number, _) => *number == SHUTDOWN_STATE || *number == UNKNOWN_METHOD,
            Failure::Status(_) => false,
            Failure::Refused
            | Failure::NoFile
            | Failure::NotPermitted
            | Failure::Unauthorized
            | Failure::HungUp
            | Failure::TimedOut
            | Failure::Other(_) => true,
        }
    }
}

/// Supervisor's words, which scripts may look at.
const NO_NAMESPACE: &str = "Sorry, supervisord responded but did not recognize the supervisor namespace commands that \
                            supervisorctl uses to control it.  Please check that the [rpcinterface:supervisor] section \
                            is enabled in the configuration file (see sample.conf).";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_codes_of_the_same_names() {
        let same = |name: &str| name.to_lowercase().replace('_', "-");
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Success) {
            let expected = match kind.name() {
                "UNKNOWN_METHOD" => "unknown-verb".to_owned(),
                "INCORRECT_PARAMETERS" | "SIGNATURE_UNSUPPORTED" => "bad-arguments".to_owned(),
                "SHUTDOWN_STATE" => "shutting-down".to_owned(),
                "ALREADY_ADDED" => "already-started".to_owned(),
                "STILL_RUNNING" => "busy".to_owned(),
                "CANT_REREAD" => "cannot-reread".to_owned(),
                name => same(name),
            };
            assert_eq!(code_of(kind.code()).word(), expected, "{kind:?}");
        }
        assert_eq!(code_of(12345), Code::Failed);
    }

    #[test]
    fn name_of_a_fault_is_not_said_twice() {
        assert_eq!(text_of(10, "BAD_NAME: web"), "web");
        assert_eq!(text_of(10, "BAD_NAME"), "");
        assert_eq!(text_of(10, "BAD_NAMES"), "BAD_NAMES");
        assert_eq!(text_of(30, "cannot"), "cannot");
        assert_eq!(text_of(777, "NEW: x"), "NEW: x");
    }
}
