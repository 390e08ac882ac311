//! From a command line to a running loop. Here, and only here, an error may end visor with a message and a code.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::signal::Signal as Number;

use super::children::Children;
use super::clients::Clients;
use super::foreground::{self, Foreground, Refusal};
use super::listeners::Doors;
use super::outputs::Outputs;
use super::{Daemon, Poll, Token, clock, machine};
use crate::cli::command::CommandArgs;
use crate::cli::{Exit, ExitCode, Personality};
use crate::config::{
    self, Account, Bares, Config, Explained, Host, LogLevel, Mistake, Overrides, Process, ReadError, User, Warning,
};
use crate::list::List as _;
use crate::logs;
use crate::machine::Machine;
use crate::sorted::Map;
use crate::supervisor::{Input, Supervisor};
use crate::sys::host::{Limit, raise_limit};
use crate::sys::poll::Interest;
use crate::sys::signals::SelfPipe;
use crate::sys::spawn::Credentials;
use crate::sys::{fds, files, process, users};

/// First descriptor that is nobody's standard one.
const FIRST_FREE_DESCRIPTOR: i32 = 3;

/// Signals the loop hears of.
const SIGNALS: [Number; 7] = [
    Number::SIGCHLD,
    Number::SIGTERM,
    Number::SIGINT,
    Number::SIGQUIT,
    Number::SIGHUP,
    Number::SIGUSR1,
    Number::SIGUSR2,
];

/// What the command line asks for.
#[derive(Debug, Default)]
pub struct Options {
    /// The configuration file; `None` = a command alone, that wants no log, socket or pid file.
    pub file: Option<String>,
    /// What the command line sets over it.
    pub overrides: Overrides,
    /// Go to the background unless something says otherwise: what `supervisord` does.
    pub daemonize: bool,
    /// The command to run in the foreground, whose end ends visor.
    pub command: Option<CommandArgs>,
    /// Be the init of a machine; without a file there is only a shell on its console.
    pub machine: bool,
    /// Programs in the place of a file.
    pub bare: Option<Bares>,
}

/// The configuration of a command alone.
const NO_FILE: &str = "[supervisord]\nlogfile=NONE\nsilent=true\nnocleanup=true\nminfds=0\nminprocs=0\n";

impl Options {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read(&self) -> Result<Config, Vec<Mistake>> {
        match &self.bare {
            Some(bares) => {
                let programs = bares.programs(&Machine)?;
                config::read_bare(&Prepared(&config::text_of(&programs)), &self.overrides, &programs)
            }
            None => self.with_file(|host, file| config::read(host, file, &self.overrides)),
        }
    }

    /// Reads the configuration for [`config::explain`].
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn explain(
        &self,
        name: &str,
        running: &dyn Fn(&str, &str) -> Option<Arc<Process>>,
    ) -> Result<Vec<Explained>, Vec<Mistake>> {
        self.with_file(|host, file| config::explain(host, file, &self.overrides, name, running))
    }

    fn with_file<T>(&self, read: impl FnOnce(&dyn Host, &str) -> T) -> T {
        match &self.file {
            Some(file) => read(&Machine, file),
            None if self.machine => read(&Prepared(machine::SINGLE), "-"),
            None => read(&Prepared(NO_FILE), "-"),
        }
    }
}

/// Runs visor until all is stopped.
#[must_use]
pub fn run(options: Options) -> std::process::ExitCode {
    fds::open_missing_standard();
    let inherited = if options.command.is_some() { fds::inheritable() } else { Vec::new() };
    fds::close_on_exec_from(FIRST_FREE_DESCRIPTOR);
    // First of all: PID 1 does not get a signal that it does not catch, and a stop may come at any time.
    let signals = match catch_signals(options.command.is_some()) {
        Ok(signals) => signals,
        Err((text, code)) => {
            tell(&text);
            return std::process::ExitCode::from(code);
        }
    };
    if let Some(Err((text, code))) = options.bare.as_ref().map(find_all) {
        tell(&text);
        return std::process::ExitCode::from(code);
    }
    let config = match options.read() {
        Ok(config) => Arc::new(config),
        Err(mistakes) => return tell_mistakes(&mistakes).into(),
    };
    let mut options = options;
    // A change of directory must not change which file a reload reads.
    options.file = options.file.map(|_| config.file.clone());
    let command = options.command.take();
    let outcome = set_up(options, config, signals, command.as_ref()).and_then(|(mut daemon, pidfile)| {
        daemon.start(command, inherited)?;
        daemon.turn_until_gone();
        daemon.say_farewell();
        daemon.end_logs();
        daemon.end_gateway();
        if matches!(daemon.foreground, Foreground::Ended(_)) || daemon.options.bare.is_some() {
            daemon.clear_out();
        }
        daemon.trees.leave();
        remove_pidfile(pidfile.as_deref());
        Ok(daemon.code())
    });
    match outcome {
        Ok(code) => std::process::ExitCode::from(code),
        Err((text, code)) => {
            if code == ExitCode::Usage.number() {
                let argv0 = std::env::args_os().next().unwrap_or_default();
                let help = format!("For help, use {} -h", argv0.display());
                let _ = writeln!(std::io::stderr(), "Error: {text}\n{help}");
            } else {
                tell(&text);
            }
            std::process::ExitCode::from(code)
        }
    }
}

