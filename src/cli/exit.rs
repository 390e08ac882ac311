//! How a binary ends.

use std::io::{self, Write as _};

/// Exit codes of all binaries; the manual has the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExitCode {
    /// All well.
    Success,
    /// Something failed; set-up of the daemon, or an action of the client.
    Failure,
    /// Wrong use or a bad configuration.
    Usage,
    /// `status`: something listed does not run.
    SomeStopped,
    /// visor is not there, or, for `status`, a name is unknown.
    Unreachable,
    /// The action needs a running process or the socket's file, and there is none.
    NotRunning,
    /// What answers has no programs to control.
    NoSupervisor,
    /// What answers is a Supervisor of another time.
    OtherVersion,
    /// What was waited for did not come in time; the number is that of `timeout(1)`.
    TimedOut,
    /// A program that is needed is not installed.
    NotInstalled,
}

impl ExitCode {
    /// The number the shell sees.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            ExitCode::Success => 0,
            ExitCode::Failure => 1,
            ExitCode::Usage => 2,
            ExitCode::SomeStopped => 3,
            ExitCode::Unreachable => 4,
            ExitCode::NotRunning => 7,
            ExitCode::NoSupervisor => 3,
            ExitCode::OtherVersion => 5,
            ExitCode::TimedOut => 124,
            ExitCode::NotInstalled => 127,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> std::process::ExitCode {
        std::process::ExitCode::from(code.number())
    }
}

/// What to print before leaving, and the code to leave with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The code.
    pub code: ExitCode,
    /// For stdout, line ends included.
    pub stdout: String,
    /// For stderr, line ends included.
    pub stderr: String,
}

impl Exit {
    /// Leaves well after printing `stdout`.
    #[must_use]
    pub fn success(stdout: String) -> Exit {
        Exit { code: ExitCode::Success, stdout, stderr: String::new() }
    }

    /// Prints both texts; nobody reading them is no reason to fail.
    #[must_use]
    pub fn finish(self) -> std::process::ExitCode {
        let _ = io::stdout().write_all(self.stdout.as_bytes());
        let _ = io::stdout().flush();
        let _ = io::stderr().write_all(self.stderr.as_bytes());
        self.code.into()
    }
}
