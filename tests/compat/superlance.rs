//! Listeners that others wrote run unmodified: the programs of superlance under visor.
//!
//! Some ask the XML-RPC server for what they do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use super::original;
use super::support::{Daemon, TIMEOUT};

/// They look for the address of a server in their environment, and leave without.
const SERVER: &str = "[unix_http_server]\nfile=$DIR/http.sock\n\
                      [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=\
                      supervisor.rpcinterface:make_main_rpcinterface\n";
const CRASHES: &str = "[program:crashes]\ncommand=sh -c 'exit 3'\nautostart=false\nautorestart=false\nstartsecs=0\n\
                       [program:ends]\ncommand=sh -c 'exit 0'\nautostart=false\nautorestart=false\nstartsecs=0\n\
                       [program:fails]\ncommand=false\nautostart=false\nstartsecs=5\nstartretries=0\n";
/// Mail goes into a file.
const SENDMAIL: &str = "#!/bin/sh\ncat >$DIR/mail.part && mv $DIR/mail.part $DIR/mail\n";

/// A visor with this listener and its options; `None` without superlance.
fn listener(program: &str, arguments: &str, events: &str, more: &str) -> Option<Daemon> {
    let programs = original::superlance()?;
    let daemon = Daemon::builder()
        .given("sendmail", 0o755, SENDMAIL)
        .conf(SERVER)
        .conf(&format!(
            "[eventlistener:l]\ncommand={}/{program} {arguments}\nevents={events}\nbuffer_size=100\nstartsecs=0\n",
            programs.display()
        ))
        .conf(CRASHES)
        .conf(more)
        .start();
    Some(daemon)
}

/// What the listener is, after all.
fn check_healthy(daemon: &Daemon) {
    let reply = daemon.request_ok("status l");
    let line = reply.data.first().expect("a line");
    assert_eq!((line["state"].as_str(), line["lost"].as_str()), ("RUNNING", "0"), "{line:?}");
    assert_ne!(line["listener"], "UNKNOWN", "{line:?}");
}

/// A mail server that takes what comes; the texts of the mails.
fn mail_server() -> (u16, Receiver<String>) {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = server.local_addr().expect("an address").port();
    let (sender, mails) = channel();
    std::thread::spawn(move || {
        for connection in server.incoming().map_while(Result::ok) {
            let mut writer = connection.try_clone().expect("a descriptor");
            let mut answer = |text: &str| writer.write_all(text.as_bytes()).is_ok();
            answer("220 hello\r\n");
            let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
            while let Some(line) = lines.next() {
                let word: String = line.chars().take(4).collect::<String>().to_uppercase();
                match word.as_str() {
                    "DATA" => {
                        answer("354 go on\r\n");
                        let text: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                        let _ = sender.send(text.join("\n"));
                        answer("250 taken\r\n");
                    }
                    "QUIT" => {
                        answer("221 bye\r\n");
                        break;
                    }
                    _ => {
                        answer("250 fine\r\n");
                    }
                }
            }
        }
    });
    (port, mails)
}

#[test]
fn crashmail_mails_exits_that_are_not_expected() {
    let arguments = "-a -m boss@example.com -s $DIR/sendmail -o visor";
    let Some(daemon) = listener("crashmail", arguments, "PROCESS_STATE_EXITED", "") else { return };
    daemon.request_ok("start ends");
    daemon.wait_for_state("ends", "EXITED");
    daemon.request_ok("start crashes");
    let mail = daemon.wait_for_file("mail", |_| true);
    assert!(mail.starts_with("To: boss@example.com\nSubject: visor: crashes crashed at "), "{mail}");
    assert!(mail.contains("Process crashes in group crashes exited unexpectedly (pid "), "{mail}");
    assert!(mail.ends_with("from state RUNNING"), "{mail}");
    check_healthy(&daemon);
}

fn check_batch(program: &str, state: &str, start: &str, wanted: &str) {
    let (port, mails) = mail_server();
    let arguments = format!(
        "--toEmail=boss@example.com --fromEmail=visor@example.com --smtpHost=127.0.0.1:{port} --interval=0.05 \
         --tickEvent=TICK_5 --subject=trouble"
    );
    let Some(daemon) = listener(program, &arguments, &format!("{state},TICK_5"), "") else { return };
    daemon.request_ok("start ends");
    daemon.request(&format!("start {start}"));
    let mail = mails.recv_timeout(TIMEOUT).expect("a mail comes with a tick");
    assert!(mail.contains("Subject: trouble") && mail.contains("To: boss@example.com"), "{mail}");
    assert!(mail.contains(wanted), "{mail}");
    assert!(!mail.contains("ends"), "{mail}");
    check_healthy(&daemon);
}

#[test]
fn crashmailbatch_mails_what_crashed_with_the_next_tick() {
    check_batch("crashmailbatch", "PROCESS_STATE", "crashes", "Process crashes:crashes (pid ");
}

#[test]
fn fatalmailbatch_mails_what_gave_up_with_the_next_tick() {
    check_batch("fatalmailbatch", "PROCESS_STATE", "fails", "Process fails:fails failed to start too many times");
}

/// Answers every request with 200 until it is dropped.
fn web_server() -> u16 {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = server.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut connection in server.incoming().map_while(Result::ok) {
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    port
}

#[test]
fn httpok_is_content_with_a_server_that_answers() {
    let arguments = format!("-p web http://127.0.0.1:{}/", web_server());
    let web = "[program:web]\ncommand=sleep 1000\nstartsecs=0\n";
    let Some(daemon) = listener("httpok", &arguments, "TICK_5", web) else { return };
    daemon.wait_for_log("l: event was processed");
    assert!(!daemon.process().log().iter().any(|line| line.contains("contacting")), "it has nothing to say");
    check_healthy(&daemon);
}

#[test]
fn httpok_restarts_what_does_not_answer() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("an address").port();
    let web = "[program:web]\ncommand=sleep 1000\nstartsecs=0\n";
    let arguments = format!("-t 1 -p web -m boss@example.com -s $DIR/sendmail http://127.0.0.1:{port}/");
    let Some(daemon) = listener("httpok", &arguments, "TICK_5", web) else { return };
    daemon.wait_for_state("web", "RUNNING");
    let before = daemon.pid_of("web");
    let mail = daemon.wait_for_file("mail", |_| true);
    assert!(mail.contains("web restarted"), "{mail}");
    assert_ne!(daemon.pid_of("web"), before);
}

#[test]
fn memmon_restarts_what_is_too_big() {
    let hog = "[program:hog]\ncommand=python3 -c \"import time; x = 'x' * 50000000; time.sleep(1000)\"\nstartsecs=0\n";
    let Some(daemon) = listener("memmon", "-p hog=20MB", "TICK_5", hog) else { return };
    daemon.wait_for_state("hog", "RUNNING");
    daemon.process().wait_for_log_count("spawned: 'hog'", 2);
    check_healthy(&daemon);
}
