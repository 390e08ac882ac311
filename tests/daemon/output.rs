//! What programs write: all of it, in order, where it belongs.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::kernel::is_installed;
use super::support::{Daemon, can_mount, eventually};

/// `seq 1 LAST` is about this many bytes: more than any pipe holds.
pub const LAST: usize = 150_000;

pub fn numbers(last: usize) -> String {
    (1..=last).map(|number| format!("{number}\n")).collect()
}

/// Fails with where two texts part, not with a megabyte.
pub fn assert_same(what: &str, got: &str, wanted: &str) {
    let part = got.bytes().zip(wanted.bytes()).position(|(a, b)| a != b).unwrap_or(got.len().min(wanted.len()));
    let around = |text: &str| {
        String::from_utf8_lossy(text.as_bytes().get(part.saturating_sub(40)..).unwrap_or_default())
            .chars()
            .take(80)
            .collect::<String>()
    };
    assert!(
        got == wanted,
        "{what}: {} bytes instead of {}, from {part} on: {:?} instead of {:?}",
        got.len(),
        wanted.len(),
        around(got),
        around(wanted)
    );
}

#[test]
fn what_was_written_right_before_the_exit_is_in_the_log() {
    let daemon = Daemon::builder()
        .supervisord("loglevel=info")
        .conf(&format!("[program:x]\ncommand=seq 1 {LAST}\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/out\n"))
        .start();
    daemon.wait_for_log("exited: x");
    assert_same("out", &daemon.read("out"), &numbers(LAST));
}

#[test]
fn what_a_large_pipe_holds_at_death_is_in_the_log_before_the_exit_is_told() {
    if !is_installed("perl", "a pipe enlarged to 1 MiB") {
        return;
    }
    const F_SETPIPE_SZ: i32 = nix::libc::F_SETPIPE_SZ;
    let script = format!(
        "fcntl(STDOUT, {F_SETPIPE_SZ}, 1048576) or die $!; syswrite(STDOUT, q(0123456789abcdef) x 65536); kill 9, $$"
    );
    let daemon = Daemon::builder()
        .supervisord("loglevel=info")
        .conf(&format!(
            "[program:x]\ncommand=perl -e \"{script}\"\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/out\n"
        ))
        .start();
    daemon.wait_for_log("exited: x (terminated by SIGKILL; not expected)");
    // No waiting: what is not there when the exit is told was lost or late.
    assert_same("out", &daemon.read("out"), &"0123456789abcdef".repeat(65536));
}

#[test]
fn output_stands_in_the_main_log_before_the_exit() {
    let daemon = Daemon::with("[program:x]\ncommand=echo last words\nstartsecs=0\nautorestart=false\n");
    daemon.wait_for_log("exited: x");
    let log = daemon.process().log();
    let place = |phrase: &str| log.iter().position(|line| line.contains(phrase)).expect("both are there");
    assert!(place("last words") < place("exited: x"), "{log:?}");
}

#[test]
fn rotation_under_load_loses_no_byte_and_no_order() {
    let daemon = Daemon::builder()
        .supervisord("loglevel=info")
        .conf(&format!(
            "[program:x]\ncommand=seq 1 {LAST}\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/out\n\
             stdout_logfile_maxbytes=20KB\nstdout_logfile_backups=1000\n\
             [program:few]\ncommand=seq 1 {LAST}\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/few\n\
             stdout_logfile_maxbytes=20KB\nstdout_logfile_backups=2\n"
        ))
        .start();
    daemon.wait_for_log("exited: x");
    daemon.wait_for_log("exited: few");
    let backups = (1..).take_while(|number| daemon.file(&format!("out.{number}")).exists()).count();
    assert!(backups >= 10, "{backups} backups");
    let mut all: String = (1..=backups).rev().map(|number| daemon.read(&format!("out.{number}"))).collect();
    all += &daemon.read("out");
    assert_same("all files together", &all, &numbers(LAST));
    assert!(daemon.file("few").exists() && daemon.file("few.1").exists() && daemon.file("few.2").exists());
    assert!(!daemon.file("few.3").exists());
    let kept: String = ["few.2", "few.1", "few"].iter().map(|name| daemon.read(name)).collect();
    assert!(numbers(LAST).ends_with(&kept), "the newest are kept");
}

#[test]
fn storm_of_signals_while_a_program_writes_loses_nothing() {
    let daemon = Daemon::builder()
        .supervisord("loglevel=info")
        .conf(&format!(
            "[program:x]\ncommand=seq 1 {LAST}\nstartsecs=0\nautostart=false\nautorestart=false\n\
             stdout_logfile=$DIR/out\nstdout_logfile_maxbytes=100KB\nstdout_logfile_backups=1000\n"
        ))
        .start();
    let (pid, mut starter) = (daemon.pid(), daemon.connect());
    starter.send("start x");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                for signal in [Signal::SIGUSR1, Signal::SIGCHLD, Signal::SIGPIPE] {
                    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it runs");
                }
            }
        });
        daemon.wait_for_log("exited: x");
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(starter.reply().is_ok());
    let backups = (1..).take_while(|number| daemon.file(&format!("out.{number}")).exists()).count();
    let mut all: String = (1..=backups).rev().map(|number| daemon.read(&format!("out.{number}"))).collect();
    all += &daemon.read("out");
    assert_same("all files together", &all, &numbers(LAST));
}

