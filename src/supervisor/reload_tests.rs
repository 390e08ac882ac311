use super::sample::{Bench, group, program, quick, words};
use super::*;
use crate::config::{FcgiSocket, Group, GroupKind, Owner, Process};

fn changed(name: &str, priority: i64) -> Group {
    group(name, priority, vec![Process { command: "/bin/other".to_string(), ..quick(name) }])
}

fn two() -> Vec<Group> {
    vec![program("keep", 1), program("web", 1)]
}

#[test]
fn reread_tells_by_name_and_touches_nothing() {
    let mut bench = Bench::running(two());
    assert_eq!(bench.ask(Ask::Reread), ["read"]);
    let said = bench.reads(vec![changed("keep", 1), program("new", 1)]);
    assert_eq!(said, ["1: keep changed", "1: new added", "1: web removed", "1: ok"]);
    assert_eq!((bench.state("web"), bench.sup.find("new")), ("RUNNING", None));
}

#[test]
fn bad_configuration_changes_nothing_and_says_why() {
    let mut bench = Bench::running(two());
    bench.ask(Ask::Update(Vec::new()));
    let job = bench.reading();
    let said = bench.feed(Input::ConfigRead(job, Err(words(&["line 1: no", "line 2: no"]))));
    assert_eq!(said, ["1: error cannot-reread (line 1: no; line 2: no)"]);
    assert_eq!(bench.logged().len(), 2);
    assert_eq!(bench.sup.configured().groups, two());
}

#[test]
fn update_replaces_the_changed_adds_the_new_and_leaves_the_rest_alone() {
    let mut bench = Bench::running(vec![program("keep", 1), program("old", 1), program("web", 1)]);
    let kept = (bench.id("keep"), bench.pid("keep"));
    bench.ask(Ask::Update(Vec::new()));
    let said = bench.reads(vec![program("keep", 1), program("new", 1), changed("web", 1)]);
    assert_eq!(said, ["15 old", "15 web"]);
    assert_eq!(bench.dies("old", 0), [""; 0]);
    let said = bench.dies("web", 0);
    let expected = [
        "1: old stopped",
        "removed",
        "1: old removed",
        "1: web stopped",
        "removed",
        "added web",
        "1: web updated",
        "added new",
        "1: new added",
        "spawn web",
        "spawn new",
        "1: ok",
    ];
    assert_eq!(said, expected);
    assert_eq!((bench.id("keep"), bench.pid("keep")), kept);
}

#[test]
fn update_of_one_member_leaves_the_others_of_its_group_alone() {
    let mut bench = Bench::running(vec![group("g", 1, vec![quick("a"), quick("b")])]);
    let a = (bench.id("g:a"), bench.pid("g:a"));
    bench.ask(Ask::Update(Vec::new()));
    let other = Process { umask: Some(0o77), ..quick("b") };
    assert_eq!(bench.reads(vec![group("g", 1, vec![quick("a"), other])]), ["15 b"]);
    bench.dies("g:b", 0);
    assert_eq!((bench.id("g:a"), bench.pid("g:a")), a);
    assert_eq!(bench.sup.entries().count(), 2);
}

#[test]
fn update_that_needs_no_new_process_keeps_the_old_one_and_holds_at_once() {
    let slow = |startsecs| Process { startsecs, ..quick("a") };
    let mut bench = Bench::running(vec![group("g", 1, vec![slow(10), quick("b")])]);
    let both = (bench.id("g:a"), bench.pid("g:a"), bench.id("g:b"), bench.pid("g:b"));
    bench.ask(Ask::Update(Vec::new()));
    let deaf = Process { stopwaitsecs: 3, stopsignal: Signal(2), ..quick("b") };
    let said = bench.reads(vec![group("g", 1, vec![slow(2), deaf])]);
    assert_eq!(said, ["tuned a", "tuned b", "1: g updated", "1: ok"]);
    assert_eq!((bench.id("g:a"), bench.pid("g:a"), bench.id("g:b"), bench.pid("g:b")), both);
    // Its deadline is the new one.
    assert_eq!(bench.state("g:a"), "STARTING");
    bench.millis += 2000;
    bench.feed(Input::Deadline);
    assert_eq!(bench.state("g:a"), "RUNNING");
    assert_eq!(bench.stop(&["g:b"]), ["2 b"]);
    bench.millis += 3000;
    assert_eq!(bench.feed(Input::Deadline), ["9 b"]);
}

#[test]
fn update_of_a_priority_moves_the_wave_and_restarts_nothing() {
    let mut bench = Bench::running(two());
    bench.ask(Ask::Update(Vec::new()));
    assert_eq!(bench.reads(vec![program("keep", 500), program("web", 1)]), ["1: keep updated", "1: ok"]);
    assert_eq!(bench.feed(Input::StopSignal(Signal(15))), ["15 keep"]);
}

