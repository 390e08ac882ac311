//! Texts → typed values, one function per kind of value. A reason for a refusal has Supervisor's wording.

use std::time::Duration;

use nix::sys::signal::Signal as Named;

use super::host::Host;
use super::path::{directory_of, expand_home, join};
use super::python::{integer as python_integer, repr};
use super::types::{AutoRestart, LogLevel, Owner, Signal, User};
use crate::list::List as _;

/// First realtime signal a program may use; the C library keeps the two below it.
const RTMIN: i32 = 34;
/// Last realtime signal.
const RTMAX: i32 = 64;
/// Second names of signals.
const ALIASES: [(&str, Named); 3] = [("SIGCLD", Named::SIGCHLD), ("SIGIOT", Named::SIGABRT), ("SIGPOLL", Named::SIGIO)];
/// Suffixes of byte sizes, each with its factor.
const SIZES: [(&str, i64); 3] = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)];
/// Longest time that can be said: far beyond any uptime, far from overflow.
const LONGEST_MILLIS: u64 = 100 * 365 * 86_400_000;
/// Highest exit code there is.
const HIGHEST_EXIT_CODE: i64 = 255;

/// Words for yes and no, any case.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    truth(&text.to_lowercase()).ok_or_else(|| format!("not a valid boolean value: {}", repr(text)))
}

fn truth(lower: &str) -> Option<bool> {
    match lower {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The path of a terminal.
pub(super) fn terminal(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains(['\0', '\n']) {
        return Ok(text.to_owned());
    }
    Err(format!("not the absolute path of a terminal: {}", repr(text)))
}

/// The name of a machine, as the kernel takes it.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    const LONGEST: usize = 64;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(fits) {
        return Err(format!("not a valid host name: {}", repr(text)));
    }
    Ok(text.to_owned())
}

/// Units of durations, in milliseconds; the longer name first where one ends like another.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A time span: `500ms`, `10s`, `5m`, `2h`, `1d`; a number alone is seconds.
///
/// # Errors
/// That it is none, with the units there are.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let factor = factor.or_else(|| unit.is_empty().then_some(1000));
    let digits = digits.trim_end();
    let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|millis| *millis <= LONGEST_MILLIS)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{} is no time: a number and ms, s, m, h or d, of at most 100 years", repr(text)))
}

/// Items of a list separated by commas, without the spaces around them; empty ones do not count.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).list()
}

/// Names of hosts as a browser calls them, without port, separated by commas; lower case.
pub(super) fn called_hosts(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| host_name(name).map(|name| name.to_ascii_lowercase())).list_all()
}

/// A decimal number of any size and sign.
pub(super) fn integer(text: &str) -> Result<i64, String> {
    python_integer(text, 10).ok_or_else(|| format!("invalid literal for int() with base 10: {}", repr(text)))
}

/// Bytes, with an optional `KB`, `MB` or `GB` of 1024.
pub(super) fn byte_size(text: &str) -> Result<i64, String> {
    let lower = text.to_lowercase();
    for (suffix, factor) in SIZES {
        if let Some(number) = lower.strip_suffix(suffix) {
            return Ok(integer(number)?.saturating_mul(factor));
        }
    }
    integer(&lower)
}

/// A file mode or mask.
pub(super) fn octal(text: &str) -> Result<u32, String> {
    python_integer(text, 8)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| format!("{text} can not be converted to an octal type"))
}

/// A level's name, any case.
pub(super) fn log_level(text: &str) -> Result<LogLevel, String> {
    match text.to_lowercase().as_str() {
        "critical" => Ok(LogLevel::Critical),
        "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        "blather" => Ok(LogLevel::Blather),
        _ => Err(format!("bad logging level name {}", repr(text))),
    }
}

/// When to start again.
pub(super) fn auto_restart(text: &str) -> Result<AutoRestart, String> {
    let lower = text.to_lowercase();
    match truth(&lower) {
        Some(true) => Ok(AutoRestart::Always),
        Some(false) => Ok(AutoRestart::Never),
        None if lower == "unexpected" => Ok(AutoRestart::Unexpected),
        None => Err(format!("invalid 'autorestart' value {}", repr(&lower))),
    }
}

/// A comma list of exit codes; empty = none.
pub(super) fn exit_codes(text: &str) -> Result<Vec<i64>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|word| {
            python_integer(word, 10)
                .filter(|code| (0..=HIGHEST_EXIT_CODE).contains(code))
                .ok_or_else(|| format!("not a valid list of exit codes: {}", repr(text)))
        })
        .list_all()
}

/// A comma list of words, each trimmed; empty = none.
pub(super) fn words(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|word| word.trim().to_owned()).list()
}

/// A name of a program, group or process, trimmed.
pub(super) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match [' ', ':', '/'].into_iter().find(|c| name.contains(*c)) {
        Some(c) => Err(format!("Invalid name: {} because of character: '{c}'", repr(name))),
        None => Ok(name.to_owned()),
    }
}

