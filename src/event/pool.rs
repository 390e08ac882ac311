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

    /// From now on it hears of `wanted` types and keeps `limit` events; those beyond are lost.
    pub fn change(&mut self, wanted: Vec<String>, limit: i64) {
        self.wanted = wanted;
        self.limit = at_least_one(limit);
        while self.queue.len() > self.limit {
            self.make_room();
        }
    }

    /// Whether it wants an event of this type.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        self.wanted.iter().any(|wanted| kind.is_of(wanted))
    }

    /// Adds an event; answers the one that had to go for it.
    pub fn push(&mut self, serial: u64, event: &Event, payload: &Arc<[u8]>) -> Option<Envelope> {
        let dropped = self.make_room();
        let pool_serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        self.queue.push_back(Envelope { serial, pool_serial, kind: event.kind(), payload: Arc::clone(payload) });
        dropped
    }

    /// Puts an event back that was not done with; it is the next to go out. Answers the one that had to go for it.
    pub fn put_back(&mut self, envelope: Envelope) -> Option<Envelope> {
        let dropped = self.make_room();
        self.queue.push_front(envelope);
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

    /// On a full queue the oldest event goes, but no change of state as long as there is anything else.
    fn make_room(&mut self) -> Option<Envelope> {
        if self.queue.len() < self.limit {
            return None;
        }
        self.lost = self.lost.saturating_add(1);
        let victim = self.queue.iter().position(|envelope| !envelope.kind.is_state()).unwrap_or(0);
        self.queue.remove(victim)
    }
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
    fn event_put_back_is_the_next() {
        let mut pool = pool(3);
        push(&mut pool, 0, &tick(0));
        push(&mut pool, 1, &tick(5));
        let first = pool.pop().unwrap();
        assert_eq!(pool.put_back(first), None);
        assert_eq!(pool.pop().map(|envelope| envelope.serial), Some(0));
    }

    #[test]
    fn change_of_settings_keeps_what_waits_as_far_as_there_is_room() {
        let mut pool = pool(3);
        for serial in 0..3 {
            push(&mut pool, serial, &tick(serial));
        }
        pool.change(vec!["TICK_60".to_owned()], 2);
        assert!(!pool.wants(Kind::Tick(Period::Five)));
        assert_eq!((pool.lost(), pool.limit()), (1, 2));
        assert_eq!(pool.pop().map(|envelope| (envelope.serial, envelope.pool_serial)), Some((1, 1)));
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
