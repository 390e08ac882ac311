//! The original's control program, unmodified, with the original's daemon and with visor: the same screens, byte for
//! byte, over a Unix socket and over TCP with a login.

use super::case::Act::{Ctl, Hangup, Interrupt, Kill, See, Type};
use super::case::Door::{Inet, Unix, UnixLogin};
use super::case::{Act, Case, Client, Door, Scene, Step};
use super::compare::compare;

const PROMPT: Act = See("supervisor> ");

fn play(door: Door, supervisord: &'static str, cases: Vec<Case>) {
    compare(&Scene { supervisord, client: Client::Original(door), cases, ..Scene::default() });
}

/// A program that is there at once, and one that is only started by hand.
const RUNS: &str = "command=sleep 1000\nstartsecs=0";
const BY_HAND: &str = "command=sleep 1000\nstartsecs=0\nautostart=false";

fn status() -> Case {
    Case::new("status of what is named")
        .section(&format!("[program:st_runs]\n{RUNS}\n[program:st_idle]\n{BY_HAND}"))
        .section(&format!("[program:st_pair]\n{RUNS}\nnumprocs=2\nprocess_name=half_%(process_num)d"))
        .section("[program:st_ends]\ncommand=true\nstartsecs=0\nautorestart=false")
        .section("[program:st_gone]\ncommand=/nowhere/x\nstartretries=0")
        .section("[program:a_name_that_is_longer_than_the_column]\ncommand=sleep 1000\nautostart=false")
        .until("success: st_runs ")
        .until("success: half_1 ")
        .until("exited: st_ends ")
        .until("gave up: st_gone ")
        .ctl("status st_runs")
        .ctl("status st_idle")
        .ctl("status st_runs st_idle")
        .ctl("status st_pair:*")
        .ctl("status st_pair:")
        .ctl("status st_pair")
        .ctl("status st_pair:half_1 st_pair:half_1")
        .ctl("status st_ends")
        .ctl("status st_gone")
        .ctl("status nobody")
        .ctl("status nobody:*")
        .ctl("status nobody:x st_runs")
        .ctl("status nobody st_idle")
        .ctl("status a_name_that_is_longer_than_the_column st_runs")
}

fn start() -> Case {
    Case::new("start of all kinds")
        .section(&format!("[program:sa_runs]\n{RUNS}\n[program:sa_idle]\n{BY_HAND}\n[program:sa_other]\n{BY_HAND}"))
        .section(&format!("[program:sa_pair]\n{BY_HAND}\nnumprocs=2\nprocess_name=part_%(process_num)d"))
        .section("[program:sa_missing]\ncommand=/nowhere/x\nautostart=false")
        .section("[program:sa_unfound]\ncommand=no-such-command x\nautostart=false")
        .section("[program:sa_plain]\ncommand=$DIR/plain\nautostart=false")
        .section("[program:sa_directory]\ncommand=$DIR\nautostart=false")
        .section("[program:sa_fails]\ncommand=sh -c 'exit 3'\nautostart=false\nstartsecs=3\nstartretries=0")
        // Long enough that the original, which looks once in its turn, finds it alive.
        .section("[program:sa_quick]\ncommand=sleep 2\nautostart=false\nautorestart=false\nstartsecs=0")
        .section(
            "[program:sa_nodir]\ncommand=sleep 1\ndirectory=/nowhere\nautostart=false\nstartretries=0\nstartsecs=3",
        )
        .given("plain", 0o644, "text")
        .until("success: sa_runs ")
        .ctl("start sa_idle")
        .ctl("start sa_runs")
        .ctl("start sa_missing")
        .ctl("start sa_unfound")
        .ctl("start sa_plain")
        .ctl("start sa_directory")
        .ctl("start sa_fails")
        .ctl("start sa_quick")
        .ctl("start sa_nodir")
        .ctl("start nobody")
        .ctl("start nobody:*")
        .ctl("start nobody:x")
        .ctl("start sa_pair:part_1")
        .ctl("start sa_pair:*")
        .ctl("start sa_pair:")
        .ctl("start sa_runs nobody sa_other sa_missing")
        .ctl("start")
        .ctl("status sa_missing")
        .ctl("status sa_plain")
        .ctl("status sa_fails")
        .ctl("status sa_nodir")
        .intended(
            "step 22: ctl status sa_nodir",
            &["sa_nodir                         FATAL     couldn't chdir to /nowhere: ENOENT", "exit code: Some(3)"],
            "visor tells why; the original's child says it in its own log only",
        )
}

