//! The shapes of an understood configuration, and nothing else.
//!
//! Integers keep the sign the user wrote (Supervisor passes negatives through); who uses one clamps it.

use std::sync::Arc;
use std::time::Duration;

use super::check::Checks;
use super::conditions::Conditions;
use super::hooks::Hooks;
use super::limits::Limits;
use super::logline::{LogLines, Upkeep};
use super::people::{Access, Person};
use super::policy::Policy;
use crate::schedule::Schedule;
use crate::sorted::Map;

/// Everything one main file and its includes say.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Absolute path of the main file.
    pub file: String,
    /// `[supervisord]`.
    pub daemon: Daemon,
    /// `[visor]`: keys that only visor knows.
    pub visor: Visor,
    /// `[unix_http_server*]` and `[inet_http_server*]`, in the original's order.
    pub servers: Vec<Server>,
    /// What a child gets as `SUPERVISOR_SERVER_URL` unless its section says otherwise.
    pub server_url: Option<String>,
    /// `[rpcinterface:x]`, kept for the gateway.
    pub rpc_interfaces: Vec<RpcInterface>,
    /// `[supervisorctl]`.
    pub ctl: Option<Ctl>,
    /// In start order: by priority, then name.
    pub groups: Vec<Group>,
    /// Remarks that stop nothing, in the order met.
    pub warnings: Vec<Warning>,
    /// Files that `[include]` named, in the order read (the original logs each at level info).
    pub included: Vec<String>,
}

impl Config {
    /// Whether somebody besides root and visor's own user may control anything.
    #[must_use]
    pub fn names_somebody(&self) -> bool {
        let mut processes = self.groups.iter().flat_map(|group| &group.processes);
        self.visor.access.names_somebody() || processes.any(|process| !process.operate.is_empty())
    }
}

/// `[supervisord]`. Paths are absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Daemon {
    /// Where visor's own log goes.
    pub logfile: MainLogfile,
    /// Bytes after which the log rotates; 0 or less = never.
    pub logfile_maxbytes: i64,
    /// Rotated files kept.
    pub logfile_backups: i64,
    /// Lines below this level are not written.
    pub loglevel: LogLevel,
    /// The pid file.
    pub pidfile: String,
    /// Applied when daemonizing.
    pub umask: u32,
    /// Stay in the foreground.
    pub nodaemon: bool,
    /// No copy of the log on stdout in the foreground.
    pub silent: bool,
    /// Wanted soft limit of descriptors.
    pub minfds: i64,
    /// Wanted soft limit of processes.
    pub minprocs: i64,
    /// Keep AUTO logs of an earlier run.
    pub nocleanup: bool,
    /// Directory of AUTO logs.
    pub childlogdir: String,
    /// User to become at start.
    pub user: Option<User>,
    /// Directory to change to when daemonizing.
    pub directory: Option<String>,
    /// Drop terminal escapes from child output.
    pub strip_ansi: bool,
    /// Merged under every process' own environment.
    pub environment: Map<String, String>,
    /// Name of this supervisor in AUTO log names and events.
    pub identifier: String,
}

/// Target of visor's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MainLogfile {
    /// A file, absolute path.
    File(String),
    /// The syslog socket.
    Syslog,
    /// No log (`NONE`, `OFF`): an extension, the original has none.
    None,
}

/// `[visor]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Visor {
    /// Path of the control socket, absolute; `None` = the default path.
    pub socket: Option<String>,
    /// Mode of the control socket; `None` = 0700, or 0666 when anybody else may control anything.
    pub socket_mode: Option<u32>,
    /// Owner of the control socket (uid, gid).
    pub socket_owner: Owner,
    /// visor is the init of a machine: it mounts what is missing and ends with reboot(2).
    pub machine: bool,
    /// Name of the machine; `None` = what `/etc/hostname` says.
    pub hostname: Option<String>,
    /// Whom the gateway runs as when visor is root; `None` = nobody.
    pub http_user: Option<User>,
    /// Names by which browsers may call the gateway, besides addresses and localhost; lower case.
    pub allowed_hosts: Vec<String>,
    /// The gateway's binary, absolute; `None` = `visor-http` beside our own or in PATH.
    pub gateway: Option<String>,
    /// `exit_when=all-done`: visor leaves when every program has ended for good.
    pub exit_when_all_done: bool,
    /// All the time that a shutdown may take; `None` = each program's own.
    pub shutdown_timeout: Option<Duration>,
    /// Who else may control visor.
    pub access: Access,
}

/// A user and group a file is given to; `None` = unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// Numeric user.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
}

