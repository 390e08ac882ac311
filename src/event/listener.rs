//! What an event listener says on its stdout, as a machine.
//!
//! ```text
//! ACKNOWLEDGED --READY\n--> READY --an event is sent--> BUSY --RESULT n\n + n bytes--> ACKNOWLEDGED
//! anything else, in any state --> UNKNOWN, for the rest of its life
//! ```

/// What a listener must say to get an event.
const READY: &[u8] = b"READY\n";
/// Bytes before the length of a result. The original does not look at them either.
const RESULT_WORD: usize = 7;
/// Longest line that can announce a result.
const MAX_RESULT_LINE: usize = 64;
/// Longest result.
const MAX_RESULT_BYTES: usize = 64 * 1024;
/// The result that means that an event is done with.
const OK: &[u8] = b"OK";

/// A listener's side of the talk.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    state: State,
    /// Bytes that are no whole word yet: at most a result line, or a result.
    heard: Vec<u8>,
}

/// Where a listener is; the words are the original's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Acknowledged,
    Ready,
    Busy,
    /// So many bytes of a result are awaited.
    Answering(usize),
    Unknown,
}

/// What a listener made of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done with.
    Processed,
    /// It is to be offered again.
    Rejected,
}

/// What became of bytes that were heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It changed its state, by the original's names.
    Changed(&'static str, &'static str),
    /// It answered the event it had.
    Answered(Outcome),
    /// It broke the protocol; the event it may have had comes back. A text if there is more to say than that.
    Broke(Option<String>),
}

impl Default for Listener {
    fn default() -> Listener {
        Listener::new()
    }
}

impl Listener {
    /// One that was just started.
    #[must_use]
    pub fn new() -> Listener {
        Listener { state: State::Acknowledged, heard: Vec::new() }
    }

