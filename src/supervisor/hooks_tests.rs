use std::time::Duration;

use super::sample::{Bench, config, group, program, quick, words};
use super::{Ask, Input, Phase, Supervisor};
use crate::config::{AutoRestart, Hooks, Process, Reload, Signal, Visor};
use crate::program::{self, Hook};

fn hooks() -> Hooks {
    Hooks { pre_start: None, post_stop: None, stop: None, reload: None, timeout: Duration::from_secs(30) }
}

fn command() -> Option<String> {
    Some("true".to_string())
}

fn with(name: &str, priority: i64, hooks: Hooks) -> crate::config::Group {
    let process = Process { hooks: Some(Box::new(hooks)), autorestart: AutoRestart::Never, ..quick(name) };
    group(name, priority, vec![process])
}

fn cleaned(name: &str, priority: i64) -> crate::config::Group {
    with(name, priority, Hooks { post_stop: command(), ..hooks() })
}

impl Bench {
    fn ends(&mut self, name: &str, hook: Hook, result: Result<(), &str>) -> Vec<String> {
        let result = result.map_err(ToString::to_string);
        let id = self.id(name);
        self.feed(Input::Process(id, program::Input::HookEnded(hook, result)))
    }
}

#[test]
fn stop_is_answered_when_post_stop_has_ended() {
    let mut bench = Bench::running(vec![cleaned("db", 1)]);
    assert_eq!(bench.stop(&["db"]), ["15 db"]);
    assert_eq!(bench.dies("db", 0), ["post_stop db"]);
    assert_eq!(bench.state("db"), "STOPPED");
    assert_eq!(bench.ends("db", Hook::PostStop, Err("exit status 3")), ["1: db stopped", "1: ok"]);
    assert_eq!(bench.logged(), ["post_stop of db failed: exit status 3"]);
}

#[test]
fn start_waits_for_post_stop_and_a_stop_before_it_is_answered_then() {
    let mut bench = Bench::running(vec![cleaned("db", 1)]);
    bench.stop(&["db"]);
    bench.dies("db", 0);
    assert!(bench.start(&["db"]).is_empty());
    assert_eq!(bench.state("db"), "STARTING");
    assert_eq!(bench.ends("db", Hook::PostStop, Ok(())), ["1: db stopped", "1: ok", "spawn db"]);
}

#[test]
fn process_that_ended_by_itself_is_stopped_once_its_post_stop_is_done() {
    let mut bench = Bench::running(vec![cleaned("db", 1)]);
    assert_eq!(bench.dies("db", 0), ["post_stop db"]);
    assert!(bench.stop(&["db"]).is_empty());
    assert_eq!(bench.ask(Ask::Remove(words(&["db"]))).len(), 2, "it is busy, and said to be");
    assert_eq!(bench.ends("db", Hook::PostStop, Ok(())), ["1: db stopped", "1: ok"]);
    assert_eq!(bench.ask(Ask::Remove(words(&["db"]))).last().unwrap(), "3: ok");
}

#[test]
fn update_replaces_a_process_when_its_post_stop_has_ended() {
    let mut bench = Bench::running(vec![cleaned("db", 1)]);
    bench.dies("db", 0);
    bench.ask(Ask::Update(Vec::new()));
    assert!(bench.reads(Vec::new()).is_empty());
    let said = bench.ends("db", Hook::PostStop, Ok(()));
    assert!(said.contains(&"removed".to_string()), "{said:?}");
}

#[test]
fn shutdown_waits_for_hooks_wave_by_wave() {
    let mut bench = Bench::running(vec![program("first", 1), cleaned("last", 2)]);
    assert_eq!(bench.feed(Input::StopSignal(Signal(15))), ["15 last"]);
    assert_eq!(bench.dies("last", 0), ["post_stop last"]);
    assert_eq!(bench.ends("last", Hook::PostStop, Ok(())), ["15 first"]);
    assert_eq!(bench.dies("first", 0), ["leave"]);
}

