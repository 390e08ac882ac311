//! What becomes of lines on their way to a log: form, rate, overflow, age, compression, memory.

use serde_json::Value;

use super::console::with_fifo;
use super::kernel::is_installed;
use super::support::{Daemon, TIMEOUT, eventually};

/// A program that is a shell script, whose log is `out`.
fn talker(script: &str, keys: &str) -> Daemon {
    let conf = "[program:x]\ncommand=sh $DIR/script\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/out\n";
    Daemon::builder().given("script", 0o644, script).conf(&format!("{conf}{keys}\n")).start()
}

/// Its log once it has ended.
fn log_of(script: &str, keys: &str) -> Vec<u8> {
    let daemon = talker(script, keys);
    daemon.wait_for_log("exited: x");
    std::fs::read(daemon.file("out")).expect("the log")
}

fn text_of(script: &str, keys: &str) -> String {
    String::from_utf8(log_of(script, keys)).expect("text")
}

fn objects(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

#[test]
fn prefix_stands_before_every_line_and_an_end_without_newline_is_marked() {
    let script = "echo one; echo; printf tw; echo o; printf three";
    assert_eq!(text_of(script, "log_format=prefix"), "x | one\nx | \nx | two\nx | three [unended]\n");
    assert_eq!(
        text_of(script, "log_prefix={group}:{name}/{stream} {{"),
        "x:x/stdout { one\nx:x/stdout { \nx:x/stdout { two\nx:x/stdout { three [unended]\n"
    );
    let log = text_of("echo $$", "log_prefix={time} {pid}");
    let words: Vec<&str> = log.split_whitespace().collect();
    assert_eq!(words[1], words[2], "the pid is the program's: {log}");
    assert!(words[0].starts_with("20") && words[0].ends_with('Z') && words[0].len() == 24, "{log}");
}

#[test]
fn line_that_nobody_ends_is_in_the_log_when_visor_has_left() {
    // Who holds the pipe open outlives the program, and visor.
    let daemon = talker("printf half; sleep 5 & exec sleep 1000", "log_format=prefix");
    daemon.wait_for_log("half");
    daemon.request_ok("shutdown");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert_eq!(daemon.read("out"), "x | half [unended]\n");
}

#[test]
fn json_lines_are_objects_whatever_the_program_writes() {
    let script = r#"echo 'say "hi"'; echo '{"level":"info","n":1}'; echo {oops}; printf '\377\000\n'; printf end"#;
    let log = text_of(script, "log_format=json");
    let objects = objects(&log);
    assert_eq!(objects.len(), 5, "{log}");
    for object in &objects {
        assert_eq!(
            (&object["name"], &object["group"], &object["stream"]),
            (&"x".into(), &"x".into(), &"stdout".into())
        );
        assert!(object["pid"].as_i64().expect("a pid") > 1 && object["time"].is_string());
    }
    assert_eq!(objects[0]["msg"], "say \"hi\"");
    assert_eq!((&objects[1]["level"], &objects[1]["n"], &objects[1]["msg"]), (&"info".into(), &1.into(), &Value::Null));
    assert_eq!(objects[2]["msg"], "{oops}");
    assert_eq!(objects[3]["msg"], "\u{fffd}\0");
    assert_eq!((&objects[4]["msg"], &objects[4]["unended"]), (&"end".into(), &true.into()));
}

#[test]
fn logfmt_quotes_what_needs_it() {
    let log = text_of(r#"echo plain; echo 'a=b "c"'; printf '\377\n'"#, "log_format=logfmt");
    let lines: Vec<&str> = log.lines().map(|line| line.split_once(" pid=").expect("a pid").1).collect();
    let messages: Vec<&str> = lines.iter().map(|line| line.split_once(' ').expect("a message").1).collect();
    assert_eq!(messages, ["msg=plain", r#"msg="a=b \"c\"""#, "msg=\"\u{fffd}\""], "{log}");
    assert!(log.starts_with("time=20") && log.contains("Z name=x group=x stream=stdout pid="), "{log}");
}

#[test]
fn long_lines_come_in_marked_parts_of_which_none_is_lost() {
    let log = text_of(r"head -c 40000 /dev/zero | tr '\0' y; echo; echo next", "log_format=json");
    let objects = objects(&log);
    let marks: Vec<bool> = objects.iter().map(|object| object["partial"] == true).collect();
    assert_eq!(marks, [true, true, false, false]);
    let text: String = objects[..3].iter().map(|object| object["msg"].as_str().expect("text")).collect();
    assert_eq!(text, "y".repeat(40_000));
    assert_eq!(objects[3]["msg"], "next");
}

#[test]
fn raw_bytes_stay_what_they_are() {
    assert_eq!(log_of(r"printf '\377\000a\n\nb'", "log_format=raw"), b"\xff\0a\n\nb");
    // Also where lines are counted.
    assert_eq!(log_of(r"printf '\377\000a\n\nb'", "log_rate=100"), b"\xff\0a\n\nb");
}

#[test]
fn events_tails_and_followers_see_what_they_should() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nlog_format=prefix\nstdout_events_enabled=true\n",
    );
    daemon.wait_for_state("x", "RUNNING");
    let mut watcher = daemon.connect();
    watcher.send("watch --type PROCESS_LOG");
    let mut follower = daemon.connect();
    follower.send("follow x");
    daemon.request_ok("hello");
    for (sent, data) in [("hel", "hel"), ("lo%0A", "lo\n")] {
        daemon.request_ok(&format!("send x {sent}"));
        let event = watcher.event().expect("an event");
        assert_eq!(
            (event["event"].as_str(), event["data"].as_str()),
            ("PROCESS_LOG_STDOUT", data),
            "events have the bytes"
        );
    }
    daemon.wait_for_file("out", |text| text == "x | hello\n");
    let mut seen = Vec::new();
    while seen.len() < 10 {
        seen.extend(follower.block().expect("what comes"));
    }
    assert_eq!(seen, b"x | hello\n");
    assert_eq!(daemon.request_ok("tail x").bytes, b"x | hello\n");
}

#[test]
fn lines_beyond_the_rate_are_dropped_counted_and_told() {
    let daemon = talker("seq 1 500; touch $DIR/done; exec sleep 1000", "log_rate=100/1h");
    daemon.wait_for_file("done", |_| true);
    let lost = eventually("the loss is counted", || {
        let lost = daemon.request_ok("metrics").data[1]["lost_bytes"].clone();
        (lost == (400 * 4).to_string()).then_some(lost)
    });
    assert_eq!(lost, "1600");
    daemon.request_ok("stop x");
    let numbers: String = (1..=100).map(|number| format!("{number}\n")).collect();
    let told = daemon.wait_for_file("out", |text| text.contains("visor"));
    assert_eq!(told, numbers + "visor: 400 lines were dropped: log_rate\n");
}

#[test]
fn what_the_rate_dropped_is_told_without_another_line() {
    let daemon = talker("seq 1 30; exec sleep 1000", "log_rate=10\nlog_format=json");
    let log = daemon.wait_for_file("out", |text| text.contains("dropped"));
    let last = objects(&log).pop().expect("a line");
    assert_eq!(last["dropped"], 20);
    assert_eq!(last["msg"], "visor: 20 lines were dropped: log_rate");
    assert_eq!(daemon.state_of("x"), "RUNNING");
}

/// A program that writes far more than a console and a pipe hold, with this rule; and the console.
fn flood(rule: &str) -> (Daemon, std::fs::File) {
    with_fifo(&format!(
        "[program:x]\ncommand=sh -c \"seq -f %%09g 1 60000; echo done > $DIR/done; exec sleep 1000\"\nstartsecs=0\n\
         stdout_logfile=/dev/stdout\nlog_overflow={rule}\n"
    ))
}

/// All that a console has, until the last line that `is_last`.
fn read_until(fifo: std::fs::File, is_last: fn(&str) -> bool) -> Vec<String> {
    use std::io::BufRead as _;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        for line in std::io::BufReader::new(fifo).lines().map_while(Result::ok) {
            let last = is_last(&line);
            all.push(line);
            if last {
                break;
            }
        }
        sender.send(all)
    });
    receiver.recv_timeout(TIMEOUT).expect("the last line comes")
}

