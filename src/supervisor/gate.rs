//! Who may start now: processes that wait for something else.
//!
//! Owns: who waits, what for, and when that holds. Does not own: how a process waits (`program`).

use super::table::Entry;
use super::{Action, Phase, ProcessId, Supervisor};
use crate::config::{LogLevel, Need, NeedState, OnFailure, Reached};
use crate::list::List as _;
use crate::program::{Exit, Health, Input, NEEDS, Name, Now, State, Wanted};
use crate::sorted::{Map, Set};

/// Processes that wait.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// In state `Waiting`, and whether that was told.
    waiting: Map<ProcessId, bool>,
}

impl Gate {
    /// Brings what is known of a process in line with its state.
    pub(super) fn note(&mut self, id: ProcessId, state: Option<&State>) {
        match state {
            Some(State::Waiting { .. }) => self.waiting.insert_new(id, || false),
            _ => {
                self.waiting.remove(&id);
            }
        };
    }

    /// If a process waits, that is told once more, also to who asked for its start just now.
    pub(super) fn tell_again(&mut self, id: ProcessId) {
        if let Some(told) = self.waiting.get_mut(&id) {
            *told = false;
        }
    }

    /// A process is forgotten.
    pub(super) fn forget(&mut self, id: ProcessId) {
        self.waiting.remove(&id);
    }
}

/// How a need stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It will not be met unless somebody does something.
    Hopeless,
    /// It may be met.
    Open,
    /// It is met.
    Met,
}

/// A need that is not met: who is to blame, if there is anybody of that name.
struct Lack {
    standing: Standing,
    whom: Option<ProcessId>,
}

impl Supervisor {
    /// Lets those start that wait for nothing any more; whether there were any, or anybody was told that it waits.
    pub(super) fn open_gates(&mut self, now: Now, out: &mut Vec<Action>) -> bool {
        if self.phase != Phase::Running {
            return false;
        }
        let mut any = false;
        // Each answer may be what another waits for.
        loop {
            let answers: Vec<(ProcessId, Input)> =
                self.gate.waiting.keys().filter_map(|id| Some((*id, self.answer(*id)?))).list();
            if answers.is_empty() {
                break;
            }
            any = true;
            for (id, answer) in answers {
                self.step(id, answer, now, out);
            }
        }
        let untold: Vec<ProcessId> = self.gate.waiting.iter().filter(|(_, told)| !**told).map(|(id, _)| *id).list();
        for id in &untold {
            self.begins_to_wait(*id, out);
        }
        any || !untold.is_empty()
    }

    fn begins_to_wait(&mut self, id: ProcessId, out: &mut Vec<Action>) {
        self.gate.waiting.insert(id, true);
        if let Some(entry) = self.table.entry(id) {
            let needs: Vec<String> = self.lacks(id).map(|(need, _)| need.to_string()).list();
            let what = if needs.is_empty() { "what its last run left to do".to_string() } else { needs.join(", ") };
            out.push(Action::Log(LogLevel::Info, format!("waiting: {} for {what}", entry.config.name)));
        }
        self.not_awaited(id, out);
    }

    /// What one that waits is told; `None` = nothing yet.
    fn answer(&self, id: ProcessId) -> Option<Input> {
        // What follows its last end, or was to end it, is not done.
        if self.hooks.any(id) {
            return None;
        }
        let on_failure = self.table.entry(id)?.config.conditions.as_ref().map_or(OnFailure::Fail, |c| c.on_failure);
        let mut open = true;
        for (need, lack) in self.lacks(id) {
            match (lack.standing, on_failure) {
                (Standing::Hopeless, OnFailure::Fail) => return Some(Input::CannotStart(self.blame(need, &lack))),
                (Standing::Hopeless, OnFailure::Ignore) => {}
                (Standing::Hopeless, OnFailure::Wait) | (Standing::Open, _) => open = false,
                (Standing::Met, _) => {}
            }
        }
        open.then_some(Input::Proceed)
    }

    fn blame(&self, need: &Need, lack: &Lack) -> String {
        let Some(entry) = lack.whom.and_then(|id| self.table.entry(id)) else {
            return format!("{NEEDS}`{need}`, which is not there");
        };
        let how = match entry.life.exit {
            Some(exit) if entry.life.state == State::Exited => format!(" ({exit})"),
            Some(_) | None => String::new(),
        };
        format!("{NEEDS}`{need}`, which is {}{how}", entry.life.state.name())
    }

    /// What a process that waits waits for, as its description.
    pub(super) fn waits_for(&self, id: ProcessId) -> Option<String> {
        self.gate.waiting.get(&id)?;
        let state = |lack: &Lack| match lack.whom.and_then(|id| self.table.entry(id)) {
            Some(entry) => entry.life.state.name().word(),
            None => "not there",
        };
        let needs: Vec<String> = self.lacks(id).map(|(need, lack)| format!("{need} ({})", state(&lack))).list();
        // Its own hooks are told with those of every process.
        Some(if needs.is_empty() { "waiting".to_string() } else { format!("waiting for {}", needs.join(", ")) })
    }

