//! A request of visor's language → calls of the original's API and the lines that answer it.
//!
//! Owns: which calls a request needs, in which order. Does not own: how values become lines (`translate`), HTTP.
//!
//! What the original cannot do is refused with a sentence that says what it can.

use super::failure::{BAD_NAME, Failure};
use super::reply::{Out, Stop, Tally, ok};
use super::server::{Patience, Server};
use super::translate::{self, Name, data, items, number, text, texts};
use super::{logs, watch};
use crate::http::faults::Kind;
use crate::http::xml::Value;
use crate::protocol::{Code, Line, Request, display_name};

/// Where the methods are.
const NAMESPACE: &str = "supervisor";
/// The status of an item that could not be stopped.
const FAILED: i32 = Kind::Failed.code();

/// Answers one request.
///
/// # Errors
/// svc is gone, or what was followed has ended.
pub async fn answer(server: &Server, request: Request, out: &mut Out) -> Result<(), Stop> {
    let end = match carry_out(server, request, out).await {
        Err(Stop::Failed(failure)) => failure.to_line(),
        end => end?,
    };
    out.line(&end).await
}

async fn carry_out(server: &Server, request: Request, out: &mut Out) -> Result<Line, Stop> {
    let all = || vec!["all".to_owned()];
    match request {
        Request::Hello => hello(server, out).await,
        Request::State => state(server, out).await,
        Request::Pid(names) => pid(server, &names, out).await,
        Request::Status(names) if names.is_empty() => status(server, &all(), out).await,
        Request::Status(names) => status(server, &names, out).await,
        Request::Start { names, wait } => treat(server, &names, &Treatment::start(wait), out).await,
        Request::Stop { names, wait } => treat(server, &names, &Treatment::stop(wait), out).await,
        Request::Restart(names) => {
            // As Supervisor's client: the end is that of the starts, the lines tell of both.
            treat(server, &names, &Treatment::stop(true), out).await?;
            treat(server, &names, &Treatment::start(true), out).await
        }
        Request::Signal { signal, names } => treat(server, &names, &Treatment::signal(signal), out).await,
        Request::Clear(names) => treat(server, &names, &Treatment::clear(), out).await,
        Request::Reread => reread(server, out).await,
        Request::Update(groups) => update(server, &groups, out).await,
        Request::Add(groups) => each_group(server, "addProcessGroup", "added", &groups, out).await,
        Request::Remove(groups) => each_group(server, "removeProcessGroup", "removed", &groups, out).await,
        Request::Reload => call(server, "restart", &[]).await.map(|_| ok()),
        Request::Shutdown => call(server, "shutdown", &[]).await.map(|_| ok()),
        Request::Tail { name, stream, bytes } => logs::tail(server, &name, stream, bytes, out).await,
        Request::Maintail { follow: false, bytes } => logs::main_tail(server, bytes, out).await,
        Request::Follow { name, stream, bytes: _ } => logs::follow(server, &name, stream, out).await,
        Request::Maintail { follow: true, bytes: _ } => logs::main_follow(server, out).await,
        Request::Read { name, stream, offset, length } => {
            logs::read(server, &name, stream, (offset, length), out).await
        }
        Request::Mainread { offset, length } => logs::main_read(server, (offset, length), out).await,
        Request::Mainclear => call(server, "clearLog", &[]).await.map(|_| ok()),
        Request::Send { name, data } => send(server, name, data).await,
        Request::Event { kind, data } => event(server, kind, data).await,
        Request::Watch { kinds, names } => watch::watch(server, &kinds, &names, out).await,
        Request::Config => config(server, out).await,
        Request::Why(name) => why(server, name, out).await,
        Request::Ready(names) => ready(server, &names, out).await,
        Request::Reopen => reopen(server).await,
        Request::Settings(_) => {
            Ok(Line::Error(Code::Failed, "a supervisord does not say where its options stand".to_owned()))
        }
        Request::Preview(_) => Ok(Line::Error(Code::Failed, "a supervisord does not say what would change".to_owned())),
        Request::ReloadProgram(_) => {
            Ok(Line::Error(Code::Failed, "a supervisord does not know how to reload programs".to_owned()))
        }
        Request::Scale { .. } => {
            Ok(Line::Error(Code::Failed, "a supervisord has as many processes as its file says".to_owned()))
        }
        Request::Metrics => Ok(Line::Error(Code::Failed, "a supervisord counts nothing".to_owned())),
        Request::End(ending) => {
            let text =
                format!("`{}` is for a visor that is the init of a machine; this is a supervisord", ending.word());
            Ok(Line::Error(Code::Failed, text))
        }
    }
}

/// Calls a method of the original's namespace that answers at once.
pub async fn call(server: &Server, method: &str, params: &[Value]) -> Result<Value, Stop> {
    Ok(server.call(&format!("{NAMESPACE}.{method}"), params).await?)
}

