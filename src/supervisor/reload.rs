//! A new configuration: what differs from what is active, and making it so.
//!
//! The file is read whole before anything changes. Processes whose settings are the same live on, whatever happens to
//! their group's other members.

use std::collections::VecDeque;
use std::sync::Arc;

use super::jobs::{JobId, Stage, StopStage, data};
use super::scale::Scale;
use super::table::{ProcessId, Replaced};
use super::{Action, ClientId, Entry, Supervisor};
use crate::config::{self, Config, Diff, Group, GroupChange, LogLevel, Process};
use crate::event::Event;
use crate::list::List as _;
use crate::order;
use crate::program::{Now, Wanted};
use crate::protocol::Code;
use crate::sorted::Set;
use crate::wildcard;

/// Why the configuration is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Purpose {
    /// To say what differs.
    Tell,
    /// To make these groups so; empty = all.
    Update(Vec<String>),
    /// To make everything so, visor's own settings included.
    Reload,
    /// To say what an update of these groups would do; empty = all.
    Preview(Vec<String>),
    /// To have another number of a program's processes; what is read holds for nothing else.
    Scale(String),
}

/// Groups that are to become as configured. What that means is worked out anew each time something was awaited:
/// others may have changed things meanwhile.
#[derive(Debug, Default)]
pub(super) struct Swap {
    /// Empty = all.
    pub groups: Vec<String>,
    /// Groups of which something was stopped for this.
    stopped: Set<String>,
    /// (group, process) that ran before and runs again with its new settings.
    pub restart: Set<(String, String)>,
    /// visor's own settings too.
    adopt: bool,
    /// Not as configured, but as many as this says.
    pub scale: Option<Scale>,
}

impl Supervisor {
    pub(super) fn ask_reread(&mut self, client: ClientId, out: &mut Vec<Action>) {
        self.read(Some(client), Purpose::Tell, out);
    }

    pub(super) fn ask_update(&mut self, client: ClientId, groups: Vec<String>, out: &mut Vec<Action>) {
        let groups = if groups.iter().any(|group| group == "all") { Vec::new() } else { groups };
        self.read(Some(client), Purpose::Update(groups), out);
    }

    pub(super) fn ask_reload(&mut self, client: Option<ClientId>, out: &mut Vec<Action>) {
        self.read(client, Purpose::Reload, out);
    }

    pub(super) fn read(&mut self, client: Option<ClientId>, purpose: Purpose, out: &mut Vec<Action>) {
        let job = self.add_job(client, VecDeque::from([Stage::Read(purpose)]));
        out.push(Action::ReadConfig(job));
    }

    pub(super) fn config_read(
        &mut self,
        id: JobId,
        result: Result<Box<Config>, Vec<String>>,
        _now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(Stage::Read(_)) = job.stages.front() else { return };
        let Some(Stage::Read(purpose)) = job.stages.pop_front() else { return };
        match result {
            Err(mistakes) => {
                for mistake in &mistakes {
                    out.push(Action::Log(LogLevel::Error, format!("cannot read the configuration: {mistake}")));
                }
                job.failure = Some((Code::CannotReread, mistakes.join("; ")));
            }
            Ok(config) => match purpose {
                Purpose::Scale(program) => self.scale(id, &program, &config, out),
                Purpose::Preview(groups) => {
                    self.tell_unknown_groups(id, &groups, &config, out);
                    self.preview(id, &self.plan(&config.groups, &groups), &config, out);
                }
                Purpose::Tell => {
                    self.configured = Arc::from(config);
                    self.tell_changes(id, out);
                }
                Purpose::Update(groups) => self.swap_to(id, config, Swap { groups, ..Swap::default() }, out),
                Purpose::Reload => self.swap_to(id, config, Swap { adopt: true, ..Swap::default() }, out),
            },
        }
    }

