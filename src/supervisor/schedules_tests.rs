use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::{AutoRestart, Group, Policy, Process};
use crate::program::Exit;
use crate::schedule::{Cron, When, Zone};
use crate::supervisor::sample::{Bench, group, program, quick};
use crate::supervisor::{Ask, Input};

/// 2023-11-14 22:13:20 UTC, what the bench's clock shows when its other one shows 0.
const EPOCH: u64 = 1_700_000_000;
const HOUR: u64 = 3600;

fn every(seconds: u64) -> Schedule {
    schedule(When::Every(Duration::from_secs(seconds)))
}

/// At half past each hour: 16 minutes and 40 seconds after the bench's clock shows 0.
fn hourly() -> Schedule {
    schedule(When::Cron(Cron::parse("30 * * * *").unwrap(), Zone::utc()))
}

const FIRST: u64 = EPOCH + 1000;

fn schedule(when: When) -> Schedule {
    let (text, timezone) = ("30 * * * *".to_owned(), "UTC".to_owned());
    Schedule { text, when, timezone, jitter: Duration::ZERO, overlap: Overlap::Skip, make_up: false }
}

fn scheduled(name: &str, schedule: Schedule) -> Group {
    let process = Process {
        schedule: Some(Arc::new(schedule)),
        policy: Policy { oneshot: true, ..Policy::default() },
        autostart: false,
        autorestart: AutoRestart::Never,
        ..quick(name)
    };
    group(name, 1, vec![process])
}

/// The clocks show this: seconds since the bench's start, and since 1970.
fn looks(bench: &mut Bench, mono: u64, wall: u64) -> Vec<String> {
    let now = Now { mono: Duration::from_secs(mono), wall: Duration::from_secs(wall) };
    bench.out.clear();
    bench.millis = mono * 1000;
    bench.sup.handle(Input::ClockLookedAt, now, &mut bench.out);
    bench.said()
}

fn wall(bench: &Bench) -> Option<u64> {
    bench.sup.next_wall_deadline().map(|at| at.as_secs())
}

/// Waits for the next run by the monotonic clock.
fn beat(bench: &mut Bench) -> Vec<String> {
    bench.millis = u64::try_from(bench.sup.next_deadline().unwrap().as_millis()).unwrap();
    bench.feed(Input::Deadline)
}

const NOTHING: [&str; 0] = [];

#[test]
fn program_without_a_schedule_is_waited_for_by_nobody() {
    let bench = Bench::running(vec![program("web", 1)]);
    assert_eq!((wall(&bench), bench.sup.next_deadline()), (None, None));
}

#[test]
fn scheduled_program_starts_when_due_and_not_with_visor() {
    let mut bench = Bench::running(vec![scheduled("job", hourly())]);
    assert_eq!((bench.state("job"), wall(&bench)), ("STOPPED", Some(FIRST)));
    assert_eq!(looks(&mut bench, 999, FIRST - 1), NOTHING);
    assert_eq!(looks(&mut bench, 1000, FIRST), ["spawn job"]);
    assert_eq!(bench.logged()[0], "job: scheduled run");
    assert_eq!(wall(&bench), Some(FIRST + HOUR));
    bench.spawn_all();
    assert_eq!(bench.dies("job", 0), NOTHING);
    assert_eq!(looks(&mut bench, 1001, FIRST + HOUR), ["spawn job"], "whatever the other clock shows");
}

#[test]
fn every_runs_by_the_other_clock_from_when_it_became_known() {
    let mut bench = Bench::running(vec![scheduled("job", every(10))]);
    assert_eq!((bench.sup.next_deadline(), wall(&bench)), (Some(Duration::from_secs(11)), None));
    assert_eq!(beat(&mut bench), ["spawn job"]);
    bench.spawn_all();
    bench.dies("job", 3);
    assert_eq!((beat(&mut bench), bench.millis), (vec!["spawn job".to_owned()], 21_000));
}

