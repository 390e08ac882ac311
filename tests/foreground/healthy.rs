//! `svc healthy`: what a container's health check asks.

use std::time::{Duration, Instant};

use crate::support::{Daemon, SVC, clean_command, run};

const PROGRAMS: &str = "[program:good]
command=sleep 1000
startsecs=0
[program:manual]
command=sleep 1000
autostart=false
startsecs=0
[program:done]
command=true
startsecs=0
autorestart=false
[group:crew]
programs=one,two
[program:one]
command=sleep 1000
startsecs=0
[program:two]
command=sleep 1000
startsecs=0
";

fn healthy(daemon: &Daemon, names: &[&str]) -> (Option<i32>, String) {
    let output = daemon.svc(&[&["healthy"], names].concat());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// All that should run runs, and what should have ended has.
fn wait_until_settled(daemon: &Daemon) {
    daemon.wait_for_state("done", "EXITED");
    for name in ["good", "crew:one", "crew:two"] {
        daemon.wait_for_state(name, "RUNNING");
    }
}

#[test]
fn healthy_is_silent_while_all_that_should_run_runs() {
    let daemon = Daemon::with(PROGRAMS);
    wait_until_settled(&daemon);
    for names in [&[][..], &["good"], &["crew:*"], &["all"], &["good", "crew:one"]] {
        assert_eq!(healthy(&daemon, names), (Some(0), String::new()), "{names:?}");
    }
    // What somebody stopped is not meant to run.
    daemon.svc_ok(&["stop", "crew:one"]);
    assert_eq!(healthy(&daemon, &[]), (Some(0), String::new()));
}

#[test]
fn healthy_names_what_does_not_run_and_only_what_was_asked_for() {
    let daemon = Daemon::builder().conf(PROGRAMS).conf("[program:bad]\ncommand=false\nstartretries=0\n").start();
    daemon.wait_for_state("bad", "FATAL");
    wait_until_settled(&daemon);
    assert_eq!(healthy(&daemon, &[]), (Some(1), "bad: FATAL\n".to_owned()));
    assert_eq!(healthy(&daemon, &["bad", "good"]), (Some(1), "bad: FATAL\n".to_owned()));
    assert_eq!(healthy(&daemon, &["good"]), (Some(0), String::new()));
    let (code, text) = healthy(&daemon, &["absent"]);
    assert!(code == Some(1) && text.contains("absent"), "{text}");
}

#[test]
fn starting_program_is_not_healthy_yet() {
    let daemon = Daemon::with("[program:slow]\ncommand=sleep 1000\nstartsecs=1000\n");
    assert_eq!(healthy(&daemon, &[]), (Some(1), "slow: STARTING\n".to_owned()));
}

#[test]
fn unreachable_visor_is_not_healthy() {
    let mut command = clean_command(SVC);
    command.args(["-s", "/nowhere/visor.sock", "healthy"]);
    let output = run(command);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("/nowhere/visor.sock"));
}

#[test]
fn healthy_takes_milliseconds() {
    /// A millisecond on an idle machine; this one may be busy, and the build is for debugging.
    const ENOUGH: Duration = Duration::from_millis(50);
    let daemon = Daemon::with(PROGRAMS);
    wait_until_settled(&daemon);
    let best = (0..20).map(|_| {
        let begin = Instant::now();
        let mut command = clean_command(SVC);
        command.arg("-s").arg(daemon.socket()).arg("healthy");
        assert!(command.status().expect("svc runs").success());
        begin.elapsed()
    });
    let best = best.min().expect("twenty");
    assert!(best < ENOUGH, "the best of twenty took {best:?}");
}