impl Signal {
    /// A signal by number, or by name with or without `SIG`, in any case.
    ///
    /// # Errors
    /// Supervisor's sentence for a name or number that is no signal of this platform.
    pub fn parse(text: &str) -> Result<Self, String> {
        match python_integer(text, 10) {
            Some(number) => i32::try_from(number)
                .ok()
                .filter(|number| is_signal(*number))
                .map(Self)
                .ok_or_else(|| format!("value {} is not a valid signal number", repr(text))),
            None => {
                signal_by_name(text).map(Self).ok_or_else(|| format!("value {} is not a valid signal name", repr(text)))
            }
        }
    }

    /// `SIGTERM`, `SIGRTMIN+2`, or `signal 33` for one without a name.
    #[must_use]
    pub fn name(&self) -> String {
        if let Ok(named) = Named::try_from(self.0) {
            return named.as_str().to_owned();
        }
        match self.0 {
            RTMIN => "SIGRTMIN".to_owned(),
            RTMAX => "SIGRTMAX".to_owned(),
            number if (RTMIN..RTMAX).contains(&number) => format!("SIGRTMIN+{}", number - RTMIN),
            number => format!("signal {number}"),
        }
    }
}

/// Whether a number is 0, a named signal or an end of the realtime range.
fn is_signal(number: i32) -> bool {
    number == 0 || number == RTMIN || number == RTMAX || Named::try_from(number).is_ok()
}

fn signal_by_name(text: &str) -> Option<i32> {
    let upper = text.trim().to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    match name.as_str() {
        "SIGRTMIN" => return Some(RTMIN),
        "SIGRTMAX" => return Some(RTMAX),
        _ => {}
    }
    if let Some((_, signal)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(*signal as i32);
    }
    Named::iterator().find(|signal| signal.as_str() == name).map(|signal| signal as i32)
}

/// A user by name or number. A number without a passwd entry is accepted (the original refuses it),
/// with the group of the same number.
pub(super) fn user(host: &dyn Host, text: &str) -> Result<User, String> {
    match python_integer(text, 10) {
        None => host
            .user_by_name(text)
            .map(|user| User { name: text.to_owned(), ..user })
            .ok_or_else(|| format!("Invalid user name {text}")),
        Some(number) => {
            let uid = u32::try_from(number).map_err(|_| format!("Invalid user id {text}"))?;
            let known = host.user_by_id(uid);
            Ok(User {
                name: text.to_owned(),
                ..known.unwrap_or(User { name: String::new(), uid, gid: uid, groups: vec![uid] })
            })
        }
    }
}

/// `user` or `user:group`.
pub(super) fn owner(host: &dyn Host, text: &str) -> Result<Owner, String> {
    let (user_text, group_text) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let uid = user(host, user_text)?.uid;
    let gid = match group_text {
        None => None,
        Some(name) => Some(group(host, name)?),
    };
    Ok(Owner { uid: Some(uid), gid })
}

/// A group by name or number.
pub(super) fn group(host: &dyn Host, text: &str) -> Result<u32, String> {
    match python_integer(text, 10) {
        Some(number) => u32::try_from(number).map_err(|_| format!("Invalid group id {text}")),
        None => host.group_by_name(text).ok_or_else(|| format!("Invalid group name {text}")),
    }
}

/// A directory that exists, with `~` replaced.
pub(super) fn existing_directory(host: &dyn Host, text: &str) -> Result<String, String> {
    let path = expand_home(host, text);
    if host.is_directory(&join(&host.current_directory(), &path)) {
        Ok(path)
    } else {
        Err(format!("{text} is not an existing directory"))
    }
}

/// A file whose directory exists, with `~` replaced.
pub(super) fn file_path(host: &dyn Host, text: &str) -> Result<String, String> {
    let path = expand_home(host, text);
    let directory = directory_of(&path);
    if directory.is_empty() || host.is_directory(&join(&host.current_directory(), directory)) {
        Ok(path)
    } else {
        Err(format!("The directory named as part of the path {text} does not exist"))
    }
}

/// `host:port` or `port` of an inet server; the host is empty for all interfaces.
pub(super) fn inet_address(text: &str) -> Result<(String, u16), String> {
    match text.rsplit_once(':') {
        Some((_, "")) => Err("no port number specified in ''".to_owned()),
        Some((host, port)) => {
            let host = host.to_lowercase();
            let host = if host == "*" { String::new() } else { host };
            Ok((host, port_number(port)?))
        }
        None => match port_number(text) {
            Ok(port) => Ok((String::new(), port)),
            Err(_) => Err(format!("not a valid port number: {} ", repr(text))),
        },
    }
}

