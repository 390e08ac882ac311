//! How many lines may pass: a bucket of tokens, one a line, that fills up again evenly.

use std::time::Duration;

/// Lets so many through in a time, all at once if need be.
#[derive(Debug, Clone, Copy)]
pub struct Limiter {
    /// Time in which one token comes back, in nanoseconds.
    each: u64,
    /// Time in which an empty bucket fills, in nanoseconds.
    all: u64,
    /// When the bucket is full again: the emptier it is, the later that is. Monotonic, in nanoseconds.
    full_at: u64,
}

impl Limiter {
    /// A full bucket of `count` tokens that fills in `per`.
    pub fn new(count: u32, per: Duration) -> Limiter {
        let all = nanos(per);
        Limiter { each: all / u64::from(count.max(1)), all, full_at: 0 }
    }

    /// Takes a token, if there is one at the monotonic time `now`.
    pub fn allows(&mut self, now: Duration) -> bool {
        let now = nanos(now);
        let full_at = self.full_at.max(now).saturating_add(self.each);
        let allowed = full_at.saturating_sub(now) <= self.all;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn allowed(limiter: &mut Limiter, now: Duration, asked: usize) -> usize {
        (0..asked).filter(|_| limiter.allows(now)).count()
    }

    #[test]
    fn a_full_bucket_passes_its_burst_and_no_more() {
        let mut limiter = Limiter::new(100, ms(1000));
        assert_eq!(allowed(&mut limiter, ms(5_000), 1000), 100);
        assert_eq!(allowed(&mut limiter, ms(5_009), 10), 0);
        assert_eq!(allowed(&mut limiter, ms(5_010), 10), 1);
        assert_eq!(allowed(&mut limiter, ms(5_060), 10), 5);
    }

    #[test]
    fn after_silence_it_is_full_and_not_fuller() {
        let mut limiter = Limiter::new(3, ms(10_000));
        assert_eq!(allowed(&mut limiter, ms(0), 5), 3);
        assert_eq!(allowed(&mut limiter, ms(1_000_000), 5), 3);
    }

    #[test]
    fn over_a_long_time_the_rate_holds() {
        let mut limiter = Limiter::new(50, ms(1000));
        let passed: usize = (0..10_000).map(|now| allowed(&mut limiter, ms(now), 3)).sum();
        assert!((500..=550).contains(&passed), "{passed}");
    }

    #[test]
    fn extreme_settings_and_times_overflow_nothing() {
        let mut limiter = Limiter::new(u32::MAX, Duration::MAX);
        assert!(limiter.allows(Duration::MAX) && limiter.allows(Duration::ZERO));
        let mut limiter = Limiter::new(0, Duration::ZERO);
        limiter.allows(Duration::MAX);
    }
}
