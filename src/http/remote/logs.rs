//! Logs of a foreign server: their ends by calls, what is added to them by its streams.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::answer::call;
use super::failure::Failure;
use super::reply::{Out, Stop, ok};
use super::server::Server;
use super::target::in_path;
use super::translate::{data, text};
use crate::http::xml::Value;
use crate::protocol::{Code, Line, Stream};

/// Most bytes of a UTF-8 character that a cut can leave at the start of a piece. The original fails over such a piece.
const CUT_BYTES: u64 = 3;
/// How the original fails then.
const SERVER_ERROR: u16 = 500;
/// What a missing page means for a stream: there is no such file.
const NOT_FOUND: u16 = 404;

/// The end of a process' log.
pub async fn tail(server: &Server, name: &str, stream: Stream, bytes: u64, out: &mut Out) -> Result<Line, Stop> {
    let log = read_end(server, reading(stream), &[Value::text(name)], bytes).await?;
    out.block(log.as_bytes()).await?;
    Ok(ok())
}

/// The end of supervisord's own log.
pub async fn main_tail(server: &Server, bytes: u64, out: &mut Out) -> Result<Line, Stop> {
    let log = read_end(server, "readLog", &[], bytes).await?;
    out.block(log.as_bytes()).await?;
    Ok(ok())
}

fn reading(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "readProcessStdoutLog",
        Stream::Stderr => "readProcessStderrLog",
    }
}

/// A part of a process' log, by offset and length. There is no call that tells its size alone, so all of it is read.
pub async fn read(server: &Server, name: &str, stream: Stream, part: (u64, u64), out: &mut Out) -> Result<Line, Stop> {
    let log = read_end(server, reading(stream), &[Value::text(name)], 0).await?;
    tell_part(log.as_bytes(), part, out).await
}

/// The same of supervisord's own log.
pub async fn main_read(server: &Server, part: (u64, u64), out: &mut Out) -> Result<Line, Stop> {
    let log = read_end(server, "readLog", &[], 0).await?;
    tell_part(log.as_bytes(), part, out).await
}

async fn tell_part(log: &[u8], (offset, length): (u64, u64), out: &mut Out) -> Result<Line, Stop> {
    let place = |number: u64| usize::try_from(number).map_or(log.len(), |number| number.min(log.len()));
    let part = log.get(place(offset)..place(offset.saturating_add(length))).unwrap_or_default();
    out.line(&data(&[("size", &log.len().to_string())])).await?;
    if !part.is_empty() {
        out.block(part).await?;
    }
    Ok(ok())
}

/// The last bytes; 0 = all. Where they begin inside a character, a little less.
async fn read_end(server: &Server, method: &str, subject: &[Value], bytes: u64) -> Result<String, Stop> {
    let mut less = 0;
    loop {
        let length = bytes.saturating_sub(less);
        let offset = Value::int(-i64::try_from(length).unwrap_or(i64::MAX));
        let params: Vec<Value> = subject.iter().cloned().chain([offset, Value::Int(0)]).collect();
        match call(server, method, &params).await {
            Ok(Value::String(log)) => return Ok(log),
            Ok(_) => return Err(Failure::Other("its log is no text".to_owned()).into()),
            Err(Stop::Failed(Failure::Status(SERVER_ERROR))) if less < CUT_BYTES && less + 1 < bytes => less += 1,
            Err(Stop::Failed(Failure::Status(SERVER_ERROR))) => {
                let text = "it cannot send this piece of the log, which may not be UTF-8";
                return Err(Failure::Other(text.to_owned()).into());
            }
            Err(stop) => return Err(stop),
        }
    }
}

/// The end of a process' log and what is added to it: as much of the end as the server likes to begin with.
pub async fn follow(server: &Server, name: &str, stream: Stream, out: &mut Out) -> Result<Line, Stop> {
    let info = call(server, "getProcessInfo", &[Value::text(name)]).await?;
    let member = match stream {
        Stream::Stdout => "stdout_logfile",
        Stream::Stderr => "stderr_logfile",
    };
    if text(&info, member).is_empty() {
        return Ok(Line::Error(Code::NoFile, String::new()));
    }
    let path = format!("/logtail/{}/{}", in_path(name), stream.word());
    pass_on(server.stream(&path).await, out).await
}

/// The same of supervisord's own log.
pub async fn main_follow(server: &Server, out: &mut Out) -> Result<Line, Stop> {
    pass_on(server.stream("/mainlogtail").await, out).await
}

/// Passes a stream on to its end, which is that of svc's connection, too: to follow has no other end.
async fn pass_on(stream: Result<Incoming, Failure>, out: &mut Out) -> Result<Line, Stop> {
    let mut stream = match stream {
        Err(Failure::Status(NOT_FOUND)) => return Ok(Line::Error(Code::NoFile, String::new())),
        stream => stream?,
    };
    while let Some(Ok(frame)) = stream.frame().await {
        if let Some(bytes) = frame.data_ref() {
            out.block(bytes).await?;
        }
    }
    Err(Stop::Gone)
}
