//! The companion: a person's action → requests → words on the screen and an exit code.
//!
//! Owns: Supervisor's words, exit codes and columns; the prompt; which socket is meant. Does not own: the command line (`cli`),
//! the connection (`client`), what a configuration file means (`config`).

mod action;
mod bridge;
mod control;
mod fg;
mod groups;
mod help;
mod input;
mod json;
mod login;
mod logs;
mod options;
mod screen;
mod server;
mod shell;
mod ssh;
mod start;
mod status;
mod stream;
mod top;
mod wait;
mod watch;
mod words;

pub use start::{ReadCtl, main};

use action::{Action, Command};
use input::Input;
use screen::Screen;
use server::Server;
use words::Said;

use crate::cli::{ExitCode, Personality};
use crate::client::{Client, ClientError, End};
use crate::list::List as _;
use crate::protocol::handover::Login;
use crate::protocol::{Code, Line, Request};

/// How an action ended: its exit code, or the code of a failure that was told already.
type Answer = Result<ExitCode, ExitCode>;

/// What speaks at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    /// Nobody asked yet.
    Unknown,
    /// visor's.
    Ours,
    /// HTTP.
    Foreign,
}

/// A person's dealings with one visor.
struct Session {
    server: Server,
    speech: Speech,
    /// For servers that want one.
    login: Option<Login>,
    screen: Screen,
    input: Input,
    personality: Personality,
    /// Before `> `.
    prompt: String,
    /// Inside the prompt: dangerous actions ask first.
    is_shell: bool,
    /// What is being done, for the words of failures.
    action: Action,
    leaving: bool,
    /// A connection made and not used yet.
    connected: Option<Client>,
}

impl Session {
    fn new(server: Server, login: Option<Login>, screen: Screen, personality: Personality, prompt: String) -> Session {
        Session {
            server,
            speech: Speech::Unknown,
            login,
            screen,
            input: Input::default(),
            personality,
            prompt,
            is_shell: false,
            action: Action::Status,
            leaving: false,
            connected: None,
        }
    }

    /// Does what one line asks for.
    fn run_line(&mut self, line: &str) -> ExitCode {
        let code = match action::parse(line) {
            Command::Empty => ExitCode::Success,
            Command::Unknown(line) => {
                self.screen.line(&format!("*** Unknown syntax: {line}"));
                ExitCode::Failure
            }
            Command::Act { action, name, arguments } => {
                self.action = action;
                let (Ok(code) | Err(code)) = self.act(action, name, &arguments);
                self.connected = None;
                code
            }
        };
        self.screen.flush();
        code
    }

    fn act(&mut self, action: Action, name: &str, arguments: &[&str]) -> Answer {
        if action.looks_first() {
            // A missing visor is told before a misuse, as the original does.
            self.connected = Some(self.connect()?);
        }
        match action {
            Action::Avail
            | Action::Reread
            | Action::Reload
            | Action::Shutdown
            | Action::End(_)
            | Action::Version
            | Action::Reopen
                if !arguments.is_empty() =>
            {
                self.misuse(action, &format!("Error: {name} accepts no arguments"), ExitCode::Failure)
            }
            Action::Start | Action::Stop | Action::Restart | Action::ReloadProgram | Action::Clear => {
                self.control(action, name, arguments)
            }
            Action::Add | Action::Remove | Action::Update => self.groups(action, arguments),
            Action::Scale => self.scale(arguments),
            Action::Status => self.status(arguments),
            Action::Signal => self.signal(arguments),
            Action::Pid => self.pid(arguments),
            Action::Tail => self.tail(arguments),
            Action::Maintail => self.maintail(arguments),
            Action::Logs => self.logs(arguments),
            Action::Fg => self.fg(arguments),
            Action::Event => self.event(arguments),
            Action::Watch => self.watch(arguments),
            Action::Wait => self.wait(arguments),
            Action::Rolling => self.rolling(arguments),
            Action::Top => self.top(arguments),
            Action::Why => self.why(arguments),
            Action::Config => self.config(arguments),
            Action::Healthy => self.healthy(arguments),
            Action::Avail => self.avail(),
            Action::Reread => self.reread(),
            Action::Reload => self.reload(),
            Action::Shutdown => self.shutdown(),
            Action::End(ending) => self.end(ending),
            Action::Version => self.version(),
            Action::Reopen => self.reopen(),
            Action::Open => self.open(arguments),
            Action::Help => Ok(self.help(arguments)),
            Action::Quit => {
                self.screen.line("");
                self.leaving = true;
                Ok(ExitCode::Success)
            }
        }
    }

    fn is_own(&self) -> bool {
        self.personality == Personality::Own
    }

    fn help(&mut self, arguments: &[&str]) -> ExitCode {
        let Some(topic) = arguments.first() else {
            help::list().iter().for_each(|line| self.screen.line(line));
            return ExitCode::Success;
        };
        match Action::from_name(topic) {
            Some(action) => help::of(action).iter().for_each(|line| self.screen.line(line)),
            None => self.screen.line(&format!("*** No help on {topic}")),
        }
        ExitCode::Success
    }

    /// `open URL`
    fn open(&mut self, arguments: &[&str]) -> Answer {
        let server = Server::parse(arguments.first().copied().unwrap_or_default());
        let has_scheme = arguments.first().is_some_and(|url| url.contains("://"));
        match server {
            Server::Unix(_) | Server::Http(_) if has_scheme => {
                self.server = server;
                self.speech = Speech::Unknown;
                self.action = Action::Status;
                self.status(&[])
            }
            Server::Unix(_) | Server::Http(_) | Server::Unknown(_) => {
                self.screen.line("ERROR: url must be http:// or unix://");
                Ok(ExitCode::Failure)
            }
        }
    }

