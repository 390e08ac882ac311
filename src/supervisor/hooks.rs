//! Which hooks run, who waits for their end, and requests to reload a program.
//!
//! Owns: that a stop is done, a start begins and visor leaves only when no hook of the process runs. Does not own: when a hook is asked for
//! (`program`), its pid and its time (`daemon`).

use std::collections::VecDeque;
use std::time::Duration;

use super::jobs::{Named, Stage};
use super::{Action, ClientId, ProcessId, Supervisor};
use crate::list::List as _;
use crate::program::{self, Hook, Now, State};
use crate::protocol::Code;
use crate::sorted::{Map, Set};

/// Hooks that run.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    running: Map<(ProcessId, Hook), Running>,
}

#[derive(Debug)]
struct Running {
    since: Duration,
    /// It is being killed.
    ending: bool,
}

impl Hooks {
    pub(super) fn begins(&mut self, id: ProcessId, hook: Hook, now: Now) {
        self.running.insert((id, hook), Running { since: now.mono, ending: false });
    }

    pub(super) fn ended(&mut self, id: ProcessId, hook: Hook) {
        self.running.remove(&(id, hook));
    }

    /// Whether any hook of a process runs.
    pub(super) fn any(&self, id: ProcessId) -> bool {
        self.running.keys().any(|(of, _)| *of == id)
    }

    /// Whether a hook is to be killed, for it runs and nobody did so yet.
    pub(super) fn end(&mut self, id: ProcessId, hook: Hook) -> bool {
        self.running.get_mut(&(id, hook)).is_some_and(|running| !std::mem::replace(&mut running.ending, true))
    }

    /// A process is forgotten.
    pub(super) fn forget(&mut self, id: ProcessId) {
        self.running.retain(|(of, _), _| *of != id);
    }

    /// What runs, in words; `None` = nothing.
    pub(super) fn words(&self, id: ProcessId, now: Now) -> Option<String> {
        let words = |((of, hook), running): (&(ProcessId, Hook), &Running)| {
            let seconds = now.mono.saturating_sub(running.since).as_secs();
            (*of == id).then(|| format!("{hook} runs for {seconds} s"))
        };
        let words: Vec<String> = self.running.iter().filter_map(words).list();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

impl Supervisor {
    /// A hook of a process ended: who waited for that goes on.
    pub(super) fn hook_ended(
        &mut self,
        id: ProcessId,
        (hook, result): (Hook, Result<(), String>),
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.hooks.ended(id, hook);
        self.step(id, program::Input::HookEnded(hook, result.clone()), now, out);
        if hook == Hook::Reload {
            self.reload_ended(id, &result, out);
        }
        let Some(entry) = self.table.entry(id) else { return };
        let (name, waits) = (entry.life.state.name(), matches!(entry.life.state, State::Waiting { .. }));
        // One that waits to start has stopped before.
        if !self.hooks.any(id) && (name.is_down() || waits) {
            if let Some(limited) = &mut self.limited {
                limited.rests(id, now);
            }
            self.stopped(id, name, out);
        }
    }

    /// When hooks have used up their share of a shutdown that has a limit.
    pub(super) fn hooks_deadline(&self) -> Option<Duration> {
        let limited = self.limited.as_ref()?;
        (!self.late_hooks().is_empty()).then_some(limited.until)
    }

    /// Kills hooks that have used up their share of a shutdown.
    pub(super) fn end_late_hooks(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.hooks_deadline().is_some_and(|at| at <= now.mono) {
            for (id, hook) in self.late_hooks() {
                self.end_hook(id, hook, out);
            }
        }
    }

    /// Hooks that run and that a wave of the shutdown waits for.
    fn late_hooks(&self) -> Vec<(ProcessId, Hook)> {
        let running = self.hooks.running.iter().filter(|(_, running)| !running.ending);
        let running: Vec<(ProcessId, Hook)> = running.map(|(key, _)| *key).list();
        running.into_iter().filter(|(id, _)| self.jobs.values().any(|job| job.awaits_stop_of(*id))).list()
    }

    pub(super) fn end_hook(&mut self, id: ProcessId, hook: Hook, out: &mut Vec<Action>) {
        if self.hooks.end(id, hook) {
            out.push(Action::EndHook(id, hook));
        }
    }

    /// Whether nothing of a process is left, its hooks included.
    pub(super) fn rests(&self, id: ProcessId) -> bool {
        self.table.entry(id).is_none_or(|entry| entry.life.state.name().is_down()) && !self.hooks.any(id)
    }

    pub(super) fn ask_reload_program(&mut self, client: ClientId, names: &[String], now: Now, out: &mut Vec<Action>) {
        let job = self.add_job(Some(client), VecDeque::new());
        let mut awaited = Set::new();
        for (id, named) in self.targets(job, names, out) {
            match (self.cannot_reload(id), named) {
                (None, _) => {
                    awaited.insert(id);
                }
                (Some((code, text)), Named::Itself) => self.tell_failure(job, id, code, text, out),
                (Some(_), Named::WithOthers) => {}
            }
        }
        self.push_stage(job, Stage::Reload(awaited.clone()));
        for id in &awaited {
            self.step(*id, program::Input::Reload, now, out);
        }
    }

    fn cannot_reload(&self, id: ProcessId) -> Option<(Code, &'static str)> {
        let entry = self.table.entry(id)?;
        if entry.config.hooks.as_ref().is_none_or(|hooks| hooks.reload.is_none()) {
            return Some((Code::Failed, "neither reload_command nor reload_signal is set"));
        }
        if !matches!(entry.life.state, State::Running { .. }) {
            return Some((Code::NotRunning, "not running"));
        }
        let runs = self.hooks.running.contains_key(&(id, Hook::Reload));
        runs.then_some((Code::Busy, "its reload_command still runs"))
    }

    fn reload_ended(&mut self, id: ProcessId, result: &Result<(), String>, out: &mut Vec<Action>) {
        let mut waiting = Vec::new();
        for (job, it) in self.jobs.iter_mut() {
            if let Some(Stage::Reload(awaited)) = it.stages.front_mut()
                && awaited.remove(&id)
            {
                waiting.push(*job);
            }
        }
        for job in waiting {
            match result {
                Ok(()) => self.tell_result(job, id, "reloaded", out),
                Err(text) => self.tell_failure(job, id, Code::Failed, text, out),
            }
        }
    }
}
