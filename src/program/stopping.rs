//! How a child is ended: the stop command or signal, KILL when patience is over, and what is left of its group.

use std::time::Duration;

use super::state::seconds;
use super::step::Step;
use super::{Action, End, Hook, Report, State};
use crate::config::Signal;

/// Shortest pause between two KILLs, whatever `stopwaitsecs` says.
const MIN_KILL_PAUSE: Duration = Duration::from_secs(1);
/// How often the rest of a process group is looked for while it is awaited.
pub(super) const GROUP_LOOK_PAUSE: Duration = Duration::from_millis(20);
/// KILLs sent to the rest of a process group before it is given up (zombies of a foreign parent cannot be killed).
const MAX_GROUP_KILLS: u32 = 3;

const SIGCONT: Signal = Signal(nix::sys::signal::Signal::SIGCONT as i32);
const SIGKILL: Signal = Signal(nix::sys::signal::Signal::SIGKILL as i32);

impl Step<'_> {
    /// The rest of a group is still there: look again, kill when patience is over, give up in the end.
    pub(super) fn look(&mut self, group: i32, kill_at: Duration, look_at: Duration, kills: u32) {
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

    /// Patience with a child is over, and with the command that was to stop it.
    pub(super) fn kill(&mut self, pid: i32) {
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

    pub(super) fn signal(&mut self, pid: i32, group: bool, signal: Signal) {
        self.report(Report::Signalling { pid, group, signal });
        self.out.push(Action::Signal { pid, group, signal });
    }

    pub(super) fn kill_pause(&self) -> Duration {
        seconds(self.policy.stopwaitsecs).max(MIN_KILL_PAUSE)
    }
}
