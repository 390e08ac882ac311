//! Packets with a descriptor beside them, over a socket that keeps packets apart (SOCK_SEQPACKET). What the packets say
//! is not known here.

use std::io;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockType, getsockopt, recvmsg, send, sockopt};

/// Most descriptors taken from one packet; those that are not wanted are closed.
const MOST_DESCRIPTORS: usize = 4;

/// What a look for a packet found.
#[derive(Debug)]
pub enum Packet {
    /// So many bytes lie at the start of the buffer, with the first descriptor that came beside them.
    Came(usize, Option<OwnedFd>),
    /// A packet longer than the buffer; the rest of it is lost.
    TooLong,
    /// The other side has closed its end.
    End,
}

/// Takes one packet without waiting. Its descriptor is closed on exec.
///
/// # Errors
/// `WouldBlock` when there is none yet; else what recvmsg(2) answers.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Packet> {
    let mut space = nix::cmsg_space!([RawFd; MOST_DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = loop {
        let fd = socket.as_fd().as_raw_fd();
        match recvmsg::<()>(fd, &mut parts, Some(&mut space), receive_flags()) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    // An error says that something did not fit: out of descriptors, the kernel gives none, and the packet stands alone.
    for control in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel has just made these numbers for us and nobody else knows them.
            descriptors.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Ok(Packet::TooLong);
    }
    Ok(match message.bytes {
        0 => Packet::End,
        bytes => Packet::Came(bytes, descriptors.into_iter().next()),
    })
}

#[cfg(target_os = "linux")]
fn receive_flags() -> MsgFlags {
    MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC
}

#[cfg(not(target_os = "linux"))]
fn receive_flags() -> MsgFlags {
    MsgFlags::MSG_DONTWAIT
}

/// Sends one packet without waiting and without SIGPIPE.
///
/// # Errors
/// `WouldBlock` when there is no room; else what send(2) answers.
pub fn send_packet(socket: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let flags = MsgFlags::from_bits_retain(super::fds::SEND_FLAGS);
    loop {
        match send(socket.as_fd().as_raw_fd(), bytes, flags) {
            Err(Errno::EINTR) => {}
            other => return Ok(other.map(|_| ())?),
        }
    }
}

/// The packet socket that whoever started us left open under `number`. Call it once, before anything is opened.
///
/// # Errors
/// EBADF, ENOTSOCK; EPROTOTYPE when it is another kind of socket.
pub fn inherited_packet_socket(number: RawFd) -> io::Result<OwnedFd> {
    super::fds::set_close_on_exec(number, true)?;
    // SAFETY: it is open, as the call above has shown, and by agreement with whoever started us it is ours.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    if getsockopt(&socket, sockopt::SockType)? != SockType::SeqPacket {
        return Err(Errno::EPROTOTYPE.into());
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use nix::sys::socket::{AddressFamily, ControlMessage, SockFlag, sendmsg, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    fn send_with(socket: &OwnedFd, bytes: &[u8], descriptors: &[RawFd]) {
        let parts = [IoSlice::new(bytes)];
        let rights = [ControlMessage::ScmRights(descriptors)];
        sendmsg::<()>(socket.as_raw_fd(), &parts, &rights, MsgFlags::empty(), None).unwrap();
    }

    #[test]
    fn packet_comes_with_its_descriptor_and_works() {
        let (ours, theirs) = pair();
        let (mut near, far) = UnixStream::pair().unwrap();
        send_with(&theirs, b"hi", &[far.as_raw_fd()]);
        drop(far);
        let mut buffer = [0; 16];
        let Packet::Came(2, Some(descriptor)) = receive(&ours, &mut buffer).unwrap() else { panic!("a packet of two") };
        UnixStream::from(descriptor).write_all(b"x").unwrap();
        let mut got = [0];
        near.read_exact(&mut got).unwrap();
        assert_eq!((&got, &buffer[..2]), (b"x", &b"hi"[..]));
    }

    #[test]
    fn descriptors_nobody_asked_for_are_closed() {
        let (ours, theirs) = pair();
        let (mut near, far) = UnixStream::pair().unwrap();
        let second = far.try_clone().unwrap();
        send_with(&theirs, b"hi", &[far.as_raw_fd(), second.as_raw_fd()]);
        drop((far, second));
        let Packet::Came(2, Some(first)) = receive(&ours, &mut [0; 16]).unwrap() else { panic!("a packet of two") };
        drop(first);
        assert_eq!(near.read(&mut [0]).unwrap(), 0, "nobody holds the far end any more");
    }

    #[test]
    fn nothing_there_would_block_then_packets_in_order_then_the_end() {
        let (ours, theirs) = pair();
        let mut buffer = [0; 16];
        assert_eq!(receive(&ours, &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        send_packet(&theirs, b"one").unwrap();
        send_packet(&theirs, b"longer than the buffer is").unwrap();
        send_packet(&theirs, b"two").unwrap();
        drop(theirs);
        assert!(matches!(receive(&ours, &mut buffer).unwrap(), Packet::Came(3, None)));
        assert!(matches!(receive(&ours, &mut buffer).unwrap(), Packet::TooLong));
        assert!(matches!(receive(&ours, &mut buffer).unwrap(), Packet::Came(3, None)));
        assert!(matches!(receive(&ours, &mut buffer).unwrap(), Packet::End));
        assert!(send_packet(&ours, b"to nobody").is_err());
    }

    #[test]
    fn only_a_packet_socket_is_taken_over() {
        use std::os::fd::IntoRawFd as _;
        let (stream, _other) = UnixStream::pair().unwrap();
        assert_eq!(inherited_packet_socket(stream.into_raw_fd()).unwrap_err().raw_os_error(), Some(libc::EPROTOTYPE));
        let (packets, _other) = pair();
        assert!(inherited_packet_socket(packets.into_raw_fd()).is_ok());
    }
}
