//! Who is sent what happens, for as long as it stays: output and visor's own log for followers, events for watchers.

use super::client::{ENOUGH_BYTES, Mode};
use super::clients::Clients;
use crate::event::{Event, Kind, Output};
use crate::program::{Health, Now};
use crate::protocol::{Code, DataLine, Line, Stream, display_name};
use crate::supervisor::{ClientId, ProcessId};
use crate::wildcard;

impl Clients {
    pub fn follow(&mut self, id: ClientId, process: ProcessId, stream: Stream) {
        self.set_mode(id, Mode::Following { missed: 0 });
        self.followers.change((process, stream), |ids| ids.push(id));
    }

    pub fn follow_main(&mut self, id: ClientId) {
        self.set_mode(id, Mode::Following { missed: 0 });
        self.main_followers.push(id);
    }

    pub fn watch(&mut self, id: ClientId, kinds: Vec<String>, names: Vec<String>) {
        self.set_mode(id, Mode::Watching { kinds, names, missed: 0 });
        self.watchers.push(id);
    }

    /// Nothing that happens is sent to this one any more.
    pub(super) fn leave_streams(&mut self, id: ClientId) {
        self.watchers.retain(|other| *other != id);
        self.main_followers.retain(|other| *other != id);
        self.followers.retain(|_, ids| {
            ids.retain(|other| *other != id);
            !ids.is_empty()
        });
    }

    /// A chunk of output for those who follow it.
    pub fn output(&mut self, process: ProcessId, stream: Stream, chunk: &[u8]) {
        if self.followers.is_empty() || chunk.is_empty() {
            return;
        }
        for id in self.followers.get(&(process, stream)).into_iter().flatten() {
            if let Some(client) = self.all.get_mut(id) {
                client.follow(chunk);
                self.dirty.insert(*id);
            }
        }
    }

    /// Lines of visor's own log for those who follow it.
    pub fn main_output(&mut self, lines: &[u8]) {
        for id in &self.main_followers {
            if let Some(client) = self.all.get_mut(id) {
                client.follow(lines);
                self.dirty.insert(*id);
            }
        }
    }

    /// A process is forgotten: who follows it hears that nothing more will come.
    pub fn process_removed(&mut self, process: ProcessId) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            for id in self.followers.remove(&(process, stream)).unwrap_or_default() {
                self.reply(id, &Line::Error(Code::BadName, "the process was removed".to_string()));
            }
        }
    }

    /// Tells watchers; one who is too slow is told later how much was missed.
    pub fn event(&mut self, event: &Event, now: Now) {
        for id in &self.watchers {
            let Some(client) = self.all.get_mut(id) else { continue };
            let behind = client.backlog() > ENOUGH_BYTES;
            let Mode::Watching { kinds, names, missed } = &mut client.mode else { continue };
            if !is_wanted(event.kind(), kinds) || !concerns(event, names) {
                continue;
            }
            if behind {
                *missed = missed.saturating_add(1);
                continue;
            }
            client.tell_missed();
            write_event(&mut client.out, event, now);
            self.dirty.insert(*id);
        }
    }
}

/// Whether a watcher of these types (none = all but output and ticks) wants to hear of it.
fn is_wanted(kind: Kind, kinds: &[String]) -> bool {
    match kind {
        Kind::Communication(_) | Kind::Log(_) | Kind::Tick(_) if kinds.is_empty() => false,
        _ if kinds.is_empty() => true,
        _ => kinds.iter().any(|wanted| kind.is_of(wanted)),
    }
}

/// Whether a watcher of `names` (none = all) wants to hear of it. Names mean what they mean elsewhere.
fn concerns(event: &Event, names: &[String]) -> bool {
    if names.is_empty() || names.iter().any(|name| name == "all") {
        return true;
    }
    match event {
        Event::ProcessState { process, group, .. }
        | Event::Health { process, group, .. }
        | Event::Communication(Output { process, group, .. })
        | Event::Log(Output { process, group, .. }) => names.iter().any(|name| wildcard::means(name, group, process)),
        Event::GroupAdded { group } | Event::GroupRemoved { group } => {
            let of_group = |name: &String| {
                let wanted = name.split_once(':').map_or(name.as_str(), |(wanted, _)| wanted);
                wildcard::fits(wanted, group)
            };
            names.iter().any(of_group)
        }
        Event::SupervisorRunning | Event::SupervisorStopping | Event::Remote { .. } | Event::Tick { .. } => true,
    }
}

fn write_event(out: &mut Vec<u8>, event: &Event, now: Now) {
    let line = DataLine::new(out).key("event", event.name());
    let line = match event {
        Event::ProcessState { process, group, from, to, tries, pid, expected } => line
            .key("name", display_name(group, process))
            .key("from", from.word())
            .key("to", to.word())
            .number("pid", pid)
            .number("tries", tries)
            .key("expected", if *expected { "yes" } else { "no" }),
        Event::Health { process, group, pid, health } => {
            let line = line.key("name", display_name(group, process)).number("pid", pid);
            match health {
                Health::Healthy => line,
                Health::Unhealthy(reason) => line.key("text", reason),
            }
        }
        Event::GroupAdded { group } | Event::GroupRemoved { group } => line.key("group", group),
        Event::Communication(output) | Event::Log(output) => line
            .key("name", display_name(&output.group, &output.process))
            .number("pid", output.pid)
            .key("stream", output.stream.word())
            .key("data", &output.data),
        Event::Remote { kind, data } => line.key("type", kind).key("data", data),
        Event::Tick { when, .. } => line.number("when", when),
        Event::SupervisorRunning | Event::SupervisorStopping => line,
    };
    line.key("time", format!("{}.{:03}", now.wall.as_secs(), now.wall.subsec_millis())).end();
}
