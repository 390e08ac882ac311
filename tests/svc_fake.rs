//! `svc` as a black box against an invented visor: requests on the wire, words on the screen, exit codes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Ends a reply's text by hanging up.
const HANG_UP: &str = "<hang up>";
/// What svc asks first.
const PROBE: &[u8] = b"hello\r\n\r\n";
/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A visor of which only the answers are real: for each request line, a text.
struct Fake {
    folder: tempfile::TempDir,
    requests: Receiver<(String, UnixStream)>,
    /// Those that came and were not waited for yet.
    aside: RefCell<Vec<(String, UnixStream)>>,
}

impl Fake {
    fn new(answers: &[(&str, &str)]) -> Fake {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let answers: HashMap<String, String> =
            answers.iter().map(|&(line, reply)| (line.to_owned(), reply.to_owned())).collect();
        let (sender, requests) = channel();
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let (answers, sender) = (answers.clone(), sender.clone());
                thread::spawn(move || serve(peer, &answers, &sender));
            }
        });
        Fake { folder, requests, aside: RefCell::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn command(&self, words: &[&str]) -> Command {
        svc("svc", &[&["-s", self.path().to_str().unwrap()], words].concat())
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The next request that came, and the connection to go on answering it.
    fn request(&self) -> (String, UnixStream) {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits for this request, whatever others come before it: those stay there for later, as two connections come in any order.
    fn wait_for(&self, line: &str) -> UnixStream {
        let mut aside = self.aside.borrow_mut();
        if let Some(at) = aside.iter().position(|(got, _)| got == line) {
            return aside.remove(at).1;
        }
        loop {
            let (got, peer) = self.request();
            if got == line {
                return peer;
            }
            aside.push((got, peer));
        }
    }
}

fn serve(peer: UnixStream, answers: &HashMap<String, String>, sender: &Sender<(String, UnixStream)>) {
    let mut writer = peer.try_clone().unwrap();
    let mut reader = BufReader::new(peer);
    if !answer_probe(&mut reader, &mut writer) {
        return;
    }
    for line in reader.lines().map_while(Result::ok) {
        let reply = answers.get(&line).map_or("error unknown-verb not in the script\n", String::as_str);
        let _ = writer.write_all(reply.trim_end_matches(HANG_UP).as_bytes());
        let _ = sender.send((line, writer.try_clone().unwrap()));
        if reply.ends_with(HANG_UP) {
            let _ = writer.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// svc asks who is there when it first connects; later connections begin with a request.
fn answer_probe(reader: &mut BufReader<UnixStream>, writer: &mut UnixStream) -> bool {
    let is_probe = reader.fill_buf().is_ok_and(|bytes| bytes.starts_with(PROBE));
    if is_probe {
        reader.consume(PROBE.len());
        writer.write_all(b" program=visor\nok\nerror bad-request empty line\n").unwrap();
    }
    reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty())
}

fn svc(name: &str, words: &[&str]) -> Command {
    let mut command = Command::new(option_env!("SVC_BIN").unwrap_or(env!("CARGO_BIN_EXE_svc")));
    command.arg0(name).args(words).env_remove("SVC_SOCKET").env_remove("XDG_RUNTIME_DIR");
    command.stdin(Stdio::null());
    command
}

#[track_caller]
fn expect(output: &Output, stdout: &str, code: i32) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code));
}

/// A child with piped stdio, killed when a test fails.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Running {
        Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Reads until the text has come, and nothing else.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let mut got = vec![0; text.len()];
        self.0.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), text);
    }

    /// The rest of its output, and its exit code.
    #[track_caller]
    fn expect_end(mut self, rest: &str, code: i32) {
        drop(self.0.stdin.take());
        let mut got = String::new();
        self.0.stdout.as_mut().unwrap().read_to_string(&mut got).unwrap();
        assert_eq!(got, rest);
        assert_eq!(self.0.wait().unwrap().code(), Some(code));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One line of what a person types, the request that goes out, its answer, the words on the screen and the exit code.
type Case = (&'static str, &'static str, &'static str, &'static str, i32);

#[track_caller]
fn check(cases: &[Case]) {
    for &(typed, request, reply, stdout, code) in cases {
        let fake = Fake::new(&[(request, reply)]);
        let output = fake.run(&typed.split(' ').collect::<Vec<_>>());
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((shown.as_str(), output.status.code()), (stdout, Some(code)), "`{typed}`");
        assert_eq!(fake.request().0, request, "`{typed}`");
    }
}

#[test]
fn actions_on_processes_have_supervisors_words_and_exit_codes() {
    check(&[
        ("start web", "start web", " name=web result=started\nok\n", "web: started\n", 0),
        ("start a all b", "start all", "ok\n", "", 0),
        ("start --no-wait web", "start --no-wait web", " name=web result=started\nok\n", "web: started\n", 0),
        (
            "start a b",
            "start a b",
            " name=a error=spawn-error text=x\n name=b result=started\nerror spawn-error x\n",
            "a: ERROR (spawn error)\nb: started\n",
            7,
        ),
        (
            "start g:*",
            "start g:*",
            " group=g error=bad-name text=x\nerror bad-name x\n",
            "g: ERROR (no such group)\n",
            2,
        ),
        (
            "start a",
            "start a",
            " name=a error=already-started text=\nerror already-started a\n",
            "a: ERROR (already started)\n",
            0,
        ),
        (
            "stop g:*",
            "stop g:*",
            " name=g:b result=stopped\n name=g:a result=stopped\nok\n",
            "g:b: stopped\ng:a: stopped\n",
            0,
        ),
        ("stop a", "stop a", " name=a error=not-running text=\nerror not-running a\n", "a: ERROR (not running)\n", 0),
        (
            "restart a",
            "restart a",
            " name=a error=not-running text=\n name=a result=started\nok\n",
            "a: ERROR (not running)\na: started\n",
            0,
        ),
        ("signal HUP a", "signal HUP a", " name=a result=signalled\nok\n", "a: signalled\n", 0),
        (
            "signal X a b",
            "signal X a b",
            "error bad-signal X\n",
            "a: ERROR (bad signal name)\nb: ERROR (bad signal name)\n",
            1,
        ),
        (
            "signal X a",
            "signal X a",
            " name=a error=bad-signal text=\nerror bad-signal X\n",
            "a: ERROR (bad signal name)\n",
            1,
        ),
        ("clear a", "clear a", " name=a result=cleared\nok\n", "a: cleared\n", 0),
        ("stop a", "stop a", "error not-permitted uid 7 may not stop `a`\n", "error: uid 7 may not stop `a`\n", 1),
        ("pid", "pid", " pid=12\nok\n", "12\n", 0),
        ("pid a", "pid a", " name=a pid=0\nok\n", "0\n", 7),
        ("pid all", "pid all", " name=a pid=0\n name=b pid=5\nok\n", "0\n5\n", 0),
        ("pid x", "pid x", " name=x error=bad-name text=\nerror bad-name x\n", "No such process x\n", 1),
        ("why a", "why a", " name=a state=FATAL text=it%20is%20broken\nok\n", "it is broken\n", 0),
        ("why x", "why x", "error bad-name x\n", "x: ERROR (no such process)\n", 1),
        ("healthy", "ready", "ok\n", "", 0),
        ("healthy a", "ready a", " name=a state=BACKOFF\nerror not-running a\n", "a: BACKOFF\n", 1),
    ]);
}

#[test]
fn actions_on_groups_and_visor_have_supervisors_words_and_exit_codes() {
    check(&[
        (
            "reread",
            "reread",
            " group=z change=removed\n group=b change=changed\n group=a change=added\nok\n",
            "a: available\nb: changed\nz: disappeared\n",
            0,
        ),
        ("reread", "reread", "ok\n", "No config updates to processes\n", 0),
        ("reread", "reread", "error cannot-reread a.conf:3: bad\n", "ERROR: CANT_REREAD: a.conf:3: bad\n", 1),
        (
            "update",
            "update",
            " group=a result=stopped\n group=a result=updated\n group=b result=removed\n group=c result=added\nok\n",
            "a: stopped\na: updated process group\nb: removed process group\nc: added process group\n",
            0,
        ),
        ("update all", "update", "ok\n", "", 0),
        ("update x", "update x", " group=x error=bad-name text=\nerror bad-name x\n", "ERROR: no such group: x\n", 1),
        ("update", "update", "error shutting-down x\n", "ERROR: already shutting down\n", 1),
        (
            "update --dry-run",
            "update --dry-run",
            " group=new change=added\n group=web change=changed\n group=web key=priority effect=live from=1 to=2\n \
             name=web:b change=removed\n name=web:a key=command effect=restart from=%22x%20y%22 to=%22z%22\nok\n",
            "new              added\n\
             web:*  priority  applied live   1 -> 2\n\
             web:b            removed\n\
             web:a  command   needs restart  \"x y\" -> \"z\"\n",
            0,
        ),
        ("update --dry-run all", "update --dry-run", "ok\n", "No config updates to processes\n", 0),
        (
            "update --dry-run x",
            "update --dry-run x",
            " group=x error=bad-name text=\nerror bad-name x\n",
            "ERROR: no such group: x\n",
            1,
        ),
        ("update --dry-run", "update --dry-run", "error cannot-reread a:3: no\n", "error: CANT_REREAD: a:3: no\n", 1),
        ("scale web=3", "scale web 3", " name=web:2 result=added\nok\n", "web:2: added\n", 0),
        (
            "scale x=0",
            "scale x 0",
            " name=x error=bad-name text=no%20such%20program\nerror bad-name x:%20no\n",
            "x: ERROR (no such program)\n",
            1,
        ),
        ("add a", "add a", " group=a result=added\nok\n", "a: added process group\n", 0),
        (
            "add a",
            "add a",
            " group=a error=already-started text=\nerror already-started a\n",
            "ERROR: process group already active\n",
            0,
        ),
        (
            "remove a",
            "remove a",
            " group=a error=failed text=\nerror failed a\n",
            "ERROR: process/group still running: a\n",
            1,
        ),
        (
            "avail",
            "config",
            " name=g:b process=b inuse=no autostart=yes group_priority=5 priority=6\n \
             name=a process=a inuse=yes autostart=no group_priority=999 priority=999\nok\n",
            "a                                in use    manual    999:999\n\
             g:b                              avail     auto      5:6\n",
            0,
        ),
        ("shutdown", "shutdown", "ok\n", "Shut down\n", 0),
        ("shutdown", "shutdown", "error shutting-down x\n", "ERROR: already shutting down\n", 0),
        ("poweroff", "poweroff", "ok\n", "Powering off\n", 0),
        ("reboot", "reboot", "ok\n", "Rebooting\n", 0),
        ("halt", "halt", "error failed not the init of a machine\n", "error: not the init of a machine\n", 1),
        ("reload", "reload", " group=a result=updated\nok\n", "a: updated process group\nRestarted supervisord\n", 0),
        ("version", "hello", " program=visor version=9.8 protocol=1 pid=1\nok\n", "9.8\n", 0),
        ("reopen", "reopen", "ok\n", "Reopened logs\n", 0),
    ]);
}

#[test]
fn logs_are_shown_byte_by_byte() {
    check(&[
        ("tail web", "tail web stdout 1600", " bytes=6\na\nok\nb\nok\n", "a\nok\nb\n", 0),
        ("tail -5 web stderr", "tail web stderr 5", " bytes=0\n\nok\n", "\n", 0),
        ("tail -0 web", "tail web stdout 0", " bytes=1\nx\n bytes=1\ny\nok\n", "xy\n", 0),
        ("tail web", "tail web stdout 1600", "error no-file x\n", "web: ERROR (no log file)\n", 1),
        ("tail web", "tail web stdout 1600", "error bad-name x\n", "web: ERROR (no such process name)\n", 1),
        ("maintail -9", "maintail 9", " bytes=1\nx\nok\n", "x\n", 0),
        ("maintail", "maintail 1600", "error no-file x\n", "supervisord: ERROR (no log file)\n", 1),
        ("tail -f web", "follow web stdout 1024", " bytes=2\nab\n<hang up>", "==> Press Ctrl-C to exit <==\nab", 0),
        (
            "tail -f x",
            "follow x stdout 1024",
            "error bad-name x\n",
            "==> Press Ctrl-C to exit <==\nx: ERROR (no such process name)\n",
            1,
        ),
    ]);
}

#[test]
fn misuse_is_told_with_the_actions_help() {
    let fake = Fake::new(&[]);
    for (typed, first_line, code) in [
        ("start", "Error: start requires a process name", 2),
        ("stop", "Error: stop requires a process name", 1),
        ("restart", "Error: restart requires a process name", 1),
        ("clear", "Error: clear requires a process name", 1),
        ("signal HUP", "Error: signal requires a signal name and a process name", 1),
        ("tail", "Error: too few arguments", 1),
        ("tail a b c d", "Error: too many arguments", 1),
        ("tail a stdin", "Error: bad channel 'stdin'", 1),
        ("tail -x a", "Error: bad argument -x", 1),
        ("tail -f", "Error: tail requires process name", 1),
        ("maintail -x", "Error: bad argument -x", 1),
        ("maintail a b", "Error: too many arguments", 1),
        ("scale", "Error: scale requires a program and a number, as web=5", 1),
        ("scale web", "Error: scale requires a program and a number, as web=5", 1),
        ("scale web=-1", "Error: scale requires a program and a number, as web=5", 1),
        ("scale web=1 =2", "Error: scale requires a program and a number, as web=5", 1),
        ("reread now", "Error: reread accepts no arguments", 1),
        ("version now", "Error: version accepts no arguments", 1),
        ("shutdown now", "Error: shutdown accepts no arguments", 1),
        ("reboot now", "Error: reboot accepts no arguments", 1),
        ("fg", "ERROR: no process name supplied", 1),
        ("fg a b", "ERROR: too many process names supplied", 1),
        ("why", "Error: why requires one process name", 1),
        ("open ftp://x", "ERROR: url must be http:// or unix://", 1),
        ("frob all", "*** Unknown syntax: frob all", 1),
        ("help frob", "*** No help on frob", 0),
        ("add", "", 0),
    ] {
        let output = fake.run(&typed.split(' ').collect::<Vec<_>>());
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(shown.lines().next().unwrap_or_default(), first_line, "`{typed}`");
        assert_eq!(output.status.code(), Some(code), "`{typed}`");
    }
}

const STATUS: &str = " name=web group=web process=web state=RUNNING error=earlier pid=7 start=5 stop=0 now=9 uptime=4 wanted=up \
                      stdout=/l/o description=pid%207,%20uptime%200:00:04\n \
                      name=g:a group=g process=a state=STOPPED pid=0 start=0 stop=0 now=9 wanted=down \
                      description=Not%20started\n";

#[test]
fn status_is_a_table_sorted_by_group_and_exits_3_when_something_is_down() {
    let fake = Fake::new(&[("status", &format!("{STATUS}ok\n"))]);
    let table = "g:a                              STOPPED   Not started\n\
                 web                              RUNNING   pid 7, uptime 0:00:04\n";
    expect(&fake.run(&["status"]), table, 3);
    expect(&fake.run(&["status", "all"]), table, 3);
}

#[test]
fn status_of_names_tells_unknown_ones_first() {
    let up = " name=web group=web process=web state=RUNNING description=d\n";
    let unknown = " name=x error=bad-name text=no\n group=g error=bad-name text=no\n";
    let fake = Fake::new(&[("status web x g:*", &format!("{up}{unknown}ok\n")), ("status web", &format!("{up}ok\n"))]);
    let row = "web                              RUNNING   d\n";
    let errors = "x: ERROR (no such process)\ng: ERROR (no such group)\n";
    expect(&fake.run(&["status", "web", "x", "g:*"]), &format!("{errors}{row}"), 4);
    expect(&fake.run(&["status", "web"]), row, 0);
}

#[test]
fn status_as_json_is_json() {
    let fake = Fake::new(&[("status", &format!("{STATUS}ok\n"))]);
    let output = fake.run(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[1]["pid"], 7);
    assert_eq!(json[1]["description"], "pid 7, uptime 0:00:04");
    assert_eq!(json[0]["name"], "g:a");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn unreachable_visor_is_told_with_socket_reason_and_supervisors_codes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let run = |words: &[&str]| svc("svc", &[&["-s", path.to_str().unwrap()], words].concat()).output().unwrap();
    let url = format!("unix://{}", path.display());
    expect(&run(&["start", "a"]), &format!("{url} no such file\n"), 7);
    expect(&run(&["status"]), &format!("{url} no such file\n"), 4);
    expect(&run(&["shutdown"]), &format!("ERROR: {url} no such file (already shut down?)\n"), 1);
    expect(&run(&["avail"]), &format!("error: {url} no such file\n"), 1);
    let hint = String::from_utf8(run(&["status"]).stderr).unwrap();
    assert!(hint.contains(path.to_str().unwrap()) && hint.contains("$SVC_SOCKET"), "{hint}");

    drop(UnixListener::bind(&path).unwrap());
    expect(&run(&["start"]), &format!("{url} refused connection\n"), 4);
    expect(&run(&["status"]), &format!("{url} refused connection\n"), 4);
    expect(&run(&["shutdown"]), &format!("ERROR: {url} refused connection (already shut down?)\n"), 1);
}

#[test]
fn socket_comes_from_the_variable_when_no_option_names_one() {
    let fake = Fake::new(&[("pid", " pid=12\nok\n")]);
    expect(&svc("svc", &["pid"]).env("SVC_SOCKET", fake.path()).output().unwrap(), "12\n", 0);
    let url = format!("unix://{}", fake.path().display());
    expect(&svc("svc", &["pid"]).env("SVC_SOCKET", url).output().unwrap(), "12\n", 0);
}

#[test]
fn supervisorctl_takes_its_own_flags_and_leaves_hints_out() {
    let fake = Fake::new(&[("pid", " pid=12\nok\n")]);
    let url = format!("unix://{}", fake.path().display());
    let run = |words: &[&str]| svc("/usr/bin/supervisorctl", words).output().unwrap();
    expect(&run(&["-s", &url, "-u", "me", "-psecret", "pid"]), "12\n", 0);
    let missing = run(&["-s", "unix:///no/such/socket", "pid"]);
    expect(&missing, "unix:///no/such/socket no such file\n", 7);
    assert_eq!(missing.stderr, b"");
    assert_eq!(run(&["-Z"]).status.code(), Some(2));
}

#[test]
fn supervisorctl_finds_socket_and_prompt_in_the_configuration() {
    let fake = Fake::new(&[("status", "ok\n")]);
    let file = fake.folder.path().join("c.conf");
    let url = format!("unix://{}", fake.path().display());
    std::fs::write(&file, format!("[supervisorctl]\nserverurl={url}\nprompt=mine\n")).unwrap();
    let run = || svc("supervisorctl", &["-c", file.to_str().unwrap()]).output().unwrap();
    expect(&run(), "mine> \n", 0);
    std::fs::write(&file, "[supervisord]\n").unwrap();
    let output = run();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("Error: .ini file does not include supervisorctl section\n"), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn broken_replies_are_told_and_fail() {
    for reply in [" name=a result=stopped\n<hang up>", "HTTP/1.1 501 Not Implemented\r\n", "<hang up>"] {
        let fake = Fake::new(&[("stop a", reply)]);
        let output = fake.run(&["stop", "a"]);
        assert_eq!(output.status.code(), Some(1), "{reply}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("error: unix://"), "{reply}");
    }
}

#[test]
fn result_is_shown_as_it_comes() {
    let fake = Fake::new(&[("start all", " name=a result=started\n")]);
    let mut svc = Running::start(fake.command(&["start", "all"]));
    svc.expect("a: started\n");
    let mut peer = fake.wait_for("start all");
    peer.write_all(b" name=b result=started\nok\n").unwrap();
    svc.expect_end("b: started\n", 0);
}

#[test]
fn following_ends_well_with_ctrl_c() {
    let fake = Fake::new(&[("follow web stdout 1024", " bytes=3\nold\n")]);
    let mut svc = Running::start(fake.command(&["tail", "-f", "web"]));
    svc.expect("==> Press Ctrl-C to exit <==\nold");
    let mut peer = fake.wait_for("follow web stdout 1024");
    peer.write_all(b" bytes=3\nnew\n").unwrap();
    svc.expect("new");
    svc.interrupt();
    svc.expect_end("\n", 0);
}

#[test]
fn wait_looks_again_when_something_happens() {
    let fake = Fake::new(&[("watch web", ""), ("status web", "")]);
    let svc = Running::start(fake.command(&["wait", "web", "--timeout", "1h"]));
    let mut watcher = fake.wait_for("watch web");
    fake.wait_for("status web").write_all(b" name=web state=STARTING\nok\n").unwrap();
    watcher.write_all(b" event=PROCESS_STATE_RUNNING name=web from=STARTING pid=1 time=1\n").unwrap();
    fake.wait_for("status web").write_all(b" name=web state=RUNNING\nok\n").unwrap();
    svc.expect_end("web: ready\n", 0);
}

#[test]
fn wait_for_health_looks_again_when_that_changes() {
    let fake = Fake::new(&[("watch web", ""), ("status web", "")]);
    let svc = Running::start(fake.command(&["wait", "--for=healthy", "web"]));
    let mut watcher = fake.wait_for("watch web");
    for health in ["unknown", "unhealthy"] {
        let line = format!(" name=web state=RUNNING health={health}\nok\n");
        fake.wait_for("status web").write_all(line.as_bytes()).unwrap();
        watcher.write_all(b" event=PROCESS_HEALTH_HEALTHY name=web pid=1 time=1\n").unwrap();
    }
    fake.wait_for("status web").write_all(b" name=web state=RUNNING health=healthy\nok\n").unwrap();
    svc.expect_end("web: healthy\n", 0);
}

#[test]
fn wait_fails_when_visor_goes_or_the_person_does() {
    let fake = Fake::new(&[("watch web", ""), ("status web", " name=web state=STARTING\nok\n")]);
    let svc = Running::start(fake.command(&["wait", "web"]));
    let watcher = fake.wait_for("watch web");
    fake.wait_for("status web");
    watcher.shutdown(std::net::Shutdown::Both).unwrap();
    let text =
        format!("error: unix://{}: the connection was closed before the answer was complete\n", fake.path().display());
    svc.expect_end(&text, 1);
    let svc = Running::start(fake.command(&["wait", "web"]));
    let _watcher = fake.wait_for("watch web");
    fake.wait_for("status web");
    svc.interrupt();
    svc.expect_end("", 1);
}

#[test]
fn rolling_stops_when_the_person_or_visor_goes() {
    let answers = [("status a:*", " name=a:1 state=RUNNING\n name=a:2 state=RUNNING\nok\n"), ("restart a:1", "")];
    let fake = Fake::new(&answers);
    let mut svc = Running::start(fake.command(&["rolling", "a:*"]));
    let mut restart = fake.wait_for("restart a:1");
    restart.write_all(b" name=a:1 result=stopped\n").unwrap();
    svc.expect("a:1: stopped\n");
    svc.interrupt();
    svc.expect_end("not restarted: a:2\n", 1);
    let mut svc = Running::start(fake.command(&["rolling", "a:*"]));
    let mut restart = fake.wait_for("restart a:1");
    restart.write_all(b" name=a:1 result=stopped\n").unwrap();
    svc.expect("a:1: stopped\n");
    restart.write_all(b"error shutting-down visor is going down\n").unwrap();
    svc.expect_end("error: visor is going down\nnot restarted: a:2\n", 1);
}

#[test]
fn top_is_of_this_machine() {
    let output = svc("svc", &["-s", "http://nowhere.invalid:9", "top", "--once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let fake = Fake::new(&[(
        "status",
        " name=gone state=RUNNING pid=4194304 start=1 now=2\n name=x state=STOPPED pid=0\nok\n",
    )]);
    let screen = String::from_utf8(fake.run(&["top"]).stdout).unwrap();
    assert_eq!(screen.lines().next(), Some("0 running, 1 not; 0.0 % CPU, 0.0 KiB"), "{screen}");
}

#[test]
fn watch_shows_each_event_as_it_comes() {
    let fake = Fake::new(&[("watch web", "")]);
    let mut svc = Running::start(fake.command(&["watch", "web"]));
    let mut peer = fake.wait_for("watch web");
    peer.write_all(b" event=PROCESS_STATE_BACKOFF name=web from=STARTING pid=0 time=0\n").unwrap();
    svc.expect("1970-01-01T00:00:00Z web: STARTING -> BACKOFF\n");
    peer.write_all(b" missed=2\n").unwrap();
    svc.expect("(2 events missed: the reader was too slow)\n");
    svc.interrupt();
    svc.expect_end("", 0);
}

#[test]
fn reader_that_leaves_ends_svc() {
    let fake = Fake::new(&[("watch", "")]);
    let mut svc = Running::start(fake.command(&["watch"]));
    let mut peer = fake.wait_for("watch");
    drop(svc.0.stdout.take());
    // A program that another test starts just now may hold a copy of the pipe for a moment: one line might still find a reader.
    while svc.0.try_wait().unwrap().is_none() && peer.write_all(b" missed=1\n").is_ok() {}
    assert_eq!(svc.0.wait().unwrap().code(), Some(0));
}

#[test]
fn logs_of_several_are_told_apart_by_their_names() {
    let status = " name=web group=web process=web state=RUNNING stdout=/o stderr=/e\n \
                  name=g:db group=g process=db state=RUNNING stdout=/o\n \
                  name=mute group=mute process=mute state=RUNNING\nok\n";
    let fake = Fake::new(&[
        ("status", status),
        ("follow web stdout 1024", " bytes=4\none\n\n"),
        ("follow web stderr 1024", "error no-file x\n"),
        ("follow g:db stdout 1024", ""),
        ("tail web stdout 1600", " bytes=3\na\nb\nok\n"),
        ("tail web stderr 1600", "error no-file x\n"),
        ("tail g:db stdout 1600", " bytes=2\nc\n\nok\n"),
    ]);
    expect(&fake.run(&["logs"]), "web  | a\nweb  | b\ng:db | c\n", 0);

    let mut svc = Running::start(fake.command(&["logs", "-f"]));
    svc.expect("web  | one\n");
    let mut peer = fake.wait_for("follow g:db stdout 1024");
    peer.write_all(b" bytes=6\ntwo\nth\n bytes=3\nree\n").unwrap();
    svc.expect("g:db | two\n");
    svc.interrupt();
    svc.expect_end("g:db | three\n", 0);
}

#[test]
fn foreground_shows_both_outputs_sends_lines_and_ends_with_the_process() {
    let running = " name=cat group=cat process=cat state=RUNNING\nok\n";
    let fake = Fake::new(&[
        ("status cat", running),
        ("follow cat stdout 1024", " bytes=3\nout\n"),
        ("follow cat stderr 1024", "error no-file x\n"),
        ("send cat hello%20you%0A", "ok\n"),
        ("watch cat", ""),
    ]);
    let mut svc = Running::start(fake.command(&["fg", "cat"]));
    let mut watcher = fake.wait_for("watch cat");
    svc.expect("==> Press Ctrl-C to exit <==\nout");
    svc.0.stdin.as_mut().unwrap().write_all(b"hello you\n").unwrap();
    fake.wait_for("send cat hello%20you%0A");
    watcher.write_all(b" event=PROCESS_STATE_EXITED name=cat from=RUNNING pid=1 time=1\n").unwrap();
    svc.expect("Process got killed\nExiting foreground\n");
    svc.expect_end("", 0);
}

#[test]
fn foreground_is_left_with_ctrl_c_or_at_the_end_of_input() {
    let answers = [
        ("status cat", " name=cat state=RUNNING\nok\n"),
        ("follow cat stdout 1024", ""),
        ("follow cat stderr 1024", ""),
        ("watch cat", ""),
    ];
    let fake = Fake::new(&answers);
    let mut svc = Running::start(fake.command(&["fg", "cat"]));
    fake.wait_for("follow cat stderr 1024");
    svc.expect("==> Press Ctrl-C to exit <==\n");
    svc.expect_end("Exiting foreground\n", 0);

    let fake = Fake::new(&answers);
    let mut svc = Running::start(fake.command(&["fg", "cat"]));
    let mut output = fake.wait_for("follow cat stderr 1024");
    output.write_all(b" bytes=1\nx\n").unwrap();
    svc.expect("==> Press Ctrl-C to exit <==\nx");
    svc.interrupt();
    svc.expect("Exiting foreground\n");
    svc.expect_end("", 0);

    let output = Fake::new(&[("status x", " name=x error=bad-name text=\nok\n"), ("watch x", "")]).run(&["fg", "x"]);
    expect(&output, "ERROR: bad process name supplied\n", 1);
    let output = Fake::new(&[("status x", " name=x state=EXITED\nok\n"), ("watch x", "")]).run(&["fg", "x"]);
    expect(&output, "ERROR: process not running\n", 1);
}

#[test]
fn prompt_shows_status_asks_before_shutdown_and_always_leaves_well() {
    let fake = Fake::new(&[
        ("status", " name=web group=web process=web state=STOPPED description=Not%20started\nok\n"),
        ("stop web", " name=web error=not-running text=\nerror not-running web\n"),
        ("shutdown", "ok\n"),
    ]);
    let mut svc = Running::start(fake.command(&[]));
    let typed = b"\nstop web\nshutdown\nn\nfrob\nshutdown\nYes\nquit\n";
    svc.0.stdin.as_mut().unwrap().write_all(typed).unwrap();
    svc.expect_end(
        "web                              STOPPED   Not started\n\
         supervisor> supervisor> web: ERROR (not running)\n\
         supervisor> Really shut the remote supervisord process down y/N? \
         supervisor> *** Unknown syntax: frob\n\
         supervisor> Really shut the remote supervisord process down y/N? Shut down\n\
         supervisor> \n",
        0,
    );
}

#[test]
fn end_of_input_leaves_the_prompt() {
    let fake = Fake::new(&[("status", "ok\n")]);
    expect(&fake.run(&[]), "supervisor> \n", 0);
}
