use std::time::Duration;

use super::sample::{PID, TERM, at, failure, ms, process, shown};
use super::*;
use crate::config::{AutoRestart, Policy, Process, Restart, Signal};

/// A process that is driven step by step.
struct Driven {
    policy: Process,
    life: Life,
    out: Actions,
}

impl Driven {
    fn new(policy: Process) -> Driven {
        Driven { policy, life: Life::new(), out: Actions::new() }
    }

    /// Lets one thing happen and says what was done about it.
    fn take(&mut self, input: Input, millis: u64) -> Vec<String> {
        self.out.clear();
        step(&self.policy, &mut self.life, input, at(millis), &mut self.out);
        self.out.iter().filter_map(shown).collect()
    }

    fn started(policy: Process) -> Driven {
        let mut driven = Driven::new(policy);
        driven.take(Input::Start, 0);
        driven.take(Input::Spawned { pid: PID }, 0);
        driven.take(Input::Execed, 0);
        driven
    }

    fn running(policy: Process) -> Driven {
        let mut driven = Driven::started(Process { startsecs: 0, ..policy });
        assert_eq!(driven.life.state, State::Running { pid: PID, since: ms(0) });
        driven.out.clear();
        driven
    }

    fn deadline(&self) -> Option<Duration> {
        self.life.state.deadline(&self.policy)
    }
}

#[test]
fn starting_at_startsecs_to_the_millisecond_is_running() {
    let mut driven = Driven::started(Process { startsecs: 2, ..process("p") });
    assert_eq!(driven.deadline(), Some(ms(2000)));
    assert!(driven.take(Input::Deadline, 1999).is_empty());
    assert_eq!(driven.take(Input::Deadline, 2000), ["RUNNING"]);
    assert_eq!(driven.out.last(), Some(&Action::Report(Report::Success { startsecs: 2 })));
    assert_eq!(driven.deadline(), None);
}

#[test]
fn starting_dies_at_startsecs_to_the_millisecond_did_not_die_too_quickly() {
    let policy = || Process { startsecs: 2, autorestart: AutoRestart::Never, ..process("p") };
    assert_eq!(Driven::started(policy()).take(Input::Exited(Exit::Code(0)), 1999), ["BACKOFF"]);
    let mut driven = Driven::started(policy());
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 2000), ["RUNNING", "EXITED"]);
    let success = |action: &Action| matches!(action, Action::Report(Report::Success { .. }));
    assert!(!driven.out.iter().any(success), "the original is silent here");
}

#[test]
fn execed_startsecs_none_or_negative_is_running_at_once() {
    for startsecs in [0, -1, i64::MIN] {
        let mut driven = Driven::new(Process { startsecs, ..process("p") });
        driven.take(Input::Start, 5);
        assert_eq!(driven.take(Input::Spawned { pid: PID }, 5), Vec::<String>::new());
        assert_eq!(driven.take(Input::Execed, 5), ["RUNNING"], "startsecs={startsecs}");
    }
}

#[test]
fn launching_dies_before_word_of_its_command_startsecs_none_is_exited() {
    let mut driven = Driven::new(Process { startsecs: 0, ..process("p") });
    driven.take(Input::Start, 0);
    driven.take(Input::Spawned { pid: PID }, 0);
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 0), ["RUNNING", "EXITED"]);
    assert_eq!(driven.life.exit, Some(Exit::Code(0)));
}

#[test]
fn huge_numbers_of_seconds_do_not_overflow() {
    let huge = Process { startsecs: i64::MAX, stopwaitsecs: i64::MAX, startretries: i64::MAX, ..process("p") };
    let mut driven = Driven::started(huge);
    assert!(driven.deadline().is_some_and(|at| at > Duration::from_secs(3_000_000_000)));
    assert_eq!(driven.take(Input::Stop, 1), ["STOPPING", "15", "18"]);
    assert!(driven.deadline().is_some_and(|at| at > Duration::from_secs(3_000_000_000)));
    driven.life.state = State::Spawning { tries: u32::MAX, stop: false };
    driven.life.wanted = Wanted::Up;
    assert_eq!(driven.take(Input::SpawnFailed(failure()), 2), ["failed", "BACKOFF"]);
}

