//! Servers that are not there, want to know who asks, or are something else.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use visor::http::xml::Value;

use super::fake::{Answer, Fake, VERSION, info, response, supervisorctl, svc, text};
use super::support::descendants;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
fn expect(output: &std::process::Output, stdout: &str, code: i32) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}");
}

/// A port where nobody listens.
fn unused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn nobody_there_has_supervisors_words_and_codes() {
    let folder = tempfile::tempdir().unwrap();
    let url = unused();
    let run = |words: &[&str]| supervisorctl(folder.path(), &[&["-s", &*url], words].concat()).output().unwrap();
    expect(&run(&["status"]), &format!("{url} refused connection\n"), 4);
    expect(&run(&["start", "a"]), &format!("{url} refused connection\n"), 4);
    expect(&run(&["shutdown"]), &format!("ERROR: {url} refused connection (already shut down?)\n"), 1);
    expect(&run(&["reread"]), &format!("error: {url} refused connection\n"), 1);
    expect(&svc(&["-s", &url, "healthy"]).output().unwrap(), &format!("{url} refused connection\n"), 1);
}

#[test]
fn unknown_host_and_bad_urls_are_told() {
    let output = svc(&["-s", "http://no-such-host.invalid:9001", "status"]).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.starts_with("error: http://no-such-host.invalid:9001: cannot find the host `no-such-host.invalid`: "),
        "{shown}"
    );
    for (url, said) in [
        ("https://far", "error: unknown protocol for serverurl https://far\n"),
        ("http://a b", "error: http://a b: not a URL: invalid uri character\n"),
        ("http://", "error: unknown protocol for serverurl http://\n"),
    ] {
        expect(&svc(&["-s", url, "status"]).output().unwrap(), said, 4);
    }
}

#[test]
fn login_goes_in_the_header_and_a_wrong_one_is_told() {
    let locked = [(VERSION, Answer::Raw(response("401 Unauthorized", b"")))];
    for fake in [Fake::inet(&locked), Fake::unix(&locked)] {
        let said = format!(
            "Server requires authentication\nerror: {}: the user name or the password is wrong, or none was given\n",
            fake.url
        );
        expect(&fake.run(&["-u", "me", "-p", "wrong", "start", "web"]), &said, 1);
        let came = fake.came();
        let header = "Authorization: Basic bWU6d3Jvbmc=";
        assert!(came[0].headers.iter().any(|line| line == header), "{came:?}");
        expect(&fake.run(&["pid"]), &said, 1);
        assert!(!fake.came()[0].headers.iter().any(|line| line.starts_with("Authorization")));
        expect(&supervisorctl(fake.folder(), &["-s", &fake.url, "status"]).output().unwrap(), &said, 1);
    }
}

#[test]
fn login_comes_from_the_configuration_and_never_stands_in_arguments_or_environment() {
    let fake = Fake::inet(&[("supervisor.getPID", Answer::Value(Value::Int(5)))]);
    let file = fake.folder().join("c.conf");
    let conf = format!("[supervisorctl]\nserverurl={}\nusername=file\npassword=se cret%%\n", fake.url);
    std::fs::write(&file, conf).unwrap();
    let file = file.to_str().unwrap();
    expect(&supervisorctl(fake.folder(), &["-c", file, "pid"]).output().unwrap(), "5\n", 0);
    // file:se cret%
    let header = "Authorization: Basic ZmlsZTpzZSBjcmV0JQ==";
    assert!(fake.came().iter().all(|came| came.headers.iter().any(|line| line == header)));
    expect(&supervisorctl(fake.folder(), &["-c", file, "-u", "x", "-p", "y", "pid"]).output().unwrap(), "5\n", 0);
    assert!(fake.came().iter().all(|came| came.headers.iter().any(|line| line == "Authorization: Basic eDp5")));
}

#[test]
fn bridge_shows_nobody_the_password_and_ends_with_svc() {
    let known = info("web", "web", "RUNNING", 7, &[("stdout_logfile", text("/l/web"))]);
    let fake = Fake::inet(&[
        ("supervisor.getProcessInfo", Answer::Value(known)),
        ("GET /logtail/web/stdout", Answer::Stream(vec!["here\n"])),
    ]);
    let words = ["-u", "me", "-p", "se-cret", "tail", "-f", "web"];
    let mut child = fake.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; "==> Press Ctrl-C to exit <==\nhere\n".len()]).unwrap();
    let svc = i32::try_from(child.id()).unwrap();
    let bridges: Vec<i32> = descendants(svc).into_iter().filter(|pid| *pid != svc).collect();
    let [bridge] = bridges[..] else { panic!("one bridge: {bridges:?}") };
    let file = |name: &str| std::fs::read(format!("/proc/{bridge}/{name}")).unwrap();
    assert!(file("cmdline").ends_with(b"visor-http\0bridge\0"));
    assert_eq!(file("environ"), b"");
    child.kill().unwrap();
    child.wait().unwrap();
    let begun = Instant::now();
    while Path::new(&format!("/proc/{bridge}")).exists() && !is_zombie(bridge) {
        assert!(begun.elapsed() < PATIENCE, "the bridge ends");
        thread::yield_now();
    }
}

