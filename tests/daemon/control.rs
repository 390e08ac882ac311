//! The control socket: every kind of client, good and bad.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::kernel::{cpu_time, descriptors, exists};
use super::support::{Connection, Daemon, TIMEOUT, eventually};

/// The longest request line, LF included.
const LINE_LIMIT: usize = 64 * 1024;
/// Clients at once in the tests of many.
const MANY: usize = 250;
const SLEEPER: &str = "[program:x]\ncommand=sleep 1000\nstartsecs=0\n";
const DEAF: &str = "[program:deaf]\ncommand=sh -c \"trap '' TERM; echo deaf now; exec sleep 1000\"\nstartsecs=0\n";

fn stream(daemon: &Daemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.socket()).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
    stream
}

/// All that comes until the end of file; a reset after the last byte is an end too.
fn read_to_end(stream: &mut UnixStream) -> String {
    let mut all = Vec::new();
    if let Err(error) = stream.read_to_end(&mut all) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn request_byte_by_byte_is_a_request() {
    let daemon = Daemon::with(SLEEPER);
    let mut connection = daemon.connect();
    for byte in b"status   x\r\n" {
        connection.stream().write_all(&[*byte]).expect("a byte");
        // Each is read by itself: another client is answered in between.
        daemon.request_ok("hello");
    }
    assert_eq!(connection.reply().data[0]["name"], "x");
}

#[test]
fn pipelined_requests_are_answered_in_order_and_a_waiting_one_holds_up_only_its_connection() {
    let daemon = Daemon::with(&format!("{DEAF}stopwaitsecs=1\n{SLEEPER}"));
    daemon.wait_for_log("deaf now");
    let mut connection = daemon.connect();
    connection.send("hello\nstop deaf\nstatus deaf\nno-such-verb\nstatus x");
    assert_eq!(connection.reply().data[0]["program"], "visor");
    daemon.wait_for_state("deaf", "STOPPING");
    daemon.wait_for_state("x", "RUNNING");
    assert_eq!(connection.reply().data[0]["result"], "stopped");
    assert_eq!(connection.reply().data[0]["state"], "STOPPED");
    assert_eq!(connection.reply().error_code(), "unknown-verb");
    assert_eq!(connection.reply().data[0]["name"], "x");
}

#[test]
fn thousands_of_pipelined_requests_are_all_answered() {
    let daemon = Daemon::with(SLEEPER);
    let mut connection = daemon.connect();
    let mut writer = connection.stream().try_clone().expect("the other direction");
    let count = 5000;
    let sender = std::thread::spawn(move || writer.write_all("status x\n".repeat(count).as_bytes()));
    for _ in 0..count {
        assert_eq!(connection.reply().data.len(), 1);
    }
    sender.join().expect("the sender").expect("all is taken");
}

#[test]
fn longest_line_is_taken_and_a_longer_one_ends_the_connection() {
    let daemon = Daemon::with(SLEEPER);
    let mut longest = "status ".to_owned();
    longest.push_str(&"a".repeat(LINE_LIMIT - 1 - longest.len()));
    let reply = daemon.request(&longest);
    assert_eq!(reply.data[0]["error"], "bad-name");

    let mut bad = stream(&daemon);
    bad.write_all(format!("hello\n{longest}a\nhello\n").as_bytes()).expect("taken or thrown away");
    let answer = read_to_end(&mut bad);
    let ends: Vec<&str> = answer.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(ends.len(), 2, "{answer}");
    assert_eq!(ends[0], "ok");
    assert!(ends[1].starts_with("error bad-request "), "{answer}");
    daemon.request_ok("hello");
}

#[test]
fn too_long_line_behind_a_waiting_request_is_answered_after_it() {
    let daemon = Daemon::with(&format!("{DEAF}stopwaitsecs=1\n"));
    daemon.wait_for_log("deaf now");
    let mut connection = daemon.connect();
    connection.send("stop deaf");
    daemon.wait_for_state("deaf", "STOPPING");
    connection.send(&"x".repeat(LINE_LIMIT));
    daemon.request_ok("hello");
    let reply = connection.reply();
    assert!(reply.is_ok() && reply.data[0]["result"] == "stopped", "{reply:?}");
    assert_eq!(connection.reply().error_code(), "bad-request");
}

#[test]
fn line_without_end_is_no_request() {
    let daemon = Daemon::with(SLEEPER);
    let mut half = stream(&daemon);
    half.write_all(b"hello\nshutdown").expect("taken");
    half.shutdown(std::net::Shutdown::Write).expect("a half-closed connection");
    let answer = read_to_end(&mut half);
    assert!(answer.ends_with("ok\n") && answer.lines().count() == 2, "{answer}");
    assert_eq!(daemon.request_ok("state").data[0]["state"], "RUNNING");
}

#[test]
fn half_closed_client_still_gets_what_it_waits_for() {
    let daemon = Daemon::with(&format!("{DEAF}stopwaitsecs=1\n"));
    daemon.wait_for_log("deaf now");
    let mut half = stream(&daemon);
    half.write_all(b"stop deaf\nstatus deaf\n").expect("taken");
    half.shutdown(std::net::Shutdown::Write).expect("a half-closed connection");
    let answer = read_to_end(&mut half);
    assert!(answer.contains("result=stopped") && answer.contains("state=STOPPED"), "{answer}");
}

#[test]
fn clients_that_vanish_in_the_middle_of_a_stop_harm_nobody_and_cost_nothing() {
    let daemon = Daemon::with(&format!("{DEAF}stopwaitsecs=2\n{SLEEPER}"));
    daemon.wait_for_log("deaf now");
    let pid = daemon.pid_of("deaf");
    let mut stayer = daemon.connect();
    stayer.send("stop deaf");
    daemon.wait_for_state("deaf", "STOPPING");
    let before = cpu_time(daemon.pid());
    for _ in 0..50 {
        let mut vanishing = stream(&daemon);
        vanishing.write_all(b"stop deaf\nstart deaf\nstat").expect("taken");
    }
    assert!(stayer.reply().is_ok());
    assert!(!exists(pid));
    // Their ends must not keep the loop turning while the stop takes its time.
    let used = cpu_time(daemon.pid()) - before;
    assert!(used < Duration::from_millis(500), "{used:?} of CPU");
    eventually("their connections are closed", || (descriptors(daemon.pid()).len() < 30).then_some(()));
    daemon.request_ok("hello");
}

#[test]
fn slow_reader_of_a_flood_misses_some_hears_how_much_and_slows_nobody() {
    let daemon = Daemon::builder()
        .supervisord("loglevel=info")
        .conf(
            "[program:flood]\ncommand=yes 0123456789abcdef\nstartsecs=0\nstdout_logfile=$DIR/flood.log\n\
             stdout_logfile_maxbytes=1MB\nstdout_logfile_backups=1\n",
        )
        .start();
    daemon.wait_for_state("flood", "RUNNING");
    let mut slow = daemon.connect();
    slow.send("follow flood");
    let mut watcher = daemon.connect();
    watcher.send("follow flood 0");
    // The quick one gets far more than any backlog while the slow one reads nothing.
    let mut got = 0;
    while got < 64 * 1024 * 1024 {
        match watcher.block() {
            Some(block) => got += block.len(),
            // Data between the blocks: it missed some itself.
            None => got += 1,
        }
    }
    daemon.request_ok("hello");
    daemon.request_ok("stop flood");
    let mut missed = None;
    slow.stream().set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    daemon.request_ok("start flood");
    let mut reader = std::io::BufReader::new(slow.stream().try_clone().expect("the same connection"));
    let mut line = Vec::new();
    while missed.is_none() {
        use std::io::BufRead as _;
        line.clear();
        assert!(reader.read_until(b'\n', &mut line).expect("it still gets something") > 0, "it was dropped");
        missed = std::str::from_utf8(&line).ok().and_then(|line| line.strip_prefix(" missed=")?.trim().parse().ok());
    }
    assert!(missed > Some(1024 * 1024_u64), "{missed:?}");
}

#[test]
fn hundreds_of_clients_are_all_served() {
    let daemon = Daemon::with(SLEEPER);
    let mut connections: Vec<Connection> = (0..MANY).map(|_| daemon.connect()).collect();
    for connection in &mut connections {
        connection.send("watch");
    }
    let mut askers: Vec<Connection> = (0..MANY).map(|_| daemon.connect()).collect();
    for asker in &mut askers {
        asker.send("status x");
    }
    for asker in &mut askers {
        assert!(asker.reply().is_ok());
    }
    daemon.request_ok("restart x");
    for connection in &mut connections {
        let mut seen = Vec::new();
        while seen.last().map(String::as_str) != Some("PROCESS_STATE_RUNNING") {
            let event = connection.event().expect("an event");
            assert_eq!(event["name"], "x");
            seen.push(event["event"].clone());
        }
        let wanted = ["STOPPING", "STOPPED", "STARTING", "RUNNING"].map(|word| format!("PROCESS_STATE_{word}"));
        // The very first start may still be on its way when they begin to watch.
        assert!(seen.ends_with(&wanted), "{seen:?}");
    }
    drop((connections, askers));
    eventually("all connections are closed", || (descriptors(daemon.pid()).len() < 30).then_some(()));
}

#[test]
fn too_many_clients_are_refused_without_harm_to_the_others() {
    let daemon = Daemon::with(SLEEPER);
    let mut connections: Vec<UnixStream> = (0..1300).map(|_| stream(&daemon)).collect();
    let mut first = connections.remove(0);
    first.write_all(b"hello\n").expect("taken");
    let mut answer = [0; 9];
    first.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b" program=");
    drop(connections);
    eventually("there is room again", || {
        let mut connection = UnixStream::connect(daemon.socket()).ok()?;
        connection.write_all(b"hello\n").ok()?;
        let mut answer = [0; 9];
        connection.read_exact(&mut answer).ok()?;
        (&answer == b" program=").then_some(())
    });
}

