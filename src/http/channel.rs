//! The channel to visor: connections and settings come, control connections are asked for.
//!
//! Owns: descriptor 3 and who waits for a control connection. Does not own: what is done with either.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::protocol::handover::{Door, FromGateway, MAX_PACKET_BYTES, Rights, ToGateway};
use crate::sys::descriptors::{self, Packet};

/// The descriptor visor leaves open for us.
const DESCRIPTOR: RawFd = 3;

/// What comes from visor, but for the answers to what we asked.
#[derive(Debug)]
pub enum Message {
    /// A place where connections will come from.
    Server(Door),
    /// The rest of what we must know.
    Settings(Settings),
    /// Somebody has connected.
    Connection {
        /// The door's number.
        server: usize,
        /// Who it is.
        peer: String,
        /// The connection itself.
        descriptor: OwnedFd,
    },
    /// visor has closed its end: nothing more will come.
    End,
}

/// What visor is, for who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[supervisord] identifier`.
    pub identifier: String,
    /// Names by which browsers may call us, besides addresses and localhost.
    pub allowed_hosts: Vec<String>,
    /// visor's version.
    pub version: String,
}

/// Why there is no control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelError {
    /// visor has none to give; its reason.
    Refused(String),
    /// visor has closed the channel.
    Closed,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelError::Refused(text) => f.write_str(text),
            ChannelError::Closed => f.write_str("visor has closed its channel"),
        }
    }
}

type Waiter = oneshot::Sender<Result<OwnedFd, ChannelError>>;

/// Our end of the channel.
#[derive(Debug)]
pub struct Channel {
    /// Watched as a stream; read and written only packet by packet.
    socket: UnixStream,
    /// Who asked for control connections: answers come in order.
    waiting: RefCell<VecDeque<Waiter>>,
    closed: Cell<bool>,
}

impl Channel {
    /// Takes over the descriptor we were started with.
    ///
    /// # Errors
    /// It is not open or no socket of packets: we were not started by visor.
    pub fn take_over() -> io::Result<Channel> {
        Channel::new(descriptors::inherited_packet_socket(DESCRIPTOR)?)
    }

    /// A channel over any socket of packets.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub fn new(socket: OwnedFd) -> io::Result<Channel> {
        crate::sys::fds::set_nonblocking(&socket, true)?;
        let socket = UnixStream::from_std(socket.into())?;
        Ok(Channel { socket, waiting: RefCell::default(), closed: Cell::new(false) })
    }

    /// Waits for the next message. Only one may wait at a time.
    ///
    /// # Errors
    /// The socket is broken.
    pub async fn next(&self) -> io::Result<Message> {
        // On the heap: 64 KiB are much for a future that lives for ever.
        let mut buffer = vec![0; MAX_PACKET_BYTES];
        let mut was_reset = false;
        loop {
            let packet = self.socket.async_io(Interest::READABLE, || descriptors::receive(&self.socket, &mut buffer));
            let (bytes, descriptor) = match packet.await {
                Ok(Packet::Came(bytes, descriptor)) => (bytes, descriptor),
                Ok(Packet::TooLong) => continue,
                Ok(Packet::End) => {
                    self.close();
                    return Ok(Message::End);
                }
                // visor has closed its end with something of ours unread. What it sent before that is still to be had.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !was_reset => {
                    was_reset = true;
                    continue;
                }
                Err(error) => {
                    self.close();
                    return Err(error);
                }
            };
            let message = ToGateway::of_packet(buffer.get(..bytes).unwrap_or_default());
            if let Some(message) = self.sort(message, descriptor) {
                return Ok(message);
            }
        }
    }

    /// Asks for a control connection and waits for it.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub async fn control(&self, rights: Rights) -> Result<OwnedFd, ChannelError> {
        let packet = FromGateway::Control(rights).to_packet();
        let answer = self
            .send(&packet, || {
                let (sender, receiver) = oneshot::channel();
                self.waiting.borrow_mut().push_back(sender);
                receiver
            })
            .await
            .ok_or(ChannelError::Closed)?;
        answer.await.unwrap_or(Err(ChannelError::Closed))
    }

    /// Tells visor that we go; it then closes its end.
    pub async fn leave(&self) {
        self.send(&FromGateway::Leaving.to_packet(), || ()).await;
    }

    /// Whether visor has closed its end.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Sends a packet and does `then` in the same breath, so that answers find who asked in the order of asking.
    async fn send<T>(&self, packet: &[u8], then: impl Fn() -> T) -> Option<T> {
        if self.closed.get() {
            return None;
        }
        let sent = self.socket.async_io(Interest::WRITABLE, || {
            descriptors::send_packet(&self.socket, packet)?;
            Ok(then())
        });
        sent.await.ok()
    }

    fn close(&self) {
        self.closed.set(true);
        self.waiting.borrow_mut().clear();
    }

    /// What a message is for the server; the answers to what was asked go to who waits for them.
    fn sort(&self, message: Option<ToGateway>, descriptor: Option<OwnedFd>) -> Option<Message> {
        match message? {
            ToGateway::Server(door) => Some(Message::Server(door)),
            ToGateway::Settings { identifier, allowed_hosts, version } => {
                Some(Message::Settings(Settings { identifier, allowed_hosts, version }))
            }
            ToGateway::Connection { server, peer } => {
                descriptor.map(|descriptor| Message::Connection { server, peer, descriptor })
            }
            ToGateway::Control => {
                let none = || ChannelError::Refused("no descriptor came with it".to_owned());
                self.answer(descriptor.ok_or_else(none));
                None
            }
            ToGateway::Refused { text } => {
                self.answer(Err(ChannelError::Refused(text)));
                None
            }
        }
    }

    fn answer(&self, answer: Result<OwnedFd, ChannelError>) {
        let waiter = self.waiting.borrow_mut().pop_front();
        if let Some(waiter) = waiter {
            // Who asked may have left; the connection is then closed.
            let _ = waiter.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::channel::{packets, send};

    /// The kernel says that the connection was reset before it gives what is queued.
    #[tokio::test(flavor = "current_thread")]
    async fn channel_closed_with_something_unread_still_gives_what_was_sent_before() {
        let (ours, theirs) = packets().unwrap();
        let channel = Channel::new(theirs).unwrap();
        let settings =
            ToGateway::Settings { identifier: "x".to_owned(), allowed_hosts: Vec::new(), version: "1".to_owned() };
        send(&ours, &settings.to_packet(), None).unwrap();
        channel.leave().await;
        drop(ours);
        assert!(matches!(channel.next().await, Ok(Message::Settings(_))));
        assert!(matches!(channel.next().await, Ok(Message::End)));
    }
}
