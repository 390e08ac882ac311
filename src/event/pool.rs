//! Events that wait for a listener of one pool.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Event, Kind};

/// An event on its way to a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The same in all pools.
    pub serial: u64,
    /// Counted for this pool.
    pub pool_serial: u64,
    /// What happened.
    pub kind: Kind,
    /// Its payload. Shared by all pools.
    pub payload: Arc<[u8]>,
}

impl Envelope {
    /// The bytes a listener reads: a header line and the payload.
    #[must_use]
    pub fn bytes(&self, identifier: &str, pool: &str) -> Vec<u8> {
        let mut out = format!(
            "ver:3.0 server:{identifier} serial:{} pool:{pool} poolserial:{} eventname:{} len:{}\n",
            self.serial,
            self.pool_serial,
            self.kind.name(),
            self.payload.len()
        )
        .into_bytes();
        out.extend_from_slice(&self.payload);
        out
    }
}

/// The queue of a pool of listeners.
#[derive(Debug)]
pub struct Pool {
    wanted: Vec<String>,
    limit: usize,
    queue: VecDeque<Envelope>,
    next_serial: u64,
    lost: u64,
}

impl Pool {
    /// A pool that hears of `wanted` types and keeps `limit` events (at least one).
    #[must_use]
    pub fn new(wanted: Vec<String>, limit: i64) -> Pool {
        Pool { wanted, limit: at_least_one(limit), queue: VecDeque::new(), next_serial: 0, lost: 0 }
    }

    /// Whether it wants an event of this type.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        self.wanted.iter().any(|wanted| kind.is_of(wanted))
    }

    /// Adds an event; answers the one that had to go for it, or itself when all others weigh more.
    pub fn push(&mut self, serial: u64, event: &Event, payload: &Arc<[u8]>) -> Option<Envelope> {
        let pool_serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let envelope = Envelope { serial, pool_serial, kind: event.kind(), payload: Arc::clone(payload) };
        match self.make_room(envelope.kind) {
            Room::None => Some(envelope),
            Room::For(dropped) => {
                self.queue.push_back(envelope);
                dropped
            }
        }
    }

    /// Puts an event back that was not done with; it is the next to go out. Answers as [`Pool::push`].
    pub fn put_back(&mut self, envelope: Envelope) -> Option<Envelope> {
        match self.make_room(envelope.kind) {
            Room::None => Some(envelope),
            Room::For(dropped) => {
                self.queue.push_front(envelope);
                dropped
            }
        }
    }

    /// The pool's settings changed; what waits and is still wanted goes on waiting. Answers what had to go.
    pub fn resettle(&mut self, wanted: Vec<String>, limit: i64) -> Vec<Envelope> {
        self.wanted = wanted;
        self.limit = at_least_one(limit);
        let queue = std::mem::take(&mut self.queue);
        self.queue = queue.into_iter().filter(|envelope| self.wants(envelope.kind)).collect();
        let mut dropped = Vec::new();
        while self.queue.len() > self.limit {
            self.lost = self.lost.saturating_add(1);
            let victim = self.lightest().unwrap_or(0);
            dropped.extend(self.queue.remove(victim));
        }
        dropped
    }

    /// The next event to go out.
    pub fn pop(&mut self) -> Option<Envelope> {
        self.queue.pop_front()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Events that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Most events that may wait.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Events that were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// On a full queue the oldest event goes, but no change of state as long as there is anything else: not even for
    /// the event that room is made for.
    fn make_room(&mut self, coming: Kind) -> Room {
        if self.queue.len() < self.limit {
            return Room::For(None);
        }
        self.lost = self.lost.saturating_add(1);
        match self.lightest() {
            Some(victim) => Room::For(self.queue.remove(victim)),
            None if coming.is_state() => Room::For(self.queue.pop_front()),
            None => Room::None,
        }
    }

    /// The oldest that is no change of state.
    fn lightest(&self) -> Option<usize> {
        self.queue.iter().position(|envelope| !envelope.kind.is_state())
    }
}

/// Whether an event finds room.
enum Room {
    /// Yes, and this one had to go for it.
    For(Option<Envelope>),
    /// No: all that wait weigh more.
    None,
}

