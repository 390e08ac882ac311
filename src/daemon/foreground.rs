//! The command after `--`: it has our terminal and descriptors, gets the signals that come to us, and its end ends visor
//! with its code.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal as Number;

use super::environment::DEFAULT_PATH;
use super::{Daemon, Token};
use crate::cli::command::CommandArgs;
use crate::config::LogLevel;
use crate::list::List as _;
use crate::program::{Exit, Now};
use crate::supervisor::Input;
use crate::sys::command::{self, Lookup};
use crate::sys::poll::Interest;
use crate::sys::reap::{self, Stops};
use crate::sys::spawn::{self, ExecStatus, Lead, Output, Signals, SpawnError, Spec, Stage, Stdin};
use crate::sys::{process, signals, terminal};

/// Exit code when the command does not exist.
pub(super) const NOT_FOUND: u8 = 127;
/// Exit code when the command cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;
/// A death by signal n is this and n.
const SIGNAL_BASE: i32 = 128;

/// What reads a script that names no interpreter, as execvp(3) has it.
const SHELL: &str = "/bin/sh";
/// How long the command may take to end when `svc shutdown` asked for it: as long as a program, by default.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Signals that are not passed on: what the kernel sends for our own mistakes, and what a terminal sends a background group.
const KEPT: [Number; 9] = [
    Number::SIGKILL,
    Number::SIGSTOP,
    Number::SIGCHLD,
    Number::SIGFPE,
    Number::SIGILL,
    Number::SIGSEGV,
    Number::SIGBUS,
    Number::SIGTTIN,
    Number::SIGTTOU,
];
/// What a terminal sends: the whole group of the command has it from there, and has it from us when the terminal is ours.
const FROM_TERMINALS: [Number; 5] =
    [Number::SIGINT, Number::SIGQUIT, Number::SIGTSTP, Number::SIGHUP, Number::SIGWINCH];

/// The command in the foreground.
#[derive(Debug)]
pub(super) enum Foreground {
    /// There is none: signals are for visor.
    None,
    /// It runs.
    Running {
        args: CommandArgs,
        /// The file to execute, and the words it gets.
        file: (PathBuf, Vec<OsString>),
        /// Descriptors above the standard ones that it inherits through us.
        inherited: Vec<RawFd>,
        pid: i32,
        /// Whether it has executed its file; `None` = known.
        status: Option<OwnedFd>,
        /// The terminal was given to it.
        terminal: bool,
        /// Its file could not be executed: the code for that.
        failure: Option<u8>,
        /// It was asked to end; it is killed then.
        kill_at: Option<Duration>,
    },
    /// It has ended; visor leaves with this code.
    Ended(u8),
}

/// Signals to catch when there is a command.
pub(super) fn forwarded() -> Vec<i32> {
    let mut caught = vec![Number::SIGCHLD as i32];
    caught.extend(Number::iterator().filter(|signal| !KEPT.contains(signal)).map(|signal| signal as i32));
    caught.extend(signals::realtime());
    caught
}

/// A message and the exit code to leave with.
pub(super) type Refusal = (String, u8);

/// The file that a command means. Looked for before anything is started.
///
/// # Errors
/// Why there is none, and the code for that.
pub(super) fn find(args: &CommandArgs) -> Result<PathBuf, Refusal> {
    let Some(word) = args.argv.first() else { return Err(("no command is given".to_owned(), NOT_FOUND)) };
    find_word(&word.to_string_lossy())
}

/// As [`find`], for a command's first word.
///
/// # Errors
/// Likewise.
pub(super) fn find_word(shown: &str) -> Result<PathBuf, Refusal> {
    let search = std::env::var_os("PATH").map(|path| path.to_string_lossy().into_owned());
    command::find(shown, search.as_deref().unwrap_or(DEFAULT_PATH)).map_err(|why| lookup(shown, &why))
}

impl Daemon {
    /// Starts the command. What keeps it from starting is told, and visor's end begins.
    pub(super) fn start_foreground(&mut self, args: CommandArgs, path: PathBuf, inherited: Vec<RawFd>, now: Now) {
        let argv = args.argv.clone();
        if let Err((text, code)) = self.launch(args, (path, argv), inherited) {
            super::setup::tell(&text);
            self.foreground = Foreground::Ended(code);
            self.input(Input::ShutDown, now);
        }
    }

