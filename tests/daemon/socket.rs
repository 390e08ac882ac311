//! The file of the control socket: whose it is, who may use it, what becomes of it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kernel::{is_installed, is_root};
use super::support::{Connection, Daemon, Foreground, SVC, TIMEOUT, VISOR, clean_command, run};

const SLEEPER: &str = "[program:x]\ncommand=sleep 1000\nstartsecs=0\n";

#[test]
fn other_users_are_refused_even_where_the_socket_is_open_to_them() {
    let what = "a client of another user";
    if !is_root(what) || !is_installed("setpriv", what) || !is_installed("perl", what) {
        return;
    }
    let daemon = Daemon::builder().visor("socket_mode=0777").conf(SLEEPER).start();
    std::fs::set_permissions(daemon.path(), std::fs::Permissions::from_mode(0o755)).expect("an open directory");
    assert_eq!(daemon.socket().metadata().expect("a socket").permissions().mode() & 0o777, 0o777);
    let talk = "$SIG{PIPE} = 'IGNORE'; my $s = IO::Socket::UNIX->new($ARGV[0]) or die $!; print $s \"shutdown\\n\"; \
                shutdown($s, 1); print while <$s>";
    let mut command = clean_command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e", talk]);
    command.arg(daemon.socket());
    let output = run(command);
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.starts_with("error not-permitted "), "{answer} {output:?}");
    daemon.wait_for_log("refused a control connection: uid 65534 may not control this visor");
    assert_eq!(daemon.request_ok("state").data[0]["state"], "RUNNING");
}

#[test]
fn socket_is_ours_alone_unless_told_otherwise() {
    let daemon = Daemon::with(SLEEPER);
    assert_eq!(daemon.socket().metadata().expect("a socket").permissions().mode() & 0o7777, 0o700);
    let open = Daemon::builder().visor("socket_mode=0660").start();
    assert_eq!(open.socket().metadata().expect("a socket").permissions().mode() & 0o7777, 0o660);
}

#[test]
fn second_instance_is_refused_and_the_first_is_undisturbed() {
    let daemon = Daemon::with(&format!("{SLEEPER}stdout_logfile=AUTO\n"));
    daemon.wait_for_state("x", "RUNNING");
    let (pid, pidfile) = (daemon.pid_of("x"), daemon.read("visor.pid"));
    let mut second = clean_command(VISOR);
    second.arg("-c").arg(daemon.file("visor.conf")).current_dir(daemon.path());
    let output = run(second);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("another visor already answers there"), "{told}");
    assert!(daemon.socket().exists());
    assert_eq!(daemon.pid_of("x"), pid);
    assert_eq!(daemon.read("visor.pid"), pidfile);
}

#[test]
fn stale_socket_is_taken_over_and_anything_else_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("s");
    drop(UnixListener::bind(&socket).expect("a socket"));
    assert!(socket.exists());
    let daemon = Daemon::builder().visor(&format!("socket={}", socket.display())).start();
    assert!(Connection::open(&socket).request("hello").is_ok());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!socket.exists(), "it is removed at the end");

    std::fs::write(&socket, "precious").expect("a file");
    let daemon = Daemon::builder().visor(&format!("socket={}", socket.display())).start();
    daemon.wait_for_log("something that is not a socket is there");
    assert_eq!(std::fs::read_to_string(&socket).expect("the file"), "precious");
}

#[test]
fn socket_whose_file_vanished_is_bound_anew_on_request() {
    let daemon = Daemon::with(SLEEPER);
    for signal in [Signal::SIGUSR2, Signal::SIGHUP] {
        let mut early = daemon.connect();
        std::fs::remove_file(daemon.socket()).expect("the socket");
        let mark = daemon.process().mark();
        daemon.signal(signal);
        daemon.process().wait_for_log_after(mark, "again: it was gone");
        daemon.request_ok("hello");
        assert!(early.request("hello").is_ok(), "who was connected still is");
        assert_eq!(daemon.socket().metadata().expect("a socket").permissions().mode() & 0o7777, 0o700);
    }
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!daemon.socket().exists());
}

#[test]
fn killed_visor_leaves_a_socket_that_the_next_one_takes() {
    let first = Daemon::with(SLEEPER);
    first.wait_for_state("x", "RUNNING");
    let orphan = first.pid_of("x");
    first.signal(Signal::SIGKILL);
    first.wait_exit(TIMEOUT);
    kill(Pid::from_raw(orphan), Signal::SIGKILL).expect("the orphan");
    assert!(first.socket().exists());
    let mut again = clean_command(VISOR);
    again.arg("-c").arg(first.file("visor.conf")).current_dir(first.path());
    let again = Foreground::start(again, false);
    again.wait_for_log("supervisord started with pid");
    first.wait_for_state("x", "RUNNING");
    again.signal(Signal::SIGTERM);
    assert_eq!(again.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn nobody_there_is_an_exit_code_of_svc() {
    let mut command = clean_command(SVC);
    command.args(["-s", "/nonexistent/socket", "status"]);
    assert_ne!(run(command).status.code(), Some(0));
}

#[test]
fn sockets_of_the_original_speak_the_same_language() {
    let daemon = Daemon::builder()
        .visor("gateway=$DIR/none")
        .conf(&format!("[unix_http_server]\nfile=$DIR/http.sock\nchmod=0770\n{SLEEPER}"))
        .start();
    daemon.wait_for_state("x", "RUNNING");
    let path = daemon.file("http.sock");
    assert_eq!(path.metadata().expect("a socket").permissions().mode() & 0o7777, 0o770);
    let reply = Connection::open(&path).request("status x");
    assert_eq!(reply.data[0]["state"], "RUNNING");
    let mut http = std::os::unix::net::UnixStream::connect(&path).expect("a connection");
    std::io::Write::write_all(&mut http, b"GET / HTTP/1.0\r\n\r\n").expect("taken");
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut http, &mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 501");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!path.exists());
}
