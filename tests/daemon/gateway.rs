//! Who is handed to the gateway, how, and what it may ask of visor.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use super::fake_gateway::{body, can_fake, fake, free_port, get, get_at, get_over_tcp, pid_in, with_fake};
use super::kernel::{is_installed, is_root};
use super::support::{Connection, Daemon, TIMEOUT, VISOR, clean_command, run};

const SLEEPER: &str = "[program:x]\ncommand=sleep 1000\nstartsecs=0\n";

#[test]
fn http_connection_is_handed_over_with_nothing_consumed_and_line_clients_stay() {
    if !can_fake("handing over") {
        return;
    }
    let daemon = with_fake("serve", SLEEPER).start();
    let answer = get(&daemon, "/a%20b?c=d");
    assert!(answer.ends_with("read=GET /a%20b?c=d HTTP/1.1\r\nHost: test\r\n\r\n"), "{answer}");
    let uid = nix::unistd::geteuid();
    assert!(answer.contains(&format!("peer=uid%20{uid} ")), "{answer}");
    // A byte at a time is the same, and the same gateway serves it.
    let mut slow = UnixStream::connect(daemon.file("http.sock")).expect("a connection");
    for byte in b"HEAD /slow HTTP/1.1\r\n\r\n" {
        slow.write_all(&[*byte]).expect("taken");
        daemon.request_ok("hello");
    }
    let slow = super::fake_gateway::to_end(&mut slow);
    assert!(slow.ends_with("read=HEAD /slow HTTP/1.1\r\n\r\n"), "{slow}");
    assert_eq!(pid_in(&slow), pid_in(&answer));
    // On the same socket somebody speaks verbs, and HTTP is spoken on visor's own socket, too.
    assert_eq!(Connection::open(&daemon.file("http.sock")).request("status x").data[0]["name"], "x");
    assert_eq!(pid_in(&get_at(&daemon.socket(), "/own")), pid_in(&answer));
    assert_eq!(daemon.request_ok("metrics").data[0]["gateways"], "1");
}

#[test]
fn gateway_is_told_of_every_door_and_of_its_logins() {
    if !can_fake("a briefing") {
        return;
    }
    let (one, other) = (free_port(), free_port());
    let daemon = with_fake(
        "serve",
        &format!(
            "username=u\npassword=p%%=q\n[inet_http_server:a]\nport=127.0.0.1:{one}\nusername=u\npassword={{SHA}}ab\n\
             readonly_username=r\nreadonly_password=s t\n[inet_http_server:b]\nport=*:{other}\n"
        ),
    )
    .visor("gateway=$DIR/gateway\nallowed_hosts=box.lan, other")
    .supervisord("identifier=my visor")
    .start();
    daemon.wait_for_log("Server 'inet_http_server:b' running without any HTTP authentication checking");
    get(&daemon, "/");
    for expected in [
        format!("kind=control address={}", daemon.socket().display()),
        format!("kind=unix address={} username=u password=p%25=q", daemon.file("http.sock").display()),
        format!(
            "kind=inet address=127.0.0.1:{one} username=u password={{SHA}}ab readonly_username=r \
             readonly_password=s%20t"
        ),
        format!("kind=inet address=*:{other}"),
        format!(
            "heard message=settings identifier=my%20visor allowed_hosts=box.lan,other version={}",
            env!("CARGO_PKG_VERSION")
        ),
    ] {
        daemon.wait_for_log(&expected);
    }
    for address in [format!("127.0.0.1:{one}"), format!("localhost:{other}")] {
        let answer = get_over_tcp(&address, "/tcp");
        assert!(answer.contains("peer=127.0.0.1 read=GET /tcp "), "{answer}");
    }
    // What the passwords are is not said where others can see it.
    let pid = pid_in(&get(&daemon, "/"));
    for place in ["cmdline", "environ"] {
        let seen = std::fs::read(format!("/proc/{pid}/{place}")).expect("it runs");
        assert!(!String::from_utf8_lossy(&seen).contains("p%"), "{place}");
    }
    let log = daemon.read("visor.log");
    assert!(log.lines().all(|line| line.contains("visor-http: heard") || !line.contains("password")), "{log}");
}

