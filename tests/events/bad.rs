//! Listeners that break the protocol in every way: a message says so, and nobody else suffers.

use crate::listener::{self, builder, fact, pool, wait_for, wait_until_ready};
use crate::support::{Daemon, clean_command};

/// What the log says of a listener that broke the protocol.
const BROKEN: &str = "has entered the UNKNOWN state and will no longer receive events, this usually indicates the process \
                      violated the eventlistener protocol";

/// A listener that does this with Python, then stays. `ready()` says READY and reads an event.
fn misbehaving(what: &str) -> Daemon {
    let script = format!(
        "import os, sys, time\n\
         def say(data):\n    while data: data = data[os.write(1, data):]\n\
         def ready():\n    say(b'READY\\n'); os.read(0, 65536)\n\
         {what}\n\
         open('$DIR/done', 'w').close()\n\
         time.sleep(1000)\n"
    );
    let daemon = builder()
        .given("bad.py", 0o644, &script)
        .conf("[eventlistener:bad]\ncommand=python3 $DIR/bad.py\nevents=REMOTE_COMMUNICATION\nstartsecs=0")
        .conf(&pool("good", "", "events=REMOTE_COMMUNICATION"))
        .start();
    wait_until_ready(&daemon, "good");
    daemon.request_ok("event n 0");
    daemon
}

/// It went UNKNOWN with these messages, its event is back in its pool, the other pool lives.
fn check_unknown(what: &str, messages: &[&str]) {
    if !listener::has_python("listeners that break the protocol") {
        return;
    }
    let daemon = misbehaving(what);
    for message in messages {
        daemon.wait_for_log(&format!("WARN bad: {message}"));
    }
    daemon.wait_for_log(&format!("WARN bad: {BROKEN}"));
    assert_eq!(fact(&daemon, "bad", "listener"), "UNKNOWN");
    assert_eq!(fact(&daemon, "bad", "waiting"), "1");
    assert_eq!(fact(&daemon, "bad", "lost"), "0");
    assert_eq!(daemon.state_of("bad"), "RUNNING");
    let why = daemon.svc_ok(&["why", "bad"]);
    assert!(why.contains("as a listener it is UNKNOWN"), "{why}");
    // It can write what it wants from now on.
    daemon.wait_for_file("done", |_| true);
    daemon.request_ok("event n 1");
    wait_for(&daemon, "good", |seen| seen.len() == 2);
    let told = daemon.process().log().iter().filter(|line| line.contains(BROKEN)).count();
    assert_eq!(told, 1, "it is told once");
    // A new life is a new beginning.
    daemon.request_ok("restart bad");
    daemon.wait_for_state("bad", "RUNNING");
}

#[test]
fn garbage_instead_of_ready() {
    check_unknown("say(b'hello, world\\n')", &[]);
}

#[test]
fn print_before_ready() {
    check_unknown("say(b'starting up\\nREADY\\n')", &[]);
}

#[test]
fn words_while_ready() {
    check_unknown("say(b'READY\\nREADY\\n')", &[]);
}

#[test]
fn result_without_a_number() {
    check_unknown("ready(); say(b'RESULT many\\n')", &["bad result line: 'RESULT many'"]);
}

#[test]
fn result_of_a_negative_number() {
    check_unknown("ready(); say(b'RESULT -5\\n')", &["bad result line: 'RESULT -5'"]);
}

#[test]
fn result_of_bytes_that_are_no_text() {
    check_unknown("ready(); say(b'RESULT \\xff\\xfe\\n')", &["bad result line: 'RESULT "]);
}

#[test]
fn result_of_two_gigabytes() {
    let message = "a result of 2000000000 bytes is announced, at most 65536 are taken";
    check_unknown("ready(); say(b'RESULT 2000000000\\n' + bytes(1000000))", &[message]);
}

#[test]
fn result_of_more_than_any_number() {
    check_unknown("ready(); say(b'RESULT 99999999999999999999999999\\n')", &["bad result line: 'RESULT 9999"]);
}

#[test]
fn megabytes_without_a_line_end() {
    check_unknown("ready(); say(b'R' * 3000000)", &["no line end in "]);
}

#[test]
fn megabytes_instead_of_ready() {
    check_unknown("say(b'x' * 3000000)", &[]);
}

#[test]
fn line_end_after_the_result() {
    check_unknown("ready(); say(b'RESULT 4\\nFAIL\\nREADY\\n')", &["event was rejected"]);
}

