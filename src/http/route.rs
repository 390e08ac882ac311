//! Which page answers what: one line each.

use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};

use super::body::{self, Body};
use super::context::Context;
use super::{page, rpc};

/// Where XML-RPC lives, and whatever begins so, as with the original.
const RPC: &str = "/RPC2";

/// Answers a request that was let in.
pub(super) async fn route(request: Request<Bytes>, cx: &Context) -> Response<Body> {
    match request.uri().path() {
        path if is_rpc(path) => rpc::handle(request, cx).await,
        _ => page::handle(&request, cx).await.unwrap_or_else(|| body::failure(StatusCode::NOT_FOUND, "")),
    }
}

/// Whether a path asks for XML-RPC.
pub(super) fn is_rpc(path: &str) -> bool {
    path.starts_with(RPC)
}
