//! How a line of a program looks in its log when its bytes alone are not enough: with a prefix, as logfmt, as JSON.

use std::io::Write;
use std::time::Duration;

use super::json;
use super::whole::End;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;
/// Days from 0000-03-01, where the years of this calendar begin, to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
/// Days in the 400 years after which the calendar repeats itself.
const DAYS_AN_ERA: u64 = 146_097;
/// What stands before lines that are not the program's.
const OURS: &str = "visor: ";

/// A form of lines, with what is the same in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The line.
    Raw,
    /// These parts, a blank, the line; no parts, no blank.
    Prefix(Vec<Part>),
    /// Pairs; this one holds those between time and message.
    Logfmt(String),
    /// An object; this one holds the members between time and message, each with a comma before it.
    Json(String),
}

/// A part of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// When the line's end came.
    Time,
}

/// Whose lines they are.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// The process.
    pub name: &'a str,
    /// Its group.
    pub group: &'a str,
    /// `stdout` or `stderr`.
    pub stream: &'a str,
    /// 0 = it never ran.
    pub pid: i32,
}

impl Format {
    /// `name=… group=… stream=… pid=…`
    pub fn logfmt(of: Speaker) -> Format {
        let mut head = Vec::new();
        for (key, text) in [("name", of.name), ("group", of.group), ("stream", of.stream)] {
            head.extend_from_slice(key.as_bytes());
            head.push(b'=');
            word(&mut head, text.as_bytes());
            head.push(b' ');
        }
        Format::Logfmt(format!("{}pid={}", String::from_utf8_lossy(&head), of.pid))
    }

    /// The same as members of an object.
    pub fn json(of: Speaker) -> Format {
        let mut head = Vec::new();
        for (key, text) in [("name", of.name), ("group", of.group), ("stream", of.stream)] {
            let _ = write!(head, ",\"{key}\":");
            json::quote(&mut head, text.as_bytes());
        }
        Format::Json(format!("{},\"pid\":{}", String::from_utf8_lossy(&head), of.pid))
    }

    /// Appends a line of the program, whose end came at `time` (see [`utc`]).
    pub fn line(&self, out: &mut Vec<u8>, time: &str, text: &[u8], end: End) {
        let mark = match end {
            End::Newline => None,
            End::Partial => Some("partial"),
            End::Unended => Some("unended"),
        };
        match self {
            Format::Raw => {
                out.extend_from_slice(text);
                if mark.is_some() {
                    return;
                }
            }
            Format::Prefix(parts) => {
                prefix(out, parts, time);
                out.extend_from_slice(text);
                if let Some(mark) = mark {
                    let _ = write!(out, " [{mark}]");
                }
            }
            Format::Logfmt(_) | Format::Json(_) => self.pairs(out, time, mark.map(|mark| (mark, "true")), text),
        }
        out.push(b'\n');
    }

    /// Appends a line of visor's own: so many lines were dropped for this reason.
    pub fn dropped(&self, out: &mut Vec<u8>, time: &str, lines: u64, reason: &str) {
        let plural = if lines == 1 { " was" } else { "s were" };
        let text = format!("{OURS}{lines} line{plural} dropped: {reason}");
        match self {
            Format::Raw => out.extend_from_slice(text.as_bytes()),
            Format::Prefix(parts) => {
                prefix(out, parts, time);
                out.extend_from_slice(text.as_bytes());
            }
            Format::Logfmt(_) | Format::Json(_) => {
                self.pairs(out, time, Some(("dropped", &lines.to_string())), text.as_bytes());
            }
        }
        out.push(b'\n');
    }

    fn pairs(&self, out: &mut Vec<u8>, time: &str, mark: Option<(&str, &str)>, text: &[u8]) {
        match self {
            Format::Raw | Format::Prefix(_) => {}
            Format::Logfmt(head) => {
                let _ = write!(out, "time={time} {head}");
                if let Some((key, value)) = mark {
                    let _ = write!(out, " {key}={value}");
                }
                out.extend_from_slice(b" msg=");
                word(out, text);
            }
            Format::Json(head) => {
                let _ = write!(out, "{{\"time\":\"{time}\"{head}");
                if let Some((key, value)) = mark {
                    let _ = write!(out, ",\"{key}\":{value}");
                }
                match json::members(text) {
                    Some(members) => {
                        if !members.is_empty() {
                            out.push(b',');
                        }
                        out.extend_from_slice(members);
                    }
                    None => {
                        out.extend_from_slice(b",\"msg\":");
                        json::quote(out, text);
                    }
                }
                out.push(b'}');
            }
        }
    }
}

fn prefix(out: &mut Vec<u8>, parts: &[Part], time: &str) {
    for part in parts {
        out.extend_from_slice(match part {
            Part::Text(text) => text.as_bytes(),
            Part::Time => time.as_bytes(),
        });
    }
    if !parts.is_empty() {
        out.push(b' ');
    }
}

/// A value of logfmt, in quotes where it would not be read as one otherwise.
fn word(out: &mut Vec<u8>, text: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    if !text.is_empty() && text.iter().all(plain) {
        out.extend_from_slice(text);
    } else {
        json::quote(out, text);
    }
}

