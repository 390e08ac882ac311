//! The page's live line: server-sent events.
//!
//! Owns: one look at visor for all who watch (it begins with the first and ends with the last), what of it is sent. Does not own: how it is
//! shown.
//!
//! | event | data |
//! |---|---|
//! | `snapshot` | `identifier`, `processes` (all), `recent` (events) |
//! | `change` | `processes` (those that differ), `gone` (names) |
//! | `usage` | name → [CPU in percent of one core or null, resident bytes]; at least every [`SAMPLE_PAUSE`], so silence means trouble |
//! | `feed` | an event's keys |

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, interval, sleep_until};

use super::row::Row;
use crate::http::body::{self, Body};
use crate::http::context::Context;
use crate::http::control::{AskError, Control, Stream};
use crate::http::proc::{self, Usage};
use crate::protocol::handover::Rights;
use crate::protocol::{Line, Request};

/// Between two samples of CPU and memory.
const SAMPLE_PAUSE: Duration = Duration::from_secs(2);
/// Events that come together are answered by one look at the status.
const SETTLE: Duration = Duration::from_millis(40);
/// Messages kept for a watcher that is slow; one that falls behind further gets a snapshot instead.
const BACKLOG: usize = 64;
/// Events that a new watcher is told of.
const RECENT: usize = 100;
/// A browser that lost us asks again after so long.
const RETRY: &str = "retry: 1000\n\n";

thread_local! {
    /// The look that is under way, if somebody watches.
    static LOOK: RefCell<Weak<Look>> = const { RefCell::new(Weak::new()) };
}

/// What all watchers share; it ends when the last of them drops it.
struct Look {
    board: RefCell<Board>,
    /// `None` when visor does not answer any more: watchers hang up, and whoever comes next begins anew.
    news: RefCell<Option<broadcast::Sender<Bytes>>>,
}

/// What is known.
#[derive(Debug, Default)]
struct Board {
    identifier: String,
    /// `None` before the first answer.
    rows: Option<BTreeMap<String, Row>>,
    percents: BTreeMap<u32, f64>,
    usage: BTreeMap<u32, Usage>,
    sampled: Option<Instant>,
    recent: VecDeque<Value>,
}

/// A body that tells what happens for as long as somebody reads it.
pub fn events(cx: &Context) -> Body {
    let (sender, body) = body::channel();
    let look = join(cx);
    let news = look.news.borrow().as_ref().map(broadcast::Sender::subscribe);
    let first = look.board.borrow().snapshot();
    tokio::task::spawn_local(async move {
        let Some(mut news) = news else { return };
        if !sender.send(RETRY).await {
            return;
        }
        if let Some(first) = first
            && !sender.send(first).await
        {
            return;
        }
        loop {
            let next = tokio::select! {
                next = news.recv() => next,
                () = sender.closed() => return,
            };
            let message = match next {
                Ok(message) => Some(message),
                Err(RecvError::Lagged(_)) => look.board.borrow().snapshot(),
                Err(RecvError::Closed) => return,
            };
            if let Some(message) = message
                && !sender.send(message).await
            {
                return;
            }
        }
    });
    body
}

/// The look that is under way, or a new one.
fn join(cx: &Context) -> Rc<Look> {
    LOOK.with_borrow_mut(|known| {
        if let Some(look) = known.upgrade().filter(|look| look.news.borrow().is_some()) {
            return look;
        }
        let board = Board { identifier: cx.settings.identifier.clone(), ..Board::default() };
        let look =
            Rc::new(Look { board: RefCell::new(board), news: RefCell::new(Some(broadcast::Sender::new(BACKLOG))) });
        *known = Rc::downgrade(&look);
        tokio::task::spawn_local(watch(Rc::downgrade(&look), Rc::clone(&cx.control)));
        look
    })
}

/// Looks until nobody is left to tell, or visor does not answer.
async fn watch(look: Weak<Look>, control: Rc<Control>) {
    let _ = follow(&look, &control).await;
    if let Some(look) = look.upgrade() {
        look.news.borrow_mut().take();
    }
}

/// `None` when nobody is left.
async fn follow(look: &Weak<Look>, control: &Rc<Control>) -> Result<Option<()>, AskError> {
    let everything = Request::Watch { kinds: Vec::new(), names: Vec::new() };
    let mut events: Stream = control.open(Rights::Observe, "", &everything).await?;
    let mut samples = interval(SAMPLE_PAUSE);
    let mut changed = Some(Instant::now());
    loop {
        tokio::select! {
            event = events.next() => {
                let event = event?;
                if event.is_end() {
                    return Ok(None);
                }
                let Some(look) = look.upgrade() else { return Ok(None) };
                look.happened(&event);
                changed.get_or_insert_with(|| Instant::now() + SETTLE);
            }
            () = sleep_until(changed.unwrap_or_else(Instant::now)), if changed.is_some() => {
                let answer = control.ask(Rights::Observe, "", &Request::Status(Vec::new())).await?;
                let Some(look) = look.upgrade() else { return Ok(None) };
                look.take(Row::all(&answer.lines));
                changed = None;
            }
            _ = samples.tick() => {
                let Some(pids) = look.upgrade().map(|look| look.board.borrow().pids()) else { return Ok(None) };
                let usage = tokio::task::spawn_blocking(move || proc::sample(&pids)).await.unwrap_or_default();
                let Some(look) = look.upgrade() else { return Ok(None) };
                look.sampled(usage, Instant::now());
            }
        }
    }
}

impl Look {
    fn tell(&self, message: Bytes) {
        if let Some(news) = self.news.borrow().as_ref() {
            // Nobody there to hear it is no failure.
            let _ = news.send(message);
        }
    }

