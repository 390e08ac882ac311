//! Every way to start and to stop, and in which order.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kernel::{self, exists, group_exists};
use super::support::{Daemon, Reply, TIMEOUT, eventually};

/// A program that ignores TERM; it says `deaf` once it does.
const DEAF: &str = "command=sh -c \"trap '' TERM; echo deaf now; exec sleep 1000\"\nstartsecs=0\n";

/// The pids that a script wrote into a file, once all are there.
fn pids(daemon: &Daemon, file: &str, count: usize) -> Vec<i32> {
    let text = daemon.wait_for_file(file, |text| text.matches('\n').count() >= count);
    text.lines().map(|line| line.trim().parse().expect("a pid")).collect()
}

/// (name, result or error) of each line of a reply.
fn results(reply: &Reply) -> Vec<(String, String)> {
    let word = |line: &std::collections::BTreeMap<String, String>| {
        let result = line.get("result").or(line.get("error")).cloned().unwrap_or_default();
        (line.get("name").or(line.get("group")).cloned().unwrap_or_default(), result)
    };
    reply.data.iter().map(word).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, result)| ((*name).to_owned(), (*result).to_owned())).collect()
}

#[test]
fn deaf_program_is_killed_after_stopwaitsecs() {
    let daemon = Daemon::with(&format!("[program:deaf]\n{DEAF}stopwaitsecs=1\n"));
    daemon.wait_for_log("deaf now");
    let pid = daemon.pid_of("deaf");
    let asked = Instant::now();
    assert_eq!(results(&daemon.request_ok("stop deaf")), pairs(&[("deaf", "stopped")]));
    // Stop means gone: no waiting here.
    assert!(!exists(pid));
    assert!(asked.elapsed() >= Duration::from_secs(1), "TERM gets its time: {:?}", asked.elapsed());
    daemon.wait_for_log(&format!("killing 'deaf' ({pid}) with SIGKILL"));
    daemon.wait_for_log("stopped: deaf (terminated by SIGKILL)");
}

#[test]
fn program_stopped_by_a_signal_still_stops_by_term() {
    let daemon = Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=0\nstopwaitsecs=100\n");
    daemon.wait_for_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("a living process");
    eventually("it is stopped", || (kernel::state(pid) == Some('T')).then_some(()));
    daemon.request_ok("stop x");
    assert!(!exists(pid));
    daemon.wait_for_log("stopped: x (terminated by SIGTERM)");
}

#[test]
fn stopsignal_is_the_one_sent() {
    let daemon = Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=0\nstopsignal=USR1\n");
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("stop x");
    daemon.wait_for_log("stopped: x (terminated by SIGUSR1)");
}

#[test]
fn stopasgroup_leaves_nobody() {
    let script = "sleep 1000 & echo $! >> $DIR/pids; sleep 1000 & echo $! >> $DIR/pids; wait";
    let daemon = Daemon::with(&format!("[program:g]\ncommand=sh -c \"{script}\"\nstartsecs=0\nstopasgroup=true\n"));
    let others = pids(&daemon, "pids", 2);
    let leader = daemon.pid_of("g");
    daemon.request_ok("stop g");
    assert!(!group_exists(leader) && others.iter().all(|&pid| !exists(pid)));
}

#[test]
fn grandchild_that_ignores_term_is_killed_with_its_group_before_stop_answers() {
    let script = "(trap '' TERM; echo ready; exec sleep 1000) & echo $! >> $DIR/pids; wait";
    let daemon = Daemon::with(&format!(
        "[program:g]\ncommand=sh -c \"{script}\"\nstartsecs=0\nstopasgroup=true\nstopwaitsecs=1\n"
    ));
    let others = pids(&daemon, "pids", 1);
    daemon.wait_for_log("ready");
    let leader = daemon.pid_of("g");
    daemon.request_ok("stop g");
    assert!(!exists(leader) && !group_exists(leader) && !exists(others[0]));
}

#[test]
fn killasgroup_kills_a_deaf_leader_and_its_group() {
    let script = "trap '' TERM; sleep 1000 & echo $! >> $DIR/pids; echo ready; wait; wait";
    let daemon = Daemon::with(&format!(
        "[program:g]\ncommand=sh -c \"{script}\"\nstartsecs=0\nkillasgroup=true\nstopwaitsecs=1\n"
    ));
    let others = pids(&daemon, "pids", 1);
    daemon.wait_for_log("ready");
    let leader = daemon.pid_of("g");
    daemon.request_ok("stop g");
    assert!(!group_exists(leader) && !exists(others[0]));
}

