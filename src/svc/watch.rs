//! `watch`: state changes as they happen.

use super::screen::Screen;
use super::status;
use super::stream::{Streams, Wake};
use super::{Answer, Session, names};
use crate::cli::ExitCode;
use crate::client::{Client, ClientError};
use crate::list::List as _;
use crate::protocol::{Line, Request};

/// What the name of a state event begins with.
const STATE_EVENT: &str = "PROCESS_STATE_";
const SECONDS_A_DAY: i64 = 86_400;

impl Session {
    /// `event TYPE [DATA…]`
    pub(super) fn event(&mut self, arguments: &[&str]) -> Answer {
        let Some((kind, data)) = arguments.split_first() else {
            self.screen.line("Error: event requires a type");
            return Ok(ExitCode::Failure);
        };
        let request = Request::Event { kind: (*kind).to_owned(), data: data.join(" ").into_bytes() };
        self.ask(&request, &mut |_, _| ())?;
        Ok(ExitCode::Success)
    }

    /// `watch [--json] [--type TYPE]… [NAME…]`
    pub(super) fn watch(&mut self, arguments: &[&str]) -> Answer {
        let mut rest = arguments.iter().copied().peekable();
        let (mut json, mut kinds) = (false, Vec::new());
        while let Some(option) = rest.next_if(|word| word.starts_with("--")) {
            match (option, option.strip_prefix("--type=")) {
                ("--json", _) => json = true,
                ("--type", _) => match rest.next() {
                    Some(kind) => kinds.push(kind.to_ascii_uppercase()),
                    None => {
                        self.screen.line("Error: --type requires a type of event");
                        return Ok(ExitCode::Failure);
                    }
                },
                (_, Some(kind)) => kinds.push(kind.to_ascii_uppercase()),
                (unknown, None) => {
                    self.screen.line(&format!("Error: bad argument {unknown}"));
                    return Ok(ExitCode::Failure);
                }
            }
        }
        let arguments: Vec<&str> = rest.list();
        let all = arguments.contains(&"all");
        let names = if all { Vec::new() } else { names(arguments.iter().copied()) };
        let client = self.begin(&Request::Watch { kinds, names })?;
        let mut streams = self.streams(vec![client])?;
        while !self.screen.is_gone() {
            match streams.next(None) {
                Wake::Line(_, Line::Error(code, text)) => return Ok(self.end_failure(code, &text)),
                Wake::Line(_, line) => {
                    let text = if json { as_json(&line) } else { event(&line, &self.screen) };
                    if let Some(text) = text {
                        self.screen.line(&text);
                        self.screen.flush();
                    }
                }
                Wake::Gone(ClientError::Closed) => break,
                Wake::Gone(error) => return Err(self.broken(&error)),
                Wake::Nobody | Wake::Interrupt | Wake::Input(_) | Wake::InputEnd | Wake::TimedOut => break,
            }
        }
        Ok(ExitCode::Success)
    }

    /// Connects and sends a request whose reply is read later.
    pub(super) fn begin(&mut self, request: &Request) -> Result<Client, ExitCode> {
        let mut client = self.connect()?;
        match client.send(request) {
            Ok(()) => Ok(client),
            Err(error) => Err(self.broken(&error)),
        }
    }

    pub(super) fn streams(&mut self, clients: Vec<Client>) -> Result<Streams, ExitCode> {
        Streams::new(clients).map_err(|error| {
            self.screen.line(&format!("error: cannot wait for Ctrl-C: {}", error));
            ExitCode::Failure
        })
    }
}

/// An object a line.
fn as_json(line: &Line) -> Option<String> {
    let Line::Data(pairs) = line else { return None };
    Some(super::json::object(pairs, &["pid", "tries", "when", "missed"]))
}

/// `2026-11-22T11:44:31Z web: STARTING -> RUNNING, pid 7`
fn event(line: &Line, screen: &Screen) -> Option<String> {
    if let Some(missed) = line.get("missed") {
        return Some(format!("({missed} events missed: the reader was too slow)"));
    }
    let event = line.get("event")?;
    let seconds = line.get("time").and_then(|time| time.split('.').next()?.parse().ok());
    let time = seconds.map(utc).unwrap_or_default();
    let name = line.get("name").or(line.get("group")).unwrap_or("visor");
    let Some(state) = event.strip_prefix(STATE_EVENT) else {
        return Some(format!("{time} {name}: {event}"));
    };
    let from = line.get("from").unwrap_or_default();
    let state = screen.paint(status::colour(state), state);
    let pid = match line.get("pid") {
        None | Some("0" | "") => String::new(),
        Some(pid) => format!(", pid {pid}"),
    };
    Some(format!("{time} {name}: {from} -> {state}{pid}"))
}

/// A time of the epoch as a date; the library knows no time zones, so it is UTC and says so.
fn utc(epoch: i64) -> String {
    let (days, seconds) = (epoch.div_euclid(SECONDS_A_DAY), epoch.rem_euclid(SECONDS_A_DAY));
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    const EPOCH_YEAR: i64 = 1970;
    let mut year = EPOCH_YEAR + 400 * days.div_euclid(DAYS_IN_400_YEARS);
    let mut rest = days.rem_euclid(DAYS_IN_400_YEARS);
    while rest >= year_length(year) {
        rest -= year_length(year);
        year += 1;
    }
    let february = if year_length(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

fn year_length(year: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_of_the_calendar() {
        for (epoch, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_347_871, "2026-11-22T11:44:31Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(epoch), text);
        }
        assert!(!utc(i64::MIN).is_empty() && !utc(i64::MAX).is_empty());
    }

    #[test]
    fn events_are_told_in_a_line() {
        let screen = Screen::new(Box::new(std::io::sink()), Box::new(std::io::sink()), false);
        let line = |pairs: &[(&str, &str)]| {
            Line::Data(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
        };
        let running = line(&[
            ("event", "PROCESS_STATE_RUNNING"),
            ("name", "g:p"),
            ("from", "STARTING"),
            ("pid", "7"),
            ("time", "0.999"),
        ]);
        assert_eq!(event(&running, &screen).as_deref(), Some("1970-01-01T00:00:00Z g:p: STARTING -> RUNNING, pid 7"));
        let added = event(&line(&[("event", "PROCESS_GROUP_ADDED"), ("group", "g"), ("time", "1")]), &screen);
        assert_eq!(added.as_deref(), Some("1970-01-01T00:00:01Z g: PROCESS_GROUP_ADDED"));
        let missed = event(&line(&[("missed", "3")]), &screen);
        assert_eq!(missed.as_deref(), Some("(3 events missed: the reader was too slow)"));
        assert_eq!(event(&line(&[("x", "y")]), &screen), None);
    }
}
