//! Programs on terminals, and visor where it is not the init of a machine. What it does where it is one, `make test-machine` looks at.

#[path = "../support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty;

use support::{Daemon, TIMEOUT, VISOR, clean_command, run};

/// Our end of a new terminal, and the path of the other.
fn terminal() -> (File, String) {
    let master = pty::posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY).expect("a terminal");
    pty::grantpt(&master).expect("a terminal of ours");
    pty::unlockpt(&master).expect("a terminal that opens");
    let path = pty::ptsname_r(&master).expect("a terminal with a name");
    (File::from(OwnedFd::from(master)), path)
}

/// Reads until a text has come.
fn read_until(file: &mut File, text: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(TIMEOUT).expect("a timeout that fits");
        let ready = poll(&mut fds, patience).expect("a terminal can be polled");
        assert_ne!(ready, 0, "`{text}` comes in time: {}", String::from_utf8_lossy(&seen));
        let count = file.read(&mut byte).unwrap_or(0);
        assert_ne!(count, 0, "`{text}` comes: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&byte);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn program_with_a_terminal_talks_there_and_is_hung_up_at_a_stop() {
    let (mut master, path) = terminal();
    // A shell on a terminal is deaf to TERM; this one is so by its trap.
    let daemon = Daemon::with(&format!(
        "[program:talk]\ntty={path}\n\
         command=sh -c 'trap \"\" TERM; tty; echo err >&2; echo named >/dev/tty; read line; echo got $line; read x'"
    ));
    read_until(&mut master, &format!("{path}\r\nerr\r\nnamed\r\n"));
    daemon.wait_for_state("talk", "RUNNING");
    master.write_all(b"hello\n").expect("the terminal takes a line");
    read_until(&mut master, "got hello\r\n");
    assert_eq!(daemon.connect().request("send talk x").error_code(), "no-file");
    daemon.svc_ok(&["stop", "talk"]);
    daemon.wait_for_log("stopped: talk (terminated by SIGHUP)");
}

#[test]
fn program_with_a_terminal_and_a_log_writes_to_the_log() {
    let (mut master, path) = terminal();
    let daemon = Daemon::with(&format!(
        "[program:both]\ntty={path}\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/out.log\n\
         command=sh -c 'echo to-log; echo to-terminal >&2'"
    ));
    let shown = read_until(&mut master, "to-terminal");
    assert!(!shown.contains("to-log"), "{shown}");
    daemon.wait_for_log("exited: both (exit status 0; expected)");
    assert_eq!(daemon.read("out.log"), "to-log\n");
}

#[test]
fn terminal_that_does_not_exist_fails_the_start_with_its_name() {
    let daemon = Daemon::with("[program:lost]\ncommand=true\ntty=/dev/nowhere\nstartretries=0");
    daemon.wait_for_log("couldn't take the terminal /dev/nowhere: ENOENT");
    daemon.wait_for_state("lost", "FATAL");
}

#[test]
fn end_of_a_machine_is_refused_where_visor_is_not_its_init() {
    let daemon = Daemon::builder().visor("machine=true").conf("[program:cat]\ncommand=cat").start();
    daemon.wait_for_log("`[visor] machine=true` is left out: visor is not PID 1");
    daemon.wait_for_state("cat", "RUNNING");
    for verb in ["poweroff", "reboot", "halt"] {
        assert_eq!(daemon.connect().request(verb).error_code(), "failed");
        let output = daemon.svc(&[verb]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "error: visor is not the init of a machine here\n");
    }
    assert!(daemon.svc_ok(&["status"]).contains("RUNNING"));
    daemon.svc_ok(&["shutdown"]);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn option_machine_is_for_pid_1_only() {
    let mut command = clean_command(VISOR);
    command.args(["--machine", "-c", "/dev/null"]);
    let output = run(command);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("Error: `--machine` is for PID 1\n"));
}
