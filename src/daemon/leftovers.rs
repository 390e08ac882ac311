//! What is left of our descendants when all is stopped: TERM, some patience, KILL.
//!
//! Only after a command in the foreground: it is what a container was for, and nobody is left who wants them.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal as Number;

use super::{Daemon, Token, clock};
use crate::sys::poll::Interest;
use crate::sys::process;
use crate::sys::reap::{self, Stops};

/// From TERM to KILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// From KILL to giving up: only a process that waits for a dead disk outlives it.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

impl Daemon {
    /// Ends every descendant of ours that is left.
    pub(super) fn clear_out(&mut self) {
        self.poll = super::Poll::new();
        self.poll.set(Token::Signals, self.signals.fd(), Interest::READ);
        if self.end_all(Number::SIGTERM as i32, PATIENCE) {
            return;
        }
        self.end_all(Number::SIGKILL as i32, LAST_PATIENCE);
    }

    /// Sends a signal to everybody left and reaps until nobody is; whether that came about in time. Who is orphaned by the
    /// death of another becomes our child only then, and gets the signal then.
    fn end_all(&mut self, signal: i32, patience: Duration) -> bool {
        let until = clock::now().mono.saturating_add(patience);
        let mut told = BTreeSet::new();
        let mut events = Vec::new();
        // Where everybody is told at once nobody is told twice: some take a second TERM for impatience.
        let all_told = process::is_pid1() && reap::signal_everybody(signal);
        loop {
            while reap::reap(Stops::Untold).is_some() {}
            if !reap::any_child() {
                return true;
            }
            let children = if all_told { Vec::new() } else { process::children() };
            for pid in children {
                if told.insert(pid) {
                    let _ = reap::kill(pid, signal);
                    let _ = reap::kill(pid, Number::SIGCONT as i32);
                }
            }
            let now = clock::now().mono;
            if now >= until || self.poll.wait(Some(until.saturating_sub(now)), &mut events).is_err() {
                return false;
            }
            self.signals.take();
        }
    }
}