#[test]
fn garbage_is_answered_or_thrown_away() {
    let daemon = Daemon::with(SLEEPER);
    let all_bytes: Vec<u8> = (0..=255).collect();
    for garbage in [
        &b"\n"[..],
        b"\0\0\0\0\n",
        b"\xff\xfe\n",
        b"status %zz\n",
        b"status %00\n",
        b"   \n",
        b"send x %\n",
        &all_bytes,
        b"tail x stdout 99999999999999999999999\n",
        b"signal TERMX x\n",
        b"signal 0 x\n",
        b"stop\n",
        b"\x16\x03\x01\x02\x00\x01\x00\n",
    ] {
        let mut bad = stream(&daemon);
        bad.write_all(garbage).expect("taken");
        bad.shutdown(std::net::Shutdown::Write).expect("a half-closed connection");
        let answer = read_to_end(&mut bad);
        assert!(answer.lines().all(|line| line.starts_with([' ', 'o', 'e'])), "{garbage:?}: {answer}");
    }
    daemon.wait_for_state("x", "RUNNING");
}

#[test]
fn http_is_told_that_there_is_no_gateway() {
    let daemon = Daemon::builder().visor("gateway=$DIR/none").conf(SLEEPER).start();
    for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /RPC2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"] {
        let mut http = stream(&daemon);
        http.write_all(request.as_bytes()).expect("taken");
        let answer = read_to_end(&mut http);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 501 ") && body.contains("visor-http"), "{answer}");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        assert_eq!(length, Some(body.len().to_string().as_str()), "{answer}");
    }
}

