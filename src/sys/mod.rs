//! Every system call visor makes, and all its `unsafe`.
//!
//! Owned here: how the machine is asked. Not done here: anything about programs, configurations or
//! logs; no message is written, no policy is known. Each file wraps one subject with types of its
//! own. What exists only on Linux stands behind `cfg(target_os = "linux")` with the portable way
//! beside it. `child` is the one page that runs between fork and exec.
#![allow(unsafe_code)]
// The C types have other widths elsewhere, so a conversion that does nothing here does something there.
#![allow(clippy::unnecessary_cast, clippy::useless_conversion)]

// Ring at a moment of the wall clock.
#[cfg_attr(not(target_os = "linux"), path = "alarm_elsewhere.rs")]
pub mod alarm;
// Become another program, or start one with a socket between us.
pub mod another;
// The small rituals around a raw call: errno, retry, C strings.
mod call;
// Packets between us and one child, with descriptors beside them.
pub mod channel;
// Groups of processes that the kernel keeps account of.
pub mod cgroup;
// What a forked child does before it becomes the program.
mod child;
// Monotonic time, wall time, local time.
pub mod clock;
// Find the file that the first word of a command means.
pub mod command;
// Connections that are begun and not waited for.
pub mod connect;
// Write to an inherited descriptor without ever blocking.
pub mod console;
// Who descends from whom.
pub mod descent;
// Packets with descriptors beside them.
#[cfg(feature = "http")]
pub mod descriptors;
// Errors with words of ours.
pub(crate) mod failure;
// Descriptors: pipes, flags, limits, plain reads and writes.
pub mod fds;
pub mod files;
// Files by pattern.
pub mod glob;
// Execute ourselves anew rather than die of a fault.
pub mod guard;
// The machine's name, the hosts it knows, its limits.
pub mod host;
// Limits and rights a child takes on.
pub mod limits;
// Mount, name, power off: what the init of a machine does to it.
#[cfg_attr(not(target_os = "linux"), path = "machine_elsewhere.rs")]
pub mod machine;
// Short messages of programs about themselves.
pub mod notify;
// Wait for descriptors.
pub mod poll;
// CPU and memory of processes, as the kernel tells.
pub mod proc;
// Listening sockets for programs.
pub mod program_socket;
// Our own process: identity, session, user.
pub mod process;
// The one place that waits for children, and the one that signals them.
pub mod reap;
// Signals as bytes in a pipe and bits in a mask.
pub mod signals;
// Listening Unix sockets, their peers, and bytes in and out.
pub mod socket;
// Start a child.
pub mod spawn;
// The steps of starting a child.
mod stage;
// Datagrams to the system log.
pub mod syslog;
// The terminal we run on, and who has it.
pub mod terminal;
// Helpers of the tests beside the code.
#[cfg(test)]
mod testing;
// The unwinder that a binary whose panics abort does without. ARM's tables name one in each object.
#[cfg(all(target_env = "musl", panic = "abort", not(target_arch = "arm")))]
mod unwind;
// Users and groups of the machine.
pub mod users;

pub use call::{errno_name, errno_text};
