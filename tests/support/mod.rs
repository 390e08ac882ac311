//! What every black-box test stands on: a visor of its own in a directory of its own.
//!
//! Owns: starting the real binaries, talking to them, waiting for what they do, cleaning up after them.
//! Nothing here sleeps: every wait is on an event (a log line, a state change, an exit) and ends in a
//! panic that tells what was waited for.
#![allow(dead_code, unused_imports)] // each test crate uses its own part

mod connection;
mod foreground;

pub use connection::{Connection, Reply};
pub use foreground::{Foreground, TIMEOUT, descendants, run, run_within};

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

/// The line after which visor serves: its sockets are bound and its signals handled.
const STARTED: &str = "supervisord started with pid";
/// What the environment of a daemon under test holds before the test's own additions.
const CLEAN_ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8"), ("TZ", "UTC")];

/// Between two looks at what tells nobody that it changed.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Path of the `visor` under test; `VISOR_BIN`, when the tests are built, names another one (`make test-static`).
pub const VISOR: &str = match option_env!("VISOR_BIN") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_visor"),
};
/// Path of the `svc` under test; `SVC_BIN` likewise.
pub const SVC: &str = match option_env!("SVC_BIN") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_svc"),
};

/// Replaces `$DIR` in a configuration, so that it can be written before its directory is known.
pub fn in_directory(text: &str, directory: &Path) -> String {
    text.replace("$DIR", &directory.to_string_lossy())
}

/// A command with nothing of the tester's environment.
pub fn clean_command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(CLEAN_ENVIRONMENT).stdin(Stdio::null());
    command
}

/// Says what a test leaves out and why, past the harness, which shows nothing of a test that passes.
pub fn left_out(what: &str) {
    let _ = writeln!(std::io::stderr(), "left out: {what}");
}

/// Copies a program. By another process: a copy of ours, open for writing, would be inherited for a moment by whatever
/// another thread starts just then, and a file open for writing cannot be executed.
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "{} is copied", from.display());
}

/// Whether this machine lets us be PID 1 of a new namespace; if not, says on stderr what is left out.
pub fn can_be_pid1(left_out: &str) -> bool {
    let output = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "--kill-child", "true"]).output();
    let reason = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    self::left_out(&format!("{left_out}: no PID namespace: {reason}"));
    false
}

/// Whether this machine lets us mount in a namespace of our own; if not, says on stderr what is left out.
pub fn can_mount(left_out: &str) -> bool {
    let output = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    let reason = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    self::left_out(&format!("{left_out}: no mount namespace: {reason}"));
    false
}

/// Looks again and again, with a short pause, until `look` finds something; a panic after [`TIMEOUT`]. For what nobody
/// tells us of: files and the kernel's tables.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{what} within {TIMEOUT:?}");
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// How to start a visor. Made by [`Daemon::builder`].
#[derive(Debug, Default)]
pub struct Builder {
    supervisord: String,
    visor: String,
    conf: String,
    whole: Option<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    name: Option<String>,
    pid1: bool,
    uid: Option<u32>,
    prefix: Vec<String>,
    given: Vec<(String, u32, String)>,
}

impl Builder {
    /// Sections after `[supervisord]` and `[visor]`, which the builder writes. `$DIR` is the test's directory.
    pub fn conf(mut self, text: &str) -> Self {
        self.conf.push_str(text);
        self.conf.push('\n');
        self
    }

    /// More lines for `[supervisord]`; later ones win over the builder's.
    pub fn supervisord(mut self, lines: &str) -> Self {
        self.supervisord.push_str(lines);
        self.supervisord.push('\n');
        self
    }

    /// More lines for `[visor]`.
    pub fn visor(mut self, lines: &str) -> Self {
        self.visor.push_str(lines);
        self.visor.push('\n');
        self
    }

    /// The whole file, to which nothing is added. `$DIR` is replaced.
    pub fn whole_conf(mut self, text: &str) -> Self {
        self.whole = Some(text.to_owned());
        self
    }

