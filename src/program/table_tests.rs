use super::sample::{PID, TERM, at, check, failure, ms, process, shown};
use super::*;
use crate::config::{Checks, Hooks, Process};

/// Every state, as it may be one second after the arbitrary start.
fn states() -> Vec<State> {
    let since = ms(1000);
    vec![
        State::Stopped,
        State::Waiting { tries: 1 },
        State::Preparing { tries: 1, stop: false },
        State::Preparing { tries: 1, stop: true },
        State::Spawning { tries: 1, stop: false },
        State::Spawning { tries: 1, stop: true },
        State::Launching { pid: PID, since, tries: 1 },
        State::Failing { pid: PID, tries: 1, error: "no".to_string() },
        State::Starting { pid: PID, since, tries: 1 },
        State::Abandoning { pid: PID, kill_at: ms(3000), tries: 1, error: "late".to_string() },
        State::Running { pid: PID, since },
        State::Backoff { until: ms(3000), tries: 2 },
        State::Stopping { pid: PID, kill_at: ms(3000) },
        State::Emptying { group: PID, kill_at: ms(3000), look_at: ms(2500), kills: 0 },
        State::Exited,
        State::Fatal,
        State::Unknown { pid: PID },
    ]
}

/// Every input; times beside deadlines: one before any is due, one after all are.
fn inputs() -> Vec<(&'static str, Input, Now)> {
    let error = || "Operation not permitted".to_string();
    vec![
        ("start", Input::Start, at(1500)),
        ("stop", Input::Stop, at(1500)),
        ("no more", Input::NoMoreStarts, at(1500)),
        ("proceed", Input::Proceed, at(1500)),
        ("cannot", Input::CannotStart("no db".to_string()), at(1500)),
        ("prepared", Input::HookEnded(Hook::PreStart, Ok(())), at(1500)),
        ("not prepared", Input::HookEnded(Hook::PreStart, Err("exit status 1".to_string())), at(1500)),
        ("stop hook", Input::HookEnded(Hook::Stop, Ok(())), at(1500)),
        ("no stop hook", Input::HookEnded(Hook::Stop, Err("exit status 1".to_string())), at(1500)),
        ("ready", Input::Ready, at(1500)),
        ("not ready", Input::NotReady("late".to_string()), at(1500)),
        ("well", Input::Healthy, at(1500)),
        ("unwell", Input::Unhealthy("503".to_string()), at(1500)),
        ("spawned", Input::Spawned { pid: PID }, at(1500)),
        ("no spawn", Input::SpawnFailed(failure()), at(1500)),
        ("execed", Input::Execed, at(1500)),
        ("no exec", Input::ExecFailed(failure()), at(1500)),
        ("exit early", Input::Exited(Exit::Code(0)), at(1500)),
        ("exit 0", Input::Exited(Exit::Code(0)), at(3000)),
        ("exit 1", Input::Exited(Exit::Code(1)), at(3000)),
        ("group", Input::Group { alive: true }, at(1500)),
        ("no group", Input::Group { alive: false }, at(1500)),
        ("no signal", Input::SignalFailed { signal: TERM, error: error() }, at(1500)),
        ("too soon", Input::Deadline, at(1500)),
        ("deadline", Input::Deadline, at(3000)),
    ]
}

fn label(state: &State) -> String {
    let text = format!("{state:?}");
    let variant = text.split([' ', '{']).next().unwrap_or_default().to_string();
    if matches!(state, State::Spawning { stop: true, .. } | State::Preparing { stop: true, .. }) {
        format!("{variant}!")
    } else {
        variant
    }
}

fn life(state: State, wanted: Wanted) -> Life {
    Life { state, wanted, ..Life::new() }
}

/// What an input does to a state, on one line; nothing when it changes nothing but what is wanted.
fn outcome(policy: &Process, state: State, wanted: Wanted, input: Input, now: Now) -> Option<String> {
    let mut life = life(state.clone(), wanted);
    let mut out = Actions::new();
    step(policy, &mut life, input, now, &mut out);
    let done: Vec<String> = out.iter().filter_map(shown).collect();
    if done.is_empty() && life.state == state {
        return None;
    }
    Some(format!("{} [{}]", label(&life.state), done.join(", ")))
}

fn table(policy: &Process, wanted: Wanted) -> String {
    let mut lines = String::new();
    for state in states() {
        for (name, input, now) in inputs() {
            if let Some(outcome) = outcome(policy, state.clone(), wanted, input, now) {
                lines.push_str(&format!("{} + {name} = {outcome}\n", label(&state)));
            }
        }
    }
    lines
}