fn stop() -> Case {
    Case::new("stop and restart")
        .section(&format!("[program:so_runs]\n{RUNS}\n[program:so_idle]\n{BY_HAND}\n[program:so_other]\n{RUNS}"))
        .section(&format!("[program:so_pair]\n{RUNS}\nnumprocs=2\nprocess_name=bit_%(process_num)d"))
        .section("[program:so_missing]\ncommand=/nowhere/x\nautostart=false")
        .until("success: so_runs ")
        .until("success: so_other ")
        .until("success: bit_0 ")
        .until("success: bit_1 ")
        .ctl("stop so_idle")
        .ctl("stop so_runs")
        .ctl("stop so_runs")
        .ctl("restart so_runs")
        .ctl("restart so_runs")
        .ctl("stop nobody")
        .ctl("stop nobody:*")
        .ctl("restart nobody")
        .ctl("restart so_missing")
        .ctl("stop so_pair:bit_0")
        .ctl_sorted("restart so_pair:*")
        .ctl_sorted("stop so_pair:*")
        .ctl("stop so_pair:*")
        .ctl("stop so_other nobody so_idle so_runs")
        .ctl("stop")
        .ctl("restart")
        .ctl("status so_runs")
}

fn aborted() -> Case {
    Case::new("a start that is stopped before it is done")
        .section("[program:ab_slow]\ncommand=sleep 1000\nstartsecs=1000\nautostart=false")
        .step(Step::Background("start ab_slow"))
        .until("spawned: 'ab_slow'")
        .ctl("status ab_slow")
        .ctl("start ab_slow")
        .ctl("stop ab_slow")
        .ctl("status ab_slow")
}

fn signal() -> Case {
    Case::new("signals")
        .section("[program:si_runs]\ncommand=sh -c 'trap \"echo usr1\" USR1; trap \"echo hup\" HUP; echo ready-si >&2; while :; do sleep 0.05; done'\nstdout_logfile=$DIR/si.out\nstartsecs=0")
        .section(&format!("[program:si_idle]\n{BY_HAND}"))
        .section(&format!("[program:si_pair]\n{RUNS}\nnumprocs=2\nprocess_name=end_%(process_num)d"))
        .until("ready-si")
        .until("success: end_1 ")
        .ctl("signal HUP si_runs")
        .ctl("signal SIGHUP si_runs")
        .ctl("signal 1 si_runs")
        .ctl("signal usr1 si_runs")
        .ctl("signal NOSUCH si_runs")
        .ctl("signal 999 si_runs")
        .ctl("signal 0 si_runs")
        .ctl("signal HUP si_idle")
        .ctl("signal HUP nobody")
        .ctl("signal HUP nobody:*")
        .ctl("signal CONT si_pair:*")
        .ctl("signal CONT si_pair:end_0 si_idle nobody si_runs")
        .ctl("signal NOSUCH si_pair:*")
        .ctl("signal NOSUCH si_idle")
        .ctl("signal HUP")
        .ctl("signal")
}

fn pid_and_version() -> Case {
    Case::new("pid and version")
        .section(&format!("[program:pv_runs]\n{RUNS}\n[program:pv_idle]\n{BY_HAND}"))
        .section(&format!("[program:pv_pair]\n{RUNS}\nnumprocs=2\nprocess_name=leg_%(process_num)d"))
        .until("success: pv_runs ")
        .until("success: leg_1 ")
        .ctl("pid")
        .ctl("pid pv_runs")
        .ctl("pid pv_idle")
        .ctl("pid nobody")
        .ctl("pid pv_pair:leg_0 pv_runs pv_idle")
        .ctl("pid pv_pair:*")
        .ctl("version")
        .ctl("version now")
        .ctl("avail now")
        .ctl("reread now")
        .ctl("reload now")
        .ctl("shutdown now")
}

