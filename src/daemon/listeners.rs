//! The sockets that visor listens on: bound at the start, and bound anew when a file of theirs has vanished.

use std::path::{Path, PathBuf};

use super::{Daemon, Token, clock};
use crate::config::{Config, LogLevel, Owner, ServerAddress};
use crate::sys::poll::Interest;
use crate::sys::socket::{BindError, Listener};
use crate::sys::users;

/// Mode of the control socket unless the configuration says otherwise.
const SOCKET_MODE: u32 = 0o700;
/// Where the control socket is for root.
const ROOT_SOCKET: &str = "/run/visor.sock";
/// Its name in `$XDG_RUNTIME_DIR` for everybody else.
const USER_SOCKET: &str = "visor.sock";

/// A socket as configured.
struct Wanted {
    path: PathBuf,
    mode: u32,
    owner: Owner,
}

impl Wanted {
    fn new(path: PathBuf, mode: u32, owner: Owner) -> Wanted {
        Wanted { path: std::path::absolute(&path).unwrap_or(path), mode, owner }
    }

    fn bind(&self) -> Result<Listener, BindError> {
        Listener::bind(&self.path, self.mode, (self.owner.uid, self.owner.gid))
    }
}

/// The control socket and the sockets of `[unix_http_server]`, each path once; the control socket is first if there is one.
fn wanted(config: &Config) -> Vec<Wanted> {
    let mode = config.visor.socket_mode.unwrap_or(SOCKET_MODE);
    let control = config.visor.socket.as_ref().map(PathBuf::from).or_else(default_socket);
    let mut all: Vec<Wanted> =
        control.into_iter().map(|path| Wanted::new(path, mode, config.visor.socket_owner)).collect();
    for server in &config.servers {
        if let ServerAddress::Unix { file, chmod, chown } = &server.address {
            let one = Wanted::new(PathBuf::from(file), *chmod, *chown);
            if !all.iter().any(|other| other.path == one.path) {
                all.push(one);
            }
        }
    }
    all
}

/// Binds them. What cannot be had is a note; only somebody else's visor there ends us.
///
/// # Errors
/// The message to leave with.
pub(super) fn listen(config: &Config, notes: &mut Vec<String>) -> Result<Vec<Listener>, String> {
    if config.visor.socket.is_none() && default_socket().is_none() {
        notes.push("no control socket: neither `[visor] socket` nor XDG_RUNTIME_DIR is set".to_string());
    }
    for server in &config.servers {
        if let ServerAddress::Inet { host, port } = &server.address {
            notes.push(format!("[{}] `{host}:{port}` is not served: no visor-http here", server.section));
        }
    }
    let default = if config.visor.socket.is_none() { default_socket() } else { None };
    let wanted = wanted(config);
    let mut listeners = Vec::new();
    for one in &wanted {
        match one.bind() {
            Ok(listener) => listeners.push(listener),
            // Two visors of one user are no mistake when each has a socket of its own besides.
            Err(BindError::InUse) if wanted.len() > 1 && default.as_ref() == Some(&one.path) => {
                notes.push(format!(
                    "cannot listen on `{}`: another visor answers there; give this one a `[visor] socket`",
                    one.path.display()
                ));
            }
            Err(BindError::InUse) => {
                return Err(format!("cannot listen on `{}`: another visor already answers there", one.path.display()));
            }
            Err(error) => notes.push(format!("cannot listen on `{}`: {error}", one.path.display())),
        }
    }
    Ok(listeners)
}

/// Where the control socket is when nothing is said.
#[must_use]
pub fn default_socket() -> Option<PathBuf> {
    if users::effective_uid() == 0 {
        return Some(PathBuf::from(ROOT_SOCKET));
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty())?;
    Some(Path::new(&runtime).join(USER_SOCKET))
}

impl Daemon {
    /// Binds those anew whose file was removed, by a cleaner of temporary files for instance: nobody could reach us any
    /// more, and a second visor could start beside us.
    pub(super) fn restore_listeners(&mut self) {
        let wanted = wanted(&self.settings);
        for index in 0..self.listeners.len() {
            if self.listeners.get(index).is_none_or(Listener::is_in_place) {
                continue;
            }
            // Who connected while it was still there is not to be turned away.
            self.accept(index, clock::now());
            let Some(listener) = self.listeners.get_mut(index) else { continue };
            let Some(one) = wanted.iter().find(|one| one.path == listener.path()) else { continue };
            match one.bind() {
                Ok(fresh) => {
                    self.poll.set(Token::Listener(index), fresh.fd(), Interest::READ);
                    *listener = fresh;
                    self.log(LogLevel::Info, &format!("listening on `{}` again: it was gone", one.path.display()));
                }
                Err(error) => {
                    self.log(LogLevel::Warn, &format!("cannot listen on `{}` again: {error}", one.path.display()));
                }
            }
        }
    }
}