fn dropped(line: &str) -> Option<usize> {
    line.strip_prefix("visor: ")?.strip_suffix(" lines were dropped: log_overflow")?.parse().ok()
}

#[test]
fn stuck_console_holds_up_a_program_only_if_it_blocks() {
    let (daemon, fifo) = flood("block");
    daemon.wait_for_state("x", "RUNNING");
    for _ in 0..20 {
        daemon.request_ok("status");
    }
    assert!(!daemon.file("done").exists(), "it waits");
    let lines = read_until(fifo, |line| line == "000060000");
    assert_eq!(lines.len(), 60_000);
    daemon.wait_for_file("done", |_| true);
}

#[test]
fn stuck_console_that_drops_new_lines_keeps_the_first_and_says_how_many_went() {
    let (daemon, fifo) = flood("drop-new");
    daemon.wait_for_file("done", |_| true);
    let lines = read_until(fifo, |line| dropped(line).is_some());
    let gone = dropped(lines.last().expect("a line")).expect("a count");
    assert!(gone > 0 && lines.len() - 1 + gone == 60_000, "{} and {gone}", lines.len());
    assert!(
        (1..).zip(&lines[..lines.len() - 1]).all(|(number, line)| *line == format!("{number:09}")),
        "the first, whole"
    );
    assert_eq!(daemon.request_ok("metrics").data[1]["lost_bytes"], (gone * 10).to_string());
}

