//! Whom the conditions of programs mean, and what is wrong with that: unknown names, cycles, states that never come.
//!
//! Processes are numbers here, in the order of groups and their processes.

use std::sync::Arc;

use super::conditions::{AtBoot, DEPENDS_ON, Need, NeedState, WAIT_FOR};
use super::known;
use super::reader::Reader;
use super::types::{AutoRestart, Group, GroupKind, Process};
use crate::graph;
use crate::list::List as _;
use crate::sorted::Map;

/// Cycles told at once.
const MOST_CYCLES: usize = 8;
/// How the listener is called whose keys visor reads itself.
const LISTENER: [&str; 2] = ["supervisord_dependent_startup", "supervisord-dependent-startup"];

/// Whom each condition of each process means; `None` = nobody has that name.
pub type Meant = Vec<Vec<Option<Vec<usize>>>>;

/// Whom the conditions of all processes of `groups` mean; empty when nobody has any.
#[must_use]
pub fn meant(groups: &[&Group]) -> Meant {
    let processes = || groups.iter().flat_map(|group| &group.processes);
    if !processes().any(|process| process.is_conditional()) {
        return Vec::new();
    }
    let names = names(groups);
    let of = |process: &Arc<Process>| match &process.conditions {
        Some(conditions) => conditions.needs.iter().map(|need| names.get(&need.name).cloned()).list(),
        None => Vec::new(),
    };
    processes().map(of).list()
}

/// What each name means: a process, else all of a group, else all of a section.
fn names(groups: &[&Group]) -> Map<String, Vec<usize>> {
    let mut names: Map<String, Vec<usize>> = Map::new();
    let mut sections: Map<String, Vec<usize>> = Map::new();
    let mut next = 0_usize;
    for group in groups {
        let mut all = Vec::new();
        for process in &group.processes {
            names.insert(format!("{}:{}", group.name, process.name), vec![next]);
            if group.name == process.name {
                names.insert(group.name.clone(), vec![next]);
            }
            let title = process.section.split_once(':').map_or("", |(_, title)| title.trim());
            sections.change(title.to_owned(), |members| members.push(next));
            all.push(next);
            next = next.saturating_add(1);
        }
        names.insert(format!("{}:", group.name), all.clone());
        names.insert(format!("{}:*", group.name), all.clone());
        names.insert_new(group.name.clone(), || all);
    }
    for (title, members) in sections {
        names.insert_new(title, || members);
    }
    names
}

impl Process {
    /// Whether it depends on others.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.conditions.as_ref().is_some_and(|conditions| !conditions.needs.is_empty())
    }

    /// Whether its start may wait for other processes: not when they are only listed.
    #[must_use]
    pub fn waits_for_others(&self) -> bool {
        let waited_for = |need: &Need| need.states != [NeedState::Listed];
        self.conditions.as_ref().is_some_and(|conditions| conditions.needs.iter().any(waited_for))
    }

    /// Whether it is a listener whose work visor does itself.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.conditions.as_ref().is_some_and(|conditions| conditions.at_boot == AtBoot::Never)
    }

    /// Whether it starts when visor starts.
    #[must_use]
    pub fn starts_at_boot(&self) -> bool {
        match self.conditions.as_ref().map_or(AtBoot::AsSaid, |conditions| conditions.at_boot) {
            AtBoot::AsSaid => self.autostart,
            AtBoot::Always => true,
            AtBoot::Never => false,
        }
    }
}

/// Tells what is wrong with the conditions of all processes together, and takes out what the original's listener passes over.
pub(super) fn check(reader: &mut Reader, groups: &mut [Group]) {
    leave_out_unknown(reader, groups);
    let all: Vec<&Group> = groups.iter().list();
    let meant = meant(&all);
    let processes: Vec<(&str, &Process)> =
        all.iter().flat_map(|group| group.processes.iter().map(|process| (group.name.as_str(), &**process))).list();
    let mut whole = Vec::with_capacity(meant.len());
    for (number, (meant, (_, process))) in meant.iter().zip(&processes).enumerate() {
        for (need, members) in needs(process).iter().zip(meant) {
            let members = members.as_deref().unwrap_or_default();
            if members.contains(&number) {
                refuse(reader, process, need.is_reached(), format!("`{need}` is the program itself"));
            }
            let targets: Vec<&Process> =
                members.iter().filter_map(|member| processes.get(*member)).map(|(_, process)| *process).list();
            need.states.iter().for_each(|state| never(reader, process, need, *state, &targets));
        }
        whole.push(meant.iter().flatten().flatten().copied().filter(|member| *member != number).list());
    }
    cycles(reader, &processes, whole);
    replace_listener(reader, groups);
}

fn needs(process: &Process) -> &[Need] {
    process.conditions.as_ref().map_or(&[], |conditions| &conditions.needs)
}

/// Processes that need each other, in a circle.
fn cycles(reader: &mut Reader, processes: &[(&str, &Process)], mut needs_of: Vec<Vec<usize>>) {
    for _ in 0..MOST_CYCLES {
        let Some(cycle) = graph::cycle(&needs_of) else { return };
        let at = |place: usize| cycle.get(place).or(cycle.first());
        let (Some(first), Some(next)) = (at(0), at(1)) else { return };
        let named = |number: &usize| processes.get(*number).map(|(group, process)| shown(group, &process.name));
        let way: Vec<String> = cycle.iter().chain([first]).filter_map(named).list();
        if let Some((_, process)) = processes.get(*first) {
            let theirs = needs(process).iter().all(Need::is_reached);
            refuse(reader, process, theirs, format!("programs wait for each other: {}", way.join(" -> ")));
        }
        // Another one is looked for without this.
        if let Some(needs) = needs_of.get_mut(*first) {
            needs.retain(|need| need != next);
        }
    }
}

