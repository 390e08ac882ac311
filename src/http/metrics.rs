//! `/metrics` for Prometheus and its kin, `/healthz` and `/readyz` for probes. The names are listed in `docs/metrics.md`.
//!
//! Owns: OpenMetrics text. Does not own: who may read it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use hyper::{Response, StatusCode};

use super::body::{self, Body};
use super::context::Context;
use super::control::AskError;
use super::page::row::Row;
use super::proc::{self, Usage};
use crate::program::Name;
use crate::protocol::{Line, Request};

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const STREAMS: [(&str, &str); 2] = [("stdout", "stdout_bytes"), ("stderr", "stderr_bytes")];

/// What is written down.
#[derive(Debug, Default)]
pub struct Facts {
    /// visor's version.
    pub version: String,
    /// `[supervisord] identifier`.
    pub identifier: String,
    /// visor's pid.
    pub pid: u32,
    /// The lines of `status`.
    pub status: Vec<Line>,
    /// The lines of `metrics`: visor's own first.
    pub metrics: Vec<Line>,
    /// What the kernel says, by pid.
    pub usage: BTreeMap<u32, Usage>,
}

/// Answers `/metrics`.
pub async fn metrics(cx: &Context) -> Response<Body> {
    match facts(cx).await {
        Ok(facts) => body::answer(StatusCode::OK, MEDIA_TYPE, exposition(&facts)),
        Err(error) => unavailable(&error),
    }
}

/// Answers `/healthz`: whether visor answers.
pub async fn healthz(cx: &Context) -> Response<Body> {
    match cx.ask(&Request::Hello).await {
        Ok(answer) if answer.failure().is_none() => body::answer(StatusCode::OK, PLAIN, "ok\n"),
        Ok(answer) => {
            let text = answer.failure().map(|(_, text)| text.to_owned()).unwrap_or_default();
            body::answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{text}\n"))
        }
        Err(error) => unavailable(&error),
    }
}

/// Answers `/readyz`: whether everything that should run does; else a line for each that does not.
pub async fn readyz(cx: &Context) -> Response<Body> {
    let answer = match cx.ask(&Request::Ready(Vec::new())).await {
        Ok(answer) => answer,
        Err(error) => return unavailable(&error),
    };
    let Some((_, text)) = answer.failure() else { return body::answer(StatusCode::OK, PLAIN, "ok\n") };
    let mut told = format!("{text}\n");
    for line in &answer.lines {
        if let (Some(name), Some(state)) = (line.get("name"), line.get("state")) {
            let _ = writeln!(told, "{name} {state}");
        }
    }
    body::answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, told)
}

fn unavailable(error: &AskError) -> Response<Body> {
    body::answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{error}\n"))
}

async fn facts(cx: &Context) -> Result<Facts, AskError> {
    let hello = cx.ask(&Request::Hello).await?;
    let pid = hello.get("pid").and_then(|pid| pid.parse().ok()).unwrap_or(0);
    let status = cx.ask(&Request::Status(Vec::new())).await?.lines;
    let metrics = cx.ask(&Request::Metrics).await?.lines;
    let mut pids: Vec<u32> = Row::all(&status).iter().map(|row| row.pid).filter(|pid| *pid != 0).collect();
    pids.push(pid);
    let usage = tokio::task::spawn_blocking(move || proc::sample(&pids)).await.unwrap_or_default();
    let settings = &cx.settings;
    Ok(Facts {
        version: settings.version.clone(),
        identifier: settings.identifier.clone(),
        pid,
        status,
        metrics,
        usage,
    })
}

/// The text, up to its end mark.
#[must_use]
pub fn exposition(facts: &Facts) -> String {
    let mut out = Writer(String::new());
    own(&mut out, facts);
    processes(&mut out, facts);
    out.0.push_str("# EOF\n");
    out.0
}

fn own(out: &mut Writer, facts: &Facts) {
    use Kind::{Counter, Gauge, Info};
    let own = facts.metrics.iter().find(|line| line.get("name").is_none());
    let fact = |key: &str| own.and_then(|line| line.get(key)).and_then(number);
    let usage = facts.usage.get(&facts.pid);
    out.family("visor", Info, "", "Which visor this is.");
    out.sample("visor_info", &[("version", &facts.version), ("identifier", &facts.identifier)], 1);
    let name = "visor_start_time_seconds";
    out.one(name, Gauge, "seconds", "When visor was started, in seconds since 1970.", fact("started"));
    let help = "Connections to the control socket, those of the gateway included.";
    out.one("visor_clients", Gauge, "", help, fact("clients"));
    let help = "Events that were lost because a pool of listeners was full.";
    out.one("visor_events_lost", Counter, "", help, fact("events_lost"));
    let help = "CPU time that visor has used.";
    out.one("visor_cpu_seconds", Counter, "seconds", help, usage.map(|usage| usage.cpu));
    let help = "Memory of visor that is resident.";
    out.one("visor_resident_memory_bytes", Gauge, "bytes", help, usage.map(|usage| usage.resident));
}

