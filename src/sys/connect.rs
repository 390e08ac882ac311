//! Connections that are begun and not waited for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use libc::c_int;
use nix::sys::socket::{SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage, getpeername, getsockname};

use super::call::check;
use super::socket::{stream_socket, with_address};

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is made.
    Connected,
    /// When it can be written to, [`outcome`] tells.
    UnderWay,
}

/// Begin a connection to an address. The descriptor does not block and is closed on exec.
///
/// # Errors
/// What connect(2) answers at once, such as ECONNREFUSED, ENETUNREACH; EMFILE.
pub fn tcp(address: SocketAddr) -> io::Result<(OwnedFd, Begun)> {
    match address {
        SocketAddr::V4(address) => tcp_to(libc::AF_INET, &SockaddrIn::from(address)),
        SocketAddr::V6(address) => tcp_to(libc::AF_INET6, &SockaddrIn6::from(address)),
    }
}

fn tcp_to(family: c_int, address: &impl SockaddrLike) -> io::Result<(OwnedFd, Begun)> {
    let socket = stream_socket(family)?;
    // SAFETY: the address is filled and as long as it says.
    let result = check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr(), address.len()) });
    begun(socket, result)
}

/// Begin a connection to the socket at a path. The descriptor does not block and is closed on exec.
///
/// # Errors
/// ENAMETOOLONG; EAGAIN when more wait there than may; what else connect(2) answers.
pub fn unix(path: &Path) -> io::Result<(OwnedFd, Begun)> {
    let socket = stream_socket(libc::AF_UNIX)?;
    let result = with_address(path, |address, length| {
        // SAFETY: `with_address` gives a filled address and its length.
        check(unsafe { libc::connect(socket.as_raw_fd(), address, length) })
    });
    begun(socket, result)
}

fn begun(socket: OwnedFd, result: io::Result<c_int>) -> io::Result<(OwnedFd, Begun)> {
    match result {
        Ok(_) => Ok((socket, Begun::Connected)),
        // A signal does not break it off.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => {
            Ok((socket, Begun::UnderWay))
        }
        Err(error) => Err(error),
    }
}

/// What became of a connection that can be written to.
///
/// # Errors
/// Why it was not made.
pub fn outcome(connection: impl AsFd) -> io::Result<()> {
    let mut error: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let fd = connection.as_fd().as_raw_fd();
    // SAFETY: `error` has room for `length` bytes.
    check(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast(), &raw mut length) })?;
    if error == 0 && is_with_itself(fd) {
        error = libc::ECONNREFUSED;
    }
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Whether a connection has the same address at both ends: nobody listens on a port of this machine, and the system happened to choose
/// that one for us.
fn is_with_itself(fd: RawFd) -> bool {
    let own = getsockname::<SockaddrStorage>(fd);
    own.is_ok() && own == getpeername::<SockaddrStorage>(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use crate::sys::poll::{Interest, Poll};

    fn finished((socket, begun): (OwnedFd, Begun)) -> io::Result<()> {
        if begun == Begun::UnderWay {
            let mut poll = Poll::new();
            poll.set(0, socket.as_raw_fd(), Interest::WRITE);
            poll.wait(None, &mut Vec::new())?;
        }
        outcome(&socket)
    }

    #[test]
    fn address_with_a_listener_is_connected_and_without_refused() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let address = listener.local_addr().unwrap();
            assert!(tcp(address).and_then(finished).is_ok());
            drop(listener);
            let error = tcp(address).and_then(finished).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
        }
    }

    #[test]
    fn connection_with_itself_is_none() {
        use nix::sys::socket::{bind, connect};
        let socket = stream_socket(libc::AF_INET).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let own = getsockname::<SockaddrIn>(socket.as_raw_fd()).unwrap();
        let _ = connect(socket.as_raw_fd(), &own);
        assert_eq!(finished((socket, Begun::UnderWay)).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    }

    #[test]
    fn path_with_a_listener_is_connected_and_others_tell_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let code = |path: &Path| unix(path).and_then(finished).unwrap_err().raw_os_error();
        assert_eq!(code(&path), Some(libc::ENOENT));
        let listener = UnixListener::bind(&path).unwrap();
        assert!(unix(&path).and_then(finished).is_ok());
        drop(listener);
        assert_eq!(code(&path), Some(libc::ECONNREFUSED));
        assert_eq!(code(Path::new(&"x".repeat(300))), Some(libc::ENAMETOOLONG));
    }
}
