//! CPU and memory of programs, for the page and the metrics.

use std::collections::BTreeMap;

pub use crate::sys::proc::learn_units;
use crate::sys::proc::{self, ticks_a_second};

/// What a process and everything in its process group use together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU time since the start in seconds, that of children which ended included.
    pub cpu: f64,
    /// Resident memory in bytes; a page that several share counts for each.
    pub resident: u64,
}

/// The usage of each of these processes that is there and may be seen. Reads all of `/proc`: some milliseconds.
#[must_use]
pub fn sample(pids: &[u32]) -> BTreeMap<u32, Usage> {
    let seconds = |ticks: u64| ticks as f64 / ticks_a_second() as f64;
    let found = proc::sample(pids);
    found.iter().map(|(pid, usage)| (*pid, Usage { cpu: seconds(usage.ticks), resident: usage.resident })).collect()
}
