//! Write to a descriptor that was inherited, without ever waiting for who reads it and without making it non-blocking
//! for everyone else who has it: a shell, a container runtime, our own children. What is written is not known here.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use super::call::count;
use super::fds;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// So many bytes were taken, perhaps fewer than were offered.
    Wrote(usize),
    /// No room now: poll [`Console::fd`] for writing.
    Full,
    /// It failed with this errno: EPIPE when nobody reads any more, ENOSPC on a full disk.
    Gone(i32),
}

/// An inherited descriptor to write to. It stays open when this is dropped.
#[derive(Debug)]
pub struct Console {
    /// The inherited number.
    inherited: RawFd,
    way: Way,
}

/// How to write without waiting depends on what it is.
#[derive(Debug)]
enum Way {
    /// A file or a device that always answers.
    Plain,
    /// A socket, told with each call not to wait.
    Send,
    /// A pipe or terminal, opened once more: O_NONBLOCK belongs to an opening, so only ours has it.
    Own(OwnedFd),
    /// A pipe that cannot be opened again: asked for room first, then given no more than one page, which fits wherever
    /// there is room. Another writer in between could still make us wait.
    AskFirst,
    /// A terminal that cannot be opened again: made non-blocking for everyone, until dropped.
    Shared {
        /// It was non-blocking already and is left so.
        was_nonblocking: bool,
    },
}

impl Console {
    /// Prepare to write to the inherited descriptor `fd`, which must stay open for as long.
    ///
    /// # Errors
    /// EBADF when it is not open, or not for writing.
    pub fn inherit(fd: RawFd) -> io::Result<Console> {
        let borrowed = fds::borrow(fd)?;
        let flags = flags(borrowed)?;
        if flags & libc::O_ACCMODE == libc::O_RDONLY {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        Ok(Console { inherited: fd, way: choose(borrowed, flags)? })
    }

    /// The descriptor to poll for room, after [`Write::Full`].
    pub fn fd(&self) -> RawFd {
        match &self.way {
            Way::Own(own) => own.as_raw_fd(),
            Way::Plain | Way::Send | Way::AskFirst | Way::Shared { .. } => self.inherited,
        }
    }

    /// Write as much of `bytes` as there is room for.
    pub fn write(&mut self, bytes: &[u8]) -> Write {
        let fd = self.fd();
        match &self.way {
            Way::Plain | Way::Own(_) | Way::Shared { .. } => plain_write(fd, bytes),
            Way::Send => send(fd, bytes),
            Way::AskFirst => match has_room(fd) {
                Ok(true) => plain_write(fd, bytes.get(..libc::PIPE_BUF).unwrap_or(bytes)),
                Ok(false) => Write::Full,
                Err(errno) => Write::Gone(errno),
            },
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Way::Shared { was_nonblocking: false } = self.way
            && let Ok(fd) = fds::borrow(self.inherited)
        {
            // A failure leaves it non-blocking; there is nobody to tell.
            let _ = fds::set_nonblocking(fd, false);
        }
    }
}

fn choose(fd: BorrowedFd, flags: libc::c_int) -> io::Result<Way> {
    let kind = File::from(fd.try_clone_to_owned()?).metadata()?.file_type();
    if kind.is_socket() {
        return Ok(Way::Send);
    }
    // SAFETY: asks about a number.
    let terminal = kind.is_char_device() && unsafe { libc::isatty(fd.as_raw_fd()) } == 1;
    if !kind.is_fifo() && !terminal {
        return Ok(Way::Plain);
    }
    if let Some(own) = reopen(fd) {
        return Ok(Way::Own(own));
    }
    if terminal {
        fds::set_nonblocking(fd, true)?;
        return Ok(Way::Shared { was_nonblocking: flags & libc::O_NONBLOCK != 0 });
    }
    Ok(Way::AskFirst)
}

/// The same pipe or terminal through an opening of our own; `None` without /proc or the right to it.
fn reopen(fd: BorrowedFd) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    // The standard library adds O_CLOEXEC.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().write(true).custom_flags(flags).open(path).ok().map(OwnedFd::from)
}

fn flags(fd: impl AsFd) -> io::Result<libc::c_int> {
    // SAFETY: asks for flags.
    super::call::check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) })
}

fn plain_write(fd: RawFd, bytes: &[u8]) -> Write {
    // SAFETY: the bytes are valid for reads of their own length during the call.
    outcome(count(|| unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }))
}

fn send(fd: RawFd, bytes: &[u8]) -> Write {
    // SAFETY: the bytes are valid for reads of their own length during the call.
    outcome(count(|| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), fds::SEND_FLAGS) }))
}

