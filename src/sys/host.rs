//! The machine's name and its limits.

use std::io;
use std::path::PathBuf;

use super::call::check;

/// The machine's network name; `localhost` when the kernel has none.
pub fn node_name() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.is_empty() { "localhost".to_owned() } else { name }
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
