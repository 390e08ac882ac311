//! When visor's programs end visor: `exit_on`, `exit_when`, the code it leaves with, and the time a shutdown may take.

use std::time::Duration;

use super::{Action, Entry, Phase, ProcessId, Supervisor};
use crate::config::{GroupKind, LogLevel};
use crate::list::List as _;
use crate::program::{self, Exit, Now, State};
use crate::sorted::Map;

/// Added to a signal's number to make an exit code, as shells do.
const SIGNAL_BASE: i32 = 128;
/// The code for a program that never ran.
const NEVER_RAN: u8 = 1;
/// Who took less than this of a shutdown is not worth telling.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// A shutdown with a limit.
#[derive(Debug)]
pub(super) struct Limited {
    began: Duration,
    limit: Duration,
    /// Who was asked to stop, and when.
    asked: Vec<(ProcessId, Duration)>,
    /// Whose last hook ended, and when.
    cleaned: Map<ProcessId, Duration>,
    /// How long the wave that is stopped now may take.
    pub(super) until: Duration,
}

impl Limited {
    pub(super) fn new(limit: Duration, now: Now) -> Limited {
        Limited { began: now.mono, limit, asked: Vec::new(), cleaned: Map::new(), until: now.mono }
    }

    /// The last hook of a process ended.
    pub(super) fn rests(&mut self, id: ProcessId, now: Now) {
        self.cleaned.insert(id, now.mono);
    }

    /// Until when a wave may take, so that the `later` ones after it have as much as it: what one does not use is the others'.
    fn share(&self, later: usize, now: Now) -> Duration {
        let left = self.began.saturating_add(self.limit).saturating_sub(now.mono);
        let waves = u32::try_from(later).unwrap_or(u32::MAX).saturating_add(1);
        now.mono.saturating_add(left / waves)
    }
}

impl Supervisor {
    /// The code visor leaves with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// A process has ended for good: perhaps visor with it.
    pub(super) fn over(&mut self, id: ProcessId, now: Now, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let Some(entry) = self.table.entry(id) else { return };
        let on = entry.config.policy.exit_on;
        let wanted = match entry.life.state {
            State::Exited if is_expected(entry) => on.success,
            State::Exited => on.failure,
            State::Fatal => on.fatal,
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Stopping { .. }
            | State::Emptying { .. }
            | State::Unknown { .. } => false,
        };
        let (code, text) = if wanted {
            (code_of(entry), format!("{} has ended, and visor with it (exit_on)", entry.display_name()))
        } else if self.adopted.visor.exit_when_all_done && self.is_all_done() {
            (self.first_failure(), "all programs are done (exit_when=all-done)".to_owned())
        } else {
            return;
        };
        self.exit_code = code;
        out.push(Action::Log(LogLevel::Info, format!("{text}: leaving with exit code {code}")));
        self.shut_down(now, out);
    }

    /// Whether no program runs or is about to. Listeners wait for events of those: they do not count.
    fn is_all_done(&self) -> bool {
        // A program with a schedule is always about to run.
        self.schedules.is_empty() && self.programs().all(|entry| entry.life.state.name().is_down())
    }

    fn first_failure(&self) -> u8 {
        let ids = self.table.in_start_order();
        let entries = ids.iter().filter_map(|id| self.table.entry(*id)).filter(|entry| self.is_program(entry));
        let failed = |entry: &&Entry| match entry.life.state {
            State::Fatal => true,
            State::Exited => !is_expected(entry),
            State::Stopped
            | State::Waiting { .. }
            | State::Preparing { .. }
            | State::Spawning { .. }
            | State::Launching { .. }
            | State::Failing { .. }
            | State::Starting { .. }
            | State::Abandoning { .. }
            | State::Running { .. }
            | State::Backoff { .. }
            | State::Resting { .. }
            | State::Stopping { .. }
            | State::Emptying { .. }
            | State::Unknown { .. } => false,
        };
        entries.into_iter().find(failed).map_or(0, code_of)
    }

    fn programs(&self) -> impl Iterator<Item = &Entry> {
        self.table.entries().map(|(_, entry)| entry).filter(|entry| self.is_program(entry))
    }

    fn is_program(&self, entry: &Entry) -> bool {
        self.table.group(&entry.group).is_none_or(|group| !matches!(group.kind, GroupKind::EventListener { .. }))
    }

    /// Until when a process of the wave that is stopped now, `later` ones after it, may take; `None` = as long as it is allowed itself.
    pub(super) fn stop_by(&mut self, id: ProcessId, later: usize, now: Now) -> Option<Duration> {
        let limited = self.limited.as_mut()?;
        limited.asked.push((id, now.mono));
        limited.until = limited.share(later, now);
        Some(limited.until)
    }

    /// A child that came when its wave was being stopped already has no more time than the others of it.
    pub(super) fn hurry(&mut self, id: ProcessId, now: Now, out: &mut Vec<Action>) {
        if let Some(until) = self.limited.as_ref().map(|limited| limited.until)
            && self.jobs.values().any(|job| job.awaits_stop_of(id))
        {
            self.step(id, program::Input::StopBy(until), now, out);
        }
    }