#[test]
fn overlap_is_left_out_waits_once_or_takes_over() {
    for (overlap, said) in [(Overlap::Skip, &[][..]), (Overlap::Queue, &[]), (Overlap::Replace, &["15 job".to_owned()])]
    {
        let mut bench = Bench::running(vec![scheduled("job", Schedule { overlap, ..every(10) })]);
        beat(&mut bench);
        bench.spawn_all();
        assert_eq!(beat(&mut bench), said, "{overlap:?}");
        assert_eq!(bench.state("job"), if overlap == Overlap::Replace { "STOPPING" } else { "RUNNING" });
        let told = bench.logged()[0].clone();
        assert!(told.starts_with("job: scheduled run"), "{told}");
        beat(&mut bench);
        let again: &[&str] = if overlap == Overlap::Skip { &[] } else { &["spawn job"] };
        assert_eq!(bench.dies("job", 0), again, "{overlap:?}");
        bench.spawn_all();
        if overlap != Overlap::Skip {
            // Two were due; one run came of it.
            assert_eq!(bench.dies("job", 0), NOTHING);
            assert_eq!(bench.state("job"), "EXITED");
        }
    }
}

#[test]
fn stop_ends_the_run_and_drops_what_waits_and_the_schedule_goes_on() {
    let mut bench = Bench::running(vec![scheduled("job", Schedule { overlap: Overlap::Queue, ..every(10) })]);
    beat(&mut bench);
    bench.spawn_all();
    beat(&mut bench);
    bench.stop(&["job"]);
    assert_eq!(bench.dies("job", 0), ["1: job stopped", "1: ok"]);
    assert_eq!(bench.state("job"), "STOPPED");
    bench.millis = 31_000;
    assert_eq!(bench.feed(Input::Deadline), ["spawn job"]);
}

#[test]
fn run_replaces_one_that_is_about_to_be_tried_again() {
    let process = |schedule| {
        let mut group = scheduled("job", schedule);
        Arc::make_mut(&mut group.processes[0]).startsecs = 5;
        group
    };
    let mut bench = Bench::running(vec![process(Schedule { overlap: Overlap::Replace, ..every(2) })]);
    beat(&mut bench);
    bench.spawn_all();
    bench.millis += 1900;
    bench.dies("job", 1);
    assert_eq!(bench.state("job"), "BACKOFF");
    assert_eq!(beat(&mut bench), ["spawn job"]);
}

#[test]
fn missed_run_is_skipped_or_made_up_for_once() {
    for (make_up, said) in [(false, &[][..]), (true, &["spawn job".to_owned()])] {
        let mut bench = Bench::running(vec![scheduled("job", Schedule { make_up, ..hourly() })]);
        // The machine slept through four runs.
        assert_eq!(looks(&mut bench, 1000, FIRST + 3 * HOUR + 61), said);
        assert_eq!(wall(&bench), Some(FIRST + 4 * HOUR));
        let told = bench.logged()[0].clone();
        assert!(told.contains("passed 3:01:01 ago") && told.contains("skipped") != make_up, "{told}");
        bench.spawn_all();
        assert_eq!(looks(&mut bench, 1001, FIRST + 3 * HOUR + 62), NOTHING);
    }
}

#[test]
fn run_up_to_a_minute_late_is_in_time() {
    let mut bench = Bench::running(vec![scheduled("job", hourly())]);
    assert_eq!(looks(&mut bench, 1060, FIRST + 60), ["spawn job"]);
}

#[test]
fn clock_set_back_a_little_repeats_nothing_and_set_back_far_is_another_time() {
    let mut bench = Bench::running(vec![scheduled("job", hourly())]);
    looks(&mut bench, 1000, FIRST);
    bench.spawn_all();
    bench.dies("job", 0);
    for back in [1, HOUR, 3 * HOUR] {
        assert_eq!(looks(&mut bench, 1001, FIRST - back), NOTHING);
        assert_eq!(wall(&bench), Some(FIRST + HOUR));
    }
    assert_eq!(looks(&mut bench, 1002, FIRST - 3 * HOUR - 1), NOTHING);
    assert_eq!(wall(&bench), Some(FIRST - 3 * HOUR));
    assert_eq!(looks(&mut bench, 1003, FIRST - 3 * HOUR), ["spawn job"]);
}

