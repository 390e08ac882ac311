//! Starting on request. As in the original the commands are looked for first, and one that cannot be had changes no state.

use std::collections::VecDeque;

use super::jobs::{ItemResult, JobId, Named, Stage};
use super::table::ProcessId;
use super::{Action, ClientId, Supervisor};
use crate::list::List as _;
use crate::program::{Name, Now, SpawnFailure, SpawnFailureKind, State, Wanted};
use crate::protocol::Code;
use crate::sorted::{Map, Set};

/// Processes started at once.
#[derive(Debug)]
pub(super) struct StartStage {
    /// Not yet asked to start, in start order.
    pub due: Vec<(ProcessId, Named)>,
    /// Whose commands are being looked for, in start order.
    pub looked_for: Vec<(ProcessId, Named)>,
    pub awaited: Set<ProcessId>,
    pub wait: bool,
}

impl Supervisor {
    pub(super) fn ask_start(&mut self, client: ClientId, names: &[String], wait: bool, out: &mut Vec<Action>) {
        let id = self.add_job(Some(client), VecDeque::new());
        let stage = self.start_stage(id, names, wait, out);
        self.push_stage(id, stage);
    }

    pub(super) fn start_stage(&mut self, job: JobId, names: &[String], wait: bool, out: &mut Vec<Action>) -> Stage {
        let mut named = self.targets(job, names, out);
        let ids: Vec<ProcessId> = named.keys().copied().list();
        let in_order = self.table.waves(&ids).into_iter().flatten();
        let due = in_order.filter_map(|id| named.remove(&id).map(|named| (id, named))).list();
        Stage::Start(StartStage { due, looked_for: Vec::new(), awaited: Set::new(), wait })
    }

    /// One step of the stage at the head of a job; whether there was one.
    pub(super) fn advance_start(&mut self, id: JobId, out: &mut Vec<Action>) -> bool {
        let Some(job) = self.jobs.get_mut(&id) else { return false };
        let Some(Stage::Start(stage)) = job.stages.front_mut() else { return false };
        if stage.due.is_empty() {
            if !stage.looked_for.is_empty() || !stage.awaited.is_empty() {
                return false;
            }
            job.stages.pop_front();
            return true;
        }
        let due = std::mem::take(&mut stage.due);
        let startable = self.startable(id, due, out);
        if startable.is_empty() {
            return true;
        }
        out.push(Action::LookUp { job: id, ids: startable.iter().map(|(id, _)| *id).list() });
        if let Some(stage) = self.start_stage_of(id) {
            stage.looked_for = startable;
        }
        true
    }

    fn start_stage_of(&mut self, job: JobId) -> Option<&mut StartStage> {
        match self.jobs.get_mut(&job)?.stages.front_mut()? {
            Stage::Start(stage) => Some(stage),
            Stage::Stop(_) | Stage::Reload(_) | Stage::Read(_) | Stage::Swap(_) | Stage::Leave => None,
        }
    }

    /// Those that a start changes anything for; why not is told of the others.
    fn startable(
        &mut self,
        job: JobId,
        due: Vec<(ProcessId, Named)>,
        out: &mut Vec<Action>,
    ) -> Vec<(ProcessId, Named)> {
        let mut startable = Vec::with_capacity(due.len());
        for (id, named) in due {
            let Some(entry) = self.table.entry(id) else { continue };
            let name = entry.life.state.name();
            // Who waits for something that is down waits no more in vain.
            let waits = named == Named::Itself && matches!(entry.life.state, State::Waiting { .. });
            // One that is up and not wanted was asked to stop a moment ago: it starts again after that.
            if name.is_up() && entry.life.wanted == Wanted::Up && !waits {
                if named == Named::Itself {
                    self.tell_failure(job, id, Code::AlreadyStarted, "already started", out);
                }
            } else if name == Name::Unknown {
                let text = format!("{} is in an unknown process state", entry.display_name());
                self.tell_failure(job, id, Code::Failed, &text, out);
            } else {
                startable.push((id, named));
            }
        }
        startable
    }

