//! Which right each request needs, and which processes it is about.
//!
//! Does not own: who has which right.

use super::Request;

/// Rights over a visor. Who has one has those before it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To look, and to read what programs and visor say.
    Observe,
    /// To start, stop and talk to programs as they are configured.
    Operate,
    /// To change what is configured, visor itself and the machine.
    Admin,
}

impl Right {
    /// The key of `[visor]` that gives it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Right::Observe => "observe",
            Right::Operate => "operate",
            Right::Admin => "admin",
        }
    }
}

impl Request {
    /// The right that it needs.
    #[must_use]
    pub fn needs(&self) -> Right {
        match self {
            Request::Hello
            | Request::Pid(_)
            | Request::State
            | Request::Status(_)
            | Request::Tail { .. }
            | Request::Follow { .. }
            | Request::Maintail { .. }
            | Request::Read { .. }
            | Request::Mainread { .. }
            | Request::Watch { .. }
            | Request::Config
            | Request::Why(_)
            | Request::Ready(_)
            | Request::Metrics => Right::Observe,
            Request::Start { .. }
            | Request::Stop { .. }
            | Request::Restart(_)
            | Request::Signal { .. }
            | Request::ReloadProgram(_)
            | Request::Clear(_)
            | Request::Send { .. }
            | Request::Event { .. } => Right::Operate,
            // The files are read with visor's rights, and their mistakes are told.
            Request::Settings(_)
            | Request::Reread
            | Request::Update(_)
            | Request::Preview(_)
            | Request::Scale { .. }
            | Request::Add(_)
            | Request::Remove(_)
            | Request::Reload
            | Request::Reopen
            | Request::Mainclear
            | Request::Shutdown
            | Request::End(_) => Right::Admin,
        }
    }

    /// Whether somebody who has no right but over some programs may ask it whatever it is about.
    #[must_use]
    pub fn is_for_everybody(&self) -> bool {
        matches!(self, Request::Hello | Request::State)
    }

    /// The processes it names, when it is about processes and nothing else; `None` = it is about more.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        let names = match self {
            Request::Pid(names)
            | Request::Status(names)
            | Request::Ready(names)
            | Request::Start { names, .. }
            | Request::Stop { names, .. }
            | Request::Restart(names)
            | Request::Signal { names, .. }
            | Request::ReloadProgram(names)
            | Request::Clear(names) => names.as_slice(),
            Request::Tail { name, .. }
            | Request::Follow { name, .. }
            | Request::Read { name, .. }
            | Request::Send { name, .. }
            | Request::Why(name) => std::slice::from_ref(name),
            Request::Watch { kinds, names } if of_processes(kinds) => names.as_slice(),
            // Other watchers hear of more than they name: what clients say, and visor's own changes.
            Request::Watch { .. }
            | Request::Hello
            | Request::State
            | Request::Maintail { .. }
            | Request::Mainread { .. }
            | Request::Mainclear
            | Request::Config
            | Request::Settings(_)
            | Request::Metrics
            | Request::Event { .. }
            | Request::Reread
            | Request::Update(_)
            | Request::Preview(_)
            | Request::Scale { .. }
            | Request::Add(_)
            | Request::Remove(_)
            | Request::Reload
            | Request::Reopen
            | Request::Shutdown
            | Request::End(_) => &[],
        };
        (!names.is_empty()).then_some(names)
    }
}

/// Whether these types of events, some, are all of processes and groups.
fn of_processes(kinds: &[String]) -> bool {
    !kinds.is_empty() && kinds.iter().all(|kind| kind.starts_with("PROCESS_"))
}
