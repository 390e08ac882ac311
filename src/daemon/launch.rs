//! From a decision to a running child: command, environment, sockets, fork, and how that went.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;

use super::trees::own_limits;
use super::words::Given;
use super::{Daemon, Token, clock, environment};
use crate::config::{Channel, Logfile, Process};
use crate::list::List as _;
use crate::program::{self, Now, SpawnFailure, SpawnFailureKind};
use crate::protocol::Stream;
use crate::sorted::Map;
use crate::supervisor::{Input, JobId, ProcessId};
use crate::sys::command::{self, Lookup};
use crate::sys::spawn::{self, Credentials, ExecStatus, Lead, Output, Signals, SpawnError, Spec, Stage, Stdin};

impl Daemon {
    /// Starts a process and tells the supervisor how that went.
    pub(super) fn spawn(&mut self, id: ProcessId) {
        if self.is_held(id, clock::now()) {
            return;
        }
        let Some(entry) = self.supervisor.entry(id) else { return };
        let (process, group) = (Arc::clone(&entry.config), entry.group.clone());
        self.outputs.prepare(id, &mut self.poll);
        let input = match self.fork(id, &process, &group) {
            Ok(pid) => {
                self.outputs.introduce(id, &process, &group, pid);
                program::Input::Spawned { pid }
            }
            Err(failure) => program::Input::SpawnFailed(failure),
        };
        let failed = matches!(input, program::Input::SpawnFailed(_));
        // Many starts in one turn take their time: each is dated for itself.
        self.input(Input::Process(id, input), clock::now());
        if failed {
            self.close_unused_sockets();
        }
    }

    /// Looks for the commands of processes that are to start.
    pub(super) fn look_up(&mut self, job: JobId, ids: &[ProcessId], now: Now) {
        let mut failures = Map::new();
        for id in ids {
            let Some(entry) = self.supervisor.entry(*id) else { continue };
            let found = match &entry.config.argv {
                Err(text) => Err(SpawnFailure { kind: SpawnFailureKind::NotExecutable, text: text.clone() }),
                Ok(argv) => {
                    let word = argv.first().map_or("", String::as_str);
                    match environment::of(&entry.config, &entry.group, None, &self.environment) {
                        Ok(env) => find_command(word, &environment::search_path(&env)).map(drop),
                        // The start says so.
                        Err(_) => Ok(()),
                    }
                }
            };
            if let Err(failure) = found {
                failures.insert(*id, failure);
            }
        }
        self.input(Input::LookedUp(job, failures), now);
    }

    fn fork(&mut self, id: ProcessId, process: &Arc<Process>, group: &str) -> Result<i32, SpawnFailure> {
        let argv = match &process.argv {
            Ok(argv) => argv,
            Err(text) => return Err(other_failure(text.clone())),
        };
        let Some(word) = argv.first() else { return Err(other_failure("command is empty".to_string())) };
        let has_socket = self.open_socket(group)?;
        let listening = self.open_listening(id, process)?;
        let mut env = environment::of(process, group, self.settings.server_url.as_deref(), &self.environment)
            .map_err(other_failure)?;
        let path = find_command(word, &environment::search_path(&env))?;
        let limits = self.limits_of(id, process, group, &mut env)?;
        let credentials = credentials_of(process);
        let given = Given::prepare(process, &mut env)?;
        let argv: Vec<OsString> = argv.iter().map(OsString::from).list();
        // It is passed on as descriptor 0: there is no pipe to write to then.
        let socket = if has_socket { self.sockets.fcgi(group) } else { None };
        let spec = Spec {
            limits: limits.as_ref(),
            path: &path,
            argv: &argv,
            env: &env,
            directory: process.directory.as_deref(),
            umask: process.umask,
            lead: process.tty.as_deref().map_or(Lead::Group, Lead::Terminal),
            signals: Signals::Default,
            credentials: credentials.as_ref(),
            redirect_stderr: process.redirect_stderr,
            stdin: match (socket, &process.tty) {
                (Some(socket), _) => Stdin::Fd(socket.as_fd()),
                (None, Some(_)) => Stdin::Terminal,
                (None, None) if self.options.bare.is_some() => Stdin::Null,
                (None, None) => Stdin::Pipe,
            },
            stdout: output(&process.stdout),
            stderr: output(&process.stderr),
            keep: &[],
            listen: &listening,
            extra: given.extra(),
            confined: false,
        };
        let child = spawn::spawn(&spec).map_err(|error| other_failure(fork_failure(&process.name, &error)))?;
        let pid = child.pid;
        self.trees.led_by(id, pid);
        self.checks.begin(id, process, pid, given, &mut self.poll);
        self.adopt_child(id, child);
        Ok(pid)
    }

