//! How a process ended.

use std::fmt;

use crate::config::Signal;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It called exit.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which.
        signal: Signal,
        /// A core file was written.
        core: bool,
    },
}

impl Exit {
    /// The exit status as Supervisor reports it: the code, or -1 for a signal.
    #[must_use]
    pub fn status(self) -> i64 {
        match self {
            Exit::Code(code) => i64::from(code),
            Exit::Signal { .. } => -1,
        }
    }

    /// Whether `exitcodes` lists it. A signal is never expected.
    #[must_use]
    pub fn is_expected(self, exitcodes: &[i64]) -> bool {
        match self {
            Exit::Code(code) => exitcodes.contains(&i64::from(code)),
            Exit::Signal { .. } => false,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal { signal, core } => {
                write!(f, "terminated by {}", signal.name())?;
                if *core { f.write_str(" (core dumped)") } else { Ok(()) }
            }
        }
    }
}
