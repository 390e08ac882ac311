//! Signals for the command, and what it finds of signals when it starts.

use std::time::Duration;

use crate::support::{Foreground, TIMEOUT, VISOR, clean_command, run};
use crate::{outcome, start_script};

/// Says which signal comes, for every signal a shell can trap, until USR2, at which it leaves with 9.
const ECHO: &str = r#"for s in $(seq 1 31) $(seq 34 64); do trap "echo got $s." $s; done 2>/dev/null
trap "exit 9" USR2; trap - CHLD; sleep 1000 & echo ready; while :; do wait; done"#;
const USR2: i32 = 12;

/// Not passed on: KILL and STOP cannot be, CHLD is visor's own, TTIN and TTOU are about who has the terminal, and the rest
/// is what the kernel sends for a fault.
const KEPT: [i32; 9] = [4, 7, 8, 9, 11, 17, 19, 21, 22];

fn send(to: &Foreground, signal: i32) {
    let mut kill = clean_command("kill");
    kill.args([format!("-{signal}"), to.pid().to_string()]);
    assert!(run(kill).status.success(), "signal {signal} is sent");
}

#[test]
fn every_signal_that_can_be_caught_is_passed_on() {
    let visor = start_script(&[], ECHO);
    visor.wait_for_log("ready");
    for signal in (1..=31).chain(34..=64).filter(|signal| !KEPT.contains(signal) && *signal != USR2) {
        send(&visor, signal);
        visor.wait_for_log(&format!("got {signal}."));
    }
    send(&visor, USR2);
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(9));
    assert_eq!(visor.log().iter().filter(|line| *line == "got 15.").count(), 1);
}

#[test]
fn rewritten_signals_come_as_others_and_0_drops_them() {
    let visor = start_script(&["--rewrite", "15:3", "--rewrite", "HUP:0", "--rewrite", "40:50"], ECHO);
    visor.wait_for_log("ready");
    for (signal, comes) in [(1, None), (15, Some(3)), (40, Some(50)), (3, Some(3)), (10, Some(10))] {
        let mark = visor.mark();
        send(&visor, signal);
        if let Some(comes) = comes {
            visor.wait_for_log_after(mark, &format!("got {comes}."));
        }
    }
    send(&visor, USR2);
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(9));
    let log = visor.log();
    assert!(!log.iter().any(|line| ["got 1.", "got 15.", "got 40."].contains(&line.as_str())), "{log:?}");
}

/// A command with a child in its group; both tell of TERM and end.
const PAIR: &str = r#"bash -c 'trap "echo child; exit" TERM; sleep 1000 & echo up; wait' &
trap "echo parent; wait %1; exit 4" TERM; echo ready; wait"#;

#[test]
fn group_gets_the_signal_only_when_asked_for() {
    let visor = start_script(&["-g"], PAIR);
    visor.wait_for_log("ready");
    visor.wait_for_log("up");
    send(&visor, 15);
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(4));
    assert!(visor.log().contains(&"child".to_owned()));

    let alone = start_script(
        &[],
        r#"bash -c 'trap "echo child; exit" TERM; sleep 1000 & echo up; wait' &
trap "echo parent" TERM; trap "kill -KILL %1; exit 4" USR1; echo ready; while :; do wait; done"#,
    );
    alone.wait_for_log("ready");
    alone.wait_for_log("up");
    send(&alone, 15);
    alone.wait_for_log("parent");
    send(&alone, 10);
    assert_eq!(alone.wait_exit(TIMEOUT).code(), Some(4));
    assert!(!alone.log().contains(&"child".to_owned()), "it was killed, and not asked before");
}

#[test]
fn stop_that_comes_before_the_command_has_begun_is_not_lost() {
    for _ in 0..20 {
        let visor = start_script(&[], "exec sleep 1000");
        // Whatever it is doing now: before it catches signals TERM ends it, afterwards the command.
        send(&visor, 15);
        let exit = visor.wait_exit(Duration::from_secs(5));
        assert!(exit.code() == Some(143) || exit.code().is_none(), "{exit}");
    }
}

#[test]
fn ignored_and_blocked_signals_are_inherited_past_visor() {
    let what = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    for signals in [&["--ignore-signal=HUP,PIPE,USR1"][..], &["--block-signal=USR1,TERM,40"], &[]] {
        let mut plain = clean_command("env");
        plain.args(signals).args(what);
        let mut through = clean_command("env");
        through.args(signals).arg(VISOR).arg("--").args(what);
        let (plain, through) = (outcome(plain), outcome(through));
        assert_eq!(through, plain, "{signals:?}");
        assert!(plain.1.contains("SigBlk"), "{plain:?}");
    }
}

#[test]
fn parents_death_brings_the_wanted_signal() {
    let mut shell = clean_command("sh");
    let script = r#""$0" -p USR1 -- bash -c 'trap "echo got USR1; exit" USR1; sleep 1000 & echo ready; wait' & wait"#;
    shell.args(["-c", script, VISOR]);
    let shell = Foreground::start(shell, false);
    shell.wait_for_log("ready");
    send(&shell, 9);
    shell.wait_for_log("got USR1");
    // All have closed their output.
    shell.wait_exit(TIMEOUT);
}

#[test]
fn stopped_command_is_left_stopped_where_there_is_no_terminal() {
    let mut session = clean_command("setsid");
    session.arg(VISOR).args(["--", "bash", "-c", "echo pid $$; kill -STOP $$; echo on; exit 6"]);
    let visor = Foreground::start(session, false);
    let line = visor.wait_for_log("pid");
    let pid: i32 = line.trim_start_matches("pid ").parse().expect("a pid");
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while !state().contains(") T ") {
        std::thread::yield_now();
    }
    // visor hears of it, and neither stops nor continues anything: it still passes signals on.
    send(&visor, 18);
    visor.wait_for_log("on");
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(6));
}
