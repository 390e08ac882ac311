//! Who may start now: processes that wait for something else.
//!
//! Owns: who waits, and what for. Does not own: how a process waits (`program`).

use super::{Action, Phase, ProcessId, Supervisor};
use crate::program::{self, Input, Now, State};
use crate::sorted::Set;

/// Processes that wait.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// In state `Waiting`.
    waiting: Set<ProcessId>,
}

impl Gate {
    /// Brings what is known of a process in line with its state.
    pub(super) fn note(&mut self, id: ProcessId, state: Option<&State>) {
        match state {
            Some(State::Waiting { .. }) => self.waiting.insert(id),
            _ => self.waiting.remove(&id),
        };
    }

    /// A process is forgotten.
    pub(super) fn forget(&mut self, id: ProcessId) {
        self.waiting.remove(&id);
    }
}

impl Supervisor {
    /// Lets those start that wait for nothing any more; whether there were any.
    pub(super) fn open_gates(&mut self, now: Now, out: &mut Vec<Action>) -> bool {
        if self.phase != Phase::Running {
            return false;
        }
        let mut any = false;
        // Each answer may be what another waits for.
        loop {
            let answers: Vec<(ProcessId, Input)> =
                self.gate.waiting.iter().filter_map(|id| Some((*id, self.answer(*id)?))).collect();
            if answers.is_empty() {
                return any;
            }
            any = true;
            for (id, answer) in answers {
                self.step(id, answer, now, out);
            }
        }
    }

    /// What one that waits is told; `None` = nothing yet.
    fn answer(&self, id: ProcessId) -> Option<program::Input> {
        // What follows its last end, or was to end it, is not done.
        if self.hooks.any(id) {
            return None;
        }
        Some(Input::Proceed)
    }
}
