//! The two servers: their settings, and enough of HTTP and RESP to talk to them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::support::{Daemon, TIMEOUT, clean_command, left_out as tell_left_out};

/// What nginx answers to every request.
pub const PAGE: &str = "served under visor\n";
/// Logged by nginx once its port is bound and its workers are asked for.
pub const NGINX_READY: &str = "start worker processes";
/// Logged by redis once its port is bound.
pub const REDIS_READY: &str = "Ready to accept connections";
/// Bytes after which a log is rotated: few, so that a test fills it.
pub const LOG_BYTES: usize = 4096;

/// Whether both servers are installed; if not, says what is left out.
pub fn are_installed(left_out: &str) -> bool {
    for (program, argument) in [("nginx", "-v"), ("redis-server", "--version")] {
        if let Err(error) = clean_command(program).arg(argument).output() {
            tell_left_out(&format!("{left_out}: {program}: {error}"));
            return false;
        }
    }
    true
}

/// Where the servers listen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub http: u16,
    pub redis: u16,
}

impl Ports {
    /// Two that are free now.
    pub fn free() -> Ports {
        let [http, redis] = [free_listener(), free_listener()];
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        Ports { http: port(&http), redis: port(&redis) }
    }
}

fn free_listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

/// Both programs, redis with this limit of memory.
pub fn programs(ports: Ports, redis_megabytes: u32) -> String {
    let redis = ports.redis;
    format!(
        "[program:nginx]
command=nginx -p $DIR -c $DIR/nginx.conf -e stderr
autorestart=true
priority=20
stdout_logfile=$DIR/nginx.log
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups=2
stderr_logfile=$DIR/nginx.err

[program:redis]
command=redis-server --port {redis} --bind 127.0.0.1 --dir $DIR --save '' --loglevel verbose
    --maxmemory {redis_megabytes}mb
autorestart=true
priority=10
redirect_stderr=true
stdout_logfile=$DIR/redis.log
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups=2
"
    )
}

/// Writes `nginx.conf`: everything in the test's directory, so that no right is needed.
pub fn write_nginx_conf(daemon_directory: &std::path::Path, ports: Ports) {
    let place = daemon_directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {place}/{kind};\n"))
        .collect();
    let text = format!(
        "daemon off;
pid {place}/nginx.pid;
error_log stderr notice;
worker_processes 2;
events {{ worker_connections 64; }}
http {{
{temporary}
    access_log /dev/stdout;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{http};
        location / {{ return 200 '{PAGE}'; }}
    }}
}}
",
        http = ports.http
    );
    std::fs::write(daemon_directory.join("nginx.conf"), text).expect("nginx.conf is written");
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .unwrap_or_else(|error| panic!("port {port} accepts connections: {error}"));
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream
}

/// Whether somebody listens.
pub fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The status line and the body of `GET path`.
pub fn http_get(port: u16, path: &str) -> (String, String) {
    let mut stream = connect(port);
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is read");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("`{answer}` has a body"));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// A connection to redis.
pub struct Redis {
    reader: BufReader<TcpStream>,
}

impl Redis {
    pub fn connect(port: u16) -> Redis {
        Redis { reader: BufReader::new(connect(port)) }
    }

    /// Sends a command; the strings of its reply.
    pub fn ask(&mut self, words: &[&str]) -> Vec<String> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.reader.get_mut().write_all(request.as_bytes()).expect("the command is sent");
        self.reply()
    }

    fn reply(&mut self) -> Vec<String> {
        let head = self.line();
        let number = || head[1..].parse::<i64>().unwrap_or_else(|_| panic!("`{head}` has a number"));
        match head.as_bytes().first() {
            Some(b'+' | b'-' | b':') => vec![head],
            Some(b'$') if number() < 0 => Vec::new(),
            Some(b'$') => {
                let mut bytes = vec![0; usize::try_from(number()).expect("a length") + 2];
                self.reader.read_exact(&mut bytes).expect("a whole string");
                bytes.truncate(bytes.len() - 2);
                vec![String::from_utf8(bytes).expect("text")]
            }
            Some(b'*') => (0..number()).flat_map(|_| self.reply()).collect(),
            _ => panic!("`{head}` is RESP"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a reply");
        line.trim_end().to_owned()
    }
}

/// Waits until both have bound their ports for the `count`th time.
pub fn wait_until_serving(daemon: &Daemon, count: usize) {
    daemon.process().wait_for_log_count(NGINX_READY, count);
    daemon.process().wait_for_log_count(REDIS_READY, count);
}