/// A port from 1 to 65535.
pub(super) fn port_number(text: &str) -> Result<u16, String> {
    let number = integer(text)?;
    if number < 1 {
        return Err(format!("{number} is below lower bound (1)"));
    }
    u16::try_from(number).map_err(|_| format!("{number} is above upper bound ({})", u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        let ms = |text| duration(text).map(|time| time.as_millis());
        assert_eq!(
            [ms("500ms"), ms("10s"), ms("5m"), ms("2h"), ms("1d")].map(Result::unwrap),
            [500, 10_000, 300_000, 7_200_000, 86_400_000]
        );
        assert_eq!([ms("7"), ms("0"), ms("3 s")].map(Result::unwrap), [7000, 0, 3000]);
        for bad in ["", "s", "-1s", "+1", "1.5s", "1x", "1sec", "1S", "1 2", "99999999999d", "18446744073709551616"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn boolean_any_case_is_read_and_others_refused() {
        assert_eq!(boolean("YES"), Ok(true));
        assert_eq!(boolean("off"), Ok(false));
        assert_eq!(boolean("t"), Err("not a valid boolean value: 't'".to_owned()));
        assert_eq!(boolean(" yes"), Err("not a valid boolean value: ' yes'".to_owned()));
    }

    #[test]
    fn terminal_is_an_absolute_path_and_nothing_else() {
        assert_eq!(terminal("/dev/ttyS0"), Ok("/dev/ttyS0".to_owned()));
        for wrong in ["", "ttyS0", "dev/ttyS0", "/dev/tty\0"] {
            assert!(terminal(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn host_name_with_strange_characters_or_too_long_is_refused() {
        assert_eq!(host_name("box-1.lan"), Ok("box-1.lan".to_owned()));
        for wrong in ["", "a b", "é", "a/b", &"x".repeat(65)] {
            assert!(host_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn called_hosts_are_names_without_port_or_scheme() {
        assert_eq!(called_hosts(" Box.lan, b ,"), Ok(vec!["box.lan".to_owned(), "b".to_owned()]));
        assert_eq!(called_hosts(""), Ok(Vec::new()));
        for wrong in ["box:9001", "http://box", "*", "a b", "a,é"] {
            assert!(called_hosts(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn byte_size_suffix_is_a_power_of_1024() {
        assert_eq!(byte_size("50MB"), Ok(52_428_800));
        assert_eq!(byte_size("1 kb"), Ok(1024));
        assert_eq!(byte_size("-1"), Ok(-1));
        assert_eq!(byte_size("9999999999999999GB"), Ok(i64::MAX));
        assert_eq!(byte_size("5K"), Err("invalid literal for int() with base 10: '5k'".to_owned()));
        assert_eq!(byte_size("MB"), Err("invalid literal for int() with base 10: ''".to_owned()));
    }

    #[test]
    fn octal_negative_or_decimal_digit_is_refused() {
        assert_eq!(octal("0o27"), Ok(0o27));
        assert_eq!(octal("9"), Err("9 can not be converted to an octal type".to_owned()));
        assert!(octal("-1").is_err());
    }

    #[test]
    fn exit_codes_list_is_checked() {
        assert_eq!(exit_codes("0, 2"), Ok(vec![0, 2]));
        assert_eq!(exit_codes(""), Ok(vec![]));
        for text in ["0,", "256", "-1", "a"] {
            assert_eq!(exit_codes(text), Err(format!("not a valid list of exit codes: '{text}'")));
        }
    }

    #[test]
    fn signal_names_and_numbers_are_those_of_the_platform() {
        for (text, number) in
            [("term", 15), (" SIGHUP ", 1), ("9", 9), ("CLD", 17), ("RTMIN", 34), ("64", 64), ("0", 0)]
        {
            assert_eq!(Signal::parse(text), Ok(Signal(number)), "{text}");
        }
        assert_eq!(Signal::parse("RTMIN+1"), Err("value 'RTMIN+1' is not a valid signal name".to_owned()));
        assert_eq!(Signal::parse("40"), Err("value '40' is not a valid signal number".to_owned()));
        assert_eq!(Signal::parse("99999999999"), Err("value '99999999999' is not a valid signal number".to_owned()));
    }

    #[test]
    fn signal_name_covers_realtime_and_nameless_ones() {
        let names = [15, 34, 36, 64, 33, 0].map(|number| Signal(number).name());
        assert_eq!(names, ["SIGTERM", "SIGRTMIN", "SIGRTMIN+2", "SIGRTMAX", "signal 33", "signal 0"]);
    }

    #[test]
    fn inet_address_forms_are_read() {
        assert_eq!(inet_address("9001"), Ok((String::new(), 9001)));
        assert_eq!(inet_address("*:9001"), Ok((String::new(), 9001)));
        assert_eq!(inet_address("LocalHost:80"), Ok(("localhost".to_owned(), 80)));
        assert_eq!(inet_address("x"), Err("not a valid port number: 'x' ".to_owned()));
        assert_eq!(inet_address("h:"), Err("no port number specified in ''".to_owned()));
        assert_eq!(inet_address("h:70000"), Err("70000 is above upper bound (65535)".to_owned()));
        assert_eq!(inet_address("h:0"), Err("0 is below lower bound (1)".to_owned()));
    }

    #[test]
    fn name_with_separator_is_refused() {
        assert_eq!(name(" a.b "), Ok("a.b".to_owned()));
        assert_eq!(name("a/b"), Err("Invalid name: 'a/b' because of character: '/'".to_owned()));
    }
}