#[test]
fn program_that_closes_its_output_costs_nothing_and_stays_watched() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sh -c \"echo shut; exec >&- 2>&- <&-; exec sleep 1000\"\nstartsecs=0\n\
         [program:timer]\ncommand=sleep 1\nstartsecs=0\nautostart=false\nautorestart=false\n",
    );
    daemon.wait_for_log("shut");
    let pid = daemon.pid_of("x");
    eventually("its output is closed", || {
        let closed = !super::kernel::descriptors(pid).iter().any(|&number| number == 1 || number == 2);
        closed.then_some(())
    });
    let before = super::kernel::cpu_time(daemon.pid());
    daemon.request_ok("start timer");
    daemon.wait_for_log("exited: timer");
    let used = super::kernel::cpu_time(daemon.pid()) - before;
    assert!(used < Duration::from_millis(200), "{used:?} of CPU in a second of nothing");
    assert_eq!(daemon.request("send x hello").error_code(), "no-file");
    daemon.request_ok("stop x");
    assert!(!super::kernel::exists(pid));
}

#[test]
fn output_is_followed_as_it_comes_with_and_without_a_file() {
    let daemon = Daemon::with(
        "[program:file]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\n\
         [program:none]\ncommand=cat\nstartsecs=0\nstdout_logfile=NONE\n",
    );
    daemon.wait_for_state("file", "RUNNING");
    daemon.wait_for_state("none", "RUNNING");
    daemon.request_ok("send file before%0A");
    daemon.wait_for_file("out", |text| text == "before\n");
    for (name, wanted) in [("file", "before\nafter\n"), ("none", "after\n")] {
        let mut follower = daemon.connect();
        follower.send(&format!("follow {name}"));
        let mut seen = Vec::new();
        if name == "file" {
            seen.extend(follower.block().expect("what is there already"));
        } else {
            // Its request was taken when one sent after it over the same loop was.
            daemon.request_ok("hello");
        }
        daemon.request_ok(&format!("send {name} after%0A"));
        while seen.len() < wanted.len() {
            seen.extend(follower.block().expect("what comes"));
        }
        assert_eq!(String::from_utf8_lossy(&seen), wanted);
        daemon.request_ok(&format!("stop {name}"));
        daemon.request_ok(&format!("remove {name}"));
        assert_eq!(follower.reply().error_code(), "bad-name", "nothing more will come");
    }
}

#[test]
fn streams_go_where_they_belong() {
    let script = "echo to out; echo to err >&2; printf 'no newline'";
    let daemon = Daemon::with(&format!(
        "[program:apart]\ncommand=sh -c \"{script}\"\nstartsecs=0\nautorestart=false\n\
         stdout_logfile=$DIR/apart.out\nstderr_logfile=$DIR/apart.err\n\
         [program:together]\ncommand=sh -c \"{script}\"\nstartsecs=0\nautorestart=false\nredirect_stderr=true\n\
         stdout_logfile=$DIR/together.out\nstderr_logfile=$DIR/together.err\n\
         [program:none]\ncommand=sh -c \"{script}\"\nstartsecs=0\nautorestart=false\nstdout_logfile=NONE\nstderr_logfile=OFF\n"
    ));
    for name in ["apart", "together", "none"] {
        daemon.wait_for_log(&format!("exited: {name}"));
    }
    assert_eq!(daemon.read("apart.out"), "to out\nno newline");
    assert_eq!(daemon.read("apart.err"), "to err\n");
    assert_eq!(daemon.read("together.out"), "to out\nto err\nno newline");
    assert!(!daemon.file("together.err").exists());
    assert_eq!(daemon.request("tail none").error_code(), "no-file");
}

#[test]
fn bytes_are_kept_as_they_are_and_ansi_is_taken_out_only_when_asked() {
    let red = "printf '\\033[31mred\\033[0m plain\\r\\n\\000\\377\\376\\n'";
    let conf = |file: &str| {
        format!(
            "[program:x]\ncommand=sh -c \"{}\"\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/{file}\n",
            red.replace('\\', "\\\\")
        )
    };
    let kept = Daemon::with(&conf("out"));
    kept.wait_for_log("exited: x");
    let bytes = std::fs::read(kept.file("out")).expect("the log");
    assert_eq!(bytes, b"\x1b[31mred\x1b[0m plain\r\n\0\xff\xfe\n");
    let stripped = Daemon::builder().supervisord("strip_ansi=true").conf(&conf("out")).start();
    stripped.wait_for_log("exited: x");
    let bytes = std::fs::read(stripped.file("out")).expect("the log");
    assert_eq!(bytes, b"red plain\r\n\0\xff\xfe\n");
}

