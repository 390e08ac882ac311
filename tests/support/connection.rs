//! A client of the control protocol, written apart from the library so that a mistake there is seen here.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::TIMEOUT;

/// A whole reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The data lines: keys and decoded values.
    pub data: Vec<BTreeMap<String, String>>,
    /// The raw blocks, joined.
    pub bytes: Vec<u8>,
    /// The end line: `ok`, `ok TEXT` or `error CODE TEXT`.
    pub end: String,
}

impl Reply {
    /// Whether it ended well.
    pub fn is_ok(&self) -> bool {
        self.end == "ok" || self.end.starts_with("ok ")
    }

    /// The code of an `error` end, empty when it ended well.
    pub fn error_code(&self) -> &str {
        self.end.strip_prefix("error ").and_then(|rest| rest.split(' ').next()).unwrap_or("")
    }
}

/// One line of a reply.
#[derive(Debug)]
enum Line {
    Data(BTreeMap<String, String>),
    Bytes(Vec<u8>),
    End(String),
}

/// A connection to the control socket.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<UnixStream>,
}

impl Connection {
    /// Connects; a panic when nobody listens.
    pub fn open(socket: &Path) -> Connection {
        let stream = UnixStream::connect(socket)
            .unwrap_or_else(|error| panic!("{} accepts connections: {error}", socket.display()));
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
        Connection { reader: BufReader::new(stream) }
    }

    /// The bare stream, for what is not a whole line.
    pub fn stream(&mut self) -> &mut UnixStream {
        self.reader.get_mut()
    }

    /// Sends one request line, without waiting for its reply.
    pub fn send(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stream().write_all(line.as_bytes()).expect("the request is sent");
    }

    /// Sends one request line and reads its reply.
    pub fn request(&mut self, line: &str) -> Reply {
        self.send(line);
        self.reply()
    }

    /// Reads a reply up to its end line.
    pub fn reply(&mut self) -> Reply {
        let mut reply = Reply::default();
        loop {
            match self.line().expect("a whole reply") {
                Line::Data(pairs) => reply.data.push(pairs),
                Line::Bytes(bytes) => reply.bytes.extend(bytes),
                Line::End(end) => {
                    reply.end = end;
                    return reply;
                }
            }
        }
    }

    /// The next data line of a reply that has no end (`watch`); `None` at end of file or end of reply.
    pub fn event(&mut self) -> Option<BTreeMap<String, String>> {
        match self.line() {
            Some(Line::Data(pairs)) => Some(pairs),
            Some(Line::Bytes(_) | Line::End(_)) | None => None,
        }
    }

    /// The next block of a reply that has no end (`follow`); `None` at end of file or end of reply.
    pub fn block(&mut self) -> Option<Vec<u8>> {
        match self.line() {
            Some(Line::Bytes(bytes)) => Some(bytes),
            Some(Line::Data(_) | Line::End(_)) | None => None,
        }
    }

    fn line(&mut self) -> Option<Line> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => panic!("a line comes within {TIMEOUT:?}: {error}"),
        }
        let line = line.strip_suffix('\n').unwrap_or_else(|| panic!("`{line}` ends in LF"));
        let Some(data) = line.strip_prefix(' ') else { return Some(Line::End(line.to_owned())) };
        if let Some(length) = data.strip_prefix("bytes=") {
            let mut bytes = vec![0; length.parse().unwrap_or_else(|_| panic!("`{line}` has a length"))];
            self.reader.read_exact(&mut bytes).expect("a whole block");
            let mut end = [0];
            self.reader.read_exact(&mut end).expect("the block's end");
            assert_eq!(&end, b"\n", "a block ends in LF");
            return Some(Line::Bytes(bytes));
        }
        let pair = |word: &str| {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("`{word}` in `{line}` is key=value"));
            (key.to_owned(), decode(value))
        };
        Some(Line::Data(data.split(' ').map(pair).collect()))
    }
}

/// `%XX` → the byte.
fn decode(word: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap_or(b'?'), rest.next().unwrap_or(b'?')];
        let digits = std::str::from_utf8(&digits).unwrap_or("??");
        bytes.push(u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("`{word}` is well encoded")));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until process `name` is in `state`: subscribes first, so that no change between look and wait is missed.
pub fn wait_for_state(socket: &Path, name: &str, state: &str) {
    let deadline = Instant::now() + TIMEOUT;
    let mut watch = Connection::open(socket);
    watch.send(&format!("watch {name}"));
    let mut now = state_of(socket, name);
    while now.as_deref() != Some(state) {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        watch.stream().set_read_timeout(Some(left)).expect("a timeout");
        let Some(event) = watch.event() else { panic!("`{name}` becomes {state}: the watch ended at {now:?}") };
        if event.contains_key("missed") {
            now = state_of(socket, name);
            continue;
        }
        let changed = event.get("event").and_then(|event| event.strip_prefix("PROCESS_STATE_"));
        now = changed.map(str::to_owned).or(now);
    }
}

fn state_of(socket: &Path, name: &str) -> Option<String> {
    let status = Connection::open(socket).request(&format!("status {name}"));
    let state = status.data.first().and_then(|line| line.get("state")).cloned();
    assert!(state.is_some(), "process `{name}` exists: {status:?}");
    state
}
