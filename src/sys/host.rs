//! The machine's name, its files by pattern, its limits.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::call::{c_string, check};

use crate::order;

/// The machine's network name; `localhost` when the kernel has none.
pub fn node_name() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The file of hosts' names.
const HOSTS: &str = "/etc/hosts";

/// The address of a host: a number, `localhost`, or what the file of hosts says. No name server is asked, which could take long.
#[must_use]
pub fn address_of(name: &str) -> Option<IpAddr> {
    let number = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match number.parse() {
        Ok(address) => Some(address),
        Err(_) if name == "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        Err(_) => listed(name, &std::fs::read_to_string(HOSTS).unwrap_or_default()),
    }
}

/// The address of a name in the file of hosts, the old kind first.
fn listed(name: &str, hosts: &str) -> Option<IpAddr> {
    let entries = hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    });
    entries.clone().find(IpAddr::is_ipv4).or_else(|| entries.clone().next())
}

/// Where we are. An absolute path.
///
/// # Errors
/// ENOENT when the directory was removed, EACCES when it cannot be followed upwards.
pub fn current_directory() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// The paths that match a shell pattern, sorted by their bytes; none is fine. A backslash means itself. A relative
/// pattern is seen from the current directory; unreadable directories are passed over.
///
/// # Errors
/// ENOMEM when the C library ran out of memory, EIO for its other troubles, EINVAL for a NUL inside.
pub fn glob(pattern: &str) -> io::Result<Vec<PathBuf>> {
    let pattern = c_string(pattern)?;
    // SAFETY: all zeros is the empty result that glob expects.
    let mut found: libc::glob_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pattern is a C string; without an error callback unreadable directories are skipped.
    let outcome = unsafe { libc::glob(pattern.as_ptr(), libc::GLOB_NOESCAPE, None, &raw mut found) };
    let paths = match outcome {
        // SAFETY: on success `found` describes `gl_pathc` C strings.
        0 => Ok(unsafe { paths(&found) }),
        libc::GLOB_NOMATCH => Ok(Vec::new()),
        libc::GLOB_NOSPACE => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
        _ => Err(io::Error::from_raw_os_error(libc::EIO)),
    };
    // SAFETY: `found` was filled by glob (or is still all zeros) and is not used afterwards.
    unsafe { libc::globfree(&raw mut found) };
    paths
}

/// # Safety
/// `found` must come from a successful glob.
unsafe fn paths(found: &libc::glob_t) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = (0..found.gl_pathc as usize)
        .map(|at| {
            // SAFETY: the caller vouches for `gl_pathc` pointers to C strings.
            let text = unsafe { std::ffi::CStr::from_ptr(*found.gl_pathv.add(at)) };
            PathBuf::from(OsStr::from_bytes(text.to_bytes()))
        })
        .collect();
    // The C library sorts by the locale's rules.
    order::sort_by(&mut paths, |a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    paths
}

/// Something the kernel limits per process or user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Open descriptors of a process.
    OpenFiles,
    /// Processes of a user.
    Processes,
}

/// The limit could not be raised.
#[derive(Debug)]
pub struct LimitError {
    /// The hard limit, which only root may raise.
    pub hard: u64,
    /// The kernel's reason.
    pub cause: io::Error,
}

/// Make sure that the soft limit is at least `wanted`, raising the hard one too where it is lower. Answers the new
/// value if it was raised; limits are never lowered.
///
/// # Errors
/// EPERM when the hard limit is lower and we may not raise it.
pub fn raise_limit(limit: Limit, wanted: u64) -> Result<Option<u64>, LimitError> {
    let resource = match limit {
        Limit::OpenFiles => libc::RLIMIT_NOFILE,
        Limit::Processes => libc::RLIMIT_NPROC,
    };
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `now` is a valid place for the answer.
    check(unsafe { libc::getrlimit(resource, &raw mut now) }).map_err(|cause| LimitError { hard: 0, cause })?;
    if now.rlim_cur as u64 >= wanted {
        return Ok(None);
    }
    let hard = now.rlim_max as u64;
    let wanted_raw = wanted as libc::rlim_t;
    let new = libc::rlimit { rlim_cur: wanted_raw, rlim_max: now.rlim_max.max(wanted_raw) };
    // SAFETY: `new` is filled and only read.
    check(unsafe { libc::setrlimit(resource, &raw const new) }).map_err(|cause| LimitError { hard, cause })?;
    Ok(Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_a_number_localhost_or_listed() {
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(address_of("127.0.0.2"), address("127.0.0.2"));
        assert_eq!(address_of("[::1]"), address("::1"));
        assert_eq!(address_of("localhost"), address("127.0.0.1"));
        assert_eq!(address_of("no-such-host.invalid"), None);
        let hosts = "# 1.1.1.1 box\n::5 box six\nnonsense box\n10.0.0.1\tother Box # home\n\n10.0.0.2 box\n";
        assert_eq!(listed("box", hosts), address("10.0.0.1"));
        assert_eq!(listed("six", hosts), address("::5"));
        assert_eq!((listed("home", hosts), listed("", hosts)), (None, None));
    }
    use crate::sys::testing;

    #[test]
    fn node_has_a_name() {
        assert!(!node_name().is_empty());
    }

    #[test]
    fn pattern_finds_files_sorted_by_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "B.conf", "a.ini", ".hidden.conf"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = glob(&format!("{}/*.conf", folder.path().display())).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["B.conf", "a.conf", "b.conf"]);
    }

    #[test]
    fn pattern_without_match_finds_nothing() {
        assert_eq!(glob("/nowhere/*.conf").unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn pattern_with_backslash_means_the_backslash() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a\\b.conf"), "").unwrap();
        assert_eq!(glob(&format!("{}/a\\b.*", folder.path().display())).unwrap().len(), 1);
    }

    #[test]
    fn pattern_with_nul_is_refused() {
        assert_eq!(glob("a\0b").unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn limit_already_high_enough_is_left_alone() {
        assert!(matches!(raise_limit(Limit::OpenFiles, 1), Ok(None)));
    }

    #[test]
    fn limit_below_the_hard_one_is_raised_and_above_it_is_refused_without_rights() {
        assert!(testing::in_fork(|| {
            let low = libc::rlimit { rlim_cur: 50, rlim_max: 60 };
            // SAFETY: the copy lowers its own limits and gives up its rights.
            unsafe {
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const low);
                if libc::geteuid() == 0 {
                    libc::setuid(12_345);
                }
            }
            let raised = matches!(raise_limit(Limit::OpenFiles, 55), Ok(Some(55)));
            let refused = matches!(raise_limit(Limit::OpenFiles, 70), Err(LimitError { hard: 60, .. }));
            raised && refused && crate::sys::fds::open_limit() == 55
        }));
    }
}
