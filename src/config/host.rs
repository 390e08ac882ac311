//! What the reader asks of the machine, as a trait: no system call happens in this part of the house.

use std::net::IpAddr;

use super::types::{Account, User};

use crate::sorted::Map;

/// What the reader asks of the machine. The real one lives in the daemon, over `sys`; tests have a table.
pub trait Host {
    /// The text of a file as bytes.
    ///
    /// # Errors
    /// A sentence: why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;
    /// Paths matching an absolute glob pattern, sorted by bytes; `*` does not match a leading dot.
    fn glob(&self, pattern: &str) -> Vec<String>;
    /// Whether a directory exists.
    fn is_directory(&self, path: &str) -> bool;
    /// A user by name.
    fn user_by_name(&self, name: &str) -> Option<User>;
    /// A user by number, if the password database has it.
    fn user_by_id(&self, uid: u32) -> Option<User>;
    /// What the password database says of a user; `None` = of the one visor acts as.
    fn account(&self, uid: Option<u32>) -> Option<Account>;
    /// A group's number by its name.
    fn group_by_name(&self, name: &str) -> Option<u32>;
    /// The environment visor was started with (what is not UTF-8 is left out).
    fn environment(&self) -> Map<String, String>;
    /// The address of a host that is a number, `localhost` or in the machine's own list; nobody else is asked.
    fn address_of(&self, host: &str) -> Option<IpAddr>;
    /// `uname -n`.
    fn node_name(&self) -> String;
    /// Absolute current directory.
    fn current_directory(&self) -> String;
    /// Directory for temporary files.
    fn temporary_directory(&self) -> String;
    /// Whether a command is found where commands are looked for.
    fn finds_command(&self, _word: &str) -> bool {
        true
    }
    /// Home directory for a leading `~` (of a named user with `~name`).
    fn home(&self, user: Option<&str>) -> Option<String>;
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// There is none.
    Missing,
    /// It is there but cannot be read; the system's words.
    Unreadable(String),
}