/// Fails every start and writes down the pauses.
fn pauses_until_fatal(startretries: i64) -> Vec<u64> {
    let mut driven = Driven::new(Process { startretries, ..process("p") });
    let (mut now, mut pauses) = (0, Vec::new());
    driven.take(Input::Start, now);
    for tries in 1_u32..20 {
        driven.take(Input::SpawnFailed(failure()), now);
        let changed = driven.out.iter().find_map(|action| match action {
            Action::Changed { to: Name::Backoff, tries, .. } => Some(*tries),
            _ => None,
        });
        assert_eq!(changed, Some(tries));
        let State::Backoff { until, .. } = driven.life.state else { break };
        let pause = u64::try_from(until.as_millis()).unwrap() - now;
        assert!(driven.take(Input::Deadline, now + pause - 1).is_empty());
        now += pause;
        assert_eq!(driven.take(Input::Deadline, now), ["STARTING", "spawn"]);
        assert!(driven.out.contains(&Action::Changed {
            from: Name::Backoff,
            to: Name::Starting,
            tries,
            pid: 0,
            expected: true
        }));
        pauses.push(pause);
    }
    assert_eq!(driven.life.state, State::Fatal);
    assert!(driven.out.contains(&Action::Report(Report::GaveUp)));
    assert_eq!(driven.life.error.as_deref(), Some("can't find command 'x'"));
    pauses
}

#[test]
fn failing_starts_wait_a_second_more_each_time_and_become_fatal() {
    assert_eq!(pauses_until_fatal(3), [1000, 2000, 3000]);
    assert_eq!(pauses_until_fatal(1), [1000]);
    assert!(pauses_until_fatal(0).is_empty());
}

#[test]
fn failing_starts_without_a_limit_are_never_given_up() {
    let mut driven = Driven::new(Process { startretries: -1, ..process("p") });
    driven.take(Input::Start, 0);
    let mut now = 0;
    for tries in 1..=500_u64 {
        driven.take(Input::SpawnFailed(failure()), now);
        now += tries * 1000;
        assert_eq!(driven.take(Input::Deadline, now), ["STARTING", "spawn"]);
    }
}

fn resting(delay: u64, factor: u32) -> Process {
    let restart =
        Restart { delay: ms(delay), factor, max_delay: ms(4000), jitter: 0, reset_after: Duration::from_secs(60) };
    let policy = Policy { restart: Some(restart), ..Policy::default() };
    Process { policy, autorestart: AutoRestart::Always, startsecs: 0, ..process("p") }
}

#[test]
fn exited_with_restart_delay_rests_longer_each_time_until_a_good_run() {
    let mut driven = Driven::started(resting(500, 300));
    let mut now = 0;
    for (run, pause) in [(1, 500), (1, 1500), (1, 4000), (1, 4000), (60_000, 500), (1, 1500)] {
        now += run;
        assert_eq!(driven.take(Input::Exited(Exit::Code(0)), now), ["EXITED", "BACKOFF"]);
        assert_eq!(driven.deadline(), Some(ms(now + pause)));
        assert!(driven.take(Input::Deadline, now + pause - 1).is_empty());
        now += pause;
        assert_eq!(driven.take(Input::Deadline, now), ["STARTING", "spawn"]);
        driven.take(Input::Spawned { pid: PID }, now);
        driven.take(Input::Execed, now);
    }
}

