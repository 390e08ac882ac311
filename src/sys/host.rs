//! The machine's name, the hosts it knows, its limits.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::call::check;

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