#[test]
fn stuck_console_that_drops_the_oldest_has_the_last_lines() {
    let (daemon, fifo) = flood("drop-oldest");
    daemon.wait_for_file("done", |_| true);
    let lines = read_until(fifo, |line| line == "000060000");
    let at = lines.iter().position(|line| dropped(line).is_some()).expect("what was dropped is told");
    let gone = dropped(&lines[at]).expect("a count");
    assert_eq!(lines.len() - 1 + gone, 60_000);
    assert!(lines[at + 1..].len() > 6000, "64 KB are kept");
    assert_eq!(lines[at + 1], format!("{:09}", at + gone + 1));
}

#[test]
fn old_log_is_rotated_with_the_next_line() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nstdout_logfile_max_age=300ms\nstdout_logfile_backups=2\n",
    );
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("send x first%0A");
    let mut sent = 0;
    eventually("it is old", || {
        daemon.request_ok("send x later%0A");
        sent += 1;
        daemon.file("out.1").exists().then_some(())
    });
    assert!(daemon.read("out.1").starts_with("first\n"));
    assert!(sent > 1 && daemon.read("out").starts_with("later\n"));
}

#[test]
fn backups_are_compressed_by_a_child() {
    if !is_installed("gzip", "compressed backups") {
        return;
    }
    let daemon = Daemon::with(
        "[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nstdout_logfile_maxbytes=5\nstdout_logfile_backups=3\n\
         stdout_logfile_compress=true\n",
    );
    daemon.wait_for_state("x", "RUNNING");
    let packed = |number: usize| daemon.file(&format!("out.{number}.gz"));
    let content = |number| {
        let output = std::process::Command::new("gzip").arg("-dc").arg(packed(number)).output().expect("gzip");
        String::from_utf8(output.stdout).expect("text")
    };
    for word in ["first", "again", "third", "forth"] {
        daemon.request_ok(&format!("send x {word}%0A"));
        eventually("it is compressed", || {
            let there = packed(1).exists() && content(1) == format!("{word}\n");
            (there && !daemon.file("out.1").exists() && !daemon.file("out.gz.tmp").exists()).then_some(())
        });
    }
    assert_eq!([content(1), content(2), content(3)], ["forth\n", "third\n", "again\n"]);
    assert!(!packed(4).exists());
    let warned = daemon.process().log().iter().any(|line| line.contains("reaped unknown pid") || line.contains("WARN"));
    assert!(!warned, "{:?}", daemon.process().log());
}

#[test]
fn what_is_put_in_the_place_of_a_backup_is_neither_waited_for_nor_followed() {
    if !is_installed("gzip", "compressed backups") {
        return;
    }
    for (trap, why) in [("mkfifo $DIR/out.1", "it is not a regular file"), ("ln -s secret $DIR/out.1", "os error 40")] {
        let daemon = Daemon::builder()
            .given("secret", 0o600, "secret")
            .under(trap)
            .conf(
                "[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nstdout_logfile_maxbytes=5\n\
                 stdout_logfile_backups=3\nstdout_logfile_compress=true\n",
            )
            .start();
        daemon.wait_for_state("x", "RUNNING");
        daemon.request_ok("send x first%0A");
        let line = daemon.wait_for_log("cannot compress");
        assert!(line.contains("out.2`") && line.contains(why), "{line}");
        assert!(daemon.file("out.1.gz").exists() && !daemon.file("out.2.gz").exists());
        daemon.request_ok("state");
    }
}

#[test]
fn compression_that_fails_loses_nothing_and_is_told_once() {
    let daemon = Daemon::builder()
        .given("gzip", 0o755, "#!/bin/sh\necho run >> ${0%/*}/runs\necho half\nexit 3\n")
        .under("PATH=$DIR:$PATH")
        .conf(
            "[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nstdout_logfile_maxbytes=1\nstdout_logfile_backups=5\n\
             stdout_logfile_compress=true\n",
        )
        .start();
    daemon.wait_for_state("x", "RUNNING");
    for runs in 1..=3 {
        daemon.request_ok(&format!("send x {runs}%0A"));
        daemon.wait_for_file("runs", |text| text.lines().count() == runs);
        eventually("nothing is left of it", || (!daemon.file("out.gz.tmp").exists()).then_some(()));
    }
    let line = daemon.wait_for_log("cannot compress");
    assert!(line.contains("out.1`: `gzip` failed (exit status 3)"), "{line}");
    assert_eq!([1, 2, 3].map(|number| daemon.read(&format!("out.{number}"))), ["3\n", "2\n", "1\n"]);
    assert_eq!(daemon.process().log().iter().filter(|line| line.contains("cannot compress")).count(), 1);
}

