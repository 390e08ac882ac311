//! What follows an end: restarts after a pause, ends that are visor's, its exit code, oneshots, shutdowns with a limit.

use std::time::Instant;

use super::support::{Daemon, TIMEOUT, eventually};

const WAITS: &str =
    "command=sh -c 'while [ ! -e $DIR/go ]; do sleep 0.02; done; exit 7'\nstartsecs=0\nautorestart=false\n";

fn code(daemon: &Daemon) -> Option<i32> {
    daemon.process().wait_exit(TIMEOUT).code()
}

fn go(daemon: &Daemon) {
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
}

#[test]
fn essential_program_that_ends_stops_the_others_and_its_code_is_visors() {
    let daemon = Daemon::with(&format!("[program:db]\n{WAITS}essential=true\n[program:web]\ncommand=sleep 1000\n"));
    daemon.wait_for_state("web", "RUNNING");
    let web = daemon.pid_of("web");
    go(&daemon);
    assert_eq!(code(&daemon), Some(7));
    assert!(!super::kernel::exists(web));
    daemon.wait_for_log("db has ended, and visor with it (exit_on): leaving with exit code 7");
}

#[test]
fn end_that_is_not_listed_leaves_visor_alone() {
    let daemon = Daemon::with(&format!("[program:job]\n{WAITS}exit_on=success, fatal\n"));
    daemon.wait_for_state("job", "RUNNING");
    go(&daemon);
    daemon.wait_for_state("job", "EXITED");
    daemon.request_ok("state");
    daemon.request_ok("shutdown");
    assert_eq!(code(&daemon), Some(0));
}

#[test]
fn program_that_is_given_up_ends_visor_with_its_code() {
    let conf = |command: &str| format!("[program:db]\ncommand={command}\nstartretries=0\nexit_on=fatal\n");
    let daemon = Daemon::builder().conf(&conf("sh -c 'exit 9'")).spawn();
    assert_eq!(code(&daemon), Some(9));
    let daemon = Daemon::builder().conf(&conf("/no/such/file")).spawn();
    assert_eq!(code(&daemon), Some(1));
}

#[test]
fn program_ended_by_a_signal_makes_128_and_its_number() {
    let daemon = Daemon::with("[program:db]\ncommand=sleep 1000\nstartsecs=0\nautorestart=false\nexit_on=exit\n");
    daemon.wait_for_state("db", "RUNNING");
    daemon.request_ok("signal KILL db");
    assert_eq!(code(&daemon), Some(137));
}

#[test]
fn all_done_leaves_when_the_last_has_ended_and_a_listener_does_not_count() {
    let daemon = Daemon::builder()
        .visor("exit_when=all-done")
        .conf(&format!("[program:last]\n{WAITS}[program:first]\ncommand=true\nstartsecs=0\nautorestart=false\n"))
        .conf("[eventlistener:hears]\ncommand=cat\nevents=TICK_3600\n")
        .start();
    daemon.wait_for_state("first", "EXITED");
    daemon.wait_for_state("hears", "RUNNING");
    daemon.request_ok("state");
    go(&daemon);
    assert_eq!(code(&daemon), Some(7));
}

#[test]
fn restart_delay_rests_in_backoff_and_stops_from_there() {
    let daemon = Daemon::with(
        "[program:flap]\ncommand=sh -c 'date +%%s%%N >> $DIR/starts; exit 3'\nstartsecs=0\nautorestart=true\n\
         restart_delay=200ms\nrestart_factor=2\nrestart_max_delay=400ms\n",
    );
    let starts = daemon.wait_for_file("starts", |text| text.lines().count() >= 4);
    let at: Vec<u64> = starts.lines().map(|line| line.trim().parse().expect("nanoseconds")).collect();
    let pauses: Vec<u64> = at.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect();
    assert!(pauses[0] >= 150 && pauses[1] >= 350 && pauses[2] >= 350, "{pauses:?}");
    daemon.wait_for_state("flap", "BACKOFF");
    let why = daemon.svc_ok(&["why", "flap"]);
    assert!(why.contains("exit status 3"), "{why}");
    daemon.request("stop flap");
    daemon.wait_for_state("flap", "STOPPED");
}

#[test]
fn startretries_minus_one_never_gives_up() {
    let daemon = Daemon::with("[program:bad]\ncommand=/no/such/file\nstartretries=-1\nrestart_delay=10ms\n");
    daemon.process().wait_for_log_count("spawnerr: ", 20);
    daemon.wait_for_state("bad", "BACKOFF");
}

#[test]
fn oneshot_is_started_when_it_is_done_and_does_not_start_again() {
    let daemon = Daemon::with(
        "[program:migrate]\ncommand=sh -c 'sleep 0.3; echo done >> $DIR/done'\ntype=oneshot\nautostart=false\n\
         [program:fails]\ncommand=sh -c 'exit 4'\ntype=oneshot\nautostart=false\n",
    );
    assert!(daemon.request("start migrate").is_ok());
    assert_eq!(daemon.read("done"), "done\n");
    daemon.wait_for_state("migrate", "EXITED");
    assert_eq!(daemon.request("start fails").error_code(), "abnormal-termination");
    daemon.wait_for_state("fails", "EXITED");
    assert_eq!(daemon.read("done"), "done\n");
}

#[test]
fn shutdown_timeout_is_kept_and_the_log_says_who_used_it() {
    let deaf = "command=sh -c \"trap '' TERM; echo deaf now; while :; do sleep 1; done\"\nstartsecs=0\n";
    let daemon = Daemon::builder()
        .visor("shutdown_timeout=1s")
        .conf(&format!("[program:deaf]\n{deaf}stopwaitsecs=600\npriority=1"))
        .conf("[program:kind]\ncommand=sleep 1000\nstartsecs=0\npriority=2")
        .start();
    daemon.wait_for_log("deaf now");
    let began = Instant::now();
    daemon.request_ok("shutdown");
    assert_eq!(code(&daemon), Some(0));
    assert!(began.elapsed() < TIMEOUT / 2, "{:?}", began.elapsed());
    let told = |line: &String| line.contains("shutdown took");
    let line = eventually("the report", || daemon.process().log().into_iter().find(told));
    assert!(line.contains("of 1.0 s: deaf") && line.contains("(killed)"), "{line}");
}

#[test]
fn nonsense_is_told_with_its_key_and_nothing_starts() {
    for (line, part) in [
        ("type=sometimes", "`sometimes` is no type: service or oneshot"),
        ("exit_on=sunday", "`sunday` is no end: never, success, failure, exit or fatal"),
        ("restart_delay=soon", "'soon' is no time"),
        ("restart_factor=0.5", "`0.5` is no factor: a number from 1 to 100, as 1.5"),
        ("restart_jitter=120", "`120` is no jitter: a number of percent from 0 to 100"),
        ("essential=perhaps", "not a valid boolean value"),
    ] {
        let daemon = Daemon::builder().conf(&format!("[program:x]\ncommand=sleep 1\n{line}\n")).spawn();
        assert_eq!(code(&daemon), Some(2), "{line}");
        let errors = daemon.process().errors();
        let key = line.split('=').next().unwrap_or_default();
        assert!(errors.contains(part) && errors.contains(key), "{errors}");
    }
}
