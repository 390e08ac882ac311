//! Checks of programs, `ready` and `health`: which are under way, when the next one is due, what they come to.
//!
//! Owns: the checks of every child that has any, and their timers. How an attempt is made is in `attempts`, what programs say by themselves
//! in `words`. What follows from a verdict is the supervisor's.

use std::sync::Arc;
use std::time::Duration;

use super::attempts::Attempt;
use super::words::{Given, Words};
use super::{Daemon, Poll, Token};
use crate::config::{Check, Process};
use crate::list::List as _;
use crate::program::{self, Due, Now, Purpose, Schedule, State, Verdict};
use crate::sorted::{Map, Set};
use crate::span;
use crate::supervisor::{Input, Notes, ProcessId};

/// All checks.
#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) watched: Map<ProcessId, Watched>,
    /// When something is due; a process is in it at most once.
    deadlines: Set<(Duration, ProcessId)>,
    /// Children that are attempts, and of whom; they stay here until they are reaped.
    pub(super) commands: Map<i32, ProcessId>,
    /// Something happened since checks and processes were compared.
    stale: bool,
}

/// A child that is checked.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) config: Arc<Process>,
    pub(super) pid: i32,
    /// The check under way: `ready` until it is ready, then `health`.
    pub(super) schedule: Option<Schedule>,
    pub(super) attempt: Attempt,
    pub(super) words: Words,
    /// What the supervisor knows.
    notes: Notes,
    /// Its entry among the deadlines.
    armed: Option<Duration>,
}

impl Watched {
    /// The check under way.
    pub(super) fn check(&self) -> Option<&Check> {
        let checks = self.config.checks.as_ref()?;
        match self.schedule.as_ref()?.purpose() {
            Purpose::Ready => checks.ready.as_ref(),
            Purpose::Health => checks.health.as_ref(),
        }
    }

    pub(super) fn purpose(&self) -> Option<Purpose> {
        self.schedule.as_ref().map(Schedule::purpose)
    }
}

impl Checks {
    /// When [`Daemon::run_due_checks`] is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Processes may have changed.
    pub(super) fn touch(&mut self) {
        self.stale = !self.watched.is_empty();
    }

    /// Whether a text is looked for in the output of a process.
    pub(super) fn searches(&self, id: ProcessId) -> bool {
        self.watched.get(&id).is_some_and(|watched| watched.words.is_searching())
    }

    /// A child that is to be checked was forked.
    pub(super) fn begin(&mut self, id: ProcessId, config: &Arc<Process>, pid: i32, given: Given, poll: &mut Poll) {
        self.remove(id, poll);
        if config.checks.is_none() {
            return;
        }
        let words = Words::new(config, given);
        words.listen(id, poll);
        let watched = Watched {
            config: Arc::clone(config),
            pid,
            schedule: None,
            attempt: Attempt::None,
            words,
            notes: Notes::default(),
            armed: None,
        };
        self.watched.insert(id, watched);
        self.stale = true;
    }

    /// The child is gone, and its process perhaps, too.
    pub(super) fn remove(&mut self, id: ProcessId, poll: &mut Poll) {
        self.end_attempt(id, poll);
        let Some(watched) = self.watched.remove(&id) else { return };
        watched.words.leave(id, poll);
        if let Some(at) = watched.armed {
            self.deadlines.remove(&(at, id));
        }
    }

    pub(super) fn end_attempt(&mut self, id: ProcessId, poll: &mut Poll) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        poll.remove(Token::Check(id));
        std::mem::take(&mut watched.attempt).end();
    }

    /// Brings the timer of a process in line with its check.
    fn arm(&mut self, id: ProcessId) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let at = watched.schedule.as_ref().and_then(Schedule::deadline);
        if at == watched.armed {
            return;
        }
        if let Some(old) = std::mem::replace(&mut watched.armed, at) {
            self.deadlines.remove(&(old, id));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, id));
        }
    }
}

/// Which check a process in this state is to stand; nothing of a child that is not its own.
fn wanted(state: &State, watched: &Watched) -> Option<Purpose> {
    let checks = watched.config.checks.as_ref()?;
    match state {
        State::Starting { .. } => checks.ready.as_ref().map(|_| Purpose::Ready),
        State::Running { .. } => checks.health.as_ref().map(|_| Purpose::Health),
        State::Stopped
        | State::Waiting { .. }
        | State::Preparing { .. }
        | State::Spawning { .. }
        | State::Launching { .. }
        | State::Failing { .. }
        | State::Abandoning { .. }
        | State::Backoff { .. }
        | State::Resting { .. }
        | State::Stopping { .. }
        | State::Emptying { .. }
        | State::Exited
        | State::Fatal
        | State::Unknown { .. } => None,
    }
}