/// One that should run. A pair that is not listed changes nothing but what is wanted, and does nothing.
const WANTED_UP: &str = "\
Stopped + start = Spawning [STARTING, spawn]
Waiting + stop = Stopped [STOPPED]
Waiting + no more = Stopped [STOPPED]
Waiting + proceed = Spawning [spawn]
Waiting + cannot = Fatal [failed, FATAL]
Preparing + stop = Preparing! [end pre_start]
Preparing + prepared = Spawning [spawn]
Preparing + not prepared = Backoff [failed, BACKOFF]
Preparing! + stop = Preparing! [end pre_start]
Preparing! + prepared = Spawning [STOPPED, STARTING, spawn]
Preparing! + not prepared = Spawning [STOPPED, STARTING, spawn]
Spawning + stop = Spawning! []
Spawning + spawned = Launching []
Spawning + no spawn = Backoff [failed, BACKOFF]
Spawning! + spawned = Stopping [STOPPING, 15, 18]
Spawning! + no spawn = Spawning [failed, BACKOFF, STOPPED, STARTING, spawn]
Launching + stop = Stopping [STOPPING, 15, 18]
Launching + not ready = Abandoning [15, 18]
Launching + execed = Starting []
Launching + no exec = Failing [failed]
Launching + exit early = Backoff [BACKOFF]
Launching + exit 0 = Exited [RUNNING, EXITED]
Launching + exit 1 = Spawning [RUNNING, EXITED, STARTING, spawn]
Failing + stop = Stopping [STOPPING, 15, 18]
Failing + exit early = Backoff [BACKOFF]
Failing + exit 0 = Backoff [BACKOFF]
Failing + exit 1 = Backoff [BACKOFF]
Starting + stop = Stopping [STOPPING, 15, 18]
Starting + not ready = Abandoning [15, 18]
Starting + exit early = Backoff [BACKOFF]
Starting + exit 0 = Exited [RUNNING, EXITED]
Starting + exit 1 = Spawning [RUNNING, EXITED, STARTING, spawn]
Starting + deadline = Running [RUNNING]
Abandoning + stop = Stopping [STOPPING]
Abandoning + no stop hook = Abandoning [15, 18]
Abandoning + exit early = Backoff [BACKOFF]
Abandoning + exit 0 = Backoff [BACKOFF]
Abandoning + exit 1 = Backoff [BACKOFF]
Abandoning + no signal = Unknown [UNKNOWN]
Abandoning + deadline = Abandoning [9]
Running + stop = Stopping [STOPPING, 15, 18]
Running + well = Running [health]
Running + unwell = Running [health]
Running + exit early = Exited [EXITED]
Running + exit 0 = Exited [EXITED]
Running + exit 1 = Spawning [EXITED, STARTING, spawn]
Backoff + stop = Stopped [STOPPED]
Backoff + no more = Stopped [STOPPED]
Backoff + deadline = Spawning [STARTING, spawn]
Stopping + no stop hook = Stopping [15, 18]
Stopping + exit early = Spawning [STOPPED, STARTING, spawn]
Stopping + exit 0 = Spawning [STOPPED, STARTING, spawn]
Stopping + exit 1 = Spawning [STOPPED, STARTING, spawn]
Stopping + no signal = Unknown [UNKNOWN]
Stopping + deadline = Stopping [9]
Emptying + group = Emptying []
Emptying + no group = Spawning [STOPPED, STARTING, spawn]
Emptying + no signal = Spawning [STOPPED, STARTING, spawn]
Emptying + deadline = Emptying [group 9]
Exited + start = Spawning [STARTING, spawn]
Fatal + start = Spawning [STARTING, spawn]
Unknown + exit early = Spawning [STOPPED, STARTING, spawn]
Unknown + exit 0 = Spawning [STOPPED, STARTING, spawn]
Unknown + exit 1 = Spawning [STOPPED, STARTING, spawn]
";

