//! The command after `--`: it has our terminal and descriptors, gets the signals that come to us, and its end ends visor
//! with its code.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::Signal as Number;

use super::environment::DEFAULT_PATH;
use super::{Daemon, Token};
use crate::cli::command::CommandArgs;
use crate::config::LogLevel;
use crate::program::{Exit, Now};
use crate::supervisor::Input;
use crate::sys::command::{self, Lookup};
use crate::sys::poll::Interest;
use crate::sys::reap::{self, Stops};
use crate::sys::spawn::{self, ExecStatus, Lead, Output, Signals, SpawnError, Spec, Stage, Stdin};
use crate::sys::{process, terminal};

/// Exit code when the command does not exist.
pub(super) const NOT_FOUND: u8 = 127;
/// Exit code when the command cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;
/// A death by signal n is this and n.
const SIGNAL_BASE: i32 = 128;

/// Signals that are not passed on: what the kernel sends for our own mistakes, and what a terminal sends a background group.
const KEPT: [Number; 12] = [
    Number::SIGKILL,
    Number::SIGSTOP,
    Number::SIGCHLD,
    Number::SIGFPE,
    Number::SIGILL,
    Number::SIGSEGV,
    Number::SIGBUS,
    Number::SIGABRT,
    Number::SIGTRAP,
    Number::SIGSYS,
    Number::SIGTTIN,
    Number::SIGTTOU,
];
/// The C library keeps the first realtime signals to itself.
const FIRST_REALTIME: i32 = 34;
const LAST_REALTIME: i32 = 64;

/// The command in the foreground.
#[derive(Debug)]
pub(super) enum Foreground {
    /// There is none: signals are for visor.
    None,
    /// It runs.
    Running {
        args: CommandArgs,
        pid: i32,
        /// Whether it has executed its file; `None` = known.
        status: Option<OwnedFd>,
        /// The terminal was ours to give.
        terminal: bool,
        /// Its file could not be executed: the code for that.
        failure: Option<u8>,
    },
    /// It has ended; visor leaves with this code.
    Ended(u8),
}

/// Signals to catch when there is a command.
pub(super) fn forwarded() -> Vec<i32> {
    let named = Number::iterator().filter(|signal| !KEPT.contains(signal)).map(|signal| signal as i32);
    [Number::SIGCHLD as i32].into_iter().chain(named).chain(FIRST_REALTIME..=LAST_REALTIME).collect()
}

/// A message and the exit code to leave with.
pub(super) type Refusal = (String, u8);

impl Daemon {
    /// Starts the command.
    ///
    /// # Errors
    /// Why it cannot be, and the code for that.
    pub(super) fn start_foreground(&mut self, args: CommandArgs) -> Result<(), Refusal> {
        let Some(word) = args.argv.first() else { return Err(("no command is given".to_owned(), NOT_FOUND)) };
        let shown = word.to_string_lossy().into_owned();
        let search = self.environment.iter().find(|(key, _)| key == "PATH").map(|(_, path)| path.to_string_lossy());
        let path =
            command::find(&shown, search.as_deref().unwrap_or(DEFAULT_PATH)).map_err(|why| lookup(&shown, &why))?;
        let terminal = !args.session && terminal::is_ours();
        let lead = match (args.session, terminal) {
            (true, _) => Lead::Session,
            (false, true) => Lead::Foreground,
            (false, false) => Lead::Group,
        };
        let spec = Spec {
            path: &path,
            argv: &args.argv,
            env: &self.environment,
            directory: None,
            umask: None,
            lead,
            signals: Signals::Inherited,
            credentials: None,
            redirect_stderr: false,
            stdin: Stdin::Inherit,
            stdout: Output::Inherit,
            stderr: Output::Inherit,
        };
        let child = spawn::spawn(&spec).map_err(|error| failure(&shown, &error))?;
        self.poll.set(Token::Foreground, child.status.as_raw_fd(), Interest::READ);
        self.foreground =
            Foreground::Running { args, pid: child.pid, status: Some(child.status), terminal, failure: None };
        Ok(())
    }

    /// A signal came while there is a command: it goes on to it, perhaps as another one.
    pub(super) fn forward(&mut self, signal: i32) {
        let Foreground::Running { args, pid, terminal, .. } = &self.foreground else { return };
        let signal = args.rewrites.iter().find(|(from, _)| *from == signal).map_or(signal, |(_, to)| *to);
        if signal == 0 {
            return;
        }
        if signal == Number::SIGCONT as i32 && *terminal && terminal::is_ours() {
            // We were in the background and are back: so is the command.
            terminal::give_to(*pid);
        }
        // It may be gone already; its end is on the way to us.
        let _ = if args.group { reap::kill_group(*pid, signal) } else { reap::kill(*pid, signal) };
    }