fn at_least_one(limit: i64) -> usize {
    usize::try_from(limit).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Period;

    fn pool(limit: i64) -> Pool {
        Pool::new(vec!["EVENT".to_owned()], limit)
    }

    fn tick(when: u64) -> Event {
        Event::Tick { period: Period::Five, when }
    }

    fn push(pool: &mut Pool, serial: u64, event: &Event) -> Option<u64> {
        pool.push(serial, event, &Arc::from(event.payload())).map(|envelope| envelope.serial)
    }

    #[test]
    fn full_queue_drops_the_oldest_and_counts() {
        let mut pool = pool(2);
        assert_eq!(push(&mut pool, 0, &tick(0)), None);
        assert_eq!(push(&mut pool, 1, &tick(5)), None);
        assert_eq!(push(&mut pool, 2, &tick(10)), Some(0));
        assert_eq!(pool.lost(), 1);
        assert_eq!(pool.pop().map(|envelope| envelope.pool_serial), Some(1));
    }

    #[test]
    fn state_changes_outlive_everything_else() {
        let mut pool = pool(2);
        push(&mut pool, 0, &Event::SupervisorRunning);
        push(&mut pool, 1, &tick(5));
        assert_eq!(push(&mut pool, 2, &tick(10)), Some(1));
        assert_eq!(push(&mut pool, 3, &Event::SupervisorStopping), Some(2));
        assert_eq!(push(&mut pool, 4, &Event::GroupAdded { group: "g".to_owned() }), Some(0));
    }

    #[test]
    fn full_of_state_changes_nothing_else_gets_in() {
        let mut pool = pool(2);
        push(&mut pool, 0, &Event::SupervisorRunning);
        push(&mut pool, 1, &tick(5));
        let tick_5 = pool.queue.remove(1).unwrap();
        push(&mut pool, 2, &Event::SupervisorStopping);
        assert_eq!(push(&mut pool, 3, &tick(10)), Some(3));
        assert_eq!(pool.put_back(tick_5).map(|envelope| envelope.serial), Some(1));
        assert_eq!(pool.lost(), 2);
        assert_eq!(pool.pop().map(|envelope| envelope.serial), Some(0));
        assert_eq!(pool.pop().map(|envelope| envelope.serial), Some(2));
    }

    #[test]
    fn changed_pool_keeps_what_it_still_wants_and_has_room_for() {
        let mut pool = pool(9);
        push(&mut pool, 0, &Event::SupervisorRunning);
        push(&mut pool, 1, &tick(5));
        push(&mut pool, 2, &Event::Remote { kind: "t".to_owned(), data: Vec::new() });
        push(&mut pool, 3, &tick(10));
        let dropped = pool.resettle(vec!["TICK".to_owned(), "SUPERVISOR_STATE_CHANGE".to_owned()], 2);
        assert_eq!(dropped.iter().map(|envelope| envelope.serial).collect::<Vec<_>>(), [1]);
        assert_eq!(pool.lost(), 1);
        assert_eq!(pool.pop().map(|envelope| envelope.serial), Some(0));
        assert_eq!(pool.pop().map(|envelope| envelope.serial), Some(3));
        assert_eq!(push(&mut pool, 4, &tick(15)), None);
        assert_eq!(pool.pop().map(|envelope| envelope.pool_serial), Some(4));
    }

    #[test]
    fn event_put_back_is_the_next() {
        let mut pool = pool(3);
        push(&mut pool, 0, &tick(0));
        push(&mut pool, 1, &tick(5));
        let first = pool.pop().unwrap();
        assert_eq!(pool.put_back(first), None);
        assert_eq!(pool.pop().map(|envelope| envelope.serial), Some(0));
    }

    #[test]
    fn header_counts_bytes_not_characters() {
        let event = Event::Remote { kind: "é".to_owned(), data: Vec::new() };
        let mut pool = pool(1);
        push(&mut pool, 7, &event);
        let bytes = pool.pop().unwrap().bytes("supervisor", "l");
        let head = "ver:3.0 server:supervisor serial:7 pool:l poolserial:0 eventname:REMOTE_COMMUNICATION len:8\n";
        assert_eq!(bytes, [head.as_bytes(), "type:é\n".as_bytes()].concat());
    }

    #[test]
    fn subscription_to_a_family_covers_its_members() {
        let pool = Pool::new(vec!["PROCESS_STATE".to_owned(), "TICK_60".to_owned()], 1);
        assert!(pool.wants(Kind::ProcessState(crate::program::Name::Fatal)));
        assert!(pool.wants(Kind::Tick(Period::Minute)));
        assert!(!pool.wants(Kind::Tick(Period::Five)));
        assert!(!pool.wants(Kind::Remote));
    }
}
