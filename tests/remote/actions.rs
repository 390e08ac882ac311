//! Every action against a supervisord, over both kinds of sockets: the calls that go out, the words on the screen, the exit codes.

use std::io::Read as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use visor::http::xml::Value;

use super::fake::{Answer, Fake, info, item, record, text};

fn value(value: Value) -> Answer {
    Answer::Value(value)
}

fn yes() -> Answer {
    value(Value::Bool(true))
}

fn list(items: Vec<Value>) -> Answer {
    value(Value::Array(items))
}

fn names(groups: &[&str]) -> Value {
    Value::Array(groups.iter().map(|group| text(group)).collect())
}

/// Two groups, a process that runs and two that do not.
fn processes() -> Answer {
    let log = |path| [("stdout_logfile", text(path)), ("description", text("d"))];
    list(vec![
        info("g", "a", "STOPPED", 0, &log("/l/a")),
        info("g", "b", "FATAL", 0, &[("spawnerr", text("can't find command 'b'"))]),
        info("web", "web", "RUNNING", 7, &log("/l/web")),
    ])
}

/// What a person types, what the server answers, what it is asked, the screen and the exit code.
type Case = (&'static str, Vec<(&'static str, Answer)>, &'static [&'static str], &'static str, i32);

#[track_caller]
fn check(cases: Vec<Case>) {
    for (typed, answers, calls, stdout, code) in cases {
        let words: Vec<&str> = typed.split(' ').collect();
        let named: Vec<(String, Answer)> =
            answers.into_iter().map(|(method, answer)| (format!("supervisor.{method}"), answer)).collect();
        let answers: Vec<(&str, Answer)> =
            named.iter().map(|(method, answer)| (method.as_str(), answer.clone())).collect();
        for fake in [Fake::inet(&answers), Fake::unix(&answers)] {
            let output = fake.run(&words);
            let shown = String::from_utf8_lossy(&output.stdout);
            assert_eq!((&*shown, output.status.code()), (stdout, Some(code)), "`{typed}` at {}", fake.url);
            assert_eq!(fake.calls(), calls, "`{typed}` at {}", fake.url);
        }
    }
}

#[test]
fn processes_are_started_stopped_and_signalled_by_name_group_and_all() {
    let two = || list(vec![item("g", "a", 80, "OK"), item("g", "b", 50, "SPAWN_ERROR: g:b")]);
    check(vec![
        ("start web", vec![("startProcess", yes())], &["startProcess(web,true)"], "web: started\n", 0),
        ("start web:web", vec![("startProcess", yes())], &["startProcess(web,true)"], "web: started\n", 0),
        ("start --no-wait web", vec![("startProcess", yes())], &["startProcess(web,false)"], "web: started\n", 0),
        (
            "start g:*",
            vec![("startProcessGroup", two())],
            &["startProcessGroup(g,true)"],
            "g:a: started\ng:b: ERROR (spawn error)\n",
            7,
        ),
        (
            "start x g:*",
            vec![
                ("startProcess", Answer::Fault(10, "BAD_NAME: x")),
                ("startProcessGroup", Answer::Fault(10, "BAD_NAME: g")),
            ],
            &["startProcess(x,true)", "startProcessGroup(g,true)"],
            "x: ERROR (no such process)\ng: ERROR (no such group)\n",
            2,
        ),
        ("start all", vec![("startAllProcesses", list(vec![]))], &["startAllProcesses(true)"], "", 0),
        (
            "start web",
            vec![("startProcess", Answer::Fault(20, "NO_FILE: no"))],
            &["startProcess(web,true)"],
            "web: ERROR (no such file)\n",
            1,
        ),
        (
            "start web",
            vec![("startProcess", Answer::Fault(21, "NOT_EXECUTABLE: no"))],
            &["startProcess(web,true)"],
            "web: ERROR (file is not executable)\n",
            1,
        ),
        (
            "start web",
            vec![("startProcess", Answer::Fault(40, "ABNORMAL_TERMINATION: web"))],
            &["startProcess(web,true)"],
            "web: ERROR (abnormal termination)\n",
            7,
        ),
        (
            "start web",
            vec![("startProcess", Answer::Fault(60, "ALREADY_STARTED: web"))],
            &["startProcess(web,true)"],
            "web: ERROR (already started)\n",
            0,
        ),
        (
            "stop web",
            vec![("stopProcess", Answer::Fault(70, "NOT_RUNNING: web"))],
            &["stopProcess(web,true)"],
            "web: ERROR (not running)\n",
            0,
        ),
        (
            "stop web",
            vec![("stopProcess", Answer::Fault(30, "FAILED: it is stuck"))],
            &["stopProcess(web,true)"],
            "web: ERROR (it is stuck)\n",
            1,
        ),
        (
            "stop g:*",
            vec![("stopProcessGroup", list(vec![item("g", "a", 80, "OK")]))],
            &["stopProcessGroup(g,true)"],
            "g:a: stopped\n",
            0,
        ),
        (
            "restart web",
            vec![("stopProcess", Answer::Fault(70, "NOT_RUNNING: web")), ("startProcess", yes())],
            &["stopProcess(web,true)", "startProcess(web,true)"],
            "web: ERROR (not running)\nweb: started\n",
            0,
        ),
        ("signal HUP web", vec![("signalProcess", yes())], &["signalProcess(web,HUP)"], "web: signalled\n", 0),
        (
            "signal X web",
            vec![("signalProcess", Answer::Fault(11, "BAD_SIGNAL: X"))],
            &["signalProcess(web,X)"],
            "web: ERROR (bad signal name)\n",
            1,
        ),
        (
            "signal HUP g:*",
            vec![("signalProcessGroup", list(vec![item("g", "a", 80, "OK")]))],
            &["signalProcessGroup(g,HUP)"],
            "g:a: signalled\n",
            0,
        ),
        ("clear web", vec![("clearProcessLogs", yes())], &["clearProcessLogs(web)"], "web: cleared\n", 0),
        (
            "clear g:*",
            vec![("getAllProcessInfo", processes()), ("clearProcessLogs", yes())],
            &["getAllProcessInfo()", "clearProcessLogs(g:a)", "clearProcessLogs(g:b)"],
            "g:a: cleared\ng:b: cleared\n",
            0,
        ),
        (
            "stop web",
            vec![("stopProcess", Answer::Fault(6, "SHUTDOWN_STATE"))],
            &["stopProcess(web,true)"],
            "error: supervisord is shutting down\n",
            1,
        ),
    ]);
}