    /// An argument after `-c FILE`.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A variable of visor's environment, which else holds `PATH`, `LANG` and `TZ` only.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Runs under this name, through a symbolic link (`supervisord`).
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Runs as PID 1 of a new namespace. Ask [`can_be_pid1`] first.
    pub fn pid1(mut self) -> Self {
        self.pid1 = true;
        self
    }

    /// Runs as this user, in a directory that this user owns.
    pub fn uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Words before the command that starts visor, to give it surroundings; they must exec it. `$DIR` is replaced.
    pub fn prefix(mut self, words: &[&str]) -> Self {
        self.prefix.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// A shell command line whose effects visor is started under, for instance `exec >&-`. `$DIR` is replaced.
    pub fn under(self, shell: &str) -> Self {
        self.prefix(&["sh", "-ec", &format!("{shell}\nexec \"$@\""), "sh"])
    }

    /// The same in a mount namespace of its own. Ask [`can_mount`] first.
    pub fn under_mounts(self, shell: &str) -> Self {
        self.prefix(&["unshare", "--mount"]).under(shell)
    }

    /// A file that is in the directory before visor starts.
    pub fn given(mut self, name: &str, mode: u32, content: &str) -> Self {
        self.given.push((name.to_owned(), mode, content.to_owned()));
        self
    }

    /// Starts visor and waits until it serves.
    pub fn start(self) -> Daemon {
        let daemon = self.spawn();
        daemon.process.wait_for_log(STARTED);
        daemon
    }

    /// Starts visor and waits for nothing: for starts that fail.
    pub fn spawn(self) -> Daemon {
        let directory = tempfile::Builder::new().prefix("visor-").tempdir().expect("a temporary directory");
        let place = directory.path();
        let text = match &self.whole {
            Some(text) => in_directory(text, place),
            None => self.standard_conf(place),
        };
        std::fs::write(place.join("visor.conf"), text).expect("the configuration is written");
        for (name, mode, content) in &self.given {
            let path = place.join(name);
            std::fs::write(&path, in_directory(content, place)).expect("a given file");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).expect("its mode");
        }
        let process = Foreground::start(self.command(place), self.pid1);
        Daemon { process, directory }
    }

    fn standard_conf(&self, place: &Path) -> String {
        let head = "[supervisord]\nnodaemon=true\nlogfile=$DIR/visor.log\npidfile=$DIR/visor.pid\n\
                    childlogdir=$DIR\nloglevel=debug\n";
        let text =
            format!("{head}{}\n[visor]\nsocket=$DIR/visor.sock\n{}\n{}", self.supervisord, self.visor, self.conf);
        in_directory(&text, place)
    }

    fn command(&self, place: &Path) -> Command {
        let program = self.program(place);
        let namespace = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
        let mut words: Vec<String> = self.prefix.iter().map(|word| in_directory(word, place)).collect();
        words.extend(namespace.iter().filter(|_| self.pid1).map(|&word| word.to_owned()));
        words.push(program.to_string_lossy().into_owned());
        let mut command = clean_command(&words[0]);
        command.args(&words[1..]);
        command.arg("-c").arg(place.join("visor.conf")).args(&self.arguments).current_dir(place);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        if let Some(uid) = self.uid {
            use std::os::unix::process::CommandExt;
            command.uid(uid).gid(uid);
        }
        command
    }

    /// The binary to run: itself, a link of another name to it, or a copy that another user can reach.
    fn program(&self, place: &Path) -> PathBuf {
        let name = self.name.as_deref().unwrap_or("visor");
        if let Some(uid) = self.uid {
            let copy = place.join(name);
            copy_program(VISOR.as_ref(), &copy);
            std::fs::set_permissions(place, PermissionsExt::from_mode(0o755)).expect("a readable directory");
            std::os::unix::fs::chown(place, Some(uid), Some(uid)).expect("a directory of that user");
            return copy;
        }
        if self.name.is_none() {
            return PathBuf::from(VISOR);
        }
        let link = place.join(name);
        symlink(VISOR, &link).expect("a link to visor");
        link
    }
}