fn outcome(result: io::Result<usize>) -> Write {
    match result {
        Ok(n) => Write::Wrote(n),
        Err(error) if fds::would_block(&error) => Write::Full,
        Err(error) => Write::Gone(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// Whether a write would find room, or an error, at once.
fn has_room(fd: RawFd) -> Result<bool, i32> {
    let mut asked = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, valid for the call.
    match count(|| unsafe { libc::poll(&raw mut asked, 1, 0) } as isize) {
        Ok(ready) => Ok(ready > 0),
        Err(error) => Err(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// The number of the inherited descriptor that a path means, for the paths that mean one: `/dev/stdout`,
/// `/dev/stderr`, `/dev/fd/N`, `/proc/self/fd/N`.
pub fn parse_inherited(path: &str) -> Option<RawFd> {
    match path {
        "/dev/stdout" => return Some(libc::STDOUT_FILENO),
        "/dev/stderr" => return Some(libc::STDERR_FILENO),
        _ => {}
    }
    let number = path.strip_prefix("/dev/fd/").or_else(|| path.strip_prefix("/proc/self/fd/"))?;
    // A sign would be accepted by the parser of numbers.
    if number.bytes().all(|byte| byte.is_ascii_digit()) { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing;
    use std::os::unix::net::UnixStream;

    fn is_nonblocking(fd: RawFd) -> bool {
        flags(fds::borrow(fd).unwrap()).unwrap() & libc::O_NONBLOCK != 0
    }

    /// Write until there is no room, then make some, and write again.
    fn fills_and_recovers(console: &mut Console, reader: &OwnedFd) {
        let block = [b'x'; 10_000];
        let mut total = 0;
        loop {
            match console.write(&block) {
                Write::Wrote(n) => total += n,
                Write::Full => break,
                Write::Gone(errno) => panic!("errno {errno}"),
            }
        }
        assert!(total > libc::PIPE_BUF);
        let mut buffer = vec![0; total];
        let mut read = 0;
        while read < total {
            let fds::Read::Bytes(n) = fds::read(reader, &mut buffer).unwrap() else { panic!("bytes lost") };
            read += n;
        }
        assert_eq!(console.write(b"more"), Write::Wrote(4));
    }

    #[test]
    fn full_pipe_says_full_and_stays_blocking_for_others() {
        let (reader, writer) = fds::pipe().unwrap();
        let mut console = Console::inherit(writer.as_raw_fd()).unwrap();
        fills_and_recovers(&mut console, &reader);
        assert!(!is_nonblocking(writer.as_raw_fd()));
    }

    #[test]
    fn full_pipe_that_cannot_be_opened_again_says_full() {
        testing::alone(|| {
            let (reader, writer) = fds::pipe().unwrap();
            let mut console = Console { inherited: writer.as_raw_fd(), way: Way::AskFirst };
            fills_and_recovers(&mut console, &reader);
            assert!(!is_nonblocking(writer.as_raw_fd()));
            drop(reader);
            assert_eq!(console.write(b"x"), Write::Gone(libc::EPIPE));
        });
    }

    #[test]
    fn full_socket_says_full_and_a_closed_one_is_gone() {
        testing::alone(|| {
            let (near, far) = UnixStream::pair().unwrap();
            let far = OwnedFd::from(far);
            let mut console = Console::inherit(near.as_raw_fd()).unwrap();
            assert!(matches!(console.way, Way::Send));
            fills_and_recovers(&mut console, &far);
            drop(far);
            assert_eq!(console.write(b"x"), Write::Gone(libc::EPIPE));
        });
    }

    #[test]
    fn file_is_written_at_the_shared_position() {
        let file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut &file, b"one ").unwrap();
        let mut console = Console::inherit(file.as_raw_fd()).unwrap();
        assert_eq!(console.write(b"two"), Write::Wrote(3));
        drop(console);
        assert_eq!(file.metadata().unwrap().len(), 7);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn full_device_is_gone_with_its_reason() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(Console::inherit(full.as_raw_fd()).unwrap().write(b"x"), Write::Gone(libc::ENOSPC));
    }

    #[test]
    fn closed_or_read_only_descriptor_is_refused() {
        assert!(Console::inherit(i32::MAX).is_err());
        let (reader, _writer) = fds::pipe().unwrap();
        assert_eq!(Console::inherit(reader.as_raw_fd()).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn terminal_that_nobody_reads_says_full_and_stays_blocking() {
        // SAFETY: opens and unlocks a new pseudo-terminal; the answers are checked.
        let (master, slave) = unsafe {
            let master = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY);
            if master < 0 || libc::grantpt(master) < 0 || libc::unlockpt(master) < 0 {
                let text = b"left out: terminal_that_nobody_reads: no pseudo-terminal here\n";
                let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
                return;
            }
            (master, libc::open(libc::ptsname(master), libc::O_RDWR | libc::O_NOCTTY))
        };
        assert!(slave >= 0);
        let mut console = Console::inherit(slave).unwrap();
        // The kernel moves bytes on at its leisure, so that there may be room again after it was full.
        let fills = |console: &mut Console| (0..10_000).any(|_| console.write(&[b'x'; 1000]) == Write::Full);
        assert!(fills(&mut console) && !is_nonblocking(slave));
        let mut shared = Console { inherited: slave, way: Way::Shared { was_nonblocking: false } };
        fds::set_nonblocking(fds::borrow(slave).unwrap(), true).unwrap();
        assert!(fills(&mut shared));
        drop(shared);
        assert!(!is_nonblocking(slave));
        // SAFETY: both were opened above.
        unsafe {
            libc::close(slave);
            libc::close(master);
        }
    }

    #[test]
    fn only_the_known_paths_mean_a_descriptor() {
        for (path, fd) in [("/dev/stdout", 1), ("/dev/stderr", 2), ("/dev/fd/7", 7), ("/proc/self/fd/1", 1)] {
            assert_eq!(parse_inherited(path), Some(fd));
        }
        for path in ["/dev/stdin", "/dev/fd/", "/dev/fd/+1", "/dev/fd/x", "/dev/fd/99999999999", "/proc/1/fd/1", ""] {
            assert_eq!(parse_inherited(path), None, "{path}");
        }
    }
}
