//! `wait` until processes are as wanted; `rolling`: restart them one after the other.

use super::action::Action;
use super::options::{self, Limit};
use super::stream::Wake;
use super::words::{self, Said};
use super::{Answer, Session, names};
use crate::cli::ExitCode;
use crate::client::ClientError;
use crate::list::List as _;
use crate::protocol::{Line, Request};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// RUNNING, which a process with a check is when it is ready.
    Ready,
    Running,
    /// It does not run, and nothing of visor's starts it again.
    Stopped,
    /// It has ended by itself, and well.
    Exited,
    /// Its health check says so.
    Healthy,
}

const GOALS: [(&str, Goal); 5] = [
    ("ready", Goal::Ready),
    ("running", Goal::Running),
    ("stopped", Goal::Stopped),
    ("exited", Goal::Exited),
    ("healthy", Goal::Healthy),
];

impl Goal {
    fn from_word(word: &str) -> Result<Goal, String> {
        let goal = GOALS.iter().find(|(known, _)| *known == word).map(|(_, goal)| *goal);
        goal.ok_or_else(|| format!("Error: --for: `{word}` is not one of ready, running, stopped, exited, healthy"))
    }

    fn word(self) -> &'static str {
        GOALS.iter().find(|(_, goal)| *goal == self).map_or("", |(word, _)| word)
    }
}

/// How far a process is from what is waited for.
#[derive(Debug, PartialEq, Eq)]
enum Distance {
    There,
    OnItsWay,
    /// It will not come about by itself; why.
    Never(String),
}

/// Judges a line of status.
fn distance(goal: Goal, line: &Line) -> Distance {
    let get = |key| line.get(key).unwrap_or_default();
    let never = || Distance::Never(described(line));
    let oneshot = line.get("type") == Some("oneshot");
    match (goal, get("state")) {
        (Goal::Exited, "EXITED") if ended_well(line) => Distance::There,
        // As where others depend on it: it is done when it has succeeded.
        (Goal::Ready | Goal::Running, "EXITED") if oneshot && ended_well(line) => Distance::There,
        (Goal::Ready, "RUNNING") if oneshot => Distance::OnItsWay,
        (Goal::Ready | Goal::Running, "RUNNING") | (Goal::Stopped, "STOPPED" | "EXITED" | "FATAL") => Distance::There,
        (_, "UNKNOWN") => never(),
        // Its schedule starts it again.
        (_, "FATAL" | "EXITED") if line.get("next").is_some() => Distance::OnItsWay,
        (Goal::Ready | Goal::Running | Goal::Exited | Goal::Healthy, "FATAL" | "EXITED") => never(),
        (Goal::Healthy, _) => match line.get("health") {
            Some("healthy") => Distance::There,
            Some(_) => Distance::OnItsWay,
            None => Distance::Never("it has no health check".to_owned()),
        },
        _ => Distance::OnItsWay,
    }
}

/// A server that does not say what it expected has nothing but the code.
fn ended_well(line: &Line) -> bool {
    line.get("expected").map_or_else(|| line.get("exit") == Some("0"), |expected| expected == "yes")
}

/// `FATAL: Exited too quickly`
fn described(line: &Line) -> String {
    let get = |key| line.get(key).unwrap_or_default();
    match (get("description"), line.get("exit").filter(|_| get("state") == "EXITED")) {
        (_, Some(exit)) => format!("{} with {exit}", get("state")),
        ("", None) => get("state").to_owned(),
        (description, None) => format!("{}: {description}", get("state")),
    }
}

