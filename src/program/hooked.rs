//! The commands around a process' life: when each is asked for, and what its end leads to.

use super::step::Step;
use super::{Action, End, Hook, Report, SpawnFailureKind, State, Wanted};
use crate::config::{Hooks, Reload};

impl Step<'_> {
    /// `pre_start`, then the fork.
    pub(super) fn prepare(&mut self, tries: u32) {
        if self.has(|hooks| hooks.pre_start.is_some()) {
            self.enter(State::Preparing { tries, stop: false }, tries);
            self.out.push(Action::Hook(Hook::PreStart));
        } else {
            self.fork(tries);
        }
    }

    pub(super) fn hook_ended(&mut self, hook: Hook, result: Result<(), String>) {
        // One that was to go has not failed.
        let unwanted = hook == Hook::PreStart && matches!(self.life.state, State::Preparing { stop: true, .. });
        if let Err(error) = &result
            && !unwanted
        {
            self.report(Report::HookFailed { hook, error: error.clone() });
            self.life.hook_error = Some((hook, error.clone()));
        }
        match (hook, result) {
            (Hook::PreStart, result) => self.prepared(result),
            // The child has not been told to stop: it is now.
            (Hook::Stop, Err(_)) => {
                if let State::Stopping { pid, .. } | State::Abandoning { pid, .. } = self.life.state {
                    self.signal_stop(pid);
                }
            }
            (Hook::Stop, Ok(())) | (Hook::PostStop | Hook::Reload, _) => {}
        }
    }

    fn prepared(&mut self, result: Result<(), String>) {
        let State::Preparing { tries, stop } = self.life.state else { return };
        if stop || self.life.wanted == Wanted::Down {
            self.stopped(0);
            return;
        }
        match result {
            Ok(()) => self.fork(tries),
            Err(error) => {
                self.out.push(Action::Failed(SpawnFailureKind::Other));
                self.back_off(tries, format!("{}: {error}", Hook::PreStart), false);
            }
        }
    }

    pub(super) fn reload(&mut self) {
        if let State::Running { .. } = self.life.state
            && self.has(|hooks| hooks.reload.is_some())
        {
            self.out.push(Action::Hook(Hook::Reload));
        }
    }

    /// A child has ended: what follows every end, and nothing is left to reload.
    pub(super) fn after(&mut self, end: End) {
        self.life.end = end;
        if self.has(|hooks| matches!(hooks.reload, Some(Reload::Command(_)))) {
            self.out.push(Action::EndHook(Hook::Reload));
        }
        if self.has(|hooks| hooks.post_stop.is_some()) {
            self.out.push(Action::Hook(Hook::PostStop));
        }
    }

    pub(super) fn has_stop_command(&self) -> bool {
        self.has(|hooks| hooks.stop.is_some())
    }

    fn has(&self, which: impl Fn(&Hooks) -> bool) -> bool {
        self.policy.hooks.as_ref().is_some_and(|hooks| which(hooks))
    }
}
