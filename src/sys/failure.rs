//! Errors as system calls give them, with words of ours.

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::io;

/// What `io::Error::new` makes of a text escapes it for `Debug`, by tables of all letters. Here it is shown as it is.
struct Words(String);

impl Debug for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for Words {}

/// An error of a kind that says just `text`.
pub(crate) fn failure(kind: io::ErrorKind, text: impl Into<String>) -> io::Error {
    io::Error::new(kind, Words(text.into()))
}