/// As people write it.
fn shown(group: &str, process: &str) -> String {
    if group == process { process.to_owned() } else { format!("{group}:{process}") }
}

fn refuse(reader: &mut Reader, process: &Process, theirs: bool, reason: String) {
    let document = reader.document;
    if let Some(section) = document.section(&process.section) {
        reader.refuse(section, if theirs { WAIT_FOR } else { DEPENDS_ON }, reason);
    }
}

fn remark(reader: &mut Reader, process: &Process, key: &str, text: &str) {
    let document = reader.document;
    if let Some(section) = document.section(&process.section) {
        reader.remark_once(section, key, format!("[{}] {key}: {text}", section.name));
    }
}

/// Names that nobody has: a mistake in `depends_on`; in the listener's key a remark, and left out, as the listener does.
fn leave_out_unknown(reader: &mut Reader, groups: &mut [Group]) {
    let all: Vec<&Group> = groups.iter().list();
    let meant = meant(&all);
    if meant.is_empty() {
        return;
    }
    let known = names(&all);
    let candidates: Vec<&str> = known.keys().map(String::as_str).filter(|name| !name.ends_with([':', '*'])).list();
    let incomplete = !reader.mistakes.is_empty();
    let mut left_out = Vec::new();
    let processes = all.iter().flat_map(|group| &group.processes);
    for (number, (process, meant)) in processes.zip(&meant).enumerate() {
        for (index, (need, meant)) in needs(process).iter().zip(meant).enumerate() {
            if meant.is_some() || (incomplete && has_section(reader, &need.name)) {
                continue;
            }
            let text = format!("there is no program or group `{}`{}", need.name, offer(&need.name, &candidates));
            if need.is_reached() {
                remark(reader, process, WAIT_FOR, &text);
                left_out.push((number, index));
            } else {
                refuse(reader, process, false, text);
            }
        }
    }
    let mut processes: Vec<&mut Arc<Process>> = groups.iter_mut().flat_map(|group| &mut group.processes).list();
    // From the last, so that those before keep their places.
    for (number, index) in left_out.into_iter().rev() {
        if let Some(process) = processes.get_mut(number)
            && let Some(conditions) = Arc::get_mut(process).and_then(|process| process.conditions.as_mut())
        {
            conditions.needs.remove(index);
        }
    }
}

/// What was meant, perhaps: another name, or a state.
fn offer(name: &str, candidates: &[&str]) -> String {
    let is_known = |name: &str| candidates.contains(&name);
    match known::nearest(name, candidates) {
        _ if name.rsplit_once(':').is_some_and(|(name, _)| is_known(name)) => {
            "; after a name stand listed, started, running, ready, healthy or exited".to_owned()
        }
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    }
}

/// Whether a name is that of a section: if it is unknown all the same, that section has a mistake, which is told.
fn has_section(reader: &Reader, name: &str) -> bool {
    let title = name.split(':').next().unwrap_or(name);
    reader.document.sections.iter().any(|section| section.title().trim() == title)
}

/// A state that those who are meant can never have.
fn never(reader: &mut Reader, process: &Process, need: &Need, state: NeedState, targets: &[&Process]) {
    let without = |has: fn(&Process) -> bool| targets.iter().find(|target| !has(target)).map(|target| &target.section);
    let missing = match state {
        NeedState::Ready => without(Process::waits_for_ready).map(|section| (section, "ready")),
        NeedState::Healthy => without(Process::has_health).map(|section| (section, "health")),
        NeedState::Exited => {
            if let Some(target) = targets.iter().find(|target| target.autorestart == AutoRestart::Always) {
                let text = format!("`{need}`: [{}] has autorestart=true, it starts again when it ends", target.section);
                remark(reader, process, DEPENDS_ON, &text);
            }
            None
        }
        NeedState::Listed | NeedState::Started | NeedState::Running | NeedState::Reached(_) => None,
    };
    if let Some((section, key)) = missing {
        refuse(reader, process, false, format!("`{need}`: [{section}] has no `{key}`"));
    }
}

/// The listener that starts programs with `dependent_startup` is not started: visor does its work.
fn replace_listener(reader: &mut Reader, groups: &mut [Group]) {
    let is_handled = |process: &Arc<Process>| {
        process.conditions.as_ref().is_some_and(|conditions| conditions.at_boot == AtBoot::Always)
    };
    if !groups.iter().flat_map(|group| &group.processes).any(is_handled) {
        return;
    }
    for group in groups.iter_mut().filter(|group| matches!(group.kind, GroupKind::EventListener { .. })) {
        for process in &mut group.processes {
            if !LISTENER.iter().any(|name| process.command.contains(name)) {
                continue;
            }
            remark(reader, process, "command", "visor does what this listener is for: it is not started");
            if let Some(process) = Arc::get_mut(process) {
                process.conditions.get_or_insert_default().at_boot = AtBoot::Never;
            }
        }
    }
}
