//! Requests that take time: what each waits for, and the lines it answers as results come.
//!
//! A job is a row of stages done one after the other. A stage looks at nothing but the changes of the processes it waits for.

use std::collections::VecDeque;
use std::time::Duration;

use super::reload::Swap;
use super::starts::{StartStage, start_result};
use super::table::{ProcessId, Target};
use super::{Action, ClientId, Phase, Supervisor};
use crate::config::LogLevel;
use crate::list::List as _;
use crate::program::{self, Name, Now};
use crate::protocol::{Code, Line};
use crate::sorted::{Map, Set};

/// One request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// How often the log tells again what a stop waits for.
const REMIND_PAUSE: Duration = Duration::from_secs(2);

/// A request under way.
#[derive(Debug)]
pub(super) struct Job {
    /// Who hears of it; none for our own and for clients that left.
    pub client: Option<ClientId>,
    pub stages: VecDeque<Stage>,
    /// The last failure of an item decides how the reply ends.
    pub failure: Option<(Code, String)>,
}

/// One step of a job.
#[derive(Debug)]
pub(super) enum Stage {
    Stop(StopStage),
    Start(StartStage),
    /// Programs that read their own configuration again.
    Reload(Set<ProcessId>),
    /// The configuration is being read.
    Read(super::reload::Purpose),
    /// Groups become as configured.
    Swap(Swap),
    /// visor goes.
    Leave,
}

/// Processes stopped wave by wave, the last to start first.
#[derive(Debug)]
pub(super) struct StopStage {
    /// In start order: taken from the end.
    pub waves: Vec<Vec<ProcessId>>,
    pub awaited: Set<ProcessId>,
    /// Awaited until gone, or only signalled.
    pub wait: bool,
    /// Results are told.
    pub told: bool,
}

/// Whether a process was named itself or came with its group: only the former makes "nothing to do" an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Itself,
    WithOthers,
}

impl Supervisor {
    pub(super) fn add_job(&mut self, client: Option<ClientId>, stages: VecDeque<Stage>) -> JobId {
        let id = JobId(self.next_job);
        self.next_job = self.next_job.wrapping_add(1);
        self.jobs.insert(id, Job { client, stages, failure: None });
        id
    }

    pub(super) fn ask_stop(&mut self, client: ClientId, names: &[String], wait: bool, out: &mut Vec<Action>) {
        let id = self.add_job(Some(client), VecDeque::new());
        let stage = self.stop_stage(id, names, wait, out);
        self.push_stage(id, stage);
    }

    pub(super) fn ask_restart(&mut self, client: ClientId, names: &[String], out: &mut Vec<Action>) {
        let id = self.add_job(Some(client), VecDeque::new());
        let stop = self.stop_stage(id, names, true, out);
        // Names that mean nothing were told once by the stop; the original tells them twice, and so does the start.
        let start = self.start_stage(id, names, true, out);
        self.push_stage(id, stop);
        self.push_stage(id, start);
    }

