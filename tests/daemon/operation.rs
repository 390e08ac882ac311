//! What `svc` does for who operates: patterns as names, `wait`, `rolling`, `status --state`, `top`.

use std::process::{Command, Stdio};

use super::support::{Daemon, Foreground, SVC, TIMEOUT, clean_command};

/// Three of a pool, two with like names, one that cannot start.
const MANY: &str = "[program:web]\ncommand=sleep 1000\nnumprocs=3\nprocess_name=web_%(process_num)02d\nstartsecs=0\n\
[program:cache-a]\ncommand=sleep 1000\nstartsecs=0\n[program:cache-b]\ncommand=sleep 1000\nstartsecs=0\n\
[program:lost]\ncommand=/no/such/file\nstartretries=0\nautostart=false\n";

fn many() -> Daemon {
    let daemon = Daemon::with(MANY);
    for name in ["web:web_00", "web:web_01", "web:web_02", "cache-a", "cache-b"] {
        daemon.wait_for_state(name, "RUNNING");
    }
    daemon
}

/// Exit code and stdout of `svc`.
fn svc(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String) {
    let output = daemon.svc(arguments);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `svc` in the background; its stdout is the log.
fn begin(daemon: &Daemon, arguments: &[&str]) -> Foreground {
    let mut command: Command = clean_command(SVC);
    command.arg("-s").arg(daemon.socket()).args(arguments).stdin(Stdio::null());
    Foreground::start(command, false)
}

fn names(screen: &str) -> Vec<&str> {
    screen.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn patterns_name_processes_wherever_names_are_taken() {
    let daemon = many();
    let shown = |pattern: &str| svc(&daemon, &["status", pattern]).1;
    assert_eq!(names(&shown("cache-*")), ["cache-a", "cache-b"]);
    assert_eq!(names(&shown("web:web_0[12]")), ["web:web_01", "web:web_02"]);
    assert_eq!(names(&shown("*:*_00")), ["web:web_00"]);
    assert_eq!(names(&shown("we?:")).len(), 3);
    assert_eq!(names(&shown("web:*")).len(), 3);
    // Results come as they come.
    let sorted = |arguments: &[&str]| {
        let screen = daemon.svc_ok(arguments);
        let mut lines: Vec<String> = screen.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&["stop", "cache-?"]), ["cache-a: stopped", "cache-b: stopped"]);
    assert_eq!(sorted(&["start", "cache-*", "web:*"]), ["cache-a: started", "cache-b: started"]);
    assert_eq!(daemon.svc_ok(&["signal", "URG", "*:web_01"]), "web:web_01: signalled\n");
    assert_eq!(daemon.svc_ok(&["pid", "cache-a*"]), format!("{}\n", daemon.pid_of("cache-a")));
    assert_eq!(daemon.svc_ok(&["healthy", "cache-*"]), "");
    assert_eq!(names(&daemon.svc_ok(&["why", "cache-*"])), ["cache-a:", "cache-b:"]);
    assert!(daemon.svc_ok(&["config", "cache-?"]).contains("[program:cache-b]"));
    assert_eq!(daemon.svc_ok(&["clear", "*:web_0[!0]"]), "web:web_01: cleared\nweb:web_02: cleared\n");
    daemon.svc_ok(&["tail", "*:*_02"]);
}

#[test]
fn patterns_name_groups_too() {
    let daemon = Daemon::with("[program:web-a]\ncommand=sleep 1000\nstartsecs=0\n");
    let program = |name: &str| format!("[program:{name}]\ncommand=sleep 1000\nstartsecs=0\n");
    daemon.rewrite_conf(&["web-a", "web-b", "web-c", "db"].map(program).concat());
    assert_eq!(daemon.svc_ok(&["update", "web-[ab]"]), "web-b: added process group\n");
    daemon.svc_ok(&["add", "web-*", "d?"]);
    assert_eq!(names(&daemon.svc_ok(&["status"])), ["db", "web-a", "web-b", "web-c"]);
    daemon.svc_ok(&["stop", "web-[bc]"]);
    daemon.svc_ok(&["remove", "web-[bc]"]);
    assert_eq!(names(&daemon.svc_ok(&["status"])), ["db", "web-a"]);
    assert_eq!(svc(&daemon, &["update", "x-*"]), (Some(1), "ERROR: no such group: x-*\n".to_owned()));
    assert_eq!(svc(&daemon, &["remove", "x-*"]), (Some(1), "ERROR: no such process/group: x-*\n".to_owned()));
    assert_eq!(svc(&daemon, &["add", "x-*"]), (Some(1), "ERROR: no such process/group: x-*\n".to_owned()));
}

#[test]
fn patterns_without_a_match_and_ambiguous_ones_are_refused() {
    let daemon = many();
    assert_eq!(svc(&daemon, &["stop", "nothing-*"]), (Some(1), "nothing-*: ERROR (no such process)\n".to_owned()));
    assert_eq!(svc(&daemon, &["start", "n?:*"]), (Some(2), "n?: ERROR (no such group)\n".to_owned()));
    assert_eq!(svc(&daemon, &["status", "CACHE-*"]), (Some(4), "CACHE-*: ERROR (no such process)\n".to_owned()));
    assert_eq!(svc(&daemon, &["tail", "cache-*"]).1, "cache-*: ERROR (no such process name)\n");
    assert_eq!(svc(&daemon, &["watch", "x*"]).0, Some(1));
}

#[test]
fn watch_of_a_pattern_hears_of_what_it_means_only() {
    let daemon = many();
    let watcher = begin(&daemon, &["watch", "*:web_0[01]"]);
    // Until it is heard: somebody who watches has no other sign of it.
    super::support::eventually("the watcher hears", || {
        daemon.svc_ok(&["restart", "cache-a", "web:web_02", "web:web_01"]);
        watcher.log().iter().any(|line| line.contains("-> RUNNING")).then_some(())
    });
    assert!(watcher.log().iter().all(|line| line.contains(" web:web_01: ")), "{:?}", watcher.log());
}

#[test]
fn status_shows_only_the_states_asked_for() {
    let daemon = many();
    assert_eq!(svc(&daemon, &["status", "--state", "running"]).0, Some(0));
    assert_eq!(names(&svc(&daemon, &["status", "--state=stopped,fatal"]).1), ["lost"]);
    assert_eq!(svc(&daemon, &["status", "--state", "FATAL"]), (Some(0), String::new()));
    assert_eq!(names(&svc(&daemon, &["status", "cache-*", "lost", "--state", "STOPPED"]).1), ["lost"]);
    let (code, screen) = svc(&daemon, &["status", "--state", "down"]);
    assert_eq!(code, Some(2));
    assert!(screen.starts_with("Error: --state: `down` is no state: STOPPED, STARTING, RUNNING, BACKOFF,"), "{screen}");
    assert_eq!(svc(&daemon, &["status", "--state"]).0, Some(2));
}

#[test]
fn wait_ends_when_all_are_as_wanted() {
    let daemon = Daemon::with(
        "[program:slow]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
         [program:job]\ncommand=sh -c 'until [ -e $DIR/go ]; do sleep 0.02; done; exit 2'\nexitcodes=0,2\nstartsecs=0\nautorestart=false\n\
         [program:once]\ncommand=true\ntype=oneshot\n",
    );
    daemon.wait_for_state("job", "RUNNING");
    assert_eq!(svc(&daemon, &["wait", "job"]), (Some(0), "job: ready\n".to_owned()));
    let waiter = begin(&daemon, &["wait", "slow", "job", "--for", "running", "--timeout", "60"]);
    daemon.svc_ok(&["start", "slow"]);
    assert_eq!(waiter.wait_exit(TIMEOUT).code(), Some(0));
    assert_eq!(waiter.log(), ["slow: running", "job: running"]);
    let waiter = begin(&daemon, &["wait", "job", "--for", "exited"]);
    let other = begin(&daemon, &["wait", "all", "--for=stopped"]);
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
    assert_eq!(waiter.wait_exit(TIMEOUT).code(), Some(0));
    assert_eq!(waiter.log(), ["job: exited"]);
    assert!(other.is_running());
    assert_eq!(svc(&daemon, &["wait", "once"]), (Some(0), "once: ready\n".to_owned()));
    daemon.svc_ok(&["stop", "slow"]);
    assert_eq!(other.wait_exit(TIMEOUT).code(), Some(0));
    assert_eq!(other.log(), ["job: stopped", "once: stopped", "slow: stopped"]);
}

#[test]
fn wait_says_what_does_not_come_and_what_took_too_long() {
    let daemon = Daemon::with(
        "[program:fails]\ncommand=sh -c 'until [ -e $DIR/go ]; do sleep 0.02; done; exit 3'\nstartretries=0\n\
         [program:long]\ncommand=sleep 1000\nstartsecs=1000\n",
    );
    let waiter = begin(&daemon, &["wait", "fails", "--for", "ready"]);
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
    assert_eq!(waiter.wait_exit(TIMEOUT).code(), Some(7));
    assert_eq!(waiter.log(), ["fails: ERROR (FATAL: Exited too quickly (process log may have details))"]);
    daemon.wait_for_state("long", "STARTING");
    let late = "long: ERROR (not ready within 100ms, but STARTING)\n".to_owned();
    assert_eq!(svc(&daemon, &["wait", "long", "--timeout", "100ms"]), (Some(124), late));
    assert_eq!(svc(&daemon, &["wait", "none"]), (Some(1), "none: ERROR (no such process)\n".to_owned()));
    for (arguments, text) in [
        (&["wait"][..], "Error: wait requires a process name"),
        (&["wait", "long", "--for", "up"], "Error: --for: `up` is not one of ready, running"),
        (&["wait", "long", "--for"], "Error: --for requires a value"),
        (&["wait", "long", "--timeout", "soon"], "Error: --timeout: 'soon' is no time"),
        (&["wait", "long", "--frob"], "Error: bad argument --frob"),
    ] {
        let (code, screen) = svc(&daemon, arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(screen.starts_with(text), "{arguments:?}: {screen}");
    }
}

#[test]
fn wait_for_health_of_a_program_without_a_check_is_refused() {
    let daemon = Daemon::with("[program:web]\ncommand=sleep 1000\nstartsecs=0\n");
    daemon.wait_for_state("web", "RUNNING");
    let refusal = "web: ERROR (it has no health check)\n".to_owned();
    assert_eq!(svc(&daemon, &["wait", "web", "--for", "healthy"]), (Some(7), refusal));
}

#[test]
fn wait_for_health_ends_when_the_check_succeeds() {
    let daemon = Daemon::with(
        "[program:web]\ncommand=sleep 1000\nstartsecs=0\nhealth=file:$DIR/well\nhealth_interval=50ms\nhealth_retries=0\non_unhealthy=ignore\n",
    );
    daemon.wait_for_state("web", "RUNNING");
    let waiter = begin(&daemon, &["wait", "web", "--for", "healthy"]);
    std::fs::write(daemon.file("well"), "").expect("a sign of health");
    assert_eq!(waiter.wait_exit(TIMEOUT).code(), Some(0));
    assert_eq!(waiter.log(), ["web: healthy"]);
}

#[test]
fn wait_hears_that_a_program_is_removed() {
    let daemon = Daemon::with("[program:web]\ncommand=sleep 1000\nstartsecs=1000\n");
    daemon.wait_for_state("web", "STARTING");
    let waiter = begin(&daemon, &["wait", "web"]);
    daemon.rewrite_conf("");
    daemon.request_ok("update");
    assert_eq!(waiter.wait_exit(TIMEOUT).code(), Some(1));
    assert_eq!(waiter.log(), ["web: ERROR (no such process)"]);
}

#[test]
fn rolling_restarts_one_after_the_other_each_when_the_one_before_runs() {
    let daemon = many();
    let before: Vec<i32> = ["web:web_00", "web:web_01", "web:web_02"].map(|name| daemon.pid_of(name)).to_vec();
    let watcher = daemon.svc_ok(&["rolling", "web:*", "web:web_00", "--timeout=60"]);
    let expected: Vec<String> =
        (0..3).flat_map(|n| ["stopped", "started"].map(|word| format!("web:web_0{n}: {word}"))).collect();
    assert_eq!(watcher.lines().collect::<Vec<_>>(), expected);
    let log = daemon.process().log();
    let place = |phrase: &str, nth: usize| {
        let mut places = log.iter().enumerate().filter(|(_, line)| line.contains(phrase)).map(|(place, _)| place);
        places.nth(nth).unwrap_or_else(|| panic!("`{phrase}` is in {log:?}"))
    };
    for n in 0..2 {
        assert!(
            place(&format!("success: web_0{n} entered"), 1) < place(&format!("waiting for web_0{} to stop", n + 1), 0)
        );
    }
    let after: Vec<i32> = ["web:web_00", "web:web_01", "web:web_02"].map(|name| daemon.pid_of(name)).to_vec();
    assert!(before.iter().all(|pid| !after.contains(pid)));
}

#[test]
fn rolling_waits_until_the_one_before_is_ready() {
    let daemon = Daemon::builder()
        .given("well", 0o644, "")
        .conf(
            "[program:web]\ncommand=sleep 1000\nnumprocs=2\nprocess_name=web_%(process_num)d\n\
             ready=file:$DIR/well\nready_interval=50ms\n",
        )
        .start();
    daemon.svc_ok(&["wait", "web:*"]);
    std::fs::remove_file(daemon.file("well")).expect("the sign");
    let roller = begin(&daemon, &["rolling", "web:*"]);
    daemon.process().wait_for_log_count("spawned: 'web_0'", 2);
    assert_eq!(daemon.state_of("web:web_1"), "RUNNING");
    std::fs::write(daemon.file("well"), "").expect("the sign");
    assert_eq!(roller.wait_exit(TIMEOUT).code(), Some(0));
    let log = daemon.process().log();
    let place = |phrase: &str| log.iter().rposition(|line| line.contains(phrase));
    assert!(place("success: web_0 entered") < place("waiting for web_1 to stop"), "{log:?}");
}

#[test]
fn rolling_stops_at_the_first_that_fails_and_names_the_rest() {
    let daemon = Daemon::with(
        "[program:web]\ncommand=sh -c 'test ! -e $DIR/bad || exit 4; exec sleep 1000'\nnumprocs=3\nprocess_name=%(process_num)d\n\
         startsecs=1\nstartretries=0\n",
    );
    for name in ["web:0", "web:1", "web:2"] {
        daemon.wait_for_state(name, "RUNNING");
    }
    std::fs::write(daemon.file("bad"), "").expect("a sign to fail");
    let (code, screen) = svc(&daemon, &["rolling", "web:*"]);
    assert_eq!(code, Some(7));
    assert_eq!(screen, "web:0: stopped\nweb:0: ERROR (spawn error)\nnot restarted: web:1 web:2\n");
    assert_eq!([daemon.state_of("web:1"), daemon.state_of("web:2")], ["RUNNING", "RUNNING"]);
    std::fs::remove_file(daemon.file("bad")).expect("the sign");
    let (code, screen) = svc(&daemon, &["rolling", "--timeout", "50ms", "web:1", "web:2"]);
    assert_eq!(code, Some(124));
    assert!(screen.ends_with("web:1: ERROR (not running again within 50ms)\nnot restarted: web:2\n"), "{screen}");
}

#[test]
fn rolling_starts_who_was_down_and_restarts_nobody_when_a_name_is_unknown() {
    let daemon = many();
    daemon.svc_ok(&["stop", "cache-a"]);
    assert_eq!(
        svc(&daemon, &["rolling", "cache-a"]),
        (Some(0), "cache-a: ERROR (not running)\ncache-a: started\n".to_owned())
    );
    let pid = daemon.pid_of("cache-b");
    assert_eq!(svc(&daemon, &["rolling", "cache-b", "none"]), (Some(1), "none: ERROR (no such process)\n".to_owned()));
    assert_eq!(daemon.pid_of("cache-b"), pid);
    assert_eq!(svc(&daemon, &["rolling"]).0, Some(2));
    assert_eq!(svc(&daemon, &["rolling", "--timeout", "x", "web:*"]).0, Some(2));
}

#[test]
fn top_shows_what_runs_the_busiest_first() {
    let daemon = Daemon::with(
        "[program:busy]\ncommand=sh -c 'sh -c \"while :; do :; done\" & wait'\nstopasgroup=true\nkillasgroup=true\n\
         [program:idle]\ncommand=sleep 1000\n[program:off]\ncommand=sleep 1000\nautostart=false\n",
    );
    daemon.wait_for_state("busy", "RUNNING");
    daemon.wait_for_state("idle", "RUNNING");
    let screen = daemon.svc_ok(&["top"]);
    let lines: Vec<Vec<&str>> = screen.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(screen.starts_with("2 running, 1 not; "), "{screen}");
    assert_eq!(lines[1], ["NAME", "PID", "CPU", "%", "MEMORY", "THREADS", "UPTIME"]);
    assert_eq!([lines[2][0], lines[3][0]], ["busy", "idle"]);
    assert_eq!(lines[2][1], daemon.pid_of("busy").to_string());
    let cpu = |line: &[&str]| line[2].parse::<f64>().expect("a share");
    assert!(cpu(&lines[2]) > cpu(&lines[3]) && cpu(&lines[2]) < 200.0, "{screen}");
    assert_eq!([lines[2][5], lines[3][5]], ["2", "1"], "threads of the group: {screen}");
    assert_eq!(daemon.svc_ok(&["top", "--once", "idl*"]).lines().count(), 3);
    assert_eq!(svc(&daemon, &["top", "none"]), (Some(1), "none: ERROR (no such process)\n".to_owned()));
    assert_eq!(svc(&daemon, &["top", "--frob"]).0, Some(2));
}