    /// Whether an event may be sent to it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether it has an event that it has not answered.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy | State::Answering(_))
    }

    /// Whether it broke the protocol.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.state == State::Unknown
    }

    /// The original's name of its state.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.state {
            State::Acknowledged => "ACKNOWLEDGED",
            State::Ready => "READY",
            State::Busy | State::Answering(_) => "BUSY",
            State::Unknown => "UNKNOWN",
        }
    }

    /// An event is sent to it.
    pub fn send(&mut self) {
        if self.is_ready() {
            self.state = State::Busy;
        }
    }

    /// Takes what it wrote.
    pub fn hear(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Heard)) {
        if self.is_unknown() {
            return;
        }
        self.heard.extend_from_slice(bytes);
        while self.hear_one(tell) {}
    }

    /// One word of what was heard; whether there may be another.
    fn hear_one(&mut self, tell: &mut dyn FnMut(Heard)) -> bool {
        match self.state {
            State::Acknowledged => {
                let Some(word) = self.heard.get(..READY.len()) else { return false };
                if word != READY {
                    return self.break_off(None, tell);
                }
                self.heard.drain(..READY.len());
                self.enter(State::Ready, tell);
                true
            }
            State::Ready if self.heard.is_empty() => false,
            State::Ready => self.break_off(None, tell),
            State::Busy => self.hear_result_line(tell),
            State::Answering(length) => {
                if self.heard.len() < length {
                    return false;
                }
                let result: Vec<u8> = self.heard.drain(..length).collect();
                let outcome = if result == OK { Outcome::Processed } else { Outcome::Rejected };
                tell(Heard::Answered(outcome));
                self.enter(State::Acknowledged, tell);
                true
            }
            State::Unknown => false,
        }
    }

    fn hear_result_line(&mut self, tell: &mut dyn FnMut(Heard)) -> bool {
        let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') else {
            if self.heard.len() > MAX_RESULT_LINE {
                let text = format!("no line end in {} bytes of a result line", self.heard.len());
                return self.break_off(Some(text), tell);
            }
            return false;
        };
        let line: Vec<u8> = self.heard.drain(..=end).collect();
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let length = line.get(RESULT_WORD..).and_then(|digits| std::str::from_utf8(digits).ok()?.trim().parse().ok());
        match length {
            Some(length) if length <= MAX_RESULT_BYTES => {
                self.state = State::Answering(length);
                true
            }
            Some(length) => {
                let text = format!("a result of {length} bytes is announced, at most {MAX_RESULT_BYTES} are taken");
                self.break_off(Some(text), tell)
            }
            None => {
                let shown: String = String::from_utf8_lossy(line).chars().take(MAX_RESULT_LINE).collect();
                self.break_off(Some(format!("bad result line: '{shown}'")), tell)
            }
        }
    }

    fn break_off(&mut self, text: Option<String>, tell: &mut dyn FnMut(Heard)) -> bool {
        self.heard = Vec::new();
        tell(Heard::Broke(text));
        self.enter(State::Unknown, tell);
        false
    }

    fn enter(&mut self, state: State, tell: &mut dyn FnMut(Heard)) {
        let from = self.word();
        self.state = state;
        tell(Heard::Changed(from, self.word()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a talk: what the listener says, and `None` where an event is sent.
    fn talk(words: &[Option<&[u8]>]) -> (Listener, Vec<Heard>) {
        let mut listener = Listener::new();
        let mut told = Vec::new();
        for word in words {
            match word {
                Some(bytes) => listener.hear(bytes, &mut |heard| told.push(heard)),
                None => listener.send(),
            }
        }
        (listener, told)
    }

    fn answers(told: &[Heard]) -> Vec<Outcome> {
        told.iter()
            .filter_map(|heard| if let Heard::Answered(outcome) = heard { Some(*outcome) } else { None })
            .collect()
    }

    #[test]
    fn ready_then_result_ok_is_processed() {
        let (listener, told) = talk(&[Some(b"READY\n"), None, Some(b"RESULT 2\nOK"), Some(b"READY\n")]);
        assert!(listener.is_ready());
        assert_eq!(answers(&told), [Outcome::Processed]);
        assert_eq!(told[0], Heard::Changed("ACKNOWLEDGED", "READY"));
        assert_eq!(told[1], Heard::Answered(Outcome::Processed));
        assert_eq!(told[2], Heard::Changed("BUSY", "ACKNOWLEDGED"));
    }

    #[test]
    fn every_split_of_a_talk_means_the_same() {
        let answer = b"RESULT 4\nFAILREADY\n";
        for at in 0..answer.len() {
            let (first, second) = answer.split_at(at);
            let (listener, told) = talk(&[Some(b"REA"), Some(b"DY\n"), None, Some(first), Some(second)]);
            assert!(listener.is_ready(), "{at}");
            assert_eq!(answers(&told), [Outcome::Rejected], "{at}");
        }
    }

    #[test]
    fn what_is_not_asked_for_ends_in_unknown() {
        let long = vec![b'x'; 1_000_000];
        for words in [
            &[Some(&b"ready\n"[..])][..],
            &[Some(b"READY\nx")],
            &[Some(b"READY\n"), None, Some(b"RESULT x\n")],
            &[Some(b"READY\n"), None, Some(b"\n")],
            &[Some(b"READY\n"), None, Some(b"RESULT 2\nOK\n"), Some(b"READY\n")],
            &[Some(b"READY\n"), None, Some(b"RESULT 2000000000\n")],
            &[Some(b"READY\n"), None, Some(b"RESULT -1\n")],
            &[Some(b"READY\n"), None, Some(&long)],
        ] {
            let (listener, told) = talk(words);
            assert!(listener.is_unknown(), "{words:?}");
            assert!(told.iter().any(|heard| matches!(heard, Heard::Broke(_))), "{words:?}");
            assert!(listener.heard.is_empty());
        }
    }

    #[test]
    fn incomplete_words_wait() {
        assert_eq!(talk(&[Some(b"READY")]).1, []);
        let (listener, told) = talk(&[Some(b"READY\n"), None, Some(b"RESULT 3\nOK")]);
        assert!(listener.is_busy());
        assert_eq!(answers(&told), []);
    }
}
