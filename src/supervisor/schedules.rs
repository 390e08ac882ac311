//! Runs of programs that have a schedule: when the next one is due, and what happens then.
//!
//! Owns: plans, what was missed, what waits for the run before. Does not own: what a schedule means (`crate::schedule`), timers.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, Phase, ProcessId, Supervisor};
use crate::config::LogLevel;
use crate::list::List as _;
use crate::program::{self, Name, Now, Wanted, uptime};
use crate::scatter;
use crate::schedule::{Overlap, Run, Schedule};
use crate::sorted::Map;

/// A run that is later than this was missed.
const LATE: Duration = Duration::from_secs(60);
/// A clock that is set back by up to this much makes nothing run again; by more, it tells another time.
const SET_BACK: Duration = Duration::from_secs(3 * 3600);

/// Programs with a schedule.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    plans: Map<ProcessId, Plan>,
    /// The first run by the monotonic clock.
    mono: Option<Duration>,
    /// The first run by the wall clock.
    wall: Option<Duration>,
}

/// What is to come of one of them.
#[derive(Debug)]
struct Plan {
    schedule: Arc<Schedule>,
    /// Its clock when the next run was found.
    since: Duration,
    /// `None` = it is never due again.
    next: Option<Run>,
    /// A run waits for the end of the one before.
    queued: bool,
    salt: u64,
}

impl Plan {
    fn new(schedule: &Arc<Schedule>, name: &str, now: Now) -> Plan {
        let salt = scatter::of_name(name);
        let mut plan = Plan { schedule: Arc::clone(schedule), since: Duration::ZERO, next: None, queued: false, salt };
        let clock = plan.clock(now);
        plan.look_on(clock, clock);
        plan
    }

    fn clock(&self, now: Now) -> Duration {
        if self.schedule.goes_by_the_clock() { now.wall } else { now.mono }
    }

    /// Finds the run after the one that was due at `last`.
    fn look_on(&mut self, last: Duration, clock: Duration) {
        self.since = clock;
        self.next = self.schedule.next(last, clock, self.salt);
    }

    /// How late a run is; `None` = none is due.
    fn take_due(&mut self, now: Now) -> Option<Duration> {
        let clock = self.clock(now);
        if clock.saturating_add(SET_BACK) < self.since {
            self.look_on(clock, clock);
        }
        let run = self.next?;
        let late = clock.checked_sub(run.at)?;
        self.look_on(run.due, clock);
        Some(late)
    }
}

impl Schedules {
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// The first run by the monotonic clock.
    pub fn deadline(&self) -> Option<Duration> {
        self.mono
    }

    fn settle(&mut self) {
        let first = |by_clock: bool| {
            let plans = self.plans.values().filter(|plan| plan.schedule.goes_by_the_clock() == by_clock);
            plans.filter_map(|plan| plan.next.map(|run| run.at)).min()
        };
        (self.mono, self.wall) = (first(false), first(true));
    }

    fn take_queued(&mut self, id: ProcessId) -> bool {
        self.plans.get_mut(&id).is_some_and(|plan| std::mem::take(&mut plan.queued))
    }
}

impl Supervisor {
    /// When [`super::Input::ClockLookedAt`] is due next, by the wall clock; also whenever that was set. `None` = nothing goes by it.
    #[must_use]
    pub fn next_wall_deadline(&self) -> Option<Duration> {
        self.schedules.wall
    }

    /// When a process runs next by its schedule, as the wall clock will show if nobody sets it.
    #[must_use]
    pub fn next_run(&self, id: ProcessId, now: Now) -> Option<Duration> {
        let plan = self.schedules.plans.get(&id)?;
        let at = plan.next?.at;
        let wait = at.saturating_sub(plan.clock(now));
        Some(if plan.schedule.goes_by_the_clock() { at } else { now.wall.saturating_add(wait) })
    }

    /// Brings the plans in line with the processes there are; who keeps its schedule keeps its next run.
    pub(super) fn plan_runs(&mut self, now: Now) {
        let mut before = std::mem::take(&mut self.schedules.plans);
        if self.phase == Phase::Running {
            for (id, entry) in self.table.entries() {
                let Some(schedule) = &entry.config.schedule else { continue };
                let kept = before.remove(&id).filter(|plan| plan.schedule == *schedule);
                let plan = kept.unwrap_or_else(|| Plan::new(schedule, &entry.display_name(), now));
                self.schedules.plans.insert(id, plan);
            }
        }
        self.schedules.settle();
    }

    /// Starts what is due.
    pub(super) fn run_due(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.schedules.is_empty() {
            return;
        }
        let plans = self.schedules.plans.iter_mut();
        let due: Vec<(ProcessId, Duration)> = plans.filter_map(|(id, plan)| Some((*id, plan.take_due(now)?))).list();
        self.schedules.settle();
        for (id, late) in due {
            self.run(id, late, now, out);
        }
    }

    fn run(&mut self, id: ProcessId, late: Duration, now: Now, out: &mut Vec<Action>) {
        let (Some(entry), Some(plan)) = (self.table.entry(id), self.schedules.plans.get_mut(&id)) else { return };
        let (overlap, make_up) = (plan.schedule.overlap, plan.schedule.make_up);
        let state = entry.life.state.name();
        let name = entry.display_name();
        let mut tell = |text: &str| out.push(Action::Log(LogLevel::Info, format!("{name}: scheduled run{text}")));
        if late > LATE && !make_up {
            tell(&format!(" skipped: its time passed {} ago", uptime(late)));
            return;
        }
        match (state, overlap) {
            (Name::Unknown, _) => tell(" skipped: it is in an unknown process state"),
            (Name::Stopped | Name::Exited | Name::Fatal, _) => {
                if late > LATE {
                    tell(&format!(", whose time passed {} ago", uptime(late)));
                } else {
                    tell("");
                }
                self.start_with_needs(id, now, out);
            }
            (Name::Starting | Name::Running | Name::Backoff | Name::Stopping, Overlap::Skip) => {
                tell(" skipped: still running");
            }
            (Name::Starting | Name::Running | Name::Backoff | Name::Stopping, Overlap::Queue) => {
                let first = !std::mem::replace(&mut plan.queued, true);
                tell(if first { " waits: still running" } else { " skipped: another one waits already" });
            }
            (Name::Starting | Name::Running | Name::Backoff | Name::Stopping, Overlap::Replace) => {
                tell(": the one before is stopped for it");
                self.step(id, program::Input::Stop, now, out);
                self.start_with_needs(id, now, out);
            }
        }
    }

    /// Something happened to a process: perhaps a run that waits for its end can start.
    pub(super) fn run_queued(&mut self, id: ProcessId, now: Now, out: &mut Vec<Action>) {
        if self.schedules.is_empty() {
            return;
        }
        let Some(entry) = self.table.entry(id).filter(|entry| entry.life.state.name().is_down()) else { return };
        let (wanted, name) = (entry.life.wanted, entry.display_name());
        if !self.schedules.take_queued(id) {
            return;
        }
        let text = match wanted {
            Wanted::Up => "scheduled run that waited",
            Wanted::Down => "scheduled run that waited is dropped: it was stopped",
        };
        out.push(Action::Log(LogLevel::Info, format!("{name}: {text}")));
        if wanted == Wanted::Up {
            self.start_with_needs(id, now, out);
        }
    }
}

#[cfg(test)]
#[path = "schedules_tests.rs"]
mod tests;