#[test]
fn clock_set_forward_by_years_is_one_missed_run() {
    let mut bench = Bench::running(vec![scheduled("job", hourly())]);
    let years = 3 * 365 * 24 * HOUR;
    assert_eq!(looks(&mut bench, 1, FIRST + years + 120), NOTHING);
    assert_eq!(wall(&bench), Some(FIRST + years + HOUR));
    assert_eq!(bench.logged().len(), 1);
}

#[test]
fn reload_keeps_the_next_run_of_who_keeps_its_schedule_and_stops_nobody() {
    let mut bench = Bench::running(vec![scheduled("job", every(10)), scheduled("other", every(10))]);
    bench.millis = 6000;
    bench.ask(Ask::Reload);
    bench.reads(vec![scheduled("job", every(10)), scheduled("other", every(7)), scheduled("new", every(3))]);
    let next = |bench: &Bench, name: &str| {
        let now = Now { mono: Duration::from_secs(6), wall: Duration::from_secs(EPOCH + 6) };
        bench.sup.next_run(bench.id(name), now).map(|at| at.as_secs() - EPOCH)
    };
    assert_eq!([next(&bench, "job"), next(&bench, "other"), next(&bench, "new")], [Some(11), Some(13), Some(9)]);
    // While one runs its schedule changes, then goes.
    bench.millis = 11_000;
    bench.feed(Input::Deadline);
    bench.spawn_all();
    bench.dies("new", 0);
    assert_eq!(bench.state("job"), "RUNNING");
    for schedule in [Some(Arc::new(hourly())), None] {
        let mut group = scheduled("job", every(1));
        Arc::make_mut(&mut group.processes[0]).schedule = schedule.clone();
        bench.ask(Ask::Reload);
        bench.reads(vec![group]);
        assert_eq!((bench.state("job"), bench.sup.next_deadline()), ("RUNNING", None));
        assert_eq!(wall(&bench).is_some(), schedule.is_some());
    }
}

#[test]
fn forgotten_program_and_one_that_goes_down_with_visor_are_due_no_more() {
    let mut bench = Bench::running(vec![scheduled("job", hourly()), scheduled("tick", every(5))]);
    bench.ask(Ask::Remove(vec!["job".to_owned()]));
    assert_eq!(wall(&bench), None);
    beat(&mut bench);
    bench.spawn_all();
    bench.feed(Input::StopSignal(crate::config::Signal(15)));
    assert_eq!(bench.dies("tick", 0), ["leave"]);
    assert_eq!((wall(&bench), bench.sup.next_deadline()), (None, None));
}

#[test]
fn schedule_keeps_visor_from_being_done() {
    let mut config = crate::supervisor::sample::config(vec![program("once", 1), scheduled("job", hourly())]);
    config.visor.exit_when_all_done = true;
    for group in &mut config.groups {
        Arc::make_mut(&mut group.processes[0]).autorestart = AutoRestart::Never;
    }
    let mut bench = Bench::new(Vec::new());
    bench.out.clear();
    bench.sup = Supervisor::new(Arc::new(config), &mut bench.out);
    bench.feed(Input::Boot);
    bench.spawn_all();
    bench.dies("once", 0);
    assert_eq!(bench.sup.phase(), Phase::Running);
}

#[test]
fn who_was_killed_while_one_waits_is_followed_by_it() {
    let mut bench = Bench::running(vec![scheduled("job", Schedule { overlap: Overlap::Queue, ..every(10) })]);
    beat(&mut bench);
    bench.spawn_all();
    beat(&mut bench);
    let pid = bench.pid("job");
    let exit = Exit::Signal { signal: crate::config::Signal(9), core: false };
    assert_eq!(bench.feed(Input::Died { pid, exit }), ["spawn job"]);
}
