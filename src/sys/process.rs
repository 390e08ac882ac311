//! Our own process: who we are, our session, our user, our directory.

use std::io;
use std::path::{Path, PathBuf};

use super::call::{c_string, check};
use super::spawn::{Credentials, SpawnError};
use super::{child, fds, files};

/// Our pid.
pub fn pid() -> u32 {
    std::process::id()
}

/// Whether we are the init of our pid namespace.
pub fn is_pid1() -> bool {
    pid() == 1
}

/// A path from the root on. Nothing in it is left out; the standard library, which does that, brings a kilobyte for it.
///
/// # Errors
/// Our directory is gone.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.is_absolute() { Ok(path.to_path_buf()) } else { Ok(std::env::current_dir()?.join(path)) }
}

/// Become the parent of orphaned descendants. Not inherited over a fork: call it after [`daemonize`].
///
/// # Errors
/// EINVAL where the kernel (or its emulation) does not know it.
#[cfg(target_os = "linux")]
pub fn become_subreaper() -> io::Result<()> {
    const ON: libc::c_ulong = 1;
    // SAFETY: this operation takes a number and touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, ON) }).map(drop)
}

/// Become the parent of orphaned descendants: not known here.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn become_subreaper() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What kept us from going into the background, or from going there entirely.
#[derive(Debug)]
pub enum DaemonizeError {
    /// No fork: still in the foreground, nothing changed.
    Fork(io::Error),
    /// In the background, all else done, but in the old directory.
    Directory(io::Error),
    /// In the background, but not in a session of our own.
    Session(io::Error),
}

impl std::fmt::Display for DaemonizeError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            DaemonizeError::Fork(cause) => write!(f, "cannot fork: {cause}"),
            DaemonizeError::Directory(cause) => write!(f, "cannot change directory: {cause}"),
            DaemonizeError::Session(cause) => write!(f, "cannot begin a session: {cause}"),
        }
    }
}

impl std::error::Error for DaemonizeError {}

/// Go into the background: the caller's process ends with 0, a copy goes on in `directory` (if given) with 0, 1 and 2 on
/// `/dev/null`, a session of its own and this umask. Only while there is one thread.
///
/// # Errors
/// See [`DaemonizeError`]: only the first variant means that we are still in the foreground.
pub fn daemonize(directory: Option<&str>, umask: u32) -> Result<(), DaemonizeError> {
    // SAFETY: there is one thread, so the copy is whole; the parent leaves without running destructors, which would
    // remove what the copy now owns.
    match check(unsafe { libc::fork() }).map_err(DaemonizeError::Fork)? {
        0 => {}
        // SAFETY: leaves at once.
        _ => unsafe { libc::_exit(0) },
    }
    let moved = directory.map_or(Ok(()), change_directory);
    detach_standard();
    // SAFETY: takes nothing and touches no memory.
    check(unsafe { libc::setsid() }).map_err(DaemonizeError::Session)?;
    set_umask(umask);
    moved.map_err(DaemonizeError::Directory)
}

/// Close 0, 1 and 2 and put something harmless there.
fn detach_standard() {
    for fd in 0..fds::FIRST_PRIVATE {
        // SAFETY: the standard descriptors belong to the process; nothing here owns one of them.
        unsafe { libc::close(fd) };
    }
    fds::fill_standard();
}

/// Take on another user, for good.
///
/// # Errors
/// The step that failed; whoever gets it must not go on as the old user.
pub fn set_user(to: &Credentials) -> Result<(), SpawnError> {
    child::switch_user(to).map_err(|(stage, errno)| SpawnError { stage, errno })
}

/// Set the umask; answers the old one.
pub fn set_umask(umask: u32) -> u32 {
    // SAFETY: takes a number and cannot fail.
    u32::from(unsafe { libc::umask(umask as libc::mode_t) })
}

/// Go to that directory.
///
/// # Errors
/// What chdir(2) answers.
pub fn change_directory(directory: &str) -> io::Result<()> {
    let directory = c_string(directory)?;
    // SAFETY: the path is a C string.
    check(unsafe { libc::chdir(directory.as_ptr()) }).map(drop)
}

/// Go to `/`, so that we pin no mount.
///
/// # Errors
/// What chdir(2) answers.
pub fn chdir_root() -> io::Result<()> {
    change_directory("/")
}

/// Asks for a signal when our parent dies. If it died before this, nothing comes: compare [`parent`] before and after.
///
/// # Errors
/// EINVAL for what is no signal; `Unsupported` where there is no such thing.
#[cfg(target_os = "linux")]
pub fn set_parent_death_signal(signal: i32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    super::call::check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}

