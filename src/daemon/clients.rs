//! Control connections, all together: bytes in, bytes out. Who comes in is decided in `doorstep`, what is asked is answered in `requests`.
//!
//! A client that does not read costs itself: its requests wait, and past its limit it is dropped.

use std::os::fd::{AsRawFd, OwnedFd};

use super::client::{Client, ENOUGH_BYTES, Mode, Visitor};
use super::rights::Asker;
use super::{Daemon, Poll, Token};
use crate::config::LogLevel;
use crate::program::Now;
use crate::protocol::handover::Rights;
use crate::protocol::{self, Code, Line, Stream};
use crate::sorted::{Map, Set};
use crate::supervisor::{ClientId, Input, ProcessId};
use crate::sys::fds::{self, Read, Written};
use crate::sys::poll::{Event as Ready, Interest};
use crate::sys::{channel, socket};

/// Bytes of replies that a client may leave unread.
const BACKLOG_BYTES: usize = 4 * 1024 * 1024;
/// Clients at once whom the configuration lets in, and of one user: they keep neither each other nor root out.
const MAX_GUESTS: usize = 128;
const MAX_GUESTS_OF_ONE: usize = 32;
/// Bytes read from a client at a time.
const READ_BYTES: usize = 16 * 1024;
/// Bytes that are thrown away of somebody who is turned away.
const TURNED_AWAY_BYTES: usize = 64 * 1024;

/// All control connections.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub(super) all: Map<ClientId, Client>,
    next: u64,
    /// Those who are not, or not yet, let in: of other users and without a word so far, or turned away. The oldest are first.
    pub(super) strangers: Set<ClientId>,
    /// Those whom the configuration lets in, with their uid.
    guests: Map<ClientId, u32>,
    /// Those whom a gateway asked for, with its pid: they end with it.
    pub(super) of_gateway: Map<ClientId, i32>,
    /// Clients whose buffer may be written.
    pub(super) dirty: Set<ClientId>,
    /// Clients that have more to do, in the next turn: nobody starves the others.
    later: Set<ClientId>,
    /// Who follows which stream.
    pub(super) followers: Map<(ProcessId, Stream), Vec<ClientId>>,
    /// Who follows visor's own log.
    pub(super) main_followers: Vec<ClientId>,
    pub(super) watchers: Vec<ClientId>,
}

impl Clients {
    fn add(&mut self, client: Client, poll: &mut Poll) -> ClientId {
        let id = ClientId(self.next);
        self.next = self.next.wrapping_add(1);
        poll.set(Token::Client(id), client.fd.as_raw_fd(), Interest::READ);
        self.all.insert(id, client);
        id
    }

    /// Somebody connected who has not said anything yet.
    pub fn add_fresh(&mut self, fd: OwnedFd, visitor: Visitor, poll: &mut Poll) {
        let id = self.add(Client::new(fd, Mode::Fresh(visitor), Asker::Peer(visitor.peer)), poll);
        if !visitor.trusted {
            self.strangers.insert(id);
        }
    }

    /// The gateway has one more connection.
    pub fn add_of_gateway(&mut self, pid: i32, fd: OwnedFd, rights: Rights, poll: &mut Poll) {
        let id = self.add(Client::new(fd, Mode::Idle, Asker::Gateway(pid, rights)), poll);
        self.of_gateway.insert(id, pid);
    }

    /// Somebody gets this answer and nothing else. It is listened to until it goes, or a connection that has not sent all it has to say
    /// would be broken off before it reads.
    pub fn turn_away(&mut self, fd: OwnedFd, answer: Vec<u8>, poll: &mut Poll) {
        let mode = Mode::TurnedAway { patience: TURNED_AWAY_BYTES, told: false };
        let client = Client { out: answer, ..Client::new(fd, mode, Asker::Gateway(0, Rights::Observe)) };
        let id = self.add(client, poll);
        self.strangers.insert(id);
        self.dirty.insert(id);
    }