    fn happened(&self, event: &Line) {
        let Line::Data(pairs) = event else { return };
        let value: Map<String, Value> =
            pairs.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
        let value = Value::Object(value);
        self.tell(message("feed", &value));
        let recent = &mut self.board.borrow_mut().recent;
        recent.push_back(value);
        if recent.len() > RECENT {
            recent.pop_front();
        }
    }

    fn take(&self, rows: Vec<Row>) {
        let news = self.board.borrow_mut().take(rows);
        if let Some(news) = news {
            self.tell(news);
        }
    }

    fn sampled(&self, usage: BTreeMap<u32, Usage>, now: Instant) {
        let news = self.board.borrow_mut().sampled(usage, now);
        self.tell(news);
    }
}

impl Board {
    /// Keeps what is new; the message about it.
    fn take(&mut self, rows: Vec<Row>) -> Option<Bytes> {
        let rows: BTreeMap<String, Row> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
        let Some(before) = self.rows.replace(rows) else { return self.snapshot() };
        let rows = self.rows.as_ref()?;
        let changed: Vec<Value> = rows
            .values()
            .filter(|row| before.get(&row.name).is_none_or(|before| row.differs(before)))
            .map(|row| self.object(row))
            .collect();
        let gone: Vec<&String> = before.keys().filter(|name| !rows.contains_key(*name)).collect();
        let nothing = changed.is_empty() && gone.is_empty();
        (!nothing).then(|| message("change", &json!({ "processes": changed, "gone": gone })))
    }

    /// Everything; `None` before it is known.
    fn snapshot(&self) -> Option<Bytes> {
        let processes: Vec<Value> = self.rows.as_ref()?.values().map(|row| self.object(row)).collect();
        let all = json!({ "identifier": self.identifier, "processes": processes, "recent": self.recent });
        Some(message("snapshot", &all))
    }

    fn object(&self, row: &Row) -> Value {
        let mut value = row.json();
        if let (Value::Object(map), Some(usage)) = (&mut value, self.usage.get(&row.pid)) {
            map.insert("memory".to_owned(), json!(usage.resident));
            map.insert("cpu".to_owned(), json!(self.percents.get(&row.pid)));
        }
        value
    }

    fn pids(&self) -> Vec<u32> {
        self.rows.iter().flat_map(BTreeMap::values).map(|row| row.pid).filter(|pid| *pid != 0).collect()
    }

    fn sampled(&mut self, usage: BTreeMap<u32, Usage>, now: Instant) -> Bytes {
        let passed = self.sampled.map(|before| now.saturating_duration_since(before).as_secs_f64());
        self.percents = passed.filter(|passed| *passed > 0.0).map_or_else(BTreeMap::new, |passed| {
            usage
                .iter()
                .filter_map(|(pid, new)| {
                    let old = self.usage.get(pid)?;
                    Some((*pid, ((new.cpu - old.cpu) / passed * 100.0).max(0.0)))
                })
                .collect()
        });
        self.usage = usage;
        self.sampled = Some(now);
        let told: Map<String, Value> = self
            .rows
            .iter()
            .flat_map(BTreeMap::values)
            .filter_map(|row| {
                let usage = self.usage.get(&row.pid)?;
                Some((row.name.clone(), json!([self.percents.get(&row.pid), usage.resident])))
            })
            .collect();
        message("usage", &Value::Object(told))
    }
}

/// An event as it goes over the wire. JSON has no raw line breaks, so its data is one line.
fn message(event: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, state: &str, pid: u32) -> Row {
        Row { name: name.to_owned(), state: state.to_owned(), pid, ..Row::default() }
    }

    fn text(message: Option<Bytes>) -> String {
        message.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
    }

    #[test]
    fn first_answer_is_a_snapshot_then_only_what_differs_is_told() {
        let mut board = Board::default();
        assert_eq!(board.snapshot(), None);
        let first = text(board.take(vec![row("a", "RUNNING", 1), row("b", "STOPPED", 0)]));
        assert!(first.starts_with("event: snapshot\ndata: {") && first.ends_with("}\n\n"));
        assert_eq!(board.take(vec![row("a", "RUNNING", 1), row("b", "STOPPED", 0)]), None);
        let second = text(board.take(vec![row("a", "STOPPED", 0), row("c", "STOPPED", 0)]));
        assert!(second.starts_with("event: change\n") && second.contains("\"gone\":[\"b\"]"), "{second}");
        assert!(second.contains("\"name\":\"a\"") && second.contains("\"name\":\"c\""));
    }

    #[test]
    fn cpu_is_known_with_the_second_sample_and_never_negative() {
        let mut board = Board::default();
        board.take(vec![row("a", "RUNNING", 7)]);
        let start = Instant::now();
        let sample = |cpu| BTreeMap::from([(7, Usage { cpu, resident: 4096 })]);
        assert!(text(Some(board.sampled(sample(1.0), start))).contains("{\"a\":[null,4096]}"));
        let second = board.sampled(sample(2.0), start + Duration::from_secs(4));
        assert!(text(Some(second)).contains("{\"a\":[25.0,4096]}"));
        let third = board.sampled(sample(1.5), start + Duration::from_secs(5));
        assert!(text(Some(third)).contains("{\"a\":[0.0,4096]}"));
        let gone = board.sampled(BTreeMap::new(), start + Duration::from_secs(6));
        assert_eq!(text(Some(gone)), "event: usage\ndata: {}\n\n");
    }

    #[test]
    fn line_break_in_a_value_stays_inside_its_line() {
        let told = text(Some(message("feed", &json!({ "x": "a\n\ndata: b" }))));
        assert_eq!(told.lines().count(), 3);
    }
}
