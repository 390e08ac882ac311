//! Events and who hears of them: pools of listeners, their queues, ticks.
//!
//! One event is with one listener at a time; what a listener does not finish, for whatever reason, comes back to the head
//! of its pool's queue.

use std::sync::Arc;
use std::time::Duration;

use super::table::ProcessId;
use super::{Action, Supervisor};
use crate::config::{Group, GroupKind, LogLevel};
use crate::event::{Envelope, Event, Heard, Kind, Listener, Outcome, Period, Pool};
use crate::list::List as _;
use crate::program::{Name, Now};
use crate::sorted::Map;

/// How long the wall clock is left unlooked at while somebody wants ticks: it may be set forward.
const LONGEST_TICK_WAIT: Duration = Duration::from_secs(60);

/// All pools and listeners.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pools: Map<String, Pool>,
    talks: Map<ProcessId, Talk>,
    /// What visor is called in headers.
    pub(super) identifier: String,
    next_serial: u64,
    /// Slots of the wall clock that were told last.
    slots: Map<Period, u64>,
    tick_at: Option<Duration>,
    /// Of pools that overflowed a short while ago.
    losses: Map<String, Loss>,
    /// Events lost by pools that are gone.
    lost_before: u64,
}

/// How often the log tells of the losses of one pool: who cannot keep up must not fill the log, too.
const LOSS_PAUSE: Duration = Duration::from_secs(1);

/// Events that a pool lost.
#[derive(Debug, Default)]
struct Loss {
    /// The last one's serial.
    last: u64,
    /// How many the log does not tell of yet.
    untold: u64,
    /// When it may tell again.
    again_at: Duration,
}

/// The talk with one listener.
#[derive(Debug)]
struct Talk {
    pool: String,
    name: String,
    listener: Listener,
    /// What it is busy with.
    event: Option<Envelope>,
}

/// What is known of a listener, for who looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerFacts {
    /// The original's name of its state.
    pub state: &'static str,
    /// Events that wait in its pool.
    pub waiting: usize,
    /// Events that its pool lost.
    pub lost: u64,
}

impl Listeners {
    /// When the next tick is due, or the log is to tell of losses.
    pub fn deadline(&self) -> Option<Duration> {
        let untold = self.losses.values().filter(|loss| loss.untold > 0).map(|loss| loss.again_at).min();
        [self.tick_at, untold].into_iter().flatten().min()
    }

    fn tick_is_due(&self, now: Now) -> bool {
        self.tick_at.is_some_and(|at| at <= now.mono)
    }

    pub fn add(&mut self, group: &Group, ids: &[ProcessId]) {
        let Some((events, buffer_size)) = gathered(group) else { return };
        self.pools.insert_new(group.name.clone(), || Pool::new(events, buffer_size));
        for (id, process) in ids.iter().zip(&group.processes) {
            self.add_one(&group.name, *id, process.name.clone());
        }
    }

    pub fn add_one(&mut self, pool: &str, id: ProcessId, name: String) {
        if self.pools.contains_key(pool) {
            let talk = Talk { pool: pool.to_owned(), name, listener: Listener::new(), event: None };
            self.talks.insert(id, talk);
        }
    }

    /// A group's settings changed.
    pub fn replace_pool(&mut self, group: &Group) {
        let Some((events, buffer_size)) = gathered(group) else {
            self.remove_pool(&group.name);
            return;
        };
        match self.pools.get_mut(&group.name) {
            Some(pool) => {
                for dropped in pool.resettle(events, buffer_size) {
                    lose(&mut self.losses, &group.name, &dropped);
                }
            }
            None => {
                self.pools.insert(group.name.clone(), Pool::new(events, buffer_size));
            }
        }
    }

    pub fn remove_pool(&mut self, group: &str) {
        if let Some(pool) = self.pools.remove(group) {
            self.lost_before = self.lost_before.saturating_add(pool.lost());
        }
    }

    pub fn remove(&mut self, id: ProcessId) {
        self.talks.remove(&id);
    }

    fn wants(&self, kind: Kind) -> bool {
        self.pools.values().any(|pool| pool.wants(kind))
    }
}

impl Supervisor {
    /// The talk with a listener, as far as it is one.
    #[must_use]
    pub fn listener(&self, id: ProcessId) -> Option<ListenerFacts> {
        let talk = self.listeners.talks.get(&id)?;
        let pool = self.listeners.pools.get(&talk.pool)?;
        Some(ListenerFacts { state: talk.listener.word(), waiting: pool.len(), lost: pool.lost() })
    }