    /// Whether the command has executed its file by now.
    pub(super) fn read_foreground_status(&mut self) {
        let Foreground::Running { args, status, .. } = &mut self.foreground else { return };
        let outcome = status.as_ref().map_or(ExecStatus::Execed, spawn::read_status);
        let shown = args.argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        let mut failed = None;
        match outcome {
            ExecStatus::Pending => return,
            ExecStatus::Execed => {}
            ExecStatus::Failed(error) => {
                let (text, code) = failure(&shown, &error);
                super::setup::tell(&text);
                failed = Some(code);
            }
        }
        self.poll.remove(Token::Foreground);
        if let Foreground::Running { status, failure, .. } = &mut self.foreground {
            *status = None;
            *failure = failed;
        }
    }

    /// Whether stopped children are to be told of.
    pub(super) fn stops(&self) -> Stops {
        match self.foreground {
            Foreground::Running { .. } => Stops::Told,
            Foreground::None | Foreground::Ended(_) => Stops::Untold,
        }
    }

    /// A child was stopped by a signal. If it is the command, whoever started us is to see that; where nobody is above us to
    /// continue it, it goes on at once.
    pub(super) fn child_stopped(&mut self, stopped: i32) {
        let Foreground::Running { pid, terminal, .. } = &self.foreground else { return };
        if *pid != stopped {
            return;
        }
        if !terminal::has_shell_above() {
            let _ = reap::kill_group(*pid, Number::SIGCONT as i32);
            return;
        }
        if *terminal {
            terminal::take_back();
        }
        terminal::stop_self();
    }

    /// If the child that died is the command: visor's end begins.
    pub(super) fn foreground_died(&mut self, dead: i32, exit: Exit, now: Now) -> bool {
        self.read_foreground_status_of(dead);
        let Foreground::Running { args, pid, terminal, failure, .. } = &self.foreground else { return false };
        if *pid != dead {
            return false;
        }
        if *terminal {
            terminal::take_back();
        }
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal { signal, .. } => SIGNAL_BASE.saturating_add(signal.0),
        };
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        let code = if args.forgiven.contains(&code) { 0 } else { code };
        let word = args.argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        let code = failure.unwrap_or(code);
        self.foreground = Foreground::Ended(code);
        self.log(LogLevel::Info, &format!("`{word}` has ended ({exit}); leaving with {code}"));
        self.input(Input::ShutDown, now);
        true
    }

    fn read_foreground_status_of(&mut self, dead: i32) {
        if matches!(&self.foreground, Foreground::Running { pid, .. } if *pid == dead) {
            self.read_foreground_status();
        }
    }
}

/// Asks for a signal when our parent dies, and for it now if it has died already.
pub(super) fn watch_parent(args: &CommandArgs, parent: i32) -> Result<(), Refusal> {
    let Some(signal) = args.parent_death else { return Ok(()) };
    process::set_parent_death_signal(signal.0)
        .map_err(|error| (format!("cannot ask for {} at the parent's death: {error}", signal.name()), 1))?;
    if process::parent() != parent {
        return Err(("the parent process has died already".to_owned(), 1));
    }
    Ok(())
}

fn lookup(word: &str, why: &Lookup) -> Refusal {
    match why {
        Lookup::NotFound => (format!("cannot execute `{word}`: command not found"), NOT_FOUND),
        Lookup::Directory(path) => (format!("cannot execute `{}`: it is a directory", path.display()), NOT_EXECUTABLE),
        Lookup::NotExecutable(path) | Lookup::NotPermitted(path) => {
            (format!("cannot execute `{}`: permission denied", path.display()), NOT_EXECUTABLE)
        }
    }
}

fn failure(word: &str, error: &SpawnError) -> Refusal {
    let errno = Errno::from_raw(error.errno);
    let code = match (error.stage, errno) {
        (Stage::Exec, Errno::ENOENT) => NOT_FOUND,
        (Stage::Exec, _) => NOT_EXECUTABLE,
        (Stage::Prepare | Stage::Pipes | Stage::Fork | Stage::Group | Stage::Terminal | Stage::Descriptors, _)
        | (Stage::Groups | Stage::GroupId | Stage::UserId | Stage::Directory, _) => 1,
    };
    (format!("cannot execute `{word}`: {}", errno.desc()), code)
}
