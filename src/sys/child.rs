//! What a forked child does before it becomes the program, in this order: own process group, cgroup, signals as
//! new, terminal, descriptors, limits, user, rights, directory, umask, exec.
//!
//! Everything here runs between fork and exec: async-signal-safe calls only, no allocation, no lock, no panic, no
//! return. All strings, arrays and ids were made ready by `spawn`. The first step that fails is told to the parent
//! through the status pipe, and the child leaves.

use std::convert::Infallible;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use libc::{c_char, c_int};
use nix::errno::Errno;

use super::fds;
use super::limits::{self, Limits};
use super::signals;
use super::spawn::{Credentials, Lead, MAX_LISTENING, Signals, Stage};

/// Code of a child that could not become its program, as shells and Supervisor have it.
const NOT_STARTED: c_int = 127;
/// A failed step as the status pipe carries it: its stage, then errno in the machine's byte order.
pub(super) const REPORT_BYTES: usize = 1 + size_of::<c_int>();

/// Stands in [`Plan::stdio`] for the terminal, which has no number before the child opens it.
pub(super) const TERMINAL: RawFd = -1;

/// A failed step and why.
pub(super) type Failure = (Stage, c_int);

/// Everything the child needs, made ready before the fork.
pub(super) struct Plan<'a> {
    /// The file to execute.
    pub path: &'a CStr,
    /// Its arguments; the last pointer is null.
    pub argv: &'a [*const c_char],
    /// Its environment, `KEY=value`; the last pointer is null.
    pub envp: &'a [*const c_char],
    /// Where it runs.
    pub directory: Option<&'a CStr>,
    /// Its umask.
    pub umask: Option<libc::mode_t>,
    /// What it may use and do.
    pub limits: Option<&'a Limits>,
    /// Whom it becomes; `None` when it stays who we are.
    pub credentials: Option<&'a Credentials>,
    /// What it leads.
    pub lead: Lead<'a>,
    /// The path in [`Lead::Terminal`].
    pub terminal: Option<&'a CStr>,
    /// What it finds of signals.
    pub signals: Signals,
    /// What becomes its descriptors 0, 1 and 2; [`TERMINAL`] = the terminal.
    pub stdio: [RawFd; 3],
    /// Descriptors above the standard three that stay open.
    pub keep: &'a [RawFd],
    /// Sockets that go to descriptor 3 and on, at most [`MAX_LISTENING`].
    pub listen: &'a [RawFd],
    /// One more descriptor that it gets, and its number there, beyond those of `listen`.
    pub extra: Option<(RawFd, RawFd)>,
    /// The text `LISTEN_PID=` and zeros up to its end, where our pid is written: one more than the longest pid has digits.
    pub listen_pid: Option<std::ops::Range<*mut u8>>,
    /// It gets no more rights than it has and leaves no core.
    pub confined: bool,
    /// Write end of the status pipe, closed on exec.
    pub status: RawFd,
}

/// Become the program, or report and leave.
pub(super) fn run(plan: &Plan) -> ! {
    let status = match above(plan.status, first_private(plan)) {
        Ok(status) => status,
        Err(_) => leave(),
    };
    let Err((stage, errno)) = become_program(plan);
    let [a, b, c, d] = errno.to_ne_bytes();
    let report: [u8; REPORT_BYTES] = [stage.byte(), a, b, c, d];
    // SAFETY: the report is valid for its length; a pipe takes so few bytes whole or not at all.
    unsafe { libc::write(status, report.as_ptr().cast(), report.len()) };
    leave()
}

fn leave() -> ! {
    // SAFETY: leaves at once and runs nothing of the copied parent.
    unsafe { libc::_exit(NOT_STARTED) }
}

