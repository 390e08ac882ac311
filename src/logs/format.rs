//! How a line looks in the main log and in a syslog datagram.
//!
//! Text is appended to a buffer that the caller reuses. Messages are taken as they are, newlines
//! and control characters too: a child's output at debug level is several lines, as in the original.

use std::io::Write;

/// Facility user, severity info.
const USER_INFO: u8 = 1 << 3 | 6;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment of local time, in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// For instance 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// 0 to 999.
    pub millis: u16,
}

/// Appends `YYYY-MM-DD HH:MM:SS,mmm LEVL message` and a newline to `line`; `tag` is the level's
/// four letters.
pub fn main_line(line: &mut Vec<u8>, stamp: &Stamp, tag: &str, message: &[u8]) {
    let Stamp { year, month, day, hour, minute, second, millis } = stamp;
    // Writing into a `Vec` cannot fail.
    let _ = write!(line, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{millis:03} {tag} ");
    line.extend_from_slice(message);
    line.push(b'\n');
}

/// Appends what a child wrote, as the main log shows it at debug level, to `message`;
/// `channel` is `stdout` or `stderr`.
pub fn child_output(message: &mut Vec<u8>, process: &str, channel: &str, output: &[u8]) {
    let _ = writeln!(message, "'{process}' {channel} output:");
    match std::str::from_utf8(output) {
        Ok(text) => message.extend_from_slice(text.as_bytes()),
        Err(_) => {
            let _ = write!(message, "Undecodable: {}", super::python_bytes_repr(output));
        }
    }
}

/// Appends an RFC 3164 message to `datagram`: `<14>Mmm dd hh:mm:ss tag[pid]: message`.
pub fn syslog_datagram(datagram: &mut Vec<u8>, stamp: &Stamp, tag: &str, pid: u32, message: &[u8]) {
    let Stamp { day, hour, minute, second, .. } = stamp;
    let month = MONTHS.get(usize::from(stamp.month.saturating_sub(1))).unwrap_or(&"Jan");
    let _ = write!(datagram, "<{USER_INFO}>{month} {day:>2} {hour:02}:{minute:02}:{second:02} {tag}[{pid}]: ");
    datagram.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { year: 2026, month: 11, day: 3, hour: 4, minute: 5, second: 6, millis: 7 };

    #[test]
    fn a_main_line_pads_every_field_and_keeps_the_message() {
        let mut line = b"before\n".to_vec();
        main_line(&mut line, &STAMP, "INFO", b"two\nlines\x1b\xff");
        assert_eq!(line, b"before\n2026-11-03 04:05:06,007 INFO two\nlines\x1b\xff\n");
    }

    #[test]
    fn a_datagram_has_priority_14_a_padded_day_and_no_newline() {
        let mut datagram = Vec::new();
        syslog_datagram(&mut datagram, &STAMP, "visor", 42, b"web hello");
        assert_eq!(datagram, b"<14>Nov  3 04:05:06 visor[42]: web hello");
    }

    #[test]
    fn child_output_that_is_no_text_is_shown_as_python_would() {
        let mut message = Vec::new();
        child_output(&mut message, "web", "stdout", "gr\u{fc}n\n".as_bytes());
        assert_eq!(message, "'web' stdout output:\ngr\u{fc}n\n".as_bytes());
        message.clear();
        child_output(&mut message, "web", "stderr", b"\x88\n");
        assert_eq!(message, b"'web' stderr output:\nUndecodable: b'\\x88\\n'");
    }
}