    /// The commands of a job's processes were looked for: those with one are started, the others stay as they are.
    pub(super) fn looked_up(
        &mut self,
        job: JobId,
        mut failures: Map<ProcessId, SpawnFailure>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(stage) = self.start_stage_of(job) else { return };
        let looked_for = std::mem::take(&mut stage.looked_for);
        // Somebody else may have started one meanwhile, which is told, for it was to be started here.
        let looked_for = looked_for.into_iter().map(|(id, _)| (id, Named::Itself)).list();
        for (id, _) in self.startable(job, looked_for, out) {
            if let Some(failure) = failures.remove(&id) {
                self.tell_failure(job, id, code_of(failure.kind), &failure.text, out);
                continue;
            }
            if let Some(stage) = self.start_stage_of(job) {
                stage.awaited.insert(id);
            }
            self.start_with_needs(id, now, out);
            self.gate.tell_again(id);
        }
    }

    /// A start failed for a reason that has a code of its own; the change of state that follows is then old news.
    pub(super) fn start_failed(&mut self, id: ProcessId, kind: SpawnFailureKind, out: &mut Vec<Action>) {
        let text = match kind {
            SpawnFailureKind::NoFile => "no such file",
            SpawnFailureKind::NotExecutable => "file is not executable",
            SpawnFailureKind::Other => "spawn error",
        };
        for job in self.take_starters(id, |_| true) {
            self.tell_failure(job, id, code_of(kind), text, out);
        }
    }

    /// A start that is answered when forked is answered.
    pub(super) fn forked(&mut self, id: ProcessId, out: &mut Vec<Action>) {
        if self.jobs.is_empty()
            || !self.table.entry(id).is_some_and(|entry| matches!(entry.life.state, State::Launching { .. }))
        {
            return;
        }
        self.not_awaited(id, out);
    }

    /// Answers starts of a process that are not to wait for more than that it is under way.
    pub(super) fn not_awaited(&mut self, id: ProcessId, out: &mut Vec<Action>) {
        for job in self.take_starters(id, |stage| !stage.wait) {
            self.tell_result(job, id, "started", out);
        }
    }

    fn take_starters(&mut self, id: ProcessId, which: impl Fn(&StartStage) -> bool) -> Vec<JobId> {
        let mut found = Vec::new();
        for (job_id, job) in self.jobs.iter_mut() {
            if let Some(Stage::Start(stage)) = job.stages.front_mut()
                && which(stage)
                && stage.awaited.remove(&id)
            {
                found.push(*job_id);
            }
        }
        found
    }
}

fn code_of(kind: SpawnFailureKind) -> Code {
    match kind {
        SpawnFailureKind::NoFile => Code::NoFile,
        SpawnFailureKind::NotExecutable => Code::NotExecutable,
        SpawnFailureKind::Other => Code::SpawnError,
    }
}

/// What a new state means for who waits for a start; `None` = wait on. `done`: whether a oneshot has succeeded.
pub(super) fn start_result(to: Name, wanted: Wanted, done: Option<bool>) -> Option<ItemResult> {
    match (to, wanted) {
        (Name::Running, _) if done.is_some() => None,
        (Name::Exited, _) if done == Some(true) => Some(Ok("started")),
        (Name::Starting, _) => None,
        // A stop is under way or has ended; the start follows.
        (Name::Stopping | Name::Stopped, Wanted::Up) => None,
        (Name::Running, _) => Some(Ok("started")),
        (Name::Backoff | Name::Fatal, _) => Some(Err((Code::SpawnError, "spawn error"))),
        (Name::Stopping | Name::Stopped, Wanted::Down) | (Name::Exited | Name::Unknown, _) => {
            Some(Err((Code::AbnormalTermination, "abnormal termination")))
        }
    }
}
