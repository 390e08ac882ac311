//! Checks: what makes a program ready, what keeps it healthy, and what follows when it is not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use super::support::{Daemon, TIMEOUT, eventually};

/// A program that says nothing and stays.
const STAYS: &str = "command=sleep 1000\nstartsecs=0\n";
/// Sends what its arguments say to the socket in `NOTIFY_SOCKET`, and stays.
const NOTIFIER: &str = "\
import os, socket, sys, time
name = os.environ['NOTIFY_SOCKET']
out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
out.connect('\\0' + name[1:])
for word in sys.argv[1:]:
    if word == 'wait':
        while not os.path.exists(sys.path[0] + '/go'):
            time.sleep(0.02)
    elif word.startswith('beat'):
        for _ in range(int(word[4:])):
            out.send(b'WATCHDOG=1')
            time.sleep(0.05)
    else:
        out.send(word.encode().replace(b'~', b'\\n'))
time.sleep(1000)
";

fn go(daemon: &Daemon) {
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
}

fn why(daemon: &Daemon, name: &str) -> String {
    daemon.svc_ok(&["why", name])
}

fn status(daemon: &Daemon, key: &str) -> String {
    let reply = daemon.request_ok("status x");
    reply.data.first().and_then(|line| line.get(key)).cloned().unwrap_or_default()
}

/// A program `x` that gets ready when the sign to go on is there, and not before.
fn gets_ready(conf: &str) -> Daemon {
    let daemon = Daemon::builder().conf(conf).given("notify.py", 0o644, NOTIFIER).start();
    daemon.wait_for_log("spawned: 'x'");
    assert_eq!(daemon.state_of("x"), "STARTING");
    go(&daemon);
    daemon.wait_for_state("x", "RUNNING");
    daemon.wait_for_log("success: x entered RUNNING state, it is ready");
    daemon
}

/// A program `x` that does not get ready, for this reason.
fn does_not_get_ready(conf: &str, reason: &str) -> Daemon {
    let daemon = Daemon::with(&format!("[program:x]\n{conf}\nstartretries=0\nstopwaitsecs=5\n"));
    let line = daemon.wait_for_log("not ready: x (");
    assert!(line.contains(reason), "{line}");
    daemon.wait_for_state("x", "FATAL");
    assert!(why(&daemon, "x").contains(reason), "{}", why(&daemon, "x"));
    daemon
}

const WAITS: &str = "while [ ! -e $DIR/go ]; do sleep 0.02; done";
/// Times that let nobody wait for long.
const QUICK: &str = "ready_interval=20ms\nready_timeout=2s\nready_retries=100000\n";
const HASTY: &str = "ready_interval=10ms\nready_timeout=2s\nready_retries=2\n";

#[test]
fn fd_is_ready_with_its_line_and_the_program_may_write_on() {
    let command = format!("{WAITS}; echo half >&5; echo more >&5; echo still >&5; exec sleep 1000");
    let daemon = gets_ready(&format!("[program:x]\ncommand=sh -c '{command}'\nready=fd:5\n"));
    assert!(daemon.request("stop x").is_ok());
}

#[test]
fn fd_beside_sockets_and_closed_without_a_line_is_not_ready() {
    let listen = "listen=unix://$DIR/a.sock, unix://$DIR/b.sock";
    let command = format!("{WAITS}; echo up >&5; exec sleep 1000");
    gets_ready(&format!("[program:x]\ncommand=sh -c '{command}'\n{listen}\nready=fd:5\n"));
    let closes = "command=sh -c 'printf no >&3; exec sleep 1000 3>&-'\nready=fd:3\n";
    does_not_get_ready(closes, "fd:3: it was closed without a line");
    let silent = "command=sleep 1000\nready=fd:3\nready_timeout=200ms\n";
    does_not_get_ready(silent, "fd:3: nothing came within 0.2 s");
}

