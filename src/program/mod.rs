//! The life of one process, as values: a state, what may happen to it, what is to be done then.
//!
//! Owns: states, transitions, timers, the wording of what happened. Does not own: the clock, kill, logs or any other effect;
//! [`step`] is given the time and returns what it wants done.

mod check;
mod describe;
mod ended;
mod exit;
mod hook;
mod hooked;
mod input;
mod readiness;
mod report;
mod state;
mod step;
mod stopping;
mod time;

pub use check::{Due, Purpose, Schedule, Verdict};
pub use describe::{NEEDS, describe, uptime, why};
pub use exit::Exit;
pub use hook::{End, Hook};
pub use input::{Action, Actions, Input, SpawnFailure, SpawnFailureKind};
pub use report::Report;
pub use state::{Health, Life, Name, State, Wanted};
pub use step::step;
pub use time::Now;

#[cfg(test)]
mod hooked_tests;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wording_tests;
