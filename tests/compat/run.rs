//! Runs a scene on one side, the original or visor, and tells what was seen.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::case::{Act, Case, Client, Door, PASSWORD, Scene, Step, USERNAME};
use super::dialog::{Dialog, free_port};
use super::forks;
use super::normal::{Places, is_about};
use super::original;
use super::support::{
    Connection, Foreground, SVC, TIMEOUT, VISOR, clean_command, descendants, in_directory, run, run_within,
};

/// How long a program that does many things may take.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(240);

/// What was seen, by subject.
pub type Seen = BTreeMap<String, Vec<String>>;

/// The original's listener: says every event on its stderr, from where it comes into the main log at debug level.
const LISTENER: &str = r#"
import sys
while True:
    sys.stdout.write('READY\n'); sys.stdout.flush()
    head = dict(word.split(':') for word in sys.stdin.readline().split())
    body = sys.stdin.read(int(head['len']))
    sys.stderr.write('EVENT %s %s\n' % (head['eventname'], body)); sys.stderr.flush()
    sys.stdout.write('RESULT 2\nOK'); sys.stdout.flush()
"#;
/// Says something to the original's listeners: socket, type, data.
const SAY: &str = "
import sys, xmlrpc.client
from supervisor.xmlrpc import SupervisorTransport
transport = SupervisorTransport(None, None, 'unix://' + sys.argv[1])
server = xmlrpc.client.ServerProxy('http://127.0.0.1', transport)
server.supervisor.sendRemoteCommEvent(sys.argv[2], sys.argv[3])
";
/// Sections of the original's configuration only.
const LISTENER_CONF: &str = "[eventlistener:zz_listener]\ncommand=$PYTHON $DIR/listener.py\nevents=PROCESS_STATE\n\
                             buffer_size=1000\nstartsecs=0\n";
/// Started last in a scene that watches states: its event tells that all before have come.
const LAST: &str = "zz_last";
const LAST_CONF: &str = "[program:zz_last]\ncommand=sleep 1000\nautostart=false\nstartsecs=0\n";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The program from the package index.
    Original,
    /// Ours, under the original's names.
    Visor,
}

impl Side {
    /// The directory with this side's `supervisord` and `supervisorctl`.
    pub fn programs(self, place: &Path) -> PathBuf {
        match self {
            Side::Original => original::programs().expect("asked for before").to_owned(),
            Side::Visor => {
                let programs = place.join("visor/bin");
                std::fs::create_dir_all(&programs).expect("a directory");
                symlink(VISOR, programs.join("supervisord")).expect("a link");
                symlink(SVC, programs.join("supervisorctl")).expect("a link");
                programs
            }
        }
    }
}

/// A running daemon of either side.
struct Bench {
    side: Side,
    directory: tempfile::TempDir,
    programs: PathBuf,
    client: Client,
    port: u16,
    daemon: Foreground,
}

