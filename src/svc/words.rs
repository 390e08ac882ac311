//! A reply's lines → Supervisor's words and exit codes. Pure.

use super::action::Action;
use crate::cli::ExitCode;
use crate::list::List as _;
use crate::protocol::{Code, Line};

/// A line for people and what it does to the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The line, without its end.
    pub text: String,
    /// `None` leaves the exit code as it is: a success never mends an earlier failure.
    pub code: Option<ExitCode>,
}

impl Said {
    fn well(text: String) -> Said {
        Said { text, code: None }
    }

    fn badly(text: String, code: ExitCode) -> Said {
        Said { text, code: Some(code) }
    }
}

/// Who a line is about, and whether that is a group.
fn subject(line: &Line) -> (&str, bool) {
    match (line.get("name"), line.get("group")) {
        (Some(name), _) => (name, false),
        (None, Some(group)) => (group, true),
        (None, None) => ("", false),
    }
}

/// The failure a line tells of; a code we do not know is a plain failure. In a line with a state, `error` is about an
/// earlier start of that process.
pub fn failure(line: &Line) -> Option<(Code, &str)> {
    if line.get("state").is_some() {
        return None;
    }
    let code = Code::from_word(line.get("error")?).unwrap_or(Code::Failed);
    Some((code, line.get("text").unwrap_or_default()))
}

/// The exit code of a process' failure.
fn exit_code(code: Code) -> ExitCode {
    match code {
        Code::SpawnError | Code::AbnormalTermination | Code::NotRunning => ExitCode::NotRunning,
        Code::BadRequest
        | Code::UnknownVerb
        | Code::BadArguments
        | Code::BadName
        | Code::BadSignal
        | Code::AlreadyStarted
        | Code::NoFile
        | Code::NotExecutable
        | Code::Failed
        | Code::NotPermitted
        | Code::ShuttingDown
        | Code::CannotReread
        | Code::Busy => ExitCode::Failure,
    }
}

/// Why a process could not be treated, as Supervisor says it.
fn reason(code: Code, is_group: bool, text: &str) -> String {
    let known = match code {
        Code::BadName if is_group => "no such group",
        Code::BadName => "no such process",
        Code::BadSignal => "bad signal name",
        Code::NotRunning => "not running",
        Code::AlreadyStarted => "already started",
        Code::SpawnError => "spawn error",
        Code::AbnormalTermination => "abnormal termination",
        Code::NoFile => "no such file",
        Code::NotExecutable => "file is not executable",
        Code::BadRequest
        | Code::UnknownVerb
        | Code::BadArguments
        | Code::Failed
        | Code::NotPermitted
        | Code::ShuttingDown
        | Code::CannotReread
        | Code::Busy => return if text.is_empty() { code.word().to_owned() } else { text.to_owned() },
    };
    known.to_owned()
}

/// A line of the replies to `start`, `stop`, `restart`, `reload-program`, `signal` and `clear`.
#[must_use]
pub fn process_result(action: Action, line: &Line) -> Said {
    let (name, is_group) = subject(line);
    let Some((code, text)) = failure(line) else {
        return Said::well(format!("{name}: {}", line.get("result").unwrap_or_default()));
    };
    let text = format!("{name}: ERROR ({})", reason(code, is_group, text));
    let forgiven = match action {
        Action::Start => code == Code::AlreadyStarted,
        Action::Stop => code == Code::NotRunning,
        Action::Restart => matches!(code, Code::AlreadyStarted | Code::NotRunning),
        _ => false,
    };
    let starts = matches!(action, Action::Start | Action::Restart);
    if forgiven {
        Said::well(text)
    } else if is_group && code == Code::BadName && starts {
        Said::badly(text, ExitCode::Usage)
    } else {
        Said::badly(text, exit_code(code))
    }
}

/// A line of the reply to `scale`.
#[must_use]
pub fn scaled(line: &Line) -> Said {
    match failure(line) {
        Some((_, text)) => Said::badly(format!("{}: ERROR ({text})", subject(line).0), ExitCode::Failure),
        None => process_result(Action::Scale, line),
    }
}

