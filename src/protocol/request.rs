//! A request as a value.
//!
//! Owns: what may be asked. Does not own: its line (`parse`, `write`), whether names, signals or sizes make sense.

use std::fmt;

use super::Code;

/// First argument of `start` and `stop`: answer before the work is done.
pub(super) const NO_WAIT: &[u8] = b"--no-wait";
/// First argument of `update`: say what would be done.
pub(super) const DRY_RUN: &[u8] = b"--dry-run";
/// First argument of `maintail`: go on with what is added.
pub(super) const FOLLOW: &[u8] = b"follow";
/// Option of `watch`: a type of event follows.
pub(super) const TYPE: &[u8] = b"--type";

/// What may be asked. Names are as people write them; who answers resolves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Who is there.
    Hello,
    /// visor's pid (no names), or those of processes.
    Pid(Vec<String>),
    /// State of visor itself.
    State,
    /// State of processes; empty = all.
    Status(Vec<String>),
    /// Start processes.
    Start {
        /// At least one.
        names: Vec<String>,
        /// Answer when started, not when spawned.
        wait: bool,
    },
    /// Stop processes.
    Stop {
        /// At least one.
        names: Vec<String>,
        /// Answer when gone, not when signalled.
        wait: bool,
    },
    /// Stop, then start.
    Restart(Vec<String>),
    /// Send a signal.
    Signal {
        /// Name or number, unchecked.
        signal: String,
        /// At least one.
        names: Vec<String>,
    },
    /// Have programs read their own configuration again.
    ReloadProgram(Vec<String>),
    /// Read the configuration again and say what differs.
    Reread,
    /// Make what runs match the configuration; empty = every group.
    Update(Vec<String>),
    /// What an update would do; empty = of every group.
    Preview(Vec<String>),
    /// Have so many processes of a program.
    Scale {
        /// Its name, as in its section.
        program: String,
        /// How many.
        count: u32,
    },
    /// Activate configured groups.
    Add(Vec<String>),
    /// Forget stopped groups.
    Remove(Vec<String>),
    /// Update everything, visor's own settings included.
    Reload,
    /// Stop everything and leave.
    Shutdown,
    /// Stop everything and end the machine's run.
    End(Ending),
    /// The end of a process' log.
    Tail {
        /// The process.
        name: String,
        /// Which log.
        stream: Stream,
        /// How much; 0 = all.
        bytes: u64,
    },
    /// The end of a process' log and what is added to it.
    Follow {
        /// The process.
        name: String,
        /// Which log.
        stream: Stream,
        /// How much to begin with.
        bytes: u64,
    },
    /// The end of visor's own log.
    Maintail {
        /// And what is added to it.
        follow: bool,
        /// How much; 0 = all (nothing with `follow`).
        bytes: u64,
    },
    /// A part of a process' log, by place.
    Read {
        /// The process.
        name: String,
        /// Which log.
        stream: Stream,
        /// Where it begins.
        offset: u64,
        /// How long it is; 0 = only the size of the log is wanted.
        length: u64,
    },
    /// The same of visor's own log.
    Mainread {
        /// Where it begins.
        offset: u64,
        /// How long it is; 0 = only the size of the log is wanted.
        length: u64,
    },
    /// Empty visor's own log.
    Mainclear,
    /// Empty the logs of processes.
    Clear(Vec<String>),
    /// Write to a process' stdin.
    Send {
        /// The process.
        name: String,
        /// Any bytes.
        data: Vec<u8>,
    },
    /// Emit `REMOTE_COMMUNICATION`.
    Event {
        /// What kind of thing is said.
        kind: String,
        /// Any bytes.
        data: Vec<u8>,
    },
    /// Events as they happen.
    Watch {
        /// Types or families; empty = all but output and ticks.
        kinds: Vec<String>,
        /// Of these processes; empty = of every one.
        names: Vec<String>,
    },
    /// What is configured.
    Config,
    /// Every option of processes, and where the files say it.
    Settings(String),
    /// One sentence on what a process waits for or why it is down.
    Why(String),
    /// Whether what should run runs; empty = everything.
    Ready(Vec<String>),
    /// Open all log files anew.
    Reopen,
    /// What was counted of visor and every process.
    Metrics,
}

