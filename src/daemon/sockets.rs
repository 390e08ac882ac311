//! Sockets that visor holds for its programs: that of an fcgi-program is there while any of its processes is.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use super::Daemon;
use crate::config::{FcgiSocket, LogLevel};
use crate::program::{SpawnFailure, SpawnFailureKind, State};
use crate::supervisor::ProcessId;
use crate::sys::socket;

/// Open sockets by the group they are for.
pub(super) type Sockets = BTreeMap<String, Held>;

/// An open socket and what it was made of.
#[derive(Debug)]
pub(super) struct Held {
    pub fd: OwnedFd,
    made_of: FcgiSocket,
}

impl Daemon {
    /// Makes the socket of a process' group ready, if it is to have one. Whether it has.
    ///
    /// # Errors
    /// Why it cannot be made: the process cannot be started.
    pub(super) fn open_socket(&mut self, group: &str) -> Result<bool, SpawnFailure> {
        let Some(wanted) = self.supervisor.group(group).and_then(|group| group.kind.socket().cloned()) else {
            return Ok(false);
        };
        if self.sockets.contains_key(group) {
            return Ok(true);
        }
        self.log(LogLevel::Info, &format!("Creating socket {}", wanted.url));
        match create(&wanted) {
            Ok(fd) => {
                self.sockets.insert(group.to_owned(), Held { fd, made_of: wanted });
                Ok(true)
            }
            Err(error) => {
                let text = format!("Could not create FastCGI socket {}: {error}", wanted.url);
                Err(SpawnFailure { kind: SpawnFailureKind::Other, text })
            }
        }
    }

    /// The group of a process, if that has an open socket.
    pub(super) fn group_with_socket(&self, id: ProcessId) -> Option<String> {
        let group = &self.supervisor.entry(id)?.group;
        self.sockets.contains_key(group).then(|| group.clone())
    }

    /// A process of this group ended or could not be started: the socket is closed with the last of them, and when the
    /// group is to have another by now.
    pub(super) fn close_unused_socket(&mut self, group: &str) {
        let Some(held) = self.sockets.get(group) else { return };
        let wanted = self.supervisor.group(group).and_then(|group| group.kind.socket());
        let used = self.supervisor.members(group).iter().any(|id| {
            self.supervisor.entry(*id).is_some_and(|entry| {
                entry.life.state.pid().is_some() || matches!(entry.life.state, State::Spawning { .. })
            })
        });
        if !used || wanted != Some(&held.made_of) {
            self.close_socket(group);
        }
    }

    /// Closes the socket of a group.
    pub(super) fn close_socket(&mut self, group: &str) {
        if let Some(held) = self.sockets.remove(group) {
            self.log(LogLevel::Info, &format!("Closing socket {}", held.made_of.url));
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
