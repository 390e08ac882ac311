//! Limits and rights that a child takes on between fork and exec: what they are, and the page of `child` that sets them.
//!
//! [`before_user`] and [`after_user`] run in the child: system calls only, no allocation, no panic.

use std::os::fd::{AsRawFd, OwnedFd};

use libc::c_int;

use super::child::{Failure, step};
use super::spawn::Stage;

/// What a child sets for itself before it becomes its program.
#[derive(Debug, Default)]
pub struct Limits {
    /// Limits of resources.
    pub rlimits: Vec<Rlimit>,
    /// Nice value.
    pub nice: Option<i32>,
    /// What it writes to its `oom_score_adj`.
    pub oom_score_adj: Option<String>,
    /// As ioprio_set(2) takes it: see [`io_priority`].
    pub ioprio: Option<i32>,
    /// Never gain rights by executing a file.
    pub no_new_privs: bool,
    /// Bit n: it keeps the capability with number n.
    pub capabilities: Option<u64>,
    /// `cgroup.procs` of its cgroup, open for writing.
    pub cgroup: Option<OwnedFd>,
}

/// One limit of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Rlimit {
    /// Place in [`RESOURCES`].
    place: u8,
    limit: libc::rlimit,
}

/// What is said before "failed", with the key in it; and the kernel's number.
const RESOURCES: &[(&str, c_int)] = &[
    ("set rlimit_as", libc::RLIMIT_AS as c_int),
    ("set rlimit_core", libc::RLIMIT_CORE as c_int),
    ("set rlimit_cpu", libc::RLIMIT_CPU as c_int),
    ("set rlimit_data", libc::RLIMIT_DATA as c_int),
    ("set rlimit_fsize", libc::RLIMIT_FSIZE as c_int),
    ("set rlimit_memlock", libc::RLIMIT_MEMLOCK as c_int),
    ("set rlimit_nofile", libc::RLIMIT_NOFILE as c_int),
    ("set rlimit_nproc", libc::RLIMIT_NPROC as c_int),
    ("set rlimit_rss", libc::RLIMIT_RSS as c_int),
    ("set rlimit_stack", libc::RLIMIT_STACK as c_int),
    #[cfg(target_os = "linux")]
    ("set rlimit_locks", libc::RLIMIT_LOCKS as c_int),
    #[cfg(target_os = "linux")]
    ("set rlimit_msgqueue", libc::RLIMIT_MSGQUEUE as c_int),
    #[cfg(target_os = "linux")]
    ("set rlimit_nice", libc::RLIMIT_NICE as c_int),
    #[cfg(target_os = "linux")]
    ("set rlimit_rtprio", libc::RLIMIT_RTPRIO as c_int),
    #[cfg(target_os = "linux")]
    ("set rlimit_rttime", libc::RLIMIT_RTTIME as c_int),
    #[cfg(target_os = "linux")]
    ("set rlimit_sigpending", libc::RLIMIT_SIGPENDING as c_int),
];

impl Rlimit {
    /// A limit by its key; what the kernel cannot count is no limit. `None` where there is no such resource.
    #[must_use]
    pub fn new(key: &str, soft: u64, hard: u64) -> Option<Rlimit> {
        let place = RESOURCES.iter().position(|(words, _)| words.strip_prefix("set ") == Some(key))?;
        let bound = |value: u64| libc::rlim_t::try_from(value).unwrap_or(libc::RLIM_INFINITY);
        let limit = libc::rlimit { rlim_cur: bound(soft), rlim_max: bound(hard) };
        Some(Rlimit { place: u8::try_from(place).ok()?, limit })
    }
}

/// What was attempted with a resource that a [`Stage`] names.
pub(super) fn describe(place: u8) -> &'static str {
    RESOURCES.get(usize::from(place)).map_or("set a limit", |(words, _)| words)
}

/// Class and level as ioprio_set(2) takes them. Classes: 1 realtime, 2 best effort, 3 idle.
#[must_use]
pub fn io_priority(class: u8, level: u8) -> i32 {
    const CLASS_SHIFT: u32 = 13;
    i32::from(class) << CLASS_SHIFT | i32::from(level)
}

