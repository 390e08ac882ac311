//! An invented kernel: processes with pids, groups and tempers. It hands out pids from a tiny range, so that they are used again soon.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use visor::config::Signal;
use visor::program::{Exit, SpawnFailure, SpawnFailureKind};
use visor::sorted::Map;
use visor::supervisor::ProcessId;

use crate::rng::Rng;

/// First pid handed out.
const FIRST_PID: i32 = 2;
/// How many pids there are; fewer processes live at once.
const PIDS: usize = 64;
/// The supervisor's own process group.
const OUR_GROUP: i32 = 1;
const SIGKILL: Signal = Signal(9);
const SIGCONT: Signal = Signal(18);

/// What one process does with signals.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Temper {
    /// Ends some time after a stop signal.
    Obeys(Duration),
    /// Only KILL ends it.
    Ignores,
}

/// A process that lives, or is dead and not reaped.
#[derive(Debug, Clone)]
pub struct Proc {
    /// Numbers of lives are never used twice; pids are.
    pub serial: u64,
    /// Its process group.
    pub pgid: i32,
    /// Whose child, or descendant of whose child, it is; none for strangers.
    pub family: Option<ProcessId>,
    /// The child itself.
    pub leader: bool,
    /// The serial of the child it descends from, its own for the child.
    pub line: u64,
    /// When it was forked.
    pub born: Duration,
    /// It may not be signalled by us.
    pub untouchable: bool,
    /// Dead, and how.
    pub zombie: Option<Exit>,
    /// Its parent: we, once its own is gone; a stranger who never reaps otherwise.
    pub ours: bool,
    /// When it dies nobody ever reaps it.
    never_reaped: bool,
    temper: Temper,
}

/// What happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Exec { pid: i32, serial: u64, fails: bool },
    Die { pid: i32, serial: u64, code: i32, signal: i32 },
}

/// Word of a child about its command.
#[derive(Debug, Clone)]
pub struct ExecWord {
    /// The process.
    pub id: ProcessId,
    /// The child.
    pub pid: i32,
    /// Which life of that pid.
    pub serial: u64,
    /// Whether the command runs.
    pub result: Result<(), SpawnFailure>,
}

/// All processes there are.
#[derive(Default)]
pub struct Kernel {
    /// By pid.
    pub procs: BTreeMap<i32, Proc>,
    /// Words not yet read.
    pub words: Vec<ExecWord>,
    /// From now on every new child is well-behaved.
    pub calm: bool,
    to_come: BTreeSet<(Duration, u64, Happening)>,
    next_serial: u64,
}

fn failure(rng: &mut Rng) -> SpawnFailure {
    let kind = rng.pick(&[SpawnFailureKind::NoFile, SpawnFailureKind::NotExecutable, SpawnFailureKind::Other]);
    SpawnFailure { kind, text: "it would not".to_string() }
}

impl Kernel {
    /// When something happens next by itself.
    pub fn next(&self) -> Option<Duration> {
        self.to_come.first().map(|(at, _, _)| *at)
    }

    fn later(&mut self, at: Duration, what: Happening) {
        self.next_serial += 1;
        self.to_come.insert((at, self.next_serial, what));
    }

    /// A number that names neither a process nor a group; any, for real ones wrap around too.
    pub fn free_pid(&self, rng: &mut Rng) -> i32 {
        loop {
            let pid = FIRST_PID + i32::try_from(rng.below(PIDS)).unwrap();
            if !self.procs.contains_key(&pid) && self.procs.values().all(|proc| proc.pgid != pid) {
                return pid;
            }
        }
    }

    fn full(&self) -> bool {
        self.procs.len() * 2 > PIDS
    }

    fn temper(&self, rng: &mut Rng) -> Temper {
        match rng.below(10) {
            0..=1 if !self.calm => Temper::Ignores,
            2..=4 if !self.calm => Temper::Obeys(rng.millis(1, 4000)),
            _ => Temper::Obeys(rng.millis(0, 3)),
        }
    }

