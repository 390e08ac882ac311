//! Who besides root and visor's own user may do what: `[visor] observe`, `operate`, `admin`, and `operate` of a program.
//!
//! Owns: these keys. Names are looked up when the file is read. Does not own: what each right is good for (`protocol::Right`).

use std::fmt::{self, Display};

use super::document::Section;
use super::host::Host;
use super::reader::{Names, Reader};
use super::value;
use crate::list::List as _;

/// One entry of a list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    /// A user.
    User {
        /// As the file has it.
        name: String,
        /// Its number.
        uid: u32,
    },
    /// Whoever has a group.
    Group {
        /// As the file has it, without its `@`.
        name: String,
        /// Its number.
        gid: u32,
    },
}

/// People by what they may do; who may more may less too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Look.
    pub observe: Vec<Person>,
    /// Start, stop and talk to programs.
    pub operate: Vec<Person>,
    /// Everything.
    pub admin: Vec<Person>,
}

impl Access {
    /// Whether somebody is named at all.
    #[must_use]
    pub fn names_somebody(&self) -> bool {
        !(self.observe.is_empty() && self.operate.is_empty() && self.admin.is_empty())
    }
}

impl Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Person::User { name, .. } => f.write_str(name),
            Person::Group { name, .. } => write!(f, "@{name}"),
        }
    }
}

/// Reads the keys of `[visor]`.
pub(super) fn access<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Access {
    let mut list = |key| read(reader, section, key, &Names::HERE);
    Access { observe: list("observe"), operate: list("operate"), admin: list("admin") }
}

/// Reads a list of people.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, key: &str, names: &Names) -> Vec<Person> {
    reader.value(section, key, names, &people).unwrap_or_default()
}

fn people(host: &dyn Host, text: &str) -> Result<Vec<Person>, String> {
    value::list(text).into_iter().map(|word| person(host, word)).list_all()
}

fn person(host: &dyn Host, word: String) -> Result<Person, String> {
    Ok(match word.strip_prefix('@') {
        Some(group) => Person::Group { gid: value::group(host, group)?, name: group.to_owned() },
        None => Person::User { uid: value::user(host, &word)?.uid, name: word },
    })
}
