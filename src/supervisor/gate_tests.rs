use super::sample::{Bench, group, quick, words};
use super::*;
use crate::config::{AutoRestart, Conditions, Need, NeedState, OnFailure, Policy, Process, Reached, Signal};
use crate::program::{Health, Input as Happened};

const NOTHING: [&str; 0] = [];

fn needs(needs: &[(&str, NeedState)], on_failure: OnFailure) -> Option<Box<Conditions>> {
    let need = |(name, state): &(&str, NeedState)| Need { name: (*name).to_string(), states: vec![*state] };
    Some(Box::new(Conditions { needs: needs.iter().map(need).collect(), on_failure, ..Conditions::default() }))
}

fn on(name: &str, needed: &[(&str, NeedState)]) -> Process {
    Process { conditions: needs(needed, OnFailure::Fail), ..quick(name) }
}

fn oneshot(name: &str, needed: &[(&str, NeedState)]) -> Process {
    let policy = Policy { oneshot: true, ..Policy::default() };
    Process { policy, autorestart: AutoRestart::Never, ..on(name, needed) }
}

fn alone(process: Process) -> Group {
    group(&process.name.clone(), 999, vec![process])
}

/// db ← migrate (a oneshot) ← web; the names are against the order of need.
fn chain() -> Vec<Group> {
    vec![
        alone(on("a-web", &[("m-migrate", NeedState::Exited)])),
        alone(oneshot("m-migrate", &[("z-db", NeedState::Running)])),
        alone(quick("z-db")),
    ]
}