#[test]
fn backup_that_is_rotated_while_it_is_compressed_gets_its_new_number() {
    let daemon = Daemon::builder()
        .given("gzip", 0o755, "#!/bin/sh\nd=${0%/*}\necho run >> $d/runs\nwhile [ ! -e $d/go ]; do sleep 0.02; done\nexec cat\n")
        .under("PATH=$DIR:$PATH")
        .conf(
            "[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nstdout_logfile_maxbytes=1\nstdout_logfile_backups=5\n\
             stdout_logfile_compress=true\n",
        )
        .start();
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("send x 1%0A");
    daemon.wait_for_file("runs", |_| true);
    for number in 2..=3 {
        daemon.request_ok(&format!("send x {number}%0A"));
        daemon.wait_for_file("out.1", |text| text == format!("{number}\n"));
    }
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
    // What came meanwhile follows by itself.
    eventually("all are compressed", || {
        (1..=3)
            .all(|number| {
                daemon.file(&format!("out.{number}.gz")).exists() && !daemon.file(&format!("out.{number}")).exists()
            })
            .then_some(())
    });
    assert_eq!([1, 2, 3].map(|number| daemon.read(&format!("out.{number}.gz"))), ["3\n", "2\n", "1\n"]);
}

#[test]
fn end_of_visor_leaves_no_half_compressed_backup() {
    let daemon = Daemon::builder()
        .given("gzip", 0o755, "#!/bin/sh\nsleep 1000 & echo $! > ${0%/*}/pid\nwait\n")
        .under("PATH=$DIR:$PATH")
        .conf(
            "[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\nstdout_logfile_maxbytes=1\nstdout_logfile_compress=true\n",
        )
        .start();
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("send x 1%0A");
    let pid: i32 = daemon.wait_for_file("pid", |text| text.ends_with('\n')).trim().parse().expect("a pid");
    daemon.request_ok("shutdown");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!daemon.file("out.gz.tmp").exists() && daemon.file("out.1").exists());
    super::kernel::wait_gone(pid);
}

#[test]
fn missing_gzip_is_a_remark_of_check() {
    let daemon = talker("true", "stdout_logfile_compress=true");
    let mut check = super::support::clean_command(super::support::VISOR);
    check.args(["check", "-c"]).arg(daemon.file("visor.conf")).env("PATH", daemon.path());
    let output = super::support::run(check);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("`stdout_logfile_compress` needs the command `gzip`, which is not found"), "{errors}");
    assert!(output.status.success());
}

#[test]
fn output_without_a_file_is_tailed_from_memory() {
    let daemon = Daemon::with(
        "[program:none]\ncommand=cat\nstartsecs=0\nstdout_logfile=NONE\nlog_ring=8KB\n\
         [program:small]\ncommand=cat\nstartsecs=0\nstdout_logfile=NONE\nlog_ring=4\n\
         [program:off]\ncommand=cat\nstartsecs=0\nstdout_logfile=NONE\n\
         [program:shaped]\ncommand=cat\nstartsecs=0\nstdout_logfile=NONE\nlog_format=prefix\nlog_ring=8KB\n",
    );
    assert_eq!(daemon.request_ok("tail none").bytes, b"", "an empty log is one");
    for name in ["none", "small", "off", "shaped"] {
        daemon.wait_for_state(name, "RUNNING");
        daemon.request_ok(&format!("send {name} 123456%0A"));
    }
    eventually("it came", || (daemon.request("tail shaped").bytes == b"shaped | 123456\n").then_some(()));
    eventually("it came", || (daemon.request("tail none").bytes == b"123456\n").then_some(()));
    eventually("it came", || (daemon.request("tail small").bytes == b"456\n").then_some(()));
    assert_eq!(daemon.request("tail off").error_code(), "no-file");
    assert_eq!(daemon.request_ok("tail none stdout 3").bytes, b"56\n");
    let part = daemon.request_ok("read none stdout 1 3");
    assert_eq!((part.bytes.as_slice(), part.data[0]["size"].as_str()), (&b"234"[..], "7"));
    assert_eq!(daemon.request_ok("read small stdout 0 100").bytes, b"456\n");
    let mut follower = daemon.connect();
    follower.send("follow none stdout 4");
    assert_eq!(follower.block().expect("what was"), b"456\n");
    daemon.request_ok("send none 7%0A");
    assert_eq!(follower.block().expect("what comes"), b"7\n");
    daemon.request_ok("clear none");
    assert_eq!(daemon.request_ok("tail none").bytes, b"");
    let tail = daemon.svc_ok(&["tail", "small"]);
    assert!(tail.contains("456"), "{tail}");
}