    /// The needs of a process that are not met.
    fn lacks(&self, id: ProcessId) -> impl Iterator<Item = (&Need, Lack)> {
        let conditions = self.table.entry(id).and_then(|entry| entry.config.conditions.as_ref());
        let needs = conditions.map_or(&[][..], |conditions| &conditions.needs);
        let meant = self.table.relations().needs(id);
        needs.iter().zip(meant).filter_map(|(need, meant)| Some((need, self.lack(need, meant.as_deref())?)))
    }

    /// The one of those meant that stands worst; `None` = the need is met.
    fn lack(&self, need: &Need, meant: Option<&[ProcessId]>) -> Option<Lack> {
        if need.states.contains(&NeedState::Listed) {
            return None;
        }
        let Some(meant) = meant else { return Some(Lack { standing: Standing::Hopeless, whom: None }) };
        let lack = |id: &ProcessId| Lack { standing: self.standing(need, *id), whom: Some(*id) };
        let worst = meant.iter().map(lack).min_by_key(|lack| lack.standing);
        worst.filter(|lack| lack.standing != Standing::Met)
    }

    fn standing(&self, need: &Need, id: ProcessId) -> Standing {
        let Some(entry) = self.table.entry(id) else { return Standing::Hopeless };
        need.states.iter().map(|state| standing(*state, entry)).max().unwrap_or(Standing::Hopeless)
    }

    /// Starts a process, and first what it needs and is down.
    pub(super) fn start_with_needs(&mut self, id: ProcessId, now: Now, out: &mut Vec<Action>) {
        let down = self.down_needs(id);
        for need in self.table.waves(&down).into_iter().flatten() {
            self.step(need, Input::Start, now, out);
        }
        self.step(id, Input::Start, now, out);
    }

    /// Whom a process waits for, and they wait for, that are down: a start starts them.
    #[must_use]
    pub fn down_needs(&self, id: ProcessId) -> Vec<ProcessId> {
        let mut seen = Set::new();
        seen.insert(id);
        let mut ahead = vec![id];
        let mut down = Vec::new();
        while let Some(id) = ahead.pop() {
            let Some(conditions) = self.table.entry(id).and_then(|entry| entry.config.conditions.as_ref()) else {
                continue;
            };
            for (need, meant) in conditions.needs.iter().zip(self.table.relations().needs(id)) {
                if need.states.contains(&NeedState::Listed) {
                    continue;
                }
                for id in meant.iter().flatten() {
                    if self.standing(need, *id) == Standing::Met || !seen.insert(*id) {
                        continue;
                    }
                    ahead.push(*id);
                    if self.table.entry(*id).is_some_and(|entry| {
                        let state = entry.life.state.name();
                        state.is_down() || entry.life.wanted == Wanted::Down
                    }) {
                        down.push(*id);
                    }
                }
            }
        }
        down
    }
}

/// How one state that is asked for stands.
fn standing(state: NeedState, entry: &Entry) -> Standing {
    let (life, config) = (&entry.life, &entry.config);
    let name = life.state.name();
    let done = name == Name::Exited && life.exit.is_some_and(|exit: Exit| exit.is_expected(&config.exitcodes));
    let oneshot = config.policy.oneshot;
    let met = match state {
        NeedState::Listed => true,
        NeedState::Started => {
            let runs = match life.state {
                State::Starting { .. } | State::Abandoning { .. } | State::Running { .. } => true,
                State::Stopped
                | State::Waiting { .. }
                | State::Preparing { .. }
                | State::Spawning { .. }
                | State::Launching { .. }
                | State::Failing { .. }
                | State::Backoff { .. }
                | State::Resting { .. }
                | State::Stopping { .. }
                | State::Emptying { .. }
                | State::Exited
                | State::Fatal
                | State::Unknown { .. } => false,
            };
            runs || (oneshot && done)
        }
        NeedState::Running if oneshot => done,
        NeedState::Running => name == Name::Running,
        NeedState::Ready => name == Name::Running && config.waits_for_ready(),
        NeedState::Healthy => name == Name::Running && life.health == Some(Health::Healthy),
        NeedState::Exited => done,
        NeedState::Reached(reached) => has_reached(reached, name),
    };
    if met {
        Standing::Met
    } else if matches!(name, Name::Exited | Name::Fatal | Name::Unknown) {
        Standing::Hopeless
    } else {
        Standing::Open
    }
}

/// Who has exited has been running before; who is to try again has been starting.
fn has_reached(reached: Reached, name: Name) -> bool {
    match reached {
        Reached::Starting => !matches!(name, Name::Stopped | Name::Unknown),
        Reached::Running => matches!(name, Name::Running | Name::Exited),
        Reached::Backoff => matches!(name, Name::Backoff | Name::Fatal),
        Reached::Stopping => matches!(name, Name::Stopping),
        Reached::Exited => matches!(name, Name::Exited),
        Reached::Fatal => matches!(name, Name::Fatal),
    }
}
