//! How a program is found ready and healthy: `ready`, `health`, their times, `on_unhealthy`. Keys of visor's own.
//!
//! Owns: these keys and their shapes. Does not own: when a check is made (`program::check`) and how (`daemon::checks`).

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::time::Duration;

use super::document::Section;
use super::host::Host;
use super::path::{absolute, expand_home, join};
use super::reader::{Names, Reader};
use super::types::{Logfile, Process};
use super::{command, value};
use crate::span::in_millis;

/// Every key of this page.
pub(super) const KEYS: [&str; 11] = [
    "ready",
    "ready_interval",
    "ready_timeout",
    "ready_retries",
    "ready_delay",
    "health",
    "health_interval",
    "health_timeout",
    "health_retries",
    "health_delay",
    "on_unhealthy",
];

/// Numbers of descriptors that `fd:N` may name; those below are taken, those above are beyond what programs expect.
const DESCRIPTORS: std::ops::RangeInclusive<i32> = 3..=255;
/// Longest TEXT of `log:TEXT`, in bytes: so much of a stream is kept between two reads.
const LONGEST_TEXT: usize = 256;
/// Longest URL, in bytes: a request has to fit into the empty buffer of a socket.
const LONGEST_URL: usize = 2048;
/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;
/// Most forgiven failures; more is no number anybody means.
const MOST_RETRIES: u32 = 1_000_000;

const READY_INTERVAL: Duration = Duration::from_secs(1);
const READY_RETRIES: u32 = 60;
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
const HEALTH_RETRIES: u32 = 2;
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long is waited for what a program says by itself.
const WORD_TIMEOUT: Duration = Duration::from_secs(60);

/// How a process is found ready and healthy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checks {
    /// What makes it RUNNING; `None` = `startsecs`.
    pub ready: Option<Check>,
    /// What it must stand while it is RUNNING.
    pub health: Option<Check>,
    /// What follows when it does not.
    pub on_unhealthy: OnUnhealthy,
}

/// What follows when a process is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnhealthy {
    /// It is stopped and started again.
    #[default]
    Restart,
    /// It is stopped.
    Stop,
    /// Nothing but that it is told.
    Ignore,
}

/// One check and its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is looked at.
    pub probe: Probe,
    /// From the end of an attempt to the next one.
    pub interval: Duration,
    /// How long an attempt may take. Of a watchdog: how long the program may be silent.
    pub timeout: Duration,
    /// Failed attempts in a row that are forgiven; none of what the program says by itself, whose `timeout` has them in it.
    pub retries: u32,
    /// Before the first attempt.
    pub delay: Duration,
}

/// What a check looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The program writes a line to this descriptor.
    Fd(i32),
    /// The program says so over the socket `NOTIFY_SOCKET`.
    Notify,
    /// Somebody accepts connections there.
    Tcp(SocketAddr),
    /// Somebody accepts connections at this path.
    Unix(String),
    /// A request is answered with 2xx or 3xx.
    Http(Url),
    /// A command ends with 0: as written, and its words.
    Exec(String, Vec<String>),
    /// This path exists.
    File(String),
    /// The program writes this to its stdout or stderr, within a line.
    Log(String),
}

/// The parts of an `http://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Where to connect to.
    pub address: SocketAddr,
    /// Host and port as written, for the request.
    pub host: String,
    /// From the first slash on.
    pub path: String,
}

impl Probe {
    /// Whether the program says it by itself, so that there is one long attempt.
    #[must_use]
    pub fn is_word(&self) -> bool {
        match self {
            Probe::Fd(_) | Probe::Notify | Probe::Log(_) => true,
            Probe::Tcp(_) | Probe::Unix(_) | Probe::Http(_) | Probe::Exec(..) | Probe::File(_) => false,
        }
    }
}

impl Display for Probe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Probe::Fd(number) => write!(out, "fd:{number}"),
            Probe::Notify => out.write_str("notify"),
            Probe::Tcp(address) => write!(out, "tcp:{address}"),
            Probe::Unix(path) => write!(out, "unix:{path}"),
            Probe::Http(url) => write!(out, "http://{}{}", url.host, url.path),
            Probe::Exec(command, _) => write!(out, "exec:{command}"),
            Probe::File(path) => write!(out, "file:{path}"),
            Probe::Log(text) => write!(out, "log:{text}"),
        }
    }
}

impl OnUnhealthy {
    /// The word of the key's value.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            OnUnhealthy::Restart => "restart",
            OnUnhealthy::Stop => "stop",
            OnUnhealthy::Ignore => "ignore",
        }
    }
}

