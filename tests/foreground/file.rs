//! `visor -c FILE -- COMMAND`: the file's programs beside the command.

use crate::support::{Daemon, SVC, TIMEOUT, can_be_pid1};

const BESIDE: &str = "[program:beside]
command=sh -c 'trap \"echo stopping; exit\" TERM; echo here; sleep 1000 & wait'
startsecs=0
stdout_logfile=$DIR/beside.log
";

fn beside(script: &str) -> crate::support::Builder {
    Daemon::builder().conf(BESIDE).arg("--").arg("sh").arg("-c").arg(script)
}

fn position(log: &[String], phrase: &str) -> usize {
    log.iter().position(|line| line.contains(phrase)).unwrap_or_else(|| panic!("`{phrase}` is in {log:?}"))
}

fn check_order(daemon: &Daemon) {
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(7));
    let log = daemon.process().log();
    let order = ["spawned: 'beside'", "command begins", "command ends", "waiting for beside to die", "stopped: beside"];
    let places: Vec<usize> = order.iter().map(|phrase| position(&log, phrase)).collect();
    assert!(places.is_sorted(), "{order:?}: {log:?}");
    assert_eq!(daemon.read("beside.log"), "here\nstopping\n");
    for file in ["visor.sock", "visor.pid"] {
        assert!(!daemon.file(file).exists(), "`{file}` is removed");
    }
}

/// Waits until the program has said that it is there, by `svc`.
fn script() -> String {
    format!(
        "echo command begins; until {SVC} -s visor.sock tail beside | grep -q here; do :; done; echo command ends; exit 7"
    )
}

#[test]
fn programs_start_before_the_command_and_stop_after_it() {
    check_order(&beside(&script()).spawn());
}

#[test]
fn programs_beside_a_command_under_pid_1_are_no_different() {
    if can_be_pid1("programs beside a command, as PID 1") {
        check_order(&beside(&script()).pid1().spawn());
    }
}

#[test]
fn shutdown_by_svc_ends_the_command_first() {
    let daemon = beside("trap 'echo command ends; exit 7' TERM; echo command begins; sleep 1000 & wait").start();
    daemon.wait_for_log("command begins");
    daemon.wait_for_state("beside", "RUNNING");
    daemon.svc_ok(&["shutdown"]);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(7));
    let log = daemon.process().log();
    assert!(position(&log, "command ends") < position(&log, "waiting for beside to die"), "{log:?}");
}

#[test]
fn signals_are_for_the_command_and_not_for_visor() {
    let daemon = beside("trap 'echo got HUP' HUP; trap 'exit 7' TERM; sleep 1000 & echo ready; while :; do wait; done");
    let daemon = daemon.start();
    daemon.wait_for_log("ready");
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_for_log("got HUP");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(7));
    assert!(!daemon.process().log().iter().any(|line| line.contains("SIGHUP")));
}

#[test]
fn nothing_is_started_beside_a_command_that_is_not_there() {
    let daemon = Daemon::builder().conf(BESIDE).arg("--").arg("no-such-command").spawn();
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(127));
    assert!(daemon.process().errors().contains("visor: cannot execute `no-such-command`: command not found"));
    assert!(!daemon.file("beside.log").exists() && !daemon.file("visor.sock").exists());
}

#[test]
fn programs_stop_when_the_command_cannot_be_executed() {
    let daemon = Daemon::builder().conf(BESIDE).arg("--").arg("/etc/passwd").spawn();
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(126));
    let daemon = Daemon::builder().conf(BESIDE);
    let place = tempfile::tempdir().expect("a directory");
    let lost = place.path().join("lost");
    std::fs::write(&lost, "#!/nowhere/interpreter\n").expect("a file");
    std::fs::set_permissions(&lost, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let daemon = daemon.arg("--").arg(lost.to_str().expect("text")).spawn();
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(127));
    let log = daemon.process().log();
    assert!(position(&log, "spawned: 'beside'") < position(&log, "stopped: beside"), "{log:?}");
}