impl Daemon {
    /// Lets checks begin and end as the states of their processes ask for it. To be called before each wait.
    pub(super) fn align_checks(&mut self) {
        while std::mem::take(&mut self.checks.stale) {
            let now = super::clock::now();
            let ids: Vec<ProcessId> = self.checks.watched.keys().copied().list();
            for id in ids {
                self.align_check(id, now);
            }
            self.carry_out(now);
        }
    }

    fn align_check(&mut self, id: ProcessId, now: Now) {
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let state = self.supervisor.entry(id).map(|entry| &entry.life.state);
        let Some(state) = state.filter(|state| state.pid() == Some(watched.pid)) else {
            self.checks.remove(id, &mut self.poll);
            return;
        };
        let purpose = wanted(state, watched);
        if watched.purpose() != purpose {
            let checks = watched.config.checks.as_deref();
            let check = match purpose {
                Some(Purpose::Ready) => checks.and_then(|checks| checks.ready.as_ref()),
                Some(Purpose::Health) => checks.and_then(|checks| checks.health.as_ref()),
                None => None,
            };
            watched.schedule = check.zip(purpose).map(|(check, purpose)| Schedule::new(check, purpose, now.mono));
            if matches!(state, State::Running { .. }) {
                watched.words.stop_searching();
            }
            self.checks.end_attempt(id, &mut self.poll);
            self.checks.arm(id);
            self.note_failure(id, None, now);
        }
        // What the program said may have been there before its start was known.
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let waits =
            watched.purpose() == Some(Purpose::Ready) && watched.check().is_some_and(|check| check.probe.is_word());
        if let Some(word) = waits.then(|| watched.words.take()).flatten() {
            self.check_ended(id, word, now);
        }
    }

    /// A child that goes on has other checks: the one under way begins anew.
    pub(super) fn retune_checks(&mut self, id: ProcessId, config: &Arc<Process>) {
        let pid = self.supervisor.entry(id).and_then(|entry| entry.life.state.pid());
        self.checks.end_attempt(id, &mut self.poll);
        match (self.checks.watched.get_mut(&id), pid) {
            (Some(watched), _) => (watched.config, watched.schedule) = (Arc::clone(config), None),
            (None, Some(pid)) => self.checks.begin(id, config, pid, Given::default(), &mut self.poll),
            (None, None) => {}
        }
        self.checks.arm(id);
        self.checks.touch();
    }

    /// Begins attempts that are due, ends those that took too long.
    pub(super) fn run_due_checks(&mut self, now: Now) {
        while let Some((at, id)) = self.checks.deadlines.first().copied() {
            if at > now.mono {
                return;
            }
            self.checks.deadlines.pop_first();
            let Some(watched) = self.checks.watched.get_mut(&id) else { continue };
            watched.armed = None;
            let Some(check) = watched.check().cloned() else { continue };
            let due = watched.schedule.as_mut().map_or(Due::Nothing, |schedule| schedule.due(&check, now.mono));
            self.checks.arm(id);
            match due {
                Due::Nothing => {}
                Due::Attempt => self.attempt(id, &check, now),
                Due::Timeout => {
                    let within = span::in_seconds(check.timeout);
                    let verb = if check.probe.is_word() { "nothing came" } else { "no answer" };
                    self.check_ended(id, Err(format!("{verb} within {within} s")), now);
                }
            }
        }
    }

    /// An attempt has ended: what it comes to is told.
    pub(super) fn check_ended(&mut self, id: ProcessId, outcome: Result<(), String>, now: Now) {
        self.checks.end_attempt(id, &mut self.poll);
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let Some(check) = watched.check().cloned() else { return };
        let failure = outcome.as_ref().err().map(|reason| format!("{}: {reason}", check.probe));
        let Some(schedule) = &mut watched.schedule else { return };
        let verdict = schedule.ended(&check, outcome, now.mono);
        self.checks.arm(id);
        self.note_failure(id, failure, now);
        let input = match verdict {
            Verdict::Nothing => return,
            Verdict::Ready => program::Input::Ready,
            Verdict::NotReady(text) => program::Input::NotReady(text),
            Verdict::Healthy => program::Input::Healthy,
            Verdict::Unhealthy(text) => program::Input::Unhealthy(text),
        };
        self.input(Input::Process(id, input), now);
    }

    fn note_failure(&mut self, id: ProcessId, failure: Option<String>, now: Now) {
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        if watched.notes.failure != failure {
            watched.notes.failure = failure;
            let notes = watched.notes.clone();
            self.input(Input::Noted(id, notes), now);
        }
    }

    pub(super) fn note_words(&mut self, id: ProcessId, now: Now) {
        let Some(watched) = self.checks.watched.get_mut(&id) else { return };
        let said = watched.words.said();
        if watched.notes.said != said {
            watched.notes.said = said;
            let notes = watched.notes.clone();
            self.input(Input::Noted(id, notes), now);
        }
    }
}
