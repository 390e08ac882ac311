//! The time as handed in by who has a clock.

use std::time::Duration;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Since an arbitrary start, never set back: every timer uses this one.
    pub mono: Duration,
    /// Since 1970 in UTC, as people set it: only ever shown.
    pub wall: Duration,
}
