//! Groups and processes by name, id and pid. No decisions.

use std::sync::Arc;

use super::relations::{Rank, Relations, Wave};
use crate::config::{Group, Process};
use crate::list::List as _;
use crate::order;
use crate::program::Life;
use crate::protocol::display_name;
use crate::sorted::Map;
use crate::wildcard;

/// One process for as long as it is known. Numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// What is known of a living child beside its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// What it says that it is doing.
    pub said: Option<String>,
    /// Why the last attempt of its check failed; `None` = it did not.
    pub failure: Option<String>,
}

/// A process that is known.
#[derive(Debug)]
pub struct Entry {
    /// Name of its group.
    pub group: String,
    /// Priority of its group.
    pub group_priority: i64,
    /// Its settings.
    pub config: Arc<Process>,
    /// Its life.
    pub life: Life,
    /// Of its last child.
    pub notes: Notes,
    /// How often it was forked.
    pub starts: u64,
    /// The pid it is indexed under.
    pid: Option<i32>,
}

impl Entry {
    /// As people write it: `name` when it has its group's name, else `group:name`.
    #[must_use]
    pub fn display_name(&self) -> String {
        display_name(&self.group, &self.config.name)
    }

    /// Lower starts first and stops last.
    fn wave(&self) -> Wave {
        (self.group_priority, self.config.priority)
    }
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One process, named itself.
    Process(ProcessId),
    /// Processes named by their group, by a pattern or by `all`.
    Several(Vec<ProcessId>),
    /// No such process.
    NoProcess(String),
    /// No such group.
    NoGroup(String),
}

/// Groups and processes.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Map<ProcessId, Entry>,
    groups: Map<String, ActiveGroup>,
    pids: Map<i32, ProcessId>,
    /// Processes whose leader is gone and whose process group is awaited.
    emptying: Map<ProcessId, i32>,
    relations: Relations,
    next_id: u32,
}

/// What became of the processes of a group.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    pub forgotten: Vec<ProcessId>,
    pub added: Vec<ProcessId>,
    /// They live on, with the settings they had.
    pub tuned: Vec<(ProcessId, Arc<Process>)>,
}

#[derive(Debug)]
struct ActiveGroup {
    config: Group,
    /// In the order of the configuration.
    members: Vec<ProcessId>,
}

impl Table {
    pub fn entry(&self, id: ProcessId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub fn entry_mut(&mut self, id: ProcessId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub fn entries(&self) -> impl Iterator<Item = (ProcessId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    pub fn by_pid(&self, pid: i32) -> Option<ProcessId> {
        self.pids.get(&pid).copied()
    }

    /// Brings the indexes in line with a process' state; a pid is forgotten as soon as the process has none.
    pub fn reindex(&mut self, id: ProcessId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let pid = entry.life.state.pid();
        if entry.pid != pid {
            if let Some(old) = entry.pid {
                self.pids.remove(&old);
            }
            if let Some(new) = pid {
                self.pids.insert(new, id);
            }
            entry.pid = pid;
        }
        match entry.life.state.awaited_group() {
            Some(group) => self.emptying.insert(id, group),
            None => self.emptying.remove(&id),
        };
    }

    fn forget(&mut self, id: ProcessId) {
        if let Some(Entry { pid: Some(pid), .. }) = self.entries.remove(&id) {
            self.pids.remove(&pid);
        }
        self.emptying.remove(&id);
    }

    /// Adds a group with all its processes.
    pub fn add_group(&mut self, config: &Group) -> Vec<ProcessId> {
        let members: Vec<ProcessId> =
            config.processes.iter().map(|process| self.add_process(&config.name, config.priority, process)).list();
        let group = ActiveGroup { config: config.clone(), members: members.clone() };
        self.groups.insert(config.name.clone(), group);
        members
    }

    fn add_process(&mut self, group: &str, group_priority: i64, config: &Arc<Process>) -> ProcessId {
        let id = ProcessId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let entry = Entry {
            group: group.to_string(),
            group_priority,
            config: Arc::clone(config),
            life: Life::new(),
            notes: Notes::default(),
            starts: 0,
            pid: None,
        };
        self.entries.insert(id, entry);
        id
    }

    /// Forgets a group and returns its processes' ids.
    pub fn remove_group(&mut self, name: &str) -> Vec<ProcessId> {
        let Some(group) = self.groups.remove(name) else { return Vec::new() };
        for id in &group.members {
            self.forget(*id);
        }
        group.members
    }

    /// Gives an active group its new settings: the `kept` of its processes keep their lives, others are forgotten or new.
    pub fn replace_group(&mut self, config: &Group, kept: &[String]) -> Replaced {
        let mut done = Replaced::default();
        let Some(old) = self.groups.remove(&config.name) else {
            done.added = self.add_group(config);
            return done;
        };
        let mut left = old.members;
        let mut members = Vec::new();
        for process in &config.processes {
            let place = left.iter().position(|id| self.entries.get(id).is_some_and(|e| e.config.name == process.name));
            let id = match place.filter(|_| kept.contains(&process.name)) {
                Some(index) => left.remove(index),
                None => {
                    let id = self.add_process(&config.name, config.priority, process);
                    done.added.push(id);
                    id
                }
            };
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.group_priority = config.priority;
                if entry.config != *process {
                    done.tuned.push((id, std::mem::replace(&mut entry.config, Arc::clone(process))));
                }
            }
            members.push(id);
        }
        for id in &left {
            self.forget(*id);
        }
        self.groups.insert(config.name.clone(), ActiveGroup { config: config.clone(), members });
        done.forgotten = left;
        done
    }

    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name).map(|group| &group.config)
    }