/// What needs the rights that the change of user gives up; descriptors are in place. What opens a file goes first: a limit of descriptors
/// may leave none.
pub(super) fn before_user(limits: &Limits) -> Result<(), Failure> {
    if let Some(score) = &limits.oom_score_adj {
        set_oom_score(score)?;
    }
    if let Some(nice) = limits.nice {
        // SAFETY: takes numbers only.
        step(Stage::Nice, unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) })?;
    }
    if let Some(priority) = limits.ioprio {
        set_io_priority(priority)?;
    }
    for Rlimit { place, limit } in &limits.rlimits {
        if let Some((_, resource)) = RESOURCES.get(usize::from(*place)) {
            // SAFETY: the limit is filled and only read.
            step(Stage::Rlimit(*place), unsafe { libc::setrlimit(*resource as _, limit) })?;
        }
    }
    match limits.capabilities {
        Some(kept) => linux::bound(kept, limits.no_new_privs),
        None => Ok(()),
    }
}

/// What holds for whoever the child has become.
pub(super) fn after_user(limits: &Limits) -> Result<(), Failure> {
    if let Some(kept) = limits.capabilities {
        linux::keep(kept)?;
    }
    if limits.no_new_privs {
        linux::no_new_privs()?;
    }
    Ok(())
}

/// Enter the cgroup. Only the child can do it before its first descendant is there.
pub(super) fn enter_cgroup(limits: &Limits) -> Result<(), Failure> {
    let Some(procs) = &limits.cgroup else { return Ok(()) };
    // Who writes: 0 stands for that.
    write_all(procs.as_raw_fd(), b"0", Stage::Cgroup)
}

/// Gives a process that runs other limits; whom it has forked keeps theirs. What could not be done, and why.
pub fn change(pid: i32, rlimits: &[Rlimit], oom_score_adj: Option<&str>) -> Vec<(&'static str, std::io::Error)> {
    let mut failures = Vec::new();
    for Rlimit { place, limit } in rlimits {
        if let Some((words, resource)) = RESOURCES.get(usize::from(*place))
            && let Err(error) = set_limit_of(pid, *resource, limit)
        {
            failures.push((*words, error));
        }
    }
    let path = format!("/proc/{pid}/oom_score_adj");
    if let Some(Err(error)) = oom_score_adj.map(|score| std::fs::write(path, score)) {
        failures.push(("set oom_score_adj", error));
    }
    failures
}

#[cfg(target_os = "linux")]
fn set_limit_of(pid: i32, resource: c_int, limit: &libc::rlimit) -> std::io::Result<()> {
    // SAFETY: the limit is filled and only read; the old one is not asked for.
    let set = unsafe { libc::prlimit(pid, resource as _, limit, std::ptr::null_mut()) };
    if set < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(not(target_os = "linux"))]
fn set_limit_of(_pid: i32, _resource: c_int, _limit: &libc::rlimit) -> std::io::Result<()> {
    Err(std::io::Error::from_raw_os_error(libc::ENOSYS))
}

fn set_oom_score(score: &str) -> Result<(), Failure> {
    // SAFETY: the path is a C string; the descriptor is closed once.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        step(Stage::OomScore, file)?;
        let written = write_all(file, score.as_bytes(), Stage::OomScore);
        libc::close(file);
        written
    }
}

/// The kernel's small files take a value whole or not at all.
fn write_all(fd: c_int, text: &[u8], stage: Stage) -> Result<(), Failure> {
    // SAFETY: the text is valid for its length.
    let written = unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
    step(stage, if written < 0 { -1 } else { 0 })
}

#[cfg(target_os = "linux")]
fn set_io_priority(priority: c_int) -> Result<(), Failure> {
    const WHO_PROCESS: c_int = 1;
    // SAFETY: takes numbers only; 0 is ourselves.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, priority) };
    step(Stage::IoPriority, if result < 0 { -1 } else { 0 })
}

#[cfg(not(target_os = "linux"))]
fn set_io_priority(_priority: c_int) -> Result<(), Failure> {
    Err((Stage::IoPriority, libc::ENOSYS))
}

#[cfg(target_os = "linux")]
mod linux {
    use libc::{c_int, c_ulong};
    use nix::errno::Errno;

    use super::super::child::{Failure, step};
    use super::super::spawn::Stage;

