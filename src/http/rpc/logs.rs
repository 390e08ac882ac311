//! Parts and ends of logs.
//!
//! Owns: the original's arithmetic of offsets and lengths, logs too long to be held. Does not own: files.
//!
//! Bytes that are not UTF-8 become U+FFFD, and so do the halves of a character that a part cuts.

use super::fault::{Fault, Kind};
use super::methods::{Deed, Method};
use super::params::Params;
use super::{Outcome, admit, names};
use crate::http::body::{self, Body, Sender};
use crate::http::context::Context;
use crate::http::control::{Answer, Stream as Lines};
use crate::http::xml::{self, TextStream, Value};
use crate::protocol::{Code, Line, Request, Stream};

/// Longest part that is held in memory; a longer one is sent as it is read, a longer tail is cut to its end.
const MAX_HELD_BYTES: u64 = 256 * 1024;

/// Whose log.
enum Log {
    Main,
    Of { word: String, stream: Stream },
}

impl Log {
    fn request(&self, offset: u64, length: u64) -> Request {
        match self {
            Log::Main => Request::Mainread { offset, length },
            Log::Of { word, stream } => Request::Read { name: word.clone(), stream: *stream, offset, length },
        }
    }
}

/// `supervisor.readLog`
pub(super) async fn read_main(cx: &Context, params: Params<'_>) -> Outcome {
    held(cx, &Log::Main, "", params.number(0)?, params.number(1)?).await
}

/// `supervisor.readProcessStdoutLog`, `supervisor.readProcessStderrLog`
pub(super) async fn read(cx: &Context, params: Params<'_>, stream: Stream) -> Outcome {
    let name = params.text(0)?;
    let log = Log::Of { word: names::process(name)?, stream };
    held(cx, &log, name, params.number(1)?, params.number(2)?).await
}

/// `supervisor.tailProcessStdoutLog`, `supervisor.tailProcessStderrLog`
pub(super) async fn tail(cx: &Context, params: Params<'_>, stream: Stream) -> Outcome {
    let name = params.text(0)?;
    let log = Log::Of { word: names::process(name)?, stream };
    let (offset, length) = (params.number(1)?, params.number(2)?);
    let size = match size(cx, &log, name).await {
        Ok(size) => size,
        Err(fault) if fault.kind == Kind::NoFile => return Ok(tailed(String::new(), 0, false)),
        Err(fault) if fault.kind == Kind::Failed => return Ok(tailed(String::new(), offset, false)),
        Err(fault) => return Err(fault),
    };
    let part = tail_part(size, offset, length);
    let text = whole(cx, &log, name, part.offset, part.length).await?;
    Ok(tailed(text, size.try_into().unwrap_or(i64::MAX), part.overflow))
}

fn tailed(text: String, size: i64, overflow: bool) -> Value {
    Value::Array(vec![Value::String(text), Value::int(size), Value::Bool(overflow)])
}

/// A read whose part is long, as a document that is sent while it is read; `None` when it is none or may be held.
pub(super) async fn as_stream(cx: &Context, method: &Method, params: Params<'_>) -> Option<Body> {
    let (first, stream) = match method.deed {
        Deed::ReadLog => (0, None),
        Deed::ReadStdout => (1, Some(Stream::Stdout)),
        Deed::ReadStderr => (1, Some(Stream::Stderr)),
        _ => return None,
    };
    admit(cx, method, params).await.ok()?;
    let name = if stream.is_some() { params.text(0).ok()? } else { "" };
    let log = match stream {
        None => Log::Main,
        Some(stream) => Log::Of { word: names::process(name).ok()?, stream },
    };
    let size = size(cx, &log, name).await.ok()?;
    let (offset, length) = part(size, params.number(first).ok()?, params.number(first + 1).ok()?)?;
    if length <= MAX_HELD_BYTES {
        return None;
    }
    let lines = cx.open(&log.request(offset, length)).await.ok()?;
    let (sender, body) = body::channel();
    tokio::task::spawn_local(pass_on(lines, sender));
    Some(body)
}

/// Sends a log's part as a document. When visor fails in the middle the document has no end, which every reader notices.
async fn pass_on(mut lines: Lines, sender: Sender) {
    let mut text = TextStream::default();
    if !sender.send(text.begin()).await {
        return;
    }
    loop {
        let block = match lines.next().await {
            Ok(Line::Bytes(bytes)) => text.more(&bytes),
            Ok(Line::Data(_)) => continue,
            Ok(Line::Ok(_)) => break,
            Ok(Line::Error(..)) | Err(_) => return,
        };
        if !sender.send(block).await {
            return;
        }
    }
    sender.send(text.end()).await;
}

/// A part that is held.
async fn held(cx: &Context, log: &Log, name: &str, offset: i64, length: i64) -> Outcome {
    let size = size(cx, log, name).await?;
    let (offset, length) = part(size, offset, length).ok_or_else(|| Fault::new(Kind::BadArguments))?;
    if length > MAX_HELD_BYTES {
        let text = format!("{length} bytes of a log are more than {MAX_HELD_BYTES} here; ask for parts of it");
        return Err(Fault::about(Kind::Failed, text));
    }
    whole(cx, log, name, offset, length).await.map(Value::String)
}

