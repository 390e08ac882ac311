//! A connection to visor's control socket.
//!
//! Owns: connecting, sending a [`Request`], reading its reply, time limits. Does not own: the words of people, and which
//! socket is the right one.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::protocol::{Code, Line, Reader, ReplyError, Request, RequestError};

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 16 * 1024;
/// Asks visor for its name, and ends the head of a request for everybody who speaks HTTP.
const PROBE: &[u8] = b"hello\r\n\r\n";
/// How long somebody may take to answer [`PROBE`].
const PROBE_PATIENCE: Duration = Duration::from_secs(30);

/// One connection; requests on it are answered in order.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    reader: Reader,
}

/// How a reply ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All well, with an optional text.
    Ok(String),
    /// It failed.
    Error(Code, String),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// No such socket.
    NotFound,
    /// The socket is there and nobody listens.
    Refused,
    /// We may not use this socket.
    NotPermitted,
    /// The other side hung up.
    Closed,
    /// No answer within the time set.
    TimedOut,
    /// The other side does not speak visor's language; the reason.
    Protocol(String),
    /// It answered that it cannot or will not deal with us.
    Failed(Code, String),
    /// The request cannot be written as a line.
    Request(RequestError),
    /// Anything else the system says.
    Io(io::Error),
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::Refused`], [`ClientError::NotPermitted`] or [`ClientError::Io`].
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        let stream = UnixStream::connect(path)?;
        Ok(Client { stream, reader: Reader::new() })
    }

    /// Speaks over a connection that somebody else made.
    #[must_use]
    pub fn over(stream: UnixStream) -> Client {
        Client { stream, reader: Reader::new() }
    }

    /// Whether the other side speaks visor's language; afterwards the connection is as it was when it does, and of no use when it does not.
    ///
    /// What is asked is harmless to both: visor answers `hello` and refuses the empty line after it; a server of HTTP sees the end of a head without
    /// a request line in it, answers in its own language or hangs up, and does nothing.
    ///
    /// # Errors
    /// [`ClientError::Failed`] when visor wants nothing to do with us; [`ClientError::TimedOut`] after 30 s; [`ClientError::Io`].
    pub fn is_understood(&mut self) -> Result<bool, ClientError> {
        self.set_timeout(Some(PROBE_PATIENCE))?;
        let understood = match self.probe() {
            Ok(()) => true,
            Err(ClientError::Closed | ClientError::Protocol(_)) => false,
            Err(error) => return Err(error),
        };
        self.set_timeout(None)?;
        Ok(understood)
    }

    fn probe(&mut self) -> Result<(), ClientError> {
        self.send_line(PROBE)?;
        let end = self.end_of_reply()?;
        if let End::Error(code, text) = end {
            return Err(ClientError::Failed(code, text));
        }
        self.end_of_reply().map(drop)
    }

    fn end_of_reply(&mut self) -> Result<End, ClientError> {
        self.rest_of_reply(&mut |_| {})
    }

    /// Sends a line that is no request.
    ///
    /// # Errors
    /// [`ClientError::Closed`], [`ClientError::TimedOut`], [`ClientError::Io`].
    pub fn send_line(&mut self, line: &[u8]) -> Result<(), ClientError> {
        Ok(self.stream.write_all(line)?)
    }

    /// The longest time one read or write may take; `None` = for ever, as it is at first.
    ///
    /// # Errors
    /// What the system says; a duration of zero is refused.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        self.stream.set_read_timeout(timeout)?;
        self.stream.set_write_timeout(timeout)?;
        Ok(())
    }

    /// Sends a request. Several may be sent before the first reply is read.
    ///
    /// # Errors
    /// [`ClientError::Request`] when it cannot be said, [`ClientError::Closed`], [`ClientError::TimedOut`],
    /// [`ClientError::Io`].
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let line = request.to_line().map_err(ClientError::Request)?;
        self.stream.write_all(&line)?;
        Ok(())
    }

    /// Waits for the next line of the reply.
    ///
    /// # Errors
    /// [`ClientError::Closed`] when no more lines come, [`ClientError::TimedOut`], [`ClientError::Protocol`],
    /// [`ClientError::Io`].
    pub fn next_line(&mut self) -> Result<Line, ClientError> {
        loop {
            if let Some(line) = self.buffered_line()? {
                return Ok(line);
            }
            self.read_once()?;
        }
    }

    /// The next line if it was read already.
    ///
    /// # Errors
    /// [`ClientError::Protocol`].
    pub fn buffered_line(&mut self) -> Result<Option<Line>, ClientError> {
        Ok(self.reader.next_line()?)
    }

    /// Reads once, for callers that polled the descriptor; take what came with [`Client::buffered_line`].
    ///
    /// # Errors
    /// [`ClientError::Closed`] at the end, [`ClientError::TimedOut`], [`ClientError::Io`].
    pub fn read_once(&mut self) -> Result<(), ClientError> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(length) => {
                    self.reader.feed(buffer.get(..length).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a request and gives each data line and block of its reply to `each` as it comes.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Client::next_line`].
    pub fn ask(&mut self, request: &Request, each: &mut dyn FnMut(Line)) -> Result<End, ClientError> {
        self.send(request)?;
        self.rest_of_reply(each)
    }

    /// Gives each line of the reply that comes to `each`, up to its end.
    ///
    /// # Errors
    /// As [`Client::next_line`].
    pub fn rest_of_reply(&mut self, each: &mut dyn FnMut(Line)) -> Result<End, ClientError> {
        loop {
            match self.next_line()? {
                Line::Ok(text) => return Ok(End::Ok(text)),
                Line::Error(code, text) => return Ok(End::Error(code, text)),
                line @ (Line::Data(_) | Line::Bytes(_)) => each(line),
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::NotFound => ClientError::NotFound,
            io::ErrorKind::ConnectionRefused => ClientError::Refused,
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
                ClientError::Closed
            }
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::TimedOut,
            _ => ClientError::Io(error),
        }
    }
}

