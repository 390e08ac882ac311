//! What is left of our descendants when all is stopped: TERM, some patience, KILL.
//!
//! After a command in the foreground, which is what a container was for: nobody is left who wants them. And at the end of a machine's
//! run, or before visor starts afresh as its init.

use std::time::Duration;

use nix::sys::signal::Signal as Number;

use super::{Daemon, Token, clock};
use crate::sorted::Set;
use crate::sys::poll::Interest;
use crate::sys::process;
use crate::sys::reap::{self, Stops, WaitStatus};
use crate::sys::signals::SelfPipe;

/// From TERM to KILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// From KILL to giving up: only a process that waits for a dead disk outlives it.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

impl Daemon {
    /// Ends every descendant of ours that is left.
    pub(super) fn clear_out(&mut self) {
        clear_out(&self.signals);
    }
}

/// Ends every descendant of ours that is left. The caught signals only wake us; who asks for what meanwhile is
/// not heard.
pub(super) fn clear_out(signals: &SelfPipe) {
    if !end_all(Number::SIGTERM, PATIENCE, signals) {
        end_all(Number::SIGKILL, LAST_PATIENCE, signals);
    }
}

/// Sends a signal to everybody left and reaps until nobody is; whether that came about in time. Who is orphaned by the
/// death of another becomes our child only then, and gets the signal then. A shell on a terminal is deaf to TERM; a
/// hang-up ends it.
fn end_all(asked: Number, patience: Duration, signals: &SelfPipe) -> bool {
    let mut told = Set::new();
    // Where everybody is told at once nobody is told twice: some take a second TERM for impatience.
    let all_told = process::is_pid1() && reap::signal_everybody(asked as i32);
    let gone = until(patience, signals, || {
        while reap::reap(Stops::Untold).is_some() {}
        if !reap::any_child() {
            return Some(());
        }
        for pid in process::children() {
            if told.insert(pid) {
                let hang_up = process::leads_terminal(pid);
                for (signal, wanted) in [(asked, !all_told), (Number::SIGCONT, !all_told), (Number::SIGHUP, hang_up)] {
                    if wanted {
                        let _ = reap::kill(pid, signal as i32);
                    }
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
pub(super) fn until<T>(patience: Duration, signals: &SelfPipe, mut done: impl FnMut() -> Option<T>) -> Option<T> {
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
