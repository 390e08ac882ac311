//! `pidproxy PIDFILE COMMAND [ARGUMENT…]`: stands in for a daemon that detaches itself, by passing signals on to the pid in its pid file.
//!
//! Owns: the whole program. Differs from the original in what nobody can want: the end of the command is seen at once and not up to five
//! seconds later, a command that cannot be run is told, and a pid file never makes it signal a whole group.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode as Code;

use crate::cli::{Exit, ExitCode};
use crate::sys::poll::{Interest, Poll};
use crate::sys::reap::{self, Stops};
use crate::sys::signals::SelfPipe;
use crate::sys::{another, process};

/// Signals that are passed on.
const PASSED: [i32; 6] = [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGUSR1, libc::SIGUSR2, libc::SIGQUIT];
/// Those after which nothing is left to do.
const LAST: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];

/// Runs the command and passes signals on until it ends, or until one that means stop was passed on.
#[must_use]
pub fn main(argv: &[OsString]) -> Code {
    let [_, pidfile, command, ..] = argv else {
        let name = argv.first().map(|name| name.to_string_lossy()).unwrap_or_default();
        let usage = format!("Usage: {name} <pidfile name> <command> [<cmdarg1> ...]\n");
        return Exit { code: ExitCode::Failure, stdout: usage, stderr: String::new() }.finish();
    };
    let arguments = argv.get(2..).unwrap_or_default();
    match attend(Path::new(pidfile), Path::new(command), arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            say(&format!("pidproxy: cannot run `{}`: {error}", command.to_string_lossy()));
            let missing = error.kind() == io::ErrorKind::NotFound;
            if missing { ExitCode::NotInstalled } else { ExitCode::Failure }.into()
        }
    }
}

fn attend(pidfile: &Path, command: &Path, arguments: &[OsString]) -> io::Result<ExitCode> {
    let mut caught = PASSED.to_vec();
    caught.push(libc::SIGCHLD);
    let signals = SelfPipe::install(&caught)?;
    // As the original: a name without a folder means one here, and not one on PATH.
    let child = another::start_command(&process::absolute(command)?, arguments)?;
    let mut poll = Poll::new();
    poll.set((), signals.fd(), Interest { read: true, write: false });
    let mut events = Vec::new();
    loop {
        poll.wait(None, &mut events)?;
        for signal in signals.take().iter() {
            if signal != libc::SIGCHLD && !pass_on(signal, pidfile) {
                return Ok(ExitCode::Success);
            }
        }
        while let Some((pid, _)) = reap::reap(Stops::Untold) {
            if pid == child {
                return Ok(ExitCode::Success);
            }
        }
    }
}

/// Passes a signal on; whether there is more to do.
fn pass_on(signal: i32, pidfile: &Path) -> bool {
    let Some(pid) = std::fs::read_to_string(pidfile).ok().and_then(|text| pid_of(&text)) else {
        say(&format!("Can't read child pidfile {}!", pidfile.display()));
        return true;
    };
    if let Err(error) = reap::kill(pid, signal) {
        say(&format!("pidproxy: cannot signal process {pid}: {error}"));
    }
    !LAST.contains(&signal)
}

/// The pid a file holds. 0 and negative numbers are no process but many.
fn pid_of(text: &str) -> Option<i32> {
    text.trim().parse().ok().filter(|&pid| pid > 0)
}

/// On stdout, where the original says it, and where a supervisor keeps it.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_is_a_positive_number_alone_in_the_file() {
        assert_eq!(pid_of("123\n"), Some(123));
        assert_eq!(pid_of(" 7 "), Some(7));
        for bad in ["", "0", "-1", "x", "1 2", "99999999999"] {
            assert_eq!(pid_of(bad), None, "{bad}");
        }
    }
}
