//! Servers that do not speak visor's language: a program beside us, `visor-http bridge`, speaks theirs and answers in ours.
//!
//! Owns: where that program is, the greeting, how trouble with the server is told. Does not own: HTTP, of which svc knows nothing.

use std::ffi::OsStr;
use std::io;

use super::action::Action;
use super::{Session, Speech};
use crate::cli::ExitCode;
use crate::client::{Client, ClientError, End};
use crate::list::List as _;
use crate::protocol::Code;
use crate::protocol::remote::{Target, Trouble};
use crate::sys::{another, signals};

/// The program that has the bridge.
const PROGRAM: &str = "visor-http";
/// The word that makes it one.
const BRIDGE: &str = "bridge";

/// Why there is no conversation.
enum Unreached {
    /// There is no such program here.
    NotInstalled,
    /// It could not be started.
    NotStarted(io::Error),
    /// The server; the bridge's sentence.
    Trouble(Trouble, String),
    /// The bridge itself.
    Broken(ClientError),
}

/// Starts a bridge and waits until it has looked at the server.
fn reach(target: &Target) -> Result<Client, Unreached> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM).into_os_string());
    let programs: Vec<&OsStr> = beside.as_deref().into_iter().chain([OsStr::new(PROGRAM)]).list();
    // A prompt that lives long starts many; the kernel forgets each as it ends.
    signals::ignore(libc::SIGCHLD).map_err(Unreached::NotStarted)?;
    let socket = another::start(&programs, BRIDGE).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreached::NotInstalled,
        _ => Unreached::NotStarted(error),
    })?;
    let mut client = Client::over(socket);
    let mut trouble = Trouble::Other;
    let greeted = client.send_line(&target.to_line());
    match greeted.and_then(|()| client.rest_of_reply(&mut |line| trouble = Trouble::of_line(&line).unwrap_or(trouble)))
    {
        Ok(End::Ok(_)) => Ok(client),
        Ok(End::Error(_, text)) => Err(Unreached::Trouble(trouble, text)),
        Err(error) => Err(Unreached::Broken(error)),
    }
}

impl Session {
    /// Connects through a bridge, or tells why not. The prompt asks for a name and a password when the server wants some.
    pub(super) fn connect_foreign(&mut self) -> Result<Client, ExitCode> {
        loop {
            let target = Target { url: self.server.url(), login: self.login.clone() };
            match reach(&target) {
                Ok(client) => return Ok(client),
                Err(Unreached::Trouble(Trouble::Unauthorized, text)) => {
                    self.screen.line("Server requires authentication");
                    if !self.asks_login() {
                        return Err(self.no_server(&format!("error: {}: {text}", target.url)));
                    }
                }
                Err(unreached) => return Err(self.unreached(&target.url, unreached)),
            }
        }
    }

    /// For who is nobody to visor, but may have a login for the HTTP that a server's socket speaks, too. If not, `refusal` is told.
    pub(super) fn connect_refused(&mut self, refusal: &ClientError) -> Result<Client, ExitCode> {
        match reach(&Target { url: self.server.url(), login: self.login.clone() }) {
            Ok(client) => {
                self.speech = Speech::Foreign;
                Ok(client)
            }
            Err(Unreached::Trouble(Trouble::Unauthorized, _)) => self.connect_foreign(),
            Err(_) => Err(self.not_understood(refusal)),
        }
    }

    fn unreached(&mut self, url: &str, unreached: Unreached) -> ExitCode {
        match unreached {
            Unreached::NotInstalled => {
                let text = format!(
                    "error: {url} speaks HTTP, for which svc needs `{PROGRAM}`; it is neither beside svc nor on PATH"
                );
                self.no_server(&text)
            }
            Unreached::NotStarted(error) => self.no_server(&format!("error: {url}: cannot start `{PROGRAM}`: {error}")),
            Unreached::Broken(error) => self.no_server(&format!("error: {url}: `{PROGRAM}`: {error}")),
            Unreached::Trouble(Trouble::Refused, _) => self.unreachable(&ClientError::Refused),
            Unreached::Trouble(Trouble::NoFile, _) => self.unreachable(&ClientError::NotFound),
            Unreached::Trouble(Trouble::NotPermitted, _) => self.unreachable(&ClientError::NotPermitted),
            Unreached::Trouble(Trouble::NotSupervisor, text) => self.foreign(&text, ExitCode::NoSupervisor),
            Unreached::Trouble(Trouble::OtherVersion, text) => self.foreign(&text, ExitCode::OtherVersion),
            Unreached::Trouble(Trouble::Unauthorized | Trouble::Other, text) => {
                self.no_server(&format!("error: {url}: {text}"))
            }
        }
    }

    /// What Supervisor's client says with an exit code of its own, where it looks first.
    fn foreign(&mut self, text: &str, code: ExitCode) -> ExitCode {
        self.screen.line(text);
        match self.action {
            Action::Status => ExitCode::Unreachable,
            // A health check knows 0 and 1 only.
            Action::Healthy => ExitCode::Failure,
            action if action.looks_first() => code,
            _ => ExitCode::Failure,
        }
    }

    /// Tells that visor does not want to deal with us, or that what should have been its answer is none.
    pub(super) fn not_understood(&mut self, error: &ClientError) -> ExitCode {
        match error {
            ClientError::Failed(code, text) => self.end_failure(*code, text),
            ClientError::TimedOut => self.end_failure(Code::Failed, &format!("{}: {error}", self.server.url())),
            error => self.broken(error),
        }
    }
}
