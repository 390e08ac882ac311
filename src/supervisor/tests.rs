use super::sample::{Bench, group, program, quick, shown, words};
use super::*;
use crate::config::{Process, Signal};
use crate::event::Event;
use crate::program::sample::{at, process};
use crate::program::{SpawnFailure, SpawnFailureKind};

const NOTHING: [&str; 0] = [];

fn three() -> Vec<crate::config::Group> {
    vec![program("first", 1), program("last", 999), program("middle", 5)]
}

fn events(bench: &Bench) -> Vec<&'static str> {
    bench.out.iter().filter_map(|a| if let Action::Event(event) = a { Some(event.name()) } else { None }).collect()
}

#[test]
fn boot_starts_what_starts_by_itself_lowest_priority_first() {
    let mut groups = three();
    groups.push(group("g", 5, vec![Process { priority: 9, ..quick("b") }, Process { priority: 1, ..quick("a") }]));
    groups.push(group("h", 1, vec![Process { autostart: false, ..quick("h") }]));
    let mut bench = Bench::new(groups);
    assert_eq!(bench.said(), ["added first", "added last", "added middle", "added b", "added a", "added h"]);
    assert_eq!(bench.feed(Input::Boot), ["spawn first", "spawn a", "spawn b", "spawn middle", "spawn last"]);
    assert_eq!(&events(&bench)[5..7], ["SUPERVISOR_STATE_CHANGE_RUNNING", "PROCESS_STATE_STARTING"]);
    assert!(matches!(&bench.out[0], Action::Event(Event::GroupAdded { group }) if group == "first"));
    assert_eq!(bench.feed(Input::Boot), NOTHING);
}

#[test]
fn start_waits_until_running_and_answers_each() {
    let mut bench = Bench::new(vec![program("a", 1), group("b", 1, vec![process("b")])]);
    bench.sup.phase = Phase::Running;
    assert_eq!(bench.start(&["b", "a"]), ["spawn a", "spawn b"]);
    assert_eq!(bench.spawn_all(), ["1: a started"]);
    bench.millis += 999;
    assert_eq!(bench.feed(Input::Deadline), NOTHING);
    bench.millis += 1;
    assert_eq!(bench.feed(Input::Deadline), ["1: b started", "1: ok"]);
    assert_eq!(bench.sup.next_deadline(), None);
}

#[test]
fn start_without_wait_answers_when_forked() {
    let mut bench = Bench::new(vec![group("b", 1, vec![process("b")])]);
    bench.sup.phase = Phase::Running;
    bench.ask(Ask::Start { names: words(&["b"]), wait: false });
    let id = bench.id("b");
    assert_eq!(bench.feed(Input::Process(id, program::Input::Spawned { pid: 7 })), ["1: b started", "1: ok"]);
}

#[test]
fn start_of_what_runs_is_an_error_only_when_named_itself() {
    let mut bench = Bench::running(three());
    assert_eq!(
        bench.start(&["first"]),
        ["1: first already-started", "1: error already-started (first: already started)"]
    );
    assert_eq!(bench.start(&["first:*"]), ["2: ok"]);
    assert_eq!(bench.start(&["all"]), ["3: ok"]);
}

#[test]
fn names_that_mean_nothing_are_told_and_the_others_done() {
    let mut bench = Bench::running(three());
    assert_eq!(
        bench.stop(&["nope", "nope:*", "first:x", "first"]),
        ["1: nope bad-name", "1: nope bad-name", "1: first:x bad-name", "15 first"]
    );
    assert_eq!(bench.dies("first", 0), ["1: first stopped", "1: error bad-name (first:x: no such process)"]);
}

#[test]
fn failed_starts_are_answered_by_their_kind_and_tried_again() {
    let kinds = [
        (SpawnFailureKind::NoFile, "1: a no-file"),
        (SpawnFailureKind::NotExecutable, "1: a not-executable"),
        (SpawnFailureKind::Other, "1: a spawn-error"),
    ];
    for (kind, line) in kinds {
        let mut bench = Bench::new(vec![program("a", 1)]);
        bench.sup.phase = Phase::Running;
        bench.start(&["a"]);
        let id = bench.id("a");
        let failure = SpawnFailure { kind, text: "no".to_string() };
        let said = bench.feed(Input::Process(id, program::Input::SpawnFailed(failure)));
        assert_eq!(said[0], line);
        assert_eq!((said.len(), bench.state("a")), (2, "BACKOFF"));
        bench.millis += 1000;
        assert_eq!(bench.feed(Input::Deadline), ["spawn a"]);
    }
}