impl From<ReplyError> for ClientError {
    fn from(error: ReplyError) -> ClientError {
        ClientError::Protocol(error.0)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::NotFound => f.write_str("no such file"),
            ClientError::Refused => f.write_str("connection refused"),
            ClientError::NotPermitted => f.write_str("permission denied"),
            ClientError::Closed => f.write_str("the connection was closed before the answer was complete"),
            ClientError::TimedOut => f.write_str("no answer in time"),
            ClientError::Protocol(text) | ClientError::Failed(_, text) => f.write_str(text),
            ClientError::Request(error) => write!(f, "{error}"),
            ClientError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ClientError {}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    #[test]
    fn missing_socket_is_not_found_and_one_nobody_listens_on_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        assert!(matches!(Client::connect(&path), Err(ClientError::NotFound)));
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(Client::connect(&path), Err(ClientError::Refused)));
    }

    /// A server that reads until it saw `lines` lines, answers with `reply` and hangs up.
    fn serve(lines: usize, reply: &'static [u8]) -> (tempfile::TempDir, Client, thread::JoinHandle<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            while got.iter().filter(|&&byte| byte == b'\n').count() < lines {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                got.extend(byte);
            }
            peer.write_all(reply).unwrap();
            got
        });
        let client = Client::connect(&path).unwrap();
        (folder, client, server)
    }

    #[test]
    fn reply_comes_line_by_line_then_its_end() {
        let (_folder, mut client, server) = serve(1, b" pid=7\n bytes=2\nhi\nok fine\n");
        let mut lines = Vec::new();
        let end = client.ask(&Request::Hello, &mut |line| lines.push(line)).unwrap();
        assert_eq!(end, End::Ok("fine".to_owned()));
        assert_eq!(lines.len(), 2);
        assert_eq!(server.join().unwrap(), b"hello\n");
    }

    #[test]
    fn hang_up_in_mid_reply_is_closed_and_foreign_speech_is_protocol() {
        let (_folder, mut client, _server) = serve(1, b" pid=7\n");
        assert!(matches!(client.ask(&Request::Hello, &mut |_| {}), Err(ClientError::Closed)));
        let (_folder, mut client, _server) = serve(1, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert!(matches!(client.ask(&Request::Hello, &mut |_| {}), Err(ClientError::Protocol(_))));
    }

    #[test]
    fn visor_is_told_from_whoever_speaks_http_by_a_harmless_question() {
        let replies = b" program=visor\nok\nerror bad-request empty\n";
        let (_folder, mut client, server) = serve(2, replies);
        assert!(client.is_understood().unwrap());
        assert_eq!(server.join().unwrap(), b"hello\r\n\r\n");
        for foreign in [&b""[..], b"HTTP/1.0 400 Bad Request\r\n\r\n"] {
            let (_folder, mut client, _server) = serve(2, foreign);
            assert!(!client.is_understood().unwrap());
        }
        let (_folder, mut client, _server) = serve(2, b"error busy too many\n");
        assert!(matches!(client.is_understood(), Err(ClientError::Failed(Code::Busy, _))));
    }

    #[test]
    fn silent_peer_times_out_when_a_time_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut client = Client::connect(&path).unwrap();
        client.set_timeout(Some(Duration::from_millis(10))).unwrap();
        assert!(matches!(client.ask(&Request::Hello, &mut |_| {}), Err(ClientError::TimedOut)));
    }

    #[test]
    fn unspeakable_request_is_told_before_anything_is_sent() {
        let (_folder, mut client, server) = serve(1, b"ok\n");
        let error = client.ask(&Request::Restart(Vec::new()), &mut |_| {}).unwrap_err();
        assert!(matches!(error, ClientError::Request(_)));
        client.ask(&Request::Reopen, &mut |_| {}).unwrap();
        assert_eq!(server.join().unwrap(), b"reopen\n");
    }
}
