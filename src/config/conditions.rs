//! What must hold before a process starts: `depends_on`, and the keys of SONiC's `dependent_startup`. Keys of visor's own.
//!
//! Owns: the keys and their values. Does not own: whom names mean and which of them are mistakes (`relations`), when conditions hold
//! (`supervisor::gate`).

use std::fmt;

use super::document::Section;
use super::reader::{Names, Reader};
use super::value;
use crate::list::List as _;

/// Key of what a process needs.
pub(super) const DEPENDS_ON: &str = "depends_on";
/// The same, as the listener `supervisord-dependent-startup` reads it.
pub(super) const WAIT_FOR: &str = "dependent_startup_wait_for";
pub(super) const DEPENDENT_STARTUP: &str = "dependent_startup";
/// Key of what a need that cannot be met means.
pub(super) const ON_FAILURE: &str = "on_dependency_failure";

/// What must hold before a process starts, and whether it starts at boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// All of them.
    pub needs: Vec<Need>,
    /// What a need that cannot be met any more means.
    pub on_failure: OnFailure,
    /// Whether it starts when visor starts.
    pub at_boot: AtBoot,
}

/// Whether a process starts when visor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtBoot {
    /// As `autostart` says.
    #[default]
    AsSaid,
    /// `dependent_startup=true`: whatever `autostart` says.
    Always,
    /// It is the listener whose work visor does itself.
    Never,
}

/// One process or group, and how far it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// As people write it: `name`, `group:process`, or `group` for all its processes.
    pub name: String,
    /// How far: one of these.
    pub states: Vec<NeedState>,
}

/// How far a process must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedState {
    /// It is only stopped later: nothing is waited for.
    Listed,
    /// Its command runs.
    Started,
    /// It is RUNNING; a oneshot has succeeded.
    Running,
    /// It is RUNNING because its `ready` check said so.
    Ready,
    /// Its `health` check says well.
    Healthy,
    /// It ended with one of its `exitcodes`.
    Exited,
    /// It is in that state of Supervisor, or has been in its present life.
    Reached(Reached),
}

/// A state that SONiC's files wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// STARTING
    Starting,
    /// RUNNING
    Running,
    /// BACKOFF
    Backoff,
    /// STOPPING
    Stopping,
    /// EXITED, with whatever code.
    Exited,
    /// FATAL
    Fatal,
}

/// What a need that cannot be met any more means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// FATAL, with the reason.
    #[default]
    Fail,
    /// It waits on: somebody may mend it.
    Wait,
    /// It starts all the same.
    Ignore,
}

/// Every state and its word.
const STATES: [(&str, NeedState); 6] = [
    ("listed", NeedState::Listed),
    ("started", NeedState::Started),
    ("running", NeedState::Running),
    ("ready", NeedState::Ready),
    ("healthy", NeedState::Healthy),
    ("exited", NeedState::Exited),
];
const REACHED: [(&str, Reached); 6] = [
    ("starting", Reached::Starting),
    ("running", Reached::Running),
    ("backoff", Reached::Backoff),
    ("stopping", Reached::Stopping),
    ("exited", Reached::Exited),
    ("fatal", Reached::Fatal),
];
const ON_FAILURES: [(&str, OnFailure); 3] =
    [("fail", OnFailure::Fail), ("wait", OnFailure::Wait), ("ignore", OnFailure::Ignore)];

fn find<T: Copy>(word: &str, words: &[(&'static str, T)]) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

fn word<T: PartialEq>(value: &T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

impl NeedState {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            NeedState::Reached(reached) => word(reached, &REACHED),
            NeedState::Listed
            | NeedState::Started
            | NeedState::Running
            | NeedState::Ready
            | NeedState::Healthy
            | NeedState::Exited => word(self, &STATES),
        }
    }
}

impl OnFailure {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        word(&self, &ON_FAILURES)
    }
}

impl Need {
    /// Whether it is one of SONiC's key.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.states.iter().any(|state| matches!(state, NeedState::Reached(_)))
    }
}

impl fmt::Display for Need {
    /// As it is written; without what is understood.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)?;
        if self.states == [NeedState::Running] {
            return Ok(());
        }
        for (index, state) in self.states.iter().enumerate() {
            out.write_str(if index == 0 { ":" } else { "," })?;
            out.write_str(state.word())?;
        }
        Ok(())
    }
}

