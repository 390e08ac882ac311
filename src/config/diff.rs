//! What has changed between two configurations: whole groups, and single processes inside groups that
//! stay, so that a reload touches nothing else. Two AUTO logs are equal.

use std::sync::Arc;

use super::live::is_live;
use super::types::{Group, GroupKind, Process};

use crate::list::List as _;
use crate::sorted::Map;

/// The way from one configuration to another; names in the order of the configuration they stand in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Groups only the new one has.
    pub added: Vec<String>,
    /// Groups both have, and that differ.
    pub changed: Vec<GroupChange>,
    /// Groups only the old one has.
    pub removed: Vec<String>,
}

/// How a group differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// Its name.
    pub name: String,
    /// Whether its priority, kind or kind's settings differ.
    pub settings: bool,
    /// Processes only the new one has.
    pub added: Vec<String>,
    /// Processes whose options differ and that must be started anew for it, or that the group's new kind or socket does not reach while they run.
    pub changed: Vec<String>,
    /// Processes whose options differ in such a way that one that runs can go on with them.
    pub live: Vec<String>,
    /// Processes only the old one has.
    pub removed: Vec<String>,
    /// Processes that are equal.
    pub unchanged: Vec<String>,
}

impl Diff {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// Compares groups and processes by name.
#[must_use]
pub fn diff(old: &[&Group], new: &[&Group]) -> Diff {
    let before: Map<&str, &Group> = old.iter().map(|group| (group.name.as_str(), *group)).collect();
    let after: Map<&str, &Group> = new.iter().map(|group| (group.name.as_str(), *group)).collect();
    let mut diff = Diff::default();
    for group in new {
        match before.get(group.name.as_str()) {
            None => diff.added.push(group.name.clone()),
            Some(was) => diff.changed.extend(group_change(was, group)),
        }
    }
    let gone = old.iter().filter(|group| !after.contains_key(group.name.as_str()));
    diff.removed = gone.map(|group| group.name.clone()).list();
    diff
}

/// Whether a running process knows nothing of such a change: it has the old socket, or does not talk as a listener does.
pub(super) fn needs_new_processes(old: &GroupKind, new: &GroupKind) -> bool {
    match (old, new) {
        (GroupKind::FcgiProgram { socket: old }, GroupKind::FcgiProgram { socket: new }) => old != new,
        (GroupKind::EventListener { .. }, GroupKind::EventListener { .. })
        | (GroupKind::Group | GroupKind::Program, GroupKind::Group | GroupKind::Program) => false,
        (
            GroupKind::FcgiProgram { .. } | GroupKind::EventListener { .. } | GroupKind::Group | GroupKind::Program,
            GroupKind::FcgiProgram { .. } | GroupKind::EventListener { .. } | GroupKind::Group | GroupKind::Program,
        ) => true,
    }
}

fn group_change(old: &Group, new: &Group) -> Option<GroupChange> {
    if old == new {
        return None;
    }
    let by_name = |group: &'_ Group| -> Map<String, Arc<Process>> {
        let processes = group.processes.iter();
        processes.map(|p| (p.name.clone(), Arc::clone(p))).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let mut change = GroupChange {
        name: new.name.clone(),
        settings: old.priority != new.priority || old.kind != new.kind,
        added: Vec::new(),
        changed: Vec::new(),
        live: Vec::new(),
        removed: Vec::new(),
        unchanged: Vec::new(),
    };
    let anew = needs_new_processes(&old.kind, &new.kind);
    for process in &new.processes {
        let list = match before.get(&process.name) {
            None => &mut change.added,
            Some(was) if was == process && !anew => &mut change.unchanged,
            Some(was) if !anew && is_live(was, process) => &mut change.live,
            Some(_) => &mut change.changed,
        };
        list.push(process.name.clone());
    }
    let gone = old.processes.iter().filter(|process| !after.contains_key(&process.name));
    change.removed = gone.map(|process| process.name.clone()).list();
    Some(change)
}
