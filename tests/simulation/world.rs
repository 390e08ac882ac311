//! One run: the supervisor, the kernel, the clients, the configuration, and a small daemon between them that carries out actions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use visor::config::{Group, Signal};
use visor::program::{Input as Happened, Now};
use visor::protocol::Line;
use visor::supervisor::{Action, Ask, ClientId, Input, JobId, LogPaths, Phase, ProcessId, Supervisor, Surroundings};

use crate::checks::{Broken, Open, Watch};
use crate::kernel::Kernel;
use crate::rng::Rng;
use crate::settings::{self, GROUPS};

/// Clients that wait at once, at most.
const MAX_CLIENTS: usize = 6;
/// Invented time in which everything comes to rest when nobody disturbs.
const REST: Duration = Duration::from_secs(300);
/// Deadlines that may follow each other without time passing.
const MAX_AT_ONCE: usize = 100;

/// One run.
pub struct World {
    rng: Rng,
    mono: Duration,
    wall: Duration,
    kernel: Kernel,
    sup: Supervisor,
    watch: Watch,
    queue: VecDeque<Action>,
    /// What the file says now.
    file: Vec<Group>,
    reads: Vec<JobId>,
    next_client: u64,
    turns: u64,
    trace: bool,
}

struct Nowhere;

impl Surroundings for Nowhere {
    fn stamp(&self, _: Duration) -> String {
        "Nov 22 11:22 AM".to_string()
    }

    fn log_paths(&self, _: ProcessId) -> LogPaths {
        LogPaths::default()
    }
}

impl World {
    pub fn new(seed: u64, trace: bool) -> World {
        let mut rng = Rng::new(seed);
        let file = settings::groups(&mut rng);
        let mut out = Vec::new();
        let sup = Supervisor::new(Arc::new(settings::config(file.clone())), &mut out);
        World {
            rng,
            mono: Duration::from_secs(1000),
            wall: Duration::from_secs(1_700_000_000),
            kernel: Kernel::default(),
            sup,
            watch: Watch::default(),
            queue: out.into(),
            file,
            reads: Vec::new(),
            next_client: 0,
            turns: 0,
            trace,
        }
    }

    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// A whole life, from boot to the end.
    pub fn run(&mut self) -> Broken {
        let added: Vec<Action> = self.queue.drain(..).collect();
        self.watch.observe(&self.sup, &self.kernel, &added, self.mono)?;
        self.feed(Input::Boot)?;
        let turns = 20 + self.rng.below(150);
        for _ in 0..turns {
            if self.rng.chance(60) {
                self.disturb()?;
            }
            self.turn()?;
        }
        if self.sup.phase() == Phase::Running && self.rng.chance(70) {
            self.come_to_rest()?;
        }
        if self.sup.phase() == Phase::Running {
            self.go_down()?;
        }
        let patience = self.mono + REST;
        while self.sup.phase() != Phase::Gone {
            if self.mono > patience {
                let states: Vec<_> = self.sup.entries().map(|(id, entry)| (id, &entry.life.state)).collect();
                return Err(format!("it does not leave: {states:?}"));
            }
            self.turn()?;
        }
        self.carry_out_all()?;
        self.watch.after_leave(&self.sup, &self.kernel)?;
        self.ask_in_vain()
    }

    fn now(&self) -> Now {
        Now { mono: self.mono, wall: self.wall }
    }

    fn feed(&mut self, input: Input) -> Broken {
        self.turns += 1;
        if self.trace {
            eprintln!("{:>10.3} {input:?}", self.mono.as_secs_f64());
        }
        let known = match input {
            Input::Died { pid, .. } => self.sup.entries().any(|(_, entry)| entry.life.state.pid() == Some(pid)),
            _ => true,
        };
        self.watch.removing = matches!(input, Input::Ask(_, Ask::Remove(_)));
        let mut out = Vec::new();
        self.sup.handle(input, self.now(), &mut out);
        if self.trace {
            out.iter().for_each(|action| eprintln!("             {action:?}"));
        }
        let says_unknown = out.iter().any(|a| matches!(a, Action::Log(_, text) if text.contains("reaped unknown pid")));
        if known == says_unknown {
            return Err(format!("a death: known {known}, told as unknown {says_unknown}"));
        }
        self.watch.observe(&self.sup, &self.kernel, &out, self.mono)?;
        self.queue.extend(out);
        Ok(())
    }

