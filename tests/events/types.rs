//! Every type of event: its header and its payload, byte for byte.

use nix::sys::signal::Signal;

use crate::listener::{self, Seen, builder, pool, seen, wait_for, wait_until_ready};
use crate::support::{Daemon, TIMEOUT};

/// Programs that go through every state that can be had from outside, and output of both kinds.
const PROGRAMS: &str = "
[program:good]
command=sleep 1000
autostart=false
startsecs=0
[program:bad]
command=sh -c 'exit 3'
autostart=false
startsecs=0
autorestart=false
[program:missing]
command=sleep 1000
directory=/nowhere/to/be/found
autostart=false
startretries=0
[program:waits]
command=sleep 1000
directory=/nowhere/to/be/found
autostart=false
startretries=1000
[program:talks]
command=sh -c 'printf out; printf err >&2'
autostart=false
startsecs=0
autorestart=false
stdout_events_enabled=true
stderr_events_enabled=true
[program:tells]
command=sh -c \"printf '<!--XSUPERVISOR:BEGIN-->to you<!--XSUPERVISOR:END-->'; cat >&2 $DIR/tagged\"
autostart=false
startsecs=0
autorestart=false
stdout_capture_maxbytes=1KB
stderr_capture_maxbytes=1KB
[program:lingers]
command=sh -c 'trap \"sleep 0.5; exit\" TERM; echo lingering; while :; do sleep 0.1; done'
startsecs=0
";

/// (type, payload) of what concerns a process or group, pids as `N`.
fn about(seen: &[Seen], name: &str) -> Vec<(String, String)> {
    let mine = seen.iter().filter(|event| {
        let words = || event.payload.split([' ', '\n']);
        words().any(|word| word == format!("processname:{name}"))
            || (event.payload == format!("groupname:{name}\n") && event.name() != "PROCESS_GROUP_ADDED")
    });
    mine.map(|event| (event.name().to_owned(), without_pid(&event.payload))).collect()
}

fn without_pid(payload: &str) -> String {
    let Some((head, rest)) = payload.split_once("pid:") else { return payload.to_owned() };
    let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if rest.starts_with('0') { payload.to_owned() } else { format!("{head}pid:N{}", &rest[number..]) }
}

/// How often a process has gone to sleep by itself.
fn sleeps(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|number| number.trim().parse().ok()).expect("a number")
}

#[test]
fn nobody_wants_ticks_nothing_wakes_visor() {
    if !listener::has_python("idleness with listeners") {
        return;
    }
    let idle = builder().conf(&pool("l", "", "events=PROCESS_STATE,REMOTE_COMMUNICATION")).start();
    let clock = builder().conf(&pool("clock", "", "events=TICK_5")).start();
    wait_for(&idle, "l", |seen| seen.iter().any(|event| event.name() == "PROCESS_STATE_RUNNING"));
    let tick = |count: usize| drop(wait_for(&clock, "clock", |seen| seen.len() >= count));
    tick(1);
    let before = sleeps(idle.pid());
    tick(2);
    assert_eq!(sleeps(idle.pid()), before, "it slept all the time");
}

fn pairs(events: &[(&str, &str)]) -> Vec<(String, String)> {
    events.iter().map(|&(name, payload)| (name.to_owned(), payload.to_owned())).collect()
}

fn start() -> Daemon {
    let tagged = "a<!--XSUPERVISOR:BEGIN-->to all<!--XSUPERVISOR:END-->b";
    let daemon = builder().given("tagged", 0o644, tagged).conf(&pool("all", "", "events=EVENT")).conf(PROGRAMS).start();
    wait_until_ready(&daemon, "all");
    daemon.wait_for_log("lingering");
    daemon
}

