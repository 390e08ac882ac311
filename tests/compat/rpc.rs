//! Every method of the XML-RPC server, called by Python's own client with the same arguments on both sides.

use super::case::Door::Inet;
use super::case::{Case, Client, Scene, Step};
use super::compare::compare;

const CONF: &str = "[program:alive]\ncommand=sleep 1000\nstartsecs=0\n\
    [program:idle]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\npriority=5\nuser=root\ndirectory=/tmp\nexitcodes=0,2\nstopsignal=INT\n\
    [program:other]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
    [program:goes]\ncommand=sleep 1001\nstartsecs=0\n\
    [program:gone]\ncommand=true\nstartsecs=0\nautorestart=false\nstartretries=0\n\
    [program:missing]\ncommand=/nowhere/x\nautostart=false\n\
    [program:unfound]\ncommand=no-such-command\nautostart=false\n\
    [program:plain]\ncommand=$DIR/plain\nautostart=false\n\
    [program:fails]\ncommand=sh -c 'exit 3'\nautostart=false\nstartsecs=3\nstartretries=0\n\
    [program:slow]\ncommand=sleep 1000\nstartsecs=10\nautostart=false\n\
    [program:echoes]\ncommand=cat\nstartsecs=0\nredirect_stderr=true\nstdout_logfile=$DIR/echoes.out\n\
    [program:texts]\ncommand=sh -c 'echo first; echo zweite größer; echo oops >&2; exec sleep 1000'\nstartsecs=0\n\
    stdout_logfile_maxbytes=1MB\nstdout_logfile_backups=3\nstderr_events_enabled=true\n\
    [program:bytes]\ncommand=printf 'a\\377b'\nstartsecs=0\nautorestart=false\n\
    [program:controls]\ncommand=printf 'a\\001\\033[1mb\\r\\nc\\td'\nstartsecs=0\nautorestart=false\n\
    [program:markup]\ncommand=printf '<a&b>]]>\"x\" <!-- -->'\nstartsecs=0\nautorestart=false\n\
    [program:none]\ncommand=sleep 1000\nstartsecs=0\nstdout_logfile=NONE\nstderr_logfile=NONE\n\
    [program:many]\ncommand=sleep 1000\nstartsecs=0\nnumprocs=2\nprocess_name=many_%(process_num)d\nstdout_capture_maxbytes=1KB\n\
    [group:pair]\nprograms=left,right\npriority=7\n\
    [program:left]\ncommand=sleep 1000\nstartsecs=0\npriority=1\n\
    [program:right]\ncommand=sleep 1000\nstartsecs=0\npriority=2\nstopasgroup=true\nserverurl=http://nowhere\n\
    [group:mixed]\nprograms=works,breaks\n\
    [program:works]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
    [program:breaks]\ncommand=/nowhere/x\nstartsecs=0\nautostart=false\n\
    [eventlistener:listens]\ncommand=cat\nevents=TICK_3600\nstartsecs=0\n\
    [fcgi-program:fast]\ncommand=sleep 1000\nsocket=unix://$DIR/fast.sock\nstartsecs=0\n";

const TYPES: &str =
    "what is no string is no name: one answer for all methods, where the original answers HTTP 500 in others";
const REFUSED: &[&str] = &["fault 2 'INCORRECT_PARAMETERS'"];
/// Where visor differs on purpose, besides answering where the original fails inside: subject, what visor answers, why.
const INTENDED: &[(&str, &[&str], &str)] = &[
    ("supervisor.addProcessGroup(1)", REFUSED, TYPES),
    ("supervisor.removeProcessGroup(1)", REFUSED, TYPES),
    ("supervisor.startProcessGroup(1)", REFUSED, TYPES),
    ("supervisor.sendRemoteCommEvent(1, 2)", &["fault 2 'INCORRECT_PARAMETERS: 2'"], TYPES),
    ("supervisor.sendProcessStdin('echoes', ['x'])", REFUSED, "how Python writes a list is Python's"),
    ("supervisor.signalProcess('alive', True)", REFUSED, "a boolean is no number of a signal"),
    (
        "system.multicall([{'methodName': 'supervisor.readProcessStdoutLog', 'params': ['echoes', 'x', 0]}])",
        &["[{'faultCode': 2, 'faultString': 'INCORRECT_PARAMETERS'}]"],
        "the original tells a mistake of its own code",
    ),
    (
        "supervisor.reloadConfig()",
        &[
            "[[[], [], []]]",
            "[[['comes'], [], ['goes']]]",
            "[[[], [], []]]",
            "fault 92 \"CANT_REREAD: $DIR/supervisord.conf:132: [program:bad] startsecs: `soon`: invalid literal for \
             int() with base 10: 'soon'\"",
        ],
        "every mistake is told, with its file and line",
    ),
    // Logs that are no text, which the original cannot send: what stands for them.
    ("supervisor.readProcessStdoutLog('bytes', 0, 0)", &["'a�b'"], "bytes that are no UTF-8"),
    ("supervisor.readProcessStdoutLog('controls', 0, 0)", &["'a␁␛[1mb\\r\\nc\\td'"], "characters that XML cannot hold"),
    (
        "supervisor.tailProcessStdoutLog('controls', 0, 100)",
        &["['a␁␛[1mb\\r\\nc\\td', 12, False]"],
        "characters that XML cannot hold",
    ),
    ("supervisor.readProcessStdoutLog('texts', -4, 0)", &["'�er\\n'"], "an offset inside a letter"),
    ("supervisor.readProcessStdoutLog('texts', 16, 2)", &["'��'"], "an offset inside a letter"),
    ("supervisor.getProcessInfo(1)", REFUSED, TYPES),
    ("supervisor.readProcessStdoutLog('texts', 'x', 0)", REFUSED, TYPES),
];

#[test]
fn every_method() {
    let case = Case::new("XML-RPC")
        .section(CONF)
        .given("plain", 0o644, "text")
        .until("success: texts ")
        .until("success: fast ")
        .until("success: listens ")
        .until("exited: gone ")
        .until("exited: bytes ")
        .until("exited: controls ")
        .until("exited: markup ")
        .given("rpc.py", 0o644, include_str!("rpc.py"))
        .step(Step::Program(&["$PYTHON", "$DIR/rpc.py", "127.0.0.1:$PORT", "boss:c:o=p&p er<", "$DIR"]))
        .step(Step::End);
    let case = INTENDED.iter().fold(case, |case, (subject, visor, reason)| case.intended(subject, visor, reason));
    let case = Case { original_may_fail: true, ..case };
    compare(&Scene { client: Client::Original(Inet), cases: vec![case], ..Scene::default() });
}