    /// Who took how much of a shutdown that had a limit.
    pub(super) fn report_shutdown(&self, now: Now, out: &mut Vec<Action>) {
        let Some(limited) = &self.limited else { return };
        let took = |id: &ProcessId, asked: &Duration| {
            let entry = self.table.entry(*id)?;
            let ended = entry.life.ended?.mono;
            let took = limited.cleaned.get(id).copied().unwrap_or(ended).max(ended).saturating_sub(*asked);
            let killed = matches!(entry.life.last, Some(Exit::Signal { signal, .. }) if signal.0 == KILL);
            let how = if killed { " (killed)" } else { "" };
            (took >= WORTH_TELLING).then(|| format!("{} {}{how}", entry.display_name(), seconds(took)))
        };
        let parts: Vec<String> = limited.asked.iter().filter_map(|(id, asked)| took(id, asked)).list();
        let all = seconds(now.mono.saturating_sub(limited.began));
        let tail = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        let text = format!("shutdown took {all} of {}{tail}", seconds(limited.limit));
        out.push(Action::Log(LogLevel::Info, text));
    }
}

const KILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;

/// Seconds with one digit after the point.
fn seconds(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}

fn is_expected(entry: &Entry) -> bool {
    entry.life.exit.is_some_and(|exit| exit.is_expected(&entry.config.exitcodes))
}

