//! `status`: what runs and what does not. Pure but for the last step.

use super::action::Action;
use super::json;
use super::screen::Colour;
use super::words::failure;
use super::{Answer, Session, options};
use crate::cli::ExitCode;
use crate::list::List as _;
use crate::order;
use crate::protocol::{Code, Line, Request, STATES};

/// Narrowest column of names.
const NAME_WIDTH: usize = 30;
/// Blanks after the longest name.
const NAME_GAP: usize = 3;
/// Column of states.
const STATE_WIDTH: usize = 10;
/// Keys whose values are numbers.
const NUMBERS: &[&str] = &["pid", "start", "stop", "now", "exit", "uptime", "waiting", "lost", "next"];

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: String,
    state: String,
    description: String,
}

impl Row {
    fn of(line: &Line) -> Row {
        let get = |key| line.get(key).unwrap_or_default().to_owned();
        Row { name: get("name"), state: get("state"), description: get("description") }
    }
}

/// The list's lines, the names all in one width; `paint` colours a padded state.
fn table(rows: &[Row], paint: impl Fn(&str, &str) -> String) -> Vec<String> {
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let width = longest.max(NAME_WIDTH) + NAME_GAP;
    rows.iter()
        .map(|row| {
            let state = paint(&row.state, &format!("{:<STATE_WIDTH$}", row.state));
            format!("{:<width$}{state}{}", row.name, row.description)
        })
        .list()
}

/// The line of a name that was not found, if that is what it is.
fn unknown(line: &Line) -> Option<String> {
    let (code, text) = failure(line)?;
    let reason = match (code, line.get("name")) {
        (Code::BadName, Some(_)) => "no such process",
        (Code::BadName, None) => "no such group",
        _ => text,
    };
    let name = line.get("name").or(line.get("group")).unwrap_or_default();
    Some(format!("{name}: ERROR ({reason})"))
}

/// The exit code: something stopped weighs more than an unknown name.
fn exit_code(rows: &[Row], any_unknown: bool) -> ExitCode {
    if rows.iter().any(|row| is_stopped(&row.state)) {
        ExitCode::SomeStopped
    } else if any_unknown {
        ExitCode::Unreachable
    } else {
        ExitCode::Success
    }
}

fn is_stopped(state: &str) -> bool {
    matches!(state, "STOPPED" | "EXITED" | "FATAL" | "UNKNOWN")
}

/// The colour of a state.
#[must_use]
pub fn colour(state: &str) -> Colour {
    match state {
        "RUNNING" => Colour::Green,
        "STARTING" | "STOPPING" | "BACKOFF" => Colour::Yellow,
        "FATAL" | "UNKNOWN" => Colour::Red,
        _ => Colour::Plain,
    }
}

impl Session {
    /// `status [--json] [--state STATE[,STATE…]] [NAME…]`
    pub(super) fn status(&mut self, arguments: &[&str]) -> Answer {
        let mut words = arguments.to_vec();
        let json = options::take_switch(&mut words, "--json");
        let states = match options::take(&mut words, "--state").and_then(|list| list.map(states).transpose()) {
            Ok(states) => states,
            Err(text) => return self.misuse(Action::Status, &text, ExitCode::Usage),
        };
        let names = super::names(words.into_iter());
        let everything = names.is_empty() || names.iter().any(|name| name == "all");
        let request = Request::Status(if everything { Vec::new() } else { names });
        let mut lines = Vec::new();
        self.ask(&request, &mut |_, line| lines.push(line))?;
        if let Some(states) = states {
            lines.retain(|line| line.get("state").is_none_or(|state| states.contains(&state)));
        }
        if everything {
            order::sort_by(&mut lines, |one, other| place(one).cmp(&place(other)));
        }
        let unknown: Vec<String> = lines.iter().filter_map(unknown).list();
        let rows: Vec<Row> = lines.iter().filter(|line| failure(line).is_none()).map(Row::of).list();
        if json {
            self.screen.line(&as_json(&lines));
        } else {
            unknown.iter().for_each(|text| self.screen.line(text));
            let screen = &self.screen;
            let lines = table(&rows, |state, padded| screen.paint(colour(state), padded));
            lines.iter().for_each(|text| self.screen.line(text));
        }
        Ok(exit_code(&rows, !unknown.is_empty()))
    }
}

/// Names of states separated by commas, in any case.
fn states(list: &str) -> Result<Vec<&'static str>, String> {
    let known = |word: &str| match STATES.into_iter().find(|state| state.eq_ignore_ascii_case(word)) {
        Some(state) => Ok(state),
        None => Err(format!("Error: --state: `{word}` is no state: {}", STATES.join(", "))),
    };
    list.split(',').map(known).list_all()
}

/// What the whole list is sorted by.
fn place(line: &Line) -> (&str, &str) {
    (line.get("group").unwrap_or_default(), line.get("process").unwrap_or_default())
}

fn as_json(lines: &[Line]) -> String {
    let objects: Vec<String> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Data(pairs) => Some(json::object(pairs, NUMBERS)),
            Line::Bytes(_) | Line::Ok(_) | Line::Error(..) => None,
        })
        .list();
    json::list(&objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, state: &str, description: &str) -> Row {
        Row { name: name.to_owned(), state: state.to_owned(), description: description.to_owned() }
    }

    fn plain(_: &str, padded: &str) -> String {
        padded.to_owned()
    }

    #[test]
    fn columns_are_supervisors() {
        let rows = [
            row("g:two_00", "RUNNING", "pid 26332, uptime 0:00:07"),
            row("stopped", "STOPPED", "Not started"),
            row("x", "STARTING", ""),
        ];
        assert_eq!(
            table(&rows, plain),
            [
                "g:two_00                         RUNNING   pid 26332, uptime 0:00:07",
                "stopped                          STOPPED   Not started",
                "x                                STARTING  ",
            ]
        );
    }

    #[test]
    fn long_name_widens_the_column_by_characters() {
        let long = "é".repeat(31);
        let lines = table(&[row(&long, "RUNNING", "p"), row("a", "RUNNING", "p")], plain);
        assert_eq!(lines[0], format!("{long}   RUNNING   p"));
        assert_eq!(lines[1], format!("a{}RUNNING   p", " ".repeat(33)));
        assert_eq!(table(&[], plain), Vec::<String>::new());
    }

    #[test]
    fn exit_code_is_3_if_something_is_stopped_else_4_if_unknown() {
        let up = ["STARTING", "RUNNING", "BACKOFF", "STOPPING"].map(|state| row("a", state, ""));
        assert_eq!(exit_code(&up, false).number(), 0);
        assert_eq!(exit_code(&up, true).number(), 4);
        assert_eq!(exit_code(&[], true).number(), 4);
        for state in ["STOPPED", "EXITED", "FATAL", "UNKNOWN"] {
            let mut rows = up.to_vec();
            rows.push(row("b", state, ""));
            assert_eq!(exit_code(&rows, false).number(), 3);
            assert_eq!(exit_code(&rows, true).number(), 3);
        }
    }

    #[test]
    fn unknown_names_are_told_as_process_or_group() {
        let line = |key: &str| Line::Data(vec![(key.to_owned(), "x".to_owned()), ("error".into(), "bad-name".into())]);
        assert_eq!(unknown(&line("name")).as_deref(), Some("x: ERROR (no such process)"));
        assert_eq!(unknown(&line("group")).as_deref(), Some("x: ERROR (no such group)"));
        assert_eq!(unknown(&Line::Data(vec![("name".into(), "x".into())])), None);
    }
}
