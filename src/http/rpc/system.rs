//! `system.*`: what there is to call, and several calls in one.

use super::fault::{Fault, Kind};
use super::methods::{self, METHODS};
use super::params::Params;
use super::{Deed, Outcome, perform};
use crate::http::context::Context;
use crate::http::xml::Value;

/// What is said to a call of several calls in itself.
pub(super) const RECURSIVE: &str = "Recursive system.multicall forbidden";
/// Calls of one multicall.
const MAX_CALLS: usize = 1000;
/// Most bytes of all results of one call; what comes after is a fault.
const MAX_RESULT_BYTES: usize = 4 * 1024 * 1024;

/// `system.listMethods`
pub(super) fn list() -> Value {
    Value::Array(METHODS.iter().map(|method| Value::text(method.name)).collect())
}

/// `system.methodHelp`
pub(super) fn help(params: Params) -> Outcome {
    known(params).map(|method| Value::text(method.help()))
}

/// `system.methodSignature`
pub(super) fn signature(params: Params) -> Outcome {
    known(params).map(|method| Value::Array(method.signature().into_iter().map(Value::text).collect()))
}

fn known(params: Params) -> Result<&'static methods::Method, Fault> {
    let unsupported = |_| Fault::new(Kind::SignatureUnsupported);
    methods::find(params.text(0).map_err(unsupported)?).map_err(unsupported)
}

/// `system.multicall`: one after the other, each result as it is.
pub(super) async fn multicall(cx: &Context, params: Params<'_>) -> Outcome {
    let [Value::Array(calls)] = params.0 else { return Err(Fault::new(Kind::IncorrectParameters)) };
    if calls.len() > MAX_CALLS {
        return Err(Fault::about(Kind::IncorrectParameters, format!("more than {MAX_CALLS} calls at once")));
    }
    let mut results = Vec::with_capacity(calls.len());
    let mut bytes = 0_usize;
    for call in calls {
        if bytes > MAX_RESULT_BYTES {
            return Err(Fault::about(Kind::Failed, format!("the results are longer than {MAX_RESULT_BYTES} bytes")));
        }
        // One with many calls that need nobody must not hold up the others.
        tokio::task::yield_now().await;
        let value = one(cx, call).await.unwrap_or_else(|fault| {
            let code = Value::Int(fault.kind.code());
            Value::record([("faultCode", code), ("faultString", Value::text(fault.text()))])
        });
        bytes = bytes.saturating_add(size(&value));
        results.push(value);
    }
    Ok(Value::Array(results))
}

async fn one(cx: &Context, call: &Value) -> Outcome {
    let incorrect = |text: &str| Fault::about(Kind::IncorrectParameters, text);
    let Some(Value::String(name)) = call.member("methodName") else { return Err(incorrect("No methodName")) };
    let params = match call.member("params") {
        None => &[][..],
        Some(Value::Array(params)) => params,
        Some(_) => return Err(Fault::new(Kind::IncorrectParameters)),
    };
    let method = methods::find(name)?;
    if method.deed == Deed::Multicall {
        return Err(incorrect(RECURSIVE));
    }
    perform(cx, method, Params(params)).await
}

/// About how much memory a value takes.
fn size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Int(_) | Value::Bool(_) | Value::Double(_) => 0,
            Value::String(text) | Value::DateTime(text) => text.len(),
            Value::Base64(bytes) => bytes.len(),
            Value::Array(items) => items.iter().map(size).sum(),
            Value::Struct(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
        }
}