#[test]
fn states_of_processes_are_told_with_their_payloads() {
    if !listener::has_python("the payloads of states") {
        return;
    }
    let daemon = start();
    daemon.request_ok("start good");
    daemon.request_ok("stop good");
    daemon.request_ok("start bad");
    daemon.request("start missing");
    daemon.request("start --no-wait waits");
    daemon.wait_for_state("missing", "FATAL");
    daemon.wait_for_state("waits", "BACKOFF");
    daemon.request_ok("stop waits");
    let last = |seen: &[Seen]| about(seen, "waits").iter().any(|(name, _)| name == "PROCESS_STATE_STOPPED");
    let all = wait_for(&daemon, "all", last);
    let wanted = pairs(&[
        ("PROCESS_STATE_STARTING", "processname:good groupname:good from_state:STOPPED tries:0"),
        ("PROCESS_STATE_RUNNING", "processname:good groupname:good from_state:STARTING pid:N"),
        ("PROCESS_STATE_STOPPING", "processname:good groupname:good from_state:RUNNING pid:N"),
        ("PROCESS_STATE_STOPPED", "processname:good groupname:good from_state:STOPPING pid:N"),
    ]);
    assert_eq!(about(&all, "good"), wanted);
    let wanted = pairs(&[
        ("PROCESS_STATE_STARTING", "processname:bad groupname:bad from_state:STOPPED tries:0"),
        ("PROCESS_STATE_RUNNING", "processname:bad groupname:bad from_state:STARTING pid:N"),
        ("PROCESS_STATE_EXITED", "processname:bad groupname:bad from_state:RUNNING expected:0 pid:N"),
    ]);
    assert_eq!(about(&all, "bad"), wanted);
    let wanted = pairs(&[
        ("PROCESS_STATE_STARTING", "processname:missing groupname:missing from_state:STOPPED tries:0"),
        ("PROCESS_STATE_BACKOFF", "processname:missing groupname:missing from_state:STARTING tries:1"),
        ("PROCESS_STATE_FATAL", "processname:missing groupname:missing from_state:BACKOFF"),
    ]);
    assert_eq!(about(&all, "missing"), wanted);
    let end = about(&all, "waits").pop().expect("an end");
    let stopped = "processname:waits groupname:waits from_state:BACKOFF pid:0";
    assert_eq!(end, ("PROCESS_STATE_STOPPED".to_owned(), stopped.to_owned()));
}

#[test]
fn headers_count_every_event_once() {
    if !listener::has_python("the headers of events") {
        return;
    }
    let daemon = builder()
        .supervisord("identifier=box")
        .conf(&pool("all", "", "events=event"))
        .conf(&pool("some", "", "events=REMOTE_COMMUNICATION,PROCESS_GROUP"))
        .conf(PROGRAMS)
        .start();
    daemon.request_ok("event greeting h%C3%A9llo");
    for name in ["all", "some"] {
        wait_for(&daemon, name, |seen| seen.iter().any(|event| event.name() == "REMOTE_COMMUNICATION"));
    }
    let (all, some) = (seen(&daemon, "all"), seen(&daemon, "some"));
    for (pool, events) in [("all", &all), ("some", &some)] {
        for (number, event) in events.iter().enumerate() {
            let wanted = format!(
                "ver:3.0 server:box serial:{} pool:{pool} poolserial:{number} eventname:{} len:{}",
                event.number("serial"),
                event.name(),
                event.payload.len()
            );
            assert_eq!(event.header, wanted);
        }
    }
    let serials: Vec<u64> = all.iter().map(|event| event.number("serial")).collect();
    assert_eq!(serials, (0..).take(all.len()).collect::<Vec<_>>(), "the pool of everything misses nothing");
    for event in &some {
        let twin = all.iter().find(|other| other.number("serial") == event.number("serial")).expect("the same event");
        assert_eq!((event.name(), &event.payload), (twin.name(), &twin.payload));
    }
    let groups: Vec<&str> = some.iter().map(|event| event.payload.as_str()).take(9).collect();
    let wanted = ["all", "some", "bad", "good", "lingers", "missing", "talks", "tells", "waits"];
    assert_eq!(groups, wanted.map(|name| format!("groupname:{name}\n")), "groups come in their order");
    assert!(all.iter().any(|event| event.name() == "SUPERVISOR_STATE_CHANGE_RUNNING" && event.payload.is_empty()));
}

