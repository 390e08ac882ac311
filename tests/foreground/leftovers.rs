//! Orphans while the command runs, and what is left when it has ended.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Foreground, TIMEOUT, VISOR, can_be_pid1, clean_command};
use crate::{start_script, visor};

/// From TERM to KILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes orphans and waits until no trace of them is left.
const ORPHANS: &str = r#"pids=$(for i in $(seq 1 100); do (sh -c 'echo $$; exec sleep 0.1' &); done)
for pid in $pids; do while [ -e /proc/$pid ]; do sleep 0.01; done; done; echo gone $(echo $pids | wc -w); exit 3"#;

#[test]
fn orphans_are_reaped_while_the_command_runs() {
    let visor = start_script(&[], ORPHANS);
    assert_eq!(visor.wait_for_log("gone"), "gone 100");
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(3));
}

#[test]
fn orphans_are_reaped_by_pid_1() {
    if !can_be_pid1("orphans under visor as PID 1") {
        return;
    }
    let mut command = clean_command("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", VISOR, "--", "bash", "-c", ORPHANS]);
    let visor = Foreground::start(command, true);
    assert_eq!(visor.wait_for_log("gone"), "gone 100");
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(3));
}

/// Leaves a daemon behind that tells how often it is asked to end.
const LEAVES_A_DAEMON: &str = r#"up=$(mktemp -u)
setsid bash -c 'trap "echo asked; sleep 0.3; exit" TERM; sleep 1000 & touch $0; wait; wait' $up &
until [ -e $up ]; do sleep 0.01; done; rm $up; exit 7"#;

fn check_asked_once(visor: &Foreground) {
    let begin = Instant::now();
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(7));
    assert!(begin.elapsed() < PATIENCE, "nobody had to be killed");
    assert_eq!(visor.log().iter().filter(|line| *line == "asked").count(), 1, "{:?}", visor.log());
}

#[test]
fn what_is_left_is_asked_once_to_end() {
    check_asked_once(&start_script(&[], LEAVES_A_DAEMON));
    if can_be_pid1("leftovers of a command under visor as PID 1") {
        let mut command = clean_command("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child", VISOR, "--", "bash", "-c", LEAVES_A_DAEMON]);
        check_asked_once(&Foreground::start(command, true));
    }
}

#[test]
fn what_does_not_end_is_killed() {
    let begin = Instant::now();
    let visor = start_script(
        &[],
        "trap 'exit 8' USR1; setsid sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 100; done' & wait",
    );
    visor.wait_for_log("deaf");
    visor.signal(Signal::SIGUSR1);
    // Every holder of its stdout is gone, the deaf one too.
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(8));
    assert!(begin.elapsed() >= PATIENCE, "it had its time");
}

#[test]
fn stopped_leftover_ends_without_being_killed() {
    let begin = Instant::now();
    let script =
        "setsid sleep 1000 & kill -STOP $!; while ! grep -q 'T (stopped)' /proc/$!/status; do sleep 0.01; done";
    assert_eq!(start_script(&[], script).wait_exit(TIMEOUT).code(), Some(0));
    assert!(begin.elapsed() < PATIENCE, "TERM was enough");
}

#[test]
fn nothing_is_written_to_a_closed_stdout() {
    let mut shell = clean_command("sh");
    shell.args(["-c", r#""$0" -- sh -c 'exit 5' >&- 2>&-; echo "code $?""#, VISOR]);
    assert_eq!(crate::outcome(shell).1, "code 5\n");
    let mut full = visor(&["--", "sh", "-c", "exit 5"]);
    full.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device"));
    assert_eq!(full.status().expect("visor runs").code(), Some(5));
}