#[test]
fn state_of_processes_is_told() {
    let with = |more: Vec<(&'static str, Answer)>| [vec![("getAllProcessInfo", processes())], more].concat();
    check(vec![
        (
            "status",
            with(vec![]),
            &["getAllProcessInfo()"],
            "g:a                              STOPPED   d\n\
             g:b                              FATAL     \n\
             web                              RUNNING   d\n",
            3,
        ),
        (
            "status web x y:*",
            with(vec![]),
            &["getAllProcessInfo()"],
            "x: ERROR (no such process)\ny: ERROR (no such group)\nweb                              RUNNING   d\n",
            4,
        ),
        ("pid", vec![("getPID", value(Value::Int(12)))], &["getPID()"], "12\n", 0),
        ("pid web g:a", with(vec![]), &["getAllProcessInfo()"], "7\n0\n", 7),
        ("pid x", with(vec![]), &["getAllProcessInfo()"], "No such process x\n", 1),
        ("healthy", with(vec![]), &["getAllProcessInfo()"], "g:b: FATAL\n", 1),
        ("healthy web", with(vec![]), &["getAllProcessInfo()"], "", 0),
        (
            "why g:b",
            vec![("getProcessInfo", value(info("g", "b", "FATAL", 0, &[("spawnerr", text("it is broken"))])))],
            &["getProcessInfo(g:b)"],
            "g:b is FATAL: it could not be started, and no more tries are made (it is broken)\n",
            0,
        ),
        (
            "why x",
            vec![("getProcessInfo", Answer::Fault(10, "BAD_NAME: x"))],
            &["getProcessInfo(x)"],
            "x: ERROR (no such process)\n",
            1,
        ),
        (
            "version",
            vec![("getSupervisorVersion", value(text("4.3.0"))), ("getPID", value(Value::Int(1)))],
            &["getSupervisorVersion()", "getPID()"],
            "4.3.0\n",
            0,
        ),
    ]);
}

#[test]
fn configuration_and_daemon_are_ruled() {
    let differ = || list(vec![Value::Array(vec![names(&["new"]), names(&["other"]), names(&["gone"])])]);
    let stopped = || list(vec![item("gone", "gone", 80, "OK")]);
    check(vec![
        (
            "reread",
            vec![("reloadConfig", differ())],
            &["reloadConfig()"],
            "gone: disappeared\nnew: available\nother: changed\n",
            0,
        ),
        (
            "reread",
            vec![("reloadConfig", Answer::Fault(92, "CANT_REREAD: no `x`"))],
            &["reloadConfig()"],
            "ERROR: CANT_REREAD: no `x`\n",
            1,
        ),
        (
            "update",
            vec![
                ("reloadConfig", differ()),
                ("stopProcessGroup", stopped()),
                ("removeProcessGroup", yes()),
                ("addProcessGroup", yes()),
            ],
            &[
                "reloadConfig()",
                "stopProcessGroup(gone,true)",
                "removeProcessGroup(gone)",
                "stopProcessGroup(other,true)",
                "removeProcessGroup(other)",
                "addProcessGroup(other)",
                "addProcessGroup(new)",
            ],
            "gone: stopped\ngone: removed process group\nother: stopped\nother: updated process group\n\
             new: added process group\n",
            0,
        ),
        (
            "update new nowhere",
            vec![("reloadConfig", differ()), ("getAllProcessInfo", processes()), ("addProcessGroup", yes())],
            &["reloadConfig()", "getAllProcessInfo()", "addProcessGroup(new)"],
            "ERROR: no such group: nowhere\nnew: added process group\n",
            1,
        ),
        (
            "update gone",
            vec![
                ("reloadConfig", differ()),
                ("getAllProcessInfo", list(vec![info("gone", "gone", "RUNNING", 5, &[])])),
                ("stopProcessGroup", list(vec![item("gone", "gone", 30, "FAILED: stuck")])),
            ],
            &["reloadConfig()", "getAllProcessInfo()", "stopProcessGroup(gone,true)"],
            "gone: stopped\ngone: has problems; not removing\n",
            1,
        ),
        ("add g", vec![("addProcessGroup", yes())], &["addProcessGroup(g)"], "g: added process group\n", 0),
        (
            "add g",
            vec![("addProcessGroup", Answer::Fault(90, "ALREADY_ADDED: g"))],
            &["addProcessGroup(g)"],
            "ERROR: process group already active\n",
            0,
        ),
        ("remove g", vec![("removeProcessGroup", yes())], &["removeProcessGroup(g)"], "g: removed process group\n", 0),
        (
            "remove g",
            vec![("removeProcessGroup", Answer::Fault(91, "STILL_RUNNING: g"))],
            &["removeProcessGroup(g)"],
            "ERROR: process/group still running: g\n",
            1,
        ),
        (
            "avail",
            vec![(
                "getAllConfigInfo",
                list(vec![record(&[
                    ("name", text("a")),
                    ("group", text("g")),
                    ("inuse", Value::Bool(false)),
                    ("autostart", Value::Bool(true)),
                    ("group_prio", Value::Int(5)),
                    ("process_prio", Value::Int(6)),
                    ("directory", text("none")),
                ])]),
            )],
            &["getAllConfigInfo()"],
            "g:a                              avail     auto      5:6\n",
            0,
        ),
        ("reload", vec![("restart", yes())], &["restart()"], "Restarted supervisord\n", 0),
        ("shutdown", vec![("shutdown", yes())], &["shutdown()"], "Shut down\n", 0),
        (
            "shutdown",
            vec![("shutdown", Answer::Fault(6, "SHUTDOWN_STATE"))],
            &["shutdown()"],
            "ERROR: already shutting down\n",
            0,
        ),
        ("event t some words", vec![("sendRemoteCommEvent", yes())], &["sendRemoteCommEvent(t,some words)"], "", 0),
        (
            "reopen",
            vec![("getPID", value(Value::Int(12)))],
            &["getPID()"],
            "error: a supervisord opens its logs anew on a signal only: `kill -USR2 12` on its machine\n",
            1,
        ),
        (
            "reboot",
            vec![],
            &[],
            "error: `reboot` is for a visor that is the init of a machine; this is a supervisord\n",
            1,
        ),
        (
            "watch --type TICK_5",
            vec![],
            &[],
            "error: a supervisord tells `TICK_5` to its own listeners only; PROCESS_STATE can be watched from here\n",
            1,
        ),
    ]);
}

#[test]
fn logs_are_shown_and_a_cut_character_costs_a_byte_and_not_the_log() {
    check(vec![
        (
            "tail web",
            vec![("readProcessStdoutLog", value(text("a\nb\n")))],
            &["readProcessStdoutLog(web,-1600,0)"],
            "a\nb\n\n",
            0,
        ),
        (
            "tail -0 web stderr",
            vec![("readProcessStderrLog", value(text("x")))],
            &["readProcessStderrLog(web,0,0)"],
            "x\n",
            0,
        ),
        ("maintail -5", vec![("readLog", value(text("x")))], &["readLog(-5,0)"], "x\n", 0),
        (
            "tail web",
            vec![("readProcessStdoutLog", Answer::Fault(20, "NO_FILE"))],
            &["readProcessStdoutLog(web,-1600,0)"],
            "web: ERROR (no log file)\n",
            1,
        ),
        (
            "tail -9 web",
            vec![("readProcessStdoutLog", Answer::Raw(super::fake::response("500 Internal Server Error", b"")))],
            &[
                "readProcessStdoutLog(web,-9,0)",
                "readProcessStdoutLog(web,-8,0)",
                "readProcessStdoutLog(web,-7,0)",
                "readProcessStdoutLog(web,-6,0)",
            ],
            "web: ERROR (unknown error reading log)\n",
            1,
        ),
    ]);
}

#[test]
fn colours_in_a_log_arrive_although_they_are_no_xml() {
    let body = b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><string>\x1b[31mred\x1b[0m\r\n</string></value>\n\
                 </param>\n</params>\n</methodResponse>\n";
    let fake = Fake::inet(&[("supervisor.readProcessStdoutLog", Answer::Raw(super::fake::response("200 OK", body)))]);
    assert_eq!(fake.run(&["tail", "web"]).stdout, b"\x1b[31mred\x1b[0m\r\n\n");
}

#[test]
fn following_shows_what_comes_until_ctrl_c() {
    let known = info("web", "web", "RUNNING", 7, &[("stdout_logfile", text("/l/web"))]);
    let fake = Fake::unix(&[
        ("supervisor.getProcessInfo", value(known)),
        ("GET /logtail/g%3Aa%C3%A9/stdout", Answer::Stream(vec!["old\n", "new\n"])),
        ("GET /mainlogtail", Answer::Stream(vec!["main\n"])),
    ]);
    for (words, expected) in [
        (&["tail", "-f", "g:aé"][..], "==> Press Ctrl-C to exit <==\nold\nnew\n"),
        (&["maintail", "-f"][..], "==> Press Ctrl-C to exit <==\nmain\n"),
    ] {
        let mut child = fake.command(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut got = vec![0; expected.len()];
        child.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), expected);
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
        let mut rest = String::new();
        child.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("\n", Some(0)));
    }
    let output = fake.run(&["tail", "-f", "g:aé", "stderr"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(shown, "==> Press Ctrl-C to exit <==\ng:aé: ERROR (no log file)\n");
}

#[test]
fn typed_lines_go_to_the_process_in_the_foreground() {
    let known =
        info("cat", "cat", "RUNNING", 7, &[("stdout_logfile", text("/l/cat")), ("stderr_logfile", text("/l/e"))]);
    let fake = Fake::inet(&[
        ("supervisor.getAllProcessInfo", list(vec![known.clone()])),
        ("supervisor.getProcessInfo", value(known)),
        ("supervisor.sendProcessStdin", Answer::Fault(70, "NOT_RUNNING: cat")),
        ("GET /logtail/cat/stdout", Answer::Stream(vec!["out\n"])),
        ("GET /logtail/cat/stderr", Answer::Stream(vec![])),
    ]);
    let mut child = fake.command(&["fg", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut got = vec![0; "==> Press Ctrl-C to exit <==\nout\n".len()];
    child.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"hello you\n").unwrap();
    let mut rest = String::new();
    child.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "Process got killed\nExiting foreground\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(fake.calls().contains(&"sendProcessStdin(cat,hello you\n)".to_owned()));
}

#[test]
fn prompt_talks_to_a_foreign_server_too() {
    let fake = Fake::unix(&[("supervisor.getAllProcessInfo", processes()), ("supervisor.stopProcess", yes())]);
    let mut child = fake.command(&[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"stop web\nstatus web\nquit\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = "web                              RUNNING   d\n";
    assert!(shown.ends_with(&format!("supervisor> web: stopped\nsupervisor> {row}supervisor> \n")), "{shown}");
    assert_eq!(output.status.code(), Some(0));
}