impl Checks {
    /// Whether the program gets a `NOTIFY_SOCKET`.
    #[must_use]
    pub fn notifies(&self) -> bool {
        [&self.ready, &self.health].into_iter().flatten().any(|check| check.probe == Probe::Notify)
    }

    /// What differs from a section without these keys, as keys and values.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (key, check) in [("ready", &self.ready), ("health", &self.health)] {
            let Some(check) = check else { continue };
            let mut put = |suffix: &str, value: String| lines.push((format!("{key}{suffix}"), value));
            put("", check.probe.to_string());
            let (once, watchdog) = (check.probe.is_word() && key == "ready", check.probe == Probe::Notify);
            if once || !watchdog {
                put("_timeout", in_millis(check.timeout));
            }
            if !once {
                put("_interval", in_millis(check.interval));
                put("_retries", check.retries.to_string());
                put("_delay", in_millis(check.delay));
            }
        }
        if self.health.is_some() {
            lines.push(("on_unhealthy".to_owned(), self.on_unhealthy.word().to_owned()));
        }
        lines
    }
}

/// Which of the two uses a check has.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Ready,
    Health,
}

impl Use {
    fn key(self, suffix: &str) -> String {
        let key = match self {
            Use::Ready => "ready",
            Use::Health => "health",
        };
        format!("{key}{suffix}")
    }
}

/// Reads a section's keys. `directory` is the program's: relative paths begin there.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    section: &'a Section,
    names: &Names,
    directory: Option<&str>,
) -> Option<Box<Checks>> {
    let mut read = Read { reader, section, names, directory };
    let (ready, health) = (read.check(Use::Ready), read.check(Use::Health));
    let action = reader.value(section, "on_unhealthy", names, &|_, text| on_unhealthy(text));
    // Without a check it means nothing, and is no reason to start a program anew.
    let on_unhealthy = action.filter(|_| health.is_some()).unwrap_or_default();
    (ready.is_some() || health.is_some()).then(|| Box::new(Checks { ready, health, on_unhealthy }))
}

/// Says what does not go together in a process that is otherwise right; whether all does.
pub(super) fn agree<'a>(reader: &mut Reader<'a>, section: &'a Section, process: &Process) -> bool {
    let Some(Checks { ready, health, .. }) = process.checks.as_deref() else { return true };
    let mistakes = reader.mistakes.len();
    if process.policy.oneshot {
        for (key, check) in [("ready", ready), ("health", health)] {
            if check.is_some() {
                reader.refuse(section, key, "a oneshot is done when it has ended, and is neither ready nor healthy");
            }
        }
    }
    match ready.as_ref().map(|check| &check.probe) {
        Some(Probe::Fd(number)) => {
            let first = *DESCRIPTORS.start();
            let taken = i32::try_from(process.listen.len()).unwrap_or(0);
            if number.saturating_sub(first) < taken {
                let last = first.saturating_add(taken).saturating_sub(1);
                reader.refuse(section, "ready", format!("`listen` has the descriptors {first} to {last}"));
            }
        }
        Some(Probe::Log(_)) => {
            let hidden = |logfile: &Logfile| *logfile == Logfile::Terminal;
            if hidden(&process.stdout.logfile) && (process.redirect_stderr || hidden(&process.stderr.logfile)) {
                reader.refuse(section, "ready", "what is written to a `tty` does not pass through visor");
            }
        }
        Some(Probe::Notify | Probe::Tcp(_) | Probe::Unix(_) | Probe::Http(_) | Probe::Exec(..) | Probe::File(_))
        | None => {}
    }
    reader.mistakes.len() == mistakes
}

/// One section being read.
struct Read<'r, 'a, 'n> {
    reader: &'r mut Reader<'a>,
    section: &'a Section,
    names: &'r Names<'n>,
    directory: Option<&'r str>,
}

