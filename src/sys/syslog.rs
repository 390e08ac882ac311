//! Datagrams to the system log. What they say is the logs' business; a missing or returning system log is handled here.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where the system log listens.
pub const DEV_LOG: &str = "/dev/log";

/// A connection to the system log, made when first needed and again when it was lost.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    /// A system log listening at `path`; nothing is opened yet.
    pub fn new(path: impl AsRef<Path>) -> Syslog {
        Syslog { path: path.as_ref().to_path_buf(), socket: None }
    }

    /// Send one message, at once or not at all: when nobody listens or the receiver is full, it is dropped and the
    /// answer is false. A connection that broke, since the log was restarted, is made anew once.
    pub fn send(&mut self, datagram: &[u8]) -> bool {
        if let Some(socket) = &self.socket {
            match socket.send(datagram) {
                Ok(_) => return true,
                Err(error) if !is_lost(&error) => return false,
                Err(_) => self.socket = None,
            }
        }
        let Ok(socket) = connect(&self.path) else { return false };
        let sent = socket.send(datagram).is_ok();
        self.socket = Some(socket);
        sent
    }
}

/// Full and too long say nothing about the connection; everything else does.
fn is_lost(error: &io::Error) -> bool {
    !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EMSGSIZE | libc::ENOBUFS))
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing;

    fn received(log: &UnixDatagram) -> Vec<u8> {
        let mut buffer = [0; 64];
        let n = log.recv(&mut buffer).unwrap();
        buffer[..n].to_vec()
    }

    #[test]
    fn log_that_comes_goes_and_returns_gets_what_is_sent_while_it_is_there() {
        testing::alone(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log");
            let mut syslog = Syslog::new(&path);
            assert!(!syslog.send(b"nobody"));
            let first = UnixDatagram::bind(&path).unwrap();
            assert!(syslog.send(b"one"));
            assert_eq!(received(&first), b"one");
            drop(first);
            assert!(!syslog.send(b"lost"));
            std::fs::remove_file(&path).unwrap();
            let second = UnixDatagram::bind(&path).unwrap();
            assert!(syslog.send(b"two"));
            assert_eq!(received(&second), b"two");
        });
    }

    #[test]
    fn full_log_drops_instead_of_waiting_and_recovers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(&path);
        let sent = (0..100_000).take_while(|_| syslog.send(b"x")).count();
        assert!(sent > 0 && sent < 100_000);
        received(&log);
        assert!(syslog.send(b"y"));
    }
}
