//! A request, from and to its line.
//!
//! Owns: which arguments a verb takes. Does not own: whether names, signals or sizes make sense.

use std::fmt;

use super::{Code, DEFAULT_FOLLOW_BYTES, DEFAULT_TAIL_BYTES, MAX_REQUEST_BYTES, word};

/// First argument of `start` and `stop`: answer before the work is done.
const NO_WAIT: &[u8] = b"--no-wait";
/// First argument of `maintail`: go on with what is added.
const FOLLOW: &[u8] = b"follow";

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
    /// Read the configuration again and say what differs.
    Reread,
    /// Make what runs match the configuration; empty = every group.
    Update(Vec<String>),
    /// Activate configured groups.
    Add(Vec<String>),
    /// Forget stopped groups.
    Remove(Vec<String>),
    /// Update everything, visor's own settings included.
    Reload,
    /// Stop everything and leave.
    Shutdown,
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
    /// Empty the logs of processes.
    Clear(Vec<String>),
    /// Write to a process' stdin.
    Send {
        /// The process.
        name: String,
        /// Any bytes.
        data: Vec<u8>,
    },
    /// State changes as they happen; empty = of every process.
    Watch(Vec<String>),
    /// What is configured.
    Config,
    /// One sentence on what a process waits for or why it is down.
    Why(String),
    /// Whether what should run runs; empty = everything.
    Ready(Vec<String>),
    /// Open all log files anew.
    Reopen,
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
            Request::Reread => "reread",
            Request::Update(_) => "update",
            Request::Add(_) => "add",
            Request::Remove(_) => "remove",
            Request::Reload => "reload",
            Request::Shutdown => "shutdown",
            Request::Tail { .. } => "tail",
            Request::Follow { .. } => "follow",
            Request::Maintail { .. } => "maintail",
            Request::Clear(_) => "clear",
            Request::Send { .. } => "send",
            Request::Watch(_) => "watch",
            Request::Config => "config",
            Request::Why(_) => "why",
            Request::Ready(_) => "ready",
            Request::Reopen => "reopen",
        }
    }

    /// Reads a line, with or without its LF.
    ///
    /// # Errors
    /// `bad-request` when it is no line of words, `unknown-verb`, `bad-arguments`.
    pub fn parse(line: &[u8]) -> Result<Request, RequestError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() >= MAX_REQUEST_BYTES {
            return Err(too_long());
        }
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let Some(verb) = words.next() else { return Err(bad_request("empty line")) };
        let verb = text(verb)?;
        let mut arguments = Arguments { verb: &verb, words: words.collect(), next: 0 };
        let request = parse_arguments(&mut arguments)?;
        arguments.finish()?;
        Ok(request)
    }

    /// The line, LF included.
    ///
    /// # Errors
    /// `bad-arguments` when an argument is empty or a needed one is missing, `bad-request` when the line would be longer than
    /// [`MAX_REQUEST_BYTES`].
    pub fn to_line(&self) -> Result<Vec<u8>, RequestError> {
        let mut line = LineWriter { verb: self.verb(), bytes: self.verb().as_bytes().to_vec() };
        match self {
            Request::Hello
            | Request::State
            | Request::Reread
            | Request::Reload
            | Request::Shutdown
            | Request::Config
            | Request::Reopen => {}
            Request::Pid(names)
            | Request::Status(names)
            | Request::Update(names)
            | Request::Watch(names)
            | Request::Ready(names) => line.words(names)?,
            Request::Start { names, wait } | Request::Stop { names, wait } => {
                if !*wait {
                    line.raw(NO_WAIT);
                }
                line.names(names)?;
            }
            Request::Restart(names) | Request::Add(names) | Request::Remove(names) | Request::Clear(names) => {
                line.names(names)?;
            }
            Request::Signal { signal, names } => {
                line.word(signal.as_bytes())?;
                line.names(names)?;
            }
            Request::Tail { name, stream, bytes } | Request::Follow { name, stream, bytes } => {
                line.word(name.as_bytes())?;
                line.raw(stream.word().as_bytes());
                line.raw(bytes.to_string().as_bytes());
            }
            Request::Maintail { follow, bytes } => {
                if *follow {
                    line.raw(FOLLOW);
                }
                line.raw(bytes.to_string().as_bytes());
            }
            Request::Send { name, data } => {
                line.word(name.as_bytes())?;
                line.word(data)?;
            }
            Request::Why(name) => line.word(name.as_bytes())?,
        }
        line.end()
    }
}

