//! What is done with processes and asked about them.
//!
//! Owns: parameters to requests, visor's lines to results. Does not own: names, faults.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fault::{Fault, Kind};
use super::names::{self, Target};
use super::params::Params;
use super::{Outcome, ask};
use crate::http::context::Context;
use crate::http::xml::Value;
use crate::program::Name;
use crate::protocol::{Code, Line, Request};

/// Most bytes of stdin in one request: three times as many characters in its line.
const STDIN_PIECE_BYTES: usize = 16 * 1024;
/// How long a process may take to read what was sent before, and how often it is tried.
const STDIN_PATIENCE: Duration = Duration::from_secs(2);
const STDIN_PAUSE: Duration = Duration::from_millis(50);

/// `supervisor.startProcess`
pub(super) async fn start(cx: &Context, params: Params<'_>) -> Outcome {
    let wait = params.flag(1);
    on_target(cx, params, |names| Request::Start { names, wait }).await
}

/// `supervisor.startProcessGroup`
pub(super) async fn start_group(cx: &Context, params: Params<'_>) -> Outcome {
    let wait = params.flag(1);
    on_group(cx, params, |names| Request::Start { names, wait }).await
}

/// `supervisor.startAllProcesses`
pub(super) async fn start_all(cx: &Context, params: Params<'_>) -> Outcome {
    several(cx, &Request::Start { names: everything(), wait: params.flag(0) }, "").await
}

/// `supervisor.stopProcess`
pub(super) async fn stop(cx: &Context, params: Params<'_>) -> Outcome {
    let wait = params.flag(1);
    on_target(cx, params, |names| Request::Stop { names, wait }).await
}

/// `supervisor.stopProcessGroup`
pub(super) async fn stop_group(cx: &Context, params: Params<'_>) -> Outcome {
    let wait = params.flag(1);
    on_group(cx, params, |names| Request::Stop { names, wait }).await
}

/// `supervisor.stopAllProcesses`
pub(super) async fn stop_all(cx: &Context, params: Params<'_>) -> Outcome {
    several(cx, &Request::Stop { names: everything(), wait: params.flag(0) }, "").await
}

/// `supervisor.clearProcessLogs`
pub(super) async fn clear(cx: &Context, params: Params<'_>) -> Outcome {
    let name = params.text(0)?;
    single(cx, &Request::Clear(vec![names::process(name)?]), name).await.map_err(|fault| match fault.kind {
        Kind::Failed => Fault::about(Kind::Failed, name),
        _ => fault,
    })
}

/// `supervisor.clearAllProcessLogs`
pub(super) async fn clear_all(cx: &Context) -> Outcome {
    several(cx, &Request::Clear(everything()), "").await
}

/// `supervisor.signalProcess`
pub(super) async fn signal(cx: &Context, params: Params<'_>) -> Outcome {
    let (name, signal) = (params.text(0)?, params.word(1)?);
    match names::target(name)? {
        Target::Group(group) => signal_several(cx, vec![names::whole(&group)], &signal, name).await,
        Target::Process(word) => {
            // Who does not exist is told before what is no signal.
            status(cx, &word, name).await?;
            let request = signal_request(&signal, vec![word]);
            single(cx, &request?, name).await.map_err(|fault| match fault.kind {
                Kind::BadSignal => Fault::about(Kind::BadSignal, &signal),
                _ => fault,
            })
        }
    }
}

/// `supervisor.signalProcessGroup`
pub(super) async fn signal_group(cx: &Context, params: Params<'_>) -> Outcome {
    let name = params.text(0)?;
    signal_several(cx, vec![names::whole(&names::group(name)?)], &params.word(1)?, name).await
}

/// `supervisor.signalAllProcesses`
pub(super) async fn signal_all(cx: &Context, params: Params<'_>) -> Outcome {
    signal_several(cx, everything(), &params.word(0)?, "").await
}

/// `supervisor.getProcessInfo`
pub(super) async fn info(cx: &Context, params: Params<'_>) -> Outcome {
    let name = params.text(0)?;
    Ok(describe(&status(cx, &names::process(name)?, name).await?))
}

/// `supervisor.getAllProcessInfo`
pub(super) async fn all_info(cx: &Context) -> Outcome {
    let answer = ask(cx, &Request::Status(Vec::new()), "").await?;
    Ok(Value::Array(answer.lines.iter().map(describe).collect()))
}