/// A line of the replies to `update`, `add`, `remove` and `reload`.
#[must_use]
pub fn group_result(action: Action, line: &Line) -> Said {
    let (group, _) = subject(line);
    if let Some((code, text)) = failure(line) {
        return group_failure(action, group, code, text);
    }
    let what = match line.get("result").unwrap_or_default() {
        "added" => "added process group",
        "removed" => "removed process group",
        "updated" => "updated process group",
        other => other,
    };
    Said::well(format!("{group}: {what}"))
}

fn group_failure(action: Action, group: &str, code: Code, text: &str) -> Said {
    let failed = |text: String| Said::badly(text, ExitCode::Failure);
    match (action, code) {
        (Action::Add, Code::AlreadyStarted | Code::Failed) => {
            Said::well("ERROR: process group already active".to_owned())
        }
        (Action::Remove, Code::AlreadyStarted | Code::Failed | Code::Busy) => {
            failed(format!("ERROR: process/group still running: {group}"))
        }
        (Action::Add | Action::Remove, Code::BadName) => failed(format!("ERROR: no such process/group: {group}")),
        (_, Code::BadName) => failed(format!("ERROR: no such group: {group}")),
        (Action::Update | Action::Reload, Code::Failed) => failed(format!("{group}: has problems; not removing")),
        _ => failed(format!("ERROR: {group}: {}", reason(code, true, text))),
    }
}

/// A line of the reply to `reread`: the group and what is said of it.
#[must_use]
pub fn change(line: &Line) -> Option<(String, String)> {
    let group = line.get("group")?.to_owned();
    let what = match line.get("change")? {
        "added" => "available",
        "removed" => "disappeared",
        other => other,
    };
    let text = format!("{group}: {what}");
    Some((group, text))
}

/// Blanks between two columns of a table.
const GAP: usize = 2;

/// The lines of the reply to `update --dry-run`, as a table: who, which option, what an update does about it, and from what to what it changes.
#[must_use]
pub fn preview(lines: &[Line]) -> Vec<String> {
    let row = |line: &Line| {
        let get = |key| line.get(key).unwrap_or_default().to_owned();
        let (who, is_group) = subject(line);
        match line.get("change") {
            Some(change) => [who.to_owned(), String::new(), change.to_owned(), String::new()],
            None => {
                let effect = if line.get("effect") == Some("live") { "applied live" } else { "needs restart" };
                // Its only process may be called as the group is, and have the same option.
                let who = if is_group { format!("{who}:*") } else { who.to_owned() };
                [who, get("key"), effect.to_owned(), format!("{} -> {}", get("from"), get("to"))]
            }
        }
    };
    // That a group changes is said by what follows.
    let is_told = |line: &&Line| !(line.get("group").is_some() && line.get("change") == Some("changed"));
    let rows: Vec<[String; 4]> = lines.iter().filter(is_told).map(row).list();
    let width = |column: fn(&[String; 4]) -> &String| {
        rows.iter().map(|row| column(row).chars().count()).max().map_or(0, |longest| longest.saturating_add(GAP))
    };
    let (who, key, effect) = (width(|row| &row[0]), width(|row| &row[1]), width(|row| &row[2]));
    let text = |[a, b, c, d]: &[String; 4]| format!("{a:<who$}{b:<key$}{c:<effect$}{d}").trim_end().to_owned();
    rows.iter().map(text).list()
}

/// The end of a reply that failed as a whole, and nothing was said of it before.
#[must_use]
pub fn end_failure(action: Action, code: Code, text: &str) -> Said {
    let failed = |text: String| Said::badly(text, ExitCode::Failure);
    match (action, code) {
        (Action::Shutdown, Code::ShuttingDown) => Said::well("ERROR: already shutting down".to_owned()),
        (Action::Reload | Action::Update, Code::ShuttingDown) => failed("ERROR: already shutting down".to_owned()),
        (Action::Avail | Action::Reread, Code::ShuttingDown) => failed("ERROR: supervisor shutting down".to_owned()),
        (Action::Add, Code::ShuttingDown) => failed("ERROR: shutting down".to_owned()),
        (Action::Reread, Code::CannotReread) => failed(format!("ERROR: CANT_REREAD: {text}")),
        (_, Code::CannotReread) => failed(format!("error: CANT_REREAD: {text}")),
        _ if text.is_empty() => Said::badly(format!("error: {code}"), exit_code(code)),
        _ => Said::badly(format!("error: {text}"), exit_code(code)),
    }
}