fn parse_arguments(arguments: &mut Arguments<'_>) -> Result<Request, RequestError> {
    Ok(match arguments.verb {
        "hello" => Request::Hello,
        "pid" => Request::Pid(arguments.rest()?),
        "state" => Request::State,
        "status" => Request::Status(arguments.rest()?),
        "start" => Request::Start { wait: !arguments.flag(NO_WAIT), names: arguments.names()? },
        "stop" => Request::Stop { wait: !arguments.flag(NO_WAIT), names: arguments.names()? },
        "restart" => Request::Restart(arguments.names()?),
        "signal" => Request::Signal { signal: arguments.one("a signal")?, names: arguments.names()? },
        "reread" => Request::Reread,
        "update" => Request::Update(arguments.rest()?),
        "add" => Request::Add(arguments.names()?),
        "remove" => Request::Remove(arguments.names()?),
        "reload" => Request::Reload,
        "shutdown" => Request::Shutdown,
        "tail" => {
            let (name, stream, bytes) = arguments.log(DEFAULT_TAIL_BYTES)?;
            Request::Tail { name, stream, bytes }
        }
        "follow" => {
            let (name, stream, bytes) = arguments.log(DEFAULT_FOLLOW_BYTES)?;
            Request::Follow { name, stream, bytes }
        }
        "maintail" => {
            let follow = arguments.flag(FOLLOW);
            let default = if follow { DEFAULT_FOLLOW_BYTES } else { DEFAULT_TAIL_BYTES };
            Request::Maintail { follow, bytes: arguments.bytes(default)? }
        }
        "clear" => Request::Clear(arguments.names()?),
        "send" => Request::Send { name: arguments.one("a name")?, data: arguments.data()? },
        "watch" => Request::Watch(arguments.rest()?),
        "config" => Request::Config,
        "why" => Request::Why(arguments.one("a name")?),
        "ready" => Request::Ready(arguments.rest()?),
        "reopen" => Request::Reopen,
        unknown => {
            let text = format!("unknown verb `{}`", unknown.escape_debug());
            return Err(RequestError { code: Code::UnknownVerb, text });
        }
    })
}

/// The words after the verb, still escaped, taken from the left.
struct Arguments<'a> {
    verb: &'a str,
    words: Vec<&'a [u8]>,
    next: usize,
}

impl<'a> Arguments<'a> {
    fn take(&mut self) -> Option<&'a [u8]> {
        let word = self.words.get(self.next).copied();
        self.next += usize::from(word.is_some());
        word
    }

    /// Takes the next word if it is this one, unescaped.
    fn flag(&mut self, flag: &[u8]) -> bool {
        let there = self.words.get(self.next).is_some_and(|word| *word == flag);
        self.next += usize::from(there);
        there
    }

    fn one(&mut self, what: &str) -> Result<String, RequestError> {
        match self.take() {
            Some(word) => text(word),
            None => Err(missing(self.verb, what)),
        }
    }

    fn data(&mut self) -> Result<Vec<u8>, RequestError> {
        let Some(data) = self.take() else { return Err(missing(self.verb, "data")) };
        decode(data)
    }

    /// All words left.
    fn rest(&mut self) -> Result<Vec<String>, RequestError> {
        let rest = self.words.get(self.next..).unwrap_or_default();
        self.next = self.words.len();
        rest.iter().map(|word| text(word)).collect()
    }

    /// All words left, one at least.
    fn names(&mut self) -> Result<Vec<String>, RequestError> {
        let names = self.rest()?;
        if names.is_empty() { Err(missing(self.verb, "a name")) } else { Ok(names) }
    }

    /// `NAME [stdout|stderr] [BYTES]`
    fn log(&mut self, default: u64) -> Result<(String, Stream, u64), RequestError> {
        let name = self.one("a name")?;
        let stream = if self.flag(b"stderr") {
            Stream::Stderr
        } else {
            self.flag(b"stdout");
            Stream::Stdout
        };
        Ok((name, stream, self.bytes(default)?))
    }

    /// `[BYTES]`
    fn bytes(&mut self, default: u64) -> Result<u64, RequestError> {
        let Some(word) = self.take() else { return Ok(default) };
        let digits = text(word)?;
        let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
        number.ok_or_else(|| {
            bad_arguments(format!("`{}` takes a number of bytes, not `{}`", self.verb, digits.escape_debug()))
        })
    }

    fn finish(self) -> Result<(), RequestError> {
        match self.words.get(self.next) {
            None => Ok(()),
            Some(extra) => {
                let extra = extra.escape_ascii();
                Err(bad_arguments(format!("`{}` has no place for the argument `{extra}`", self.verb)))
            }
        }
    }
}

