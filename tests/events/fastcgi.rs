//! `[fcgi-program:x]`: the socket that its processes share, its life, and a responder behind nginx.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;

use crate::listener::has_python;
use crate::support::{Daemon, TIMEOUT, clean_command, eventually, left_out as tell_left_out};

/// As much of FastCGI as answers a request: accepts on descriptor 0, reads records up to the empty STDIN, says who it is.
const RESPONDER: &str = r#"
import os, socket, struct
BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
listener = socket.socket(fileno=0)
def read(conn, count):
    data = b''
    while len(data) < count:
        data += conn.recv(count - len(data)) or exit()
    return data
def send(conn, kind, number, body):
    conn.sendall(struct.pack('>BBHHBB', 1, kind, number, len(body), 0, 0) + body)
while True:
    conn, _ = listener.accept()
    while True:
        _, kind, number, length, padding, _ = struct.unpack('>BBHHBB', read(conn, 8))
        read(conn, length + padding)
        if kind == STDIN and length == 0:
            break
    name = os.environ['SUPERVISOR_PROCESS_NAME']
    send(conn, STDOUT, number, ('Content-Type: text/plain\r\n\r\n%s %d\n' % (name, os.getpid())).encode())
    send(conn, STDOUT, number, b'')
    send(conn, END, number, bytes(8))
    conn.close()
"#;
/// Says its name to everybody who connects to descriptor 0.
const GREETER: &str = "
import os, socket
listener = socket.socket(fileno=0)
while True:
    conn, _ = listener.accept()
    conn.sendall(os.environ['SUPERVISOR_PROCESS_NAME'].encode())
    conn.close()
";

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn greeter(options: &str) -> crate::support::Builder {
    Daemon::builder()
        .given("greeter.py", 0o644, GREETER)
        .conf(&format!("[fcgi-program:f]\ncommand=python3 $DIR/greeter.py\nstartsecs=0\n{options}"))
}

fn greeting(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a greeting");
    text
}

#[test]
fn unix_socket_has_its_mode_lives_as_long_as_its_processes_and_is_shared() {
    if !has_python("FastCGI programs") {
        return;
    }
    let daemon = greeter(
        "socket=unix://$DIR/f.sock\nsocket_mode=0642\nsocket_backlog=7\nnumprocs=2\nprocess_name=f_%(process_num)d\n",
    )
    .start();
    let path = daemon.file("f.sock");
    let shown = format!("unix://{}", path.display());
    daemon.wait_for_log(&format!("INFO Creating socket {shown}"));
    daemon.wait_for_state("f:f_0", "RUNNING");
    let about = std::fs::metadata(&path).expect("the socket");
    assert!(about.file_type().is_socket());
    assert_eq!(about.mode() & 0o777, 0o642);
    // Both take from the one queue.
    let mut names = std::collections::BTreeSet::new();
    eventually("both answer", || {
        names.insert(greeting(UnixStream::connect(&path).expect("somebody listens")));
        (names.len() == 2).then_some(())
    });
    // It stays open while one is left, whoever that is.
    daemon.request_ok("stop f:f_0");
    assert_eq!(greeting(UnixStream::connect(&path).expect("somebody listens")), "f_1");
    daemon.request_ok("start f:f_0");
    daemon.request_ok("stop f:f_1");
    assert_eq!(greeting(UnixStream::connect(&path).expect("somebody listens")), "f_0");
    let created = |log: &[String]| log.iter().filter(|line| line.contains("Creating socket")).count();
    assert_eq!(created(&daemon.process().log()), 1);
    daemon.request_ok("stop f:f_0");
    daemon.wait_for_log(&format!("INFO Closing socket {shown}"));
    let error = UnixStream::connect(&path).expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    daemon.request_ok("start f:f_0");
    assert_eq!(greeting(UnixStream::connect(&path).expect("somebody listens")), "f_0");
    assert_eq!(created(&daemon.process().log()), 2);
}

#[test]
fn connection_made_while_the_only_process_restarts_waits_in_the_queue() {
    if !has_python("FastCGI programs that restart") {
        return;
    }
    let daemon = greeter(
        "socket=unix://$DIR/f.sock\nnumprocs=2\nprocess_name=f_%(process_num)d\nautostart=true\nstopwaitsecs=1\n",
    )
    .start();
    daemon.wait_for_state("f:f_0", "RUNNING");
    daemon.request_ok("stop f:f_1");
    // The socket is held by f_1's successor and f_0 in turn; a client that comes in between is answered.
    daemon.request_ok("start f:f_1");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon.pid_of("f:f_0")), nix::sys::signal::Signal::SIGKILL)
        .expect("it runs");
    let name = greeting(UnixStream::connect(daemon.file("f.sock")).expect("somebody listens"));
    assert!(name == "f_0" || name == "f_1", "{name}");
}

