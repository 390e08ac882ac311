//! Spans of time as numbers and words. The standard library counts milliseconds in 128 bits, and to print those takes a printer more.

use std::time::Duration;

/// Whole milliseconds.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1000).saturating_add(u64::from(time.subsec_millis()))
}

/// Milliseconds as values of keys have them: `250ms`.
#[must_use]
pub fn in_millis(time: Duration) -> String {
    format!("{}ms", millis(time))
}

/// Seconds with as many places as are needed: `1.5`.
#[must_use]
pub fn in_seconds(time: Duration) -> String {
    let all = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    all.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_no_more_places_than_needed() {
        let shown = [0, 200, 1000, 1500, 60_000, 1001].map(|millis| in_seconds(Duration::from_millis(millis)));
        assert_eq!(shown, ["0", "0.2", "1", "1.5", "60", "1.001"]);
    }

    #[test]
    fn millis_of_any_time_overflow_nothing() {
        assert_eq!([millis(Duration::from_micros(2_500)), millis(Duration::MAX)], [2, u64::MAX]);
        assert_eq!(in_millis(Duration::from_secs(3)), "3000ms");
    }
}