/// How the run of a machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The power goes off.
    Poweroff,
    /// It starts again.
    Reboot,
    /// It stands still with the power on.
    Halt,
}

impl Ending {
    /// The verb that asks for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Ending::Poweroff => "poweroff",
            Ending::Reboot => "reboot",
            Ending::Halt => "halt",
        }
    }
}

/// One of a process' output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    /// The stream of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Stream> {
        [Stream::Stdout, Stream::Stderr].into_iter().find(|stream| stream.word() == word)
    }
}

/// Why a line is no request, or a request has no line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// `bad-request`, `unknown-verb` or `bad-arguments`.
    pub code: Code,
    /// The sentence.
    pub text: String,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Request {
    /// The first word of its line.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Request::Hello => "hello",
            Request::Pid(_) => "pid",
            Request::State => "state",
            Request::Status(_) => "status",
            Request::Start { .. } => "start",
            Request::Stop { .. } => "stop",
            Request::Restart(_) => "restart",
            Request::Signal { .. } => "signal",
            Request::ReloadProgram(_) => "reload-program",
            Request::Reread => "reread",
            Request::Update(_) | Request::Preview(_) => "update",
            Request::Scale { .. } => "scale",
            Request::Add(_) => "add",
            Request::Remove(_) => "remove",
            Request::Reload => "reload",
            Request::Shutdown => "shutdown",
            Request::End(ending) => ending.word(),
            Request::Tail { .. } => "tail",
            Request::Follow { .. } => "follow",
            Request::Maintail { .. } => "maintail",
            Request::Clear(_) => "clear",
            Request::Send { .. } => "send",
            Request::Event { .. } => "event",
            Request::Watch { .. } => "watch",
            Request::Config | Request::Settings(_) => "config",
            Request::Why(_) => "why",
            Request::Ready(_) => "ready",
            Request::Reopen => "reopen",
            Request::Read { .. } => "read",
            Request::Mainread { .. } => "mainread",
            Request::Mainclear => "mainclear",
            Request::Metrics => "metrics",
        }
    }
}

pub(super) fn too_long() -> RequestError {
    bad_request(&super::TooLong.to_string())
}

pub(super) fn bad_request(text: &str) -> RequestError {
    RequestError { code: Code::BadRequest, text: text.to_owned() }
}

pub(super) fn bad_arguments(text: String) -> RequestError {
    RequestError { code: Code::BadArguments, text }
}

