//! What a start of the daemon does by itself: autostart, spawn errors, set-up of children, log files.

use super::case::{Case, Scene, Step};
use super::run::compare;

#[test]
fn autostart() {
    let quick = "startsecs=3\nstartretries=0\n";
    let scene = Scene {
        supervisord: "environment=GLOBAL=\"from the daemon\",BOTH=daemon",
        cases: vec![
            Case::new("autostart by default").program("auto", "command=sleep 1000").until("success: auto").ctl("status auto"),
            Case::new("autostart=false").program("manual", "command=sleep 1000\nautostart=false").ctl("status manual"),
            Case::new("missing command, one retry")
                .program("lost", "command=/nonexistent/lost\nstartretries=1")
                .until("gave up: lost")
                .ctl("status lost"),
            Case::new("command not in PATH")
                .program("lostpath", "command=no-such-command-anywhere\nstartretries=0")
                .until("gave up: lostpath")
                .ctl("status lostpath"),
            Case::new("not executable")
                .given("text", 0o644, "text")
                .program("text", "command=$DIR/text\nstartretries=0")
                .until("gave up: text")
                .ctl("status text"),
            Case::new("a directory")
                .program("folder", "command=$DIR\nstartretries=0")
                .until("gave up: folder")
                .ctl("status folder"),
            Case::new("an empty command")
                .program("empty", "command=\nstartretries=0")
                .until("gave up: empty")
                .ctl("status empty"),
            Case::new("a command whose quotes do not close")
                .program("quotes", "command=sleep \"1000\nstartretries=0")
                .until("gave up: quotes")
                .ctl("status quotes"),
            Case::new("directory that does not exist")
                .program("nochdir", &format!("command=sleep 1000\ndirectory=/nonexistent\n{quick}stderr_logfile=$DIR/nochdir.err"))
                .until("gave up: nochdir")
                .file("nochdir.err"),
            Case::new("log file that cannot be opened")
                .program("nolog", &format!("command=sleep 1000\nstdout_logfile=$DIR\n{quick}"))
                .until("gave up: nolog")
                .ctl("status nolog"),
            Case::new("numprocs with process_name")
                .section("[program:many]\ncommand=sleep 1000\nnumprocs=3\nnumprocs_start=1\nprocess_name=m_%(process_num)02d")
                .process("m_01")
                .process("m_02")
                .process("m_03")
                .until("success: m_03")
                .ctl("status many:*")
                .ctl("status many:m_02"),
            Case::new("a group of programs")
                .section("[program:left]\ncommand=sleep 1000\n[program:right]\ncommand=sleep 1000\n[group:pair]\nprograms=right,left")
                .process("left")
                .process("right")
                .until("success: left")
                .until("success: right")
                .ctl("status pair:*")
                .ctl("status left"),
            Case::new("the environment a child sees")
                .program(
                    "environ",
                    "command=sh -c \"env | sort | grep -v -e ^PWD= -e ^OLDPWD= -e ^_= -e ^SHLVL=\"\n\
                     environment=OWN=\"a, b\",BOTH=program,NUMBER=%(process_num)d\nstartsecs=0\nautorestart=false\n\
                     stdout_logfile=$DIR/environ.out",
                )
                .until("exited: environ")
                .file("environ.out"),
            Case::new("expansions in a command")
                .program(
                    "expand",
                    "command=echo %(program_name)s %(group_name)s %(process_num)03d %(here)s %(ENV_GLOBAL)s %(ENV_TZ)s 100%%\n\
                     startsecs=0\nautorestart=false\nstdout_logfile=$DIR/%(program_name)s.out",
                )
                .until("exited: expand")
                .file("expand.out"),
            Case::new("umask")
                .program("umask", "command=sh -c umask\numask=027\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/umask.out")
                .until("exited: umask")
                .file("umask.out"),
            Case::new("directory")
                .program("pwd", "command=pwd -P\ndirectory=/usr/lib\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/pwd.out")
                .until("exited: pwd")
                .file("pwd.out"),
            Case::new("quotes and backslashes in a command")
                .program(
                    "words",
                    "command=printf '<%%s>' \"a b\" 'c \"d' e\\ f \"g\\\"h\" \"\" i\"j\"k\nstartsecs=0\nautorestart=false\n\
                     stdout_logfile=$DIR/words.out",
                )
                .until("exited: words")
                .file("words.out"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn output() {
    let once = "startsecs=0\nautorestart=false\n";
    let scene = Scene {
        cases: vec![
            Case::new("both streams to files of their own")
                .program(
                    "two",
                    &format!("command=sh -c \"echo out; echo err >&2\"\n{once}stdout_logfile=$DIR/two.out\nstderr_logfile=$DIR/two.err"),
                )
                .until("exited: two")
                .file("two.out")
                .file("two.err"),
            Case::new("redirect_stderr")
                .program(
                    "merged",
                    &format!("command=sh -c \"echo out; echo err >&2\"\n{once}redirect_stderr=true\nstdout_logfile=$DIR/merged.out"),
                )
                .until("exited: merged")
                .file("merged.out")
                .ctl("tail merged stderr"),
            Case::new("redirect_stderr with a stderr log file: a warning, no file")
                .program(
                    "both",
                    &format!(
                        "command=sh -c \"echo out; echo err >&2\"\n{once}redirect_stderr=true\nstdout_logfile=$DIR/both.out\n\
                         stderr_logfile=$DIR/both.err"
                    ),
                )
                .until("exited: both")
                .file("both.out")
                .file("both.err"),
            Case::new("stdout_logfile=NONE: no file, no tail")
                .program("none", &format!("command=echo lost\n{once}stdout_logfile=NONE\nstderr_logfile=none"))
                .until("exited: none")
                .ctl("tail none"),
            Case::new("an existing log is appended to")
                .given("append.out", 0o644, "before\n")
                .program("append", &format!("command=echo after\n{once}stdout_logfile=$DIR/append.out"))
                .until("exited: append")
                .file("append.out"),
            Case::new("rotation, two backups, one write at a time")
                .program(
                    "rotate",
                    &format!(
                        "command=sh -c \"for i in 1 2 3 4 5 6 7; do echo line-$i-0123456789; sleep 0.15; done\"\n{once}\
                         stdout_logfile=$DIR/rotate.out\nstdout_logfile_maxbytes=32\nstdout_logfile_backups=2"
                    ),
                )
                .until("exited: rotate")
                .file("rotate.out")
                .file("rotate.out.1")
                .file("rotate.out.2")
                .file("rotate.out.3"),
            Case::new("rotation without backups truncates")
                .program(
                    "trunc",
                    &format!(
                        "command=sh -c \"for i in 1 2 3; do echo line-$i-0123456789; sleep 0.15; done\"\n{once}\
                         stdout_logfile=$DIR/trunc.out\nstdout_logfile_maxbytes=32\nstdout_logfile_backups=0"
                    ),
                )
                .until("exited: trunc")
                .file("trunc.out")
                .file("trunc.out.1"),
            Case::new("the size of an existing log counts")
                .given("full.out", 0o644, "0123456789012345678901234567\n")
                .program(
                    "full",
                    &format!("command=echo more\n{once}stdout_logfile=$DIR/full.out\nstdout_logfile_maxbytes=32\nstdout_logfile_backups=1"),
                )
                .until("exited: full")
                .file("full.out")
                .file("full.out.1"),
            Case::new("a write may go over maxbytes as a whole")
                .program(
                    "chunk",
                    &format!(
                        "command=printf 0123456789012345678901234567890123456789\n{once}stdout_logfile=$DIR/chunk.out\n\
                         stdout_logfile_maxbytes=8\nstdout_logfile_backups=1"
                    ),
                )
                .until("exited: chunk")
                .file("chunk.out")
                .file("chunk.out.1"),
            Case::new("bytes that are no text pass unchanged")
                .program("bytes", &format!("command=printf '\\303\\050\\377\\000\\n'\n{once}stdout_logfile=$DIR/bytes.out"))
                .until("exited: bytes")
                .file("bytes.out"),
            Case::new("strip_ansi is off")
                .program("colour", &format!("command=printf '\\033[31mred\\033[0m'\n{once}stdout_logfile=$DIR/colour.out"))
                .until("exited: colour")
                .file("colour.out"),
            Case::new("stdin is open and quiet")
                .program("stdin", &format!("command=sh -c \"read line; echo got $line\"\nstartsecs=1\nstdout_logfile=$DIR/stdin.out"))
                .until("success: stdin")
                .ctl("status stdin"),
            Case::new("reopening after a rename")
                .program(
                    "moved",
                    "command=sh -c \"trap 'echo second' USR1; echo first-moved; while :; do sleep 0.1; done\"\nstartsecs=0\n\
                     stdout_logfile=$DIR/moved.out\nstderr_logfile=NONE",
                )
                .until("first-moved")
                .step(Step::Rename("moved.out", "moved.old"))
                .step(Step::SignalDaemon(nix::sys::signal::Signal::SIGUSR2))
                .until("supervisord logreopen")
                .kill("moved", nix::sys::signal::Signal::SIGUSR1)
                .until("second")
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
            Case::new("strip_ansi drops colours")
                .program(
                    "plain",
                    "command=printf '\\033[31mred\\033[0m and \\033[1;32mgreen\\033[m\\n'\nstartsecs=0\nautorestart=false\n\
                     stdout_logfile=$DIR/plain.out",
                )
                .until("exited: plain")
                .file("plain.out"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}
