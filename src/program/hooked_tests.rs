use std::time::Duration;

use super::sample::{PID, at, process, shown};
use super::*;
use crate::config::{AutoRestart, Checks, Hooks, OnUnhealthy, Process, Reload, Signal};

fn hooked() -> Process {
    let command = || Some("true".to_string());
    let reload = Some(Reload::Command("true".to_string()));
    let timeout = Duration::from_secs(1);
    let hooks = Hooks { pre_start: command(), post_stop: command(), stop: command(), reload, timeout };
    Process { hooks: Some(Box::new(hooks)), startsecs: 0, autorestart: AutoRestart::Never, ..process("p") }
}

fn take(policy: &Process, life: &mut Life, input: Input) -> Vec<String> {
    let mut out = Actions::new();
    step(policy, life, input, at(0), &mut out);
    out.iter().filter_map(shown).collect()
}

/// Prepared, spawned, executed: RUNNING.
fn running(policy: &Process) -> Life {
    let mut life = Life::new();
    for input in [
        Input::Start,
        Input::Proceed,
        Input::HookEnded(Hook::PreStart, Ok(())),
        Input::Spawned { pid: PID },
        Input::Execed,
    ] {
        take(policy, &mut life, input);
    }
    assert_eq!(life.state.name(), Name::Running);
    life
}

#[test]
fn reload_is_asked_for_while_running_and_never_else() {
    let policy = hooked();
    let mut life = running(&policy);
    assert_eq!(take(&policy, &mut life, Input::Reload), ["reload_command"]);
    take(&policy, &mut life, Input::Stop);
    assert!(take(&policy, &mut life, Input::Reload).is_empty());
    let plain = Process { startsecs: 0, ..process("p") };
    let mut life = running(&plain);
    assert!(take(&plain, &mut life, Input::Reload).is_empty(), "it does not know how");
}

#[test]
fn end_ends_the_reload_before_post_stop_begins() {
    let policy = hooked();
    let mut life = running(&policy);
    let actions = take(&policy, &mut life, Input::Exited(Exit::Code(0)));
    assert_eq!(actions, ["end reload_command", "post_stop", "EXITED"]);
}

#[test]
fn reason_says_how_it_came_to_the_end() {
    let policy = hooked();
    let gone = || Input::Exited(Exit::Signal { signal: Signal(15), core: false });
    let mut life = running(&policy);
    take(&policy, &mut life, gone());
    assert_eq!(life.end.word(), "exited");

    let mut life = running(&policy);
    take(&policy, &mut life, Input::Stop);
    take(&policy, &mut life, gone());
    assert_eq!(life.end.word(), "stopped");

    let mut life = running(&policy);
    take(&policy, &mut life, Input::Start);
    life.state = State::Starting { pid: PID, since: at(0).mono, tries: 0 };
    take(&Process { startsecs: 5, ..policy.clone() }, &mut life, gone());
    assert_eq!(life.end.word(), "failed");

    let checks = Checks { on_unhealthy: OnUnhealthy::Restart, ..Checks::default() };
    let checked = Process { checks: Some(Box::new(checks)), ..policy };
    let mut life = running(&checked);
    take(&checked, &mut life, Input::Unhealthy("no answer".to_string()));
    take(&checked, &mut life, gone());
    assert_eq!(life.end.word(), "unhealthy");
}

#[test]
fn failed_hook_is_remembered_until_the_next_start() {
    let policy = hooked();
    let mut life = running(&policy);
    take(&policy, &mut life, Input::Exited(Exit::Code(0)));
    take(&policy, &mut life, Input::HookEnded(Hook::PostStop, Err("exit status 3".to_string())));
    assert_eq!(life.hook_error, Some((Hook::PostStop, "exit status 3".to_string())));
    assert_eq!(life.state, State::Exited);
    take(&policy, &mut life, Input::Start);
    assert_eq!(life.hook_error, None);
}

#[test]
fn pre_start_killed_by_a_stop_has_not_failed() {
    let policy = hooked();
    let mut life = Life::new();
    take(&policy, &mut life, Input::Start);
    take(&policy, &mut life, Input::Proceed);
    assert_eq!(take(&policy, &mut life, Input::Stop), ["end pre_start"]);
    let mut out = Actions::new();
    step(&policy, &mut life, Input::HookEnded(Hook::PreStart, Err("killed".to_string())), at(0), &mut out);
    assert_eq!(out.iter().filter_map(shown).collect::<Vec<_>>(), ["STOPPED"]);
    assert!(!out.iter().any(|action| matches!(action, Action::Report(_))), "{out:?}");
}
