//! The machine as the reader of configurations asks for it.

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;

use crate::config::{self, Account, Ctl, Host, ReadError, User};
use crate::list::List as _;
use crate::sorted::Map;
use crate::sys;

/// Longest file of a configuration, in bytes.
const FILE_LIMIT: u64 = 16 << 20;

/// The machine that visor runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

/// A file, or what a shell's `<(...)` writes, which is waited for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = sys::files::open(path)?;
    sys::fds::set_nonblocking(&file, false)?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(io::Error::other(format!("it is longer than {} MB", FILE_LIMIT >> 20)));
    }
    Ok(bytes)
}

impl Host for Machine {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        read(Path::new(path)).map_err(|error| match error.kind() {
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
    config::read_ctl(&Machine, file).map_err(|mistakes| mistakes.iter().map(ToString::to_string).list().join("\n"))
}

fn with_groups(written: &str, user: &sys::users::User) -> User {
    User {
        name: written.to_string(),
        uid: user.uid,
        gid: user.gid,
        groups: sys::users::groups_of(&user.name, user.gid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifo_that_nobody_writes_to_is_empty_and_a_pipe_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&fifo).unwrap(), b"");
        let (reader, writer) = std::io::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let reading = std::thread::spawn(move || read(Path::new(&path)).unwrap());
        std::io::Write::write_all(&mut &writer, b"[supervisord]").unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap(), b"[supervisord]");
        drop(reader);
    }

    #[test]
    fn file_without_end_is_refused() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().to_string(), "it is longer than 16 MB");
        assert!(matches!(Machine.read("/nonexistent"), Err(ReadError::Missing)));
    }
}
