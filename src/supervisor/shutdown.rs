//! Going down: nothing starts any more, waves stop from the last to the first, each awaited.

use std::collections::VecDeque;
use std::time::Duration;

use super::ending::Limited;
use super::jobs::{Stage, StopStage};
use super::{Action, Phase, Supervisor};
use crate::config::{LogLevel, Signal};
use crate::event::Event;
use crate::list::List as _;
use crate::program::{self, Now};
use crate::sorted::Set;

/// How often the log tells again what the shutdown waits for.
const REMIND_PAUSE: Duration = Duration::from_secs(3);

impl Supervisor {
    pub(super) fn stop_signal(&mut self, signal: Signal, now: Now, out: &mut Vec<Action>) {
        let text = format!("received {} indicating exit request", signal.name());
        out.push(Action::Log(LogLevel::Warn, text));
        match self.phase {
            Phase::Starting | Phase::Running => self.shut_down(now, out),
            // It goes on as it does: who asks twice wants what is under way.
            Phase::ShuttingDown | Phase::Gone => {}
        }
    }

    pub(super) fn reload_signal(&mut self, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Starting | Phase::Running => {
                let text = "received SIGHUP indicating restart request".to_string();
                out.push(Action::Log(LogLevel::Warn, text));
                self.ask_reload(None, out);
            }
            Phase::ShuttingDown | Phase::Gone => {
                let text = "ignored SIGHUP indicating restart request (shutdown in progress)".to_string();
                out.push(Action::Log(LogLevel::Warn, text));
            }
        }
    }

    /// Begins to go down. Requests under way end: what they wait for will not happen.
    pub(super) fn shut_down(&mut self, now: Now, out: &mut Vec<Action>) {
        self.phase = Phase::ShuttingDown;
        self.plan_runs(now);
        self.limited = self.adopted.visor.shutdown_timeout.map(|limit| Limited::new(limit, now));
        self.abandon_jobs(out);
        self.publish(Event::SupervisorStopping, out);
        let all = self.table.in_start_order();
        for id in &all {
            self.step(*id, program::Input::NoMoreStarts, now, out);
        }
        let stop = StopStage { waves: self.table.waves(&all), awaited: Set::new(), wait: true, told: false };
        self.add_job(None, VecDeque::from([Stage::Stop(stop), Stage::Leave]));
        // The first signals go out before the log tells who is waited for, as in the original.
        self.advance(now, out);
        self.remind_of_shutdown(now, out);
    }

    pub(super) fn remind_of_shutdown(&mut self, now: Now, out: &mut Vec<Action>) {
        let names: Vec<&str> = self
            .table
            .in_start_order()
            .into_iter()
            .filter(|id| !self.rests(*id))
            .filter_map(|id| self.table.entry(id))
            .map(|entry| entry.config.name.as_str())
            .list();
        if !names.is_empty() {
            out.push(Action::Log(LogLevel::Info, format!("waiting for {} to die", names.join(", "))));
            self.remind_at = Some(now.mono + REMIND_PAUSE);
        }
    }
}
