//! The steps of starting a child, and which of them failed.

use std::io;

use super::limits;

/// A step of starting a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Make C strings of the texts (a NUL inside is refused).
    Prepare,
    /// Make the pipes.
    Pipes,
    /// Fork.
    Fork,
    /// Lead a process group of its own.
    Group,
    /// Open the terminal and make it the controlling one.
    Terminal,
    /// Put descriptors 0, 1 and 2 in place.
    Descriptors,
    /// Enter the cgroup.
    Cgroup,
    /// Set `oom_score_adj`.
    OomScore,
    /// Set the nice value.
    Nice,
    /// Set the priority of disk accesses.
    IoPriority,
    /// Set a limit: which, [`limits`] knows.
    Rlimit(u8),
    /// Drop capabilities from the bounding set.
    Bounding,
    /// Set the supplementary groups.
    Groups,
    /// Set the group id.
    GroupId,
    /// Set the user id.
    UserId,
    /// Set what capabilities are left.
    Capabilities,
    /// Promise never to gain rights.
    NoNewPrivs,
    /// Change the directory.
    Directory,
    /// Execute the file.
    Exec,
}

/// Bytes from here on are [`Stage::Rlimit`].
const FIRST_RLIMIT: u8 = 64;

impl Stage {
    /// All but limits, in the order of their bytes.
    pub(super) const ALL: [Stage; 18] = [
        Stage::Prepare,
        Stage::Pipes,
        Stage::Fork,
        Stage::Group,
        Stage::Terminal,
        Stage::Descriptors,
        Stage::Cgroup,
        Stage::OomScore,
        Stage::Nice,
        Stage::IoPriority,
        Stage::Bounding,
        Stage::Groups,
        Stage::GroupId,
        Stage::UserId,
        Stage::Capabilities,
        Stage::NoNewPrivs,
        Stage::Directory,
        Stage::Exec,
    ];

    /// What was attempted, to be read after "cannot".
    pub fn describe(self) -> &'static str {
        match self {
            Stage::Prepare => "prepare the arguments",
            Stage::Pipes => "make pipes",
            Stage::Fork => "fork",
            Stage::Group => "lead a process group",
            Stage::Terminal => "take the terminal",
            Stage::Descriptors => "set up the standard descriptors",
            Stage::Cgroup => "enter its cgroup",
            Stage::OomScore => "set oom_score_adj",
            Stage::Nice => "set nice",
            Stage::IoPriority => "set ioprio",
            Stage::Rlimit(place) => limits::describe(place),
            Stage::Bounding => "drop capabilities for good",
            Stage::Groups => "set supplementary groups",
            Stage::GroupId => "set the group id",
            Stage::UserId => "set the user id",
            Stage::Capabilities => "set capabilities",
            Stage::NoNewPrivs => "set no_new_privs",
            Stage::Directory => "change directory",
            Stage::Exec => "execute",
        }
    }

    /// As the status pipe carries it; never 0. Runs in the child.
    pub(super) fn byte(self) -> u8 {
        if let Stage::Rlimit(place) = self {
            return FIRST_RLIMIT.saturating_add(place);
        }
        (1..).zip(Stage::ALL).find(|(_, stage)| *stage == self).map_or(0, |(byte, _)| byte)
    }

    pub(super) fn from_byte(byte: u8) -> Option<Stage> {
        match byte.checked_sub(FIRST_RLIMIT) {
            Some(place) => Some(Stage::Rlimit(place)),
            None => (1..).zip(Stage::ALL).find(|(own, _)| *own == byte).map(|(_, stage)| stage),
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpawnError {
    /// The step that failed. Up to [`Stage::Fork`] there was no child; after it there is one, which exits with 127.
    pub stage: Stage,
    /// The kernel's reason.
    pub errno: i32,
}

impl SpawnError {
    /// The failure of a step, from the error of its last call.
    pub(super) fn new(stage: Stage, error: &io::Error) -> SpawnError {
        SpawnError { stage, errno: error.raw_os_error().unwrap_or(libc::EINVAL) }
    }
}

impl std::fmt::Display for SpawnError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "cannot {}: {}", self.stage.describe(), super::errno_text(self.errno))
    }
}

impl std::error::Error for SpawnError {}
