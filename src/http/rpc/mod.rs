//! XML-RPC as the original speaks it.
//!
//! Owns: the transport's rules, who may call what, which deed a method is. Does not own: HTTP, XML, what visor does.
//!
//! Where the original answers HTTP 500 (a number for a name, bytes in a log that are not UTF-8) there is a fault or a result.

mod daemon;
mod fault;
mod logs;
mod methods;
mod names;
mod params;
mod processes;
mod system;

use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{Method as HttpMethod, Request as HttpRequest, Response, StatusCode};

use super::body::{self, Body};
use super::context::Context;
use super::control::Answer;
use super::xml::{self, Value};
use crate::protocol::{Request, Stream};
use fault::{Fault, Kind};
use methods::{Deed, Method};
use params::Params;

/// What a document of this API is sent as.
const MEDIA_TYPE: &str = "text/xml";

/// What a call gives.
type Outcome = Result<Value, Fault>;

/// Answers a call.
pub async fn handle(request: HttpRequest<Bytes>, cx: &Context) -> Response<Body> {
    if request.method() != HttpMethod::POST {
        return body::failure(StatusCode::BAD_REQUEST, "");
    }
    if !request.headers().contains_key(CONTENT_LENGTH) && !request.headers().contains_key(TRANSFER_ENCODING) {
        return body::failure(StatusCode::LENGTH_REQUIRED, "");
    }
    let parsed = xml::parse_call(request.body());
    // A body may be long, and some calls take long.
    drop(request);
    let call = match parsed {
        Ok(call) => call,
        Err(error) => return body::failure(StatusCode::BAD_REQUEST, &error.0),
    };
    let outcome = match methods::find(&call.method) {
        Ok(method) if method.deed == Deed::Multicall => system::multicall(cx, Params(&call.params)).await,
        Ok(method) => match logs::as_stream(cx, method, Params(&call.params)).await {
            Some(body) => return document(body),
            None => perform(cx, method, Params(&call.params)).await,
        },
        Err(fault) => Err(fault),
    };
    document(body::full(match outcome {
        Ok(value) => xml::write_response(&value),
        Err(fault) => xml::write_fault(fault.kind.code(), &fault.text()),
    }))
}

fn document(body: Body) -> Response<Body> {
    let mut response = body::answer(StatusCode::OK, MEDIA_TYPE, Bytes::new());
    *response.body_mut() = body;
    response
}

/// Does what a method is for; all but `system.multicall`.
async fn perform(cx: &Context, method: &Method, params: Params<'_>) -> Outcome {
    admit(cx, method, params).await?;
    match method.deed {
        Deed::AddProcessGroup => daemon::add(cx, params).await,
        Deed::ClearAllProcessLogs => processes::clear_all(cx).await,
        Deed::ClearLog => daemon::clear_log(cx).await,
        Deed::ClearProcessLogs => processes::clear(cx, params).await,
        Deed::GetApiVersion => Ok(Value::text(daemon::API_VERSION)),
        Deed::GetAllConfigInfo => daemon::configuration(cx).await,
        Deed::GetAllProcessInfo => processes::all_info(cx).await,
        Deed::GetIdentification => daemon::identification(cx).await,
        Deed::GetPid => daemon::pid(cx).await,
        Deed::GetProcessInfo => processes::info(cx, params).await,
        Deed::GetState => Ok(daemon::running()),
        Deed::GetSupervisorVersion => Ok(Value::text(daemon::SUPERVISOR_VERSION)),
        Deed::ReadLog => logs::read_main(cx, params).await,
        Deed::ReadStdout => logs::read(cx, params, Stream::Stdout).await,
        Deed::ReadStderr => logs::read(cx, params, Stream::Stderr).await,
        Deed::ReloadConfig => daemon::reload_config(cx).await,
        Deed::RemoveProcessGroup => daemon::remove(cx, params).await,
        Deed::Restart => daemon::restart(cx).await,
        Deed::SendProcessStdin => processes::send(cx, params).await,
        Deed::SendRemoteCommEvent => daemon::event(cx, params).await,
        Deed::Shutdown => daemon::shutdown(cx).await,
        Deed::SignalAllProcesses => processes::signal_all(cx, params).await,
        Deed::SignalProcess => processes::signal(cx, params).await,
        Deed::SignalProcessGroup => processes::signal_group(cx, params).await,
        Deed::StartAllProcesses => processes::start_all(cx, params).await,
        Deed::StartProcess => processes::start(cx, params).await,
        Deed::StartProcessGroup => processes::start_group(cx, params).await,
        Deed::StopAllProcesses => processes::stop_all(cx, params).await,
        Deed::StopProcess => processes::stop(cx, params).await,
        Deed::StopProcessGroup => processes::stop_group(cx, params).await,
        Deed::TailStdout => logs::tail(cx, params, Stream::Stdout).await,
        Deed::TailStderr => logs::tail(cx, params, Stream::Stderr).await,
        Deed::ListMethods => Ok(system::list()),
        Deed::MethodHelp => system::help(params),
        Deed::MethodSignature => system::signature(params),
        Deed::Multicall => Err(Fault::about(Kind::IncorrectParameters, system::RECURSIVE)),
    }
}

/// Whether a call may be done at all: by its parameters, its login, and what visor is at.
async fn admit(cx: &Context, method: &Method, params: Params<'_>) -> Result<(), Fault> {
    if !method.takes(params.0.len()) {
        return Err(Fault::new(Kind::IncorrectParameters));
    }
    if method.changes() && !cx.may_change() {
        return Err(Fault::about(Kind::Failed, "this login may look and change nothing"));
    }
    if method.works_to_the_end() || ask(cx, &Request::State, "").await?.get("state") == Some(RUNNING) {
        return Ok(());
    }
    Err(Fault::new(Kind::ShutdownState))
}

/// visor's word for itself while it does what it is for.
const RUNNING: &str = "RUNNING";

/// Asks visor; a reply that ends in an error is a fault, about `name`.
async fn ask(cx: &Context, request: &Request, name: &str) -> Result<Answer, Fault> {
    let answer = cx.ask(request).await?;
    match answer.failure() {
        Some((code, text)) => Err(Fault::of(code, name, text)),
        None => Ok(answer),
    }
}