    /// Events that pools lost, all together and ever.
    #[must_use]
    pub fn events_lost(&self) -> u64 {
        self.listeners.pools.values().fold(self.listeners.lost_before, |sum, pool| sum.saturating_add(pool.lost()))
    }

    /// Whether what a process writes to its stdout is a talk that somebody still follows.
    #[must_use]
    pub fn listens_to(&self, id: ProcessId) -> bool {
        self.listeners.talks.get(&id).is_some_and(|talk| !talk.listener.is_unknown())
    }

    /// Something happened: watchers and pools hear of it.
    pub(super) fn publish(&mut self, event: Event, out: &mut Vec<Action>) {
        let kind = event.kind();
        if self.listeners.wants(kind) {
            let payload: Arc<[u8]> = Arc::from(event.payload());
            let serial = self.listeners.next_serial;
            self.listeners.next_serial = serial.wrapping_add(1);
            for (name, pool) in self.listeners.pools.iter_mut().filter(|(_, pool)| pool.wants(kind)) {
                if let Some(dropped) = pool.push(serial, &event, &payload) {
                    lose(&mut self.listeners.losses, name, &dropped);
                }
            }
        }
        out.push(Action::Event(event));
    }

    /// A process that may be a listener changed its state.
    pub(super) fn listener_changed(&mut self, id: ProcessId, to: Name, out: &mut Vec<Action>) {
        match to {
            Name::Starting => {
                if let Some(talk) = self.listeners.talks.get_mut(&id) {
                    talk.listener = Listener::new();
                }
            }
            // It is dead: what it held goes to another.
            Name::Stopped | Name::Exited | Name::Backoff | Name::Fatal => self.take_back(id, out),
            Name::Running | Name::Stopping | Name::Unknown => {}
        }
    }

    /// A listener wrote to its stdout.
    pub(super) fn listener_said(&mut self, id: ProcessId, bytes: &[u8], out: &mut Vec<Action>) {
        let Some(talk) = self.listeners.talks.get_mut(&id) else { return };
        let mut heard = Vec::new();
        talk.listener.hear(bytes, &mut |what| heard.push(what));
        for what in heard {
            self.listener_heard(id, what, out);
        }
    }

    fn listener_heard(&mut self, id: ProcessId, what: Heard, out: &mut Vec<Action>) {
        let Some(talk) = self.listeners.talks.get_mut(&id) else { return };
        let name = talk.name.clone();
        let chatty = self.adopted.daemon.loglevel >= LogLevel::Debug;
        match what {
            Heard::Changed(from, to) => {
                if chatty {
                    out.push(Action::Log(LogLevel::Debug, format!("{name}: {from} -> {to}")));
                }
                if talk.listener.is_unknown() && to == talk.listener.word() {
                    let text = format!(
                        "{name}: has entered the UNKNOWN state and will no longer receive events, this usually indicates the \
                         process violated the eventlistener protocol"
                    );
                    out.push(Action::Log(LogLevel::Warn, text));
                }
            }
            Heard::Answered(Outcome::Processed) => {
                talk.event = None;
                if chatty {
                    out.push(Action::Log(LogLevel::Debug, format!("{name}: event was processed")));
                }
            }
            Heard::Answered(Outcome::Rejected) => {
                out.push(Action::Log(LogLevel::Warn, format!("{name}: event was rejected")));
                self.take_back(id, out);
            }
            Heard::Broke(text) => {
                if let Some(text) = text {
                    out.push(Action::Log(LogLevel::Warn, format!("{name}: {text}")));
                }
                self.take_back(id, out);
            }
        }
    }

    /// An event did not reach its listener, whose stdin is closed. It will not get another before it is started again.
    pub(super) fn not_delivered(&mut self, id: ProcessId, out: &mut Vec<Action>) {
        let Some(talk) = self.listeners.talks.get(&id) else { return };
        if let Some(event) = &talk.event {
            let text = format!(
                "epipe occurred while sending event {} to listener {}: its stdin is closed, it gets no more events before it \
                 is started again",
                event.serial, talk.name
            );
            out.push(Action::Log(LogLevel::Warn, text));
        }
        self.take_back(id, out);
    }

    /// What a listener holds goes back to the head of its pool's queue.
    fn take_back(&mut self, id: ProcessId, out: &mut Vec<Action>) {
        let Some(talk) = self.listeners.talks.get_mut(&id) else { return };
        let Some(event) = talk.event.take() else { return };
        let Some(pool) = self.listeners.pools.get_mut(&talk.pool) else { return };
        let text = format!(
            "rebuffering event {} for pool {} (buf size={}, max={})",
            event.serial,
            talk.pool,
            pool.len(),
            pool.limit()
        );
        out.push(Action::Log(LogLevel::Debug, text));
        if let Some(dropped) = pool.put_back(event) {
            lose(&mut self.listeners.losses, &talk.pool, &dropped);
        }
    }

