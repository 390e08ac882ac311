//! Bytes as Python's `repr` writes them.

use std::fmt::Write;

/// `b'…'`, in double quotes when there are single ones inside and no double ones; whatever is not
/// printable ASCII becomes an escape.
pub fn python_bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = String::with_capacity(bytes.len().saturating_add(3));
    text.push('b');
    text.push(quote);
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' if char::from(byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            b' '..=b'~' => text.push(char::from(byte)),
            0..=0x1f | 0x7f..=0xff => {
                // Writing into a `String` cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_bytes_stay_and_others_are_escaped() {
        assert_eq!(python_bytes_repr(b"READY\n"), "b'READY\\n'");
        assert_eq!(python_bytes_repr(b"\x88\n\r\t\\\x00\x7f~ "), "b'\\x88\\n\\r\\t\\\\\\x00\\x7f~ '");
        assert_eq!(python_bytes_repr(b""), "b''");
    }

    #[test]
    fn quotes_are_chosen_as_python_chooses() {
        assert_eq!(python_bytes_repr(b"it's"), "b\"it's\"");
        assert_eq!(python_bytes_repr(b"\"x\""), "b'\"x\"'");
        assert_eq!(python_bytes_repr(b"'\""), "b'\\'\"'");
    }
}