#[test]
fn notify_is_ready_by_its_word_and_shows_what_it_says() {
    let daemon = gets_ready(
        "[program:x]\ncommand=python3 $DIR/notify.py nonsense STATUS=warming wait READY=1~STATUS=ready_for_8 RELOADING=1\nready=notify\n",
    );
    eventually("its words are shown", || {
        status(&daemon, "description").ends_with("says `reloading, ready_for_8`").then_some(())
    });
    assert!(status(&daemon, "description").starts_with("pid "));
    assert!(why(&daemon, "x").contains("it says `reloading, ready_for_8`"), "{}", why(&daemon, "x"));
    daemon.wait_for_log("ignored a message to the NOTIFY_SOCKET of x");
    assert!(daemon.request("stop x").is_ok());
    assert!(!status(&daemon, "description").contains("says"));
}

#[test]
fn notify_of_a_descendant_counts_and_of_a_stranger_does_not() {
    // In a session of its own, but a child all the same.
    let script = "echo $NOTIFY_SOCKET > $DIR/name; setsid python3 $DIR/notify.py wait READY=1 & exec sleep 1000";
    let command = format!("sh -c '{script}'");
    let daemon = Daemon::builder()
        .conf(&format!("[program:x]\ncommand={command}\nready=notify\nstopasgroup=true\n"))
        .given("notify.py", 0o644, NOTIFIER)
        .start();
    let name = daemon.wait_for_file("name", |text| text.ends_with('\n'));
    let mut stranger = std::process::Command::new("python3")
        .arg(daemon.file("notify.py"))
        .arg("READY=1")
        .env("NOTIFY_SOCKET", name.trim())
        .spawn()
        .expect("a stranger");
    daemon.wait_for_log(&format!("of x by pid {}: its sender is not of the program", stranger.id()));
    assert_eq!(daemon.state_of("x"), "STARTING");
    let _ = stranger.kill();
    let _ = stranger.wait();
    go(&daemon);
    daemon.wait_for_state("x", "RUNNING");
    assert!(daemon.request("stop x").is_ok());
}

#[test]
fn notify_without_a_word_is_not_ready() {
    does_not_get_ready("command=sleep 1000\nready=notify\nready_timeout=200ms\n", "notify: nothing came within 0.2 s");
}

#[test]
fn log_is_ready_when_the_text_comes_in_any_stream_and_across_writes() {
    let command = format!("{WAITS}; printf \"server is re\" >&2; sleep 0.2; echo \"ady now\" >&2; exec sleep 1000");
    gets_ready(&format!("[program:x]\ncommand=sh -c '{command}'\nready=log:is ready\n"));
    let other = "command=sh -c 'echo is read; echo y; exec sleep 1000'\nready=log:is ready\nready_timeout=300ms\n";
    does_not_get_ready(other, "log:is ready: nothing came within 0.3 s");
}

#[test]
fn file_is_ready_when_it_is_there() {
    gets_ready(&format!("[program:x]\n{STAYS}ready=file:$DIR/go\n{QUICK}"));
    let daemon =
        does_not_get_ready(&format!("{STAYS}directory=$DIR\nready=file:never\n{HASTY}"), "No such file or directory");
    daemon.wait_for_log("/never: No such file or directory (3 times in a row)");
}

#[test]
fn exec_is_ready_when_it_ends_with_0() {
    let environment = "environment=WANTED=\"$DIR/go\"\ndirectory=/\n";
    let daemon = gets_ready(&format!(
        "[program:x]\n{STAYS}{environment}ready=exec:sh -c 'test $(pwd) = / && test -e $WANTED'\n{QUICK}"
    ));
    // Whoever looks is no unknown child.
    assert!(!daemon.process().log().iter().any(|line| line.contains("reaped unknown pid")));
    let fails = format!("{STAYS}ready=exec:sh -c 'echo first; echo no database >&2; exit 3'\n{HASTY}");
    does_not_get_ready(&fails, "exit status 3, `no database` (3 times in a row)");
    does_not_get_ready(&format!("{STAYS}ready=exec:/no/such/file\n{HASTY}"), "can't find command '/no/such/file'");
}