#[test]
fn unhealthy_with_restart_delay_rests_before_it_starts_again() {
    let mut driven = Driven::started(Process { checks: Some(Box::default()), ..resting(500, 300) });
    driven.take(Input::Unhealthy("no".to_string()), 1);
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 2), ["STOPPED", "BACKOFF"]);
    assert_eq!(driven.deadline(), Some(ms(502)));
    let why = crate::program::why(&driven.policy, &driven.life, at(2));
    assert_eq!(why, "stopped because it was unhealthy (no); starts again in 0.5 s (restart 1)");
    assert_eq!(driven.take(Input::Deadline, 502), ["STARTING", "spawn"]);
    // Who asks for a restart waits for no pause.
    driven.take(Input::Spawned { pid: PID }, 502);
    driven.take(Input::Execed, 502);
    driven.take(Input::Unhealthy("no".to_string()), 503);
    driven.take(Input::Stop, 504);
    driven.take(Input::Start, 505);
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 506), ["STOPPED", "STARTING", "spawn"]);
}

#[test]
fn resting_stopped_is_stopped_and_goes_down_with_visor() {
    for input in [Input::Stop, Input::NoMoreStarts, Input::StopBy(ms(1))] {
        let mut driven = Driven::started(resting(500, 100));
        driven.take(Input::Exited(Exit::Code(3)), 1);
        assert_eq!(driven.life.error.as_deref(), Some("Bad exit code 3"));
        assert_eq!(driven.take(input, 2), ["STOPPED"]);
        assert_eq!(driven.deadline(), None);
    }
}

#[test]
fn stop_by_a_time_is_killed_then_and_never_later_than_its_own_patience() {
    let mut driven = Driven::running(Process { stopwaitsecs: 10, ..process("p") });
    driven.take(Input::StopBy(ms(3000)), 0);
    assert_eq!(driven.deadline(), Some(ms(3000)));
    driven.take(Input::StopBy(ms(2000)), 1);
    assert_eq!(driven.deadline(), Some(ms(2000)), "a stop under way becomes shorter");
    driven.take(Input::StopBy(ms(5000)), 2);
    assert_eq!(driven.deadline(), Some(ms(2000)));
    let mut driven = Driven::running(Process { stopwaitsecs: 1, ..process("p") });
    driven.take(Input::StopBy(ms(3000)), 0);
    assert_eq!(driven.deadline(), Some(ms(1000)));
}

#[test]
fn backoff_stopped_and_started_has_all_its_retries_again() {
    let mut driven = Driven::new(process("p"));
    driven.take(Input::Start, 0);
    driven.take(Input::SpawnFailed(failure()), 0);
    assert_eq!(driven.take(Input::Stop, 1), ["STOPPED"]);
    driven.take(Input::Start, 2);
    assert_eq!(driven.life.state, State::Spawning { tries: 0, stop: false });
    assert_eq!(driven.life.error, None);
}

#[test]
fn running_ends_autorestart_and_exitcodes_decide() {
    use AutoRestart::{Always, Never, Unexpected};
    let killed = Exit::Signal { signal: Signal(11), core: false };
    let cases = [
        (Always, Exit::Code(0), true),
        (Always, Exit::Code(1), true),
        (Always, killed, true),
        (Never, Exit::Code(0), false),
        (Never, Exit::Code(1), false),
        (Never, killed, false),
        (Unexpected, Exit::Code(0), false),
        (Unexpected, Exit::Code(2), false),
        (Unexpected, Exit::Code(1), true),
        (Unexpected, killed, true),
    ];
    for (autorestart, exit, again) in cases {
        let mut driven = Driven::running(Process { autorestart, exitcodes: vec![0, 2], ..process("p") });
        let done = driven.take(Input::Exited(exit), 5000);
        let expected: &[&str] = if again { &["EXITED", "STARTING", "spawn"] } else { &["EXITED"] };
        assert_eq!(done, expected, "{autorestart:?} {exit:?}");
    }
}

#[test]
fn running_ends_no_exitcodes_nothing_is_expected() {
    let mut driven = Driven::running(Process { exitcodes: Vec::new(), ..process("p") });
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 5000), ["EXITED", "STARTING", "spawn"]);
}

