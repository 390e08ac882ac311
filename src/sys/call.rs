//! The small rituals around a raw call: read errno, try again after a signal, make a C string.

use std::ffi::CString;
use std::io;

use libc::c_int;
use nix::errno::Errno;

/// The result of a call that answers a negative number on failure.
pub(super) fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The result of a call that answers a count, called again for as long as a signal interrupts it.
pub(super) fn count(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(n) => return Ok(n),
            Err(_) if Errno::last_raw() == libc::EINTR => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}

/// The text as C wants it; a NUL inside is `InvalidInput`, since no call could ever see what follows it.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// The symbol of an error number, such as `ENOENT`; `UnknownErrno` for a number without one.
pub fn errno_name(errno: i32) -> String {
    format!("{:?}", Errno::from_raw(errno))
}

/// What the C library says an error number means, such as `No such file or directory`.
pub fn errno_text(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.strip_suffix(&format!(" (os error {errno})")).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_nul_is_refused() {
        assert_eq!(c_string("a\0b").unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert_eq!(c_string("ab").unwrap().to_bytes(), b"ab");
    }

    #[test]
    fn count_interrupted_twice_is_called_again() {
        let mut calls = 0;
        let answer = count(|| {
            calls += 1;
            if calls < 3 {
                Errno::set_raw(libc::EINTR);
                return -1;
            }
            7
        });
        assert_eq!((answer.unwrap(), calls), (7, 3));
    }

    #[test]
    fn errno_has_its_symbol() {
        assert_eq!(errno_name(libc::ENOENT), "ENOENT");
    }

    #[test]
    fn errno_has_its_meaning() {
        assert_eq!(errno_text(libc::ENOENT), "No such file or directory");
    }
}
