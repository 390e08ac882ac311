//! Inherited descriptors as log files: `/dev/stdout` and its like, read slowly, never, or gone.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::output::{LAST, assert_same, numbers};
use super::support::{Daemon, TIMEOUT};

/// visor whose stdout is a FIFO that somebody may read later.
pub fn with_fifo(conf: &str) -> (Daemon, std::fs::File) {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.keep().join("fifo");
    super::kernel::make_fifo(&fifo);
    // Open for both, so that neither side waits for the other.
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).expect("the FIFO");
    let daemon = Daemon::builder()
        .under(&format!("exec >{}", fifo.display()))
        .supervisord("silent=true\nloglevel=info")
        .conf(conf)
        .spawn();
    daemon.wait_until_it_answers();
    std::fs::remove_dir_all(fifo.parent().expect("a directory")).expect("it is open on both sides");
    (daemon, reader)
}

/// Lines of a FIFO until `is_last`.
pub fn read_lines_until(fifo: std::fs::File, last: &'static str) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut all = String::new();
        for line in BufReader::new(fifo).lines() {
            let Ok(line) = line else { break };
            all += &line;
            all.push('\n');
            if line == last {
                break;
            }
        }
        sender.send(all)
    });
    receiver.recv_timeout(TIMEOUT).expect("the last line comes")
}

#[test]
fn stdout_that_nobody_reads_holds_up_the_program_only_and_loses_nothing() {
    let (daemon, reader) = with_fifo(&format!(
        "[program:x]\ncommand=sh -c \"seq 1 {LAST}; echo done > $DIR/done; echo last\"\nstartsecs=0\nautorestart=false\n\
         stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\n\
         [program:y]\ncommand=sleep 1000\nstartsecs=0\n"
    ));
    daemon.wait_for_state("x", "RUNNING");
    // The FIFO and the pipe are full, and visor goes on answering.
    for _ in 0..20 {
        daemon.request_ok("status");
        daemon.request_ok("restart y");
    }
    assert_eq!(daemon.state_of("x"), "RUNNING");
    assert!(!daemon.file("done").exists(), "it waits for room");
    let got = read_lines_until(reader, "last");
    assert_same("stdout", &got, &(numbers(LAST) + "last\n"));
    daemon.wait_for_state("x", "EXITED");
}

#[test]
fn lives_that_ended_while_nobody_read_come_out_in_order() {
    // Each life fits into a pipe, so each ends while the console is full.
    let script = "n=$(cat $DIR/lives 2>/dev/null || echo 0); n=$((n+1)); echo $n > $DIR/lives; \
                  test $n -gt 4 && exec sleep 1000; seq -f life-$n-%%05g 1 4000; exit 0";
    let (daemon, reader) = with_fifo(&format!(
        "[program:x]\ncommand=sh -c \"{script}\"\nstartsecs=0\nautorestart=true\nstdout_logfile=/dev/stdout\n"
    ));
    daemon.wait_for_file("lives", |text| text == "5\n");
    daemon.request_ok("hello");
    let got = read_lines_until(reader, "life-4-04000");
    let wanted: String =
        (1..=4).flat_map(|life| (1..=4000).map(move |line| format!("life-{life}-{line:05}\n"))).collect();
    assert_same("stdout", &got, &wanted);
}

#[test]
fn floods_to_one_slow_stdout_all_make_progress() {
    let (_daemon, reader) = with_fifo(
        "[program:flood]\ncommand=yes %(process_num)d-0123456789abcdef0123456789abcdef\nnumprocs=3\nstartsecs=0\n\
         process_name=%(program_name)s_%(process_num)d\nstdout_logfile=/dev/stdout\nredirect_stderr=true\n",
    );
    let mut seen = [0_usize; 3];
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let began = Instant::now();
    while seen.iter().any(|&lines| lines < 20_000) {
        line.clear();
        reader.read_until(b'\n', &mut line).expect("a line");
        if let Some(lines) = line.first().and_then(|byte| seen.get_mut(usize::from(byte.saturating_sub(b'0')))) {
            *lines += 1;
        }
        assert!(began.elapsed() < TIMEOUT, "somebody starves: {seen:?}");
    }
    let (most, least) = (seen.iter().max().expect("three"), seen.iter().min().expect("three"));
    assert!(*most < 20 * *least, "shares are alike: {seen:?}");
}

#[test]
fn stop_of_a_program_and_the_end_of_visor_do_not_wait_for_who_does_not_read() {
    let (daemon, _reader) =
        with_fifo("[program:x]\ncommand=yes\nstartsecs=0\nstdout_logfile=/dev/stdout\nstopwaitsecs=60\n");
    daemon.wait_for_state("x", "RUNNING");
    let asked = Instant::now();
    daemon.request_ok("restart x");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn closed_or_broken_stdout_is_no_reason_to_end() {
    let conf = "[program:x]\ncommand=sh -c \"echo lost; exec sleep 1000\"\nstartsecs=0\nstdout_logfile=/dev/stdout\n";
    for surroundings in ["exec >&-", "exec >/dev/full", "mkfifo $DIR/f; exec 3<>$DIR/f >$DIR/f 3<&-"] {
        let daemon = Daemon::builder().under(surroundings).conf(conf).spawn();
        daemon.wait_until_it_answers();
        daemon.wait_for_state("x", "RUNNING");
        daemon.request_ok("restart x");
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0), "{surroundings}");
    }
}

#[test]
fn other_inherited_descriptors_are_log_files_too() {
    let daemon = Daemon::builder()
        .under("exec 7>$DIR/seven")
        .conf(
            "[program:x]\ncommand=sh -c \"echo out; echo err >&2\"\nstartsecs=0\nautorestart=false\n\
             stdout_logfile=/dev/fd/7\nstderr_logfile=/proc/self/fd/7\nstdout_logfile_maxbytes=1\n",
        )
        .start();
    daemon.wait_for_log("exited: x");
    let got = daemon.read("seven");
    assert!(got == "out\nerr\n" || got == "err\nout\n", "{got}");
}