#[test]
fn without_asgroup_only_the_leader_is_stopped() {
    let script = "sleep 1000 & echo $! >> $DIR/pids; wait";
    let daemon = Daemon::with(&format!("[program:g]\ncommand=sh -c \"{script}\"\nstartsecs=0\n"));
    let others = pids(&daemon, "pids", 1);
    let leader = daemon.pid_of("g");
    daemon.request_ok("stop g");
    assert!(!exists(leader) && exists(others[0]));
}

#[test]
fn stop_while_waiting_for_a_retry_means_stop() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=false\nstartretries=100\n\
         [program:timer]\ncommand=sleep 2\nautostart=false\nautorestart=false\nstartsecs=0\n",
    );
    daemon.wait_for_state("x", "BACKOFF");
    daemon.request_ok("stop x");
    assert_eq!(daemon.state_of("x"), "STOPPED");
    let mark = daemon.process().mark();
    daemon.request_ok("start timer");
    // The pause before the next try is over before this.
    daemon.process().wait_for_log_after(mark, "exited: timer");
    assert_eq!(daemon.state_of("x"), "STOPPED");
    assert!(daemon.process().log().iter().skip(mark).all(|line| !line.contains("spawned: 'x'")));
}

#[test]
fn stop_while_starting_stops_and_the_start_hears_of_it() {
    let daemon = Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=1000\nautostart=false\n");
    let mut starter = daemon.connect();
    starter.send("start x");
    daemon.wait_for_state("x", "STARTING");
    let pid = daemon.pid_of("x");
    daemon.request_ok("stop x");
    assert!(!exists(pid));
    let reply = starter.reply();
    assert_eq!(reply.error_code(), "abnormal-termination", "{reply:?}");
    assert_eq!(daemon.state_of("x"), "STOPPED");
}

#[test]
fn start_while_stopping_starts_once_it_is_gone() {
    let daemon = Daemon::with(&format!("[program:deaf]\n{DEAF}stopwaitsecs=1\n"));
    daemon.wait_for_log("deaf now");
    let old = daemon.pid_of("deaf");
    let (mut stopper, mut starter) = (daemon.connect(), daemon.connect());
    stopper.send("stop deaf");
    daemon.wait_for_state("deaf", "STOPPING");
    starter.send("start deaf");
    assert_eq!(results(&stopper.reply()), pairs(&[("deaf", "stopped")]));
    assert_eq!(results(&starter.reply()), pairs(&[("deaf", "started")]));
    assert!(!exists(old) && exists(daemon.pid_of("deaf")));
}

#[test]
fn second_stop_waits_for_the_first_and_a_stopped_one_is_not_running() {
    let daemon = Daemon::with(&format!("[program:deaf]\n{DEAF}stopwaitsecs=1\n"));
    daemon.wait_for_log("deaf now");
    let (mut one, mut two) = (daemon.connect(), daemon.connect());
    one.send("stop deaf");
    daemon.wait_for_state("deaf", "STOPPING");
    two.send("stop deaf");
    assert!(one.reply().is_ok() && two.reply().is_ok());
    assert_eq!(daemon.request("stop deaf").error_code(), "not-running");
    assert_eq!(daemon.request("stop nobody").error_code(), "bad-name");
    assert_eq!(daemon.request("start deaf").error_code(), "");
    assert_eq!(daemon.request("start deaf").error_code(), "already-started");
}

#[test]
fn restart_gives_a_new_pid_and_starts_what_was_down() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sleep 1000\nstartsecs=0\n[program:y]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n",
    );
    daemon.wait_for_state("x", "RUNNING");
    let old = daemon.pid_of("x");
    let reply = daemon.request("restart x y");
    let told = results(&reply);
    for one in pairs(&[("y", "not-running"), ("x", "stopped"), ("x", "started"), ("y", "started")]) {
        assert!(told.contains(&one), "{one:?} in {reply:?}");
    }
    let new = daemon.pid_of("x");
    assert!(new != old && exists(new) && !exists(old) && exists(daemon.pid_of("y")));
}