#[test]
fn output_that_is_logged_and_output_that_is_captured_are_events() {
    if !listener::has_python("events of output") {
        return;
    }
    let daemon = start();
    daemon.request_ok("start talks");
    daemon.request_ok("start tells");
    let all = wait_for(&daemon, "all", |seen| {
        ["talks", "tells"].iter().all(|name| about(seen, name).iter().any(|(name, _)| name.ends_with("_EXITED")))
    });
    let output = |name: &str| {
        let mut events = about(&all, name);
        events.retain(|(name, _)| !name.starts_with("PROCESS_STATE_"));
        events.sort();
        events
    };
    let wanted = pairs(&[
        ("PROCESS_LOG_STDERR", "processname:talks groupname:talks pid:N channel:stderr\nerr"),
        ("PROCESS_LOG_STDOUT", "processname:talks groupname:talks pid:N channel:stdout\nout"),
    ]);
    assert_eq!(output("talks"), wanted);
    let wanted = pairs(&[
        ("PROCESS_COMMUNICATION_STDERR", "processname:tells groupname:tells pid:N\nto all"),
        ("PROCESS_COMMUNICATION_STDOUT", "processname:tells groupname:tells pid:N\nto you"),
    ]);
    assert_eq!(output("tells"), wanted);
    daemon.wait_for_log("'tells' stderr emitted a comm event");
    daemon.wait_for_log("'tells' stdout emitted a comm event");
}

#[test]
fn groups_that_come_and_go_a_clients_word_and_the_end_are_told() {
    if !listener::has_python("events of groups") {
        return;
    }
    let daemon = start();
    daemon.rewrite_conf(&(pool("all", "", "events=EVENT") + PROGRAMS + "[program:fresh]\ncommand=sleep 1000\n"));
    daemon.svc_ok(&["update"]);
    daemon.rewrite_conf(&(pool("all", "", "events=EVENT") + PROGRAMS));
    daemon.svc_ok(&["update"]);
    daemon.svc_ok(&["event", "deploy", "version  7\n"]);
    daemon.svc_ok(&["event", "bare"]);
    let all = wait_for(&daemon, "all", |seen| seen.iter().any(|event| event.payload == "type:bare\n"));
    let find =
        |name: &str, payload: &str| all.iter().position(|event| event.name() == name && event.payload == payload);
    let added = find("PROCESS_GROUP_ADDED", "groupname:fresh\n").expect("the group is added");
    let removed = find("PROCESS_GROUP_REMOVED", "groupname:fresh\n").expect("the group is removed");
    let said = find("REMOTE_COMMUNICATION", "type:deploy\nversion  7\n").expect("what was said is told");
    assert!(added < removed && removed < said);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    let end = seen(&daemon, "all").into_iter().find(|event| event.name() == "SUPERVISOR_STATE_CHANGE_STOPPING");
    assert_eq!(end.expect("the end is told while the listener lives").payload, "");
}

#[test]
fn clock_is_told_every_five_seconds_of_the_epoch_to_who_subscribed() {
    if !listener::has_python("ticks") {
        return;
    }
    let daemon = builder()
        .conf(&pool("clock", "", "events=TICK_5"))
        .conf(&pool("deaf", "", "events=TICK_60,REMOTE_COMMUNICATION"))
        .start();
    let ticks = wait_for(&daemon, "clock", |seen| seen.len() >= 2);
    let when = |event: &Seen| event.payload.strip_prefix("when:").and_then(|text| text.parse::<u64>().ok());
    let [first, second] = [when(&ticks[0]), when(&ticks[1])].map(|when| when.expect("a time"));
    assert_eq!((first % 5, second), (0, first + 5), "{ticks:?}");
    assert!(ticks.iter().all(|event| event.name() == "TICK_5"));
    assert!(seen(&daemon, "deaf").iter().all(|event| event.name() == "TICK_60"));
}
