//! Our client with the original's daemon, over a Unix socket and over TCP, both with a login: every action must look as it does with
//! the original's client. And our client with our own daemon over TCP.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;

use super::compare::side_by_side;
use super::normal::Places;
use super::original;
use super::run::{Side, screen};
use super::support::{Foreground, TIMEOUT, clean_command, in_directory};

/// Whom the client reaches the daemon by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Unix,
    Inet,
}

/// One thing done.
enum Step {
    /// The client with these arguments; its screen and exit code are compared.
    Ctl(&'static str),
    /// Another configuration.
    Rewrite(&'static str),
    /// The daemon's end is waited for.
    Gone,
}

const HEAD: &str = "[supervisord]\nnodaemon=true\nlogfile=$DIR/main.log\npidfile=$DIR/main.pid\nchildlogdir=$DIR\n\
                    [unix_http_server]\nfile=$DIR/ctl.sock\nusername=me\npassword=se cret\n\
                    [inet_http_server]\nport=127.0.0.1:$PORT\nusername=me\npassword=se cret\n\
                    [supervisorctl]\nserverurl=$URL\nusername=me\npassword=se cret\n\
                    [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n";

const FIRST: &str = r#"
[program:one]
command=sh -c 'trap "" HUP; while :; do sleep 1; done'
autostart=false
startsecs=0
stopasgroup=true
[program:talker]
command=sh -c 'printf "h\303\251llo\nworld\n"; echo oh >&2; exec sleep 1000'
autostart=false
stdout_logfile=$DIR/talker.out
stderr_logfile=$DIR/talker.err
[program:mute]
command=sleep 1000
autostart=false
startsecs=0
stdout_logfile=NONE
[program:missing]
command=/no/such/program
autostart=false
startretries=0
[program:quick]
command=true
autostart=false
startretries=0
startsecs=5
[program:two]
command=sleep 1000
process_name=%(program_name)s_%(process_num)d
numprocs=2
autostart=false
startsecs=0
[program:goes]
command=sleep 1000
autostart=false
startsecs=0
[group:g]
programs=two
"#;

const SECOND: &str = r#"
[program:one]
command=sleep 1001
autostart=false
startsecs=0
[program:new]
command=sleep 1000
autostart=false
startsecs=0
"#;

/// Every action of the original's client, in ways that go well and in ways that do not.
const STEPS: &[Step] = &[
    Step::Ctl("status"),
    Step::Ctl("avail"),
    Step::Ctl("version"),
    Step::Ctl("start one"),
    Step::Ctl("start one"),
    Step::Ctl("start g:*"),
    Step::Ctl("start nope"),
    Step::Ctl("start nope:*"),
    Step::Ctl("start missing"),
    Step::Ctl("start quick"),
    Step::Ctl("start talker mute goes"),
    Step::Ctl("status one g:* nope nope:*"),
    Step::Ctl("status one g:two_0"),
    Step::Ctl("pid"),
    Step::Ctl("pid one"),
    Step::Ctl("pid nope"),
    Step::Ctl("pid missing"),
    Step::Ctl("tail talker"),
    Step::Ctl("tail -4 talker"),
    Step::Ctl("tail -0 talker"),
    Step::Ctl("tail talker stderr"),
    Step::Ctl("tail mute"),
    Step::Ctl("tail nope"),
    Step::Ctl("tail talker nonsense"),
    Step::Ctl("maintail -1"),
    Step::Ctl("clear talker"),
    Step::Ctl("clear nope"),
    Step::Ctl("signal HUP one"),
    Step::Ctl("signal HUP g:*"),
    Step::Ctl("signal NOSIG one"),
    Step::Ctl("signal HUP missing nope nope:*"),
    Step::Ctl("stop g:*"),
    Step::Ctl("stop g:two_0"),
    Step::Ctl("stop nope nope:*"),
    Step::Ctl("restart one"),
    Step::Ctl("fg nope"),
    Step::Ctl("fg missing"),
    Step::Ctl("add one"),
    Step::Ctl("add nope"),
    Step::Ctl("remove one"),
    Step::Ctl("remove nope"),
    Step::Ctl("remove quick missing"),
    Step::Ctl("add quick"),
    Step::Ctl("reread"),
    Step::Ctl("update"),
    Step::Ctl("update nope"),
    Step::Rewrite(SECOND),
    Step::Ctl("reread"),
    Step::Ctl("update goes"),
    Step::Ctl("update new"),
    Step::Ctl("update one"),
    Step::Ctl("status new one"),
    Step::Ctl("start all"),
    Step::Ctl("stop all"),
    Step::Rewrite("[program:bad]\nautostart=maybe\ncommand=x\n"),
    Step::Ctl("reread"),
    Step::Ctl("frob"),
    Step::Ctl("shutdown"),
    Step::Gone,
    Step::Ctl("status"),
    Step::Ctl("start one"),
    Step::Ctl("shutdown"),
];

/// Steps that change nothing, for the wrong password.
const LOCKED_OUT: &[&str] = &["status", "start one", "reread", "shutdown"];

/// What each step showed.
type Shown = Vec<(String, Vec<String>)>;

/// A daemon of one side, and a client of another.
struct Bench {
    directory: tempfile::TempDir,
    daemon: Foreground,
    client: PathBuf,
    programs: PathBuf,
    url: String,
    port: u16,
}

impl Bench {
    fn start(daemon: Side, client: Side, by: By) -> Bench {
        let directory = tempfile::Builder::new().prefix("compat-").tempdir().expect("a temporary directory");
        let place = directory.path().to_owned();
        let programs = daemon.programs(&place);
        let client_place = place.join("client");
        std::fs::create_dir(&client_place).expect("a directory");
        let client = client.programs(&client_place).join("supervisorctl");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
        let url = match by {
            By::Unix => format!("unix://{}/ctl.sock", place.display()),
            By::Inet => format!("http://127.0.0.1:{port}"),
        };
        write_conf(&place, FIRST, &url, port);
        let mut command = clean_command(programs.join("supervisord"));
        command.arg("-c").arg(place.join("supervisord.conf")).current_dir(&place);
        let daemon = Foreground::start(command, false);
        daemon.wait_for_log("supervisord started with pid");
        Bench { directory, daemon, client, programs, url, port }
    }

    fn ctl(&self, options: &[&str], arguments: &str) -> Vec<String> {
        let place = self.directory.path();
        let mut command = clean_command(&self.client);
        command.arg("-c").arg(place.join("supervisord.conf")).args(options).args(arguments.split(' '));
        let places = Places { directory: place, programs: &self.programs };
        let lines = screen(&places, command);
        lines.into_iter().map(|line| settled(&line.replace(&self.port.to_string(), "PORT"))).collect()
    }

    /// What every step showed.
    fn play(&self) -> Shown {
        let mut seen = Vec::new();
        for (at, step) in STEPS.iter().enumerate() {
            match step {
                Step::Ctl(arguments) => seen.push((format!("step {at}: {arguments}"), self.ctl(&[], arguments))),
                Step::Rewrite(sections) => write_conf(self.directory.path(), sections, &self.url, self.port),
                Step::Gone => drop(self.daemon.wait_exit(TIMEOUT)),
            }
        }
        seen
    }

    fn play_locked_out(&self) -> Shown {
        let play = |arguments: &&str| ((*arguments).to_owned(), self.ctl(&["-u", "me", "-p", "wrong"], arguments));
        LOCKED_OUT.iter().map(play).collect()
    }
}

fn write_conf(place: &Path, sections: &str, url: &str, port: u16) {
    let head = HEAD.replace("$URL", url).replace("$PORT", &port.to_string());
    let text = in_directory(&format!("{head}{sections}"), place);
    std::fs::write(place.join("supervisord.conf"), text).expect("the configuration is written");
}

/// What Python says of an unexpected failure is one stable beginning here.
fn settled(line: &str) -> String {
    if line.starts_with("error: ") { "error: …".to_owned() } else { line.to_owned() }
}

/// Groups of equal processes end in any order. The last of several failures gives `start all` its exit code, and which one that is
/// depends on whether the original finds `quick` dead when it starts it or later.
fn sorted(arguments: &str, lines: &[String]) -> Vec<String> {
    const FAILURES: [&str; 2] = ["exit code: Some(1)", "exit code: Some(7)"];
    let mut lines = lines.to_vec();
    if arguments.contains("start all") {
        lines
            .iter_mut()
            .filter(|line| FAILURES.contains(&line.as_str()))
            .for_each(|line| *line = "exit code: a failure's".to_owned());
    }
    if arguments.contains(":*") || arguments.contains("all") {
        lines.sort();
    }
    lines
}

/// What may look different, by step: its action and the lines.
type Intended = [(&'static str, &'static [&'static str])];

/// Plays with the original's client and daemon and with our client at these daemons, all at the same time; a panic with every difference
/// that is not intended.
fn compare(by: By, daemons: &[(Side, &Intended)], play: fn(&Bench) -> Shown) {
    if original::programs().is_none() {
        return;
    }
    let (truth, ours) = thread::scope(|scope| {
        let start = |daemon, client| scope.spawn(move || play(&Bench::start(daemon, client, by)));
        let truth = start(Side::Original, Side::Original);
        let ours: Vec<_> = daemons.iter().map(|(daemon, _)| start(*daemon, Side::Visor)).collect();
        let ours: Vec<_> = ours.into_iter().map(|player| player.join().expect("it is played")).collect();
        (truth.join().expect("it is played"), ours)
    });
    let mut faults = Vec::new();
    for ((daemon, intended), ours) in daemons.iter().zip(&ours) {
        let faulty = differences(&truth, ours, intended);
        faults.extend(faulty.into_iter().map(|fault| format!("our client, daemon of {daemon:?}, {by:?}, {fault}")));
    }
    assert!(faults.is_empty(), "{} differences\n\n{}", faults.len(), faults.join("\n"));
}

fn differences(truth: &[(String, Vec<String>)], ours: &[(String, Vec<String>)], intended: &Intended) -> Vec<String> {
    let mut faults = Vec::new();
    for ((what, truth), (_, ours)) in truth.iter().zip(ours) {
        let action = what.split_once(": ").map_or(what.as_str(), |(_, action)| action);
        let (truth, ours) = (sorted(action, truth), sorted(action, ours));
        match intended.iter().find(|(of, _)| *of == what) {
            None if truth == ours => {}
            Some((_, wanted)) if ours == *wanted && ours != truth => {}
            Some(_) | None => faults.push(format!("{what}\n{}", side_by_side(&truth, &ours))),
        }
    }
    faults
}

/// Where our daemon differs on purpose.
const VISOR: &Intended = &[
    // Every mistake of a file is told, with its line.
    (
        "step 55: reread",
        &[
            "ERROR: CANT_REREAD: $DIR/supervisord.conf:21: [program:bad] autostart: `maybe`: not a valid boolean value: 'maybe'",
            "exit code: Some(1)",
        ],
    ),
];

#[test]
fn our_client_over_a_unix_socket() {
    compare(By::Unix, &[(Side::Original, &[])], Bench::play);
}

#[test]
fn our_client_over_tcp() {
    compare(By::Inet, &[(Side::Original, &[]), (Side::Visor, VISOR)], Bench::play);
}

#[test]
fn wrong_password_looks_the_same_with_either_client() {
    compare(By::Unix, &[(Side::Original, &[])], Bench::play_locked_out);
    compare(By::Inet, &[(Side::Original, &[]), (Side::Visor, &[])], Bench::play_locked_out);
}
