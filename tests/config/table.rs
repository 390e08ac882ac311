//! A machine as a table: every answer depends on the test alone.

use std::cell::RefCell;
use std::collections::BTreeMap;

use visor::config::{Account, Host, ReadError, User};
use visor::sorted::Map;

/// First number given to a user or group met by name.
const FIRST_ID: u32 = 1000;

/// Files by path; every directory exists unless said otherwise; users and groups come into being when asked for, unless
/// their name begins with `no_`.
#[derive(Default)]
pub struct Table {
    pub files: BTreeMap<String, Vec<u8>>,
    pub environment: BTreeMap<String, String>,
    pub missing_directories: Vec<String>,
    /// Answers of `glob`, by pattern.
    pub globs: BTreeMap<String, Vec<String>>,
    /// Names in the order met; a name's place gives its number.
    pub names: RefCell<Vec<String>>,
}

impl Table {
    /// A machine with one file.
    pub fn with_file(path: &str, text: impl Into<Vec<u8>>) -> Self {
        let mut table = Self::default();
        table.files.insert(path.to_owned(), text.into());
        table
    }

    fn id(&self, name: &str) -> Option<u32> {
        if name == "root" {
            return Some(0);
        }
        if name.is_empty() || name.starts_with("no_") {
            return None;
        }
        let mut names = self.names.borrow_mut();
        let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        Some(FIRST_ID + u32::try_from(place).unwrap())
    }

    /// The name behind a number given by this table.
    pub fn name_of(&self, id: u32) -> String {
        if id == 0 {
            return "root".to_owned();
        }
        let place = id.checked_sub(FIRST_ID).and_then(|place| usize::try_from(place).ok());
        let names = self.names.borrow();
        place.and_then(|place| names.get(place).cloned()).unwrap_or_else(|| id.to_string())
    }
}

impl Host for Table {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.files.get(path).cloned().ok_or(ReadError::Missing)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.globs.get(pattern).cloned().unwrap_or_default()
    }

    fn is_directory(&self, path: &str) -> bool {
        !self.missing_directories.iter().any(|missing| missing == path)
    }

    fn user_by_name(&self, name: &str) -> Option<User> {
        let id = self.id(name)?;
        Some(User { name: name.to_owned(), uid: id, gid: id, groups: vec![id] })
    }

    fn user_by_id(&self, uid: u32) -> Option<User> {
        (uid == 0).then(|| User { name: "root".to_owned(), uid, gid: 0, groups: vec![0] })
    }

    fn account(&self, uid: Option<u32>) -> Option<Account> {
        let name = self.name_of(uid.unwrap_or(0));
        let known = name.chars().any(char::is_alphabetic);
        known.then(|| Account { home: format!("/home/{name}"), shell: "/bin/sh".to_owned(), name })
    }

    fn group_by_name(&self, name: &str) -> Option<u32> {
        self.id(name)
    }

    fn environment(&self) -> Map<String, String> {
        self.environment.clone().into_iter().collect()
    }

    fn address_of(&self, host: &str) -> Option<std::net::IpAddr> {
        match host {
            "localhost" => "127.0.0.1".parse().ok(),
            "db" => "10.0.0.7".parse().ok(),
            number => number.trim_start_matches('[').trim_end_matches(']').parse().ok(),
        }
    }

    fn node_name(&self) -> String {
        "host".to_owned()
    }

    fn current_directory(&self) -> String {
        "/cwd".to_owned()
    }

    fn temporary_directory(&self) -> String {
        "/tmp".to_owned()
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        match user {
            None => Some("/root".to_owned()),
            Some(name) => self.id(name).map(|_| format!("/home/{name}")),
        }
    }
}
