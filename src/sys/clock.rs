//! Time. Waits use the monotonic clock; the wall clock is for stamps that people read.

use std::time::Duration;

/// Time since an arbitrary start, never set back. Only differences mean something.
pub fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// Time since 1970-01-01 00:00:00 UTC. Jumps when somebody sets the clock; zero for a clock set before 1970.
pub fn wall() -> Duration {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for one timespec; both clocks exist everywhere, so a failure cannot happen
    // and would leave zeros.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A moment as the local calendar has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Full year, such as 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// Day of the month, 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 60; 60 is a leap second.
    pub second: u32,
    /// Days since Sunday, 0 to 6.
    pub weekday: u32,
    /// Seconds east of UTC.
    pub offset: i64,
}

/// The local calendar's view of `secs` seconds since 1970-01-01 UTC. A moment the C library cannot express
/// becomes the first of January 1970.
pub fn local(secs: i64) -> LocalTime {
    let time = secs as _;
    // SAFETY: `tm` is plain numbers and one pointer; all zeros is a valid value of it.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call; localtime_r keeps neither.
    if unsafe { libc::localtime_r(&raw const time, &raw mut tm) }.is_null() {
        return LocalTime { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, weekday: 4, offset: 0 };
    }
    let small = |n: libc::c_int| u32::try_from(n).unwrap_or(0);
    LocalTime {
        year: i64::from(tm.tm_year) + 1900,
        month: small(tm.tm_mon) + 1,
        day: small(tm.tm_mday),
        hour: small(tm.tm_hour),
        minute: small(tm.tm_min),
        second: small(tm.tm_sec),
        weekday: small(tm.tm_wday),
        offset: i64::from(tm.tm_gmtoff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_read_twice_never_goes_back() {
        let first = monotonic();
        assert!(first > Duration::ZERO && monotonic() >= first);
    }

    #[test]
    fn wall_is_after_2020() {
        assert!(wall() > Duration::from_secs(1_577_836_800));
    }

    #[test]
    fn local_less_its_offset_is_the_utc_calendar() {
        // 2001-09-09 01:46:40 UTC was a Sunday.
        let offset = local(1_000_000_000).offset;
        let utc = local(1_000_000_000 - offset);
        assert_eq!((utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second), (2001, 9, 9, 1, 46, 40));
        assert_eq!(utc.weekday, 0);
    }

    #[test]
    fn local_of_an_impossible_moment_is_the_epoch() {
        assert_eq!(local(i64::MAX).year, 1970);
    }
}