    /// Somebody who has not said anything so far is let in, or is to be turned away for the others' sake.
    pub fn let_in(&mut self, id: ClientId, visitor: Visitor) -> bool {
        if !visitor.trusted {
            let uid = visitor.peer.uid;
            let of_one = self.guests.values().filter(|other| **other == uid).count();
            if self.guests.len() >= MAX_GUESTS || of_one >= MAX_GUESTS_OF_ONE {
                return false;
            }
            self.strangers.remove(&id);
            self.guests.insert(id, uid);
        }
        self.set_mode(id, Mode::Idle);
        true
    }

    /// Lets a connection go to somebody else.
    pub fn take(&mut self, id: ClientId, poll: &mut Poll) -> Option<OwnedFd> {
        self.forget(id, poll).map(|client| client.fd)
    }

    /// Those who are counted for the limit of clients.
    pub fn trusted(&self) -> usize {
        let others = [self.strangers.len(), self.guests.len(), self.of_gateway.len()];
        others.into_iter().fold(self.all.len(), usize::saturating_sub)
    }

    /// Appends what `write` writes to a client's replies.
    pub fn put(&mut self, id: ClientId, write: &mut dyn FnMut(&mut Vec<u8>)) {
        if let Some(client) = self.all.get_mut(&id) {
            write(&mut client.out);
            self.dirty.insert(id);
        }
    }

    /// One line of a reply; an end makes room for the next request.
    pub fn reply(&mut self, id: ClientId, line: &Line) {
        let Some(client) = self.all.get_mut(&id) else { return };
        line.write_to(&mut client.out);
        self.dirty.insert(id);
        if line.is_end() {
            self.set_mode(id, Mode::Idle);
        }
    }

    pub fn set_mode(&mut self, id: ClientId, mode: Mode) {
        if let Some(client) = self.all.get_mut(&id) {
            client.mode = mode;
            self.dirty.insert(id);
        }
    }

    pub fn anybody_follows_main(&self) -> bool {
        !self.main_followers.is_empty()
    }

    /// Whether something is to be done for a client without waiting for anything.
    pub fn are_busy(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// How many are connected.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn any_pending(&self) -> bool {
        self.all.values().any(|client| client.backlog() > 0)
    }

    fn forget(&mut self, id: ClientId, poll: &mut Poll) -> Option<Client> {
        poll.remove(Token::Client(id));
        self.leave_streams(id);
        self.dirty.remove(&id);
        self.later.remove(&id);
        self.strangers.remove(&id);
        self.guests.remove(&id);
        self.of_gateway.remove(&id);
        self.all.remove(&id)
    }
}

impl Daemon {
    /// Accepts, reads and answers.
    pub(super) fn serve_clients(&mut self, events: &[Ready<Token>], now: Now) {
        for event in events {
            match event.token {
                Token::Listener(index) => self.accept(index, now),
                Token::Client(id) => {
                    if event.readable && self.greet(id, now) {
                        self.read_client(id, now);
                    }
                    self.clients.dirty.insert(id);
                }
                Token::Gateway => self.hear_gateway(now),
                Token::GatewayErrors(pid) => {
                    self.read_gateway_errors(pid);
                }
                Token::Signals
                | Token::WallClock
                | Token::Pipe(_)
                | Token::Status(_)
                | Token::Stdin(_)
                | Token::Check(_)
                | Token::Line(_)
                | Token::Notify(_)
                | Token::Console(_)
                | Token::Foreground => {}
            }
        }
    }

