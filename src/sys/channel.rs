//! Packets between us and one child, with at most one descriptor beside each; and connections without a listener.
//!
//! Where the kernel has no packets that know their end (macOS), there is no such channel.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::c_int;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::call::{check, count};
use super::fds::{self, Read, Written};

/// A channel of packets: our end, which does not block, and the child's, which does. Both are closed on exec.
///
/// # Errors
/// EMFILE or ENFILE; EPROTONOSUPPORT where there is no such channel.
pub fn packets() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pair(libc::SOCK_SEQPACKET)?;
    fds::set_nonblocking(&ours, true)?;
    Ok((ours, theirs))
}

/// Both ends of a stream, neither of which blocks. Both are closed on exec.
///
/// # Errors
/// EMFILE or ENFILE.
pub fn streams() -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = pair(libc::SOCK_STREAM)?;
    fds::set_nonblocking(&one, true)?;
    fds::set_nonblocking(&other, true)?;
    Ok((one, other))
}

fn pair(kind: c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    #[cfg(not(target_vendor = "apple"))]
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: `ends` is room for the two numbers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) })?;
    let [one, other] = ends;
    // SAFETY: the call succeeded, so both are open descriptors nobody else owns yet.
    let pair = unsafe { (OwnedFd::from_raw_fd(one), OwnedFd::from_raw_fd(other)) };
    #[cfg(target_vendor = "apple")]
    {
        fds::set_close_on_exec(one, true)?;
        fds::set_close_on_exec(other, true)?;
    }
    Ok(pair)
}

/// Send one packet, whole or not at all, with a copy of a descriptor beside it. Never waits and never raises SIGPIPE.
///
/// # Errors
/// ETOOMANYREFS when too many descriptors are under way, ENOBUFS, EMSGSIZE.
pub fn send(channel: impl AsFd, packet: &[u8], beside: Option<BorrowedFd>) -> io::Result<Written> {
    let rights = beside.map(|fd| [fd.as_raw_fd()]);
    let messages = rights.as_ref().map(|rights| [ControlMessage::ScmRights(rights)]);
    let messages = messages.as_ref().map_or(&[][..], |messages| messages);
    let flags = MsgFlags::from_bits_retain(fds::SEND_FLAGS);
    let sent = sendmsg::<()>(channel.as_fd().as_raw_fd(), &[IoSlice::new(packet)], messages, flags, None);
    match fds::write_outcome(sent.map_err(io::Error::from)) {
        // Nobody is at the other end any more.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTCONN | libc::ECONNREFUSED)) => Ok(Written::Gone),
        outcome => outcome,
    }
}

/// Look at the first bytes of a connection and leave them there.
///
/// # Errors
/// As [`fds::read`].
pub fn peek(connection: impl AsFd, buffer: &mut [u8]) -> io::Result<Read> {
    let fd = connection.as_fd().as_raw_fd();
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the buffer is valid for writes of its own length during the call.
    fds::read_outcome(count(|| unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), flags) }))
}

/// How much of what was sent over a channel waits to be received, in the kernel's own measure; 0 = nothing.
#[cfg(target_os = "linux")]
pub fn unread(channel: impl AsFd) -> usize {
    let mut waiting: c_int = 0;
    // SAFETY: `waiting` is room for the answer.
    match unsafe { libc::ioctl(channel.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut waiting) } {
        0 => usize::try_from(waiting).unwrap_or(0),
        _ => 0,
    }
}

/// Whether anything can be sent over a channel: 0, or 1 = it is full. How much waits is not known here.
#[cfg(not(target_os = "linux"))]
pub fn unread(channel: impl AsFd) -> usize {
    let mut look = libc::pollfd { fd: channel.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, valid during the call, which does not wait.
    usize::from(unsafe { libc::poll(&raw mut look, 1, 0) } == 0)
}

/// Say that nothing more will be sent.
pub fn end_writing(connection: impl AsFd) {
    // A connection that is gone needs no telling.
    // SAFETY: takes numbers only.
    unsafe { libc::shutdown(connection.as_fd().as_raw_fd(), libc::SHUT_WR) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    fn receive(channel: &OwnedFd) -> (Vec<u8>, Option<OwnedFd>) {
        use nix::sys::socket::{ControlMessageOwned, recvmsg};
        let mut bytes = [0; 100];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let mut places = [io::IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(channel.as_raw_fd(), &mut places, Some(&mut space), MsgFlags::empty()).unwrap();
        let beside = message.cmsgs().unwrap().find_map(|message| match message {
            // SAFETY: just received, and nobody else owns it.
            ControlMessageOwned::ScmRights(fds) => Some(unsafe { OwnedFd::from_raw_fd(fds[0]) }),
            _ => None,
        });
        let count = message.bytes;
        (bytes[..count].to_vec(), beside)
    }

    #[test]
    fn packet_arrives_whole_with_its_descriptor_and_the_next_one_without() {
        let (ours, theirs) = packets().unwrap();
        let (mut one, other) = UnixStream::pair().unwrap();
        assert_eq!(send(&ours, b"here", Some(other.as_fd())).unwrap(), Written::Bytes(4));
        assert_eq!(send(&ours, b"alone", None).unwrap(), Written::Bytes(5));
        assert!(unread(&ours) > 0);
        drop(other);
        let (bytes, beside) = receive(&theirs);
        assert_eq!(bytes, b"here");
        one.write_all(b"x").unwrap();
        let mut byte = [0];
        UnixStream::from(beside.unwrap()).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
        let (bytes, beside) = receive(&theirs);
        assert!(bytes == b"alone" && beside.is_none());
        assert_eq!(unread(&ours), 0);
        drop(theirs);
        assert_eq!(send(&ours, b"gone", None).unwrap(), Written::Gone);
    }

    #[test]
    fn full_channel_would_block() {
        let (ours, _theirs) = packets().unwrap();
        let packet = [b'x'; 1000];
        let sent = (0..100_000).take_while(|_| send(&ours, &packet, None).unwrap() == Written::Bytes(1000)).count();
        assert!(sent > 0 && sent < 100_000, "{sent}");
        assert_eq!(send(&ours, &packet, None).unwrap(), Written::WouldBlock);
    }

    #[test]
    fn peeked_byte_is_still_there() {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut byte = [0];
        assert_eq!(peek(&other, &mut byte).unwrap(), Read::WouldBlock);
        one.write_all(b"GET").unwrap();
        assert_eq!(peek(&other, &mut byte).unwrap(), Read::Bytes(1));
        assert_eq!(peek(&other, &mut byte).unwrap(), Read::Bytes(1));
        assert_eq!(&byte, b"G");
        end_writing(&one);
        let mut all = String::new();
        (&other).read_to_string(&mut all).unwrap();
        assert_eq!(all, "GET");
        assert_eq!(peek(&other, &mut byte).unwrap(), Read::End);
    }
}
