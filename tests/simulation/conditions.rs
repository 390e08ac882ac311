//! Conditions: invented ones without a cycle, and what must hold for them, worked out here once more from names alone.

use std::collections::{BTreeMap, BTreeSet};

use visor::config::{Conditions, Need, NeedState, OnFailure, Process, Reached};
use visor::program::{Name, State};
use visor::supervisor::{ProcessId, Supervisor};

use crate::checks::Known;
use crate::rng::Rng;
use crate::settings::GROUPS;

/// What is known of all processes.
type All = BTreeMap<ProcessId, Known>;

/// Conditions of a process, most often none; only on groups and processes before its own, so that there is never a cycle.
pub fn invent(rng: &mut Rng, group: &str, name: &str) -> Option<Box<Conditions>> {
    if !rng.chance(35) {
        return None;
    }
    let place = GROUPS.iter().position(|known| *known == group).unwrap();
    let number: usize = name.rsplit_once('-').map_or(0, |(_, number)| number.parse().unwrap());
    let mut names: Vec<String> = (0..number).map(|before| format!("{group}:{group}-{before}")).collect();
    for before in &GROUPS[..place] {
        names.extend([before.to_string(), format!("{before}:*"), format!("{before}:{before}-1")]);
    }
    let mut needs = Vec::new();
    for _ in 0..=rng.below(2) {
        if !names.is_empty() {
            needs.push(Need { name: rng.pick(&names), states: states(rng) });
        }
    }
    let on_failure = rng.pick(&[OnFailure::Fail, OnFailure::Wait, OnFailure::Ignore]);
    Some(Box::new(Conditions { needs, on_failure, ..Conditions::default() }))
}

fn states(rng: &mut Rng) -> Vec<NeedState> {
    use NeedState::{Exited, Listed, Reached as State, Running, Started};
    match rng.below(10) {
        0 => vec![Listed],
        1 => vec![Started],
        2..=5 => vec![Running],
        6..=7 => vec![Exited],
        8 => vec![State(Reached::Running)],
        _ => vec![State(Reached::Exited), State(Reached::Fatal)],
    }
}

/// Whom a name means; `None` = no such process or group.
fn meant<'k>(all: &'k All, sup: &Supervisor, name: &str) -> Option<Vec<(ProcessId, &'k Known)>> {
    let of = |test: &dyn Fn(&Known) -> bool| -> Vec<(ProcessId, &'k Known)> {
        all.iter().filter(|(_, known)| test(known)).map(|(id, known)| (*id, known)).collect()
    };
    let (group, process) = name.split_once(':').unwrap_or((name, name));
    let exact = of(&|known| known.group == group && known.config.name == process);
    let whole = process == "*" || !name.contains(':');
    match exact.is_empty() {
        false => Some(exact),
        true if whole && sup.group(group).is_some() => Some(of(&|known| known.group == group)),
        true => None,
    }
}

/// Whether a process whose state is shown as STARTING has executed its command.
fn executed(sup: &Supervisor, id: ProcessId) -> bool {
    let state = sup.entry(id).map(|entry| &entry.life.state);
    !matches!(
        state,
        Some(State::Waiting { .. } | State::Spawning { .. } | State::Launching { .. } | State::Failing { .. })
    )
}

fn holds(sup: &Supervisor, state: NeedState, (id, known): (ProcessId, &Known)) -> bool {
    let done = known.state == Name::Exited && known.expected;
    let oneshot = known.config.policy.oneshot;
    match state {
        NeedState::Listed => true,
        NeedState::Started => {
            let runs = known.state == Name::Running || (known.state == Name::Starting && executed(sup, id));
            runs || (oneshot && done)
        }
        NeedState::Running => {
            if oneshot {
                done
            } else {
                known.state == Name::Running
            }
        }
        NeedState::Exited => done,
        NeedState::Reached(Reached::Running) => matches!(known.state, Name::Running | Name::Exited),
        NeedState::Reached(Reached::Exited) => known.state == Name::Exited,
        NeedState::Reached(Reached::Fatal) => known.state == Name::Fatal,
        NeedState::Ready | NeedState::Healthy | NeedState::Reached(_) => false,
    }
}

