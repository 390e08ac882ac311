//! Logs as plain text: `/logtail/…` and `/mainlogtail` as the original has them (without end), and `/log/…` (the last lines only).
//!
//! Owns: which log is meant, and passing on what visor sends. Does not own: reading files, which is visor's.

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::body::{self, Body};
use super::context::Context;
use super::control::Stream as Reply;
use crate::protocol::{Code, Line, Request, Stream};

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("text/plain;charset=utf-8");
/// Tells a proxy not to hold back what comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Bytes that a stream begins with, as the original.
const START_BYTES: u64 = 1024;
/// Most that may be asked for with `bytes=`.
const MAX_START_BYTES: u64 = 1024 * 1024;

/// Which log of which process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The process, as people write it.
    pub name: String,
    /// Which log.
    pub stream: Stream,
}

impl Log {
    /// Of what stands after `/logtail/` in an address: a name, and perhaps `/stdout` or `/stderr`. `None` = nothing that can be a log.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Log> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (name, stream) = match path.rsplit_once('/') {
            Some((name, word)) => (name, Stream::from_word(word)?),
            None => (path, Stream::Stdout),
        };
        let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?.into_owned();
        (!name.is_empty()).then_some(Log { name, stream })
    }
}

/// Answers `/logtail/…`: the end of a log and what is added to it, until the peer goes.
pub async fn logtail(cx: &Context, method: &Method, path: &str, query: &str) -> Response<Body> {
    let Log { name, stream } = match asked_for(cx, method, path).await {
        Ok(log) => log,
        Err(refusal) => return *refusal,
    };
    let mut response = follow(cx, Request::Follow { name, stream, bytes: start_bytes(query, START_BYTES) }).await;
    response.headers_mut().insert(UNBUFFERED, HeaderValue::from_static("no"));
    response
}

/// Answers `/mainlogtail`: the same of visor's own log.
pub async fn mainlogtail(cx: &Context, method: &Method, query: &str) -> Response<Body> {
    if method != Method::GET {
        return body::failure(StatusCode::BAD_REQUEST, "");
    }
    match cx.ask(&Request::Mainread { offset: 0, length: 0 }).await {
        Err(error) => body::unavailable(&error),
        Ok(answer) => match answer.failure() {
            Some((_, text)) => body::failure(StatusCode::NOT_FOUND, text),
            None => follow(cx, Request::Maintail { follow: true, bytes: start_bytes(query, START_BYTES) }).await,
        },
    }
}

/// Answers `/log/…`: the last `bytes=` bytes.
pub async fn last(cx: &Context, method: &Method, path: &str, query: &str) -> Response<Body> {
    let Log { name, stream } = match asked_for(cx, method, path).await {
        Ok(log) => log,
        Err(refusal) => return *refusal,
    };
    // 0 would mean the whole log.
    let bytes = start_bytes(query, START_BYTES).max(1);
    match cx.ask(&Request::Tail { name, stream, bytes }).await {
        Err(error) => body::unavailable(&error),
        Ok(answer) => match answer.failure() {
            Some((Code::NoFile | Code::BadName, text)) => body::failure(StatusCode::NOT_FOUND, text),
            Some((_, text)) => body::failure(StatusCode::INTERNAL_SERVER_ERROR, text),
            None => plain(body::full(whole_lines(answer.bytes(), bytes))),
        },
    }
}

/// Without the beginning of a line that was cut.
fn whole_lines(text: Vec<u8>, asked: u64) -> Vec<u8> {
    if (text.len() as u64) < asked {
        return text;
    }
    match text.iter().position(|&byte| byte == b'\n') {
        Some(end) if end + 1 < text.len() => text.get(end + 1..).unwrap_or_default().to_vec(),
        Some(_) | None => text,
    }
}

