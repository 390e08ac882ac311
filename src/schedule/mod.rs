//! When a program is due: five fields of cron in the time of a place, or each time so much has passed. Pure.
//!
//! Owns: what a schedule means. Does not own: the keys that say it (`config`), the clock, and what is done when it is due
//! (`supervisor`). Imports nothing of the house but its lists.

mod calendar;
mod cron;
mod zone;

use std::time::Duration;

pub use cron::Cron;
pub use zone::Zone;

use crate::scatter::scatter;
use crate::span::millis;

/// When a program runs, and what else is said of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// As it is written.
    pub text: String,
    /// What that means.
    pub when: When,
    /// As `schedule_timezone` is written.
    pub timezone: String,
    /// Each run is later by up to so much.
    pub jitter: Duration,
    /// What happens to a run that is due while the one before goes on.
    pub overlap: Overlap,
    /// Whether a run that was missed is made up for.
    pub make_up: bool,
}

/// Instants at which a program is due.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// Minutes of the clocks of a place.
    Cron(Cron, Zone),
    /// Each time so much has passed, at least a second.
    Every(Duration),
}

/// What happens to a run that is due while the one before goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It starts when the one before has ended.
    Queue,
    /// The one before is stopped.
    Replace,
}

impl Overlap {
    /// All of them with their words.
    pub const WORDS: [(&str, Overlap); 3] =
        [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("replace", Overlap::Replace)];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Overlap::Skip => "skip",
            Overlap::Queue => "queue",
            Overlap::Replace => "replace",
        }
    }
}

/// A run to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When it is due by the schedule: the next one comes after this.
    pub due: Duration,
    /// When it starts, which jitter makes later.
    pub at: Duration,
}

impl Schedule {
    /// Whether its times are those of the wall clock, since 1970; otherwise of the monotonic one.
    #[must_use]
    pub fn goes_by_the_clock(&self) -> bool {
        match self.when {
            When::Cron(..) => true,
            When::Every(_) => false,
        }
    }

    /// The first run after the one that was due at `last` that starts after `now`. `salt` differs from program to program.
    #[must_use]
    pub fn next(&self, last: Duration, now: Duration, salt: u64) -> Option<Run> {
        let mut last = self.skip_to(last, now.saturating_sub(self.jitter));
        loop {
            let due = self.after(last)?;
            let at = due.saturating_add(self.delay(due, salt));
            if at > now {
                return Some(Run { due, at });
            }
            last = due;
        }
    }

    fn after(&self, last: Duration) -> Option<Duration> {
        match &self.when {
            When::Every(pause) => Some(last.saturating_add(*pause)).filter(|due| *due > last),
            When::Cron(cron, zone) => {
                let last = i64::try_from(last.as_secs()).ok()?;
                cron.next(zone, last).and_then(|due| u64::try_from(due).ok()).map(Duration::from_secs)
            }
        }
    }

    /// The time to look for a run from, when all up to `passed` are over.
    fn skip_to(&self, last: Duration, passed: Duration) -> Duration {
        let Some(over) = passed.checked_sub(last) else { return last };
        match self.when {
            When::Cron(..) => passed,
            When::Every(pause) => {
                let over = millis(over);
                let rest = over.checked_rem(millis(pause)).unwrap_or(0);
                last.saturating_add(Duration::from_millis(over - rest))
            }
        }
    }

    fn delay(&self, due: Duration, salt: u64) -> Duration {
        let choices = millis(self.jitter).saturating_add(1);
        Duration::from_millis(scatter(salt ^ due.as_secs()) % choices)
    }
}

#[cfg(test)]
mod tests;
