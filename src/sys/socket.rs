//! Listening sockets: those of files bound without a race, never wider than their mode, removed only while ours. What is said
//! over a connection is not known here.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use libc::c_int;

use super::call::{c_string, check, count};
use super::{fds, process};

pub use super::fds::{Read, Written, read};

/// Connections that the kernel keeps until we accept them; the kernel lowers it to its own limit.
const BACKLOG: c_int = 1024;
/// How often, and how long between, the lock on the directory is tried before going on without it: somebody may hold
/// it out of malice, and then a rare race is better than not to start.
const LOCK_TRIES: u32 = 50;
const LOCK_NAP: Duration = Duration::from_millis(20);

/// Groups that most have no more of, and the most that the kernel has room for.
#[cfg(target_os = "linux")]
const USUAL_GROUPS: usize = 64;
#[cfg(target_os = "linux")]
const MOST_GROUPS: usize = 65_536;

/// The longest path of a socket, in bytes.
pub const LONGEST_PATH: usize = {
    // SAFETY: an address is plain numbers; all zeros is a valid value.
    let address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_path.len() - 1
};

/// Why a socket could not be bound. In every case what was at the path before is still there, unless it was a socket
/// that nobody listened on.
#[derive(Debug)]
pub enum BindError {
    /// Somebody answers there.
    InUse,
    /// Something other than a socket is there; it is never removed.
    NotASocket,
    /// The path has this many bytes, more than [`LONGEST_PATH`].
    TooLong(usize),
    /// The owner could not be given to it.
    NotPermitted(io::Error),
    /// Anything else.
    Io(io::Error),
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        BindError::Io(error)
    }
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            BindError::InUse => write!(f, "another program is already listening there"),
            BindError::NotASocket => write!(f, "something that is not a socket is there"),
            BindError::TooLong(bytes) => {
                write!(f, "AF_UNIX path too long: {bytes} bytes, at most {LONGEST_PATH} are possible")
            }
            BindError::NotPermitted(cause) => write!(f, "not permitted to set its owner: {cause}"),
            BindError::Io(cause) => write!(f, "{cause}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Who is at the other end of a connection, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its pid when it connected; 0 when it is not known here. Only to be shown: it may be somebody else's by now.
    pub pid: i32,
    /// Its user id.
    pub uid: u32,
    /// Its primary group id.
    pub gid: u32,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This machine, by a Unix socket.
    Local(Peer),
    /// This address.
    Remote(IpAddr),
}

/// The file of a socket.
#[derive(Debug)]
struct Bound {
    path: PathBuf,
    /// Device and inode of the file we bound.
    identity: (u64, u64),
}

/// A listening socket. Dropping it removes its file if it has one and that is still ours.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    /// `None` = it listens on a port.
    file: Option<Bound>,
    /// Given up for a moment when no descriptor is left, to take a connection and close it.
    spare: Option<OwnedFd>,
}