    /// Sends what waits to who is ready.
    pub(super) fn dispatch(&mut self, out: &mut Vec<Action>) {
        // Thousands of events a second leave no time for words that nobody hears.
        let chatty = self.adopted.daemon.loglevel >= LogLevel::Debug;
        let identifier = &self.listeners.identifier;
        for (pool_name, pool) in self.listeners.pools.iter_mut().filter(|(_, pool)| !pool.is_empty()) {
            for id in self.table.members(pool_name) {
                let runs = self.table.entry(*id).is_some_and(|entry| entry.life.state.name() == Name::Running);
                let Some(talk) = self.listeners.talks.get_mut(id) else { continue };
                if !runs || !talk.listener.is_ready() {
                    continue;
                }
                let Some(event) = pool.pop() else { break };
                talk.listener.send();
                if chatty {
                    let text = format!("event {} sent to listener {}", event.serial, talk.name);
                    out.push(Action::Log(LogLevel::Debug, text));
                }
                out.push(Action::Deliver(*id, event.bytes(identifier, pool_name)));
                talk.event = Some(event);
            }
        }
    }

    /// Tells the log what pools have lost, each at most once in [`LOSS_PAUSE`].
    pub(super) fn tell_losses(&mut self, now: Now, out: &mut Vec<Action>) {
        self.listeners.losses.retain(|pool, loss| {
            if now.mono < loss.again_at {
                return true;
            }
            let others = match loss.untold {
                0 => return false,
                1 => String::new(),
                more => format!(" and {} more before it", more.saturating_sub(1)),
            };
            let text = format!("pool {pool} event buffer overflowed, discarding event {}{others}", loss.last);
            out.push(Action::Log(LogLevel::Error, text));
            *loss = Loss { last: loss.last, untold: 0, again_at: now.mono.saturating_add(LOSS_PAUSE) };
            true
        });
    }

    /// The wall clock is looked at only while a pool wants ticks.
    pub(super) fn tick_if_due(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.listeners.tick_is_due(now) {
            self.tick(now, out);
        }
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        let wanted: Vec<Period> =
            Period::ALL.into_iter().filter(|period| self.listeners.wants(Kind::Tick(*period))).list();
        self.listeners.slots.retain(|period, _| wanted.contains(period));
        for period in &wanted {
            let slot = now.wall.as_secs() / period.seconds();
            let told = self.listeners.slots.insert(*period, slot);
            if told.is_some_and(|told| told != slot) {
                let when = slot.saturating_mul(period.seconds());
                self.publish(Event::Tick { period: *period, when }, out);
            }
        }
        let next = wanted.into_iter().map(|period| until_next(period, now.wall).min(LONGEST_TICK_WAIT)).min();
        self.listeners.tick_at = next.map(|wait| now.mono.saturating_add(wait));
    }

    /// Begins or ends to look at the clock when pools come and go.
    pub(super) fn tick_as_wanted(&mut self, now: Now, out: &mut Vec<Action>) {
        let wanted = Period::ALL.into_iter().any(|period| self.listeners.wants(Kind::Tick(period)));
        if wanted != self.listeners.tick_at.is_some() {
            self.tick(now, out);
        }
    }
}

/// What a group's pool gathers, and how much of it: nothing for a listener whose work visor does, as nobody would take it.
fn gathered(group: &Group) -> Option<(Vec<String>, i64)> {
    let GroupKind::EventListener { events, buffer_size, .. } = &group.kind else { return None };
    let replaced = group.processes.iter().any(|process| process.is_replaced());
    Some((if replaced { Vec::new() } else { events.clone() }, *buffer_size))
}

/// How long until the wall clock passes the next multiple of a period.
fn until_next(period: Period, wall: Duration) -> Duration {
    let slot = wall.as_secs() / period.seconds();
    let next = Duration::from_secs(slot.saturating_add(1).saturating_mul(period.seconds()));
    next.saturating_sub(wall)
}

fn lose(losses: &mut Map<String, Loss>, pool: &str, dropped: &Envelope) {
    losses.change(pool.to_owned(), |loss| {
        loss.last = dropped.serial;
        loss.untold = loss.untold.saturating_add(1);
    });
}
