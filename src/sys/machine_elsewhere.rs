//! The duties of a machine's init where visor is no such thing: all of them are refused.

use std::io;

/// Something that could not be done.
#[derive(Debug)]
pub struct Trouble {
    /// What was attempted, to be read after "cannot".
    pub what: String,
    /// The reason.
    pub cause: io::Error,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.cause)
    }
}

/// How the run of the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The power goes off.
    PowerOff,
    /// It starts again.
    Restart,
    /// It stands still.
    Halt,
}

fn refused(what: &str) -> Trouble {
    Trouble { what: what.to_owned(), cause: io::ErrorKind::Unsupported.into() }
}

/// Mounts nothing.
pub fn mount_missing() -> Vec<Trouble> {
    vec![refused("mount the basic file systems")]
}

/// Opens nothing.
///
/// # Errors
/// Always `Unsupported`.
pub fn open_console(_missing: [bool; 3]) -> Result<(), Trouble> {
    Err(refused("open `/dev/console`"))
}

/// Names nothing.
///
/// # Errors
/// Always `Unsupported`.
pub fn set_name(_name: &str) -> Result<(), Trouble> {
    Err(refused("name the machine"))
}

/// Raises nothing.
///
/// # Errors
/// Always `Unsupported`.
pub fn raise_loopback() -> Result<(), Trouble> {
    Err(refused("bring up the loopback interface"))
}

/// Catches nothing.
///
/// # Errors
/// Always `Unsupported`.
pub fn catch_ctrl_alt_del() -> Result<(), Trouble> {
    Err(refused("take Ctrl-Alt-Del over"))
}

/// Unmounts nothing.
///
/// # Errors
/// Always `Unsupported`.
pub fn start_unmounting() -> io::Result<i32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Ends nothing.
pub fn end(_how: End) -> io::Error {
    io::ErrorKind::Unsupported.into()
}