impl Read<'_, '_, '_> {
    /// Times of a check that is not there mean nothing: they may come from a template.
    fn check(&mut self, used: Use) -> Option<Check> {
        let (key, directory) = (used.key(""), self.directory);
        // An empty one is none: a program need not have the check of its template.
        let read = |host: &dyn Host, text: &str| match text {
            "" => Ok(None),
            text => probe(host, directory, text).map(Some),
        };
        let probe = self.reader.value(self.section, &key, self.names, &read).flatten()?;
        match (used, &probe) {
            (Use::Health, Probe::Fd(_) | Probe::Log(_)) => {
                let reason =
                    format!("`{probe}` is said once: it can tell that a program is ready, not that it is healthy");
                self.reader.refuse(self.section, &key, reason);
                None
            }
            (Use::Health, Probe::Notify) => {
                let (interval, retries) = (self.interval(used), self.retries(used));
                let timeout = interval.saturating_mul(retries.saturating_add(1));
                Some(Check { probe, interval, timeout, retries, delay: self.delay(used) })
            }
            (Use::Ready, word) if word.is_word() => {
                let timeout = self.get(used, "_timeout", some_time).unwrap_or(WORD_TIMEOUT);
                Some(Check { probe, interval: Duration::ZERO, timeout, retries: 0, delay: Duration::ZERO })
            }
            (Use::Ready | Use::Health, _) => Some(Check {
                probe,
                interval: self.interval(used),
                timeout: self.get(used, "_timeout", some_time).unwrap_or(TIMEOUT),
                retries: self.retries(used),
                delay: self.delay(used),
            }),
        }
    }

    fn interval(&mut self, used: Use) -> Duration {
        let default = if used == Use::Ready { READY_INTERVAL } else { HEALTH_INTERVAL };
        self.get(used, "_interval", some_time).unwrap_or(default)
    }

    fn retries(&mut self, used: Use) -> u32 {
        let default = if used == Use::Ready { READY_RETRIES } else { HEALTH_RETRIES };
        self.get(used, "_retries", count).unwrap_or(default)
    }

    fn delay(&mut self, used: Use) -> Duration {
        self.get(used, "_delay", value::duration).unwrap_or_default()
    }

    fn get<T>(&mut self, used: Use, suffix: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        self.reader.value(self.section, &used.key(suffix), self.names, &|_, text| parse(text))
    }
}

fn some_time(text: &str) -> Result<Duration, String> {
    let time = value::duration(text)?;
    if time.is_zero() { Err("it must be more than 0".to_owned()) } else { Ok(time) }
}

fn count(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|count| digits && *count <= MOST_RETRIES)
        .ok_or_else(|| format!("`{text}` is no number of retries: 0 to {MOST_RETRIES}"))
}

fn on_unhealthy(text: &str) -> Result<OnUnhealthy, String> {
    [OnUnhealthy::Restart, OnUnhealthy::Stop, OnUnhealthy::Ignore]
        .into_iter()
        .find(|action| action.word() == text)
        .ok_or_else(|| format!("`{text}` is no action: restart, stop or ignore"))
}

fn probe(host: &dyn Host, directory: Option<&str>, text: &str) -> Result<Probe, String> {
    if text == "notify" {
        return Ok(Probe::Notify);
    }
    let path = |path: &str| match path {
        "" => Err(format!("`{text}` names no path")),
        path if path.contains('\0') => Err("a path cannot hold a NUL byte".to_owned()),
        path => {
            let path = expand_home(host, path);
            Ok(absolute(host, &join(directory.unwrap_or_default(), &path)))
        }
    };
    let Some((kind, argument)) = text.split_once(':') else { return Err(no_check(text)) };
    match kind {
        "fd" => argument
            .parse()
            .ok()
            .filter(|number| DESCRIPTORS.contains(number) && argument.bytes().all(|byte| byte.is_ascii_digit()))
            .map(Probe::Fd)
            .ok_or_else(|| format!("`{argument}` is no descriptor to tell by: 3 to {}", DESCRIPTORS.end())),
        "tcp" => {
            let (name, port) = argument.rsplit_once(':').ok_or_else(|| format!("`{text}` names no port"))?;
            socket_address(host, name, port).map(Probe::Tcp)
        }
        "unix" => path(argument).map(Probe::Unix),
        "http" => url(host, argument).map(Probe::Http),
        "https" => Err("visor speaks no TLS: use an `exec:` check, such as `exec:curl -fsS URL`".to_owned()),
        "exec" => command::split(argument).map(|words| Probe::Exec(argument.trim().to_owned(), words)),
        "file" => path(argument).map(Probe::File),
        "log" => match argument.len() {
            0 => Err("`log:` wants a text".to_owned()),
            1..=LONGEST_TEXT if argument.contains('\n') => Err("the text of `log:` stands within one line".to_owned()),
            1..=LONGEST_TEXT => Ok(Probe::Log(argument.to_owned())),
            long => Err(format!("the text of `log:` has {long} bytes, more than {LONGEST_TEXT}")),
        },
        _ => Err(no_check(text)),
    }
}

fn no_check(text: &str) -> String {
    format!(
        "`{text}` is no check: fd:N, notify, tcp:HOST:PORT, unix:PATH, http://HOST:PORT/PATH, exec:COMMAND, file:PATH \
         or log:TEXT"
    )
}

