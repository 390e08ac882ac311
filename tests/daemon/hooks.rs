//! Commands around a process' life: when they run, as whom and with what, how they fail, who waits for them.

use super::kernel::{exists, is_root};
use super::support::{Daemon, TIMEOUT, eventually};

/// Writes what it was told into a file named after itself.
const TELL: &str = "#!/bin/sh\nenv | grep -E '^(VISOR|LISTEN)_' | sort > $DIR/$VISOR_HOOK.new\nmv $DIR/$VISOR_HOOK.new $DIR/$VISOR_HOOK\n";
const SLEEPS: &str = "command=sleep 1000\nstartsecs=0\n";

fn code(daemon: &Daemon) -> Option<i32> {
    daemon.process().wait_exit(TIMEOUT).code()
}

fn why(daemon: &Daemon) -> String {
    daemon.svc_ok(&["why", "x"])
}

/// The pid that a hook wrote into a file.
fn pid_in(daemon: &Daemon, name: &str) -> i32 {
    daemon.wait_for_file(name, |text| text.ends_with('\n')).trim().parse().expect("a pid")
}

fn gone(pid: i32) {
    eventually("its end", || (!exists(pid)).then_some(()));
}

#[test]
fn pre_start_runs_before_the_program_and_both_are_in_its_logs() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sh -c 'echo runs; exec sleep 1000'\nstartsecs=0\nstdout_logfile=$DIR/out\nstderr_logfile=$DIR/err\n\
         pre_start=sh -c 'echo prepares; echo aside >&2'\n",
    );
    assert_eq!(daemon.wait_for_file("out", |text| text.lines().count() >= 2), "prepares\nruns\n");
    assert_eq!(daemon.wait_for_file("err", |text| !text.is_empty()), "aside\n");
    let log = daemon.process().log();
    assert!(!log.iter().any(|line| line.contains("reaped unknown")), "{log:?}");
}

#[test]
fn hooks_run_as_the_program_does() {
    if !is_root("hooks as another user") {
        return;
    }
    let says = "sh -c 'id -u; pwd; umask; echo $GREETING $SUPERVISOR_PROCESS_NAME'";
    let daemon = Daemon::with(&format!(
        "[program:x]\ncommand={says}\ntype=oneshot\nstdout_logfile=$DIR/out\nuser=65534\ndirectory=/\numask=027\n\
         environment=GREETING=\"good morning\"\npre_start={says}\npost_stop={says}\n"
    ));
    let three = "65534\n/\n0027\ngood morning x\n".repeat(3);
    assert_eq!(daemon.wait_for_file("out", |text| text.len() >= three.len()), three);
}

#[test]
fn hooks_are_told_what_happened() {
    let conf = "[program:x]\ncommand=sleep 1000\nstartsecs=0\nautorestart=false\npre_start=$DIR/tell\npost_stop=$DIR/tell\n\
                stop_command=sh -c '$DIR/tell; kill $VISOR_PID'\nreload_command=$DIR/tell\nlisten=unix://$DIR/x.sock\n";
    let daemon = Daemon::builder().given("tell", 0o755, TELL).conf(conf).start();
    daemon.wait_for_state("x", "RUNNING");
    assert_eq!(daemon.read("pre_start"), "VISOR_HOOK=pre_start\n");
    let pid = daemon.pid_of("x");
    daemon.request_ok("reload-program x");
    assert_eq!(daemon.read("reload_command"), format!("VISOR_HOOK=reload_command\nVISOR_PID={pid}\n"));
    daemon.request_ok("stop x");
    assert_eq!(daemon.read("stop_command"), format!("VISOR_HOOK=stop_command\nVISOR_PID={pid}\n"));
    let told = |end: &str, reason: &str| format!("{end}\nVISOR_HOOK=post_stop\nVISOR_REASON={reason}\n");
    assert_eq!(daemon.read("post_stop"), told("VISOR_EXIT_SIGNAL=SIGTERM", "stopped"));
    daemon.request_ok("start x");
    daemon.request_ok("signal KILL x");
    daemon.wait_for_file("post_stop", |text| text == told("VISOR_EXIT_SIGNAL=SIGKILL", "exited"));
}

