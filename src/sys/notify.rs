//! A socket to which programs send short messages about themselves, and who sent them as the kernel says.
//!
//! It has no file: the kernel gives it a name that nobody else has. Where there are no such names (not Linux), there is no such socket.

use std::io;
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
pub use linux::{open, receive};

/// One message; its text is in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Who sent it; 0 = nobody of our namespace.
    pub pid: i32,
    /// Its user id.
    pub uid: u32,
    /// Bytes in the buffer.
    pub length: usize,
    /// It was longer than the buffer.
    pub cut: bool,
}

/// Make a socket: it does not block and is closed on exec. Beside it the name by which others find it, as `NOTIFY_SOCKET` has it.
///
/// # Errors
/// Always `Unsupported`: there is no such thing here.
#[cfg(not(target_os = "linux"))]
pub fn open() -> io::Result<(OwnedFd, String)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Take one message: not possible here.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn receive(_socket: &OwnedFd, _buffer: &mut [u8]) -> io::Result<Option<Message>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Message, OwnedFd, io};

    use std::os::fd::{AsRawFd, FromRawFd};

    use libc::c_int;

    use crate::sys::call::check;

    /// Make a socket: it does not block and is closed on exec. Beside it the name by which others find it, as `NOTIFY_SOCKET` has it.
    ///
    /// # Errors
    /// EMFILE or ENFILE: no descriptor is left.
    pub fn open() -> io::Result<(OwnedFd, String)> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: takes numbers only.
        let fd = check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
        // SAFETY: just opened, and nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let on: c_int = 1;
        // SAFETY: an address is plain numbers; all zeros is a valid value.
        let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let family = size_of::<libc::sa_family_t>() as libc::socklen_t;
        let mut length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        // SAFETY: `on` is a number of the length that is said. An address that ends with its family asks the kernel for a name;
        // `address` has room for the answer.
        unsafe {
            let size = size_of::<c_int>() as libc::socklen_t;
            check(libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_PASSCRED, (&raw const on).cast(), size))?;
            check(libc::bind(fd, (&raw const address).cast(), family))?;
            check(libc::getsockname(fd, (&raw mut address).cast(), &raw mut length))?;
        }
        let used = (length as usize).saturating_sub(size_of::<libc::sa_family_t>());
        // It begins with a zero, for which people and programs write `@`.
        let name = address.sun_path.iter().take(used).skip(1).map(|byte| char::from(*byte as u8));
        Ok((socket, std::iter::once('@').chain(name).collect()))
    }

    /// Room for credentials alone, so that the kernel closes what descriptors were sent along instead of giving them to us.
    #[repr(C)]
    union Control {
        header: libc::cmsghdr,
        room: [u8; CONTROL_BYTES],
    }

    // SAFETY: computes a number.
    const CONTROL_BYTES: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as libc::c_uint) as usize };

    /// Take one message without waiting; `None` = there is none. Descriptors that were sent with it are closed.
    ///
    /// # Errors
    /// What recvmsg(2) answers but EAGAIN and EINTR.
    pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<Message>> {
        let mut control = Control { room: [0; CONTROL_BYTES] };
        let mut place = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: plain numbers and pointers; all zeros is a valid value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut place;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = CONTROL_BYTES as _;
        // SAFETY: the buffer and the control room are valid for writes of the lengths that are said.
        let result =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) };
        let Ok(length) = usize::try_from(result) else {
            let error = io::Error::last_os_error();
            let nothing = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if nothing { Ok(None) } else { Err(error) };
        };
        let mut found = Message { pid: 0, uid: u32::MAX, length, cut: message.msg_flags & libc::MSG_TRUNC != 0 };
        // SAFETY: the kernel filled `message`; a first part is null or lies whole within the control room, which is aligned for it, and
        // one of this type holds a `ucred`, which may be at any place.
        unsafe {
            let part = libc::CMSG_FIRSTHDR(&raw const message);
            if !part.is_null() && (*part).cmsg_level == libc::SOL_SOCKET && (*part).cmsg_type == libc::SCM_CREDENTIALS {
                let who: libc::ucred = libc::CMSG_DATA(part).cast::<libc::ucred>().read_unaligned();
                (found.pid, found.uid) = (who.pid, who.uid);
            }
        }
        Ok(Some(found))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::io::IoSlice;
        use std::os::fd::RawFd;
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixDatagram};

        use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

        fn sender(name: &str) -> UnixDatagram {
            let socket = UnixDatagram::unbound().unwrap();
            let address = SocketAddr::from_abstract_name(name.strip_prefix('@').unwrap()).unwrap();
            socket.connect_addr(&address).unwrap();
            socket
        }

        #[test]
        fn message_comes_with_its_sender_and_long_ones_are_cut() {
            let (socket, name) = open().unwrap();
            let mut buffer = [0; 16];
            assert_eq!(receive(&socket, &mut buffer).unwrap(), None);
            let sender = sender(&name);
            sender.send(b"READY=1").unwrap();
            sender.send(&[b'x'; 99]).unwrap();
            sender.send(b"").unwrap();
            let ours = i32::try_from(std::process::id()).unwrap();
            let uid = nix::unistd::getuid().as_raw();
            let message = |length, cut| Some(Message { pid: ours, uid, length, cut });
            assert_eq!(receive(&socket, &mut buffer).unwrap(), message(7, false));
            assert_eq!(&buffer[..7], b"READY=1");
            assert_eq!(receive(&socket, &mut buffer).unwrap(), message(16, true));
            assert_eq!(receive(&socket, &mut buffer).unwrap(), message(0, false));
            assert_eq!(receive(&socket, &mut buffer).unwrap(), None);
        }

        #[test]
        fn descriptor_sent_along_is_not_kept_open() {
            crate::sys::testing::alone(|| {
                let (socket, name) = open().unwrap();
                let (reader, writer) = crate::sys::fds::pipe().unwrap();
                let address = UnixAddr::new_abstract(name.strip_prefix('@').unwrap().as_bytes()).unwrap();
                let sender = UnixDatagram::unbound().unwrap();
                let fds: [RawFd; 1] = [writer.as_raw_fd()];
                let rights = [ControlMessage::ScmRights(&fds)];
                let text = [IoSlice::new(b"BARRIER=1")];
                sendmsg(sender.as_raw_fd(), &text, &rights, MsgFlags::empty(), Some(&address)).unwrap();
                let mut buffer = [0; 64];
                let message = receive(&socket, &mut buffer).unwrap().unwrap();
                assert_eq!(message.pid, i32::try_from(std::process::id()).unwrap());
                drop(writer);
                // Nobody else has the writing end: the reader sees the end at once.
                assert_eq!(crate::sys::fds::read(&reader, &mut buffer).unwrap(), crate::sys::fds::Read::End);
            });
        }
    }
}