    pub fn members(&self, name: &str) -> &[ProcessId] {
        self.groups.get(name).map_or(&[], |group| group.members.as_slice())
    }

    /// Settings of all active groups.
    pub fn active(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().map(|group| &group.config)
    }

    /// Names of all groups in start order.
    pub fn group_names(&self) -> Vec<String> {
        let mut groups: Vec<&Group> = self.active().list();
        order::sort_by(&mut groups, |a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
        groups.into_iter().map(|group| group.name.clone()).list()
    }

    /// Finds out anew who needs whom: groups have changed.
    pub fn relate(&mut self) {
        let groups: Vec<(&Group, &[ProcessId])> =
            self.groups.values().map(|group| (&group.config, group.members.as_slice())).list();
        self.relations = Relations::of(&groups);
    }

    /// Who needs whom.
    pub fn relations(&self) -> &Relations {
        &self.relations
    }

    /// All processes in start order: group priority, group name, process priority, order of the configuration. Who needs others
    /// comes right behind the last of them, if not later anyway.
    pub fn in_start_order(&self) -> Vec<ProcessId> {
        let mut ids = self.by_priority();
        if self.relations.is_empty() {
            return ids;
        }
        let places = ids.iter().zip(0_i64..).map(|(id, place)| (*id, place)).collect::<Map<ProcessId, i64>>();
        let own = |id: ProcessId| places.get(&id).map(|place| (*place, 0));
        let ranks = self.relations.ranks(&own);
        let rank = |id: &ProcessId| ranks.get(id).copied().or_else(|| Some((own(*id)?, 0)));
        order::sort_by(&mut ids, |a, b| rank(a).cmp(&rank(b)));
        ids
    }

    fn by_priority(&self) -> Vec<ProcessId> {
        let mut ids = Vec::with_capacity(self.entries.len());
        for name in self.group_names() {
            let priority = |id: &ProcessId| self.entries.get(id).map(|entry| entry.config.priority);
            let mut members = self.members(&name).to_vec();
            order::sort_by(&mut members, |a, b| priority(a).cmp(&priority(b)));
            ids.append(&mut members);
        }
        ids
    }

    /// Processes whose leader is gone and whose process group is awaited, with that group.
    pub fn emptying(&self) -> Vec<(ProcessId, i32)> {
        self.emptying.iter().map(|(id, group)| (*id, *group)).list()
    }

    /// Splits processes into waves of equal priority, those to start first first, none before what it needs.
    pub fn waves(&self, ids: &[ProcessId]) -> Vec<Vec<ProcessId>> {
        let own = |id: ProcessId| self.entries.get(&id).map(Entry::wave);
        let ranks = self.relations.ranks(&own);
        let mut waves: Map<Rank, Vec<ProcessId>> = Map::new();
        for id in ids {
            if let Some(rank) = ranks.get(id).copied().or_else(|| Some((own(*id)?, 0))) {
                waves.change(rank, |ids| ids.push(*id));
            }
        }
        waves.into_values().list()
    }

    /// The process a single name means; a pattern must mean exactly one.
    pub fn find(&self, name: &str) -> Option<ProcessId> {
        self.named(name).or_else(|| match self.alike(name)[..] {
            [id] => Some(id),
            _ => None,
        })
    }

    fn named(&self, name: &str) -> Option<ProcessId> {
        let (group, process) = name.split_once(':').unwrap_or((name, name));
        self.members(group).iter().copied().find(|id| self.entries.get(id).is_some_and(|e| e.config.name == process))
    }

    /// The processes a pattern means, in start order; none when it is no pattern.
    fn alike(&self, pattern: &str) -> Vec<ProcessId> {
        if !wildcard::is_pattern(pattern) {
            return Vec::new();
        }
        let means = |entry: &Entry| wildcard::means(pattern, &entry.group, &entry.config.name);
        let mut ids = self.in_start_order();
        ids.retain(|id| self.entries.get(id).is_some_and(means));
        ids
    }

    /// What each name means; `all` anywhere means everything, and nothing else then counts.
    pub fn resolve(&self, names: &[String]) -> Vec<Target> {
        if names.iter().any(|name| name == "all") {
            return vec![Target::Several(self.in_start_order())];
        }
        names.iter().map(|name| self.resolve_one(name)).list()
    }

    /// What one name means.
    pub fn resolve_one(&self, name: &str) -> Target {
        let group = match name.split_once(':') {
            Some((group, "" | "*")) => Some(group),
            Some(_) | None => None,
        };
        if let Some(active) = group.and_then(|group| self.groups.get(group)) {
            return Target::Several(active.members.clone());
        }
        if let Some(id) = self.named(name) {
            return Target::Process(id);
        }
        match (self.alike(name), group) {
            (ids, _) if !ids.is_empty() => Target::Several(ids),
            (_, Some(group)) => Target::NoGroup(group.to_string()),
            (_, None) => Target::NoProcess(name.to_string()),
        }
    }
}
