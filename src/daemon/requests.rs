//! What is asked over a connection: decisions go to the supervisor, the rest is answered here.

use std::sync::Arc;
use std::time::Duration;

use super::children::Sent;
use super::client::Mode;
use super::outputs::Outputs;
use super::rights::Asker;
use super::{Daemon, clock};
use crate::config::{Explained, LogLevel, Setting, Signal};
use crate::event::{Event, Kind};
use crate::list::List as _;
use crate::program::{Name, Now};
use crate::protocol::{Code, DataLine, Line, PROTOCOL_VERSION, Request, Stream, display_name, handover};
use crate::supervisor::{Ask, ClientId, Input, LogPaths, ProcessId, Surroundings, Target, Traffic};
use crate::sys::{self, reap};

impl Surroundings for Outputs {
    fn stamp(&self, wall: Duration) -> String {
        clock::label(wall)
    }

    fn log_paths(&self, id: ProcessId) -> LogPaths {
        LogPaths { stdout: self.shown_path(id, Stream::Stdout), stderr: self.shown_path(id, Stream::Stderr) }
    }

    fn traffic(&self, id: ProcessId) -> Traffic {
        let [(stdout, lost_of_stdout), (stderr, lost_of_stderr)] =
            [Stream::Stdout, Stream::Stderr].map(|stream| Outputs::traffic(self, id, stream));
        Traffic { stdout, stderr, lost: lost_of_stdout.saturating_add(lost_of_stderr) }
    }
}

impl Daemon {
    /// Answers one request line, or has it answered.
    pub(super) fn answer(&mut self, client: ClientId, line: &[u8], now: Now) {
        if let Some(gateway) =
            self.clients.all.get_mut(&client).filter(|client| matches!(client.asker, Asker::Gateway(..)))
            && let Some(who) = handover::asked_for(line)
        {
            gateway.behalf = Some(who);
            return;
        }
        match Request::parse(line) {
            Err(error) => self.clients.reply(client, &Line::Error(error.code, error.text)),
            Ok(request) => self.hear(client, request, now),
        }
    }

    pub(super) fn take(&mut self, client: ClientId, request: Request, now: Now) {
        match request {
            Request::Hello => self.hello(client),
            Request::Pid(names) => self.pids(client, &names),
            Request::State => self.state(client),
            Request::Status(names) => {
                let (supervisor, outputs) = (&self.supervisor, &self.outputs);
                self.clients.put(client, &mut |out| supervisor.status(&names, now, outputs, out));
                self.done(client);
            }
            Request::Start { names, wait } => self.ask(client, Ask::Start { names, wait }, now),
            Request::Stop { names, wait } => self.ask(client, Ask::Stop { names, wait }, now),
            Request::Restart(names) => self.ask(client, Ask::Restart(names), now),
            Request::Signal { signal, names } => self.send_signal(client, &signal, &names),
            Request::ReloadProgram(names) => self.ask(client, Ask::ReloadProgram(names), now),
            Request::Reread => self.ask(client, Ask::Reread, now),
            Request::Update(groups) => self.ask(client, Ask::Update(groups), now),
            Request::Preview(groups) => self.ask(client, Ask::Preview(groups), now),
            Request::Scale { program, count } => self.ask(client, Ask::Scale { program, count }, now),
            Request::Add(groups) => self.ask(client, Ask::Add(groups), now),
            Request::Remove(groups) => self.ask(client, Ask::Remove(groups), now),
            Request::Reload => self.ask(client, Ask::Reload, now),
            Request::Shutdown if self.end_foreground(now) => self.done(client),
            Request::Shutdown => self.ask(client, Ask::Shutdown, now),
            Request::End(ending) => self.end_machine(client, ending, now),
            Request::Tail { name, stream, bytes } => self.tail(client, &name, stream, bytes),
            Request::Follow { name, stream, bytes } => self.follow(client, &name, stream, bytes),
            Request::Maintail { follow, bytes } => self.maintail(client, follow, bytes),
            Request::Read { name, stream, offset, length } => self.read(client, &name, stream, (offset, length)),
            Request::Mainread { offset, length } => self.mainread(client, (offset, length)),
            Request::Mainclear => self.mainclear(client),
            Request::Metrics => self.metrics(client),
            Request::Clear(names) => self.clear(client, &names),
            Request::Send { name, data } => self.send(client, &name, &data),
            Request::Event { kind, data } => {
                self.input(Input::Happened(Event::Remote { kind, data }), now);
                self.done(client);
            }
            Request::Watch { kinds, names } => self.watch(client, kinds, names),
            Request::Config => {
                let clients = &mut self.clients;
                self.supervisor.configuration(&mut |line| clients.reply(client, &line));
                self.done(client);
            }
            Request::Settings(name) => self.explain(client, &name),
            Request::Why(name) => {
                for line in self.supervisor.why(&name, now) {
                    self.clients.reply(client, &line);
                }
            }
            Request::Ready(names) => {
                for line in self.supervisor.ready(&names) {
                    self.clients.reply(client, &line);
                }
            }
            Request::Reopen => {
                self.reopen_logs();
                self.done(client);
            }
        }
    }

