//! The five fields of cron: which minutes they mean, and when the next one comes in a place whose clocks are changed.

use super::calendar::{DAY, date, weekday};
use super::zone::{Span, Zone};
use crate::list::List as _;

const MINUTE: i64 = 60;
const MINUTES_OF_HOUR: i64 = 60;
const MINUTES_OF_DAY: i64 = 24 * 60;
/// Every hour of a day.
const ALL_HOURS: u64 = (1 << 24) - 1;
/// No schedule waits longer than from one February 29 to the next one but over a century that has none.
const HORIZON: i64 = 9 * 366 * DAY;
/// A day in a leap year, from which every day of the calendar is within the horizon.
const IN_2000: i64 = 11_000 * DAY;
/// The last instant that is reckoned with, in the year 9999.
const LAST: i64 = 253_402_300_799;

/// Five fields, each as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// One of day and weekday is enough: neither begins with `*`.
    either_day: bool,
}

/// A field as it is written.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    /// What its numbers are called, from the first.
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Sunday may also be called this.
const SUNDAY: u32 = 7;
const FIELDS: [Field; 5] = [
    Field { name: "minute", first: 0, last: 59, words: &[] },
    Field { name: "hour", first: 0, last: 23, words: &[] },
    Field { name: "day", first: 1, last: 31, words: &[] },
    Field { name: "month", first: 1, last: 12, words: &MONTHS },
    Field { name: "weekday", first: 0, last: SUNDAY, words: &WEEKDAYS },
];
const NAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Cron {
    /// Understands five fields, or a name for them.
    ///
    /// # Errors
    /// Which field is wrong, and why.
    pub fn parse(text: &str) -> Result<Cron, String> {
        let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, fields)| *fields);
        if text.starts_with('@') && named.is_none() {
            let hint = if text == "@reboot" { ": `autostart=true` starts it with visor" } else { "" };
            return Err(format!("`{text}` is none of @hourly, @daily, @weekly, @monthly, @yearly{hint}"));
        }
        let words: Vec<&str> = named.unwrap_or(text).split_ascii_whitespace().list();
        let mut sets = [0; 5];
        if words.len() != sets.len() {
            let text = "fields: minute, hour, day, month and weekday are wanted, or `every` and a time";
            return Err(format!("{} {text}", words.len()));
        }
        for ((set, field), word) in sets.iter_mut().zip(&FIELDS).zip(&words) {
            *set = field.parse(word)?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let stars = words.iter().skip(2).step_by(2).filter(|word| word.starts_with('*')).count();
        let weekdays = weekdays | weekdays >> SUNDAY;
        let cron = Cron { minutes, hours, days, months, weekdays, either_day: stars == 0 };
        if cron.minute_shown(IN_2000, IN_2000 + HORIZON).is_none() {
            return Err("it is never due: none of its months has such a day".to_owned());
        }
        Ok(cron)
    }

    /// The first instant after `after` at which it is due, both in seconds since 1970.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: i64) -> Option<i64> {
        let mut at = after.clamp(0, LAST) + 1;
        let horizon = at + HORIZON;
        while at < horizon {
            let span = zone.span(at);
            if let Some(due) = self.next_within(span, at, horizon) {
                return Some(due);
            }
            at = span.end;
        }
        None
    }

    /// The first instant from `from` on within a span.
    fn next_within(&self, span: Span, from: i64, horizon: i64) -> Option<i64> {
        let mut shown = from + span.offset;
        let end = span.end.min(horizon) + span.offset;
        if self.hours != ALL_HOURS && span.before != span.offset && span.start > i64::MIN {
            // What clocks showed when they were changed, and what they showed then.
            let (was, is) = (span.start + span.before, span.start + span.offset);
            if from == span.start && self.minute_shown(was, is).is_some() {
                return Some(from);
            }
            // Clocks show once more what they showed: it ran then.
            shown = shown.max(was);
        }
        self.minute_shown(shown, end).map(|shown| shown - span.offset)
    }

    /// The first minute that it is due, as clocks show it, from one second to before another one.
    fn minute_shown(&self, from: i64, end: i64) -> Option<i64> {
        let minute = from.div_euclid(MINUTE) + i64::from(from.rem_euclid(MINUTE) > 0);
        let mut earliest = minute.rem_euclid(MINUTES_OF_DAY);
        for day in minute.div_euclid(MINUTES_OF_DAY).. {
            if day * DAY >= end {
                return None;
            }
            if self.is_on(day)
                && let Some(minute) = self.minute_of_day(earliest)
            {
                let due = day * DAY + minute * MINUTE;
                return (due < end).then_some(due);
            }
            earliest = 0;
        }
        None
    }

    fn is_on(&self, day: i64) -> bool {
        let (_, month, day_of_month) = date(day);
        let on_day = has(self.days, day_of_month);
        let on_weekday = has(self.weekdays, weekday(day));
        has(self.months, month) && if self.either_day { on_day || on_weekday } else { on_day && on_weekday }
    }

    fn minute_of_day(&self, earliest: i64) -> Option<i64> {
        (earliest..MINUTES_OF_DAY)
            .find(|minute| has(self.hours, minute / MINUTES_OF_HOUR) && has(self.minutes, minute % MINUTES_OF_HOUR))
    }
}

fn has(set: u64, number: i64) -> bool {
    set >> number & 1 == 1
}

impl Field {
    fn parse(&self, text: &str) -> Result<u64, String> {
        let mut set = 0;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                None => (item, 1),
                Some((range, step)) => match number(step).filter(|step| (1..=self.last).contains(step)) {
                    Some(step) if range == "*" || range.contains('-') => (range, step),
                    Some(_) => return Err(self.wrong(item, "a step comes after `*` or a range")),
                    None => return Err(self.wrong(item, "its step is no number that fits")),
                },
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.first, self.last),
                None => (self.value(range)?, self.value(range)?),
                Some((first, last)) => (self.value(first)?, self.end(last)?),
            };
            if first > last {
                return Err(self.wrong(item, "it goes backwards; two ranges can say it"));
            }
            for number in (first..=last).step_by(usize::try_from(step).unwrap_or(1)) {
                set |= 1 << number;
            }
        }
        Ok(set)
    }

    /// The end of a range: a week may end with Sunday.
    fn end(&self, word: &str) -> Result<u32, String> {
        let value = self.value(word)?;
        Ok(if self.last == SUNDAY && value == 0 { SUNDAY } else { value })
    }

    fn value(&self, word: &str) -> Result<u32, String> {
        let called = self.words.iter().position(|known| known.eq_ignore_ascii_case(word));
        let called = called.and_then(|place| u32::try_from(place).ok()).map(|place| place + self.first);
        let value = called.or_else(|| number(word)).filter(|value| (self.first..=self.last).contains(value));
        value.ok_or_else(|| match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => {
                self.wrong(word, &format!("it is none of {} to {}, {first} to {last}", self.first, self.last))
            }
            _ => self.wrong(word, &format!("it is none of {} to {}", self.first, self.last)),
        })
    }

    fn wrong(&self, item: &str, reason: &str) -> String {
        format!("{} `{item}`: {reason}", self.name)
    }
}

/// Digits alone.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
#[path = "cron_tests.rs"]
mod tests;
