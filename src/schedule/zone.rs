//! What clocks show in a place: the offset from UTC at each instant, from a file of the zone information database or a rule as in `TZ`.
//!
//! Owns: the two formats, and the spans of time in which the offset does not change. Does not own: where files are, and who reads them.

use super::calendar::{DAY, date, day_number, weekday};

/// Length of the head of each part of a file.
const HEAD: usize = 44;
/// Where the six counts stand in it.
const COUNTS: usize = 20;
/// Bytes of a kind of time: its offset, whether it is summer time, its name.
const KIND: usize = 6;
/// Bytes of an instant in the part for old readers, and in the other.
const OLD: usize = 4;
const NEW: usize = 8;
/// No clock is farther than this from UTC, in seconds; also a bound against overflow.
const FARTHEST: i64 = 7 * DAY;

/// The time of a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zone {
    /// Seconds east of UTC before the first change.
    first: i64,
    /// Instants (seconds since 1970, ascending) and the offset from there on.
    changes: Vec<(i64, i64)>,
    /// What holds after the last of them.
    rule: Option<Rule>,
}

/// Offsets that change twice a year, or never.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Summer {
    offset: i64,
    begins: Turn,
    ends: Turn,
}

/// A moment that comes each year, in the time that holds until then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Turn {
    day: Day,
    /// Seconds after midnight; may be negative, and more than a day.
    time: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Day {
    /// The n-th such day of the week in a month, the fifth being the last.
    Weekday { month: i64, week: i64, weekday: i64 },
    /// From 1 to 365; February 29 is never counted.
    Counted(i64),
    /// From 0 to 365.
    OfYear(i64),
}

/// Time in which the offset stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Its first second.
    pub start: i64,
    /// The first second after it.
    pub end: i64,
    /// Seconds east of UTC.
    pub offset: i64,
    /// The offset until its start.
    pub before: i64,
}

impl Zone {
    /// UTC.
    #[must_use]
    pub const fn utc() -> Zone {
        Zone { first: 0, changes: Vec::new(), rule: None }
    }

    /// Understands a compiled file of the zone information database; `None` when it is none.
    #[must_use]
    pub fn compiled(bytes: &[u8]) -> Option<Zone> {
        let old = Part::new(bytes, OLD)?;
        if bytes.get(OLD).copied()? == 0 {
            return old.zone("");
        }
        let rest = bytes.get(old.length..)?;
        let new = Part::new(rest, NEW)?;
        let rule = std::str::from_utf8(rest.get(new.length..)?).ok()?;
        new.zone(rule.strip_prefix('\n')?.split('\n').next()?)
    }

    /// Understands a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`; `None` when it is none.
    #[must_use]
    pub fn rule(text: &str) -> Option<Zone> {
        Some(Zone { first: 0, changes: Vec::new(), rule: Some(Rule::parse(text)?) })
    }

    /// The span around an instant.
    pub(super) fn span(&self, at: i64) -> Span {
        let index = self.changes.partition_point(|(change, _)| *change <= at);
        let change = |back: usize| index.checked_sub(back).and_then(|index| self.changes.get(index));
        let offset = |back: usize| change(back).map_or(self.first, |(_, offset)| *offset);
        let start = change(1).map_or(i64::MIN, |(start, _)| *start);
        let end = self.changes.get(index).map(|(end, _)| *end);
        let listed = Span { start, end: end.unwrap_or(i64::MAX), offset: offset(1), before: offset(2) };
        match self.rule.as_ref().filter(|_| end.is_none()).map(|rule| rule.span(at)) {
            None => listed,
            Some(span) if span.start > start => span,
            // The last change of the list is the newest one.
            Some(span) => Span { start, before: listed.before, ..span },
        }
    }
}

/// A part of a file: for old readers, with instants of four bytes, or for others.
struct Part<'a> {
    instants: &'a [u8],
    /// Which kind of time begins at each instant.
    which: &'a [u8],
    kinds: &'a [u8],
    width: usize,
    /// Bytes up to the end of the part.
    length: usize,
}

