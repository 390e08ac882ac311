//! All programs together: every decision of the daemon, as values.
//!
//! Owns: groups and processes, waves, requests that wait, reload, shutdown. One door, [`Supervisor::handle`], and
//! [`Supervisor::next_deadline`]. Does not own: descriptors, pids of anything else, log files, clients' buffers; no I/O.

mod action;
mod ending;
mod gate;
mod hooks;
mod input;
mod jobs;
mod listeners;
mod relations;
mod reload;
mod scale;
mod schedules;
mod shutdown;
mod starts;
mod table;
mod view;

#[cfg(test)]
mod gate_tests;
#[cfg(test)]
mod hooks_tests;
#[cfg(test)]
mod reload_tests;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use action::Action;
pub use input::{Ask, ClientId, Input};
pub use jobs::JobId;
pub use listeners::ListenerFacts;
pub use table::{Entry, Notes, ProcessId, Target};
pub use view::{LogPaths, Surroundings, Traffic};

use crate::config::{Config, Group, LogLevel};
use crate::event::Event;
use crate::program::{self, Exit, Now};
use crate::protocol::{Code, Line};
use crate::sorted::{Map, Set};
use jobs::Job;
use listeners::Listeners;
use table::Table;

/// Where visor itself is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before [`Input::Boot`].
    Starting,
    /// Programs run.
    Running,
    /// Programs are being stopped.
    ShuttingDown,
    /// Nothing is left.
    Gone,
}

/// All programs together.
#[derive(Debug)]
pub struct Supervisor {
    phase: Phase,
    /// The configuration as read last: what `add` and `update` take from.
    configured: Arc<Config>,
    /// The one whose settings of visor itself hold.
    adopted: Arc<Config>,
    table: Table,
    /// Timers of processes. Each process has at most one entry.
    deadlines: Set<(Duration, ProcessId)>,
    /// When the log tells again what a stop waits for.
    remind_at: Option<Duration>,
    listeners: Listeners,
    jobs: Map<JobId, Job>,
    next_job: u64,
    /// Reused by every step of a process.
    scratch: program::Actions,
    /// The code to leave with.
    exit_code: u8,
    gate: gate::Gate,
    hooks: hooks::Hooks,
    /// A shutdown under way that may take no longer than `shutdown_timeout`.
    limited: Option<ending::Limited>,
    schedules: schedules::Schedules,
}

/// Requests under way at once; more are answered `busy`.
const MAX_JOBS: usize = 4096;

/// Whether a process has ended for good, by itself.
fn is_over(state: &program::State) -> bool {
    matches!(state, program::State::Exited | program::State::Fatal)
}

impl Supervisor {
    /// All groups of `config`, nothing started. The processes are announced by [`Action::Added`] in `out`.
    #[must_use]
    pub fn new(config: Arc<Config>, out: &mut Vec<Action>) -> Supervisor {
        let mut table = Table::default();
        let mut listeners = Listeners::default();
        listeners.identifier.clone_from(&config.daemon.identifier);
        for group in &config.groups {
            let ids = table.add_group(group);
            listeners.add(group, &ids);
            out.extend(ids.into_iter().map(Action::Added));
        }
        table.relate();
        Supervisor {
            phase: Phase::Starting,
            adopted: Arc::clone(&config),
            configured: config,
            table,
            deadlines: Set::new(),
            remind_at: None,
            listeners,
            jobs: Map::new(),
            next_job: 0,
            scratch: Vec::new(),
            exit_code: 0,
            gate: gate::Gate::default(),
            hooks: hooks::Hooks::default(),
            limited: None,
            schedules: schedules::Schedules::default(),
        }
    }