    /// Time passes, what is due happens, the loop runs once.
    fn turn(&mut self) -> Broken {
        if self.rng.chance(25) {
            let some = self.rng.below(4);
            self.carry_out(some)?;
        } else {
            self.carry_out_all()?;
        }
        let next = [self.kernel.next(), self.sup.next_deadline()].into_iter().flatten().min();
        let to = match (next, self.rng.below(10)) {
            (Some(next), 0..=6) => next,
            (Some(next), 7) => next + self.rng.millis(0, 1500),
            _ => self.mono + self.rng.millis(0, 30),
        };
        let passed = to.saturating_sub(self.mono);
        self.mono += passed;
        self.wall = if self.rng.chance(1) { Duration::from_secs(5) } else { self.wall + passed };
        self.kernel.run_until(&mut self.rng, self.mono);
        self.read_words()?;
        self.reap()?;
        if self.rng.chance(50) {
            self.answer_read()?;
        }
        self.meet_deadlines()
    }

    fn meet_deadlines(&mut self) -> Broken {
        for _ in 0..MAX_AT_ONCE {
            if self.sup.next_deadline().is_none_or(|at| at > self.mono) {
                return Ok(());
            }
            self.feed(Input::Deadline)?;
            if self.sup.next_deadline().is_some_and(|at| at < self.mono) {
                return Err("a deadline in the past is left after its turn".to_string());
            }
        }
        Err("it spins".to_string())
    }

    fn read_words(&mut self) -> Broken {
        let words = std::mem::take(&mut self.kernel.words);
        for word in words {
            if self.rng.chance(15) {
                self.kernel.words.push(word);
            } else if self.kernel.procs.get(&word.pid).is_some_and(|proc| proc.serial == word.serial) {
                self.tell_word(word)?;
            }
        }
        Ok(())
    }

    fn tell_word(&mut self, word: crate::kernel::ExecWord) -> Broken {
        self.feed(Input::Process(
            word.id,
            match word.result {
                Ok(()) => Happened::Execed,
                Err(failure) => Happened::ExecFailed(failure),
            },
        ))
    }

    /// Reaps the dead: each carried out before the next, or all first.
    fn reap(&mut self) -> Broken {
        self.carry_out_all()?;
        let at_once = self.rng.chance(30);
        let mut dead = Vec::new();
        for pid in self.kernel.zombies() {
            let serial = self.kernel.procs[&pid].serial;
            let word = self.kernel.words.iter().position(|word| word.pid == pid && word.serial == serial);
            if let Some(index) = word {
                let word = self.kernel.words.remove(index);
                if self.rng.chance(50) {
                    self.tell_word(word)?;
                    self.carry_out_all()?;
                }
            }
            let Some((proc, exit)) = self.kernel.reap(pid) else { continue };
            let leader = proc.family.filter(|_| proc.leader);
            if at_once {
                self.watch.untold.extend(leader);
                dead.push((pid, exit, leader));
            } else {
                self.feed(Input::Died { pid, exit })?;
                self.carry_out_all()?;
            }
        }
        for (pid, exit, leader) in dead {
            if let Some(id) = leader {
                self.watch.untold.remove(&id);
            }
            self.feed(Input::Died { pid, exit })?;
        }
        Ok(())
    }

    fn answer_read(&mut self) -> Broken {
        if self.reads.is_empty() {
            return Ok(());
        }
        let which = self.rng.below(self.reads.len());
        let job = self.reads.remove(which);
        if self.rng.chance(20) {
            return self.feed(Input::ConfigRead(job, Err(vec!["a mistake".to_string(), "another".to_string()])));
        }
        let config = settings::config(self.file.clone());
        self.feed(Input::ConfigRead(job, Ok(Box::new(config))))
    }

