//! What can be seen without deciding anything: status, why, what is configured, whether all is well.

use std::time::Duration;

use super::jobs::data;
use super::table::{ProcessId, Target};
use super::{Entry, ListenerFacts, Phase, Supervisor};
use crate::config::{AutoRestart, Group, Logfile, Process};
use crate::list::List as _;
use crate::order;
use crate::program::{self, Health, Hook, Now, State, Wanted};
use crate::protocol::{Code, DataLine, Line, display_name};

/// Where the logs of a process are, for its status line.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct LogPaths {
    /// `None` = there is none.
    pub stdout: Option<String>,
    /// `None` = there is none.
    pub stderr: Option<String>,
}

/// What went through the streams of a process since it is known, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// That it wrote to its stdout.
    pub stdout: u64,
    /// That it wrote to its stderr.
    pub stderr: u64,
    /// That could not be logged.
    pub lost: u64,
}

/// What a view asks of its caller.
pub trait Surroundings {
    /// A wall-clock time as `Nov 22 11:22 AM`, local.
    fn stamp(&self, wall: Duration) -> String;
    /// Paths of a process' logs.
    fn log_paths(&self, id: ProcessId) -> LogPaths;
    /// What a process has written.
    fn traffic(&self, id: ProcessId) -> Traffic;
}