/// The log that a request is about, or the answer that it gets instead.
async fn asked_for(cx: &Context, method: &Method, path: &str) -> Result<Log, Box<Response<Body>>> {
    if method != Method::GET {
        return Err(Box::new(body::failure(StatusCode::BAD_REQUEST, "")));
    }
    let Some(log) = Log::of_path(path) else { return Err(Box::new(body::failure(StatusCode::NOT_FOUND, ""))) };
    match lacks(cx, &log).await {
        Some(refusal) => Err(Box::new(refusal)),
        None => Ok(log),
    }
}

/// The answer that says that there is no such log, if there is none.
async fn lacks(cx: &Context, log: &Log) -> Option<Response<Body>> {
    let request = Request::Read { name: log.name.clone(), stream: log.stream, offset: 0, length: 0 };
    let answer = match cx.ask(&request).await {
        Err(error) => return Some(body::unavailable(&error)),
        Ok(answer) => answer,
    };
    let (code, text) = answer.failure()?;
    let (status, text) = match code {
        Code::BadName => (StatusCode::NOT_FOUND, format!("no such process {}", log.name)),
        Code::NoFile => (StatusCode::NOT_FOUND, format!("no {} log of {}", log.stream.word(), log.name)),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, text.to_owned()),
    };
    Some(body::failure(status, &text))
}

/// Passes on what visor sends. The request at visor ends with the peer: nothing is left behind.
async fn follow(cx: &Context, request: Request) -> Response<Body> {
    let mut reply: Reply = match cx.open(&request).await {
        Ok(reply) => reply,
        Err(error) => return body::unavailable(&error),
    };
    let (sender, body) = body::channel();
    tokio::task::spawn_local(async move {
        loop {
            let line = tokio::select! {
                line = reply.next() => line,
                () = sender.closed() => return,
            };
            match line {
                Ok(Line::Bytes(block)) => {
                    if !sender.send(block).await {
                        return;
                    }
                }
                Ok(Line::Data(_)) => {}
                Ok(Line::Ok(_) | Line::Error(..)) | Err(_) => return,
            }
        }
    });
    plain(body)
}

fn plain(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    response
}

/// The number of `bytes=` in a query, within its limit.
fn start_bytes(query: &str, usual: u64) -> u64 {
    let asked = form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "bytes")
        .and_then(|(_, value)| value.parse().ok());
    asked.unwrap_or(usual).min(MAX_START_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_names_a_process_and_perhaps_a_stream() {
        let log = |name: &str, stream| Some(Log { name: name.to_owned(), stream });
        for (path, wanted) in [
            ("web", log("web", Stream::Stdout)),
            ("web/", log("web", Stream::Stdout)),
            ("web/stdout", log("web", Stream::Stdout)),
            ("web/stderr", log("web", Stream::Stderr)),
            ("g%3Ap%20q/stderr", log("g:p q", Stream::Stderr)),
            ("a%2Fb", log("a/b", Stream::Stdout)),
            ("stderr", log("stderr", Stream::Stdout)),
            ("", None),
            ("/stdout", None),
            ("web/stdin", None),
            ("web/x/stdin", None),
            ("%ff", None),
        ] {
            assert_eq!(Log::of_path(path), wanted, "{path}");
        }
    }

    #[test]
    fn bytes_of_the_query_are_read_within_their_limit() {
        for (query, bytes) in [
            ("", START_BYTES),
            ("bytes=5", 5),
            ("a=b&bytes=0", 0),
            ("bytes=-1", START_BYTES),
            ("bytes=99999999999", MAX_START_BYTES),
        ] {
            assert_eq!(start_bytes(query, START_BYTES), bytes, "{query}");
        }
    }

    #[test]
    fn cut_line_is_left_out_unless_it_is_all_there_is() {
        assert_eq!(whole_lines(b"ab\ncd\n".to_vec(), 6), b"cd\n");
        assert_eq!(whole_lines(b"ab\ncd\n".to_vec(), 7), b"ab\ncd\n");
        assert_eq!(whole_lines(b"abcdef".to_vec(), 6), b"abcdef");
        assert_eq!(whole_lines(b"abcde\n".to_vec(), 6), b"abcde\n");
    }
}
