//! Which methods there are.
//!
//! Owns: names, aliases, parameters, help. Does not own: what they do.

use super::fault::{Fault, Kind};

/// What a method does; aliases share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    AddProcessGroup,
    ClearAllProcessLogs,
    ClearLog,
    ClearProcessLogs,
    GetApiVersion,
    GetAllConfigInfo,
    GetAllProcessInfo,
    GetIdentification,
    GetPid,
    GetProcessInfo,
    GetState,
    GetSupervisorVersion,
    ReadLog,
    ReadStdout,
    ReadStderr,
    ReloadConfig,
    RemoveProcessGroup,
    Restart,
    SendProcessStdin,
    SendRemoteCommEvent,
    Shutdown,
    SignalAllProcesses,
    SignalProcess,
    SignalProcessGroup,
    StartAllProcesses,
    StartProcess,
    StartProcessGroup,
    StopAllProcesses,
    StopProcess,
    StopProcessGroup,
    TailStdout,
    TailStderr,
    ListMethods,
    MethodHelp,
    MethodSignature,
    Multicall,
}

/// A type, as signatures name it.
type Type = &'static str;

/// One parameter: type, name, what it is.
type Parameter = (Type, &'static str, &'static str);

/// One name under which something can be called.
#[derive(Debug)]
pub struct Method {
    /// `namespace.name`.
    pub name: &'static str,
    /// What it does.
    pub deed: Deed,
    /// Who may only look may not call it.
    changes: bool,
    /// A sentence or more.
    about: &'static str,
    params: &'static [Parameter],
    /// How many of the last parameters may be left out.
    optional: usize,
    returns: (Type, &'static str),
}

const NAME: Parameter = ("string", "name", "a process, as `name` or `group:name`");
const GROUP: Parameter = ("string", "name", "a group");
const SIGNAL: Parameter = ("string", "signal", "its name, with or without SIG, or its number");
const OFFSET: Parameter =
    ("int", "offset", "where to begin, in bytes; negative counts from the end, length must then be 0");
const LENGTH: Parameter = ("int", "length", "how many bytes; 0 means up to the end");
const TAIL_OFFSET: Parameter = ("int", "offset", "where the last part ended");
const TAIL_LENGTH: Parameter = ("int", "length", "how many bytes at most");
const WAIT_START: Parameter = ("boolean", "wait", "answer when it runs, not when it was launched");
const WAIT_STOP: Parameter = ("boolean", "wait", "answer when it is gone, not when it was told to go");
const DONE: (Type, &str) = ("boolean", "result  true; what goes wrong is a fault");
const RESULTS: (Type, &str) = ("array", "result  a struct for each process: name, group, status, description");
const TEXT: (Type, &str) = ("string", "result  the text; bytes that are not UTF-8 are replaced");
const PART: (Type, &str) = ("array", "result  the text, the size of the log, whether something was left out");

const TAIL: &str = "The end of a log, for who asks again and again: what was added since offset, and if that is more than \
                    length, its last part.";
const READ: &str = "A part of a log.";
const CLEAR: &str = "Empties the logs of a process.";

const fn look(
    name: &'static str,
    deed: Deed,
    about: &'static str,
    params: &'static [Parameter],
    returns: (Type, &'static str),
) -> Method {
    Method { name, deed, changes: false, about, params, optional: 0, returns }
}

const fn change(
    name: &'static str,
    deed: Deed,
    about: &'static str,
    params: &'static [Parameter],
    returns: (Type, &'static str),
) -> Method {
    Method { name, deed, changes: true, about, params, optional: 0, returns }
}

/// As [`change`], for what may be called without its last parameter.
const fn waiting(
    name: &'static str,
    deed: Deed,
    about: &'static str,
    params: &'static [Parameter],
    returns: (Type, &'static str),
) -> Method {
    Method { name, deed, changes: true, about, params, optional: 1, returns }
}

/// All of them, sorted by name.
pub const METHODS: &[Method] = &[
    change(
        "supervisor.addProcessGroup",
        Deed::AddProcessGroup,
        "Makes a group of the configuration active and starts what in it starts by itself.",
        &[GROUP],
        DONE,
    ),
    change(
        "supervisor.clearAllProcessLogs",
        Deed::ClearAllProcessLogs,
        "Empties the logs of every process.",
        &[],
        RESULTS,
    ),
    change("supervisor.clearLog", Deed::ClearLog, "Empties the daemon's own log.", &[], DONE),
    change("supervisor.clearProcessLog", Deed::ClearProcessLogs, CLEAR, &[NAME], DONE),
    change("supervisor.clearProcessLogs", Deed::ClearProcessLogs, CLEAR, &[NAME], DONE),
    look("supervisor.getAPIVersion", Deed::GetApiVersion, "Version of this interface.", &[], ("string", "version  it")),
    look(
        "supervisor.getAllConfigInfo",
        Deed::GetAllConfigInfo,
        "What is configured, active or not.",
        &[],
        ("array", "result  a struct for each process"),
    ),
    look(
        "supervisor.getAllProcessInfo",
        Deed::GetAllProcessInfo,
        "How every process is.",
        &[],
        ("array", "result  a struct for each process"),
    ),
    look(
        "supervisor.getIdentification",
        Deed::GetIdentification,
        "The name of this daemon, as its configuration gives it.",
        &[],
        ("string", "identifier  it"),
    ),
    look("supervisor.getPID", Deed::GetPid, "The daemon's own pid.", &[], ("int", "pid  it")),
    look(
        "supervisor.getProcessInfo",
        Deed::GetProcessInfo,
        "How one process is.",
        &[NAME],
        ("struct", "result  its state, times, log files and a description"),
    ),
    look(
        "supervisor.getState",
        Deed::GetState,
        "How the daemon is.",
        &[],
        ("struct", "result  an int statecode and a string statename"),
    ),
    look(
        "supervisor.getSupervisorVersion",
        Deed::GetSupervisorVersion,
        "The version of Supervisor that this daemon behaves as.",
        &[],
        ("string", "version  it"),
    ),
    look("supervisor.getVersion", Deed::GetApiVersion, "Version of this interface.", &[], ("string", "version  it")),
    look("supervisor.readLog", Deed::ReadLog, "A part of the daemon's own log.", &[OFFSET, LENGTH], TEXT),
    look("supervisor.readMainLog", Deed::ReadLog, "A part of the daemon's own log.", &[OFFSET, LENGTH], TEXT),
    look("supervisor.readProcessLog", Deed::ReadStdout, READ, &[NAME, OFFSET, LENGTH], TEXT),
    look("supervisor.readProcessStderrLog", Deed::ReadStderr, READ, &[NAME, OFFSET, LENGTH], TEXT),
    look("supervisor.readProcessStdoutLog", Deed::ReadStdout, READ, &[NAME, OFFSET, LENGTH], TEXT),
    change(
        "supervisor.reloadConfig",
        Deed::ReloadConfig,
        "Reads the configuration again and says which groups differ. Nothing else changes.",
        &[],
        ("array", "result  an array in an array: names added, changed, removed"),
    ),
    change(
        "supervisor.removeProcessGroup",
        Deed::RemoveProcessGroup,
        "Forgets a group all of whose processes are stopped.",
        &[GROUP],
        DONE,
    ),
    change("supervisor.restart", Deed::Restart, "Begins anew with the configuration as it is now.", &[], DONE),
    change(
        "supervisor.sendProcessStdin",
        Deed::SendProcessStdin,
        "Writes to the stdin of a process, a text as UTF-8.",
        &[NAME, ("string", "chars", "what to write")],
        DONE,
    ),
    change(
        "supervisor.sendRemoteCommEvent",
        Deed::SendRemoteCommEvent,
        "Tells the event listeners that want REMOTE_COMMUNICATION.",
        &[("string", "type", "what kind of thing is told"), ("string", "data", "what is told")],
        DONE,
    ),
    change("supervisor.shutdown", Deed::Shutdown, "Stops everything and ends the daemon.", &[], DONE),
    change(
        "supervisor.signalAllProcesses",
        Deed::SignalAllProcesses,
        "Sends a signal to every process that runs.",
        &[SIGNAL],
        RESULTS,
    ),
    change("supervisor.signalProcess", Deed::SignalProcess, "Sends a signal to a process.", &[NAME, SIGNAL], DONE),
    change(
        "supervisor.signalProcessGroup",
        Deed::SignalProcessGroup,
        "Sends a signal to every process of a group that runs.",
        &[GROUP, SIGNAL],
        RESULTS,
    ),
    waiting(
        "supervisor.startAllProcesses",
        Deed::StartAllProcesses,
        "Starts every process that does not run.",
        &[WAIT_START],
        RESULTS,
    ),
    waiting(
        "supervisor.startProcess",
        Deed::StartProcess,
        "Starts a process; `group:*` means its whole group.",
        &[NAME, WAIT_START],
        DONE,
    ),
    waiting(
        "supervisor.startProcessGroup",
        Deed::StartProcessGroup,
        "Starts every process of a group that does not run.",
        &[GROUP, WAIT_START],
        RESULTS,
    ),
    waiting(
        "supervisor.stopAllProcesses",
        Deed::StopAllProcesses,
        "Stops every process that runs.",
        &[WAIT_STOP],
        RESULTS,
    ),
    waiting(
        "supervisor.stopProcess",
        Deed::StopProcess,
        "Stops a process; `group:*` means its whole group.",
        &[NAME, WAIT_STOP],
        DONE,
    ),
    waiting(
        "supervisor.stopProcessGroup",
        Deed::StopProcessGroup,
        "Stops every process of a group that runs.",
        &[GROUP, WAIT_STOP],
        RESULTS,
    ),
    look("supervisor.tailProcessLog", Deed::TailStdout, TAIL, &[NAME, TAIL_OFFSET, TAIL_LENGTH], PART),
    look("supervisor.tailProcessStderrLog", Deed::TailStderr, TAIL, &[NAME, TAIL_OFFSET, TAIL_LENGTH], PART),
    look("supervisor.tailProcessStdoutLog", Deed::TailStdout, TAIL, &[NAME, TAIL_OFFSET, TAIL_LENGTH], PART),
    look("system.listMethods", Deed::ListMethods, "The names of all methods.", &[], ("array", "result  them, sorted")),
    look(
        "system.methodHelp",
        Deed::MethodHelp,
        "What a method is for.",
        &[("string", "name", "a method")],
        ("string", "result  this text"),
    ),
    look(
        "system.methodSignature",
        Deed::MethodSignature,
        "The types of a method: first its result's, then its parameters'.",
        &[("string", "name", "a method")],
        ("array", "result  the types' names"),
    ),
    look(
        "system.multicall",
        Deed::Multicall,
        "Calls several methods, one after the other. A call is a struct of a string methodName and an array params.",
        &[("array", "calls", "the calls")],
        ("array", "result  for each its result, or a struct of faultCode and faultString"),
    ),
];

/// The method of that name.
///
/// # Errors
/// UNKNOWN_METHOD.
pub fn find(name: &str) -> Result<&'static Method, Fault> {
    METHODS.iter().find(|method| method.name == name).ok_or_else(|| Fault::new(Kind::UnknownMethod))
}

impl Method {
    /// Whether who may only look may not call it.
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// Whether it is answered as ever while visor goes down.
    pub fn works_to_the_end(&self) -> bool {
        self.name.starts_with("system.") || self.deed == Deed::SendRemoteCommEvent
    }

    /// Whether it can be called with so many parameters.
    pub fn takes(&self, count: usize) -> bool {
        let most = self.params.len();
        (most.saturating_sub(self.optional)..=most).contains(&count)
    }

    /// The types: first the result's, then the parameters'.
    pub fn signature(&self) -> Vec<&'static str> {
        std::iter::once(self.returns.0).chain(self.params.iter().map(|(kind, _, _)| *kind)).collect()
    }

    /// Its text of help, in the form from which tools read types.
    pub fn help(&self) -> String {
        let mut text = format!(" {}\n\n", self.about);
        for (kind, name, about) in self.params {
            text.push_str(&format!("        @param {kind} {name}  {about}\n"));
        }
        let (kind, about) = self.returns;
        text.push_str(&format!("        @return {kind} {about}\n        "));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_forty_one_sorted_methods() {
        assert_eq!(METHODS.len(), 41);
        assert!(METHODS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn signature_and_help_tell_the_same_types() {
        assert_eq!(find("supervisor.startProcess").unwrap().signature(), ["boolean", "string", "boolean"]);
        for method in METHODS {
            let help = method.help();
            let told = |tag: &str| -> Vec<String> {
                let lines = help.lines().filter_map(|line| line.trim().strip_prefix(tag));
                lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
            };
            assert_eq!([told("@return "), told("@param ")].concat(), method.signature(), "{}", method.name);
        }
    }

    #[test]
    fn number_of_parameters_is_checked_and_wait_may_be_left_out() {
        let takes = |name: &str, count| find(name).unwrap().takes(count);
        assert!(takes("supervisor.startProcess", 1) && takes("supervisor.startProcess", 2));
        assert!(!takes("supervisor.startProcess", 0) && !takes("supervisor.startProcess", 3));
        assert!(takes("supervisor.getPID", 0) && !takes("supervisor.getPID", 1));
        assert!(takes("supervisor.stopAllProcesses", 0));
        assert!(!takes("supervisor.readLog", 1));
    }

    #[test]
    fn names_that_are_none_are_unknown() {
        for name in ["", "getPID", "supervisor.getPID.x", "supervisor._update", "supervisor.getpid", "x.getPID"] {
            assert_eq!(find(name).unwrap_err().kind, Kind::UnknownMethod, "{name}");
        }
    }

    #[test]
    fn what_changes_something_is_marked() {
        let looks: Vec<&str> = METHODS.iter().filter(|method| !method.changes()).map(|method| method.name).collect();
        assert!(looks.iter().all(|name| {
            let (_, name) = name.split_once('.').unwrap();
            ["get", "read", "tail", "list", "method", "multicall"].iter().any(|verb| name.starts_with(verb))
        }));
    }
}
