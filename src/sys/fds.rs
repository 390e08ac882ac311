//! Descriptors: pipes that close on exec, flags, limits, and reads and writes that never wait.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

use libc::c_int;

use super::call::{check, count};
use super::files;

/// The first descriptor that is not one of the three standard ones.
pub const FIRST_PRIVATE: RawFd = 3;

/// How far the portable fallback of [`close_on_exec_from`] looks. Ours are born close-on-exec, so it only matters for
/// inherited ones, and those have small numbers.
pub(super) const FALLBACK_HIGHEST: RawFd = 65_536;

/// What a read that does not wait found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, at least one, lie at the start of the buffer.
    Bytes(usize),
    /// Nobody will ever write again.
    End,
    /// Nothing there now.
    WouldBlock,
}

/// What became of a write that does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// So many bytes were taken, perhaps fewer than were offered.
    Bytes(usize),
    /// No room now.
    WouldBlock,
    /// Nobody will ever read again.
    Gone,
}

/// Read what is there into `buffer`, on a non-blocking descriptor. A connection that was reset counts as ended.
/// An empty buffer answers `WouldBlock`.
///
/// # Errors
/// What read(2) answers, except EINTR (tried again) and EAGAIN (`WouldBlock`).
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<Read> {
    if buffer.is_empty() {
        return Ok(Read::WouldBlock);
    }
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the buffer is valid for writes of its own length during the call.
    read_outcome(count(|| unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) }))
}

/// Reads a plain file up to its end or `limit` bytes.
///
/// # Errors
/// As [`read`].
pub fn read_at_most(file: impl AsFd, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; limit];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..)
        && let Read::Bytes(count) = read(&file, room)?
    {
        filled += count;
    }
    bytes.truncate(filled);
    Ok(bytes)
}

pub(super) fn read_outcome(result: io::Result<usize>) -> io::Result<Read> {
    match result {
        Ok(0) => Ok(Read::End),
        Ok(n) => Ok(Read::Bytes(n)),
        Err(error) if would_block(&error) => Ok(Read::WouldBlock),
        Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => Ok(Read::End),
        Err(error) => Err(error),
    }
}

/// Write as much of `bytes` as there is room for, on a non-blocking descriptor. SIGPIPE must be ignored
/// (the Rust runtime and `signals::SelfPipe` see to it).
///
/// # Errors
/// What write(2) answers, except EINTR (tried again), EAGAIN (`WouldBlock`) and EPIPE or ECONNRESET (`Gone`).
pub fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<Written> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the bytes are valid for reads of their own length during the call.
    write_outcome(count(|| unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }))
}

pub(super) fn write_outcome(result: io::Result<usize>) -> io::Result<Written> {
    match result {
        Ok(n) => Ok(Written::Bytes(n)),
        Err(error) if would_block(&error) => Ok(Written::WouldBlock),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => Ok(Written::Gone),
        Err(error) => Err(error),
    }
}

/// Neither wait nor raise SIGPIPE.
#[cfg(not(target_vendor = "apple"))]
pub(super) const SEND_FLAGS: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
/// Do not wait; SIGPIPE is ignored by us anyway, and there is no flag against it.
#[cfg(target_vendor = "apple")]
pub(super) const SEND_FLAGS: c_int = libc::MSG_DONTWAIT;

pub(super) fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// A pipe, `(read end, write end)`, both blocking and closed on exec.
///
/// # Errors
/// EMFILE or ENFILE: no descriptor left.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    #[cfg(not(target_vendor = "apple"))]
    // SAFETY: `ends` is room for the two numbers pipe2 writes.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    #[cfg(target_vendor = "apple")]
    // SAFETY: `ends` is room for the two numbers pipe writes.
    check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
    let [reader, writer] = ends;
    // SAFETY: the call succeeded, so both are open descriptors nobody else owns yet.
    let pair = unsafe { (OwnedFd::from_raw_fd(reader), OwnedFd::from_raw_fd(writer)) };
    #[cfg(target_vendor = "apple")]
    {
        set_close_on_exec(reader, true)?;
        set_close_on_exec(writer, true)?;
    }
    Ok(pair)
}