    fn read_client(&mut self, id: ClientId, now: Now) {
        let mut buffer = [0_u8; READ_BYTES];
        let Some(client) = self.clients.all.get_mut(&id) else { return };
        match fds::read(&client.fd, &mut buffer) {
            Ok(Read::Bytes(count)) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                if let Mode::TurnedAway { patience, .. } = &mut client.mode {
                    match patience.checked_sub(count) {
                        Some(left) => *patience = left,
                        None => self.lose_client(id, now),
                    }
                    return;
                }
                if let Err(error) = client.framer.push(bytes) {
                    client.too_long = Some(error);
                    client.ended = true;
                }
            }
            Ok(Read::End) => client.ended = true,
            Ok(Read::WouldBlock) => {}
            Err(_) => self.lose_client(id, now),
        }
    }

    /// Takes requests, writes replies, drops who is done or too slow, for every client that something happened to.
    pub(super) fn flush_clients(&mut self, now: Now) {
        self.tell_followers();
        while let Some(id) = self.clients.dirty.pop_first() {
            self.serve(id, now);
            self.carry_out(now);
            self.write_client(id, now);
            // What was just done is in the log, and nothing else may happen for long.
            self.tell_followers();
        }
        self.clients.dirty = std::mem::take(&mut self.clients.later);
        if !self.clients.anybody_follows_main() {
            self.outputs.voice.followed = None;
        }
    }

    /// New lines of visor's own log for those who follow it.
    fn tell_followers(&mut self) {
        if let Some(followed) = &mut self.outputs.voice.followed
            && !followed.is_empty()
        {
            self.clients.main_output(followed);
            followed.clear();
        }
    }

    /// Takes a client's requests one after the other, as long as it reads the replies.
    fn serve(&mut self, id: ClientId, now: Now) {
        loop {
            let Some(client) = self.clients.all.get_mut(&id) else { return };
            let enough = client.backlog() > ENOUGH_BYTES;
            match &mut client.mode {
                Mode::Sending(reader) if !enough => {
                    let mut block = Vec::new();
                    match reader.next_block(&mut block) {
                        Ok(true) => protocol::write_block(&mut client.out, &block),
                        Ok(false) => {
                            protocol::write_ok(&mut client.out, "");
                            client.mode = Mode::Idle;
                        }
                        Err(error) => {
                            let text = format!("cannot read the log: {error}");
                            protocol::write_error(&mut client.out, Code::Failed, &text);
                            client.mode = Mode::Idle;
                        }
                    }
                }
                Mode::Idle if !enough => match client.framer.next_line() {
                    Some(line) => self.answer(id, &line, now),
                    None => {
                        // Replies come in order: this one after those of the lines before.
                        if let Some(error) = client.too_long.take() {
                            protocol::write_error(&mut client.out, Code::BadRequest, &error.to_string());
                        }
                        client.closing |= client.ended;
                        return;
                    }
                },
                Mode::Following { .. } | Mode::Watching { .. } if client.ended => {
                    client.closing = true;
                    return;
                }
                Mode::Fresh(_) | Mode::TurnedAway { .. } => {
                    client.closing |= client.ended;
                    return;
                }
                Mode::Idle | Mode::Sending(_) | Mode::Waiting | Mode::Following { .. } | Mode::Watching { .. } => {
                    return;
                }
            }
        }
    }

    fn write_client(&mut self, id: ClientId, now: Now) {
        let Some(client) = self.clients.all.get_mut(&id) else { return };
        let held_back = client.backlog() > ENOUGH_BYTES;
        while client.written < client.out.len() {
            match socket::write(&client.fd, client.out.get(client.written..).unwrap_or_default()) {
                Ok(Written::Bytes(count)) => client.written = client.written.saturating_add(count),
                Ok(Written::WouldBlock) => break,
                Ok(Written::Gone) | Err(_) => return self.lose_client(id, now),
            }
        }
        client.forget_written();
        if client.backlog() == 0 {
            // It has caught up, and learns what it missed even if nothing happens any more.
            client.tell_missed();
        }
        let left = client.backlog();
        if left == 0 {
            if client.closing {
                return self.lose_client(id, now);
            }
            if let Mode::TurnedAway { told: told @ false, .. } = &mut client.mode {
                *told = true;
                channel::end_writing(&client.fd);
            }
            // What it asked for next, or the next block of a file, was held back until now.
            if held_back {
                self.clients.later.insert(id);
            }
        } else if left > BACKLOG_BYTES && !matches!(client.mode, Mode::Idle) {
            self.log(LogLevel::Warn, "dropped a control client that does not read");
            return self.lose_client(id, now);
        }
        let Some(client) = self.clients.all.get_mut(&id) else { return };
        let read = !client.ended && client.framer.buffered() <= protocol::MAX_REQUEST_BYTES;
        let interest = Interest { read, write: left > 0 };
        self.poll.set(Token::Client(id), client.fd.as_raw_fd(), interest);
    }

    pub(super) fn lose_client(&mut self, id: ClientId, now: Now) {
        let lost = self.clients.forget(id, &mut self.poll);
        if lost.is_some_and(|client| matches!(client.mode, Mode::Waiting)) {
            self.input(Input::ClientGone(id), now);
        }
    }
}
