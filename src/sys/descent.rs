//! Who descends from whom, as /proc has it, and signals that reach nobody else when a number is used again.

use super::{fds, files, process};
use crate::list::List as _;

/// Processes looked at in one go; a machine with more is not searched to the end.
const MOST: usize = 32_768;
/// How far into an environment is looked for an entry.
const ENVIRONMENT_BYTES: usize = 256 * 1024;

/// A process: its number and when it began tell it from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Someone {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// In the kernel's ticks since the machine started.
    began: u64,
}

/// Every process that lives; nobody where there is no /proc.
#[must_use]
pub fn everybody() -> Vec<Someone> {
    files::numbers("/proc").into_iter().take(MOST).filter_map(someone).list()
}

/// A process, unless it is dead.
#[must_use]
pub fn someone(pid: i32) -> Option<Someone> {
    parse(pid, &process::stat(pid)?)
}

/// Reads `/proc/PID/stat`: the command in it may hold anything, so what counts begins after its last `)`.
fn parse(pid: i32, stat: &str) -> Option<Someone> {
    /// Fields between the process group and the time it began.
    const BETWEEN: usize = 16;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let began = fields.nth(BETWEEN)?.parse().ok()?;
    Some(Someone { pid, parent, group, began })
}

/// Those of `roots` that are in `all`, and everybody below them.
#[must_use]
pub fn below(all: &[Someone], roots: &[i32]) -> Vec<Someone> {
    let mut found: Vec<Someone> = all.iter().filter(|who| roots.contains(&who.pid)).copied().list();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|who| who.pid) {
        for who in all.iter().filter(|who| who.parent == parent) {
            if !found.contains(who) {
                found.push(*who);
            }
        }
        next += 1;
    }
    found
}

impl Someone {
    /// Whether it still lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        someone(self.pid).is_some_and(|now| now.began == self.began)
    }

    /// Whether it was started with `entry`, `KEY=value`, in its environment. False when we may not see that.
    #[must_use]
    pub fn carries(&self, entry: &str) -> bool {
        let file = open_environment(self.pid);
        let Some(Ok(bytes)) = file.map(|file| fds::read_at_most(file, ENVIRONMENT_BYTES)) else { return false };
        bytes.split(|byte| *byte == 0).any(|text| text == entry.as_bytes())
    }
}

/// Root without the capability to trace (in most containers) sees what belongs to itself only; it may look as the owner does, though.
#[cfg(target_os = "linux")]
fn open_environment(pid: i32) -> Option<std::fs::File> {
    use std::os::unix::fs::MetadataExt as _;
    let path = format!("/proc/{pid}/environ");
    match std::fs::File::open(&path) {
        Ok(file) => return Some(file),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
        Err(_) => return None,
    }
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let owner = std::fs::metadata(format!("/proc/{pid}")).ok()?;
    const YES: libc::c_ulong = 1;
    // The kernel takes such a change for one of user: our parent's death would not be told any more, and what is ours in /proc would be root's.
    let mut told: libc::c_int = 0;
    // SAFETY: plain numbers, and a valid place for one. We are one thread, and are ourselves again before anything else is opened.
    unsafe {
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut told);
        let (group, user) = (libc::setfsgid(owner.gid()), libc::setfsuid(owner.uid()));
        let file = std::fs::File::open(&path).ok();
        libc::setfsuid(user as libc::uid_t);
        libc::setfsgid(group as libc::gid_t);
        libc::prctl(libc::PR_SET_PDEATHSIG, told as libc::c_ulong);
        libc::prctl(libc::PR_SET_DUMPABLE, YES);
        file
    }
}

#[cfg(not(target_os = "linux"))]
fn open_environment(pid: i32) -> Option<std::fs::File> {
    std::fs::File::open(format!("/proc/{pid}/environ")).ok()
}

/// Sends a signal to that very process, unless it is gone. A descriptor holds on to it between the look and the signal.
#[cfg(target_os = "linux")]
pub fn signal(who: &Someone, signal: i32) {
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    if who.pid <= 1 {
        return;
    }
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, who.pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
    // SAFETY: the descriptor is new and nobody else's.
    let fd = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    if !who.lives() {
        return;
    }
    match fd {
        Some(fd) => {
            let nothing = std::ptr::null::<libc::siginfo_t>();
            // SAFETY: takes numbers; without information the kernel fills in its own.
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, nothing, 0) };
        }
        // Before Linux 5.3, or no descriptor is left.
        None => drop(super::reap::kill(who.pid, signal)),
    }
}

/// Sends a signal to that very process, unless it is gone.
#[cfg(not(target_os = "linux"))]
pub fn signal(who: &Someone, signal: i32) {
    if who.lives() {
        drop(super::reap::kill(who.pid, signal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(state: char, parent: i32) -> String {
        format!("12 (a) b (c)) {state} {parent} 12 11 1088 12 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000")
    }

    #[test]
    fn stat_is_read_behind_any_command() {
        assert_eq!(parse(12, &stat('S', 1)), Some(Someone { pid: 12, parent: 1, group: 12, began: 4711 }));
        for wrong in ["", "12 (a", "12 (a) S", "12 (a) S 1 12", &stat('Z', 1), &stat('X', 1)] {
            assert_eq!(parse(12, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn process_whose_command_is_no_utf8_lives() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().expect("a directory");
        let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff\xc3"));
        std::fs::copy("/bin/sleep", &odd).expect("a copy");
        let mut child = std::process::Command::new(&odd).arg("1000").spawn().expect("it starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        assert!(someone(pid).is_some_and(|who| who.lives()));
        child.kill().and_then(|()| child.wait()).expect("its end");
    }

    #[test]
    fn below_finds_all_generations_once_and_nobody_else() {
        let who = |pid, parent| Someone { pid, parent, group: pid, began: 0 };
        // 7 and 8 name each other, as no kernel says.
        let all = [who(5, 4), who(4, 3), who(3, 2), who(2, 1), who(6, 3), who(9, 1), who(7, 8), who(8, 7)];
        let pids = |roots: &[i32]| below(&all, roots).iter().map(|who| who.pid).collect::<Vec<_>>();
        assert_eq!(pids(&[3]), [3, 4, 6, 5]);
        assert_eq!(pids(&[7]), [7, 8]);
        assert_eq!(pids(&[9, 4]), [4, 9, 5]);
        assert_eq!(pids(&[77]), [0; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn we_live_and_the_one_before_us_under_our_number_does_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let us = someone(pid).unwrap();
        assert!(us.lives() && everybody().contains(&us));
        let other = Someone { began: us.began + 1, ..us };
        assert!(!other.lives());
        // Would end the test.
        signal(&other, libc::SIGKILL);
        assert!(!us.carries("NOBODY_HAS_THIS=1"));
    }
}
