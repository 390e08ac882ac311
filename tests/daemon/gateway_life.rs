//! How the gateway comes and goes: as whom it runs, when it leaves, what a reload and the end of the run mean to it.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::sys::signal::Signal;

use super::fake_gateway::{body, can_fake, free_port, get, get_over_tcp, pid_in, request, to_end, with_fake};
use super::kernel::{exists, is_root, status_line, wait_gone};
use super::support::{Daemon, TIMEOUT, eventually};

const SLEEPER: &str = "[program:x]\ncommand=sleep 1000\nstartsecs=0\n";
/// Tells everything about itself, and nothing else.
const TELLER: &str = "#!/bin/sh
echo facts $(id -u) $(id -g) $(id -G) $(pwd) $(umask) $(ulimit -c) >&2
echo names $(env | cut -d= -f1) >&2
for fd in /proc/$$/fd/*; do echo fd ${fd##*/} $(readlink $fd) >&2; done
echo words $(tr '\\0' ' ' </proc/$$/cmdline) >&2
echo rights $(grep NoNewPrivs /proc/$$/status) >&2
echo all told >&2
read line <&3
";

/// A visor whose gateway has told.
fn teller(visor: &str) -> Daemon {
    let daemon = Daemon::builder()
        .visor(&format!("gateway=$DIR/gateway\n{visor}"))
        .given("gateway", 0o755, TELLER)
        .under("chmod 755 $DIR; export SECRET=hunter1")
        .conf("[unix_http_server]\nfile=$DIR/http.sock\nusername=u\npassword=hunter2\n")
        .start();
    let mut stream = UnixStream::connect(daemon.file("http.sock")).expect("a connection");
    stream.write_all(request("/").as_bytes()).expect("taken");
    daemon.wait_for_log("visor-http: all told");
    daemon
}

/// What it told under this word, line by line.
fn told(daemon: &Daemon, word: &str) -> Vec<String> {
    let lines = daemon.process().log();
    let told = lines.iter().filter_map(|line| line.split_once("visor-http: ")).map(|(_, text)| text);
    told.filter_map(|text| text.strip_prefix(&format!("{word} "))).map(str::to_owned).collect()
}

#[test]
fn gateway_is_nobody_with_no_rights_no_environment_and_nothing_open() {
    if !is_root("a gateway of another user") {
        return;
    }
    let daemon = teller("");
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten();
    let (uid, gid) = nobody.map_or((65534, 65534), |user| (user.uid.as_raw(), user.gid.as_raw()));
    assert_eq!(told(&daemon, "facts"), [format!("{uid} {gid} {gid} / 0077 0")]);
    // A shell adds these to an empty environment.
    let names = told(&daemon, "names").join(" ");
    assert!(names.split(' ').all(|name| ["PWD", "OLDPWD", "SHLVL", "_"].contains(&name)), "{names}");
    // The script and the pipe of a substitution are the shell's own.
    let mut fds = told(&daemon, "fd");
    fds.retain(|line| !line.ends_with("/gateway") && !line.starts_with("4 pipe:"));
    assert_eq!(fds[..2], ["0 /dev/null", "1 /dev/null"]);
    assert!(fds[2].starts_with("2 pipe:") && fds[3].starts_with("3 socket:") && fds.len() == 4, "{fds:?}");
    assert_eq!(told(&daemon, "words"), [format!("/bin/sh {}", daemon.file("gateway").display())]);
    assert_eq!(told(&daemon, "rights"), ["NoNewPrivs: 1"]);
    assert!(!daemon.read("visor.log").contains("hunter"));
}

#[test]
fn gateway_runs_as_the_user_it_is_told_to() {
    if !is_root("a gateway of a chosen user") {
        return;
    }
    let daemon = teller("http_user=12345");
    assert_eq!(told(&daemon, "facts"), ["12345 12345 12345 / 0077 0"]);
}

