//! What a start of the daemon does by itself: autostart, spawn errors, set-up of children, log files.

use nix::sys::signal::Signal;

use super::case::{Case, Scene, Step};
use super::compare::compare;

/// A program that does its work and ends; what follows happens after that.
fn once(name: &'static str, title: &'static str, options: &str) -> Case {
    Case::new(title)
        .program(name, &format!("{options}\nstartsecs=0\nautorestart=false"))
        .until(Box::leak(format!("exited: {name} ").into_boxed_str()))
        .except(
            "> than 0 seconds",
            "the original tells of a process's success when it sees it alive before it sees it dead",
        )
}

#[test]
fn autostart() {
    let quick = "startsecs=3\nstartretries=0\n";
    let scene = Scene {
        supervisord: "environment=GLOBAL=\"from the daemon\",BOTH=daemon",
        cases: vec![
            Case::new("autostart by default").program("auto", "command=sleep 1000").until("success: auto ").ctl("status auto"),
            Case::new("autostart=false").program("manual", "command=sleep 1000\nautostart=false").ctl("status manual"),
            Case::new("missing command, one retry")
                .program("lost", "command=/nonexistent/lost\nstartretries=1")
                .until("gave up: lost ")
                .ctl("status lost"),
            Case::new("command not in PATH")
                .program("lostpath", "command=lostpath\nstartretries=0")
                .until("gave up: lostpath ")
                .ctl("status lostpath"),
            Case::new("not executable")
                .given("text", 0o644, "text")
                .program("text", "command=$DIR/text\nstartretries=0")
                .until("gave up: text ")
                .ctl("status text"),
            Case::new("a directory")
                .program("folder", "command=$DIR\nstartretries=0")
                .until("gave up: folder ")
                .ctl("status folder"),
            Case::new("an empty command")
                .program("empty", "command=\nstartretries=0")
                .until("gave up: empty ")
                .ctl("status empty"),
            Case::new("a command whose quotes do not close")
                .program("quotes", "command=quotes \"1000\nstartretries=0")
                .until("gave up: quotes ")
                .ctl("status quotes"),
            Case::new("directory that does not exist")
                .program("nochdir", &format!("command=sleep 1000\ndirectory=/nonexistent\n{quick}stderr_logfile=$DIR/nochdir.err"))
                .until("gave up: nochdir ")
                .file("nochdir.err"),
            Case::new("log file that cannot be opened")
                .program("nolog", "command=sleep 1000\nstdout_logfile=$DIR\nstartsecs=0\nstartretries=0")
                .until("nolog entered")
                .intended(
                    "log of nolog",
                    &[
                        "INFO spawned: 'nolog' with pid N",
                        "INFO success: nolog entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)",
                    ],
                    "a program runs without its log rather than not at all; a warning tells why",
                ),
            Case::new("numprocs with process_name")
                .section("[program:many]\ncommand=sleep 1000\nnumprocs=3\nnumprocs_start=1\nprocess_name=m_%(process_num)02d")
                .process("m_01")
                .process("m_02")
                .process("m_03")
                .until("success: m_03 ")
                .ctl("status many:*")
                .ctl("status many:m_02"),
            Case::new("a group of programs")
                .section("[program:left]\ncommand=sleep 1000\n[program:right]\ncommand=sleep 1000\n[group:pair]\nprograms=right,left")
                .process("left")
                .process("right")
                .until("success: left ")
                .until("success: right ")
                .ctl("status pair:*")
                .ctl("status left"),
            once(
                "environ",
                "the environment a child sees",
                "command=sh -c \"env | sort | grep -v -e ^PWD= -e ^OLDPWD= -e ^_= -e ^SHLVL=\"\n\
                 environment=OWN=\"a, b\",BOTH=program,NUMBER=%(process_num)d\nstdout_logfile=$DIR/environ.out",
            )
            .file("environ.out"),
            once(
                "expand",
                "expansions in a command",
                "command=echo %(program_name)s %(group_name)s %(process_num)03d %(here)s %(ENV_GLOBAL)s %(ENV_TZ)s 100%%\n\
                 stdout_logfile=$DIR/%(program_name)s.out",
            )
            .file("expand.out"),
            once("mask", "umask", "command=sh -c umask\numask=027\nstdout_logfile=$DIR/mask.out").file("mask.out"),
            once("pwd", "directory", "command=pwd -P\ndirectory=/usr/lib\nstdout_logfile=$DIR/pwd.out").file("pwd.out"),
            once(
                "words",
                "quotes and backslashes in a command",
                "command=printf '<%%s>' \"a b\" 'c \"d' e\\ f \"g\\\"h\" \"\" i\"j\"k\nstdout_logfile=$DIR/words.out",
            )
            .file("words.out"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn output() {
    const BOTH_STREAMS: &str = "command=sh -c \"echo out; echo err >&2\"";
    let lines = |count: usize| {
        let words = (1..=count).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        format!("command=sh -c \"for i in {words}; do echo line-$i-0123456789; sleep 0.15; done\"")
    };
    let scene = Scene {
        cases: vec![
            once(
                "two",
                "both streams to files of their own",
                &format!("{BOTH_STREAMS}\nstdout_logfile=$DIR/two.out\nstderr_logfile=$DIR/two.err"),
            )
            .file("two.out")
            .file("two.err"),
            once(
                "merged",
                "redirect_stderr",
                &format!("{BOTH_STREAMS}\nredirect_stderr=true\nstdout_logfile=$DIR/merged.out"),
            )
            .file("merged.out")
            .ctl("tail merged stderr"),
            once(
                "both",
                "redirect_stderr with a stderr log file: a warning, no file",
                &format!("{BOTH_STREAMS}\nredirect_stderr=true\nstdout_logfile=$DIR/both.out\nstderr_logfile=$DIR/both.err"),
            )
            .file("both.out")
            .file("both.err"),
            once("none", "no log file, no tail", "command=echo lost\nstdout_logfile=NONE\nstderr_logfile=none").ctl("tail none"),
            once("append", "an existing log is appended to", "command=echo after\nstdout_logfile=$DIR/append.out")
                .given("append.out", 0o644, "before\n")
                .file("append.out"),
            once(
                "rotate",
                "rotation with two backups, write by write",
                &format!("{}\nstdout_logfile=$DIR/rotate.out\nstdout_logfile_maxbytes=32\nstdout_logfile_backups=2", lines(7)),
            )
            .file("rotate.out")
            .file("rotate.out.1")
            .file("rotate.out.2")
            .file("rotate.out.3"),
            once(
                "trunc",
                "rotation without backups truncates",
                &format!("{}\nstdout_logfile=$DIR/trunc.out\nstdout_logfile_maxbytes=32\nstdout_logfile_backups=0", lines(3)),
            )
            .file("trunc.out")
            .file("trunc.out.1"),
            once(
                "full",
                "the size of an existing log counts",
                "command=echo more\nstdout_logfile=$DIR/full.out\nstdout_logfile_maxbytes=32\nstdout_logfile_backups=1",
            )
            .given("full.out", 0o644, "0123456789012345678901234567\n")
            .file("full.out")
            .file("full.out.1"),
            once(
                "chunk",
                "a write goes over maxbytes as a whole",
                "command=printf 0123456789012345678901234567890123456789\nstdout_logfile=$DIR/chunk.out\n\
                 stdout_logfile_maxbytes=8\nstdout_logfile_backups=1",
            )
            .file("chunk.out")
            .file("chunk.out.1"),
            once(
                "bytes",
                "bytes that are no text pass unchanged",
                "command=printf '\\303\\050\\377\\000\\n'\nstdout_logfile=$DIR/bytes.out",
            )
            .file("bytes.out"),
            once(
                "colour",
                "strip_ansi is off by default",
                "command=printf '\\033[31mred\\033[0m'\nstdout_logfile=$DIR/colour.out",
            )
            .file("colour.out"),
            Case::new("stdin is open and says nothing")
                .program("stdin", "command=sh -c \"read line; echo got $line\"\nstdout_logfile=$DIR/stdin.out")
                .until("success: stdin ")
                .ctl("status stdin"),
            Case::new("a renamed log goes on as a new file after USR2")
                .program(
                    "moved",
                    "command=sh -c \"trap 'echo heard-usr1' USR1; echo first-moved; while :; do sleep 0.1; done\"\nstartsecs=0\n\
                     stdout_logfile=$DIR/moved.out\nstderr_logfile=NONE",
                )
                .until("first-moved")
                .step(Step::Rename("moved.out", "moved.old"))
                .step(Step::SignalDaemon(Signal::SIGUSR2))
                .until("supervisord logreopen")
                .kill("moved", Signal::SIGUSR1)
                .until("heard-usr1")
                .ctl("status moved")
                .file("moved.old")
                .file("moved.out"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn strip_ansi() {
    let scene = Scene {
        supervisord: "strip_ansi=true",
        cases: vec![
            once(
                "drained",
                "strip_ansi drops colours",
                "command=printf '\\033[31mred\\033[0m and \\033[1;32mgreen\\033[m\\n'\nstdout_logfile=$DIR/drained.out",
            )
            .file("drained.out"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}