/// Names are looked up here and now, where nobody waits for it: no name server is asked.
fn socket_address(host: &dyn Host, name: &str, port: &str) -> Result<SocketAddr, String> {
    let port = value::port_number(port)?;
    let unknown = || {
        format!(
            "`{name}` is no address, not localhost, and not in /etc/hosts; name servers are not asked, an `exec:` \
             check can do that"
        )
    };
    host.address_of(name).map(|address| SocketAddr::new(address, port)).ok_or_else(unknown)
}

/// What follows `http:`.
fn url(host: &dyn Host, text: &str) -> Result<Url, String> {
    let rest = text.strip_prefix("//").ok_or_else(|| format!("`http:{text}` is not `http://HOST:PORT/PATH`"))?;
    if text.len() > LONGEST_URL || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("an address has at most {LONGEST_URL} bytes, without blanks: `http:{text}`"));
    }
    let (place, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    // The colons of an address in brackets are no port's.
    let bracket = place.rfind(']').map_or(0, |at| at);
    let port_at = place.rfind(':').filter(|colon| *colon >= bracket);
    let address = match port_at.map(|colon| place.split_at(colon)) {
        Some((name, port)) => socket_address(host, name, port.trim_start_matches(':'))?,
        None => socket_address(host, place, &HTTP_PORT.to_string())?,
    };
    let path = path.split('#').next().unwrap_or(path);
    Ok(Url { address, host: place.to_owned(), path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn of(text: &str) -> Result<Probe, String> {
        probe(&Machine, Some("/srv"), text)
    }

    fn shown(text: &str) -> String {
        of(text).map_or_else(|reason| reason, |probe| probe.to_string())
    }

    #[test]
    fn every_kind_is_read_in_its_plain_form() {
        for (text, plain) in [
            ("fd:3", "fd:3"),
            ("notify", "notify"),
            ("tcp:localhost:5432", "tcp:127.0.0.1:5432"),
            ("tcp:[::1]:80", "tcp:[::1]:80"),
            ("unix:run/x.sock", "unix:/srv/run/x.sock"),
            ("file:/run/../up", "file:/up"),
            ("exec: pg_isready -q ", "exec:pg_isready -q"),
            ("log:a : b", "log:a : b"),
            ("http://127.0.0.1:8080/up?x=1#y", "http://127.0.0.1:8080/up?x=1"),
            ("http://localhost", "http://localhost/"),
            ("http://[::1]/x:y", "http://[::1]/x:y"),
        ] {
            assert_eq!(shown(text), plain);
        }
        let Ok(Probe::Http(url)) = of("http://[::1]/x:y") else { panic!("a url") };
        assert_eq!(url.address, "[::1]:80".parse().unwrap());
        assert_eq!(of("exec:a 'b c'"), Ok(Probe::Exec("a 'b c'".into(), vec!["a".into(), "b c".into()])));
    }

    #[test]
    fn nonsense_is_refused_with_what_is_wrong() {
        for (text, part) in [
            ("", "is no check"),
            ("notify:x", "is no check"),
            ("sometimes", "is no check"),
            ("udp:localhost:1", "is no check"),
            ("fd:", "no descriptor"),
            ("fd:2", "no descriptor"),
            ("fd:+5", "no descriptor"),
            ("fd:256", "no descriptor"),
            ("tcp:80", "names no port"),
            ("tcp:localhost:0", "below lower bound"),
            ("tcp:localhost:http", "invalid literal"),
            ("tcp:no-such-host.invalid:80", "not in /etc/hosts"),
            ("tcp::80", "not in /etc/hosts"),
            ("unix:", "names no path"),
            ("file:", "names no path"),
            ("file:a\0b", "NUL"),
            ("http:localhost", "is not `http://HOST"),
            ("http://localhost/a b", "without blanks"),
            ("http://localhost/a\r\nX: y", "without blanks"),
            ("http://localhost:x/", "invalid literal"),
            ("https://localhost/", "no TLS"),
            ("exec:", "command is empty"),
            ("exec:a 'b", "No closing quotation"),
            ("log:", "wants a text"),
            ("log:a\nb", "within one line"),
            (&format!("log:{}", "x".repeat(257)), "257 bytes"),
        ] {
            let reason = of(text).expect_err(text);
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }

    #[test]
    fn retries_are_a_number_and_times_more_than_nothing() {
        assert_eq!([count("0"), count("17")], [Ok(0), Ok(17)]);
        for bad in ["", "-1", "+1", "x", "1000001", "99999999999"] {
            assert!(count(bad).is_err(), "{bad}");
        }
        assert!(some_time("0").is_err() && some_time("soon").is_err() && some_time("1ms").is_ok());
    }
}