#[test]
fn start_of_a_command_that_cannot_be_had_changes_no_state_and_the_others_start() {
    let two = vec![quick("a"), quick("b"), quick("c")];
    let mut bench = Bench::new(vec![group("g", 1, two)]);
    bench.sup.phase = Phase::Running;
    bench.missing = vec![("a", SpawnFailureKind::NoFile), ("b", SpawnFailureKind::NotExecutable)];
    assert_eq!(bench.start(&["g:*"]), ["1: g:a no-file", "1: g:b not-executable", "spawn c"]);
    assert_eq!(["a", "b", "c"].map(|name| bench.state(&format!("g:{name}"))), ["STOPPED", "STOPPED", "STARTING"]);
    assert!(bench.logged().is_empty(), "{:?}", bench.logged());
    assert_eq!(bench.spawn_all(), ["1: g:c started", "1: error not-executable (g:b: no)"]);
    // Names that mean nothing first, then the commands, then what runs already.
    assert_eq!(
        bench.start(&["g:a", "nope", "g:c"]),
        ["2: nope bad-name", "2: g:c already-started", "2: g:a no-file", "2: error no-file (g:a: no)"]
    );
}

#[test]
fn running_process_whose_command_vanished_is_already_started() {
    let mut bench = Bench::running(vec![program("a", 1)]);
    bench.missing = vec![("a", SpawnFailureKind::NoFile)];
    assert_eq!(bench.start(&["a"]), ["1: a already-started", "1: error already-started (a: already started)"]);
    assert_eq!(bench.state("a"), "RUNNING");
    // Its restart stops it and goes no further.
    bench.ask(Ask::Restart(words(&["a"])));
    let said = bench.dies("a", 0);
    assert_eq!(said, ["2: a stopped", "2: a no-file", "2: error no-file (a: no)"]);
    assert_eq!(bench.state("a"), "STOPPED");
}

#[test]
fn process_that_starts_while_its_command_is_looked_for_is_told_as_started_already() {
    let mut bench = Bench::new(vec![group("g", 1, vec![quick("a")])]);
    bench.sup.phase = Phase::Running;
    let (id, now) = (bench.id("g:a"), at(bench.millis));
    let mut out = Vec::new();
    for client in [1, 2] {
        let ask = Ask::Start { names: words(&["g:*"]), wait: true };
        bench.sup.handle(Input::Ask(ClientId(client), ask), now, &mut out);
    }
    let jobs: Vec<JobId> = out
        .iter()
        .filter_map(|action| if let Action::LookUp { job, .. } = action { Some(*job) } else { None })
        .collect();
    assert_eq!(jobs.len(), 2);
    assert_eq!(bench.feed(Input::LookedUp(jobs[0], Map::new())), ["spawn a"]);
    let expected = ["2: g:a already-started", "2: error already-started (g:a: already started)"];
    assert_eq!(bench.feed(Input::LookedUp(jobs[1], Map::new())), expected);
    // An answer that nobody waits for any more means nothing.
    assert!(bench.feed(Input::LookedUp(jobs[1], Map::new())).is_empty());
    bench.feed(Input::Process(id, program::Input::Spawned { pid: 7 }));
    assert_eq!(bench.feed(Input::Process(id, program::Input::Execed)), ["1: g:a started", "1: ok"]);
}

#[test]
fn start_that_dies_too_quickly_is_a_spawn_error() {
    let mut bench = Bench::new(vec![group("b", 1, vec![process("b")])]);
    bench.sup.phase = Phase::Running;
    bench.start(&["b"]);
    bench.spawn_all();
    assert_eq!(bench.dies("b", 0), ["1: b spawn-error", "1: error spawn-error (b: spawn error)"]);
}