#[test]
fn post_stop_follows_a_failed_start_and_knows_its_code() {
    let conf = "[program:x]\ncommand=sh -c 'exit 7'\nstartretries=0\npost_stop=$DIR/tell\n";
    let daemon = Daemon::builder().given("tell", 0o755, TELL).conf(conf).start();
    daemon.wait_for_state("x", "FATAL");
    daemon.wait_for_file("post_stop", |text| text == "VISOR_EXIT_CODE=7\nVISOR_HOOK=post_stop\nVISOR_REASON=failed\n");
}

#[test]
fn pre_start_that_fails_is_a_failed_start_with_its_reason() {
    for (command, reason) in [
        ("sh -c 'exit 3'", "exit status 3"),
        ("sh -c 'kill -9 $$'", "terminated by SIGKILL"),
        ("/no/such/file", "can't find command '/no/such/file'"),
        ("/", "command at '/' is a directory"),
        ("$DIR/text", "couldn't exec"),
    ] {
        let daemon = Daemon::builder()
            .given("text", 0o755, "#!/no/such/interpreter\n")
            .conf(&format!("[program:x]\n{SLEEPS}startretries=0\npre_start={command}\n"))
            .start();
        daemon.wait_for_state("x", "FATAL");
        daemon.wait_for_log(&format!("pre_start of x failed: {reason}"));
        assert!(daemon.svc(&["status", "x"]).stdout.windows(9).any(|it| it == b"pre_start"), "{command}");
        assert!(why(&daemon).contains(&format!("pre_start: {reason}")), "{}", why(&daemon));
        assert_eq!(daemon.request("start x").error_code(), "spawn-error", "{command}");
    }
}

#[test]
fn pre_start_of_a_directory_that_is_not_there_says_so() {
    let daemon = Daemon::with(&format!("[program:x]\n{SLEEPS}directory=$DIR/none\nstartretries=0\npre_start=true\n"));
    daemon.wait_for_log("pre_start of x failed: couldn't chdir to");
    daemon.wait_for_state("x", "FATAL");
}

#[test]
fn hook_that_takes_too_long_is_killed_with_its_group() {
    let daemon = Daemon::with(&format!(
        "[program:x]\n{SLEEPS}startretries=0\nhook_timeout=300ms\npre_start=sh -c 'sleep 1000 & echo $! > $DIR/pid; wait'\n"
    ));
    daemon.wait_for_state("x", "FATAL");
    daemon.wait_for_log("pre_start of x failed: timed out after 300ms");
    gone(pid_in(&daemon, "pid"));
}

#[test]
fn stop_during_pre_start_ends_it_and_nothing_has_failed() {
    let daemon = Daemon::with(&format!("[program:x]\n{SLEEPS}pre_start=sh -c 'echo $$ > $DIR/pid; exec sleep 1000'\n"));
    let pid = pid_in(&daemon, "pid");
    assert_eq!(daemon.state_of("x"), "STARTING");
    assert!(why(&daemon).contains("being started; pre_start runs for "), "{}", why(&daemon));
    let status = daemon.svc(&["status", "x"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("pre_start runs for "), "{status}");
    daemon.request_ok("stop x");
    assert!(!exists(pid));
    assert_eq!(daemon.state_of("x"), "STOPPED");
    let log = daemon.process().log().join("\n");
    assert!(!log.contains("failed") && !log.contains("reaped unknown") && !log.contains("spawned"), "{log}");
}

#[test]
fn stop_is_answered_when_post_stop_has_ended() {
    let daemon = Daemon::with(&format!("[program:x]\n{SLEEPS}post_stop=sh -c 'sleep 0.3; echo done > $DIR/cleaned'\n"));
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("stop x");
    assert_eq!(daemon.read("cleaned"), "done\n");
}

#[test]
fn next_start_begins_when_post_stop_has_ended() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sh -c 'echo start >> $DIR/order; [ -e $DIR/go ] || exit 1; exec sleep 1000'\nstartsecs=0\n\
         autorestart=true\npost_stop=sh -c 'echo clean >> $DIR/order; [ -e $DIR/go ] || sleep 0.1; echo cleaned >> $DIR/order'\n",
    );
    daemon.wait_for_file("order", |text| text.lines().count() >= 9);
    std::fs::write(daemon.file("go"), "").expect("the sign to stay");
    let order = daemon.wait_for_file("order", |text| text.ends_with("cleaned\nstart\n"));
    let lines: Vec<&str> = order.lines().collect();
    for lines in lines.chunks(3) {
        assert_eq!(lines, &["start", "clean", "cleaned"][..lines.len()]);
    }
}