/// Asks for a signal when our parent dies: not possible here.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn set_parent_death_signal(_signal: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Lets no process without root look into our memory or descriptors, not even one of the same user, and dump no core.
///
/// # Errors
/// As prctl(2).
#[cfg(all(target_os = "linux", feature = "http"))]
pub fn keep_secrets() -> io::Result<()> {
    Ok(nix::sys::prctl::set_dumpable(false)?)
}

/// Lets nobody look into our memory: not possible here.
///
/// # Errors
/// None.
#[cfg(all(not(target_os = "linux"), feature = "http"))]
pub fn keep_secrets() -> io::Result<()> {
    Ok(())
}

/// Pid of our parent; 0 when it is outside our namespace.
#[must_use]
pub fn parent() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// Our living children, as /proc has them; none where there is no /proc.
#[must_use]
pub fn children() -> Vec<i32> {
    let ours = pid().to_string();
    let mut pids = files::numbers("/proc");
    pids.retain(|pid| stat(*pid).and_then(|stat| field(&stat, PARENT)).as_deref() == Some(&ours));
    pids
}

/// Whether a process leads a session that has a terminal, as login shells do; false where there is no /proc.
#[must_use]
pub fn leads_terminal(pid: i32) -> bool {
    let Some(stat) = stat(pid) else { return false };
    field(&stat, SESSION) == Some(pid.to_string()) && field(&stat, TERMINAL).is_some_and(|device| device != "0")
}

/// Places in `/proc/PID/stat`, counted from the process' state.
const PARENT: usize = 1;
const SESSION: usize = 3;
const TERMINAL: usize = 4;

/// `/proc/PID/stat`. The command in it is as its process wrote it, any bytes.
pub(super) fn stat(pid: i32) -> Option<String> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The command in it may hold anything, so what counts begins after its last `)`.
fn field(stat: &str, place: usize) -> Option<String> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(place).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing;

    #[test]
    fn test_process_is_not_init() {
        assert!(pid() > 0);
        assert_eq!(is_pid1(), pid() == 1);
    }

    #[test]
    fn fields_of_a_stat_are_found_behind_any_command() {
        let line = "12 (a) b (c)) S 1 12 12 1088 12 4194304";
        assert_eq!(field(line, PARENT).as_deref(), Some("1"));
        assert_eq!(field(line, SESSION).as_deref(), Some("12"));
        assert_eq!(field(line, TERMINAL).as_deref(), Some("1088"));
        assert_eq!(field("12 (a) S", PARENT), None);
        assert_eq!(field("nothing", PARENT), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn subreaper_inherits_orphans() {
        assert!(testing::in_fork(|| {
            if become_subreaper().is_err() {
                return false;
            }
            // SAFETY: plain calls; the middle process leaves its own child behind.
            unsafe {
                let middle = libc::fork();
                if middle == 0 {
                    if libc::fork() == 0 {
                        libc::_exit(9);
                    }
                    libc::_exit(8);
                }
            }
            let mut codes = 0;
            while codes != 9 + 8 {
                let mut status = 0;
                // SAFETY: waits for any child of this helper.
                if unsafe { libc::waitpid(-1, &raw mut status, 0) } < 0 {
                    return false;
                }
                codes += libc::WEXITSTATUS(status);
            }
            true
        }));
    }

    #[test]
    fn daemonized_copy_has_its_own_session_directory_and_umask() {
        let (reader, writer) = fds::pipe().unwrap();
        assert!(testing::in_fork(|| {
            let done = daemonize(Some("/"), 0o037);
            // SAFETY: asks for numbers; 0 is open again.
            let (leader, null) = unsafe { (libc::getsid(0) == libc::getpid(), libc::isatty(0) == 0) };
            let here = std::env::current_dir().is_ok_and(|path| path.as_os_str() == "/");
            let ok = done.is_ok() && leader && null && here && set_umask(0) == 0o037;
            let _ = fds::write(&writer, if ok { b"good" } else { b"bad!" });
            // SAFETY: the copy ends here.
            unsafe { libc::_exit(0) }
        }));
        drop(writer);
        assert_eq!(testing::read_all(reader), "good");
    }

    #[test]
    fn daemonizing_into_a_missing_directory_goes_on_and_says_so() {
        let (reader, writer) = fds::pipe().unwrap();
        assert!(testing::in_fork(|| {
            let said = matches!(daemonize(Some("/nowhere/x"), 0o022), Err(DaemonizeError::Directory(_)));
            let _ = fds::write(&writer, if said { b"good" } else { b"bad!" });
            // SAFETY: the copy ends here.
            unsafe { libc::_exit(0) }
        }));
        drop(writer);
        assert_eq!(testing::read_all(reader), "good");
    }

    #[test]
    fn user_set_to_an_impossible_id_is_refused() {
        if !testing::root_or_skip("user_set_to_an_impossible_id") {
            return;
        }
        assert!(testing::in_fork(|| set_user(&Credentials { uid: u32::MAX, gid: 1, groups: vec![] }).is_err()));
    }
}
