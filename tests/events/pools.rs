//! Pools: who gets an event, what comes back, what is lost and how that is seen.

use crate::listener::{self, builder, fact, pool, seen, wait_for, wait_until_ready};
use crate::support::Daemon;

/// Sends `count` words of clients, `first` the number of the first.
fn send(daemon: &Daemon, first: usize, count: usize) {
    let mut client = daemon.connect();
    for number in first..first + count {
        client.send(&format!("event n {number}"));
    }
    for _ in 0..count {
        assert!(client.reply().is_ok());
    }
}

fn numbers(daemon: &Daemon, pool: &str) -> Vec<usize> {
    let number = |payload: &str| payload.strip_prefix("type:n\n").and_then(|number| number.parse().ok());
    seen(daemon, pool).iter().filter_map(|event| number(&event.payload)).collect()
}

fn has_all(count: usize) -> impl Fn(&[crate::listener::Seen]) -> bool {
    move |seen| {
        let known: std::collections::BTreeSet<&str> =
            seen.iter().filter(|event| event.answer == "OK").map(|event| event.payload.as_str()).collect();
        (0..count).all(|number| known.contains(format!("type:n\n{number}").as_str()))
    }
}

#[test]
fn each_event_goes_to_one_of_the_pool_and_all_of_them_get_some() {
    if !listener::has_python("pools of several") {
        return;
    }
    let options = "events=REMOTE_COMMUNICATION\nnumprocs=3\nprocess_name=%(program_name)s_%(process_num)d";
    let daemon = builder().conf(&pool("p", "", options)).start();
    for number in 0..3 {
        wait_until_ready(&daemon, &format!("p_{number}"));
    }
    send(&daemon, 0, 200);
    let events = wait_for(&daemon, "p", has_all(200));
    assert_eq!(events.len(), 200, "nobody gets what another has");
    for number in 0..3 {
        let name = format!("p_{number}");
        assert!(events.iter().any(|event| event.by == name), "{name} got nothing");
    }
    assert_eq!(fact(&daemon, "p:p_0", "lost"), "0");
}

#[test]
fn rejected_event_comes_again_before_the_others_and_to_this_pool_only() {
    if !listener::has_python("rejected events") {
        return;
    }
    let daemon = builder()
        .conf(&pool("picky", "OK FAIL FAIL no OK", "events=REMOTE_COMMUNICATION"))
        .conf(&pool("other", "", "events=REMOTE_COMMUNICATION"))
        .start();
    send(&daemon, 0, 4);
    wait_for(&daemon, "picky", has_all(4));
    wait_for(&daemon, "other", has_all(4));
    assert_eq!(numbers(&daemon, "picky"), [0, 1, 1, 1, 1, 2, 3]);
    assert_eq!(numbers(&daemon, "other"), [0, 1, 2, 3]);
    let again: Vec<u64> = seen(&daemon, "picky").iter().map(|event| event.number("poolserial")).collect();
    assert_eq!(again, [0, 1, 1, 1, 1, 2, 3], "what comes again is the same event");
    assert_eq!(daemon.process().log().iter().filter(|line| line.contains("picky: event was rejected")).count(), 3);
    daemon.wait_for_log("rebuffering event 1 for pool picky (buf size=");
}

#[test]
fn listener_that_dies_with_an_event_leaves_it_to_another() {
    if !listener::has_python("dying listeners") {
        return;
    }
    // The first writes into the same file as the second, and dies with its first event.
    let conf = "[eventlistener:p]\ncommand=sh -c 'test %(process_num)d = 0 && die=DIE; \
                exec python3 $DIR/listener.py $DIR/p.seen $die'\nprocess_name=p_%(process_num)d\nnumprocs=2\nstartsecs=0\n\
                autorestart=false\nevents=REMOTE_COMMUNICATION\n";
    let daemon = builder().conf(conf).start();
    wait_until_ready(&daemon, "p_0");
    wait_until_ready(&daemon, "p_1");
    send(&daemon, 0, 3);
    let events = wait_for(&daemon, "p", has_all(3));
    let by: Vec<(&str, &str)> = events.iter().map(|event| (event.by.as_str(), event.answer.as_str())).collect();
    assert_eq!(by.iter().filter(|one| **one == ("p_0", "DIE")).count(), 1);
    assert_eq!(by.iter().filter(|one| **one == ("p_1", "OK")).count(), 3);
    assert_eq!(numbers(&daemon, "p").iter().filter(|number| **number == 0).count(), 2, "the first event came twice");
    assert_eq!(fact(&daemon, "p:p_1", "lost"), "0");
}

#[test]
fn killed_and_restarted_listener_gets_its_event_again() {
    if !listener::has_python("killed listeners") {
        return;
    }
    let daemon = builder().conf(&pool("p", "HANG", "events=REMOTE_COMMUNICATION")).start();
    send(&daemon, 0, 2);
    wait_for(&daemon, "p", |seen| seen.len() == 1);
    // Its next life hangs too: what it has not answered is still not lost.
    for round in 2..=3 {
        daemon.request_ok("restart p");
        wait_for(&daemon, "p", |seen| seen.len() == round);
    }
    assert_eq!(numbers(&daemon, "p"), [0, 0, 0]);
    assert_eq!(fact(&daemon, "p", "listener"), "BUSY");
    assert_eq!(fact(&daemon, "p", "waiting"), "1");
}