    /// Whose commands cannot be had at the moment.
    pub fn look_up(&mut self, rng: &mut Rng, ids: Vec<ProcessId>) -> Map<ProcessId, SpawnFailure> {
        let mut failures = Map::new();
        for id in ids {
            if !self.calm && rng.chance(20) {
                failures.insert(id, failure(rng));
            }
        }
        failures
    }

    /// A child for `id`.
    pub fn spawn(&mut self, rng: &mut Rng, id: ProcessId, now: Duration) -> Result<i32, SpawnFailure> {
        if self.full() || (!self.calm && rng.chance(8)) {
            return Err(failure(rng));
        }
        let pid = self.free_pid(rng);
        self.next_serial += 1;
        let serial = self.next_serial;
        let untouchable = !self.calm && rng.below(400) == 0;
        let temper = self.temper(rng);
        self.procs.insert(
            pid,
            Proc {
                serial,
                pgid: pid,
                family: Some(id),
                leader: true,
                line: serial,
                born: now,
                untouchable,
                zombie: None,
                ours: true,
                never_reaped: false,
                temper,
            },
        );
        if self.calm {
            self.later(now + rng.millis(0, 2), Happening::Exec { pid, serial, fails: false });
            return Ok(pid);
        }
        let exec_at = now + if rng.chance(70) { Duration::ZERO } else { rng.millis(1, 1500) };
        let fails = rng.chance(10);
        self.later(exec_at, Happening::Exec { pid, serial, fails });
        let life = match rng.below(10) {
            0 => rng.millis(1, 3),
            1..=3 => rng.millis(1, 2500),
            4..=6 => rng.millis(1000, 20_000),
            _ => return Ok(pid),
        };
        let (code, signal) = rng.pick(&[(0, 0), (0, 0), (1, 0), (2, 0), (0, 11)]);
        self.later(now + life, Happening::Die { pid, serial, code, signal });
        Ok(pid)
    }

    /// Lets everything happen that is due; what it was, for the trace.
    pub fn run_until(&mut self, rng: &mut Rng, now: Duration) {
        while let Some((at, _, what)) = self.to_come.first().copied() {
            if at > now {
                return;
            }
            self.to_come.pop_first();
            match what {
                Happening::Exec { pid, serial, fails } => self.exec(rng, pid, serial, fails, at),
                Happening::Die { pid, serial, code, signal } => {
                    let exit = match signal {
                        0 => Exit::Code(code),
                        signal => Exit::Signal { signal: Signal(signal), core: false },
                    };
                    self.die(rng, pid, serial, exit);
                }
            }
        }
    }

    fn exec(&mut self, rng: &mut Rng, pid: i32, serial: u64, fails: bool, at: Duration) {
        let Some(proc) = self.procs.get(&pid) else { return };
        let (Some(id), None, true) = (proc.family, proc.zombie, proc.serial == serial) else { return };
        if fails {
            let result = Err(failure(rng));
            self.words.push(ExecWord { id, pid, serial, result });
            self.later(at + rng.millis(0, 2), Happening::Die { pid, serial, code: 127, signal: 0 });
            return;
        }
        self.words.push(ExecWord { id, pid, serial, result: Ok(()) });
        let members = if self.calm || rng.chance(70) { 0 } else { 1 + rng.below(3) };
        for _ in 0..members {
            self.fork_member(rng, pid, serial, at);
        }
    }

    fn fork_member(&mut self, rng: &mut Rng, leader: i32, line: u64, at: Duration) {
        let Some(parent) = self.procs.get(&leader).cloned() else { return };
        if self.full() {
            return;
        }
        let pid = self.free_pid(rng);
        self.next_serial += 1;
        let serial = self.next_serial;
        let temper = self.temper(rng);
        let never_reaped = rng.below(40) == 0;
        let member = Proc { serial, leader: false, line, born: at, ours: false, never_reaped, temper, ..parent };
        self.procs.insert(pid, member);
        if rng.chance(50) {
            let die = Happening::Die { pid, serial, code: 0, signal: 0 };
            let life = rng.millis(1, 9000);
            self.later(at + life, die);
        }
    }

