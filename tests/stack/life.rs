//! The servers' life under visor.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::servers::{self, LOG_BYTES, PAGE, Ports, Redis, http_get, is_open, programs};
use crate::support::{Daemon, can_be_pid1, descendants};

/// How long everything may take to stop.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// Requests after which a log must have been rotated: each leaves a line of more than 30 bytes.
const ENOUGH_REQUESTS: usize = LOG_BYTES / 30;

/// Both servers under a visor that has them RUNNING.
struct Stack {
    daemon: Daemon,
    ports: Ports,
}

impl Stack {
    fn start(pid1: bool) -> Stack {
        let ports = Ports::free();
        let builder = Daemon::builder().conf(&programs(ports, 8));
        // The directory is known only with the daemon: nginx waits until its file is there.
        let builder = builder.conf("[program:nginx]\nautostart=false\n");
        let daemon = if pid1 { builder.pid1().start() } else { builder.start() };
        servers::write_nginx_conf(daemon.path(), ports);
        daemon.svc_ok(&["start", "nginx"]);
        daemon.wait_for_state("redis", "RUNNING");
        servers::wait_until_serving(&daemon, 1);
        Stack { daemon, ports }
    }

    /// Both answer.
    fn check_serving(&self) {
        assert_eq!(http_get(self.ports.http, "/"), ("HTTP/1.1 200 OK".to_owned(), PAGE.to_owned()));
        assert_eq!(self.redis(&["PING"]), ["+PONG"]);
    }

    fn redis(&self, words: &[&str]) -> Vec<String> {
        Redis::connect(self.ports.redis).ask(words)
    }

    /// Waits until a process that was started `starts` times in all counts as started; its pid.
    fn wait_for_start(&self, name: &str, starts: usize) -> i32 {
        self.daemon.process().wait_for_log_count(&format!("success: {name} entered RUNNING state"), starts);
        self.daemon.pid_of(name)
    }

    /// Stops visor with TERM and checks that it takes everything with it.
    fn check_shutdown(self) {
        let everything = descendants(self.daemon.pid());
        assert!(everything.len() >= 4, "nginx, its two workers and redis run: {everything:?}");
        let begin = Instant::now();
        self.daemon.signal(Signal::SIGTERM);
        let exit = self.daemon.wait_exit(SHUTDOWN);
        assert!(begin.elapsed() < SHUTDOWN && exit.code() == Some(0), "{exit} after {:?}", begin.elapsed());
        let left: Vec<i32> = everything.into_iter().filter(|pid| is_alive(*pid)).collect();
        assert_eq!(left, [0; 0], "nothing is left");
        assert!(!is_open(self.ports.http) && !is_open(self.ports.redis), "no port is held");
        for file in ["visor.sock", "visor.pid", "nginx.pid"] {
            assert!(!self.daemon.file(file).exists(), "`{file}` is removed");
        }
    }
}

fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn servers_killed_rotated_and_reloaded_serve_on_until_term() {
    if !servers::are_installed("nginx and redis under visor") {
        return;
    }
    let stack = Stack::start(false);
    stack.check_serving();
    killed_servers_are_back(&stack);
    full_logs_are_rotated(&stack);
    reload_restarts_what_changed_only(&stack);
    stack.check_serving();
    stack.check_shutdown();
}

#[test]
fn servers_under_pid_1_serve_until_term() {
    let left_out = "nginx and redis under visor as PID 1";
    if !servers::are_installed(left_out) || !can_be_pid1(left_out) {
        return;
    }
    let stack = Stack::start(true);
    stack.check_serving();
    stack.check_shutdown();
}