/// `supervisor.sendProcessStdin`
pub(super) async fn send(cx: &Context, params: Params<'_>) -> Outcome {
    let data = params.bytes(1)?;
    let name = params.text(0)?;
    let word = names::process(name)?;
    let line = status(cx, &word, name).await?;
    if line.get("pid") == Some("0") || line.get("state") == Some(Name::Stopping.word()) {
        return Err(Fault::about(Kind::NotRunning, name));
    }
    let deadline = Instant::now() + STDIN_PATIENCE;
    for piece in data.chunks(STDIN_PIECE_BYTES) {
        let request = Request::Send { name: word.clone(), data: piece.to_vec() };
        loop {
            let answer = cx.ask(&request).await?;
            match answer.failure() {
                None => break,
                Some((Code::Busy, _)) if Instant::now() < deadline => sleep(STDIN_PAUSE).await,
                Some((Code::NoFile, _)) => return Err(Fault::about(Kind::NoFile, name)),
                Some((code, text)) => return Err(Fault::of(code, name, text)),
            }
        }
    }
    Ok(Value::Bool(true))
}

fn everything() -> Vec<String> {
    vec!["all".to_owned()]
}

/// Does something to what the first parameter names: a process, or a group as `group:*`.
async fn on_target(cx: &Context, params: Params<'_>, request: impl Fn(Vec<String>) -> Request) -> Outcome {
    let name = params.text(0)?;
    match names::target(name)? {
        Target::Process(word) => single(cx, &request(vec![word]), name).await,
        Target::Group(group) => several(cx, &request(vec![names::whole(&group)]), name).await,
    }
}

/// Does something to the group that the first parameter names.
async fn on_group(cx: &Context, params: Params<'_>, request: impl Fn(Vec<String>) -> Request) -> Outcome {
    let name = params.text(0)?;
    several(cx, &request(vec![names::whole(&names::group(name)?)]), name).await
}

/// The result of a request about one process: true, or a fault about `name`.
async fn single(cx: &Context, request: &Request, name: &str) -> Outcome {
    let answer = cx.ask(request).await?;
    if let Some(fault) = answer.lines.iter().find_map(|line| failure(line, name)) {
        return Err(fault);
    }
    match answer.failure() {
        Some((code, text)) => Err(Fault::of(code, name, text)),
        None => Ok(Value::Bool(true)),
    }
}

/// The results of a request about many, in the order in which they come. `name` is what the client calls them all.
async fn several(cx: &Context, request: &Request, name: &str) -> Outcome {
    let answer = cx.ask(request).await?;
    if answer.lines.iter().any(|line| line.get("group").is_some() && line.get("error").is_some()) {
        return Err(Fault::about(Kind::BadName, name));
    }
    if let (true, Some((code, text))) = (answer.lines.is_empty(), answer.failure()) {
        return Err(Fault::of(code, name, text));
    }
    Ok(Value::Array(answer.lines.iter().filter_map(result).collect()))
}

fn signal_request(signal: &str, names: Vec<String>) -> Result<Request, Fault> {
    if signal.is_empty() {
        return Err(Fault::about(Kind::BadSignal, signal));
    }
    Ok(Request::Signal { signal: signal.to_owned(), names })
}

/// To many, a bad signal is a failure of each that could have had it.
async fn signal_several(cx: &Context, words: Vec<String>, signal: &str, name: &str) -> Outcome {
    let outcome = match signal_request(signal, words.clone()) {
        Ok(request) => several(cx, &request, name).await,
        Err(fault) => Err(fault),
    };
    match outcome {
        Err(fault) if fault.kind == Kind::BadSignal => {
            let fault = Fault::about(Kind::BadSignal, signal);
            let asked = if words == everything() { Vec::new() } else { words };
            let answer = cx.ask(&Request::Status(asked)).await?;
            if answer.lines.iter().any(|line| line.get("error").is_some() && line.get("state").is_none()) {
                return Err(Fault::about(Kind::BadName, name));
            }
            let able = answer.lines.iter().filter(|line| can_be_signalled(line));
            Ok(Value::Array(able.map(|line| record(line.get("name").unwrap_or_default(), Err(&fault))).collect()))
        }
        other => other,
    }
}

fn can_be_signalled(line: &Line) -> bool {
    line.get("state").is_some_and(|state| {
        [Name::Running, Name::Starting, Name::Stopping].into_iter().any(|name| name.word() == state)
    })
}

