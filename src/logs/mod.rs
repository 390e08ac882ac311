//! Log files and the formats of log lines.
//!
//! Owned here: where bytes of output end up on disk, when a file is rotated, what happens while a
//! file cannot be written, how a log's end is read back, and how a line looks in the main log and
//! in syslog. Not done here: polling, pipes, programs, inherited descriptors such as
//! `/dev/stdout`, the syslog socket and the clock: times are handed in.
//!
//! Nothing in here ends or blocks the program. What goes wrong is a `Trouble` for the main log,
//! told once when it begins and once when it is over.

pub mod ansi;
pub mod auto;
mod file;
pub mod format;
pub mod json;
pub mod lines;
mod opened;
pub mod pyrepr;
pub mod rate;
pub mod ring;
pub mod rotate;
pub mod shape;
pub mod tail;
mod trouble;
pub mod whole;

pub use ansi::Stripper;
pub use file::{LogFile, RETRY, clear_unopened};
pub use format::{Stamp, main_line, syslog_datagram};
pub use lines::{Lines, Piece};
pub use pyrepr::python_bytes_repr;
pub use rate::Limiter;
pub use ring::Ring;
pub use shape::{Format, Part, Speaker, utc};
pub use tail::{TailReader, tail};
pub use trouble::{Trouble, TroubleKind};
pub use whole::{End, WHOLE_LIMIT, Whole};
