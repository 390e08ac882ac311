//! What a button does.
//!
//! Owns: which actions there are, what visor is asked for them, the sentence afterwards (Supervisor's). Does not own: whether one may.

use crate::http::control::Answer;
use crate::protocol::{Code, Line, Request};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing but to look again.
    Refresh,
    /// Stop and start everything.
    RestartAll,
    /// Stop everything.
    StopAll,
    /// Something with one process.
    Process(Verb, String),
}

/// What is done with a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start it and wait until it counts as started.
    Start,
    /// Stop it and wait until it is gone.
    Stop,
    /// Both.
    Restart,
    /// Empty its logs.
    ClearLog,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether all went well.
    pub ok: bool,
    /// The sentence.
    pub message: String,
}

impl Action {
    /// Out of the field `action`: a word, and the process either after a space or in the field `processname`. `None` = there is no such
    /// action.
    #[must_use]
    pub fn parse(action: &str, process: Option<&str>) -> Option<Action> {
        let (word, name) = match action.split_once(' ') {
            Some((word, name)) => (word, Some(name)),
            None => (action, process),
        };
        let of = |verb| name.filter(|name| !name.is_empty()).map(|name| Action::Process(verb, name.to_owned()));
        match word {
            "refresh" => Some(Action::Refresh),
            "restartall" => Some(Action::RestartAll),
            "stopall" => Some(Action::StopAll),
            "start" => of(Verb::Start),
            "stop" => of(Verb::Stop),
            "restart" => of(Verb::Restart),
            "clearlog" => of(Verb::ClearLog),
            _ => None,
        }
    }

    /// What visor is asked; `None` = nothing. `whole`: the process' name with its group's.
    #[must_use]
    pub fn request(&self, whole: Option<String>) -> Option<Request> {
        let everything = || vec!["all".to_owned()];
        match self {
            Action::Refresh => None,
            Action::RestartAll => Some(Request::Restart(everything())),
            Action::StopAll => Some(Request::Stop { names: everything(), wait: true }),
            Action::Process(verb, name) => {
                let names = vec![whole.unwrap_or_else(|| name.clone())];
                Some(match verb {
                    Verb::Start => Request::Start { names, wait: true },
                    Verb::Stop => Request::Stop { names, wait: true },
                    Verb::Restart => Request::Restart(names),
                    Verb::ClearLog => Request::Clear(names),
                })
            }
        }
    }

    /// The sentence for visor's answer; `now` is the time of day in full.
    #[must_use]
    pub fn outcome(&self, answer: Option<&Answer>, now: &str) -> Outcome {
        let failures = answer.map(failures).unwrap_or_default();
        let first = failures.first().map(|(_, code, text)| (*code, text.as_str()));
        let message = match self {
            Action::Refresh => format!("Page refreshed at {now}"),
            Action::StopAll => format!("All stopped at {now}{}", except(&failures)),
            Action::RestartAll => format!("All restarted at {now}{}", except(&failures)),
            Action::Process(verb, name) => match first {
                None => done(*verb, name),
                Some((code, text)) => failed(*verb, name, code, text),
            },
        };
        Outcome { ok: failures.is_empty(), message }
    }
}

fn done(verb: Verb, name: &str) -> String {
    match verb {
        Verb::Start => format!("Process {name} started"),
        Verb::Stop => format!("Process {name} stopped"),
        Verb::Restart => format!("Process {name} restarted"),
        Verb::ClearLog => format!("Log for {name} cleared"),
    }
}

/// The sentence when no process has the name; groups are not accepted.
#[must_use]
pub fn no_such_process(name: &str) -> Outcome {
    Outcome { ok: false, message: format!("No such process named {name}") }
}

fn failed(verb: Verb, name: &str, code: Code, text: &str) -> String {
    let fault = |number: u32, word: &str| format!("unexpected rpc fault [{number}] {word}: {name}");
    let start = |reason: &str, number, word| match verb {
        Verb::Start | Verb::Restart => format!("ERROR: Process {name}: {reason}"),
        Verb::Stop | Verb::ClearLog => fault(number, word),
    };
    match code {
        Code::BadName => no_such_process(name).message,
        Code::NoFile => start("no such file", 20, "NO_FILE"),
        Code::NotExecutable => start("file not executable", 21, "NOT_EXECUTABLE"),
        Code::AlreadyStarted => start("already started", 60, "ALREADY_STARTED"),
        Code::SpawnError => start("spawn error", 50, "SPAWN_ERROR"),
        Code::AbnormalTermination => start("abnormal termination", 40, "ABNORMAL_TERMINATION"),
        Code::NotRunning => fault(70, "NOT_RUNNING"),
        Code::ShuttingDown => "unexpected rpc fault [6] SHUTDOWN_STATE".to_owned(),
        Code::BadRequest
        | Code::UnknownVerb
        | Code::BadArguments
        | Code::BadSignal
        | Code::Failed
        | Code::NotPermitted
        | Code::CannotReread
        | Code::Busy => format!("unexpected rpc fault [30] FAILED: {text}"),
    }
}

