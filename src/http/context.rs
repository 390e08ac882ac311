//! What a request is answered with.
//!
//! Owns: whom it came from, what it may do, how visor is asked. Does not own: the request.

use std::rc::Rc;

use super::channel::Settings;
use super::control::{Answer, AskError, Control, Stream};
use crate::protocol::Request;
use crate::protocol::handover::{Door, Rights};

/// Given to whatever answers a request. Cheap to clone, so that a stream can take one along.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where the connection came in.
    pub door: Rc<Door>,
    /// Who it is: an address without port, or `uid N`.
    pub peer: Rc<str>,
    /// What this request's login may do.
    pub rights: Rights,
    /// What visor told of itself.
    pub settings: Rc<Settings>,
    /// The way to visor.
    pub control: Rc<Control>,
}

impl Context {
    /// Asks visor with the rights of this request and waits for the whole reply.
    ///
    /// # Errors
    /// There is no reply; see [`AskError`].
    pub async fn ask(&self, request: &Request) -> Result<Answer, AskError> {
        self.control.ask(self.rights, &self.who(), request).await
    }

    /// Asks visor and reads the reply line by line.
    ///
    /// # Errors
    /// There is no reply; see [`AskError`].
    pub async fn open(&self, request: &Request) -> Result<Stream, AskError> {
        self.control.open(self.rights, &self.who(), request).await
    }

    /// For visor's log: the login that was shown, and where from.
    fn who(&self) -> String {
        let login = match self.rights {
            Rights::All => &self.door.login,
            Rights::Observe => &self.door.readonly,
        };
        match login {
            Some(login) => format!("{} at {}", login.username, self.peer),
            None => self.peer.to_string(),
        }
    }

    /// Whether the request may change something.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match self.rights {
            Rights::All => true,
            Rights::Observe => false,
        }
    }
}
