//! A supervisor under test: inputs in, what was said out, in words.

use std::sync::Arc;

use super::{Action, Ask, ClientId, Input, JobId, ProcessId, Supervisor};
use crate::config::{Config, Daemon, Group, GroupKind, LogLevel, MainLogfile, Process, Signal, Visor};
use crate::list::List as _;
use crate::program::sample::{at, process};
use crate::program::{self, Exit, SpawnFailure, SpawnFailureKind};
use crate::protocol::Line;
use crate::sorted::Map;

/// A group of these processes.
pub(super) fn group(name: &str, priority: i64, processes: Vec<Process>) -> Group {
    let processes = processes.into_iter().map(Arc::new).list();
    Group { name: name.to_string(), priority, kind: GroupKind::Group, processes }
}

/// A program of one process that is running as soon as its command runs.
pub(super) fn program(name: &str, priority: i64) -> Group {
    group(name, priority, vec![quick(name)])
}

/// A process without startsecs.
pub(super) fn quick(name: &str) -> Process {
    Process { startsecs: 0, ..process(name) }
}

pub(super) fn config(groups: Vec<Group>) -> Config {
    let daemon = Daemon {
        logfile: MainLogfile::None,
        logfile_maxbytes: 0,
        logfile_backups: 0,
        loglevel: LogLevel::Info,
        pidfile: "/run/p.pid".to_string(),
        umask: 0o22,
        nodaemon: true,
        silent: true,
        minfds: 0,
        minprocs: 0,
        nocleanup: true,
        childlogdir: "/tmp".to_string(),
        user: None,
        directory: None,
        strip_ansi: false,
        environment: Map::new(),
        identifier: "supervisor".to_string(),
    };
    Config {
        included: Vec::new(),
        file: "/etc/supervisord.conf".to_string(),
        daemon,
        visor: Visor::default(),
        servers: Vec::new(),
        server_url: None,
        rpc_interfaces: Vec::new(),
        ctl: None,
        groups,
        warnings: Vec::new(),
    }
}

/// A supervisor with a clock; spawns are answered by hand.
pub(super) struct Bench {
    pub sup: Supervisor,
    pub millis: u64,
    /// What the last input led to.
    pub out: Vec<Action>,
    /// Names of processes whose command cannot be had, and what is wrong with it.
    pub missing: Vec<(&'static str, SpawnFailureKind)>,
    next_client: u64,
    next_pid: i32,
}

impl Bench {
    pub fn new(groups: Vec<Group>) -> Bench {
        let mut out = Vec::new();
        let sup = Supervisor::new(Arc::new(config(groups)), &mut out);
        Bench { sup, millis: 1000, out, missing: Vec::new(), next_client: 0, next_pid: 100 }
    }

    /// Booted, and everything that starts by itself is running.
    pub fn running(groups: Vec<Group>) -> Bench {
        let mut bench = Bench::new(groups);
        bench.feed(Input::Boot);
        bench.spawn_all();
        bench
    }

    pub fn feed(&mut self, input: Input) -> Vec<String> {
        self.out.clear();
        self.sup.handle(input, at(self.millis), &mut self.out);
        self.answer_look_ups();
        self.said()
    }

    /// Every command is there but those of [`Bench::missing`].
    fn answer_look_ups(&mut self) {
        let asked = |action: &Action| match action {
            Action::LookUp { job, ids } => Some((*job, ids.clone())),
            _ => None,
        };
        for (job, ids) in self.out.iter().filter_map(asked).list() {
            let mut failures = Map::new();
            for id in ids {
                if let Some((_, kind)) = self.missing.iter().find(|(name, _)| *name == self.name(id)) {
                    failures.insert(id, SpawnFailure { kind: *kind, text: "no".to_string() });
                }
            }
            self.sup.handle(Input::LookedUp(job, failures), at(self.millis), &mut self.out);
        }
    }

    /// Answers every spawn asked for by the last input with a child whose command runs; everything that was said then.
    pub fn spawn_all(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for action in std::mem::take(&mut self.out) {
            if let Action::Spawn(id) = action {
                self.next_pid += 1;
                let pid = self.next_pid;
                said.extend(self.feed(Input::Process(id, program::Input::Spawned { pid })));
                said.extend(self.feed(Input::Process(id, program::Input::Execed)));
            }
        }
        said
    }