#[test]
fn exec_that_takes_too_long_is_killed_with_all_of_it() {
    let daemon = does_not_get_ready(
        &format!(
            "{STAYS}ready=exec:sh -c 'sh -c \"echo \\$\\$ > $DIR/below; exec sleep 1000\" & wait'\n\
             ready_timeout=500ms\nready_retries=0\n"
        ),
        "no answer within 0.5 s",
    );
    let below: i32 = daemon.read("below").trim().parse().expect("a pid");
    eventually("what the check started is gone", || (!super::kernel::exists(below)).then_some(()));
}

#[test]
fn tcp_and_unix_are_ready_when_somebody_listens() {
    let place = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let daemon = Daemon::with(&format!("[program:x]\n{STAYS}ready=tcp:localhost:{}\n{QUICK}", place.port()));
    eventually("the reason is told", || why(&daemon, "x").contains("Connection refused").then_some(()));
    assert_eq!(daemon.state_of("x"), "STARTING");
    let _listener = TcpListener::bind(place).expect("the port again");
    daemon.wait_for_state("x", "RUNNING");

    let daemon = Daemon::with(&format!("[program:x]\n{STAYS}ready=unix:$DIR/x.sock\n{QUICK}"));
    eventually("the reason is told", || why(&daemon, "x").contains("No such file or directory").then_some(()));
    let _listener = UnixListener::bind(daemon.file("x.sock")).expect("a socket");
    daemon.wait_for_state("x", "RUNNING");
    does_not_get_ready(&format!("{STAYS}ready=unix:$DIR/none.sock\n{HASTY}"), "No such file or directory");
}

/// Answers each request with the next of these texts, the last one for ever; nothing at all for an empty one.
fn server(answers: &[&str]) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let answers: Vec<String> = answers.iter().map(|text| (*text).to_owned()).collect();
    let serving = std::thread::spawn(move || {
        let mut asked = String::new();
        let mut held = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut buffer = [0; 1000];
            let count = stream.read(&mut buffer).expect("a request");
            asked = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let _ = stream.write_all(answer.as_bytes());
            if answer.is_empty() {
                held.push(stream);
            }
        }
        asked
    });
    (port, serving)
}

