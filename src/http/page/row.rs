//! A process as the page shows it.
//!
//! Owns: what of a `status` line is shown, as a value and as JSON. Does not own: how it looks.

use serde_json::{Value, json};

use crate::protocol::Line;

/// One process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// As people write it.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its name within the group.
    pub process: String,
    /// `RUNNING`, ….
    pub state: String,
    /// Supervisor's text.
    pub description: String,
    /// 0 = none.
    pub pid: u32,
    /// Epoch seconds of the last start, 0 = never.
    pub start: u64,
    /// Seconds, while it runs.
    pub uptime: Option<u64>,
    /// Whether there is a log of stdout, and of stderr.
    pub logs: (bool, bool),
}

impl Row {
    /// Of a data line of `status`; `None` when it tells of a failure.
    #[must_use]
    pub fn of(line: &Line) -> Option<Row> {
        let text = |key: &str| line.get(key).unwrap_or_default().to_owned();
        let number = |key: &str| line.get(key).and_then(|value| value.parse().ok());
        Some(Row {
            state: line.get("state")?.to_owned(),
            name: text("name"),
            group: text("group"),
            process: text("process"),
            description: text("description"),
            pid: number("pid").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            start: number("start").unwrap_or(0),
            uptime: number("uptime"),
            logs: (line.get("stdout").is_some(), line.get("stderr").is_some()),
        })
    }

    /// Every process of a reply, by group and name.
    #[must_use]
    pub fn all(lines: &[Line]) -> Vec<Row> {
        let mut rows: Vec<Row> = lines.iter().filter_map(Row::of).collect();
        rows.sort_by(|one, other| (&one.group, &one.process).cmp(&(&other.group, &other.process)));
        rows
    }

    /// Whether this name, as people write it, means this process alone.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || name.split_once(':') == Some((&self.group, &self.process))
    }

    /// Whether anything but the passing of time tells two looks at a process apart.
    #[must_use]
    pub fn differs(&self, before: &Row) -> bool {
        let described = |row: &Row| if row.uptime.is_some() { String::new() } else { row.description.clone() };
        let rest = |row: &Row| Row { uptime: None, description: described(row), ..row.clone() };
        rest(self) != rest(before)
    }

    /// The object that the page's script reads.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "group": self.group, "process": self.process, "state": self.state,
            "description": self.description, "pid": self.pid, "uptime": self.uptime,
            "stdout": self.logs.0, "stderr": self.logs.1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pairs: &[(&str, &str)]) -> Line {
        Line::Data(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn status_line_becomes_a_row_and_a_failure_does_not() {
        let row = Row::of(&line(&[
            ("name", "g:p"),
            ("group", "g"),
            ("process", "p"),
            ("state", "RUNNING"),
            ("pid", "7"),
            ("uptime", "3"),
            ("stdout", "/x"),
            ("error", "a spawn error"),
        ]))
        .unwrap();
        assert_eq!((row.name.as_str(), row.pid, row.uptime, row.logs), ("g:p", 7, Some(3), (true, false)));
        assert_eq!(Row::of(&line(&[("name", "x"), ("error", "bad-name")])), None);
        assert_eq!(row.json()["stdout"], true);
    }

    #[test]
    fn rows_are_sorted_by_group_then_process() {
        let lines: Vec<Line> = [("b", "a"), ("a", "b"), ("a", "a")]
            .map(|(group, process)| line(&[("group", group), ("process", process), ("state", "STOPPED")]))
            .into();
        let order: Vec<String> = Row::all(&lines).into_iter().map(|row| row.group + &row.process).collect();
        assert_eq!(order, ["aa", "ab", "ba"]);
    }

    #[test]
    fn growing_uptime_is_no_difference_and_a_new_pid_is() {
        let row = |uptime: u64, pid: u32| Row {
            uptime: Some(uptime),
            pid,
            description: format!("pid {pid}, uptime {uptime}"),
            ..Row::default()
        };
        assert!(!row(9, 1).differs(&row(1, 1)));
        assert!(row(9, 2).differs(&row(9, 1)));
        let fatal = |text: &str| Row { description: text.to_owned(), ..Row::default() };
        assert!(fatal("a").differs(&fatal("b")));
    }
}