/// The failures that an answer leaves standing: name, code, text. That something did not run is none when it was started afterwards.
fn failures(answer: &Answer) -> Vec<(String, Code, String)> {
    let mut found: Vec<(String, Code, String)> = Vec::new();
    for line in &answer.lines {
        let name = line.get("name").or(line.get("group")).unwrap_or_default();
        match line.get("error").and_then(Code::from_word) {
            Some(code) => found.push((name.to_owned(), code, line.get("text").unwrap_or_default().to_owned())),
            None => found.retain(|(failed, ..)| failed != name),
        }
    }
    if let (Line::Error(code, text), true) = (&answer.end, answer.lines.is_empty()) {
        found.push((String::new(), *code, text.clone()));
    }
    found
}

/// What did not go well, as the end of a sentence.
fn except(failures: &[(String, Code, String)]) -> String {
    let told: Vec<String> = failures
        .iter()
        .map(|(name, code, text)| match name.as_str() {
            "" => format!("{code} {text}"),
            name => format!("{name} ({code})"),
        })
        .collect();
    if told.is_empty() { String::new() } else { format!(", except: {}", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[&[(&str, &str)]], end: Line) -> Answer {
        let data = |pairs: &&[(&str, &str)]| {
            Line::Data(pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect())
        };
        Answer { lines: lines.iter().map(data).collect(), end }
    }

    fn told(action: &str, answer: &Answer) -> (bool, String) {
        let Outcome { ok, message } = Action::parse(action, None).unwrap().outcome(Some(answer), "NOW");
        (ok, message)
    }

    #[test]
    fn action_is_read_with_its_process_from_either_field() {
        assert_eq!(Action::parse("stop g:p q", Some("x")), Some(Action::Process(Verb::Stop, "g:p q".into())));
        assert_eq!(Action::parse("stop", Some("x")), Some(Action::Process(Verb::Stop, "x".into())));
        assert_eq!(Action::parse("stopall", Some("x")), Some(Action::StopAll));
        for bad in ["stop", "stop ", "", "shutdown", "start\nx"] {
            assert_eq!(Action::parse(bad, None), None, "{bad:?}");
        }
    }

    #[test]
    fn success_is_told_in_supervisors_words() {
        let ok = |key, value| answer(&[&[("name", "x"), (key, value)]], Line::Ok(String::new()));
        for (action, result, text) in [
            ("start x", "started", "Process x started"),
            ("stop x", "stopped", "Process x stopped"),
            ("restart x", "started", "Process x restarted"),
            ("clearlog x", "cleared", "Log for x cleared"),
        ] {
            assert_eq!(told(action, &ok("result", result)), (true, text.to_owned()));
        }
        assert_eq!(told("stopall", &ok("result", "stopped")), (true, "All stopped at NOW".to_owned()));
        assert_eq!(Action::Refresh.outcome(None, "NOW").message, "Page refreshed at NOW");
    }

    #[test]
    fn failure_is_told_in_supervisors_words() {
        for (action, code, text) in [
            ("start x", "no-file", "ERROR: Process x: no such file"),
            ("start x", "not-executable", "ERROR: Process x: file not executable"),
            ("start x", "already-started", "ERROR: Process x: already started"),
            ("restart x", "spawn-error", "ERROR: Process x: spawn error"),
            ("start x", "abnormal-termination", "ERROR: Process x: abnormal termination"),
            ("stop x", "not-running", "unexpected rpc fault [70] NOT_RUNNING: x"),
            ("start x", "bad-name", "No such process named x"),
            ("clearlog x", "failed", "unexpected rpc fault [30] FAILED: why"),
        ] {
            let code_of = Code::from_word(code).unwrap();
            let answer =
                answer(&[&[("name", "x"), ("error", code), ("text", "why")]], Line::Error(code_of, "why".into()));
            assert_eq!(told(action, &answer), (false, text.to_owned()));
        }
        let down = answer(&[], Line::Error(Code::ShuttingDown, "visor is going down".into()));
        assert_eq!(told("start x", &down).1, "unexpected rpc fault [6] SHUTDOWN_STATE");
    }

    #[test]
    fn restart_of_what_did_not_run_went_well() {
        let lines: [&[(&str, &str)]; 3] = [
            &[("name", "x"), ("error", "not-running"), ("text", "not running")],
            &[("name", "x"), ("result", "started")],
            &[("name", "y"), ("error", "spawn-error"), ("text", "spawn error")],
        ];
        let one = answer(&lines[..2], Line::Error(Code::NotRunning, "x: not running".into()));
        assert_eq!(told("restart x", &one), (true, "Process x restarted".to_owned()));
        let both = answer(&lines, Line::Error(Code::SpawnError, "y: spawn error".into()));
        assert_eq!(told("restartall", &both), (false, "All restarted at NOW, except: y (spawn-error)".to_owned()));
    }
}
