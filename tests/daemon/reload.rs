//! A new configuration while things are under way.

use nix::sys::signal::Signal;

use super::kernel::exists;
use super::support::{Daemon, TIMEOUT, descendants, eventually};

/// A program that takes a second to stop; `mark` makes its settings differ.
fn deaf(mark: &str) -> String {
    format!(
        "[program:deaf]\ncommand=sh -c \"trap '' TERM; echo deaf {mark}; exec sleep 1000\"\nstartsecs=0\nstopwaitsecs=1\n"
    )
}

#[test]
fn reloads_that_overlap_leave_one_instance_with_the_newest_settings() {
    let daemon = Daemon::with(&deaf("old"));
    daemon.wait_for_log("deaf old");
    let old = daemon.pid_of("deaf");
    daemon.rewrite_conf(&deaf("new"));
    let mut askers = [daemon.connect(), daemon.connect(), daemon.connect()];
    for asker in &mut askers {
        asker.send("update");
    }
    daemon.wait_for_state("deaf", "STOPPING");
    daemon.rewrite_conf(&deaf("newest"));
    daemon.signal(Signal::SIGHUP);
    askers[0].send("restart deaf");
    for asker in &mut askers {
        let reply = asker.reply();
        assert!(reply.is_ok(), "{reply:?}");
    }
    assert!(askers[0].reply().is_ok());
    daemon.wait_for_log("deaf newest");
    daemon.wait_for_state("deaf", "RUNNING");
    let now = daemon.pid_of("deaf");
    assert!(now != old && !exists(old));
    eventually("there is one instance", || (descendants(daemon.pid()) == [now]).then_some(()));
}

#[test]
fn term_during_a_reload_ends_visor_and_starts_nothing() {
    let daemon = Daemon::with(&deaf("old"));
    daemon.wait_for_log("deaf old");
    daemon.rewrite_conf(&format!("{}[program:more]\ncommand=sleep 1000\n", deaf("new")));
    let mut asker = daemon.connect();
    asker.send("update");
    daemon.wait_for_state("deaf", "STOPPING");
    let mark = daemon.process().mark();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(asker.reply().error_code(), "shutting-down");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(daemon.process().log().iter().skip(mark).all(|line| !line.contains("spawned:")));
}

#[test]
fn groups_are_added_and_removed_one_by_one() {
    let sleeper = |name: &str| format!("[program:{name}]\ncommand=sleep 1000\nstartsecs=0\n");
    let daemon = Daemon::with(&sleeper("a"));
    daemon.wait_for_state("a", "RUNNING");
    daemon.rewrite_conf(&(sleeper("a") + &sleeper("b") + &sleeper("c")));
    assert_eq!(daemon.request("add b").error_code(), "bad-name", "it was not read yet");
    let changes = daemon.request_ok("reread").data;
    let told: Vec<(&str, &str)> =
        changes.iter().map(|line| (line["group"].as_str(), line["change"].as_str())).collect();
    assert_eq!(told, [("b", "added"), ("c", "added")]);
    assert_eq!(daemon.request("status").data.len(), 1, "reading changes nothing");
    daemon.request_ok("add b");
    daemon.wait_for_state("b", "RUNNING");
    assert!(!daemon.request("remove a").is_ok(), "a running one is not removed");
    daemon.request_ok("stop a");
    daemon.request_ok("remove a");
    assert_eq!(daemon.request("status").data.len(), 1);
    daemon.request_ok("update c");
    daemon.wait_for_state("c", "RUNNING");
    assert!(!daemon.request("update nosuch").is_ok());
    daemon.request_ok("update");
    daemon.wait_for_state("a", "RUNNING");
    assert_eq!(daemon.request("status").data.len(), 3);
}

#[test]
fn file_that_is_gone_at_hup_changes_nothing() {
    let daemon = Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=0\n");
    daemon.wait_for_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    std::fs::remove_file(daemon.file("visor.conf")).expect("the file");
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_log("cannot read the configuration");
    assert_eq!(daemon.request("update").error_code(), "cannot-reread");
    assert_eq!(daemon.pid_of("x"), pid);
}

#[test]
fn same_file_again_restarts_nobody() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sleep 1000\nstartsecs=0\nnumprocs=3\nprocess_name=%(process_num)d\n\
         environment=A=\"1\",B=\"2\"\n[program:auto]\ncommand=sh -c \"echo made; exec sleep 1000\"\nstartsecs=0\n",
    );
    daemon.wait_for_log("made");
    let pids = || ["x:0", "x:1", "x:2", "auto"].map(|name| daemon.pid_of(name));
    eventually("all run", || daemon.request("ready").is_ok().then_some(()));
    let before = pids();
    for request in ["reload", "update", "reread", "update all"] {
        let reply = daemon.request_ok(request);
        assert_eq!(reply.data, [], "{request}");
    }
    assert_eq!(pids(), before);
    assert_eq!(daemon.request_ok("tail auto").bytes, b"made\n");
}

#[test]
fn log_level_is_taken_at_reload_and_what_needs_a_start_is_named() {
    let daemon = Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=0\n");
    daemon.wait_for_log("success: x entered RUNNING");
    let conf = daemon.read("visor.conf").replace("loglevel=debug", "loglevel=error\nminfds=500");
    std::fs::write(daemon.file("visor.conf"), conf).expect("the file");
    daemon.request_ok("reload");
    // Who asked is told while the old level holds.
    daemon.wait_for_log(": reload");
    let mark = daemon.process().mark();
    daemon.request_ok("restart x");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    let after = daemon.process().log().split_off(mark);
    assert!(after.iter().all(|line| !line.contains("INFO") && !line.contains("DEBG")), "{after:?}");
}

#[test]
fn main_log_on_stdout_has_each_line_once() {
    let daemon = Daemon::builder()
        .supervisord("logfile=/dev/stdout\nlogfile_maxbytes=0")
        .conf("[program:x]\ncommand=echo once only\nstartsecs=0\nautorestart=false\n")
        .start();
    daemon.wait_for_log("exited: x");
    daemon.request_ok("shutdown");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    let log = daemon.process().log();
    for phrase in ["supervisord started with pid", "spawned: 'x'", "once only", "exited: x"] {
        assert_eq!(log.iter().filter(|line| line.contains(phrase)).count(), 1, "{phrase}: {log:?}");
    }
}