/// Information on every process.
pub async fn all_processes(server: &Server) -> Result<Vec<Value>, Stop> {
    match call(server, "getAllProcessInfo", &[]).await? {
        Value::Array(items) => Ok(items),
        _ => Err(Failure::Other("its list of processes is none".to_owned()).into()),
    }
}

async fn hello(server: &Server, out: &mut Out) -> Result<Line, Stop> {
    let version = text_of(call(server, "getSupervisorVersion", &[]).await?);
    let pid = option_text(call(server, "getPID", &[]).await?);
    out.line(&data(&[("program", "supervisord"), ("version", &version), ("protocol", "1"), ("pid", &pid)])).await?;
    Ok(ok())
}

async fn state(server: &Server, out: &mut Out) -> Result<Line, Stop> {
    let state = call(server, "getState", &[]).await?;
    let identifier = text_of(call(server, "getIdentification", &[]).await?);
    out.line(&data(&[("state", text(&state, "statename")), ("identifier", &identifier)])).await?;
    Ok(ok())
}

async fn pid(server: &Server, names: &[String], out: &mut Out) -> Result<Line, Stop> {
    if names.is_empty() {
        let pid = option_text(call(server, "getPID", &[]).await?);
        out.line(&data(&[("pid", &pid)])).await?;
        return Ok(ok());
    }
    select(server, names, out, |info| {
        data(&[("name", &translate::name_of(info)), ("pid", &number(info, "pid").to_string())])
    })
    .await
}

async fn status(server: &Server, names: &[String], out: &mut Out) -> Result<Line, Stop> {
    // An unknown name is a line of the list, and no failure of it.
    select(server, names, out, translate::status).await.map(|_| ok())
}

/// Writes a line for each process that the names mean, in their order.
async fn select(server: &Server, names: &[String], out: &mut Out, line: impl Fn(&Value) -> Line) -> Result<Line, Stop> {
    let infos = all_processes(server).await?;
    let mut tally = Tally::default();
    for name in names {
        let parsed = Name::parse(name);
        let mut covered = infos.iter().filter(|info| parsed.covers(info)).peekable();
        if covered.peek().is_none() && parsed != Name::All {
            out.line(&parsed.unknown()).await?;
            tally.note(Some((Code::BadName, name.clone())));
        }
        for info in covered {
            out.line(&line(info)).await?;
        }
    }
    Ok(tally.end())
}

/// What is done to processes by name.
struct Treatment {
    /// What is said when it is done.
    done: &'static str,
    /// The method for one process.
    process: &'static str,
    /// The method for a group; `None`: each process by itself.
    group: Option<&'static str>,
    /// The method for everything.
    all: &'static str,
    /// The last parameter of each.
    last: Option<Value>,
    patience: Patience,
}

impl Treatment {
    fn start(wait: bool) -> Treatment {
        Treatment {
            done: "started",
            process: "startProcess",
            group: Some("startProcessGroup"),
            all: "startAllProcesses",
            last: Some(Value::Bool(wait)),
            patience: Patience::Endless,
        }
    }

    fn stop(wait: bool) -> Treatment {
        Treatment {
            done: "stopped",
            process: "stopProcess",
            group: Some("stopProcessGroup"),
            all: "stopAllProcesses",
            last: Some(Value::Bool(wait)),
            patience: Patience::Endless,
        }
    }

    fn signal(signal: String) -> Treatment {
        Treatment {
            done: "signalled",
            process: "signalProcess",
            group: Some("signalProcessGroup"),
            all: "signalAllProcesses",
            last: Some(Value::String(signal)),
            patience: Patience::Short,
        }
    }

    /// The original needs a second for each process of `all`.
    fn clear() -> Treatment {
        Treatment {
            done: "cleared",
            process: "clearProcessLogs",
            group: None,
            all: "clearAllProcessLogs",
            last: None,
            patience: Patience::Endless,
        }
    }

    async fn call(&self, server: &Server, method: &str, name: Option<String>) -> Result<Value, Failure> {
        let params: Vec<Value> = name.map(Value::String).into_iter().chain(self.last.clone()).collect();
        server.call_with(self.patience, &format!("{NAMESPACE}.{method}"), &params).await
    }
}

async fn treat(server: &Server, names: &[String], treatment: &Treatment, out: &mut Out) -> Result<Line, Stop> {
    let mut tally = Tally::default();
    for name in names {
        match Name::parse(name) {
            Name::All => {
                let results = treatment.call(server, treatment.all, None).await?;
                tell_results(&results, treatment, &mut tally, out).await?;
            }
            Name::Group(group) => treat_group(server, &group, treatment, &mut tally, out).await?,
            Name::Process { group, process } => {
                treat_process(server, &display_name(&group, &process), treatment, &mut tally, out).await?;
            }
        }
    }
    Ok(tally.end())
}

