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
    // Of several threads the first may be a zombie while another still holds the channel: only visor's own word says that it is gone, and
    // nobody is handed over to it any more.
    site.daemon.wait_for_log(&format!("visor-http (pid {first}) ended unexpectedly"));
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
    crate::client::tell("waiting a minute for the gateway to leave");
    let deadline = begin + Duration::from_secs(90);
    while gateways(&site).contains(&pid) {
        assert!(std::time::Instant::now() < deadline, "it leaves");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(begin.elapsed() > Duration::from_secs(50), "{:?}", begin.elapsed());
    site.result("supervisor.getState", &[]);
}

/// Who is of the same user could otherwise read passwords out of its memory; the kernel gives what is not to be looked into to root.
#[test]
fn its_memory_is_its_own() {
    use std::os::unix::fs::MetadataExt as _;

    let site = Site::with("");
    site.result("supervisor.getState", &[]);
    let process = format!("/proc/{}", site.gateway());
    eventually("it has said so", || {
        let owner = |file: &str| std::fs::metadata(format!("{process}/{file}")).ok().map(|file| file.uid());
        (owner("mem") == Some(0) && owner("fd") == Some(0)).then_some(())
    });
    let status = std::fs::read_to_string(format!("{process}/status")).expect("its status");
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("its user").to_owned();
    if nix::unistd::geteuid().is_root() {
        assert!(!uids.split_whitespace().any(|uid| uid == "0"), "it runs as {uids}");
    }
}
