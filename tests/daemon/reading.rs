//! Logs by place, visor's own too, and what is counted: what the gateway is made of.

use super::support::{Daemon, Reply, eventually};

const TALKER: &str = "[program:x]\ncommand=sh -c \"printf 0123456789; printf err >&2; exec sleep 1000\"\nstartsecs=0\n\
                      stdout_logfile=$DIR/x.out\nstderr_logfile=$DIR/x.err\n";

fn wait_until_written(daemon: &Daemon) {
    daemon.wait_for_file("x.out", |text| text.len() == 10);
    daemon.wait_for_file("x.err", |text| text.len() == 3);
}

fn size(reply: &Reply) -> &str {
    &reply.data[0]["size"]
}

#[test]
fn read_answers_the_size_and_what_there_is_of_the_part() {
    let daemon = Daemon::with(TALKER);
    wait_until_written(&daemon);
    let mut connection = daemon.connect();
    for (part, expected) in [
        ("stdout 2 3", "234"),
        ("stdout 8 100", "89"),
        ("stdout 0 18446744073709551615", "0123456789"),
        ("stdout 0 0", ""),
        ("stdout 10 5", ""),
        ("stdout 18446744073709551615 18446744073709551615", ""),
        ("stderr 1 2", "rr"),
    ] {
        let reply = connection.request(&format!("read x {part}"));
        assert!(reply.is_ok(), "{part}: {reply:?}");
        assert_eq!(String::from_utf8_lossy(&reply.bytes), expected, "{part}");
        assert_eq!(size(&reply), if part.starts_with("stdout") { "10" } else { "3" });
    }
}

#[test]
fn read_of_what_is_not_there_says_which_file_that_is() {
    let daemon = Daemon::with(&format!(
        "{TALKER}[program:quiet]\ncommand=sleep 1000\nautostart=false\nstdout_logfile=$DIR/none.out\n\
         stderr_logfile=NONE\n[program:odd]\ncommand=true\nautostart=false\nstdout_logfile=$DIR\n"
    ));
    wait_until_written(&daemon);
    let none = format!("error no-file {}", daemon.file("none.out").display());
    assert_eq!(daemon.request("read quiet stdout 0 10").end, none);
    assert_eq!(daemon.request("read quiet stderr 0 10").end, "error no-file ");
    assert_eq!(daemon.request("read nobody stdout 0 10").error_code(), "bad-name");
    assert_eq!(daemon.request("read odd stdout 0 10").error_code(), "failed");
    std::fs::remove_file(daemon.file("x.out")).expect("the log");
    assert_eq!(daemon.request("read x stdout 0 10").error_code(), "no-file");
}

#[test]
fn a_long_log_comes_whole_and_pipelined_requests_wait_for_it() {
    let daemon = Daemon::with("[program:x]\ncommand=true\nautostart=false\nstdout_logfile=$DIR/long\n");
    let long: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(daemon.file("long"), &long).expect("a long log");
    let mut connection = daemon.connect();
    connection.send("read x stdout 1 2999998\nhello");
    let reply = connection.reply();
    assert!(reply.is_ok() && reply.bytes == long[1..2_999_999], "{}", reply.bytes.len());
    assert_eq!(connection.reply().data[0]["program"], "visor");
}

#[test]
fn own_log_is_read_by_place_and_emptied() {
    let daemon = Daemon::with(TALKER);
    wait_until_written(&daemon);
    let log = std::fs::read(daemon.file("visor.log")).expect("the log");
    let reply = daemon.request_ok("mainread 3 20");
    assert_eq!(reply.bytes, log[3..23]);
    assert!(size(&reply).parse::<usize>().expect("a size") >= log.len());

    daemon.request_ok("mainclear");
    assert_eq!(size(&daemon.request_ok("mainread 0 0")), "0");
    // It is written on.
    daemon.request_ok("stop x");
    daemon.wait_for_file("visor.log", |text| text.contains("stopped: x"));
    assert!(!daemon.read("visor.log").contains("supervisord started"));

    std::fs::remove_file(daemon.file("visor.log")).expect("the log");
    let gone = format!("error no-file {}", daemon.file("visor.log").display());
    assert_eq!(daemon.request("mainclear").end, gone);
    assert_eq!(daemon.request("mainread 0 1").end, gone);
}

#[test]
fn visor_without_a_log_file_has_none_to_read() {
    let daemon = Daemon::builder().supervisord("logfile=/dev/stdout").start();
    assert_eq!(daemon.request("mainread 0 1").end, "error no-file ");
    assert_eq!(daemon.request("mainclear").end, "error no-file ");
}

#[test]
fn metrics_count_starts_and_bytes_of_each_stream() {
    let daemon = Daemon::with(&format!(
        "{TALKER}[program:both]\ncommand=sh -c \"echo out; echo err >&2\"\nstartsecs=0\nautorestart=false\n\
         autostart=false\nredirect_stderr=true\nstdout_logfile=NONE\n\
         [program:full]\ncommand=sh -c \"printf 1234567\"\nstartsecs=0\nautorestart=false\nautostart=false\n\
         stdout_logfile=/dev/full\n"
    ));
    wait_until_written(&daemon);
    for _ in 0..3 {
        daemon.request_ok("start both");
        daemon.wait_for_state("both", "EXITED");
    }
    daemon.request_ok("start full");
    daemon.wait_for_state("full", "EXITED");
    let reply = eventually("all is counted", || {
        let reply = daemon.request_ok("metrics");
        // Who asked before may not have been seen to go yet.
        (reply.data[1]["stdout_bytes"] == "24" && reply.data[0]["clients"] == "1").then_some(reply)
    });
    let visor = &reply.data[0];
    assert_eq!((visor["clients"].as_str(), visor["events_lost"].as_str()), ("1", "0"));
    assert_eq!(visor["pid"], daemon.pid().to_string());
    assert!(visor["started"].parse::<u64>().expect("a time") > 1_600_000_000);
    let counted: Vec<String> = reply.data[1..]
        .iter()
        .map(|line| {
            ["name", "group", "process", "starts", "stdout_bytes", "stderr_bytes", "lost_bytes"]
                .map(|key| line[key].clone())
                .join(" ")
        })
        .collect();
    assert_eq!(counted, ["both both both 3 24 0 0", "full full full 1 7 0 7", "x x x 1 10 3 0"]);
}
