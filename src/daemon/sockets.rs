//! Sockets that visor holds for its programs: that of an fcgi-program is there while any of its processes is.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::Daemon;
use crate::config::{FcgiSocket, LogLevel, Process};
use crate::program::{SpawnFailure, SpawnFailureKind, State};
use crate::supervisor::ProcessId;
use crate::sys::socket;

/// Sockets that are open for programs.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Of fcgi-programs, by their group.
    fcgi: BTreeMap<String, Held>,
    /// Of `listen` keys, by url, with those who have them. They stay open while a program restarts: nobody is refused.
    listening: BTreeMap<String, (OwnedFd, BTreeSet<ProcessId>)>,
}

impl Sockets {
    pub fn fcgi(&self, group: &str) -> Option<&OwnedFd> {
        self.fcgi.get(group).map(|held| &held.fd)
    }
}

/// An open socket and what it was made of.
#[derive(Debug)]
struct Held {
    fd: OwnedFd,
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
        if self.sockets.fcgi.contains_key(group) {
            return Ok(true);
        }
        self.log(LogLevel::Info, &format!("Creating socket {}", wanted.url));
        let owner = (wanted.owner.uid, wanted.owner.gid);
        match create(&wanted.url, wanted.mode, owner, wanted.backlog) {
            Ok(fd) => {
                self.sockets.fcgi.insert(group.to_owned(), Held { fd, made_of: wanted });
                Ok(true)
            }
            Err(error) => {
                let text = format!("Could not create FastCGI socket {}: {error}", wanted.url);
                Err(SpawnFailure { kind: SpawnFailureKind::Other, text })
            }
        }
    }

    /// The sockets of a process' `listen` key, open and in order.
    ///
    /// # Errors
    /// Why one cannot be made: the process cannot be started.
    pub(super) fn open_listening(&mut self, id: ProcessId, process: &Process) -> Result<Vec<RawFd>, SpawnFailure> {
        // A unix socket belongs to who is to accept on it.
        let owner = process.user.as_ref().map_or((None, None), |user| (Some(user.uid), Some(user.gid)));
        let mut numbers = Vec::with_capacity(process.listen.len());
        for url in &process.listen {
            if !self.sockets.listening.contains_key(url) {
                let fd = create(url, None, owner, None).map_err(|error| SpawnFailure {
                    kind: SpawnFailureKind::Other,
                    text: format!("cannot listen on `{url}`: {error}"),
                })?;
                self.log(LogLevel::Info, &format!("Creating socket {url}"));
                self.sockets.listening.insert(url.clone(), (fd, BTreeSet::new()));
            }
            if let Some((fd, holders)) = self.sockets.listening.get_mut(url) {
                holders.insert(id);
                numbers.push(fd.as_raw_fd());
            }
        }
        Ok(numbers)
    }

    /// A process is forgotten: sockets that nobody else has are closed.
    pub(super) fn close_listening(&mut self, id: ProcessId) {
        let mut closed = Vec::new();
        self.sockets.listening.retain(|url, (_, holders)| {
            holders.remove(&id);
            if holders.is_empty() {
                closed.push(format!("Closing socket {url}"));
            }
            !holders.is_empty()
        });
        for text in closed {
            self.log(LogLevel::Info, &text);
        }
    }

    /// The group of a process, if that has an open socket.
    pub(super) fn group_with_socket(&self, id: ProcessId) -> Option<String> {
        let group = &self.supervisor.entry(id)?.group;
        self.sockets.fcgi.contains_key(group).then(|| group.clone())
    }

    /// A process of this group ended or could not be started: the socket is closed with the last of them, and when the
    /// group is to have another by now.
    pub(super) fn close_unused_socket(&mut self, group: &str) {
        let Some(held) = self.sockets.fcgi.get(group) else { return };
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
        if let Some(held) = self.sockets.fcgi.remove(group) {
            self.log(LogLevel::Info, &format!("Closing socket {}", held.made_of.url));
        }
    }
}

fn create(
    url: &str,
    mode: Option<u32>,
    owner: (Option<u32>, Option<u32>),
    backlog: Option<i64>,
) -> std::io::Result<OwnedFd> {
    let backlog = backlog.and_then(|backlog| i32::try_from(backlog).ok());
    match url.strip_prefix("unix://") {
        Some(path) => socket::listen_unix(std::path::Path::new(path), mode, owner, backlog),
        None => socket::listen_tcp(url.strip_prefix("tcp://").unwrap_or(url), backlog),
    }
}
