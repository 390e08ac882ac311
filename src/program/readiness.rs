//! Before a child is there, and until it counts as started: conditions and `ready`; and what its health leads to.

use std::time::Duration;

use super::state::{Health, seconds};
use super::step::Step;
use super::{Action, End, Report, SpawnFailureKind, State, Wanted};
use crate::config::OnUnhealthy;

impl Step<'_> {
    /// Towards a child: what it waits for first, then `pre_start`, then the fork.
    pub(super) fn spawn(&mut self, tries: u32) {
        self.life.exit = None;
        self.life.error = None;
        self.life.health = None;
        self.life.hook_error = None;
        if self.policy.is_gated() || self.life.hooked {
            self.enter(State::Waiting { tries }, tries);
        } else {
            self.prepare(tries);
        }
    }

    pub(super) fn fork(&mut self, tries: u32) {
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
            OnUnhealthy::Restart => {}
            OnUnhealthy::Stop => self.life.wanted = Wanted::Down,
            OnUnhealthy::Ignore => return,
        }
        self.send_stop(pid);
        self.life.end = End::Unhealthy;
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
}
