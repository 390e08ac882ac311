//! Makes two runs comparable: what must differ (pids, times, directories) gets a name, the rest stays byte for byte.

use std::path::Path;

/// Length of `2026-11-23 01:47:24,170 `.
const STAMP_BYTES: usize = 24;

/// Digits after any of these are a number of this run.
const BEFORE_NUMBERS: [&str; 4] = ["pid ", "fd ", "PID: ", "supervisord started with pid "];

/// Texts that stand for the run's own places.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    /// The scene's directory.
    pub directory: &'a Path,
    /// Where the programs lie.
    pub programs: &'a Path,
}

impl Places<'_> {
    /// A screen's or file's text.
    pub fn text(&self, text: &str) -> String {
        let text = text.replace(&*self.programs.to_string_lossy(), "$BIN");
        let above = self.programs.parent().unwrap_or(Path::new("/"));
        let text = text.replace(&*above.to_string_lossy(), "$ABOVE");
        text.replace(&*self.directory.to_string_lossy(), "$DIR")
    }

    /// The lines of a screen.
    pub fn screen(&self, screen: &str) -> Vec<String> {
        let lines = self.text(screen);
        let lines = lines.lines().map(|line| stamp(&date(&uptime(&numbers(line)))));
        // visor's own log may be what is shown.
        lines.filter(|line| !line.strip_prefix("TIME ").is_some_and(tells_who_asked)).collect()
    }

    /// A log line without its time; `None` for one that has none (a child's output), and for what visor says besides of who asked.
    pub fn log_line(&self, line: &str) -> Option<String> {
        let bytes = line.as_bytes();
        let stamped = bytes.get(10) == Some(&b' ') && bytes.get(19) == Some(&b',') && bytes.get(23) == Some(&b' ');
        let message = line.get(STAMP_BYTES..).filter(|_| stamped)?;
        Some(numbers(&self.text(message))).filter(|message| !tells_who_asked(message))
    }
}

/// Whether a message is `operate by root (uid 0, pid 7): stop a` or the like, which the original has not.
fn tells_who_asked(message: &str) -> bool {
    let words: Vec<&str> = message.split(' ').take(3).collect();
    matches!(words.as_slice(), ["INFO", "operate" | "admin", "by"])
}

/// Whether a log message is about this process: its name stands there as a whole word (so no case names a process
/// with a word of the messages).
pub fn is_about(message: &str, process: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    message.match_indices(process).any(|(at, _)| {
        let before = message.get(..at).and_then(|text| text.chars().next_back());
        let after = message.get(at + process.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

fn numbers(line: &str) -> String {
    // `pid` of a process; 0 is none.
    if line != "0" && !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()) {
        return "N".to_owned();
    }
    let mut line = line.to_owned();
    for before in BEFORE_NUMBERS {
        line = replace_after(&line, before, |rest| rest.chars().take_while(char::is_ascii_digit).count());
    }
    // `killing 'x' (123) with SIGKILL`
    replace_after(&line, "' (", |rest| rest.chars().take_while(char::is_ascii_digit).count())
}

fn uptime(line: &str) -> String {
    replace_after(line, "uptime ", |rest| {
        rest.chars().take_while(|c| c.is_ascii_digit() || *c == ':').map(char::len_utf8).sum()
    })
}

/// `Nov 22 11:22 AM` → `DATE`.
fn date(line: &str) -> String {
    const LENGTH: usize = 15;
    let looks = |text: &str| {
        let shape = |c: char| match c {
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            '0'..='9' => '9',
            other => other,
        };
        text.chars().map(shape).collect::<String>() == "Aaa 99 99:99 AA"
    };
    let cut = line.len().saturating_sub(LENGTH);
    match (line.get(..cut), line.get(cut..)) {
        (Some(head), Some(tail)) if looks(tail) => format!("{head}DATE"),
        _ => line.to_owned(),
    }
}

/// `2026-11-23 01:47:24,170 ` at the beginning → `TIME `.
fn stamp(line: &str) -> String {
    let shape: String = line.chars().take(STAMP_BYTES).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    match line.get(STAMP_BYTES..) {
        Some(rest) if shape == "9999-99-99 99:99:99,999 " => format!("TIME {rest}"),
        _ => line.to_owned(),
    }
}

/// Replaces with `N` the `length` bytes after each `before`.
fn replace_after(line: &str, before: &str, length: impl Fn(&str) -> usize) -> String {
    let mut parts = line.split(before);
    let mut result = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let cut = length(part);
        result += before;
        if cut > 0 {
            result += "N";
        }
        result += part.get(cut..).unwrap_or("");
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_run_become_those_of_any() {
        let places = Places { directory: Path::new("/tmp/x"), programs: Path::new("/opt/bin") };
        let line = "2026-11-23 01:47:24,170 INFO spawned: 'a' with pid 10140";
        assert_eq!(places.log_line(line).as_deref(), Some("INFO spawned: 'a' with pid N"));
        let line = "2026-11-23 01:47:27,220 WARN killing 'b' (10141) with SIGKILL";
        assert_eq!(places.log_line(line).as_deref(), Some("WARN killing 'b' (N) with SIGKILL"));
        assert_eq!(places.log_line("ready"), None);
        let asked = "2026-11-23 01:47:24,170 INFO operate by root (uid 0, pid 7): stop a";
        assert_eq!(places.log_line(asked), None);
        let screen = "a   RUNNING   pid 26332, uptime 0:00:07\nb   EXITED    Nov 22 11:22 AM\n";
        assert_eq!(places.screen(screen), ["a   RUNNING   pid N, uptime N", "b   EXITED    DATE"]);
    }

    #[test]
    fn a_name_inside_another_is_not_about_it() {
        assert!(is_about("INFO spawned: 'a' with pid N", "a"));
        assert!(is_about("INFO stopped: a (exit status 0)", "a"));
        assert!(!is_about("INFO spawned: 'ab' with pid N", "a"));
        assert!(!is_about("INFO spawned: 'b_a' with pid N", "a"));
    }
}
