//! Commands around a process' life: `pre_start`, `post_stop`, `stop_command`, `reload_command`. Keys of visor's own.
//!
//! Owns: the keys and their values. Does not own: when they run (`program::step`), and how (`daemon`).

use std::time::Duration;

use super::document::Section;
use super::reader::{Names, Reader};
use super::{Signal, command, value};
use crate::span;

/// Every key.
pub(super) const KEYS: [&str; 6] =
    ["pre_start", "post_stop", "stop_command", "reload_command", "reload_signal", "hook_timeout"];
/// The time each may take, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Commands around a process' life, not split; each can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Runs before each start, which fails when it does.
    pub pre_start: Option<String>,
    /// Runs after each end of a child; the next start waits for it.
    pub post_stop: Option<String>,
    /// Runs instead of the stop signal.
    pub stop: Option<String>,
    /// What `svc reload-program` does.
    pub reload: Option<Reload>,
    /// The time each may take.
    pub timeout: Duration,
}

/// How a program is told to read its own configuration again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// By a command.
    Command(String),
    /// By a signal.
    Signal(Signal),
}

impl Hooks {
    /// The keys that were said, or might have been, with their values.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let quoted = |text: &String| super::dump::quoted(text).to_string();
        let mut lines: Vec<(&'static str, String)> = Vec::new();
        let commands = [("pre_start", &self.pre_start), ("post_stop", &self.post_stop), ("stop_command", &self.stop)];
        lines.extend(commands.into_iter().filter_map(|(key, text)| Some((key, quoted(text.as_ref()?)))));
        match &self.reload {
            Some(Reload::Command(text)) => lines.push(("reload_command", quoted(text))),
            Some(Reload::Signal(signal)) => lines.push(("reload_signal", signal.name())),
            None => {}
        }
        lines.push(("hook_timeout", span::in_millis(self.timeout)));
        lines
    }
}

/// Reads a section's keys; `None` when it has none of the commands.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names) -> Option<Box<Hooks>> {
    let mut hook = |key| reader.value(section, key, names, &|_, text| read_command(text)).flatten();
    let [pre_start, post_stop, stop, by_command] =
        ["pre_start", "post_stop", "stop_command", "reload_command"].map(&mut hook);
    let signal = reader.value(section, "reload_signal", names, &|_, text| Signal::parse(text));
    let timeout = reader.value(section, "hook_timeout", names, &|_, text| timeout(text)).unwrap_or(TIMEOUT);
    if by_command.is_some() && signal.is_some() {
        reader.refuse(section, "reload_signal", "`reload_command` is given, too: a program is reloaded one way");
    }
    let reload = by_command.map(Reload::Command).or(signal.map(Reload::Signal));
    let none = pre_start.is_none() && post_stop.is_none() && stop.is_none() && reload.is_none();
    (!none).then(|| Box::new(Hooks { pre_start, post_stop, stop, reload, timeout }))
}

/// A command that can be split; an empty one is none.
fn read_command(text: &str) -> Result<Option<String>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    command::split(text).map(|_| Some(text.to_owned()))
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = value::duration(text)?;
    if time.is_zero() { Err("a hook needs some time: more than 0".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_that_can_be_split_and_an_empty_one_is_none() {
        assert_eq!(read_command("touch 'a b'"), Ok(Some("touch 'a b'".to_owned())));
        assert_eq!([read_command(""), read_command("  ")], [Ok(None), Ok(None)]);
        for bad in ["echo 'a", "echo \"", "echo \\"] {
            assert!(read_command(bad).unwrap_err().starts_with("can't parse command"), "{bad}");
        }
    }

    #[test]
    fn timeout_is_some_time() {
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["0", "0ms", "", "soon", "-1"] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_are_of_what_was_said() {
        let hooks = Hooks {
            pre_start: None,
            post_stop: Some("rm \"x\"".to_owned()),
            stop: None,
            reload: Some(Reload::Signal(Signal(1))),
            timeout: TIMEOUT,
        };
        let lines: Vec<String> = hooks.lines().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(lines, ["post_stop=\"rm \\\"x\\\"\"", "reload_signal=SIGHUP", "hook_timeout=30000ms"]);
    }
}
