//! The prompt.

use super::Session;
use super::action::Action;

impl Session {
    /// Reads lines and does what they ask for, until the end of input or `quit`.
    pub(super) fn shell(&mut self) {
        self.is_shell = true;
        self.run_line("status");
        while !self.leaving && !self.screen.is_gone() {
            let prompt = format!("{}> ", self.prompt);
            match self.read_line(&prompt) {
                Some(line) => {
                    self.run_line(&line);
                }
                None => {
                    self.action = Action::Quit;
                    self.run_line("quit");
                }
            }
        }
    }

    /// Whether a dangerous action is meant; only the prompt asks.
    pub(super) fn confirms(&mut self, question: &str) -> bool {
        if !self.is_shell {
            return true;
        }
        let answer = self.read_line(question).unwrap_or_default();
        answer.trim_start().to_lowercase().starts_with('y')
    }

    pub(super) fn read_line(&mut self, prompt: &str) -> Option<String> {
        self.screen.bytes(prompt.as_bytes());
        self.screen.flush();
        self.input.read_line().map(|line| String::from_utf8_lossy(&line).into_owned())
    }
}
