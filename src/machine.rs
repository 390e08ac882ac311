//! The machine as the reader of configurations asks for it.

use std::net::IpAddr;

use crate::config::{self, Account, Ctl, Host, ReadError, User};
use crate::sorted::Map;
use crate::sys;

/// The machine that visor runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Host for Machine {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ReadError::Missing,
            _ => ReadError::Unreadable(error.to_string()),
        })
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        sys::glob::glob(pattern)
    }

    fn is_directory(&self, path: &str) -> bool {
        std::path::Path::new(path).is_dir()
    }

    fn user_by_name(&self, name: &str) -> Option<User> {
        sys::users::by_name(name).map(|user| with_groups(name, &user))
    }

    fn user_by_id(&self, uid: u32) -> Option<User> {
        sys::users::by_id(uid).map(|user| with_groups(&uid.to_string(), &user))
    }

    fn account(&self, uid: Option<u32>) -> Option<Account> {
        let user = sys::users::by_id(uid.unwrap_or_else(sys::users::effective_uid))?;
        let [home, shell] = [user.home, user.shell].map(|path| path.to_string_lossy().into_owned());
        Some(Account { name: user.name, home, shell })
    }

    fn group_by_name(&self, name: &str) -> Option<u32> {
        sys::users::group_by_name(name)
    }

    fn environment(&self) -> Map<String, String> {
        std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    fn address_of(&self, host: &str) -> Option<IpAddr> {
        sys::host::address_of(host)
    }

    fn node_name(&self) -> String {
        sys::host::node_name()
    }

    fn current_directory(&self) -> String {
        sys::host::current_directory().map_or_else(|_| "/".to_string(), |path| path.to_string_lossy().into_owned())
    }

    fn temporary_directory(&self) -> String {
        let wanted = ["TMPDIR", "TEMP", "TMP"].into_iter().filter_map(|key| std::env::var(key).ok());
        let usual = ["/tmp", "/var/tmp", "/usr/tmp"].into_iter().map(str::to_string);
        wanted.chain(usual).find(|path| self.is_directory(path)).unwrap_or_else(|| self.current_directory())
    }

    fn finds_command(&self, word: &str) -> bool {
        sys::command::find(word, &std::env::var("PATH").unwrap_or_default()).is_ok()
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        let home = match user {
            None => std::env::var("HOME").ok().filter(|home| !home.is_empty()),
            Some(_) => None,
        };
        let name =
            user.map(str::to_string).or_else(|| sys::users::by_id(sys::users::effective_uid()).map(|user| user.name));
        home.or_else(|| sys::users::home(&name?).map(|path| path.to_string_lossy().into_owned()))
    }
}

/// `[supervisorctl]` of a configuration file.
///
/// # Errors
/// The mistakes, a line each.
pub fn read_ctl(file: &str) -> Result<Option<Ctl>, String> {
    config::read_ctl(&Machine, file)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn with_groups(written: &str, user: &sys::users::User) -> User {
    User {
        name: written.to_string(),
        uid: user.uid,
        gid: user.gid,
        groups: sys::users::groups_of(&user.name, user.gid),
    }
}
