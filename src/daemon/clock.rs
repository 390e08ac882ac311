//! The clocks, as the pure modules and the log formats want them.

use std::time::Duration;

use crate::logs::Stamp;
use crate::program::Now;
use crate::sys;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Both clocks.
pub(super) fn now() -> Now {
    Now { mono: sys::clock::monotonic(), wall: sys::clock::wall() }
}

/// A wall-clock time in local parts.
pub(super) fn stamp(wall: Duration) -> Stamp {
    let local = sys::clock::local(i64::try_from(wall.as_secs()).unwrap_or(i64::MAX));
    Stamp {
        year: i32::try_from(local.year).unwrap_or(0),
        month: small(local.month),
        day: small(local.day),
        hour: small(local.hour),
        minute: small(local.minute),
        second: small(local.second),
        millis: u16::try_from(wall.subsec_millis()).unwrap_or(0),
    }
}

/// A part of a date, which is always small.
fn small(part: u32) -> u8 {
    u8::try_from(part).unwrap_or(0)
}

/// A wall-clock time as a status shows it: `Nov 22 11:22 AM`.
pub(super) fn label(wall: Duration) -> String {
    const NOON: u8 = 12;
    let stamp = stamp(wall);
    let month = MONTHS.get(usize::from(stamp.month).wrapping_sub(1)).unwrap_or(&"Jan");
    let hour = match stamp.hour % NOON {
        0 => NOON,
        hour => hour,
    };
    let half = if stamp.hour < NOON { "AM" } else { "PM" };
    format!("{month} {:02} {hour:02}:{:02} {half}", stamp.day, stamp.minute)
}