/// A process: what is shown of it, its line of `status`, and that of `metrics`.
struct Process<'a> {
    row: Row,
    status: &'a Line,
    counted: Option<&'a Line>,
    usage: Option<&'a Usage>,
}

impl Process<'_> {
    fn labels(&self) -> [(&str, &str); 2] {
        [("group", &self.row.group), ("process", &self.row.process)]
    }

    fn count(&self, key: &str) -> Option<i64> {
        self.counted?.get(key).and_then(number)
    }
}

fn processes(out: &mut Writer, facts: &Facts) {
    use Kind::{Counter, Gauge, StateSet};
    let counted: BTreeMap<&str, &Line> =
        facts.metrics.iter().filter_map(|line| Some((line.get("name")?, line))).collect();
    let of_line = |status| {
        let row = Row::of(status)?;
        let usage = facts.usage.get(&row.pid).filter(|_| row.pid != 0);
        Some(Process { counted: counted.get(row.name.as_str()).copied(), usage, row, status })
    };
    let all: Vec<Process<'_>> = facts.status.iter().filter_map(of_line).collect();

    out.family("visor_process_state", StateSet, "", "The state a process is in.");
    for process in &all {
        let [group, name] = process.labels();
        for state in Name::ALL.map(Name::word) {
            let labels = [group, name, ("visor_process_state", state)];
            out.sample("visor_process_state", &labels, u8::from(process.row.state == state));
        }
    }
    let help = "Whether a process is RUNNING.";
    out.each("visor_process_up", Gauge, "", help, &all, |one| Some(u8::from(one.row.state == "RUNNING")));
    let help = "Whether a process is meant to run.";
    out.each("visor_process_wanted", Gauge, "", help, &all, |one| Some(u8::from(one.status.get("wanted")? == "up")));
    let help = "How often a process was started; all but the first are restarts.";
    out.each("visor_process_starts", Counter, "", help, &all, |one| one.count("starts"));
    let (name, help) = ("visor_process_start_time_seconds", "When a process was last started, in seconds since 1970.");
    out.each(name, Gauge, "seconds", help, &all, |one| Some(one.row.start).filter(|start| *start > 0));
    let help = "For how long a process is RUNNING.";
    out.each("visor_process_uptime_seconds", Gauge, "seconds", help, &all, |one| one.row.uptime);
    let help = "How a process last ended: its exit code, -1 when a signal killed it.";
    out.each("visor_process_exit_status", Gauge, "", help, &all, |one| one.status.get("exit").and_then(number));
    let help = "CPU time of a process and of its process group.";
    out.each("visor_process_cpu_seconds", Counter, "seconds", help, &all, |one| Some(one.usage?.cpu));
    let (name, help) =
        ("visor_process_resident_memory_bytes", "Resident memory of a process and of its process group.");
    out.each(name, Gauge, "bytes", help, &all, |one| Some(one.usage?.resident));
    out.family("visor_process_output_bytes", Counter, "bytes", "Bytes that a process has written.");
    for process in &all {
        let [group, name] = process.labels();
        for (stream, key) in STREAMS {
            let labels = [group, name, ("stream", stream)];
            out.maybe("visor_process_output_bytes_total", &labels, process.count(key));
        }
    }
    let help = "Bytes of a process' output that could not be logged.";
    out.each("visor_process_lost_bytes", Counter, "bytes", help, &all, |one| one.count("lost_bytes"));

    let listeners: Vec<Process<'_>> = all.into_iter().filter(|one| one.status.get("listener").is_some()).collect();
    let help = "Events that wait for a listener's pool.";
    let waiting = |one: &Process<'_>| one.status.get("waiting").and_then(number);
    out.each("visor_listener_events_waiting", Gauge, "", help, &listeners, waiting);
    let help = "Events that a listener's pool has lost.";
    let lost = |one: &Process<'_>| one.status.get("lost").and_then(number);
    out.each("visor_listener_events_lost", Counter, "", help, &listeners, lost);
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// What a family of samples is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Info,
    StateSet,
}