#[test]
fn visor_of_an_ordinary_user_has_a_gateway_of_that_user() {
    if !is_root("visor as another user") || !can_fake("visor as another user") {
        return;
    }
    let daemon = Daemon::builder()
        .visor("gateway=$DIR/gateway\nhttp_user=root\n")
        .given("gateway", 0o755, &super::fake_gateway::fake("serve"))
        .conf("[unix_http_server]\nfile=$DIR/http.sock\n")
        .uid(12345)
        .start();
    daemon.wait_for_log("`[visor] http_user=root` is left out: visor is not root");
    let pid = pid_in(&get(&daemon, "/"));
    assert!(status_line(pid, "Uid").starts_with("12345"));
}

#[test]
fn gateway_that_leaves_loses_no_connection() {
    /// Of these every twentieth makes it leave.
    const CLIENTS: usize = 60;
    if !can_fake("leaving") {
        return;
    }
    let daemon = with_fake("serve", SLEEPER).start();
    let first = pid_in(&get(&daemon, "/"));
    let answers: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let path = if number % 20 == 10 { "/leave" } else { "/" };
                let daemon = &daemon;
                scope.spawn(move || get(daemon, path))
            })
            .collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200 ")), "{answers:?}");
    daemon.wait_for_log(&format!("visor-http (pid {first}) has left (exit status 0"));
    assert_ne!(pid_in(&get(&daemon, "/")), first);
    let log = daemon.read("visor.log");
    assert!(!log.contains("unexpectedly") && !log.contains("reaped unknown pid"), "{log}");
}

#[test]
fn reload_that_changes_a_login_or_a_host_replaces_the_gateway_and_any_other_does_not() {
    if !can_fake("a reload") {
        return;
    }
    let daemon = with_fake("serve", &format!("username=u\npassword=one\n{SLEEPER}")).start();
    let old = pid_in(&get(&daemon, "/"));
    // Half a request is with the old one when it is replaced, and is served by it.
    let mut halved = UnixStream::connect(daemon.file("http.sock")).expect("a connection");
    halved.write_all(b"GET /half HTTP/1.1\r\n").expect("taken");
    let rewrite = |from: &str, to: &str| {
        let conf = daemon.read("visor.conf");
        assert!(conf.contains(from), "{conf}");
        std::fs::write(daemon.file("visor.conf"), conf.replace(from, to)).expect("a configuration");
        daemon.request_ok("reload");
    };
    rewrite("command=sleep 1000", "command=sleep 1001");
    assert_eq!(pid_in(&get(&daemon, "/")), old, "a program is none of its business");

    rewrite("password=one", "password=two");
    daemon.wait_for_log("its settings changed");
    let new = pid_in(&get(&daemon, "/"));
    assert_ne!(new, old);
    assert!(daemon.wait_for_log("password=two").contains("visor-http: heard"));
    halved.write_all(b"\r\n").expect("taken");
    assert_eq!(pid_in(&to_end(&mut halved)), old);
    wait_gone(old);
    assert!(exists(new));

    rewrite("[visor]\n", "[visor]\nallowed_hosts=box\n");
    assert_ne!(pid_in(&get(&daemon, "/")), new);
    daemon.wait_for_log("allowed_hosts=box");
    wait_gone(new);
}

#[test]
fn reload_opens_and_closes_servers_and_leaves_the_others_alone() {
    if !can_fake("servers that change") {
        return;
    }
    let (stays, goes, comes) = (free_port(), free_port(), free_port());
    let server = |name: &str, port: u16| format!("[inet_http_server:{name}]\nport=127.0.0.1:{port}\n");
    let at = |port: u16| format!("127.0.0.1:{port}");
    let daemon = with_fake("serve", &format!("{}{}{SLEEPER}", server("a", stays), server("b", goes))).start();
    daemon.wait_for_state("x", "RUNNING");
    let identity = |name: &str| daemon.file(name).metadata().expect("a socket").ino();
    let own = identity("visor.sock");
    assert!(get_over_tcp(&at(goes), "/").contains("200 OK"));
    let theirs = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = theirs.local_addr().expect("its address").port();
    let conf = daemon.read("visor.conf");
    let conf = conf.replace(&server("b", goes), &format!("{}{}", server("c", comes), server("d", taken)));
    std::fs::write(daemon.file("visor.conf"), conf.replace("http.sock", "other.sock")).expect("a configuration");
    daemon.request_ok("reload");
    for line in [
        format!("listening on `{}`", at(comes)),
        format!("no longer listening on `{}`", at(goes)),
        format!("cannot listen on `{}`: another program is already listening there", at(taken)),
        format!("no longer listening on `{}`", daemon.file("http.sock").display()),
    ] {
        daemon.wait_for_log(&line);
    }
    assert!(get_over_tcp(&at(stays), "/").contains("200 OK"));
    assert!(get_over_tcp(&at(comes), "/").contains("200 OK"));
    assert!(TcpStream::connect(at(goes)).is_err());
    assert!(!daemon.file("http.sock").exists());
    assert_eq!(identity("visor.sock"), own);
    // A changed mode is a new file.
    let conf = daemon.read("visor.conf").replace("other.sock\nchmod=0777", "other.sock\nchmod=0700");
    std::fs::write(daemon.file("visor.conf"), conf).expect("a configuration");
    daemon.request_ok("reload");
    assert_eq!(daemon.file("other.sock").metadata().expect("a socket").mode() & 0o777, 0o700);
    assert!(daemon.svc_ok(&["status"]).contains("RUNNING"));
}