#[test]
fn group_star_means_its_members_and_nobody_else() {
    let daemon = Daemon::with(
        "[group:g]\nprograms=a,b\n[program:a]\ncommand=sleep 1000\nstartsecs=0\nnumprocs=2\n\
         process_name=%(program_name)s_%(process_num)d\n[program:b]\ncommand=sleep 1000\nstartsecs=0\n\
         [program:other]\ncommand=sleep 1000\nstartsecs=0\n",
    );
    daemon.wait_for_state("g:b", "RUNNING");
    daemon.wait_for_state("other", "RUNNING");
    let mut stopped = results(&daemon.request_ok("stop g:*"));
    stopped.sort();
    assert_eq!(stopped, pairs(&[("g:a_0", "stopped"), ("g:a_1", "stopped"), ("g:b", "stopped")]));
    assert_eq!(daemon.state_of("other"), "RUNNING");
    let mut started = results(&daemon.request_ok("start g:"));
    started.sort();
    assert_eq!(started, pairs(&[("g:a_0", "started"), ("g:a_1", "started"), ("g:b", "started")]));
    assert_eq!(results(&daemon.request_ok("stop g:a_0")), pairs(&[("g:a_0", "stopped")]));
    assert_eq!(daemon.state_of("g:a_1"), "RUNNING");
    assert_eq!(daemon.request("stop nogroup:*").error_code(), "bad-name");
    assert_eq!(daemon.request("stop all").end, "ok");
    assert_eq!(daemon.state_of("other"), "STOPPED");
}

/// On TERM it writes `NAME-term`, waits until all of `partners` wrote theirs, then writes `NAME-gone` and exits.
fn polite(name: &str, priority: u32, partners: &[&str]) -> String {
    let waits: String = partners
        .iter()
        .map(|partner| format!("until grep -q {partner}-term $DIR/order; do sleep 0.01; done; "))
        .collect();
    format!(
        "[program:{name}]\npriority={priority}\nstartsecs=0\nstopwaitsecs=60\n\
         command=sh -c \"trap 'echo {name}-term >> $DIR/order; {waits}echo {name}-gone >> $DIR/order; exit 0' TERM; \
         echo {name} ready; while :; do sleep 0.02; done\"\n"
    )
}

fn assert_waves(order: &str) {
    let place =
        |word: &str| order.lines().position(|line| line == word).unwrap_or_else(|| panic!("`{word}` in {order:?}"));
    // The last wave to start is the first to stop, each is gone before the next is asked.
    for last in ["c-gone", "d-gone"] {
        assert!(place(last) < place("b-term"), "{order}");
    }
    assert!(place("b-gone") < place("a-term"), "{order}");
    // Equal priorities stop in parallel: neither goes before the other was asked.
    assert!(place("c-term").max(place("d-term")) < place("c-gone").min(place("d-gone")), "{order}");
    assert!(order.contains("a-gone"), "{order}");
}

#[test]
fn priorities_start_low_first_and_stop_high_first_wave_by_wave() {
    let conf = [polite("a", 1, &[]), polite("c", 900, &["d"]), polite("b", 500, &[]), polite("d", 900, &["c"])];
    let daemon = Daemon::with(&conf.concat());
    for name in ["a", "b", "c", "d"] {
        daemon.wait_for_log(&format!("{name} ready"));
    }
    let log = daemon.process().log();
    let spawned: Vec<&str> =
        log.iter().filter_map(|line| line.split_once("spawned: '")?.1.split('\'').next()).collect();
    assert_eq!(spawned, ["a", "b", "c", "d"]);
    daemon.request_ok("stop all");
    assert_waves(&daemon.read("order"));

    std::fs::remove_file(daemon.file("order")).expect("a file");
    let mark = daemon.process().mark();
    daemon.request_ok("start all");
    for name in ["a", "b", "c", "d"] {
        daemon.process().wait_for_log_after(mark, &format!("{name} ready"));
    }
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert_waves(&daemon.read("order"));
}

#[test]
fn shutdown_request_answers_then_stops_everything() {
    let daemon = Daemon::with(&format!("[program:deaf]\n{DEAF}stopwaitsecs=1\n"));
    daemon.wait_for_log("deaf now");
    let pid = daemon.pid_of("deaf");
    let mut connection = daemon.connect();
    assert_eq!(connection.request("shutdown").end, "ok");
    // While it goes down nothing is started, and that is said.
    assert_eq!(connection.request("start deaf").error_code(), "shutting-down");
    assert_eq!(connection.request("state").data[0]["state"], "SHUTDOWN");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!exists(pid) && !daemon.socket().exists());
}

#[test]
fn shutdown_overtakes_a_start_and_nothing_is_started_afterwards() {
    let daemon = Daemon::with(&format!(
        "[program:deaf]\n{DEAF}stopwaitsecs=1\n[program:flaky]\ncommand=false\nstartretries=1000\n\
         [program:x]\ncommand=sleep 1000\nautostart=false\nstartsecs=1000\n"
    ));
    daemon.wait_for_log("deaf now");
    daemon.wait_for_state("flaky", "BACKOFF");
    let mut starter = daemon.connect();
    starter.send("start x");
    daemon.wait_for_log("spawned: 'x'");
    let mark = daemon.process().mark();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(starter.reply().error_code(), "shutting-down");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(daemon.process().log().iter().skip(mark).all(|line| !line.contains("spawned:")));
}
