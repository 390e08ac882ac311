//! When a program is due: `schedule` and its like. Keys of visor's own.
//!
//! Owns: the keys, and where the time of a place is found. Does not own: what fields of cron and zones mean (`crate::schedule`), and
//! what is done by them (`supervisor::schedules`).

use std::sync::Arc;
use std::time::Duration;

use super::document::Section;
use super::host::{Host, ReadError};
use super::reader::{Names, Reader};
use super::value;
use crate::schedule::{Cron, Overlap, Schedule, When, Zone};
use crate::span;

const SCHEDULE: &str = "schedule";
const TIMEZONE: &str = "schedule_timezone";
const JITTER: &str = "schedule_jitter";
const OVERLAP: &str = "schedule_overlap";
const MISSED: &str = "schedule_missed";
/// Every key of this page.
pub(super) const KEYS: [&str; 5] = [SCHEDULE, TIMEZONE, JITTER, OVERLAP, MISSED];

/// Where systems keep their zones.
const PLACES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];
/// The zone of the machine.
const MACHINE: &str = "/etc/localtime";
const LOCAL: &str = "local";
const UTC: &str = "UTC";
/// More would be an overload by mistake.
const SHORTEST: Duration = Duration::from_secs(1);
/// More than this is no jitter but another schedule.
const MOST_JITTER: Duration = Duration::from_secs(24 * 3600);

/// Reads a section's keys; `None` when it has no schedule.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names) -> Option<Arc<Schedule>> {
    let mut keys = Keys { reader, section, names };
    let cron = keys.get(SCHEDULE, |text| match every(text) {
        // A program need not have the schedule of its template.
        _ if text.is_empty() => Ok(None),
        Some(time) => time.map(Timing::Every).map(Some),
        None => Cron::parse(text).map(Timing::Cron).map(Some),
    });
    let (text, Some(timing)) = cron? else { return None };
    let jitter = keys.get(JITTER, jitter);
    let overlap = keys.get(OVERLAP, |text| {
        let known = Overlap::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, overlap)| *overlap).ok_or_else(|| format!("`{text}` is none of skip, queue, replace"))
    });
    let make_up = keys.get(MISSED, |text| match text {
        "skip" => Ok(false),
        "run" => Ok(true),
        _ => Err(format!("`{text}` is none of skip, run")),
    });
    let timezone = keys.reader.text(section, TIMEZONE, names).unwrap_or_else(|| LOCAL.to_owned());
    let when = match timing {
        Timing::Every(time) => When::Every(time),
        Timing::Cron(cron) => When::Cron(cron, keys.zone(&timezone)?),
    };
    Some(Arc::new(Schedule {
        text,
        when,
        timezone,
        jitter: jitter.map_or(Duration::ZERO, |(_, jitter)| jitter),
        overlap: overlap.map_or(Overlap::Skip, |(_, overlap)| overlap),
        make_up: make_up.is_some_and(|(_, make_up)| make_up),
    }))
}

enum Timing {
    Every(Duration),
    Cron(Cron),
}

struct Keys<'k, 'a> {
    reader: &'k mut Reader<'a>,
    section: &'a Section,
    names: &'k Names<'k>,
}

impl Keys<'_, '_> {
    /// A key's text, and what it means.
    fn get<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<(String, T)> {
        let text = self.reader.text(self.section, key, self.names)?;
        match parse(text.trim()) {
            Ok(value) => Some((text, value)),
            Err(reason) => {
                self.reader.refuse(self.section, key, reason);
                None
            }
        }
    }

    fn zone(&mut self, name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case(LOCAL) {
            let zone = local(self.reader.host);
            if let Err(reason) = &zone {
                self.reader.remark(self.section, SCHEDULE, format!("the local time zone is taken for UTC: {reason}"));
            }
            return Some(zone.unwrap_or_default());
        }
        match named(self.reader.host, name) {
            Ok(zone) => Some(zone),
            Err(reason) => {
                self.reader.refuse(self.section, TIMEZONE, reason);
                None
            }
        }
    }
}

/// The time after `every`; `None` when it does not say so.
fn every(text: &str) -> Option<Result<Duration, String>> {
    let time = text.strip_prefix("every")?;
    if !time.is_empty() && !time.starts_with([' ', '\t']) {
        return None;
    }
    Some(value::duration(time.trim()).and_then(|time| {
        if time < SHORTEST { Err(format!("`{text}` is too often: a second at least")) } else { Ok(time) }
    }))
}

fn jitter(text: &str) -> Result<Duration, String> {
    let time = value::duration(text)?;
    if time > MOST_JITTER { Err(format!("`{text}` is too much: a day at most")) } else { Ok(time) }
}

/// The zone that clocks of this machine are in.
fn local(host: &dyn Host) -> Result<Zone, String> {
    let environment = host.environment();
    let Some(variable) = environment.get("TZ") else {
        return match host.read(MACHINE) {
            Err(ReadError::Missing) => Ok(Zone::utc()),
            found => understood(MACHINE, found),
        };
    };
    match variable.strip_prefix(':').unwrap_or(variable) {
        "" => Ok(Zone::utc()),
        path if path.starts_with('/') => understood(path, host.read(path)),
        name => named(host, name).or_else(|reason| Zone::rule(name).ok_or(reason)),
    }
}

/// A zone of the database.
fn named(host: &dyn Host, name: &str) -> Result<Zone, String> {
    if name.eq_ignore_ascii_case(UTC) {
        return Ok(Zone::utc());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/');
    if name.is_empty() || name.starts_with('/') || !name.chars().all(fits) {
        return Err(format!("`{name}` is no time zone: {LOCAL}, {UTC} or a name such as Europe/Zurich"));
    }
    for place in PLACES {
        let path = format!("{place}/{name}");
        match host.read(&path) {
            Err(ReadError::Missing) => {}
            found => return understood(&path, found),
        }
    }
    Err(format!("no time zone `{name}` in {}: is it spelled so, and is tzdata installed?", PLACES[0]))
}

fn understood(path: &str, found: Result<Vec<u8>, ReadError>) -> Result<Zone, String> {
    match found {
        Ok(bytes) => Zone::compiled(&bytes).ok_or_else(|| format!("`{path}` is no file of a time zone")),
        Err(ReadError::Missing) => Err(format!("`{path}` is missing")),
        Err(ReadError::Unreadable(reason)) => Err(format!("cannot read `{path}`: {reason}")),
    }
}

/// Every key that was said and its value, in a fixed order.
pub(super) fn lines(schedule: &Schedule) -> Vec<(&'static str, String)> {
    let mut lines = vec![(SCHEDULE, schedule.text.clone())];
    if schedule.timezone != LOCAL {
        lines.push((TIMEZONE, schedule.timezone.clone()));
    }
    if !schedule.jitter.is_zero() {
        lines.push((JITTER, span::in_millis(schedule.jitter)));
    }
    if schedule.overlap != Overlap::Skip {
        lines.push((OVERLAP, schedule.overlap.word().to_owned()));
    }
    if schedule.make_up {
        lines.push((MISSED, "run".to_owned()));
    }
    lines
}
