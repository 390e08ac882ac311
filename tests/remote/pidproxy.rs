//! The small programs of Supervisor: visor under the names `pidproxy` and `echo_supervisord_conf`.

use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::fs::symlink;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::{VISOR, clean_command};

fn named(folder: &tempfile::TempDir, name: &str) -> Command {
    let path = folder.path().join(name);
    if !path.exists() {
        symlink(VISOR, &path).unwrap();
    }
    let mut command = clean_command(path);
    command.current_dir(folder.path());
    command
}

/// A child with its output, killed when a test fails.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, line: &str) {
        assert_eq!(self.lines.next().unwrap().unwrap(), line);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says what signals it gets; its input ends it.
const TALKER: &str =
    "for s in HUP USR1 USR2 INT TERM; do trap \"echo got $s\" $s; done; echo ready; while :; do sleep 0.05; done";

#[test]
fn signals_reach_the_pid_in_the_file_and_term_ends_the_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let mut real = Running::start(Command::new("sh").args(["-c", TALKER]));
    real.expect("ready");
    std::fs::write(folder.path().join("pid"), format!("{}\n", real.child.id())).unwrap();
    let mut proxy = Running::start(named(&folder, "pidproxy").args(["pid", "/bin/sh", "-c", "echo up; exec sleep 5"]));
    proxy.expect("up");
    for (signal, name) in [(Signal::SIGHUP, "HUP"), (Signal::SIGUSR1, "USR1"), (Signal::SIGUSR2, "USR2")] {
        proxy.signal(signal);
        real.expect(&format!("got {name}"));
    }
    assert!(proxy.child.try_wait().unwrap().is_none());
    proxy.signal(Signal::SIGTERM);
    real.expect("got TERM");
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
}

#[test]
fn end_of_the_command_ends_the_proxy_with_0_whatever_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        named(&folder, "pidproxy").args(["pid", "/bin/sh", "-c", "echo $0 $1; exit 9", "a", "b"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"a b\n"[..]));
}

#[test]
fn bad_pid_files_signal_nobody_and_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = Running::start(named(&folder, "pidproxy").args(["pid", "/bin/sh", "-c", "echo up; exec sleep 5"]));
    proxy.expect("up");
    for content in [None, Some(""), Some("0"), Some("-1"), Some("x")] {
        if let Some(content) = content {
            std::fs::write(folder.path().join("pid"), content).unwrap();
        }
        proxy.signal(Signal::SIGTERM);
        proxy.expect("Can't read child pidfile pid!");
    }
    assert!(proxy.child.try_wait().unwrap().is_none());
}

#[test]
fn wrong_use_and_a_missing_command_fail() {
    let folder = tempfile::tempdir().unwrap();
    for words in [&[][..], &["pid"]] {
        let output = named(&folder, "pidproxy").args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.starts_with(b"Usage: "));
    }
    let output = named(&folder, "pidproxy").args(["pid", "sleep", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "PATH is not searched, as the original does");
    assert!(output.stdout.starts_with(b"pidproxy: cannot run `sleep`: "));
}

#[test]
fn sample_is_printed_and_checked_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let sample = named(&folder, "echo_supervisord_conf").output().unwrap();
    assert_eq!(sample.status.code(), Some(0));
    let file = folder.path().join("supervisord.conf");
    std::fs::write(&file, &sample.stdout).unwrap();
    let output = clean_command(VISOR).args(["check", "--strict", "-c"]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}: ok, 0 groups, 0 processes\n", file.display()));
}
