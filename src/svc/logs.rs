//! `tail`, `maintail` and `logs`: what programs wrote.

use super::action::Action;
use super::screen::Colour;
use super::stream::Wake;
use super::words;
use super::{Answer, Session, names};
use crate::cli::ExitCode;
use crate::client::{Client, ClientError};
use crate::list::List as _;
use crate::protocol::{Code, DEFAULT_FOLLOW_BYTES, DEFAULT_TAIL_BYTES, Line, Request, Stream};

/// Said when output goes on until Ctrl-C.
pub(super) const HOW_TO_LEAVE: &str = "==> Press Ctrl-C to exit <==";
/// The name of visor's own log in messages.
const MAIN_LOG: &str = "supervisord";
/// Longest beginning of a line that `logs` holds back until its end comes.
const LINE_BYTES: usize = 64 * 1024;

/// `-f` or `-N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Follow,
    Last(u64),
}

/// Reads a modifier; `None` = it is none.
fn amount(modifier: &str) -> Option<Amount> {
    match modifier.strip_prefix('-')? {
        "f" => Some(Amount::Follow),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Amount::Last),
        _ => None,
    }
}

/// One stream of one process in `logs`.
struct Source {
    name: String,
    stream: Stream,
    colour: Colour,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Session {
    /// `tail [-N|-f] NAME [stdout|stderr]`
    pub(super) fn tail(&mut self, arguments: &[&str]) -> Answer {
        match arguments.len() {
            0 => return self.misuse(Action::Tail, "Error: too few arguments", ExitCode::Failure),
            1..=3 => {}
            _ => return self.misuse(Action::Tail, "Error: too many arguments", ExitCode::Failure),
        }
        let (modifier, rest) = match arguments.split_first() {
            Some((first, rest)) if first.starts_with('-') => (Some(*first), rest),
            _ => (None, arguments),
        };
        let (name, channel) = match rest {
            [] => return Ok(self.wrong("Error: tail requires process name")),
            [name] => (*name, "stdout".to_owned()),
            [name, .., channel] => (*name, channel.to_lowercase()),
        };
        let Some(stream) = Stream::from_word(&channel) else {
            return Ok(self.wrong(&format!("Error: bad channel '{channel}'")));
        };
        let name_text = name.to_owned();
        match modifier.map_or(Some(Amount::Last(DEFAULT_TAIL_BYTES)), amount) {
            None => Ok(self.wrong(&format!("Error: bad argument {}", modifier.unwrap_or_default()))),
            Some(Amount::Last(bytes)) => self.show(name, &Request::Tail { name: name_text, stream, bytes }),
            Some(Amount::Follow) => {
                self.follow(name, &Request::Follow { name: name_text, stream, bytes: DEFAULT_FOLLOW_BYTES })
            }
        }
    }

    /// `maintail [-N|-f]`
    pub(super) fn maintail(&mut self, arguments: &[&str]) -> Answer {
        let modifier = match arguments {
            [] => None,
            [modifier] => Some(*modifier),
            _ => return self.misuse(Action::Maintail, "Error: too many arguments", ExitCode::Failure),
        };
        match modifier.map_or(Some(Amount::Last(DEFAULT_TAIL_BYTES)), amount) {
            None => Ok(self.wrong(&format!("Error: bad argument {}", modifier.unwrap_or_default()))),
            Some(Amount::Last(bytes)) => self.show(MAIN_LOG, &Request::Maintail { follow: false, bytes }),
            Some(Amount::Follow) => {
                self.follow(MAIN_LOG, &Request::Maintail { follow: true, bytes: DEFAULT_FOLLOW_BYTES })
            }
        }
    }

    fn wrong(&mut self, text: &str) -> ExitCode {
        self.screen.line(text);
        ExitCode::Failure
    }

    /// Shows a piece of a log and, as the original does, a line's end after it.
    fn show(&mut self, name: &str, request: &Request) -> Answer {
        let end = self.ask_whole(request, &mut |screen, line| {
            if let Line::Bytes(bytes) = line {
                screen.bytes(&bytes);
            }
        })?;
        match end {
            Ok(_) => {
                self.screen.line("");
                Ok(ExitCode::Success)
            }
            Err((code, text)) => {
                let said = words::log_failure(name, code, &text);
                Ok(self.wrong(&said.text))
            }
        }
    }

    /// Shows a log as it grows, until Ctrl-C or the server's end.
    fn follow(&mut self, name: &str, request: &Request) -> Answer {
        let client = self.begin(request)?;
        let mut streams = self.streams(vec![client])?;
        self.screen.line(HOW_TO_LEAVE);
        self.screen.flush();
        while !self.screen.is_gone() {
            match streams.next(None) {
                Wake::Line(_, Line::Bytes(bytes)) => self.screen.bytes(&bytes),
                Wake::Line(_, Line::Error(code, text)) => {
                    return Ok(self.wrong(&words::log_failure(name, code, &text).text));
                }
                Wake::Line(_, Line::Data(_) | Line::Ok(_)) => {}
                Wake::Interrupt => {
                    self.screen.line("");
                    break;
                }
                Wake::Gone(ClientError::Closed) => break,
                Wake::Gone(error) => return Err(self.broken(&error)),
                Wake::Nobody | Wake::Input(_) | Wake::InputEnd | Wake::TimedOut => break,
            }
            self.screen.flush();
        }
        Ok(ExitCode::Success)
    }

    /// `logs [-f] [NAME…]`
    pub(super) fn logs(&mut self, arguments: &[&str]) -> Answer {
        let follow = arguments.contains(&"-f");
        let wanted: Vec<&str> = arguments.iter().copied().filter(|word| *word != "-f").list();
        if let Some(option) = wanted.iter().find(|word| word.starts_with('-')) {
            return self.misuse(Action::Logs, &format!("Error: bad argument {option}"), ExitCode::Failure);
        }
        let (mut sources, exit) = self.sources(&wanted)?;
        let width = sources.iter().map(|source| source.name.chars().count()).max().unwrap_or(0);
        if follow {
            self.follow_all(&mut sources, width)?
        } else {
            self.show_all(&mut sources, width)?
        }
        Ok(exit)
    }

    /// The streams that have a log, of the processes named; an unknown name is told and fails.
    fn sources(&mut self, wanted: &[&str]) -> Result<(Vec<Source>, ExitCode), ExitCode> {
        let names = if wanted.contains(&"all") { Vec::new() } else { names(wanted.iter().copied()) };
        let mut sources: Vec<Source> = Vec::new();
        let mut exit = ExitCode::Success;
        let mut index = 0;
        self.ask(&Request::Status(names), &mut |screen, line| {
            if words::failure(&line).is_some() {
                let said = words::process_result(Action::Logs, &line);
                screen.line(&said.text);
                exit = said.code.unwrap_or(exit);
                return;
            }
            for stream in [Stream::Stdout, Stream::Stderr] {
                if let (Some(name), Some(_)) = (line.get("name"), line.get(stream.word())) {
                    let (name, colour) = (name.to_owned(), Colour::Name(index));
                    sources.push(Source { name, stream, colour, partial: Vec::new() });
                }
            }
            index += 1;
        })?;
        Ok((sources, exit))
    }

    fn show_all(&mut self, sources: &mut [Source], width: usize) -> Result<(), ExitCode> {
        for source in sources {
            let request = Request::Tail { name: source.name.clone(), stream: source.stream, bytes: DEFAULT_TAIL_BYTES };
            let mut lines = Vec::new();
            let end = self.ask_whole(&request, &mut |_, line| {
                if let Line::Bytes(bytes) = line {
                    lines.extend(source.take(&bytes));
                }
            })?;
            lines.extend(source.last());
            for line in lines {
                self.prefixed(source, width, &line);
            }
            if let Err((code, text)) = end
                && code != Code::NoFile
            {
                let said = words::log_failure(&source.name, code, &text);
                self.screen.line(&said.text);
            }
        }
        Ok(())
    }

    fn follow_all(&mut self, sources: &mut [Source], width: usize) -> Result<(), ExitCode> {
        let mut clients: Vec<Client> = Vec::new();
        for source in sources.iter() {
            let (name, stream) = (source.name.clone(), source.stream);
            clients.push(self.begin(&Request::Follow { name, stream, bytes: DEFAULT_FOLLOW_BYTES })?);
        }
        let mut streams = self.streams(clients)?;
        while !self.screen.is_gone() {
            match streams.next(None) {
                Wake::Line(number, Line::Bytes(bytes)) => {
                    if let Some(source) = sources.get_mut(number) {
                        for line in source.take(&bytes) {
                            self.prefixed(source, width, &line);
                        }
                    }
                }
                // No log, or no process any more: the others go on.
                Wake::Line(number, Line::Error(..)) => streams.close(number),
                Wake::Line(_, Line::Data(_) | Line::Ok(_)) | Wake::Gone(_) => {}
                Wake::Interrupt | Wake::Nobody | Wake::Input(_) | Wake::InputEnd | Wake::TimedOut => break,
            }
            self.screen.flush();
        }
        for source in sources {
            if let Some(line) = source.last() {
                self.prefixed(source, width, &line);
            }
        }
        Ok(())
    }

    /// `name | line`
    fn prefixed(&mut self, source: &Source, width: usize, line: &[u8]) {
        let name = self.screen.paint(source.colour, &format!("{:<width$} |", source.name));
        self.screen.bytes(name.as_bytes());
        self.screen.bytes(b" ");
        self.screen.bytes(line);
        self.screen.bytes(b"\n");
    }
}

impl Source {
    /// Adds bytes; gives the lines that are whole now, and a line that grew too long in pieces.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.partial.pop();
                lines.push(std::mem::take(&mut self.partial));
            } else if self.partial.len() >= LINE_BYTES {
                lines.push(std::mem::take(&mut self.partial));
            }
        }
        lines
    }

    /// What is left at the end.
    fn last(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.partial)).filter(|partial| !partial.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_f_or_a_number() {
        assert_eq!(amount("-f"), Some(Amount::Follow));
        assert_eq!(amount("-0"), Some(Amount::Last(0)));
        assert_eq!(amount("-100"), Some(Amount::Last(100)));
        for bad in ["-", "-x", "--5", "-+5", "-99999999999999999999", "f", "-5x"] {
            assert_eq!(amount(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_of_a_source_come_out_whole_however_they_are_cut() {
        let text = b"one\ntwo\n\nthree";
        for at in 0..=text.len() {
            let mut source =
                Source { name: String::new(), stream: Stream::Stdout, colour: Colour::Plain, partial: Vec::new() };
            let (first, second) = text.split_at(at);
            let mut lines = source.take(first);
            lines.extend(source.take(second));
            assert_eq!(lines, [&b"one"[..], b"two", b""]);
            assert_eq!(source.last().as_deref(), Some(&b"three"[..]));
            assert_eq!(source.last(), None);
        }
    }

    #[test]
    fn endless_line_comes_out_in_pieces() {
        let mut source =
            Source { name: String::new(), stream: Stream::Stdout, colour: Colour::Plain, partial: Vec::new() };
        assert_eq!(source.take(&vec![b'x'; LINE_BYTES]).len(), 1);
        assert_eq!(source.last(), None);
    }
}
