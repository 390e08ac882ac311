//! Sockets that visor holds for its programs: that of an fcgi-program is there while any of its processes is.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::Daemon;
use crate::config::{FcgiSocket, GroupKind, LogLevel, Process};
use crate::list::List as _;
use crate::program::{SpawnFailure, SpawnFailureKind, State};
use crate::sorted::{Map, Set};
use crate::supervisor::ProcessId;
use crate::sys::program_socket as socket;

/// Sockets that are open for programs.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Of fcgi-programs, by their group, with the settings they were made by.
    fcgi: Map<String, (FcgiSocket, OwnedFd)>,
    /// Of `listen` keys, by url, with those who have them. They stay open while a program restarts: nobody is refused.
    listening: Map<String, (OwnedFd, Set<ProcessId>)>,
}

impl Sockets {
    pub fn fcgi(&self, group: &str) -> Option<&OwnedFd> {
        self.fcgi.get(group).map(|(_, fd)| fd)
    }
}

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
        if let Some((made_by, _)) = self.sockets.fcgi.get(group) {
            if *made_by == socket {
                return Ok(true);
            }
            self.close_socket(group);
        }
        self.log(LogLevel::Info, &format!("Creating socket {}", socket.url));
        let owner = (socket.owner.uid, socket.owner.gid);
        match create(&socket.url, socket.mode, owner, socket.backlog) {
            Ok(fd) => {
                self.sockets.fcgi.insert(group.to_owned(), (socket, fd));
                Ok(true)
            }
            Err(error) => {
                let text = format!("Could not create FastCGI socket {}: {error}", socket.url);
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
                self.sockets.listening.insert(url.clone(), (fd, Set::new()));
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

    /// A process ended, could not be started or is forgotten: the socket of a group is closed with the last of its processes.
    pub(super) fn close_unused_sockets(&mut self) {
        let is_used = |group: &String| {
            self.supervisor.members(group).iter().any(|id| {
                self.supervisor.entry(*id).is_some_and(|entry| {
                    entry.life.state.pid().is_some() || matches!(entry.life.state, State::Spawning { .. })
                })
            })
        };
        let unused: Vec<String> = self.sockets.fcgi.keys().filter(|group| !is_used(group)).cloned().list();
        for group in unused {
            self.close_socket(&group);
        }
    }

    fn close_socket(&mut self, group: &str) {
        if let Some((socket, _)) = self.sockets.fcgi.remove(group) {
            self.log(LogLevel::Info, &format!("Closing socket {}", socket.url));
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
