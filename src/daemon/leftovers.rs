//! What is left of our descendants when all is stopped: TERM, some patience, KILL.
//!
//! After a command in the foreground, which is what a container was for: nobody is left who wants them. And at the end of a machine's
//! run, or before visor starts afresh as its init.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal as Number;

use super::{Daemon, Token, clock};
use crate::sys::poll::Interest;
use crate::sys::process;
use crate::sys::reap::{self, Stops, WaitStatus};
use crate::sys::signals::SelfPipe;

/// From TERM to KILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// From KILL to giving up: only a process that waits for a dead disk outlives it.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// What ends processes that a command left.
const OF_A_COMMAND: [Number; 1] = [Number::SIGTERM];
/// What ends all processes of a machine. There are shells on terminals among them, deaf to TERM, which a hang-up ends.
pub(super) const OF_A_MACHINE: [Number; 2] = [Number::SIGTERM, Number::SIGHUP];

impl Daemon {
    /// Ends every descendant of ours that is left.
    pub(super) fn clear_out(&mut self) {
        clear_out(&OF_A_COMMAND, &self.signals);
    }
}

/// Ends every descendant of ours that is left: `asked` first, then killed. The caught signals only wake us; who asks for what meanwhile is
/// not heard.
pub(super) fn clear_out(asked: &[Number], signals: &SelfPipe) {
    if !end_all(asked, PATIENCE, signals) {
        end_all(&[Number::SIGKILL], LAST_PATIENCE, signals);
    }
}

/// Sends signals to everybody left and reaps until nobody is; whether that came about in time. Who is orphaned by the
/// death of another becomes our child only then, and gets them then.
fn end_all(asked: &[Number], patience: Duration, signals: &SelfPipe) -> bool {
    let mut told = BTreeSet::new();
    // Where everybody is told at once nobody is told twice: some take a second TERM for impatience.
    let all_told = process::is_pid1() && asked.iter().all(|signal| reap::signal_everybody(*signal as i32));
    let gone = until(patience, signals, || {
        while reap::reap(Stops::Untold).is_some() {}
        if !reap::any_child() {
            return Some(());
        }
        let children = if all_told { Vec::new() } else { process::children() };
        for pid in children {
            if told.insert(pid) {
                for signal in asked.iter().chain(&[Number::SIGCONT]) {
                    let _ = reap::kill(pid, *signal as i32);
                }
            }
        }
        None
    });
    gone.is_some()
}

/// Waits for a child of ours: whether it exited with 0; `None` when it takes too long. Whoever else dies meanwhile is reaped.
pub(super) fn wait_for(child: i32, patience: Duration, signals: &SelfPipe) -> Option<bool> {
    until(patience, signals, || {
        while let Some((pid, status)) = reap::reap(Stops::Untold) {
            if pid == child {
                return Some(status == WaitStatus::Exited(0));
            }
        }
        None
    })
}

/// Asks `done` now and after every signal until it has an answer.
fn until<T>(patience: Duration, signals: &SelfPipe, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let end = clock::now().mono.saturating_add(patience);
    let mut events = Vec::new();
    let mut poll = super::Poll::new();
    poll.set(Token::Signals, signals.fd(), Interest::READ);
    loop {
        let answer = done();
        let now = clock::now().mono;
        if answer.is_some() || now >= end || poll.wait(Some(end.saturating_sub(now)), &mut events).is_err() {
            return answer;
        }
        signals.take();
    }
}