const WRITES: &str =
    "command=sh -c 'echo first line; echo zweite Zeile: größer; echo oops >&2; exec sleep 1000'\nstartsecs=0";

fn tail() -> Case {
    Case::new("tail")
        .section(&format!("[program:ta_writes]\n{WRITES}"))
        .section(&format!("[program:ta_none]\n{WRITES}\nstdout_logfile=NONE\nstderr_logfile=NONE"))
        .section(&format!("[program:ta_one]\n{WRITES}\nredirect_stderr=true"))
        .section(&format!("[program:ta_idle]\n{BY_HAND}\nstdout_logfile=$DIR/ta_idle.out"))
        .section("[program:ta_long]\ncommand=sh -c 'seq -f line-%%g 1 1000; echo ready-ta >&2; exec sleep 1000'\nstartsecs=0")
        .section(&format!("[program:ta_lost]\n{WRITES}\nstdout_logfile=$DIR/ta_lost.out"))
        .section(&format!("[program:ta_pair]\n{RUNS}\nnumprocs=2\nprocess_name=ear_%(process_num)d"))
        .until_count("zweite", 2)
        .until("ready-ta")
        .until_count("oops", 2)
        .ctl("tail ta_writes")
        .ctl("tail -5 ta_writes")
        .ctl("tail -0 ta_writes")
        .ctl("tail -100000 ta_writes")
        .ctl("tail ta_writes stderr")
        .ctl("tail ta_writes STDERR")
        .ctl("tail -3 ta_writes stderr")
        .ctl("tail ta_writes stdout")
        .ctl("tail ta_long")
        .ctl("tail -20 ta_long")
        .ctl("tail ta_none")
        .ctl("tail ta_none stderr")
        .ctl("tail ta_one stderr")
        .ctl("tail ta_idle")
        .ctl("tail nobody")
        .ctl("tail ta_pair:ear_0")
        .ctl("tail ta_pair:*")
        .ctl("tail ta_writes nochannel")
        .ctl("tail -x ta_writes")
        .ctl("tail -5")
        .ctl("tail")
        .ctl("tail -5 ta_writes stdout more")
        .step(Step::Rename("ta_lost.out", "ta_lost.away"))
        .ctl("tail ta_lost")
}

fn clear() -> Case {
    Case::new("clear")
        .section(&format!("[program:cl_writes]\n{WRITES}\nstdout_logfile=$DIR/cl.out\nstderr_logfile=$DIR/cl.err"))
        .section(&format!("[program:cl_idle]\n{BY_HAND}\n[program:cl_none]\n{RUNS}\nstdout_logfile=NONE"))
        .section(&format!("[program:cl_pair]\n{RUNS}\nnumprocs=2\nprocess_name=eye_%(process_num)d"))
        .until("success: cl_writes ")
        .until("success: cl_none ")
        .until("success: eye_1 ")
        .until("oops")
        .ctl("clear cl_writes")
        .step(Step::File("cl.out"))
        .step(Step::File("cl.err"))
        .ctl("tail cl_writes")
        .ctl("clear cl_idle")
        .ctl("clear cl_none")
        .ctl("clear cl_pair:eye_0")
        .ctl("clear nobody")
        .ctl("clear nobody cl_writes cl_pair:eye_1")
        .ctl("clear")
}

