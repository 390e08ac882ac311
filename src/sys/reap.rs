//! The one place that waits for children, and the one that signals them. Who they are is the daemon's business.

use std::io;

use libc::c_int;
use nix::errno::Errno;

use super::call::check;
use super::failure::failure;

/// How a child ended. The signal is a plain number, since real-time signals have no name everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitStatus {
    /// It left by itself with this code, 0 to 255.
    Exited(i32),
    /// A signal ended it.
    Signaled {
        /// Number of the signal.
        signal: i32,
        /// Whether it left a core dump.
        core: bool,
    },
    /// It lives, but a signal stopped it.
    Stopped {
        /// Number of the signal.
        signal: i32,
    },
}

/// Whether [`reap`] tells of children that were stopped, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stops {
    /// It does.
    Told,
    /// Only of the dead.
    Untold,
}

/// Take one dead child, whoever it was, without waiting: its pid and end. `None` when none is dead. Call it until
/// `None`, since one SIGCHLD may stand for many deaths. A pid answered here may be given to a stranger at once and must
/// never be signalled again.
pub fn reap(stops: Stops) -> Option<(i32, WaitStatus)> {
    let options = match stops {
        Stops::Told => libc::WNOHANG | libc::WUNTRACED,
        Stops::Untold => libc::WNOHANG,
    };
    loop {
        let mut status: c_int = 0;
        // SAFETY: `status` is a valid place for the answer. libc's call is used because nix loses a child that
        // a real-time signal killed: it cannot name the signal and answers an error after the kernel forgot the pid.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, options) };
        if pid > 0 {
            return Some((pid, decode(status)));
        }
        if pid == 0 || Errno::last_raw() != libc::EINTR {
            return None;
        }
    }
}

/// Whether we have any child, dead or alive.
#[must_use]
pub fn any_child() -> bool {
    // SAFETY: all zeros is a valid siginfo, and `info` is a valid place for the answer; WNOWAIT leaves the child as it is.
    let result = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    result == 0 || Errno::last_raw() != libc::ECHILD
}

/// Sends a signal, and CONT after it, to every process there is but us. Only as PID 1, where that is our own namespace. A
/// child does it: the call may hang on a process that waits for a dead disk. False when it could not be asked for.
#[must_use]
pub fn signal_everybody(signal: i32) -> bool {
    if std::process::id() != 1 {
        return false;
    }
    // SAFETY: the child makes async-signal-safe calls only and is gone.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::kill(-1, signal);
            libc::kill(-1, libc::SIGCONT);
            libc::_exit(0);
        }
        pid > 0
    }
}

/// Read the status word of waitpid(2), called without WCONTINUED: whatever is no exit and no stop is a signal.
pub(super) fn decode(status: c_int) -> WaitStatus {
    if libc::WIFEXITED(status) {
        WaitStatus::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSTOPPED(status) {
        WaitStatus::Stopped { signal: libc::WSTOPSIG(status) }
    } else {
        WaitStatus::Signaled { signal: libc::WTERMSIG(status), core: libc::WCOREDUMP(status) }
    }
}

/// Send a signal to one process; signal 0 only asks whether it is there.
///
/// # Errors
/// `InvalidInput` for a pid of 1 or less, which would mean init, our own group or everybody; else what kill(2)
/// answers: ESRCH (no such process), EPERM, EINVAL (no such signal).
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    refuse_special(pid)?;
    // SAFETY: kill takes two numbers and touches no memory.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Send a signal to every process of a group.
///
/// # Errors
/// As [`kill`]; ESRCH when the group is empty.
pub fn kill_group(group: i32, signal: i32) -> io::Result<()> {
    refuse_special(group)?;
    // SAFETY: kill takes two numbers and touches no memory.
    check(unsafe { libc::kill(-group, signal) }).map(drop)
}

/// Whether anybody is in a process group: signal 0 asks without sending, and "not permitted" comes from somebody who is there.
#[must_use]
pub fn group_lives(group: i32) -> bool {
    !kill_group(group, 0).is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}

fn refuse_special(pid: i32) -> io::Result<()> {
    if pid > 1 { Ok(()) } else { Err(failure(io::ErrorKind::InvalidInput, "not the id of a child")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing;

    /// Fork a child that runs `act`; only plain calls are allowed in it.
    fn child(act: fn()) -> i32 {
        // SAFETY: the child runs plain calls only and leaves by _exit.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                act();
                libc::_exit(7);
            }
            pid
        }
    }

    fn reap_waiting() -> (i32, WaitStatus) {
        loop {
            if let Some(dead) = reap(Stops::Untold) {
                return dead;
            }
            // SAFETY: yields the processor, nothing else.
            unsafe { libc::sched_yield() };
        }
    }

    #[test]
    fn child_exits_is_reaped_with_its_code() {
        assert!(testing::in_fork(|| {
            let pid = child(|| {});
            reap_waiting() == (pid, WaitStatus::Exited(7)) && reap(Stops::Untold).is_none()
        }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn child_killed_by_realtime_signal_is_reaped_with_its_number() {
        assert!(testing::in_fork(|| {
            let signal = libc::SIGRTMIN() + 3;
            let pid = child(|| {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            });
            if kill(pid, signal).is_err() {
                return false;
            }
            reap_waiting() == (pid, WaitStatus::Signaled { signal, core: false })
        }));
    }

    #[test]
    fn several_children_dead_are_all_reaped_in_one_turn() {
        assert!(testing::in_fork(|| {
            let pids: [i32; 5] = std::array::from_fn(|_| child(|| {}));
            let mut seen = 0;
            while seen < pids.len() {
                let (pid, _) = reap_waiting();
                if !pids.contains(&pid) {
                    return false;
                }
                seen += 1;
            }
            reap(Stops::Untold).is_none()
        }));
    }

    #[test]
    fn kill_of_special_pids_is_refused() {
        for pid in [1, 0, -1, i32::MIN] {
            assert_eq!(kill(pid, 0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert_eq!(kill_group(pid, 0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn kill_of_nobody_is_esrch() {
        assert_eq!(kill(i32::MAX, 0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
