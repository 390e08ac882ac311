//! Capture mode: what stands between the tags is an event, all else is the log, however the bytes are cut.

use crate::listener::{self, Seen, builder, pool, wait_for};
use crate::support::Daemon;

const BEGIN: &str = "<!--XSUPERVISOR:BEGIN-->";
const END: &str = "<!--XSUPERVISOR:END-->";

/// Writes the text in pieces of `cut` bytes, each after the one before was read, and ends.
const WRITER: &str = "
import os, sys, time
data, cut = open('$DIR/text', 'rb').read(), int(sys.argv[1])
import fcntl, struct, termios
def unread():
    return struct.unpack('i', fcntl.ioctl(1, termios.FIONREAD, struct.pack('i', 0)))[0]
for at in range(0, len(data), cut):
    os.write(1, data[at:at + cut])
    while unread():
        time.sleep(0.0005)
";

fn play(text: &str, cut: usize, maxbytes: &str) -> (Daemon, Vec<Seen>) {
    let daemon = builder()
        .given("writer.py", 0o644, WRITER)
        .given("text", 0o644, text)
        .conf(&pool("l", "", "events=PROCESS_COMMUNICATION,PROCESS_LOG,PROCESS_STATE_EXITED"))
        .conf(&format!(
            "[program:x]\ncommand=python3 $DIR/writer.py {cut}\nstartsecs=0\nautorestart=false\n\
             stdout_logfile=$DIR/x.log\nstdout_events_enabled=true\nstdout_capture_maxbytes={maxbytes}\n"
        ))
        .start();
    let all = wait_for(&daemon, "l", |seen| seen.iter().any(|event| event.name() == "PROCESS_STATE_EXITED"));
    (daemon, all)
}

/// The data of all events of this type.
fn data<'a>(all: &'a [Seen], name: &str) -> Vec<&'a str> {
    let of = all.iter().filter(|event| event.name() == name);
    of.filter_map(|event| event.payload.split_once('\n').map(|(_, data)| data)).collect()
}

#[test]
fn tags_cut_anywhere_are_found_and_the_log_is_whole() {
    if !listener::has_python("capture mode") {
        return;
    }
    let text = format!("before<{BEGIN}first{END}between{BEGIN}second<!-- no tag{END}{BEGIN}{END}after<!--XSUPER");
    for cut in [1, 7, 23, 24, 25, 1000] {
        let (daemon, all) = play(&text, cut, "1MB");
        assert_eq!(data(&all, "PROCESS_COMMUNICATION_STDOUT"), ["first", "second<!-- no tag", ""], "{cut}");
        assert_eq!(daemon.read("x.log"), "before<betweenafter<!--XSUPER", "{cut}");
        let logged = data(&all, "PROCESS_LOG_STDOUT").concat();
        assert_eq!(logged, "before<betweenafter<!--XSUPER", "what is captured is not logged: {cut}");
    }
}

#[test]
fn captured_bytes_are_at_most_as_many_as_configured_the_newest_ones() {
    if !listener::has_python("the limit of capture mode") {
        return;
    }
    let long: String = (0..2000).map(|number| format!("{number:05}")).collect();
    let (_daemon, all) = play(&format!("{BEGIN}{long}{END}"), 100_000, "1KB");
    assert_eq!(data(&all, "PROCESS_COMMUNICATION_STDOUT"), [&long[long.len() - 1024..]]);
}

#[test]
fn begin_without_end_tells_nothing_and_harms_nobody() {
    if !listener::has_python("capture without an end") {
        return;
    }
    let (daemon, all) = play(&format!("{END}log{BEGIN}lost"), 1000, "1KB");
    assert_eq!(data(&all, "PROCESS_COMMUNICATION_STDOUT"), [""; 0]);
    assert_eq!(daemon.read("x.log"), format!("{END}log"));
}

#[test]
fn without_capture_tags_are_output() {
    if !listener::has_python("tags without capture mode") {
        return;
    }
    let text = format!("a{BEGIN}b{END}c");
    let (daemon, all) = play(&text, 1000, "0");
    assert_eq!(data(&all, "PROCESS_COMMUNICATION_STDOUT"), [""; 0]);
    assert_eq!(data(&all, "PROCESS_LOG_STDOUT").concat(), text);
    assert_eq!(daemon.read("x.log"), text);
}
