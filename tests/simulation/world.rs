//! One run: the supervisor, the kernel, the clients, the configuration, and a small daemon between them that carries out actions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use visor::config::{Group, Signal};
use visor::program::{Input as Happened, Now, State};
use visor::supervisor::{Action, Ask, Input, JobId, Phase, ProcessId, Supervisor};

use crate::checks::{Broken, Watch};
use crate::hooks::Hooks;
use crate::kernel::Kernel;
use crate::rng::Rng;
use crate::settings;

/// Invented time in which everything comes to rest when nobody disturbs.
const REST: Duration = Duration::from_secs(300);
/// Deadlines that may follow each other without time passing.
const MAX_AT_ONCE: usize = 100;

/// One run.
pub struct World {
    pub(crate) rng: Rng,
    pub(crate) mono: Duration,
    wall: Duration,
    pub(crate) kernel: Kernel,
    pub(crate) hooks: Hooks,
    pub(crate) sup: Supervisor,
    pub(crate) watch: Watch,
    queue: VecDeque<Action>,
    /// What the file says now.
    pub(crate) file: Vec<Group>,
    reads: Vec<JobId>,
    pub(crate) next_client: u64,
    /// Whether anybody asks for other numbers of processes in this life.
    pub(crate) scales: bool,
    turns: u64,
    trace: bool,
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
            hooks: Hooks::default(),
            sup,
            watch: Watch::default(),
            queue: out.into(),
            file,
            reads: Vec::new(),
            next_client: 0,
            scales: seed.is_multiple_of(2),
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
            self.come_to_rest(false)?;
            if self.sup.phase() == Phase::Running {
                let names = self.everything();
                self.ask_as(Ask::Start { names, wait: true })?;
                self.come_to_rest(true)?;
            }
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