/// Reads a section's keys.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names) -> Option<Box<Conditions>> {
    let own = reader.value(section, DEPENDS_ON, names, &|_, text| needs(text));
    let on_failure = reader.value(section, ON_FAILURE, names, &|_, text| on_failure(text));
    let handled = reader.value(section, DEPENDENT_STARTUP, names, &|_, text| value::boolean(text)).unwrap_or(false);
    // The listener looks at it only in programs that it handles.
    let theirs = if handled { wait_for(reader, section, names) } else { None };
    // The listener waits for ever: who mends what failed sees the rest start.
    let unsaid = if own.is_some() { OnFailure::Fail } else { OnFailure::Wait };
    let mut needs = own.unwrap_or_default();
    needs.extend(theirs.unwrap_or_default());
    if needs.is_empty() && !handled {
        return None;
    }
    let at_boot = if handled { AtBoot::Always } else { AtBoot::AsSaid };
    Some(Box::new(Conditions { needs, on_failure: on_failure.unwrap_or(unsaid), at_boot }))
}

fn needs(text: &str) -> Result<Vec<Need>, String> {
    value::list(text).iter().map(|word| need(word)).list_all()
}

fn need(word: &str) -> Result<Need, String> {
    let with_state = word.rsplit_once(':').and_then(|(name, last)| Some((name, find(last.trim_start(), &STATES)?)));
    let (name, state) = with_state.unwrap_or((word, NeedState::Running));
    if name.trim().is_empty() {
        return Err(format!("`{word}` names no program"));
    }
    Ok(Need { name: name.trim().to_owned(), states: vec![state] })
}

fn on_failure(text: &str) -> Result<OnFailure, String> {
    find(text, &ON_FAILURES).ok_or_else(|| format!("`{text}` is no choice: fail, wait or ignore"))
}

/// `name:state,state name`: all names, one of the states of each. What the listener passes over with a warning is passed over here.
fn wait_for<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names) -> Option<Vec<Need>> {
    let text = reader.text(section, WAIT_FOR, names)?;
    let mut needs = Vec::new();
    for word in text.split_whitespace() {
        let (name, states) = word.rsplit_once(':').unwrap_or((word, "running"));
        let mut found = Vec::new();
        for state in states.split(',') {
            match find(&state.to_ascii_lowercase(), &REACHED) {
                Some(reached) => found.push(NeedState::Reached(reached)),
                None => {
                    let words = "starting, running, backoff, stopping, exited or fatal";
                    let text = format!("[{}] {WAIT_FOR}: `{state}` is no state: {words}", section.name);
                    reader.remark_once(section, WAIT_FOR, text);
                }
            }
        }
        if !found.is_empty() {
            needs.push(Need { name: name.to_owned(), states: found });
        }
    }
    Some(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_needs(text: &str) -> Vec<(String, NeedState)> {
        needs(text).unwrap().into_iter().map(|need| (need.name, need.states[0])).collect()
    }

    #[test]
    fn last_word_is_a_state_only_when_it_is_a_state_word() {
        let expected = [
            ("db", NeedState::Running),
            ("migrate", NeedState::Exited),
            ("web:web_1", NeedState::Running),
            ("web:web_1", NeedState::Ready),
            ("cache:*", NeedState::Started),
            ("web:running", NeedState::Listed),
        ];
        let read = read_needs("db, migrate:exited , web:web_1,web:web_1:ready,cache:*:started,web:running:listed,,");
        assert_eq!(read, expected.map(|(name, state)| (name.to_owned(), state)));
    }

    #[test]
    fn need_is_shown_as_it_is_written() {
        for text in ["db", "db:exited", "web:a:healthy"] {
            assert_eq!(needs(text).unwrap()[0].to_string(), text);
        }
        let states = vec![NeedState::Reached(Reached::Running), NeedState::Reached(Reached::Exited)];
        assert_eq!(Need { name: "a".into(), states }.to_string(), "a:running,exited");
    }

    #[test]
    fn state_without_a_name_and_no_choice_are_refused() {
        assert_eq!(needs("db, :ready"), Err("`:ready` names no program".to_owned()));
        assert_eq!(on_failure("abort"), Err("`abort` is no choice: fail, wait or ignore".to_owned()));
        assert_eq!(on_failure("ignore"), Ok(OnFailure::Ignore));
        assert!(needs("").unwrap().is_empty());
    }
}