#[test]
fn post_stop_that_fails_leaves_the_stop_done_and_is_told() {
    let daemon = Daemon::with(&format!("[program:x]\n{SLEEPS}post_stop=false\n"));
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("stop x");
    assert!(why(&daemon).contains("post_stop failed: exit status 1"), "{}", why(&daemon));
    daemon.request_ok("remove x");
}

#[test]
fn shutdown_waits_for_post_stop() {
    let daemon = Daemon::with(&format!("[program:x]\n{SLEEPS}post_stop=sh -c 'sleep 0.3; echo done > $DIR/cleaned'\n"));
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("shutdown");
    assert_eq!(code(&daemon), Some(0));
    assert_eq!(daemon.read("cleaned"), "done\n");
}

#[test]
fn shutdown_waits_no_longer_for_post_stop_than_it_may_take() {
    let daemon = Daemon::builder()
        .visor("shutdown_timeout=1s")
        .conf(&format!("[program:x]\n{SLEEPS}post_stop=sh -c 'echo $$ > $DIR/pid; exec sleep 1000'\n"))
        .start();
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("shutdown");
    assert_eq!(code(&daemon), Some(0));
    assert!(!exists(pid_in(&daemon, "pid")));
    daemon.wait_for_log("post_stop of x failed: it was ended before it was done");
}

#[test]
fn stop_command_takes_the_place_of_the_signal() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sh -c \"trap 'exit 9' TERM; while [ ! -e $DIR/end ]; do sleep 0.02; done\"\nstartsecs=0\n\
         stop_command=touch $DIR/end\n",
    );
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("stop x");
    daemon.wait_for_log("stopped: x (exit status 0)");
}

#[test]
fn stop_command_that_fails_is_followed_by_the_signal() {
    for command in ["false", "/no/such/file"] {
        let daemon = Daemon::with(&format!("[program:x]\n{SLEEPS}stopsignal=INT\nstop_command={command}\n"));
        daemon.wait_for_state("x", "RUNNING");
        daemon.request_ok("stop x");
        daemon.wait_for_log("stop_command of x failed");
        daemon.wait_for_log("stopped: x (terminated by SIGINT)");
    }
}

#[test]
fn stop_command_that_hangs_ends_with_the_program_that_is_killed() {
    let daemon = Daemon::with(&format!(
        "[program:x]\n{SLEEPS}stopwaitsecs=0\nstop_command=sh -c 'echo $$ > $DIR/pid; exec sleep 1000'\n"
    ));
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("stop x");
    daemon.wait_for_log("stopped: x (terminated by SIGKILL)");
    daemon.wait_for_log("stop_command of x failed");
    daemon.request_ok("start x");
    daemon.wait_for_state("x", "RUNNING");
}