/// A running visor, killed with all its children when dropped; its log is printed when the test fails.
#[derive(Debug)]
pub struct Daemon {
    process: Foreground,
    directory: tempfile::TempDir,
}

impl Daemon {
    /// How to start one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts one with these sections and waits until it serves.
    pub fn with(conf: &str) -> Daemon {
        Self::builder().conf(conf).start()
    }

    /// The test's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file in the test's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// What a file in the test's directory holds; a panic when it is not there.
    pub fn read(&self, name: &str) -> String {
        let path = self.file(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} is readable: {error}", path.display()))
    }

    /// Replaces the configuration's sections, in the builder's standard frame.
    pub fn rewrite_conf(&self, conf: &str) {
        let text = Self::builder().conf(conf).standard_conf(self.path());
        std::fs::write(self.file("visor.conf"), text).expect("the configuration is written");
    }

    /// The process: its log, its exit, its pid.
    pub fn process(&self) -> &Foreground {
        &self.process
    }

    /// visor's pid, as seen from outside of its namespace.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Path of the control socket.
    pub fn socket(&self) -> PathBuf {
        self.file("visor.sock")
    }

    /// Runs `svc -s SOCKET ARGS`.
    pub fn svc(&self, arguments: &[&str]) -> Output {
        let mut command = clean_command(SVC);
        command.arg("-s").arg(self.socket()).args(arguments);
        run(command)
    }

    /// The screen of `svc ARGS`, which must succeed.
    pub fn svc_ok(&self, arguments: &[&str]) -> String {
        let output = self.svc(arguments);
        let (screen, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`svc {arguments:?}` succeeds: {}\n{screen}{errors}", output.status);
        screen.into_owned()
    }

    /// Waits until its socket answers, for a daemon whose log is not to be seen on its stdout.
    pub fn wait_until_it_answers(&self) {
        eventually("the control socket answers", || std::os::unix::net::UnixStream::connect(self.socket()).ok());
    }

    /// One request over a connection of its own.
    pub fn request(&self, line: &str) -> Reply {
        self.connect().request(line)
    }

    /// One request over a connection of its own, which must end well.
    pub fn request_ok(&self, line: &str) -> Reply {
        let reply = self.request(line);
        assert!(reply.is_ok(), "`{line}` ends well: {reply:?}");
        reply
    }

    /// The state of process `name`, as its word.
    pub fn state_of(&self, name: &str) -> String {
        let reply = self.request_ok(&format!("status {name}"));
        let state = reply.data.first().and_then(|line| line.get("state")).cloned();
        state.unwrap_or_else(|| panic!("`{name}` has a state: {reply:?}"))
    }

    /// Waits until a file in the test's directory holds what `is_there` wants; its content.
    pub fn wait_for_file(&self, name: &str, is_there: impl Fn(&str) -> bool) -> String {
        let path = self.file(name);
        eventually(&format!("{name} holds what is waited for"), || {
            let text = String::from_utf8_lossy(&std::fs::read(&path).ok()?).into_owned();
            is_there(&text).then_some(text)
        })
    }

    /// A connection to the control socket.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.socket())
    }

    /// Waits until process `name` (as people write it) is in `state`.
    pub fn wait_for_state(&self, name: &str, state: &str) {
        connection::wait_for_state(&self.socket(), name, state);
    }

    /// Waits until a line of the log holds `phrase`; that line.
    pub fn wait_for_log(&self, phrase: &str) -> String {
        self.process.wait_for_log(phrase)
    }

    /// Sends visor a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until visor has exited.
    pub fn wait_exit(&self, timeout: Duration) -> ExitStatus {
        self.process.wait_exit(timeout)
    }

    /// The pid of process `name`, 0 when it has none.
    pub fn pid_of(&self, name: &str) -> i32 {
        let reply = self.connect().request(&format!("pid {name}"));
        let pid = reply.data.first().and_then(|line| line.get("pid"));
        pid.and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("`pid {name}` answers a pid: {reply:?}"))
    }
}