impl<'a> Part<'a> {
    fn new(bytes: &'a [u8], width: usize) -> Option<Part<'a>> {
        let head = bytes.get(..HEAD).filter(|head| head.starts_with(b"TZif"))?;
        let mut counts = head.get(COUNTS..)?.chunks_exact(4).map(|count| usize::try_from(big_endian(count)).ok());
        let mut count = || counts.next().flatten();
        let (universal, standard, leaps) = (count()?, count()?, count()?);
        let (instants, kinds, letters) = (count()?, count()?, count()?);
        let mut at = HEAD;
        let mut take = |items: usize, size: usize| {
            let end = at.checked_add(items.checked_mul(size)?)?;
            let taken = bytes.get(at..end);
            at = end;
            taken
        };
        let part = (take(instants, width)?, take(instants, 1)?, take(kinds, KIND)?);
        take(letters, 1)?;
        take(leaps, width + 4)?;
        take(standard, 1)?;
        take(universal, 1)?;
        Some(Part { instants: part.0, which: part.1, kinds: part.2, width, length: at })
    }

    fn zone(&self, rule: &str) -> Option<Zone> {
        let offset = |which: usize| {
            let kind = self.kinds.chunks_exact(KIND).nth(which)?;
            Some(big_endian(kind.get(..4)?)).filter(|offset| offset.abs() <= FARTHEST)
        };
        let first = offset(0)?;
        let mut zone = Zone { first, changes: Vec::new(), rule: None };
        let mut last = first;
        let mut earlier = i64::MIN;
        for (instant, which) in self.instants.chunks_exact(self.width).zip(self.which) {
            let (instant, offset) = (big_endian(instant), offset(usize::from(*which))?);
            if instant < earlier {
                return None;
            }
            earlier = instant;
            // Only the name changes, or what the law calls it.
            if offset != last {
                zone.changes.push((instant, offset));
                last = offset;
            }
        }
        if !rule.is_empty() {
            zone.rule = Some(Rule::parse(rule)?);
        }
        Some(zone)
    }
}

/// A signed number of one to eight bytes.
fn big_endian(bytes: &[u8]) -> i64 {
    let sign = bytes.first().map_or(0, |first| if *first < 0x80 { 0 } else { -1 });
    bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

impl Rule {
    fn parse(text: &str) -> Option<Rule> {
        /// What holds in a zone whose rule names a summer time and not when it is.
        const USUAL: &str = ",M3.2.0,M11.1.0";
        let mut left = Left(text);
        left.name()?;
        let standard = -left.time()?;
        if left.0.is_empty() {
            return Some(Rule { standard, summer: None });
        }
        left.name()?;
        let offset = if left.0.is_empty() || left.0.starts_with(',') { standard + 3600 } else { -left.time()? };
        if left.0.is_empty() {
            left = Left(USUAL);
        }
        let (begins, ends) = (left.turn()?, left.turn()?);
        left.0.is_empty().then_some(Rule { standard, summer: Some(Summer { offset, begins, ends }) })
    }

    fn span(&self, at: i64) -> Span {
        let Some(summer) = &self.summer else {
            return Span { start: i64::MIN, end: i64::MAX, offset: self.standard, before: self.standard };
        };
        let (year, _, _) = date(at.div_euclid(DAY));
        let mut changes: Vec<(i64, i64)> = Vec::with_capacity(6);
        for year in year - 1..=year + 1 {
            changes.push((summer.ends.instant(year, summer.offset), self.standard));
            changes.push((summer.begins.instant(year, self.standard), summer.offset));
        }
        // Two at one instant: summer time goes on from one year to the next. The later one stays the later.
        crate::order::sort_by(&mut changes, |one, other| one.0.cmp(&other.0));
        let mut span = Span { start: i64::MIN, end: i64::MAX, offset: self.standard, before: self.standard };
        for (instant, offset) in changes {
            if instant > at {
                span.end = instant;
                break;
            }
            let before = if instant == span.start { span.before } else { span.offset };
            span = Span { start: instant, offset, before, ..span };
        }
        span
    }
}

impl Turn {
    /// When it comes in a year that is ruled by `offset` until then.
    fn instant(&self, year: i64, offset: i64) -> i64 {
        /// Days from January 1 to March 1 but for a leap day.
        const TO_MARCH: i64 = 59;
        let day = match self.day {
            Day::Weekday { month, week, weekday: wanted } => {
                let first = day_number(year, month, 1);
                let day = first + (wanted - weekday(first)).rem_euclid(7) + (week - 1) * 7;
                if day >= day_number(year, month + 1, 1) { day - 7 } else { day }
            }
            Day::Counted(day) if day > TO_MARCH => day_number(year, 3, 1) + day - TO_MARCH - 1,
            Day::Counted(day) => day_number(year, 1, day),
            Day::OfYear(day) => day_number(year, 1, 1) + day,
        };
        day * DAY + self.time - offset
    }
}

/// What is left of a rule's text.
struct Left<'a>(&'a str);

impl Left<'_> {
    fn take(&mut self, letter: char) -> bool {
        let rest = self.0.strip_prefix(letter);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// The name of a time: three letters or more, or anything in `<>`.
    fn name(&mut self) -> Option<()> {
        const SHORTEST: usize = 3;
        if self.take('<') {
            self.0 = self.0.split_once('>')?.1;
            return Some(());
        }
        let rest = self.0.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let length = self.0.len() - rest.len();
        self.0 = rest;
        (length >= SHORTEST).then_some(())
    }

    fn number(&mut self, most: i64) -> Option<i64> {
        let rest = self.0.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        digits.parse().ok().filter(|number| *number <= most)
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    fn time(&mut self) -> Option<i64> {
        const MOST_HOURS: i64 = 167;
        let sign = if self.take('-') { -1 } else { 1 };
        if sign == 1 {
            self.take('+');
        }
        let mut seconds = self.number(MOST_HOURS)? * 3600;
        if self.take(':') {
            seconds += self.number(59)? * 60;
            if self.take(':') {
                seconds += self.number(59)?;
            }
        }
        Some(sign * seconds)
    }

    /// `,Mm.w.d`, `,Jn` or `,n`, and perhaps `/time`.
    fn turn(&mut self) -> Option<Turn> {
        /// When clocks are changed if nothing is said.
        const USUAL: i64 = 2 * 3600;
        if !self.take(',') {
            return None;
        }
        let day = if self.take('M') {
            let month = self.number(12).filter(|month| *month > 0)?;
            let week = self.take('.').then(|| self.number(5)).flatten().filter(|week| *week > 0)?;
            let weekday = self.take('.').then(|| self.number(6)).flatten()?;
            Day::Weekday { month, week, weekday }
        } else if self.take('J') {
            Day::Counted(self.number(365).filter(|day| *day > 0)?)
        } else {
            Day::OfYear(self.number(365)?)
        };
        let time = if self.take('/') { self.time()? } else { USUAL };
        Some(Turn { day, time })
    }
}

#[cfg(test)]
#[path = "zone_tests.rs"]
mod tests;