async fn treat_group(
    server: &Server,
    group: &str,
    treatment: &Treatment,
    tally: &mut Tally,
    out: &mut Out,
) -> Result<(), Stop> {
    let Some(method) = treatment.group else {
        let infos = all_processes(server).await?;
        let of_group = infos.iter().filter(|info| text(info, "group") == group);
        let names: Vec<String> = of_group.map(translate::name_of).collect();
        for name in &names {
            treat_process(server, name, treatment, tally, out).await?;
        }
        if names.is_empty() {
            tally.note(Some((Code::BadName, group.to_owned())));
            out.line(&Name::Group(group.to_owned()).unknown()).await?;
        }
        return Ok(());
    };
    match treatment.call(server, method, Some(group.to_owned())).await {
        Ok(results) => tell_results(&results, treatment, tally, out).await,
        Err(failure) => tell_failure("group", group, failure, tally, out).await,
    }
}

async fn treat_process(
    server: &Server,
    name: &str,
    treatment: &Treatment,
    tally: &mut Tally,
    out: &mut Out,
) -> Result<(), Stop> {
    match treatment.call(server, treatment.process, Some(name.to_owned())).await {
        Ok(_) => out.line(&data(&[("name", name), ("result", treatment.done)])).await,
        Err(failure) => tell_failure("name", name, failure, tally, out).await,
    }
}

async fn tell_results(results: &Value, treatment: &Treatment, tally: &mut Tally, out: &mut Out) -> Result<(), Stop> {
    for item in items(results) {
        let (line, failure) = translate::result(item, treatment.done);
        tally.note(failure);
        out.line(&line).await?;
    }
    Ok(())
}

/// Tells of an item that failed; a failure that is not its own ends the reply.
async fn tell_failure(
    key: &str,
    subject: &str,
    failure: Failure,
    tally: &mut Tally,
    out: &mut Out,
) -> Result<(), Stop> {
    if failure.is_final() {
        return Err(failure.into());
    }
    out.line(&translate::failed(key, subject, failure.code(), &failure.text())).await?;
    tally.note(Some((failure.code(), failure.text())));
    Ok(())
}

/// The groups that differ from the file: added, changed, removed.
async fn differences(server: &Server) -> Result<[Vec<String>; 3], Stop> {
    let result = call(server, "reloadConfig", &[]).await?;
    let lists = items(&result).first().map(items).unwrap_or_default();
    let list = |at: usize| lists.get(at).map(texts).unwrap_or_default();
    Ok([list(0), list(1), list(2)])
}

async fn reread(server: &Server, out: &mut Out) -> Result<Line, Stop> {
    for (groups, change) in differences(server).await?.iter().zip(["added", "changed", "removed"]) {
        for group in groups {
            out.line(&data(&[("group", group), ("change", change)])).await?;
        }
    }
    Ok(ok())
}

async fn update(server: &Server, wanted: &[String], out: &mut Out) -> Result<Line, Stop> {
    let [added, changed, removed] = differences(server).await?;
    let mut tally = Tally::default();
    let known = known_groups(server, wanted, &added).await?;
    for group in wanted.iter().filter(|group| !known.contains(group)) {
        let failure = Failure::Fault(BAD_NAME, group.clone());
        tell_failure("group", group, failure, &mut tally, out).await?;
    }
    let is_wanted = |group: &&String| wanted.is_empty() || wanted.contains(group);
    for group in removed.iter().filter(is_wanted) {
        if stop_group(server, group, out).await? {
            call(server, "removeProcessGroup", &[Value::text(group)]).await?;
            out.line(&data(&[("group", group), ("result", "removed")])).await?;
        } else {
            out.line(&translate::failed("group", group, Code::Failed, "a process of it could not be stopped")).await?;
            tally.note(Some((Code::Failed, group.clone())));
        }
    }
    for group in changed.iter().filter(is_wanted) {
        stop_group(server, group, out).await?;
        call(server, "removeProcessGroup", &[Value::text(group)]).await?;
        call(server, "addProcessGroup", &[Value::text(group)]).await?;
        out.line(&data(&[("group", group), ("result", "updated")])).await?;
    }
    for group in added.iter().filter(is_wanted) {
        call(server, "addProcessGroup", &[Value::text(group)]).await?;
        out.line(&data(&[("group", group), ("result", "added")])).await?;
    }
    Ok(tally.end())
}

/// Groups that may be named: those that are active and those that are new. Nobody asks when none is named.
async fn known_groups(server: &Server, wanted: &[String], added: &[String]) -> Result<Vec<String>, Stop> {
    let mut known = added.to_vec();
    if !wanted.is_empty() {
        known.extend(all_processes(server).await?.iter().map(|info| text(info, "group").to_owned()));
    }
    Ok(known)
}

