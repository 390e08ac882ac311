//! Actions on processes: start, stop, restart, signal, clear, pid, why, healthy.

use super::action::Action;
use super::words::{self, Said};
use super::{Answer, Session, names};
use crate::cli::ExitCode;
use crate::protocol::{Code, Request};

/// Word that makes `start` and `stop` answer before the work is done.
const NO_WAIT: &str = "--no-wait";
/// Every process.
const ALL: &str = "all";

impl Session {
    /// `start`, `stop`, `restart`, `reload-program`, `clear`
    pub(super) fn control(&mut self, action: Action, name: &str, arguments: &[&str]) -> Answer {
        let can_wait = matches!(action, Action::Start | Action::Stop);
        let (wait, words) = match arguments.split_first() {
            Some((&NO_WAIT, rest)) if can_wait => (false, rest),
            _ => (true, arguments),
        };
        if words.is_empty() {
            let code = if action == Action::Start { ExitCode::Usage } else { ExitCode::Failure };
            return self.misuse(action, &format!("Error: {name} requires a process name"), code);
        }
        let names = everything_or(words);
        let request = match action {
            Action::Start => Request::Start { names, wait },
            Action::Stop => Request::Stop { names, wait },
            Action::Restart => Request::Restart(names),
            Action::ReloadProgram => Request::ReloadProgram(names),
            _ => Request::Clear(names),
        };
        self.each_result(&request, &|line| words::process_result(action, line))
    }

    /// `signal SIGNAL NAME…`
    pub(super) fn signal(&mut self, arguments: &[&str]) -> Answer {
        let Some((signal, rest @ [_, ..])) = arguments.split_first() else {
            let text = "Error: signal requires a signal name and a process name";
            return self.misuse(Action::Signal, text, ExitCode::Failure);
        };
        let request = Request::Signal { signal: (*signal).to_owned(), names: everything_or(rest) };
        let mut exit = ExitCode::Success;
        let mut told = false;
        let end = self.ask_whole(&request, &mut |screen, line| {
            let said = words::process_result(Action::Signal, &line);
            exit = said.code.unwrap_or(exit);
            told |= said.code.is_some();
            screen.line(&said.text);
        })?;
        match end {
            // One answer for the whole request; the original tells it of every name.
            Err((Code::BadSignal, _)) if !told => {
                rest.iter().for_each(|name| self.screen.line(&format!("{name}: ERROR (bad signal name)")));
                Ok(ExitCode::Failure)
            }
            Err((code, text)) if !told => Err(self.end_failure(code, &text)),
            Ok(_) | Err(_) => Ok(exit),
        }
    }

    /// `pid [NAME…]`
    pub(super) fn pid(&mut self, arguments: &[&str]) -> Answer {
        let names = everything_or(arguments);
        let everything = names.iter().any(|name| name == ALL);
        self.each_result(&Request::Pid(names), &|line| {
            if words::failure(line).is_some() {
                let group = || line.get("group").map(|group| format!("{group}:*"));
                let name = line.get("name").map(str::to_owned).or_else(group).unwrap_or_default();
                return Said { text: format!("No such process {name}"), code: Some(ExitCode::Failure) };
            }
            let pid = line.get("pid").unwrap_or_default();
            let down = pid == "0" && !everything;
            Said { text: pid.to_owned(), code: down.then_some(ExitCode::NotRunning) }
        })
    }

    /// `why NAME`
    pub(super) fn why(&mut self, arguments: &[&str]) -> Answer {
        let [name] = arguments else {
            return self.misuse(Action::Why, "Error: why requires one process name", ExitCode::Failure);
        };
        let mut sentences = Vec::new();
        let end = self.ask_whole(&Request::Why((*name).to_owned()), &mut |_, line| {
            let get = |key| line.get(key).unwrap_or_default().to_owned();
            sentences.push((get("name"), get("text")));
        })?;
        match (end, &sentences[..]) {
            (Err((Code::BadName, _)), _) => {
                self.screen.line(&format!("{name}: ERROR (no such process)"));
                Ok(ExitCode::Failure)
            }
            (Err((code, text)), _) => Ok(self.end_failure(code, &text)),
            (Ok(_), [(_, text)]) => {
                self.screen.line(text);
                Ok(ExitCode::Success)
            }
            (Ok(_), several) => {
                several.iter().for_each(|(name, text)| self.screen.line(&format!("{name}: {text}")));
                Ok(ExitCode::Success)
            }
        }
    }

    /// `healthy [NAME…]`: silent when all is well.
    pub(super) fn healthy(&mut self, arguments: &[&str]) -> Answer {
        let request = Request::Ready(names(arguments.iter().copied().filter(|word| *word != ALL)));
        let mut lines = 0;
        let end = self.ask_whole(&request, &mut |screen, line| {
            lines += 1;
            let text = match words::failure(&line) {
                Some(_) => words::process_result(Action::Healthy, &line).text,
                None => {
                    let health = line.get("health").map(|health| format!(", {health}")).unwrap_or_default();
                    format!(
                        "{}: {}{health}",
                        line.get("name").unwrap_or_default(),
                        line.get("state").unwrap_or_default()
                    )
                }
            };
            screen.line(&text);
        })?;
        match end {
            Ok(_) => Ok(ExitCode::Success),
            // The list says it already, or there is a failure of another kind.
            Err((Code::NotRunning, _)) if lines > 0 => Ok(ExitCode::Failure),
            Err((_, text)) => {
                self.screen.line(&format!("error: {text}"));
                Ok(ExitCode::Failure)
            }
        }
    }
}

/// `all` anywhere means everything, and the other names nothing.
fn everything_or(words: &[&str]) -> Vec<String> {
    if words.contains(&ALL) { vec![ALL.to_owned()] } else { names(words.iter().copied()) }
}
