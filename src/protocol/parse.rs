//! A line → a request.
//!
//! Owns: which arguments a verb takes. Does not own: whether names, signals or sizes make sense.

use super::Code;
use super::request::{DRY_RUN, FOLLOW, NO_WAIT, TYPE, bad_arguments, bad_request, missing, too_long};
use super::{DEFAULT_FOLLOW_BYTES, DEFAULT_TAIL_BYTES, Ending, MAX_REQUEST_BYTES, Request, RequestError, Stream, word};
use crate::list::List as _;

impl Request {
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
        let mut arguments = Arguments { verb: &verb, words: words.list(), next: 0 };
        let request = parse_arguments(&mut arguments)?;
        arguments.finish()?;
        Ok(request)
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
        "reload-program" => Request::ReloadProgram(arguments.names()?),
        "reread" => Request::Reread,
        "update" => {
            let make = if arguments.flag(DRY_RUN) { Request::Preview } else { Request::Update };
            make(arguments.rest()?)
        }
        "scale" => Request::Scale { program: arguments.one("a program")?, count: arguments.count()? },
        "add" => Request::Add(arguments.names()?),
        "remove" => Request::Remove(arguments.names()?),
        "reload" => Request::Reload,
        "shutdown" => Request::Shutdown,
        "poweroff" => Request::End(Ending::Poweroff),
        "reboot" => Request::End(Ending::Reboot),
        "halt" => Request::End(Ending::Halt),
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
        "event" => {
            let kind = arguments.one("a type")?;
            Request::Event { kind, data: arguments.optional_data()? }
        }
        "watch" => {
            let mut kinds = Vec::new();
            while arguments.flag(TYPE) {
                kinds.push(arguments.one("a type of event")?);
            }
            Request::Watch { kinds, names: arguments.rest()? }
        }
        "config" => match arguments.optional()? {
            None => Request::Config,
            Some(name) => Request::Settings(name),
        },
        "why" => Request::Why(arguments.one("a name")?),
        "ready" => Request::Ready(arguments.rest()?),
        "reopen" => Request::Reopen,
        "read" => {
            let name = arguments.one("a name")?;
            let stream = arguments.stream()?;
            let (offset, length) = arguments.slice()?;
            Request::Read { name, stream, offset, length }
        }
        "mainread" => {
            let (offset, length) = arguments.slice()?;
            Request::Mainread { offset, length }
        }
        "mainclear" => Request::Mainclear,
        "metrics" => Request::Metrics,
        unknown => {
            let text = format!("unknown verb `{}`", unknown.as_bytes().escape_ascii());
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

    fn optional(&mut self) -> Result<Option<String>, RequestError> {
        self.take().map(text).transpose()
    }

    fn data(&mut self) -> Result<Vec<u8>, RequestError> {
        let Some(data) = self.take() else { return Err(missing(self.verb, "data")) };
        decode(data)
    }

    fn optional_data(&mut self) -> Result<Vec<u8>, RequestError> {
        self.take().map_or_else(|| Ok(Vec::new()), decode)
    }

    /// All words left.
    fn rest(&mut self) -> Result<Vec<String>, RequestError> {
        let rest = self.words.get(self.next..).unwrap_or_default();
        self.next = self.words.len();
        rest.iter().map(|word| text(word)).list_all()
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

    /// `stdout|stderr`
    fn stream(&mut self) -> Result<Stream, RequestError> {
        Stream::from_word(&self.one("stdout or stderr")?).ok_or_else(|| missing(self.verb, "stdout or stderr"))
    }

    /// `OFFSET LENGTH`
    fn slice(&mut self) -> Result<(u64, u64), RequestError> {
        let mut number = |what| match self.take() {
            Some(word) => self.number(word),
            None => Err(missing(self.verb, what)),
        };
        Ok((number("an offset")?, number("a length")?))
    }

    /// `[BYTES]`
    fn bytes(&mut self, default: u64) -> Result<u64, RequestError> {
        match self.take() {
            Some(word) => self.number(word),
            None => Ok(default),
        }
    }

    /// How many.
    fn count(&mut self) -> Result<u32, RequestError> {
        let word = self.one("a number of processes")?;
        let number = if word.bytes().all(|byte| byte.is_ascii_digit()) { word.parse().ok() } else { None };
        number.ok_or_else(|| {
            let shown = word.as_bytes().escape_ascii();
            bad_arguments(format!("`{}` takes a number of processes, not `{shown}`", self.verb))
        })
    }

    fn number(&self, word: &[u8]) -> Result<u64, RequestError> {
        let digits = text(word)?;
        let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
        number.ok_or_else(|| {
            bad_arguments(format!(
                "`{}` takes a number of bytes, not `{}`",
                self.verb,
                digits.as_bytes().escape_ascii()
            ))
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

fn decode(bytes: &[u8]) -> Result<Vec<u8>, RequestError> {
    word::decode(bytes).ok_or_else(|| bad_request(&format!("not a word: `{}`", bytes.escape_ascii())))
}

fn text(bytes: &[u8]) -> Result<String, RequestError> {
    String::from_utf8(decode(bytes)?).map_err(|_| bad_request(&format!("not UTF-8: `{}`", bytes.escape_ascii())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lines are made of, in an order that a seed decides: the parts that matter, broken and whole.
    const PIECES: &[&[u8]] = &[
        b"start",
        b"stop",
        b"signal",
        b"tail",
        b"follow",
        b"maintail",
        b"read",
        b"mainread",
        b"stdout",
        b"send",
        b"status",
        b" ",
        b" ",
        b" ",
        b"--no-wait",
        b"stderr",
        b"all",
        b"g:*",
        b"%",
        b"%2",
        b"%zz",
        b"%00",
        b"%ff",
        b"%e2%82",
        b"18446744073709551616",
        b"0",
        b"-1",
        b"\0",
        b"\r",
        b"\n",
        b"\xff",
        b"=",
        b"\x7f",
    ];

    #[test]
    fn any_line_is_refused_or_survives_the_round_trip() {
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut random = |limit: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed >> 33).unwrap() % limit
        };
        let mut accepted = 0;
        for _ in 0..50_000 {
            let line: Vec<u8> = (0..random(9)).flat_map(|_| PIECES[random(PIECES.len())]).copied().collect();
            let Ok(request) = Request::parse(&line) else { continue };
            accepted += 1;
            let again = request.to_line().unwrap();
            assert_eq!(Request::parse(&again), Ok(request), "{}", line.escape_ascii());
        }
        assert!(accepted > 500, "{accepted}");
    }
}