/// Looks for the commands: with one missing, none is started.
fn find_all(bares: &Bares) -> Result<(), Refusal> {
    let Bares::Commands(commands) = bares else { return Ok(()) };
    for (place, word) in commands.iter().filter_map(|argv| argv.first()).enumerate() {
        let hint = if place == 0 { "" } else { " (a `--` separates commands; `\\--` stands for one that is meant)" };
        foreground::find_word(word).map_err(|(text, code)| (format!("{text}{hint}"), code))?;
    }
    Ok(())
}

/// Catches the signals the loop hears of; those for a command are more.
///
/// # Errors
/// The message and code to leave with.
pub(super) fn catch_signals(for_command: bool) -> Result<SelfPipe, Refusal> {
    let caught = if for_command { foreground::forwarded() } else { SIGNALS.map(|signal| signal as i32).to_vec() };
    crate::sys::signals::ignore_terminal_stops();
    SelfPipe::install(&caught).map_err(|error| (format!("cannot catch signals: {error}"), ExitCode::Failure.number()))
}

/// Says something on stderr, for the time when there is no log, or what it says must not be missed.
pub(super) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "visor: {text}");
}

/// The configuration file: as given, or the first that exists of the default places. Root does not take one from the
/// current directory, which may be anybody's; as `supervisord` it does, for the original does.
///
/// # Errors
/// What to print when there is none.
pub fn find_config(argv: &[OsString], given: Option<String>, personality: Personality) -> Result<String, Exit> {
    let argv0 = argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let fail = |text: String| Exit {
        code: ExitCode::Usage,
        stdout: String::new(),
        stderr: format!("Error: {text}\nFor help, use {argv0} -h\n"),
    };
    if let Some(file) = given {
        let path = Path::new(&file);
        return match files::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(fail(format!("could not find config file {file}")))
            }
            Err(_) => Err(fail(format!("could not read config file {file}"))),
            Ok(_) if path.is_dir() => Err(fail(format!("could not read config file {file}"))),
            Ok(_) => Ok(file),
        };
    }
    let careful = personality == Personality::Own && users::effective_uid() == 0;
    let mut places = config::search_paths(&argv0);
    places.retain(|place| !careful || place.starts_with('/'));
    match places.iter().find(|place| Path::new(place).is_file()) {
        Some(place) => Ok(place.clone()),
        None => Err(fail(format!(
            "No config file found at default paths ({}); use the -c option to specify a config file at a different path",
            places.join(", ")
        ))),
    }
}

/// Tells all mistakes of a configuration on stderr.
#[must_use]
pub fn tell_mistakes(mistakes: &[Mistake]) -> ExitCode {
    for mistake in mistakes {
        let _ = writeln!(std::io::stderr(), "Error: {mistake}");
    }
    ExitCode::Usage
}

/// A remark about the configuration as the log has it.
#[must_use]
pub fn warning_text(warning: &Warning) -> String {
    match (warning.original, warning.line) {
        (true, _) => warning.text.clone(),
        (false, 0) => format!("{}: {}", warning.file, warning.text),
        (false, line) => format!("{}:{line}: {}", warning.file, warning.text),
    }
}