#[test]
fn running_ends_badly_the_error_and_the_event_say_so() {
    let mut driven = Driven::running(Process { autorestart: AutoRestart::Never, ..process("p") });
    driven.take(Input::Exited(Exit::Signal { signal: Signal(11), core: true }), 5000);
    assert_eq!(driven.life.error.as_deref(), Some("Bad exit code -1"));
    assert_eq!(driven.life.ended, Some(at(5000)));
    let (from, to) = (Name::Running, Name::Exited);
    assert!(driven.out.contains(&Action::Changed { from, to, tries: 0, pid: PID, expected: false }));
}

#[test]
fn stopping_asked_to_start_starts_once_it_is_gone() {
    let mut driven = Driven::running(process("p"));
    driven.take(Input::Stop, 100);
    assert!(driven.take(Input::Start, 200).is_empty());
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 300), ["STOPPED", "STARTING", "spawn"]);
}

#[test]
fn stopping_asked_to_start_and_stop_again_stays_down() {
    let mut driven = Driven::running(process("p"));
    driven.take(Input::Stop, 100);
    driven.take(Input::Start, 200);
    assert!(driven.take(Input::Stop, 250).is_empty(), "one stop signal is enough");
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 300), ["STOPPED"]);
}

#[test]
fn spawning_stopped_and_started_again_is_stopped_first() {
    let mut driven = Driven::new(process("p"));
    driven.take(Input::Start, 0);
    driven.take(Input::Stop, 0);
    driven.take(Input::Start, 0);
    assert_eq!(driven.take(Input::Spawned { pid: PID }, 0), ["STOPPING", "15", "18"]);
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 1), ["STOPPED", "STARTING", "spawn"]);
}

#[test]
fn spawning_when_all_goes_down_lives_until_its_turn_comes() {
    let mut driven = Driven::new(process("p"));
    driven.take(Input::Start, 0);
    driven.take(Input::NoMoreStarts, 0);
    assert!(driven.take(Input::Spawned { pid: PID }, 0).is_empty());
    assert_eq!(driven.take(Input::Stop, 1), ["STOPPING", "15", "18"]);
}

#[test]
fn stopping_past_stopwaitsecs_is_killed_again_and_again() {
    let mut driven = Driven::running(Process { stopwaitsecs: 3, ..process("p") });
    driven.take(Input::Stop, 1000);
    assert_eq!(driven.deadline(), Some(ms(4000)));
    assert!(driven.take(Input::Deadline, 3999).is_empty());
    assert_eq!(driven.take(Input::Deadline, 4000), ["9"]);
    assert!(driven.out.contains(&Action::Report(Report::Killing { pid: PID })));
    assert_eq!(driven.deadline(), Some(ms(7000)));
    assert_eq!(driven.take(Input::Deadline, 7000), ["9"]);
    let killed = Exit::Signal { signal: Signal(9), core: false };
    assert_eq!(driven.take(Input::Exited(killed), 7001), ["STOPPED"]);
}

#[test]
fn stopping_without_patience_kills_at_once_then_once_a_second() {
    for stopwaitsecs in [0, -5] {
        let mut driven = Driven::running(Process { stopwaitsecs, ..process("p") });
        driven.take(Input::Stop, 1000);
        assert_eq!(driven.deadline(), Some(ms(1000)));
        assert_eq!(driven.take(Input::Deadline, 1000), ["9"]);
        assert_eq!(driven.deadline(), Some(ms(2000)));
    }
}

#[test]
fn stop_signals_that_need_no_cont_are_sent_alone() {
    for (signal, sent) in [(9, vec!["9"]), (18, vec!["18"]), (2, vec!["2", "18"]), (0, vec!["0", "18"])] {
        let mut driven = Driven::running(Process { stopsignal: Signal(signal), ..process("p") });
        assert_eq!(driven.take(Input::Stop, 1).split_off(1), sent);
    }
}

#[test]
fn stop_and_kill_reach_the_group_only_when_told() {
    let sent = |stopasgroup, killasgroup| {
        let mut driven = Driven::running(Process { stopasgroup, killasgroup, ..process("p") });
        let mut sent = driven.take(Input::Stop, 0);
        sent.extend(driven.take(Input::Deadline, 10_000));
        sent
    };
    assert_eq!(sent(false, false), ["STOPPING", "15", "18", "9"]);
    assert_eq!(sent(true, true), ["STOPPING", "group 15", "group 18", "group 9"]);
    assert_eq!(sent(false, true), ["STOPPING", "15", "18", "group 9"]);
}

