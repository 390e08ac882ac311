//! Every transition: `step(policy, life, input, now)` changes a life and says what is to be done.
//!
//! Every pair of state and input is decided here; there is no `_` arm over either.

use std::time::Duration;

use super::state::seconds;
use super::{Action, Actions, End, Exit, Hook, Input, Life, Now, Report, SpawnFailure, State, Wanted};
use crate::config::{AutoRestart, Process, Restart, Signal};
use crate::scatter;

/// Pause after the n-th failed start is n times this.
const BACKOFF_UNIT: Duration = Duration::from_secs(1);
/// Shortest pause between two KILLs, whatever `stopwaitsecs` says.
const MIN_KILL_PAUSE: Duration = Duration::from_secs(1);
/// How often the rest of a process group is looked for while it is awaited.
const GROUP_LOOK_PAUSE: Duration = Duration::from_millis(20);
/// KILLs sent to the rest of a process group before it is given up (zombies of a foreign parent cannot be killed).
const MAX_GROUP_KILLS: u32 = 3;

const SIGCONT: Signal = Signal(nix::sys::signal::Signal::SIGCONT as i32);
const SIGKILL: Signal = Signal(nix::sys::signal::Signal::SIGKILL as i32);

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
                    self.life.state = State::Stopping { pid, kill_at: now + self.kill_pause() };
                }
            }
            State::Abandoning { pid, ref mut kill_at, .. } => {
                if now >= *kill_at {
                    *kill_at = now + seconds(self.policy.stopwaitsecs).max(MIN_KILL_PAUSE);
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

    /// The rest of a group is still there: look again, kill when patience is over, give up in the end.
    fn look(&mut self, group: i32, kill_at: Duration, look_at: Duration, kills: u32) {
        let now = self.now.mono;
        if now >= kill_at && kills >= MAX_GROUP_KILLS {
            self.report(Report::GroupLeft { group });
            self.stopped(group);
        } else if now >= kill_at {
            self.report(Report::Killing { pid: group });
            self.signal(group, true, SIGKILL);
            let (kill_at, look_at) = (now + MIN_KILL_PAUSE, now + GROUP_LOOK_PAUSE);
            self.life.state = State::Emptying { group, kill_at, look_at, kills: kills.saturating_add(1) };
        } else if now >= look_at {
            self.life.state = State::Emptying { group, kill_at, look_at: now + GROUP_LOOK_PAUSE, kills };
            self.out.push(Action::LookForGroup { group });
        }
    }

    fn succeed(&mut self, pid: i32, since: Duration) {
        self.enter(State::Running { pid, since }, 0);
        self.report(Report::Success { startsecs: self.policy.startsecs });
    }

    /// Patience with a child is over, and with the command that was to stop it.
    fn kill(&mut self, pid: i32) {
        self.report(Report::Killing { pid });
        self.signal(pid, self.policy.killasgroup, SIGKILL);
        if self.has_stop_command() {
            self.out.push(Action::EndHook(Hook::Stop));
        }
    }

    pub(super) fn send_stop(&mut self, pid: i32) {
        self.life.end = End::Stopped;
        let kill_at = self.now.mono + seconds(self.policy.stopwaitsecs);
        self.enter(State::Stopping { pid, kill_at }, 0);
        self.ask_to_stop(pid);
    }

    /// By `stop_command`, or by the stop signal.
    pub(super) fn ask_to_stop(&mut self, pid: i32) {
        if self.has_stop_command() {
            self.out.push(Action::Hook(Hook::Stop));
        } else {
            self.signal_stop(pid);
        }
    }

    pub(super) fn signal_stop(&mut self, pid: i32) {
        self.signal(pid, self.policy.stopasgroup, self.policy.stopsignal);
        // A process that was stopped by a signal would never see ours.
        if self.policy.stopsignal != SIGCONT && self.policy.stopsignal != SIGKILL {
            self.out.push(Action::Signal { pid, group: self.policy.stopasgroup, signal: SIGCONT });
        }
    }

    fn signal(&mut self, pid: i32, group: bool, signal: Signal) {
        self.report(Report::Signalling { pid, group, signal });
        self.out.push(Action::Signal { pid, group, signal });
    }

    fn kill_pause(&self) -> Duration {
        seconds(self.policy.stopwaitsecs).max(MIN_KILL_PAUSE)
    }

    fn ended(&mut self, exit: Exit) {
        self.life.ended = Some(self.now);
        self.life.exit = Some(exit);
        self.life.last = Some(exit);
    }

    /// RUNNING → EXITED, and on from there when it is to run again.
    fn ended_by_itself(&mut self, pid: i32, exit: Exit) {
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

    /// EXITED → BACKOFF, for as long as the starts before this one make it.
    fn rest(&mut self, restart: Restart, pid: i32, exit: Exit) {
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
    fn salt(&self) -> u64 {
        scatter::of_name(&self.policy.name) ^ u64::from(self.now.mono.subsec_nanos())
    }

    /// → STOPPED, and on from there when a start was asked for meanwhile.
    pub(super) fn stopped(&mut self, pid: i32) {
        if pid != 0 {
            self.after(self.life.end);
        }
        self.change(State::Stopped, 0, pid, true);
        if self.life.wanted == Wanted::Up {
            self.spawn(0);
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

    pub(super) fn enter(&mut self, to: State, tries: u32) {
        let pid = to.pid().or(self.life.state.pid()).unwrap_or(0);
        self.change(to, tries, pid, true);
    }

    /// The one door: changes the state and says so.
    fn change(&mut self, to: State, tries: u32, pid: i32, expected: bool) {
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
