//! Who reaps whom, and what a process that could not be started leaves.

use std::io::Write as _;

use super::kernel::{self, exists, is_installed, is_root, zombies_of};
use super::support::{Daemon, can_be_pid1};

/// Orphans of the big test.
const ORPHANS: usize = 20_000;
/// Orphans that are alive when they become ours, and then die together.
const LIVING: usize = 500;

#[test]
fn twenty_thousand_orphans_at_once_are_all_reaped_as_pid_1() {
    let what = "20,000 orphans as PID 1";
    if !can_be_pid1(what) || !is_installed("perl", what) {
        return;
    }
    // The children end at once and nobody waits for them: they all become ours when their parent ends.
    let breed = format!("for (1..{ORPHANS}) {{ my $p = fork; die $! unless defined $p; POSIX::_exit(3) unless $p }}");
    let daemon = Daemon::builder()
        .pid1()
        .supervisord("silent=true\nloglevel=info")
        .conf(&format!(
            "[program:breeder]\ncommand=perl -MPOSIX -e \"{breed}\"\nstartsecs=0\nautorestart=false\n\
             [program:x]\ncommand=sleep 1000\nstartsecs=0\n"
        ))
        .spawn();
    daemon.wait_until_it_answers();
    daemon.wait_for_state("breeder", "EXITED");
    let log = daemon.wait_for_file("visor.log", |text| text.matches("reaped unknown pid").count() >= ORPHANS);
    assert_eq!(log.matches("(exit status 3)").count(), ORPHANS);
    assert_eq!(zombies_of(daemon.pid()), 0);
    daemon.wait_for_state("x", "RUNNING");
}

#[test]
fn living_orphans_that_die_together_are_reaped_also_when_not_pid_1() {
    if !is_installed("perl", "orphans that die together") {
        return;
    }
    // Each holds the read end of a pipe whose last writer is their parent.
    let breed = format!(
        "pipe R, W; for (1..{LIVING}) {{ if (!fork) {{ close W; sysread R, $_, 1; POSIX::_exit(4) }} }} POSIX::_exit(0)"
    );
    let daemon = Daemon::builder()
        .supervisord("silent=true\nloglevel=info")
        .conf(&format!("[program:breeder]\ncommand=perl -MPOSIX -e \"{breed}\"\nstartsecs=0\nautorestart=false\n"))
        .spawn();
    daemon.wait_until_it_answers();
    daemon.wait_for_file("visor.log", |text| text.matches("(exit status 4)").count() == LIVING);
    assert_eq!(zombies_of(daemon.pid()), 0);
}

#[test]
fn orphan_of_a_program_becomes_ours_when_not_pid_1() {
    let daemon = Daemon::builder()
        .under("mkfifo $DIR/gate")
        .conf(
            "[program:x]\ncommand=sh -c \"(read gate; exit 7) < $DIR/gate & echo $! > $DIR/orphan\"\n\
             startsecs=0\nautorestart=false\n",
        )
        .start();
    daemon.wait_for_log("exited: x");
    let orphan: i32 = daemon.read("orphan").trim().parse().expect("a pid");
    assert_eq!(kernel::parent(orphan), Some(daemon.pid()));
    std::fs::write(daemon.file("gate"), "go\n").expect("the gate opens");
    daemon.wait_for_log(&format!("reaped unknown pid {orphan} (exit status 7)"));
    assert!(!exists(orphan));
}

#[test]
fn children_of_who_became_visor_are_reaped_too() {
    if !is_installed("perl", "a child that ended before visor began") {
        return;
    }
    let become_visor = "my $p = fork; exit 3 unless $p; 1 until `grep ^State: /proc/$p/status` =~ /Z/; exec @ARGV";
    let daemon = Daemon::builder().prefix(&["perl", "-e", become_visor]).start();
    daemon.wait_for_log("reaped unknown pid");
    assert_eq!(zombies_of(daemon.pid()), 0);
}

#[test]
fn pipe_held_by_a_grandchild_delays_neither_exit_nor_restart_and_is_still_read() {
    let script = "test -e $DIR/mark && exec sleep 1000; touch $DIR/mark; \
                  (read gate < $DIR/gate; echo late; echo late too >&2) & echo early; exit 5";
    let daemon = Daemon::builder()
        .under("mkfifo $DIR/gate")
        .conf(&format!(
            "[program:x]\ncommand=sh -c \"{script}\"\nstartsecs=0\nstdout_logfile=$DIR/out\nstderr_logfile=$DIR/err\n"
        ))
        .start();
    daemon.wait_for_log("exited: x (exit status 5; not expected)");
    daemon.process().wait_for_log_count("success: x entered RUNNING state", 2);
    assert_eq!(daemon.read("out"), "early\n");
    let mut gate = std::fs::OpenOptions::new().write(true).open(daemon.file("gate")).expect("the gate");
    gate.write_all(b"go\n").expect("the gate opens");
    daemon.wait_for_file("out", |text| text == "early\nlate\n");
    daemon.wait_for_file("err", |text| text == "late too\n");
}