/// Make the open file description behind `fd` blocking or not. Everyone who shares it is affected.
///
/// # Errors
/// EBADF for a closed descriptor.
pub fn set_nonblocking(fd: impl AsFd, nonblocking: bool) -> io::Result<()> {
    set_flag(fd.as_fd().as_raw_fd(), (libc::F_GETFL, libc::F_SETFL), libc::O_NONBLOCK, nonblocking)
}

/// Close `fd` on exec, or keep it open.
///
/// # Errors
/// EBADF for a closed descriptor.
pub fn set_close_on_exec(fd: RawFd, close: bool) -> io::Result<()> {
    set_flag(fd, (libc::F_GETFD, libc::F_SETFD), libc::FD_CLOEXEC, close)
}

fn set_flag(fd: RawFd, (get, set): (c_int, c_int), flag: c_int, on: bool) -> io::Result<()> {
    // SAFETY: reading flags touches no memory of ours.
    let old = check(unsafe { libc::fcntl(fd, get) })?;
    let new = if on { old | flag } else { old & !flag };
    if new != old {
        // SAFETY: setting flags touches no memory of ours.
        check(unsafe { libc::fcntl(fd, set, new) })?;
    }
    Ok(())
}

/// Which of 0, 1 and 2 were closed when the process began, one bit each.
static MISSING_STANDARD: AtomicU8 = AtomicU8::new(0);

/// Give every closed descriptor of 0, 1 and 2 something harmless: `/dev/null`, or without it an end of a pipe whose
/// other end is closed (0 reads end of file; what is written to 1 and 2 is refused with EPIPE). Otherwise the
/// next file opened would take their number and receive other people's output. Answers which of 0, 1 and 2 were closed
/// when the process began. Already done once before Rust's runtime on Linux; calling it again is harmless.
pub fn open_missing_standard() -> [bool; 3] {
    let repaired = fill_standard();
    let missing = MISSING_STANDARD.fetch_or(repaired, Ordering::Relaxed) | repaired;
    [missing & 1 != 0, missing & 2 != 0, missing & 4 != 0]
}

/// The work of [`open_missing_standard`]; answers a bit for each descriptor that was closed.
pub(super) fn fill_standard() -> u8 {
    let mut repaired = 0;
    for fd in 0..FIRST_PRIVATE {
        if !is_open(fd) && open_harmless(fd) {
            repaired |= 1 << fd;
        }
    }
    repaired
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: asking for flags touches no memory of ours.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// Open something on `fd`, the lowest closed descriptor. Runs before the runtime: raw calls only, no allocation.
fn open_harmless(fd: RawFd) -> bool {
    // SAFETY: the path is a C string.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
    if null >= 0 {
        return settle(null, fd);
    }
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: `ends` is room for the two numbers pipe writes.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } < 0 {
        return false;
    }
    let [reader, writer] = ends;
    let (keep, drop) = if fd == 0 { (reader, writer) } else { (writer, reader) };
    // The pipe may have taken `fd` for the end that is not wanted; dup2 then replaces it.
    let done = settle(keep, fd);
    if drop != fd {
        // SAFETY: this end was opened above and belongs to nobody else.
        unsafe { libc::close(drop) };
    }
    done
}

/// Move `from` to `to`, closing `from`.
fn settle(from: RawFd, to: RawFd) -> bool {
    if from == to {
        return true;
    }
    // SAFETY: both are numbers this function's caller owns: `from` was just opened, `to` was closed.
    unsafe { libc::dup2(from, to) >= 0 && libc::close(from) == 0 }
}

/// The descriptors above the standard three that a child of ours would inherit now; none where there is no /proc.
#[must_use]
pub fn inheritable() -> Vec<RawFd> {
    let mut numbers = files::numbers("/proc/self/fd");
    // SAFETY: asking for flags touches no memory of ours. A number that is closed by now answers -1: every bit is set.
    let is_kept = |fd: &RawFd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } & libc::FD_CLOEXEC == 0;
    numbers.retain(|fd| *fd >= FIRST_PRIVATE && is_kept(fd));
    numbers
}

/// Mark every open descriptor from `first` on as closed on exec: nothing we inherited leaks into a child.
pub fn close_on_exec_from(first: RawFd) {
    if !close_range_on_exec(first) {
        close_on_exec_one_by_one(first);
    }
}

