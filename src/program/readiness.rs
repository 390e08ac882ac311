//! Before a child is there, and until it counts as started: conditions, `pre_start`, `ready`; and what its health leads to.

use std::time::Duration;

use super::state::{Health, seconds};
use super::step::Step;
use super::{Action, Hook, Report, SpawnFailureKind, State, Wanted};
use crate::config::OnUnhealthy;

impl Step<'_> {
    /// Towards a child: what it waits for first, then `pre_start`, then the fork.
    pub(super) fn spawn(&mut self, tries: u32) {
        self.life.exit = None;
        self.life.error = None;
        self.life.health = None;
        if self.policy.is_gated() {
            self.enter(State::Waiting { tries }, tries);
        } else {
            self.prepare(tries);
        }
    }

    fn prepare(&mut self, tries: u32) {
        if self.policy.hooks.as_ref().is_some_and(|hooks| hooks.pre_start.is_some()) {
            self.enter(State::Preparing { tries, stop: false }, tries);
            self.out.push(Action::Hook(Hook::PreStart));
        } else {
            self.fork(tries);
        }
    }

    fn fork(&mut self, tries: u32) {
        self.enter(State::Spawning { tries, stop: false }, tries);
        self.out.push(Action::Spawn);
    }

    pub(super) fn proceed(&mut self) {
        if let State::Waiting { tries } = self.life.state {
            self.prepare(tries);
        }
    }

    pub(super) fn cannot_start(&mut self, reason: String) {
        if let State::Waiting { .. } = self.life.state {
            self.report(Report::CannotStart { reason: reason.clone() });
            self.out.push(Action::Failed(SpawnFailureKind::Other));
            self.life.error = Some(reason);
            self.enter(State::Fatal, 0);
        }
    }

    pub(super) fn hook_ended(&mut self, hook: Hook, result: Result<(), String>) {
        if let Err(error) = &result {
            self.report(Report::HookFailed { hook, error: error.clone() });
        }
        match (hook, result) {
            (Hook::PreStart, result) => self.prepared(result),
            // The child has not been told to stop: it is now.
            (Hook::Stop, Err(_)) => {
                if let State::Stopping { pid, .. } | State::Abandoning { pid, .. } = self.life.state {
                    self.signal_stop(pid);
                }
            }
            (Hook::Stop | Hook::PostStop | Hook::Reload, _) => {}
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

    pub(super) fn ready(&mut self) {
        match self.life.state {
            // The word may be there before the one that the command runs.
            State::Launching { pid, since, .. } | State::Starting { pid, since, .. }
                if self.policy.waits_for_ready() =>
            {
                self.enter(State::Running { pid, since }, 0);
                self.report(Report::Ready);
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Stopping { .. }
            | State::Emptying { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    pub(super) fn not_ready(&mut self, error: String) {
        match self.life.state {
            State::Launching { pid, tries, .. } | State::Starting { pid, tries, .. } => {
                self.report(Report::NotReady { error: error.clone() });
                let kill_at = self.now.mono + seconds(self.policy.stopwaitsecs);
                self.life.state = State::Abandoning { pid, kill_at, tries, error };
                self.ask_to_stop(pid);
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Failing { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Stopping { .. }
            | State::Emptying { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    pub(super) fn healthy(&mut self) {
        if let State::Running { .. } = self.life.state {
            self.health_is(Health::Healthy);
        }
    }

    pub(super) fn unhealthy(&mut self, error: String) {
        let State::Running { pid, .. } = self.life.state else { return };
        self.health_is(Health::Unhealthy(error));
        if self.life.wanted == Wanted::Down {
            // All goes down: its turn to stop comes.
            return;
        }
        match self.policy.checks.as_ref().map_or(OnUnhealthy::Ignore, |checks| checks.on_unhealthy) {
            // It is wanted, so that it starts again once it is gone.
            OnUnhealthy::Restart => self.send_stop(pid),
            OnUnhealthy::Stop => {
                self.life.wanted = Wanted::Down;
                self.send_stop(pid);
            }
            OnUnhealthy::Ignore => {}
        }
    }

    fn health_is(&mut self, health: Health) {
        if self.life.health.as_ref() != Some(&health) {
            self.report(Report::Health(health.clone()));
            self.life.health = Some(health);
            self.out.push(Action::HealthChanged);
        }
    }

    /// A child that has ended by itself, or was given up, while it was to get ready.
    pub(super) fn is_too_quick(&self, since: Duration) -> bool {
        self.policy.waits_for_ready() || self.now.mono < since + seconds(self.policy.startsecs)
    }

    /// Asks for what follows every end of a child.
    pub(super) fn after(&mut self) {
        if self.policy.hooks.as_ref().is_some_and(|hooks| hooks.post_stop.is_some()) {
            self.out.push(Action::Hook(Hook::PostStop));
        }
    }
}