#[test]
fn default_mode_is_for_the_owner_only() {
    if !has_python("FastCGI programs") {
        return;
    }
    let daemon = greeter("socket=unix://$DIR/f.sock\n").start();
    daemon.wait_for_state("f", "RUNNING");
    assert_eq!(std::fs::metadata(daemon.file("f.sock")).expect("the socket").mode() & 0o777, 0o700);
}

#[test]
fn owner_is_who_is_named_or_the_user_of_the_program() {
    if !nix::unistd::geteuid().is_root() {
        return tell_left_out("owners of FastCGI sockets: not root");
    }
    if !has_python("owners of FastCGI sockets") {
        return;
    }
    for (options, uid) in [("socket_owner=nobody:root", "nobody"), ("user=daemon", "daemon"), ("", "root")] {
        let daemon = greeter(&format!("socket=unix:///$DIR/f.sock\n{options}\n")).start();
        // The program itself may be unable to read its script: the socket is there before.
        daemon.wait_for_log("INFO spawned: 'f'");
        let wanted = nix::unistd::User::from_name(uid).expect("a database").expect("a user").uid.as_raw();
        assert_eq!(std::fs::metadata(daemon.file("f.sock")).expect("the socket").uid(), wanted, "{options}");
    }
}

#[test]
fn tcp_socket_is_shared_and_closed_with_the_last() {
    if !has_python("FastCGI programs over TCP") {
        return;
    }
    let port = free_port();
    let daemon = greeter(&format!("socket=tcp://127.0.0.1:{port}\n")).start();
    daemon.wait_for_state("f", "RUNNING");
    assert_eq!(greeting(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens")), "f");
    daemon.request_ok("restart f");
    assert_eq!(greeting(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens")), "f");
    assert_eq!(daemon.request("send f hello").error_code(), "no-file", "it has no stdin");
    daemon.request_ok("stop f");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn socket_that_cannot_be_made_is_a_failed_start_with_its_reason() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let daemon = Daemon::builder()
        .given("file", 0o644, "precious")
        .conf(&format!(
            "[fcgi-program:taken]\ncommand=sleep 1000\nsocket=tcp://127.0.0.1:{port}\nstartretries=0\n\
             [fcgi-program:nowhere]\ncommand=sleep 1000\nsocket=unix://$DIR/no/such/f.sock\nstartretries=0\n\
             [fcgi-program:file]\ncommand=sleep 1000\nsocket=unix://$DIR/file\nstartretries=0\n\
             [program:good]\ncommand=sleep 1000\nstartsecs=0\n"
        ))
        .start();
    for (name, reason) in
        [("taken", "in use"), ("nowhere", "No such file"), ("file", "something that is no socket is there")]
    {
        daemon.wait_for_state(name, "FATAL");
        let status = daemon.svc(&["status", name]);
        let screen = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(screen.contains("Could not create FastCGI socket ") && screen.contains(reason), "{screen}");
    }
    assert_eq!(daemon.read("file"), "precious");
    daemon.wait_for_state("good", "RUNNING");
    drop(taken);
    daemon.request_ok("start taken");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
}

#[test]
fn command_that_is_missing_leaves_no_socket_open() {
    let daemon = Daemon::builder()
        .conf("[fcgi-program:f]\ncommand=/nowhere/x\nsocket=unix://$DIR/f.sock\nstartretries=0\n")
        .start();
    daemon.wait_for_state("f", "FATAL");
    daemon.wait_for_log("Closing socket");
    assert!(UnixStream::connect(daemon.file("f.sock")).is_err());
}

#[test]
fn changed_socket_is_used_from_the_update_on() {
    if !has_python("changed FastCGI sockets") {
        return;
    }
    let daemon = greeter("socket=unix://$DIR/one.sock\n").start();
    daemon.wait_for_state("f", "RUNNING");
    daemon
        .rewrite_conf("[fcgi-program:f]\ncommand=python3 $DIR/greeter.py\nstartsecs=0\nsocket=unix://$DIR/two.sock\n");
    assert_eq!(daemon.svc_ok(&["update"]), "f: stopped\nf: updated process group\n");
    daemon.wait_for_state("f", "RUNNING");
    assert_eq!(greeting(UnixStream::connect(daemon.file("two.sock")).expect("somebody listens")), "f");
    assert!(UnixStream::connect(daemon.file("one.sock")).is_err());
    daemon.rewrite_conf("");
    daemon.svc_ok(&["update"]);
    assert!(UnixStream::connect(daemon.file("two.sock")).is_err());
}

#[test]
fn nginx_is_answered_by_responders_through_unix_and_tcp_sockets() {
    if !has_python("FastCGI behind nginx") {
        return;
    }
    if let Err(error) = clean_command("nginx").arg("-v").output() {
        return tell_left_out(&format!("FastCGI behind nginx: nginx: {error}"));
    }
    let (http, tcp) = (free_port(), free_port());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path $DIR/{kind};\n"))
        .collect();
    let nginx = format!(
        "daemon off;\nuser root;\npid $DIR/nginx.pid;\nerror_log stderr notice;\nworker_processes 1;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n{temporary}access_log off;\n\
         server {{ listen 127.0.0.1:{http};\n\
         location /unix {{ fastcgi_pass unix:$DIR/f.sock; }}\n\
         location /tcp {{ fastcgi_pass 127.0.0.1:{tcp}; }} }} }}\n"
    );
    let responder = "command=python3 $DIR/responder.py\nstartsecs=0\nprocess_name=%(program_name)s_%(process_num)d";
    let daemon = Daemon::builder()
        .given("nginx.conf", 0o644, &nginx)
        .given("responder.py", 0o644, RESPONDER)
        .conf(
            "[program:nginx]\ncommand=nginx -p $DIR -c $DIR/nginx.conf -e stderr\nredirect_stderr=true\nstartsecs=0\n",
        )
        .conf(&format!("[fcgi-program:u]\n{responder}\nsocket=unix://$DIR/f.sock\nnumprocs=3\n"))
        .conf(&format!("[fcgi-program:t]\n{responder}\nsocket=tcp://127.0.0.1:{tcp}\n"))
        .start();
    daemon.wait_for_log("start worker processes");
    let get = |path: &str| {
        use std::io::Write;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, http)).expect("nginx listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("the request is sent");
        greeting(stream)
    };
    for round in 0..30 {
        let answer = get("/unix");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\n\r\nu_"), "{answer}");
        assert!(get("/tcp").contains(&format!("\r\n\r\nt_0 {}\n", daemon.pid_of("t:t_0"))));
        // One after the other goes away; nobody who asks notices.
        let victim = format!("u:u_{}", round % 3);
        if round % 5 == 0 {
            daemon.request_ok(&format!("restart {victim}"));
        }
    }
}

#[test]
fn php_as_its_authors_made_it_answers_nginx_as_an_fcgi_program() {
    for program in ["nginx", "php-cgi"] {
        if let Err(error) = clean_command(program).arg("-v").output() {
            return tell_left_out(&format!("PHP behind nginx: {program}: {error}"));
        }
    }
    let http = free_port();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path $DIR/{kind};\n"))
        .collect();
    let nginx = format!(
        "daemon off;\nuser root;\npid $DIR/nginx.pid;\nerror_log stderr notice;\nworker_processes 1;\n\
         events {{ worker_connections 64; }}\nhttp {{\n{temporary}access_log off;\n\
         server {{ listen 127.0.0.1:{http}; location / {{\n\
         fastcgi_param SCRIPT_FILENAME $DIR/page.php;\nfastcgi_param REQUEST_METHOD GET;\n\
         fastcgi_param REDIRECT_STATUS 200;\nfastcgi_pass unix:$DIR/php.sock; }} }} }}\n"
    );
    let daemon = Daemon::builder()
        .given("nginx.conf", 0o644, &nginx)
        .given("page.php", 0o644, "<?php echo 'pid ', getmypid(), '.';")
        .conf(
            "[program:nginx]\ncommand=nginx -p $DIR -c $DIR/nginx.conf -e stderr\nredirect_stderr=true\nstartsecs=0\n",
        )
        .conf("[fcgi-program:php]\ncommand=php-cgi\nsocket=unix://$DIR/php.sock\nstartsecs=0\nautorestart=true\n")
        .start();
    daemon.wait_for_log("start worker processes");
    for _ in 0..3 {
        let pid = daemon.pid_of("php");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, http)).expect("nginx listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .expect("the request is sent");
        let answer = greeting(stream);
        assert!(answer.contains(&format!("pid {pid}.")), "{answer}");
        daemon.request_ok("restart php");
    }
}