fn follow() -> Case {
    const SPEAKS: &str = "command=sh -c 'trap \"echo again größer; echo oops again >&2\" USR1; echo begin; echo oops >&2; echo ready-fo; while :; do sleep 0.05; done'\nstartsecs=0";
    Case::new("tail -f")
        .section(&format!("[program:fo_speaks]\n{SPEAKS}\n[program:fo_other]\n{SPEAKS}"))
        .section("[program:fo_long]\ncommand=sh -c 'seq -f line-%%g 1 1000; echo ready-fl >&2; exec sleep 1000'\nstartsecs=0")
        .section(&format!("[program:fo_none]\n{RUNS}\nstdout_logfile=NONE"))
        .until_count("ready-fo", 2)
        .until("ready-fl")
        .pipe("tail -f fo_speaks", &[See("ready-fo\n"), Ctl("signal USR1 fo_speaks"), See("größer\n"), Interrupt])
        .terminal("tail -f fo_other", &[See("ready-fo"), Ctl("signal USR1 fo_other"), See("größer"), Interrupt])
        .terminal("tail -f fo_other stderr", &[See("again"), Interrupt])
        .pipe("tail -f fo_long", &[See("line-1000\n"), Interrupt])
        .ctl("tail -f nobody")
        .ctl("tail -f fo_none")
        .ctl("tail -f fo_speaks nochannel")
        .ctl("tail -f")
}

fn foreground() -> Case {
    const ECHOES: &str = "command=sh -c 'echo ready-fg; while read -r line; do case \"$line\" in fail) echo bad >&2;; *) echo \"got $line\";; esac; done'\nstartsecs=0\nautorestart=false";
    Case::new("fg")
        .section(&format!("[program:fg_echoes]\n{ECHOES}\n[program:fg_leaves]\n{ECHOES}\n[program:fg_idle]\n{BY_HAND}"))
        .section(&format!("[program:fg_fails]\n{ECHOES}"))
        .until_count("ready-fg", 3)
        .until("success: fg_echoes")
        .until("success: fg_leaves")
        .until("success: fg_fails")
        .ctl("fg")
        .ctl("fg fg_echoes fg_idle")
        .ctl("fg nobody")
        .ctl("fg fg_idle")
        .pipe(
            "fg fg_echoes",
            &[
                See("ready-fg\n"),
                Type("hello größer\n"),
                See("got hello größer\n"),
                Interrupt,
                See("Exiting foreground\n"),
                Kill,
            ],
        )
        .terminal(
            "fg fg_fails",
            &[
                See("ready-fg"),
                Type("hello\n"),
                See("got hello"),
                Type("fail\n"),
                See("bad"),
                Interrupt,
                See("Exiting foreground"),
                Kill,
            ],
        )
        .pipe(
            "fg fg_leaves",
            &[See("ready-fg\n"), Ctl("stop fg_leaves"), Type("more\n"), See("Exiting foreground\n"), Kill],
        )
}

fn elsewhere() -> Case {
    Case::new("other servers, unknown words, help")
        .ctl("-s unix://$DIR/nothing.sock status")
        .ctl("-s unix://$DIR/nothing.sock start x")
        .ctl("-s unix://$DIR/nothing.sock shutdown")
        .ctl("-s unix://$DIR/nothing.sock version")
        .ctl("-s unix://$DIR/nothing.sock maintail -f")
        .ctl("-s http://127.0.0.1:1 status")
        .ctl("-s http://127.0.0.1:1 pid")
        .ctl("-s ftp://127.0.0.1 status")
        .ctl("open ftp://nowhere")
        .ctl("open unix://$DIR/nothing.sock")
        .ctl("nonsense now")
        .ctl("help")
        .ctl("help start")
        .ctl("help nonsense")
        .ctl("?")
}

fn side_by_side(door: Door) {
    play(
        door,
        "",
        vec![
            status(),
            start(),
            stop(),
            aborted(),
            signal(),
            pid_and_version(),
            tail(),
            clear(),
            follow(),
            foreground(),
            elsewhere(),
        ],
    );
}

#[test]
fn actions_over_unix() {
    side_by_side(Unix);
}

#[test]
fn actions_over_inet() {
    side_by_side(Inet);
}

