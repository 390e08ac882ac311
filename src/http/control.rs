//! Asking visor over control connections.
//!
//! Owns: the pool of connections and whole replies. Does not own: what is asked, and how visor's words become a client's.
//!
//! A connection serves one request at a time, so a request that waits holds up nobody. A future that is dropped in mid-reply
//! closes its connection: visor sees its client leave.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::channel::{Channel, ChannelError};
use crate::protocol::handover::{self, Rights};
use crate::protocol::{Code, Line, Reader, Request, Right};

/// Connections kept for the next request, of each kind of rights.
const MAX_IDLE: usize = 32;
/// Connections asked for in one second; visor takes more than twice as many for a flood, and ends its sender.
const MAX_ASKED_PER_SECOND: u32 = 400;
/// How long one waits who would ask for more, unless one comes back before.
const ASK_PAUSE: Duration = Duration::from_millis(20);
/// The same while visor has no more to give, and how long in all.
const FULL_PAUSE: Duration = Duration::from_millis(200);
const ROOM_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes asked of a connection at a time.
const READ_BYTES: usize = 16 * 1024;
/// Most bytes of one reply that is kept whole; what may be longer is read with [`Control::open`].
pub const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Data lines and blocks, in order.
    pub lines: Vec<Line>,
    /// The end line.
    pub end: Line,
}

impl Answer {
    /// Why the request failed as a whole, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<(Code, &str)> {
        match &self.end {
            Line::Error(code, text) => Some((*code, text)),
            Line::Ok(_) | Line::Data(_) | Line::Bytes(_) => None,
        }
    }

    /// The raw blocks, joined.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let mut all = Vec::new();
        for line in self.lines {
            if let Line::Bytes(bytes) = line {
                all.extend(bytes);
            }
        }
        all
    }

    /// The value of a key in the first data line that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.get(key))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// visor gives no connection; its reason.
    Refused(String),
    /// visor is gone or going.
    Closed,
    /// The request cannot be said; why.
    Request(String),
    /// The reply is longer than [`MAX_ANSWER_BYTES`] or not of visor's language.
    Reply(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Refused(text) => write!(f, "visor has no room for this request: {text}"),
            AskError::Closed => f.write_str("visor has closed the connection"),
            AskError::Request(text) | AskError::Reply(text) => f.write_str(text),
        }
    }
}

/// All control connections.
#[derive(Debug)]
pub struct Control {
    channel: Rc<Channel>,
    idle: RefCell<Vec<Connection>>,
    /// Connections that are with somebody.
    lent: Cell<usize>,
    /// Told when one comes back.
    returned: Notify,
    /// How many were asked for since when.
    asked: Cell<(Instant, u32)>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    reader: Reader,
    rights: Rights,
}

/// A reply that is read line by line.
#[derive(Debug)]
pub struct Stream {
    connection: Option<Connection>,
    control: Rc<Control>,
}

impl Control {
    /// None yet; they come over `channel`.
    pub fn new(channel: Rc<Channel>) -> Rc<Control> {
        Rc::new(Control {
            channel,
            idle: RefCell::default(),
            lent: Cell::new(0),
            returned: Notify::new(),
            asked: Cell::new((Instant::now(), 0)),
        })
    }

    /// Sends a request of somebody, whom visor's log names when it changes something, and waits for the whole reply.
    ///
    /// # Errors
    /// See [`AskError`]; a reply that ends in an error is an answer.
    pub async fn ask(self: &Rc<Self>, rights: Rights, who: &str, request: &Request) -> Result<Answer, AskError> {
        let mut stream = self.open(rights, who, request).await?;
        let mut lines = Vec::new();
        let mut bytes = 0_usize;
        loop {
            let line = stream.next().await?;
            if line.is_end() {
                return Ok(Answer { lines, end: line });
            }
            bytes = bytes.saturating_add(size(&line));
            if bytes > MAX_ANSWER_BYTES {
                return Err(AskError::Reply(format!("the answer is longer than {MAX_ANSWER_BYTES} bytes")));
            }
            lines.push(line);
        }
    }

