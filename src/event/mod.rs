//! What happened, as values: their names, their wire text, the listener protocol as a machine, the queue of a pool.
//!
//! Does not own: descriptors, processes, clocks. Who hears of what is decided in [`crate::supervisor`].

mod capture;
mod kind;
mod listener;
mod pool;

pub use capture::{Capture, Piece};
pub use kind::{Kind, Period};
pub use listener::{Heard, Listener, Outcome};
pub use pool::{Envelope, Pool};

use std::io::Write as _;
use std::sync::Arc;

use crate::program::{Health, Name};
use crate::protocol::Stream;

/// Something that listeners and watchers hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The public state of a process changed.
    ProcessState {
        /// The process.
        process: String,
        /// Its group.
        group: String,
        /// Before.
        from: Name,
        /// After.
        to: Name,
        /// Failed starts so far.
        tries: u32,
        /// The child it is about; 0 = none.
        pid: i32,
        /// Whether an exit was expected.
        expected: bool,
    },
    /// The health of a process changed.
    Health {
        /// The process.
        process: String,
        /// Its group.
        group: String,
        /// Its child.
        pid: i32,
        /// How it is now.
        health: Health,
    },
    /// A process wrote between the capture tags.
    Communication(Output),
    /// A process wrote, and its `*_events_enabled` is set.
    Log(Output),
    /// A client said something.
    Remote {
        /// What kind of thing.
        kind: String,
        /// The thing.
        data: Vec<u8>,
    },
    /// A group became active.
    GroupAdded {
        /// The group.
        group: String,
    },
    /// A group is not active any more.
    GroupRemoved {
        /// The group.
        group: String,
    },
    /// visor runs.
    SupervisorRunning,
    /// visor goes down.
    SupervisorStopping,
    /// The wall clock passed a multiple of a period.
    Tick {
        /// Which.
        period: Period,
        /// That multiple, in seconds since 1970.
        when: u64,
    },
}

/// What a process wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The process.
    pub process: String,
    /// Its group.
    pub group: String,
    /// Its pid.
    pub pid: i32,
    /// Where it wrote.
    pub stream: Stream,
    /// What. Shared: several pools may hold it.
    pub data: Arc<[u8]>,
}

impl Event {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Event::ProcessState { to, .. } => Kind::ProcessState(*to),
            Event::Health { health, .. } => Kind::Health { healthy: *health == Health::Healthy },
            Event::Communication(output) => Kind::Communication(output.stream),
            Event::Log(output) => Kind::Log(output.stream),
            Event::Remote { .. } => Kind::Remote,
            Event::GroupAdded { .. } => Kind::GroupAdded,
            Event::GroupRemoved { .. } => Kind::GroupRemoved,
            Event::SupervisorRunning => Kind::SupervisorRunning,
            Event::SupervisorStopping => Kind::SupervisorStopping,
            Event::Tick { period, .. } => Kind::Tick(*period),
        }
    }

    /// Supervisor's name of its type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The payload, byte for byte as the original has it; what is not UTF-8 is put as Python shows bytes.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing into a Vec cannot fail.
        let _ = match self {
            Event::ProcessState { process, group, from, to, tries, pid, expected } => {
                let _ = write!(out, "processname:{process} groupname:{group} from_state:{from}");
                match to {
                    Name::Starting | Name::Backoff => write!(out, " tries:{tries}"),
                    Name::Running | Name::Stopping | Name::Stopped => write!(out, " pid:{pid}"),
                    Name::Exited => write!(out, " expected:{} pid:{pid}", u8::from(*expected)),
                    Name::Fatal | Name::Unknown => Ok(()),
                }
            }
            Event::Health { process, group, pid, health } => {
                let _ = writeln!(out, "processname:{process} groupname:{group} pid:{pid}");
                match health {
                    Health::Healthy => Ok(()),
                    Health::Unhealthy(reason) => write!(out, "{reason}"),
                }
            }
            Event::Communication(output) => {
                let _ = writeln!(out, "processname:{} groupname:{} pid:{}", output.process, output.group, output.pid);
                put_text(&mut out, &output.data);
                Ok(())
            }
            Event::Log(output) => {
                let _ = writeln!(
                    out,
                    "processname:{} groupname:{} pid:{} channel:{}",
                    output.process,
                    output.group,
                    output.pid,
                    output.stream.word()
                );
                put_text(&mut out, &output.data);
                Ok(())
            }
            Event::Remote { kind, data } => {
                let _ = writeln!(out, "type:{kind}");
                put_text(&mut out, data);
                Ok(())
            }
            Event::GroupAdded { group } | Event::GroupRemoved { group } => writeln!(out, "groupname:{group}"),
            Event::SupervisorRunning | Event::SupervisorStopping => Ok(()),
            Event::Tick { when, .. } => write!(out, "when:{when}"),
        };
        out
    }
}