#[test]
fn listener_that_closes_its_stdin_gives_its_event_back_and_is_told() {
    if !listener::has_python("listeners that close stdin") {
        return;
    }
    let daemon = misbehaving("os.close(0); say(b'READY\\n')");
    daemon.wait_for_log("to listener bad");
    daemon.wait_for_log("rebuffering event ");
    assert_eq!(fact(&daemon, "bad", "waiting"), "1");
    assert_eq!(daemon.state_of("bad"), "RUNNING");
    wait_for(&daemon, "good", |seen| seen.len() == 1);
    let told = daemon.process().log().iter().filter(|line| line.contains("epipe")).count();
    assert_eq!(told, 1, "it is not tried for ever");
}

#[test]
fn listener_that_closes_its_stdout_and_one_that_never_answers_hold_up_nobody() {
    if !listener::has_python("listeners that never answer") {
        return;
    }
    for what in ["os.close(1)", "ready()", "say(b'READY\\n')", "pass"] {
        let daemon = misbehaving(what);
        // More than a pipe holds.
        let data = "x".repeat(30_000);
        let mut client = daemon.connect();
        for _ in 0..20 {
            assert!(client.request(&format!("event n {data}")).is_ok(), "{what}");
        }
        let all = wait_for(&daemon, "good", |seen| seen.len() == 21);
        assert_eq!(all[20].payload.len(), "type:n\n".len() + data.len());
        let waiting: usize = fact(&daemon, "bad", "waiting").parse().expect("a number");
        let lost: usize = fact(&daemon, "bad", "lost").parse().expect("a number");
        let with_it = usize::from(fact(&daemon, "bad", "listener") == "BUSY");
        assert_eq!(waiting + lost + with_it, 21, "{what}");
        daemon.request_ok("stop bad");
        assert_eq!(daemon.state_of("bad"), "STOPPED", "{what}");
    }
}

#[test]
fn what_another_life_still_writes_is_not_heard() {
    if !listener::has_python("leftovers of listeners") {
        return;
    }
    // A child of the first life holds its stdout and writes into it once the second is ready.
    let script = "import os, sys, time\n\
                  if not os.path.exists('$DIR/second'):\n\
                  \x20   open('$DIR/second', 'w').close()\n\
                  \x20   if os.fork() == 0:\n\
                  \x20       while not os.path.exists('$DIR/go'): time.sleep(0.01)\n\
                  \x20       os.write(1, b'rubbish\\n'); open('$DIR/written', 'w').close()\n\
                  \x20       time.sleep(1000)\n\
                  \x20   os._exit(1)\n\
                  os.execvp('python3', ['python3', '$DIR/listener.py', '$DIR/p.seen'])\n";
    let daemon = builder()
        .given("p.py", 0o644, script)
        .conf("[eventlistener:p]\ncommand=python3 $DIR/p.py\nevents=REMOTE_COMMUNICATION\nstartsecs=0")
        .conf("stdout_logfile=$DIR/p.out")
        .start();
    wait_until_ready(&daemon, "p");
    std::fs::write(daemon.file("go"), "").expect("a file");
    daemon.wait_for_file("p.out", |text| text.contains("rubbish"));
    daemon.request_ok("event n 0");
    wait_for(&daemon, "p", |seen| seen.len() == 1);
    assert_eq!(fact(&daemon, "p", "lost"), "0");
}

#[test]
fn unknown_names_of_events_are_refused_with_a_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let conf = directory.path().join("visor.conf");
    for (events, reason) in [
        ("PROCESS_STATE,NOPE", "Unknown event type NOPE in [eventlistener:l] events"),
        ("TICK_7", "Unknown event type TICK_7 in [eventlistener:l] events"),
        ("", "[eventlistener:l] section requires an \"events\" line"),
        ("EVENT\nbuffer_size=0", "[eventlistener:l] section sets invalid buffer_size (0)"),
        ("EVENT\nredirect_stderr=true", "not allowed because it will interfere with the eventlistener protocol"),
    ] {
        let text = format!("[supervisord]\nnodaemon=true\n[eventlistener:l]\ncommand=cat\nevents={events}\n");
        std::fs::write(&conf, text).expect("a configuration");
        let mut command = clean_command(crate::support::VISOR);
        command.arg("check").arg("-c").arg(&conf).current_dir(directory.path());
        let output = crate::support::run(command);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(2), "{events}: {said}");
        assert!(said.contains(reason), "{events}: {said}");
    }
    let daemon = Daemon::with("");
    let reply = daemon.request("watch --type NOPE");
    assert_eq!(reply.end, "error bad-arguments no such type of event: `NOPE`");
    assert_eq!(daemon.request("event").error_code(), "bad-arguments");
    let output = daemon.svc(&["event"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("Error: event requires a type"));
}
