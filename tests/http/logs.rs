//! Logs, whatever is in them and however long they are.

use visor::http::xml::Value;

use crate::client::{Site, text};

/// A log much longer than what the gateway may grow by, which is in KiB.
const LONG_BYTES: usize = 12_000_000;
const MAY_GROW: u64 = 4 * 1024;

fn log_of(bytes: &[u8]) -> Site {
    let site =
        Site::with("[program:p]\ncommand=/bin/true\nautostart=false\nstdout_logfile=$DIR/p.log\nstderr_logfile=NONE\n");
    std::fs::write(site.daemon.file("p.log"), bytes).unwrap();
    site
}

fn read(site: &Site, offset: i32, length: i32) -> Value {
    site.result("supervisor.readProcessStdoutLog", &[text("p"), Value::Int(offset), Value::Int(length)])
}

#[test]
fn parts_and_tails_are_those_of_the_original() {
    let site = log_of(b"0123456789");
    assert_eq!(read(&site, 0, 0), text("0123456789"));
    assert_eq!(read(&site, 3, 4), text("3456"));
    assert_eq!(read(&site, -3, 0), text("789"));
    assert_eq!(read(&site, 99, 0), text(""));
    let tail =
        |offset, length| site.result("supervisor.tailProcessLog", &[text("p"), Value::Int(offset), Value::Int(length)]);
    let expected = |part: &str, overflow| Value::Array(vec![text(part), Value::Int(10), Value::Bool(overflow)]);
    assert_eq!(tail(0, 4), expected("6789", true));
    assert_eq!(tail(6, 4), expected("6789", false));
    let fault =
        |offset, length| site.fault("supervisor.readProcessLog", &[text("p"), Value::Int(offset), Value::Int(length)]);
    assert_eq!(fault(-1, 1), "BAD_ARGUMENTS");
    assert_eq!(site.fault("supervisor.readProcessStderrLog", &[text("p"), Value::Int(0), Value::Int(0)]), "NO_FILE");
    std::fs::remove_file(site.daemon.file("p.log")).unwrap();
    assert_eq!(fault(0, 0), format!("NO_FILE: {}", site.daemon.file("p.log").display()));
    assert_eq!(tail(5, 5), Value::Array(vec![text(""), Value::Int(0), Value::Bool(false)]));
}

#[test]
fn every_byte_gives_a_document_that_can_be_read() {
    let all: Vec<u8> = (0..=255).collect();
    let site = log_of(&all);
    let Value::String(read) = read(&site, 0, 0) else { panic!("a text") };
    assert!(
        read.starts_with("\u{2400}\u{2401}") && read.contains("\t\n\u{240b}") && read.contains("\u{240c}\r\u{240e}")
    );
    assert!(read.contains("&'()") && read.contains("<=>") && read.ends_with('\u{fffd}'));
    for offset in 0..256 {
        site.result("supervisor.readProcessStdoutLog", &[text("p"), Value::Int(offset), Value::Int(3)]);
    }
}

#[test]
fn long_log_is_sent_as_it_is_read_and_is_never_held() {
    let line = "a line of a long log with <markup> & é in it\n";
    let long = line.repeat(LONG_BYTES / line.len());
    let site = log_of(long.as_bytes());
    site.result("supervisor.getState", &[]);
    let before = site.memory();
    let Value::String(whole) = read(&site, 0, 0) else { panic!("a text") };
    assert!(whole == long, "all {} bytes of it, not {}", long.len(), whole.len());
    let Value::String(end) = read(&site, -1_000_000, 0) else { panic!("a text") };
    assert!(long.ends_with(end.trim_start_matches('\u{fffd}')));
    let after = site.memory();
    crate::client::tell(&format!(
        "the gateway took {before} KiB before {LONG_BYTES} bytes of log and {after} KiB after"
    ));
    assert!(after < before + MAY_GROW, "{before} KiB, then {after} KiB");
}

#[test]
fn daemons_own_log_is_read_and_cleared() {
    let site = log_of(b"");
    let Value::String(start) = site.result("supervisor.readLog", &[Value::Int(0), Value::Int(4)]) else {
        panic!("a text")
    };
    assert!(start.starts_with("20"), "{start}");
    assert_eq!(site.result("supervisor.clearLog", &[]), Value::Bool(true));
    std::fs::remove_file(site.daemon.file("visor.log")).unwrap();
    assert_eq!(site.fault("supervisor.clearLog", &[]), "NO_FILE");
}
