//! `fg`: a process' output here, typed lines to its input.

use super::action::Action;
use super::logs::HOW_TO_LEAVE;
use super::stream::{Streams, Wake};
use super::{Answer, Session, words};
use crate::cli::ExitCode;
use crate::client::{Client, ClientError, End};
use crate::list::List as _;
use crate::protocol::{Code, DEFAULT_FOLLOW_BYTES, Line, Request, Stream};

/// Data bytes in one `send`: escaped they may triple, and the line has a limit.
const SEND_BYTES: usize = 16 * 1024;
/// States a process is not watched beyond.
const ENDS: [&str; 4] =
    ["PROCESS_STATE_STOPPED", "PROCESS_STATE_EXITED", "PROCESS_STATE_FATAL", "PROCESS_STATE_UNKNOWN"];

/// Why the foreground is left.
enum Left {
    ByWish,
    ProcessEnded,
    NoServer,
}

impl Session {
    /// `fg NAME`
    pub(super) fn fg(&mut self, arguments: &[&str]) -> Answer {
        let name = match arguments {
            [] => {
                return self.misuse(Action::Fg, "ERROR: no process name supplied", ExitCode::Failure);
            }
            [name] => *name,
            _ => return Ok(self.refuse("ERROR: too many process names supplied")),
        };
        // Watched before it is looked at, so that an end in between is not missed.
        let watch = self.begin(&Request::Watch { kinds: Vec::new(), names: vec![name.to_owned()] })?;
        if let Some(code) = self.not_running(name)? {
            return Ok(code);
        }
        self.screen.line(HOW_TO_LEAVE);
        self.screen.flush();
        let follow = |stream| Request::Follow { name: name.to_owned(), stream, bytes: DEFAULT_FOLLOW_BYTES };
        let clients = vec![watch, self.begin(&follow(Stream::Stdout))?, self.begin(&follow(Stream::Stderr))?];
        let sender = self.connect()?;
        let streams = self.streams(clients)?;
        match self.attend(name, streams, sender) {
            Left::ByWish => {}
            Left::ProcessEnded => self.screen.line("Process got killed"),
            Left::NoServer => {
                let text = format!("error: {}: {}", self.server.url(), ClientError::Closed);
                return Ok(self.refuse(&text));
            }
        }
        self.screen.line("Exiting foreground");
        Ok(ExitCode::Success)
    }

    fn refuse(&mut self, text: &str) -> ExitCode {
        self.screen.line(text);
        ExitCode::Failure
    }

    /// Tells, and gives the exit code, unless the name is that of one running process.
    fn not_running(&mut self, name: &str) -> Result<Option<ExitCode>, ExitCode> {
        let mut states = Vec::new();
        self.ask(&Request::Status(vec![name.to_owned()]), &mut |_, line| {
            let known = words::failure(&line).is_none();
            states.push(line.get("state").filter(|_| known).unwrap_or_default().to_owned());
        })?;
        let text = match states.iter().map(String::as_str).list()[..] {
            ["RUNNING"] => return Ok(None),
            [""] | [] => "ERROR: bad process name supplied",
            [_] => "ERROR: process not running",
            _ => "ERROR: bad process name supplied",
        };
        Ok(Some(self.refuse(text)))
    }

    /// Moves bytes both ways until something ends it.
    fn attend(&mut self, name: &str, mut streams: Streams, mut sender: Client) -> Left {
        let mut input = std::mem::take(&mut self.input);
        let left = loop {
            if self.screen.is_gone() {
                break Left::ByWish;
            }
            match streams.next(Some(&mut input)) {
                Wake::Line(_, Line::Bytes(bytes)) => self.screen.bytes(&bytes),
                Wake::Line(_, line) if line.get("event").is_some_and(|event| ENDS.contains(&event)) => {
                    break Left::ProcessEnded;
                }
                // A stream without a log has nothing to show.
                Wake::Line(number, Line::Error(..)) => streams.close(number),
                Wake::Line(_, Line::Data(_) | Line::Ok(_)) => {}
                Wake::Gone(_) | Wake::Nobody | Wake::TimedOut => break Left::NoServer,
                Wake::Interrupt | Wake::InputEnd => break Left::ByWish,
                Wake::Input(line) => {
                    if let Err(left) = self.send_line(&mut sender, name, line) {
                        break left;
                    }
                }
            }
            self.screen.flush();
        };
        self.input = input;
        left
    }

    fn send_line(&mut self, sender: &mut Client, name: &str, mut line: Vec<u8>) -> Result<(), Left> {
        line.push(b'\n');
        for piece in line.chunks(SEND_BYTES) {
            let request = Request::Send { name: name.to_owned(), data: piece.to_vec() };
            match sender.ask(&request, &mut |_| {}) {
                Ok(End::Ok(_)) => {}
                Ok(End::Error(Code::NotRunning, _)) => return Err(Left::ProcessEnded),
                Ok(End::Error(code, text)) => {
                    let said = words::end_failure(Action::Fg, code, &text);
                    self.screen.line(&said.text);
                    return Ok(());
                }
                Err(_) => return Err(Left::NoServer),
            }
        }
        Ok(())
    }
}
