//! Where no descriptor tells that the wall clock was set: the clock is to be looked at from time to time.

use std::convert::Infallible;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// There is none.
#[derive(Debug)]
pub struct Alarm(Infallible);

impl Alarm {
    /// None.
    ///
    /// # Errors
    /// Always: it is not supported.
    pub fn new() -> io::Result<Alarm> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The descriptor to wait for.
    pub fn fd(&self) -> RawFd {
        match self.0 {}
    }

    /// Rings at this time.
    ///
    /// # Errors
    /// None.
    pub fn set(&self, _at: Option<Duration>) -> io::Result<bool> {
        match self.0 {}
    }

    /// Takes note that it rang.
    pub fn hush(&self) {
        match self.0 {}
    }
}