    pub(super) fn push_stage(&mut self, id: JobId, stage: Stage) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.stages.push_back(stage);
        }
    }

    fn stop_stage(&mut self, job: JobId, names: &[String], wait: bool, out: &mut Vec<Action>) -> Stage {
        let mut ids = Vec::new();
        for (id, named) in self.targets(job, names, out) {
            match (self.rests(id), named) {
                (false, _) => ids.push(id),
                (true, Named::Itself) => self.tell_failure(job, id, Code::NotRunning, "not running", out),
                (true, Named::WithOthers) => {}
            }
        }
        Stage::Stop(StopStage { waves: self.table.waves(&ids), awaited: Set::new(), wait, told: true })
    }

    /// The processes that names mean; names that mean nothing are told.
    pub(super) fn targets(&mut self, job: JobId, names: &[String], out: &mut Vec<Action>) -> Map<ProcessId, Named> {
        let mut found = Map::new();
        for target in self.table.resolve(names) {
            match target {
                Target::Process(id) => {
                    found.insert(id, Named::Itself);
                }
                Target::Several(ids) => {
                    for id in ids {
                        found.insert_new(id, || Named::WithOthers);
                    }
                }
                Target::NoProcess(name) => self.tell_item(job, "name", name, Code::BadName, "no such process", out),
                Target::NoGroup(group) => self.tell_item(job, "group", group, Code::BadName, "no such group", out),
            }
        }
        found
    }

    /// Goes on with every job as far as it goes.
    pub(super) fn advance(&mut self, now: Now, out: &mut Vec<Action>) {
        let mut moved = true;
        while moved {
            moved = false;
            let ids: Vec<JobId> = self.jobs.keys().copied().list();
            for id in ids {
                moved |= self.advance_job(id, now, out);
            }
        }
    }

    /// One step of a job; whether there was one.
    fn advance_job(&mut self, id: JobId, now: Now, out: &mut Vec<Action>) -> bool {
        let Some(job) = self.jobs.get_mut(&id) else { return false };
        match job.stages.front_mut() {
            None => {
                self.finish(id, out);
                true
            }
            Some(Stage::Read(_)) => false,
            Some(Stage::Reload(awaited)) => {
                let done = awaited.is_empty();
                if done {
                    job.stages.pop_front();
                }
                done
            }
            Some(Stage::Stop(stage)) if !stage.awaited.is_empty() => false,
            Some(Stage::Stop(stage)) => {
                match stage.waves.pop() {
                    Some(wave) => self.stop_wave(id, wave, now, out),
                    None => {
                        job.stages.pop_front();
                    }
                }
                true
            }
            Some(Stage::Start(_)) => self.advance_start(id, out),
            Some(Stage::Swap(_)) => {
                if let Some(Stage::Swap(swap)) = job.stages.pop_front() {
                    self.swap(id, swap, now, out);
                }
                true
            }
            Some(Stage::Leave) => {
                job.stages.pop_front();
                self.report_shutdown(now, out);
                self.phase = Phase::Gone;
                self.remind_at = None;
                out.push(Action::Leave);
                true
            }
        }
    }

    fn finish(&mut self, id: JobId, out: &mut Vec<Action>) {
        let Some(job) = self.jobs.remove(&id) else { return };
        if let Some(client) = job.client {
            let end = match job.failure {
                None => Line::Ok(String::new()),
                Some((code, text)) => Line::Error(code, text),
            };
            out.push(Action::Reply(client, end));
        }
    }

    fn stop_wave(&mut self, job: JobId, wave: Vec<ProcessId>, now: Now, out: &mut Vec<Action>) {
        let Some(Stage::Stop(stage)) = self.jobs.get_mut(&job).and_then(|job| job.stages.front_mut()) else { return };
        let (wait, told, later) = (stage.wait, stage.told, stage.waves.len());
        let mut up = Vec::new();
        for id in wave {
            match self.table.entry(id).map(|entry| entry.life.state.name()) {
                Some(_) if !self.rests(id) => up.push(id),
                // It went down by itself while others were awaited.
                Some(name) if told => self.tell_stopped(job, id, name, out),
                Some(_) | None => {}
            }
        }
        if let Some(Stage::Stop(stage)) = self.jobs.get_mut(&job).and_then(|job| job.stages.front_mut()) {
            stage.awaited.extend(up.iter().copied());
        }
        for id in up {
            let input = self.stop_by(id, later, now).map_or(program::Input::Stop, program::Input::StopBy);
            self.step(id, input, now, out);
            if wait {
                self.remind_of(id, out);
            } else if self.take_stop(job, id) {
                self.tell_result(job, id, "stopped", out);
            }
        }
        if self.jobs.get(&job).is_some_and(Job::awaits_stop) {
            self.remind_at.get_or_insert(now.mono + REMIND_PAUSE);
        }
    }

    /// Awaits a stop no more; whether it was awaited.
    fn take_stop(&mut self, job: JobId, id: ProcessId) -> bool {
        match self.jobs.get_mut(&job).and_then(|job| job.stages.front_mut()) {
            Some(Stage::Stop(stage)) => stage.awaited.remove(&id),
            Some(Stage::Start(_) | Stage::Reload(_) | Stage::Read(_) | Stage::Swap(_) | Stage::Leave) | None => false,
        }
    }

    fn tell_stopped(&mut self, job: JobId, id: ProcessId, name: Name, out: &mut Vec<Action>) {
        match stop_result(name) {
            Ok(word) => self.tell_result(job, id, word, out),
            Err((code, text)) => self.tell_failure(job, id, code, text, out),
        }
    }

    /// Nothing is left of a process: who waits for that hears of it.
    pub(super) fn stopped(&mut self, id: ProcessId, name: Name, out: &mut Vec<Action>) {
        let waits = |job: &mut Job| match job.stages.front_mut() {
            Some(Stage::Stop(stage)) => stage.awaited.remove(&id) && stage.told,
            _ => false,
        };
        let jobs: Vec<JobId> = self.jobs.iter_mut().filter_map(|(job, it)| waits(it).then_some(*job)).list();
        for job in jobs {
            self.tell_stopped(job, id, name, out);
        }
    }

    /// A process changed its state: who waits for that hears of it.
    pub(super) fn state_changed(&mut self, id: ProcessId, to: Name, out: &mut Vec<Action>) {
        if to.is_down() && !self.hooks.any(id) {
            self.stopped(id, to, out);
        }
        let Some(entry) = self.table.entry(id) else { return };
        let wanted = entry.life.wanted;
        // A oneshot is started when it has done what it is for.
        let done = entry
            .config
            .policy
            .oneshot
            .then(|| entry.life.exit.is_some_and(|exit| exit.is_expected(&entry.config.exitcodes)));
        let mut results = Vec::new();
        for (job_id, job) in self.jobs.iter_mut() {
            match job.stages.front_mut() {
                Some(Stage::Start(stage)) => {
                    if stage.awaited.contains(&id)
                        && let Some(result) = start_result(to, wanted, done)
                    {
                        stage.awaited.remove(&id);
                        results.push((*job_id, result));
                    }
                }
                Some(Stage::Stop(_) | Stage::Reload(_) | Stage::Read(_) | Stage::Swap(_) | Stage::Leave) | None => {}
            }
        }
        for (job, result) in results {
            match result {
                Ok(word) => self.tell_result(job, id, word, out),
                Err((code, text)) => self.tell_failure(job, id, code, text, out),
            }
        }
    }

    /// A process has new settings: a start that was to wait for the end of a oneshot is done when it is none any more.
    pub(super) fn started_by_settings(&mut self, id: ProcessId, out: &mut Vec<Action>) {
        if self.table.entry(id).is_some_and(|entry| entry.life.state.name() == Name::Running) {
            self.state_changed(id, Name::Running, out);
        }
    }

    pub(super) fn client_gone(&mut self, client: ClientId) {
        for job in self.jobs.values_mut() {
            if job.client == Some(client) {
                job.client = None;
            }
        }
    }

    /// Ends every job: visor goes down and nobody is to wait for what will not happen.
    pub(super) fn abandon_jobs(&mut self, out: &mut Vec<Action>) {
        for (_, job) in std::mem::take(&mut self.jobs) {
            if let Some(client) = job.client {
                out.push(Action::Reply(client, super::shutting_down()));
            }
        }
    }

    /// Tells the log again what stops wait for.
    pub(super) fn remind(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.remind_at.is_none_or(|at| at > now.mono) {
            return;
        }
        self.remind_at = None;
        if self.phase == Phase::ShuttingDown {
            self.remind_of_shutdown(now, out);
            return;
        }
        let awaited: Set<ProcessId> = self.jobs.values().flat_map(Job::awaited_stops).collect();
        for id in &awaited {
            self.remind_of(*id, out);
        }
        if !awaited.is_empty() {
            self.remind_at = Some(now.mono + REMIND_PAUSE);
        }
    }

    fn remind_of(&self, id: ProcessId, out: &mut Vec<Action>) {
        if let Some(entry) = self.table.entry(id)
            && (entry.life.state.name() == Name::Stopping || self.hooks.any(id))
            && self.phase == Phase::Running
        {
            out.push(Action::Log(LogLevel::Info, format!("waiting for {} to stop", entry.config.name)));
        }
    }

    pub(super) fn tell_result(&self, job: JobId, id: ProcessId, word: &str, out: &mut Vec<Action>) {
        if let Some(client) = self.jobs.get(&job).and_then(|job| job.client)
            && let Some(entry) = self.table.entry(id)
        {
            out.push(Action::Reply(client, data(&[("name", &entry.display_name()), ("result", word)])));
        }
    }

    pub(super) fn tell_failure(&mut self, job: JobId, id: ProcessId, code: Code, text: &str, out: &mut Vec<Action>) {
        if let Some(entry) = self.table.entry(id) {
            let name = entry.display_name();
            self.tell_item(job, "name", name, code, text, out);
        }
    }

    /// One item of a request failed.
    pub(super) fn tell_item(
        &mut self,
        job: JobId,
        key: &str,
        name: String,
        code: Code,
        text: &str,
        out: &mut Vec<Action>,
    ) {
        let Some(job) = self.jobs.get_mut(&job) else { return };
        if let Some(client) = job.client {
            out.push(Action::Reply(client, data(&[(key, &name), ("error", code.word()), ("text", text)])));
        }
        job.failure = Some((code, format!("{name}: {text}")));
    }
}

impl Job {
    pub(super) fn awaits_stop_of(&self, id: ProcessId) -> bool {
        matches!(self.stages.front(), Some(Stage::Stop(stage)) if stage.awaited.contains(&id))
    }

    fn awaits_stop(&self) -> bool {
        matches!(self.stages.front(), Some(Stage::Stop(stage)) if !stage.awaited.is_empty())
    }

    fn awaited_stops(&self) -> Vec<ProcessId> {
        match self.stages.front() {
            Some(Stage::Stop(stage)) => stage.awaited.iter().copied().list(),
            Some(Stage::Start(_) | Stage::Reload(_) | Stage::Read(_) | Stage::Swap(_) | Stage::Leave) | None => {
                Vec::new()
            }
        }
    }
}

pub(super) type ItemResult = Result<&'static str, (Code, &'static str)>;

fn stop_result(to: Name) -> ItemResult {
    if to == Name::Unknown { Err((Code::Failed, "it could not be signalled")) } else { Ok("stopped") }
}

/// A data line of a few keys.
pub(super) fn data(pairs: &[(&str, &str)]) -> Line {
    Line::Data(pairs.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())).list())
}