/// Severity of a line in visor's own log, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `CRIT`
    Critical,
    /// `ERRO`
    Error,
    /// `WARN`
    Warn,
    /// `INFO`
    Info,
    /// `DEBG`
    Debug,
    /// `TRAC`
    Trace,
    /// `BLAT`
    Blather,
}

impl LogLevel {
    /// Its four letters in a log line.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            LogLevel::Critical => "CRIT",
            LogLevel::Error => "ERRO",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBG",
            LogLevel::Trace => "TRAC",
            LogLevel::Blather => "BLAT",
        }
    }
}

/// One HTTP server section.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Full section name.
    pub section: String,
    /// What stands after the colon of the section's name.
    pub name: Option<String>,
    /// Where it listens.
    pub address: ServerAddress,
    /// Basic authentication.
    pub username: Option<String>,
    /// Clear text or `{SHA}` and 40 hex digits.
    pub password: Option<String>,
    /// Who may look and change nothing; there is a `username` besides.
    pub readonly_username: Option<String>,
    /// As `password`.
    pub readonly_password: Option<String>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerAddress {
    /// `[unix_http_server]`
    Unix {
        /// Absolute path.
        file: String,
        /// Mode of the socket.
        chmod: u32,
        /// Owner of the socket.
        chown: Owner,
    },
    /// `[inet_http_server]`
    Inet {
        /// Empty = all interfaces.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
}

/// `[rpcinterface:x]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcInterface {
    /// `x`
    pub name: String,
    /// `supervisor.rpcinterface_factory`
    pub factory: String,
    /// All other keys.
    pub options: Map<String, String>,
}

/// `[supervisorctl]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ctl {
    /// `http://…` or `unix://…`
    pub serverurl: String,
    /// Basic authentication.
    pub username: Option<String>,
    /// Clear text.
    pub password: Option<String>,
    /// Without the `> `.
    pub prompt: String,
    /// History of the interactive shell.
    pub history_file: Option<String>,
}

/// A group of processes that are started and stopped together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Lower starts first and stops last.
    pub priority: i64,
    /// Which kind of section made it.
    pub kind: GroupKind,
    /// In the original's order of start.
    pub processes: Vec<Arc<Process>>,
}

/// Which kind of section made a group.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupKind {
    /// `[group:x]`
    Group,
    /// `[program:x]`
    Program,
    /// `[eventlistener:x]`
    EventListener {
        /// Event types, upper case, as listed.
        events: Vec<String>,
        /// Events held for the pool, at least 1.
        buffer_size: i64,
        /// Plugin reference.
        result_handler: String,
    },
    /// `[fcgi-program:x]`
    FcgiProgram {
        /// The socket its processes share.
        socket: FcgiSocket,
    },
}

impl GroupKind {
    /// The socket that the group's processes share.
    #[must_use]
    pub fn socket(&self) -> Option<&FcgiSocket> {
        match self {
            GroupKind::FcgiProgram { socket } => Some(socket),
            GroupKind::Group | GroupKind::Program | GroupKind::EventListener { .. } => None,
        }
    }
}

/// The socket of an fcgi-program.
#[derive(Debug, Clone, PartialEq)]
pub struct FcgiSocket {
    /// `tcp://host:port` or `unix:///path`
    pub url: String,
    /// Owner of a unix socket.
    pub owner: Owner,
    /// Mode of a unix socket.
    pub mode: Option<u32>,
    /// Length of its backlog.
    pub backlog: Option<i64>,
}