fn everything() -> Case {
    Case::new("all of them")
        .section(&format!("[program:b]\n{RUNS}\n[program:a]\n{BY_HAND}\npriority=5"))
        .section(&format!("[program:c]\n{RUNS}\nnumprocs=2\nprocess_name=c_%(process_num)02d"))
        .section(&format!(
            "[program:x]\n{RUNS}\n[program:y]\n{BY_HAND}\npriority=7\n[group:g]\nprograms=x,y\npriority=3"
        ))
        .until("success: b ")
        .until("success: c_00 ")
        .until("success: c_01 ")
        .until("success: x ")
        .ctl("status")
        .ctl("status all")
        .ctl("status nobody all")
        .ctl("avail")
        .ctl("pid all")
        .ctl("status g:*")
        .ctl("signal CONT all")
        .ctl_sorted("stop all")
        .ctl("stop all")
        .ctl("status")
        .ctl_sorted("start all")
        .ctl("start all")
        .ctl_sorted("restart all")
        .ctl_sorted("signal NOSUCH all")
        .ctl("clear all")
        .ctl("signal CONT all nobody")
        .ctl("status")
}

#[test]
fn all_over_unix() {
    play(Unix, "", vec![everything()]);
}

#[test]
fn all_over_inet() {
    play(Inet, "", vec![everything()]);
}

const BEFORE: &str = "[program:stays]\ncommand=sleep 1000\nstartsecs=0\n\
                      [program:changes]\ncommand=sleep 1000\nstartsecs=0\n\
                      [program:goes]\ncommand=sleep 1000\nstartsecs=0\n\
                      [group:pair]\nprograms=left,right\n\
                      [program:left]\ncommand=sleep 1000\nstartsecs=0\n\
                      [program:right]\ncommand=sleep 1000\nstartsecs=0\n";
const AFTER: &str = "[program:stays]\ncommand=sleep 1000\nstartsecs=0\n\
                     [program:changes]\ncommand=sleep 1001\nstartsecs=0\n\
                     [program:comes]\ncommand=sleep 1000\nstartsecs=0\n\
                     [group:pair]\nprograms=left\n\
                     [program:left]\ncommand=sleep 1000\nstartsecs=0\n";
const LATER: &str = "[program:stays]\ncommand=sleep 1000\nstartsecs=0\npriority=5\n\
                     [program:one]\ncommand=sleep 1000\nstartsecs=0\n\
                     [program:two]\ncommand=sleep 1000\nstartsecs=0\n";
const BAD: &str = "[program:stays]\ncommand=sleep 1000\nstartsecs=soon\n";

fn reconfigure() -> Case {
    Case::new("reread, add, remove, update")
        .section(BEFORE)
        .until("success: stays ")
        .until("success: goes ")
        .until("success: changes ")
        .until("success: right ")
        .ctl("reread")
        .ctl("update")
        .rewrite(AFTER)
        .ctl("reread")
        .ctl("reread")
        .ctl("avail")
        .ctl("add comes")
        .ctl("add comes")
        .ctl("add nobody")
        .ctl("add")
        .ctl("remove goes")
        .ctl("stop goes")
        .ctl("remove goes")
        .ctl("remove goes")
        .ctl("remove nobody stays")
        .ctl("update nobody")
        .ctl("update changes")
        .ctl("update")
        .ctl("status")
        .rewrite(LATER)
        .ctl("update one nobody")
        .ctl_sorted("update all")
        .ctl("status")
        .rewrite(BAD)
        .ctl("reread")
        .ctl("update")
        .ctl("status")
        .intended(
            "step 29: ctl reread",
            &[
                "ERROR: CANT_REREAD: $DIR/supervisord.conf:14: [program:stays] startsecs: `soon`: \
                 invalid literal for int() with base 10: 'soon'",
                "exit code: Some(1)",
            ],
            MISTAKES,
        )
        .intended(
            "step 30: ctl update",
            &[
                "error: <class 'xmlrpc.client.Fault'>, <Fault 92: \"CANT_REREAD: $DIR/supervisord.conf:14: [program:stays] \
                 startsecs: `soon`: invalid literal for int() with base 10: 'soon'\">: file: …",
                "exit code: Some(1)",
            ],
            MISTAKES,
        )
}