pub(super) fn set_up(
    options: Options,
    config: Arc<Config>,
    signals: SelfPipe,
    command: Option<&CommandArgs>,
) -> Result<(Daemon, Option<PathBuf>), Refusal> {
    let failed = |text: String| (text, ExitCode::Failure.number());
    let alone = options.file.is_none() && !options.machine;
    let parent = process::parent();
    let settings = &config.daemon;
    let background = options.daemonize && command.is_none() && !settings.nodaemon && !process::is_pid1();
    let mut notes = Vec::new();
    if options.machine {
        let left_out = settings.user.iter().filter(|user| user.uid != users::effective_uid());
        notes
            .extend(left_out.map(|user| format!("`user={}` is left out: the init of a machine stays root", user.name)));
    } else {
        if config.visor.machine {
            notes.push("`[visor] machine=true` is left out: visor is not PID 1".to_owned());
        }
        become_user(&config).map_err(failed)?;
    }
    if let Some(command) = command {
        // Only now: another user's process is not told of its parent's death.
        foreground::watch_parent(command, parent)?;
    }
    raise_limits(&config, &mut notes);
    let uid = users::effective_uid();
    if let Some(user) = config.visor.http_user.as_ref().filter(|user| uid != 0 && user.uid != uid) {
        notes.push(format!("`[visor] http_user={}` is left out: visor is not root", user.name));
    }
    let mut outputs = Outputs::new();
    let mut poll = Poll::new();
    notes.extend(outputs.voice.open(settings, !background, &mut outputs.consoles));
    for warning in &config.warnings {
        outputs.log(LogLevel::Warn, &warning_text(warning), &mut poll);
    }
    let doors = if alone { Doors::default() } else { Doors::open(&config, options.machine, &mut notes)? };
    if !settings.nocleanup && is_directory(&settings.childlogdir) {
        let left = logs::auto::clean(Path::new(&settings.childlogdir), &settings.identifier);
        notes.extend(left.into_iter().map(|trouble| trouble.message));
    }
    if background {
        outputs.log(LogLevel::Info, "daemonizing the supervisord process", &mut poll);
        let directory = settings.directory.as_deref();
        match (process::daemonize(directory, settings.umask), directory) {
            (Ok(()), Some(directory)) => {
                outputs.log(LogLevel::Info, &format!("set current directory: '{directory}'"), &mut poll);
            }
            (Ok(()), None) => {}
            // Nobody is left to see an exit code: it goes on where it is.
            (Err(process::DaemonizeError::Directory(error)), directory) => {
                let text = format!("can't chdir into '{}': {error}", directory.unwrap_or_default());
                outputs.log(LogLevel::Critical, &text, &mut poll);
            }
            (Err(error @ (process::DaemonizeError::Fork(_) | process::DaemonizeError::Session(_))), _) => {
                return Err(failed(error.to_string()));
            }
        }
    }
    for note in &notes {
        outputs.log(LogLevel::Warn, note, &mut poll);
    }
    let mut daemon = assemble(options, Arc::clone(&config), outputs, poll, signals, doors);
    let pidfile = if alone { None } else { daemon.write_pidfile(&settings.pidfile) };
    if !process::is_pid1()
        && let Err(error) = process::become_subreaper()
    {
        daemon.log(LogLevel::Debug, &format!("orphans of programs will not be reaped here: {error}"));
    }
    let started = format!("supervisord started with pid {}", process::pid());
    daemon.log(LogLevel::Info, &started);
    Ok((daemon, pidfile))
}

fn assemble(
    options: Options,
    config: Arc<Config>,
    outputs: Outputs,
    mut poll: Poll,
    signals: SelfPipe,
    doors: Doors,
) -> Daemon {
    poll.set(Token::Signals, signals.fd(), Interest::READ);
    for (door, fd) in doors.descriptors() {
        poll.set(Token::Listener(door), fd, Interest::READ);
    }
    let mut decided = Vec::new();
    let supervisor = Supervisor::new(Arc::clone(&config), &mut decided);
    let mut environment: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(key, _)| key != machine::RESTARTS).list();
    if options.machine && !environment.iter().any(|(key, _)| key == "PATH") {
        environment.push(("PATH".into(), machine::PATH.into()));
    }
    Daemon {
        supervisor,
        settings: config,
        options,
        environment,
        poll,
        signals,
        doors,
        gateway: super::gateway::Gateway::default(),
        listen_again: None,
        started: clock::now(),
        children: Children::default(),
        foreground: Foreground::None,
        clients: Clients::default(),
        refusals: super::rights::Refusals::default(),
        outputs,
        pipes_first: false,
        checks: super::checks::Checks::default(),
        sockets: super::sockets::Sockets::default(),
        trees: super::trees::Trees::default(),
        wall_clock: super::wall_clock::WallClock::default(),
        hooks: super::hooks::Hooks::default(),
        more_dead: false,
        actions: VecDeque::from(decided),
        decided: Vec::new(),
        chunk: Vec::new(),
        leaving: false,
        machine: None,
        #[cfg(feature = "fault-injection")]
        panic_at: None,
    }
}

