//! `/metrics` as Prometheus' own parser reads it, and the probes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::site::Site;
use crate::support;

const RELEASE: &str = "prometheus_client==0.22.1";
const MARK: &str = "complete";
/// Reads metrics on stdin with the strict parser; a line per sample.
const PARSE: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = ','.join('%s=%s' % pair for pair in sorted(sample.labels.items()))
        print('%s %s|%s|%s|%s' % (family.type, family.unit or '-', sample.name, labels, sample.value))
";

/// Python with the parser; `None`, with the reason printed, where it cannot be had.
fn python() -> Option<PathBuf> {
    let target = Path::new(support::VISOR).ancestors().nth(2)?;
    let place = target.join("page-venv");
    let made = || -> Result<(), String> {
        if place.join(MARK).exists() {
            return Ok(());
        }
        let _ = std::fs::remove_dir_all(&place);
        run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        run(Command::new(place.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", RELEASE]))?;
        std::fs::write(place.join(MARK), RELEASE).map_err(|error| error.to_string())
    };
    match made() {
        Ok(()) => Some(place.join("bin/python")),
        Err(reason) => {
            support::left_out(&format!("the metrics as Prometheus' parser reads them: {reason}"));
            None
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

fn parsed(python: &Path, text: &str) -> Vec<String> {
    let mut child = Command::new(python)
        .args(["-c", PARSE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    child.stdin.take().expect("its stdin").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn metrics_pass_the_strict_parser_and_tell_the_truth() {
    let site = Site::open();
    let answer = site.get("/metrics");
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let Some(python) = python() else { return };
    site.say("four and more");
    site.daemon.wait_for_file("talker.log", |text| text.ends_with("more\n"));
    site.daemon.svc_ok(&["restart", "pair:pair_0"]);
    let samples = parsed(&python, &site.get("/metrics").body);
    let value = |name: &str, labels: &str| -> f64 {
        let found = samples.iter().find(|sample| sample.contains(&format!("|{name}|{labels}|")));
        let found = found.unwrap_or_else(|| panic!("{name}{{{labels}}}: {samples:#?}"));
        found.rsplit('|').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    let talker = "group=talker,process=talker";
    assert_eq!(value("visor_process_up", talker), 1.0);
    assert_eq!(value("visor_process_up", "group=idle,process=idle"), 0.0);
    assert_eq!(value("visor_process_state", &format!("{talker},visor_process_state=RUNNING")), 1.0);
    assert_eq!(value("visor_process_state", &format!("{talker},visor_process_state=STOPPED")), 0.0);
    assert_eq!(value("visor_process_output_bytes_total", &format!("{talker},stream=stdout")), 14.0);
    assert_eq!(value("visor_process_starts_total", "group=pair,process=pair_0"), 2.0);
    assert_eq!(value("visor_process_starts_total", "group=pair,process=pair_1"), 1.0);
    assert_eq!(value("visor_process_wanted", "group=idle,process=idle"), 0.0);
    assert!(value("visor_process_resident_memory_bytes", talker) > 0.0);
    assert!(value("visor_process_cpu_seconds_total", talker) >= 0.0);
    assert!(value("visor_process_uptime_seconds", talker) >= 0.0);
    assert!(value("visor_start_time_seconds", "") > 1.6e9);
    assert!(value("visor_resident_memory_bytes", "") > 0.0);
    assert!(samples.iter().any(|sample| sample.starts_with("info ") && sample.contains("identifier=the box")));
}

#[test]
fn healthz_answers_while_visor_does_and_readyz_lists_what_is_missing() {
    let site = Site::open();
    assert_eq!((site.get("/healthz").status, site.get("/readyz").status), (200, 200));
    assert_eq!(site.get("/readyz").body, "ok\n");
    // It ends at once each time: it should run, and does not.
    site.daemon.svc(&["start", "bad"]);
    let answer = site.get("/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.body.lines().any(|line| line == "bad FATAL"), "{}", answer.body);
    assert_eq!(site.get("/healthz").status, 200, "visor itself is well");
}
