use super::sample::{Bench, group, program, quick, words};
use super::*;
use crate::config::{FcgiSocket, Group, GroupKind, Owner, Process, Signal};

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
fn update_of_what_is_down_begins_anew_whatever_changes() {
    let manual = |autostart| Process { autostart, ..quick("m") };
    let mut bench = Bench::running(vec![group("m", 1, vec![manual(false)])]);
    bench.ask(Ask::Update(Vec::new()));
    let said = bench.reads(vec![group("m", 1, vec![manual(true)])]);
    assert_eq!(said, ["1: m stopped", "removed", "added m", "1: m updated", "spawn m", "1: ok"]);
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

#[test]
fn preview_tells_each_key_and_changes_nothing() {
    let mut bench = Bench::running(vec![group("g", 1, vec![quick("a"), quick("b")]), program("old", 1)]);
    assert_eq!(bench.ask(Ask::Preview(words(&["g", "nope"]))), ["read"]);
    let a = Process { stopwaitsecs: 3, command: "/bin/other".to_string(), ..quick("a") };
    let new = vec![group("g", 2, vec![a, quick("c")]), program("new", 1)];
    let said = bench.reads(new.clone());
    let expected = [
        "1: nope bad-name",
        "1: g changed",
        "1: g priority live 1 2",
        "1: g:c added",
        "1: g:b removed",
        "1: g:a command restart \"/bin/a\" \"/bin/other\"",
        "1: g:a stopwaitsecs live 10 3",
        "1: error bad-name (nope: no such group)",
    ];
    assert_eq!(said, expected);
    bench.ask(Ask::Preview(Vec::new()));
    let said = bench.reads(new);
    assert!(said.contains(&"2: new added".to_string()) && said.contains(&"2: old removed".to_string()), "{said:?}");
    assert_eq!(bench.ask(Ask::Add(words(&["new"])))[0], "3: new bad-name", "what was read holds for nothing");
    assert_eq!(["g:a", "g:b", "old"].map(|name| bench.state(name)), ["RUNNING"; 3]);
}

fn web(numbers: std::ops::Range<u32>, command: &str) -> Group {
    let one = |n: u32| {
        let name = format!("web_{n}");
        Process { section: "program:web".to_string(), command: command.to_string(), ..quick(&name) }
    };
    group("web", 1, numbers.map(one).collect())
}

fn scale(program: &str, count: u32) -> Ask {
    Ask::Scale { program: program.to_string(), count }
}

#[test]
fn scale_up_starts_new_ones_and_leaves_the_old_as_they_are() {
    let mut bench = Bench::running(vec![web(0..2, "/bin/old"), program("x", 1)]);
    let old = ["web:web_0", "web:web_1", "x"].map(|name| bench.pid(name));
    assert_eq!(bench.ask(scale("web", 4)), ["read web=4"]);
    // The file has changed meanwhile: that is for an update.
    let said = bench.reads(vec![web(0..4, "/bin/new"), program("y", 1)]);
    let expected = [
        "1: web:web_2 added",
        "1: web:web_3 added",
        "added web_2",
        "added web_3",
        "spawn web_2",
        "spawn web_3",
        "1: ok",
    ];
    assert_eq!(said, expected);
    assert_eq!(["web:web_0", "web:web_1", "x"].map(|name| bench.pid(name)), old);
    assert_eq!(bench.sup.find("y"), None);
    bench.spawn_all();
    // The next update brings the file's number back.
    bench.ask(Ask::Update(Vec::new()));
    assert_eq!(bench.reads(vec![web(0..2, "/bin/old"), program("x", 1)]), ["15 web_2", "15 web_3"]);
}

#[test]
fn scale_down_stops_the_highest_and_forgets_them() {
    let mut bench = Bench::running(vec![web(0..3, "/bin/web")]);
    bench.ask(scale("web", 1));
    assert_eq!(bench.reads(vec![web(0..1, "/bin/web")]), ["15 web_1", "15 web_2"]);
    bench.dies("web:web_2", 0);
    let said = bench.dies("web:web_1", 0);
    let expected = ["1: web:web_1 removed", "1: web:web_2 removed", "removed", "removed", "1: ok"];
    assert_eq!(said, expected);
    bench.ask(scale("web", 0));
    bench.reads(vec![web(0..0, "/bin/web")]);
    bench.dies("web:web_0", 0);
    assert_eq!(bench.sup.entries().count(), 0);
    bench.ask(scale("web", 1));
    let said = bench.reads(vec![web(0..1, "/bin/web")]);
    assert_eq!(said.last().map(String::as_str), Some("3: ok"));
    assert!(bench.sup.find("web:web_0").is_some());
}

#[test]
fn scale_of_what_stands_still_starts_only_what_starts_by_itself() {
    let still = |numbers| {
        let mut group = web(numbers, "/bin/web");
        group.processes.iter_mut().for_each(|process| Arc::make_mut(process).autostart = false);
        group
    };
    let mut bench = Bench::running(vec![still(0..1)]);
    bench.ask(scale("web", 2));
    assert_eq!(bench.reads(vec![still(0..2)]), ["1: web:web_1 added", "added web_1", "1: ok"]);
}

#[test]
fn scale_of_a_program_that_is_not_there_is_told() {
    let mut bench = Bench::running(two());
    bench.ask(scale("nope", 2));
    assert_eq!(bench.reads(two())[0], "1: nope bad-name");
    bench.ask(scale("new", 2));
    let said = bench.reads(vec![program("new", 1)]);
    assert_eq!(said[0], "2: new bad-name", "its group is not active");
    assert_eq!(bench.sup.configured().groups, two());
}

#[test]
fn scale_while_an_update_changes_the_program_keeps_what_the_update_made() {
    let mut bench = Bench::running(vec![web(0..3, "/bin/old")]);
    bench.ask(scale("web", 2));
    bench.reads(vec![web(0..2, "/bin/old")]);
    bench.ask(Ask::Update(Vec::new()));
    bench.reads(vec![web(0..3, "/bin/new")]);
    for name in ["web:web_2", "web:web_1", "web:web_0"] {
        bench.dies(name, 0);
    }
    bench.spawn_all();
    let commands: Vec<String> = bench.sup.entries().map(|(_, entry)| entry.config.command.clone()).collect();
    assert!(!commands.is_empty() && commands.iter().all(|command| command == "/bin/new"), "{commands:?}");
}
