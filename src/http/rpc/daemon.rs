//! What is done with visor itself and its configuration, and asked about them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;

use super::fault::{Fault, Kind};
use super::names;
use super::params::Params;
use super::{Outcome, RUNNING, ask};
use crate::config::Signal;
use crate::http::context::Context;
use crate::http::xml::Value;
use crate::order;
use crate::protocol::{Code, Line, Request};

/// Version of the interface.
pub(super) const API_VERSION: &str = "3.0";
/// The release of Supervisor whose behaviour clients find here; visor's own version is in the `Server` header.
pub(super) const SUPERVISOR_VERSION: &str = "4.3.0";
/// The original's number for a daemon that does what it is for.
const RUNNING_CODE: i32 = 1;
/// How long a bad configuration may take to be found before a restart is called begun.
const RESTART_PATIENCE: Duration = Duration::from_secs(2);

/// `supervisor.getState`. While visor goes down every call is answered by a fault, so this has one value.
pub(super) fn running() -> Value {
    Value::record([("statecode", Value::Int(RUNNING_CODE)), ("statename", Value::text(RUNNING))])
}

/// `supervisor.getIdentification`
pub(super) async fn identification(cx: &Context) -> Outcome {
    let answer = ask(cx, &Request::State, "").await?;
    Ok(Value::text(answer.get("identifier").unwrap_or(&cx.settings.identifier)))
}

/// `supervisor.getPID`
pub(super) async fn pid(cx: &Context) -> Outcome {
    let answer = ask(cx, &Request::Pid(Vec::new()), "").await?;
    Ok(Value::int(answer.get("pid").and_then(|pid| pid.parse::<i64>().ok()).unwrap_or(0)))
}

/// `supervisor.clearLog`
pub(super) async fn clear_log(cx: &Context) -> Outcome {
    let answer = cx.ask(&Request::Mainclear).await?;
    match answer.failure() {
        None => Ok(Value::Bool(true)),
        Some((Code::NoFile, _)) => Err(Fault::new(Kind::NoFile)),
        Some((Code::Failed, _)) => Err(Fault::new(Kind::Failed)),
        Some((code, text)) => Err(Fault::of(code, "", text)),
    }
}

/// `supervisor.shutdown`
pub(super) async fn shutdown(cx: &Context) -> Outcome {
    ask(cx, &Request::Shutdown, "").await.map(|_| Value::Bool(true))
}

/// `supervisor.restart`: answered when it has begun, so that a configuration that cannot be read is told.
pub(super) async fn restart(cx: &Context) -> Outcome {
    let mut stream = cx.open(&Request::Reload).await?;
    match timeout(RESTART_PATIENCE, stream.next()).await {
        Ok(Ok(Line::Error(code, text))) => Err(Fault::of(code, "", &text)),
        Ok(Ok(Line::Ok(_) | Line::Data(_) | Line::Bytes(_)) | Err(_)) | Err(_) => Ok(Value::Bool(true)),
    }
}

/// `supervisor.reloadConfig`
pub(super) async fn reload_config(cx: &Context) -> Outcome {
    let answer = ask(cx, &Request::Reread, "").await?;
    let groups = |change: &str| {
        let of = answer.lines.iter().filter(|line| line.get("change") == Some(change));
        Value::Array(of.filter_map(|line| line.get("group")).map(Value::text).collect())
    };
    Ok(Value::Array(vec![Value::Array(vec![groups("added"), groups("changed"), groups("removed")])]))
}

/// `supervisor.addProcessGroup`
pub(super) async fn add(cx: &Context, params: Params<'_>) -> Outcome {
    group(cx, params, Request::Add, (Code::AlreadyStarted, Kind::AlreadyAdded)).await
}

/// `supervisor.removeProcessGroup`
pub(super) async fn remove(cx: &Context, params: Params<'_>) -> Outcome {
    group(cx, params, Request::Remove, (Code::Busy, Kind::StillRunning)).await
}

/// One group in or out; `own` is the failure that has a fault of its own here.
async fn group(
    cx: &Context,
    params: Params<'_>,
    request: fn(Vec<String>) -> Request,
    (own, kind): (Code, Kind),
) -> Outcome {
    let name = params.text(0)?;
    let answer = cx.ask(&request(vec![names::group(name)?])).await?;
    let told = answer.lines.iter().find_map(|line| Some((Code::from_word(line.get("error")?)?, line.get("text"))));
    let failure = match told {
        Some((code, text)) => Some((code, text.unwrap_or_default())),
        None => answer.failure(),
    };
    match failure {
        None => Ok(Value::Bool(true)),
        Some((code, _)) if code == own => Err(Fault::about(kind, name)),
        Some((code, text)) => Err(Fault::of(code, name, text)),
    }
}

/// `supervisor.sendRemoteCommEvent`
pub(super) async fn event(cx: &Context, params: Params<'_>) -> Outcome {
    let kind = params.word(0)?;
    let data = params.bytes(1)?.to_vec();
    ask(cx, &Request::Event { kind, data }, "").await.map(|_| Value::Bool(true))
}

