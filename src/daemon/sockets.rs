//! Sockets that visor holds for its programs: that of an fcgi-program is there while any of its processes is.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use super::Daemon;
use crate::config::{FcgiSocket, GroupKind, LogLevel};
use crate::program::{SpawnFailure, SpawnFailureKind, State};
use crate::supervisor::ProcessId;
use crate::sys::socket;

/// Open sockets by the group they are for.
pub(super) type Sockets = BTreeMap<String, OwnedFd>;

impl Daemon {
    /// Makes the socket of a process' group ready, if it is to have one. Whether it has.
    ///
    /// # Errors
    /// Why it cannot be made: the process cannot be started.
    pub(super) fn open_socket(&mut self, group: &str) -> Result<bool, SpawnFailure> {
        let Some(GroupKind::FcgiProgram { socket }) = self.supervisor.group(group).map(|group| group.kind.clone())
        else {
            return Ok(false);
        };
        if self.sockets.contains_key(group) {
            return Ok(true);
        }
        self.log(LogLevel::Info, &format!("Creating socket {}", socket.url));
        match create(&socket) {
            Ok(fd) => {
                self.sockets.insert(group.to_owned(), fd);
                Ok(true)
            }
            Err(error) => {
                let text = format!("Could not create FastCGI socket {}: {error}", socket.url);
                Err(SpawnFailure { kind: SpawnFailureKind::Other, text })
            }
        }
    }

    /// A process ended or could not be started: the socket of its group is closed with the last of them.
    pub(super) fn close_socket_of(&mut self, id: ProcessId) {
        if self.sockets.is_empty() {
            return;
        }
        let Some(group) = self.supervisor.entry(id).map(|entry| entry.group.clone()) else { return };
        let used = self.supervisor.members(&group).iter().any(|id| {
            self.supervisor.entry(*id).is_some_and(|entry| {
                entry.life.state.pid().is_some() || matches!(entry.life.state, State::Spawning { .. })
            })
        });
        if !used {
            self.close_socket(&group);
        }
    }

    /// Closes the socket of a group.
    pub(super) fn close_socket(&mut self, group: &str) {
        if self.sockets.remove(group).is_none() {
            return;
        }
        if let Some(GroupKind::FcgiProgram { socket }) = self.supervisor.group(group).map(|group| group.kind.clone()) {
            self.log(LogLevel::Info, &format!("Closing socket {}", socket.url));
        }
    }
}

fn create(wanted: &FcgiSocket) -> std::io::Result<OwnedFd> {
    let backlog = wanted.backlog.and_then(|backlog| i32::try_from(backlog).ok());
    match wanted.url.strip_prefix("unix://") {
        Some(path) => {
            socket::listen_unix(std::path::Path::new(path), wanted.mode, (wanted.owner.uid, wanted.owner.gid), backlog)
        }
        None => socket::listen_tcp(wanted.url.strip_prefix("tcp://").unwrap_or(&wanted.url), backlog),
    }
}