impl Session {
    /// `wait NAME… [--for WHAT] [--timeout TIME]`
    pub(super) fn wait(&mut self, arguments: &[&str]) -> Answer {
        let mut words = arguments.to_vec();
        let wanted = (|| {
            let goal = options::take(&mut words, "--for")?.map_or(Ok(Goal::Ready), Goal::from_word)?;
            let limit = options::take_limit(&mut words)?;
            options::no_more(&words).map(|()| (goal, limit))
        })();
        let (goal, limit) = match wanted {
            Ok(_) if words.is_empty() => {
                return self.misuse(Action::Wait, "Error: wait requires a process name", ExitCode::Usage);
            }
            Ok(wanted) => wanted,
            Err(text) => return self.misuse(Action::Wait, &text, ExitCode::Usage),
        };
        let end = limit.as_ref().and_then(Limit::deadline);
        let names = names(words.into_iter());
        // Watched before it is looked at, so that nothing in between is missed.
        let watch = self.begin(&Request::Watch { kinds: Vec::new(), names: names.clone() })?;
        let mut streams = self.streams(vec![watch])?;
        loop {
            let late = match self.look(goal, &names)? {
                Ok(code) => return Ok(code),
                Err(late) => late,
            };
            match streams.next_until(end) {
                Wake::TimedOut => {
                    let limit = limit.as_ref().map(Limit::text).unwrap_or_default();
                    for (name, state) in late {
                        let goal = goal.word();
                        self.screen.line(&format!("{name}: ERROR (not {goal} within {limit}, but {state})"));
                    }
                    return Ok(ExitCode::TimedOut);
                }
                Wake::Line(_, Line::Error(code, text)) => return Ok(self.end_failure(code, &text)),
                Wake::Line(..) => {}
                Wake::Gone(error) => return Err(self.broken(&error)),
                Wake::Nobody | Wake::Interrupt | Wake::Input(_) | Wake::InputEnd => return Ok(ExitCode::Failure),
            }
        }
    }

    /// The exit code when there is nothing to wait for any more, else who is waited for, with its state.
    fn look(&mut self, goal: Goal, names: &[String]) -> Result<Result<ExitCode, Vec<(String, String)>>, ExitCode> {
        let mut lines = Vec::new();
        self.ask(&Request::Status(names.to_vec()), &mut |_, line| lines.push(line))?;
        let mut exit = None;
        let mut late = Vec::new();
        for line in &lines {
            let get = |key| line.get(key).unwrap_or_default().to_owned();
            if words::failure(line).is_some() {
                self.screen.line(&words::process_result(Action::Wait, line).text);
                exit = Some(ExitCode::Failure);
                continue;
            }
            match distance(goal, line) {
                Distance::There => {}
                Distance::OnItsWay => late.push((get("name"), get("state"))),
                Distance::Never(why) => {
                    self.screen.line(&format!("{}: ERROR ({why})", get("name")));
                    exit.get_or_insert(ExitCode::NotRunning);
                }
            }
        }
        if exit.is_none() && late.is_empty() {
            let names = lines.iter().filter_map(|line| line.get("name"));
            names.for_each(|name| self.screen.line(&format!("{name}: {}", goal.word())));
            exit = Some(ExitCode::Success);
        }
        Ok(exit.ok_or(late))
    }

    /// `rolling NAME… [--timeout TIME]`
    pub(super) fn rolling(&mut self, arguments: &[&str]) -> Answer {
        let mut words = arguments.to_vec();
        let limit = match options::take_limit(&mut words).and_then(|limit| options::no_more(&words).map(|()| limit)) {
            Ok(_) if words.is_empty() => {
                return self.misuse(Action::Rolling, "Error: rolling requires a process name", ExitCode::Usage);
            }
            Ok(limit) => limit,
            Err(text) => return self.misuse(Action::Rolling, &text, ExitCode::Usage),
        };
        let (mut names, mut unknown) = (Vec::new(), false);
        self.ask(&Request::Status(names_or_all(&words)), &mut |screen, line| {
            if words::failure(&line).is_some() {
                screen.line(&words::process_result(Action::Rolling, &line).text);
                unknown = true;
            } else if let Some(name) = line.get("name").filter(|name| !names.iter().any(|known| known == name)) {
                names.push(name.to_owned());
            }
        })?;
        if unknown {
            return Ok(ExitCode::Failure);
        }
        for (place, name) in names.iter().enumerate() {
            let code = self.restart_one(name, limit.as_ref())?;
            if code != ExitCode::Success {
                let left: Vec<&str> = names.iter().skip(place.saturating_add(1)).map(String::as_str).list();
                if !left.is_empty() {
                    self.screen.line(&format!("not restarted: {}", left.join(" ")));
                }
                return Ok(code);
            }
        }
        Ok(ExitCode::Success)
    }