fn why(bench: &Bench, name: &str) -> String {
    match &bench.sup.why(name, crate::program::sample::at(bench.millis))[0] {
        Line::Data(pairs) => pairs.iter().find(|(key, _)| key == "text").unwrap().1.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn chain_starts_one_after_the_other_and_says_what_it_waits_for() {
    let mut bench = Bench::new(chain());
    assert_eq!(bench.feed(Input::Boot), ["spawn z-db"]);
    assert_eq!(bench.logged()[..2], ["waiting: a-web for m-migrate:exited", "waiting: m-migrate for z-db"]);
    assert_eq!(why(&bench, "a-web"), "waiting for m-migrate:exited (STARTING)");
    assert_eq!(bench.state("a-web"), "STARTING");
    bench.feed(Input::Boot);
    let id = bench.id("z-db");
    bench.feed(Input::Process(id, Happened::Spawned { pid: 7 }));
    assert_eq!(bench.feed(Input::Process(id, Happened::Execed)), ["spawn m-migrate"]);
    bench.spawn_all();
    assert_eq!(bench.dies("m-migrate", 0), ["spawn a-web"]);
    bench.spawn_all();
    assert_eq!(bench.state("a-web"), "RUNNING");
}

#[test]
fn whole_order_is_that_of_needs_and_stops_go_the_other_way() {
    let mut bench = Bench::running(chain());
    bench.spawn_all();
    bench.dies("m-migrate", 0);
    bench.spawn_all();
    assert_eq!(bench.stop(&["all"]), ["15 a-web"]);
    assert_eq!(bench.dies("a-web", 0), ["1: a-web stopped", "15 z-db"]);
    assert_eq!(bench.dies("z-db", 0).last().unwrap(), "1: ok");
    assert_eq!(bench.start(&["all"]), ["spawn z-db"], "the oneshot is asked for itself, and web waits for it");
}

#[test]
fn need_of_a_later_priority_is_waited_for_in_a_wave_behind_it() {
    let groups = vec![
        group("web", 1, vec![on("web", &[("db", NeedState::Listed)])]),
        group("db", 50, vec![quick("db")]),
        group("log", 50, vec![quick("log")]),
        group("last", 60, vec![quick("last")]),
    ];
    let mut bench = Bench::new(groups);
    assert_eq!(bench.feed(Input::Boot), ["spawn db", "spawn web", "spawn log", "spawn last"]);
    bench.spawn_all();
    assert_eq!(bench.feed(Input::StopSignal(Signal(15))), ["15 last"]);
    assert_eq!(bench.dies("last", 0), ["15 web"]);
    assert_eq!(bench.dies("web", 0), ["15 db", "15 log"]);
}

#[test]
fn start_by_hand_starts_what_is_needed_and_down_and_answers_when_it_runs() {
    let mut groups = chain();
    for process in groups.iter_mut().flat_map(|group| &mut group.processes) {
        Arc::make_mut(process).autostart = false;
    }
    let mut bench = Bench::running(groups);
    assert_eq!(bench.start(&["a-web"]), ["spawn z-db"]);
    bench.spawn_all();
    let migrate = bench.id("m-migrate");
    bench.feed(Input::Process(migrate, Happened::Spawned { pid: 8 }));
    bench.feed(Input::Process(migrate, Happened::Execed));
    assert_eq!(bench.dies("m-migrate", 0), ["spawn a-web"]);
    assert_eq!(bench.spawn_all(), ["1: a-web started", "1: ok"]);
    bench.stop(&["a-web"]);
    bench.dies("a-web", 0);
    assert_eq!(bench.start(&["a-web"]), ["spawn a-web"], "what has succeeded is not done again");
}

#[test]
fn start_that_is_not_awaited_is_answered_though_it_waits() {
    let mut bench = Bench::running(chain());
    bench.stop(&["a-web"]);
    let said = bench.ask(Ask::Start { names: words(&["a-web"]), wait: false });
    assert_eq!(said, ["2: a-web started", "2: ok"]);
    assert_eq!(bench.state("a-web"), "STARTING");
}

#[test]
fn autostarted_program_brings_up_what_it_needs() {
    let db = Process { autostart: false, ..quick("db") };
    let mut bench = Bench::new(vec![alone(db), alone(on("web", &[("db", NeedState::Running)]))]);
    assert_eq!(bench.feed(Input::Boot), ["spawn db"]);
}

fn failing(on_failure: OnFailure) -> Bench {
    let job = Process { autorestart: AutoRestart::Never, ..quick("job") };
    let web = Process { conditions: needs(&[("job", NeedState::Exited)], on_failure), ..quick("web") };
    let last = on("x-last", &[("web", NeedState::Running)]);
    Bench::running(vec![alone(job), alone(web), alone(last)])
}

#[test]
fn need_that_cannot_be_met_fails_who_waits_with_the_reason_and_who_waits_for_that() {
    let mut bench = failing(OnFailure::Fail);
    assert_eq!(bench.dies("job", 3), NOTHING);
    assert_eq!([bench.state("web"), bench.state("x-last")], ["FATAL", "FATAL"]);
    assert_eq!(
        why(&bench, "web"),
        "given up: it depends on `job:exited`, which is EXITED (exit status 3); start it by hand"
    );
    assert_eq!(why(&bench, "x-last"), "given up: it depends on `web`, which is FATAL; start it by hand");
    let line = "gave up: web entered FATAL state, it depends on `job:exited`, which is EXITED (exit status 3)";
    assert!(bench.logged().contains(&line.to_string()));
}

#[test]
fn need_that_cannot_be_met_is_waited_for_on_or_ignored_when_told_so() {
    let mut bench = failing(OnFailure::Wait);
    assert_eq!(bench.dies("job", 3), NOTHING);
    assert_eq!(why(&bench, "web"), "waiting for job:exited (EXITED)");
    bench.start(&["job"]);
    bench.spawn_all();
    assert_eq!(bench.dies("job", 0), ["spawn web"]);
    let mut bench = failing(OnFailure::Ignore);
    assert_eq!(bench.dies("job", 3), ["spawn web"]);
}

#[test]
fn start_whose_need_fails_is_answered_with_an_error() {
    let mut bench = failing(OnFailure::Fail);
    bench.dies("job", 3);
    assert_eq!(bench.start(&["web"]), ["spawn job"]);
    bench.spawn_all();
    let said = bench.dies("job", 3);
    assert!(said.last().unwrap().starts_with("1: error spawn-error"), "{said:?}");
}

#[test]
fn who_waits_is_stopped_at_once() {
    let mut bench = Bench::running(chain());
    bench.spawn_all();
    assert_eq!(bench.stop(&["a-web"]), ["1: a-web stopped", "1: ok"]);
    assert_eq!(bench.dies("m-migrate", 0), NOTHING);
    assert_eq!(bench.state("a-web"), "STOPPED");
}

#[test]
fn start_of_who_waits_starts_what_was_stopped_meanwhile() {
    for wait in [true, false] {
        let slow = Process { startsecs: 5, ..quick("db") };
        let mut bench = Bench::running(vec![alone(slow), alone(on("web", &[("db", NeedState::Running)]))]);
        bench.stop(&["db"]);
        bench.dies("db", 0);
        assert_eq!(why(&bench, "web"), "waiting for db (STOPPED)");
        let said = bench.ask(Ask::Start { names: words(&["web"]), wait });
        assert_eq!(said.len(), if wait { 1 } else { 3 }, "{said:?}");
        assert_eq!(said[0], "spawn db");
    }
}

#[test]
fn states_hold_when_they_are_reached_and_not_before() {
    let slow = Process { startsecs: 5, ..quick("db") };
    let expected = [(NeedState::Started, true), (NeedState::Running, false), (NeedState::Listed, true)];
    for (state, starts) in expected {
        let mut bench = Bench::new(vec![alone(slow.clone()), alone(on("web", &[("db", state)]))]);
        let mut said = bench.feed(Input::Boot);
        said.extend(bench.spawn_all());
        assert_eq!(said.contains(&"spawn web".to_string()), starts, "{state:?}");
        if state == NeedState::Running {
            bench.millis += 5000;
            assert_eq!(bench.feed(Input::Deadline), ["spawn web"]);
        }
    }
}

#[test]
fn health_and_every_process_of_a_group_are_waited_for() {
    let web = on("web", &[("dbs", NeedState::Healthy)]);
    let mut bench = Bench::running(vec![group("dbs", 1, vec![quick("one"), quick("two")]), alone(web)]);
    let [one, two] = ["dbs:one", "dbs:two"].map(|name| bench.id(name));
    assert_eq!(bench.feed(Input::Process(one, Happened::Healthy)), NOTHING);
    assert_eq!(why(&bench, "web"), "waiting for dbs:healthy (RUNNING)");
    assert_eq!(bench.feed(Input::Process(two, Happened::Healthy)), ["spawn web"]);
    assert_eq!(bench.sup.entry(two).unwrap().life.health, Some(Health::Healthy));
}

#[test]
fn sonics_states_hold_when_they_have_been_reached() {
    let quick_job = Process { autorestart: AutoRestart::Never, ..quick("start") };
    let needed = |reached| on("relay", &[("start", NeedState::Reached(reached))]);
    for (reached, code, starts) in [(Reached::Exited, 1, true), (Reached::Fatal, 0, false)] {
        let mut relay = needed(reached);
        relay.conditions.as_mut().unwrap().on_failure = OnFailure::Wait;
        let mut bench = Bench::running(vec![alone(quick_job.clone()), alone(relay)]);
        assert_eq!(bench.dies("start", code) == ["spawn relay"], starts, "{reached:?}");
    }
    let mut bench = Bench::running(vec![alone(quick_job), alone(needed(Reached::Running))]);
    bench.spawn_all();
    bench.stop(&["relay"]);
    bench.dies("relay", 0);
    bench.dies("start", 0);
    assert_eq!(bench.start(&["relay"]), ["spawn relay"], "it has been running");
}

#[test]
fn group_that_goes_and_comes_back_is_missed_and_found() {
    let web = Process { conditions: needs(&[("db", NeedState::Running)], OnFailure::Wait), ..quick("web") };
    let groups = vec![alone(quick("db")), alone(web)];
    let mut bench = Bench::running(groups);
    bench.spawn_all();
    bench.stop(&["all"]);
    bench.dies("web", 0);
    bench.dies("db", 0);
    bench.ask(Ask::Remove(words(&["db"])));
    assert_eq!(bench.start(&["web"]), NOTHING);
    assert_eq!(why(&bench, "web"), "waiting for db (not there)");
    let said = bench.ask(Ask::Add(words(&["db"])));
    assert_eq!(said[said.len() - 1], "4: ok");
    assert_eq!(bench.spawn_all(), ["spawn web"]);
}

#[test]
fn cycle_of_an_old_and_a_new_group_waits_and_can_be_stopped() {
    let mut bench = Bench::running(vec![alone(on("a", &[("b", NeedState::Running)])), alone(quick("b"))]);
    bench.spawn_all();
    bench.ask(Ask::Update(words(&["b"])));
    bench.reads(vec![alone(quick("a")), alone(on("b", &[("a", NeedState::Running)]))]);
    bench.dies("b", 0);
    bench.spawn_all();
    bench.stop(&["all"]);
    for name in ["a", "b"] {
        if bench.state(name) == "STOPPING" {
            bench.dies(name, 0);
        }
    }
    bench.start(&["a"]);
    assert_eq!([bench.state("a"), bench.state("b")], ["STARTING", "STARTING"]);
    bench.feed(Input::StopSignal(Signal(15)));
    assert_eq!(bench.sup.phase(), Phase::Gone);
}

#[test]
fn restarted_need_holds_up_only_who_starts_meanwhile() {
    let mut bench = Bench::running(vec![alone(quick("db")), alone(on("web", &[("db", NeedState::Running)]))]);
    bench.spawn_all();
    assert_eq!(bench.dies("db", 1), ["spawn db"]);
    assert_eq!(bench.state("web"), "RUNNING");
    assert_eq!(bench.dies("web", 1), NOTHING, "its restart waits");
    let db = bench.id("db");
    bench.feed(Input::Process(db, Happened::Spawned { pid: 9 }));
    assert_eq!(bench.feed(Input::Process(db, Happened::Execed)), ["spawn web"]);
}