    /// Lets `input` happen and adds what is to be done to `out`, in order.
    pub fn handle(&mut self, input: Input, now: Now, out: &mut Vec<Action>) {
        match input {
            Input::Boot => self.boot(now, out),
            Input::Process(id, program::Input::HookEnded(hook, result)) => {
                self.hook_ended(id, (hook, result), now, out);
            }
            Input::Process(id, input) => {
                let spawned = matches!(input, program::Input::Spawned { .. });
                if let program::Input::Spawned { pid } = input {
                    self.number_used_again(pid, now, out);
                    if let Some(entry) = self.table.entry_mut(id) {
                        entry.starts = entry.starts.saturating_add(1);
                        entry.notes = Notes::default();
                    }
                }
                self.step(id, input, now, out);
                if spawned {
                    self.hurry(id, now, out);
                }
            }
            Input::NumberTaken { pid } => self.number_used_again(pid, now, out),
            Input::Died { pid, exit } => self.died(pid, exit, now, out),
            Input::Ask(client, ask) => self.ask(client, ask, now, out),
            Input::ClientGone(client) => self.client_gone(client),
            Input::ConfigRead(job, result) => self.config_read(job, result, now, out),
            Input::LookedUp(job, failures) => self.looked_up(job, failures, now, out),
            Input::StopSignal(signal) => self.stop_signal(signal, now, out),
            Input::ShutDown => match self.phase {
                Phase::Starting | Phase::Running => self.shut_down(now, out),
                Phase::ShuttingDown => {}
                // Whoever waited for this end before leaving has it now.
                Phase::Gone => out.push(Action::Leave),
            },
            Input::ReloadSignal => self.reload_signal(out),
            Input::Happened(event) => self.publish(event, out),
            Input::ListenerSaid(id, bytes) => self.listener_said(id, &bytes, out),
            Input::Noted(id, notes) => {
                if let Some(entry) = self.table.entry_mut(id) {
                    entry.notes = notes;
                }
            }
            Input::NotDelivered(id) => self.not_delivered(id, out),
            Input::Deadline => self.deadline(now, out),
            Input::ClockLookedAt => self.run_due(now, out),
        }
        self.advance(now, out);
        while self.open_gates(now, out) {
            self.advance(now, out);
        }
        self.tick_as_wanted(now, out);
        self.dispatch(out);
        self.tell_losses(now, out);
    }

    /// When [`Input::Deadline`] is due next; `None` = nothing is waited for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let process = self.deadlines.first().map(|(at, _)| *at);
        let listeners = self.listeners.deadline();
        [process, self.remind_at, listeners, self.schedules.deadline(), self.hooks_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Where visor is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// One process.
    #[must_use]
    pub fn entry(&self, id: ProcessId) -> Option<&Entry> {
        self.table.entry(id)
    }

    /// The process whose living child has this pid.
    #[must_use]
    pub fn process_of(&self, pid: i32) -> Option<ProcessId> {
        self.table.by_pid(pid)
    }

    /// Settings of an active group.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.table.group(name)
    }

    /// The processes of an active group.
    #[must_use]
    pub fn members(&self, group: &str) -> &[ProcessId] {
        self.table.members(group)
    }

    /// Every process, in no promised order.
    pub fn entries(&self) -> impl Iterator<Item = (ProcessId, &Entry)> {
        self.table.entries()
    }

    /// What each name means.
    #[must_use]
    pub fn resolve(&self, names: &[String]) -> Vec<Target> {
        self.table.resolve(names)
    }

