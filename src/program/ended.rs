//! What follows an end: another start at once or after a pause, or none.

use std::time::Duration;

use super::step::Step;
use super::{End, Exit, Report, State, Wanted};
use crate::config::{AutoRestart, Restart};
use crate::scatter;

/// Pause after the n-th failed start is n times this.
const BACKOFF_UNIT: Duration = Duration::from_secs(1);

impl Step<'_> {
    pub(super) fn ended(&mut self, exit: Exit) {
        self.life.ended = Some(self.now);
        self.life.exit = Some(exit);
        self.life.last = Some(exit);
    }

    /// RUNNING → EXITED, and on from there when it is to run again.
    pub(super) fn ended_by_itself(&mut self, pid: i32, exit: Exit) {
        let expected = exit.is_expected(&self.policy.exitcodes);
        if !expected {
            self.life.error = Some(format!("Bad exit code {}", exit.status()));
        }
        self.report(Report::Exited { exit, expected });
        self.change(State::Exited, 0, pid, expected);
        let again = match self.policy.autorestart {
            AutoRestart::Always => true,
            AutoRestart::Never => false,
            AutoRestart::Unexpected => !expected,
        };
        if again && self.life.wanted == Wanted::Up {
            match self.policy.policy.restart {
                None => self.spawn(0),
                Some(restart) => self.rest(restart, pid, exit),
            }
        }
    }

    /// EXITED or STOPPED → BACKOFF, for as long as the starts before this one make it.
    pub(super) fn rest(&mut self, restart: Restart, pid: i32, exit: Exit) {
        let started = self.life.started.map_or(self.now.mono, |started| started.mono);
        if self.now.mono.saturating_sub(started) >= restart.reset_after {
            self.life.restarts = 0;
        }
        self.life.restarts = self.life.restarts.saturating_add(1);
        let pause = restart.pause(self.life.restarts, self.salt());
        self.life.error.get_or_insert_with(|| format!("Ended ({exit})"));
        self.change(State::Resting { until: self.now.mono.saturating_add(pause) }, self.life.restarts, pid, true);
    }

    /// A number that no other process has at the same instant, for jitter.
    pub(super) fn salt(&self) -> u64 {
        scatter::of_name(&self.policy.name) ^ u64::from(self.now.mono.subsec_nanos())
    }

    /// → STOPPED, and on from there when a start was asked for meanwhile, or it was stopped because it was unhealthy.
    pub(super) fn stopped(&mut self, pid: i32) {
        if pid != 0 {
            self.after(self.life.end);
        }
        self.change(State::Stopped, 0, pid, true);
        if self.life.wanted == Wanted::Up {
            match (self.life.end, self.policy.policy.restart, self.life.exit) {
                (End::Unhealthy, Some(restart), Some(exit)) if pid != 0 => self.rest(restart, pid, exit),
                _ => self.spawn(0),
            }
        }
    }

    /// STARTING → BACKOFF, and on to FATAL when patience is over, or STOPPED when that was asked for (`stop`) or it is not wanted any more.
    pub(super) fn back_off(&mut self, tries: u32, error: String, stop: bool) {
        let tries = tries.saturating_add(1);
        self.life.error = Some(error);
        let pause = match self.policy.policy.restart {
            None => BACKOFF_UNIT.saturating_mul(tries),
            Some(restart) => restart.pause(tries, self.salt()),
        };
        self.enter(State::Backoff { until: self.now.mono.saturating_add(pause), tries }, tries);
        if stop || self.life.wanted == Wanted::Down {
            self.stopped(0);
        } else if self.policy.startretries >= 0 && i64::from(tries) > self.policy.startretries {
            self.report(Report::GaveUp);
            self.enter(State::Fatal, 0);
        }
    }
}