fn killed_servers_are_back(stack: &Stack) {
    let before = [stack.daemon.pid_of("nginx"), stack.daemon.pid_of("redis")];
    // Workers of an nginx whose master is gone live on and hold the port, so it is killed with its group.
    killpg(Pid::from_raw(before[0]), Signal::SIGKILL).expect("nginx leads a group of its own");
    let nginx = stack.wait_for_start("nginx", 2);
    assert_eq!(stack.daemon.pid_of("redis"), before[1], "redis is not concerned");
    kill(Pid::from_raw(before[1]), Signal::SIGKILL).expect("redis runs");
    let redis = stack.wait_for_start("redis", 2);
    assert!(nginx != before[0] && redis != before[1], "{before:?} are dead, {nginx} and {redis} live");
    stack.daemon.wait_for_log("exited: nginx (terminated by SIGKILL; not expected)");
    stack.daemon.wait_for_log("exited: redis (terminated by SIGKILL; not expected)");
    servers::wait_until_serving(&stack.daemon, 2);
    stack.check_serving();
}

fn full_logs_are_rotated(stack: &Stack) {
    let daemon = &stack.daemon;
    let rotated = |name: &str| daemon.file(&format!("{name}.log.2")).exists();
    let mut sent = 0;
    while !(rotated("nginx") && rotated("redis")) {
        // Twice as much as fits, for two rotations; the log may be a turn of the loop behind.
        assert!(sent < 8 * ENOUGH_REQUESTS, "logs of {LOG_BYTES} bytes are rotated after {sent} requests");
        http_get(stack.ports.http, &format!("/page-{sent}"));
        stack.redis(&["PING"]);
        sent += 1;
    }
    let _open = settle(stack, &format!("/page-{} ", sent - 1));
    for name in ["nginx.log.1", "nginx.log.2", "redis.log.1", "redis.log.2"] {
        let length = daemon.read(name).len();
        // A log is rotated by the write that fills it, so it may be longer by what nginx writes at once.
        assert!(length >= LOG_BYTES, "`{name}` has {length} bytes");
    }
    assert!(!daemon.file("nginx.log.3").exists(), "only two old logs are kept");
    check_no_line_is_lost(daemon, sent);
}

/// Waits until everything that the servers have written so far is in their logs, and no rotation is half done. They write nothing
/// more as long as the connection is kept.
fn settle(stack: &Stack, last: &str) -> Redis {
    stack.daemon.wait_for_log(last);
    let mut redis = Redis::connect(stack.ports.redis);
    // After the second answer redis has seen, and logged, the end of every connection before this one.
    for _ in 0..2 {
        assert_eq!(redis.ask(&["PING"]), ["+PONG"]);
    }
    // visor reads output before it answers.
    assert!(stack.daemon.connect().request("hello").is_ok());
    redis
}

/// The pages of the logs that are kept are a row without a gap.
fn check_no_line_is_lost(daemon: &Daemon, sent: usize) {
    let text = ["nginx.log.2", "nginx.log.1", "nginx.log"].map(|name| daemon.read(name)).concat();
    let page = |line: &str| line.split("/page-").nth(1)?.split(' ').next()?.parse::<usize>().ok();
    let pages: Vec<usize> = text.lines().filter_map(page).collect();
    let first = *pages.first().expect("pages are logged");
    let row: Vec<usize> = (first..sent).collect();
    assert_eq!(pages, row, "every request has its line");
}

fn reload_restarts_what_changed_only(stack: &Stack) {
    let daemon = &stack.daemon;
    let before = [daemon.pid_of("nginx"), daemon.pid_of("redis")];
    assert_eq!(stack.redis(&["CONFIG", "GET", "maxmemory"]), ["maxmemory", "8388608"]);
    daemon.rewrite_conf(&format!("{}\n[program:nginx]\nautostart=false\n", programs(stack.ports, 16)));
    let screen = daemon.svc_ok(&["update"]);
    assert_eq!(screen, "redis: stopped\nredis: updated process group\n");
    let redis = stack.wait_for_start("redis", 3);
    daemon.process().wait_for_log_count(servers::REDIS_READY, 3);
    assert_eq!(stack.redis(&["CONFIG", "GET", "maxmemory"]), ["maxmemory", "16777216"]);
    assert_eq!(daemon.pid_of("nginx"), before[0], "nginx did not change");
    assert_ne!(redis, before[1], "redis changed");
}