/// One that should not run: it goes the same ways, but never up again by itself.
const WANTED_DOWN: &str = "\
Stopped + start = Spawning [STARTING, spawn]
Waiting + stop = Stopped [STOPPED]
Waiting + no more = Stopped [STOPPED]
Waiting + proceed = Spawning [spawn]
Waiting + cannot = Fatal [failed, FATAL]
Preparing + stop = Preparing! [end pre_start]
Preparing + prepared = Stopped [STOPPED]
Preparing + not prepared = Stopped [STOPPED]
Preparing! + stop = Preparing! [end pre_start]
Preparing! + prepared = Stopped [STOPPED]
Preparing! + not prepared = Stopped [STOPPED]
Spawning + stop = Spawning! []
Spawning + spawned = Launching []
Spawning + no spawn = Stopped [failed, BACKOFF, STOPPED]
Spawning! + spawned = Stopping [STOPPING, 15, 18]
Spawning! + no spawn = Stopped [failed, BACKOFF, STOPPED]
Launching + stop = Stopping [STOPPING, 15, 18]
Launching + not ready = Abandoning [15, 18]
Launching + execed = Starting []
Launching + no exec = Failing [failed]
Launching + exit early = Stopped [BACKOFF, STOPPED]
Launching + exit 0 = Exited [RUNNING, EXITED]
Launching + exit 1 = Exited [RUNNING, EXITED]
Failing + stop = Stopping [STOPPING, 15, 18]
Failing + exit early = Stopped [BACKOFF, STOPPED]
Failing + exit 0 = Stopped [BACKOFF, STOPPED]
Failing + exit 1 = Stopped [BACKOFF, STOPPED]
Starting + stop = Stopping [STOPPING, 15, 18]
Starting + not ready = Abandoning [15, 18]
Starting + exit early = Stopped [BACKOFF, STOPPED]
Starting + exit 0 = Exited [RUNNING, EXITED]
Starting + exit 1 = Exited [RUNNING, EXITED]
Starting + deadline = Running [RUNNING]
Abandoning + stop = Stopping [STOPPING]
Abandoning + no stop hook = Abandoning [15, 18]
Abandoning + exit early = Stopped [BACKOFF, STOPPED]
Abandoning + exit 0 = Stopped [BACKOFF, STOPPED]
Abandoning + exit 1 = Stopped [BACKOFF, STOPPED]
Abandoning + no signal = Unknown [UNKNOWN]
Abandoning + deadline = Abandoning [9]
Running + stop = Stopping [STOPPING, 15, 18]
Running + well = Running [health]
Running + unwell = Running [health]
Running + exit early = Exited [EXITED]
Running + exit 0 = Exited [EXITED]
Running + exit 1 = Exited [EXITED]
Backoff + stop = Stopped [STOPPED]
Backoff + no more = Stopped [STOPPED]
Backoff + deadline = Spawning [STARTING, spawn]
Stopping + no stop hook = Stopping [15, 18]
Stopping + exit early = Stopped [STOPPED]
Stopping + exit 0 = Stopped [STOPPED]
Stopping + exit 1 = Stopped [STOPPED]
Stopping + no signal = Unknown [UNKNOWN]
Stopping + deadline = Stopping [9]
Emptying + group = Emptying []
Emptying + no group = Stopped [STOPPED]
Emptying + no signal = Stopped [STOPPED]
Emptying + deadline = Emptying [group 9]
Exited + start = Spawning [STARTING, spawn]
Fatal + start = Spawning [STARTING, spawn]
Unknown + exit early = Stopped [STOPPED]
Unknown + exit 0 = Stopped [STOPPED]
Unknown + exit 1 = Stopped [STOPPED]
";

/// One with conditions, a `ready` check and every hook.
fn guarded() -> Process {
    let command = || Some("true".to_string());
    let hooks = Hooks { pre_start: command(), post_stop: command(), stop: command(), reload: None, timeout: ms(1000) };
    let checks = Checks { ready: Some(check()), ..Checks::default() };
    Process { checks: Some(Box::new(checks)), hooks: Some(Box::new(hooks)), ..process("p") }
}