#[test]
fn start_overtaken_by_a_stop_is_an_abnormal_termination() {
    let mut bench = Bench::new(vec![group("b", 1, vec![process("b")])]);
    bench.sup.phase = Phase::Running;
    bench.start(&["b"]);
    bench.spawn_all();
    assert_eq!(bench.stop(&["b"])[0], "1: b abnormal-termination");
    assert_eq!(bench.dies("b", 0), ["2: b stopped", "2: ok"]);
}

#[test]
fn start_of_what_is_stopping_starts_it_after_that() {
    let mut bench = Bench::running(three());
    bench.stop(&["first"]);
    assert_eq!(bench.start(&["first"]), NOTHING);
    assert_eq!(bench.dies("first", 0), ["1: first stopped", "spawn first", "1: ok"]);
    assert_eq!(bench.spawn_all(), ["2: first started", "2: ok"]);
}

#[test]
fn start_of_what_stops_as_soon_as_it_has_a_pid_starts_it_after_that() {
    let mut bench = Bench::new(three());
    bench.sup.phase = Phase::Running;
    let id = bench.id("first");
    bench.start(&["first"]);
    bench.stop(&["first"]);
    assert_eq!(bench.start(&["first"]), NOTHING);
    let said = bench.feed(Input::Process(id, program::Input::Spawned { pid: 7 }));
    assert_eq!(said, ["15 first"]);
    assert_eq!(bench.dies("first", 0), ["2: first stopped", "spawn first", "2: ok"]);
    assert_eq!(bench.spawn_all(), ["1: first started", "3: first started", "1: ok", "3: ok"]);
}

#[test]
fn reaped_pid_is_forgotten() {
    let mut bench = Bench::running(three());
    let (id, pid) = (bench.id("first"), bench.pid("first"));
    assert!(bench.sup.holds(id, pid, false));
    bench.dies("first", 0);
    assert!(!bench.sup.holds(id, pid, true));
    bench.feed(Input::Died { pid, exit: Exit::Code(0) });
    assert_eq!(bench.logged(), [format!("reaped unknown pid {pid} (exit status 0)")]);
}

#[test]
fn stop_goes_through_waves_from_the_last_and_awaits_each() {
    let mut bench = Bench::running(three());
    assert_eq!(bench.stop(&["all"]), ["15 last"]);
    assert_eq!(bench.dies("last", 0), ["1: last stopped", "15 middle"]);
    assert_eq!(bench.dies("middle", 0), ["1: middle stopped", "15 first"]);
    assert_eq!(bench.dies("first", 0), ["1: first stopped", "1: ok"]);
}

#[test]
fn stop_tells_of_what_went_down_before_its_turn() {
    let mut bench = Bench::running(three());
    bench.stop(&["first", "last"]);
    assert_eq!(bench.dies("first", 0), NOTHING);
    assert_eq!(bench.state("first"), "EXITED");
    assert_eq!(bench.dies("last", 0), ["1: last stopped", "1: first stopped", "1: ok"]);
}

#[test]
fn stop_without_wait_answers_at_once_and_reminds_nobody() {
    let mut bench = Bench::running(three());
    let said = bench.ask(Ask::Stop { names: words(&["all"]), wait: false });
    let expected =
        ["15 last", "1: last stopped", "15 middle", "1: middle stopped", "15 first", "1: first stopped", "1: ok"];
    assert_eq!(said, expected);
    assert!(!bench.logged().iter().any(|line| line.starts_with("waiting")));
}

#[test]
fn stop_of_what_is_down_is_an_error_only_when_named_itself() {
    let mut bench = Bench::new(three());
    bench.sup.phase = Phase::Running;
    assert_eq!(bench.stop(&["first"]), ["1: first not-running", "1: error not-running (first: not running)"]);
    assert_eq!(bench.stop(&["first:*", "all"]), ["2: ok"]);
}

