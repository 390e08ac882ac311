//! A clock that rings at a moment of the wall clock, and when somebody sets that clock.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;

use super::call::check;

/// Readable when it rings, until [`Alarm::hush`].
#[derive(Debug)]
pub struct Alarm(OwnedFd);

impl Alarm {
    /// One that is not set.
    ///
    /// # Errors
    /// EMFILE, ENOSYS and the like: the wall clock is to be looked at from time to time then.
    pub fn new() -> io::Result<Alarm> {
        // SAFETY: takes numbers alone.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_REALTIME, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        check(fd)?;
        // SAFETY: the number is a descriptor that was just opened for us, and nobody else has it.
        Ok(Alarm(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The descriptor to wait for.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Rings at this time since 1970, and when the clock is set before that; `None` = never. Answers whether the clock was set since
    /// the last time.
    ///
    /// # Errors
    /// What the kernel says; nothing is known to fail.
    pub fn set(&self, at: Option<Duration>) -> io::Result<bool> {
        let at = at.unwrap_or_default();
        // SAFETY: plain numbers, and all zeros is a valid value: it stops the timer.
        let mut time: libc::itimerspec = unsafe { std::mem::zeroed() };
        // Where the C library counts seconds in 32 bits it rings at their end, and is asked anew.
        time.it_value.tv_sec = at.as_secs().try_into().unwrap_or(i32::MAX.into());
        time.it_value.tv_nsec = at.subsec_nanos() as _;
        let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
        // SAFETY: `time` is filled and only read; the old setting is not asked for.
        let set = unsafe { libc::timerfd_settime(self.fd(), flags, &raw const time, std::ptr::null_mut()) };
        match check(set) {
            Ok(_) => Ok(false),
            // It is set all the same.
            Err(error) if error.raw_os_error() == Some(Errno::ECANCELED as i32) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Takes note that it rang.
    pub fn hush(&self) {
        let mut times = [0_u8; 8];
        // SAFETY: `times` is as long as is said. That it rang because the clock was set is an error here, which says nothing new.
        unsafe { libc::read(self.fd(), times.as_mut_ptr().cast(), times.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;
    use crate::sys::poll::{Interest, Poll};

    fn rings(alarm: &Alarm, within: Duration) -> bool {
        let mut poll = Poll::new();
        poll.set((), alarm.fd(), Interest::READ);
        let mut events = Vec::new();
        poll.wait(Some(within), &mut events).unwrap();
        !events.is_empty()
    }

    #[test]
    fn alarm_rings_at_its_time_until_it_is_hushed() {
        let alarm = Alarm::new().unwrap();
        assert!(!rings(&alarm, Duration::ZERO), "it is not set");
        let at = clock::wall() + Duration::from_millis(30);
        alarm.set(Some(at)).unwrap();
        assert!(rings(&alarm, Duration::from_secs(10)) && clock::wall() >= at);
        alarm.hush();
        assert!(!rings(&alarm, Duration::ZERO));
        alarm.hush();
    }

    #[test]
    fn alarm_in_the_past_rings_at_once_and_one_that_is_unset_never() {
        let alarm = Alarm::new().unwrap();
        alarm.set(Some(Duration::from_secs(1))).unwrap();
        assert!(rings(&alarm, Duration::from_secs(10)));
        alarm.set(Some(Duration::MAX)).unwrap();
        assert!(!rings(&alarm, Duration::ZERO), "a new time makes it silent");
        alarm.set(None).unwrap();
        assert!(!rings(&alarm, Duration::ZERO));
    }
}