#[test]
fn sent_bytes_reach_stdin_and_a_full_or_missing_stdin_is_said() {
    let daemon = Daemon::with(
        "[program:echo]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\n\
         [program:deaf]\ncommand=sleep 1000\nstartsecs=0\n[program:down]\ncommand=cat\nautostart=false\n",
    );
    daemon.wait_for_state("echo", "RUNNING");
    daemon.wait_for_state("deaf", "RUNNING");
    daemon.request_ok("send echo a%20b%0A%00%25%C3%A9%0A");
    daemon.wait_for_file("out", |text| text == "a b\n\0%é\n");
    assert_eq!(daemon.request("send down x").error_code(), "not-running");
    let block = format!("send deaf {}", "y".repeat(60_000));
    let refused = (0..10).map(|_| daemon.request(&block)).find(|reply| !reply.is_ok()).expect("a limit");
    assert_eq!(refused.error_code(), "busy");
    daemon.request_ok("stop deaf");
}

#[test]
fn tail_clear_and_maintail_show_bytes_as_they_are() {
    let daemon = Daemon::with(
        "[program:p]\ncommand=printf 'one\\ntwo\\377\\n'\nautorestart=false\nstartsecs=0\nstdout_logfile=$DIR/out\n",
    );
    daemon.wait_for_log("exited: p");
    assert_eq!(daemon.request_ok("tail p").bytes, b"one\ntwo\xff\n");
    assert_eq!(daemon.request_ok("tail p stdout 3").bytes, b"o\xff\n");
    assert_eq!(daemon.request("tail nobody").error_code(), "bad-name");
    daemon.request_ok("clear p");
    assert_eq!(daemon.request_ok("tail p").bytes, b"");
    let tail = daemon.request_ok("maintail 100000").bytes;
    assert!(String::from_utf8_lossy(&tail).contains("exited: p"));
    let mut follower = daemon.connect();
    follower.send("maintail follow 0");
    daemon.request_ok("start p");
    let mut seen = String::new();
    while !seen.contains("exited: p") {
        seen += &String::from_utf8_lossy(&follower.block().expect("more of the log"));
    }
}

#[test]
fn follower_of_the_log_hears_of_a_request_though_nothing_else_happens() {
    let daemon = Daemon::with("");
    let (mut follower, mut other) = (daemon.connect(), daemon.connect());
    follower.send("maintail follow 10");
    follower.block().expect("the end of the log");
    // It stays connected: not even its end wakes visor.
    assert!(other.request("reopen").is_ok());
    let mut seen = String::new();
    while !seen.contains("supervisord logreopen") {
        seen += &String::from_utf8_lossy(&follower.block().expect("more of the log"));
    }
}