    /// What leads to everything that anybody needs: all, or those who need something.
    fn everything(&mut self) -> Vec<String> {
        if self.rng.chance(50) {
            return vec!["all".to_string()];
        }
        let needing = self.sup.entries().filter(|(_, entry)| entry.config.is_conditional());
        needing.map(|(_, entry)| entry.display_name()).collect()
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: self.mono, wall: self.wall }
    }

    pub(crate) fn feed(&mut self, input: Input) -> Broken {
        self.turns += 1;
        if self.trace {
            eprintln!("{:>10.3} {input:?}", self.mono.as_secs_f64());
        }
        let known = match input {
            Input::Died { pid, .. } => self.sup.entries().any(|(_, entry)| entry.life.state.pid() == Some(pid)),
            _ => true,
        };
        self.watch.removing = matches!(input, Input::Ask(_, Ask::Remove(_)));
        // What it takes away stays configured.
        self.watch.scaled |= matches!(input, Input::Ask(_, Ask::Scale { .. }));
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
        // When the wall clock gets there, if nobody sets it.
        let rings = self.sup.next_wall_deadline().map(|at| self.mono + at.saturating_sub(self.wall));
        let deadlines = [self.kernel.next(), self.hooks.next(), self.sup.next_deadline(), rings];
        let next = deadlines.into_iter().flatten().min();
        let to = match (next, self.rng.below(10)) {
            (Some(next), 0..=6) => next,
            (Some(next), 7) => next + self.rng.millis(0, 1500),
            _ => self.mono + self.rng.millis(0, 30),
        };
        let passed = to.saturating_sub(self.mono);
        self.mono += passed;
        let set = match self.rng.below(200) {
            0..=1 => Some(Duration::from_secs(5)),
            2 => Some(self.wall + self.rng.millis(0, 400_000_000)),
            3 => Some(self.wall.saturating_sub(self.rng.millis(0, 20_000_000))),
            _ => None,
        };
        self.wall = set.unwrap_or(self.wall + passed);
        self.kernel.run_until(&mut self.rng, self.mono);
        self.read_words()?;
        self.hear_checks()?;
        self.reap()?;
        self.end_hooks()?;
        if self.rng.chance(50) {
            self.answer_read()?;
        }
        self.hear_wall_clock(set.is_some())?;
        self.meet_deadlines()
    }

    /// The clock got to where it was awaited, or was set.
    fn hear_wall_clock(&mut self, was_set: bool) -> Broken {
        if self.sup.next_wall_deadline().is_none_or(|at| at > self.wall && !was_set) {
            return Ok(());
        }
        self.feed(Input::ClockLookedAt)?;
        match self.sup.next_wall_deadline() {
            Some(at) if at <= self.wall => Err("a run in the past is left after its turn".to_string()),
            Some(_) | None => Ok(()),
        }
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

    /// What checks come to, of those that have any.
    fn hear_checks(&mut self) -> Broken {
        let ids: Vec<ProcessId> = self.sup.entries().map(|(id, _)| id).collect();
        for id in ids {
            let Some(entry) = self.sup.entry(id) else { continue };
            let Some(checks) = entry.config.checks.as_deref() else { continue };
            let starts = matches!(entry.life.state, State::Launching { .. } | State::Starting { .. });
            let runs = matches!(entry.life.state, State::Running { .. });
            let happened = if starts && checks.ready.is_some() && self.rng.chance(30) {
                let fails = !self.kernel.calm && self.rng.chance(25);
                self.watch.expected_ready = Some(id).filter(|_| !fails);
                if fails { Happened::NotReady("nothing came".to_string()) } else { Happened::Ready }
            } else if runs && checks.health.is_some() && !self.kernel.calm && self.rng.chance(10) {
                if self.rng.chance(40) { Happened::Unhealthy("no answer".to_string()) } else { Happened::Healthy }
            } else {
                continue;
            };
            self.feed(Input::Process(id, happened))?;
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
                Action::LookUp { job, ids } => {
                    let failures = self.kernel.look_up(&mut self.rng, ids);
                    self.feed(Input::LookedUp(job, failures))?;
                }
                Action::ReadConfig(job) | Action::ReadScaled { job, .. } => self.reads.push(job),
                Action::Hook(id, hook) => self.run_hook(id, hook)?,
                Action::EndHook(id, hook) => self.hooks.end(&mut self.rng, id, Some(hook), self.mono),
                Action::Removed(id) => self.hooks.end(&mut self.rng, id, None, self.mono),
                Action::Log(..)
                | Action::Event(_)
                | Action::Deliver(..)
                | Action::Reply(..)
                | Action::Added(_)
                | Action::Tuned(..)
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

    /// Nobody disturbs any more and new children behave.
    fn come_to_rest(&mut self, started: bool) -> Broken {
        self.kernel.calm = true;
        let patience = self.mono + REST;
        self.file = settings::without_schedules(&self.file);
        loop {
            self.end_schedules()?;
            self.turn()?;
            self.carry_out_all()?;
            let unread = !self.kernel.words.is_empty() || !self.kernel.zombies().is_empty() || !self.queue.is_empty();
            let unready = self
                .sup
                .entries()
                .any(|(_, entry)| entry.config.waits_for_ready() && matches!(entry.life.state, State::Starting { .. }));
            // Who waits for an answer makes nothing happen: when nothing else does, it will never come.
            let busy = !self.reads.is_empty() || unread || unready;
            let none_due = self.kernel.next().is_none() && self.hooks.next().is_none();
            if none_due && self.sup.next_deadline().is_none() && !busy {
                break;
            }
            if self.mono > patience {
                break;
            }
        }
        self.watch.at_rest(&self.sup, started)
    }

    /// Runs that are due again and again end with their schedules, whoever runs goes on.
    fn end_schedules(&mut self) -> Broken {
        let any = self.sup.entries().any(|(_, entry)| entry.config.schedule.is_some());
        if !any {
            return Ok(());
        }
        self.feed(Input::ReloadSignal)?;
        self.carry_out_all()?;
        while !self.reads.is_empty() {
            self.answer_read()?;
        }
        Ok(())
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
