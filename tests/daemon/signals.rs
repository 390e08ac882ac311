//! Signals that visor gets, and what its children inherit.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kernel::{self, descriptors, exists, status_line, wait_for_standard_descriptors};
use super::support::{Daemon, TIMEOUT, eventually};

const TWO: &str = "[program:same]\ncommand=sleep 1000\nstartsecs=0\n[program:other]\ncommand=sleep 1001\nstartsecs=0\n";

/// 32 to 34: the C library's own, which it lets nobody change and which the tester may have inherited ignored.
const C_LIBRARY_SIGNALS: u64 = 0b111 << 31;

#[test]
fn term_int_and_quit_stop_everything_with_code_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let daemon = Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=0\n");
        daemon.wait_for_state("x", "RUNNING");
        let pid = daemon.pid_of("x");
        daemon.signal(signal);
        assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0), "{signal}");
        daemon.wait_for_log(&format!("received {signal} indicating exit request"));
        assert!(!exists(pid), "{signal}");
        assert!(!daemon.socket().exists() && !daemon.file("visor.pid").exists(), "{signal}");
    }
}

#[test]
fn second_term_goes_on_stopping_and_hup_is_ignored_then() {
    let daemon = Daemon::with(
        "[program:deaf]\ncommand=sh -c \"trap '' TERM; echo deaf now; exec sleep 1000\"\nstartsecs=0\nstopwaitsecs=2\n",
    );
    daemon.wait_for_log("deaf now");
    let pid = daemon.pid_of("deaf");
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for_log("waiting for deaf to die");
    daemon.signal(Signal::SIGTERM);
    daemon.process().wait_for_log_count("received SIGTERM indicating exit request", 2);
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_log("ignored SIGHUP indicating restart request (shutdown in progress)");
    assert!(exists(pid), "the second TERM does not make it shorter");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    daemon.wait_for_log("with SIGKILL");
    assert!(!exists(pid));
}

#[test]
fn hup_restarts_what_changed_and_leaves_the_rest_alone() {
    let daemon = Daemon::with(&format!(
        "{TWO}[program:gone]\ncommand=sleep 1000\n[group:g]\nprograms=m,n\n\
         [program:m]\ncommand=sleep 1000\nstartsecs=0\n[program:n]\ncommand=sleep 1000\nstartsecs=0\n"
    ));
    for name in ["same", "other", "g:m", "g:n"] {
        daemon.wait_for_state(name, "RUNNING");
    }
    let before = ["same", "other", "g:m", "g:n", "gone"].map(|name| daemon.pid_of(name));
    daemon.rewrite_conf(
        "[program:same]\ncommand=sleep 1000\nstartsecs=0\n[program:other]\ncommand=sleep 1002\nstartsecs=0\n\
         [group:g]\nprograms=m,n\n[program:m]\ncommand=sleep 1000\nstartsecs=0\n\
         [program:n]\ncommand=sleep 1003\nstartsecs=0\n[program:new]\ncommand=sleep 1004\nstartsecs=0\n",
    );
    let mark = daemon.process().mark();
    daemon.signal(Signal::SIGHUP);
    for name in ["other", "n", "new"] {
        daemon.process().wait_for_log_after(mark, &format!("success: {name} entered RUNNING state"));
    }
    assert_eq!(daemon.pid_of("same"), before[0]);
    assert_eq!(daemon.pid_of("g:m"), before[2]);
    assert!(daemon.pid_of("other") != before[1] && !exists(before[1]));
    assert!(daemon.pid_of("g:n") != before[3] && !exists(before[3]));
    assert!(!exists(before[4]));
    assert_eq!(daemon.request("status gone").data[0]["error"], "bad-name");
}

#[test]
fn bad_file_at_hup_changes_nothing_and_says_why() {
    let daemon = Daemon::with(TWO);
    daemon.wait_for_state("same", "RUNNING");
    daemon.wait_for_state("other", "RUNNING");
    let before = [daemon.pid_of("same"), daemon.pid_of("other")];
    daemon.rewrite_conf("[program:same]\ncommand=sleep 5\nautostart=perhaps\n[program:new]\nstartsecs=soon\n");
    daemon.signal(Signal::SIGHUP);
    let told = daemon.wait_for_log("perhaps");
    assert!(told.contains("visor.conf") && told.contains("autostart"), "{told}");
    daemon.wait_for_log("soon");
    assert_eq!([daemon.pid_of("same"), daemon.pid_of("other")], before);
    for verb in ["reread", "update", "reload"] {
        assert_eq!(daemon.request(verb).error_code(), "cannot-reread", "{verb}");
    }
    assert_eq!(daemon.request("status").data.len(), 2);
    // And a good one afterwards is taken.
    daemon.rewrite_conf("[program:same]\ncommand=sleep 1000\nstartsecs=0\n");
    daemon.request_ok("update");
    assert_eq!(daemon.pid_of("same"), before[0]);
    assert_eq!(daemon.request("status").data.len(), 1);
}