#[test]
fn overflow_is_counted_logged_and_shown() {
    if !listener::has_python("overflowing pools") {
        return;
    }
    let daemon = builder().conf(&pool("slow", "HANG", "events=REMOTE_COMMUNICATION\nbuffer_size=5")).start();
    wait_until_ready(&daemon, "slow");
    send(&daemon, 0, 1);
    wait_for(&daemon, "slow", |seen| seen.len() == 1);
    send(&daemon, 1, 12);
    assert_eq!(fact(&daemon, "slow", "lost"), "7");
    assert_eq!(fact(&daemon, "slow", "waiting"), "5");
    daemon.wait_for_log("ERRO pool slow event buffer overflowed, discarding event 1");
    // The others are told together, a second later.
    daemon.wait_for_log("ERRO pool slow event buffer overflowed, discarding event 7 and 5 more before it");
    let screen = daemon.svc_ok(&["status", "slow"]);
    assert!(screen.contains("RUNNING") && screen.contains(", 7 events lost"), "{screen}");
    let why = daemon.svc_ok(&["why", "slow"]);
    assert!(why.contains("it is BUSY, 5 events wait for its pool, 7 were lost"), "{why}");
    let json: serde_json::Value = serde_json::from_str(&daemon.svc_ok(&["status", "--json", "slow"])).expect("JSON");
    assert_eq!(json[0]["lost"], serde_json::json!(7), "{json}");
}

#[test]
fn changes_of_state_are_kept_while_output_overflows() {
    if !listener::has_python("overflow by output") {
        return;
    }
    let daemon = builder()
        .conf(&pool("slow", "HANG", "events=PROCESS_STATE,PROCESS_LOG,REMOTE_COMMUNICATION\nbuffer_size=12"))
        .conf("[program:x]\ncommand=cat\nstartsecs=0\nautostart=false\nstdout_events_enabled=true")
        .start();
    wait_for(&daemon, "slow", |seen| seen.len() == 1);
    daemon.request_ok("start x");
    daemon.request_ok("stop x");
    // The listener's own RUNNING and four changes of x wait; seven words of clients fit in beside them.
    send(&daemon, 0, 50);
    assert_eq!((fact(&daemon, "slow", "waiting"), fact(&daemon, "slow", "lost")), ("12".into(), "43".into()));
    // The next life is one that answers.
    std::fs::write(daemon.file("listener.py"), PATIENT).expect("another listener");
    daemon.request_ok("restart slow");
    let of_x = |seen: &[listener::Seen]| -> Vec<String> {
        let mine = seen.iter().filter(|event| event.payload.contains("processname:x "));
        mine.filter_map(|event| event.name().strip_prefix("PROCESS_STATE_").map(str::to_owned)).collect()
    };
    let all = wait_for(&daemon, "slow", |seen| of_x(seen).last().is_some_and(|state| state == "STOPPED"));
    assert_eq!(of_x(&all), ["STARTING", "RUNNING", "STOPPING", "STOPPED"]);
}

/// Writes down every event and is content with it.
const PATIENT: &str = r"
import json, os, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
stdin = sys.stdin.buffer
while True:
    os.write(1, b'READY\n')
    head = stdin.readline() or sys.exit()
    words = dict(word.split(':', 1) for word in head.decode().split())
    body = stdin.read(int(words['len']))
    os.write(out, json.dumps([head.decode().rstrip('\n'), body.decode(), 'slow', 'OK']).encode() + b'\n')
    os.write(1, b'RESULT 2\nOK')
";

#[test]
fn listener_not_yet_running_gets_nothing_and_then_all() {
    if !listener::has_python("listeners that start slowly") {
        return;
    }
    let conf = pool("p", "", "events=REMOTE_COMMUNICATION").replace("startsecs=0", "startsecs=2");
    let daemon = builder().conf(&conf).start();
    wait_until_ready(&daemon, "p");
    send(&daemon, 0, 3);
    assert_eq!((daemon.state_of("p").as_str(), seen(&daemon, "p").len()), ("STARTING", 0));
    assert_eq!(fact(&daemon, "p", "waiting"), "3");
    wait_for(&daemon, "p", has_all(3));
}

#[test]
fn pool_that_is_changed_hears_what_it_is_to_hear_from_now_on() {
    if !listener::has_python("changed pools") {
        return;
    }
    let daemon = builder().conf(&pool("p", "", "events=TICK_3600")).start();
    wait_until_ready(&daemon, "p");
    send(&daemon, 0, 1);
    daemon.rewrite_conf(&pool("p", "", "events=REMOTE_COMMUNICATION"));
    daemon.svc_ok(&["update"]);
    send(&daemon, 1, 2);
    wait_for(&daemon, "p", |seen| seen.len() == 2);
    assert_eq!(numbers(&daemon, "p"), [1, 2]);
    daemon.rewrite_conf("");
    assert_eq!(daemon.svc_ok(&["update"]), "p: stopped\np: removed process group\n");
    send(&daemon, 3, 1);
}