fn is_hopeless(known: &Known) -> bool {
    matches!(known.state, Name::Exited | Name::Fatal | Name::Unknown)
}

/// A need of a process that does not hold, and is not to be ignored; and who is to blame, if there is anybody.
fn lack<'k>(all: &'k All, sup: &Supervisor, process: &Process) -> Option<(String, Option<&'k Known>)> {
    let conditions = process.conditions.as_ref()?;
    let ignored = conditions.on_failure == OnFailure::Ignore;
    for need in conditions.needs.iter().filter(|need| need.states != [NeedState::Listed]) {
        let Some(meant) = meant(all, sup, &need.name) else {
            if ignored {
                continue;
            }
            return Some((need.to_string(), None));
        };
        let lacks = |one| !need.states.iter().any(|state| holds(sup, *state, one));
        let missing = meant.iter().filter(|one| lacks(**one));
        let worst = missing.min_by_key(|(_, known)| !is_hopeless(known));
        if let Some((_, known)) = worst
            && !(ignored && is_hopeless(known))
        {
            return Some((need.to_string(), Some(known)));
        }
    }
    None
}

/// Nobody is spawned while one of its conditions does not hold.
pub fn may_start(all: &All, sup: &Supervisor, id: ProcessId) -> Result<(), String> {
    let Some(known) = all.get(&id) else { return Ok(()) };
    match lack(all, sup, &known.config) {
        None => Ok(()),
        Some((need, whom)) => Err(format!("{id:?} is spawned and its {need} is {:?}", whom.map(|known| known.state))),
    }
}

/// Who needs whom, of all.
pub struct Graph(BTreeMap<ProcessId, Vec<ProcessId>>);

impl Graph {
    pub fn of(all: &All, sup: &Supervisor) -> Graph {
        let needs = |known: &Known| {
            let needs = known.config.conditions.iter().flat_map(|conditions| &conditions.needs);
            needs.filter_map(|need| meant(all, sup, &need.name)).flatten().map(|(id, _)| id).collect()
        };
        Graph(all.iter().map(|(id, known)| (*id, needs(known))).collect())
    }

    /// Whom a process needs, and they need, and so on.
    pub fn below(&self, id: ProcessId) -> BTreeSet<ProcessId> {
        let mut found = BTreeSet::new();
        let mut ahead = vec![id];
        while let Some(id) = ahead.pop() {
            ahead.extend(self.0.get(&id).into_iter().flatten().filter(|need| found.insert(**need)));
        }
        found
    }

    /// The latest of the priorities of a process and of all it needs.
    pub fn wave(&self, sup: &Supervisor, id: ProcessId) -> Option<(i64, i64)> {
        let own = |id: &ProcessId| sup.entry(*id).map(|entry| (entry.group_priority, entry.config.priority));
        self.below(id).iter().map(own).fold(own(&id), Option::max)
    }
}

/// Whether a process waits for others.
pub fn waits(sup: &Supervisor, id: ProcessId) -> bool {
    sup.entry(id).is_some_and(|entry| matches!(entry.life.state, State::Waiting { .. }))
}

/// All is at rest: who waits has something to wait for. `started`: everything was asked to start, so that nobody waits for one that is
/// down and could be started.
pub fn wait_for_a_reason(all: &All, sup: &Supervisor, started: bool) -> Result<(), String> {
    for (id, known) in all.iter().filter(|(id, _)| waits(sup, **id)) {
        match lack(all, sup, &known.config) {
            None => return Err(format!("{id:?} waits for nothing")),
            Some((need, Some(whom))) if started && whom.state == Name::Stopped => {
                return Err(format!("{id:?} waits for {need}, which nobody started"));
            }
            Some((need, Some(whom))) if is_hopeless(whom) => {
                let on_failure = known.config.conditions.as_ref().map(|conditions| conditions.on_failure);
                if on_failure != Some(OnFailure::Wait) {
                    return Err(format!("{id:?} waits for {need}, which is {} ({on_failure:?})", whom.state));
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}
