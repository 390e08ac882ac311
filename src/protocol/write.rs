//! A request → its line.
//!
//! Owns: the order of arguments, and the escapes that tell data from options.

use super::request::{DRY_RUN, FOLLOW, NO_WAIT, TYPE, bad_arguments, missing, too_long};
use super::{MAX_REQUEST_BYTES, Request, RequestError, word};

impl Request {
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
            | Request::End(_)
            | Request::Config
            | Request::Reopen
            | Request::Mainclear
            | Request::Metrics => {}
            Request::Settings(name) => line.word(name.as_bytes())?,
            Request::Pid(names) | Request::Status(names) | Request::Update(names) | Request::Ready(names) => {
                line.words(names)?
            }
            Request::Preview(groups) => {
                line.raw(DRY_RUN);
                line.words(groups)?;
            }
            Request::Scale { program, count } => {
                line.word(program.as_bytes())?;
                line.raw(count.to_string().as_bytes());
            }
            Request::Start { names, wait } | Request::Stop { names, wait } => {
                if !*wait {
                    line.raw(NO_WAIT);
                }
                line.names(names)?;
            }
            Request::Restart(names)
            | Request::ReloadProgram(names)
            | Request::Add(names)
            | Request::Remove(names)
            | Request::Clear(names) => {
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
            Request::Read { name, stream, offset, length } => {
                line.word(name.as_bytes())?;
                line.raw(stream.word().as_bytes());
                line.raw(offset.to_string().as_bytes());
                line.raw(length.to_string().as_bytes());
            }
            Request::Mainread { offset, length } => {
                line.raw(offset.to_string().as_bytes());
                line.raw(length.to_string().as_bytes());
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
            Request::Event { kind, data } => {
                line.word(kind.as_bytes())?;
                if !data.is_empty() {
                    line.word(data)?;
                }
            }
            Request::Watch { kinds, names } => {
                for kind in kinds {
                    line.raw(TYPE);
                    line.word(kind.as_bytes())?;
                }
                line.words(names)?;
            }
            Request::Why(name) => line.word(name.as_bytes())?,
        }
        line.end()
    }

    /// Its line for people: without what is sent to programs and listeners, which may be secret, and not much longer than a line of a log
    /// should be.
    #[must_use]
    pub fn shown(&self) -> String {
        let bare = match self {
            Request::Send { name, .. } => &Request::Send { name: name.clone(), data: LEFT_OUT.as_bytes().to_vec() },
            Request::Event { kind, .. } => &Request::Event { kind: kind.clone(), data: Vec::new() },
            other => other,
        };
        let line = bare.to_line().unwrap_or_else(|_| self.verb().as_bytes().to_vec());
        // Nothing but ASCII: other bytes are escaped.
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        match line.get(..SHOWN_BYTES) {
            Some(start) => format!("{start}{LEFT_OUT}"),
            None => line.into_owned(),
        }
    }
}

/// Bytes of a request that people are shown.
const SHOWN_BYTES: usize = 200;
/// Stands for what they are not shown.
const LEFT_OUT: &str = "...";

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
        if [NO_WAIT, DRY_RUN, FOLLOW, TYPE].contains(&word) {
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
