//! What `svc` and the bridge to a foreign supervisord say to each other before the first request: whom to reach, and whether that went well.
//!
//! Owns: the two lines. Does not own: the connection between them; everything after it is the control language.

use super::handover::Login;
use super::{DataLine, Line, Reader};

/// The key of [`Trouble`] in the bridge's answer.
const TROUBLE: &str = "trouble";

/// Whom the bridge is to speak to: the first line it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `http://HOST[:PORT]` or `unix://PATH`.
    pub url: String,
    /// For the server's basic authentication.
    pub login: Option<Login>,
}

impl Target {
    /// The line, LF included.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let login = self.login.as_ref();
        DataLine::new(&mut out)
            .key("url", &self.url)
            .maybe("username", login.map(|login| &login.username))
            .maybe("password", login.map(|login| &login.password))
            .end();
        out
    }

    /// The target of a line without its LF; `None` when it is none.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Target> {
        let mut reader = Reader::new();
        reader.feed(line);
        reader.feed(b"\n");
        let line = reader.next_line().ok()??;
        let text = |key: &str| line.get(key).map(str::to_owned);
        let login = text("username").zip(text("password"));
        Some(Target { url: text("url")?, login: login.map(|(username, password)| Login { username, password }) })
    }
}

/// Why the server cannot be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens there.
    Refused,
    /// There is no such socket.
    NoFile,
    /// The socket may not be used.
    NotPermitted,
    /// It wants another user name or password.
    Unauthorized,
    /// It answers, and has no programs to control.
    NotSupervisor,
    /// It is a Supervisor of another time.
    OtherVersion,
    /// Whatever else the text says.
    Other,
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Trouble; 7] = [
        Trouble::Refused,
        Trouble::NoFile,
        Trouble::NotPermitted,
        Trouble::Unauthorized,
        Trouble::NotSupervisor,
        Trouble::OtherVersion,
        Trouble::Other,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Refused => "refused",
            Trouble::NoFile => "no-file",
            Trouble::NotPermitted => "not-permitted",
            Trouble::Unauthorized => "unauthorized",
            Trouble::NotSupervisor => "not-supervisor",
            Trouble::OtherVersion => "other-version",
            Trouble::Other => "other",
        }
    }

    /// The data line that comes before the failed end.
    #[must_use]
    pub fn to_line(self) -> Line {
        Line::Data(vec![(TROUBLE.to_owned(), self.word().to_owned())])
    }

    /// The trouble a data line tells of; a word we do not know is some other trouble.
    #[must_use]
    pub fn of_line(line: &Line) -> Option<Trouble> {
        let word = line.get(TROUBLE)?;
        Some(Trouble::ALL.into_iter().find(|trouble| trouble.word() == word).unwrap_or(Trouble::Other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_survives_the_round_trip_and_other_lines_are_none() {
        let login = Login { username: "me".to_owned(), password: "a b=%\n é".to_owned() };
        for login in [None, Some(login)] {
            let target = Target { url: "unix:///a b".to_owned(), login };
            let line = target.to_line();
            assert_eq!(line.last(), Some(&b'\n'));
            assert_eq!(Target::of_line(line.trim_ascii_end()), Some(target));
        }
        for line in [&b""[..], b"hello", b" username=x", b"ok"] {
            assert_eq!(Target::of_line(line), None);
        }
    }

    #[test]
    fn every_trouble_has_a_word_of_its_own() {
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::of_line(&trouble.to_line()), Some(trouble));
        }
        assert_eq!(Trouble::of_line(&Line::Data(vec![("trouble".into(), "new".into())])), Some(Trouble::Other));
        assert_eq!(Trouble::of_line(&Line::Ok(String::new())), None);
    }
}
