//! Asking a person at the prompt for a name and a password.

use super::Session;
use crate::protocol::handover::Login;
use crate::sys::terminal;

impl Session {
    /// Asks, at the prompt only; whether there is an answer.
    pub(super) fn asks_login(&mut self) -> bool {
        if !self.is_shell {
            return false;
        }
        let Some(username) = self.read_line("Username:") else { return false };
        let hidden = terminal::hide_input();
        let password = self.read_line("Password:");
        drop(hidden);
        // The end of the line that was typed was hidden, too.
        self.screen.line("");
        let Some(password) = password else { return false };
        self.login = Some(Login { username: username.trim().to_owned(), password });
        true
    }
}
