//! What comes from outside: people who ask, leave, edit the file and send signals; strangers' children.

use visor::config::Signal;
use visor::protocol::Line;
use visor::supervisor::{Ask, ClientId, Input, LogPaths, Phase, ProcessId, Surroundings, Traffic};

use std::time::Duration;

use crate::checks::{Broken, Open};
use crate::settings::{self, GROUPS};
use crate::world::World;

/// Clients that wait at once, at most.
const MAX_CLIENTS: usize = 6;
struct Nowhere;

impl Surroundings for Nowhere {
    fn stamp(&self, _: Duration) -> String {
        "Nov 22 11:22 AM".to_string()
    }

    fn log_paths(&self, _: ProcessId) -> LogPaths {
        LogPaths::default()
    }

    fn traffic(&self, _: ProcessId) -> Traffic {
        Traffic::default()
    }
}

impl World {
    /// Something from outside.
    pub(crate) fn disturb(&mut self) -> Broken {
        match self.rng.below(100) {
            0..=54 => self.ask(),
            55..=62 => self.vanish(),
            63..=66 => self.feed(Input::ReloadSignal),
            67..=74 => {
                self.file = settings::edited(&mut self.rng, &self.file);
                Ok(())
            }
            75..=84 => {
                self.kernel.orphan(&mut self.rng, self.mono);
                Ok(())
            }
            85..=88 => self.feed(Input::Deadline),
            89..=90 => self.feed(Input::ClockLookedAt),
            91..=98 => {
                self.look();
                Ok(())
            }
            _ => self.go_down(),
        }
    }

    pub(crate) fn go_down(&mut self) -> Broken {
        let may_ask = self.watch.open.len() < MAX_CLIENTS && self.sup.phase() == Phase::Running;
        if may_ask && self.rng.chance(30) {
            return self.ask_as(Ask::Shutdown);
        }
        let signal = self.rng.pick(&[Signal(15), Signal(2), Signal(3)]);
        self.feed(Input::StopSignal(signal))
    }

    fn names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..=self.rng.below(3) {
            let group = self.rng.pick(&GROUPS);
            names.push(match self.rng.below(10) {
                0 => "all".to_string(),
                1..=2 => format!("{group}:*"),
                3 => format!("{group}:"),
                4 => group.to_string(),
                5 => "nobody".to_string(),
                _ => format!("{group}:{group}-{}", self.rng.below(3)),
            });
        }
        names
    }

    fn groups(&mut self) -> Vec<String> {
        (0..self.rng.below(3)).map(|_| self.rng.pick(&GROUPS).to_string()).collect()
    }

    pub(crate) fn ask(&mut self) -> Broken {
        let names = self.names();
        let groups = self.groups();
        let wait = self.rng.chance(80);
        let ask = match self.rng.below(22) {
            0..=4 => Ask::Start { names, wait },
            5..=9 => Ask::Stop { names, wait },
            10..=12 => Ask::Restart(names),
            13 => Ask::Reread,
            14..=15 => Ask::Update(groups),
            16 => Ask::Add(groups),
            17 => Ask::Remove(groups),
            18 => Ask::Reload,
            19 => Ask::Preview(groups),
            20 if self.scales => Ask::Scale { program: self.rng.pick(&GROUPS).to_string(), count: 2 },
            21..=22 => Ask::ReloadProgram(names),
            _ => Ask::Update(vec!["all".to_string()]),
        };
        self.ask_as(ask)
    }

    pub(crate) fn ask_as(&mut self, ask: Ask) -> Broken {
        if self.watch.open.len() >= MAX_CLIENTS {
            return Ok(());
        }
        let client = ClientId(self.next_client);
        self.next_client += 1;
        self.watch.open.insert(client, Open::new(ask.clone(), &self.sup));
        self.feed(Input::Ask(client, ask))
    }

    fn vanish(&mut self) -> Broken {
        let open: Vec<ClientId> = self.watch.open.keys().copied().collect();
        if open.is_empty() {
            return Ok(());
        }
        let client = self.rng.pick(&open);
        self.watch.open.remove(&client);
        self.feed(Input::ClientGone(client))
    }

    /// Every view, to see that none of them trips.
    fn look(&mut self) {
        let names = self.names();
        let mut status = Vec::new();
        self.sup.status(&[], self.now(), &Nowhere, &mut status);
        self.sup.status(&names, self.now(), &Nowhere, &mut status);
        let mut lines = 0;
        let mut count = |_: Line| lines += 1;
        self.sup.configuration(&mut count);
        for name in &names {
            assert!(!self.sup.why(name, self.now()).is_empty());
        }
        assert!(!self.sup.ready(&names).is_empty());
    }
}