async fn whole(cx: &Context, log: &Log, name: &str, offset: u64, length: u64) -> Result<String, Fault> {
    if length == 0 {
        return Ok(String::new());
    }
    let answer = checked(cx.ask(&log.request(offset, length)).await?, name)?;
    Ok(xml::lossy_text(answer.bytes()))
}

/// How long a log is now.
async fn size(cx: &Context, log: &Log, name: &str) -> Result<u64, Fault> {
    let answer = checked(cx.ask(&log.request(0, 0)).await?, name)?;
    let size = answer.get("size").and_then(|size| size.parse().ok());
    size.ok_or_else(|| Fault::about(Kind::Failed, "visor has not told the size of the log"))
}

fn checked(answer: Answer, name: &str) -> Result<Answer, Fault> {
    match answer.failure() {
        None => Ok(answer),
        Some((Code::Failed, _)) => Err(Fault::new(Kind::Failed)),
        Some((code, text)) => Err(Fault::of(code, name, text)),
    }
}

/// Where the part of a log of `size` bytes lies that offset and length mean, as place and length; `None` when they make no
/// sense together.
fn part(size: u64, offset: i64, length: i64) -> Option<(u64, u64)> {
    if offset < 0 {
        let length = if length == 0 { offset.unsigned_abs().min(size) } else { return None };
        return Some((size - length, length));
    }
    let length = u64::try_from(length).ok()?;
    let offset = offset.unsigned_abs().min(size);
    let rest = size - offset;
    Some((offset, if length == 0 { rest } else { length.min(rest) }))
}

/// What a tail shows.
#[derive(Debug, PartialEq, Eq)]
struct Tail {
    offset: u64,
    length: u64,
    /// Something before it is not shown.
    overflow: bool,
}

/// What of a log of `size` bytes a tail from `offset` shows: whatever is too much is left out at its beginning. One quirk is
/// kept: when less was added than `length`, the part begins before `offset`, so that it has that length.
fn tail_part(size: u64, offset: i64, length: i64) -> Tail {
    let longest = i64::try_from(MAX_HELD_BYTES).unwrap_or(i64::MAX);
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let mut length = length.min(longest);
    let mut offset = offset;
    let overflow = size > offset.saturating_add(length);
    if overflow {
        offset = size - 1;
    }
    if offset.saturating_add(length) > size {
        if offset > size - 1 {
            length = 0;
        }
        offset = size - length;
    }
    let (offset, length) = (offset.max(0), length.max(0));
    let length = length.min(size - offset.min(size));
    Tail { offset: offset.unsigned_abs(), length: length.unsigned_abs(), overflow }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_original() {
        for (size, offset, length, expected) in [
            (10, 0, 0, Some((0, 10))),
            (10, 4, 0, Some((4, 6))),
            (10, 4, 3, Some((4, 3))),
            (10, 4, 100, Some((4, 6))),
            (10, 10, 0, Some((10, 0))),
            (10, 99, 5, Some((10, 0))),
            (10, -4, 0, Some((6, 4))),
            (10, -99, 0, Some((0, 10))),
            (0, -5, 0, Some((0, 0))),
            (10, -4, 1, None),
            (10, -4, -1, None),
            (10, 0, -1, None),
            (10, i64::MIN, 0, Some((0, 10))),
            (10, i64::MAX, i64::MAX, Some((10, 0))),
        ] {
            assert_eq!(part(size, offset, length), expected, "{size} {offset} {length}");
        }
    }

    #[test]
    fn tails_are_those_of_the_original() {
        let tail = |size, offset, length| {
            let Tail { offset, length, overflow } = tail_part(size, offset, length);
            (offset, length, overflow)
        };
        assert_eq!(tail(4, 0, 100), (0, 4, false));
        assert_eq!(tail(4, 0, 2), (2, 2, true));
        assert_eq!(tail(4, 4, 10), (4, 0, false));
        assert_eq!(tail(10, 8, 5), (5, 5, false));
        assert_eq!(tail(10, 2, 8), (2, 8, false));
        assert_eq!(tail(10, 20, 5), (10, 0, false));
        assert_eq!(tail(0, 0, 5), (0, 0, false));
        assert_eq!(tail(10, 0, 0), (9, 0, true));
        assert_eq!(tail(10, -5, 3), (7, 3, true));
        assert_eq!(tail(10, 0, -1), (9, 0, true));
        assert_eq!(tail(u64::MAX, i64::MAX, i64::MAX).1, 0);
        let long = tail(10_000_000, 0, 9_000_000);
        assert_eq!(long, (10_000_000 - MAX_HELD_BYTES, MAX_HELD_BYTES, true), "cut to its end");
    }
}