#[test]
fn stop_waiting_is_logged_every_two_seconds() {
    let mut bench = Bench::running(three());
    bench.stop(&["first"]);
    assert!(bench.logged().contains(&"waiting for first to stop".to_string()));
    for _ in 0..3 {
        let due = bench.sup.next_deadline().unwrap();
        bench.millis += 2000;
        assert_eq!(due, crate::program::sample::at(bench.millis).mono);
        bench.feed(Input::Deadline);
        assert_eq!(bench.logged(), ["waiting for first to stop"]);
    }
    bench.dies("first", 0);
    bench.millis += 2000;
    bench.feed(Input::Deadline);
    assert_eq!(bench.logged(), NOTHING);
    assert_eq!(bench.sup.next_deadline(), None);
}

#[test]
fn stop_of_a_whole_group_is_answered_when_the_group_is_gone() {
    let mut bench = Bench::running(vec![group("a", 1, vec![Process { killasgroup: true, ..quick("a") }])]);
    let old = bench.pid("a");
    bench.stop(&["a"]);
    assert_eq!(bench.dies("a", 0), ["look a"]);
    let id = bench.id("a");
    assert!(bench.sup.holds(id, old, true));
    assert!(!bench.sup.holds(id, old, false));
    bench.feed(Input::Process(id, program::Input::Group { alive: true }));
    assert_eq!(bench.feed(Input::Died { pid: 9999, exit: Exit::Code(0) }), ["look a"]);
    let gone = bench.feed(Input::Process(id, program::Input::Group { alive: false }));
    assert_eq!(gone, ["1: a stopped", "1: ok"]);
    assert!(!bench.sup.holds(id, old, true));
}

#[test]
fn awaited_group_whose_number_is_given_away_again_is_gone() {
    let whole = Process { killasgroup: true, ..quick("a") };
    let mut bench = Bench::running(vec![group("a", 1, vec![whole]), program("b", 1)]);
    let (old, b) = (bench.pid("a"), bench.id("b"));
    bench.stop(&["a"]);
    bench.dies("a", 0);
    bench.dies("b", 1);
    let said = bench.feed(Input::Process(b, program::Input::Spawned { pid: old }));
    assert_eq!(said, ["1: a stopped", "1: ok"]);
    assert_eq!((bench.pid("b"), bench.state("a")), (old, "STOPPED"));
}

#[test]
fn restart_stops_all_then_starts_all() {
    let mut bench = Bench::running(three());
    assert_eq!(bench.ask(Ask::Restart(words(&["first", "last"]))), ["15 last"]);
    assert_eq!(bench.dies("last", 0), ["1: last stopped", "15 first"]);
    assert_eq!(bench.dies("first", 0), ["1: first stopped", "spawn first", "spawn last"]);
    assert_eq!(bench.spawn_all(), ["1: first started", "1: last started", "1: ok"]);
}

#[test]
fn client_that_leaves_hears_nothing_and_its_work_is_done() {
    let mut bench = Bench::running(three());
    bench.ask(Ask::Restart(words(&["first"])));
    assert_eq!(bench.feed(Input::ClientGone(ClientId(1))), NOTHING);
    assert_eq!(bench.dies("first", 0), ["spawn first"]);
    assert_eq!(bench.spawn_all(), NOTHING);
    assert!(bench.sup.jobs.is_empty());
}

#[test]
fn one_that_cannot_be_signalled_is_told_and_not_started_again() {
    let mut bench = Bench::running(three());
    bench.stop(&["first"]);
    let refused = program::Input::SignalFailed { signal: Signal(15), error: "no".to_string() };
    let id = bench.id("first");
    let said = bench.feed(Input::Process(id, refused));
    assert_eq!(said, ["1: first failed", "1: error failed (first: it could not be signalled)"]);
    assert_eq!(bench.start(&["first"])[0], "2: first failed");
    assert_eq!(bench.state("first"), "UNKNOWN");
}

#[test]
fn unknown_child_is_told() {
    let mut bench = Bench::running(three());
    bench.feed(Input::Died { pid: 9999, exit: Exit::Code(3) });
    assert_eq!(bench.logged(), ["reaped unknown pid 9999 (exit status 3)"]);
}

