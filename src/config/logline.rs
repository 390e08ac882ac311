//! What becomes of a program's output on its way to its log: form of the lines, how many, what happens when there is no room. Keys of
//! visor's own.
//!
//! Owns: the keys and their values. Does not own: what is done by them (`logs`, `daemon`).

use std::time::Duration;

use super::document::Section;
use super::reader::{Names, Reader};
use super::value;
use crate::list::List as _;
use crate::span;

/// Every key of this page.
pub(super) const KEYS: [&str; 9] = [
    "log_format",
    "log_prefix",
    "log_rate",
    "log_overflow",
    "log_ring",
    "stdout_logfile_max_age",
    "stderr_logfile_max_age",
    "stdout_logfile_compress",
    "stderr_logfile_compress",
];
/// The prefix unless told otherwise.
const PREFIX: &str = "{name} |";
/// Longest prefix, in bytes, before its names are replaced.
const LONGEST_PREFIX: usize = 256;
/// Most lines of a rate.
const MOST_LINES: u32 = 1_000_000;
/// Largest ring, in bytes.
const MOST_RING: u32 = 16 << 20;
/// What compresses backups.
const PACKER: &str = "gzip";

/// How the lines of a program are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogLines {
    /// Their form.
    pub format: LogFormat,
    /// How many at most; `None` = all.
    pub rate: Option<LogRate>,
    /// What happens when a console has no room.
    pub overflow: Overflow,
    /// Bytes kept in memory of a stream without a log file; `None` = visor's default, 0 = none.
    pub ring: Option<u32>,
}

/// The form of lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The bytes as they come.
    #[default]
    Raw,
    /// A text, a blank, the line.
    Prefix(Vec<PrefixPart>),
    /// `key=value key=value`
    Logfmt,
    /// A JSON object.
    Json,
}

/// A part of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrefixPart {
    /// As it stands.
    Text(String),
    /// `{name}`: the process.
    Name,
    /// `{group}`
    Group,
    /// `{stream}`: stdout or stderr.
    Stream,
    /// `{pid}`
    Pid,
    /// `{time}`
    Time,
}

const PARTS: [(&str, PrefixPart); 5] = [
    ("{name}", PrefixPart::Name),
    ("{group}", PrefixPart::Group),
    ("{stream}", PrefixPart::Stream),
    ("{pid}", PrefixPart::Pid),
    ("{time}", PrefixPart::Time),
];

/// So many lines in a time, all at once if need be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRate {
    /// At least 1.
    pub lines: u32,
    /// More than nothing.
    pub per: Duration,
}

/// What happens to output when a console has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The program waits.
    #[default]
    Block,
    /// The oldest lines that wait are dropped.
    DropOldest,
    /// What comes is dropped.
    DropNew,
}

/// What happens to a log file by and by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upkeep {
    /// The file is rotated when it is older; `None` = whatever its age.
    pub max_age: Option<Duration>,
    /// Backups are compressed.
    pub compress: bool,
}

/// Reads the keys that both streams of a section share.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names) -> LogLines {
    let prefix = reader.value(section, "log_prefix", names, &|_, text| prefix(text));
    let format = reader.value(section, "log_format", names, &|_, text| format(text));
    let format = match (format, prefix) {
        // Who says what stands before each line wants it to stand there.
        (None | Some(LogFormat::Prefix(_)), Some(parts)) => LogFormat::Prefix(parts),
        (format, _) => format.unwrap_or_default(),
    };
    LogLines {
        format,
        rate: reader.value(section, "log_rate", names, &|_, text| rate(text)),
        overflow: reader.value(section, "log_overflow", names, &|_, text| overflow(text)).unwrap_or_default(),
        ring: reader.value(section, "log_ring", names, &|_, text| ring(text)),
    }
}

/// Reads the keys of one stream's file.
pub(super) fn upkeep<'a>(
    reader: &mut Reader<'a>,
    section: &'a Section,
    (max_age, compress): (&'static str, &'static str),
    names: &Names,
) -> Upkeep {
    let age = reader.value(section, max_age, names, &|_, text| value::duration(text));
    let packs = reader.value(section, compress, names, &|_, text| value::boolean(text)).unwrap_or(false);
    if packs && !reader.host.finds_command(PACKER) {
        let text = format!("`{compress}` needs the command `{PACKER}`, which is not found: backups stay as they are");
        reader.remark(section, compress, text);
    }
    Upkeep { max_age: age.filter(|age| !age.is_zero()), compress: packs }
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text {
        "raw" => Ok(LogFormat::Raw),
        "prefix" => prefix(PREFIX).map(LogFormat::Prefix),
        "logfmt" => Ok(LogFormat::Logfmt),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is no format: raw, prefix, logfmt or json")),
    }
}