#[test]
fn log_that_cannot_be_opened_is_tailed_from_memory_until_it_can() {
    let daemon = Daemon::builder()
        .under("mkdir $DIR/sub")
        .conf("[program:x]\ncommand=cat\nstartsecs=0\nautostart=false\nstdout_logfile=$DIR/sub/out\nlog_ring=8KB\n")
        .start();
    assert_eq!(daemon.request("tail x").error_code(), "no-file");
    std::fs::remove_dir(daemon.file("sub")).expect("the directory");
    daemon.request_ok("start x");
    daemon.request_ok("send x lost%0A");
    eventually("it is in memory", || (daemon.request("tail x").bytes == b"lost\n").then_some(()));
    std::fs::create_dir(daemon.file("sub")).expect("the directory");
    eventually("the file is back", || {
        daemon.request_ok("send x there%0A");
        let tail = daemon.request("tail x").bytes;
        (tail.starts_with(b"there\n") && daemon.read("sub/out").starts_with("there\n")).then_some(())
    });
}

#[test]
fn console_is_tailed_from_memory() {
    let (daemon, _fifo) = with_fifo(
        "[program:x]\ncommand=sh -c \"echo hello; exec sleep 1000\"\nstartsecs=0\nstdout_logfile=/dev/stdout\nlog_ring=4KB\n",
    );
    eventually("it is in memory", || (daemon.request("tail x").bytes == b"hello\n").then_some(()));
}

#[test]
fn nonsense_is_told_with_its_key_and_nothing_starts() {
    for (line, part) in [
        ("log_format=xml", "`xml` is no format: raw, prefix, logfmt or json"),
        ("log_prefix={nme}", "`{nme}` begins with a brace and is none of {name}"),
        ("log_rate=0", "`0` is no rate"),
        ("log_rate=10/never", "'never' is no time"),
        ("log_overflow=drop", "`drop` is no rule for an overflow: block, drop-oldest or drop-new"),
        ("log_ring=1GB", "is not between 0 and"),
        ("stdout_logfile_max_age=old", "'old' is no time"),
        ("stderr_logfile_compress=maybe", "not a valid boolean value"),
    ] {
        let daemon = Daemon::builder().conf(&format!("[program:x]\ncommand=sleep 1\n{line}\n")).spawn();
        assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(2), "{line}");
        let errors = daemon.process().errors();
        let key = line.split('=').next().unwrap_or_default();
        assert!(errors.contains(part) && errors.contains(key), "{errors}");
    }
}

#[test]
fn settings_are_shown_and_a_change_is_applied_while_the_program_runs() {
    let conf = |keys: &str| format!("[program:x]\ncommand=cat\nstartsecs=0\nstdout_logfile=$DIR/out\n{keys}");
    let daemon = Daemon::with(&conf("log_prefix={name}:\nlog_rate=5/1m\nstdout_logfile_max_age=1d\n"));
    daemon.wait_for_state("x", "RUNNING");
    let shown = daemon.svc_ok(&["config", "x"]);
    for part in ["log_format", "log_prefix", "{name}:", "log_rate", "5/60000ms", "stdout_logfile_max_age", "86400000ms"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let pid = daemon.pid_of("x");
    daemon.request_ok("send x one%0Atwo");
    daemon.wait_for_file("out", |text| text == "x: one\n");
    for (keys, log) in [
        ("log_format=json\nlog_prefix=x", "\"msg\":\"twothree\"}\n"),
        ("log_prefix={pid}", "\n$PID three\n"),
        ("log_format=raw", "\nthree\n"),
        ("log_prefix=>", "\n> three\n"),
    ] {
        daemon.rewrite_conf(&conf(keys));
        daemon.request_ok("update");
        daemon.request_ok("send x three%0A");
        let log = log.replace("$PID", &pid.to_string());
        daemon.wait_for_file("out", |text| text.ends_with(&log));
    }
    assert_eq!(daemon.pid_of("x"), pid);
}
