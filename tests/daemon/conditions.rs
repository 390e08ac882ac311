//! What programs need before they start: a chain, what fails in it, who starts what, the order of stopping, SONiC's files.

use super::support::{Daemon, TIMEOUT, eventually};

/// A oneshot that is done, with a code, when the test says so.
fn migrate(needs: &str) -> String {
    let command = "sh -c 'while [ ! -e $DIR/go ]; do sleep 0.02; done; echo ran >> $DIR/ran; exit $(cat $DIR/go)'";
    format!("[program:migrate]\ncommand={command}\ntype=oneshot\n{needs}\n")
}

fn go(daemon: &Daemon, code: i32) {
    std::fs::write(daemon.file("next"), code.to_string()).expect("the code is written");
    std::fs::rename(daemon.file("next"), daemon.file("go")).expect("the sign to go on");
}

fn server(name: &str, keys: &str) -> String {
    format!("[program:{name}]\ncommand=sleep 1000\nstartsecs=0\n{keys}\n")
}

/// db ← migrate ← web, in an order that is none of theirs.
fn chain() -> String {
    let web = server("web", "priority=1\ndepends_on=db, migrate:exited");
    format!("{web}{}{}", migrate("depends_on=db"), server("db", "priority=500"))
}

fn status(daemon: &Daemon, name: &str) -> String {
    String::from_utf8_lossy(&daemon.svc(&["status", name]).stdout).into_owned()
}

fn place(log: &[String], phrase: &str) -> usize {
    log.iter().position(|line| line.contains(phrase)).unwrap_or_else(|| panic!("`{phrase}` is not in {log:#?}"))
}

#[test]
fn chain_starts_in_its_order_and_says_what_it_waits_for() {
    let daemon = Daemon::with(&chain());
    daemon.wait_for_state("migrate", "RUNNING");
    daemon.wait_for_log("waiting: web for db, migrate:exited");
    assert!(
        status(&daemon, "web").contains("STARTING  waiting for migrate:exited (RUNNING)"),
        "{}",
        status(&daemon, "web")
    );
    assert!(daemon.svc_ok(&["why", "web"]).contains("waiting for migrate:exited (RUNNING)"));
    go(&daemon, 0);
    daemon.wait_for_state("web", "RUNNING");
    let log = daemon.process().log();
    assert!(place(&log, "spawned: 'db'") < place(&log, "spawned: 'migrate'"));
    assert!(place(&log, "exited: migrate") < place(&log, "spawned: 'web'"));
}

#[test]
fn everything_stops_in_the_reverse_order_each_awaited() {
    let daemon = Daemon::with(&format!("{}{}", chain(), server("aside", "depends_on=db:listed")));
    go(&daemon, 0);
    daemon.wait_for_state("web", "RUNNING");
    daemon.wait_for_state("aside", "RUNNING");
    daemon.request_ok("shutdown");
    assert_eq!(daemon.process().wait_exit(TIMEOUT).code(), Some(0));
    let log = daemon.process().log();
    for name in ["web", "aside"] {
        assert!(place(&log, &format!("stopped: {name}")) < place(&log, "stopped: db"), "{log:#?}");
    }
}

#[test]
fn failed_need_fails_who_needs_it_and_says_so() {
    let daemon = Daemon::with(&format!("{}{}", chain(), server("last", "depends_on=web")));
    go(&daemon, 4);
    daemon.wait_for_state("last", "FATAL");
    assert!(status(&daemon, "web").contains("it depends on `migrate:exited`, which is EXITED (exit status 4)"));
    daemon.wait_for_log("gave up: last entered FATAL state, it depends on `web`, which is FATAL");
    assert_eq!(daemon.request("start web").error_code(), "spawn-error");
    assert_eq!(daemon.read("ran"), "ran\nran\n", "it was tried once more");
    go(&daemon, 0);
    assert!(daemon.request("start last").is_ok());
    daemon.wait_for_state("web", "RUNNING");
}

#[test]
fn wait_waits_for_somebody_to_mend_it_and_ignore_starts_anyway() {
    let daemon = Daemon::with(&format!(
        "{}{}{}",
        migrate(""),
        server("waits", "depends_on=migrate\non_dependency_failure=wait"),
        server("ignores", "depends_on=migrate\non_dependency_failure=ignore"),
    ));
    daemon.wait_for_log("waiting: ignores for migrate");
    go(&daemon, 4);
    daemon.wait_for_state("ignores", "RUNNING");
    assert!(status(&daemon, "waits").contains("waiting for migrate (EXITED)"));
    go(&daemon, 0);
    daemon.request("start migrate");
    daemon.wait_for_state("waits", "RUNNING");
}