    fn launch(
        &mut self,
        args: CommandArgs,
        file: (PathBuf, Vec<OsString>),
        inherited: Vec<RawFd>,
    ) -> Result<(), Refusal> {
        let terminal = !args.session && terminal::is_for_the_command();
        let lead = match (args.session, terminal) {
            (true, _) => Lead::Session,
            (false, true) => Lead::Foreground,
            (false, false) => Lead::Group,
        };
        if args.session {
            terminal::let_go();
        }
        let spec = Spec {
            path: &file.0,
            argv: &file.1,
            env: &self.environment,
            directory: None,
            umask: None,
            lead,
            signals: Signals::Inherited,
            limits: None,
            credentials: None,
            redirect_stderr: false,
            stdin: Stdin::Inherit,
            stdout: Output::Inherit,
            stderr: Output::Inherit,
            keep: &inherited,
            listen: &[],
            extra: None,
            confined: false,
        };
        let child = spawn::spawn(&spec).map_err(|error| failure(&shown(&args), &error))?;
        self.poll.set(Token::Foreground, child.status.as_raw_fd(), Interest::READ);
        let (pid, status) = (child.pid, Some(child.status));
        self.foreground =
            Foreground::Running { args, file, inherited, pid, status, terminal, failure: None, kill_at: None };
        Ok(())
    }

    /// A signal came while there is a command: it goes on to it, perhaps as another one.
    pub(super) fn forward(&mut self, signal: i32) {
        let Foreground::Running { args, pid, terminal, .. } = &self.foreground else { return };
        let signal = rewritten(args, signal);
        if signal == 0 {
            return;
        }
        let is = |number: Number| signal == number as i32;
        let ours = !args.session && (is(Number::SIGCONT) || FROM_TERMINALS.into_iter().any(is)) && terminal::is_ours();
        if is(Number::SIGCONT) && *terminal && ours {
            // We were in the background and are back: so is the command.
            terminal::give_to(*pid);
        }
        // A stop reached the whole group, so must what ends it; and so does what our terminal sends us for lack of the
        // command's group.
        let group = args.group || ours || is(Number::SIGCONT) || is(Number::SIGTSTP);
        // It may be gone already; its end is on the way to us.
        let _ = if group { reap::kill_group(*pid, signal) } else { reap::kill(*pid, signal) };
    }

    /// `svc shutdown`: the command ends first, then the programs. False when there is none.
    pub(super) fn end_foreground(&mut self, now: Now) -> bool {
        let Foreground::Running { kill_at, .. } = &mut self.foreground else { return false };
        if kill_at.is_none() {
            *kill_at = Some(now.mono.saturating_add(STOP_PATIENCE));
            self.forward(Number::SIGTERM as i32);
            self.forward(Number::SIGCONT as i32);
        }
        true
    }

    /// When a command that was asked to end is killed.
    pub(super) fn foreground_deadline(&self) -> Option<Duration> {
        match &self.foreground {
            Foreground::Running { kill_at, .. } => *kill_at,
            Foreground::None | Foreground::Ended(_) => None,
        }
    }

    /// Kills a command that had its time to end.
    pub(super) fn kill_late_foreground(&mut self, now: Now) {
        let Foreground::Running { pid, kill_at, .. } = &mut self.foreground else { return };
        if kill_at.is_some_and(|at| at <= now.mono) {
            *kill_at = Some(now.mono.saturating_add(STOP_PATIENCE));
            let _ = reap::kill_group(*pid, Number::SIGKILL as i32);
        }
    }

    /// Whether the command has executed its file by now. A script without an interpreter is given to the shell.
    pub(super) fn read_foreground_status(&mut self) {
        let Foreground::Running { args, status: Some(status), .. } = &self.foreground else { return };
        let failed = match spawn::read_status(status) {
            ExecStatus::Pending => return,
            ExecStatus::Execed => None,
            ExecStatus::Failed(error) => Some((error, failure(&shown(args), &error))),
        };
        self.poll.remove(Token::Foreground);
        let is_script = failed
            .as_ref()
            .is_some_and(|(error, _)| error.stage == Stage::Exec && Errno::from_raw(error.errno) == Errno::ENOEXEC);
        if is_script && self.launch_as_script() {
            return;
        }
        if let Some((_, (text, _))) = &failed {
            super::setup::tell(text);
        }
        if let Foreground::Running { status, failure, .. } = &mut self.foreground {
            *status = None;
            *failure = failed.map(|(_, (_, code))| code);
        }
    }

