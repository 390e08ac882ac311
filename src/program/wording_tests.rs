use std::time::Duration;

use super::sample::{at, process};
use super::*;
use crate::config::{AutoRestart, Hooks, LogLevel, Process, Signal};

const PID: i32 = 42;

fn life(state: State) -> Life {
    Life { state, wanted: Wanted::Up, ..Life::new() }
}

fn described(life: &Life, millis: u64) -> String {
    describe(life, at(millis), &|wall| format!("at {}", wall.as_secs() - 1_700_000_000))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn running_is_described_by_pid_and_uptime() {
    let cases = [
        (0, "0:00:00"),
        (59, "0:00:59"),
        (3661, "1:01:01"),
        (86_399, "23:59:59"),
        (86_400, "1 day, 0:00:00"),
        (3 * 86_400 + 7325, "3 days, 2:02:05"),
    ];
    for (uptime, text) in cases {
        let life = life(State::Running { pid: PID, since: secs(100) });
        assert_eq!(described(&life, (100 + uptime) * 1000 + 999), format!("pid 42, uptime {text}"));
    }
}

#[test]
fn running_since_the_future_has_no_uptime() {
    assert_eq!(described(&life(State::Running { pid: PID, since: secs(100) }), 0), "pid 42, uptime 0:00:00");
}

#[test]
fn backoff_and_fatal_are_described_by_their_error() {
    for state in [State::Backoff { until: secs(1), tries: 1 }, State::Fatal] {
        let mut life = life(state);
        assert_eq!(described(&life, 0), "unknown error (try \"tail <name>\")");
        life.error = Some("command is empty".to_string());
        assert_eq!(described(&life, 0), "command is empty");
    }
}

#[test]
fn stopped_and_exited_are_described_by_when() {
    for state in [State::Stopped, State::Exited] {
        let mut life = life(state);
        assert_eq!(described(&life, 99_000), "Not started");
        life.started = Some(at(5_000));
        assert_eq!(described(&life, 99_000), "at 5");
        life.ended = Some(at(7_000));
        assert_eq!(described(&life, 99_000), "at 7");
    }
}

#[test]
fn states_in_between_are_not_described() {
    let since = secs(1);
    for state in [
        State::Spawning { tries: 0, stop: false },
        State::Launching { pid: PID, since, tries: 0 },
        State::Failing { pid: PID, tries: 0, error: "no".to_string() },
        State::Starting { pid: PID, since, tries: 0 },
        State::Stopping { pid: PID, kill_at: since },
        State::Emptying { group: PID, kill_at: since, look_at: since, kills: 0 },
        State::Unknown { pid: PID },
    ] {
        assert_eq!(described(&life(state), 0), "");
    }
}

#[test]
fn reports_are_worded_as_the_original_words_them() {
    use LogLevel::{Critical, Debug, Info, Warn};
    let killed = Exit::Signal { signal: Signal(11), core: false };
    let dumped = Exit::Signal { signal: Signal(11), core: true };
    let (pid, code) = (PID, Exit::Code(3));
    let cases = [
        (Report::Spawned { pid }, Info, "spawned: 'web' with pid 42"),
        (Report::SpawnError { error: "command is empty".to_string() }, Info, "spawnerr: command is empty"),
        (
            Report::Success { startsecs: 1 },
            Info,
            "success: web entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
        ),
        (Report::Exited { exit: Exit::Code(0), expected: true }, Info, "exited: web (exit status 0; expected)"),
        (Report::Exited { exit: code, expected: false }, Warn, "exited: web (exit status 3; not expected)"),
        (Report::Exited { exit: killed, expected: false }, Warn, "exited: web (terminated by SIGSEGV; not expected)"),
        (
            Report::Exited { exit: dumped, expected: false },
            Warn,
            "exited: web (terminated by SIGSEGV (core dumped); not expected)",
        ),
        (Report::Stopped { exit: Exit::Code(0), expected: true }, Info, "stopped: web (exit status 0)"),
        (Report::Stopped { exit: killed, expected: false }, Warn, "stopped: web (terminated by SIGSEGV)"),
        (Report::GaveUp, Info, "gave up: web entered FATAL state, too many start retries too quickly"),
        (Report::Killing { pid }, Warn, "killing 'web' (42) with SIGKILL"),
        (
            Report::Signalling { pid, group: false, signal: Signal(15) },
            Debug,
            "killing web (pid 42) with signal SIGTERM",
        ),
        (
            Report::Signalling { pid, group: true, signal: Signal(9) },
            Debug,
            "killing web (pid 42) process group with signal SIGKILL",
        ),
        (
            Report::SignalFailed { pid, signal: Signal(15), error: "Operation not permitted".to_string() },
            Critical,
            "unknown problem sending SIGTERM to web (pid 42): Operation not permitted",
        ),
        (
            Report::GroupLeft { group: pid },
            Warn,
            "stopped: web, but processes of its group 42 are left that cannot be killed",
        ),
    ];
    for (report, level, sentence) in cases {
        assert_eq!((report.level(), report.sentence("web").as_str()), (level, sentence));
    }
}

#[test]
fn exits_have_supervisors_status_and_only_codes_are_expected() {
    let killed = Exit::Signal { signal: Signal(9), core: false };
    assert_eq!((Exit::Code(7).status(), killed.status()), (7, -1));
    assert!(Exit::Code(7).is_expected(&[0, 7]));
    assert!(!Exit::Code(7).is_expected(&[0]));
    assert!(!killed.is_expected(&[-1, 9, 137]));
}

#[test]
fn names_have_supervisors_words_numbers_and_sets() {
    let all: Vec<(&str, i32)> = Name::ALL.iter().map(|name| (name.word(), name.code())).collect();
    let expected = [
        ("STOPPED", 0),
        ("STARTING", 10),
        ("RUNNING", 20),
        ("BACKOFF", 30),
        ("STOPPING", 40),
        ("EXITED", 100),
        ("FATAL", 200),
        ("UNKNOWN", 1000),
    ];
    assert_eq!(all, expected);
    let (up, down): (Vec<Name>, Vec<Name>) = (
        Name::ALL.into_iter().filter(|name| name.is_up()).collect(),
        Name::ALL.into_iter().filter(|name| name.is_down()).collect(),
    );
    assert_eq!(up, [Name::Starting, Name::Running, Name::Backoff]);
    assert_eq!(down, [Name::Stopped, Name::Exited, Name::Fatal, Name::Unknown]);
}

fn why_at(policy: &Process, life: &Life) -> String {
    why(policy, life, at(10_000))
}

#[test]
fn why_of_one_that_is_down_says_what_brings_it_up() {
    let policy = process("web");
    let by_hand = Process { autostart: false, ..process("web") };
    let mut life = Life::new();
    assert_eq!(why_at(&policy, &life), "not started yet");
    assert_eq!(why_at(&by_hand, &life), "not started: `autostart=false`, start it by hand");
    life.started = Some(at(1));
    assert_eq!(why_at(&policy, &life), "stopped on request; it stays down until it is started");
    life.wanted = Wanted::Up;
    assert_eq!(why_at(&policy, &life), "stopped; it is about to start again");
}

#[test]
fn why_of_one_between_says_what_it_waits_for() {
    let policy = Process { startsecs: 5, ..process("web") };
    let since = secs(8);
    let cases = [
        (State::Spawning { tries: 0, stop: false }, "being started: its command is not yet running"),
        (State::Launching { pid: PID, since, tries: 0 }, "being started: its command is not yet running"),
        (State::Failing { pid: PID, tries: 0, error: "no such user".to_string() }, "its start failed: no such user"),
        (
            State::Starting { pid: PID, since, tries: 0 },
            "started 2.0 s ago; counts as running when it has stayed up for `startsecs=5`",
        ),
        (State::Running { pid: PID, since }, "running with pid 42 for 0:00:02"),
        (
            State::Stopping { pid: PID, kill_at: Duration::from_millis(12_500) },
            "waiting for pid 42 to end after SIGTERM; KILL follows in 2.5 s",
        ),
        (
            State::Stopping { pid: PID, kill_at: secs(9) },
            "waiting for pid 42 to end after SIGTERM; KILL follows in 0.0 s",
        ),
        (
            State::Emptying { group: PID, kill_at: secs(11), look_at: secs(11), kills: 0 },
            "pid 42 has ended, others of its process group have not; KILL follows in 1.0 s",
        ),
    ];
    for (state, text) in cases {
        assert_eq!(why_at(&policy, &life(state)), text);
    }
}

#[test]
fn why_of_one_that_stops_by_a_command_names_it_until_the_signal_follows() {
    let stop = Some("drain".to_string());
    let hooks = Hooks { pre_start: None, post_stop: None, stop, reload: None, timeout: secs(30) };
    let policy = Process { hooks: Some(Box::new(hooks)), ..process("web") };
    let mut life = life(State::Stopping { pid: PID, kill_at: secs(11) });
    assert_eq!(why_at(&policy, &life), "waiting for pid 42 to end after stop_command; KILL follows in 1.0 s");
    life.hook_error = Some((Hook::Stop, "exit status 1".to_string()));
    assert_eq!(why_at(&policy, &life), "waiting for pid 42 to end after SIGTERM; KILL follows in 1.0 s");
}

#[test]
fn one_that_was_stopped_because_it_was_unhealthy_says_so_and_is_missing() {
    let policy = process("web");
    let mut life = Life {
        wanted: Wanted::Down,
        end: End::Unhealthy,
        started: Some(at(1)),
        health: Some(Health::Unhealthy("file:/up: gone".to_string())),
        ..life(State::Stopped)
    };
    assert!(life.is_missing(&policy));
    assert_eq!(why_at(&policy, &life), "stopped because it was unhealthy (file:/up: gone); start it by hand");
    life.end = End::Stopped;
    assert!(!life.is_missing(&policy));
    assert!(why_at(&policy, &life).starts_with("stopped on request"));
}

#[test]
fn why_of_one_that_failed_names_the_cause_and_counts_what_is_left() {
    let policy = process("web");
    let mut life = life(State::Backoff { until: secs(12), tries: 2 });
    life.error = Some("command is empty".to_string());
    assert_eq!(
        why_at(&policy, &life),
        "start 2 failed (command is empty); the next try comes in 2.0 s, 2 more before it is given up"
    );
    life.state = State::Fatal;
    assert_eq!(why_at(&policy, &life), "given up after 4 failed starts: command is empty; start it by hand");
    life.state = State::Unknown { pid: PID };
    assert_eq!(why_at(&policy, &life), "pid 42 could not be signalled: command is empty");
}

#[test]
fn why_of_one_that_ended_tells_how_and_why_it_stays_down() {
    let ended = |autorestart, exit| {
        let policy = Process { autorestart, ..process("web") };
        why_at(&policy, &Life { exit: Some(exit), ..life(State::Exited) })
    };
    assert_eq!(
        ended(AutoRestart::Never, Exit::Code(1)),
        "ended by itself (exit status 1); not started again: `autorestart=false`"
    );
    assert_eq!(
        ended(AutoRestart::Unexpected, Exit::Code(0)),
        "ended by itself (exit status 0); not started again: the exit code is in `exitcodes`"
    );
    assert_eq!(
        ended(AutoRestart::Always, Exit::Signal { signal: Signal(15), core: false }),
        "ended by itself (terminated by SIGTERM); not started again: visor is going down"
    );
}

#[test]
fn missing_is_what_should_run_and_does_not() {
    let policy = process("web");
    for state in [State::Stopped, State::Backoff { until: secs(1), tries: 1 }, State::Fatal] {
        assert!(life(state.clone()).is_missing(&policy), "{state:?}");
        assert!(!Life { wanted: Wanted::Down, ..life(state) }.is_missing(&policy));
    }
    assert!(!life(State::Running { pid: PID, since: secs(1) }).is_missing(&policy));
    assert!(!Life { exit: Some(Exit::Code(0)), ..life(State::Exited) }.is_missing(&policy));
    assert!(Life { exit: Some(Exit::Code(1)), ..life(State::Exited) }.is_missing(&policy));
}
