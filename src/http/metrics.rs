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
use crate::protocol::{Line, Request};

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
/// Every state, in the order of Supervisor's numbers.
const STATES: [&str; 8] = ["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"];
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
    listeners(&mut out, facts);
    out.0.push_str("# EOF\n");
    out.0
}

fn own(out: &mut Writer, facts: &Facts) {
    let own = facts.metrics.iter().find(|line| line.get("name").is_none());
    let fact = |key: &str| own.and_then(|line| line.get(key)).and_then(number);
    out.family("visor", Kind::Info, "", "Which visor this is.");
    out.sample("visor_info", &[("version", &facts.version), ("identifier", &facts.identifier)], 1);
    out.family("visor_start_time_seconds", Kind::Gauge, "seconds", "When visor was started, in seconds since 1970.");
    out.maybe("visor_start_time_seconds", &[], fact("started"));
    out.family("visor_clients", Kind::Gauge, "", "Connections to the control socket, those of the gateway included.");
    out.maybe("visor_clients", &[], fact("clients"));
    out.family("visor_events_lost", Kind::Counter, "", "Events that were lost because a pool of listeners was full.");
    out.maybe("visor_events_lost_total", &[], fact("events_lost"));
    let usage = facts.usage.get(&facts.pid);
    out.family("visor_cpu_seconds", Kind::Counter, "seconds", "CPU time that visor has used.");
    out.maybe("visor_cpu_seconds_total", &[], usage.map(|usage| usage.cpu));
    out.family("visor_resident_memory_bytes", Kind::Gauge, "bytes", "Memory of visor that is resident.");
    out.maybe("visor_resident_memory_bytes", &[], usage.map(|usage| usage.resident));
}

fn processes(out: &mut Writer, facts: &Facts) {
    let rows = Row::all(&facts.status);
    let counted: BTreeMap<&str, &Line> =
        facts.metrics.iter().filter_map(|line| Some((line.get("name")?, line))).collect();
    let lines: BTreeMap<&str, &Line> = facts.status.iter().filter_map(|line| Some((line.get("name")?, line))).collect();
    let each = |out: &mut Writer, write: &dyn Fn(&mut Writer, &Row, [(&str, &str); 2])| {
        for row in &rows {
            write(out, row, [("group", &row.group), ("process", &row.process)]);
        }
    };
    let status = |row: &Row, key: &str| lines.get(row.name.as_str()).and_then(|line| line.get(key)).and_then(number);
    let count = |row: &Row, key: &str| counted.get(row.name.as_str()).and_then(|line| line.get(key)).and_then(number);
    let usage = |row: &Row| if row.pid == 0 { None } else { facts.usage.get(&row.pid) };

    out.family("visor_process_state", Kind::StateSet, "", "The state a process is in.");
    each(out, &|out, row, [group, process]| {
        for state in STATES {
            let labels = [group, process, ("visor_process_state", state)];
            out.sample("visor_process_state", &labels, u8::from(row.state == state));
        }
    });
    out.family("visor_process_up", Kind::Gauge, "", "Whether a process is RUNNING.");
    each(out, &|out, row, labels| out.sample("visor_process_up", &labels, u8::from(row.state == "RUNNING")));
    out.family("visor_process_wanted", Kind::Gauge, "", "Whether a process is meant to run.");
    each(out, &|out, row, labels| {
        let wanted = lines.get(row.name.as_str()).and_then(|line| line.get("wanted"));
        out.maybe("visor_process_wanted", &labels, wanted.map(|wanted| u8::from(wanted == "up")));
    });
    out.family(
        "visor_process_starts",
        Kind::Counter,
        "",
        "How often a process was started; all but the first are restarts.",
    );
    each(out, &|out, row, labels| out.maybe("visor_process_starts_total", &labels, count(row, "starts")));
    out.family(
        "visor_process_start_time_seconds",
        Kind::Gauge,
        "seconds",
        "When a process was last started, in seconds since 1970.",
    );
    each(out, &|out, row, labels| {
        out.maybe("visor_process_start_time_seconds", &labels, Some(row.start).filter(|start| *start > 0));
    });
    out.family("visor_process_uptime_seconds", Kind::Gauge, "seconds", "For how long a process is RUNNING.");
    each(out, &|out, row, labels| out.maybe("visor_process_uptime_seconds", &labels, row.uptime));
    out.family(
        "visor_process_exit_status",
        Kind::Gauge,
        "",
        "How a process last ended: its exit code, -1 when a signal killed it.",
    );
    each(out, &|out, row, labels| out.maybe("visor_process_exit_status", &labels, status(row, "exit")));
    out.family(
        "visor_process_cpu_seconds",
        Kind::Counter,
        "seconds",
        "CPU time of a process and of its process group.",
    );
    each(out, &|out, row, labels| {
        out.maybe("visor_process_cpu_seconds_total", &labels, usage(row).map(|usage| usage.cpu))
    });
    out.family(
        "visor_process_resident_memory_bytes",
        Kind::Gauge,
        "bytes",
        "Resident memory of a process and of its process group.",
    );
    each(out, &|out, row, labels| {
        out.maybe("visor_process_resident_memory_bytes", &labels, usage(row).map(|usage| usage.resident));
    });
    out.family("visor_process_output_bytes", Kind::Counter, "bytes", "Bytes that a process has written.");
    each(out, &|out, row, [group, process]| {
        for (stream, key) in STREAMS {
            out.maybe("visor_process_output_bytes_total", &[group, process, ("stream", stream)], count(row, key));
        }
    });
    out.family(
        "visor_process_lost_bytes",
        Kind::Counter,
        "bytes",
        "Bytes of a process' output that could not be logged.",
    );
    each(out, &|out, row, labels| out.maybe("visor_process_lost_bytes_total", &labels, count(row, "lost_bytes")));
}

fn listeners(out: &mut Writer, facts: &Facts) {
    let listeners: Vec<&Line> = facts.status.iter().filter(|line| line.get("listener").is_some()).collect();
    let mut each = |name: &str, sample: &str, kind, help: &str, key: &str| {
        out.family(name, kind, "", help);
        for line in &listeners {
            let label = |key| line.get(key).unwrap_or_default();
            let labels = [("group", label("group")), ("process", label("process"))];
            out.maybe(sample, &labels, line.get(key).and_then(number));
        }
    };
    let (waiting, lost) = ("visor_listener_events_waiting", "visor_listener_events_lost");
    each(waiting, waiting, Kind::Gauge, "Events that wait for a listener's pool.", "waiting");
    each(lost, "visor_listener_events_lost_total", Kind::Counter, "Events that a listener's pool has lost.", "lost");
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
        assert!(!text.contains("visor_process_uptime_seconds{") && !text.contains("visor_clients "));
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