#[test]
fn line_protocol_is_not_spoken_over_a_port() {
    if !can_fake("a port") {
        return;
    }
    let port = free_port();
    let daemon = with_fake("serve", &format!("{SLEEPER}[inet_http_server]\nport=127.0.0.1:{port}\n")).start();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(b"shutdown\n\r\n\r\n").expect("taken");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    daemon.wait_for_state("x", "RUNNING");
    assert_eq!(daemon.request_ok("state").data[0]["state"], "RUNNING");
}

#[test]
fn without_a_gateway_http_is_501_over_unix_and_tcp_and_that_is_told_once() {
    let port = free_port();
    let daemon = Daemon::builder()
        .visor("gateway=$DIR/none")
        .conf(&format!("[unix_http_server]\nfile=$DIR/http.sock\n[inet_http_server]\nport=127.0.0.1:{port}\n"))
        .start();
    let answers = [
        get(&daemon, "/"),
        get_over_tcp(&format!("127.0.0.1:{port}"), "/"),
        get_over_tcp(&format!("127.0.0.1:{port}"), "/"),
    ];
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.1 501 ") && answer.contains("visor-http is not installed"), "{answer}");
    }
    let log = daemon.read("visor.log");
    assert_eq!(log.matches("visor-http is not installed").count(), 1, "{log}");
    // Installed later, it is found.
    if can_fake("a gateway installed later") {
        std::fs::set_permissions(daemon.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("open");
        std::fs::write(daemon.file("none"), fake("serve")).expect("a gateway");
        std::fs::set_permissions(daemon.file("none"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("its mode");
        assert!(get(&daemon, "/now").contains("read=GET /now "));
    }
}

#[test]
fn other_users_reach_the_gateway_where_the_mode_lets_them_and_never_the_verbs() {
    let what = "a client of another user over a server's socket";
    if !is_root(what) || !is_installed("setpriv", what) || !is_installed("perl", what) || !can_fake(what) {
        return;
    }
    let daemon = with_fake("serve", SLEEPER).visor("gateway=$DIR/gateway\nsocket_mode=0777").start();
    let talk = "$SIG{PIPE} = 'IGNORE'; my $s = IO::Socket::UNIX->new($ARGV[0]) or die $!; print $s $ARGV[1]; \
                shutdown($s, 1) if $ARGV[1] !~ /HTTP/; print while <$s>";
    let ask = |socket: &str, text: &str| {
        let mut command = clean_command("setpriv");
        command.args(["--reuid=12345", "--regid=12345", "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e", talk]);
        command.arg(daemon.file(socket)).arg(text);
        String::from_utf8_lossy(&run(command).stdout).into_owned()
    };
    let answer = ask("http.sock", "GET /theirs HTTP/1.1\r\n\r\n");
    assert!(answer.contains("peer=uid%2012345 read=GET /theirs "), "{answer}");
    let answer = ask("http.sock", "shutdown\n");
    assert!(answer.starts_with("error not-permitted "), "{answer}");
    // visor's own socket has no logins: the gateway would let anybody do everything who comes by it.
    let answer = ask("visor.sock", "GET / HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("uid 12345 may not"), "{answer}");
    assert_eq!(daemon.request_ok("state").data[0]["state"], "RUNNING");
}

#[test]
fn silent_strangers_keep_nobody_out() {
    let what = "hundreds of silent clients of another user";
    if !is_root(what) || !is_installed("setpriv", what) || !is_installed("perl", what) {
        return;
    }
    let daemon = Daemon::builder()
        .visor("socket_mode=0777")
        .supervisord("minfds=300")
        .under("chmod 755 $DIR; ulimit -n 300")
        .conf(SLEEPER)
        .start();
    // More than there are descriptors; the last 64 stay.
    let talk = "my @all; for (1..1000) { push @all, IO::Socket::UNIX->new($ARGV[0]) // die $! } my $open; \
                for (1..400) { $open = grep { my $v = ''; vec($v, fileno($_), 1) = 1; !select($v, undef, undef, 0) } @all; \
                last if $open <= 64; select(undef, undef, undef, 0.05) } print qq($open stay\n)";
    let mut command = clean_command("setpriv");
    command.args(["--reuid=12345", "--regid=12345", "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e", talk]);
    command.arg(daemon.socket());
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text, "64 stay\n", "{output:?}");
    assert!(daemon.svc_ok(&["status"]).contains("RUNNING"));
}

#[test]
fn observer_may_look_and_change_nothing() {
    if !can_fake("rights") {
        return;
    }
    let daemon = with_fake("serve", SLEEPER).start();
    daemon.wait_for_state("x", "RUNNING");
    for line in
        ["hello", "pid", "state", "status", "maintail", "mainread%200%2010", "config", "why%20x", "ready", "metrics"]
    {
        let answer = get(&daemon, &format!("/ask/observe/{line}"));
        assert!(body(&answer).lines().last().is_some_and(|end| end.starts_with("ok")), "{line}: {answer}");
    }
    for line in [
        "start%20x",
        "stop%20x",
        "restart%20x",
        "signal%20HUP%20x",
        "reread",
        "update",
        "add%20x",
        "remove%20x",
        "reload",
        "shutdown",
        "poweroff",
        "reboot",
        "halt",
        "clear%20x",
        "mainclear",
        "send%20x%20y",
        "event%20a",
        "reopen",
    ] {
        let answer = get(&daemon, &format!("/ask/observe/{line}"));
        let verb = line.split('%').next().unwrap_or_default();
        assert_eq!(body(&answer), format!("error not-permitted who may only look may not `{verb}`\n"), "{answer}");
    }
    // The connection is as good as before; another one may do everything.
    let answer = get(&daemon, "/ask/observe/stop%20x/state");
    assert!(body(&answer).ends_with("\nok\n"), "{answer}");
    assert_eq!(daemon.state_of("x"), "RUNNING");
    let answer = get(&daemon, "/ask/all/stop%20x");
    assert_eq!(body(&answer), " name=x result=stopped\nok\n", "{answer}");
}

#[test]
fn gateways_connections_have_their_own_limit_and_svc_always_gets_in() {
    if !can_fake("a limit") {
        return;
    }
    let daemon = with_fake("serve", SLEEPER).supervisord("minfds=2048").under("ulimit -n 2048; chmod 755 $DIR").start();
    let answer = get(&daemon, "/hold/300");
    assert_eq!(body(&answer).matches("given").count(), 256, "{answer}");
    assert_eq!(body(&answer).matches("refused").count(), 44, "{answer}");
    assert!(daemon.svc_ok(&["status"]).contains("RUNNING"));
}

#[test]
fn port_that_is_taken_ends_the_start_with_the_originals_words() {
    let theirs = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = theirs.local_addr().expect("its address").port();
    let daemon = Daemon::builder().conf(&format!("[inet_http_server]\nport=127.0.0.1:{port}\n")).spawn();
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(2));
    assert_eq!(
        daemon.process().errors().lines().next().unwrap_or_default(),
        "Error: Another program is already listening on a port that one of our HTTP servers is configured to use.  \
         Shut this program down first before starting supervisord."
    );
    assert!(!daemon.socket().exists());
}

#[test]
fn second_visor_on_a_servers_socket_has_the_originals_words_and_disturbs_nobody() {
    let daemon = Daemon::with(&format!("[unix_http_server]\nfile=$DIR/http.sock\n{SLEEPER}"));
    daemon.wait_for_state("x", "RUNNING");
    let conf = daemon.read("visor.conf").replace("/visor.sock", "/second.sock");
    std::fs::write(daemon.file("second.conf"), conf).expect("a configuration");
    let mut second = clean_command(VISOR);
    second.arg("-c").arg(daemon.file("second.conf")).current_dir(daemon.path());
    let output = run(second);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("Error: Another program is already listening on a port"), "{told}");
    assert!(told.contains("\nFor help, use ") && told.ends_with(" -h\n"), "{told}");
    assert!(Connection::open(&daemon.file("http.sock")).request("hello").is_ok());
    assert!(!daemon.file("second.sock").exists());
}

#[test]
fn host_that_is_not_known_is_a_warning() {
    let daemon = Daemon::with(&format!("[inet_http_server]\nport=no-such-host.invalid:1\n{SLEEPER}"));
    daemon.wait_for_log("cannot listen on `no-such-host.invalid:1`: no such host");
    daemon.wait_for_state("x", "RUNNING");
}

#[test]
fn gateway_works_beside_pid_1() {
    let what = "a gateway of PID 1";
    if !is_root(what) || !is_installed("unshare", what) || !can_fake(what) {
        return;
    }
    let daemon = with_fake("serve", SLEEPER).pid1().start();
    let answer = get(&daemon, "/inside");
    assert!(answer.contains("read=GET /inside "), "{answer}");
    assert!(pid_in(&answer) > 1);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}