/// `[supervisord] user`: fails closed.
fn become_user(config: &Config) -> Result<(), String> {
    let Some(user) = &config.daemon.user else { return Ok(()) };
    let to = Credentials { uid: user.uid, gid: user.gid, groups: user.groups.clone() };
    if !to.differ_from_ours() {
        return Ok(());
    }
    if users::effective_uid() != 0 {
        return Err(format!("cannot become user `{}`: Can't drop privilege as nonroot user", user.name));
    }
    process::set_user(&to).map_err(|error| format!("cannot become user `{}`: {error}", user.name))
}

/// Wanted limits that cannot be had are a warning: nothing is needed to run.
fn raise_limits(config: &Config, notes: &mut Vec<String>) {
    let wanted =
        [(Limit::OpenFiles, config.daemon.minfds, "minfds"), (Limit::Processes, config.daemon.minprocs, "minprocs")];
    for (limit, wanted, key) in wanted {
        if let Err(error) = raise_limit(limit, u64::try_from(wanted).unwrap_or(0)) {
            notes.push(format!(
                "cannot raise the limit to `{key}={wanted}`, it stays at {}: {}",
                error.hard, error.cause
            ));
        }
    }
}

fn is_directory(path: &str) -> bool {
    Path::new(path).is_dir()
}

pub(super) fn remove_pidfile(path: Option<&Path>) {
    let Some(path) = path else { return };
    let ours = std::fs::read_to_string(path).is_ok_and(|text| text.trim() == process::pid().to_string());
    if ours {
        let _ = std::fs::remove_file(path);
    }
}

/// A configuration that is no file.
struct Prepared<'a>(&'a str);

impl Host for Prepared<'_> {
    fn read(&self, _path: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn glob(&self, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn is_directory(&self, path: &str) -> bool {
        Machine.is_directory(path)
    }

    fn user_by_name(&self, _name: &str) -> Option<User> {
        None
    }

    fn user_by_id(&self, _uid: u32) -> Option<User> {
        None
    }

    fn account(&self, _uid: Option<u32>) -> Option<Account> {
        None
    }

    fn group_by_name(&self, _name: &str) -> Option<u32> {
        None
    }

    fn environment(&self) -> Map<String, String> {
        Map::new()
    }

    fn address_of(&self, _host: &str) -> Option<IpAddr> {
        None
    }

    fn node_name(&self) -> String {
        String::new()
    }

    fn current_directory(&self) -> String {
        Machine.current_directory()
    }

    fn temporary_directory(&self) -> String {
        "/".to_owned()
    }

    fn home(&self, _user: Option<&str>) -> Option<String> {
        None
    }
}

impl Daemon {
    /// Starts what is to start: the programs, and the command after them.
    pub(super) fn start(&mut self, command: Option<CommandArgs>, inherited: Vec<RawFd>) -> Result<(), Refusal> {
        let command = command.map(|args| foreground::find(&args).map(|path| (args, path))).transpose()?;
        let now = clock::now();
        self.carry_out(now);
        // Children of who was this process before it became visor may have ended before their signals were heard.
        self.reap(now);
        self.input(Input::Boot, now);
        self.carry_out(now);
        if let Some((args, path)) = command {
            self.start_foreground(args, path, inherited, now);
        }
        Ok(())
    }

    /// The code to leave with.
    fn code(&self) -> u8 {
        match self.foreground {
            Foreground::Ended(code) => code,
            Foreground::None | Foreground::Running { .. } => self.supervisor.exit_code(),
        }
    }

    fn write_pidfile(&mut self, path: &str) -> Option<PathBuf> {
        match std::fs::write(path, format!("{}\n", process::pid())) {
            Ok(()) => Some(PathBuf::from(path)),
            Err(error) => {
                self.log(LogLevel::Warn, &format!("could not write pidfile {path}: {error}"));
                None
            }
        }
    }
}