/// Stops a group and says so; whether all of it could be.
async fn stop_group(server: &Server, group: &str, out: &mut Out) -> Result<bool, Stop> {
    let stop = Treatment::stop(true);
    let results = stop.call(server, "stopProcessGroup", Some(group.to_owned())).await?;
    out.line(&data(&[("group", group), ("result", "stopped")])).await?;
    Ok(!items(&results).iter().any(|item| number(item, "status") == FAILED))
}

async fn each_group(server: &Server, method: &str, done: &str, groups: &[String], out: &mut Out) -> Result<Line, Stop> {
    let mut tally = Tally::default();
    for group in groups {
        match server.call(&format!("{NAMESPACE}.{method}"), &[Value::text(group)]).await {
            Ok(_) => out.line(&data(&[("group", group), ("result", done)])).await?,
            Err(failure) => tell_failure("group", group, failure, &mut tally, out).await?,
        }
    }
    Ok(tally.end())
}

async fn send(server: &Server, name: String, bytes: Vec<u8>) -> Result<Line, Stop> {
    let Ok(chars) = String::from_utf8(bytes) else {
        return Ok(Line::Error(Code::BadArguments, "a supervisord takes only text in UTF-8".to_owned()));
    };
    match call(server, "sendProcessStdin", &[Value::String(name), Value::String(chars)]).await {
        Ok(_) => Ok(ok()),
        // A full pipe breaks the original's answer; what was sent is delivered later.
        Err(Stop::Failed(Failure::Status(500))) => {
            Ok(Line::Error(Code::Busy, "the process does not read its input at the moment".to_owned()))
        }
        Err(stop) => Err(stop),
    }
}

async fn event(server: &Server, kind: String, bytes: Vec<u8>) -> Result<Line, Stop> {
    let Ok(data) = String::from_utf8(bytes) else {
        return Ok(Line::Error(Code::BadArguments, "a supervisord takes only text in UTF-8".to_owned()));
    };
    call(server, "sendRemoteCommEvent", &[Value::String(kind), Value::String(data)]).await.map(|_| ok())
}

async fn config(server: &Server, out: &mut Out) -> Result<Line, Stop> {
    for info in items(&call(server, "getAllConfigInfo", &[]).await?) {
        out.line(&translate::configuration(info)).await?;
    }
    Ok(ok())
}

async fn why(server: &Server, name: String, out: &mut Out) -> Result<Line, Stop> {
    let info = call(server, "getProcessInfo", &[Value::String(name)]).await?;
    let (name, state, sentence) = (translate::name_of(&info), text(&info, "statename"), translate::why(&info));
    out.line(&data(&[("name", &name), ("state", state), ("text", &sentence)])).await?;
    Ok(ok())
}

async fn ready(server: &Server, names: &[String], out: &mut Out) -> Result<Line, Stop> {
    let infos = all_processes(server).await?;
    let parsed: Vec<Name> = names.iter().map(|name| Name::parse(name)).collect();
    let nobodys = |name: &&Name| !infos.iter().any(|info| name.covers(info));
    if let Some(unknown) = parsed.iter().find(nobodys) {
        return Ok(Failure::Fault(BAD_NAME, unknown_text(unknown)).to_line());
    }
    let is_meant = |info: &&Value| parsed.is_empty() || parsed.iter().any(|name| name.covers(info));
    let is_named = |info: &Value| parsed.iter().any(|name| matches!(name, Name::Process { .. }) && name.covers(info));
    let mut missing = 0_usize;
    for info in infos.iter().filter(is_meant).filter(|info| translate::is_missing(info, is_named(info))) {
        missing += 1;
        out.line(&data(&[("name", &translate::name_of(info)), ("state", text(info, "statename"))])).await?;
    }
    Ok(match missing {
        0 => ok(),
        1 => Line::Error(Code::NotRunning, "1 process that should run does not".to_owned()),
        more => Line::Error(Code::NotRunning, format!("{more} processes that should run do not")),
    })
}

fn unknown_text(name: &Name) -> String {
    match name {
        Name::All => "there are no processes".to_owned(),
        Name::Group(group) => format!("no such group `{group}`"),
        Name::Process { group, process } => format!("no such process `{}`", display_name(group, process)),
    }
}

async fn reopen(server: &Server) -> Result<Line, Stop> {
    let pid = option_text(call(server, "getPID", &[]).await?);
    let text = format!("a supervisord opens its logs anew on a signal only: `kill -USR2 {pid}` on its machine");
    Ok(Line::Error(Code::Failed, text))
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        _ => String::new(),
    }
}

fn option_text(value: Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}
