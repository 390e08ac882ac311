//! What visor and its gateway say to each other over the channel between them: one data line a packet, with at most one descriptor beside it.
//!
//! Owns: the messages, both directions. Does not own: the channel, the descriptors.

use super::{DataLine, Line, Reader, word};
use crate::list::List as _;

/// Longest packet in bytes.
pub const MAX_PACKET_BYTES: usize = 64 * 1024;

/// The key that says what a message is; always first.
const MESSAGE: &str = "message";
/// The key of [`asks_for`].
const FOR: &str = "for";

/// What somebody who came over the control channel may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Look, and change nothing.
    Observe,
    /// Everything.
    All,
}

impl Rights {
    /// `observe` or `all`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Rights::Observe => "observe",
            Rights::All => "all",
        }
    }

    fn from_word(word: &str) -> Option<Rights> {
        [Rights::Observe, Rights::All].into_iter().find(|rights| rights.word() == word)
    }
}

/// A name and what proves it: clear text, or `{SHA}` and 40 hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// Never in a log, an argument or an environment.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// One configured place where connections come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its number in `connection` messages.
    pub server: usize,
    /// `unix`, `inet`, or `control` for visor's own socket.
    pub kind: String,
    /// A path, or `host:port`.
    pub address: String,
    /// Who may do everything; `None` = whoever reaches it.
    pub login: Option<Login>,
    /// Who may look.
    pub readonly: Option<Login>,
}

/// What visor tells the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToGateway {
    /// A place where connections will come from.
    Server(Door),
    /// The rest of what it must know; no more servers follow.
    Settings {
        /// `[supervisord] identifier`.
        identifier: String,
        /// Names by which browsers may call it, besides addresses and localhost.
        allowed_hosts: Vec<String>,
        /// visor's version.
        version: String,
    },
    /// A connection, with its descriptor; nothing of it has been read.
    Connection {
        /// The [`Door`] it came by.
        server: usize,
        /// Who it is, for logs and delays: an address without port, or `uid N`.
        peer: String,
    },
    /// A control connection that was asked for, with its descriptor.
    Control,
    /// There is none to be had.
    Refused {
        /// Why.
        text: String,
    },
}

/// What the gateway tells visor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromGateway {
    /// It wants one more control connection, with these rights.
    Control(Rights),
    /// It was idle for long and goes; what is in the channel by now is still served.
    Leaving,
}

impl ToGateway {
    /// The packet.
    #[must_use]
    pub fn to_packet(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let line = DataLine::new(&mut out);
        match self {
            ToGateway::Server(door) => {
                let (login, readonly) = (door.login.as_ref(), door.readonly.as_ref());
                line.key(MESSAGE, "server")
                    .number("server", door.server)
                    .key("kind", &door.kind)
                    .key("address", &door.address)
                    .maybe("username", login.map(|login| &login.username))
                    .maybe("password", login.map(|login| &login.password))
                    .maybe("readonly_username", readonly.map(|login| &login.username))
                    .maybe("readonly_password", readonly.map(|login| &login.password))
            }
            ToGateway::Settings { identifier, allowed_hosts, version } => line
                .key(MESSAGE, "settings")
                .key("identifier", identifier)
                .key("allowed_hosts", allowed_hosts.join(","))
                .key("version", version),
            ToGateway::Connection { server, peer } => {
                line.key(MESSAGE, "connection").number("server", server).key("peer", peer)
            }
            ToGateway::Control => line.key(MESSAGE, "control"),
            ToGateway::Refused { text } => line.key(MESSAGE, "refused").key("text", text),
        }
        .end();
        out
    }

    /// The message of a packet; `None` when it is none.
    #[must_use]
    pub fn of_packet(packet: &[u8]) -> Option<ToGateway> {
        let line = data_line(packet)?;
        let text = |key: &str| line.get(key).map(str::to_owned);
        let number = |key: &str| line.get(key)?.parse().ok();
        let login =
            |username: &str, password: &str| Some(Login { username: text(username)?, password: text(password)? });
        Some(match line.get(MESSAGE)? {
            "server" => ToGateway::Server(Door {
                server: number("server")?,
                kind: text("kind")?,
                address: text("address")?,
                login: login("username", "password"),
                readonly: login("readonly_username", "readonly_password"),
            }),
            "settings" => ToGateway::Settings {
                identifier: text("identifier")?,
                allowed_hosts: text("allowed_hosts")?
                    .split(',')
                    .filter(|host| !host.is_empty())
                    .map(str::to_owned)
                    .list(),
                version: text("version")?,
            },
            "connection" => ToGateway::Connection { server: number("server")?, peer: text("peer")? },
            "control" => ToGateway::Control,
            "refused" => ToGateway::Refused { text: text("text")? },
            _ => return None,
        })
    }
}

