//! The actions a person can name, and how a line names one.

use crate::list::List as _;
use crate::protocol::Ending;

/// What a person can ask for. `Quit` has three names: `quit`, `exit` and the end of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Activate groups of the configuration.
    Add,
    /// List what is configured.
    Avail,
    /// Empty logs.
    Clear,
    /// End the run of the machine whose init visor is.
    End(Ending),
    /// Every option of a process, and where it stands.
    Config,
    /// Leave the prompt.
    Quit,
    /// A process' output and input, here.
    Fg,
    /// Exit code: does all that should run run?
    Healthy,
    /// How to use the actions.
    Help,
    /// Output of several processes, each line with its name.
    Logs,
    /// The end of visor's own log.
    Maintail,
    /// Talk to another visor.
    Open,
    /// Process ids.
    Pid,
    /// Update everything.
    Reload,
    /// Have programs read their own configuration again.
    ReloadProgram,
    /// Forget groups.
    Remove,
    /// Open log files anew.
    Reopen,
    /// Read the configuration and say what differs.
    Reread,
    /// Stop, then start.
    Restart,
    /// Restart one after the other.
    Rolling,
    /// Another number of a program's processes.
    Scale,
    /// End visor.
    Shutdown,
    /// Send a signal.
    Signal,
    /// Start processes.
    Start,
    /// What runs.
    Status,
    /// Stop processes.
    Stop,
    /// The end of a log.
    Tail,
    /// What is used of the machine.
    Top,
    /// Make what runs match the configuration.
    Update,
    /// visor's version.
    Version,
    /// Tell listeners something.
    Event,
    /// Until processes are as wanted.
    Wait,
    /// Events as they happen.
    Watch,
    /// Why a process is not up.
    Why,
}

/// Names of the actions, in the order `help` lists them.
const NAMES: &[(&str, Action)] = &[
    ("add", Action::Add),
    ("avail", Action::Avail),
    ("clear", Action::Clear),
    ("config", Action::Config),
    ("event", Action::Event),
    ("exit", Action::Quit),
    ("fg", Action::Fg),
    ("halt", Action::End(Ending::Halt)),
    ("healthy", Action::Healthy),
    ("help", Action::Help),
    ("logs", Action::Logs),
    ("maintail", Action::Maintail),
    ("open", Action::Open),
    ("pid", Action::Pid),
    ("poweroff", Action::End(Ending::Poweroff)),
    ("quit", Action::Quit),
    ("reboot", Action::End(Ending::Reboot)),
    ("reload", Action::Reload),
    ("reload-program", Action::ReloadProgram),
    ("remove", Action::Remove),
    ("reopen", Action::Reopen),
    ("reread", Action::Reread),
    ("restart", Action::Restart),
    ("rolling", Action::Rolling),
    ("scale", Action::Scale),
    ("shutdown", Action::Shutdown),
    ("signal", Action::Signal),
    ("start", Action::Start),
    ("status", Action::Status),
    ("stop", Action::Stop),
    ("tail", Action::Tail),
    ("top", Action::Top),
    ("update", Action::Update),
    ("version", Action::Version),
    ("wait", Action::Wait),
    ("watch", Action::Watch),
    ("why", Action::Why),
];

impl Action {
    /// The action of a name; case matters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Action> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, action)| *action)
    }

    /// Whether Supervisor's client looks for its server before anything else; then a missing one has its own words and exit code.
    #[must_use]
    pub fn looks_first(self) -> bool {
        match self {
            Action::Status
            | Action::Start
            | Action::Stop
            | Action::Restart
            | Action::ReloadProgram
            | Action::Signal
            | Action::Pid
            | Action::Clear
            | Action::Config
            | Action::End(_)
            | Action::Tail
            | Action::Maintail
            | Action::Version
            | Action::Fg
            | Action::Healthy
            | Action::Logs
            | Action::Reopen
            | Action::Scale
            | Action::Event
            | Action::Rolling
            | Action::Top
            | Action::Wait
            | Action::Watch
            | Action::Why => true,
            Action::Add
            | Action::Avail
            | Action::Quit
            | Action::Help
            | Action::Open
            | Action::Reload
            | Action::Remove
            | Action::Reread
            | Action::Shutdown
            | Action::Update => false,
        }
    }
}

/// All names but `help`, as topics.
pub fn topics() -> Vec<&'static str> {
    NAMES.iter().filter(|(_, action)| *action != Action::Help).map(|(name, _)| *name).list()
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Nothing.
    Empty,
    /// An action, by the name it was called, and the words after it.
    Act {
        /// Which.
        action: Action,
        /// As written.
        name: &'a str,
        /// Separated by white space; the data of an event stay as they are.
        arguments: Vec<&'a str>,
    },
    /// No action; the line.
    Unknown(&'a str),
}

/// Takes a line apart: the leading letters, digits and `_`, or words joined by `-`, name the action, the rest are its arguments; `?` is `help`.
#[must_use]
pub fn parse(line: &str) -> Command<'_> {
    let whole = line.trim_start();
    let line = whole.trim_end();
    if line.is_empty() {
        return Command::Empty;
    }
    if let Some(rest) = line.strip_prefix('?') {
        return Command::Act { action: Action::Help, name: "help", arguments: rest.split_whitespace().list() };
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let upto = |ends: &dyn Fn(char) -> bool| line.split(ends).next().unwrap_or_default();
    // A name of two words is one when it stands whole; else what is in front of a `-` is the name, as with the original.
    let name = Some(upto(&|letter| !is_name(letter) && letter != '-'))
        .filter(|name| Action::from_name(name).is_some())
        .unwrap_or_else(|| upto(&|letter| !is_name(letter)));
    let rest = line.get(name.len()..).unwrap_or_default();
    match Action::from_name(name) {
        Some(Action::Event) => {
            let words = whole.get(name.len()..).unwrap_or_default().trim_start();
            let arguments = match words.split_once(char::is_whitespace) {
                Some((kind, data)) => vec![kind, data],
                None => words.split_whitespace().list(),
            };
            Command::Act { action: Action::Event, name, arguments }
        }
        Some(action) => Command::Act { action, name, arguments: rest.split_whitespace().list() },
        None => Command::Unknown(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act<'a>(action: Action, name: &'a str, arguments: &[&'a str]) -> Command<'a> {
        Command::Act { action, name, arguments: arguments.to_vec() }
    }

    #[test]
    fn line_splits_into_action_and_arguments() {
        assert_eq!(parse(" stop  a g:* \n"), act(Action::Stop, "stop", &["a", "g:*"]));
        assert_eq!(parse("reload-program a"), act(Action::ReloadProgram, "reload-program", &["a"]));
        assert_eq!(parse("reload-x a"), act(Action::Reload, "reload", &["-x", "a"]));
        assert_eq!(parse("status;avail"), act(Action::Status, "status", &[";avail"]));
        assert_eq!(parse("?start"), act(Action::Help, "help", &["start"]));
        assert_eq!(parse("?"), act(Action::Help, "help", &[]));
        assert_eq!(parse(" event  t a  b\n"), act(Action::Event, "event", &["t", "a  b\n"]));
        assert_eq!(parse("event t"), act(Action::Event, "event", &["t"]));
        assert_eq!(parse("event "), act(Action::Event, "event", &[]));
        assert_eq!(parse("exit"), act(Action::Quit, "exit", &[]));
    }

    #[test]
    fn empty_and_unknown_lines_are_told_apart() {
        assert_eq!(parse("  \t"), Command::Empty);
        for line in ["START all", "frob", "-f", "é", "statusx"] {
            assert_eq!(parse(line), Command::Unknown(line));
        }
    }
}