    /// Restarts a process and waits until it runs.
    fn restart_one(&mut self, name: &str, limit: Option<&Limit>) -> Answer {
        let end = limit.and_then(Limit::deadline);
        let client = self.begin(&Request::Restart(vec![name.to_owned()]))?;
        let mut streams = self.streams(vec![client])?;
        let (mut exit, mut told) = (ExitCode::Success, false);
        loop {
            match streams.next_until(end) {
                Wake::Line(_, Line::Ok(_)) => return Ok(exit),
                Wake::Line(_, Line::Error(..)) if told => return Ok(exit),
                Wake::Line(_, Line::Error(code, text)) => return Ok(self.end_failure(code, &text)),
                Wake::Line(_, line) => {
                    let Said { text, code } = words::process_result(Action::Restart, &line);
                    told |= words::failure(&line).is_some();
                    exit = code.unwrap_or(exit);
                    self.screen.line(&text);
                    self.screen.flush();
                }
                Wake::TimedOut => {
                    let limit = limit.map(Limit::text).unwrap_or_default();
                    self.screen.line(&format!("{name}: ERROR (not running again within {limit})"));
                    return Ok(ExitCode::TimedOut);
                }
                Wake::Gone(error) => return Err(self.broken(&error)),
                Wake::Nobody => return Err(self.broken(&ClientError::Closed)),
                Wake::Interrupt | Wake::Input(_) | Wake::InputEnd => return Ok(ExitCode::Failure),
            }
        }
    }
}

/// In status nothing means everything, as `all` does elsewhere.
fn names_or_all(words: &[&str]) -> Vec<String> {
    if words.contains(&"all") { Vec::new() } else { names(words.iter().copied()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far(goal: &str, pairs: &str) -> Distance {
        let pairs = pairs.split(';').filter_map(|pair| pair.split_once('='));
        let line = Line::Data(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
        distance(Goal::from_word(goal).unwrap(), &line)
    }

    fn never(why: &str) -> Distance {
        Distance::Never(why.to_owned())
    }

    #[test]
    fn states_fulfil_what_they_mean() {
        for (goal, line) in [
            ("ready", "state=RUNNING"),
            ("running", "state=RUNNING"),
            ("healthy", "state=RUNNING;health=healthy"),
            ("stopped", "state=STOPPED"),
            ("stopped", "state=EXITED;exit=3"),
            ("stopped", "state=FATAL"),
            ("exited", "state=EXITED;exit=0"),
            ("exited", "state=EXITED;exit=7;expected=yes"),
            ("ready", "state=EXITED;exit=7;expected=yes;type=oneshot"),
            ("running", "state=EXITED;exit=0;type=oneshot"),
            ("running", "state=RUNNING;type=oneshot"),
        ] {
            assert_eq!(far(goal, line), Distance::There, "{goal} {line}");
        }
    }

    #[test]
    fn what_may_still_come_is_waited_for() {
        for (goal, line) in [
            ("ready", "state=STARTING"),
            ("ready", "state=BACKOFF"),
            ("ready", "state=STOPPED"),
            ("running", "state=STOPPING"),
            ("healthy", "state=RUNNING;health=unhealthy"),
            ("healthy", "state=STARTING;health=unknown"),
            ("stopped", "state=RUNNING"),
            ("exited", "state=RUNNING"),
            ("exited", "state=STOPPED"),
            ("ready", "state=OF ANOTHER TIME"),
            ("ready", "state=EXITED;exit=0;next=7"),
            ("ready", "state=RUNNING;type=oneshot"),
            ("exited", "state=EXITED;exit=3;next=7"),
        ] {
            assert_eq!(far(goal, line), Distance::OnItsWay, "{goal} {line}");
        }
    }

    #[test]
    fn what_does_not_come_by_itself_is_told_with_the_reason() {
        for goal in ["ready", "running", "healthy", "exited"] {
            assert_eq!(far(goal, "state=FATAL;description=no such command"), never("FATAL: no such command"));
        }
        assert_eq!(far("ready", "state=EXITED;exit=0;description=Nov 23"), never("EXITED with 0"));
        assert_eq!(far("ready", "state=EXITED;exit=3;expected=no;type=oneshot"), never("EXITED with 3"));
        assert_eq!(far("exited", "state=EXITED;exit=0;expected=no"), never("EXITED with 0"));
        assert_eq!(far("exited", "state=EXITED;exit=3"), never("EXITED with 3"));
        assert_eq!(far("stopped", "state=UNKNOWN"), never("UNKNOWN"));
        assert_eq!(far("healthy", "state=RUNNING"), never("it has no health check"));
    }

    #[test]
    fn goal_of_another_name_is_refused() {
        assert!(Goal::from_word("up").unwrap_err().contains("`up` is not one of ready,"));
        assert_eq!(Goal::Healthy.word(), "healthy");
    }
}
