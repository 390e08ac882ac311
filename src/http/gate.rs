//! From a request as it came to its answer.
//!
//! Owns: the order of checks (login, name, body), the headers every answer has. Does not own: what is answered.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderValue, SERVER, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::auth::{self, Verdict};
use super::body::{self, Body};
use super::hosts::{self, Caller, Stranger};
use super::meter::{Meter, Serving};
use super::route;
use super::server::Shared;
use crate::protocol::handover::{Door, Rights};

/// What we call ourselves.
const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("visor/", env!("CARGO_PKG_VERSION")));
/// What a client is asked for, as the original does.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"default\"");
/// Longest body of a request, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// A longer one is read only while few others are.
const SMALL_BODY_BYTES: usize = 16 * 1024;
/// Longer bodies read at a time: with the one before, the bound of our memory.
const LARGE_BODIES: usize = 8;
/// For a whole body.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// Most bytes of a body that is read for nothing, and how long that may take.
const MAX_DISCARDED_BYTES: usize = 64 * 1024;
const DISCARD_LIMIT: Duration = Duration::from_secs(2);

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) struct Visitor {
    pub door: Rc<Door>,
    pub peer: Rc<str>,
    pub meter: Rc<Meter>,
}

/// Answers one request.
pub(super) async fn answer(shared: &Shared, visitor: &Visitor, request: Request<Incoming>) -> Response<Body> {
    let mut response = match admit(shared, visitor, &request).await {
        Err(refusal) => {
            // It is nobody's guest: who comes may have its place.
            visitor.meter.hold();
            discard(request.into_body()).await;
            refusal
        }
        Ok(rights) => {
            let (head, incoming) = request.into_parts();
            match shared.bodies.read(incoming).await {
                Err(refusal) => refusal,
                Ok(bytes) => {
                    let request = Request::from_parts(head, bytes);
                    let rpc = route::is_rpc(request.uri().path());
                    if rpc {
                        visitor.meter.will_end();
                    }
                    let response = route::route(request, &shared.context(visitor, rights)).await;
                    if rpc && response.status() == StatusCode::OK {
                        visitor.meter.be_patient();
                    }
                    response
                }
            }
        }
    };
    response.headers_mut().entry(SERVER).or_insert(PRODUCT);
    response
}

/// Reads what comes with a request that is refused: who sends it after the head, as Python's client does, would find the
/// connection broken and never read why.
async fn discard(mut incoming: Incoming) {
    let reading = async {
        let mut left = MAX_DISCARDED_BYTES;
        while let Some(Ok(frame)) = incoming.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(DISCARD_LIMIT, reading).await;
}

/// Lets a request in, or says why not.
async fn admit(shared: &Shared, visitor: &Visitor, request: &Request<Incoming>) -> Result<Rights, Response<Body>> {
    let caller = Caller {
        headers: request.headers(),
        authority: request.uri().authority(),
        method: request.method(),
        version: request.version(),
        rpc: route::is_rpc(request.uri().path()),
        login: visitor.door.login.is_some() || visitor.door.readonly.is_some(),
        unix: visitor.door.kind != "inet",
    };
    hosts::check(caller, &shared.node, &shared.settings().allowed_hosts).map_err(|stranger| refuse(&stranger))?;
    let guards = visitor.door.login.is_some() && request.headers().contains_key(AUTHORIZATION);
    let pause = shared.guessers.pause(&visitor.peer, Instant::now());
    if guards && !pause.is_zero() {
        let before = visitor.meter.hold();
        sleep(pause).await;
        visitor.meter.go_on(before);
    }
    match auth::judge(&visitor.door, request.headers()) {
        Verdict::Welcome(rights) => {
            // Who may only look, or comes where nobody is asked, has not shown that it knows the password.
            if guards && rights == Rights::All {
                shared.guessers.succeeded(&visitor.peer);
            }
            Ok(rights)
        }
        Verdict::Missing => Err(unauthorized()),
        Verdict::Wrong => {
            shared.guessers.failed(&visitor.peer, Instant::now());
            Err(unauthorized())
        }
    }
}

fn unauthorized() -> Response<Body> {
    let mut response = closing(body::failure(StatusCode::UNAUTHORIZED, ""));
    response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    response
}

fn refuse(stranger: &Stranger) -> Response<Body> {
    closing(match stranger {
        Stranger::Host(host) => body::failure(
            StatusCode::MISDIRECTED_REQUEST,
            &format!("This server is not known as `{host}`. If it is, name it in allowed_hosts of [visor]"),
        ),
        Stranger::NoHost => body::failure(
            StatusCode::BAD_REQUEST,
            "The request has not one Host header with a name or an address in it",
        ),
        Stranger::Origin(origin) => body::failure(
            StatusCode::FORBIDDEN,
            &format!("A page of `{origin}` sent this. If it is yours, name its host in allowed_hosts of [visor]"),
        ),
    })
}

fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Reads bodies within bounds.
#[derive(Debug)]
pub(super) struct Bodies {
    large: Semaphore,
}

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies { large: Semaphore::new(LARGE_BODIES) }
    }
}

impl Bodies {
    async fn read(&self, incoming: Incoming) -> Result<Bytes, Response<Body>> {
        let too_large = || {
            let text = format!("A request may have {MAX_BODY_BYTES} bytes");
            closing(body::failure(StatusCode::PAYLOAD_TOO_LARGE, &text))
        };
        if incoming.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(too_large());
        }
        match timeout(BODY_LIMIT, self.collect(incoming)).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(too_large()),
            Ok(Err(_)) => {
                Err(closing(body::failure(StatusCode::BAD_REQUEST, "The body is cut off or not well-formed")))
            }
            Err(_) => Err(closing(body::failure(StatusCode::REQUEST_TIMEOUT, "The body has not come in time"))),
        }
    }

    /// The whole body; `None` when it is too long.
    async fn collect(&self, mut incoming: Incoming) -> hyper::Result<Option<Bytes>> {
        let mut bytes = Vec::new();
        let mut permit = None;
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if bytes.len() + data.len() > MAX_BODY_BYTES {
                return Ok(None);
            }
            if permit.is_none() && bytes.len() + data.len() > SMALL_BODY_BYTES {
                permit = self.large.acquire().await.ok();
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Some(bytes.into()))
    }
}

/// A body that keeps its request counted as under way until it is sent.
#[derive(Debug)]
pub(super) struct Held {
    body: Body,
    _serving: Serving,
}

impl Held {
    pub(super) fn new(body: Body, serving: Serving) -> Held {
        Held { body, _serving: serving }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