    fn carry_out_all(&mut self) -> Broken {
        while !self.queue.is_empty() {
            self.carry_out(usize::MAX)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, most: usize) -> Broken {
        for _ in 0..most {
            let Some(action) = self.queue.pop_front() else { return Ok(()) };
            match action {
                Action::Spawn(id) => self.spawn(id)?,
                Action::Signal { id, pid, group, signal } => self.signal(id, pid, group, signal)?,
                Action::LookForGroup { id, group } => {
                    let alive = !self.kernel.targets(group, true).is_empty();
                    self.feed(Input::Process(id, Happened::Group { alive }))?;
                }
                Action::ReadConfig(job) => self.reads.push(job),
                Action::Log(..)
                | Action::Event(_)
                | Action::Reply(..)
                | Action::Added(_)
                | Action::Removed(_)
                | Action::Adopt(_)
                | Action::Leave => {}
            }
        }
        Ok(())
    }

    fn spawn(&mut self, id: ProcessId) -> Broken {
        let happened = match self.kernel.spawn(&mut self.rng, id, self.mono) {
            Ok(pid) => {
                self.watch.forked(id, self.mono);
                Happened::Spawned { pid }
            }
            Err(failure) => Happened::SpawnFailed(failure),
        };
        self.feed(Input::Process(id, happened))
    }

    /// A signal reaches only the process it is meant for, or what is left of its group.
    fn signal(&mut self, id: ProcessId, pid: i32, group: bool, signal: Signal) -> Broken {
        if !self.sup.holds(id, pid, group) {
            return Ok(());
        }
        let targets = self.kernel.targets(pid, group);
        if targets.iter().any(|pid| self.kernel.procs[pid].family != Some(id)) {
            return Err(format!("signal {} of {id:?} to {pid} reaches somebody else", signal.0));
        }
        if targets.is_empty() && !group {
            return Err(format!("signal {} of {id:?} to {pid}, who is reaped", signal.0));
        }
        if self.kernel.signal(&mut self.rng, pid, group, signal, self.mono) {
            return Ok(());
        }
        let error = "Operation not permitted".to_string();
        self.feed(Input::Process(id, Happened::SignalFailed { signal, error }))
    }

    /// Something from outside.
    fn disturb(&mut self) -> Broken {
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
            85..=90 => self.feed(Input::Deadline),
            91..=98 => {
                self.look();
                Ok(())
            }
            _ => self.go_down(),
        }
    }

    fn go_down(&mut self) -> Broken {
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

    fn ask(&mut self) -> Broken {
        let names = self.names();
        let groups = self.groups();
        let wait = self.rng.chance(80);
        let ask = match self.rng.below(20) {
            0..=4 => Ask::Start { names, wait },
            5..=9 => Ask::Stop { names, wait },
            10..=12 => Ask::Restart(names),
            13 => Ask::Reread,
            14..=15 => Ask::Update(groups),
            16 => Ask::Add(groups),
            17 => Ask::Remove(groups),
            18 => Ask::Reload,
            _ => Ask::Update(vec!["all".to_string()]),
        };
        self.ask_as(ask)
    }

    fn ask_as(&mut self, ask: Ask) -> Broken {
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
        let mut lines = 0;
        let mut count = |_: Line| lines += 1;
        self.sup.status(&[], self.now(), &Nowhere, &mut count);
        self.sup.status(&names, self.now(), &Nowhere, &mut count);
        self.sup.configuration(&mut count);
        for name in &names {
            assert!(!self.sup.why(name, self.now()).is_empty());
        }
        assert!(!self.sup.ready(&names).is_empty());
    }

    /// Nobody disturbs any more and new children behave.
    fn come_to_rest(&mut self) -> Broken {
        self.kernel.calm = true;
        let patience = self.mono + REST;
        loop {
            self.turn()?;
            self.carry_out_all()?;
            let unread = !self.kernel.words.is_empty() || !self.kernel.zombies().is_empty() || !self.queue.is_empty();
            let busy = !self.watch.open.is_empty() || !self.reads.is_empty() || unread;
            if self.kernel.next().is_none() && self.sup.next_deadline().is_none() && !busy {
                break;
            }
            if self.mono > patience {
                break;
            }
        }
        self.watch.at_rest(&self.sup)
    }

    /// Whoever comes after the end is answered too, and nothing happens.
    fn ask_in_vain(&mut self) -> Broken {
        self.watch.open.clear();
        self.ask()?;
        self.feed(Input::ReloadSignal)?;
        self.feed(Input::StopSignal(Signal(15)))?;
        self.feed(Input::Deadline)?;
        self.watch.after_leave(&self.sup, &self.kernel)
    }
}
