//! How long a connection may take for what.
//!
//! Owns: what a connection is at, and when that is too long. Does not own: the bytes.
//!
//! A connection that has made a call of XML-RPC may stay idle for ever, as with the original: clients such as event listeners
//! keep one for hours and do not expect its end. When there are too many connections the one idle for longest is closed.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// From the first byte of a request to the end of its headers; also from connecting to the first byte.
pub const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Between two requests.
pub const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// For which a peer may take nothing of what it is sent.
pub const BLOCKED_LIMIT: Duration = Duration::from_secs(60);

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has come yet.
    New(Instant),
    /// A request has begun and its headers are not all there.
    Head(Instant),
    /// A request is being answered.
    Serving,
    /// An answer is held back from one who guesses passwords.
    Held(Instant),
    /// Between two requests.
    Idle(Instant),
}

/// What is known of one connection.
#[derive(Debug)]
pub struct Meter {
    phase: Cell<Phase>,
    /// Since when the peer takes nothing.
    blocked: Cell<Option<Instant>>,
    /// It may be idle for ever.
    patient: Cell<bool>,
    /// What is being answered has an end, though it may take long.
    finite: Cell<bool>,
    /// Told when the connection is to be closed.
    close: Notify,
    /// Told when a limit of time may have begun.
    began: Rc<Notify>,
}

impl Meter {
    /// Of a connection that has just come; `began` is told when a limit of time may have begun.
    pub fn new(now: Instant, began: Rc<Notify>) -> Rc<Meter> {
        Rc::new(Meter {
            phase: Cell::new(Phase::New(now)),
            blocked: Cell::new(None),
            patient: Cell::new(false),
            finite: Cell::new(false),
            close: Notify::new(),
            began,
        })
    }

    /// When the connection will have taken too long; `None` = what it is at may last.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase.get() {
            Phase::New(since) | Phase::Head(since) => Some(since + HEAD_LIMIT),
            Phase::Idle(_) if self.patient.get() => None,
            Phase::Idle(since) => Some(since + IDLE_LIMIT),
            Phase::Serving | Phase::Held(_) => None,
        };
        let blocked = self.blocked.get().map(|since| since + BLOCKED_LIMIT);
        phase.into_iter().chain(blocked).min()
    }

    /// How much a connection may be closed in favour of a new one: the least first; `None` = not at all.
    pub fn worth(&self) -> Option<(bool, Instant)> {
        match self.phase.get() {
            Phase::New(since) | Phase::Head(since) | Phase::Held(since) => Some((false, since)),
            Phase::Idle(since) => Some((self.patient.get(), since)),
            Phase::Serving => None,
        }
    }

    /// Has the connection closed, whatever it is at.
    pub fn close(&self) {
        self.close.notify_one();
    }

    /// Waits until it is to be closed.
    pub async fn closed(&self) {
        self.close.notified().await;
    }

    /// It may be idle for ever.
    pub fn be_patient(&self) {
        self.patient.set(true);
    }

    /// What is being answered has an end: the gateway does not leave before.
    pub fn will_end(&self) {
        self.finite.set(true);
    }

    /// Whether something is being answered that will have an end.
    pub fn is_worth_waiting_for(&self) -> bool {
        self.finite.get()
    }

    /// A request is there; it lasts until the guard is dropped.
    pub fn serve(self: &Rc<Self>) -> Serving {
        self.phase.set(Phase::Serving);
        Serving(Rc::clone(self))
    }

    /// The answer of the request under way is being held back.
    pub fn hold(&self) -> Phase {
        self.phase.replace(Phase::Held(Instant::now()))
    }

    /// Goes on with what it was at before it was held.
    pub fn go_on(&self, before: Phase) {
        self.phase.set(before);
    }

    fn came(&self) {
        match self.phase.get() {
            Phase::New(_) | Phase::Idle(_) => {
                self.phase.set(Phase::Head(Instant::now()));
                self.began.notify_waiters();
            }
            Phase::Head(_) | Phase::Serving | Phase::Held(_) => {}
        }
    }

    fn went<T>(&self, outcome: &Poll<T>) {
        match outcome {
            Poll::Ready(_) => self.blocked.set(None),
            Poll::Pending if self.blocked.get().is_none() => {
                self.blocked.set(Some(Instant::now()));
                self.began.notify_waiters();
            }
            Poll::Pending => {}
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Serving(Rc<Meter>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.phase.set(Phase::Idle(Instant::now()));
        self.0.finite.set(false);
        self.0.began.notify_waiters();
    }
}

/// A connection whose meter hears of what passes.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    meter: Rc<Meter>,
}

impl<S> Metered<S> {
    /// Puts the meter on.
    pub fn new(stream: S, meter: Rc<Meter>) -> Metered<S> {
        Metered { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.meter.came();
        }
        Poll::Ready(outcome)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.meter.went(&outcome);
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_limit() {
        let start = Instant::now();
        let meter = Meter::new(start, Rc::default());
        assert_eq!(meter.deadline(), Some(start + HEAD_LIMIT));
        meter.came();
        let head = meter.deadline().unwrap();
        assert!(head >= start + HEAD_LIMIT);
        meter.came();
        assert_eq!(meter.deadline(), Some(head), "later bytes win no time");
        let serving = meter.serve();
        assert_eq!((meter.deadline(), meter.worth()), (None, None));
        drop(serving);
        assert_eq!(meter.deadline(), meter.worth().map(|(_, since)| since + IDLE_LIMIT));
        meter.be_patient();
        assert_eq!(meter.deadline(), None);
        meter.came();
        assert!(meter.deadline().is_some(), "patience is for what has not begun");
    }

    #[test]
    fn peer_that_takes_nothing_has_a_limit_even_while_served() {
        let meter = Meter::new(Instant::now(), Rc::default());
        let _serving = meter.serve();
        meter.went(&Poll::<()>::Pending);
        let first = meter.deadline();
        assert!(first.is_some());
        meter.went(&Poll::<()>::Pending);
        assert_eq!(meter.deadline(), first);
        meter.went(&Poll::Ready(()));
        assert_eq!(meter.deadline(), None);
    }
}
