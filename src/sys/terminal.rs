//! The terminal on descriptor 0, and which process group has it.

use nix::sys::signal::{Signal, raise};
use nix::unistd::{getpgrp, getpid, getsid, tcgetpgrp};

/// Whether our process group is the one that the terminal on descriptor 0 listens to. False without a terminal.
#[must_use]
pub fn is_ours() -> bool {
    tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// Gives the terminal to a process group. SIGTTOU must be ignored or blocked: a background group earns it for this.
pub fn give_to(group: i32) {
    // A terminal that went away has nobody left to serve.
    let _ = nix::unistd::tcsetpgrp(std::io::stdin(), nix::unistd::Pid::from_raw(group));
}

/// Takes the terminal back for our own process group, as [`give_to`].
pub fn take_back() {
    give_to(getpgrp().as_raw());
}

/// Whether somebody above us can continue us after a stop: not PID 1, and not the leader of the session.
#[must_use]
pub fn has_shell_above() -> bool {
    getpid().as_raw() != 1 && getsid(None).is_ok_and(|session| session != getpid())
}

/// Stops ourselves until somebody continues us.
pub fn stop_self() {
    let _ = raise(Signal::SIGSTOP);
}