impl Listener {
    /// Listen at `path` with that mode and owner (uid, gid; `None`: ours). A socket there that refuses connections was
    /// left over and is replaced. Two that start at once are kept apart by a lock on the directory. The umask of the
    /// process is changed meanwhile: only while there is one thread. A relative path is made absolute. While another
    /// starter holds the lock this waits, at most a second.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(path: &Path, mode: u32, owner: (Option<u32>, Option<u32>)) -> Result<Listener, BindError> {
        let path = process::absolute(path)?;
        let bytes = path.as_os_str().len();
        if bytes > LONGEST_PATH {
            return Err(BindError::TooLong(bytes));
        }
        let c_path = c_string(path.as_os_str().as_bytes())?;
        let _lock = lock_directory(&path);
        clear_stale(&path)?;
        let socket = stream_socket(libc::AF_UNIX)?;
        bind_with_mode(&socket, &path, mode)?;
        // From here on a failure removes the file, which is ours.
        let identity = file_identity(&path).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        let listener = Listener { socket, file: Some(Bound { path, identity }), spare: fds::null().ok() };
        give_away(&c_path, owner)?;
        // SAFETY: takes numbers only.
        check(unsafe { libc::listen(listener.socket.as_raw_fd(), BACKLOG) })?;
        Ok(listener)
    }

    /// Listen on a TCP port.
    ///
    /// # Errors
    /// [`BindError::InUse`]; what bind(2) or listen(2) answers.
    pub fn bind_port(address: SocketAddr) -> Result<Listener, BindError> {
        let bind = || -> io::Result<TcpListener> {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            // SAFETY: takes two numbers.
            check(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
            Ok(socket)
        };
        match bind() {
            Ok(socket) => Ok(Listener { socket: socket.into(), file: None, spare: fds::null().ok() }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse),
            Err(error) => Err(BindError::Io(error)),
        }
    }

    /// The descriptor that is readable when somebody connects.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Take one connection, non-blocking and closed on exec; `None` when nobody waits.
    ///
    /// # Errors
    /// EMFILE or ENFILE: no descriptor is left. The connection that waited was closed, so that it does not wake us for
    /// ever, unless even that was impossible. ENOMEM and the like. After an error do not poll this descriptor for a
    /// while.
    pub fn accept(&mut self) -> io::Result<Option<(OwnedFd, Origin)>> {
        loop {
            match accept_one(&self.socket) {
                // A peer that cannot be asked for is nobody: drop it and see who is next.
                Ok(connection) => {
                    if let Ok(accepted) = self.with_origin(connection) {
                        return Ok(Some(accepted));
                    }
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Ok(None),
                    Some(libc::EINTR | libc::ECONNABORTED | libc::EPROTO) => {}
                    Some(libc::EMFILE | libc::ENFILE) => {
                        return if self.nobody_waits() { Ok(None) } else { Err(error) };
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    fn with_origin(&self, connection: OwnedFd) -> io::Result<(OwnedFd, Origin)> {
        if self.file.is_some() {
            let peer = peer(&connection)?;
            return Ok((connection, Origin::Local(peer)));
        }
        let stream = TcpStream::from(connection);
        let address = stream.peer_addr()?;
        Ok((stream.into(), Origin::Remote(address.ip())))
    }

    /// Without a free descriptor the kernel does not even look whether somebody waits. Look, in the spare one's place;
    /// whoever is there is closed.
    fn nobody_waits(&mut self) -> bool {
        let had_spare = self.spare.take().is_some();
        let looked = accept_one(&self.socket);
        let nobody = matches!(&looked, Err(error) if fds::would_block(error));
        drop(looked);
        self.spare = fds::null().ok();
        had_spare && nobody
    }

    /// Whether the file at our path is still the one we bound, if there is one. A cleaner of temporary files may have removed it.
    pub fn is_in_place(&self) -> bool {
        self.file.as_ref().is_none_or(Bound::is_in_place)
    }

    /// Remove the file if it is still ours, and stop listening.
    pub fn unlink(self) {}
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|file| file.is_in_place()) {
            // Nothing can be done about a failure: the next start takes the stale file over.
            let _ = std::fs::remove_file(&file.path);
        }
    }
}

impl Bound {
    fn is_in_place(&self) -> bool {
        file_identity(&self.path) == Some(self.identity)
    }
}

/// Hold the directory of `path` against other starters until dropped. `None` where it cannot be opened or stays taken.
fn lock_directory(path: &Path) -> Option<File> {
    let directory = File::open(path.parent()?).ok()?;
    for _ in 0..LOCK_TRIES {
        // SAFETY: takes numbers only.
        if unsafe { libc::flock(directory.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Some(directory);
        }
        std::thread::sleep(LOCK_NAP);
    }
    None
}

fn file_identity(path: &Path) -> Option<(u64, u64)> {
    let facts = std::fs::symlink_metadata(path).ok()?;
    facts.file_type().is_socket().then(|| (facts.dev(), facts.ino()))
}

/// Remove a socket that nobody listens on; anything else that is there is an error.
fn clear_stale(path: &Path) -> Result<(), BindError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(facts) if !facts.file_type().is_socket() => return Err(BindError::NotASocket),
        Ok(_) => {}
    }
    // Non-blocking: one that is alive but never accepts has a full backlog, and answers EAGAIN instead of holding us.
    match with_address(path, |address, length| {
        let probe = stream_socket(libc::AF_UNIX)?;
        // SAFETY: `with_address` gives a filled address and its length.
        check(unsafe { libc::connect(probe.as_raw_fd(), address, length) })
    }) {
        Ok(_) => Err(BindError::InUse),
        Err(error) => match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => Ok(std::fs::remove_file(path)?),
            Some(libc::ENOENT) => Ok(()),
            // EPROTOTYPE: alive, but of another kind.
            Some(libc::EAGAIN | libc::EINPROGRESS | libc::EPROTOTYPE) => Err(BindError::InUse),
            _ => Err(error.into()),
        },
    }
}

/// Bind so that the file has its mode from the beginning; nobody connects before it listens. A chmod afterwards would follow a
/// link that its new owner put there meanwhile.
fn bind_with_mode(socket: &OwnedFd, path: &Path, mode: u32) -> Result<(), BindError> {
    let bound = with_mode(mode, || {
        with_address(path, |address, length| {
            // SAFETY: `with_address` gives a filled address and its length.
            check(unsafe { libc::bind(socket.as_raw_fd(), address, length) })
        })
    });
    match bound {
        Ok(_) => Ok(()),
        // Somebody without the lock was quicker.
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Err(BindError::InUse),
        Err(error) => Err(error.into()),
    }
}

/// What `bind` makes has that mode, whatever our umask is.
pub(super) fn with_mode<T>(mode: u32, bind: impl FnOnce() -> T) -> T {
    const PERMISSIONS: u32 = 0o777;
    let old = process::set_umask(!mode & PERMISSIONS);
    let bound = bind();
    process::set_umask(old);
    bound
}

/// Gives the file its owner; a link is not followed.
fn give_away(path: &CString, (uid, gid): (Option<u32>, Option<u32>)) -> Result<(), BindError> {
    // The number that chown(2) takes for "leave it".
    const SAME: u32 = u32::MAX;
    if uid.is_some() || gid.is_some() {
        // SAFETY: the path is a C string.
        check(unsafe { libc::lchown(path.as_ptr(), uid.unwrap_or(SAME), gid.unwrap_or(SAME)) })
            .map_err(BindError::NotPermitted)?;
    }
    Ok(())
}

/// Call with the address of `path`, which has at most [`LONGEST_PATH`] bytes.
pub(super) fn with_address<T>(
    path: &Path,
    call: impl FnOnce(*const libc::sockaddr, libc::socklen_t) -> io::Result<T>,
) -> io::Result<T> {
    // SAFETY: an address is plain numbers; all zeros is a valid value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > LONGEST_PATH {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (place, &byte) in address.sun_path.iter_mut().zip(bytes) {
        *place = byte as libc::c_char;
    }
    call((&raw const address).cast(), size_of::<libc::sockaddr_un>() as libc::socklen_t)
}