/// A dead process whose new parent has not taken note of it.
fn is_zombie(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| text.contains(") Z "))
}

#[test]
fn prompt_asks_for_a_login() {
    let fake = Fake::inet(&[(VERSION, Answer::Raw(response("401 Unauthorized", b"")))]);
    let mut child = fake.command(&[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"me\nsecret\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let asked = "Server requires authentication\nUsername:Password:\nServer requires authentication\nUsername:";
    assert!(shown.starts_with(asked), "{shown}");
    let logins: Vec<bool> = fake
        .came()
        .iter()
        .map(|came| came.headers.iter().any(|line| line == "Authorization: Basic bWU6c2VjcmV0"))
        .collect();
    assert_eq!(logins, [false, true]);
}

#[test]
fn other_servers_are_told_from_a_supervisord() {
    let namespace = "Sorry, supervisord responded but did not recognize the supervisor namespace commands that \
                     supervisorctl uses to control it.  Please check that the [rpcinterface:supervisor] section is \
                     enabled in the configuration file (see sample.conf).\n";
    let version = "Sorry, this version of supervisorctl expects to talk to a server with API version 3.0, but the \
                   remote version is 2.0.\n";
    for (answer, said, code) in [
        (Answer::Fault(1, "UNKNOWN_METHOD"), namespace.to_owned(), 3),
        (Answer::Value(text("2.0")), version.to_owned(), 5),
        (
            Answer::Raw(response("404 Not Found", b"")),
            "error: URL: no supervisord: it answers with HTTP status 404\n".to_owned(),
            1,
        ),
        (
            Answer::Raw(response("302 Found", b"")),
            "error: URL: no supervisord: it answers with HTTP status 302\n".to_owned(),
            1,
        ),
        (
            Answer::Raw(response("200 OK", b"<html>")),
            "error: URL: its answer is not of XML-RPC: the document is not well-formed XML at line 1, column 1\n"
                .to_owned(),
            1,
        ),
        (Answer::Raw(b"hello\r\n".to_vec()), "error: URL: what answers does not speak HTTP\n".to_owned(), 1),
        (Answer::Raw(Vec::new()), "error: URL: it hung up without an answer: no supervisord?\n".to_owned(), 1),
    ] {
        for fake in [Fake::inet(&[(VERSION, answer.clone())]), Fake::unix(&[(VERSION, answer.clone())])] {
            expect(&fake.run(&["start", "web"]), &said.replace("URL", &fake.url), code);
            assert_eq!(fake.run(&["status"]).status.code(), Some(4));
        }
    }
}

#[test]
fn server_that_leaves_in_mid_action_is_told() {
    for (bytes, said) in [
        (&b""[..], "error: it hung up without an answer: no supervisord?\n"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<?xml",
            "error: it hung up without an answer: no supervisord?\n",
        ),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "error: it answers with HTTP status 503\n"),
    ] {
        let fake = Fake::inet(&[("supervisor.getAllProcessInfo", Answer::Raw(bytes.to_vec()))]);
        expect(&fake.run(&["pid", "all"]), said, 1);
    }
}

#[test]
fn socket_of_something_that_speaks_neither_language_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            let _ = peer.read(&mut [0; 64]);
            let _ = peer.write_all(b"+OK ready\r\n");
        }
    });
    let output = svc(&["-s", path.to_str().unwrap(), "pid"]).output().unwrap();
    expect(&output, &format!("error: unix://{}: what answers does not speak HTTP\n", path.display()), 1);
}

#[test]
fn who_is_nobody_to_visor_may_come_in_with_a_login() {
    let refusal = "error not-permitted uid 7 is not visor's user\n";
    let pid = ("supervisor.getPID", Answer::Value(Value::Int(5)));
    let fake = Fake::unix_that_tells_others(&[pid], refusal);
    expect(&fake.run(&["-u", "me", "-p", "x", "pid"]), "5\n", 0);
    let locked = (VERSION, Answer::Raw(response("401 Unauthorized", b"")));
    let fake = Fake::unix_that_tells_others(&[locked], refusal);
    let output = fake.run(&["pid"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("Server requires authentication\n"));
    let shut = (VERSION, Answer::Raw(Vec::new()));
    let fake = Fake::unix_that_tells_others(&[shut], refusal);
    expect(&fake.run(&["pid"]), "error: uid 7 is not visor's user\n", 1);
}

#[test]
fn without_the_bridge_svc_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("svc");
    super::support::copy_program(std::path::Path::new(super::support::SVC), &alone);
    let mut command = super::support::clean_command(&alone);
    let output = command.env("PATH", folder.path()).args(["-s", "http://localhost:9", "pid"]).output().unwrap();
    let said = "error: http://localhost:9 speaks HTTP, for which svc needs `visor-http`; it is neither beside svc nor on PATH\n";
    expect(&output, said, 1);
}

#[test]
fn bridge_without_svc_says_who_starts_it() {
    let output = super::support::clean_command(env!("CARGO_BIN_EXE_visor-http")).arg("bridge").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("svc starts the bridge itself"));
}