/// What a shell would say of the process: its code, or 128 and its signal. A program that was given up did not succeed,
/// whatever code it had.
fn code_of(entry: &Entry) -> u8 {
    let code = match entry.life.last {
        Some(Exit::Code(code)) => u8::try_from(code).unwrap_or(NEVER_RAN),
        Some(Exit::Signal { signal, .. }) => u8::try_from(SIGNAL_BASE + signal.0).unwrap_or(NEVER_RAN),
        None => NEVER_RAN,
    };
    if entry.life.state == State::Fatal { code.max(NEVER_RAN) } else { code }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{AutoRestart, ExitOn, Policy, Process, Signal};
    use crate::supervisor::sample::{Bench, config, group, program, quick};
    use crate::supervisor::{Ask, Input};

    fn with(name: &str, exit_on: ExitOn) -> crate::config::Group {
        let policy = Policy { exit_on, ..Policy::default() };
        group(name, 1, vec![Process { policy, autorestart: AutoRestart::Never, ..quick(name) }])
    }

    const ALL: ExitOn = ExitOn { success: true, failure: true, fatal: true };

    #[test]
    fn essential_program_that_ends_takes_visor_with_it_and_its_code() {
        for (code, on) in [(0, ALL), (7, ALL), (7, ExitOn { success: false, ..ALL })] {
            let mut bench = Bench::running(vec![with("db", on), program("web", 999)]);
            assert_eq!(bench.dies("db", code), ["15 web"]);
            assert_eq!(i32::from(bench.sup.exit_code()), code);
            assert_eq!(bench.dies("web", 0), ["leave"]);
        }
    }

    #[test]
    fn end_that_is_not_listed_and_a_stop_by_hand_end_nothing() {
        let mut bench = Bench::running(vec![with("db", ExitOn { success: false, ..ALL }), program("web", 999)]);
        assert!(bench.dies("db", 0).is_empty());
        let mut bench = Bench::running(vec![with("db", ALL), program("web", 999)]);
        bench.stop(&["db"]);
        bench.dies("db", 3);
        assert_eq!((bench.sup.phase(), bench.sup.exit_code()), (Phase::Running, 0));
    }

    #[test]
    fn program_killed_by_a_signal_leaves_128_and_its_number() {
        let mut bench = Bench::running(vec![with("db", ALL)]);
        let pid = bench.pid("db");
        bench.feed(Input::Died { pid, exit: Exit::Signal { signal: Signal(9), core: false } });
        assert_eq!(bench.sup.exit_code(), 137);
    }

    #[test]
    fn program_given_up_never_leaves_zero() {
        let policy = Policy { exit_on: ExitOn { fatal: true, ..ExitOn::default() }, ..Policy::default() };
        let process = |retries| Process { policy, startsecs: 5, startretries: retries, ..quick("db") };
        for (code, leaves) in [(0, 1), (9, 9)] {
            let mut bench = Bench::running(vec![group("db", 1, vec![process(0)])]);
            bench.dies("db", code);
            assert_eq!((bench.state("db"), bench.sup.exit_code()), ("FATAL", leaves));
        }
    }

    fn with_settings(groups: Vec<crate::config::Group>, change: impl FnOnce(&mut crate::config::Visor)) -> Bench {
        let mut config = config(groups);
        change(&mut config.visor);
        let mut bench = Bench::new(Vec::new());
        bench.out.clear();
        bench.sup = Supervisor::new(Arc::new(config), &mut bench.out);
        bench.feed(Input::Boot);
        bench.spawn_all();
        bench
    }

    #[test]
    fn all_done_leaves_with_the_first_failure_in_start_order() {
        for (codes, leaves) in [([0, 0], 0), ([0, 4], 4), ([3, 4], 3)] {
            let groups = vec![with("a", ExitOn::default()), with("b", ExitOn::default())];
            let mut bench = with_settings(groups, |visor| visor.exit_when_all_done = true);
            assert!(bench.dies("b", codes[1]).is_empty());
            assert_eq!(bench.dies("a", codes[0]), ["leave"]);
            assert_eq!(bench.sup.exit_code(), leaves);
        }
    }

    #[test]
    fn settings_of_visor_hold_when_they_are_adopted_and_not_when_they_are_read() {
        let groups = || vec![with("a", ExitOn::default()), program("b", 999)];
        for (ask, leaves) in [(Ask::Reread, false), (Ask::Update(Vec::new()), false), (Ask::Reload, true)] {
            let mut bench = Bench::running(groups());
            bench.ask(ask);
            let mut new = config(groups());
            new.visor.exit_when_all_done = true;
            let job = bench.reading();
            bench.feed(Input::ConfigRead(job, Ok(Box::new(new))));
            bench.stop(&["b"]);
            bench.dies("b", 0);
            bench.dies("a", 0);
            assert_eq!(bench.sup.phase() == Phase::Gone, leaves);
        }
    }

    #[test]
    fn shutdown_timeout_is_shared_by_the_waves_and_what_is_not_used_is_the_others() {
        let mut bench = with_settings(vec![program("first", 1), program("last", 2)], |visor| {
            visor.shutdown_timeout = Some(Duration::from_secs(4));
        });
        let due = |bench: &Bench| bench.sup.entry(bench.id("last")).unwrap().life.state.deadline(&quick("last"));
        bench.feed(Input::StopSignal(Signal(15)));
        assert_eq!(due(&bench), Some(Duration::from_millis(bench.millis + 2000)), "half of it");
        bench.millis += 1000;
        bench.dies("last", 0);
        let first = bench.sup.entry(bench.id("first")).unwrap();
        let deadline = first.life.state.deadline(&quick("first"));
        assert_eq!(deadline, Some(Duration::from_millis(bench.millis + 3000)), "all that is left");
        bench.millis += 3000;
        assert_eq!(bench.feed(Input::Deadline), ["9 first"]);
        let pid = bench.pid("first");
        bench.feed(Input::Died { pid, exit: Exit::Signal { signal: Signal(9), core: false } });
        assert_eq!(bench.logged().last().unwrap(), "shutdown took 4.0 s of 4.0 s: last 1.0 s, first 3.0 s (killed)");
    }

    #[test]
    fn child_that_comes_when_its_wave_is_stopped_already_has_no_more_time_than_the_wave() {
        let mut bench = Bench::new(vec![]);
        let mut config = config(vec![program("late", 1)]);
        config.visor.shutdown_timeout = Some(Duration::from_secs(4));
        bench.sup = Supervisor::new(Arc::new(config), &mut bench.out);
        bench.feed(Input::Boot);
        let now = crate::program::sample::at(bench.millis);
        bench.sup.handle(Input::StopSignal(Signal(15)), now, &mut bench.out);
        bench.spawn_all();
        let deadline = bench.sup.entry(bench.id("late")).unwrap().life.state.deadline(&quick("late"));
        assert_eq!(deadline, Some(Duration::from_millis(bench.millis + 4000)));
    }

    #[test]
    fn oneshot_is_started_when_it_has_succeeded() {
        let oneshot = |name: &str| {
            let policy = Policy { oneshot: true, ..Policy::default() };
            let autostart = false;
            group(name, 1, vec![Process { policy, autostart, autorestart: AutoRestart::Never, ..quick(name) }])
        };
        for (code, end) in [(0, "ok"), (1, "abnormal-termination")] {
            let mut bench = Bench::running(vec![oneshot("migrate")]);
            bench.start(&["migrate"]);
            assert!(bench.spawn_all().is_empty(), "it runs, and is not done");
            let said = bench.dies("migrate", code);
            assert!(said.last().unwrap().contains(end), "{said:?}");
            assert_eq!(bench.state("migrate"), "EXITED");
        }
    }

    #[test]
    fn start_of_a_oneshot_that_an_update_makes_a_service_is_answered() {
        let job = |oneshot| {
            let policy = Policy { oneshot, ..Policy::default() };
            group("job", 1, vec![Process { policy, autostart: false, autorestart: AutoRestart::Never, ..quick("job") }])
        };
        let mut bench = Bench::running(vec![job(true)]);
        bench.start(&["job"]);
        assert!(bench.spawn_all().is_empty(), "it runs, and is not done");
        bench.ask(Ask::Update(Vec::new()));
        let said = bench.reads(vec![job(false)]);
        assert!(said.contains(&"1: job started".to_owned()) && said.contains(&"1: ok".to_owned()), "{said:?}");
    }

    #[test]
    fn a_step_without_any_policy_is_as_ever() {
        let mut bench = Bench::running(vec![program("web", 1)]);
        assert_eq!(bench.dies("web", 3), ["spawn web"]);
        let id = bench.id("web");
        assert!(bench.feed(Input::Process(id, program::Input::Deadline)).is_empty());
    }
}
