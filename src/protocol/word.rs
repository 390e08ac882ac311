//! One word of the language: percent-encoding, both ways.
//!
//! Owns: which bytes stand for themselves. Does not own: what a word means.

/// Appends `bytes` as one word: printable ASCII as it is, everything else (space and `%` too) as `%XX`.
pub(super) fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'%' => escape(out, byte),
            b'!'..=b'~' => out.push(byte),
            _ => escape(out, byte),
        }
    }
}

/// As [`encode`], for a key: `=` would end it, so it is escaped too.
pub(super) fn encode_key(out: &mut Vec<u8>, bytes: &[u8]) {
    for (index, part) in bytes.split(|&byte| byte == b'=').enumerate() {
        if index > 0 {
            escape(out, b'=');
        }
        encode(out, part);
    }
}

/// Appends the text of an end line: only what would break the line (control bytes, `%`) is escaped, so people can read it.
pub(super) fn encode_text(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        if byte == b'%' || byte.is_ascii_control() {
            escape(out, byte);
        } else {
            out.push(byte);
        }
    }
}

/// Appends `%XX`.
pub(super) fn escape(out: &mut Vec<u8>, byte: u8) {
    out.push(b'%');
    out.push(digit(byte >> 4));
    out.push(digit(byte & 0xf));
}

/// The bytes a word stands for; `None` when a byte may not stand in a word or a `%` has no two hex digits after it.
pub(super) fn decode(word: &[u8]) -> Option<Vec<u8>> {
    if word.iter().all(u8::is_ascii_graphic) { unescape(word) } else { None }
}

/// The bytes that text with `%XX` in it stands for, whatever its other bytes are.
pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = bytes.next().and_then(value)?;
            let low = bytes.next().and_then(value)?;
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, bytes);
        out
    }

    #[test]
    fn plain_word_stands_for_itself() {
        assert_eq!(encoded(b"web:one-1=x"), b"web:one-1=x");
        assert_eq!(decode(b"web:one-1=x").as_deref(), Some(&b"web:one-1=x"[..]));
    }

    #[test]
    fn every_byte_survives_the_round_trip() {
        let all: Vec<u8> = (0..=255).collect();
        let word = encoded(&all);
        assert!(word.iter().all(u8::is_ascii_graphic));
        assert_eq!(decode(&word), Some(all));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for bad in [&b"%"[..], b"%4", b"%zz", b"a%", b"%%", b"%4g", b"%+1"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn bytes_outside_printable_ascii_are_refused_in_a_word() {
        for bad in [&b"a b"[..], b"\t", b"caf\xc3\xa9", b"\0", b"\x7f"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lower_case_hex_is_read() {
        assert_eq!(decode(b"%c3%a9").as_deref(), Some("é".as_bytes()));
    }

    #[test]
    fn key_with_equals_sign_is_escaped() {
        let mut out = Vec::new();
        encode_key(&mut out, b"a=b=");
        assert_eq!(out, b"a%3Db%3D");
    }

    #[test]
    fn text_keeps_spaces_and_utf8_but_no_line_break() {
        let mut out = Vec::new();
        encode_text(&mut out, "100 % café\nx");
        assert_eq!(out, "100 %25 café%0Ax".as_bytes());
        assert_eq!(unescape(&out).as_deref(), Some("100 % café\nx".as_bytes()));
    }
}