#[test]
fn usr2_opens_logs_anew_after_a_rename() {
    let daemon = Daemon::with("[program:echo]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/echo.log\n");
    daemon.wait_for_state("echo", "RUNNING");
    daemon.request_ok("send echo before%0A");
    daemon.wait_for_file("echo.log", |text| text == "before\n");
    for name in ["echo.log", "visor.log"] {
        std::fs::rename(daemon.file(name), daemon.file(&format!("{name}.old"))).expect("a file to rename");
    }
    daemon.signal(Signal::SIGUSR2);
    daemon.wait_for_log("supervisord logreopen");
    daemon.request_ok("send echo after%0A");
    daemon.wait_for_file("echo.log", |text| text == "after\n");
    assert_eq!(daemon.read("echo.log.old"), "before\n");
    daemon.wait_for_file("visor.log", |text| text.contains("after"));
    assert!(daemon.read("visor.log.old").contains("logreopen"));
}

#[test]
fn reopening_and_updating_many_times_leaks_no_descriptor() {
    let daemon = Daemon::with(
        "[program:echo]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/echo.log\n\
         [program:x]\ncommand=sleep 1000\nstartsecs=0\n",
    );
    daemon.wait_for_state("echo", "RUNNING");
    let mut connection = daemon.connect();
    let mut round = |number: usize| {
        daemon.rewrite_conf(&format!(
            "[program:echo]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/echo.log\n\
             [program:x]\ncommand=sleep {number}000\nstartsecs=0\n"
        ));
        for request in ["reopen", "update", "restart echo", "clear echo", "tail echo"] {
            let reply = connection.request(request);
            assert!(reply.is_ok(), "{request}: {reply:?}");
        }
        eventually("all is as before", || (daemon.state_of("x") == "RUNNING").then_some(()));
    };
    round(2);
    let before = descriptors(daemon.pid()).len();
    for number in 3..15 {
        round(number);
    }
    // A client that left may still be counted for a moment.
    eventually("no descriptor is left over", || (descriptors(daemon.pid()).len() <= before).then_some(()));
}

#[test]
fn usr1_means_nothing() {
    let daemon = Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=0\n");
    daemon.wait_for_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    daemon.signal(Signal::SIGUSR1);
    daemon.wait_for_log("received SIGUSR1, which means nothing here");
    assert_eq!(daemon.pid_of("x"), pid);
}

#[test]
fn children_get_default_signals_whatever_visor_was_started_with() {
    let daemon = Daemon::builder()
        .prefix(&["env", "--ignore-signal=PIPE,HUP,TERM", "--block-signal=TERM,CHLD,USR1"])
        .conf("[program:x]\ncommand=sleep 1000\nstartsecs=0\n")
        .start();
    daemon.wait_for_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    for key in ["SigBlk", "SigIgn", "SigCgt"] {
        let set = u64::from_str_radix(&status_line(pid, key), 16).expect("a set of signals");
        assert_eq!(set & !C_LIBRARY_SIGNALS, 0, "{key}: {set:x}");
    }
    // visor itself hears its signals all the same.
    let mark = daemon.process().mark();
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("a living process");
    daemon.process().wait_for_log_after(mark, "success: x");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn children_get_no_descriptor_above_2_and_a_group_of_their_own() {
    let daemon = Daemon::builder()
        .under("exec 5</dev/null 7>/dev/null 9</etc/hosts")
        .conf("[program:x]\ncommand=sleep 1000\nstartsecs=0\n[program:y]\ncommand=sleep 1000\nstartsecs=0\n")
        .start();
    let _client = daemon.connect();
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("restart y");
    for name in ["x", "y"] {
        let pid = daemon.pid_of(name);
        wait_for_standard_descriptors(pid);
        assert!(kernel::group_exists(pid), "{name}");
        assert_eq!(kernel::parent(pid), Some(daemon.pid()), "{name}");
    }
}

#[test]
fn visor_started_without_standard_descriptors_gives_children_all_three() {
    let daemon =
        Daemon::builder().under("exec <&- >&- 2>&-").conf("[program:x]\ncommand=sleep 1000\nstartsecs=0\n").spawn();
    daemon.wait_until_it_answers();
    daemon.wait_for_state("x", "RUNNING");
    wait_for_standard_descriptors(daemon.pid_of("x"));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}