impl Supervisor {
    /// The word for where visor is in its life.
    #[must_use]
    pub fn state_word(&self) -> &'static str {
        match self.phase {
            Phase::Starting | Phase::Running => "RUNNING",
            Phase::ShuttingDown | Phase::Gone => "SHUTDOWN",
        }
    }

    /// Writes status lines of what `names` mean (none = everything); errors first, as the original has them. Straight into
    /// the reply: it is asked for often, and of many.
    pub fn status(&self, names: &[String], now: Now, around: &dyn Surroundings, out: &mut Vec<u8>) {
        let everything = names.is_empty() || names.iter().any(|name| name == "all");
        if everything {
            for (id, entry) in self.by_name() {
                self.status_line(id, entry, now, around, out);
            }
            return;
        }
        let targets = self.table.resolve(names);
        for target in &targets {
            match target {
                Target::NoProcess(name) => no_such("name", name, "no such process").write_to(out),
                Target::NoGroup(group) => no_such("group", group, "no such group").write_to(out),
                Target::Process(_) | Target::Several(_) => {}
            }
        }
        for target in &targets {
            let ids: &[ProcessId] = match target {
                Target::Process(id) => std::slice::from_ref(id),
                Target::Several(ids) => ids,
                Target::NoProcess(_) | Target::NoGroup(_) => &[],
            };
            // Groups are shown by name, not in the order of their configuration.
            let mut entries: Vec<_> = ids.iter().filter_map(|id| Some((*id, self.table.entry(*id)?))).list();
            order::sort_by(&mut entries, |(_, a), (_, b)| (&a.group, &a.config.name).cmp(&(&b.group, &b.config.name)));
            for (id, entry) in entries {
                self.status_line(id, entry, now, around, out);
            }
        }
    }

    fn status_line(&self, id: ProcessId, entry: &Entry, now: Now, around: &dyn Surroundings, out: &mut Vec<u8>) {
        let life = &entry.life;
        let epoch = |time: Option<Now>| time.map_or(0, |time| time.wall.as_secs());
        let mut line = DataLine::new(out)
            .key("name", entry.display_name())
            .key("group", &entry.group)
            .key("process", &entry.config.name)
            .key("state", life.state.name().word())
            .number("pid", life.state.pid().unwrap_or(0))
            .number("start", epoch(life.started))
            .number("stop", epoch(life.ended))
            .number("now", now.wall.as_secs());
        if let Some(exit) = life.exit {
            line = line.number("exit", exit.status());
            if life.state == State::Exited {
                line = line.key("expected", if exit.is_expected(&entry.config.exitcodes) { "yes" } else { "no" });
            }
        }
        line = line.maybe("error", life.error.as_ref());
        if let State::Running { since, .. } = life.state {
            line = line.number("uptime", now.mono.saturating_sub(since).as_secs());
        }
        let paths = around.log_paths(id);
        let mut description =
            self.waits_for(id).unwrap_or_else(|| program::describe(life, now, &|wall| around.stamp(wall)));
        line = line
            .key("wanted", if life.wanted == Wanted::Up { "up" } else { "down" })
            .maybe("type", entry.config.policy.oneshot.then_some("oneshot"))
            .maybe("stdout", paths.stdout)
            .maybe("stderr", paths.stderr);
        if let Some(facts) = self.listener(id) {
            line = line.key("listener", facts.state).number("waiting", facts.waiting).number("lost", facts.lost);
            if facts.lost > 0 {
                let comma = if description.is_empty() { "" } else { ", " };
                description.push_str(&format!("{comma}{} events lost", facts.lost));
            }
        }
        // The words of a running program are the original's.
        if life.state.name() != program::Name::Running
            && let Some(words) = self.hooks.words(id, now)
        {
            let comma = if description.is_empty() { "" } else { ", " };
            description.push_str(&format!("{comma}{words}"));
        }
        if let Some(health) = health_word(entry) {
            line = line.key("health", health);
        }
        for text in remarks(entry) {
            let comma = if description.is_empty() { "" } else { ", " };
            description.push_str(&format!("{comma}{text}"));
        }
        if let Some(next) = self.next_run(id, now) {
            let comma = if description.is_empty() { "" } else { ", " };
            description.push_str(&format!("{comma}next {}", around.stamp(next)));
            line = line.number("next", next.as_secs());
        }
        line.key("description", description).end();
    }

    /// Writes a line of counters for every process, in the order of `status`.
    pub fn metrics(&self, around: &dyn Surroundings, out: &mut Vec<u8>) {
        for (id, entry) in self.by_name() {
            let traffic = around.traffic(id);
            DataLine::new(out)
                .key("name", entry.display_name())
                .key("group", &entry.group)
                .key("process", &entry.config.name)
                .number("starts", entry.starts)
                .number("stdout_bytes", traffic.stdout)
                .number("stderr_bytes", traffic.stderr)
                .number("lost_bytes", traffic.lost)
                .end();
        }
    }

    /// Every process, by name.
    fn by_name(&self) -> Vec<(ProcessId, &Entry)> {
        let mut entries: Vec<(ProcessId, &Entry)> = self.table.entries().list();
        order::sort_by(&mut entries, |(_, a), (_, b)| (&a.group, &a.config.name).cmp(&(&b.group, &b.config.name)));
        entries
    }

    /// The reply to `why`: a line for each process that the name means.
    #[must_use]
    pub fn why(&self, name: &str, now: Now) -> Vec<Line> {
        let ids = match self.table.resolve_one(name) {
            Target::Process(id) => vec![id],
            Target::Several(ids) => ids,
            Target::NoProcess(_) | Target::NoGroup(_) => {
                return vec![Line::Error(Code::BadName, format!("no such process `{name}`"))];
            }
        };
        let why = |id| Some(self.why_of(id, self.table.entry(id)?, now));
        let mut lines: Vec<Line> = ids.into_iter().filter_map(why).list();
        lines.push(Line::Ok(String::new()));
        lines
    }

    fn why_of(&self, id: ProcessId, entry: &Entry, now: Now) -> Line {
        let mut text = self.waits_for(id).unwrap_or_else(|| program::why(&entry.config, &entry.life, now));
        for remark in check_remarks(entry) {
            text.push_str(&format!("; {remark}"));
        }
        if let Some(ListenerFacts { state, waiting, lost }) = self.listener(id) {
            text.push_str(&format!(
                "; as a listener it is {state}, {waiting} events wait for its pool, {lost} were lost"
            ));
        }
        if let (Some(next), Some(schedule)) = (self.next_run(id, now), &entry.config.schedule) {
            let wait = program::uptime(next.saturating_sub(now.wall));
            text.push_str(&format!("; by its schedule `{}` it is due in {wait}", schedule.text));
        }
        if let Some(words) = self.hooks.words(id, now) {
            text.push_str(&format!("; {words}"));
        }
        // That of a start is its cause already.
        if let Some((hook @ (Hook::PostStop | Hook::Stop | Hook::Reload), error)) = &entry.life.hook_error {
            text.push_str(&format!("; {hook} failed: {error}"));
        }
        let state = entry.life.state.name().word();
        data(&[("name", &entry.display_name()), ("state", state), ("text", &text)])
    }

    /// The reply to `ready`: what should run and does not.
    #[must_use]
    pub fn ready(&self, names: &[String]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut missing = 0_usize;
        let mut look = |id: ProcessId, named: bool, lines: &mut Vec<Line>| {
            let Some(entry) = self.table.entry(id) else { return };
            let down = entry.life.wanted == Wanted::Down;
            if entry.life.is_missing(&entry.config) || (named && down) {
                missing = missing.saturating_add(1);
                let name = entry.display_name();
                let mut pairs = vec![("name", name.as_str()), ("state", entry.life.state.name().word())];
                pairs.extend(health_word(entry).filter(|word| *word == "unhealthy").map(|word| ("health", word)));
                lines.push(data(&pairs));
            }
        };
        if names.is_empty() {
            self.table.in_start_order().into_iter().for_each(|id| look(id, false, &mut lines));
        }
        for target in self.table.resolve(names) {
            match target {
                Target::Process(id) => look(id, true, &mut lines),
                Target::Several(ids) => ids.into_iter().for_each(|id| look(id, false, &mut lines)),
                Target::NoProcess(name) => {
                    return vec![Line::Error(Code::BadName, format!("no such process `{name}`"))];
                }
                Target::NoGroup(group) => return vec![Line::Error(Code::BadName, format!("no such group `{group}`"))],
            }
        }
        lines.push(match missing {
            0 => Line::Ok(String::new()),
            1 => Line::Error(Code::NotRunning, "1 process that should run does not".to_string()),
            more => Line::Error(Code::NotRunning, format!("{more} processes that should run do not")),
        });
        lines
    }

    /// A line per configured process.
    pub fn configuration(&self, line: &mut dyn FnMut(Line)) {
        for group in &self.configured.groups {
            let active = self.table.group(&group.name).is_some();
            for process in &group.processes {
                line(config_line(group, process, active));
            }
        }
    }
}