fn put_text(out: &mut Vec<u8>, data: &[u8]) {
    match std::str::from_utf8(data) {
        Ok(_) => out.extend_from_slice(data),
        Err(_) => {
            let _ = write!(out, "Undecodable: {}", PythonBytes(data));
        }
    }
}

/// Bytes as Python writes them: `b'\xff\n'`.
struct PythonBytes<'a>(&'a [u8]);

impl std::fmt::Display for PythonBytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quote = if self.0.contains(&b'\'') && !self.0.contains(&b'"') { '"' } else { '\'' };
        write!(f, "b{quote}")?;
        for byte in self.0 {
            match byte {
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                b'\\' => f.write_str("\\\\")?,
                b'\'' if quote == '\'' => f.write_str("\\'")?,
                b' '..=b'~' => write!(f, "{}", char::from(*byte))?,
                other => write!(f, "\\x{other:02x}")?,
            }
        }
        write!(f, "{quote}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(to: Name) -> Event {
        let (process, group) = ("p".to_owned(), "g".to_owned());
        Event::ProcessState { process, group, from: Name::Starting, to, tries: 2, pid: 7, expected: false }
    }

    #[test]
    fn payloads_are_the_originals() {
        let head = "processname:p groupname:g from_state:STARTING";
        for (to, tail) in [
            (Name::Starting, " tries:2"),
            (Name::Backoff, " tries:2"),
            (Name::Running, " pid:7"),
            (Name::Stopping, " pid:7"),
            (Name::Stopped, " pid:7"),
            (Name::Exited, " expected:0 pid:7"),
            (Name::Fatal, ""),
            (Name::Unknown, ""),
        ] {
            assert_eq!(state(to).payload(), format!("{head}{tail}").as_bytes(), "{to}");
        }
        let health = |health| Event::Health { process: "p".to_owned(), group: "g".to_owned(), pid: 7, health };
        assert_eq!(health(Health::Healthy).payload(), b"processname:p groupname:g pid:7\n");
        let unhealthy = health(Health::Unhealthy("no answer".to_owned()));
        assert_eq!(unhealthy.payload(), b"processname:p groupname:g pid:7\nno answer");
        assert!(unhealthy.kind().is_of("PROCESS_HEALTH") && !unhealthy.kind().is_of("EVENT"));
        let output = |data: &[u8]| Output {
            process: "p".to_owned(),
            group: "g".to_owned(),
            pid: 7,
            stream: Stream::Stderr,
            data: Arc::from(data),
        };
        assert_eq!(Event::Log(output(b"hi\n")).payload(), b"processname:p groupname:g pid:7 channel:stderr\nhi\n");
        assert_eq!(
            Event::Communication(output(b"\xff'\n")).payload(),
            b"processname:p groupname:g pid:7\nUndecodable: b\"\\xff'\\n\""
        );
        assert_eq!(Event::Remote { kind: "t".to_owned(), data: b"d".to_vec() }.payload(), b"type:t\nd");
        assert_eq!(Event::GroupAdded { group: "g".to_owned() }.payload(), b"groupname:g\n");
        assert_eq!(Event::Tick { period: Period::Five, when: 25 }.payload(), b"when:25");
        assert_eq!(Event::SupervisorRunning.payload(), b"");
    }
}