    pub fn ask(&mut self, ask: Ask) -> Vec<String> {
        self.next_client += 1;
        self.feed(Input::Ask(ClientId(self.next_client), ask))
    }

    pub fn start(&mut self, names: &[&str]) -> Vec<String> {
        self.ask(Ask::Start { names: words(names), wait: true })
    }

    pub fn stop(&mut self, names: &[&str]) -> Vec<String> {
        self.ask(Ask::Stop { names: words(names), wait: true })
    }

    pub fn id(&self, name: &str) -> ProcessId {
        self.sup.find(name).unwrap()
    }

    pub fn pid(&self, name: &str) -> i32 {
        self.sup.entry(self.id(name)).unwrap().life.state.pid().unwrap()
    }

    pub fn state(&self, name: &str) -> &'static str {
        self.sup.entry(self.id(name)).unwrap().life.state.name().word()
    }

    /// The child of a process ends.
    pub fn dies(&mut self, name: &str, code: i32) -> Vec<String> {
        let pid = self.pid(name);
        self.feed(Input::Died { pid, exit: Exit::Code(code) })
    }

    /// The configuration file that is being read says this.
    pub fn reads(&mut self, groups: Vec<Group>) -> Vec<String> {
        let job = self.reading();
        self.feed(Input::ConfigRead(job, Ok(Box::new(config(groups)))))
    }

    pub fn reading(&self) -> JobId {
        self.out
            .iter()
            .find_map(|a| match a {
                Action::ReadConfig(job) | Action::ReadScaled { job, .. } => Some(*job),
                _ => None,
            })
            .unwrap()
    }

    /// Replies, spawns, signals and the like of the last input; events and log lines are left out.
    pub fn said(&self) -> Vec<String> {
        self.out.iter().filter_map(|action| self.words(action)).list()
    }

    pub fn logged(&self) -> Vec<String> {
        let text = |a: &Action| if let Action::Log(_, text) = a { Some(text.clone()) } else { None };
        self.out.iter().filter_map(text).list()
    }

    fn name(&self, id: ProcessId) -> String {
        self.sup.entry(id).map_or_else(|| "gone".to_string(), |entry| entry.config.name.clone())
    }

    fn words(&self, action: &Action) -> Option<String> {
        match action {
            Action::Spawn(id) => Some(format!("spawn {}", self.name(*id))),
            Action::Signal { signal: Signal(18), .. } => None,
            Action::Signal { id, group, signal, .. } => {
                Some(format!("{}{} {}", if *group { "group " } else { "" }, signal.0, self.name(*id)))
            }
            Action::Hook(id, hook) => Some(format!("{hook} {}", self.name(*id))),
            Action::EndHook(id, hook) => Some(format!("end {hook} {}", self.name(*id))),
            Action::LookForGroup { id, .. } => Some(format!("look {}", self.name(*id))),
            Action::Reply(ClientId(client), line) => Some(format!("{client}: {}", shown(line))),
            Action::ReadConfig(_) => Some("read".to_string()),
            Action::ReadScaled { program, count, .. } => Some(format!("read {program}={count}")),
            Action::Added(id) => Some(format!("added {}", self.name(*id))),
            Action::Removed(_) => Some("removed".to_string()),
            Action::Tuned(id, _) => Some(format!("tuned {}", self.name(*id))),
            Action::Adopt(_) => Some("adopt".to_string()),
            Action::Leave => Some("leave".to_string()),
            Action::Deliver(id, _) => Some(format!("deliver {}", self.name(*id))),
            Action::Log(..) | Action::Event(_) | Action::LookUp { .. } => None,
        }
    }
}

pub(super) fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).list()
}

pub(super) fn shown(line: &Line) -> String {
    match line {
        Line::Data(pairs) => {
            let values = pairs.iter().filter(|(key, _)| key != "text").map(|(_, value)| value.as_str());
            values.list().join(" ")
        }
        Line::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Line::Ok(text) => format!("ok{text}"),
        Line::Error(code, text) => format!("error {} ({text})", code.word()),
    }
}