    fn swap_to(&mut self, id: JobId, config: Box<Config>, swap: Swap, out: &mut Vec<Action>) {
        self.configured = Arc::from(config);
        let configured = Arc::clone(&self.configured);
        self.tell_unknown_groups(id, &swap.groups, &configured, out);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.stages.push_back(Stage::Swap(swap));
        }
    }

    fn tell_unknown_groups(&mut self, id: JobId, groups: &[String], config: &Config, out: &mut Vec<Action>) {
        for group in groups {
            let known = self.table.active().chain(&config.groups).any(|known| wildcard::fits(group, &known.name));
            if !known {
                self.tell_item(id, "group", group.clone(), Code::BadName, "no such group", out);
            }
        }
    }

    fn tell_changes(&self, id: JobId, out: &mut Vec<Action>) {
        let plan = self.plan(&self.configured.groups, &[]);
        let mut changes: Vec<(&str, &str)> = Vec::new();
        changes.extend(plan.added.iter().map(|group| (group.as_str(), "added")));
        changes.extend(plan.changed.iter().map(|group| (group.name.as_str(), "changed")));
        changes.extend(plan.removed.iter().map(|group| (group.as_str(), "removed")));
        order::sort(&mut changes);
        if let Some(client) = self.jobs.get(&id).and_then(|job| job.client) {
            for (group, change) in changes {
                out.push(Action::Reply(client, data(&[("group", group), ("change", change)])));
            }
        }
    }

    /// How the active groups differ from the configured ones; only these groups, or all when none is named.
    fn plan(&self, configured: &[Group], only: &[String]) -> Diff {
        let chosen = |group: &&Group| only.is_empty() || only.iter().any(|name| wildcard::fits(name, &group.name));
        let active: Vec<&Group> = self.table.active().filter(chosen).list();
        let configured: Vec<&Group> = configured.iter().filter(chosen).list();
        config::diff(&active, &configured)
    }

    fn configured_group(&self, name: &str) -> Option<Group> {
        self.configured.groups.iter().find(|group| group.name == name).cloned()
    }

    /// Processes that the plan forgets, for their group is removed or their settings change.
    fn forgotten(&self, plan: &Diff) -> Vec<ProcessId> {
        let mut forgotten = Vec::new();
        for group in &plan.removed {
            forgotten.extend_from_slice(self.table.members(group));
        }
        for change in &plan.changed {
            let ends = |id: &ProcessId| self.table.entry(*id).is_some_and(|entry| !goes_on(change, entry));
            forgotten.extend(self.table.members(&change.name).iter().filter(|id| ends(id)));
        }
        forgotten
    }

    /// Stops what is to be forgotten; once all of it is down, makes the groups so.
    pub(super) fn swap(&mut self, id: JobId, mut swap: Swap, now: Now, out: &mut Vec<Action>) {
        let configured = Arc::clone(&self.configured);
        let scaled = swap.scale.as_ref().map(|scale| self.scaled(scale));
        let wanted = scaled.as_deref().unwrap_or(&configured.groups);
        let plan = self.plan(wanted, &swap.groups);
        let forgotten = self.forgotten(&plan);
        let mut up = Vec::new();
        for process in &forgotten {
            let Some(entry) = self.table.entry(*process) else { continue };
            swap.stopped.insert(entry.group.clone());
            if !entry.life.state.name().is_down() {
                // Not one that somebody just asked to stop.
                if entry.life.wanted == Wanted::Up {
                    swap.restart.insert((entry.group.clone(), entry.config.name.clone()));
                }
                up.push(*process);
            } else if self.hooks.any(*process) {
                up.push(*process);
            }
        }
        if up.is_empty() {
            self.apply(id, wanted, &plan, &swap, now, out);
            return;
        }
        let stop = StopStage { waves: self.table.waves(&up), awaited: Set::new(), wait: true, told: false };
        if let Some(job) = self.jobs.get_mut(&id) {
            job.stages.push_front(Stage::Swap(swap));
            job.stages.push_front(Stage::Stop(stop));
        }
    }

    fn apply(&mut self, id: JobId, wanted: &[Group], plan: &Diff, swap: &Swap, now: Now, out: &mut Vec<Action>) {
        let find = |name: &str| wanted.iter().find(|group| group.name == name);
        let tells_groups = swap.scale.is_none();
        if !tells_groups {
            self.tell_scaled(id, plan, out);
        }
        let mut started = Vec::new();
        for group in &plan.removed {
            self.tell_group(id, group, "stopped", out);
            self.remove_group(group, out);
            self.tell_group(id, group, "removed", out);
        }
        for change in &plan.changed {
            let Some(group) = find(&change.name) else { continue };
            if tells_groups && swap.stopped.contains(&group.name) {
                self.tell_group(id, &group.name, "stopped", out);
            }
            let entries = self.table.members(&group.name).iter().filter_map(|id| self.table.entry(*id));
            let kept: Vec<String> =
                entries.filter(|entry| goes_on(change, entry)).map(|entry| entry.config.name.clone()).list();
            let Replaced { forgotten, added, tuned } = self.table.replace_group(group, &kept);
            self.replace_listeners(group, change.settings, &forgotten, &added);
            forgotten.iter().for_each(|id| self.forget(*id));
            out.extend(forgotten.into_iter().map(Action::Removed));
            out.extend(added.iter().copied().map(Action::Added));
            started.extend(added);
            for (process, before) in tuned {
                self.retime(process, &before);
                out.push(Action::Tuned(process, before));
                self.started_by_settings(process, out);
            }
            if tells_groups {
                self.tell_group(id, &group.name, "updated", out);
            }
        }
        for name in &plan.added {
            let Some(group) = find(name) else { continue };
            started.extend(self.add_group(group, out));
            self.tell_group(id, name, "added", out);
        }
        self.table.relate();
        self.plan_runs(now);
        for process in self.table.waves(&started).into_iter().flatten() {
            let again = self.table.entry(process).is_some_and(|entry| {
                entry.config.starts_at_boot()
                    || swap.restart.contains(&(entry.group.clone(), entry.config.name.clone()))
            });
            if again {
                self.start_with_needs(process, now, out);
            }
        }
        if swap.adopt {
            self.adopted = Arc::clone(&self.configured);
            self.listeners.identifier.clone_from(&self.adopted.daemon.identifier);
            out.push(Action::Adopt(Arc::clone(&self.adopted)));
        }
    }

    /// What is remembered of a process beside its life.
    fn forget(&mut self, id: ProcessId) {
        self.gate.forget(id);
        self.hooks.forget(id);
    }

    /// The deadline of a process that has other settings from now on.
    fn retime(&mut self, id: ProcessId, before: &Process) {
        let Some(entry) = self.table.entry(id) else { return };
        if let Some(at) = entry.life.state.deadline(before) {
            self.deadlines.remove(&(at, id));
        }
        if let Some(at) = entry.life.state.deadline(&entry.config) {
            self.deadlines.insert((at, id));
        }
    }

    fn replace_listeners(&mut self, group: &Group, settings: bool, forgotten: &[ProcessId], added: &[ProcessId]) {
        forgotten.iter().for_each(|id| self.listeners.remove(*id));
        if settings {
            self.listeners.replace_pool(group);
        }
        for id in added {
            if let Some(name) = self.table.entry(*id).map(|entry| entry.config.name.clone()) {
                self.listeners.add_one(&group.name, *id, name);
            }
        }
    }

    fn add_group(&mut self, group: &Group, out: &mut Vec<Action>) -> Vec<ProcessId> {
        let ids = self.table.add_group(group);
        self.listeners.add(group, &ids);
        out.extend(ids.iter().copied().map(Action::Added));
        self.publish(Event::GroupAdded { group: group.name.clone() }, out);
        ids
    }

    fn remove_group(&mut self, group: &str, out: &mut Vec<Action>) {
        let forgotten = self.table.remove_group(group);
        for id in &forgotten {
            self.listeners.remove(*id);
            self.forget(*id);
        }
        self.listeners.remove_pool(group);
        out.extend(forgotten.into_iter().map(Action::Removed));
        self.publish(Event::GroupRemoved { group: group.to_string() }, out);
    }

    pub(super) fn ask_add(&mut self, client: ClientId, groups: &[String], now: Now, out: &mut Vec<Action>) {
        let id = self.add_job(Some(client), VecDeque::new());
        let new = self.configured.groups.iter().filter(|group| self.table.group(&group.name).is_none());
        for name in &spelled_out(groups, new) {
            let group = self.configured_group(name);
            match group {
                None => self.tell_item(id, "group", name.clone(), Code::BadName, "no such process/group", out),
                Some(_) if self.table.group(name).is_some() => {
                    self.tell_item(
                        id,
                        "group",
                        name.clone(),
                        Code::AlreadyStarted,
                        "process group already active",
                        out,
                    );
                }
                Some(group) => {
                    let added = self.add_group(&group, out);
                    self.table.relate();
                    self.plan_runs(now);
                    self.tell_group(id, name, "added", out);
                    for process in self.table.waves(&added).into_iter().flatten() {
                        if self.table.entry(process).is_some_and(|entry| entry.config.starts_at_boot()) {
                            self.start_with_needs(process, now, out);
                        }
                    }
                }
            }
        }
    }

    pub(super) fn ask_remove(&mut self, client: ClientId, groups: &[String], now: Now, out: &mut Vec<Action>) {
        let id = self.add_job(Some(client), VecDeque::new());
        for name in &spelled_out(groups, self.table.active()) {
            let up = self.table.members(name).iter().any(|process| !self.rests(*process));
            if self.table.group(name).is_none() {
                self.tell_item(id, "group", name.clone(), Code::BadName, "no such process/group", out);
            } else if up {
                self.tell_item(id, "group", name.clone(), Code::Busy, "process/group still running", out);
            } else {
                self.remove_group(name, out);
                self.table.relate();
                self.plan_runs(now);
                self.tell_group(id, name, "removed", out);
            }
        }
    }

    fn tell_group(&self, id: JobId, group: &str, result: &str, out: &mut Vec<Action>) {
        match self.jobs.get(&id).and_then(|job| job.client) {
            Some(client) => out.push(Action::Reply(client, data(&[("group", group), ("result", result)]))),
            // Nobody waits for it: after a HUP the log tells.
            None => out.push(Action::Log(LogLevel::Info, format!("{group}: {result} process group"))),
        }
    }
}

/// Whether a process lives on: nothing of it changes, or it runs and that can be applied to it. One that is down begins anew, so that it
/// starts when its new settings say so.
fn goes_on(change: &GroupChange, entry: &Entry) -> bool {
    let named = |names: &[String]| names.contains(&entry.config.name);
    named(&change.unchanged) || (named(&change.live) && !entry.life.state.name().is_down())
}

/// Names of groups, with a pattern replaced by those it means; it stays where it means none.
fn spelled_out<'a>(names: &[String], known: impl Iterator<Item = &'a Group>) -> Vec<String> {
    let known: Vec<&String> = known.map(|group| &group.name).list();
    let mut all = Vec::new();
    for name in names {
        let before = all.len();
        let is_meant = |known: &&&String| wildcard::is_pattern(name) && wildcard::fits(name, known);
        all.extend(known.iter().filter(is_meant).map(|known| (*known).clone()));
        if all.len() == before {
            all.push(name.clone());
        }
    }
    all
}
