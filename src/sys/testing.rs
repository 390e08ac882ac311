//! Helpers of the tests beside the code. Tests run as threads of one process, so each waits only for pids of its
//! own; whoever must wait for *any* child does so inside [`in_fork`].

use std::io::Read as _;
use std::os::fd::OwnedFd;

use super::reap::{self, WaitStatus};

/// Run `check` in a forked copy of the process and answer what it answered; a crash counts as false.
/// `check` must keep to plain calls: other threads are gone and may have left locks closed.
pub fn in_fork(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the copy runs `check` and leaves by _exit; it never returns into the test harness.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "cannot fork");
    if pid == 0 {
        let code = i32::from(!check());
        // SAFETY: leaves at once, running nothing of the copied process.
        unsafe { libc::_exit(code) };
    }
    wait_for(pid) == WaitStatus::Exited(0)
}

/// Wait until that child of ours is dead.
pub fn wait_for(pid: i32) -> WaitStatus {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid, "cannot wait: {}", std::io::Error::last_os_error());
    reap::decode(status)
}

/// Everything until end of file, waiting for it.
pub fn read_all(fd: OwnedFd) -> String {
    super::fds::set_nonblocking(&fd, false).unwrap();
    let mut text = Vec::new();
    std::fs::File::from(fd).read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// Are we root? Prints why the test is left out if not.
pub fn root_or_skip(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("{test}: left out, needs root");
    }
    root
}
