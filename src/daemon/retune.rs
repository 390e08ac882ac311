//! New settings for a process that goes on: what its logs, its limits and its cgroup have of them.
//!
//! What cannot be had now is a warning: it holds from the next start.

use std::sync::Arc;

use super::Daemon;
use super::trees::own_limits;
use crate::config::{Limits, LogLevel, Process};
use crate::list::List as _;
use crate::protocol::display_name;
use crate::supervisor::ProcessId;
use crate::sys::limits;

impl Daemon {
    /// A process had these settings before.
    pub(super) fn retune(&mut self, id: ProcessId, before: &Process) {
        let Some(entry) = self.supervisor.entry(id) else { return };
        let (process, pid) = (Arc::clone(&entry.config), entry.life.state.pid());
        let name = display_name(&entry.group, &process.name);
        let now = super::clock::now();
        let group = entry.group.clone();
        self.outputs.retune(id, &process, before, now, &mut self.poll);
        self.outputs.introduce(id, &process, &group, pid.unwrap_or(0));
        if process.checks != before.checks {
            self.retune_checks(id, &process);
        }
        let Some(pid) = pid.filter(|_| process.limits != before.limits) else { return };
        let mut warnings = self.trees.retune(id, &name, &process.limits);
        // What stays the same it may have changed for itself.
        let (old, new) = (&before.limits, &process.limits);
        let wanted = own_limits(&Limits {
            rlimits: new.rlimits.iter().filter(|limit| !old.rlimits.contains(limit)).copied().list(),
            oom_score_adj: new.oom_score_adj.filter(|_| new.oom_score_adj != old.oom_score_adj),
            ..Limits::default()
        });
        for (what, error) in limits::change(pid, &wanted.rlimits, wanted.oom_score_adj.as_deref()) {
            warnings.push(format!("cannot {what} of `{name}`, which holds from the next start: {error}"));
        }
        for text in warnings {
            self.log(LogLevel::Warn, &text);
        }
    }
}