/// A moment, as a time since 1970-01-01 UTC, in RFC 3339: `2026-11-23T08:30:00.123Z`.
pub fn utc(wall: Duration) -> String {
    let (days, second) = (wall.as_secs() / SECONDS_A_DAY, wall.as_secs() % SECONDS_A_DAY);
    let days = days.saturating_add(DAYS_TO_1970);
    let (era, day) = (days / DAYS_AN_ERA, days % DAYS_AN_ERA);
    // Every fourth year is longer, but not every hundredth, except every four hundredth.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, over and over.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era.saturating_mul(400) + next;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", wall.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-23T08:30:00.123Z";
    const OF: Speaker = Speaker { name: "web", group: "a\"b", stream: "stdout", pid: 7 };

    fn shown(format: &Format, text: &[u8], end: End) -> String {
        let mut out = Vec::new();
        format.line(&mut out, TIME, text, end);
        String::from_utf8(out).unwrap()
    }

    fn formats() -> [Format; 4] {
        let parts = vec![Part::Time, Part::Text(" web |".to_owned())];
        [Format::Raw, Format::Prefix(parts), Format::logfmt(OF), Format::json(OF)]
    }

    #[test]
    fn line_of_each_format_is_one_line() {
        let [raw, prefix, logfmt, json] = formats();
        assert_eq!(shown(&raw, b"a b", End::Newline), "a b\n");
        assert_eq!(shown(&prefix, b"a b", End::Newline), format!("{TIME} web | a b\n"));
        assert_eq!(
            shown(&logfmt, b"a b", End::Newline),
            format!("time={TIME} name=web group=\"a\\\"b\" stream=stdout pid=7 msg=\"a b\"\n")
        );
        assert_eq!(shown(&logfmt, b"ab", End::Newline).split("msg=").nth(1), Some("ab\n"));
        assert_eq!(
            shown(&json, b"a b", End::Newline),
            format!(
                "{{\"time\":\"{TIME}\",\"name\":\"web\",\"group\":\"a\\\"b\",\"stream\":\"stdout\",\"pid\":7,\"msg\":\"a b\"}}\n"
            )
        );
        assert_eq!(shown(&Format::Prefix(Vec::new()), b"a", End::Newline), "a\n");
    }

    #[test]
    fn cut_and_unended_lines_are_marked() {
        let [raw, prefix, logfmt, json] = formats();
        assert_eq!(shown(&raw, b"a", End::Partial) + &shown(&raw, b"b", End::Unended), "ab");
        assert!(shown(&prefix, b"a", End::Partial).ends_with("a [partial]\n"));
        assert!(shown(&prefix, b"a", End::Unended).ends_with("a [unended]\n"));
        assert!(shown(&logfmt, b"a", End::Partial).ends_with(" pid=7 partial=true msg=a\n"));
        assert!(shown(&json, b"a", End::Unended).ends_with("\"pid\":7,\"unended\":true,\"msg\":\"a\"}\n"));
    }

    #[test]
    fn object_gets_members_and_what_only_looks_like_one_is_text() {
        let json = Format::json(OF);
        for (line, key, value) in [
            (r#"{"level":"info","n":1}"#, "level", "info"),
            (" { \"level\" : \"x\" }\r", "level", "x"),
            ("{}", "name", "web"),
            ("{oops}", "msg", "{oops}"),
            ("{\"a\":1", "msg", "{\"a\":1"),
        ] {
            let shown = shown(&json, line.as_bytes(), End::Newline);
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&shown).unwrap();
            assert_eq!(object[key], value, "{shown}");
            assert_eq!((&object["pid"], &object["time"]), (&7.into(), &TIME.into()));
        }
    }

    #[test]
    fn any_bytes_are_one_line_of_valid_text() {
        for format in &formats()[2..] {
            for text in [&b"\xff\xfe\x00\x1b[0m\""[..], b"", b"=", b"\\", "ä=\"".as_bytes()] {
                let shown = shown(format, text, End::Newline);
                assert_eq!(shown.matches('\n').count(), 1, "{shown}");
                assert!(shown.trim_end().chars().all(|c| !c.is_control()), "{shown}");
            }
        }
        assert!(shown(&Format::json(OF), b"\xff", End::Newline).contains("\"msg\":\"\u{fffd}\""));
    }

    #[test]
    fn dropped_lines_are_told_in_the_form_of_all_others() {
        let told: Vec<String> = formats()
            .iter()
            .map(|format| {
                let mut out = Vec::new();
                format.dropped(&mut out, TIME, 12, "log_rate");
                String::from_utf8(out).unwrap()
            })
            .collect();
        assert_eq!(told[0], "visor: 12 lines were dropped: log_rate\n");
        assert!(told[1].ends_with(" web | visor: 12 lines were dropped: log_rate\n"));
        assert!(told[2].ends_with(" dropped=12 msg=\"visor: 12 lines were dropped: log_rate\"\n"));
        assert!(told[3].ends_with(",\"dropped\":12,\"msg\":\"visor: 12 lines were dropped: log_rate\"}\n"));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_000_000_000, "2001-09-09T01:46:40.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(utc(Duration::from_secs(seconds)), expected);
        }
        assert!(utc(Duration::from_millis(1)).ends_with(".001Z"));
        assert!(utc(Duration::MAX).ends_with("Z"));
    }
}