    /// The process a single name means.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ProcessId> {
        self.table.find(name)
    }

    /// Whether `pid` still is the living child of process `id` or, for a signal to a `group`, the process group it waits for. Ask right
    /// before a signal is sent: what was decided a moment ago may be about a child that is reaped by now, and its number may be
    /// somebody else's.
    #[must_use]
    pub fn holds(&self, id: ProcessId, pid: i32, group: bool) -> bool {
        self.table.entry(id).is_some_and(|entry| {
            let state = &entry.life.state;
            state.pid() == Some(pid) || (group && state.awaited_group() == Some(pid))
        })
    }

    /// The configuration as read last.
    #[must_use]
    pub fn configured(&self) -> &Arc<Config> {
        &self.configured
    }

    fn boot(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.phase != Phase::Starting {
            return;
        }
        self.phase = Phase::Running;
        for group in self.table.group_names() {
            self.publish(Event::GroupAdded { group }, out);
        }
        self.publish(Event::SupervisorRunning, out);
        self.plan_runs(now);
        for id in self.table.in_start_order() {
            if self.table.entry(id).is_some_and(|entry| entry.config.starts_at_boot()) {
                self.start_with_needs(id, now, out);
            }
        }
    }

    fn died(&mut self, pid: i32, exit: Exit, now: Now, out: &mut Vec<Action>) {
        if let Some(id) = self.table.by_pid(pid) {
            self.step(id, program::Input::Exited(exit), now, out);
            return;
        }
        out.push(Action::Log(LogLevel::Info, format!("reaped unknown pid {pid} ({exit})")));
        // It may have been the last of a group that is awaited.
        for (id, group) in self.table.emptying() {
            out.push(Action::LookForGroup { id, group });
        }
    }

    /// The kernel gives a number away only when no process group has it: an awaited group of that number has ended. Nobody else would
    /// tell us, and the next look would find the new child in its place.
    fn number_used_again(&mut self, pid: i32, now: Now, out: &mut Vec<Action>) {
        for (id, group) in self.table.emptying() {
            if group == pid {
                self.step(id, program::Input::Group { alive: false }, now, out);
            }
        }
    }

    fn deadline(&mut self, now: Now, out: &mut Vec<Action>) {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now.mono {
                break;
            }
            self.deadlines.pop_first();
            self.step(id, program::Input::Deadline, now, out);
        }
        if self.schedules.deadline().is_some_and(|at| at <= now.mono) {
            self.run_due(now, out);
        }
        self.end_late_hooks(now, out);
        self.remind(now, out);
        self.tick_if_due(now, out);
    }

    /// The only way anything happens to a process.
    fn step(&mut self, id: ProcessId, input: program::Input, now: Now, out: &mut Vec<Action>) {
        let mut actions = std::mem::take(&mut self.scratch);
        if let Some(entry) = self.table.entry_mut(id) {
            entry.life.hooked = self.hooks.any(id);
            let before = entry.life.state.deadline(&entry.config);
            let was_over = is_over(&entry.life.state);
            program::step(&entry.config, &mut entry.life, input, now, &mut actions);
            let after = entry.life.state.deadline(&entry.config);
            if let Some(at) = before {
                self.deadlines.remove(&(at, id));
            }
            if let Some(at) = after {
                self.deadlines.insert((at, id));
            }
            self.gate.note(id, Some(&entry.life.state));
            self.table.reindex(id);
            for action in actions.drain(..) {
                self.translate(id, action, now, out);
            }
            self.forked(id, out);
            if !was_over && self.table.entry(id).is_some_and(|entry| is_over(&entry.life.state)) {
                self.over(id, now, out);
            }
            self.run_queued(id, now, out);
        }
        actions.clear();
        self.scratch = actions;
    }

    fn translate(&mut self, id: ProcessId, action: program::Action, now: Now, out: &mut Vec<Action>) {
        let Some(entry) = self.table.entry(id) else { return };
        match action {
            program::Action::Spawn => out.push(Action::Spawn(id)),
            program::Action::Hook(hook) => {
                self.hooks.begins(id, hook, now);
                out.push(Action::Hook(id, hook));
            }
            program::Action::EndHook(hook) => self.end_hook(id, hook, out),
            program::Action::HealthChanged => {
                if let Some(health) = entry.life.health.clone() {
                    let (process, group) = (entry.config.name.clone(), entry.group.clone());
                    let pid = entry.life.state.pid().unwrap_or(0);
                    self.publish(Event::Health { process, group, pid, health }, out);
                }
            }
            program::Action::Signal { pid, group, signal } => out.push(Action::Signal { id, pid, group, signal }),
            program::Action::LookForGroup { group } => out.push(Action::LookForGroup { id, group }),
            program::Action::Report(report) => {
                out.push(Action::Log(report.level(), report.sentence(&entry.config.name)));
            }
            program::Action::Changed { from, to, tries, pid, expected } => {
                let (process, group) = (entry.config.name.clone(), entry.group.clone());
                self.listener_changed(id, to, out);
                self.publish(Event::ProcessState { process, group, from, to, tries, pid, expected }, out);
                self.state_changed(id, to, out);
            }
            program::Action::Failed(kind) => self.start_failed(id, kind, out),
        }
    }

    fn ask(&mut self, client: ClientId, ask: Ask, now: Now, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            out.push(Action::Reply(client, shutting_down()));
            return;
        }
        if self.jobs.len() >= MAX_JOBS && !matches!(ask, Ask::Shutdown) {
            let text = format!("{MAX_JOBS} requests are under way");
            out.push(Action::Reply(client, Line::Error(Code::Busy, text)));
            return;
        }
        match ask {
            Ask::Start { names, wait } => self.ask_start(client, &names, wait, out),
            Ask::Stop { names, wait } => self.ask_stop(client, &names, wait, out),
            Ask::Restart(names) => self.ask_restart(client, &names, out),
            Ask::ReloadProgram(names) => self.ask_reload_program(client, &names, now, out),
            Ask::Reread => self.ask_reread(client, out),
            Ask::Update(groups) => self.ask_update(client, groups, out),
            Ask::Preview(groups) => self.ask_preview(client, groups, out),
            Ask::Scale { program, count } => self.ask_scale(client, program, count, out),
            Ask::Add(groups) => self.ask_add(client, &groups, now, out),
            Ask::Remove(groups) => self.ask_remove(client, &groups, now, out),
            Ask::Reload => self.ask_reload(Some(client), out),
            Ask::Shutdown => {
                out.push(Action::Reply(client, Line::Ok(String::new())));
                self.shut_down(now, out);
            }
        }
    }
}

fn shutting_down() -> Line {
    Line::Error(Code::ShuttingDown, "visor is shutting down".to_string())
}
