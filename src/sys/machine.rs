//! What the init of a machine has to do to it: mounts, name, loopback, console, Ctrl-Alt-Del, and its end. Which of it is wanted, and
//! what a failure means, is not known here.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};

use super::call::check;
use super::fds;
use crate::list::List as _;

/// Something that could not be done.
#[derive(Debug)]
pub struct Trouble {
    /// What was attempted, to be read after "cannot".
    pub what: String,
    /// The kernel's reason.
    pub cause: io::Error,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.cause)
    }
}

/// How the run of the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The power goes off.
    PowerOff,
    /// It starts again.
    Restart,
    /// It stands still.
    Halt,
}

/// A file system that every machine has.
struct Basic {
    target: &'static str,
    kind: &'static str,
    flags: MsFlags,
    data: &'static str,
}

const NOTHING_RUNS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);
const NO_DEVICES: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// In the order they are mounted.
const BASICS: [Basic; 6] = [
    Basic { target: "/proc", kind: "proc", flags: NOTHING_RUNS, data: "" },
    Basic { target: "/sys", kind: "sysfs", flags: NOTHING_RUNS, data: "" },
    Basic { target: "/dev", kind: "devtmpfs", flags: MsFlags::MS_NOSUID, data: "mode=0755" },
    Basic { target: "/run", kind: "tmpfs", flags: NO_DEVICES, data: "mode=0755" },
    // 5 is the group `tty` by old custom.
    Basic {
        target: "/dev/pts",
        kind: "devpts",
        flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC),
        data: "gid=5,mode=0620,ptmxmode=0666",
    },
    Basic { target: "/dev/shm", kind: "tmpfs", flags: NO_DEVICES, data: "mode=1777" },
];

/// Names in /dev that programs expect and devtmpfs does not have.
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// File systems that hold nothing of which anything would be left: they need no unmounting.
const VIRTUAL: [&str; 21] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "ramfs",
    "rootfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// Mounts /proc, /sys, /dev, /run, /dev/pts and /dev/shm where nothing is mounted yet.
pub fn mount_missing() -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for basic in BASICS {
        if is_mounted(basic.target) {
            continue;
        }
        let made = match std::fs::create_dir(basic.target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        let mounted = made.and_then(|()| {
            mount(Some(basic.kind), basic.target, Some(basic.kind), basic.flags, Some(basic.data))
                .map_err(io::Error::from)
        });
        if let Err(cause) = mounted {
            troubles.push(Trouble { what: format!("mount {} on `{}`", basic.kind, basic.target), cause });
        }
    }
    for (name, target) in LINKS {
        // Where it cannot be made, who needs it will say so.
        let _ = std::os::unix::fs::symlink(target, name);
    }
    troubles
}

/// Whether a directory is on another device than its parent.
fn is_mounted(target: &str) -> bool {
    let parent = Path::new(target).parent().unwrap_or(Path::new("/"));
    match (std::fs::metadata(target), std::fs::metadata(parent)) {
        (Ok(inner), Ok(outer)) => inner.dev() != outer.dev(),
        _ => false,
    }
}

/// Puts the console on those of 0, 1 and 2 that were closed when we began.
///
/// # Errors
/// What opening `/dev/console` answers.
pub fn open_console(missing: [bool; 3]) -> Result<(), Trouble> {
    if !missing.contains(&true) {
        return Ok(());
    }
    let trouble = |cause| Trouble { what: "open `/dev/console`".to_owned(), cause };
    // SAFETY: the path is a C string.
    let console =
        check(unsafe { libc::open(c"/dev/console".as_ptr(), libc::O_RDWR | libc::O_NOCTTY) }).map_err(trouble)?;
    for (number, _) in (0..fds::FIRST_PRIVATE).zip(missing).filter(|(_, missing)| *missing) {
        // SAFETY: takes numbers; what stood there in its place is ours.
        check(unsafe { libc::dup2(console, number) }).map_err(trouble)?;
    }
    if console >= fds::FIRST_PRIVATE {
        // SAFETY: opened above, and nobody else has it.
        unsafe { libc::close(console) };
    }
    Ok(())
}

/// Names the machine.
///
/// # Errors
/// EPERM, EINVAL for a name that is too long.
pub fn set_name(name: &str) -> Result<(), Trouble> {
    nix::unistd::sethostname(name)
        .map_err(|errno| Trouble { what: format!("name the machine `{name}`"), cause: errno.into() })
}

