//! Listening sockets that visor makes for its programs and never accepts on.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::failure::failure;
use super::socket::with_mode;

/// A TCP socket that listens on `host:port`, for a program: blocking, closed on exec. The host is a number or `localhost`:
/// asking a name server could take long, and this is called where nothing may.
///
/// # Errors
/// `Unsupported` for another name; what bind(2) or listen(2) answers.
pub fn listen_tcp(address: &str, backlog: Option<i32>) -> io::Result<OwnedFd> {
    let local = address.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let number = local.as_deref().unwrap_or(address);
    let number: std::net::SocketAddr = number.parse().map_err(|_| {
        failure(io::ErrorKind::Unsupported, "names of hosts are not looked up, use a number or `localhost`")
    })?;
    let socket = std::net::TcpListener::bind(number)?;
    listen_again(&socket, backlog)?;
    Ok(socket.into())
}

/// A Unix socket that listens at `path`, for a program: blocking, closed on exec. A socket that is there already is
/// replaced; anything else is not.
///
/// # Errors
/// `AlreadyExists` for what is no socket; what bind(2) or chown(2) answers.
pub fn listen_unix(
    path: &Path,
    mode: Option<u32>,
    owner: (Option<u32>, Option<u32>),
    backlog: Option<i32>,
) -> io::Result<OwnedFd> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(failure(io::ErrorKind::AlreadyExists, "something that is no socket is there")),
        Err(_) => {}
    }
    let bind = || std::os::unix::net::UnixListener::bind(path);
    let socket = mode.map_or_else(bind, |mode| with_mode(mode, bind))?;
    if owner != (None, None) {
        std::os::unix::fs::lchown(path, owner.0, owner.1)?;
    }
    listen_again(&socket, backlog)?;
    Ok(socket.into())
}

/// Gives a listening socket another backlog than the library's.
fn listen_again(socket: impl AsFd, backlog: Option<i32>) -> io::Result<()> {
    let Some(backlog) = backlog else { return Ok(()) };
    // SAFETY: takes two numbers.
    super::call::check(unsafe { libc::listen(socket.as_fd().as_raw_fd(), backlog) }).map(drop)
}
