//! Pools of listeners that answer, reject, break the protocol and die at any moment: every event is done with exactly
//! once, or lost and counted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use visor::config::{AutoRestart, Group, GroupKind, Process};
use visor::event::Event;
use visor::program::{Exit, Input as Happened, Now};
use visor::supervisor::{Action, Input, ProcessId, Supervisor};

use crate::rng::Rng;
use crate::settings;

/// Seeds of a run.
const SEEDS: u64 = 300;
/// Things that happen in each.
const TURNS: usize = 400;

/// What a listener is, as it knows itself.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Talk {
    Silent,
    Ready,
    Busy(u64),
    Broken,
}

struct Bench {
    rng: Rng,
    sup: Supervisor,
    now: Duration,
    queue: VecDeque<Action>,
    talks: BTreeMap<ProcessId, (i32, Talk)>,
    next_pid: i32,
    issued: u64,
    done: BTreeSet<u64>,
    told_lost: u64,
    /// Stdins may be found closed.
    closes: bool,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let mut rng = Rng::new(seed);
        let count = 1 + rng.below(3);
        let listener = |rng: &mut Rng, number: usize| {
            let any = settings::process(rng, "pool", format!("l_{number}"));
            let (startsecs, autorestart) = (0, AutoRestart::Always);
            Arc::new(Process {
                autostart: true,
                checks: None,
                hooks: None,
                startsecs,
                autorestart,
                startretries: 1000,
                ..any
            })
        };
        let processes = (0..count).map(|number| listener(&mut rng, number)).collect();
        let events = vec!["REMOTE_COMMUNICATION".to_owned()];
        let kind =
            GroupKind::EventListener { events, buffer_size: rng.pick(&[1, 3, 1000]), result_handler: String::new() };
        let group = Group { name: "pool".to_owned(), priority: -1, kind, processes };
        let mut out = Vec::new();
        let sup = Supervisor::new(Arc::new(settings::config(vec![group])), &mut out);
        Bench {
            rng,
            sup,
            now: Duration::from_secs(1),
            queue: VecDeque::new(),
            talks: BTreeMap::new(),
            next_pid: 100,
            issued: 0,
            done: BTreeSet::new(),
            told_lost: 0,
            closes: true,
        }
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.sup.handle(input, Now { mono: self.now, wall: self.now }, &mut out);
        self.queue.extend(out);
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.queue.pop_front() {
            match action {
                Action::Spawn(id) => {
                    let pid = self.next_pid;
                    self.next_pid += 1;
                    self.talks.insert(id, (pid, Talk::Silent));
                    self.feed(Input::Process(id, Happened::Spawned { pid }));
                    self.feed(Input::Process(id, Happened::Execed));
                }
                Action::Deliver(id, bytes) => self.deliver(id, &bytes),
                Action::Log(_, text) => self.told_lost += lost(&text),
                _ => {}
            }
        }
    }

    fn deliver(&mut self, id: ProcessId, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        let number: u64 = text.rsplit('\n').next().unwrap().parse().unwrap();
        assert!(!self.done.contains(&number), "{number} comes again");
        match self.talks.get(&id) {
            // It died before the bytes were written.
            None | Some((_, Talk::Silent)) => self.feed(Input::NotDelivered(id)),
            Some((_, Talk::Ready)) if self.closes && self.rng.chance(5) => {
                self.set(id, Talk::Broken);
                self.feed(Input::NotDelivered(id));
            }
            Some((_, Talk::Ready)) => {
                let held = self.talks.values().any(|(_, talk)| *talk == Talk::Busy(number));
                assert!(!held, "{number} is with two");
                self.set(id, Talk::Busy(number));
            }
            Some((_, talk @ (Talk::Busy(_) | Talk::Broken))) => panic!("an event for one that is {talk:?}"),
        }
    }

    fn set(&mut self, id: ProcessId, talk: Talk) {
        self.talks.get_mut(&id).unwrap().1 = talk;
    }

    fn say(&mut self, id: ProcessId, text: &str) {
        // Sometimes in two pieces.
        let at = if self.rng.chance(30) { self.rng.below(text.len()) } else { 0 };
        let (first, second) = text.as_bytes().split_at(at);
        for piece in [first, second].into_iter().filter(|piece| !piece.is_empty()) {
            self.feed(Input::ListenerSaid(id, piece.to_vec()));
        }
    }

    fn die(&mut self, id: ProcessId) {
        let Some((pid, _)) = self.talks.remove(&id) else { return };
        self.feed(Input::Died { pid, exit: Exit::Code(1) });
    }

    fn issue(&mut self) {
        let data = format!("{}", self.issued).into_bytes();
        self.issued += 1;
        self.feed(Input::Happened(Event::Remote { kind: "n".to_owned(), data }));
    }

    /// One listener goes on as it should.
    fn behave(&mut self, id: ProcessId) {
        match self.talks.get(&id).map(|(_, talk)| *talk) {
            Some(Talk::Silent) => {
                self.set(id, Talk::Ready);
                self.say(id, "READY\n");
            }
            Some(Talk::Busy(number)) => {
                assert!(self.done.insert(number), "{number} is done with twice");
                self.set(id, Talk::Silent);
                self.say(id, "RESULT 2\nOK");
            }
            Some(Talk::Broken) => self.die(id),
            Some(Talk::Ready) | None => {}
        }
    }

    fn turn(&mut self) {
        self.now += self.rng.millis(0, 400);
        let ids: Vec<ProcessId> = self.sup.members("pool").to_vec();
        let id = self.rng.pick(&ids);
        let talk = self.talks.get(&id).map(|(_, talk)| *talk);
        match (self.rng.below(100), talk) {
            (0..=29, _) => self.issue(),
            (30..=79, _) => self.behave(id),
            (80..=89, Some(Talk::Busy(_))) => {
                self.set(id, Talk::Silent);
                self.say(id, "RESULT 4\nFAIL");
            }
            (90..=93, Some(Talk::Silent | Talk::Busy(_))) => {
                self.set(id, Talk::Broken);
                self.say(id, "this is rubbish\n");
            }
            (94..=96, Some(_)) => self.die(id),
            _ => self.feed(Input::Deadline),
        }
        if self.rng.chance(70) {
            self.carry_out();
        }
    }

    fn run(&mut self) {
        self.feed(Input::Boot);
        for _ in 0..TURNS {
            self.turn();
        }
        self.closes = false;
        let ids: Vec<ProcessId> = self.sup.members("pool").to_vec();
        self.carry_out();
        // At most as many events as were issued are left, each a few words apart.
        for _ in 0..10 * TURNS {
            for id in &ids {
                self.behave(*id);
                self.carry_out();
            }
            self.now += Duration::from_secs(1);
            self.feed(Input::Deadline);
            self.carry_out();
            if self.settled(&ids) {
                return;
            }
        }
        panic!("it does not settle: {:?}", self.talks);
    }

    fn settled(&self, ids: &[ProcessId]) -> bool {
        let facts = self.sup.listener(ids[0]).unwrap();
        let idle = self.talks.len() == ids.len() && self.talks.values().all(|(_, talk)| *talk == Talk::Ready);
        facts.waiting == 0 && idle
    }

    fn check(&self) {
        let id = self.sup.members("pool")[0];
        let lost = self.sup.listener(id).unwrap().lost;
        let done = u64::try_from(self.done.len()).unwrap();
        assert_eq!(done + lost, self.issued, "{done} are done with, {lost} lost");
        assert_eq!(self.told_lost, lost, "the log tells of every loss");
    }
}

/// How many losses a line of the log tells of.
fn lost(text: &str) -> u64 {
    let Some((_, rest)) = text.split_once("event buffer overflowed, discarding event ") else { return 0 };
    let others = rest.split_once(" and ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
    1 + others.unwrap_or(0)
}

#[test]
fn events_are_done_with_once_or_lost_and_counted_whatever_listeners_do() {
    let mut events = 0;
    for seed in 1..=SEEDS {
        let result = std::panic::catch_unwind(|| {
            let mut bench = Bench::new(seed);
            bench.run();
            bench.check();
            bench.issued
        });
        events += result.unwrap_or_else(|_| panic!("seed {seed} (see above)"));
    }
    println!("{SEEDS} seeds, {events} events");
}
