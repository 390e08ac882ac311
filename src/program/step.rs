//! Every transition: `step(policy, life, input, now)` changes a life and says what is to be done.
//!
//! Every pair of state and input is decided here; there is no `_` arm over either.

use std::time::Duration;

use super::state::seconds;
use super::stopping::GROUP_LOOK_PAUSE;
use super::{Action, Actions, End, Exit, Hook, Input, Life, Now, Report, SpawnFailure, State, Wanted};
use crate::config::{Process, Signal};

/// Lets `input` happen to `life` and adds what is to be done to `out`.
pub fn step(policy: &Process, life: &mut Life, input: Input, now: Now, out: &mut Actions) {
    Step { policy, life, now, out }.take(input);
}

pub(super) struct Step<'a> {
    pub(super) policy: &'a Process,
    pub(super) life: &'a mut Life,
    pub(super) now: Now,
    pub(super) out: &'a mut Actions,
}

impl Step<'_> {
    fn take(&mut self, input: Input) {
        match input {
            Input::Start => self.start(),
            Input::Stop => self.stop(),
            Input::StopBy(at) => self.stop_by(at),
            Input::NoMoreStarts => self.no_more_starts(),
            Input::Proceed => self.proceed(),
            Input::CannotStart(reason) => self.cannot_start(reason),
            Input::Reload => self.reload(),
            Input::HookEnded(hook, result) => self.hook_ended(hook, result),
            Input::Ready => self.ready(),
            Input::NotReady(error) => self.not_ready(error),
            Input::Healthy => self.healthy(),
            Input::Unhealthy(error) => self.unhealthy(error),
            Input::Spawned { pid } => self.spawned(pid),
            Input::SpawnFailed(failure) => self.spawn_failed(failure),
            Input::Execed => self.execed(),
            Input::ExecFailed(failure) => self.exec_failed(failure),
            Input::Exited(exit) => self.exited(exit),
            Input::Group { alive } => self.group(alive),
            Input::SignalFailed { signal, error } => self.signal_failed(signal, error),
            Input::Deadline => self.deadline(),
        }
    }

    fn start(&mut self) {
        self.life.wanted = Wanted::Up;
        match self.life.state {
            State::Stopped | State::Exited | State::Fatal => {
                self.life.restarts = 0;
                self.spawn(0);
            }
            // A stop is under way: it is started again once it is gone.
            State::Stopping { .. } | State::Emptying { .. } => {}
            State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. } => {}
            // Who cannot be signalled may live: a second instance is worse than none.
            State::Unknown { .. } => {}
        }
    }

    fn stop(&mut self) {
        self.life.wanted = Wanted::Down;
        match self.life.state {
            State::Launching { pid, .. }
            | State::Failing { pid, .. }
            | State::Starting { pid, .. }
            | State::Running { pid, .. } => self.send_stop(pid),
            State::Backoff { .. } | State::Resting { .. } => {
                self.report(Report::StoppedInBackoff);
                self.enter(State::Stopped, 0);
            }
            State::Waiting { .. } => self.stopped(0),
            State::Preparing { tries, .. } => {
                self.life.state = State::Preparing { tries, stop: true };
                self.out.push(Action::EndHook(Hook::PreStart));
            }
            // It was sent the signal already, and KILL is due when it was.
            State::Abandoning { pid, kill_at, .. } => {
                self.life.end = End::Stopped;
                self.enter(State::Stopping { pid, kill_at }, 0);
            }
            State::Spawning { tries, .. } => self.life.state = State::Spawning { tries, stop: true },
            State::Stopping { .. } | State::Emptying { .. } => self.life.end = End::Stopped,
            State::Stopped | State::Exited | State::Fatal | State::Unknown { .. } => {}
        }
    }

    fn stop_by(&mut self, at: Duration) {
        self.stop();
        match &mut self.life.state {
            State::Stopping { kill_at, .. } | State::Emptying { kill_at, .. } => *kill_at = at.min(*kill_at),
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
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    fn no_more_starts(&mut self) {
        self.life.wanted = Wanted::Down;
        match self.life.state {
            State::Waiting { .. } | State::Backoff { .. } | State::Resting { .. } => self.enter(State::Stopped, 0),
            State::Stopped
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Emptying { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    fn spawned(&mut self, pid: i32) {
        match self.life.state {
            State::Spawning { tries, stop } => {
                self.life.started = Some(self.now);
                self.report(Report::Spawned { pid });
                self.life.state = State::Launching { pid, since: self.now.mono, tries };
                if stop {
                    self.send_stop(pid);
                }
            }
            // Only the answer to Spawn says this; elsewhere it would be a second instance.
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
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

    fn spawn_failed(&mut self, failure: SpawnFailure) {
        match self.life.state {
            State::Spawning { tries, stop } => {
                self.report(Report::SpawnError { error: failure.text.clone() });
                self.out.push(Action::Failed(failure.kind));
                self.back_off(tries, failure.text, stop);
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
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

    fn execed(&mut self) {
        match self.life.state {
            State::Launching { pid, since, tries } => {
                self.life.state = State::Starting { pid, since, tries };
                if !self.policy.waits_for_ready() && seconds(self.policy.startsecs).is_zero() {
                    self.succeed(pid, since);
                }
            }
            // A stop overtook it.
            State::Stopping { .. } => {}
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Emptying { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    fn exec_failed(&mut self, failure: SpawnFailure) {
        match self.life.state {
            State::Launching { pid, tries, .. } => {
                self.report(Report::SpawnError { error: failure.text.clone() });
                self.out.push(Action::Failed(failure.kind));
                self.life.state = State::Failing { pid, tries, error: failure.text };
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
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

    fn exited(&mut self, exit: Exit) {
        match &self.life.state {
            // The end can be seen before the word that the command runs.
            State::Launching { pid, since, tries } | State::Starting { pid, since, tries } => {
                let (pid, since, tries) = (*pid, *since, *tries);
                self.ended(exit);
                if self.is_too_quick(since) {
                    self.after(End::Failed);
                    self.report(Report::Exited { exit, expected: false });
                    self.life.exit = None;
                    self.back_off(tries, "Exited too quickly (process log may have details)".to_string(), false);
                } else {
                    self.after(End::Exited);
                    self.life.state = State::Starting { pid, since, tries };
                    self.enter(State::Running { pid, since }, 0);
                    self.ended_by_itself(pid, exit);
                }
            }
            State::Failing { tries, error, .. } | State::Abandoning { tries, error, .. } => {
                let (tries, error) = (*tries, error.clone());
                self.ended(exit);
                self.after(End::Failed);
                self.report(Report::Exited { exit, expected: false });
                self.life.exit = None;
                self.back_off(tries, error, false);
            }
            State::Running { pid, .. } => {
                let pid = *pid;
                self.ended(exit);
                self.after(End::Exited);
                self.ended_by_itself(pid, exit);
            }
            State::Stopping { pid, kill_at } => {
                let (pid, kill_at) = (*pid, *kill_at);
                self.ended(exit);
                let expected = exit.is_expected(&self.policy.exitcodes);
                self.report(Report::Stopped { exit, expected });
                if self.policy.stopasgroup || self.policy.killasgroup || self.policy.limits.kill_tree {
                    let look_at = self.now.mono + GROUP_LOOK_PAUSE;
                    self.life.state = State::Emptying { group: pid, kill_at, look_at, kills: 0 };
                    self.out.push(Action::LookForGroup { group: pid });
                } else {
                    self.stopped(pid);
                }
            }
            State::Unknown { pid } => {
                let pid = *pid;
                self.ended(exit);
                self.report(Report::Stopped { exit, expected: exit.is_expected(&self.policy.exitcodes) });
                self.stopped(pid);
            }
            // Nobody of ours is alive in these: the pid was not this process' any more.
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Emptying { .. }
            | State::Exited
            | State::Fatal => {}
        }
    }

    fn group(&mut self, alive: bool) {
        match self.life.state {
            State::Emptying { group, .. } if !alive => self.stopped(group),
            State::Emptying { group, kill_at, kills, .. } => {
                let look_at = self.now.mono + GROUP_LOOK_PAUSE;
                self.life.state = State::Emptying { group, kill_at, look_at, kills };
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
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    fn signal_failed(&mut self, signal: Signal, error: String) {
        match self.life.state {
            State::Stopping { pid, .. } | State::Abandoning { pid, .. } => {
                self.report(Report::SignalFailed { pid, signal, error });
                self.enter(State::Unknown { pid }, 0);
            }
            State::Emptying { group, .. } => {
                self.report(Report::GroupLeft { group });
                self.stopped(group);
            }
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    fn deadline(&mut self) {
        let now = self.now.mono;
        let kill_again = now + self.kill_pause();
        match self.life.state {
            State::Starting { pid, since, .. } => {
                if !self.policy.waits_for_ready() && now >= since + seconds(self.policy.startsecs) {
                    self.succeed(pid, since);
                }
            }
            State::Backoff { until, tries } => {
                if now >= until {
                    self.spawn(tries);
                }
            }
            State::Resting { until } => {
                if now >= until {
                    self.spawn(0);
                }
            }
            State::Stopping { pid, kill_at } => {
                if now >= kill_at {
                    self.kill(pid);
                    self.life.state = State::Stopping { pid, kill_at: kill_again };
                }
            }
            State::Abandoning { pid, ref mut kill_at, .. } => {
                if now >= *kill_at {
                    *kill_at = kill_again;
                    self.kill(pid);
                }
            }
            State::Emptying { group, kill_at, look_at, kills } => self.look(group, kill_at, look_at, kills),
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Running { .. }
            | State::Exited
            | State::Fatal
            | State::Unknown { .. } => {}
        }
    }

    fn succeed(&mut self, pid: i32, since: Duration) {
        self.enter(State::Running { pid, since }, 0);
        self.report(Report::Success { startsecs: self.policy.startsecs });
    }

    pub(super) fn enter(&mut self, to: State, tries: u32) {
        let pid = to.pid().or(self.life.state.pid()).unwrap_or(0);
        self.change(to, tries, pid, true);
    }

    /// The one door: changes the state and says so.
    pub(super) fn change(&mut self, to: State, tries: u32, pid: i32, expected: bool) {
        let from = self.life.state.name();
        self.life.state = to;
        let to = self.life.state.name();
        if from != to {
            self.out.push(Action::Changed { from, to, tries, pid, expected });
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        self.out.push(Action::Report(report));
    }
}
