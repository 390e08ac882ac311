//! What follows when a process has ended: how long until it starts again, and whether visor goes with it. Keys of visor's own.
//!
//! Owns: the keys and their values. Does not own: what is done by them (`program::step`, `supervisor::ending`).

use std::time::Duration;

use super::document::Section;
use super::reader::{Names, Reader};
use super::value;
use crate::scatter::scatter;

/// Delay before the first restart when another key of restarts is set.
const DELAY: Duration = Duration::from_secs(1);
/// The longest delay that growing leads to, unless told otherwise.
const MAX_DELAY: Duration = Duration::from_secs(5 * 60);
/// How long a run counts as good, unless told otherwise.
const RESET_AFTER: Duration = Duration::from_secs(60);
/// A factor of one, in hundredths.
const ONE: u32 = 100;
/// Greatest factor, in hundredths.
const MAX_FACTOR: u32 = 100 * ONE;
const MAX_JITTER: u32 = 100;

/// What follows when a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// `type=oneshot`: it is done when it has ended.
    pub oneshot: bool,
    /// When its end is visor's.
    pub exit_on: ExitOn,
    /// Pauses before restarts; `None` = Supervisor's.
    pub restart: Option<Restart>,
}

/// Ends for good that end visor too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitOn {
    /// EXITED with a code of `exitcodes`.
    pub success: bool,
    /// EXITED otherwise.
    pub failure: bool,
    /// FATAL.
    pub fatal: bool,
}

/// How long to wait before the n-th start in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// Before the first.
    pub delay: Duration,
    /// What each is multiplied with for the next, in hundredths.
    pub factor: u32,
    /// The longest.
    pub max_delay: Duration,
    /// Up to so many percent more, so that many do not start at the same instant.
    pub jitter: u32,
    /// A run this long was a good one: counting begins anew.
    pub reset_after: Duration,
}

impl Restart {
    /// The pause before start `n` in a row (from 1). `salt` is any number that differs from one pause to the next.
    #[must_use]
    pub fn pause(&self, n: u32, salt: u64) -> Duration {
        let mut pause = self.delay;
        for _ in 1..n {
            let next = pause.saturating_mul(self.factor) / ONE;
            if pause >= self.max_delay || next <= pause {
                break;
            }
            pause = next;
        }
        let pause = pause.min(self.max_delay);
        let percent = u32::try_from(scatter(salt) % u64::from(self.jitter.saturating_add(1))).unwrap_or(0);
        pause.saturating_add(pause.saturating_mul(percent) / MAX_JITTER)
    }
}

/// Reads a section's keys. What is `scheduled` is a oneshot unless it says otherwise.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names, scheduled: bool) -> Policy {
    let oneshot = reader.value(section, "type", names, &|_, text| is_oneshot(text)).unwrap_or(scheduled);
    let essential = reader.value(section, "essential", names, &|_, text| value::boolean(text)).unwrap_or(false);
    let mut exit_on = reader.value(section, "exit_on", names, &|_, text| exit_on(text)).unwrap_or_default();
    if essential {
        exit_on = ExitOn { success: true, failure: true, fatal: true };
    }
    Policy { oneshot, exit_on, restart: restart(reader, section, names) }
}

fn restart<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names) -> Option<Restart> {
    let mut duration = |key| reader.value(section, key, names, &|_, text| value::duration(text));
    let delay = duration("restart_delay");
    let max_delay = duration("restart_max_delay");
    let reset_after = duration("restart_reset_after");
    let factor = reader.value(section, "restart_factor", names, &|_, text| factor(text));
    let jitter = reader.value(section, "restart_jitter", names, &|_, text| jitter(text));
    if delay.is_none() && max_delay.is_none() && reset_after.is_none() && factor.is_none() && jitter.is_none() {
        return None;
    }
    let delay = delay.unwrap_or(DELAY);
    Some(Restart {
        delay,
        factor: factor.unwrap_or(ONE),
        max_delay: max_delay.unwrap_or(MAX_DELAY.max(delay)),
        jitter: jitter.unwrap_or(0),
        reset_after: reset_after.unwrap_or(RESET_AFTER),
    })
}

