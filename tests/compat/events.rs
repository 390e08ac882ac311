//! Events: the same listener under both sees the same headers and payloads.
//!
//! Numbers of this run (pids, serials, times) are checked by the listener itself and written down as names. Left out for
//! what the original does wrong: lengths of text that is not ASCII (it counts characters), what is rejected coming back
//! in other pools of the same priority (each pool here has its own), and the last bytes of captured output before an
//! exit (what is captured here is followed by enough other output).

use nix::sys::signal::Signal;

use super::case::{Case, Scene, Step};
use super::compare::compare;

/// `seen.py NAME FILTER ANSWER…`: events whose payload holds FILTER are written to `NAME.seen` and told on stderr. They are
/// answered with the answers in order, then with OK; others always with OK.
const SEEN: &str = r"
import os, re, sys
name, wanted, answers = sys.argv[1], sys.argv[2], sys.argv[3:]
out = os.open('$DIR/%s.seen' % name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
stdin = sys.stdin.buffer
last = None
def number(text):
    return 'N' if text != '0' else '0'
while True:
    os.write(1, b'READY\n')
    head = stdin.readline()
    if not head:
        sys.exit()
    words = dict(word.split(':', 1) for word in head.decode().split(' '))
    body = stdin.read(int(words['len']))
    serial = int(words['poolserial'])
    step = 'first' if last is None else {0: 'again', 1: 'next'}.get(serial - last, 'far')
    last = serial
    if wanted != '-' and not re.search(re.escape(wanted.encode()) + rb'(\s|$)', body):
        os.write(1, b'RESULT 2\nOK')
        continue
    text = re.sub(r'\bserial:\d+ ', 'serial:N ', head.decode())
    text = re.sub(r'poolserial:\d+ ', 'poolserial:%s ' % ('next' if step in ('first', 'next') else step), text)
    text = re.sub(r'len:\d+', 'len:N', text)
    said = re.sub(r'pid:(\d+)', lambda found: 'pid:' + number(found.group(1)), body.decode())
    said = re.sub(r'^when:(\d+)', lambda found: 'when:5*N' if int(found.group(1)) % 5 == 0 else found.group(0), said)
    os.write(out, (text + repr(said) + '\n').encode())
    os.write(2, ('SEEN %s %s\n' % (name, words['eventname'])).encode())
    answer = answers.pop(0) if answers else 'OK'
    if answer == 'DIE':
        os._exit(1)
    if answer == 'GARBAGE':
        os.write(1, b'this is no result\n')
        stdin.read()
        sys.exit()
    if answer == 'NEWLINE':
        answer = 'OK\n'
    os.write(1, b'RESULT %d\n%s' % (len(answer), answer.encode()))
";

/// A case with a pool of one listener of its own.
fn case(name: &'static str, pool: &'static str, events: &str, filter: &str) -> Case {
    answering(name, pool, events, filter, "")
}

fn answering(name: &'static str, pool: &'static str, events: &str, filter: &str, answers: &str) -> Case {
    // Priorities that differ, for the original mixes up pools whose priorities do not.
    let priority = pool.bytes().fold(1_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 1_000_003);
    Case::new(name).given("seen.py", 0o644, SEEN).section(&format!(
        "[eventlistener:{pool}]\ncommand=python3 $DIR/seen.py {pool} {filter} {answers}\nevents={events}\n\
         buffer_size=1000\nstartsecs=0\npriority={priority}"
    ))
}

/// Started when asked.
const DOWN: &str = "autostart=false\nautorestart=false\nstartsecs=0";

/// Started at once, and only once.
const ONCE: &str = "autorestart=false\nstartsecs=0";

#[test]
fn states() {
    let stay = "command=sleep 1000\nautostart=false\nstartsecs=0";
    let scene = Scene {
        cases: vec![
            case("a program started and stopped", "l1", "PROCESS_STATE", "processname:p1")
                .section(&format!("[program:p1]\n{stay}"))
                .ctl("start p1")
                .ctl("stop p1")
                .until("SEEN l1 PROCESS_STATE_STOPPED")
                .file("l1.seen"),
            case("an exit that is not expected", "l2", "process_state", "processname:p2")
                .section(&format!("[program:p2]\ncommand=sh -c 'sleep 1.5; exit 3'\n{DOWN}"))
                .ctl("start p2")
                .until("SEEN l2 PROCESS_STATE_EXITED")
                .file("l2.seen"),
            case("an exit that is expected", "l3", "PROCESS_STATE_EXITED,PROCESS_STATE_RUNNING", "processname:p3")
                .section(&format!("[program:p3]\ncommand=sh -c 'sleep 1.5; exit 3'\nexitcodes=3\n{DOWN}"))
                .ctl("start p3")
                .until("SEEN l3 PROCESS_STATE_EXITED")
                .file("l3.seen"),
            case("a death by a signal", "l4", "PROCESS_STATE", "processname:p4")
                .section(&format!("[program:p4]\ncommand=sleep 1000\n{DOWN}"))
                .ctl("start p4")
                .until("SEEN l4 PROCESS_STATE_RUNNING")
                .step(Step::Kill("p4", Signal::SIGKILL))
                .until("SEEN l4 PROCESS_STATE_EXITED")
                .file("l4.seen"),
            case("no such command and no retries", "l5", "PROCESS_STATE", "processname:p5")
                .section("[program:p5]\ncommand=/nowhere/x\nstartretries=0")
                .until("SEEN l5 PROCESS_STATE_FATAL")
                .file("l5.seen"),
            case("retries that are used up", "l6", "PROCESS_STATE", "processname:p6")
                .section("[program:p6]\ncommand=sh -c 'exit 1'\nstartsecs=3\nstartretries=2")
                .until("SEEN l6 PROCESS_STATE_FATAL")
                .file("l6.seen"),
            case("a stop in BACKOFF", "l7", "PROCESS_STATE_BACKOFF,PROCESS_STATE_STOPPED", "processname:p7")
                .section("[program:p7]\ncommand=/nowhere/x\nstartretries=1000")
                .step(Step::Until("SEEN l7 PROCESS_STATE_BACKOFF", 3))
                .ctl("stop p7")
                .until("SEEN l7 PROCESS_STATE_STOPPED")
                .file("l7.seen"),
            case("a restart of what exited", "l8", "PROCESS_STATE", "processname:p8")
                .section(
                    "[program:p8]\ncommand=sh -c 'test -e $DIR/p8 && exec sleep 1000; touch $DIR/p8; sleep 4'\n\
                     startsecs=3\nautorestart=true",
                )
                .step(Step::Until("SEEN l8 PROCESS_STATE_RUNNING", 2))
                .file("l8.seen"),
            case("processes of a group", "l9", "PROCESS_STATE_RUNNING", "groupname:g9")
                .section(&format!("[group:g9]\nprograms=p9\n[program:p9]\n{stay}"))
                .ctl("start g9:p9")
                .until("SEEN l9 PROCESS_STATE_RUNNING")
                .file("l9.seen"),
            case("processes of a number", "l10", "PROCESS_STATE_RUNNING", "groupname:p10")
                .section(&format!("[program:p10]\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n{stay}"))
                .ctl("start p10:p10_00")
                .ctl("start p10:p10_01")
                .step(Step::Until("SEEN l10 PROCESS_STATE_RUNNING", 2))
                .file("l10.seen"),
            case("the listener's own start", "l11", "PROCESS_STATE", "processname:l11")
                .until("SEEN l11 PROCESS_STATE_RUNNING")
                .file("l11.seen"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn output_and_other_types() {
    let filler = "x".repeat(60);
    let scene = Scene {
        supervisord: "identifier=house",
        cases: vec![
            case("logged output", "l1", "PROCESS_LOG", "processname:p1")
                .section(&format!("[program:p1]\ncommand=echo hello\nstdout_events_enabled=true\n{ONCE}"))
                .until("SEEN l1 PROCESS_LOG_STDOUT")
                .file("l1.seen"),
            case("logged errors", "l2", "PROCESS_LOG_STDERR", "processname:p2")
                .section(&format!("[program:p2]\ncommand=sh -c 'echo hello >&2'\nstderr_events_enabled=true\n{ONCE}"))
                .until("SEEN l2 PROCESS_LOG_STDERR")
                .file("l2.seen"),
            case("errors that go where output goes", "l3", "PROCESS_LOG", "processname:p3")
                .section(&format!(
                    "[program:p3]\ncommand=sh -c 'echo hello >&2'\nredirect_stderr=true\nstdout_events_enabled=true\n{ONCE}"
                ))
                .until("SEEN l3 PROCESS_LOG_STDOUT")
                .file("l3.seen"),
            case("output that is no text", "l4", "PROCESS_LOG", "processname:p4")
                .given("p4.bin", 0o644, "")
                .section(&format!(
                    "[program:p4]\ncommand=python3 -c \"import os; os.write(1, b'a\\xff\\x00\\t\\'\\n')\"\n\
                     stdout_events_enabled=true\n{ONCE}"
                ))
                .until("SEEN l4 PROCESS_LOG_STDOUT")
                .file("l4.seen"),
            case("captured output", "l5", "PROCESS_COMMUNICATION", "processname:p5")
                .section(&format!(
                    "[program:p5]\ncommand=echo '<!--XSUPERVISOR:BEGIN-->one two<!--XSUPERVISOR:END-->{filler}'\n\
                     stdout_capture_maxbytes=1KB\n{ONCE}"
                ))
                .until("SEEN l5 PROCESS_COMMUNICATION_STDOUT")
                .file("l5.seen"),
            case("captured errors, the tags in pieces", "l6", "PROCESS_COMMUNICATION", "processname:p6")
                .section(&format!(
                    "[program:p6]\ncommand=sh -c 'printf \"{filler}<!--XSUPER\"; sleep 1; printf \"VISOR:BEGIN-->one\"; sleep 1; \
                     printf \" two<!--XSUPERVISOR:\"; sleep 1; echo \"END-->{filler}\"' >&2\n\
                     stderr_capture_maxbytes=1KB\n{ONCE}"
                )
                .replace("' >&2", " ' ")
                .replace("sh -c '", "sh -c 'exec >&2; "))
                .until("SEEN l6 PROCESS_COMMUNICATION_STDERR")
                .file("l6.seen"),
            case("two captures at once", "l7", "PROCESS_COMMUNICATION_STDOUT", "processname:p7")
                .section(&format!(
                    "[program:p7]\ncommand=echo '{filler}<!--XSUPERVISOR:BEGIN-->one<!--XSUPERVISOR:END-->between\
                     <!--XSUPERVISOR:BEGIN-->two<!--XSUPERVISOR:END-->{filler}'\nstdout_capture_maxbytes=1KB\n{ONCE}"
                ))
                .step(Step::Until("SEEN l7 PROCESS_COMMUNICATION_STDOUT", 2))
                .file("l7.seen"),
            case("a client's word", "l8", "REMOTE_COMMUNICATION", "type:eight")
                .step(Step::Say("eight", "some data, more data\n"))
                .until("SEEN l8 REMOTE_COMMUNICATION")
                .file("l8.seen"),
            case("a client's word without data", "l9", "EVENT", "type:nine")
                .step(Step::Say("nine", ""))
                .until("SEEN l9 REMOTE_COMMUNICATION")
                .file("l9.seen"),
            case("the clock", "l10", "TICK_5", "-").until("SEEN l10 TICK_5").file("l10.seen"),
            case("the pool's own group", "l11", "PROCESS_GROUP_ADDED", "groupname:l11")
                .until("SEEN l11 PROCESS_GROUP_ADDED")
                .file("l11.seen"),
            case("visor runs", "l12", "SUPERVISOR_STATE_CHANGE_RUNNING", "-")
                .until("SEEN l12 SUPERVISOR_STATE_CHANGE_RUNNING")
                .file("l12.seen"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn answers() {
    let scene = Scene {
        cases: vec![
            answering("a rejected event", "l1", "REMOTE_COMMUNICATION", "type:one", "OK FAIL no OK")
                .step(Step::Say("one", "1"))
                .step(Step::Say("one", "2"))
                .step(Step::Until("SEEN l1 REMOTE_COMMUNICATION", 4))
                .step(Step::Say("one", "3"))
                .step(Step::Until("SEEN l1 REMOTE_COMMUNICATION", 5))
                .file("l1.seen"),
            answering("a listener that dies with an event", "l2", "REMOTE_COMMUNICATION", "type:two", "DIE")
                .step(Step::Say("two", "2"))
                .step(Step::Until("SEEN l2 REMOTE_COMMUNICATION", 2))
                .ctl("stop l2")
                .repeats()
                .file("l2.seen"),
            answering("a listener that answers garbage", "l3", "REMOTE_COMMUNICATION", "type:three", "GARBAGE")
                .process("l3")
                .step(Step::Say("three", "3"))
                .until("l3: has entered the UNKNOWN state")
                .ctl("status l3")
                .file("l3.seen")
                .except("event ", "serials are counted by either in its own way")
                .except("ACKNOWLEDGED", "it gets the events of the other cases too"),
            answering("a result with a line end", "l4", "REMOTE_COMMUNICATION", "type:four", "NEWLINE")
                .step(Step::Say("four", "4"))
                .until("l4: event was rejected")
                .step(Step::Until("SEEN l4 REMOTE_COMMUNICATION", 2))
                .file("l4.seen"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn groups_that_come_and_go() {
    const LISTENER: &str = "[eventlistener:l]\ncommand=python3 $DIR/seen.py l groupname:x\nevents=PROCESS_GROUP\n\
                            buffer_size=1000\nstartsecs=0\n";
    const WITH: &str = "[eventlistener:l]\ncommand=python3 $DIR/seen.py l groupname:x\nevents=PROCESS_GROUP\n\
                        buffer_size=1000\nstartsecs=0\n[program:x]\ncommand=sleep 1000\nautostart=false\n";
    let scene = Scene {
        cases: vec![
            Case::new("added and removed")
                .given("seen.py", 0o644, SEEN)
                .section(LISTENER)
                .until("entered RUNNING state")
                .rewrite(WITH)
                .ctl("update")
                .until("SEEN l PROCESS_GROUP_ADDED")
                .rewrite(LISTENER)
                .ctl("update")
                .until("SEEN l PROCESS_GROUP_REMOVED")
                .file("l.seen"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}