    /// As [`Control::ask`]; the reply is read line by line.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn open(self: &Rc<Self>, rights: Rights, who: &str, request: &Request) -> Result<Stream, AskError> {
        let mut lines = if request.needs() > Right::Observe { handover::asks_for(who) } else { Vec::new() };
        lines.extend(request.to_line().map_err(|error| AskError::Request(error.text))?);
        let connection = self.take(rights).await?;
        self.lent.set(self.lent.get() + 1);
        let mut stream = Stream { connection: Some(connection), control: Rc::clone(self) };
        if let Some(connection) = &mut stream.connection {
            connection.stream.write_all(&lines).await.map_err(|_| AskError::Closed)?;
        }
        Ok(stream)
    }

    /// Sees to it that a request can be asked even after the channel was closed.
    pub async fn keep_one(self: &Rc<Self>, rights: Rights) {
        if let Ok(connection) = self.take(rights).await {
            self.give_back(connection);
        }
    }

    async fn take(&self, rights: Rights) -> Result<Connection, AskError> {
        let deadline = Instant::now() + ROOM_PATIENCE;
        loop {
            if let Some(connection) = self.take_idle(rights) {
                return Ok(connection);
            }
            if !self.channel.is_closed() {
                if !self.may_ask(Instant::now()) {
                    let _ = timeout(ASK_PAUSE, self.returned.notified()).await;
                    continue;
                }
                match self.channel.control(rights).await {
                    Ok(descriptor) => return Connection::new(descriptor.into(), rights).ok_or(AskError::Closed),
                    Err(ChannelError::Refused(text)) if Instant::now() >= deadline => {
                        return Err(AskError::Refused(text));
                    }
                    Err(ChannelError::Refused(_)) => {
                        let _ = timeout(FULL_PAUSE, self.returned.notified()).await;
                        continue;
                    }
                    Err(ChannelError::Closed) => continue,
                }
            }
            // No new ones will come, but those in use come back.
            if self.lent.get() == 0 {
                return Err(AskError::Closed);
            }
            self.returned.notified().await;
        }
    }

    /// Whether one more connection may be asked for now; counts it if so.
    fn may_ask(&self, now: Instant) -> bool {
        let (since, count) = self.asked.get();
        let (since, count) =
            if now.duration_since(since) >= Duration::from_secs(1) { (now, 0) } else { (since, count) };
        let may = count < MAX_ASKED_PER_SECOND;
        self.asked.set((since, count + u32::from(may)));
        may
    }

    fn take_idle(&self, rights: Rights) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let at = idle.iter().rposition(|connection| connection.rights == rights)?;
            let connection = idle.swap_remove(at);
            if connection.is_alive() {
                return Some(connection);
            }
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        let same = idle.iter().filter(|other| other.rights == connection.rights).count();
        if same < MAX_IDLE {
            idle.push(connection);
        }
    }
}

impl Connection {
    fn new(stream: StdStream, rights: Rights) -> Option<Connection> {
        stream.set_nonblocking(true).ok()?;
        Some(Connection { stream: UnixStream::from_std(stream).ok()?, reader: Reader::new(), rights })
    }

    /// Whether the other side has neither hung up nor said what nobody asked for.
    fn is_alive(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    async fn next(&mut self) -> Result<Line, AskError> {
        loop {
            match self.reader.next_line() {
                Ok(Some(line)) => return Ok(line),
                Ok(None) => {}
                Err(error) => return Err(AskError::Reply(error.0)),
            }
            let mut buffer = Vec::with_capacity(READ_BYTES);
            match self.stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return Err(AskError::Closed),
                Ok(_) => self.reader.feed(&buffer),
            }
        }
    }
}

impl Stream {
    /// Waits for the next line. After the end line the connection serves somebody else and this answers `Closed`.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn next(&mut self) -> Result<Line, AskError> {
        let connection = self.connection.as_mut().ok_or(AskError::Closed)?;
        let line = connection.next().await?;
        if line.is_end()
            && let Some(connection) = self.connection.take()
        {
            self.control.give_back(connection);
        }
        Ok(line)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.control.lent.set(self.control.lent.get().saturating_sub(1));
        self.control.returned.notify_waiters();
    }
}

fn size(line: &Line) -> usize {
    match line {
        Line::Data(pairs) => pairs.iter().map(|(key, value)| key.len() + value.len()).sum(),
        Line::Bytes(bytes) => bytes.len(),
        Line::Ok(text) | Line::Error(_, text) => text.len(),
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