/// Why a log cannot be shown.
#[must_use]
pub fn log_failure(name: &str, code: Code, text: &str) -> Said {
    let reason = match code {
        Code::BadName => "no such process name",
        Code::NoFile => "no log file",
        Code::Failed => "unknown error reading log",
        Code::BadRequest
        | Code::UnknownVerb
        | Code::BadArguments
        | Code::BadSignal
        | Code::NotRunning
        | Code::AlreadyStarted
        | Code::SpawnError
        | Code::AbnormalTermination
        | Code::NotExecutable
        | Code::NotPermitted
        | Code::ShuttingDown
        | Code::CannotReread
        | Code::Busy => text,
    };
    Said::badly(format!("{name}: ERROR ({reason})"), ExitCode::Failure)
}

/// A line of the reply to `config`, as `avail` shows it.
#[must_use]
pub fn available(line: &Line) -> String {
    let get = |key| line.get(key).unwrap_or_default();
    let inuse = if get("inuse") == "yes" { "in use" } else { "avail" };
    let start = if get("autostart") == "yes" { "auto" } else { "manual" };
    format!("{:<32} {inuse:<9} {start:<9} {}:{}", get("name"), get("group_priority"), get("priority"))
}

/// What stands over the options of a process.
#[must_use]
pub fn setting_head(line: &Line) -> String {
    let get = |key| line.get(key).unwrap_or_default();
    with_remark(&format!("[{}]", get("section")), get("name"))
}

/// A line of the reply to `config NAME`: the option, and where it comes from as a comment.
#[must_use]
pub fn setting(line: &Line) -> String {
    let get = |key| line.get(key).unwrap_or_default();
    let mut remark = match line.get("file") {
        None => "default".to_owned(),
        Some(file) => format!("{file}:{}", get("line")),
    };
    if let Some(from) = line.get("from").filter(|from| *from != get("section")) {
        remark.push_str(&format!(" [{from}]"));
    }
    if let Some(running) = line.get("running") {
        remark.push_str(&format!(", runs with {running}"));
    }
    with_remark(&format!("{}={}", get("key"), get("value")), &remark)
}

