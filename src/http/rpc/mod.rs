//! XML-RPC as the original speaks it.
//!
//! Owns: the transport's rules, methods and their faults. Does not own: HTTP, XML, what visor does.

mod fault;

use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};

use super::body::{self, Body};
use super::context::Context;
use super::xml::{self, Value};
use fault::{Fault, Kind};

/// Answers a call.
pub async fn handle(request: Request<Bytes>, cx: &Context) -> Response<Body> {
    if request.method() != Method::POST {
        return body::failure(StatusCode::BAD_REQUEST, "");
    }
    let call = match xml::parse_call(request.body()) {
        Ok(call) => call,
        Err(error) => return body::failure(StatusCode::BAD_REQUEST, &error.0),
    };
    drop(request);
    let document = match perform(&call.method, &call.params, cx).await {
        Ok(value) => xml::write_response(&value),
        Err(fault) => xml::write_fault(fault.kind.code(), &fault.text()),
    };
    body::answer(StatusCode::OK, "text/xml", document)
}

async fn perform(method: &str, _params: &[Value], _cx: &Context) -> Result<Value, Fault> {
    match method {
        "supervisor.getAPIVersion" | "supervisor.getVersion" => Ok(Value::text("3.0")),
        _ => Err(Fault::new(Kind::UnknownMethod)),
    }
}
