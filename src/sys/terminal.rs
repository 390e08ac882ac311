//! Our controlling terminal, and which process group it listens to.
//!
//! SIGTTOU must be ignored while anything here is called: a background group earns it for moving the terminal.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg, raise};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, getpid, getsid, tcgetpgrp, tcsetpgrp};

use super::signals;

/// Runs `act` on the controlling terminal: the device that stands for it, or descriptor 0 where `/dev` lacks that.
fn with_terminal<T>(act: impl Fn(BorrowedFd) -> nix::Result<T>) -> Option<T> {
    match open() {
        Some(terminal) => act(terminal.as_fd()).ok(),
        None => act(stdin().as_fd()).ok(),
    }
}

fn open() -> Option<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open("/dev/tty").ok()
}

/// What is typed on the terminal of descriptor 0 is not shown while this lives.
pub struct HiddenInput(Termios);

/// Hides what is typed; `None` where descriptor 0 is no terminal.
#[must_use]
pub fn hide_input() -> Option<HiddenInput> {
    let shown = tcgetattr(stdin()).ok()?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(stdin(), SetArg::TCSADRAIN, &hidden).ok()?;
    Some(HiddenInput(shown))
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A terminal that went away shows nothing to anybody.
        let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

/// Rows and columns of the terminal of descriptor 1; `None` where it is none or does not say.
#[must_use]
pub fn size() -> Option<(usize, usize)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: `size` is room for the answer.
    let answered = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ as _, &raw mut size) } == 0;
    (answered && size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row.into(), size.ws_col.into()))
}

/// Whether there is a controlling terminal.
#[must_use]
pub fn is_there() -> bool {
    with_terminal(|terminal| tcgetpgrp(terminal)).is_some()
}

/// Whether the terminal listens to our process group.
#[must_use]
pub fn is_ours() -> bool {
    with_terminal(|terminal| tcgetpgrp(terminal)) == Some(getpgrp())
}

/// Whether a command that inherits our descriptors is the one at the terminal: it reads and writes there, and our group is
/// in the foreground. With an output elsewhere a pager behind us may need the terminal more.
#[must_use]
pub fn is_for_the_command() -> bool {
    stdin().is_terminal() && stdout().is_terminal() && tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

/// Gives the terminal to a process group.
pub fn give_to(group: i32) {
    // A terminal that went away has nobody left to serve.
    let _ = with_terminal(|terminal| tcsetpgrp(terminal, Pid::from_raw(group)));
}

/// Takes the terminal back from a group, or from one that is no more. Somebody else's stays theirs: while we are in
/// the background it is the shell's.
pub fn take_back_from(group: i32) {
    let Some(holder) = with_terminal(|terminal| tcgetpgrp(terminal)) else { return };
    if holder.as_raw() == group || killpg(holder, None) == Err(Errno::ESRCH) {
        give_to(getpgrp().as_raw());
    }
}

/// Lets go of the controlling terminal when we lead its session, so that a session that the command leads can have it.
pub fn let_go() {
    if getsid(None) != Ok(getpid()) {
        return;
    }
    // The kernel tells the foreground group, which we are in, that the terminal is gone.
    signals::while_ignoring(&[libc::SIGHUP, libc::SIGCONT], || {
        // SAFETY: the request takes no argument.
        unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCNOTTY as _) };
    });
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