/// A stream socket, non-blocking and closed on exec.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn stream_socket(family: c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: just opened, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A stream socket, non-blocking and closed on exec.
#[cfg(target_vendor = "apple")]
pub(super) fn stream_socket(family: c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM, 0) })?;
    // SAFETY: just opened, and nobody else owns it.
    quiet(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(target_vendor = "apple")]
fn quiet(fd: OwnedFd) -> io::Result<OwnedFd> {
    fds::set_nonblocking(&fd, true)?;
    fds::set_close_on_exec(fd.as_raw_fd(), true)?;
    Ok(fd)
}

fn accept_one(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let (nobody, no_length) = (std::ptr::null_mut(), std::ptr::null_mut());
    #[cfg(not(target_vendor = "apple"))]
    // SAFETY: null pointers say that the address is not wanted.
    let fd = check(unsafe {
        libc::accept4(listener.as_raw_fd(), nobody, no_length, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
    })?;
    #[cfg(target_vendor = "apple")]
    // SAFETY: null pointers say that the address is not wanted.
    let fd = check(unsafe { libc::accept(listener.as_raw_fd(), nobody, no_length) })?;
    // SAFETY: just opened, and nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    #[cfg(target_vendor = "apple")]
    let fd = quiet(fd)?;
    Ok(fd)
}

/// Who is at the other end.
///
/// # Errors
/// ENOTCONN and ENOTSOCK for what is no connection.
#[cfg(target_os = "linux")]
pub fn peer(connection: impl AsFd) -> io::Result<Peer> {
    let mut found = MaybeUninit::<libc::ucred>::zeroed();
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `found` has room for `length` bytes; three numbers, for which all zeros is valid too.
    let found = unsafe {
        let fd = connection.as_fd().as_raw_fd();
        let place = found.as_mut_ptr().cast();
        check(libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut length))?;
        found.assume_init()
    };
    Ok(Peer { pid: found.pid, uid: found.uid, gid: found.gid })
}

/// Who is at the other end, without its pid.
///
/// # Errors
/// ENOTCONN and ENOTSOCK for what is no connection.
#[cfg(not(target_os = "linux"))]
pub fn peer(connection: impl AsFd) -> io::Result<Peer> {
    let (mut uid, mut gid) = (MaybeUninit::zeroed(), MaybeUninit::zeroed());
    // SAFETY: both are room for one id.
    unsafe {
        check(libc::getpeereid(connection.as_fd().as_raw_fd(), uid.as_mut_ptr(), gid.as_mut_ptr()))?;
        Ok(Peer { pid: 0, uid: uid.assume_init(), gid: gid.assume_init() })
    }
}

/// The groups of who is at the other end, its primary one not always among them; none where the kernel does not tell.
#[cfg(target_os = "linux")]
pub fn peer_groups(connection: impl AsFd) -> Vec<u32> {
    let fd = connection.as_fd().as_raw_fd();
    let mut groups: Vec<libc::gid_t> = vec![0; USUAL_GROUPS];
    for _ in 0..2 {
        let mut length = size_of_val(groups.as_slice()) as libc::socklen_t;
        // SAFETY: `groups` has room for `length` bytes, and any bytes are numbers.
        let got = check(unsafe {
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERGROUPS, groups.as_mut_ptr().cast(), &raw mut length)
        });
        let count = (length as usize / size_of::<libc::gid_t>()).min(MOST_GROUPS);
        match got {
            Ok(_) => {
                groups.truncate(count);
                return groups;
            }
            // There are more: the kernel has said how many.
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) => groups.resize(count, 0),
            Err(_) => break,
        }
    }
    Vec::new()
}

/// The groups of who is at the other end; this system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn peer_groups(_connection: impl AsFd) -> Vec<u32> {
    Vec::new()
}

/// Send as much of `bytes` as there is room for, never waiting and never raising SIGPIPE.
///
/// # Errors
/// As [`fds::write`]; ENOTSOCK for what is no socket.
pub fn write(socket: impl AsFd, bytes: &[u8]) -> io::Result<Written> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the bytes are valid for reads of their own length during the call.
    fds::write_outcome(count(|| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), fds::SEND_FLAGS) }))
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
