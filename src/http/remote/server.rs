//! A foreign server: calls of XML-RPC and streams of logs, over TCP or a Unix socket.
//!
//! Owns: connections, one for each call, time limits, what of HTTP can go wrong. Does not own: which calls are made.

use std::io::{self, ErrorKind};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::controls;
use super::failure::Failure;
use super::target::Place;
use crate::http::xml::{self, Reply, Value};
use crate::protocol::handover::Login;
use crate::protocol::remote::Target;

/// How long finding and reaching the server may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long the answer to a call that waits for nothing may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read: whole logs come in one.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Where calls go.
const RPC_PATH: &str = "/RPC2";

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It is at hand.
    Short,
    /// It comes when processes have started or stopped.
    Endless,
}

/// One server.
#[derive(Debug)]
pub struct Server {
    place: Place,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

impl Server {
    /// The server of a target. Nothing is connected yet.
    ///
    /// # Errors
    /// The URL is none that can be reached, or the login cannot stand in a header.
    pub fn new(target: &Target) -> Result<Server, Failure> {
        let place = Place::parse(&target.url).map_err(Failure::Other)?;
        let host = HeaderValue::try_from(place.host()).map_err(|_| Failure::Other("not a host".to_owned()))?;
        let authorization = target.login.as_ref().map(authorization).transpose()?;
        Ok(Server { place, host, authorization })
    }

    /// Calls a method that answers at once.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn call(&self, method: &str, params: &[Value]) -> Result<Value, Failure> {
        self.call_with(Patience::Short, method, params).await
    }

    /// Calls a method.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn call_with(&self, patience: Patience, method: &str, params: &[Value]) -> Result<Value, Failure> {
        let exchange = self.exchange(method, params);
        match patience {
            Patience::Endless => exchange.await,
            Patience::Short => timeout(ANSWER_PATIENCE, exchange).await.unwrap_or(Err(Failure::TimedOut)),
        }
    }

    async fn exchange(&self, method: &str, params: &[Value]) -> Result<Value, Failure> {
        let body = xml::write_call(method, params);
        let request = self
            .request(Method::POST, RPC_PATH)
            .header(CONTENT_TYPE, "text/xml")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Other(error.to_string()))?;
        let answer = self.send(request).await?;
        let limited = Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
        let bytes = limited.collect().await.map_err(|error| body_failure(&*error))?.to_bytes();
        let (document, had_controls) = controls::hide(&bytes);
        match xml::parse_response(&document) {
            // In logs they are what the program wrote; anywhere else they would be the server's way to our terminal.
            Ok(Reply::Value(value)) if had_controls && method.ends_with("Log") => Ok(controls::bring_back(value)),
            Ok(Reply::Value(value)) => Ok(value),
            Ok(Reply::Fault(code, text)) => Err(Failure::Fault(code, text)),
            Err(error) => Err(Failure::Other(format!("its answer is not of XML-RPC: {error}"))),
        }
    }

    /// The bytes of a log from now on.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn stream(&self, path: &str) -> Result<Incoming, Failure> {
        let request = self.request(Method::GET, path).body(Full::default());
        let request = request.map_err(|error| Failure::Other(error.to_string()))?;
        Ok(self.send(request).await?.into_body())
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        let request = request.header(USER_AGENT, concat!("visor/", env!("CARGO_PKG_VERSION")));
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Sends a request on a connection of its own, which lives as long as its answer.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        let connect = async {
            Ok(match &self.place {
                Place::Unix(path) => exchange_over(UnixStream::connect(path).await?).await,
                Place::Inet(host, port) => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    exchange_over(stream).await
                }
            })
        };
        let connected: Result<_, io::Error> =
            timeout(CONNECT_PATIENCE, connect).await.map_err(|_| Failure::TimedOut)?;
        let mut sender = connected.map_err(|error| self.connect_failure(&error))??;
        let answer = sender.send_request(request).await.map_err(|error| http_failure(&error))?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(Failure::Unauthorized),
            other => Err(Failure::Status(other.as_u16())),
        }
    }

    fn connect_failure(&self, error: &io::Error) -> Failure {
        match (error.kind(), &self.place) {
            (ErrorKind::ConnectionRefused, _) => Failure::Refused,
            (ErrorKind::NotFound, Place::Unix(_)) => Failure::NoFile,
            (ErrorKind::PermissionDenied, Place::Unix(_)) => Failure::NotPermitted,
            // The resolver's errors have no number: they are texts of its own.
            (_, Place::Inet(host, _)) if error.raw_os_error().is_none() => {
                Failure::Other(format!("cannot find the host `{host}`: {}", plain_cause(error)))
            }
            _ => Failure::Other(format!("cannot connect: {}", plain_cause(error))),
        }
    }
}

/// The system's words without what Rust puts around them.
fn plain_cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

async fn exchange_over<S>(stream: S) -> Result<http1::SendRequest<Full<Bytes>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The original looks for headers as they are usually spelled.
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| http_failure(&error))?;
    // Its failure is told to whoever sends or reads.
    drop(tokio::spawn(connection));
    Ok(sender)
}

fn authorization(login: &Login) -> Result<HeaderValue, Failure> {
    let Login { username, password } = login;
    let text = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    let mut value = HeaderValue::try_from(text).map_err(|_| Failure::Other("the login cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn http_failure(error: &hyper::Error) -> Failure {
    if error.is_parse() {
        Failure::Other("what answers does not speak HTTP".to_owned())
    } else if error.is_incomplete_message() {
        Failure::HungUp
    } else {
        Failure::Other(error.to_string())
    }
}

fn body_failure(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Failure {
    if error.is::<LengthLimitError>() {
        Failure::Other(format!("the answer is longer than {MAX_ANSWER_BYTES} bytes"))
    } else {
        Failure::HungUp
    }
}
