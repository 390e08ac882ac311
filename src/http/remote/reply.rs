//! A reply on its way to svc, and how its making stops early.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::failure::Failure;
use crate::protocol::{self, Code, Framer, Line, MAX_REQUEST_BYTES};

/// Bytes asked for at a time.
const READ_BYTES: usize = 16 * 1024;

/// Why a reply is not finished.
#[derive(Debug)]
pub enum Stop {
    /// svc is gone: there is nobody to answer.
    Gone,
    /// The server did not do it.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Stop {
        Stop::Gone
    }
}

/// Where lines go.
#[derive(Debug)]
pub struct Out(pub OwnedWriteHalf);

impl Out {
    /// Writes a line at once, waiting while svc has no room.
    ///
    /// # Errors
    /// svc is gone.
    pub async fn line(&mut self, line: &Line) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        line.write_to(&mut bytes);
        Ok(self.0.write_all(&bytes).await?)
    }

    /// Writes bytes of a log.
    ///
    /// # Errors
    /// svc is gone.
    pub async fn block(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut block = Vec::new();
        protocol::write_block(&mut block, bytes);
        Ok(self.0.write_all(&block).await?)
    }
}

/// Remembers the last failure of an item: it is the end of the reply.
#[derive(Debug, Default)]
pub struct Tally(Option<(Code, String)>);

impl Tally {
    /// Counts an item.
    pub fn note(&mut self, failure: Option<(Code, String)>) {
        self.0 = failure.or(self.0.take());
    }

    /// The end line.
    pub fn end(self) -> Line {
        self.0.map_or_else(ok, |(code, text)| Line::Error(code, text))
    }
}

/// The end of a reply that went well.
pub fn ok() -> Line {
    Line::Ok(String::new())
}

/// Where lines come from.
#[derive(Debug)]
pub struct Lines {
    reader: OwnedReadHalf,
    framer: Framer,
}

impl Lines {
    /// The lines that svc writes.
    pub fn new(reader: OwnedReadHalf) -> Lines {
        Lines { reader, framer: Framer::new() }
    }

    /// The next line without its end; `None` when svc is gone.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.framer.next_line() {
                return Some(line);
            }
            self.read().await?;
        }
    }

    /// Waits until svc is gone; what it sends meanwhile is kept.
    pub async fn hung_up(&mut self) {
        while self.framer.buffered() <= MAX_REQUEST_BYTES {
            if self.read().await.is_none() {
                return;
            }
        }
        // More than a person could mean: it is left in the socket until there is an answer.
        std::future::pending().await
    }

    async fn read(&mut self) -> Option<()> {
        let bytes = read_some(&mut self.reader).await.ok()?;
        self.framer.push(&bytes).ok().filter(|()| !bytes.is_empty())
    }
}

async fn read_some(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; READ_BYTES];
    let length = reader.read(&mut buffer).await?;
    buffer.truncate(length);
    Ok(buffer)
}