#[test]
fn update_of_named_groups_does_only_those() {
    let mut bench = Bench::running(two());
    bench.ask(Ask::Update(words(&["keep", "nope"])));
    let said = bench.reads(vec![changed("keep", 1), changed("web", 1)]);
    assert_eq!(said, ["1: nope bad-name", "15 keep"]);
    let said = bench.dies("keep", 0);
    assert_eq!(said.last().map(String::as_str), Some("1: error bad-name (nope: no such group)"));
    assert_eq!(bench.state("web"), "RUNNING");
}

#[test]
fn update_restarts_what_ran_though_it_does_not_start_by_itself() {
    let manual = |command: &str| Process { autostart: false, command: command.to_string(), ..quick("m") };
    let mut bench = Bench::running(vec![group("m", 1, vec![manual("a")])]);
    bench.start(&["m"]);
    bench.spawn_all();
    bench.ask(Ask::Update(Vec::new()));
    bench.reads(vec![group("m", 1, vec![manual("b")])]);
    assert!(bench.dies("m", 0).contains(&"spawn m".to_string()));
}

#[test]
fn update_does_not_restart_what_was_asked_to_stop() {
    let manual = |command: &str| Process { autostart: false, command: command.to_string(), ..quick("m") };
    let mut bench = Bench::running(vec![group("m", 1, vec![manual("a")])]);
    bench.start(&["m"]);
    bench.spawn_all();
    bench.stop(&["m"]);
    bench.ask(Ask::Update(Vec::new()));
    bench.reads(vec![group("m", 1, vec![manual("b")])]);
    assert!(!bench.dies("m", 0).contains(&"spawn m".to_string()));
}

#[test]
fn reload_signal_updates_and_adopts() {
    let mut bench = Bench::running(two());
    assert_eq!(bench.feed(Input::ReloadSignal), ["read"]);
    assert_eq!(bench.logged(), ["received SIGHUP indicating restart request"]);
    assert_eq!(bench.reads(two()), ["adopt"]);
    assert_eq!(bench.state("web"), "RUNNING");
}

#[test]
fn configuration_read_after_all_goes_down_is_ignored() {
    let mut bench = Bench::running(two());
    bench.ask(Ask::Update(Vec::new()));
    let job = bench.reading();
    bench.feed(Input::StopSignal(Signal(15)));
    assert_eq!(bench.feed(Input::ConfigRead(job, Ok(Box::new(super::sample::config(Vec::new()))))), [""; 0]);
}

#[test]
fn add_takes_only_groups_that_are_configured_and_not_active() {
    let mut bench = Bench::running(two());
    bench.ask(Ask::Reread);
    bench.reads(vec![program("keep", 1), program("new", 1)]);
    let said = bench.ask(Ask::Add(words(&["new", "keep", "nope"])));
    let expected = [
        "added new",
        "2: new added",
        "spawn new",
        "2: keep already-started",
        "2: nope bad-name",
        "2: error bad-name (nope: no such process/group)",
    ];
    assert_eq!(said, expected);
}

#[test]
fn remove_takes_only_groups_that_are_down() {
    let mut bench = Bench::running(two());
    assert_eq!(bench.ask(Ask::Remove(words(&["web"])))[0], "1: web busy");
    bench.stop(&["web"]);
    bench.dies("web", 0);
    assert_eq!(bench.ask(Ask::Remove(words(&["web"]))), ["removed", "3: web removed", "3: ok"]);
    assert_eq!(bench.ask(Ask::Remove(words(&["web"])))[0], "4: web bad-name");
    assert_eq!(bench.sup.find("web"), None);
}

#[test]
fn another_socket_of_an_fcgi_program_takes_new_processes() {
    let fcgi = |url: &str| Group {
        kind: GroupKind::FcgiProgram {
            socket: FcgiSocket { url: url.to_string(), mode: None, owner: Owner::default(), backlog: None },
        },
        ..program("web", 1)
    };
    let mut bench = Bench::running(vec![fcgi("unix:///a")]);
    bench.ask(Ask::Update(Vec::new()));
    assert_eq!(bench.reads(vec![fcgi("unix:///b")]), ["15 web"]);
    let said = bench.dies("web", 0);
    assert_eq!(said, ["1: web stopped", "removed", "added web", "1: web updated", "spawn web", "1: ok"]);
}

#[test]
fn program_that_becomes_a_listener_is_started_as_one() {
    let kind = GroupKind::EventListener { events: words(&["EVENT"]), buffer_size: 10, result_handler: String::new() };
    let mut bench = Bench::running(vec![program("web", 1)]);
    bench.ask(Ask::Update(Vec::new()));
    assert_eq!(bench.reads(vec![Group { kind, ..program("web", 1) }]), ["15 web"]);
    bench.dies("web", 0);
    assert!(bench.sup.listener(bench.id("web")).is_some());
}
