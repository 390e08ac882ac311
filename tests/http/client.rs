//! A small HTTP client that sends what it is told to, however wrong, and a visor with doors to try it on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use visor::http::xml::{self, Reply, Value};

use crate::support::{Daemon, TIMEOUT, descendants, eventually};

/// A visor with a unix door and an inet door.
pub struct Site {
    pub daemon: Daemon,
    pub port: u16,
}

/// What is configured besides the doors.
#[derive(Default)]
pub struct Plan<'a> {
    /// Keys of both doors.
    pub door: &'a str,
    /// Keys of `[visor]`.
    pub visor: &'a str,
    /// Programs.
    pub conf: &'a str,
}

impl Site {
    pub fn start(plan: &Plan<'_>) -> Site {
        let port = free_port();
        let door = plan.door;
        let doors = format!(
            "[unix_http_server]\nfile=$DIR/http.sock\n{door}\n[inet_http_server]\nport=127.0.0.1:{port}\n{door}\n{}",
            plan.conf
        );
        Site { daemon: Daemon::builder().visor(plan.visor).conf(&doors).start(), port }
    }

    pub fn with(conf: &str) -> Site {
        Site::start(&Plan { conf, ..Plan::default() })
    }

    pub fn unix(&self) -> Http {
        let stream = UnixStream::connect(self.daemon.file("http.sock")).expect("the unix door accepts");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
        Http { stream: Box::new(stream), rest: Vec::new() }
    }

    pub fn inet(&self) -> Http {
        Http { stream: Box::new(self.tcp()), rest: Vec::new() }
    }

    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the inet door accepts");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
        stream
    }

    /// One call over a connection of its own.
    pub fn call(&self, method: &str, params: &[Value]) -> Reply {
        self.unix().call(method, params)
    }

    /// One call, which must succeed.
    pub fn result(&self, method: &str, params: &[Value]) -> Value {
        match self.call(method, params) {
            Reply::Value(value) => value,
            Reply::Fault(code, text) => panic!("{method}{params:?} succeeds: {code} {text}"),
        }
    }

    /// One call, which must fail: its text.
    pub fn fault(&self, method: &str, params: &[Value]) -> String {
        match self.call(method, params) {
            Reply::Fault(_, text) => text,
            Reply::Value(value) => panic!("{method}{params:?} fails: {value:?}"),
        }
    }

    /// The gateway's pid; it must be running.
    pub fn gateway(&self) -> i32 {
        eventually("the gateway runs", || {
            descendants(self.daemon.pid()).into_iter().find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "visor-http")
            })
        })
    }

    /// Memory of the gateway in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway())).expect("the gateway's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// visor, svc and the gateway answer at once, whatever others do.
    pub fn all_is_well(&self) {
        let begin = Instant::now();
        self.daemon.request_ok("status");
        self.daemon.svc_ok(&["version"]);
        // 503: the gateway is behind with its connections for a moment.
        let status =
            eventually("the gateway answers", || Some(self.inet().get("/nothing").status).filter(|it| *it != 503));
        assert_eq!(status, 404);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(5), "visor, svc and the gateway answer in {took:?}");
    }
}

/// A port nobody has.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// One connection.
pub struct Http {
    stream: Box<dyn Stream>,
    rest: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }
}

/// The bytes of a call.
pub fn post(method: &str, params: &[Value], headers: &str) -> Vec<u8> {
    post_body(xml::write_call(method, params).as_bytes(), headers)
}

/// The bytes of a request to `/RPC2`.
pub fn post_body(body: &[u8], headers: &str) -> Vec<u8> {
    let head = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

impl Http {
    /// Sends bytes; whether the other side still took them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends bytes and reads one answer.
    pub fn exchange(&mut self, bytes: &[u8]) -> Answer {
        self.send(bytes);
        self.answer().unwrap_or_else(|| panic!("an answer to `{}`", bytes.escape_ascii()))
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    pub fn call(&mut self, method: &str, params: &[Value]) -> Reply {
        reply(&self.exchange(&post(method, params, "")))
    }

    /// Reads one answer; `None` when the connection ends before one begins.
    pub fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                assert!(self.rest.is_empty(), "half an answer: {}", self.rest.escape_ascii());
                return None;
            }
        };
        let head: Vec<u8> = self.rest.drain(..end).collect();
        let head = String::from_utf8(head).expect("headers are text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let mut answer = Answer { status: status.expect("a status"), headers, body: Vec::new() };
        answer.body = match (answer.header("content-length"), answer.header("transfer-encoding")) {
            (Some(length), _) => self.take(length.parse().expect("a length")),
            (None, Some("chunked")) => self.chunks(),
            (None, None) if (100..200).contains(&answer.status) => Vec::new(),
            (None, _) => {
                while self.more() {}
                std::mem::take(&mut self.rest)
            }
        };
        Some(answer)
    }

    /// Whether the other side ends the connection without another byte.
    pub fn ends(&mut self) -> bool {
        self.rest.is_empty() && !self.more()
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.rest.len() < length {
            assert!(self.more(), "a body of {length} bytes, not {}", self.rest.len());
        }
        self.rest.drain(..length).collect()
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match self.rest.windows(2).position(|window| window == b"\r\n") {
                    Some(at) => break self.rest.drain(..at + 2).collect::<Vec<u8>>(),
                    None => assert!(self.more(), "a chunk's length"),
                }
            };
            let line = String::from_utf8(line).expect("a chunk's length is text");
            let length = usize::from_str_radix(line.trim(), 16).expect("a chunk's length");
            body.extend(self.take(length));
            self.take(2);
            if length == 0 {
                return body;
            }
        }
    }

    /// Reads once; false at the end, however it came about.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.rest.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing comes within {TIMEOUT:?}"),
            Err(_) => false,
        }
    }
}

/// What a call was answered.
pub fn reply(answer: &Answer) -> Reply {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    xml::parse_response(&answer.body).expect("a response of XML-RPC")
}

/// `Authorization` for a user and password.
pub fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let word = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {word}\r\n")
}

pub fn text(text: &str) -> Value {
    Value::text(text)
}

/// Says a figure past the harness, which shows nothing of a test that passes.
pub fn tell(figure: &str) {
    let _ = writeln!(std::io::stderr(), "figure: {figure}");
}