    /// Every option of processes with its place, from the files as they are now.
    fn explain(&mut self, client: ClientId, name: &str) {
        let running = |group: &str, process: &str| {
            let id = self.supervisor.find(&format!("{group}:{process}"))?;
            self.supervisor.entry(id).map(|entry| Arc::clone(&entry.config))
        };
        let explained = match self.options.explain(name, &running) {
            Ok(explained) if explained.is_empty() => {
                return self.refuse(client, Code::BadName, &format!("no such process `{name}`"));
            }
            Ok(explained) => explained,
            Err(mistakes) => {
                let text: Vec<String> = mistakes.iter().map(ToString::to_string).list();
                return self.refuse(client, Code::CannotReread, &text.join("; "));
            }
        };
        self.clients.put(client, &mut |out| {
            for Explained { group, process, section, settings } in &explained {
                let name = display_name(group, process);
                for Setting { key, value, running, place } in settings {
                    let mut line = DataLine::new(out)
                        .key("name", &name)
                        .key("section", section)
                        .key("key", key)
                        .key("value", value);
                    if let Some(place) = place {
                        line = line.key("file", &place.file).number("line", place.line).key("from", &place.section);
                    }
                    line.maybe("running", running.as_ref()).end();
                }
            }
        });
        self.done(client);
    }

    pub(super) fn ask(&mut self, client: ClientId, ask: Ask, now: Now) {
        self.clients.set_mode(client, Mode::Waiting);
        self.input(Input::Ask(client, ask), now);
    }

    pub(super) fn done(&mut self, client: ClientId) {
        self.clients.reply(client, &Line::Ok(String::new()));
    }

    pub(super) fn refuse(&mut self, client: ClientId, code: Code, text: &str) {
        self.clients.reply(client, &Line::Error(code, text.to_string()));
    }

    fn hello(&mut self, client: ClientId) {
        let pairs = [
            ("program", "visor".to_string()),
            ("version", env!("CARGO_PKG_VERSION").to_string()),
            ("protocol", PROTOCOL_VERSION.to_string()),
            ("pid", sys::process::pid().to_string()),
        ];
        self.clients.reply(client, &line_of(&pairs));
        self.done(client);
    }

    fn state(&mut self, client: ClientId) {
        let pairs = [
            ("state", self.supervisor.state_word().to_string()),
            ("identifier", self.settings.daemon.identifier.clone()),
        ];
        self.clients.reply(client, &line_of(&pairs));
        self.done(client);
    }

    fn metrics(&mut self, client: ClientId) {
        let (supervisor, outputs, started) = (&self.supervisor, &self.outputs, self.started.wall.as_secs());
        let (clients, gateways) = (self.clients.len(), self.gateway.starts);
        self.clients.put(client, &mut |out| {
            DataLine::new(out)
                .number("pid", sys::process::pid())
                .number("started", started)
                .number("clients", clients)
                .number("events_lost", supervisor.events_lost())
                .number("gateways", gateways)
                .end();
            supervisor.metrics(outputs, out);
        });
        self.done(client);
    }

    fn pids(&mut self, client: ClientId, names: &[String]) {
        if names.is_empty() {
            self.clients.reply(client, &line_of(&[("pid", sys::process::pid().to_string())]));
            return self.done(client);
        }
        let mut failure = None;
        self.each(client, names, &mut failure, &mut |daemon, id| {
            let pid = daemon.supervisor.entry(id).and_then(|entry| entry.life.state.pid()).unwrap_or(0);
            Ok(Some(("pid", pid.to_string())))
        });
        self.end(client, failure);
    }

    fn send_signal(&mut self, client: ClientId, word: &str, names: &[String]) {
        let Ok(signal) = Signal::parse(word) else {
            return self.refuse(client, Code::BadSignal, &format!("no such signal `{word}`"));
        };
        let mut failure = None;
        self.each(client, names, &mut failure, &mut |daemon, id| daemon.signal_one(id, signal));
        self.end(client, failure);
    }