    /// Whether the child has executed its command by now.
    pub(super) fn read_status(&mut self, id: ProcessId, now: Now) {
        let Some(life) = self.children.lives.get_mut(&id) else { return };
        let Some(status) = &life.status else { return };
        let input = match spawn::read_status(status) {
            ExecStatus::Pending => return,
            ExecStatus::Execed => program::Input::Execed,
            ExecStatus::Failed(error) => {
                let failure = self.exec_failure(id, &error);
                program::Input::ExecFailed(failure)
            }
        };
        self.poll.remove(Token::Status(id));
        if let Some(life) = self.children.lives.get_mut(&id) {
            life.status = None;
        }
        self.input(Input::Process(id, input), now);
    }

    /// Leaves the original's words in the log where it leaves them.
    fn exec_failure(&mut self, id: ProcessId, error: &SpawnError) -> SpawnFailure {
        let Some(entry) = self.supervisor.entry(id) else { return other_failure(error.to_string()) };
        let process = std::sync::Arc::clone(&entry.config);
        let word = process.argv.as_ref().ok().and_then(|argv| argv.first()).map_or("", String::as_str);
        let text = exec_text(&process, word, error);
        let stream = if process.redirect_stderr { Stream::Stdout } else { Stream::Stderr };
        let told = format!("supervisor: {text}\nsupervisor: child process was not spawned\n");
        let now = clock::now();
        self.outputs.write(id, stream, told.as_bytes(), now, &mut self.poll);
        // Only what the look-up of the command finds has a code of its own, as in the original.
        SpawnFailure { kind: SpawnFailureKind::Other, text }
    }
}

/// Words a failed step between fork and exec of `word`.
pub(super) fn exec_text(process: &Process, word: &str, error: &SpawnError) -> String {
    let name = crate::sys::errno_name(error.errno);
    match error.stage {
        Stage::Exec => {
            format!("couldn't exec {word}: {name}")
        }
        Stage::Directory => {
            format!("couldn't chdir to {}: {name}", process.directory.as_deref().unwrap_or_default())
        }
        Stage::Groups | Stage::GroupId | Stage::UserId => {
            let uid = process.user.as_ref().map(|user| user.uid).unwrap_or_default();
            format!("couldn't setuid to {uid}: {}: {name}", error.stage.describe())
        }
        Stage::Terminal => {
            format!("couldn't take the terminal {}: {name}", process.tty.as_deref().unwrap_or_default())
        }
        Stage::Prepare
        | Stage::Pipes
        | Stage::Fork
        | Stage::Group
        | Stage::Descriptors
        | Stage::Cgroup
        | Stage::OomScore
        | Stage::Nice
        | Stage::IoPriority
        | Stage::Rlimit(_)
        | Stage::Bounding
        | Stage::Capabilities
        | Stage::NoNewPrivs => {
            format!("couldn't {}: {name}", error.stage.describe())
        }
    }
}

/// A command that runs beside a program.
pub(super) struct Beside<'a> {
    pub words: &'a [String],
    /// Over the environment of the program.
    pub told: Vec<(OsString, OsString)>,
    pub redirect_stderr: bool,
    pub stderr: Output,
}

