//! Command lines, exit codes, pid files, the background, `visor check`.

use std::path::Path;
use std::process::Output;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kernel::{self, exists, wait_for_standard_descriptors, wait_gone};
use super::support::{Connection, Daemon, TIMEOUT, VISOR, can_be_pid1, clean_command, eventually, run};

/// Several mistakes of different kinds.
const MISTAKES: &str = "[supervisord]\nnodaemon=true\nloglevel=loud\n[program:a]\ncommand=sleep 1\nautostart=perhaps\n\
                        stopsignal=NOSUCH\n[program:b]\nstartsecs=1\n[group:g]\nprograms=a,missing\n";

fn visor(arguments: &[&str], directory: &Path) -> Output {
    let mut command = clean_command(VISOR);
    command.args(arguments).current_dir(directory);
    run(command)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn with_file(content: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("visor.conf"), content).expect("a file");
    directory
}

#[test]
fn every_mistake_is_listed_with_its_line_and_nothing_is_started() {
    let place = with_file(&format!("{MISTAKES}[program:c]\ncommand=touch ran\n"));
    for arguments in [&["-c", "visor.conf"][..], &["check", "-c", "visor.conf"]] {
        let output = visor(arguments, place.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = text(&output.stderr);
        for (line, words) in [
            (3, ["loglevel", "loud"]),
            (6, ["autostart", "perhaps"]),
            (7, ["stopsignal", "NOSUCH"]),
            (8, ["program:b", "command"]),
            (11, ["programs", "missing"]),
        ] {
            let found = told.lines().find(|it| it.contains(&format!("visor.conf:{line}")));
            let found = found.unwrap_or_else(|| panic!("line {line} is told: {told}"));
            assert!(words.iter().all(|word| found.contains(word)), "{words:?} in `{found}`");
        }
        assert!(text(&output.stdout).is_empty());
        assert!(!place.path().join("ran").exists());
    }
}

#[test]
fn check_of_a_good_file_says_so_and_starts_nothing() {
    let place = with_file(
        "[supervisord]\nnodaemon=true\n[program:a]\ncommand=touch ran\nnumprocs=2\nprocess_name=%(process_num)d\n",
    );
    let output = visor(&["check", "-c", "visor.conf"], place.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("ok, 1 groups, 2 processes") || text(&output.stdout).contains("2 processes"));
    assert!(text(&output.stderr).is_empty(), "{output:?}");
    let dumps = [0, 1].map(|_| text(&visor(&["check", "-c", "visor.conf", "--dump"], place.path()).stdout));
    assert_eq!(dumps[0], dumps[1]);
    for word in ["autorestart", "startsecs", "stopwaitsecs", "exitcodes", "stdout_logfile_maxbytes", "touch"] {
        assert!(dumps[0].contains(word), "`{word}` in {}", dumps[0]);
    }
    assert!(!place.path().join("ran").exists());
}

#[test]
fn unknown_key_is_a_warning_with_the_nearest_and_an_error_when_strict() {
    let place =
        with_file("[supervisord]\nnodaemon=true\n[program:a]\ncommand=true\nautorestrat=true\n[programme:b]\nx=1\n");
    let output = visor(&["check", "-c", "visor.conf"], place.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = text(&output.stderr);
    assert!(
        told.contains("visor.conf:5") && told.contains("`autorestrat`") && told.contains("`autorestart`"),
        "{told}"
    );
    assert!(told.contains("visor.conf:6") && told.contains("programme:b"), "{told}");
    let strict = visor(&["check", "-c", "visor.conf", "--strict"], place.path());
    assert_eq!(strict.status.code(), Some(2), "{strict:?}");
    assert_eq!(visor(&["-c", "visor.conf", "--strict"], place.path()).status.code(), Some(2));
}

#[test]
fn wrong_use_and_missing_files_are_code_2() {
    let place = with_file("[supervisord]\n");
    for arguments in [&["--no-such-option"][..], &["-c"], &["check", "--what"], &["-c", "missing.conf"], &["-c", "."]] {
        let output = visor(arguments, place.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let told = text(&visor(&["-c", "missing.conf"], place.path()).stderr);
    assert!(told.contains("could not find config file missing.conf"), "{told}");
    for arguments in [&["--help"][..], &["--version"], &["check", "--help"]] {
        let output = visor(arguments, place.path());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn root_takes_no_file_from_the_current_directory() {
    let what = "where root looks for its file";
    let usual = ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"];
    if !kernel::is_root(what) || usual.iter().any(|path| Path::new(path).exists()) {
        eprintln!("left out: {what}: not root, or a file is in a usual place");
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("supervisord.conf"), "[supervisord]\nnodaemon=true\n").expect("a file");
    let output = visor(&[], place.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("No config file found at default paths"), "{output:?}");
}

#[test]
fn failed_set_up_is_code_1() {
    let daemon = Daemon::with("");
    let mut second = clean_command(VISOR);
    second.arg("-c").arg(daemon.file("visor.conf")).current_dir(daemon.path());
    assert_eq!(run(second).status.code(), Some(1));
}

#[test]
fn pid_file_holds_our_pid_while_we_run() {
    let daemon = Daemon::with("");
    assert_eq!(daemon.read("visor.pid"), format!("{}\n", daemon.pid()));
    // One that somebody else took over meanwhile is not ours to remove.
    std::fs::write(daemon.file("visor.pid"), "1\n").expect("the pid file");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert_eq!(daemon.read("visor.pid"), "1\n");
}

fn background_conf() -> &'static str {
    "[supervisord]\nlogfile=$DIR/visor.log\npidfile=$DIR/visor.pid\nchildlogdir=$DIR\ndirectory=$DIR/deeper\n\
     umask=027\n[visor]\nsocket=$DIR/visor.sock\n\
     [program:x]\ncommand=sh -c \"pwd; umask; echo hello > made; exec sleep 1000\"\nstartsecs=0\nstdout_logfile=$DIR/out\n"
}

#[test]
fn supervisord_goes_to_the_background() {
    let daemon = Daemon::builder().name("supervisord").under("mkdir $DIR/deeper").whole_conf(background_conf()).spawn();
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0), "the one that was started ends");
    let pid: i32 = daemon.wait_for_file("visor.pid", |text| text.ends_with('\n')).trim().parse().expect("a pid");
    let _guard = Killed(pid);
    daemon.wait_until_it_answers();
    daemon.wait_for_state("x", "RUNNING");
    let session = nix::unistd::getsid(Some(Pid::from_raw(pid))).expect("a session");
    assert_eq!(session.as_raw(), pid, "a session of its own");
    let out = daemon.wait_for_file("out", |text| text.lines().count() == 2);
    assert_eq!(out, format!("{}\n0027\n", daemon.file("deeper").display()));
    assert!(daemon.read("visor.log").contains("daemonizing the supervisord process"));
    let child = daemon.pid_of("x");
    wait_for_standard_descriptors(child);
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    wait_gone(pid);
    assert!(!exists(child) && !daemon.file("visor.pid").exists() && !daemon.socket().exists());
}

/// Killed at the end, whatever happens.
struct Killed(i32);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}

#[test]
fn supervisord_stays_in_the_foreground_when_told_so() {
    let daemon = Daemon::builder()
        .name("supervisord")
        .under("mkdir $DIR/deeper")
        .whole_conf(background_conf())
        .arg("-n")
        .start();
    daemon.wait_for_state("x", "RUNNING");
    assert_eq!(daemon.read("visor.pid").trim(), daemon.pid().to_string());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn supervisord_as_pid_1_never_goes_to_the_background() {
    if !can_be_pid1("supervisord as PID 1") {
        return;
    }
    let daemon =
        Daemon::builder().name("supervisord").pid1().under("mkdir $DIR/deeper").whole_conf(background_conf()).start();
    daemon.wait_for_state("x", "RUNNING");
    let hello = Connection::open(&daemon.socket()).request("hello");
    assert_eq!(hello.data[0]["pid"], "1");
    assert_eq!(daemon.read("visor.pid"), "1\n");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn background_that_cannot_be_set_up_fails_in_the_foreground() {
    let daemon = Daemon::with("");
    let conf = daemon.read("visor.conf").replace("nodaemon=true", "nodaemon=false");
    let other = Daemon::builder().name("supervisord").whole_conf(&conf).spawn();
    assert_eq!(other.wait_exit(TIMEOUT).code(), Some(1));
    assert!(other.process().errors().contains("another visor already answers there"));
    eventually("the first one answers", || daemon.request("hello").is_ok().then_some(()));
}
