//! A visor with programs that do what they are told, served on a port of this machine.

use std::net::{Ipv4Addr, TcpListener};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::{self, Answer};
use crate::support::{Daemon, descendants, eventually};

/// `cat` says what it is sent.
const PROGRAMS: &str = "\
[program:talker]
command=cat
startsecs=0
stdout_logfile=$DIR/talker.log
stderr_logfile=$DIR/talker.err
[program:merged]
command=cat
startsecs=0
redirect_stderr=true
stdout_logfile=$DIR/merged.log
[program:silent]
command=cat
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
[program:idle]
command=cat
startsecs=0
autostart=false
[program:bad]
command=sh -c 'echo I cannot; exit 3'
autostart=false
startsecs=1
startretries=0
[program:gone]
command=/no/such/program
autostart=false
[program:flood]
command=sh -c 'yes | head -c 40000000; echo end'
autostart=false
autorestart=false
startsecs=0
stdout_logfile=$DIR/flood.log
[program:pair]
command=cat
process_name=%(program_name)s_%(process_num)d
numprocs=2
startsecs=0
";

/// The processes that run.
const UP: [&str; 5] = ["talker", "merged", "silent", "pair:pair_0", "pair:pair_1"];

/// A served visor. [`Site::open`] asks for no login, [`Site::locked`] for `boss`/`secret` or, only to look, `guest`/`look`.
#[derive(Debug)]
pub struct Site {
    pub daemon: Daemon,
    pub port: u16,
    server: String,
}

impl Site {
    pub fn open() -> Site {
        Site::start("")
    }

    pub fn locked() -> Site {
        Site::start("username=boss\npassword=secret\nreadonly_username=guest\nreadonly_password=look\n")
    }

    fn start(login: &str) -> Site {
        let port = free_port();
        let server = format!("[inet_http_server]\nport=127.0.0.1:{port}\n{login}");
        let daemon = Daemon::builder().supervisord("identifier=the box").conf(PROGRAMS).conf(&server);
        let daemon = daemon.given("flood.log", 0o644, "").start();
        for name in UP {
            daemon.wait_for_state(name, "RUNNING");
        }
        Site { daemon, port, server }
    }

    /// Its sections, to which more can be added.
    pub fn conf(&self) -> String {
        format!("{PROGRAMS}\n{}", self.server)
    }

    pub fn get(&self, path: &str) -> Answer {
        http::get(self.port, path)
    }

    /// Presses a button as a form does: looks at the page for its token, then sends it.
    pub fn press(&self, action: &str) -> Answer {
        let token = self.get("/").cookie("visor-token").expect("the page sets a token");
        self.post(&format!("Cookie: visor-token={token}"), &format!("token={token}&action={}", plus(action)))
    }

    pub fn post(&self, headers: &str, body: &str) -> Answer {
        http::ask(self.port, &format!("POST /\n{headers}"), body)
    }

    /// Has the program `talker` say something on its stdout.
    pub fn say(&self, text: &str) {
        let word: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.daemon.request_ok(&format!("send talker {word}%0A"));
    }

    /// Kills the gateway, without a warning.
    pub fn kill_gateway(&self) {
        let pid = eventually("a gateway runs", || self.gateway());
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
            .expect("it is killed");
        eventually("the gateway is gone", || (self.gateway() != Some(pid)).then_some(()));
    }

    /// The gateway's resident memory in KiB.
    pub fn gateway_kib(&self) -> u64 {
        let pid = eventually("a gateway runs", || self.gateway());
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn gateway(&self) -> Option<i32> {
        let named = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "visor-http")
        };
        descendants(self.daemon.pid()).into_iter().find(named)
    }
}

/// A header that logs in.
pub fn login(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn plus(text: &str) -> String {
    text.replace(' ', "+").replace(':', "%3A")
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