    /// Tells of wrong use, with the action's help.
    fn misuse(&mut self, action: Action, text: &str, code: ExitCode) -> Answer {
        self.screen.line(text);
        help::of(action).iter().for_each(|line| self.screen.line(line));
        Ok(code)
    }

    /// Connects, or tells why not.
    fn connect(&mut self) -> Result<Client, ExitCode> {
        if let Some(client) = self.connected.take() {
            return Ok(client);
        }
        match &self.server {
            Server::Unix(path) => match (Client::connect(path), self.speech) {
                (Err(error), _) => Err(self.unreachable(&error)),
                (Ok(_), Speech::Foreign) => self.connect_foreign(),
                (Ok(client), Speech::Ours) => Ok(client),
                (Ok(client), Speech::Unknown) => self.make_out(client),
            },
            Server::Http(_) => self.connect_foreign(),
            Server::Unknown(url) => {
                let text = format!("error: unknown protocol for serverurl {url}");
                Err(self.no_server(&text))
            }
        }
    }

    /// Finds out what language is spoken on a new connection, once.
    fn make_out(&mut self, mut client: Client) -> Result<Client, ExitCode> {
        match client.is_understood() {
            Ok(true) => {
                self.speech = Speech::Ours;
                Ok(client)
            }
            Ok(false) => {
                self.speech = Speech::Foreign;
                drop(client);
                self.connect_foreign()
            }
            Err(error @ ClientError::Failed(Code::NotPermitted, _)) => self.connect_refused(&error),
            Err(error) => Err(self.not_understood(&error)),
        }
    }

    fn no_server(&mut self, text: &str) -> ExitCode {
        self.screen.line(text);
        // The original's client tells only those apart that it has words for.
        if self.action == Action::Status && self.is_own() { ExitCode::Unreachable } else { ExitCode::Failure }
    }

    /// Tells why visor cannot be reached: on stdout in Supervisor's words, on stderr in ours.
    fn unreachable(&mut self, error: &ClientError) -> ExitCode {
        let url = self.server.url();
        let (said, hint, code) = match error {
            ClientError::NotFound => {
                ("no such file", "there is no such socket: is visor running there?", ExitCode::NotRunning)
            }
            ClientError::Refused => {
                ("refused connection", "nobody listens: visor is gone and left its socket", ExitCode::Unreachable)
            }
            ClientError::NotPermitted => ("", "not permitted: be root, or the user visor runs as", ExitCode::Failure),
            ClientError::Closed
            | ClientError::TimedOut
            | ClientError::Protocol(_)
            | ClientError::Failed(..)
            | ClientError::Request(_)
            | ClientError::Io(_) => ("", "", ExitCode::Failure),
        };
        let text = match (said, self.action) {
            ("", _) => format!("error: {url}: {error}"),
            (said, Action::Shutdown) => format!("ERROR: {url} {said} (already shut down?)"),
            (said, action) if action.looks_first() => format!("{url} {said}"),
            (said, _) => format!("error: {url} {said}"),
        };
        self.screen.line(&text);
        let is_socket = matches!(self.server, Server::Unix(_));
        if self.is_own() && is_socket && !hint.is_empty() {
            let place = url.strip_prefix("unix://").unwrap_or(&url);
            self.screen.remark(&format!("svc: cannot reach visor at `{place}`: {hint}"));
            self.screen.remark("svc: -s PATH or $SVC_SOCKET choose another socket");
        }
        match self.action {
            Action::Status => ExitCode::Unreachable,
            // A health check knows 0 and 1 only.
            Action::Healthy => ExitCode::Failure,
            action if action.looks_first() => code,
            _ => ExitCode::Failure,
        }
    }

    /// Tells that the connection or the language failed in mid reply.
    fn broken(&mut self, error: &ClientError) -> ExitCode {
        let text = format!("error: {}: {error}", self.server.url());
        self.no_server(&text)
    }

    /// Asks, gives the reply's lines to `each`; a failed end is told.
    fn ask(&mut self, request: &Request, each: &mut dyn FnMut(&mut Screen, Line)) -> Result<String, ExitCode> {
        self.ask_whole(request, each)?.map_err(|(code, text)| self.end_failure(code, &text))
    }

    /// As [`Session::ask`], but a failed end is the caller's to tell.
    fn ask_whole(
        &mut self,
        request: &Request,
        each: &mut dyn FnMut(&mut Screen, Line),
    ) -> Result<Result<String, (Code, String)>, ExitCode> {
        let mut client = self.connect()?;
        let screen = &mut self.screen;
        match client.ask(request, &mut |line| each(screen, line)) {
            Ok(End::Ok(text)) => Ok(Ok(text)),
            Ok(End::Error(code, text)) => Ok(Err((code, text))),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Asks for something whose reply has a line per item, and shows each as it comes.
    fn each_result(&mut self, request: &Request, say: &dyn Fn(&Line) -> Said) -> Answer {
        let mut exit = ExitCode::Success;
        let mut told = false;
        let end = self.ask_whole(request, &mut |screen, line| {
            let said = say(&line);
            exit = said.code.unwrap_or(exit);
            told |= words::failure(&line).is_some();
            screen.line(&said.text);
            screen.flush();
        })?;
        match end {
            // The end repeats the last failure of an item.
            Err((code, text)) if !told => Err(self.end_failure(code, &text)),
            Ok(_) | Err(_) => Ok(exit),
        }
    }

    fn end_failure(&mut self, code: Code, text: &str) -> ExitCode {
        let said = words::end_failure(self.action, code, text);
        self.screen.line(&said.text);
        match (self.action, said.code) {
            (Action::Status, Some(_)) => ExitCode::Unreachable,
            (_, code) => code.unwrap_or(ExitCode::Success),
        }
    }
}

fn names<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(str::to_owned).list()
}
