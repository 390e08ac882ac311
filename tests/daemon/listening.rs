//! Sockets that visor listens on for its programs: `listen=`.

use std::io::Read;
use std::os::unix::net::UnixStream;

use crate::support::Daemon;

/// Answers one connection with what it knows of its sockets, and ends.
const SERVER: &str = "\
import os, socket
server = socket.socket(fileno=3)
connection, _ = server.accept()
connection.sendall(' '.join(os.environ.get(key, '-') for key in ('LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PID')).encode())
connection.sendall((' %d' % os.getpid()).encode())
";

fn answer(path: &std::path::Path) -> String {
    let mut text = String::new();
    UnixStream::connect(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn listen_hands_over_the_socket_and_holds_it_while_the_program_restarts() {
    let daemon = Daemon::builder()
        .conf(
            "[program:web]\ncommand=python3 $DIR/server.py\nlisten=unix://$DIR/web.sock, unix://$DIR/other.sock\n\
             startsecs=0\nautorestart=true\n",
        )
        .given("server.py", 0o644, SERVER)
        .start();
    daemon.wait_for_state("web", "RUNNING");
    let path = daemon.file("web.sock");
    let mut pids = Vec::new();
    // Each answer ends the program: the next connection finds the socket without anybody who accepts, and waits.
    for _ in 0..5 {
        let said = answer(&path);
        let words: Vec<&str> = said.split(' ').collect();
        assert_eq!(words[..2], ["2", "web:web"], "{said}");
        assert_eq!(words[2], words[3], "LISTEN_PID is not the program's own pid: {said}");
        pids.push(words[3].to_owned());
    }
    pids.dedup();
    assert_eq!(pids.len(), 5, "{pids:?}");
}

#[test]
fn listen_on_a_path_that_is_no_socket_is_told_and_leaves_it_alone() {
    let daemon = Daemon::builder()
        .conf("[program:web]\ncommand=sleep 100\nlisten=unix://$DIR/file\nstartretries=0\n")
        .given("file", 0o644, "precious")
        .start();
    daemon.wait_for_log("something that is no socket is there");
    daemon.wait_for_state("web", "FATAL");
    assert_eq!(daemon.read("file"), "precious");
}