impl FromGateway {
    /// The packet.
    #[must_use]
    pub fn to_packet(self) -> Vec<u8> {
        let mut out = Vec::new();
        let line = DataLine::new(&mut out);
        match self {
            FromGateway::Control(rights) => line.key(MESSAGE, "control").key("rights", rights.word()),
            FromGateway::Leaving => line.key(MESSAGE, "leaving"),
        }
        .end();
        out
    }

    /// The message of a packet; `None` when it is none.
    #[must_use]
    pub fn of_packet(packet: &[u8]) -> Option<FromGateway> {
        let line = data_line(packet)?;
        Some(match line.get(MESSAGE)? {
            "control" => FromGateway::Control(Rights::from_word(line.get("rights")?)?),
            "leaving" => FromGateway::Leaving,
            _ => return None,
        })
    }
}

/// What the gateway writes on a control connection right before a request: for whom it asks that. It gets no answer.
#[must_use]
pub fn asks_for(who: &str) -> Vec<u8> {
    let mut out = Vec::new();
    DataLine::new(&mut out).key(FOR, who).end();
    out
}

/// For whom, on one line, when that is what a line says.
#[must_use]
pub fn asked_for(line: &[u8]) -> Option<String> {
    let who = word::decode(line.strip_prefix(b" ")?.strip_prefix(FOR.as_bytes())?.strip_prefix(b"=")?)?;
    let mut shown = Vec::new();
    word::encode_text(&mut shown, &String::from_utf8_lossy(&who));
    String::from_utf8(shown).ok()
}

fn data_line(packet: &[u8]) -> Option<Line> {
    let mut reader = Reader::new();
    reader.feed(packet);
    reader.next_line().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_to_the_gateway_comes_back_as_it_was() {
        let login = |name: &str| Some(Login { username: name.to_owned(), password: "a b%=\n{SHA}ü".to_owned() });
        let door = |login, readonly| {
            ToGateway::Server(Door {
                server: 3,
                kind: "inet".to_owned(),
                address: "*:9001".to_owned(),
                login,
                readonly,
            })
        };
        let settings = |allowed_hosts: Vec<String>| ToGateway::Settings {
            identifier: "my supervisor".to_owned(),
            allowed_hosts,
            version: "0.1.0".to_owned(),
        };
        for message in [
            door(None, None),
            door(login("u"), None),
            door(login("u"), login("r")),
            settings(Vec::new()),
            settings(vec!["a.example".to_owned(), "b".to_owned()]),
            ToGateway::Connection { server: 0, peer: "::1".to_owned() },
            ToGateway::Control,
            ToGateway::Refused { text: "no more".to_owned() },
        ] {
            assert_eq!(ToGateway::of_packet(&message.to_packet()), Some(message));
        }
    }

    #[test]
    fn every_message_from_the_gateway_comes_back_and_anything_else_is_none() {
        for message in [FromGateway::Control(Rights::All), FromGateway::Control(Rights::Observe), FromGateway::Leaving]
        {
            assert_eq!(FromGateway::of_packet(&message.to_packet()), Some(message));
        }
        for packet in
            [&b""[..], b"ok\n", b" message=\n", b" message=control\n", b" message=control rights=some\n", b" \xff"]
        {
            assert_eq!(FromGateway::of_packet(packet), None);
            assert!(!matches!(ToGateway::of_packet(packet), Some(ToGateway::Server(_))));
        }
    }

    #[test]
    fn for_whom_is_asked_is_told_on_one_line_and_a_request_says_nothing_of_it() {
        let told = |who: &str| asked_for(asks_for(who).strip_suffix(b"\n").unwrap());
        assert_eq!(told("alice at ::1").as_deref(), Some("alice at ::1"));
        assert_eq!(told("a\nb=ü%").as_deref(), Some("a%0Ab=ü%25"));
        for line in [&b"stop web"[..], b"", b" ", b" for", b" form=x", b" for=\xff", b" for=a b", b"for=x"] {
            assert_eq!(asked_for(line), None);
        }
    }

    #[test]
    fn a_password_is_not_shown_by_debug() {
        let login = Login { username: "u".to_owned(), password: "secret".to_owned() };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