#[test]
fn failed_starts_say_why_and_run_nothing() {
    let daemon = Daemon::builder()
        .given("plain", 0o644, "text\n")
        .given("odd", 0o755, "neither script nor program\n")
        .conf(
            "[program:missing]\ncommand=/nonexistent/x\nstartretries=0\n\
             [program:nopath]\ncommand=surely-not-there\nstartretries=0\n\
             [program:plain]\ncommand=$DIR/plain\nstartretries=0\n\
             [program:odd]\ncommand=$DIR/odd\nstartretries=0\nstderr_logfile=$DIR/odd.err\n\
             [program:nodir]\ncommand=touch $DIR/ran\ndirectory=/nonexistent\nstartretries=0\nstderr_logfile=$DIR/err\n",
        )
        .start();
    daemon.wait_for_log("spawnerr: can't find command '/nonexistent/x'");
    daemon.wait_for_log("spawnerr: can't find command 'surely-not-there'");
    let place = daemon.path().display().to_string();
    daemon.wait_for_log(&format!("spawnerr: command at '{place}/plain' is not executable"));
    for name in ["missing", "nopath", "plain", "odd", "nodir"] {
        daemon.wait_for_state(name, "FATAL");
        daemon.wait_for_log(&format!("gave up: {name} entered FATAL state, too many start retries too quickly"));
    }
    let told = "supervisor: couldn't chdir to /nonexistent: ENOENT\nsupervisor: child process was not spawned\n";
    assert_eq!(daemon.read("err"), told);
    assert!(daemon.read("odd.err").starts_with(&format!("supervisor: couldn't exec {place}/odd: ENOEXEC\n")));
    assert!(!daemon.file("ran").exists());
    for (name, code) in [("missing", "no-file"), ("plain", "not-executable"), ("nodir", "spawn-error")] {
        assert_eq!(daemon.request(&format!("start {name}")).error_code(), code, "{name}");
    }
}

#[test]
fn program_whose_user_cannot_be_taken_on_never_runs() {
    let what = "a root that may not change its user";
    if !is_root(what) || !is_installed("setpriv", what) {
        return;
    }
    let daemon = Daemon::builder()
        .prefix(&["setpriv", "--bounding-set", "-setuid,-setgid", "--inh-caps", "-setuid,-setgid"])
        .conf(
            "[program:x]\ncommand=touch $DIR/ran\nuser=65534\nstartretries=0\nstderr_logfile=$DIR/err\n\
             [program:root]\ncommand=touch $DIR/root-ran\nuser=root\nstartsecs=0\nautorestart=false\n",
        )
        .start();
    daemon.wait_for_log("exited: root (exit status 0; expected)");
    daemon.wait_for_state("x", "FATAL");
    assert!(!daemon.file("ran").exists(), "nothing runs as root when another user was wanted");
    let told = daemon.read("err");
    assert!(told.starts_with("supervisor: couldn't setuid to 65534: "), "{told}");
    assert!(told.ends_with("supervisor: child process was not spawned\n"), "{told}");
    assert!(daemon.file("root-ran").exists());
}

#[test]
fn program_runs_as_its_user_with_all_its_groups() {
    if !is_root("another user") {
        return;
    }
    let daemon = Daemon::with(
        "[program:named]\ncommand=id\nuser=nobody\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/named\n\
         [program:number]\ncommand=id -u\nuser=12345\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/number\n\
         umask=027\n",
    );
    let named = daemon.wait_for_file("named", |text| text.ends_with('\n'));
    assert!(named.starts_with("uid=65534(nobody)") && !named.contains("root"), "{named}");
    assert_eq!(daemon.wait_for_file("number", |text| text.ends_with('\n')), "12345\n");
}

#[test]
fn thousand_short_lives_are_each_told_once() {
    // A program that dies before the loop has heard that it runs must not be lost.
    let daemon = Daemon::builder()
        .supervisord("silent=true\nloglevel=info")
        .conf(
            "[program:x]\ncommand=true\nstartsecs=0\nautorestart=true\nnumprocs=4\n\
             process_name=%(program_name)s_%(process_num)d\n",
        )
        .spawn();
    daemon.wait_until_it_answers();
    let log = daemon.wait_for_file("visor.log", |text| text.matches("exited: x_").count() >= 1000);
    let spawned = log.matches("spawned: 'x_").count();
    let ended = log.matches("exited: x_").count();
    assert!((ended..=ended + 4).contains(&spawned), "{spawned} spawned, {ended} ended");
    assert!(!log.contains("unknown pid"), "each death finds its process");
    daemon.request_ok("stop all");
    assert_eq!(zombies_of(daemon.pid()), 0);
}