/// The same table for one with all of it.
const GUARDED: &str = "\
Stopped + start = Waiting [STARTING]
Waiting + stop = Stopped [STOPPED]
Waiting + no more = Stopped [STOPPED]
Waiting + proceed = Preparing [pre_start]
Waiting + cannot = Fatal [failed, FATAL]
Preparing + stop = Preparing! [end pre_start]
Preparing + prepared = Spawning [spawn]
Preparing + not prepared = Backoff [failed, BACKOFF]
Preparing! + stop = Preparing! [end pre_start]
Preparing! + prepared = Waiting [STOPPED, STARTING]
Preparing! + not prepared = Waiting [STOPPED, STARTING]
Spawning + stop = Spawning! []
Spawning + spawned = Launching []
Spawning + no spawn = Backoff [failed, BACKOFF]
Spawning! + spawned = Stopping [STOPPING, stop_command]
Spawning! + no spawn = Waiting [failed, BACKOFF, STOPPED, STARTING]
Launching + stop = Stopping [STOPPING, stop_command]
Launching + ready = Running [RUNNING]
Launching + not ready = Abandoning [stop_command]
Launching + execed = Starting []
Launching + no exec = Failing [failed]
Launching + exit early = Backoff [post_stop, BACKOFF]
Launching + exit 0 = Backoff [post_stop, BACKOFF]
Launching + exit 1 = Backoff [post_stop, BACKOFF]
Failing + stop = Stopping [STOPPING, stop_command]
Failing + exit early = Backoff [post_stop, BACKOFF]
Failing + exit 0 = Backoff [post_stop, BACKOFF]
Failing + exit 1 = Backoff [post_stop, BACKOFF]
Starting + stop = Stopping [STOPPING, stop_command]
Starting + ready = Running [RUNNING]
Starting + not ready = Abandoning [stop_command]
Starting + exit early = Backoff [post_stop, BACKOFF]
Starting + exit 0 = Backoff [post_stop, BACKOFF]
Starting + exit 1 = Backoff [post_stop, BACKOFF]
Abandoning + stop = Stopping [STOPPING]
Abandoning + no stop hook = Abandoning [15, 18]
Abandoning + exit early = Backoff [post_stop, BACKOFF]
Abandoning + exit 0 = Backoff [post_stop, BACKOFF]
Abandoning + exit 1 = Backoff [post_stop, BACKOFF]
Abandoning + no signal = Unknown [UNKNOWN]
Abandoning + deadline = Abandoning [9, end stop_command]
Running + stop = Stopping [STOPPING, stop_command]
Running + well = Running [health]
Running + unwell = Stopping [health, STOPPING, stop_command]
Running + exit early = Exited [post_stop, EXITED]
Running + exit 0 = Exited [post_stop, EXITED]
Running + exit 1 = Waiting [post_stop, EXITED, STARTING]
Backoff + stop = Stopped [STOPPED]
Backoff + no more = Stopped [STOPPED]
Backoff + deadline = Waiting [STARTING]
Stopping + no stop hook = Stopping [15, 18]
Stopping + exit early = Waiting [post_stop, STOPPED, STARTING]
Stopping + exit 0 = Waiting [post_stop, STOPPED, STARTING]
Stopping + exit 1 = Waiting [post_stop, STOPPED, STARTING]
Stopping + no signal = Unknown [UNKNOWN]
Stopping + deadline = Stopping [9, end stop_command]
Emptying + group = Emptying []
Emptying + no group = Waiting [post_stop, STOPPED, STARTING]
Emptying + no signal = Waiting [post_stop, STOPPED, STARTING]
Emptying + deadline = Emptying [group 9]
Exited + start = Waiting [STARTING]
Fatal + start = Waiting [STARTING]
Unknown + exit early = Waiting [post_stop, STOPPED, STARTING]
Unknown + exit 0 = Waiting [post_stop, STOPPED, STARTING]
Unknown + exit 1 = Waiting [post_stop, STOPPED, STARTING]
";

#[test]
fn every_state_every_input_guarded_as_in_the_table() {
    assert_eq!(table(&guarded(), Wanted::Up), GUARDED);
}

#[test]
fn every_state_every_input_wanted_up_as_in_the_table() {
    assert_eq!(table(&process("p"), Wanted::Up), WANTED_UP);
}

#[test]
fn every_state_every_input_wanted_down_as_in_the_table() {
    assert_eq!(table(&process("p"), Wanted::Down), WANTED_DOWN);
}

#[test]
fn every_state_asked_to_start_is_wanted_up_and_asked_to_stop_down() {
    for state in states() {
        for (input, wanted) in
            [(Input::Start, Wanted::Up), (Input::Stop, Wanted::Down), (Input::NoMoreStarts, Wanted::Down)]
        {
            for before in [Wanted::Up, Wanted::Down] {
                let mut life = life(state.clone(), before);
                step(&process("p"), &mut life, input.clone(), at(1500), &mut Actions::new());
                assert_eq!(life.wanted, wanted, "{state:?} {input:?}");
            }
        }
    }
}