#[test]
fn shutdown_with_a_limit_kills_a_hook_whose_share_is_over() {
    let mut bench = Bench::new(Vec::new());
    let mut config = config(vec![cleaned("db", 1)]);
    config.visor = Visor { shutdown_timeout: Some(Duration::from_secs(4)), ..Visor::default() };
    bench.out.clear();
    bench.sup = Supervisor::new(std::sync::Arc::new(config), &mut bench.out);
    bench.feed(Input::Boot);
    bench.spawn_all();
    bench.feed(Input::StopSignal(Signal(15)));
    bench.dies("db", 0);
    assert_eq!(bench.sup.next_deadline(), Some(Duration::from_millis(bench.millis + 3000)), "it reminds");
    bench.millis += 4000;
    assert_eq!(bench.feed(Input::Deadline), ["end post_stop db"]);
    assert!(bench.feed(Input::Deadline).is_empty(), "once");
    assert_eq!(bench.ends("db", Hook::PostStop, Err("killed")), ["leave"]);
    assert_eq!(bench.sup.phase(), Phase::Gone);
    assert_eq!(bench.logged().last().unwrap(), "shutdown took 4.0 s of 4.0 s: db 4.0 s");
}

#[test]
fn reload_is_answered_when_its_hook_has_ended() {
    let known = Hooks { reload: Some(Reload::Signal(Signal(1))), ..hooks() };
    let mut bench = Bench::running(vec![with("web", 1, known), program("db", 1)]);
    let ask = |bench: &mut Bench, name: &str| bench.ask(Ask::ReloadProgram(words(&[name])));
    assert_eq!(ask(&mut bench, "web"), ["reload_command web"]);
    assert_eq!(ask(&mut bench, "web")[0], "2: web busy");
    assert_eq!(bench.ends("web", Hook::Reload, Ok(())), ["1: web reloaded", "1: ok"]);
    assert_eq!(ask(&mut bench, "db")[0], "3: db failed");
    assert_eq!(ask(&mut bench, "db:*"), ["4: ok"]);
    assert_eq!(ask(&mut bench, "web"), ["reload_command web"]);
    let said = bench.ends("web", Hook::Reload, Err("exit status 1"));
    assert_eq!(said, ["5: web failed", "5: error failed (web: exit status 1)"]);
    bench.dies("web", 0);
    assert_eq!(ask(&mut bench, "web")[0], "6: web not-running");
}

#[test]
fn hooks_that_run_are_told_in_words() {
    let mut bench = Bench::running(vec![cleaned("db", 1)]);
    bench.dies("db", 0);
    bench.millis += 3500;
    let now = crate::program::sample::at(bench.millis);
    let why = format!("{:?}", bench.sup.why("db", now));
    assert!(why.contains("; post_stop runs for 3 s"), "{why}");
    bench.ends("db", Hook::PostStop, Err("exit status 3"));
    let why = format!("{:?}", bench.sup.why("db", now));
    assert!(why.contains("; post_stop failed: exit status 3"), "{why}");
}

#[test]
fn start_waits_for_the_post_stop_of_settings_that_an_update_took_away() {
    let pause = crate::config::Restart {
        delay: Duration::from_secs(1),
        factor: 100,
        max_delay: Duration::from_secs(1),
        jitter: 0,
        reset_after: Duration::from_secs(60),
    };
    let policy = crate::config::Policy { restart: Some(pause), ..crate::config::Policy::default() };
    let plain = Process { policy, autorestart: AutoRestart::Always, ..quick("db") };
    let hooked = Process { hooks: Some(Box::new(Hooks { post_stop: command(), ..hooks() })), ..plain.clone() };
    let mut bench = Bench::running(vec![group("db", 1, vec![hooked])]);
    assert_eq!(bench.dies("db", 0), ["post_stop db"]);
    bench.ask(Ask::Update(Vec::new()));
    bench.reads(vec![group("db", 1, vec![plain])]);
    bench.millis += 1000;
    assert!(bench.feed(Input::Deadline).is_empty());
    assert_eq!(bench.state("db"), "STARTING");
    assert_eq!(bench.ends("db", Hook::PostStop, Ok(())), ["spawn db"]);
}