    /// Numbers a set of capabilities has room for; the kernel knows fewer.
    const CAPABILITIES: c_ulong = 64;
    /// The layout of [`Header`] and [`Sets`]: two words of 32 bits.
    const VERSION: u32 = 0x2008_0522;

    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }

    #[repr(C)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }

    fn prctl(operation: c_int, argument: c_ulong, more: c_ulong) -> c_int {
        // SAFETY: the operations used here take numbers only.
        unsafe { libc::prctl(operation, argument, more, 0 as c_ulong, 0 as c_ulong) }
    }

    /// Nothing executed from now on has more than `kept`, and a change of user leaves what we have. Without the right to do the former the
    /// promise never to gain any by executing a file is worth as much.
    pub(super) fn bound(kept: u64, no_new_privs: bool) -> Result<(), Failure> {
        for number in 0..CAPABILITIES {
            let known = prctl(libc::PR_CAPBSET_READ, number, 0);
            if known < 0 {
                break;
            }
            if known == 1 && kept & (1 << number) == 0 && prctl(libc::PR_CAPBSET_DROP, number, 0) < 0 {
                let errno = Errno::last_raw();
                if no_new_privs && errno == libc::EPERM {
                    break;
                }
                return Err((Stage::Bounding, errno));
            }
        }
        step(Stage::Capabilities, prctl(libc::PR_SET_KEEPCAPS, 1, 0))
    }

    /// Has exactly `kept`, and keeps it over the exec: what is ambient is not lost by a user who is not root.
    pub(super) fn keep(kept: u64) -> Result<(), Failure> {
        let sets = |bits: u64| {
            let word = bits as u32;
            Sets { effective: word, permitted: word, inheritable: word }
        };
        let header = Header { version: VERSION, pid: 0 };
        let words = [sets(kept), sets(kept >> u32::BITS)];
        // SAFETY: header and the two sets have the layout of their version; both are only read.
        let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) };
        step(Stage::Capabilities, if result < 0 { -1 } else { 0 })?;
        for number in (0..CAPABILITIES).filter(|number| kept & (1 << number) != 0) {
            let raise = libc::PR_CAP_AMBIENT_RAISE as c_ulong;
            step(Stage::Capabilities, prctl(libc::PR_CAP_AMBIENT, raise, number))?;
        }
        Ok(())
    }

    pub(super) fn no_new_privs() -> Result<(), Failure> {
        step(Stage::NoNewPrivs, prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0))
    }
}

/// What only Linux has: refused when the configuration is read, and here.
#[cfg(not(target_os = "linux"))]
mod linux {
    use super::super::child::Failure;
    use super::super::spawn::Stage;

    pub(super) fn bound(_kept: u64, _no_new_privs: bool) -> Result<(), Failure> {
        Err((Stage::Bounding, libc::ENOSYS))
    }

    pub(super) fn keep(_kept: u64) -> Result<(), Failure> {
        Err((Stage::Capabilities, libc::ENOSYS))
    }

    pub(super) fn no_new_privs() -> Result<(), Failure> {
        Err((Stage::NoNewPrivs, libc::ENOSYS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing;

    #[test]
    fn resources_are_found_by_key_and_described() {
        let limit = Rlimit::new("rlimit_nofile", 10, 20).unwrap();
        assert_eq!(describe(limit.place), "set rlimit_nofile");
        assert!(Rlimit::new("nofile", 1, 1).is_none());
        assert!(Rlimit::new("rlimit_", 1, 1).is_none());
    }

    #[test]
    fn unlimited_is_the_kernels_infinity() {
        let limit = Rlimit::new("rlimit_core", 0, u64::MAX).unwrap().limit;
        assert_eq!((limit.rlim_cur, limit.rlim_max), (0, libc::RLIM_INFINITY));
    }

    #[test]
    fn limit_above_the_hard_one_is_refused_with_its_place() {
        assert!(testing::in_fork(|| {
            let set = |soft, hard| {
                let rlimits = Rlimit::new("rlimit_fsize", soft, hard).into_iter().collect();
                before_user(&Limits { rlimits, ..Limits::default() })
            };
            // SAFETY: the copy gives up its rights.
            let lowered = set(5000, 6000).is_ok() && unsafe { libc::geteuid() != 0 || libc::setuid(12_345) == 0 };
            let Err((Stage::Rlimit(place), libc::EPERM)) = set(5000, 7000) else { return false };
            lowered && describe(place) == "set rlimit_fsize"
        }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn capabilities_that_nobody_has_cannot_be_kept() {
        assert!(testing::in_fork(|| {
            // SAFETY: the copy gives up its rights.
            if unsafe { libc::geteuid() == 0 && libc::setuid(12_345) != 0 } {
                return false;
            }
            let nothing = Limits { capabilities: Some(0), no_new_privs: true, ..Limits::default() };
            let one = Limits { capabilities: Some(1), no_new_privs: true, ..Limits::default() };
            before_user(&nothing).is_ok()
                && after_user(&nothing).is_ok()
                && after_user(&one) == Err((Stage::Capabilities, libc::EPERM))
        }));
    }
}