/// The failure that a line tells, about what the client calls `name`.
fn failure(line: &Line, name: &str) -> Option<Fault> {
    let code = line.get("error")?;
    let code = Code::from_word(code).unwrap_or(Code::Failed);
    Some(Fault::of(code, name, line.get("text").unwrap_or_default()))
}

/// One item of a list of results.
fn result(line: &Line) -> Option<Value> {
    let name = line.get("name")?;
    Some(match failure(line, name) {
        Some(fault) => record(name, Err(&fault)),
        None => record(name, Ok(())),
    })
}

fn record(name: &str, outcome: Result<(), &Fault>) -> Value {
    let (group, process) = names::split(name);
    let (status, description) = match outcome {
        Ok(()) => (Kind::Success.code(), "OK".to_owned()),
        Err(fault) => (fault.kind.code(), fault.text()),
    };
    Value::record([
        ("name", Value::text(process)),
        ("group", Value::text(group)),
        ("status", Value::Int(status)),
        ("description", Value::text(description)),
    ])
}

/// The status line of one process.
async fn status(cx: &Context, word: &str, name: &str) -> Result<Line, Fault> {
    let answer = ask(cx, &Request::Status(vec![word.to_owned()]), name).await?;
    let line = answer.lines.into_iter().next().filter(|line| line.get("state").is_some());
    line.ok_or_else(|| Fault::about(Kind::BadName, name))
}

/// A status line as the struct clients know.
fn describe(line: &Line) -> Value {
    let text = |key: &str| Value::text(line.get(key).unwrap_or_default());
    let number = |key: &str| Value::int(line.get(key).and_then(|value| value.parse::<i64>().ok()).unwrap_or(0));
    let state = line.get("state").unwrap_or_default();
    Value::record([
        ("name", text("process")),
        ("group", text("group")),
        ("start", number("start")),
        ("stop", number("stop")),
        ("now", number("now")),
        ("state", Value::Int(state_code(state))),
        ("statename", Value::text(state)),
        ("spawnerr", text("error")),
        ("exitstatus", number("exit")),
        ("logfile", text("stdout")),
        ("stdout_logfile", text("stdout")),
        ("stderr_logfile", text("stderr")),
        ("pid", number("pid")),
        ("description", text("description")),
    ])
}

/// The number that the original gives a state.
fn state_code(word: &str) -> i32 {
    Name::from_word(word).unwrap_or(Name::Unknown).code()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pairs: &[(&str, &str)]) -> Line {
        Line::Data(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn status_line_becomes_the_struct_in_the_originals_order() {
        let value = describe(&line(&[
            ("name", "g:p"),
            ("group", "g"),
            ("process", "p"),
            ("state", "EXITED"),
            ("pid", "0"),
            ("start", "5000000000"),
            ("stop", "7"),
            ("now", "9"),
            ("exit", "-1"),
            ("stdout", "/log"),
            ("description", "Nov 22 11:22 AM"),
        ]));
        let Value::Struct(members) = &value else { panic!("a struct") };
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names.join(" "),
            "name group start stop now state statename spawnerr exitstatus logfile stdout_logfile stderr_logfile pid description"
        );
        assert_eq!(value.member("start"), Some(&Value::Int(i32::MAX)));
        assert_eq!(value.member("state"), Some(&Value::Int(100)));
        assert_eq!(value.member("exitstatus"), Some(&Value::Int(-1)));
        assert_eq!(value.member("logfile"), Some(&Value::text("/log")));
        assert_eq!(value.member("stderr_logfile"), Some(&Value::text("")));
    }

    #[test]
    fn every_state_has_its_number() {
        let codes =
            ["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"].map(state_code);
        assert_eq!(codes, [0, 10, 20, 30, 40, 100, 200, 1000]);
    }

    #[test]
    fn items_of_a_list_are_success_or_the_whole_text_of_a_fault() {
        let good = result(&line(&[("name", "g:p"), ("result", "started")])).unwrap();
        assert_eq!((good.member("name"), good.member("group")), (Some(&Value::text("p")), Some(&Value::text("g"))));
        assert_eq!(
            (good.member("status"), good.member("description")),
            (Some(&Value::Int(80)), Some(&Value::text("OK")))
        );
        let bad = result(&line(&[("name", "web"), ("error", "spawn-error"), ("text", "spawn error")])).unwrap();
        assert_eq!(
            (bad.member("status"), bad.member("description")),
            (Some(&Value::Int(50)), Some(&Value::text("SPAWN_ERROR: web")))
        );
        assert_eq!(result(&line(&[("missed", "3")])), None);
    }
}