/// One process: an instance of a program section inside a group, every option with its default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Its name inside the group.
    pub name: String,
    /// Full name of the section, `program:web`.
    pub section: String,
    /// The command, expanded, not split.
    pub command: String,
    /// The command's words, or why it cannot be split (the original's text).
    pub argv: Result<Vec<String>, String>,
    /// Directory of the child, as written.
    pub directory: Option<String>,
    /// Umask of the child; `None` = ours.
    pub umask: Option<u32>,
    /// Lower starts first and stops last.
    pub priority: i64,
    /// Start when visor starts.
    pub autostart: bool,
    /// Start again after an exit.
    pub autorestart: AutoRestart,
    /// Seconds it must stay up to count as started.
    pub startsecs: i64,
    /// Failed starts forgiven.
    pub startretries: i64,
    /// Exit codes that are expected.
    pub exitcodes: Vec<i64>,
    /// First signal of a stop.
    pub stopsignal: Signal,
    /// Seconds from the stop signal to KILL.
    pub stopwaitsecs: i64,
    /// The stop signal goes to the process group.
    pub stopasgroup: bool,
    /// KILL goes to the process group.
    pub killasgroup: bool,
    /// User of the child; `None` = ours.
    pub user: Option<User>,
    /// fd 2 of the child is its fd 1.
    pub redirect_stderr: bool,
    /// Where stdout goes.
    pub stdout: Channel,
    /// Where stderr goes.
    pub stderr: Channel,
    /// Absolute path of the terminal that is the process' controlling terminal and its stdin; `None` = no terminal.
    pub tty: Option<String>,
    /// What follows its end; visor's own keys.
    pub policy: Policy,
    /// When it is due; visor's own keys.
    pub schedule: Option<Arc<Schedule>>,
    /// What must hold before it starts; `None` = nothing.
    pub conditions: Option<Box<Conditions>>,
    /// How it is known to be ready and well; `None` = by `startsecs`, and not at all.
    pub checks: Option<Box<Checks>>,
    /// Commands around its life; `None` = none.
    pub hooks: Option<Box<Hooks>>,
    /// Sockets it gets from descriptor 3 on, `tcp://host:port` or `unix:///path`; visor's own key.
    pub listen: Vec<String>,
    /// What it may use and do; visor's own keys.
    pub limits: Limits,
    /// Who may operate it besides those who may operate everything; visor's own key.
    pub operate: Vec<Person>,
    /// How the lines of its logs are written; visor's own keys.
    pub log_lines: LogLines,
    /// `[supervisord] environment` with the section's own over it.
    pub environment: Map<String, String>,
    /// Value of `SUPERVISOR_SERVER_URL`; `None` = that of [`Config::server_url`].
    pub serverurl: Option<String>,
    /// What else makes its environment, read at each start; `None` = nothing.
    pub sources: Option<Box<Sources>>,
}

impl Process {
    /// Whether its start may have to wait for something else.
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.waits_for_others() || self.hooks.is_some()
    }

    /// Whether it is RUNNING by its `ready` check, not by `startsecs`.
    #[must_use]
    pub fn waits_for_ready(&self) -> bool {
        self.checks.as_ref().is_some_and(|checks| checks.ready.is_some())
    }

    /// Whether its health is asked for.
    #[must_use]
    pub fn has_health(&self) -> bool {
        self.checks.as_ref().is_some_and(|checks| checks.health.is_some())
    }
}

/// Where the environment of a process comes from besides `environment`; each is over the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// Nothing is taken over from visor's own environment.
    pub clear: bool,
    /// Whose HOME, USER, LOGNAME and SHELL it gets; under `environment`.
    pub account: Option<Account>,
    /// Files with lines `NAME=value`; from here on over `environment`.
    pub files: Vec<Source>,
    /// Directories with a file for each variable.
    pub directories: Vec<Source>,
    /// Variables whose values are the contents of files.
    pub secrets: Map<String, Source>,
}

/// A file or directory that is read when a process starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Absolute.
    pub path: String,
    /// It may be missing.
    pub optional: bool,
}

/// What the password database says of a user besides numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// When an exit is followed by a new start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoRestart {
    /// Always.
    Always,
    /// Never.
    Never,
    /// When the exit code is not one of `exitcodes`.
    Unexpected,
}

/// One output stream of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its file.
    pub logfile: Logfile,
    /// Bytes after which the file rotates; 0 or less = never.
    pub maxbytes: i64,
    /// Rotated files kept.
    pub backups: i64,
    /// Size of the capture buffer; 0 = capture mode is off.
    pub capture_maxbytes: i64,
    /// Emit PROCESS_LOG events.
    pub events_enabled: bool,
    /// Send lines to syslog as well.
    pub syslog: bool,
    /// Age and compression of the file; visor's own keys.
    pub upkeep: Upkeep,
}

/// Target of an output stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logfile {
    /// A file in `childlogdir` with a random name.
    Auto,
    /// No file.
    None,
    /// The terminal that `tty` names: nothing passes through visor.
    Terminal,
    /// A path, as written after expansion of `~`; `/dev/stdout` and the like stay as they are.
    File(String),
}

/// A user as the password database has it, looked up when the file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As the configuration names it.
    pub name: String,
    /// Numeric user.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Primary group and every group that lists the user.
    pub groups: Vec<u32>,
}

/// A signal number; realtime signals included, 0 allowed (tests for existence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub i32);

/// A remark about the configuration that stops nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// File the remark is about.
    pub file: String,
    /// Line in it, from 1; 0 = the whole file.
    pub line: usize,
    /// The sentence. Supervisor's own wording where it has one.
    pub text: String,
    /// Whether the original logs this too (then it goes into the log word for word).
    pub original: bool,
}