#[test]
fn stop_signal_stops_waves_from_the_last_then_leaves() {
    let mut bench = Bench::running(three());
    assert_eq!(bench.feed(Input::StopSignal(Signal(15))), ["15 last"]);
    assert_eq!(bench.logged()[0], "received SIGTERM indicating exit request");
    assert!(bench.logged().contains(&"waiting for first, middle, last to die".to_string()));
    assert_eq!(bench.feed(Input::StopSignal(Signal(2))), NOTHING);
    assert_eq!(bench.feed(Input::ReloadSignal), NOTHING);
    assert_eq!(bench.logged(), ["ignored SIGHUP indicating restart request (shutdown in progress)"]);
    assert_eq!(bench.dies("last", 0), ["15 middle"]);
    assert_eq!(bench.dies("middle", 0), ["15 first"]);
    assert_eq!((bench.sup.phase(), bench.sup.state_word()), (Phase::ShuttingDown, "SHUTDOWN"));
    assert_eq!(bench.dies("first", 0), ["leave"]);
    assert_eq!((bench.sup.phase(), bench.sup.next_deadline()), (Phase::Gone, None));
}

#[test]
fn going_down_reminds_every_three_seconds_of_who_is_left() {
    let mut bench = Bench::running(three());
    bench.feed(Input::StopSignal(Signal(15)));
    bench.dies("last", 0);
    bench.millis += 3000;
    bench.feed(Input::Deadline);
    assert_eq!(bench.logged(), ["waiting for first, middle to die"]);
}

#[test]
fn going_down_starts_nothing_any_more() {
    let mut groups = three();
    groups.push(group("back", 1, vec![process("back")]));
    let mut bench = Bench::running(groups);
    bench.dies("back", 1);
    assert_eq!(bench.state("back"), "BACKOFF");
    bench.feed(Input::StopSignal(Signal(15)));
    assert_eq!(bench.state("back"), "STOPPED");
    assert_eq!(bench.dies("first", 1), NOTHING, "it would be started again otherwise");
    assert_eq!(bench.state("first"), "EXITED");
}

#[test]
fn going_down_answers_who_waits_and_who_comes() {
    let mut bench = Bench::running(three());
    bench.stop(&["first"]);
    let said = bench.ask(Ask::Shutdown);
    assert_eq!(said[..2], ["2: ok", "1: error shutting-down (visor is shutting down)"]);
    assert_eq!(bench.start(&["first"]), ["3: error shutting-down (visor is shutting down)"]);
    assert_eq!(bench.ask(Ask::Shutdown), ["4: error shutting-down (visor is shutting down)"]);
}

#[test]
fn stop_signal_before_boot_leaves_at_once() {
    let mut bench = Bench::new(three());
    assert_eq!(bench.feed(Input::StopSignal(Signal(15))), ["leave"]);
    assert_eq!(bench.feed(Input::Boot), NOTHING);
}

#[test]
fn too_many_requests_are_answered_busy_but_a_shutdown_never_is() {
    let mut bench = Bench::running(three());
    for _ in 0..MAX_JOBS {
        bench.sup.add_job(None, std::collections::VecDeque::from([jobs::Stage::Read(reload::Purpose::Tell)]));
    }
    assert_eq!(bench.stop(&["first"]), ["1: error busy (4096 requests are under way)"]);
    assert_eq!(bench.ask(Ask::Shutdown)[0], "2: ok");
}

#[test]
fn why_and_ready_know_names() {
    let mut bench = Bench::running(three());
    let now = crate::program::sample::at(3000);
    let lines = |lines: Vec<Line>| lines.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(lines(bench.sup.why("nope", now)), ["error bad-name (no such process `nope`)"]);
    assert_eq!(lines(bench.sup.why("first", now)), ["first RUNNING", "ok"]);
    assert_eq!(lines(bench.sup.ready(&[])), ["ok"]);
    bench.stop(&["last"]);
    bench.dies("last", 0);
    assert_eq!(lines(bench.sup.ready(&[])), ["ok"], "nobody wants it up");
    let one = "error not-running (1 process that should run does not)";
    assert_eq!(lines(bench.sup.ready(&words(&["last"]))), ["last STOPPED", one]);
    assert_eq!(lines(bench.sup.ready(&words(&["nope:*"]))), ["error bad-name (no such group `nope`)"]);
}