/// What a program is told of itself and is not true of what runs beside it.
const NOT_BESIDE: [&str; 3] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];

/// Forks a command that runs as a program does, but in a process group of its own, without its cgroup, sockets and terminal. `ours` is the URL
/// of our server and our environment.
///
/// # Errors
/// A sentence, in the words for starts of programs.
pub(super) fn spawn_beside(
    process: &Process,
    group: &str,
    (server_url, environment): (Option<&str>, &[(OsString, OsString)]),
    beside: Beside,
) -> Result<spawn::Child, String> {
    let Beside { words, told, redirect_stderr, stderr } = beside;
    let mut env = environment::of(process, group, server_url, environment)?;
    env.retain(|(key, _)| !NOT_BESIDE.iter().any(|name| key == name) && !told.iter().any(|(name, _)| key == name));
    env.extend(told);
    let word = words.first().map_or("", String::as_str);
    let path = find_command(word, &environment::search_path(&env)).map_err(|failure| failure.text)?;
    let argv: Vec<OsString> = words.iter().map(OsString::from).list();
    let (credentials, limits) = (credentials_of(process), own_limits(&process.limits));
    let spec = Spec {
        limits: Some(&limits),
        path: &path,
        argv: &argv,
        env: &env,
        directory: process.directory.as_deref(),
        umask: process.umask,
        lead: Lead::Group,
        signals: Signals::Default,
        credentials: credentials.as_ref(),
        redirect_stderr,
        stdin: Stdin::Null,
        stdout: Output::Pipe,
        stderr,
        keep: &[],
        listen: &[],
        extra: None,
        confined: false,
    };
    spawn::spawn(&spec).map_err(|error| error.to_string())
}

/// Whom a child becomes; `None` = it stays who we are.
pub(super) fn credentials_of(process: &Process) -> Option<Credentials> {
    process.user.as_ref().map(|user| Credentials { uid: user.uid, gid: user.gid, groups: user.groups.clone() })
}

/// How the output that a channel describes comes out of a child.
fn output(channel: &Channel) -> Output {
    match channel.logfile {
        Logfile::Terminal => Output::Terminal,
        Logfile::Auto | Logfile::None | Logfile::File(_) => Output::Pipe,
    }
}

pub(super) fn other_failure(text: String) -> SpawnFailure {
    SpawnFailure { kind: SpawnFailureKind::Other, text }
}

/// Finds a command as the original does, in its words when it cannot be run.
pub(super) fn find_command(word: &str, search_path: &str) -> Result<PathBuf, SpawnFailure> {
    command::find(word, search_path).map_err(|lookup| {
        let (kind, text) = match lookup {
            Lookup::NotFound => (SpawnFailureKind::NoFile, format!("can't find command '{word}'")),
            Lookup::Directory(path) => {
                (SpawnFailureKind::NotExecutable, format!("command at '{}' is a directory", path.display()))
            }
            Lookup::NotExecutable(path) => {
                (SpawnFailureKind::NotExecutable, format!("command at '{}' is not executable", path.display()))
            }
            Lookup::NotPermitted(path) => {
                (SpawnFailureKind::NotExecutable, format!("no permission to run command '{}'", path.display()))
            }
        };
        SpawnFailure { kind, text }
    })
}

/// The original's words for what fails before there is a child.
fn fork_failure(name: &str, error: &SpawnError) -> String {
    match (error.stage, Errno::from_raw(error.errno)) {
        (Stage::Pipes, Errno::EMFILE) => format!("too many open files to spawn '{name}'"),
        (Stage::Fork, Errno::EAGAIN) => format!("Too many processes in process table to spawn '{name}'"),
        (Stage::Fork, _) => {
            format!("unknown error during fork for '{name}': {}", crate::sys::errno_name(error.errno))
        }
        (Stage::Pipes, _) => {
            format!("unknown error making dispatchers for '{name}': {}", crate::sys::errno_name(error.errno))
        }
        _ => error.to_string(),
    }
}
