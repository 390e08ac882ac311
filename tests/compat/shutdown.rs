//! The end of the daemon: its whole log, its exit code, what it leaves behind.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::case::{Case, Scene};
use super::compare::{compare, differences, wanted};
use super::normal::Places;
use super::original;
use super::run::{Seen, Side, screen};
use super::support::{clean_command, descendants, in_directory};

/// What visor does not say, or says at another moment.
const UNSAID: [(&str, &str); 5] = [
    ("Supervisor is running as root", "being root is an init's everyday state"),
    ("RPC interface 'supervisor' initialized", "no RPC runs in PID 1"),
    ("running without any HTTP authentication", "the kernel tells who the peer of a Unix socket is"),
    ("> than 0 seconds", "with startsecs 0 each tells its success when its exec is known to have worked, in any order"),
    ("received SIGCHLD", "the original tells it up to a second after the exit"),
];

fn case(name: &'static str) -> Case {
    UNSAID.into_iter().fold(Case::new(name), |case, (phrase, reason)| case.except(phrase, reason))
}

fn three() -> Case {
    case("three programs of different priority")
        .section(
            "[program:first]\ncommand=sleep 1000\nstartsecs=0\npriority=1\n\
             [program:middle]\ncommand=sh -c \"trap '' TERM; echo ready-middle; exec sleep 1000\"\nstartsecs=0\npriority=2\nstopwaitsecs=1\n\
             [program:last]\ncommand=sleep 1000\nstartsecs=0\npriority=3\nstopsignal=INT",
        )
        .until("success: first ")
        .until("ready-middle")
        .until("success: last ")
}

#[test]
fn term() {
    compare(&Scene { stop: Some(Signal::SIGTERM), cases: vec![three()], ..Scene::default() });
}

#[test]
fn int() {
    compare(&Scene { stop: Some(Signal::SIGINT), cases: vec![three()], ..Scene::default() });
}

#[test]
fn quit_with_nothing_to_stop() {
    let idle = case("nothing runs").section("[program:idle]\ncommand=sleep 1000\nautostart=false").ctl("status");
    compare(&Scene { stop: Some(Signal::SIGQUIT), cases: vec![idle], ..Scene::default() });
}

/// In the background: the parent's exit, the pid file, the control program's word, the end.
fn in_the_background(side: Side) -> Seen {
    let directory = tempfile::Builder::new().prefix("compat-").tempdir().expect("a temporary directory");
    let place = directory.path();
    let programs = side.programs(place);
    let places = Places { directory: place, programs: &programs };
    let conf = "[supervisord]\nlogfile=$DIR/main.log\npidfile=$DIR/main.pid\nchildlogdir=$DIR\ndirectory=/\numask=027\n\
                [unix_http_server]\nfile=$DIR/ctl.sock\n[supervisorctl]\nserverurl=unix://$DIR/ctl.sock\n\
                [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
                [visor]\nsocket=$DIR/visor.sock\n\
                [program:back]\ncommand=sh -c \"pwd; umask; exec sleep 1000\"\nautostart=false\nstartsecs=1\nstdout_logfile=$DIR/back.out\n";
    std::fs::write(place.join("supervisord.conf"), in_directory(conf, place)).expect("the configuration");
    let ctl = |arguments: &str| {
        let mut command = clean_command(programs.join("supervisorctl"));
        command.arg("-c").arg(place.join("supervisord.conf")).args(arguments.split(' '));
        screen(&places, command)
    };
    let mut command = clean_command(programs.join("supervisord"));
    command.arg("-c").arg(place.join("supervisord.conf")).current_dir(place);
    let mut seen = Seen::new();
    seen.insert("1 start".to_owned(), screen(&places, command));
    // Who answers has written its pid file.
    seen.insert("2 pid".to_owned(), ctl("pid"));
    let in_file = std::fs::read_to_string(place.join("main.pid")).unwrap_or_default();
    let pid = in_file.trim_end().parse::<i32>().unwrap_or_else(|_| panic!("{side:?} has a pid file: {in_file:?}"));
    let _reaper = KillAtTheEnd(pid);
    seen.insert("3 start".to_owned(), ctl("start back"));
    seen.insert("4 restart".to_owned(), ctl("restart back"));
    seen.insert("5 shutdown".to_owned(), ctl("shutdown"));
    // `tail` waits for the end of a process that is not our child.
    let mut end = clean_command("tail");
    end.arg(format!("--pid={pid}")).args(["-f", "/dev/null"]);
    seen.insert("6 end".to_owned(), screen(&places, end));
    seen.insert("7 afterwards".to_owned(), ctl("status"));
    let log = std::fs::read_to_string(place.join("main.log")).unwrap_or_default();
    let lines = log.lines().filter_map(|line| places.log_line(line));
    let unsaid = |line: &String| UNSAID.iter().any(|(phrase, _)| line.contains(phrase)) || line.contains(" to stop");
    seen.insert("8 log".to_owned(), lines.filter(|line| !unsaid(line)).collect());
    let output = std::fs::read_to_string(place.join("back.out")).unwrap_or_default();
    seen.insert("9 what a child sees".to_owned(), output.lines().map(str::to_owned).collect());
    seen
}

/// A daemon in the background is nobody's child: it is killed when its test fails.
struct KillAtTheEnd(i32);

impl Drop for KillAtTheEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for pid in descendants(self.0).into_iter().chain([self.0]) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

#[test]
fn daemon() {
    if original::programs().is_none() {
        return;
    }
    let truth = in_the_background(Side::Original);
    if wanted("COMPAT_SHOW") {
        println!("{truth:#?}");
    }
    if !wanted("COMPAT_ORIGINAL_ONLY") {
        let ours = in_the_background(Side::Visor);
        let faults = differences(&Case::new("in the background"), &truth, &ours);
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    }
}