/// The one call for it where the kernel has it. Async-signal-safe.
#[cfg(target_os = "linux")]
pub(super) fn close_range_on_exec(first: RawFd) -> bool {
    // SAFETY: the call takes three numbers and touches no memory; with CLOEXEC it closes nothing of ours.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0 }
}

/// Elsewhere there is no such call that is known to be everywhere.
#[cfg(not(target_os = "linux"))]
pub(super) fn close_range_on_exec(_first: RawFd) -> bool {
    false
}

/// Async-signal-safe.
pub(super) fn close_on_exec_one_by_one(first: RawFd) {
    let end = RawFd::try_from(open_limit()).unwrap_or(FALLBACK_HIGHEST).min(FALLBACK_HIGHEST);
    for fd in first..end {
        // SAFETY: setting the flag touches no memory; a closed number answers EBADF, which is fine.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// How many descriptors this process may have open (the soft limit).
pub fn open_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur as u64
}

/// `/dev/null`, for both directions, closed on exec.
///
/// # Errors
/// What open(2) answers, ENOENT where there is no such device.
pub fn null() -> io::Result<OwnedFd> {
    Ok(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into())
}

/// A borrowed view of a raw number, for as long as the caller keeps it open.
pub(super) fn borrow<'a>(fd: RawFd) -> io::Result<BorrowedFd<'a>> {
    if !is_open(fd) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the number is open (so it is not -1), and the caller uses it only while it stays so.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing;

    #[test]
    fn pipe_is_closed_on_exec_at_both_ends() {
        let (reader, writer) = pipe().unwrap();
        for end in [&reader, &writer] {
            // SAFETY: asks for flags only.
            let flags = unsafe { libc::fcntl(end.as_raw_fd(), libc::F_GETFD) };
            assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        }
    }

    #[test]
    fn nonblocking_pipe_answers_would_block_then_bytes_then_end() {
        testing::alone(|| {
            let (reader, writer) = pipe().unwrap();
            set_nonblocking(&reader, true).unwrap();
            let mut buffer = [0; 8];
            assert_eq!(read(&reader, &mut buffer).unwrap(), Read::WouldBlock);
            assert_eq!(write(&writer, b"abc").unwrap(), Written::Bytes(3));
            assert_eq!(read(&reader, &mut buffer).unwrap(), Read::Bytes(3));
            assert_eq!(&buffer[..3], b"abc");
            drop(writer);
            assert_eq!(read(&reader, &mut buffer).unwrap(), Read::End);
            assert_eq!(read(&reader, &mut []).unwrap(), Read::WouldBlock);
        });
    }

    #[test]
    fn write_without_reader_is_gone_and_full_pipe_would_block() {
        testing::alone(|| {
            let (reader, writer) = pipe().unwrap();
            set_nonblocking(&writer, true).unwrap();
            let block = [0u8; 65_536];
            while write(&writer, &block).unwrap() != Written::WouldBlock {}
            drop(reader);
            assert_eq!(write(&writer, b"x").unwrap(), Written::Gone);
        });
    }

    #[test]
    fn standard_descriptors_closed_are_given_something_harmless() {
        let ok = testing::in_fork(|| {
            // SAFETY: the forked helper owns its copies.
            unsafe {
                libc::close(0);
                libc::close(2);
            }
            let missing = open_missing_standard();
            let mut byte = [0u8; 1];
            // SAFETY: 0 was reopened and the buffer holds one byte.
            let end = unsafe { libc::read(0, byte.as_mut_ptr().cast(), 1) };
            missing[0] && missing[2] && end == 0 && is_open(2)
        });
        assert!(ok);
    }

    #[test]
    fn close_on_exec_one_by_one_marks_an_inheritable_descriptor() {
        let ok = testing::in_fork(|| {
            let mut ends = [-1; 2];
            // SAFETY: room for two numbers.
            unsafe { libc::pipe(ends.as_mut_ptr()) };
            close_on_exec_one_by_one(FIRST_PRIVATE);
            // SAFETY: asks for flags only.
            unsafe { libc::fcntl(ends[0], libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
        });
        assert!(ok);
    }

    #[test]
    fn borrow_of_a_closed_number_is_refused() {
        assert_eq!(borrow(-1).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}