/// How a process is that has a `health` check.
fn health_word(entry: &Entry) -> Option<&'static str> {
    entry.config.checks.as_ref()?.health.as_ref()?;
    Some(match (&entry.life.state, &entry.life.health) {
        (State::Running { .. }, Some(Health::Healthy)) => "healthy",
        (State::Running { .. }, Some(Health::Unhealthy(_))) => "unhealthy",
        _ => "unknown",
    })
}

/// What a description tells besides Supervisor's text: a health that is bad, and the process' own words.
fn remarks(entry: &Entry) -> Vec<String> {
    let unhealthy = match (&entry.life.state, &entry.life.health) {
        (State::Running { .. }, Some(Health::Unhealthy(reason))) => Some(format!("unhealthy ({reason})")),
        _ => None,
    };
    let said = entry.notes.said.as_ref().filter(|_| entry.life.state.pid().is_some());
    unhealthy.into_iter().chain(said.map(|said| format!("says `{said}`"))).list()
}

/// What checks and the process itself add to the reasons why it is as it is.
fn check_remarks(entry: &Entry) -> Vec<String> {
    let mut remarks = Vec::new();
    if entry.life.state.pid().is_none() {
        return remarks;
    }
    match (health_word(entry), &entry.life.health) {
        (Some(_), Some(Health::Unhealthy(reason))) => remarks.push(format!("unhealthy ({reason})")),
        (Some(word @ ("healthy" | "unknown")), _) => remarks.push(format!("health {word}")),
        (Some(_) | None, _) => {}
    }
    remarks.extend(entry.notes.failure.as_ref().map(|failure| format!("the last check failed: {failure}")));
    remarks.extend(entry.notes.said.as_ref().map(|said| format!("it says `{said}`")));
    remarks
}

fn no_such(key: &str, name: &str, text: &str) -> Line {
    data(&[(key, name), ("error", Code::BadName.word()), ("text", text)])
}

fn config_line(group: &Group, process: &Process, active: bool) -> Line {
    let yes = |value: bool| if value { "yes" } else { "no" }.to_string();
    let logfile = |logfile: &Logfile| match logfile {
        Logfile::Auto => "auto".to_string(),
        Logfile::None => "none".to_string(),
        Logfile::Terminal => "tty".to_string(),
        Logfile::File(path) => path.clone(),
    };
    let autorestart = match process.autorestart {
        AutoRestart::Always => "true",
        AutoRestart::Never => "false",
        AutoRestart::Unexpected => "unexpected",
    };
    let exitcodes: Vec<String> = process.exitcodes.iter().map(ToString::to_string).list();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut put = |key: &str, value: String| pairs.push((key.to_string(), value));
    put("name", display_name(&group.name, &process.name));
    put("group", group.name.clone());
    put("process", process.name.clone());
    put("inuse", yes(active));
    put("autostart", yes(process.autostart));
    put("group_priority", group.priority.to_string());
    put("priority", process.priority.to_string());
    put("command", process.command.clone());
    put("autorestart", autorestart.to_string());
    put("directory", process.directory.clone().unwrap_or_default());
    put("uid", process.user.as_ref().map(|user| user.uid.to_string()).unwrap_or_default());
    put("exitcodes", exitcodes.join(","));
    put("startsecs", process.startsecs.to_string());
    put("startretries", process.startretries.to_string());
    put("stopsignal", process.stopsignal.name());
    put("stopwaitsecs", process.stopwaitsecs.to_string());
    put("stopasgroup", yes(process.stopasgroup));
    put("killasgroup", yes(process.killasgroup));
    put("redirect_stderr", yes(process.redirect_stderr));
    for (stream, channel) in [("stdout", &process.stdout), ("stderr", &process.stderr)] {
        put(&format!("{stream}_logfile"), logfile(&channel.logfile));
        put(&format!("{stream}_logfile_maxbytes"), channel.maxbytes.to_string());
        put(&format!("{stream}_logfile_backups"), channel.backups.to_string());
        put(&format!("{stream}_capture_maxbytes"), channel.capture_maxbytes.to_string());
        put(&format!("{stream}_events_enabled"), yes(channel.events_enabled));
        put(&format!("{stream}_syslog"), yes(channel.syslog));
    }
    put("serverurl", process.serverurl.clone().unwrap_or_default());
    Line::Data(pairs)
}
