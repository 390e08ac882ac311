//! `svc watch`: events as they happen, filtered, as JSON, and what becomes of a watcher that does not read.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::support::{Daemon, SVC, TIMEOUT, clean_command, eventually};

/// A `svc watch` whose lines come through a channel.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(daemon: &Daemon, arguments: &[&str]) -> Watch {
        let mut command: Command = clean_command(SVC);
        command.arg("-s").arg(daemon.socket()).arg("watch").args(arguments).stdout(Stdio::piped());
        let before = daemon.request_ok("hello");
        let mut child = command.spawn().expect("svc starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        drop(before);
        Watch { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(TIMEOUT).expect("a line comes")
    }

    /// The next line that holds `phrase`, while `poke` is done again and again: nobody tells when a watch is in place.
    fn first(&self, phrase: &str, mut poke: impl FnMut()) -> String {
        eventually(&format!("a line with `{phrase}`"), || {
            poke();
            let line = self.lines.recv_timeout(std::time::Duration::from_millis(50)).ok()?;
            line.contains(phrase).then_some(line)
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TWO: &str = "[program:a]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
                   [program:b]\ncommand=sh -c 'echo said'\nstartsecs=0\nautostart=false\nautorestart=false\n\
                   stdout_events_enabled=true\n";

#[test]
fn names_and_types_choose_what_is_shown() {
    let daemon = Daemon::with(TWO);
    let remote = Watch::start(&daemon, &["--type", "remote_communication"]);
    let of_a = Watch::start(&daemon, &["--type=PROCESS_STATE", "a"]);
    let output = Watch::start(&daemon, &["--type=PROCESS_LOG_STDOUT", "--json", "b"]);
    let line = remote.first("REMOTE_COMMUNICATION", || drop(daemon.request_ok("event n 1")));
    assert!(line.ends_with("visor: REMOTE_COMMUNICATION"), "{line}");
    of_a.first("a: STOPPED -> STARTING", || drop((daemon.request("start a"), daemon.request("stop a"))));
    output.first("said", || drop(daemon.request("start b")));
    daemon.request("stop a");
    daemon.request_ok("start b");
    let mut line = String::new();
    while !line.contains("said") {
        line = output.next();
    }
    let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&json["event"], &json["name"]), (&"PROCESS_LOG_STDOUT".into(), &"b".into()));
    assert_eq!((&json["stream"], &json["data"]), (&"stdout".into(), &"said\n".into()));
    assert!(json["pid"].is_u64(), "{json}");
    while let Ok(line) = of_a.lines.try_recv() {
        assert!(line.contains(" a: "), "{line}");
    }
    while let Ok(line) = remote.lines.try_recv() {
        assert!(line.contains("REMOTE_COMMUNICATION"), "{line}");
    }
}

#[test]
fn json_is_an_object_a_line() {
    let daemon = Daemon::with(TWO);
    let watch = Watch::start(&daemon, &["--json"]);
    watch.first("PROCESS_STATE_RUNNING", || drop((daemon.request("start a"), daemon.request("stop a"))));
    daemon.request("stop a");
    daemon.request_ok("start a");
    let pid = daemon.pid_of("a");
    let line = watch.first(&format!("\"pid\": {pid}"), || ());
    let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(json["event"], "PROCESS_STATE_RUNNING");
    assert_eq!((&json["name"], &json["from"], &json["to"]), (&"a".into(), &"STARTING".into(), &"RUNNING".into()));
    assert!(json["time"].is_string() || json["time"].is_number(), "{json}");
}

#[test]
fn mistakes_are_told() {
    let daemon = Daemon::with(TWO);
    for (arguments, phrase) in [
        (&["watch", "--type", "NOPE"][..], "no such type of event: `NOPE`"),
        (&["watch", "--nope"], "Error: bad argument --nope"),
        (&["watch", "nobody"], "nobody"),
        (&["watch", "--type"], "requires a type"),
    ] {
        let output = daemon.svc(arguments);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success(), "{arguments:?}: {said}");
        assert!(said.contains(phrase), "{arguments:?}: {said}");
    }
}

#[test]
fn slow_watcher_is_told_how_many_it_missed_once_it_reads() {
    let daemon = Daemon::builder().supervisord("loglevel=info").conf("").start();
    let mut watch = daemon.connect();
    watch.send("watch --type REMOTE_COMMUNICATION");
    daemon.request_ok("hello");
    let data = "x".repeat(10_000);
    let mut client = daemon.connect();
    let sent = 400;
    for _ in 0..sent {
        assert!(client.request(&format!("event n {data}")).is_ok());
    }
    // It reads from now on: without any other event it learns of what it missed.
    let (mut got, mut missed) = (0, 0);
    while got + missed < sent {
        let event = watch.event().expect("the watch goes on");
        match event.get("missed") {
            Some(number) => missed += number.parse::<usize>().expect("a number"),
            None => got += 1,
        }
    }
    assert!(got > 5 && missed > 100, "{got} came, {missed} were missed");
    daemon.request_ok("event n last");
    let last = watch.event().expect("the watch goes on");
    assert_eq!(last.get("data").map(String::as_str), Some("last"));
}
