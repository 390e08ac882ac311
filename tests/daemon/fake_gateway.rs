//! A gateway of the tests' own, and who speaks HTTP with it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::support::{Builder, Daemon, TIMEOUT};

const SCRIPT: &str = include_str!("../data/fake_gateway.py");
/// Where a Python is that any user may run.
const PYTHONS: [&str; 3] = ["/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3"];

/// Whether there is a Python here that knows how to receive descriptors.
pub fn can_fake(left_out: &str) -> bool {
    let able = python().is_some_and(|python| {
        let look = "import socket; socket.recv_fds";
        std::process::Command::new(python).args(["-c", look]).output().is_ok_and(|output| output.status.success())
    });
    if !able {
        println!("left out: {left_out}: no Python that can receive descriptors here");
    }
    able
}

fn python() -> Option<&'static str> {
    PYTHONS.into_iter().find(|path| Path::new(path).exists())
}

/// The text of a fake gateway that does what `mode` says.
pub fn fake(mode: &str) -> String {
    format!("#!{}\nMODE = \"{mode}\"\n{SCRIPT}", python().unwrap_or_default())
}

/// A visor with that fake gateway, which any user can reach, and with a Unix server `http.sock`.
pub fn with_fake(mode: &str, conf: &str) -> Builder {
    Daemon::builder()
        .visor("gateway=$DIR/gateway\n")
        .given("gateway", 0o755, &fake(mode))
        .under("chmod 755 $DIR")
        .conf(&format!("[unix_http_server]\nfile=$DIR/http.sock\nchmod=0777\n{conf}"))
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// The whole answer to a GET over the Unix server.
pub fn get(daemon: &Daemon, path: &str) -> String {
    get_at(&daemon.file("http.sock"), path)
}

/// The whole answer to a GET over a Unix socket.
pub fn get_at(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream.write_all(request(path).as_bytes()).expect("taken");
    to_end(&mut stream)
}

/// The whole answer to a GET over TCP.
pub fn get_over_tcp(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream.write_all(request(path).as_bytes()).expect("taken");
    to_end(&mut stream)
}

pub fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// All that comes until the end of file; a connection that is broken off has said what it had to.
pub fn to_end(stream: &mut impl std::io::Read) -> String {
    let mut all = Vec::new();
    if let Err(error) = stream.take(1 << 24).read_to_end(&mut all) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The pid of the gateway that gave this answer.
pub fn pid_in(answer: &str) -> i32 {
    let pid = answer.split("pid=").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|pid| pid.parse().ok());
    pid.unwrap_or_else(|| panic!("a gateway answers: {answer}"))
}

/// What stands between the head of an answer and its end.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or_else(|| panic!("a whole answer: {answer}"), |(_, body)| body)
}