    fn signal_one(&mut self, id: ProcessId, signal: Signal) -> ItemResult {
        let Some(entry) = self.supervisor.entry(id) else { return Ok(None) };
        let name = entry.config.name.clone();
        let pid = match (entry.life.state.name(), entry.life.state.pid()) {
            (Name::Running | Name::Starting | Name::Stopping, Some(pid)) => pid,
            _ => return Err((Code::NotRunning, "not running".to_string())),
        };
        self.log(LogLevel::Debug, &format!("sending {name} (pid {pid}) sig {}", signal.name()));
        match reap::kill(pid, signal.0) {
            Ok(()) => Ok(Some(("result", "signalled".to_string()))),
            Err(error) => Err((Code::Failed, error.to_string())),
        }
    }

    /// Does something to each process that names mean and tells each result. Processes that came with a group and for
    /// which there is nothing to do are passed over.
    pub(super) fn each(
        &mut self,
        client: ClientId,
        names: &[String],
        failure: &mut Option<(Code, String)>,
        act: &mut dyn FnMut(&mut Daemon, ProcessId) -> ItemResult,
    ) {
        for target in self.supervisor.resolve(names) {
            let (ids, named) = match target {
                Target::Process(id) => (vec![id], true),
                Target::Several(ids) => (ids, false),
                Target::NoProcess(name) => {
                    self.tell_failure(client, ("name", name), (Code::BadName, "no such process".to_string()), failure);
                    continue;
                }
                Target::NoGroup(group) => {
                    self.tell_failure(client, ("group", group), (Code::BadName, "no such group".to_string()), failure);
                    continue;
                }
            };
            for id in ids {
                let Some(name) = self.supervisor.entry(id).map(|entry| entry.display_name()) else { continue };
                match act(self, id) {
                    Ok(None) => {}
                    Ok(Some((key, value))) => self.clients.reply(client, &line_of(&[("name", name), (key, value)])),
                    Err((Code::NotRunning, _)) if !named => {}
                    Err(error) => self.tell_failure(client, ("name", name), error, failure),
                }
            }
        }
    }

    fn tell_failure(
        &mut self,
        client: ClientId,
        (key, name): (&'static str, String),
        (code, text): (Code, String),
        failure: &mut Option<(Code, String)>,
    ) {
        *failure = Some((code, format!("{name}: {text}")));
        let pairs = [(key, name), ("error", code.word().to_string()), ("text", text)];
        self.clients.reply(client, &line_of(&pairs));
    }

    pub(super) fn end(&mut self, client: ClientId, failure: Option<(Code, String)>) {
        let end = match failure {
            None => Line::Ok(String::new()),
            Some((code, text)) => Line::Error(code, text),
        };
        self.clients.reply(client, &end);
    }

    fn send(&mut self, client: ClientId, name: &str, data: &[u8]) {
        let Some(id) = self.supervisor.find(name) else {
            return self.refuse(client, Code::BadName, &format!("no such process `{name}`"));
        };
        let runs = self
            .supervisor
            .entry(id)
            .is_some_and(|entry| entry.life.state.pid().is_some() && entry.life.state.name() != Name::Stopping);
        if !runs {
            return self.refuse(client, Code::NotRunning, &format!("{name} is not running"));
        }
        match self.children.send(id, data, &mut self.poll) {
            Sent::Taken => self.done(client),
            Sent::Busy => self.refuse(client, Code::Busy, &format!("{name} has not read what was sent before")),
            Sent::NoStdin => self.refuse(client, Code::NoFile, &format!("{name} has closed its stdin")),
        }
    }

    fn watch(&mut self, client: ClientId, kinds: Vec<String>, names: Vec<String>) {
        if let Some(unknown) = kinds.iter().find(|kind| !Kind::exists(kind)) {
            return self.refuse(client, Code::BadArguments, &format!("no such type of event: `{unknown}`"));
        }
        for target in self.supervisor.resolve(&names) {
            match target {
                Target::Process(_) | Target::Several(_) => {}
                Target::NoProcess(name) => {
                    return self.refuse(client, Code::BadName, &format!("no such process `{name}`"));
                }
                Target::NoGroup(group) => {
                    return self.refuse(client, Code::BadName, &format!("no such group `{group}`"));
                }
            }
        }
        self.clients.watch(client, kinds, names);
    }
}

/// What came of one item: a key and value for its line, nothing to tell, or a failure.
pub(super) type ItemResult = Result<Option<(&'static str, String)>, (Code, String)>;

fn line_of(pairs: &[(&str, String)]) -> Line {
    Line::Data(pairs.iter().map(|(key, value)| ((*key).to_string(), value.clone())).list())
}
