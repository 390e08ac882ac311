//! Whom the conditions of programs mean, and what is wrong with that: unknown names, cycles, states that never come.
//!
//! Processes are numbers here, in the order of groups and their processes.

use std::sync::Arc;

use super::conditions::{AtBoot, DEPENDS_ON, NeedState, WAIT_FOR};
use super::known;
use super::reader::Reader;
use super::types::{AutoRestart, Group, GroupKind, Process};
use crate::graph;
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
        Some(conditions) => conditions.needs.iter().map(|need| names.get(&need.name).cloned()).collect(),
        None => Vec::new(),
    };
    processes().map(of).collect()
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
    /// Whether something must hold before it starts.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.conditions.as_ref().is_some_and(|conditions| !conditions.needs.is_empty())
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
    let all: Vec<&Group> = groups.iter().collect();
    let meant = meant(&all);
    let processes: Vec<(&str, &Process)> =
        all.iter().flat_map(|group| group.processes.iter().map(|process| (group.name.as_str(), &**process))).collect();
    let mut needs = Vec::with_capacity(meant.len());
    for (number, (meant, (_, process))) in meant.iter().zip(&processes).enumerate() {
        let mut whole = Vec::new();
        for (need, members) in process.conditions.iter().flat_map(|conditions| &conditions.needs).zip(meant) {
            let Some(members) = members else { continue };
            let targets: Vec<&Process> =
                members.iter().filter_map(|member| processes.get(*member)).map(|(_, process)| *process).collect();
            if members.contains(&number) {
                refuse(reader, process, need.is_reached(), format!("`{need}` is the program itself"));
            }
            for state in &need.states {
                never(reader, process, &need.to_string(), *state, &targets);
            }
            whole.extend(members.iter().copied().filter(|member| *member != number));
        }
        needs.push(whole);
    }
    for _ in 0..MOST_CYCLES {
        let Some(cycle) = graph::cycle(&needs) else { break };
        let named = |number: &usize| processes.get(*number).map(|(group, process)| shown(group, &process.name));
        let way: Vec<String> = cycle.iter().chain(cycle.first()).filter_map(named).collect();
        let Some(first) = cycle.first() else { break };
        if let Some((_, process)) = processes.get(*first) {
            let theirs = process.conditions.iter().flat_map(|conditions| &conditions.needs).all(|n| n.is_reached());
            refuse(reader, process, theirs, format!("programs wait for each other: {}", way.join(" -> ")));
        }
        // The next one is looked for without this.
        if let Some(needs) = needs.get_mut(*first) {
            let next = cycle.get(1).unwrap_or(first);
            needs.retain(|need| need != next);
        }
    }
    replace_listener(reader, groups);
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
    let all: Vec<&Group> = groups.iter().collect();
    let meant = meant(&all);
    if meant.is_empty() {
        return;
    }
    let known = names(&all);
    let candidates: Vec<&str> = known.keys().map(String::as_str).filter(|name| !name.ends_with([':', '*'])).collect();
    let mut left_out = Vec::new();
    let processes = all.iter().flat_map(|group| &group.processes);
    for (number, (process, meant)) in processes.zip(&meant).enumerate() {
        let needs = process.conditions.iter().flat_map(|conditions| &conditions.needs);
        for (index, need) in
            needs.zip(meant).enumerate().filter(|(_, (_, meant))| meant.is_none()).map(|(i, (n, _))| (i, n))
        {
            if is_mistaken(reader, &need.name) {
                continue;
            }
            let near = known::nearest(&need.name, &candidates);
            let offer = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let text = format!("there is no program or group `{}`{offer}", need.name);
            if need.is_reached() {
                remark(reader, process, WAIT_FOR, &text);
                left_out.push((number, index));
            } else {
                refuse(reader, process, false, text);
            }
        }
    }
    let mut processes: Vec<&mut Arc<Process>> = groups.iter_mut().flat_map(|group| &mut group.processes).collect();
    // From the last, so that those before keep their places.
    for (number, index) in left_out.into_iter().rev() {
        if let Some(process) = processes.get_mut(number)
            && let Some(conditions) = &mut Arc::make_mut(process).conditions
        {
            conditions.needs.remove(index);
        }
    }
}

/// Whether a name may be unknown only because its section has a mistake, which is told.
fn is_mistaken(reader: &Reader, name: &str) -> bool {
    let title = name.split(':').next().unwrap_or(name);
    let has_title = |section: &super::document::Section| section.title().trim() == title;
    !reader.mistakes.is_empty() && reader.document.sections.iter().any(has_title)
}

/// A state that those who are meant can never have.
fn never(reader: &mut Reader, process: &Process, need: &str, state: NeedState, targets: &[&Process]) {
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
            if LISTENER.iter().any(|name| process.command.contains(name)) {
                remark(reader, process, "command", "visor does what this listener is for: it is not started");
                let conditions = Arc::make_mut(process).conditions.get_or_insert_default();
                conditions.at_boot = AtBoot::Never;
            }
        }
    }
}