fn is_oneshot(text: &str) -> Result<bool, String> {
    match text {
        "oneshot" => Ok(true),
        "service" => Ok(false),
        _ => Err(format!("`{text}` is no type: service or oneshot")),
    }
}

fn exit_on(text: &str) -> Result<ExitOn, String> {
    let mut on = ExitOn::default();
    for word in value::list(text) {
        match word.as_str() {
            "never" => {}
            "success" => on.success = true,
            "failure" => on.failure = true,
            "exit" => (on.success, on.failure) = (true, true),
            "fatal" => on.fatal = true,
            _ => return Err(format!("`{word}` is no end: never, success, failure, exit or fatal")),
        }
    }
    Ok(on)
}

/// A number with at most two digits after its point, in hundredths.
fn factor(text: &str) -> Result<u32, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let hundredths = match part.len() {
        _ if !digits(part) || !digits(whole) => None,
        0 => Some(0),
        1 => part.parse::<u32>().ok().map(|tenths| tenths.saturating_mul(10)),
        2 => part.parse().ok(),
        _ => None,
    };
    let factor =
        whole.parse::<u32>().ok().zip(hundredths).map(|(whole, part)| whole.saturating_mul(ONE).saturating_add(part));
    factor
        .filter(|factor| (ONE..=MAX_FACTOR).contains(factor))
        .ok_or_else(|| format!("`{text}` is no factor: a number from 1 to 100, as 1.5"))
}

fn jitter(text: &str) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let percent = text.parse().ok().filter(|_| digits);
    percent
        .filter(|percent| *percent <= MAX_JITTER)
        .ok_or_else(|| format!("`{text}` is no jitter: a number of percent from 0 to 100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pauses_grow_by_the_factor_up_to_the_longest() {
        let restart = Restart { delay: secs(2), factor: 150, max_delay: secs(6), jitter: 0, reset_after: RESET_AFTER };
        let pauses: Vec<u64> = (1..=5).map(|n| restart.pause(n, 7).as_millis() as u64).collect();
        assert_eq!(pauses, [2000, 3000, 4500, 6000, 6000]);
    }

    #[test]
    fn any_number_of_restarts_overflows_nothing() {
        let restart = Restart {
            delay: secs(u64::MAX / 2),
            factor: MAX_FACTOR,
            max_delay: Duration::MAX,
            jitter: MAX_JITTER,
            reset_after: RESET_AFTER,
        };
        assert!(restart.pause(u32::MAX, u64::MAX) >= secs(u64::MAX / 2));
        let still = Restart { delay: Duration::ZERO, ..restart };
        assert_eq!(still.pause(1000, 3), Duration::ZERO);
    }

    #[test]
    fn jitter_adds_at_most_its_percent_and_differs_between_salts() {
        let restart =
            Restart { delay: secs(10), factor: ONE, max_delay: secs(10), jitter: 20, reset_after: RESET_AFTER };
        let pauses: Vec<Duration> = (0..100).map(|salt| restart.pause(1, salt)).collect();
        assert!(pauses.iter().all(|pause| (secs(10)..=secs(12)).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    fn factor_and_jitter_take_what_they_say_and_nothing_else() {
        assert_eq!(
            [factor("1"), factor("1.5"), factor("2.25"), factor("100")],
            [Ok(100), Ok(150), Ok(225), Ok(10_000)]
        );
        for bad in ["", "0", "0.99", "101", "1.255", "-1", "+1", "1e3", "x", "1.x", ".5"] {
            assert!(factor(bad).is_err(), "{bad}");
        }
        assert_eq!([jitter("0"), jitter("25"), jitter("100")], [Ok(0), Ok(25), Ok(100)]);
        for bad in ["", "101", "-1", "+1", "a", "20%"] {
            assert!(jitter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ends_are_a_list_of_words() {
        let on = |success, failure, fatal| Ok(ExitOn { success, failure, fatal });
        assert_eq!(exit_on("never"), on(false, false, false));
        assert_eq!(exit_on("failure, fatal"), on(false, true, true));
        assert_eq!(exit_on("exit"), on(true, true, false));
        assert!(exit_on("always").is_err());
    }
}