fn with_remark(text: &str, remark: &str) -> String {
    const COLUMN: usize = 40;
    format!("{text:<COLUMN$} ; {remark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
        Line::Data(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn process(action: Action, text: &str) -> (String, Option<u8>) {
        let said = process_result(action, &line(text));
        (said.text, said.code.map(ExitCode::number))
    }

    fn group(action: Action, text: &str) -> (String, Option<u8>) {
        let said = group_result(action, &line(text));
        (said.text, said.code.map(ExitCode::number))
    }

    fn said(text: &str, code: Option<u8>) -> (String, Option<u8>) {
        (text.to_owned(), code)
    }

    #[test]
    fn setting_has_its_place_behind_it() {
        let shown =
            |text: &str| setting(&line(text)).split(' ').filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
        let of = |rest: &str| format!("name=w;section=program:w;key=priority;value=5{rest}");
        assert_eq!(shown(&of("")), "priority=5 ; default");
        assert_eq!(shown(&of(";file=/f;line=3;from=program:w")), "priority=5 ; /f:3");
        assert_eq!(
            shown(&of(";file=/f;line=3;from=template:t;running=9")),
            "priority=5 ; /f:3 [template:t], runs with 9"
        );
        assert_eq!(setting_head(&line("name=w;section=program:w")), format!("{:<40} ; w", "[program:w]"));
    }

    #[test]
    fn successes_leave_the_exit_code_alone() {
        assert_eq!(process(Action::Start, "name=g:a;result=started"), said("g:a: started", None));
        assert_eq!(process(Action::Stop, "name=a;result=stopped"), said("a: stopped", None));
        assert_eq!(process(Action::Signal, "name=a;result=signalled"), said("a: signalled", None));
        assert_eq!(process(Action::Clear, "name=a;result=cleared"), said("a: cleared", None));
    }

    #[test]
    fn failed_starts_have_supervisors_words_and_codes() {
        for (error, reason, code) in [
            ("bad-name", "no such process", Some(1)),
            ("no-file", "no such file", Some(1)),
            ("not-executable", "file is not executable", Some(1)),
            ("already-started", "already started", None),
            ("spawn-error", "spawn error", Some(7)),
            ("abnormal-termination", "abnormal termination", Some(7)),
            ("failed", "the text", Some(1)),
            ("unheard-of", "the text", Some(1)),
        ] {
            let text = format!("name=a;error={error};text=the text");
            assert_eq!(process(Action::Start, &text), said(&format!("a: ERROR ({reason})"), code), "{error}");
        }
        let no_group = "group=g;error=bad-name";
        assert_eq!(process(Action::Start, no_group), said("g: ERROR (no such group)", Some(2)));
    }

    #[test]
    fn failed_stops_and_signals_differ_in_what_is_forgiven() {
        let not_running = "name=a;error=not-running";
        assert_eq!(process(Action::Stop, not_running), said("a: ERROR (not running)", None));
        assert_eq!(process(Action::Signal, not_running), said("a: ERROR (not running)", Some(7)));
        assert_eq!(process(Action::Restart, not_running), said("a: ERROR (not running)", None));
        let bad_signal = "name=a;error=bad-signal";
        assert_eq!(process(Action::Signal, bad_signal), said("a: ERROR (bad signal name)", Some(1)));
        let no_group = "group=g;error=bad-name";
        assert_eq!(process(Action::Stop, no_group), said("g: ERROR (no such group)", Some(1)));
    }

    #[test]
    fn groups_have_supervisors_words() {
        for (action, text, expected) in [
            (Action::Update, "group=g;result=stopped", said("g: stopped", None)),
            (Action::Update, "group=g;result=removed", said("g: removed process group", None)),
            (Action::Update, "group=g;result=updated", said("g: updated process group", None)),
            (Action::Add, "group=g;result=added", said("g: added process group", None)),
            (Action::Update, "group=g;error=bad-name", said("ERROR: no such group: g", Some(1))),
            (Action::Update, "group=g;error=failed", said("g: has problems; not removing", Some(1))),
            (Action::Add, "group=g;error=already-started", said("ERROR: process group already active", None)),
            (Action::Add, "group=g;error=bad-name", said("ERROR: no such process/group: g", Some(1))),
            (Action::Remove, "group=g;error=failed", said("ERROR: process/group still running: g", Some(1))),
            (Action::Remove, "group=g;error=bad-name", said("ERROR: no such process/group: g", Some(1))),
        ] {
            assert_eq!(group(action, text), expected, "{text}");
        }
    }

    #[test]
    fn error_of_an_earlier_start_is_no_failure_of_the_request() {
        assert_eq!(failure(&line("name=a;state=FATAL;error=can't find command 'x'")), None);
        assert_eq!(failure(&line("name=a;error=busy;text=t")), Some((Code::Busy, "t")));
    }

    #[test]
    fn whole_failures_have_words_of_their_action() {
        let end = |action, code| {
            let said = end_failure(action, code, "why");
            (said.text, said.code.map(ExitCode::number))
        };
        for (action, code, expected) in [
            (Action::Shutdown, Code::ShuttingDown, said("ERROR: already shutting down", None)),
            (Action::Update, Code::ShuttingDown, said("ERROR: already shutting down", Some(1))),
            (Action::Avail, Code::ShuttingDown, said("ERROR: supervisor shutting down", Some(1))),
            (Action::Add, Code::ShuttingDown, said("ERROR: shutting down", Some(1))),
            (Action::Reread, Code::CannotReread, said("ERROR: CANT_REREAD: why", Some(1))),
            (Action::Update, Code::CannotReread, said("error: CANT_REREAD: why", Some(1))),
            (Action::Status, Code::NotPermitted, said("error: why", Some(1))),
        ] {
            assert_eq!(end(action, code), expected);
        }
    }

    #[test]
    fn avail_and_reread_lines_have_their_columns() {
        let text = "name=g:a;inuse=yes;autostart=no;group_priority=999;priority=-1";
        assert_eq!(available(&line(text)), format!("{:<32} in use    manual    999:-1", "g:a"));
        assert_eq!(change(&line("group=g;change=added")), Some(("g".to_owned(), "g: available".to_owned())));
        assert_eq!(change(&line("group=g;change=removed")), Some(("g".to_owned(), "g: disappeared".to_owned())));
        assert_eq!(change(&line("group=g;change=changed")), Some(("g".to_owned(), "g: changed".to_owned())));
        assert_eq!(change(&line("x=y")), None);
    }
}
