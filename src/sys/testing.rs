//! Helpers of the tests beside the code.
//!
//! Tests run as threads of one process. So each waits only for pids of its own; and whoever must wait for *any* child,
//! touches signals or limits, or relies on a descriptor being closed everywhere (another test's fork may hold a copy for a
//! moment) does so in a process of its own: [`in_fork`] or [`alone`].

use std::io::Read as _;
use std::os::fd::OwnedFd;

use super::reap::{self, WaitStatus};

/// A forked copy that hangs is killed after this, which fails its test.
const PATIENCE_SECONDS: u32 = 60;

/// Run the assertions of `test` in a forked copy of the process; a failed one fails the caller.
#[track_caller]
pub fn alone(test: impl FnOnce()) {
    assert!(
        in_fork(|| {
            test();
            true
        }),
        "failed in the forked copy"
    );
}

/// Run `check` in a forked copy of the process and answer what it answered; a panic or a crash counts as false.
/// Other threads are gone there, and no new ones should be made: the C library does not promise that it works.
pub fn in_fork(check: impl FnOnce() -> bool) -> bool {
    wait_for(start(check)) == WaitStatus::Exited(0)
}

/// Fork a copy that runs `check` and exits with 0 if it is true; its pid.
pub fn start(check: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the copy runs `check` and leaves by _exit; it never returns into the test harness.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "cannot fork");
    if pid == 0 {
        // SAFETY: takes a number.
        unsafe { libc::alarm(PATIENCE_SECONDS) };
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        if let Err(panic) = &passed {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            say(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked"));
        }
        let code = i32::from(!matches!(passed, Ok(true)));
        // SAFETY: leaves at once, running nothing of the copied process.
        unsafe { libc::_exit(code) };
    }
    pid
}

/// Tell the person at stderr; the harness's capture is lost in a copy.
fn say(text: &str) {
    for part in ["in a forked copy: ", text, "\n"] {
        // SAFETY: the text is valid for its length.
        unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
    }
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
        let text = format!("left out: {test}: needs root\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }
    root
}