impl Bench {
    fn start(side: Side, scene: &Scene) -> Bench {
        let directory = tempfile::Builder::new().prefix("compat-").tempdir().expect("a temporary directory");
        let place = directory.path();
        let programs = side.programs(place);
        for (name, mode, content) in scene.cases.iter().flat_map(|case| &case.given) {
            let path = place.join(name);
            std::fs::write(&path, in_directory(content, place)).expect("a given file");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).expect("its mode");
        }
        std::fs::write(place.join("listener.py"), LISTENER).expect("the listener");
        let sections: String = scene.cases.iter().map(|case| case.conf.as_str()).collect();
        let port = free_port();
        write_conf(side, scene, place, port, &sections);
        let mut command = clean_command(programs.join("supervisord"));
        command.arg("-c").arg(place.join("supervisord.conf")).current_dir(place);
        let daemon = Foreground::start(command, false);
        daemon.wait_for_log("supervisord started with pid");
        Bench { side, directory, programs, client: scene.client, port, daemon }
    }

    fn places(&self) -> Places<'_> {
        Places { directory: self.directory.path(), programs: &self.programs }
    }

    /// The control program with its words; none for none.
    fn ctl_command(&self, arguments: &str) -> Command {
        let programs = match self.client {
            Client::Own => &*self.programs,
            Client::Original(_) => original::programs().expect("asked for before"),
        };
        let mut command = clean_command(programs.join("supervisorctl"));
        command.arg("-c").arg(self.directory.path().join("supervisord.conf"));
        command.args(arguments.split(' ').filter(|word| !word.is_empty()).map(|word| self.fill(word)));
        command
    }

    fn ctl(&self, arguments: &str) -> Vec<String> {
        let command = self.ctl_command(arguments);
        match self.client {
            Client::Own => screen(&self.places(), command),
            Client::Original(_) => {
                let run = forks::run(&command);
                self.without_port(lines(&self.places(), &run.output, &run.errors, Some(run.code)))
            }
        }
    }

    /// What stands for something of this run.
    fn fill(&self, text: &str) -> String {
        let theirs = original::programs().expect("asked for before");
        let python = theirs.join("python3");
        let text = in_directory(text, self.directory.path()).replace("$PORT", &self.port.to_string());
        let text = text.replace("$PYTHON", &python.to_string_lossy()).replace("$BIN", &self.programs.to_string_lossy());
        let text = text.replace("$VENV", &theirs.to_string_lossy());
        text.replace("$TOOLS", &original::tools().to_string_lossy())
    }

    /// The port, and the place of the client, which is no side's program.
    fn without_port(&self, lines: Vec<String>) -> Vec<String> {
        let port = self.port.to_string();
        let venv = original::programs().and_then(Path::parent).unwrap_or(Path::new("/")).to_string_lossy();
        let tidy = |line: &str| line.replace(&port, "$PORT").replace(&*venv, "$VENV").replace("$ABOVE", "$VENV");
        lines.iter().map(|line| without_chance(&tidy(line))).collect()
    }

    /// What a program tells.
    fn program(&self, words: &[&str]) -> Vec<String> {
        let mut words = words.iter().map(|word| self.fill(word));
        let mut command = clean_command(words.next().unwrap_or_default());
        command.args(words).env("HOME", self.directory.path()).current_dir(self.directory.path());
        self.without_port(screen_within(&self.places(), command, PROGRAM_TIMEOUT))
    }

    fn dialog(&self, arguments: &str, seat: super::case::Seat, acts: &[Act]) -> Vec<String> {
        let mut dialog = Dialog::start(self.ctl_command(arguments), seat);
        for act in acts {
            match act {
                Act::See(phrase) => dialog.see(&self.fill(phrase)),
                Act::Type(text) => dialog.write(&self.fill(text)),
                Act::Interrupt => dialog.interrupt(),
                Act::Hangup => dialog.hang_up(),
                Act::Ctl(arguments) => drop(self.ctl(arguments)),
                Act::Kill => dialog.kill(),
            }
        }
        let (screen, exit) = dialog.end();
        let mut lines = self.places().screen(&screen);
        lines.push(format!("exit code: {exit:?}"));
        self.without_port(lines)
    }

    fn step(&self, scene: &Scene, step: &Step) -> Vec<String> {
        match step {
            Step::Ctl(arguments) => self.ctl(arguments),
            Step::CtlHead(arguments) => {
                let lines = self.ctl(arguments);
                lines.first().into_iter().chain(lines.last()).cloned().collect()
            }
            Step::CtlSorted(arguments) => {
                let mut lines = self.ctl(arguments);
                lines.sort();
                lines
            }
            Step::Background(_) => Vec::new(),
            Step::Until(phrase, count) => {
                self.daemon.wait_for_log_count(&in_directory(phrase, self.directory.path()), *count);
                Vec::new()
            }
            Step::Kill(process, signal) => {
                kill(Pid::from_raw(self.pid_of(process)), *signal).expect("the process can be signalled");
                Vec::new()
            }
            Step::SignalDaemon(signal) => {
                self.daemon.signal(*signal);
                Vec::new()
            }
            Step::Alive(pid_file) => {
                let text = std::fs::read_to_string(self.directory.path().join(pid_file)).expect("a pid file");
                let pid: i32 = text.trim().parse().expect("a pid");
                vec![format!("alive: {}", is_alive(pid))]
            }
            Step::Rewrite(sections) => {
                write_conf(self.side, scene, self.directory.path(), self.port, sections);
                Vec::new()
            }
            Step::Rename(from, to) => {
                let place = self.directory.path();
                std::fs::rename(place.join(from), place.join(to)).expect("a file to rename");
                Vec::new()
            }
            Step::File(name) => self.file(name),
            Step::Say(kind, data) => {
                self.say(kind, data);
                Vec::new()
            }
            Step::Dialog(arguments, seat, acts) => self.dialog(arguments, *seat, acts),
            Step::Program(words) => self.program(words),
            Step::End => vec![self.daemon.wait_exit(TIMEOUT).to_string()],
        }
    }

    /// What a client says to all listeners. Its own control program does not offer that on the original's side.
    fn say(&self, kind: &str, data: &str) {
        let place = self.directory.path();
        let mut command = match self.side {
            Side::Original => clean_command(self.programs.join("python3")),
            Side::Visor => clean_command(SVC),
        };
        match self.side {
            Side::Original => command.args(["-c", SAY]).arg(place.join("ctl.sock")).args([kind, data]),
            Side::Visor => command.arg("-s").arg(place.join("visor.sock")).args(["event", kind, data]),
        };
        let output = run(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What a file holds, line by line and escaped, or why it cannot be read.
    fn file(&self, name: &str) -> Vec<String> {
        match std::fs::read(self.directory.path().join(name)) {
            Ok(bytes) => {
                let text = self.places().text(&String::from_utf8_lossy(&bytes));
                text.split_inclusive('\n').map(|line| format!("{line:?}")).collect()
            }
            Err(error) => vec![format!("{}", error.kind())],
        }
    }

    /// The pid of the last start.
    fn pid_of(&self, process: &str) -> i32 {
        let phrase = format!("spawned: '{process}' with pid ");
        self.daemon.wait_for_log(&phrase);
        let log = self.daemon.log();
        let last = log.iter().rev().find_map(|line| line.split_once(&phrase));
        last.and_then(|(_, pid)| pid.parse().ok()).unwrap_or_else(|| panic!("`{process}` was spawned"))
    }

    fn play(&self, scene: &Scene, case: &Case) -> Seen {
        let mut seen = Seen::new();
        thread::scope(|scope| {
            let mut background = Vec::new();
            for (at, step) in case.steps.iter().enumerate() {
                let at = at + 1;
                let lines = self.step(scene, step);
                let subject = match step {
                    Step::Ctl(arguments) | Step::CtlHead(arguments) | Step::CtlSorted(arguments) => {
                        format!("step {at}: ctl {arguments}")
                    }
                    Step::Dialog(arguments, seat, _) => format!("step {at}: {seat:?} {arguments}"),
                    Step::Program(..) => {
                        lines.iter().for_each(|line| {
                            let (subject, came) = line.split_once(" => ").unwrap_or(("what else was written", line));
                            seen.entry(subject.to_owned()).or_default().push(came.to_owned());
                        });
                        continue;
                    }
                    Step::End => format!("step {at}: end"),
                    Step::Alive(name) | Step::File(name) => format!("step {at}: file {name}"),
                    Step::Background(arguments) => {
                        let subject = format!("step {at}: ctl {arguments}");
                        background.push((subject, scope.spawn(|| self.ctl(arguments))));
                        continue;
                    }
                    Step::Until(..) | Step::Kill(..) | Step::SignalDaemon(..) => continue,
                    Step::Rewrite(..) | Step::Rename(..) | Step::Say(..) => continue,
                };
                seen.insert(subject, lines);
            }
            for (subject, player) in background {
                seen.insert(subject, player.join().unwrap_or_else(|panic| vec![message(panic)]));
            }
        });
        seen
    }

    /// What the log says about the processes of a case.
    fn logs(&self, case: &Case) -> Seen {
        let mut seen = Seen::new();
        for process in &case.processes {
            let mut lines = self.log_about(|message| is_about(message, process));
            lines.retain(|line| !case.except.iter().any(|(phrase, _)| line.contains(phrase)));
            lines.retain(|line| case.slow_stop || !line.contains(" to stop"));
            seen.insert(format!("log of {process}"), lines);
        }
        seen
    }

    /// Waits until everything that was logged is read: the last line of a reopening comes after it.
    fn catch_up(&self) {
        const REOPENED: &str = "supervisord logreopen";
        let before = self.daemon.log().iter().filter(|line| line.contains(REOPENED)).count();
        self.daemon.signal(Signal::SIGUSR2);
        self.daemon.wait_for_log_count(REOPENED, before + 1);
    }

    /// The log without its times, without repetitions of a line, and without what belongs to the machinery of either side.
    fn log_about(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let places = self.places();
        let mut lines: Vec<String> = self.daemon.log().iter().filter_map(|line| places.log_line(line)).collect();
        // How output is cut into pieces and when its end is seen is not compared, nor what names many processes.
        let machinery = |line: &str| {
            line.starts_with("DEBG fd ")
                || line.ends_with(" output:")
                || line.contains("zz_l")
                || line.contains(" to die")
        };
        lines.retain(|line| !machinery(line) && wanted(line));
        lines.dedup();
        lines
    }

    /// The states of each process, in order, once `LAST` came.
    fn states(&self, watch: Option<thread::JoinHandle<Vec<(String, String)>>>) -> Seen {
        self.ctl(&format!("start {LAST}"));
        let pairs = match watch {
            Some(watch) => watch.join().unwrap_or_default(),
            None => {
                self.daemon.wait_for_log(&format!("EVENT PROCESS_STATE_RUNNING processname:{LAST}"));
                self.daemon.log().iter().filter_map(|line| listener_event(line)).collect()
            }
        };
        let mut seen = Seen::new();
        for (process, state) in pairs {
            seen.entry(format!("states of {process}")).or_default().push(state);
        }
        seen
    }

    /// Follows visor's events up to `LAST`, from before anything was started.
    fn watch(&self) -> Option<thread::JoinHandle<Vec<(String, String)>>> {
        if self.side == Side::Original {
            return None;
        }
        let mut watch = Connection::open(&self.directory.path().join("visor.sock"));
        watch.send("watch");
        // Its reply has no first line to wait for; one request later on another connection it is in place.
        let hello = Connection::open(&self.directory.path().join("visor.sock")).request("hello");
        assert!(hello.is_ok(), "{hello:?}");
        Some(thread::spawn(move || {
            let mut pairs = Vec::new();
            while let Some(event) = watch.event() {
                let state = event.get("event").and_then(|event| event.strip_prefix("PROCESS_STATE_"));
                let (Some(name), Some(state)) = (event.get("name"), state) else { continue };
                let process = name.split_once(':').map_or(name.as_str(), |(_, process)| process);
                if process == LAST && state == "RUNNING" {
                    break;
                }
                let from = event.get("from").map_or("", String::as_str);
                pairs.push((process.to_owned(), format!("{from} -> {state}")));
            }
            pairs
        }))
    }
}

/// `EVENT PROCESS_STATE_RUNNING processname:a groupname:a from_state:STARTING pid:1` → (a, STARTING -> RUNNING).
fn listener_event(line: &str) -> Option<(String, String)> {
    let (state, rest) = line.split_once("EVENT PROCESS_STATE_")?.1.split_once(' ')?;
    let value = |key: &str| rest.split(' ').find_map(|word| word.strip_prefix(key));
    let name = value("processname:")?;
    (name != LAST && name != "zz_listener")
        .then(|| (name.to_owned(), format!("{} -> {state}", value("from_state:").unwrap_or(""))))
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn write_conf(side: Side, scene: &Scene, place: &Path, port: u16, sections: &str) {
    let head = "[supervisord]\nnodaemon=true\nlogfile=$DIR/main.log\npidfile=$DIR/main.pid\nchildlogdir=$DIR\n\
                loglevel=debug\n";
    let control = "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=\
                   supervisor.rpcinterface:make_main_rpcinterface\n[visor]\nsocket=$DIR/visor.sock\n";
    let servers = servers(scene.client, port);
    let mut text = format!("{head}{}\n{control}{sections}\n{servers}", scene.supervisord);
    if scene.watch_states {
        text += LAST_CONF;
        if side == Side::Original {
            text += LISTENER_CONF;
        }
    }
    let theirs = original::programs().expect("asked for before");
    let text = in_directory(&text, place).replace("$VENV", &theirs.to_string_lossy());
    let text = text.replace("$PYTHON", &theirs.join("python3").to_string_lossy());
    std::fs::write(place.join("supervisord.conf"), text).expect("the configuration is written");
}

/// Without what the original's control program says of itself: the place in Python's own code, and where Ctrl-C met it.
fn without_chance(line: &str) -> String {
    if let Some((error, _)) = line.split_once(": file: ").filter(|_| line.starts_with("error: <class")) {
        return format!("{error}: file: …");
    }
    let met = line.strip_suffix(" Cannot connect, error: <class 'KeyboardInterrupt'> ()");
    let before = met.and_then(|met| met.find("http://").or(met.find("unix://")).and_then(|at| met.get(..at)));
    before.unwrap_or(line).to_owned()
}

/// The servers, and where the control program finds one.
fn servers(client: Client, port: u16) -> String {
    let login = format!("username={USERNAME}\npassword={PASSWORD}\n");
    let (unix, inet) = (Door::Unix, Door::Inet);
    match client {
        Client::Own => servers(Client::Original(unix), port),
        Client::Original(door) if door == inet => format!(
            "[inet_http_server]\nport=127.0.0.1:{port}\n{login}[supervisorctl]\nserverurl=http://127.0.0.1:{port}\n{login}"
        ),
        Client::Original(door) => {
            let login = if door == unix { "" } else { &login };
            format!(
                "[unix_http_server]\nfile=$DIR/ctl.sock\n{login}[supervisorctl]\nserverurl=unix://$DIR/ctl.sock\n{login}"
            )
        }
    }
}

/// What a command wrote and its exit code.
pub fn screen(places: &Places<'_>, command: Command) -> Vec<String> {
    screen_within(places, command, TIMEOUT)
}

fn screen_within(places: &Places<'_>, command: Command, timeout: Duration) -> Vec<String> {
    let output = run_within(command, timeout);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    lines(places, &text(&output.stdout), &text(&output.stderr), output.status.code().map(i64::from))
}

fn lines(places: &Places<'_>, output: &str, errors: &str, code: Option<i64>) -> Vec<String> {
    let mut lines = places.screen(output);
    lines.extend(places.screen(errors).into_iter().map(|line| format!("stderr: {line}")));
    lines.push(format!("exit code: {code:?}"));
    lines
}

/// What one side showed: per case what was seen, or why it broke off; the last entry is the scene's own.
pub fn one_side(side: Side, scene: &Scene) -> (Vec<Result<Seen, String>>, String) {
    let bench = Bench::start(side, scene);
    let watch = if scene.watch_states { bench.watch() } else { None };
    let mut seen: Vec<Result<Seen, String>> = thread::scope(|scope| {
        let players: Vec<_> = scene.cases.iter().map(|case| scope.spawn(|| bench.play(scene, case))).collect();
        players.into_iter().map(|player| player.join().map_err(message)).collect()
    });
    if scene.watch_states {
        let states = bench.states(watch);
        for (case, seen) in scene.cases.iter().zip(&mut seen) {
            let Ok(seen) = seen else { continue };
            for process in &case.processes {
                let subject = format!("states of {process}");
                let lines = states.get(&subject).cloned().unwrap_or_default();
                seen.insert(subject, lines);
            }
        }
    }
    if scene.stop.is_none() && bench.daemon.is_running() {
        bench.catch_up();
    }
    if let Some(signal) = scene.stop {
        let mut ended = thread::scope(|scope| scope.spawn(|| bench.stop(signal)).join().map_err(message));
        let excepted =
            |line: &String| scene.cases.iter().flat_map(|case| &case.except).any(|(phrase, _)| line.contains(phrase));
        if let Some(lines) = ended.as_mut().ok().and_then(|seen| seen.get_mut("whole log")) {
            lines.retain(|line| !excepted(line));
        }
        seen.push(ended);
    }
    for (case, seen) in scene.cases.iter().zip(&mut seen) {
        let Ok(seen) = seen else { continue };
        seen.extend(bench.logs(case));
        if case.repeats {
            seen.values_mut().for_each(first_of_each);
        }
    }
    let log = bench.daemon.log().join("\n") + "\n" + &bench.daemon.errors();
    (seen, log)
}

impl Bench {
    fn stop(&self, signal: Signal) -> Seen {
        let place = self.directory.path();
        let pid_is_ours = |text: String| text == format!("{}\n", self.daemon.pid());
        let pid_file = std::fs::read_to_string(place.join("main.pid")).map(pid_is_ours);
        let children = descendants(self.daemon.pid());
        self.daemon.signal(signal);
        let exit = self.daemon.wait_exit(TIMEOUT);
        let left: Vec<_> = children.into_iter().filter(|pid| is_alive(*pid)).collect();
        let log = self.daemon.log();
        let places = self.places();
        let lines = log.iter().filter_map(|line| places.log_line(line));
        let lines = lines.filter(|line| !line.starts_with("DEBG fd ") && !line.ends_with(" output:"));
        let on_disk = std::fs::read_to_string(place.join("main.log")).unwrap_or_default();
        let missing = |line: &&String| !on_disk.lines().any(|other| other == line.as_str());
        Seen::from([
            ("exit".to_owned(), vec![exit.to_string()]),
            ("whole log".to_owned(), lines.collect()),
            ("lines missing in the log file".to_owned(), log.iter().filter(missing).cloned().collect()),
            ("pid file while running".to_owned(), vec![format!("{pid_file:?}")]),
            ("pid file afterwards".to_owned(), vec![format!("exists: {}", place.join("main.pid").exists())]),
            ("socket afterwards".to_owned(), vec![format!("exists: {}", place.join("ctl.sock").exists())]),
            ("processes left".to_owned(), vec![left.len().to_string()]),
        ])
    }
}

/// Leaves out every line that was there before.
fn first_of_each(lines: &mut Vec<String>) {
    let mut known = std::collections::BTreeSet::new();
    lines.retain(|line| known.insert(line.clone()));
}

/// What a panic said.
pub fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
