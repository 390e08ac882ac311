//! The wall clock, for schedules: wakes the loop at a moment of it, and when somebody sets it.
//!
//! While there is no such moment nothing is asked of the kernel, and while it stays the same neither.

use std::time::Duration;

use super::{Daemon, Token, clock};
use crate::config::LogLevel;
use crate::program::Now;
use crate::supervisor::Input;
use crate::sys::alarm::Alarm;
use crate::sys::poll::{Event, Interest};

/// How long the clock is left unlooked at where nothing tells that it was set.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What wakes the loop.
#[derive(Debug, Default)]
pub(super) struct WallClock {
    /// What it is set to.
    awaited: Option<Duration>,
    by: By,
}

#[derive(Debug, Default)]
enum By {
    /// Nothing was ever awaited.
    #[default]
    Nothing,
    Alarm(Alarm),
    /// There is no alarm: the clock is looked at then (monotonic).
    Looking(Option<Duration>),
}

impl WallClock {
    /// When the clock is to be looked at because nothing tells.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.by {
            By::Looking(at) => at,
            By::Nothing | By::Alarm(_) => None,
        }
    }
}

impl Daemon {
    /// Awaits the next moment that the supervisor names.
    pub(super) fn await_wall_clock(&mut self) {
        // Twice: a clock set meanwhile makes another moment the next one, and to be woken once too often does no harm.
        for _ in 0..2 {
            let wanted = self.supervisor.next_wall_deadline();
            if self.wall_clock.awaited == wanted {
                return;
            }
            self.wall_clock.awaited = wanted;
            if !self.set_alarm(wanted) {
                return;
            }
            self.look_at_wall_clock(clock::now());
        }
    }

    /// Sets what wakes us; whether the clock was set since the last time.
    fn set_alarm(&mut self, at: Option<Duration>) -> bool {
        if let By::Nothing = self.wall_clock.by {
            self.wall_clock.by = match Alarm::new() {
                Ok(alarm) => {
                    self.poll.set(Token::WallClock, alarm.fd(), Interest::READ);
                    By::Alarm(alarm)
                }
                Err(error) => {
                    self.log(LogLevel::Debug, &format!("no alarm, the clock is looked at each minute: {error}"));
                    By::Looking(None)
                }
            };
        }
        match &mut self.wall_clock.by {
            By::Nothing => false,
            By::Alarm(alarm) => alarm.set(at).unwrap_or(false),
            By::Looking(look) => {
                let now = clock::now();
                *look = at.map(|at| now.mono.saturating_add(at.saturating_sub(now.wall).min(LONGEST_WAIT)));
                false
            }
        }
    }

    /// Hears whether the moment has come, or the clock was set.
    pub(super) fn hear_wall_clock(&mut self, events: &[Event<Token>], now: Now) {
        let rang = match &self.wall_clock.by {
            By::Nothing => false,
            By::Alarm(alarm) => {
                let rang = events.iter().any(|event| event.token == Token::WallClock);
                if rang {
                    alarm.hush();
                }
                rang
            }
            By::Looking(at) => at.is_some_and(|at| at <= now.mono),
        };
        if rang {
            self.look_at_wall_clock(now);
        }
    }

    fn look_at_wall_clock(&mut self, now: Now) {
        // It is set anew in any case: it rings once.
        self.wall_clock.awaited = None;
        self.input(Input::ClockLookedAt, now);
        self.carry_out(now);
    }
}
