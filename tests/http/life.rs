//! The gateway comes, goes, and comes again.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use visor::http::xml::{Reply, Value};

use crate::client::{Site, post, reply, text};
use crate::support::{descendants, eventually};

fn gateways(site: &Site) -> Vec<i32> {
    let is_gateway =
        |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "visor-http");
    descendants(site.daemon.pid()).into_iter().filter(is_gateway).collect()
}

#[test]
fn it_comes_with_the_first_connection_and_again_after_it_was_killed() {
    let site = Site::with("");
    assert!(gateways(&site).is_empty());
    site.result("supervisor.getState", &[]);
    let first = site.gateway();
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("it is killed");
    eventually("it is gone", || (!gateways(&site).contains(&first)).then_some(()));
    // While it rests after its death who comes is told to come again.
    eventually("another one answers", || {
        let answer = site.unix().exchange(&post("supervisor.getState", &[], ""));
        assert!(answer.status == 200 || (answer.status == 503 && answer.header("retry-after").is_some()));
        (answer.status == 200).then_some(())
    });
    assert_ne!(site.gateway(), first);
}

#[test]
fn call_under_way_outlives_a_change_of_the_doors() {
    let site = Site::with("[program:slow]\ncommand=/bin/sleep 1000\nautostart=false\nstartsecs=12\n");
    let mut waiting = site.inet();
    waiting.send(&post("supervisor.startProcess", &[text("slow")], ""));
    site.daemon.wait_for_state("slow", "STARTING");
    let old = site.gateway();
    let mut kept = site.unix();
    kept.call("supervisor.getState", &[]);
    let conf = std::fs::read_to_string(site.daemon.file("visor.conf")).unwrap();
    let guarded = conf.replace("[inet_http_server]\n", "[inet_http_server]\nusername=u\npassword=p\n");
    std::fs::write(site.daemon.file("visor.conf"), guarded).unwrap();
    site.daemon.request_ok("reload");
    assert_eq!(
        site.inet().exchange(&post("supervisor.getState", &[], "")).status,
        401,
        "the new one has the new login"
    );
    assert!(kept.ends(), "who waits for nothing is sent away");
    assert_eq!(reply(&waiting.answer().expect("the old one answers")), Reply::Value(Value::Bool(true)));
    eventually("the old one is gone", || (!gateways(&site).contains(&old)).then_some(()));
}

#[test]
fn it_leaves_after_a_minute_without_connections_and_not_before() {
    let site = Site::with("");
    let mut patient = site.unix();
    patient.call("supervisor.getState", &[]);
    let pid = site.gateway();
    let begin = std::time::Instant::now();
    drop(patient);
    crate::support::left_out("nothing; waiting a minute for the gateway to leave");
    let deadline = begin + Duration::from_secs(90);
    while gateways(&site).contains(&pid) {
        assert!(std::time::Instant::now() < deadline, "it leaves");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(begin.elapsed() > Duration::from_secs(50), "{:?}", begin.elapsed());
    site.result("supervisor.getState", &[]);
}
