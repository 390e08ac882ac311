//! How many processes there are of a program, until a configuration says otherwise; and what an update would change.

use std::sync::Arc;

use super::jobs::{JobId, Stage, data};
use super::reload::{Purpose, Swap};
use super::{Action, ClientId, Supervisor};
use crate::config::{self, Config, Diff, Group, KeyChange, Process};
use crate::list::List as _;
use crate::order;
use crate::program::Wanted;
use crate::protocol::{Code, Line, display_name};

/// The processes of a program that are to be, by the group they are in; those that are there already stay as they are.
#[derive(Debug)]
pub(super) struct Scale {
    section: String,
    groups: Vec<Group>,
}

impl Scale {
    /// Of the processes of a group, those that it is about.
    fn concerns(&self, process: &Process) -> bool {
        process.section == self.section
    }

    /// An active group with as many processes as there are to be, in the order of the file.
    fn applied(&self, active: &Group) -> Option<Group> {
        let wanted = self.groups.iter().find(|group| group.name == active.name)?;
        let same = |process: &Arc<Process>| active.processes.iter().find(|other| other.name == process.name).cloned();
        let mut processes: Vec<Arc<Process>> = wanted
            .processes
            .iter()
            .filter_map(|process| same(process).or_else(|| self.concerns(process).then(|| Arc::clone(process))))
            .list();
        let is_there = |list: &[Arc<Process>], name: &str| list.iter().any(|process| process.name == name);
        // Others of the group, of which the file says nothing any more.
        for process in &active.processes {
            if !self.concerns(process) && !is_there(&processes, &process.name) {
                processes.push(Arc::clone(process));
            }
        }
        Some(Group { processes, ..active.clone() })
    }
}

impl Supervisor {
    pub(super) fn ask_scale(&mut self, client: ClientId, program: String, count: u32, out: &mut Vec<Action>) {
        let job = self.add_job(Some(client), [Stage::Read(Purpose::Scale(program.clone()))].into());
        out.push(Action::ReadScaled { job, program, count });
    }

    pub(super) fn ask_preview(&mut self, client: ClientId, groups: Vec<String>, out: &mut Vec<Action>) {
        self.read(Some(client), Purpose::Preview(groups), out);
    }

    /// The configuration was read, with another number of this program's processes in it.
    pub(super) fn scale(&mut self, id: JobId, program: &str, config: &Config, out: &mut Vec<Action>) {
        let title = |process: &Process| process.section.split_once(':').is_some_and(|(_, title)| title == program);
        let every = || self.table.active().chain(&config.groups).flat_map(|group| &group.processes);
        let Some(section) = every().find(|process| title(process)).map(|process| process.section.clone()) else {
            return self.tell_item(id, "name", program.to_owned(), Code::BadName, "no such program", out);
        };
        let has_some = |group: &Group| group.processes.iter().any(|process| process.section == section);
        let concerned =
            |group: &&Group| self.table.group(&group.name).is_some_and(|active| has_some(active) || has_some(group));
        let groups: Vec<Group> = config.groups.iter().filter(concerned).cloned().list();
        if groups.is_empty() {
            return self.tell_item(id, "name", program.to_owned(), Code::BadName, "its group is not active", out);
        }
        let mut swap = Swap::default();
        swap.groups.extend(groups.iter().map(|group| group.name.clone()));
        // New ones start as the others did.
        let up = |(_, entry): (_, &super::Entry)| entry.config.section == section && entry.life.wanted == Wanted::Up;
        if self.table.entries().any(up) {
            for group in &groups {
                let names = group.processes.iter().filter(|process| process.section == section);
                swap.restart.extend(names.map(|process| (group.name.clone(), process.name.clone())));
            }
        }
        swap.scale = Some(Scale { section, groups });
        if let Some(job) = self.jobs.get_mut(&id) {
            job.stages.push_back(Stage::Swap(swap));
        }
    }

    /// The groups that a swap leads to.
    pub(super) fn scaled(&self, scale: &Scale) -> Vec<Group> {
        self.table.active().filter_map(|active| scale.applied(active)).list()
    }

    /// What was done for a scale, process by process.
    pub(super) fn tell_scaled(&self, id: JobId, plan: &Diff, out: &mut Vec<Action>) {
        let Some(client) = self.jobs.get(&id).and_then(|job| job.client) else { return };
        for change in &plan.changed {
            for (names, result) in [(&change.removed, "removed"), (&change.added, "added")] {
                for name in names {
                    let name = display_name(&change.name, name);
                    out.push(Action::Reply(client, data(&[("name", &name), ("result", result)])));
                }
            }
        }
    }

    /// Tells what an update to this configuration would do.
    pub(super) fn preview(&self, id: JobId, plan: &Diff, config: &Config, out: &mut Vec<Action>) {
        let Some(client) = self.jobs.get(&id).and_then(|job| job.client) else { return };
        let mut tell = |line: Line| out.push(Action::Reply(client, line));
        let mut groups: Vec<(&str, &str)> = Vec::new();
        groups.extend(plan.added.iter().map(|name| (name.as_str(), "added")));
        groups.extend(plan.removed.iter().map(|name| (name.as_str(), "removed")));
        groups.extend(plan.changed.iter().map(|change| (change.name.as_str(), "changed")));
        order::sort(&mut groups);
        for (name, what) in groups {
            tell(data(&[("group", name), ("change", what)]));
            let Some(change) = plan.changed.iter().find(|change| change.name == name) else { continue };
            let (Some(old), Some(new)) =
                (self.table.group(name), config.groups.iter().find(|group| group.name == name))
            else {
                continue;
            };
            for key in config::group_changes(old, new) {
                tell(key_line(("group", name), &key));
            }
            for (names, what) in [(&change.added, "added"), (&change.removed, "removed")] {
                for process in names {
                    tell(data(&[("name", &display_name(name, process)), ("change", what)]));
                }
            }
            let find = |group: &Group, name: &str| group.processes.iter().find(|process| process.name == name).cloned();
            for process in change.live.iter().chain(&change.changed) {
                let (Some(before), Some(after)) = (find(old, process), find(new, process)) else { continue };
                for key in config::process_changes(&before, &after) {
                    tell(key_line(("name", &display_name(name, process)), &key));
                }
            }
        }
    }
}

/// An option that differs, as a line about a process or a group.
fn key_line(who: (&str, &str), change: &KeyChange) -> Line {
    let effect = if change.live { "live" } else { "restart" };
    data(&[who, ("key", &change.key), ("effect", effect), ("from", &change.from), ("to", &change.to)])
}
