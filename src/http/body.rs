//! Bodies of answers.
//!
//! Owns: bytes that are there at once, and bytes that come as they come. Does not own: status lines and headers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use super::control::AskError;

/// Blocks that wait in a stream until the peer has room; who sends then waits.
const STREAM_BLOCKS: usize = 4;

/// What is sent after the headers.
#[derive(Debug)]
pub enum Body {
    /// All of it; `None` once it was taken.
    Full(Option<Bytes>),
    /// What the other half sends, until it is dropped.
    Stream(mpsc::Receiver<Bytes>),
}

/// The half of a stream that is written to. Dropping it ends the body.
#[derive(Debug, Clone)]
pub struct Sender(mpsc::Sender<Bytes>);

impl Sender {
    /// Sends a block, waiting while the peer has no room; whether anybody still listens.
    pub async fn send(&self, block: impl Into<Bytes>) -> bool {
        let block = block.into();
        // An empty chunk would end the body.
        block.is_empty() || self.0.send(block).await.is_ok()
    }

    /// Waits until nobody listens any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// A body that is there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body::Full(Some(bytes.into()))
}

/// A body that comes.
#[must_use]
pub fn channel() -> (Sender, Body) {
    let (sender, receiver) = mpsc::channel(STREAM_BLOCKS);
    (Sender(sender), Body::Stream(receiver))
}

/// An answer with a status, a media type and a body.
pub fn answer(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A page that says why visor could not be asked.
pub fn unavailable(error: &AskError) -> Response<Body> {
    failure(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

/// A page that says what went wrong, in the original's form.
pub fn failure(status: StatusCode, text: &str) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let page = format!(
        "<head>\n<title>Error response</title>\n</head>\n<body>\n<h1>Error response</h1>\n\
         <p>Error code {}.\n<p>Message: {}.\n{}</body>\n",
        status.as_u16(),
        reason,
        if text.is_empty() { String::new() } else { format!("<p>{}\n", escape(text)) },
    );
    answer(status, "text/html; charset=utf-8", page)
}

/// Text as it may stand in HTML, also inside quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Body::Full(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Body::Stream(receiver) => receiver.poll_recv(cx).map(|block| block.map(|block| Ok(Frame::data(block)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Body::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[test]
    fn page_of_a_failure_escapes_what_it_quotes() {
        let Body::Full(Some(bytes)) = failure(StatusCode::NOT_FOUND, "<b> & \"x\"").into_body() else {
            panic!("it is whole")
        };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains("Error code 404.") && text.contains("Message: Not Found."));
        assert!(text.contains("&lt;b&gt; &amp; &quot;x&quot;"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn stream_gives_its_blocks_and_ends_with_its_sender() {
        let (sender, body) = channel();
        assert!(sender.send("a").await && sender.send("").await && sender.send("b").await);
        drop(sender);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn sender_hears_that_nobody_listens() {
        let (sender, body) = channel();
        drop(body);
        sender.closed().await;
        assert!(!sender.send("a").await);
    }
}