fn become_program(plan: &Plan) -> Result<Infallible, Failure> {
    lead(plan.lead)?;
    if let Some(limits) = plan.limits {
        limits::enter_cgroup(limits)?;
    }
    reset_signals(plan.signals);
    let stdio = match plan.terminal {
        Some(path) => with_terminal(plan.stdio, path)?,
        None => plan.stdio,
    };
    place_standard(stdio).map_err(|errno| (Stage::Descriptors, errno))?;
    place_given(plan).map_err(|errno| (Stage::Descriptors, errno))?;
    write_pid(plan);
    for &fd in plan.keep {
        // SAFETY: setting the flag touches no memory.
        unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
    }
    if let Some(limits) = plan.limits {
        limits::before_user(limits)?;
    }
    if let Some(credentials) = plan.credentials {
        switch_user(credentials)?;
    }
    if let Some(limits) = plan.limits {
        limits::after_user(limits)?;
    }
    if plan.confined {
        confine();
    }
    if let Some(directory) = plan.directory {
        // SAFETY: the path is a C string.
        step(Stage::Directory, unsafe { libc::chdir(directory.as_ptr()) })?;
    }
    if let Some(umask) = plan.umask {
        // SAFETY: takes a number and cannot fail.
        unsafe { libc::umask(umask) };
    }
    // SAFETY: path and every pointer of both arrays are C strings that live in the copied memory; both arrays end
    // in null (made so by `spawn`). The call returns only on failure.
    unsafe { libc::execve(plan.path.as_ptr(), plan.argv.as_ptr(), plan.envp.as_ptr()) };
    Err((Stage::Exec, Errno::last_raw()))
}

fn confine() {
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is filled and only read. Lowering one is always allowed.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const nothing) };
    #[cfg(target_os = "linux")]
    {
        const ON: libc::c_ulong = 1;
        const UNUSED: libc::c_ulong = 0;
        // SAFETY: this operation takes numbers and touches no memory. A kernel that does not know it is older than the danger.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, ON, UNUSED, UNUSED, UNUSED) };
    }
}

fn lead(lead: Lead) -> Result<(), Failure> {
    // SAFETY: both take numbers only. The parent sets the group too, so whoever is first wins and neither waits.
    let result = unsafe {
        match lead {
            Lead::Group | Lead::Foreground => libc::setpgid(0, 0),
            Lead::Alone | Lead::Session | Lead::Terminal(_) => libc::setsid(),
        }
    };
    step(Stage::Group, result)?;
    if lead == Lead::Session {
        // A terminal that no session has becomes that of ours; without one, or with somebody else's, nothing changes.
        // SAFETY: the request takes a number.
        unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY as _, 0) };
    }
    if lead == Lead::Foreground {
        // Every signal is still blocked, so the TTOU that a background group earns for this does not stop us. A terminal
        // that went away meanwhile is no reason not to run.
        // SAFETY: takes numbers only.
        unsafe { libc::tcsetpgrp(0, libc::getpid()) };
    }
    Ok(())
}

