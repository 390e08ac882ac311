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
/// Other threads are gone there.
pub fn in_fork(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the copy runs `check` and leaves by _exit; it never returns into the test harness.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "cannot fork");
    if pid == 0 {
        // SAFETY: takes a number.
        unsafe { libc::alarm(PATIENCE_SECONDS) };
        std::panic::set_hook(Box::new(|panic| say(&format!("{panic}\n"))));
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        let code = i32::from(!matches!(passed, Ok(true)));
        // SAFETY: leaves at once, running nothing of the copied process.
        unsafe { libc::_exit(code) };
    }
    wait_for(pid) == WaitStatus::Exited(0)
}

/// Tell the person at stderr; the harness's capture is lost in a copy.
fn say(text: &str) {
    // SAFETY: the text is valid for its length.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
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