impl Kind {
    /// The name of a family's samples.
    fn sample(self, family: &str) -> String {
        match self {
            Kind::Counter => format!("{family}_total"),
            Kind::Gauge | Kind::Info | Kind::StateSet => family.to_owned(),
        }
    }
}

/// OpenMetrics, line by line. A family is one block, its head first.
struct Writer(String);

impl Writer {
    /// Begins a family; a unit must be the end of its name.
    fn family(&mut self, name: &str, kind: Kind, unit: &str, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
            Kind::StateSet => "stateset",
        };
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {help}");
    }

    /// A family of one sample, or of none.
    fn one(&mut self, name: &str, kind: Kind, unit: &str, help: &str, value: Option<impl Display>) {
        self.family(name, kind, unit, help);
        self.maybe(&kind.sample(name), &[], value);
    }

    /// A family with at most one sample for each process.
    fn each<T: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        unit: &str,
        help: &str,
        processes: &[Process<'_>],
        value: impl Fn(&Process<'_>) -> Option<T>,
    ) {
        self.family(name, kind, unit, help);
        for process in processes {
            self.maybe(&kind.sample(name), &process.labels(), value(process));
        }
    }

    fn maybe(&mut self, name: &str, labels: &[(&str, &str)], value: Option<impl Display>) {
        if let Some(value) = value {
            self.sample(name, labels, value);
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pairs: &[(&str, &str)]) -> Line {
        Line::Data(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn sample() -> Facts {
        Facts {
            version: "1.0".to_owned(),
            identifier: "a\"b\\c\nd".to_owned(),
            pid: 1,
            status: vec![line(&[
                ("name", "g:p"),
                ("group", "g"),
                ("process", "p"),
                ("state", "RUNNING"),
                ("pid", "7"),
                ("start", "1000"),
                ("uptime", "5"),
                ("wanted", "up"),
                ("listener", "READY"),
                ("waiting", "2"),
                ("lost", "3"),
            ])],
            metrics: vec![
                line(&[("clients", "2"), ("events_lost", "0"), ("started", "999")]),
                line(&[
                    ("name", "g:p"),
                    ("starts", "4"),
                    ("stdout_bytes", "10"),
                    ("stderr_bytes", "0"),
                    ("lost_bytes", "1"),
                ]),
            ],
            usage: BTreeMap::from([(7, Usage { cpu: 1.25, resident: 4096 }), (1, Usage { cpu: 0.5, resident: 8192 })]),
        }
    }

    #[test]
    fn every_fact_has_its_sample() {
        let text = exposition(&sample());
        for wanted in [
            "visor_info{version=\"1.0\",identifier=\"a\\\"b\\\\c\\nd\"} 1",
            "visor_start_time_seconds 999",
            "visor_events_lost_total 0",
            "visor_resident_memory_bytes 8192",
            "visor_process_state{group=\"g\",process=\"p\",visor_process_state=\"RUNNING\"} 1",
            "visor_process_state{group=\"g\",process=\"p\",visor_process_state=\"FATAL\"} 0",
            "visor_process_up{group=\"g\",process=\"p\"} 1",
            "visor_process_starts_total{group=\"g\",process=\"p\"} 4",
            "visor_process_uptime_seconds{group=\"g\",process=\"p\"} 5",
            "visor_process_cpu_seconds_total{group=\"g\",process=\"p\"} 1.25",
            "visor_process_resident_memory_bytes{group=\"g\",process=\"p\"} 4096",
            "visor_process_output_bytes_total{group=\"g\",process=\"p\",stream=\"stdout\"} 10",
            "visor_process_lost_bytes_total{group=\"g\",process=\"p\"} 1",
            "visor_listener_events_lost_total{group=\"g\",process=\"p\"} 3",
        ] {
            assert!(text.lines().any(|line| line == wanted), "{wanted}\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
    }

    #[test]
    fn units_end_the_names_of_their_families() {
        for line in exposition(&sample()).lines().filter_map(|line| line.strip_prefix("# UNIT ")) {
            let (name, unit) = line.split_once(' ').unwrap();
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
        }
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let text =
            exposition(&Facts { status: vec![line(&[("name", "x"), ("state", "STOPPED")])], ..Facts::default() });
        let has = |name: &str| text.lines().any(|line| line.starts_with(name));
        assert!(!has("visor_process_uptime_seconds") && !has("visor_clients"));
        assert!(text.contains("visor_process_up{group=\"\",process=\"\"} 0"));
    }

    #[test]
    fn every_metric_is_documented() {
        let documented = include_str!("../../docs/metrics.md");
        for line in exposition(&sample()).lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap_or_default();
            assert!(documented.contains(&format!("`{name}")), "{name}");
        }
    }
}