#[test]
fn emptying_group_ends_later_is_looked_for_until_it_has() {
    let mut driven = Driven::running(Process { killasgroup: true, ..process("p") });
    driven.take(Input::Stop, 0);
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 100), ["look"]);
    assert_eq!(driven.life.state.name(), Name::Stopping);
    assert_eq!(driven.life.state.pid(), None, "a reaped pid is forgotten");
    assert_eq!(driven.life.state.awaited_group(), Some(PID));
    assert!(driven.take(Input::Group { alive: true }, 100).is_empty());
    assert_eq!(driven.deadline(), Some(ms(120)));
    assert_eq!(driven.take(Input::Deadline, 120), ["look"]);
    assert_eq!(driven.take(Input::Group { alive: false }, 120), ["STOPPED"]);
}

#[test]
fn emptying_tree_is_looked_for_after_a_stop_and_not_after_an_end_of_its_own() {
    let limits = crate::config::Limits { kill_tree: true, ..crate::config::Limits::default() };
    let mut driven = Driven::running(Process { limits, ..process("p") });
    assert_eq!(driven.take(Input::Stop, 0), ["STOPPING", "15", "18"]);
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 100), ["look"]);
    assert_eq!(driven.take(Input::Deadline, 10_000), ["group 9"]);
    assert_eq!(driven.take(Input::Group { alive: false }, 10_020), ["STOPPED"]);
    driven.take(Input::Start, 11_000);
    driven.take(Input::Spawned { pid: PID }, 11_000);
    driven.take(Input::Execed, 11_000);
    driven.take(Input::Deadline, 12_000);
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 13_000), ["EXITED"]);
}

#[test]
fn emptying_group_that_will_not_end_is_killed_thrice_and_given_up() {
    let mut driven = Driven::running(Process { killasgroup: true, stopwaitsecs: 1, ..process("p") });
    driven.take(Input::Stop, 0);
    driven.take(Input::Exited(Exit::Code(0)), 100);
    for second in 1..=3 {
        assert_eq!(driven.take(Input::Deadline, second * 1000), ["group 9"], "at {second} s");
        driven.take(Input::Group { alive: true }, second * 1000 + 20);
    }
    assert_eq!(driven.take(Input::Deadline, 3999), ["look"]);
    assert_eq!(driven.take(Input::Deadline, 4000), ["STOPPED"]);
    assert!(driven.out.contains(&Action::Report(Report::GroupLeft { group: PID })));
}

#[test]
fn stopping_that_cannot_be_signalled_is_unknown_until_it_is_gone() {
    let mut driven = Driven::running(process("p"));
    driven.take(Input::Stop, 0);
    let refused = Input::SignalFailed { signal: TERM, error: "Operation not permitted".to_string() };
    assert_eq!(driven.take(refused, 0), ["UNKNOWN"]);
    assert_eq!(driven.deadline(), None);
    assert_eq!(driven.life.state.pid(), Some(PID));
    assert!(driven.take(Input::Stop, 1).is_empty());
    assert_eq!(driven.take(Input::Exited(Exit::Code(0)), 9), ["STOPPED"]);
}

#[test]
fn failing_dies_whatever_startsecs_says_backs_off_with_its_own_error() {
    let mut driven = Driven::new(Process { startsecs: 0, ..process("p") });
    driven.take(Input::Start, 0);
    driven.take(Input::Spawned { pid: PID }, 0);
    assert_eq!(driven.take(Input::ExecFailed(failure()), 1), ["failed"]);
    assert_eq!(driven.take(Input::Exited(Exit::Code(127)), 2), ["BACKOFF"]);
    assert_eq!(driven.life.error.as_deref(), Some("can't find command 'x'"));
    assert_eq!(driven.life.exit, None);
}