/// Open the terminal, make it that of our new session, and put it where [`TERMINAL`] stands. Opening may wait for a line that has no
/// carrier; signals are as new by now, so a stop ends that.
fn with_terminal(stdio: [RawFd; 3], path: &CStr) -> Result<[RawFd; 3], Failure> {
    /// Root takes it from a session that has it, such as that of a getty which has just died.
    const STEAL: c_int = 1;
    // SAFETY: the path is a C string; the request takes a number.
    let terminal = unsafe {
        let terminal = libc::open(path.as_ptr(), libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        step(Stage::Terminal, terminal)?;
        if libc::ioctl(terminal, libc::TIOCSCTTY as _, STEAL) < 0 {
            step(Stage::Terminal, libc::ioctl(terminal, libc::TIOCSCTTY as _, 0))?;
        }
        terminal
    };
    Ok(stdio.map(|source| if source == TERMINAL { terminal } else { source }))
}

pub(super) fn step(stage: Stage, result: c_int) -> Result<(), Failure> {
    if result < 0 { Err((stage, Errno::last_raw())) } else { Ok(()) }
}

/// Every signal gets its action, then the mask is set. In this order: our handlers must not run in the child, where they
/// would write into the parent's pipe. Ignored ones (SIGPIPE) would otherwise survive the exec.
fn reset_signals(wanted: Signals) {
    let inherited = match wanted {
        Signals::Default => signals::Inherited::NONE,
        Signals::Inherited => signals::inherited(),
    };
    for signal in 1..=signals::HIGHEST {
        // KILL, STOP and the C library's own two refuse, and have nothing to reset.
        // SAFETY: all zeros is the default action with an empty mask and no flags; SIG_IGN is an action too.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            if inherited.ignores(signal) {
                action.sa_sigaction = libc::SIG_IGN;
            }
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
    let mut mask = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set before anything is added to it and it is read.
    unsafe {
        libc::sigemptyset(mask.as_mut_ptr());
        for signal in 1..=signals::HIGHEST {
            if inherited.blocks(signal) {
                libc::sigaddset(mask.as_mut_ptr(), signal);
            }
        }
        libc::sigprocmask(libc::SIG_SETMASK, mask.as_ptr(), std::ptr::null_mut());
    }
}

/// Put the three descriptors on 0, 1 and 2. Sources with small numbers are moved out of the way first, or an earlier
/// placement could overwrite a later source.
fn place_standard(sources: [RawFd; 3]) -> Result<(), c_int> {
    let mut moved = sources;
    for (target, source) in (0..).zip(&mut moved) {
        if *source != target {
            *source = above_standard(*source)?;
        }
    }
    for (target, source) in (0..).zip(moved) {
        // SAFETY: both calls take numbers only. A source that is already in place is kept open over the exec; dup2
        // makes copies that are.
        let result = unsafe {
            if source == target { libc::fcntl(target, libc::F_SETFD, 0) } else { libc::dup2(source, target) }
        };
        if result < 0 {
            return Err(Errno::last_raw());
        }
    }
    Ok(())
}

/// Put the sockets on 3 and on, and the one more on its number; all others are closed on exec. What is placed is moved out of the way
/// first, as with the standard three.
fn place_given(plan: &Plan) -> Result<(), c_int> {
    let mut moved = [0; MAX_LISTENING];
    for (place, source) in moved.iter_mut().zip(plan.listen) {
        *place = above(*source, first_private(plan))?;
    }
    let extra = match plan.extra {
        Some((source, target)) => Some((above(source, first_private(plan))?, target)),
        None => None,
    };
    for ((target, source), _) in (fds::FIRST_PRIVATE..).zip(moved).zip(plan.listen) {
        put(source, target)?;
    }
    let unused = after_listening(plan);
    if !fds::close_range_on_exec(unused) {
        fds::close_on_exec_one_by_one(unused);
    }
    extra.map_or(Ok(()), |(source, target)| put(source, target))
}

/// The copy stays open over the exec.
fn put(source: RawFd, target: RawFd) -> Result<(), c_int> {
    // SAFETY: takes numbers only.
    if unsafe { libc::dup2(source, target) } < 0 { Err(Errno::last_raw()) } else { Ok(()) }
}

fn after_listening(plan: &Plan) -> RawFd {
    // At most MAX_LISTENING, far from any overflow.
    fds::FIRST_PRIVATE + plan.listen.len() as RawFd
}

/// The first number that nothing for the program is put on, so that what is ours is safe there.
fn first_private(plan: &Plan) -> RawFd {
    let after_extra = plan.extra.map_or(0, |(_, target)| target.saturating_add(1));
    after_listening(plan).max(after_extra)
}

/// Fills in the entry of the environment that only we know.
fn write_pid(plan: &Plan) {
    let Some(entry) = &plan.listen_pid else { return };
    // SAFETY: asks for a number.
    let mut pid = unsafe { libc::getpid() };
    let mut digits = 1;
    let mut rest = pid / 10;
    while rest > 0 {
        digits += 1;
        rest /= 10;
    }
    // The zeros at the end are one more than the longest pid has digits; the text before them is not touched.
    const ROOM: usize = 11;
    for place in (0..digits).rev() {
        // SAFETY: `place` is below the ten digits a pid can have, so the byte lies in the entry, which is ours: the copy of a
        // buffer that the parent holds for us.
        unsafe { *entry.end.sub(ROOM).add(place) = b'0' + (pid % 10) as u8 };
        pid /= 10;
    }
}

/// The descriptor itself, or a copy with a number above the standard three.
fn above_standard(fd: RawFd) -> Result<RawFd, c_int> {
    above(fd, fds::FIRST_PRIVATE)
}

/// The descriptor itself, or a copy with a number from `first` on.
fn above(fd: RawFd, first: RawFd) -> Result<RawFd, c_int> {
    if fd >= first {
        return Ok(fd);
    }
    // SAFETY: takes numbers only.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, first) };
    if copy < 0 { Err(Errno::last_raw()) } else { Ok(copy) }
}

/// Groups, then group, then user: each needs the rights that the next gives up. Any failure ends the attempt: nothing
/// may run as somebody it was not meant to be.
pub(super) fn switch_user(to: &Credentials) -> Result<(), Failure> {
    // SAFETY: the group list is valid for its length; the other calls take numbers.
    unsafe {
        step(Stage::Groups, libc::setgroups(to.groups.len() as _, to.groups.as_ptr()))?;
        step(Stage::GroupId, libc::setgid(to.gid))?;
        step(Stage::UserId, libc::setuid(to.uid))?;
        // A kernel that answers success without having done it is not trusted.
        if libc::getuid() != to.uid || libc::geteuid() != to.uid {
            return Err((Stage::UserId, libc::EPERM));
        }
    }
    Ok(())
}