const MISTAKES: &str = "every mistake is told, with its file and line";

#[test]
fn changes_over_unix() {
    play(Unix, "", vec![reconfigure()]);
}

#[test]
fn changes_over_inet() {
    play(Inet, "", vec![reconfigure()]);
}

/// Debug lines are not compared.
const QUIET: &str = "loglevel=info\n";
fn main_log() -> Case {
    Case::new("the main log")
        .section(&format!("[program:one]\n{BY_HAND}\n[program:two]\n{BY_HAND}"))
        // What each tells at its start is not the same.
        .step(Step::Rename("main.log", "main.old"))
        .step(Step::SignalDaemon(nix::sys::signal::Signal::SIGUSR2))
        .until("supervisord logreopen")
        .ctl("maintail")
        .pipe("maintail -f", &[See("Ctrl-C to exit <==\n"), Ctl("start one"), See("(startsecs)\n"), Interrupt])
        .ctl("maintail")
        .ctl("maintail -14")
        .ctl("maintail -0")
        .terminal("maintail -f", &[See("(startsecs)"), Ctl("start two"), See("(startsecs)"), Interrupt])
        .ctl("maintail -x")
        .ctl("maintail x")
        .ctl("maintail -5 more")
        .step(Step::Rename("main.log", "main.away"))
        .ctl("maintail")
        .ctl("maintail -f")
}

#[test]
fn main_log_over_unix() {
    play(UnixLogin, QUIET, vec![main_log()]);
}

#[test]
fn main_log_over_inet() {
    play(Inet, QUIET, vec![main_log()]);
}

fn login(server: &'static [&'static str; 8]) -> Case {
    let case =
        Case::new("logins").section("[program:writes]\ncommand=sh -c 'echo ready; exec sleep 1000'\nstartsecs=0");
    server.iter().fold(case.until("ready"), |case, arguments| case.ctl(arguments)).terminal(
        "-p wrong",
        &[
            See("Username:"),
            Type("boss\n"),
            See("Password:"),
            Type("c:o=p&p er<\n"),
            PROMPT,
            Type("status writes\n"),
            PROMPT,
            Type("quit\n"),
        ],
    )
}

const LOGINS: [&str; 8] = [
    "status",
    "-u boss -p wrong status",
    "-u boss -p wrong version",
    "-u other status",
    "-u größer -p wrong status",
    "-p wrong tail -f writes",
    "-p wrong maintail -f",
    "-u boss pid nobody",
];

#[test]
fn login_over_unix() {
    play(UnixLogin, "", vec![login(&LOGINS)]);
}

#[test]
fn login_over_inet() {
    play(Inet, "", vec![login(&LOGINS)]);
}

fn shell() -> Case {
    Case::new("the shell")
        .section(&format!("[program:alone]\n{RUNS}\n[program:idle]\n{BY_HAND}"))
        .section(&format!("[program:pair]\n{RUNS}\nnumprocs=2\nprocess_name=half_%(process_num)d"))
        .section("[program:echoes]\ncommand=sh -c 'echo word; exec cat'\nstartsecs=0")
        .until("word")
        .until("success: alone ")
        .until("success: half_1 ")
        .until("success: echoes ")
        .pipe("", &[Type("status alone\n\nfoo bar\n?\nhelp tail\nversion\nstop idle\nquit\n")])
        .pipe("", &[Type("version"), Hangup])
        .pipe("-i", &[Type("open unix://$DIR/nothing.sock\nexit\n")])
        // Ctrl-C at a prompt is not tried: Python may miss it until the next key.
        .terminal("", &[PROMPT, Type("star\t"), See("start "), Type("alone\n"), PROMPT, Type("quit\n")])
        .terminal(
            "",
            &[PROMPT, Type("sta\t\t"), See("status"), PROMPT, Type("rt idle\n"), See("idle: started"), PROMPT, Hangup],
        )
        .terminal(
            "",
            &[
                PROMPT,
                Type("stop pai\t"),
                See("r:"),
                Type("\t\t"),
                See("half_1"),
                PROMPT,
                Type("half_0\n"),
                See("pair:half_0: stopped"),
                PROMPT,
                Type("quit\n"),
            ],
        )
        .terminal(
            "",
            &[
                PROMPT,
                Type("signal H\n"),
                See("Error: signal requires"),
                PROMPT,
                Type("update ech\t\n"),
                PROMPT,
                Type("help rel\t\n"),
                See("Restart the remote"),
                PROMPT,
                Type("reload\n"),
                See("y/N? "),
                Type("n\n"),
                PROMPT,
                Type("shutdown\n"),
                See("y/N? "),
                Type("\n"),
                PROMPT,
                Type("quit\n"),
            ],
        )
        .terminal("", &[PROMPT, Type("tail -f echoes\n"), See("word"), Interrupt, PROMPT, Type("quit\n")])
        .ctl("-i status alone")
        .ctl("open unix://$DIR/ctl.sock")
        .ctl("open http://127.0.0.1:$PORT")
        .ctl("status")
}

