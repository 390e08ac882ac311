//! Who is let in, and by whom it is served: the first byte of a connection decides.
//!
//! Verbs begin with a small letter, HTTP's methods with a capital. Nothing of an HTTP connection is read here. Over a port nothing but HTTP
//! is spoken: the kernel vouches for nobody there.

use std::os::fd::OwnedFd;

use super::client::{Mode, Visitor};
use super::{Daemon, LISTENER_REST, Token, rights};
use crate::program::Now;
use crate::protocol::{self, Code};
use crate::supervisor::ClientId;
use crate::sys::channel;
use crate::sys::fds::Read;
use crate::sys::socket::{self, Origin, Peer};

/// Clients at once, without those of the gateway.
const MAX_CLIENTS: usize = 1024;
/// Connections at once that nobody vouches for, or that are turned away; the oldest goes.
const MAX_STRANGERS: usize = 64;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Why somebody is not let in.
#[derive(Clone, Copy)]
enum Refusal {
    /// Nothing names them.
    Stranger,
    /// There are too many like them.
    Crowd,
}

impl Daemon {
    pub(super) fn accept(&mut self, door: usize, now: Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.doors.listener(door) else { return };
            match listener.accept() {
                Ok(Some((fd, Origin::Remote(address)))) => {
                    self.hand_over(fd, door, address.to_canonical().to_string(), now);
                }
                Ok(Some((fd, Origin::Local(peer)))) => self.admit(fd, door, peer),
                Ok(None) => return,
                Err(error) => {
                    self.complain(&format!("cannot accept a control connection: {error}"));
                    self.poll.remove(Token::Listener(door));
                    self.listen_again = Some(now.mono.saturating_add(LISTENER_REST));
                    return;
                }
            }
            self.shed_strangers(now);
        }
    }

    fn admit(&mut self, fd: OwnedFd, door: usize, peer: Peer) {
        let trusted = rights::is_trusted(peer);
        if trusted && self.clients.trusted() >= MAX_CLIENTS {
            // Told as far as there is room, and gone.
            let mut refusal = Vec::new();
            protocol::write_error(&mut refusal, Code::Busy, &format!("{MAX_CLIENTS} clients are connected"));
            let _ = socket::write(&fd, &refusal);
            return;
        }
        self.clients.add_fresh(fd, Visitor { door, peer, trusted }, &mut self.poll);
    }

    /// The oldest of too many strangers go.
    fn shed_strangers(&mut self, now: Now) {
        while self.clients.strangers.len() > MAX_STRANGERS
            && let Some(oldest) = self.clients.strangers.first().copied()
        {
            self.lose_client(oldest, now);
        }
    }

    /// Something came from a client: whether it is to be read here.
    pub(super) fn greet(&mut self, id: ClientId, now: Now) -> bool {
        let Some(client) = self.clients.all.get(&id) else { return false };
        let Mode::Fresh(visitor) = client.mode else { return true };
        let mut byte = [0];
        match channel::peek(&client.fd, &mut byte) {
            Ok(Read::Bytes(_)) => {}
            Ok(Read::WouldBlock) => return false,
            Ok(Read::End) | Err(_) => {
                self.lose_client(id, now);
                return false;
            }
        }
        if byte.first().is_some_and(u8::is_ascii_uppercase) {
            if let Some(fd) = self.clients.take(id, &mut self.poll) {
                self.pass_on(fd, visitor, now);
                self.shed_strangers(now);
            }
            return false;
        }
        let refusal = if !(visitor.trusted || self.may_enter(visitor.peer, &client.fd)) {
            Refusal::Stranger
        } else if !self.clients.let_in(id, visitor) {
            Refusal::Crowd
        } else {
            return true;
        };
        if let Some(fd) = self.clients.take(id, &mut self.poll) {
            self.refuse_control(fd, visitor.peer, refusal, now);
            self.shed_strangers(now);
        }
        false
    }

    /// An HTTP connection over a Unix socket. Whom the mode of a server's socket lets in comes in, as with the original; its logins are the
    /// gateway's to ask for. visor's own socket has none, so it is as careful as it is with verbs.
    fn pass_on(&mut self, fd: OwnedFd, visitor: Visitor, now: Now) {
        let Visitor { door, peer, trusted } = visitor;
        if trusted || self.doors.is_of_a_server(door) {
            return self.hand_over(fd, door, format!("uid {}", peer.uid), now);
        }
        let text = not_permitted(peer);
        self.tell_refusal(&format!("refused an HTTP connection: {text} (pid {})", peer.pid), now);
        self.clients.turn_away(fd, http_answer("403 Forbidden", "", &text), &mut self.poll);
    }

    fn refuse_control(&mut self, fd: OwnedFd, peer: Peer, why: Refusal, now: Now) {
        let (code, text) = match why {
            Refusal::Stranger => (Code::NotPermitted, not_permitted(peer)),
            Refusal::Crowd => (Code::Busy, format!("uid {} or others like it have too many connections", peer.uid)),
        };
        let mut refusal = Vec::new();
        protocol::write_error(&mut refusal, code, &text);
        self.tell_refusal(&format!("refused a control connection: {text} (pid {})", peer.pid), now);
        self.clients.turn_away(fd, refusal, &mut self.poll);
    }
}

fn not_permitted(peer: Peer) -> String {
    format!("uid {} may not control this visor", peer.uid)
}

/// A whole answer over HTTP, for when nobody is there to give a better one. `more` = further header lines, each with its end.
pub(super) fn http_answer(status: &str, more: &str, text: &str) -> Vec<u8> {
    let length = text.len().saturating_add(1);
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{text}\n"
    )
    .into_bytes()
}