#[test]
fn start_by_hand_brings_up_what_is_needed_and_does_nothing_twice() {
    let conf = chain()
        .replace("priority=", "autostart=false\npriority=")
        .replace("type=oneshot", "type=oneshot\nautostart=false");
    let daemon = Daemon::with(&conf);
    go(&daemon, 0);
    assert!(daemon.request("start web").is_ok());
    assert_eq!([daemon.state_of("db"), daemon.state_of("web")], ["RUNNING", "RUNNING"]);
    daemon.request_ok("stop web");
    daemon.request_ok("stop db");
    assert!(daemon.request("start web").is_ok());
    assert_eq!(daemon.state_of("db"), "RUNNING");
    assert_eq!(daemon.read("ran"), "ran\n");
}

#[test]
fn start_that_is_not_awaited_is_answered_and_a_stop_ends_the_wait() {
    let daemon = Daemon::with(&chain());
    daemon.wait_for_log("waiting: web for");
    assert!(daemon.request("stop web").is_ok());
    assert_eq!(daemon.state_of("web"), "STOPPED");
    daemon.svc_ok(&["start", "--no-wait", "web"]);
    assert_eq!(daemon.state_of("web"), "STARTING");
    daemon.request_ok("shutdown");
    assert_eq!(daemon.process().wait_exit(TIMEOUT).code(), Some(0));
    assert!(!daemon.process().log().iter().any(|line| line.contains("spawned: 'web'")));
}

#[test]
fn healthy_and_ready_needs_are_met_by_checks() {
    let daemon = Daemon::with(&format!(
        "{}{}{}",
        server(
            "db",
            "ready=file:$DIR/ready\nready_interval=20ms\nhealth=file:$DIR/well\nhealth_interval=20ms\nhealth_retries=1000"
        ),
        server("early", "depends_on=db:ready"),
        server("late", "depends_on=db:healthy"),
    ));
    daemon.wait_for_log("waiting: early for db:ready");
    std::fs::write(daemon.file("ready"), "").expect("it is ready");
    daemon.wait_for_state("early", "RUNNING");
    assert!(status(&daemon, "late").contains("waiting for db:healthy (RUNNING)"));
    std::fs::write(daemon.file("well"), "").expect("it is well");
    daemon.wait_for_state("late", "RUNNING");
}

#[test]
fn changed_need_holds_from_the_next_start_and_a_new_group_is_found() {
    let daemon = Daemon::with(&server("web", ""));
    daemon.wait_for_state("web", "RUNNING");
    daemon.rewrite_conf(&format!("{}{}", server("web", "depends_on=cache"), server("cache", "autostart=false")));
    daemon.request_ok("update");
    assert!(daemon.request("restart web").is_ok());
    assert_eq!(daemon.state_of("cache"), "RUNNING");
}

#[test]
fn check_finds_unknown_names_and_whole_cycles() {
    for (conf, said) in [
        (server("web", "depends_on=dbb") + &server("db", ""), "there is no program or group `dbb`; did you mean `db`?"),
        (
            server("a", "depends_on=b") + &server("b", "depends_on=c:exited") + &server("c", "depends_on=a"),
            "programs wait for each other: a -> b -> c -> a",
        ),
    ] {
        let daemon = Daemon::builder().conf(&conf).spawn();
        assert_eq!(daemon.process().wait_exit(TIMEOUT).code(), Some(2));
        let errors = daemon.process().errors();
        assert!(errors.contains(said) && errors.contains("depends_on"), "{errors}");
    }
}

#[test]
fn sonics_programs_start_at_boot_in_their_order_without_the_listener() {
    let keys = |wait: &str| format!("autostart=false\nautorestart=false\ndependent_startup=true\n{wait}");
    let conf = format!(
        "[eventlistener:dependent-startup]\ncommand=python3 -m supervisord_dependent_startup\nautorestart=unexpected\n\
         startretries=0\nexitcodes=0,3\nevents=PROCESS_STATE\nbuffer_size=1\n{}\
         [program:start]\ncommand=sh -c 'while [ ! -e $DIR/go ]; do sleep 0.02; done; exit $(cat $DIR/go)'\nstartsecs=0\n{}\n\
         [group:relays]\nprograms=relay\n{}{}",
        server("syslog", &keys("")),
        keys("dependent_startup_wait_for=syslog:running"),
        server("relay", &keys("dependent_startup_wait_for=syslog:running start:exited")),
        server("mon", &keys("dependent_startup_wait_for=relay:running")),
    );
    let daemon = Daemon::with(&conf);
    daemon.wait_for_state("start", "RUNNING");
    assert!(status(&daemon, "mon").contains("waiting for relay:running (STARTING)"));
    // Whatever the code is: it has exited.
    go(&daemon, 1);
    daemon.wait_for_state("mon", "RUNNING");
    assert_eq!(daemon.state_of("dependent-startup"), "STOPPED");
    assert!(daemon.svc_ok(&["why", "dependent-startup"]).contains("visor itself does what it is for"));
    daemon.wait_for_log("visor does what this listener is for: it is not started");
    let listener = status(&daemon, "dependent-startup");
    assert!(listener.ends_with("Not started\n"), "nobody takes its events, so none are lost: {listener}");
    let healthy = || daemon.svc(&["healthy", "syslog", "relays:relay", "mon"]).status.success().then_some(());
    eventually("all that should run runs", healthy);
}