#[test]
fn shell_over_unix() {
    play(Unix, "", vec![shell()]);
}

#[test]
fn shell_over_inet() {
    play(Inet, "", vec![shell()]);
}

fn reload() -> Case {
    Case::new("reload")
        .section(&format!("[program:one]\n{RUNS}\n[program:two]\n{BY_HAND}"))
        .until("success: one ")
        .ctl("start two")
        .rewrite("[program:one]\ncommand=sleep 1001\nstartsecs=0\n[program:three]\ncommand=sleep 1000\nstartsecs=0\n")
        .ctl("reload")
        .until_count("success: one ", 2)
        .until("success: three ")
        .ctl("status")
        // visor would let live what has not changed.
        .rewrite("[program:one]\ncommand=sleep 1002\nstartsecs=0\n[program:three]\ncommand=sleep 1001\nstartsecs=0\n")
        .terminal(
            "",
            &[
                PROMPT,
                Type("reload\n"),
                See("y/N? "),
                Type("yes\n"),
                See("Restarted supervisord"),
                PROMPT,
                Type("quit\n"),
            ],
        )
        .until_count("success: three ", 2)
        .ctl("status")
        .terminal(
            "",
            &[PROMPT, Type("shutdown\n"), See("y/N? "), Type("Y\n"), See("Shut down"), PROMPT, Type("quit\n")],
        )
        .step(Step::End)
        .ctl("status")
        .ctl("start one")
        .ctl("shutdown")
}

#[test]
fn reload_over_unix() {
    play(Unix, "", vec![reload()]);
}

#[test]
fn reload_over_inet() {
    play(Inet, "", vec![reload()]);
}

/// While a program will not stop.
fn shutdown() -> Case {
    Case::new("shutdown")
        .section("[program:stubborn]\ncommand=sh -c \"trap '' TERM; echo ready; while :; do sleep 0.05; done\"\nstartsecs=0\nstopwaitsecs=50")
        .until("ready")
        .pipe("tail -f stubborn", &[See("ready\n"), Ctl("shutdown"), Interrupt])
        .until("waiting for stubborn to die")
        .ctl("status")
        .ctl("start stubborn")
        .ctl("stop all")
        .ctl("pid")
        .ctl("version")
        .ctl("avail")
        .ctl("reread")
        .ctl("update")
        .ctl("add x")
        .ctl("remove stubborn")
        .ctl("clear stubborn")
        .ctl("tail stubborn")
        .ctl("signal HUP stubborn")
        .ctl("reload")
        .ctl("shutdown")
        .ctl("fg stubborn")
        .ctl("maintail")
        .step(Step::Kill("stubborn", nix::sys::signal::Signal::SIGKILL))
        .step(Step::End)
        .ctl("status")
        .ctl("shutdown")
}

#[test]
fn shutdown_over_unix() {
    play(Unix, "", vec![shutdown()]);
}

#[test]
fn shutdown_over_inet() {
    play(Inet, "", vec![shutdown()]);
}
