//! The life of one process: every way to start, fail, exit, be restarted and be stopped, on request.
//!
//! A command that exits at once has `startsecs=3`, or lives a moment: within its first second the original may
//! take a dead process for a running one.

use nix::sys::signal::Signal;

use super::case::{Case, Scene};
use super::compare::compare;

/// Stays up.
const STAY: &str = "command=sleep 1000\nautostart=false\n";

fn stay(options: &str) -> String {
    format!("{STAY}{options}")
}

fn shell(script: &str, options: &str) -> String {
    format!("command=sh -c \"{script}\"\nautostart=false\n{options}")
}

/// A start that is refused before the state changes.
fn refused(name: &'static str, title: &'static str, options: &str) -> Case {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    Case::new(title)
        .program(name, &format!("{options}\nautostart=false\nstartretries=0"))
        .ctl(leak(format!("start {name}")))
        .ctl(leak(format!("status {name}")))
}

#[test]
fn starting_and_failing() {
    let scene = Scene {
        watch_states: true,
        cases: vec![
            Case::new("startsecs 0: running at once")
                .program("s0", &stay("startsecs=0"))
                .ctl("start s0")
                .ctl("status s0"),
            Case::new("startsecs 1: running after more than a second")
                .program("s1", &stay("startsecs=1"))
                .ctl("start s1")
                .ctl("status s1"),
            Case::new("startsecs 3").program("s3", &stay("startsecs=3")).ctl("start s3").ctl("status s3"),
            Case::new("negative startsecs is 0")
                .program("sneg", &stay("startsecs=-1"))
                .ctl("start sneg")
                .ctl("status sneg"),
            Case::new("exit 0 within startsecs, no retries: fatal after the first failure")
                .program("fail0", &shell("exit 0", "startsecs=3\nstartretries=0"))
                .ctl("start fail0")
                .until("gave up: fail0 ")
                .ctl("status fail0"),
            Case::new("exit 1 within startsecs, one retry")
                .program("fail1", &shell("exit 1", "startsecs=3\nstartretries=1"))
                .ctl("start fail1")
                .until("gave up: fail1 ")
                .ctl("status fail1"),
            Case::new("death by signal within startsecs, two retries")
                .program("fail2", &shell("kill -KILL $$", "startsecs=3\nstartretries=2"))
                .ctl("start fail2")
                .until("gave up: fail2 ")
                .ctl("status fail2"),
            Case::new("autorestart=false does not stop the retries of a start")
                .program("failno", &shell("exit 4", "startsecs=3\nstartretries=1\nautorestart=false"))
                .ctl("start failno")
                .until("gave up: failno "),
            Case::new("fails once, then stays: the counter is forgotten")
                .program(
                    "second",
                    &shell(
                        "test -e $DIR/second.mark && exec sleep 1000; touch $DIR/second.mark; exit 9",
                        "startsecs=2",
                    ),
                )
                .ctl("start second")
                .until("success: second ")
                .ctl("status second"),
            Case::new("start of a fatal one tries anew")
                .program("again", &shell("exit 1", "startsecs=3\nstartretries=0"))
                .ctl("start again")
                .until("gave up: again ")
                .ctl("start again")
                .until_count("gave up: again ", 2),
            // Its second start fails without a child, so the stop always falls into a wait.
            Case::new("stop while waiting for a retry")
                .given("backoff", 0o755, "#!/bin/sh\nrm $0\nexit 1\n")
                .program("backoff", "command=$DIR/backoff\nautostart=false\nstartsecs=3\nstartretries=100")
                .repeats()
                .ctl("start backoff")
                .until("spawnerr: can't find command '$DIR/backoff'")
                .ctl("stop backoff")
                .ctl("status backoff"),
            refused("missing", "missing command", "command=/nonexistent/missing"),
            refused("nopath", "missing command, looked up in PATH", "command=nopath --flag"),
            refused("noexec", "command without permission to execute", "command=$DIR/noexec")
                .given("noexec", 0o644, "text"),
            refused("isdir", "a directory as command", "command=$DIR/"),
            Case::new("a command of an unknown format")
                .given("no-program", 0o755, "this is no program\n")
                .program("noformat", "command=$DIR/no-program\nautostart=false\nstartsecs=3\nstartretries=0")
                .ctl("start noformat")
                .until("gave up: noformat ")
                .ctl("tail noformat stderr"),
            Case::new("directory that does not exist")
                .program("nodir", &stay("directory=/nonexistent\nstartsecs=3\nstartretries=0"))
                .ctl("start nodir")
                .until("gave up: nodir ")
                .ctl("status nodir")
                .intended(
                    "step 3: ctl status nodir",
                    &[
                        "nodir                            FATAL     couldn't chdir to /nonexistent: ENOENT",
                        "exit code: Some(3)",
                    ],
                    "the reason is known",
                )
                .ctl("tail nodir stderr"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn exiting_and_restarting() {
    let once_then_stay = |name: &str, first: &str| {
        format!("test -e $DIR/{name}.mark && exec sleep 1000; touch $DIR/{name}.mark; sleep 0.3; {first}")
    };
    let scene = Scene {
        watch_states: true,
        cases: vec![
            Case::new("autorestart=unexpected, exit 0")
                .program("ok", &shell("sleep 0.3; exit 0", "startsecs=0\nautorestart=unexpected"))
                .ctl("start ok")
                .until("exited: ok ")
                .ctl("status ok"),
            Case::new("the default of autorestart is unexpected")
                .program("okdefault", &shell("sleep 0.3; exit 0", "startsecs=0"))
                .ctl("start okdefault")
                .until("exited: okdefault ")
                .ctl("status okdefault"),
            Case::new("autorestart=unexpected, a code among exitcodes")
                .program("listed", &shell("sleep 0.3; exit 2", "startsecs=0\nexitcodes=0,2"))
                .ctl("start listed")
                .until("exited: listed "),
            Case::new("autorestart=unexpected, a code not among exitcodes")
                .program("unlisted", &shell(&once_then_stay("unlisted", "exit 3"), "startsecs=0\nexitcodes=0,2"))
                .ctl("start unlisted")
                .until_count("success: unlisted ", 2)
                .ctl("status unlisted"),
            Case::new("autorestart=unexpected, 0 not among exitcodes")
                .program("zero", &shell(&once_then_stay("zero", "exit 0"), "startsecs=0\nexitcodes=7"))
                .ctl("start zero")
                .until_count("success: zero ", 2),
            Case::new("empty exitcodes: nothing is expected")
                .program("nothing", &shell(&once_then_stay("nothing", "exit 0"), "startsecs=0\nexitcodes="))
                .ctl("start nothing")
                .until_count("success: nothing ", 2),
            Case::new("autorestart=unexpected, death by signal")
                .program("shot", &stay("startsecs=0"))
                .ctl("start shot")
                .kill("shot", Signal::SIGSEGV)
                .until_count("success: shot ", 2),
            Case::new("autorestart=false, exit 1")
                .program("never", &shell("sleep 0.3; exit 1", "startsecs=0\nautorestart=false"))
                .ctl("start never")
                .until("exited: never ")
                .ctl("status never"),
            Case::new("autorestart=false, death by signal")
                .program("nevershot", &stay("startsecs=0\nautorestart=false"))
                .ctl("start nevershot")
                .kill("nevershot", Signal::SIGKILL)
                .until("exited: nevershot "),
            Case::new("autorestart=true, exit 0")
                .program("always", &shell(&once_then_stay("always", "exit 0"), "startsecs=0\nautorestart=true"))
                .ctl("start always")
                .until_count("success: always ", 2),
            Case::new("autorestart=true, exit after startsecs")
                .program(
                    "late",
                    &shell(
                        "test -e $DIR/late.mark && exec sleep 1000; touch $DIR/late.mark; sleep 3; exit 0",
                        "startsecs=1\nautorestart=true",
                    ),
                )
                .ctl("start late")
                .until_count("success: late ", 2),
            Case::new("the autorestart value's case does not matter")
                .program("upper", &shell("sleep 0.3; exit 5", "startsecs=0\nautorestart=FALSE"))
                .ctl("start upper")
                .until("exited: upper "),
            Case::new("start of one that exited")
                .program("rerun", &shell("sleep 0.3; exit 0", "startsecs=0"))
                .ctl("start rerun")
                .until("exited: rerun ")
                .ctl("start rerun")
                .until_count("exited: rerun ", 2),
            Case::new("exit 127 and 255 are codes like others")
                .program("code127", &shell("sleep 0.3; exit 127", "startsecs=0\nautorestart=false"))
                .program("code255", &shell("sleep 0.3; exit 255", "startsecs=0\nexitcodes=255"))
                .ctl("start code127")
                .ctl("start code255")
                .until("exited: code127 ")
                .until("exited: code255 "),
            Case::new("an end by an unexpected code is told by status")
                .program("told", &shell("sleep 0.3; exit 6", "startsecs=0\nautorestart=false"))
                .ctl("start told")
                .until("exited: told ")
                .ctl("status told"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn stopping() {
    let with_child = |name: &str| format!("sleep 1000 & echo $! > $DIR/{name}.pid; echo ready-{name}; wait");
    let scene = Scene {
        watch_states: true,
        cases: vec![
            Case::new("stop of a running one")
                .program("plain", &stay("startsecs=0"))
                .ctl("start plain")
                .ctl("stop plain")
                .ctl("status plain"),
            Case::new("exit 0 on TERM")
                .program(
                    "polite",
                    &shell("trap 'exit 0' TERM; echo ready-polite; while :; do sleep 0.1; done", "startsecs=0"),
                )
                .ctl("start polite")
                .until("ready-polite")
                .ctl("stop polite"),
            Case::new("exit 3 on TERM, not among exitcodes")
                .program(
                    "rude",
                    &shell("trap 'exit 3' TERM; echo ready-rude; while :; do sleep 0.1; done", "startsecs=0"),
                )
                .ctl("start rude")
                .until("ready-rude")
                .ctl("stop rude"),
            Case::new("TERM ignored: killed after stopwaitsecs")
                .program(
                    "deaf",
                    &shell("trap '' TERM; echo ready-deaf; exec sleep 1000", "startsecs=0\nstopwaitsecs=1"),
                )
                .ctl("start deaf")
                .until("ready-deaf")
                .slow_stop()
                .ctl("stop deaf")
                .ctl("status deaf"),
            Case::new("stopsignal by name")
                .program("sigint", &stay("startsecs=0\nstopsignal=INT"))
                .ctl("start sigint")
                .ctl("stop sigint"),
            Case::new("stopsignal by full name")
                .program("sighup", &stay("startsecs=0\nstopsignal=SIGHUP"))
                .ctl("start sighup")
                .ctl("stop sighup"),
            Case::new("stopsignal by number")
                .program("sigquit", &stay("startsecs=0\nstopsignal=3"))
                .ctl("start sigquit")
                .ctl("stop sigquit"),
            Case::new("stopsignal in small letters")
                .program("sigusr1", &stay("startsecs=0\nstopsignal=usr1"))
                .ctl("start sigusr1")
                .ctl("stop sigusr1"),
            Case::new("stopsignal KILL")
                .program("sigkill", &stay("startsecs=0\nstopsignal=KILL"))
                .ctl("start sigkill")
                .ctl("stop sigkill"),
            Case::new("without stopasgroup the children live on")
                .program("alone", &shell(&with_child("alone"), "startsecs=0"))
                .ctl("start alone")
                .until("ready-alone")
                .ctl("stop alone")
                .alive("alone.pid"),
            Case::new("stopasgroup signals the children too")
                .program("whole", &shell(&with_child("whole"), "startsecs=0\nstopasgroup=true"))
                .ctl("start whole")
                .until("ready-whole")
                .ctl("stop whole")
                .alive("whole.pid"),
            Case::new("killasgroup kills the children that ignored the stop signal")
                .program(
                    "killgroup",
                    &shell(
                        "trap '' TERM; sleep 1000 & echo $! > $DIR/killgroup.pid; echo ready-killgroup; wait",
                        "startsecs=0\nkillasgroup=true\nstopwaitsecs=1",
                    ),
                )
                .ctl("start killgroup")
                .until("ready-killgroup")
                .slow_stop()
                .ctl("stop killgroup")
                .alive("killgroup.pid"),
            Case::new("stop of one that never ran").program("idle", &stay("")).ctl("stop idle").ctl("status idle"),
            Case::new("stop of one that exited")
                .program("gone", &shell("sleep 0.3; exit 0", "startsecs=0"))
                .ctl("start gone")
                .until("exited: gone ")
                .ctl("stop gone"),
            Case::new("stop of one that is starting")
                .program("starting", &stay("startsecs=30"))
                .step(super::case::Step::Background("start starting"))
                .until("spawned: 'starting'")
                .ctl("stop starting")
                .ctl("status starting"),
            Case::new("a stopped one is not restarted")
                .program("stays", &stay("startsecs=0\nautorestart=true"))
                .ctl("start stays")
                .ctl("stop stays")
                .ctl("status stays"),
            Case::new("start after stop")
                .program("back", &stay("startsecs=0"))
                .ctl("start back")
                .ctl("stop back")
                .ctl("start back"),
            Case::new("restart of a running one").program("re", &stay("startsecs=0")).ctl("start re").ctl("restart re"),
            Case::new("restart of a stopped one").program("rest", &stay("startsecs=0")).ctl("restart rest"),
            Case::new("start of a running one")
                .program("twice", &stay("startsecs=0"))
                .ctl("start twice")
                .ctl("start twice"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}
