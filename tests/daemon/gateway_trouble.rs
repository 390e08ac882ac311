//! A gateway that crashes, hangs, floods or lies: visor and svc do not notice.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::fake_gateway::{can_fake, get, request, to_end, with_fake};
use super::kernel::{descriptors, is_root};
use super::support::{Daemon, TIMEOUT, eventually};

const SLEEPER: &str = "[program:x]\ncommand=sleep 1000\nstartsecs=0\n";
/// What svc may take while the gateway misbehaves, on a machine that is busy with other tests.
const QUICK: Duration = Duration::from_secs(2);

/// visor serves as if nothing were.
fn assert_undisturbed(daemon: &Daemon) {
    let asked = Instant::now();
    assert!(daemon.svc_ok(&["status"]).contains("RUNNING"));
    assert!(asked.elapsed() < QUICK, "{:?}", asked.elapsed());
}

/// A connection that says it wants this and does not wait for an answer.
fn knock(daemon: &Daemon) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.file("http.sock")).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream.write_all(request("/").as_bytes()).expect("taken");
    stream
}

fn retry_after(answer: &str) -> Option<u64> {
    let seconds = answer.lines().find_map(|line| line.strip_prefix("Retry-After: "))?;
    answer.starts_with("HTTP/1.1 503 ").then(|| seconds.parse().expect("a number"))
}

#[test]
fn gateway_that_crashes_rests_ever_longer_and_who_comes_meanwhile_is_told() {
    if !can_fake("a crash") {
        return;
    }
    let daemon = with_fake("crash", SLEEPER).start();
    daemon.wait_for_state("x", "RUNNING");
    let before = descriptors(daemon.pid()).len();
    let mut seen = Vec::new();
    eventually("its third failure", || {
        seen.extend(retry_after(&get(&daemon, "/")));
        assert_undisturbed(&daemon);
        (seen.last() >= Some(&3)).then_some(())
    });
    // A second after the first failure, two after the second, four after the third.
    assert!(seen.iter().all(|seconds| (1..=4).contains(seconds)), "{seen:?}");
    let starts = daemon.read("visor.log").matches("started visor-http with pid").count();
    assert_eq!(starts, 3);
    daemon.process().wait_for_log_count("ended unexpectedly (exit status 3", starts);
    daemon.process().wait_for_log_count("visor-http: crashing", starts);
    assert!(!daemon.read("visor.log").contains("reaped unknown pid"));
    eventually("nothing is left open", || (descriptors(daemon.pid()).len() <= before).then_some(()));
}

#[test]
fn gateway_that_never_reads_is_killed_and_too_many_for_it_are_told() {
    /// More than the channel takes.
    const MANY: usize = 400;
    const TOLD: usize = 40;
    if !can_fake("a hang") {
        return;
    }
    let daemon = with_fake("hang", SLEEPER).start();
    daemon.wait_for_state("x", "RUNNING");
    let before = descriptors(daemon.pid()).len();
    let mut first = knock(&daemon);
    daemon.wait_for_log("visor-http: hanging");
    assert_undisturbed(&daemon);
    // The channel takes some; the others are told at once.
    let mut waiting: Vec<UnixStream> = (0..MANY).map(|_| knock(&daemon)).collect();
    assert_undisturbed(&daemon);
    let answers: Vec<String> = waiting.iter_mut().rev().take(TOLD).map(to_end).collect();
    assert_eq!(answers.iter().filter_map(|answer| retry_after(answer)).count(), TOLD, "{answers:?}");
    drop(waiting);
    let line = daemon.wait_for_log("killed visor-http (pid ");
    assert!(line.ends_with("): it does not read what it is sent"), "{line}");
    // Who waited for it is let go.
    assert_eq!(to_end(&mut first), "");
    assert!(retry_after(&get(&daemon, "/")).is_some());
    assert_undisturbed(&daemon);
    eventually("nothing is left open", || (descriptors(daemon.pid()).len() <= before).then_some(()));
}

#[test]
fn gateway_that_floods_is_killed_whether_it_reads_the_answers_or_not() {
    if !can_fake("a flood") {
        return;
    }
    for mode in ["flood", "deaf flood"] {
        let daemon = with_fake(mode, SLEEPER).start();
        daemon.wait_for_state("x", "RUNNING");
        let _waiting = knock(&daemon);
        eventually("the flood ends", || {
            assert_undisturbed(&daemon);
            daemon.read("visor.log").contains("killed visor-http").then_some(())
        });
        assert_undisturbed(&daemon);
        eventually("its connections are gone", || {
            (daemon.request_ok("metrics").data[0]["clients"] == "1").then_some(())
        });
    }
}

#[test]
fn gateway_that_talks_nonsense_or_closes_its_channel_is_ended() {
    if !can_fake("nonsense") {
        return;
    }
    for (mode, told) in [("nonsense", "what it says makes no sense"), ("closed", "ended unexpectedly")] {
        let daemon = with_fake(mode, SLEEPER).start();
        daemon.wait_for_state("x", "RUNNING");
        let mut waiting = knock(&daemon);
        assert_undisturbed(&daemon);
        let answer = to_end(&mut waiting);
        assert!(answer.is_empty() || retry_after(&answer).is_some(), "{answer}");
        daemon.wait_for_log(told);
        assert!(retry_after(&get(&daemon, "/")).is_some());
        assert_undisturbed(&daemon);
    }
}

#[test]
fn gateway_that_says_much_on_stderr_fills_nothing_but_the_log_and_no_terminal_hears_it() {
    if !can_fake("much on stderr") {
        return;
    }
    let daemon = with_fake("loud", SLEEPER).start();
    daemon.wait_for_state("x", "RUNNING");
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get(&daemon, "/"));
        for _ in 0..10 {
            assert_undisturbed(&daemon);
        }
        waiting.join().expect("an answer")
    });
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    daemon.wait_for_file("visor.log", |log| log.contains("visor-http: line 19999 ?[31m\n"));
}

#[test]
fn gateway_that_cannot_be_executed_is_told_and_answered_for() {
    let what = "a gateway that its user cannot reach";
    if !is_root(what) {
        return;
    }
    let daemon = Daemon::builder()
        .under("chmod 700 $DIR")
        .visor("gateway=$DIR/gateway\n")
        .given("gateway", 0o755, "#!/bin/sh\n")
        .conf(&format!("[unix_http_server]\nfile=$DIR/http.sock\n{SLEEPER}"))
        .start();
    daemon.wait_for_state("x", "RUNNING");
    let answer = get(&daemon, "/");
    assert!(answer.is_empty() || retry_after(&answer).is_some(), "{answer}");
    daemon.wait_for_log("cannot start visor-http: cannot execute: Permission denied");
    assert!(retry_after(&get(&daemon, "/")).is_some());
    assert_undisturbed(&daemon);
}
