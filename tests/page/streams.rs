//! `/logtail` and `/mainlogtail` as the original has them, and `/log`.

use std::time::Duration;

use crate::http;
use crate::site::{Site, login};
use crate::support::eventually;

/// More than this the gateway, built for debugging, must not take for a reader that does not read.
const GATEWAY_KIB: u64 = 24 * 1024;

#[test]
fn logtail_begins_with_the_last_kilobyte_and_goes_on_with_what_is_added() {
    let site = Site::open();
    let filling = "x".repeat(2000);
    site.say(&filling);
    site.say("old");
    site.daemon.wait_for_file("talker.log", |text| text.ends_with("old\n"));
    for version in ["1.0", "1.1"] {
        let mut stream = http::open(site.port, version, "GET /logtail/talker", "");
        let head = stream.until("old\n");
        assert!(
            head.starts_with(&format!("HTTP/{version} 200")) && head.contains("content-type: text/plain;charset=utf-8")
        );
        assert!(head.to_lowercase().contains("x-accel-buffering: no"));
        assert_eq!(head.contains("transfer-encoding: chunked"), version == "1.1");
        if version == "1.0" {
            let (_, body) = head.split_once("\r\n\r\n").expect("headers and a body");
            assert_eq!(body.len(), 1024, "{body}");
        }
        site.say(&format!("new for {version}"));
        stream.until(&format!("new for {version}\n"));
        assert!(stream.is_silent_for(Duration::from_millis(50)));
    }
}

#[test]
fn logtail_of_a_stream_is_named_in_the_path_and_what_is_missing_is_404() {
    let site = Site::open();
    for path in [
        "/logtail/talker/stdout",
        "/logtail/talker/stderr",
        "/logtail/talker/",
        "/logtail/pair%3Apair_0",
        "/logtail/pair:pair_1",
    ] {
        http::open(site.port, "1.0", &format!("GET {path}"), "").until("200 OK");
    }
    for path in [
        "/logtail/nobody",
        "/logtail/",
        "/logtail",
        "/logtail/talker/stdin",
        "/logtail/merged/stderr",
        "/logtail/silent",
        "/logtail/pair:*",
        "/logtail/all",
        "/logtail/../../etc/passwd",
        "/logtail/%ff",
    ] {
        assert_eq!(site.get(path).status, 404, "{path}");
    }
    assert_eq!(http::ask(site.port, "POST /logtail/talker", "x").status, 400);
    std::fs::remove_file(site.daemon.file("talker.err")).unwrap();
    assert_eq!(site.get("/logtail/talker/stderr").status, 404, "the file is missing");
}

#[test]
fn mainlogtail_follows_visors_own_log() {
    let site = Site::open();
    let mut stream = http::open(site.port, "1.1", "GET /mainlogtail", "");
    stream.until("RUNNING state");
    site.daemon.svc_ok(&["stop", "talker"]);
    stream.until("stopped: talker");
}

#[test]
fn follow_ends_with_its_reader() {
    let site = Site::open();
    let clients = || -> usize {
        let facts = site.daemon.request_ok("metrics");
        facts.data.iter().find_map(|line| line.get("clients")?.parse().ok()).expect("a number of clients")
    };
    site.get("/ok.html");
    let before = clients();
    let streams: Vec<_> = (0..5).map(|_| http::open(site.port, "1.1", "GET /logtail/talker", "")).collect();
    eventually("each stream has its connection", || (clients() >= before + streams.len()).then_some(()));
    drop(streams);
    eventually("none is left over", || (clients() < before + 5).then_some(()));
}

#[test]
fn reader_that_does_not_read_holds_up_nobody() {
    let site = Site::open();
    let mut stuck = http::open(site.port, "1.0", "GET /logtail/flood", "");
    stuck.until("200 OK");
    site.daemon.svc_ok(&["start", "flood"]);
    site.daemon.wait_for_state("flood", "EXITED");
    site.daemon.wait_for_file("flood.log", |text| text.ends_with("end\n"));
    assert_eq!(site.get("/ok.html").status, 200);
    let kib = site.gateway_kib();
    assert!(kib < GATEWAY_KIB, "the gateway has {kib} KiB");
}

#[test]
fn last_lines_are_whole_and_as_many_as_asked() {
    let site = Site::open();
    for line in ["one", "two", "three"] {
        site.say(line);
    }
    site.daemon.wait_for_file("talker.log", |text| text.contains("three"));
    assert_eq!(site.get("/log/talker").body, "one\ntwo\nthree\n");
    assert_eq!(site.get("/log/talker/stdout?bytes=8").body, "three\n");
    assert_eq!(site.get("/log/talker/stderr").body, "");
    assert_eq!(site.get("/log/silent").status, 404);
    assert_eq!(site.get("/log/nobody").status, 404);
}

#[test]
fn who_may_only_look_may_follow_and_a_stranger_may_not() {
    let site = Site::locked();
    site.say("hello");
    let head = format!("GET /logtail/talker\n{}", login("guest", "look"));
    http::open(site.port, "1.1", &head, "").until("hello\n");
    assert_eq!(site.get("/logtail/talker").status, 401);
    assert_eq!(site.get("/events").status, 401);
    let head = format!("GET /events\n{}", login("guest", "look"));
    http::open(site.port, "1.1", &head, "").until("event: snapshot");
}

#[test]
fn events_tell_what_changes_to_everybody_who_listens() {
    let site = Site::open();
    let mut one = http::open(site.port, "1.1", "GET /events", "");
    let head = one.until("event: snapshot");
    assert!(head.contains("content-type: text/event-stream"));
    one.until("event: usage");
    site.daemon.svc_ok(&["start", "idle"]);
    one.until("\"event\":\"PROCESS_STATE_RUNNING\"");
    one.until("event: change");
    // Who comes later learns what was before.
    let mut other = http::open(site.port, "1.0", "GET /events", "");
    other.until("\"recent\":[{");
    site.daemon.svc_ok(&["stop", "idle"]);
    for stream in [&mut one, &mut other] {
        stream.until("PROCESS_STATE_STOPPED");
    }
}