/// Brings the loopback interface up.
///
/// # Errors
/// What socket(2) and ioctl(2) answer.
pub fn raise_loopback() -> Result<(), Trouble> {
    let trouble = |cause| Trouble { what: "bring up the loopback interface".to_owned(), cause };
    // SAFETY: takes numbers.
    let socket =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }).map_err(trouble)?;
    // SAFETY: all zeros is a valid request; its name field is longer than the name. Both ioctls read and write one `ifreq`. The socket is
    // ours to close.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        let result = check(libc::ioctl(socket, libc::SIOCGIFFLAGS as _, &raw mut request)).and_then(|_| {
            request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
            check(libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw mut request))
        });
        libc::close(socket);
        result
    };
    result.map(drop).map_err(trouble)
}

/// From now on Ctrl-Alt-Del is a SIGINT to PID 1, and no restart at once.
///
/// # Errors
/// EPERM; EINVAL where we are the init of a namespace only.
pub fn catch_ctrl_alt_del() -> Result<(), Trouble> {
    set_cad_enabled(false).map_err(|errno| Trouble { what: "take Ctrl-Alt-Del over".to_owned(), cause: errno.into() })
}

/// Starts a child that writes everything to disk, unmounts what can be unmounted and makes the rest read-only. It exits with 0 when all of
/// that was done. A dead disk may hold it up for ever, but not us.
///
/// # Errors
/// EAGAIN or ENOMEM: no fork.
pub fn start_unmounting() -> io::Result<i32> {
    // SAFETY: there is one thread, so the copy is whole; it leaves without running destructors.
    let pid = check(unsafe { libc::fork() })?;
    if pid == 0 {
        let code = i32::from(!unmount_all());
        // SAFETY: leaves at once.
        unsafe { libc::_exit(code) }
    }
    Ok(pid)
}

/// Whether nothing is left that can be written to.
fn unmount_all() -> bool {
    let _ = std::env::set_current_dir("/");
    nix::unistd::sync();
    let text = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut clean = true;
    for target in to_unmount(&text) {
        if target != Path::new("/") && umount(&target).is_ok() {
            continue;
        }
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        clean &= mount::<str, Path, str, str>(None, &target, None, flags, None).is_ok();
    }
    nix::unistd::sync();
    clean
}

/// The mount points of a table of mounts that hold data, the last mounted first.
fn to_unmount(table: &str) -> Vec<PathBuf> {
    let holds_data = |line: &str| {
        let mut fields = line.split(' ');
        let (target, kind) = (fields.nth(1)?, fields.next()?);
        if VIRTUAL.contains(&kind) { None } else { Some(unescape(target)) }
    };
    table.lines().rev().filter_map(holds_data).list()
}

/// The kernel writes white space and backslashes in a path as three octal digits.
fn unescape(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    const DIGITS: usize = 3;
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(DIGITS..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Ends the run of the machine. Comes back only when the kernel refuses.
pub fn end(how: End) -> io::Error {
    let mode = match how {
        End::PowerOff => RebootMode::RB_POWER_OFF,
        End::Restart => RebootMode::RB_AUTOBOOT,
        End::Halt => RebootMode::RB_HALT_SYSTEM,
    };
    match reboot(mode) {
        Ok(never) => match never {},
        Err(errno) => errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_that_hold_data_are_unmounted_last_first() {
        let table = "rootfs / rootfs rw 0 0\n/dev/vda1 / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n\
                     tmpfs /run tmpfs rw 0 0\n/dev/vdb /run/media/my\\040disk vfat rw 0 0\n/dev/vdc /srv xfs rw 0 0\n";
        let expected: Vec<PathBuf> = ["/srv", "/run/media/my disk", "/"].iter().map(PathBuf::from).collect();
        assert_eq!(to_unmount(table), expected);
    }

    #[test]
    fn table_of_mounts_that_is_broken_names_nothing() {
        for table in ["", "\n\n", "one", "one two", "\\ \\0 tmpfs"] {
            assert_eq!(to_unmount(table), Vec::<PathBuf>::new(), "{table:?}");
        }
        assert_eq!(unescape("a\\"), PathBuf::from("a\\"));
        assert_eq!(unescape("a\\01"), PathBuf::from("a\\01"));
        assert_eq!(unescape("\\134\\040\\999"), PathBuf::from("\\ \\999"));
    }

    #[test]
    fn mount_point_is_told_from_a_directory() {
        assert!(is_mounted("/proc"));
        assert!(!is_mounted("/etc"));
        assert!(!is_mounted("/nowhere"));
    }
}