#[test]
fn http_is_ready_with_a_good_answer_to_the_right_question() {
    let (port, serving) =
        server(&["HTTP/1.1 503 Not Yet\r\n\r\n", "", "SSH-2.0-x\r\n", "HTTP/1.1 204 Fine\r\nX: y\r\n\r\n"]);
    let times = "ready_interval=10ms\nready_timeout=300ms\nready_retries=100\n";
    let daemon = Daemon::with(&format!("[program:x]\n{STAYS}ready=http://localhost:{port}/up?a=%%20\n{times}"));
    daemon.wait_for_state("x", "RUNNING");
    let asked = serving.join().expect("the server");
    assert!(asked.starts_with("GET /up?a=%20 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("\r\nHost: localhost:{port}\r\n")) && asked.ends_with("\r\n\r\n"), "{asked}");
    let bad = "HTTP/1.1 500 Out of Luck\r\n\r\n";
    let (port, _serving) = server(&[bad, bad, bad]);
    let conf = format!("{STAYS}ready=http://127.0.0.1:{port}/\n{HASTY}");
    does_not_get_ready(&conf, "the answer is 500 Out of Luck (3 times in a row)");
    let long = "x".repeat(100_000);
    let (port, _serving) = server(&[&long]);
    let conf = format!("{STAYS}ready=http://127.0.0.1:{port}/\nready_retries=0\n");
    does_not_get_ready(&conf, "the answer is no HTTP");
}

const HEALTH: &str = "health=file:$DIR/well\nhealth_interval=20ms\nhealth_retries=1\n";

fn unwell_after_well(action: &str) -> Daemon {
    let daemon = Daemon::builder()
        .conf(&format!("[program:x]\n{STAYS}{HEALTH}on_unhealthy={action}\n"))
        .given("well", 0o644, "")
        .start();
    daemon.wait_for_log("healthy: x");
    assert_eq!((status(&daemon, "health"), status(&daemon, "state")), ("healthy".to_owned(), "RUNNING".to_owned()));
    daemon.request_ok("ready x");
    std::fs::remove_file(daemon.file("well")).expect("the file");
    daemon.wait_for_log("unhealthy: x (file:");
    daemon
}

#[test]
fn unhealthy_program_is_started_anew() {
    let daemon = Daemon::builder().conf(&format!("[program:x]\n{STAYS}{HEALTH}")).given("well", 0o644, "").start();
    daemon.wait_for_log("healthy: x");
    let before = daemon.pid_of("x");
    std::fs::remove_file(daemon.file("well")).expect("the file");
    daemon.wait_for_log("unhealthy: x (file:");
    daemon.wait_for_log("stopped: x");
    std::fs::write(daemon.file("well"), "").expect("the file");
    eventually("another one", || Some(daemon.pid_of("x")).filter(|pid| *pid != before && *pid != 0));
    eventually("it is well", || (status(&daemon, "health") == "healthy").then_some(()));
}

#[test]
fn unhealthy_program_that_is_to_stop_stays_down() {
    let daemon = unwell_after_well("stop");
    daemon.wait_for_state("x", "STOPPED");
    assert_eq!((status(&daemon, "health"), status(&daemon, "wanted")), ("unknown".to_owned(), "down".to_owned()));
    assert!(why(&daemon, "x").starts_with("stopped because it was unhealthy (file:"), "{}", why(&daemon, "x"));
    assert_eq!(String::from_utf8_lossy(&daemon.svc(&["healthy"]).stdout), "x: STOPPED\n");
    std::fs::write(daemon.file("well"), "").expect("the file");
    daemon.request_ok("start x");
    daemon.request_ok("stop x");
    assert!(why(&daemon, "x").starts_with("stopped on request"), "{}", why(&daemon, "x"));
}

#[test]
fn unhealthy_program_that_is_ignored_is_told_and_recovers() {
    let daemon = unwell_after_well("ignore");
    let mut watcher = daemon.connect();
    watcher.send("watch");
    let shown = status(&daemon, "description");
    assert!(shown.contains(", unhealthy (file:") && shown.contains("No such file or directory"), "{shown}");
    assert_eq!((status(&daemon, "health"), status(&daemon, "state")), ("unhealthy".to_owned(), "RUNNING".to_owned()));
    assert_eq!(daemon.request("ready x").error_code(), "not-running");
    assert_eq!(String::from_utf8_lossy(&daemon.svc(&["healthy", "x"]).stdout), "x: RUNNING, unhealthy\n");
    assert!(why(&daemon, "x").contains("unhealthy (file:"), "{}", why(&daemon, "x"));
    std::fs::write(daemon.file("well"), "").expect("the file");
    let event = watcher.event().expect("an event");
    assert_eq!((event["event"].as_str(), event["name"].as_str()), ("PROCESS_HEALTH_HEALTHY", "x"));
    daemon.request_ok("ready x");
    assert_eq!(status(&daemon, "health"), "healthy");
}

#[test]
fn watchdog_that_is_fed_lives_and_that_starves_is_started_anew() {
    let daemon = Daemon::builder()
        .conf(
            "[program:x]\ncommand=python3 $DIR/notify.py READY=1 beat20 wait\nready=notify\nhealth=notify\n\
             health_interval=500ms\nhealth_retries=1\n",
        )
        .given("notify.py", 0o644, NOTIFIER)
        .start();
    daemon.wait_for_log("healthy: x");
    let first = daemon.pid_of("x");
    let environment = std::fs::read(format!("/proc/{first}/environ")).expect("its environment");
    let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
    assert!(environment.contains("\nWATCHDOG_USEC=1000000\n"), "{environment}");
    daemon.wait_for_log("unhealthy: x (notify: nothing came within 1 s)");
    eventually("another one", || Some(daemon.pid_of("x")).filter(|pid| *pid != first && *pid != 0));
}

#[test]
fn health_is_changed_added_and_taken_away_under_a_running_program() {
    let conf = |health: &str| format!("[program:x]\n{STAYS}{health}");
    let daemon = Daemon::with(&conf(""));
    daemon.wait_for_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    let update = |health: &str| {
        daemon.rewrite_conf(&conf(health));
        daemon.request_ok("update");
    };
    assert_eq!(status(&daemon, "health"), "");
    update("health=file:$DIR/gone\nhealth_interval=1h\nhealth_retries=0\non_unhealthy=ignore\n");
    daemon.wait_for_log("unhealthy: x (file:");
    update("health=file:$DIR\nhealth_interval=1h\non_unhealthy=ignore\n");
    daemon.wait_for_log(" healthy: x");
    update("health=file:$DIR/gone\nhealth_interval=20ms\non_unhealthy=ignore\n");
    daemon.process().wait_for_log_count("unhealthy: x (file:", 2);
    update("");
    daemon.request_ok("ready x");
    assert_eq!((status(&daemon, "health"), daemon.pid_of("x")), (String::new(), pid));
}

#[test]
fn stop_and_end_while_getting_ready_end_the_check() {
    let daemon = Daemon::with(&format!(
        "[program:x]\n{STAYS}ready=exec:sh -c 'echo $$ > $DIR/looks; exec sleep 1000'\nready_timeout=1h\n\
         [program:dies]\ncommand=sh -c 'exit 0'\nready=notify\nstartretries=0\n"
    ));
    let looks: i32 = daemon.wait_for_file("looks", |text| text.ends_with('\n')).trim().parse().expect("a pid");
    assert!(daemon.request("stop x").is_ok());
    eventually("the check is gone", || (!super::kernel::exists(looks)).then_some(()));
    daemon.wait_for_state("dies", "FATAL");
    daemon.request_ok("shutdown");
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    assert!(!daemon.process().log().iter().any(|line| line.contains("reaped unknown pid")));
}

#[test]
fn start_is_answered_when_it_is_ready_or_will_not_be() {
    let daemon = Daemon::with(&format!(
        "[program:x]\n{STAYS}ready=file:$DIR/go\n{QUICK}autostart=false\n\
         [program:never]\n{STAYS}ready=file:$DIR/never\n{HASTY}autostart=false\nstartretries=0\n"
    ));
    let mut asking = daemon.connect();
    asking.send("start x");
    daemon.wait_for_log("spawned: 'x'");
    assert_eq!(daemon.state_of("x"), "STARTING");
    go(&daemon);
    assert!(asking.reply().is_ok());
    assert_eq!(daemon.request("start never").error_code(), "spawn-error");
}

#[test]
fn nonsense_is_told_with_its_key_and_nothing_starts() {
    for (line, part) in [
        ("ready=soon", "`soon` is no check: fd:N, notify, tcp:HOST:PORT"),
        ("ready=fd:3\nlisten=unix:///tmp/x", "`listen` has the descriptors 3 to 3"),
        ("ready=fd:1", "`1` is no descriptor to tell by: 3 to 255"),
        ("ready=tcp:db.example.invalid:5432", "name servers are not asked, an `exec:` check can do that"),
        ("health=fd:3", "`fd:3` is said once"),
        ("health=log:up", "`log:up` is said once"),
        ("health=exec:", "command is empty"),
        ("health=notify\nhealth_interval=0", "it must be more than 0"),
        ("ready=notify\nready_timeout=soon", "'soon' is no time"),
        ("health=notify\nhealth_retries=many", "`many` is no number of retries"),
        ("health=notify\non_unhealthy=panic", "`panic` is no action: restart, stop or ignore"),
        ("ready=notify\ntype=oneshot", "a oneshot is done when it has ended"),
        ("ready=log:up\ntty=/dev/ttyS9", "does not pass through visor"),
    ] {
        let daemon = Daemon::builder().conf(&format!("[program:x]\ncommand=sleep 1\n{line}\n")).spawn();
        assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(2), "{line}");
        let errors = daemon.process().errors();
        let key = line.lines().find(|line| part.contains(line.split('=').nth(1).unwrap_or("")));
        assert!(errors.contains(part), "{line} {key:?}: {errors}");
    }
}