    /// A process that nobody knows becomes our child and ends some time.
    pub fn orphan(&mut self, rng: &mut Rng, now: Duration) {
        if self.full() {
            return;
        }
        let pid = self.free_pid(rng);
        self.next_serial += 1;
        let serial = self.next_serial;
        let stranger = Proc {
            serial,
            // It leads no group: no supervisor can tell a stranger's new group from an old one of the same number.
            pgid: OUR_GROUP,
            family: None,
            leader: false,
            line: serial,
            born: now,
            untouchable: false,
            zombie: None,
            ours: true,
            never_reaped: false,
            temper: Temper::Ignores,
        };
        self.procs.insert(pid, stranger);
        let life = rng.millis(0, 50);
        self.later(now + life, Happening::Die { pid, serial, code: 0, signal: 0 });
    }

    fn die(&mut self, rng: &mut Rng, pid: i32, serial: u64, exit: Exit) {
        let Some(proc) = self.procs.get_mut(&pid).filter(|proc| proc.serial == serial && proc.zombie.is_none()) else {
            return;
        };
        let line = proc.line;
        if proc.leader {
            // Its children become ours, or a stranger's.
            proc.zombie = Some(exit);
            let adopted = rng.chance(70);
            for proc in self.procs.values_mut().filter(|proc| proc.line == line && !proc.leader) {
                proc.ours = adopted && !proc.never_reaped;
            }
        } else if proc.ours || proc.never_reaped {
            proc.zombie = Some(exit);
        } else {
            self.procs.remove(&pid);
        }
    }

    /// Pids of dead children of ours.
    pub fn zombies(&self) -> Vec<i32> {
        self.procs.iter().filter(|(_, proc)| proc.ours && proc.zombie.is_some()).map(|(pid, _)| *pid).collect()
    }

    /// What `wait` does: the pid is free afterwards.
    pub fn reap(&mut self, pid: i32) -> Option<(Proc, Exit)> {
        let exit = self.procs.get(&pid).filter(|proc| proc.ours)?.zombie?;
        self.procs.remove(&pid).map(|proc| (proc, exit))
    }

    /// Whom a signal reaches.
    pub fn targets(&self, pid: i32, group: bool) -> Vec<i32> {
        let reached = |(other, proc): (&i32, &Proc)| if group { proc.pgid == pid } else { *other == pid };
        self.procs.iter().filter(|(pid, proc)| reached((pid, proc))).map(|(pid, _)| *pid).collect()
    }

    /// Sends a signal; false = not permitted for any of its targets.
    pub fn signal(&mut self, rng: &mut Rng, pid: i32, group: bool, signal: Signal, now: Duration) -> bool {
        let targets = self.targets(pid, group);
        if !targets.is_empty() && targets.iter().all(|pid| self.procs[pid].untouchable) {
            return false;
        }
        for pid in targets {
            let proc = self.procs[&pid].clone();
            if proc.zombie.is_some() || proc.untouchable || signal == SIGCONT || signal.0 == 0 {
                continue;
            }
            let die = Happening::Die { pid, serial: proc.serial, code: 0, signal: signal.0 };
            match proc.temper {
                _ if signal == SIGKILL => {
                    let pause = rng.millis(0, 1);
                    self.later(now + pause, die);
                }
                Temper::Obeys(pause) => self.later(now + pause, die),
                Temper::Ignores => {}
            }
        }
        true
    }

    /// The unreaped child that runs for `id`.
    pub fn leader(&self, id: ProcessId) -> Option<(i32, &Proc)> {
        self.procs.iter().find(|(_, proc)| proc.leader && proc.family == Some(id)).map(|(pid, proc)| (*pid, proc))
    }
}