/// A line being written.
struct LineWriter {
    verb: &'static str,
    bytes: Vec<u8>,
}

impl LineWriter {
    fn raw(&mut self, word: &[u8]) {
        self.bytes.push(b' ');
        self.bytes.extend_from_slice(word);
    }

    fn word(&mut self, word: &[u8]) -> Result<(), RequestError> {
        let Some((first, rest)) = word.split_first() else {
            return Err(bad_arguments(format!("an argument of `{}` is empty", self.verb)));
        };
        self.bytes.push(b' ');
        if [NO_WAIT, FOLLOW].contains(&word) {
            // Data that looks like an option.
            word::escape(&mut self.bytes, *first);
            word::encode(&mut self.bytes, rest);
        } else {
            word::encode(&mut self.bytes, word);
        }
        Ok(())
    }

    fn words(&mut self, words: &[String]) -> Result<(), RequestError> {
        words.iter().try_for_each(|word| self.word(word.as_bytes()))
    }

    fn names(&mut self, names: &[String]) -> Result<(), RequestError> {
        if names.is_empty() { Err(missing(self.verb, "a name")) } else { self.words(names) }
    }

    fn end(mut self) -> Result<Vec<u8>, RequestError> {
        self.bytes.push(b'\n');
        if self.bytes.len() > MAX_REQUEST_BYTES { Err(too_long()) } else { Ok(self.bytes) }
    }
}

fn decode(bytes: &[u8]) -> Result<Vec<u8>, RequestError> {
    word::decode(bytes).ok_or_else(|| bad_request(&format!("not a word: `{}`", bytes.escape_ascii())))
}

fn text(bytes: &[u8]) -> Result<String, RequestError> {
    String::from_utf8(decode(bytes)?).map_err(|_| bad_request(&format!("not UTF-8: `{}`", bytes.escape_ascii())))
}

fn too_long() -> RequestError {
    bad_request(&super::TooLong.to_string())
}

fn bad_request(text: &str) -> RequestError {
    RequestError { code: Code::BadRequest, text: text.to_owned() }
}

fn bad_arguments(text: String) -> RequestError {
    RequestError { code: Code::BadArguments, text }
}

fn missing(verb: &str, what: &str) -> RequestError {
    bad_arguments(format!("`{verb}` needs {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// Every verb, with the arguments that are hardest to carry.
    fn samples() -> Vec<Request> {
        let odd = names(&["web", "g:*", "a b", "100%", "é", "--no-wait", "follow", "\n", "stdout"]);
        let mut requests = vec![
            Request::Hello,
            Request::State,
            Request::Reread,
            Request::Reload,
            Request::Shutdown,
            Request::Config,
            Request::Reopen,
            Request::Why("a b".to_owned()),
            Request::Maintail { follow: true, bytes: 0 },
            Request::Maintail { follow: false, bytes: u64::MAX },
            Request::Send { name: "--no-wait".to_owned(), data: (0..=255).collect() },
        ];
        for some in [odd, names(&["--no-wait"]), names(&["follow"])] {
            for wait in [true, false] {
                requests.push(Request::Start { names: some.clone(), wait });
                requests.push(Request::Stop { names: some.clone(), wait });
            }
            requests.push(Request::Signal { signal: "--no-wait".to_owned(), names: some.clone() });
            for make in [Request::Restart, Request::Add, Request::Remove, Request::Clear] {
                requests.push(make(some.clone()));
            }
            for make in [Request::Pid, Request::Status, Request::Update, Request::Watch, Request::Ready] {
                requests.push(make(some.clone()));
                requests.push(make(Vec::new()));
            }
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            requests.push(Request::Tail { name: "stderr".to_owned(), stream, bytes: 0 });
            requests.push(Request::Follow { name: "g:p".to_owned(), stream, bytes: 7 });
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
            (b"event", Code::UnknownVerb),
            (b"start", Code::BadArguments),
            (b"start --no-wait", Code::BadArguments),
            (b"stop", Code::BadArguments),
            (b"restart", Code::BadArguments),
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
            (b"send web", Code::BadArguments),
            (b"send web a b", Code::BadArguments),
            (b"why", Code::BadArguments),
            (b"why a b", Code::BadArguments),
            (b"hello you", Code::BadArguments),
            (b"shutdown now", Code::BadArguments),
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