    /// Starts the command anew, as a script of the shell; the first attempt is a child like any other then. False when the shell
    /// is what failed.
    fn launch_as_script(&mut self) -> bool {
        let Foreground::Running { args, file: (path, argv), inherited, .. } = &self.foreground else { return false };
        if path.as_os_str() == SHELL {
            return false;
        }
        let words = [OsString::from(SHELL), path.clone().into_os_string()];
        let argv = words.into_iter().chain(argv.iter().skip(1).cloned()).list();
        self.launch(args.clone(), (PathBuf::from(SHELL), argv), inherited.clone()).is_ok()
    }

    /// Whether stopped children are to be told of.
    pub(super) fn stops(&self) -> Stops {
        match self.foreground {
            Foreground::Running { .. } => Stops::Told,
            Foreground::None | Foreground::Ended(_) => Stops::Untold,
        }
    }

    /// A child was stopped by a signal. If it is the command and there is a terminal, this is job control.
    pub(super) fn child_stopped(&mut self, stopped: i32, signal: i32) {
        let Foreground::Running { args, pid, terminal, .. } = &mut self.foreground else { return };
        if *pid != stopped {
            return;
        }
        let is = |number: Number| signal == number as i32;
        if (is(Number::SIGTTIN) || is(Number::SIGTTOU)) && !args.session && terminal::is_ours() {
            // It wants the terminal, which is ours to give.
            *terminal = true;
            terminal::give_to(*pid);
            let _ = reap::kill_group(*pid, Number::SIGCONT as i32);
        } else if terminal::is_there() && terminal::has_shell_above() {
            // Whoever started us is to see that, and goes on with both when it likes.
            terminal::take_back_from(*pid);
            terminal::stop_self();
        } else if is(Number::SIGTSTP) {
            // Nobody is above us to continue it. Who sends STOP itself knows what he does.
            let _ = reap::kill_group(*pid, Number::SIGCONT as i32);
        }
    }

    /// If the child that died is the command: visor's end begins.
    pub(super) fn foreground_died(&mut self, dead: i32, exit: Exit, now: Now) -> bool {
        self.read_foreground_status_of(dead);
        let Foreground::Running { args, pid, terminal, failure, .. } = &self.foreground else { return false };
        if *pid != dead {
            return false;
        }
        if *terminal {
            terminal::take_back_from(*pid);
        }
        let code = match exit {
            Exit::Code(code) => code,
            Exit::Signal { signal, .. } => SIGNAL_BASE.saturating_add(signal.0),
        };
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        let code = if args.forgiven.contains(&code) { 0 } else { code };
        let word = shown(args);
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

/// The signal that goes on for one that comes; 0 = none. A group that leads a session of its own is nobody's job, so that the
/// kernel would not let it be stopped by what a terminal sends.
fn rewritten(args: &CommandArgs, signal: i32) -> i32 {
    match args.rewrites.iter().find(|(from, _)| *from == signal) {
        Some((_, to)) => *to,
        None if args.session && signal == Number::SIGTSTP as i32 => Number::SIGSTOP as i32,
        None => signal,
    }
}

fn shown(args: &CommandArgs) -> String {
    args.argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
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
    let code = match (error.stage, Errno::from_raw(error.errno)) {
        (Stage::Exec, Errno::ENOENT) => NOT_FOUND,
        (Stage::Exec, _) => NOT_EXECUTABLE,
        (Stage::Prepare | Stage::Pipes | Stage::Fork | Stage::Group | Stage::Terminal | Stage::Descriptors, _)
        | (Stage::Groups | Stage::GroupId | Stage::UserId | Stage::Directory, _)
        | (Stage::Cgroup | Stage::OomScore | Stage::Nice | Stage::IoPriority | Stage::Rlimit(_), _)
        | (Stage::Bounding | Stage::Capabilities | Stage::NoNewPrivs, _) => 1,
    };
    (format!("cannot execute `{word}`: {}", crate::sys::errno_text(error.errno)), code)
}