/// `supervisor.getAllConfigInfo`
pub(super) async fn configuration(cx: &Context) -> Outcome {
    let mut lines = ask(cx, &Request::Config, "").await?.lines;
    let name = |line: &Line| line.get("process").unwrap_or_default().to_owned();
    order::sort_by(&mut lines, |one, other| name(one).cmp(&name(other)));
    // Logs that are named by themselves have their names only while there is such a process.
    let status = ask(cx, &Request::Status(Vec::new()), "").await?.lines;
    let named: BTreeMap<&str, &Line> = status.iter().filter_map(|line| Some((line.get("name")?, line))).collect();
    let values = lines.iter().map(|line| configured(line, line.get("name").and_then(|name| named.get(name).copied())));
    Ok(Value::Array(values.collect()))
}

/// A line of `config` as the struct clients know; `status` is the process' line if there is such a process.
fn configured(line: &Line, status: Option<&Line>) -> Value {
    let get = |key: &str| line.get(key).unwrap_or_default();
    let text = |key: &str| Value::text(if get(key).is_empty() { "none" } else { get(key) });
    let logfile = |key: &str, stream: &str| match status.and_then(|status| status.get(stream)) {
        Some(path) if get(key) == "auto" => Value::text(path),
        Some(_) | None => text(key),
    };
    let yes = |key: &str| Value::Bool(get(key) == "yes");
    let number = |key: &str| get(key).parse::<i64>().map_or(Value::text("none"), Value::int);
    let exitcodes = get("exitcodes").split(',').filter_map(|code| code.parse::<i64>().ok()).map(Value::int).collect();
    let signal = Signal::parse(get("stopsignal")).map_or(Value::text("none"), |signal| Value::Int(signal.0));
    Value::record([
        ("autostart", yes("autostart")),
        ("directory", text("directory")),
        ("uid", number("uid")),
        ("command", Value::text(get("command"))),
        ("exitcodes", Value::Array(exitcodes)),
        ("group", Value::text(get("group"))),
        ("group_prio", number("group_priority")),
        ("inuse", yes("inuse")),
        ("killasgroup", yes("killasgroup")),
        ("name", Value::text(get("process"))),
        ("process_prio", number("priority")),
        ("redirect_stderr", yes("redirect_stderr")),
        ("startretries", number("startretries")),
        ("startsecs", number("startsecs")),
        ("stdout_capture_maxbytes", number("stdout_capture_maxbytes")),
        ("stdout_events_enabled", yes("stdout_events_enabled")),
        ("stdout_logfile", logfile("stdout_logfile", "stdout")),
        ("stdout_logfile_backups", number("stdout_logfile_backups")),
        ("stdout_logfile_maxbytes", number("stdout_logfile_maxbytes")),
        ("stdout_syslog", yes("stdout_syslog")),
        ("stopsignal", signal),
        ("stopwaitsecs", number("stopwaitsecs")),
        ("stderr_capture_maxbytes", number("stderr_capture_maxbytes")),
        ("stderr_events_enabled", yes("stderr_events_enabled")),
        ("stderr_logfile", logfile("stderr_logfile", "stderr")),
        ("stderr_logfile_backups", number("stderr_logfile_backups")),
        ("stderr_logfile_maxbytes", number("stderr_logfile_maxbytes")),
        ("stderr_syslog", yes("stderr_syslog")),
        ("serverurl", text("serverurl")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pairs: &[(&str, &str)]) -> Line {
        Line::Data(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn log_that_names_itself_is_shown_by_its_name_when_it_has_one() {
        let config = line(&[("name", "p"), ("stdout_logfile", "auto"), ("stderr_logfile", "none")]);
        let status = line(&[("name", "p"), ("stdout", "/tmp/x"), ("stderr", "/tmp/y")]);
        let (with, without) = (configured(&config, Some(&status)), configured(&config, None));
        assert_eq!(with.member("stdout_logfile"), Some(&Value::text("/tmp/x")));
        assert_eq!(without.member("stdout_logfile"), Some(&Value::text("auto")));
        assert_eq!(with.member("stderr_logfile"), Some(&Value::text("none")));
    }

    #[test]
    fn configured_process_has_its_types_and_words_for_what_is_unset() {
        let line =
            line(&[("process", "p"), ("uid", ""), ("exitcodes", "0,2"), ("stopsignal", "TERM"), ("autostart", "yes")]);
        let value = configured(&line, None);
        assert_eq!(value.member("uid"), Some(&Value::text("none")));
        assert_eq!(value.member("directory"), Some(&Value::text("none")));
        assert_eq!(value.member("exitcodes"), Some(&Value::Array(vec![Value::Int(0), Value::Int(2)])));
        assert_eq!(value.member("stopsignal"), Some(&Value::Int(15)));
        assert_eq!(
            (value.member("autostart"), value.member("inuse")),
            (Some(&Value::Bool(true)), Some(&Value::Bool(false)))
        );
    }
}