#[test]
fn reload_program_runs_the_command_and_answers_with_its_end() {
    let daemon = Daemon::with(&format!(
        "[program:x]\n{SLEEPS}reload_command=sh -c 'echo again >> $DIR/reloads; [ ! -e $DIR/bad ]'\n[program:y]\n{SLEEPS}"
    ));
    daemon.wait_for_state("x", "RUNNING");
    daemon.wait_for_state("y", "RUNNING");
    let pid = daemon.pid_of("x");
    assert_eq!(daemon.svc_ok(&["reload-program", "x"]).trim(), "x: reloaded");
    assert_eq!(daemon.read("reloads"), "again\n");
    std::fs::write(daemon.file("bad"), "").expect("a mistake");
    let said = daemon.svc(&["reload-program", "x"]);
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "x: ERROR (exit status 1)");
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(daemon.pid_of("x"), pid);
    let said = daemon.svc(&["reload-program", "y"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(text.trim(), "y: ERROR (neither reload_command nor reload_signal is set)");
    assert!(daemon.request("reload-program y:*").is_ok(), "nothing to do is no failure of a group");
    daemon.request_ok("stop x");
    assert_eq!(daemon.request("reload-program x").error_code(), "not-running");
    assert_eq!(daemon.request("reload-program nobody").error_code(), "bad-name");
    assert_eq!(daemon.request("reload-program").error_code(), "bad-arguments");
}

#[test]
fn reload_program_sends_the_signal() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sh -c \"trap 'echo heard >> $DIR/heard' HUP; echo up > $DIR/up; while :; do sleep 0.05; done\"\n\
         startsecs=0\nreload_signal=HUP\n",
    );
    daemon.wait_for_file("up", |text| !text.is_empty());
    daemon.request_ok("reload-program x");
    daemon.wait_for_file("heard", |text| text == "heard\n");
    assert_eq!(daemon.state_of("x"), "RUNNING");
}

#[test]
fn reload_that_runs_is_ended_with_its_program_and_a_second_one_is_refused() {
    let daemon =
        Daemon::with(&format!("[program:x]\n{SLEEPS}reload_command=sh -c 'echo $$ > $DIR/pid; exec sleep 1000'\n"));
    daemon.wait_for_state("x", "RUNNING");
    let mut first = daemon.connect();
    first.send("reload-program x");
    let pid = pid_in(&daemon, "pid");
    assert_eq!(daemon.request("reload-program x").error_code(), "busy");
    daemon.request_ok("stop x");
    assert!(!exists(pid));
    assert_eq!(first.reply().error_code(), "failed");
}

#[test]
fn update_of_a_program_waits_for_its_post_stop() {
    let daemon = Daemon::with(&format!("[program:x]\n{SLEEPS}post_stop=sh -c 'sleep 0.3; echo done > $DIR/cleaned'\n"));
    daemon.wait_for_state("x", "RUNNING");
    daemon.rewrite_conf("");
    daemon.request_ok("update");
    assert_eq!(daemon.read("cleaned"), "done\n");
    assert_eq!(daemon.request("pid x").error_code(), "bad-name");
}

#[test]
fn output_of_a_hook_does_not_end_the_stream_of_its_program() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sh -c 'printf one-; while [ ! -e $DIR/go ]; do sleep 0.02; done; echo two; exec sleep 1000'\n\
         startsecs=0\nstdout_logfile=$DIR/out\nstdout_capture_maxbytes=1000\nreload_command=printf half-\n",
    );
    daemon.wait_for_file("out", |text| text == "one-");
    daemon.request_ok("reload-program x");
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
    daemon.wait_for_file("out", |text| text == "one-half-two\n");
}

#[test]
fn nonsense_is_told_with_its_key_and_nothing_starts() {
    for (lines, key, part) in [
        ("pre_start=echo 'a", "pre_start", "No closing quotation"),
        ("post_stop=\"", "post_stop", "No closing quotation"),
        ("reload_signal=LOUD", "reload_signal", "LOUD"),
        ("reload_command=true\nreload_signal=HUP", "reload_signal", "a program is reloaded one way"),
        ("hook_timeout=soon", "hook_timeout", "'soon' is no time"),
        ("hook_timeout=0", "hook_timeout", "more than 0"),
    ] {
        let daemon = Daemon::builder().conf(&format!("[program:x]\ncommand=sleep 1\n{lines}\n")).spawn();
        assert_eq!(code(&daemon), Some(2), "{lines}");
        let errors = daemon.process().errors();
        assert!(errors.contains(part) && errors.contains(key), "{errors}");
    }
}