#[test]
fn shutdown_over_the_gateway_is_answered_and_the_state_can_be_seen_until_all_is_stopped() {
    if !can_fake("a shutdown") {
        return;
    }
    let daemon = with_fake(
        "serve",
        "[program:slow]\ncommand=sh -c \"trap '' TERM; echo deaf now; while :; do sleep 0.1; done\"\nstopwaitsecs=2\n\
         killasgroup=true\nstartsecs=0\n",
    )
    .start();
    daemon.wait_for_log("deaf now");
    let answer = get(&daemon, "/ask/all/shutdown");
    assert_eq!(body(&answer), "ok\n", "{answer}");
    let answer = get(&daemon, "/ask/observe/state");
    assert!(body(&answer).contains("state=SHUTDOWN"), "{answer}");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    daemon.wait_for_log("visor-http: end of file");
}

#[test]
fn shutdown_without_anything_to_stop_is_answered_all_the_same() {
    if !can_fake("a quick shutdown") {
        return;
    }
    let daemon = with_fake("serve", "").start();
    let answer = get(&daemon, "/ask/all/shutdown");
    assert_eq!(body(&answer), "ok\n", "{answer}");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn gateway_gets_term_after_the_last_program_and_does_not_outlive_visor() {
    if !can_fake("TERM") {
        return;
    }
    let daemon = with_fake("stubborn", SLEEPER).start();
    daemon.wait_for_state("x", "RUNNING");
    let gateway = pid_in(&get(&daemon, "/"));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!exists(gateway));
    let log = daemon.process().log().join("\n");
    let place = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text}: {log}"));
    assert!(place("stopped: x") < place("visor-http: end of file"));
    assert!(place("visor-http: end of file") < place("visor-http: got TERM"));
}

#[test]
fn command_in_the_foreground_ends_its_gateway_too() {
    if !can_fake("a command in the foreground") {
        return;
    }
    let command = ["--", "sh", "-c", "until test -e over; do sleep 0.05; done"];
    let builder = with_fake("serve", SLEEPER);
    let daemon = command.into_iter().fold(builder, |builder, word| builder.arg(word)).start();
    let gateway = pid_in(&get(&daemon, "/"));
    std::fs::write(daemon.file("over"), "").expect("a file");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!exists(gateway));
}

#[test]
fn idle_gateway_costs_visor_nothing() {
    /// Longer than visor waits for the gateway to read.
    const PATIENCE: &str = "6";
    const WATCHED: &str = "3";
    if !can_fake("idleness") {
        return;
    }
    let daemon = with_fake("serve", SLEEPER).start();
    get(&daemon, "/ask/all/state");
    let pass = |seconds: &str| drop(Command::new("sleep").arg(seconds).output().expect("time passes"));
    pass(PATIENCE);
    let switches = || status_line(daemon.pid(), "voluntary_ctxt_switches");
    eventually("visor sleeps", || {
        let before = switches();
        pass("0.05");
        (before == switches()).then_some(())
    });
    let before = switches();
    pass(WATCHED);
    assert_eq!(switches(), before);
    daemon.request_ok("hello");
}
