//! The times of a check: when the next attempt is due, when one has taken too long, and what the outcomes amount to.
//!
//! Owns: counting and timers, as values. Does not own: the attempts, which are made elsewhere and whose outcomes come in.

use std::time::Duration;

use crate::config::{Check, Probe};

/// One check of one run of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    purpose: Purpose,
    phase: Phase,
    /// Attempts in a row that failed.
    failures: u32,
    health: Health,
}

/// What a check is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first success or too many failures end it.
    Ready,
    /// It goes on for as long as the process runs.
    Health,
}

/// What the attempts so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Unknown,
    Good,
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next attempt begins then.
    Waiting(Duration),
    /// An attempt is under way, and fails then.
    Trying(Duration),
    Over,
}

/// What is to be done when a deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Begin an attempt, and tell its outcome.
    Attempt,
    /// End the attempt under way, whose outcome is that it took too long.
    Timeout,
}

/// What an outcome means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing new.
    Nothing,
    /// The process is ready.
    Ready,
    /// It will not be: why.
    NotReady(String),
    /// It is healthy, and was not known to be.
    Healthy,
    /// It is unhealthy, and was not known to be: why.
    Unhealthy(String),
}

impl Schedule {
    /// A check that begins now (monotonic, as all times here). What the program says by itself is listened to at once.
    #[must_use]
    pub fn new(check: &Check, purpose: Purpose, now: Duration) -> Schedule {
        let begin = now.saturating_add(check.delay);
        let phase = match check.probe {
            Probe::Fd(_) | Probe::Notify | Probe::Log(_) => Phase::Trying(begin.saturating_add(check.timeout)),
            Probe::Tcp(_) | Probe::Unix(_) | Probe::Http(_) | Probe::Exec(..) | Probe::File(_) => Phase::Waiting(begin),
        };
        Schedule { purpose, phase, failures: 0, health: Health::Unknown }
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When to ask [`Schedule::due`]; `None` = never again.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting(at) | Phase::Trying(at) => Some(at),
            Phase::Over => None,
        }
    }

    /// Whether an attempt is under way.
    #[must_use]
    pub fn is_trying(&self) -> bool {
        matches!(self.phase, Phase::Trying(_))
    }

    /// What its deadline asks for. An attempt that is to begin counts as under way from here on.
    pub fn due(&mut self, check: &Check, now: Duration) -> Due {
        match self.phase {
            Phase::Waiting(at) if at <= now => {
                self.phase = Phase::Trying(now.saturating_add(check.timeout));
                Due::Attempt
            }
            Phase::Trying(at) if at <= now => Due::Timeout,
            Phase::Waiting(_) | Phase::Trying(_) | Phase::Over => Due::Nothing,
        }
    }

    /// The attempt under way has ended. Without one nothing changes.
    pub fn ended(&mut self, check: &Check, outcome: Result<(), String>, now: Duration) -> Verdict {
        if !self.is_trying() {
            return Verdict::Nothing;
        }
        // Of what the program says by itself, the next word is waited for from now on.
        self.phase = if check.probe.is_word() {
            Phase::Trying(now.saturating_add(check.timeout))
        } else {
            Phase::Waiting(now.saturating_add(check.interval))
        };
        match outcome {
            Ok(()) => self.succeeded(),
            Err(reason) => self.failed(check, reason),
        }
    }

    fn succeeded(&mut self) -> Verdict {
        self.failures = 0;
        match self.purpose {
            Purpose::Ready => {
                self.phase = Phase::Over;
                Verdict::Ready
            }
            Purpose::Health if std::mem::replace(&mut self.health, Health::Good) == Health::Good => Verdict::Nothing,
            Purpose::Health => Verdict::Healthy,
        }
    }

    fn failed(&mut self, check: &Check, reason: String) -> Verdict {
        self.failures = self.failures.saturating_add(1);
        let forgiven = if check.probe.is_word() { 0 } else { check.retries };
        if self.failures <= forgiven {
            return Verdict::Nothing;
        }
        let times = match self.failures {
            1 => String::new(),
            failures => format!(" ({failures} times in a row)"),
        };
        let text = format!("{}: {reason}{times}", check.probe);
        match self.purpose {
            Purpose::Ready => {
                self.phase = Phase::Over;
                Verdict::NotReady(text)
            }
            Purpose::Health if std::mem::replace(&mut self.health, Health::Bad) == Health::Bad => Verdict::Nothing,
            Purpose::Health => Verdict::Unhealthy(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::sample::ms;

    fn check(probe: Probe, retries: u32) -> Check {
        Check { probe, interval: ms(1000), timeout: ms(300), retries, delay: ms(50) }
    }

    fn file(retries: u32) -> Check {
        check(Probe::File("/up".into()), retries)
    }

    fn no() -> Result<(), String> {
        Err("no".into())
    }

    #[test]
    fn attempt_is_due_after_the_delay_and_too_late_after_its_timeout() {
        let check = file(0);
        let mut schedule = Schedule::new(&check, Purpose::Ready, ms(100));
        assert_eq!(schedule.deadline(), Some(ms(150)));
        assert_eq!(schedule.due(&check, ms(149)), Due::Nothing);
        assert_eq!(schedule.due(&check, ms(150)), Due::Attempt);
        assert_eq!(schedule.deadline(), Some(ms(450)));
        assert_eq!(schedule.due(&check, ms(449)), Due::Nothing);
        assert_eq!(schedule.due(&check, ms(450)), Due::Timeout);
        assert_eq!(schedule.ended(&check, no(), ms(450)), Verdict::NotReady("file:/up: no".into()));
        assert_eq!(schedule.deadline(), None);
        assert_eq!(schedule.due(&check, ms(9000)), Due::Nothing);
        assert_eq!(schedule.ended(&check, Ok(()), ms(9000)), Verdict::Nothing);
    }

    #[test]
    fn failures_up_to_the_retries_are_forgiven_and_a_success_is_ready() {
        let check = file(2);
        let mut schedule = Schedule::new(&check, Purpose::Ready, ms(0));
        for attempt in 0..2 {
            assert_eq!(schedule.due(&check, schedule.deadline().unwrap()), Due::Attempt);
            let now = ms(100 + 1000 * attempt);
            assert_eq!(schedule.ended(&check, no(), now), Verdict::Nothing);
            assert_eq!(schedule.deadline(), Some(now + ms(1000)));
        }
        let mut lost = schedule.clone();
        schedule.due(&check, ms(3000));
        assert_eq!(schedule.ended(&check, Ok(()), ms(3000)), Verdict::Ready);
        assert_eq!(schedule.deadline(), None);
        lost.due(&check, ms(3000));
        assert_eq!(lost.ended(&check, no(), ms(3000)), Verdict::NotReady("file:/up: no (3 times in a row)".into()));
    }

    #[test]
    fn health_goes_on_and_tells_changes_only() {
        let check = file(1);
        let mut schedule = Schedule::new(&check, Purpose::Health, ms(0));
        let mut now = ms(0);
        let mut turn = |outcome: Result<(), String>| {
            now = schedule.deadline().unwrap().max(now);
            assert_eq!(schedule.due(&check, now), Due::Attempt);
            schedule.ended(&check, outcome, now)
        };
        let bad = Verdict::Unhealthy("file:/up: no (2 times in a row)".into());
        let outcomes = [Ok(()), Ok(()), no(), Ok(()), no(), no(), no(), Ok(()), Ok(())];
        let verdicts: Vec<Verdict> = outcomes.into_iter().map(&mut turn).collect();
        let quiet = || Verdict::Nothing;
        assert_eq!(
            verdicts,
            [Verdict::Healthy, quiet(), quiet(), quiet(), quiet(), bad, quiet(), Verdict::Healthy, quiet()]
        );
    }

    #[test]
    fn watchdog_waits_for_each_word_from_the_one_before() {
        let check = check(Probe::Notify, 5);
        let mut schedule = Schedule::new(&check, Purpose::Health, ms(0));
        assert_eq!(schedule.deadline(), Some(ms(350)));
        assert_eq!(schedule.ended(&check, Ok(()), ms(100)), Verdict::Healthy);
        assert_eq!(schedule.deadline(), Some(ms(400)));
        assert_eq!(schedule.due(&check, ms(400)), Due::Timeout);
        assert_eq!(schedule.ended(&check, no(), ms(400)), Verdict::Unhealthy("notify: no".into()));
        assert_eq!(schedule.ended(&check, Ok(()), ms(500)), Verdict::Healthy);
    }

    #[test]
    fn word_that_makes_ready_is_one_attempt_from_the_start() {
        let check = Check { delay: ms(0), ..check(Probe::Fd(3), 0) };
        let mut schedule = Schedule::new(&check, Purpose::Ready, ms(0));
        assert!(schedule.is_trying());
        assert_eq!(schedule.deadline(), Some(ms(300)));
        assert_eq!(schedule.ended(&check, Ok(()), ms(100)), Verdict::Ready);
        assert_eq!(schedule.deadline(), None);
    }

    /// Any outcomes at any times: a deadline that has passed always asks for something, and what it asks for moves it on.
    #[test]
    fn no_deadline_wakes_for_nothing() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..2000 {
            let probe = if random(2) == 0 { Probe::Notify } else { Probe::File("/f".into()) };
            let check = Check {
                probe,
                interval: ms(1 + random(50)),
                timeout: ms(1 + random(50)),
                retries: u32::try_from(random(3)).unwrap(),
                delay: ms(random(20)),
            };
            let purpose = if random(2) == 0 { Purpose::Ready } else { Purpose::Health };
            let mut schedule = Schedule::new(&check, purpose, ms(0));
            let mut now = ms(0);
            for _ in 0..50 {
                let Some(at) = schedule.deadline() else { break };
                let early = now.min(at.saturating_sub(ms(1)));
                assert!(at <= early || schedule.clone().due(&check, early) == Due::Nothing);
                now = now.max(at) + ms(random(3));
                let before = schedule.deadline();
                let outcome = if random(3) == 0 { Err("x".to_string()) } else { Ok(()) };
                match schedule.due(&check, now) {
                    Due::Nothing => panic!("woken at {now:?} for nothing: {schedule:?}"),
                    Due::Attempt if random(2) == 0 => {}
                    Due::Attempt => drop(schedule.ended(&check, outcome, now)),
                    Due::Timeout => drop(schedule.ended(&check, Err("late".into()), now)),
                }
                assert!(schedule.deadline().is_none_or(|at| Some(at) > before && at > now), "{schedule:?} at {now:?}");
            }
        }
    }
}