/// Texts and names in braces; two braces are one.
fn prefix(text: &str) -> Result<Vec<PrefixPart>, String> {
    if text.len() > LONGEST_PREFIX {
        return Err(format!("longer than {LONGEST_PREFIX} bytes"));
    }
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            plain.push(first);
            rest = after;
        } else if let Some((after, part)) = PARTS.iter().find_map(|(name, part)| Some((rest.strip_prefix(name)?, part)))
        {
            if !plain.is_empty() {
                parts.push(PrefixPart::Text(std::mem::take(&mut plain)));
            }
            parts.push(part.clone());
            rest = after;
        } else if matches!(first, '{' | '}') {
            let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).list();
            return Err(format!("`{rest}` begins with a brace and is none of {}; a brace is two", names.join(", ")));
        } else {
            plain.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    if !plain.is_empty() {
        parts.push(PrefixPart::Text(plain));
    }
    Ok(parts)
}

/// `1000`, or with a time `600/1m`.
fn rate(text: &str) -> Result<LogRate, String> {
    let (lines, per) = text.split_once('/').unwrap_or((text, "1s"));
    let per = value::duration(per.trim())?;
    let digits = lines.trim_end();
    let lines = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    lines
        .filter(|lines| (1..=MOST_LINES).contains(lines) && !per.is_zero())
        .map(|lines| LogRate { lines, per })
        .ok_or_else(|| format!("`{text}` is no rate: lines a second from 1 to {MOST_LINES}, or in a time, as 600/1m"))
}

fn overflow(text: &str) -> Result<Overflow, String> {
    match text {
        "block" => Ok(Overflow::Block),
        "drop-oldest" => Ok(Overflow::DropOldest),
        "drop-new" => Ok(Overflow::DropNew),
        _ => Err(format!("`{text}` is no rule for an overflow: block, drop-oldest or drop-new")),
    }
}

fn ring(text: &str) -> Result<u32, String> {
    let bytes = value::byte_size(text)?;
    u32::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes <= MOST_RING)
        .ok_or_else(|| format!("{bytes} is not between 0 and {MOST_RING}"))
}

impl LogLines {
    /// Every key that is not at its default, in the form that is read, in a fixed order.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        match &self.format {
            LogFormat::Raw => {}
            LogFormat::Prefix(parts) => {
                lines.push(("log_format", "prefix".to_owned()));
                lines
                    .push(("log_prefix", format!("\"{}\"", parts.iter().map(PrefixPart::written).collect::<String>())));
            }
            LogFormat::Logfmt => lines.push(("log_format", "logfmt".to_owned())),
            LogFormat::Json => lines.push(("log_format", "json".to_owned())),
        }
        lines.extend(self.rate.map(|rate| ("log_rate", format!("{}/{}", rate.lines, span::in_millis(rate.per)))));
        match self.overflow {
            Overflow::Block => {}
            Overflow::DropOldest => lines.push(("log_overflow", "drop-oldest".to_owned())),
            Overflow::DropNew => lines.push(("log_overflow", "drop-new".to_owned())),
        }
        lines.extend(self.ring.map(|bytes| ("log_ring", bytes.to_string())));
        lines
    }
}

impl PrefixPart {
    fn written(&self) -> String {
        match self {
            PrefixPart::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            part => PARTS.iter().find(|(_, other)| other == part).map_or("", |(name, _)| name).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_texts_and_names_and_two_braces_are_one() {
        use PrefixPart::{Group, Name, Pid, Stream, Text, Time};
        let text = |text: &str| Text(text.to_owned());
        assert_eq!(prefix(PREFIX), Ok(vec![Name, text(" |")]));
        assert_eq!(
            prefix("{time} {group}:{name}[{pid}]"),
            Ok(vec![Time, text(" "), Group, text(":"), Name, text("["), Pid, text("]")])
        );
        assert_eq!(prefix("{{x}} é{stream}"), Ok(vec![text("{x} é"), Stream]));
        assert_eq!(prefix(""), Ok(Vec::new()));
        for bad in ["{", "}", "{nme}", "a {pid", "{name", &"x".repeat(LONGEST_PREFIX + 1)] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prefix_is_written_as_it_is_read() {
        for text in ["{name} |", "{{{pid}}} {time}", "", "{group}/{stream}"] {
            let written: String = prefix(text).unwrap().iter().map(PrefixPart::written).collect();
            assert_eq!(written, text);
        }
    }

    #[test]
    fn rate_is_lines_a_second_or_in_a_time() {
        let of = |lines, millis| Ok(LogRate { lines, per: Duration::from_millis(millis) });
        assert_eq!([rate("1000"), rate("600/1m"), rate("5 / 500ms")], [of(1000, 1000), of(600, 60_000), of(5, 500)]);
        for bad in ["", "0", "-1", "+1", "1/", "1/0s", "1/s", "a", "1/2/3", "1000001", "1.5", "99999999999"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_and_sizes_that_are_none_are_refused() {
        assert_eq!([ring("0"), ring("8KB")], [Ok(0), Ok(8192)]);
        for bad in ["", "-1", "17MB", "x"] {
            assert!(ring(bad).is_err(), "{bad}");
        }
        assert_eq!(overflow("drop-oldest"), Ok(Overflow::DropOldest));
        assert!(overflow("drop_new").is_err() && format("JSON").is_err() && format("").is_err());
    }
}
