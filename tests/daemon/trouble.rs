//! Bad times for log files: the program goes on, one message tells, and logging resumes.

use super::support::{Daemon, can_mount, eventually};

const CAT: &str = "[program:cat]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/logs/cat.log\n";

fn count(daemon: &Daemon, phrase: &str) -> usize {
    daemon.process().log().iter().filter(|line| line.contains(phrase)).count()
}

/// Sends lines until `is_over`; how many were sent.
fn send_until(daemon: &Daemon, what: &str, mut is_over: impl FnMut() -> bool) {
    eventually(what, || {
        let reply = daemon.request("send cat line%0A");
        // On a busy machine it has not read the line before.
        assert!(reply.is_ok() || reply.end.starts_with("error busy "), "{reply:?}");
        is_over().then_some(())
    });
}

#[test]
fn log_directory_that_vanishes_and_returns() {
    let daemon = Daemon::builder().under("mkdir $DIR/logs").supervisord("loglevel=info").conf(CAT).start();
    daemon.wait_for_state("cat", "RUNNING");
    let pid = daemon.pid_of("cat");
    send_until(&daemon, "the log is written", || daemon.file("logs/cat.log").metadata().is_ok_and(|it| it.len() > 0));
    std::fs::remove_dir_all(daemon.file("logs")).expect("the directory");
    send_until(&daemon, "the trouble is told", || count(&daemon, "cannot open log") > 0);
    std::fs::create_dir(daemon.file("logs")).expect("the directory");
    send_until(&daemon, "logging resumes", || daemon.file("logs/cat.log").metadata().is_ok_and(|it| it.len() > 0));
    daemon.wait_for_log("works again");
    assert_eq!(count(&daemon, "cannot open log"), 1, "{:?}", daemon.process().log());
    assert_eq!((daemon.pid_of("cat"), daemon.state_of("cat").as_str()), (pid, "RUNNING"));
}

#[test]
fn log_directory_that_is_not_there_at_the_start_of_a_program_is_no_reason_not_to_start() {
    let daemon = Daemon::builder().under("mkdir $DIR/logs").conf(&format!("{CAT}autostart=false\n")).start();
    std::fs::remove_dir(daemon.file("logs")).expect("the directory");
    daemon.request_ok("start cat");
    daemon.wait_for_log("cannot open log");
    std::fs::create_dir(daemon.file("logs")).expect("the directory");
    send_until(&daemon, "logging resumes", || daemon.file("logs/cat.log").metadata().is_ok_and(|it| it.len() > 0));
}

#[test]
fn log_file_that_is_deleted_or_replaced_is_made_anew() {
    let daemon = Daemon::builder().under("mkdir $DIR/logs").conf(CAT).start();
    daemon.wait_for_state("cat", "RUNNING");
    let log = daemon.file("logs/cat.log");
    send_until(&daemon, "the log is written", || log.metadata().is_ok_and(|it| it.len() > 0));
    std::fs::remove_file(&log).expect("the log");
    send_until(&daemon, "the log is back", || log.metadata().is_ok_and(|it| it.len() > 0));
    daemon.wait_for_log("was moved or deleted: opened a new one");
    std::fs::rename(&log, daemon.file("logs/moved")).expect("the log");
    send_until(&daemon, "the log is back", || log.metadata().is_ok_and(|it| it.len() > 0));
}

#[test]
fn rotation_that_cannot_rename_goes_on_in_the_old_file() {
    // A directory where the backup should be cannot be replaced by a file, not even by root.
    let daemon = Daemon::builder()
        .under("mkdir -p $DIR/logs/cat.log.1/in-the-way")
        .supervisord("loglevel=info")
        .conf(&format!("{CAT}stdout_logfile_maxbytes=100\nstdout_logfile_backups=1\n"))
        .start();
    daemon.wait_for_state("cat", "RUNNING");
    send_until(&daemon, "the trouble is told", || count(&daemon, "cannot rotate log") > 0);
    let before = daemon.file("logs/cat.log").metadata().expect("the log").len();
    send_until(&daemon, "it is written on", || {
        daemon.file("logs/cat.log").metadata().is_ok_and(|it| it.len() > before)
    });
    std::fs::remove_dir_all(daemon.file("logs/cat.log.1")).expect("the obstacle");
    send_until(&daemon, "it is rotated", || daemon.file("logs/cat.log.1").is_file());
    assert_eq!(count(&daemon, "cannot rotate log"), 1);
    let whole = daemon.read("logs/cat.log.1");
    assert!(whole.len() as u64 >= before && whole.lines().all(|line| line == "line"), "{whole}");
}

#[test]
fn full_disk_is_told_once_and_logging_resumes_when_there_is_room() {
    if !can_mount("a full disk") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts("mkdir $DIR/logs; mount -t tmpfs -o size=64k none $DIR/logs")
        .supervisord("loglevel=info")
        .conf(CAT)
        .start();
    daemon.wait_for_state("cat", "RUNNING");
    let pid = daemon.pid_of("cat");
    let block = format!("send cat {}%0A", "x".repeat(4000));
    eventually("the trouble is told", || {
        // Its stdin may be full for a moment.
        daemon.request(&block);
        (count(&daemon, "No space left on device") > 0).then_some(())
    });
    for _ in 0..50 {
        daemon.request(&block);
    }
    assert_eq!((daemon.pid_of("cat"), daemon.state_of("cat").as_str()), (pid, "RUNNING"));
    // In visor's namespace, seen from ours.
    let place = format!("/proc/{}/root{}", daemon.pid(), daemon.file("logs/cat.log").display());
    assert!(std::fs::metadata(&place).expect("the log").len() > 0);
    std::fs::File::create(&place).expect("room");
    send_until(&daemon, "logging resumes", || count(&daemon, "works again") > 0);
    assert_eq!(count(&daemon, "No space left on device"), 1);
    let resumed = daemon.wait_for_log("works again");
    assert!(resumed.contains("bytes were lost"), "{resumed}");
}

#[test]
fn full_disk_under_the_main_log_does_not_end_visor() {
    if !can_mount("a full disk under the main log") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts(
            "mkdir $DIR/logs; mount -t tmpfs -o size=64k none $DIR/logs; dd if=/dev/zero of=$DIR/logs/f bs=64k 2>&- || :",
        )
        .supervisord("logfile=$DIR/logs/main.log")
        .conf("[program:x]\ncommand=sleep 1000\nstartsecs=0\n")
        .start();
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("restart x");
    assert!(count(&daemon, "No space left on device") <= 1, "told once at most");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(super::support::TIMEOUT).code(), Some(0));
}