#[test]
fn auto_logs_are_made_cleaned_at_the_next_start_and_kept_by_nocleanup() {
    let conf = "[program:x]\ncommand=echo hello\nstartsecs=0\nautorestart=false\n";
    let auto = |daemon: &Daemon, stream: &str| -> Vec<String> {
        let entries = std::fs::read_dir(daemon.file("auto")).expect("the directory").flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.starts_with(&format!("x-{stream}---supervisor-"))).collect()
    };
    for (nocleanup, left_over) in [("false", false), ("true", true)] {
        let daemon = Daemon::builder()
            .under(
                "mkdir $DIR/auto; echo old > $DIR/auto/x-stdout---supervisor-abcdefgh.log; \
                 echo other > $DIR/auto/x-stdout---somebody-abcdefgh.log; echo mine > $DIR/auto/x-stdout.log",
            )
            .supervisord(&format!("childlogdir=$DIR/auto\nnocleanup={nocleanup}"))
            .conf(conf)
            .start();
        daemon.wait_for_log("exited: x");
        assert_eq!(daemon.file("auto/x-stdout---supervisor-abcdefgh.log").exists(), left_over, "{nocleanup}");
        assert_eq!(daemon.read("auto/x-stdout---somebody-abcdefgh.log"), "other\n");
        assert_eq!(daemon.read("auto/x-stdout.log"), "mine\n");
        assert_eq!(auto(&daemon, "stderr").len(), 1);
        assert_eq!(auto(&daemon, "stdout").len(), 1 + usize::from(left_over));
        assert_eq!(daemon.request_ok("tail x").bytes, b"hello\n");

        // A second start fails and must not take the running one's logs away.
        let mut second = super::support::clean_command(super::support::VISOR);
        second.arg("-c").arg(daemon.file("visor.conf")).current_dir(daemon.path());
        assert_eq!(super::support::run(second).status.code(), Some(1));
        assert_eq!(daemon.request_ok("tail x").bytes, b"hello\n");
        assert_eq!(auto(&daemon, "stdout").len(), 1 + usize::from(left_over));
    }
}

#[test]
fn system_log_gets_lines_and_may_come_late_go_and_return() {
    if !can_mount("the system log") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts(
            "mkdir $DIR/dev; touch $DIR/dev/null; mount --bind /dev/null $DIR/dev/null; mount --rbind $DIR/dev /dev",
        )
        .conf(
            "[program:echo]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nstdout_syslog=true\n\
             [program:old]\ncommand=cat\nstartsecs=0\nstdout_logfile=syslog\n",
        )
        .start();
    daemon.wait_for_state("echo", "RUNNING");
    daemon.wait_for_state("old", "RUNNING");
    daemon.request_ok("send echo nobody%20listens%0A");
    daemon.wait_for_file("out", |text| text.ends_with('\n'));
    for round in 1..=2 {
        let log = UnixDatagram::bind(daemon.file("dev/log")).expect("the system log");
        log.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        // When it is back is found out by trying, now and then.
        let mut datagram = [0; 4096];
        let got = eventually("a line reaches the system log", || {
            daemon.request_ok(&format!("send echo round%20{round}%0A"));
            let length = log.recv(&mut datagram).ok()?;
            Some(String::from_utf8_lossy(&datagram[..length]).into_owned())
        });
        assert!(got.starts_with('<') && got.contains("supervisord") && got.contains("echo"), "{got}");
        assert!(got.contains("round"), "{got}");
        let other = eventually("the old way works too", || {
            daemon.request_ok("send old via%20logfile%0A");
            (0..20).find_map(|_| {
                let length = log.recv(&mut datagram).ok()?;
                let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
                text.contains("via logfile").then_some(text)
            })
        });
        assert!(other.contains("old via logfile"), "{other}");
        drop(log);
        std::fs::remove_file(daemon.file("dev/log")).expect("the socket");
    }
    assert!(daemon.read("out").starts_with("nobody listens\nround 1\n"));
}

#[test]
fn system_log_that_nobody_empties_holds_up_nobody() {
    if !can_mount("a system log that is full") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts(
            "mkdir $DIR/dev; touch $DIR/dev/null; mount --bind /dev/null $DIR/dev/null; mount --rbind $DIR/dev /dev",
        )
        .supervisord("loglevel=info")
        .conf(&format!(
            "[program:x]\ncommand=seq 1 {LAST}\nstartsecs=0\nautostart=false\nautorestart=false\n\
             stdout_logfile=$DIR/out\nstdout_syslog=true\n"
        ))
        .start();
    let _full = UnixDatagram::bind(daemon.file("dev/log")).expect("the system log");
    daemon.request_ok("start x");
    daemon.wait_for_log("exited: x");
    assert_same("out", &daemon.read("out"), &numbers(LAST));
}
