//! A client of HTTP, as small as can be, so that each byte of a request is the test's own.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::support::TIMEOUT;

/// A whole answer. Header names are in lower case; of those that come more than once the values are joined by line breaks.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    /// The value of a header, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The value of a cookie that the answer sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.header("set-cookie").lines();
        let mut pairs = cookies.filter_map(|line| line.split(';').next()?.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

/// An answer that is being read.
#[derive(Debug)]
pub struct Open {
    stream: TcpStream,
    bytes: Vec<u8>,
}

/// Sends a request over a connection of its own. `head` is the request line without version, then more header lines.
pub fn open(port: u16, version: &str, head: &str, body: &str) -> Open {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("visor accepts connections");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a limit of time");
    let (line, more) = head.split_once('\n').unwrap_or((head, ""));
    let mut text = format!("{line} HTTP/{version}\r\n");
    if !more.to_ascii_lowercase().contains("host:") {
        text.push_str(&format!("Host: 127.0.0.1:{port}\r\n"));
    }
    for header in more.lines() {
        text.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!(
            "Content-Length: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            body.len()
        ));
    }
    text.push_str("Connection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).expect("the request is sent");
    stream.write_all(body.as_bytes()).expect("its body is sent");
    Open { stream, bytes: Vec::new() }
}

/// Sends a request and reads the whole answer. Over HTTP/1.0, so that bodies come without chunks.
pub fn ask(port: u16, head: &str, body: &str) -> Answer {
    open(port, "1.0", head, body).answer()
}

pub fn get(port: u16, path: &str) -> Answer {
    ask(port, &format!("GET {path}"), "")
}

impl Open {
    /// What came so far, once it holds a phrase.
    pub fn until(&mut self, phrase: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.bytes).into_owned();
            if text.contains(phrase) {
                return text;
            }
            assert!(self.more(), "`{phrase}` comes before the end: {text}");
        }
    }

    /// Everything up to the end.
    pub fn answer(mut self) -> Answer {
        while !self.is_whole() && self.more() {}
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer has headers: {text}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let known = headers.entry(name.to_ascii_lowercase()).or_default();
            if !known.is_empty() {
                known.push('\n');
            }
            known.push_str(value.trim());
        }
        Answer { status: status.unwrap_or_else(|| panic!("a status: {head}")), headers, body: body.to_owned() }
    }

    /// Whether nothing comes for a while. A silence is not an event, so this is the one place that waits for time to pass.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a limit of time");
        let silent = matches!(self.stream.read(&mut [0]), Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        self.stream.set_read_timeout(Some(TIMEOUT)).expect("a limit of time");
        silent
    }

    /// Whether the length that was announced is there: not every server hangs up when it is asked to.
    fn is_whole(&self) -> bool {
        let text = String::from_utf8_lossy(&self.bytes);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let start = self.bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        length.is_some_and(|length| self.bytes.len() - start >= length)
    }

    fn more(&mut self) -> bool {
        let mut block = [0; 64 * 1024];
        let length = self.stream.read(&mut block).unwrap_or_else(|error| {
            panic!("the answer goes on: {error}; so far {}", String::from_utf8_lossy(&self.bytes))
        });
        self.bytes.extend_from_slice(&block[..length]);
        length > 0
    }
}