pub(super) fn missing(verb: &str, what: &str) -> RequestError {
    bad_arguments(format!("`{verb}` needs {what}"))
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_REQUEST_BYTES, Right};
    use super::*;

    fn names(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// Every verb, with the arguments that are hardest to carry.
    fn samples() -> Vec<Request> {
        let odd = names(&["web", "g:*", "a b", "100%", "é", "--no-wait", "--dry-run", "follow", "\n", "stdout"]);
        let mut requests = vec![
            Request::Hello,
            Request::State,
            Request::Reread,
            Request::Reload,
            Request::Shutdown,
            Request::End(Ending::Poweroff),
            Request::End(Ending::Reboot),
            Request::End(Ending::Halt),
            Request::Config,
            Request::Settings("a b".to_owned()),
            Request::Reopen,
            Request::Metrics,
            Request::Mainclear,
            Request::Mainread { offset: 0, length: u64::MAX },
            Request::Why("a b".to_owned()),
            Request::Scale { program: "--dry-run".to_owned(), count: u32::MAX },
            Request::Maintail { follow: true, bytes: 0 },
            Request::Maintail { follow: false, bytes: u64::MAX },
            Request::Send { name: "--no-wait".to_owned(), data: (0..=255).collect() },
            Request::Event { kind: "--type".to_owned(), data: (0..=255).collect() },
            Request::Event { kind: "t".to_owned(), data: Vec::new() },
            Request::Watch { kinds: Vec::new(), names: Vec::new() },
            Request::Watch { kinds: names(&["TICK_5", "--type"]), names: names(&["--type", "g:*"]) },
        ];
        for some in [odd, names(&["--no-wait"]), names(&["--dry-run"]), names(&["follow"])] {
            for wait in [true, false] {
                requests.push(Request::Start { names: some.clone(), wait });
                requests.push(Request::Stop { names: some.clone(), wait });
            }
            requests.push(Request::Signal { signal: "--no-wait".to_owned(), names: some.clone() });
            for make in [Request::Restart, Request::ReloadProgram, Request::Add, Request::Remove, Request::Clear] {
                requests.push(make(some.clone()));
            }
            for make in [Request::Pid, Request::Status, Request::Update, Request::Preview, Request::Ready] {
                requests.push(make(some.clone()));
                requests.push(make(Vec::new()));
            }
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            requests.push(Request::Tail { name: "stderr".to_owned(), stream, bytes: 0 });
            requests.push(Request::Follow { name: "g:p".to_owned(), stream, bytes: 7 });
            requests.push(Request::Read { name: "stdout".to_owned(), stream, offset: u64::MAX, length: 0 });
        }
        requests
    }

    #[test]
    fn every_request_survives_the_round_trip() {
        for request in samples() {
            let line = request.to_line().unwrap();
            assert!(line.ends_with(b"\n"));
            assert!(line.first().is_some_and(u8::is_ascii_lowercase));
            assert_eq!(Request::parse(&line), Ok(request.clone()));
            assert_eq!(Request::parse(line.trim_ascii_end()), Ok(request));
        }
    }

    /// The verbs of the samples that `choose` wants, sorted, each once.
    fn verbs(choose: impl Fn(&Request) -> bool) -> String {
        let mut verbs: Vec<&str> = samples().iter().filter(|it| choose(it)).map(Request::verb).collect();
        verbs.sort_unstable();
        verbs.dedup();
        verbs.join(" ")
    }

    #[test]
    fn verbs_need_the_right_that_fits_what_they_change() {
        let needing = |right| verbs(|request| request.needs() == right);
        let looking = "config follow hello mainread maintail metrics pid read ready state status tail watch why";
        assert_eq!(needing(Right::Observe), looking);
        assert_eq!(needing(Right::Operate), "clear event reload-program restart send signal start stop");
        let rest = "add config halt mainclear poweroff reboot reload remove reopen reread scale shutdown update";
        assert_eq!(needing(Right::Admin), rest);
    }

    #[test]
    fn requests_about_processes_alone_are_those_that_name_some() {
        let about = "clear follow pid read ready reload-program restart send signal start status stop tail why";
        assert_eq!(verbs(|request| request.names().is_some()), about);
        assert_eq!(Request::Status(Vec::new()).names(), None, "it is about all");
        let watch = |kinds: &[&str]| Request::Watch {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            names: vec!["a".to_owned()],
        };
        assert!(watch(&["PROCESS_STATE", "PROCESS_GROUP"]).names().is_some());
        for kinds in [&[][..], &["EVENT"], &["PROCESS_STATE", "REMOTE_COMMUNICATION"]] {
            assert_eq!(watch(kinds).names(), None);
        }
        assert_eq!(Request::Why("a".to_owned()).names(), Some(&["a".to_owned()][..]));
    }

    #[test]
    fn line_for_people_has_no_data_and_an_end() {
        let send = Request::Send { name: "a b".to_owned(), data: b"hunter2".to_vec() };
        assert_eq!(send.shown(), "send a%20b ...");
        let event = Request::Event { kind: "DEPLOY".to_owned(), data: b"hunter2".to_vec() };
        assert_eq!(event.shown(), "event DEPLOY");
        let long = Request::Restart(vec!["x\n".repeat(1000)]).shown();
        assert!(long.len() < 300 && long.ends_with("...") && long.starts_with("restart x%0A"), "{long}");
    }

    #[test]
    fn defaults_are_filled_in() {
        let parse = |line: &str| Request::parse(line.as_bytes()).unwrap();
        let name = || "web".to_owned();
        assert_eq!(parse("tail web"), Request::Tail { name: name(), stream: Stream::Stdout, bytes: 1600 });
        assert_eq!(parse("tail web stderr"), Request::Tail { name: name(), stream: Stream::Stderr, bytes: 1600 });
        assert_eq!(parse("follow web 5"), Request::Follow { name: name(), stream: Stream::Stdout, bytes: 5 });
        assert_eq!(parse("follow web"), Request::Follow { name: name(), stream: Stream::Stdout, bytes: 1024 });
        assert_eq!(parse("maintail"), Request::Maintail { follow: false, bytes: 1600 });
        assert_eq!(parse("maintail follow"), Request::Maintail { follow: true, bytes: 1024 });
        assert_eq!(parse("status   web \r\n"), Request::Status(vec![name()]));
    }

    #[test]
    fn bad_lines_are_refused_with_their_code() {
        for (line, code) in [
            (&b""[..], Code::BadRequest),
            (b"  \r\n", Code::BadRequest),
            (b"status a%", Code::BadRequest),
            (b"status a%zz", Code::BadRequest),
            (b"status caf\xc3\xa9", Code::BadRequest),
            (b"status %ff", Code::BadRequest),
            (b"st\tatus", Code::BadRequest),
            (b"\0", Code::BadRequest),
            (b"status\nstatus", Code::BadRequest),
            (b"Status", Code::UnknownVerb),
            (b"GET / HTTP/1.1\r\n", Code::UnknownVerb),
            (b"metric", Code::UnknownVerb),
            (b"metrics all", Code::BadArguments),
            (b"mainclear all", Code::BadArguments),
            (b"mainread 0", Code::BadArguments),
            (b"mainread -1 0", Code::BadArguments),
            (b"mainread 0 0 0", Code::BadArguments),
            (b"read web 0 100", Code::BadArguments),
            (b"read web stdin 0 100", Code::BadArguments),
            (b"read web stdout 0", Code::BadArguments),
            (b"read web stdout 0 -1", Code::BadArguments),
            (b"read web stdout 0 99999999999999999999", Code::BadArguments),
            (b"read web stdout 0 1 2", Code::BadArguments),
            (b"start", Code::BadArguments),
            (b"start --no-wait", Code::BadArguments),
            (b"stop", Code::BadArguments),
            (b"restart", Code::BadArguments),
            (b"reload-program", Code::BadArguments),
            (b"scale", Code::BadArguments),
            (b"scale web", Code::BadArguments),
            (b"scale web -1", Code::BadArguments),
            (b"scale web 4294967296", Code::BadArguments),
            (b"scale web 1 2", Code::BadArguments),
            (b"signal", Code::BadArguments),
            (b"signal HUP", Code::BadArguments),
            (b"add", Code::BadArguments),
            (b"remove", Code::BadArguments),
            (b"clear", Code::BadArguments),
            (b"tail", Code::BadArguments),
            (b"tail web stdin", Code::BadArguments),
            (b"tail web stdout -5", Code::BadArguments),
            (b"tail web stdout +5", Code::BadArguments),
            (b"tail web stdout 99999999999999999999", Code::BadArguments),
            (b"tail web stdout 5 6", Code::BadArguments),
            (b"maintail forever", Code::BadArguments),
            (b"send", Code::BadArguments),
            (b"event", Code::BadArguments),
            (b"event a b c", Code::BadArguments),
            (b"watch --type", Code::BadArguments),
            (b"send web", Code::BadArguments),
            (b"send web a b", Code::BadArguments),
            (b"why", Code::BadArguments),
            (b"why a b", Code::BadArguments),
            (b"hello you", Code::BadArguments),
            (b"shutdown now", Code::BadArguments),
            (b"reboot now", Code::BadArguments),
        ] {
            let got = Request::parse(line).map_err(|error| error.code);
            assert_eq!(got, Err(code), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn what_cannot_be_said_has_no_line() {
        let code = |request: Request| request.to_line().map_err(|error| error.code);
        assert_eq!(code(Request::Restart(Vec::new())), Err(Code::BadArguments));
        assert_eq!(code(Request::Start { names: Vec::new(), wait: true }), Err(Code::BadArguments));
        assert_eq!(code(Request::Status(names(&[""]))), Err(Code::BadArguments));
        assert_eq!(code(Request::Send { name: "web".to_owned(), data: Vec::new() }), Err(Code::BadArguments));
        let long = Request::Send { name: "web".to_owned(), data: vec![b'x'; MAX_REQUEST_BYTES] };
        assert_eq!(code(long), Err(Code::BadRequest));
    }

    #[test]
    fn too_long_line_is_refused() {
        let mut line = b"status ".to_vec();
        line.resize(MAX_REQUEST_BYTES, b'x');
        assert_eq!(Request::parse(&line).map_err(|error| error.code), Err(Code::BadRequest));
    }
}
