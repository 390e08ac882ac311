//! What must hold after every turn, as plain predicates over what the supervisor said and what the kernel knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use visor::config::{Group, Process, Restart};
use visor::event::Event;
use visor::program::{Hook, Name, State};
use visor::protocol::{Code, Line, display_name};
use visor::supervisor::{Action, Ask, ClientId, Phase, ProcessId, Supervisor, Target};

use crate::conditions::{self, Graph};
use crate::kernel::Kernel;

/// What broke, in words.
pub type Broken = Result<(), String>;

/// Breaks with a sentence unless the condition holds.
macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

/// What was said of a process so far.
pub struct Known {
    pub group: String,
    pub config: Arc<Process>,
    pub state: Name,
    /// Whether its last end was one that `exitcodes` lists.
    pub expected: bool,
    born: Duration,
    /// When the next start is due after a failed one or a pause, and how many in a row failed.
    failed: (Duration, u32),
    /// It has other settings since its state changed last.
    tuned: bool,
}

/// A request not yet answered.
#[derive(Debug)]
pub struct Open {
    ask: Ask,
    /// Processes of which a line must come.
    due: BTreeSet<ProcessId>,
    /// Processes of which a line came.
    told: BTreeSet<ProcessId>,
}

impl Open {
    /// Just asked.
    pub fn new(ask: Ask, sup: &Supervisor) -> Open {
        let (names, finds_nothing): (&[String], fn(Name) -> bool) = match &ask {
            Ask::Start { names, .. } => (names, Name::is_up),
            Ask::Stop { names, .. } => (names, Name::is_down),
            Ask::Restart(_)
            | Ask::ReloadProgram(_)
            | Ask::Reread
            | Ask::Update(_)
            | Ask::Preview(_)
            | Ask::Scale { .. }
            | Ask::Add(_)
            | Ask::Remove(_)
            | Ask::Reload
            | Ask::Shutdown => (&[], Name::is_up),
        };
        let mut due = BTreeSet::new();
        // No names mean nothing, not everything.
        for target in sup.resolve(names) {
            match target {
                Target::Process(id) => due.extend([id]),
                Target::Several(ids) => due.extend(
                    ids.into_iter()
                        .filter(|id| sup.entry(*id).is_some_and(|entry| !finds_nothing(entry.life.state.name()))),
                ),
                Target::NoProcess(_) | Target::NoGroup(_) => {}
            }
        }
        Open { ask, due, told: BTreeSet::new() }
    }
}

/// Remembers what was seen, to judge what comes.
#[derive(Default)]
pub struct Watch {
    known: BTreeMap<ProcessId, Known>,
    ever: BTreeSet<ProcessId>,
    /// Requests not yet answered.
    pub open: BTreeMap<ClientId, Open>,
    /// Processes that could not be signalled; nothing is promised of their children.
    unknown: BTreeSet<(String, String)>,
    /// Dead children that are reaped and not yet told of.
    pub untold: BTreeSet<ProcessId>,
    /// Hooks that run.
    hooks: BTreeSet<(ProcessId, Hook)>,
    /// Whose `pre_start` went well since the last fork.
    prepared: BTreeSet<ProcessId>,
    /// Whose `post_stop` is due once its child has ended.
    uncleaned: BTreeSet<ProcessId>,
    /// Which got other settings since the last fork.
    rehooked: BTreeSet<ProcessId>,
    /// Which got other settings since its first try to start, and may have been tried more often than they allow.
    recounted: BTreeSet<ProcessId>,
    /// Whose `ready` check has just succeeded.
    pub expected_ready: Option<ProcessId>,
    /// A `remove` is being answered.
    pub removing: bool,
    /// Other numbers of processes were asked for.
    pub scaled: bool,
    /// Processes whose stop was asked for before all goes down and comes as soon as they have a pid.
    stop_due: BTreeSet<ProcessId>,
    going_down: bool,
    left: bool,
}

/// Transitions of the original, and `UNKNOWN → STOPPED`: whom we could not signal is gone at last.
fn is_allowed(from: Name, to: Name) -> bool {
    use Name::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping, Unknown};
    matches!(
        (from, to),
        (Stopped | Exited | Fatal | Backoff, Starting)
            // One that is not ready in time is being ended while it is still shown as starting, and may not be signalled.
            | (Starting, Backoff | Running | Stopping | Unknown)
            | (Backoff, Fatal | Stopped)
            // A pause before a restart; who was unhealthy is stopped first.
            | (Exited | Stopped, Backoff)
            | (Running, Stopping | Exited)
            | (Stopping, Stopped | Unknown)
            | (Unknown, Stopped)
            // It had not begun to.
            | (Starting, Stopped)
    )
}

/// What besides happens to those that wait for others: they are stopped, or their wait is in vain.
fn is_allowed_waiting(from: Name, to: Name) -> bool {
    matches!((from, to), (Name::Starting, Name::Stopped | Name::Fatal))
}

/// The settings of a process before `rest` happens: those that it is tuned from next, or those it has in the end.
fn config_after(sup: &Supervisor, rest: &[Action], id: ProcessId) -> Option<Arc<Process>> {
    let next = rest.iter().find_map(|action| match action {
        Action::Tuned(other, before) if *other == id => Some(before),
        _ => None,
    });
    next.or(sup.entry(id).map(|entry| &entry.config)).cloned()
}

impl Watch {
    /// A child was forked.
    pub fn forked(&mut self, id: ProcessId, now: Duration) {
        if let Some(known) = self.known.get_mut(&id) {
            known.born = now;
            self.uncleaned.remove(&id);
            if known.config.hooks.as_ref().is_some_and(|hooks| hooks.post_stop.is_some()) {
                self.uncleaned.insert(id);
            }
        }
        self.prepared.remove(&id);
        self.rehooked.remove(&id);
    }

    /// A hook has ended, well or not.
    pub fn hook_ended(&mut self, id: ProcessId, hook: Hook, well: bool) {
        self.hooks.remove(&(id, hook));
        if hook == Hook::PreStart && well {
            self.prepared.insert(id);
        }
    }

    /// Whether any hook of a process runs.
    fn is_hooked(&self, id: ProcessId) -> bool {
        self.hooks.iter().any(|(of, _)| *of == id)
    }

    fn prepares(&self, id: ProcessId) -> bool {
        let hooks = self.known.get(&id).and_then(|known| known.config.hooks.as_ref());
        hooks.is_some_and(|hooks| hooks.pre_start.is_some())
    }

    fn hook_begins(&mut self, kernel: &Kernel, id: ProcessId, hook: Hook) -> Broken {
        let Some(known) = self.known.get(&id) else { return Err(format!("{hook} of {id:?}, which is not known")) };
        let Some(hooks) = &known.config.hooks else { return Err(format!("{hook} of {id:?}, which has none")) };
        let is_set = match hook {
            Hook::PreStart => hooks.pre_start.is_some(),
            Hook::PostStop => hooks.post_stop.is_some(),
            Hook::Stop => hooks.stop.is_some(),
            Hook::Reload => hooks.reload.is_some(),
        };
        hold!(is_set, "{hook} of {id:?}, which has none");
        let lives = kernel.leader(id).is_some();
        match hook {
            Hook::PreStart => {
                hold!(known.state == Name::Starting && !lives, "{hook} of {id:?}, which is {}", known.state);
                hold!(!self.is_hooked(id), "{hook} of {id:?} before {:?} have ended", self.hooks);
                let cleaned = self.rehooked.contains(&id) || !self.uncleaned.contains(&id);
                hold!(cleaned, "{hook} of {id:?} without a post_stop before it");
                self.prepared.remove(&id);
            }
            Hook::PostStop => {
                let due = self.uncleaned.remove(&id) || self.rehooked.contains(&id);
                hold!(!lives && due, "{hook} of {id:?}, which did not end");
            }
            Hook::Stop | Hook::Reload => {}
        }
        hold!(self.hooks.insert((id, hook)), "a second {hook} of {id:?}");
        Ok(())
    }

    /// Judges what the supervisor just decided.
    pub fn observe(&mut self, sup: &Supervisor, kernel: &Kernel, actions: &[Action], now: Duration) -> Broken {
        let mut became_running = BTreeSet::new();
        let mut left_over = Vec::new();
        for (place, action) in actions.iter().enumerate() {
            let rest = &actions[place + 1..];
            match action {
                Action::Added(id) => self.added(sup, *id, config_after(sup, rest, *id))?,
                Action::Removed(id) => self.removed(sup, kernel, *id)?,
                Action::Tuned(id, before) => self.tuned(sup, *id, before, config_after(sup, rest, *id))?,
                Action::Event(Event::ProcessState { process, group, from, to, tries, expected, .. }) => {
                    let id = self.find(group, process)?;
                    self.known.get_mut(&id).into_iter().for_each(|known| known.expected = *expected);
                    self.changed(kernel, id, (*from, *to), *tries, now)?;
                    self.in_order(sup, id, *to)?;
                    if *to == Name::Running {
                        became_running.insert(id);
                    }
                    if *to == Name::Stopped && *from == Name::Stopping && !left_over.contains(process) {
                        self.group_gone(kernel, id)?;
                    }
                }
                Action::Event(Event::Health { process, group, health, .. }) => {
                    let id = self.find(group, process)?;
                    let Some(known) = self.known.get(&id) else { continue };
                    hold!(known.state == Name::Running, "{id:?} is {health:?} while {}", known.state);
                }
                Action::Event(Event::SupervisorStopping) => {
                    hold!(!self.going_down, "it goes down twice");
                    self.going_down = true;
                    let due = sup.entries().filter(|(_, e)| matches!(e.life.state, State::Spawning { stop: true, .. }));
                    self.stop_due = due.map(|(id, _)| id).collect();
                }
                Action::Log(_, text) if text.contains("that cannot be killed") => {
                    left_over.extend(self.known.values().map(|known| known.config.name.clone()).filter(|name| {
                        text.strip_prefix("stopped: ").is_some_and(|rest| rest.starts_with(&format!("{name},")))
                    }));
                }
                Action::Reply(client, line) => self.replied(sup, kernel, *client, line, &became_running)?,
                Action::Spawn(id) => {
                    self.spawning(kernel, *id)?;
                    // What held before its pre_start need not hold after it.
                    if !self.prepares(*id) && !self.rehooked.contains(id) {
                        conditions::may_start(&self.known, sup, *id)?;
                    }
                }
                Action::Hook(id, hook) => {
                    self.hook_begins(kernel, *id, *hook)?;
                    if *hook == Hook::PreStart {
                        conditions::may_start(&self.known, sup, *id)?;
                    }
                }
                Action::EndHook(id, hook) => {
                    hold!(self.hooks.contains(&(*id, *hook)), "{hook} of {id:?} is ended and does not run");
                }
                Action::Leave => {
                    hold!(self.hooks.is_empty(), "it leaves while {:?} run", self.hooks);
                    hold!(!self.left, "it leaves twice");
                    self.left = true;
                }
                Action::Signal { .. }
                | Action::LookForGroup { .. }
                | Action::LookUp { .. }
                | Action::Log(..)
                | Action::Deliver(..)
                | Action::Event(
                    Event::GroupAdded { .. }
                    | Event::GroupRemoved { .. }
                    | Event::SupervisorRunning
                    | Event::Communication(_)
                    | Event::Log(_)
                    | Event::Remote { .. }
                    | Event::Tick { .. },
                )
                | Action::ReadConfig(_)
                | Action::ReadScaled { .. }
                | Action::Adopt(_) => {}
            }
        }
        self.consistent(sup, kernel)
    }

    fn find(&self, group: &str, process: &str) -> Result<ProcessId, String> {
        let mut found = self.known.iter().filter(|(_, k)| k.group == group && k.config.name == process);
        found.next().map(|(id, _)| *id).ok_or(format!("an event about {group}:{process}, which is not known"))
    }

    fn added(&mut self, sup: &Supervisor, id: ProcessId, config: Option<Arc<Process>>) -> Broken {
        hold!(self.ever.insert(id), "{id:?} is used twice");
        let Some((entry, config)) = sup.entry(id).zip(config) else {
            return Err(format!("{id:?} was added and is not there"));
        };
        let known = Known {
            group: entry.group.clone(),
            config,
            state: Name::Stopped,
            expected: false,
            born: Duration::ZERO,
            failed: (Duration::ZERO, 0),
            tuned: false,
        };
        self.known.insert(id, known);
        Ok(())
    }

    /// What cannot be changed under a child did not change, and something did.
    fn tuned(&mut self, sup: &Supervisor, id: ProcessId, before: &Arc<Process>, after: Option<Arc<Process>>) -> Broken {
        let Some((entry, after)) = sup.entry(id).zip(after) else {
            return Err(format!("{id:?} was tuned and is not there"));
        };
        let Some(known) = self.known.get_mut(&id) else { return Err(format!("{id:?} was tuned and never added")) };
        hold!(known.config == *before && after != *before, "{id:?} was tuned to what it was");
        let same = before.command == after.command && before.limits == after.limits;
        hold!(same, "{id:?} was tuned and needs a new process");
        hold!(!known.state.is_down(), "{id:?} was tuned while {}", known.state);
        // What an exit code means may be another thing now.
        known.expected = entry.life.exit.is_some_and(|exit| exit.is_expected(&after.exitcodes));
        known.config = after;
        known.tuned = true;
        self.rehooked.insert(id);
        self.recounted.insert(id);
        Ok(())
    }

    fn removed(&mut self, sup: &Supervisor, kernel: &Kernel, id: ProcessId) -> Broken {
        let Some(known) = self.known.remove(&id) else { return Err(format!("{id:?} was removed and never added")) };
        hold!(known.state.is_down(), "{id:?} was removed while {}", known.state);
        hold!(!self.hooks.iter().any(|(of, _)| *of == id), "{id:?} was removed and {:?} run", self.hooks);
        hold!(known.state == Name::Unknown || kernel.leader(id).is_none(), "{id:?} was removed and its child lives");
        let same = |group: &Group| group.name == known.group && group.processes.contains(&known.config);
        hold!(
            self.removing || self.scaled || !sup.configured().groups.iter().any(same),
            "{}:{} was replaced though nothing of it changed",
            known.group,
            known.config.name
        );
        Ok(())
    }

    fn changed(
        &mut self,
        kernel: &Kernel,
        id: ProcessId,
        (from, to): (Name, Name),
        tries: u32,
        now: Duration,
    ) -> Broken {
        let Some(known) = self.known.get_mut(&id) else { return Ok(()) };
        hold!(known.state == from, "{id:?} changes from {from} to {to}, but was {}", known.state);
        // Who is tuned may wait for a hook that it has no more.
        let waits = (known.config.is_gated() || known.tuned) && is_allowed_waiting(from, to);
        hold!(waits || is_allowed(from, to), "{id:?} changes from {from} to {to}");
        known.state = to;
        known.tuned = false;
        if !matches!(to, Name::Starting | Name::Backoff) {
            self.recounted.remove(&id);
        }
        let seconds = |n: i64| Duration::from_secs(u64::try_from(n).unwrap_or(0));
        match (from, to) {
            (_, Name::Starting) => {
                hold!(!self.going_down, "{id:?} starts while all goes down");
                let (due, times) = known.failed;
                hold!(from != Name::Backoff || now >= due, "{id:?} is tried again too early");
                hold!(tries == if from == Name::Backoff { times } else { 0 }, "{id:?} starts with tries {tries}");
            }
            (Name::Starting, Name::Running) => {
                let early = if known.config.waits_for_ready() {
                    self.expected_ready.take() != Some(id)
                } else {
                    now < known.born + seconds(known.config.startsecs)
                };
                hold!(!early, "{id:?} counts as running too early");
            }
            (_, Name::Backoff) => {
                let rests = matches!(from, Name::Exited | Name::Stopped);
                let most = if known.config.startretries < 0 { i64::MAX } else { known.config.startretries + 1 };
                let counted = rests || self.recounted.contains(&id);
                hold!(counted || i64::from(tries) <= most, "{id:?} was tried {tries} times");
                hold!(!rests || known.config.policy.restart.is_some(), "{id:?} rests though nothing says so");
                let pause = match known.config.policy.restart {
                    None => Duration::from_secs(u64::from(tries)),
                    Some(restart) => Restart { jitter: 0, ..restart }.pause(tries, 0),
                };
                known.failed = (now + pause, if rests { 0 } else { tries });
            }
            (_, Name::Unknown) => {
                self.unknown.insert((known.group.clone(), known.config.name.clone()));
            }
            _ => {}
        }
        if matches!(to, Name::Stopped | Name::Exited | Name::Fatal | Name::Backoff) {
            hold!(kernel.leader(id).is_none(), "{id:?} is {to} and its child lives");
        }
        Ok(())
    }

    /// While all goes down, who is stopped waits for everybody who started later.
    fn in_order(&self, sup: &Supervisor, id: ProcessId, to: Name) -> Broken {
        if !self.going_down || to != Name::Stopping || self.stop_due.contains(&id) {
            return Ok(());
        }
        let graph = Graph::of(&self.known, sup);
        let own = graph.wave(sup, id);
        for (other, known) in &self.known {
            let due_before = graph.wave(sup, *other) > own || graph.below(*other).contains(&id);
            let rests = known.state.is_down() && !self.is_hooked(*other);
            hold!(!due_before || rests, "{id:?} is stopped while {other:?} is {}", known.state);
        }
        Ok(())
    }

    /// With stopasgroup or killasgroup a stop means the whole group.
    fn group_gone(&self, kernel: &Kernel, id: ProcessId) -> Broken {
        let Some(known) = self.known.get(&id) else { return Ok(()) };
        let whole = known.config.stopasgroup || known.config.killasgroup;
        let unknown = self.unknown.contains(&(known.group.clone(), known.config.name.clone()));
        let born = known.born;
        let rest = kernel.procs.values().find(|p| p.family == Some(id) && p.born >= born && !p.leader);
        hold!(!whole || unknown || rest.is_none(), "{id:?} is STOPPED and of its group there is {rest:?}");
        Ok(())
    }

    fn spawning(&self, kernel: &Kernel, id: ProcessId) -> Broken {
        hold!(!self.going_down, "{id:?} is spawned while all goes down");
        let Some(known) = self.known.get(&id) else { return Err(format!("{id:?} is spawned and not known")) };
        hold!(known.state == Name::Starting, "{id:?} is spawned while {}", known.state);
        hold!(!self.is_hooked(id), "{id:?} is spawned while {:?} run", self.hooks);
        let cleaned = self.rehooked.contains(&id) || !self.uncleaned.contains(&id);
        hold!(cleaned, "{id:?} is spawned and its post_stop did not run");
        let prepares = !self.rehooked.contains(&id) && self.prepares(id);
        hold!(!prepares || self.prepared.contains(&id), "{id:?} is spawned without its pre_start");
        let key = (known.group.clone(), known.config.name.clone());
        let live = kernel.procs.values().find(|proc| proc.leader && proc.family == Some(id));
        hold!(live.is_none() || self.unknown.contains(&key), "a second {key:?} beside {live:?}");
        Ok(())
    }

    fn replied(
        &mut self,
        sup: &Supervisor,
        kernel: &Kernel,
        client: ClientId,
        line: &Line,
        running: &BTreeSet<ProcessId>,
    ) -> Broken {
        let Some(open) = self.open.get_mut(&client) else {
            return Err(format!("{client:?} waits for nothing: {line:?}"));
        };
        match line {
            Line::Data(pairs) => {
                let value = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
                let Some(name) = value("name") else { return Ok(()) };
                let same = |known: &Known| display_name(&known.group, &known.config.name) == name;
                let found = self.known.iter().find(|(_, known)| same(known));
                let Some((id, known)) = found else { return Ok(()) };
                let unknown = self.unknown.contains(&(known.group.clone(), known.config.name.clone()));
                let is_new = open.told.insert(*id);
                hold!(
                    is_new || matches!(open.ask, Ask::Restart(_) | Ask::Preview(_)),
                    "{client:?} hears twice of {name}"
                );
                let waits =
                    matches!(open.ask, Ask::Start { wait: true, .. } | Ask::Stop { wait: true, .. } | Ask::Restart(_));
                match value("result") {
                    Some("stopped") if waits && !unknown => {
                        hold!(kernel.leader(*id).is_none(), "{name} is told stopped and lives");
                        hold!(!self.hooks.iter().any(|(of, _)| of == id), "{name} is told stopped: {:?}", self.hooks);
                    }
                    Some("started") if waits => {
                        // A oneshot is started when it is over.
                        let done = known.config.policy.oneshot && known.state == Name::Exited && known.expected;
                        // A oneshot that is none any more need not end.
                        let service = known.tuned && known.state == Name::Running;
                        hold!(done || service || running.contains(id), "{name} is told started and is {}", known.state);
                    }
                    Some("started") => {
                        let waits = conditions::waits(sup, *id);
                        hold!(waits || kernel.leader(*id).is_some(), "{name} is told started and has no child");
                    }
                    _ => {}
                }
            }
            Line::Bytes(_) => return Err("bytes in an answer of the supervisor".to_string()),
            Line::Error(Code::ShuttingDown, _) => {
                self.open.remove(&client);
            }
            Line::Ok(_) | Line::Error(..) => {
                let mut untold = open.due.difference(&open.told).filter(|id| self.known.contains_key(id));
                hold!(untold.next().is_none(), "{open:?} ends and does not tell of all");
                self.open.remove(&client);
            }
        }
        Ok(())
    }

    /// A program whose end for good is visor's has not ended.
    fn ends_with_who_says_so(&self, id: ProcessId, known: &Known) -> Broken {
        let on = known.config.policy.exit_on;
        let over = match known.state {
            Name::Fatal => on.fatal,
            Name::Exited => on.success && on.failure,
            _ => false,
        };
        hold!(!over || known.tuned || self.going_down, "{id:?} is {} and visor goes on", known.state);
        Ok(())
    }

    fn consistent(&self, sup: &Supervisor, kernel: &Kernel) -> Broken {
        let mut entries = 0;
        for (id, entry) in sup.entries() {
            entries += 1;
            let Some(known) = self.known.get(&id) else { return Err(format!("{id:?} was never announced")) };
            let state = &entry.life.state;
            hold!(known.state == state.name(), "{id:?} is {} and was announced as {}", state.name(), known.state);
            if self.untold.contains(&id) || matches!(state, State::Spawning { .. }) {
                continue;
            }
            let child = kernel.leader(id).map(|(pid, _)| pid);
            hold!(state.pid() == child, "{id:?} is {state:?} and its child is {child:?}");
            self.ends_with_who_says_so(id, known)?;
        }
        hold!(entries == self.known.len(), "{entries} processes there, {} announced", self.known.len());
        let gone = sup.phase() == Phase::Gone;
        hold!(gone == self.left, "it is gone: {gone}, it said so: {}", self.left);
        Ok(())
    }

    /// Nobody asks and nobody misbehaves any more: everything has come to rest.
    pub fn at_rest(&self, sup: &Supervisor, started: bool) -> Broken {
        conditions::wait_for_a_reason(&self.known, sup, started)?;
        // Who starts a oneshot waits for its end.
        let at_work = self.known.values().any(|known| known.config.policy.oneshot && known.state == Name::Running);
        let one_waits = self.known.keys().any(|id| conditions::waits(sup, *id));
        hold!(at_work || one_waits || self.open.is_empty(), "never answered: {:?}", self.open);
        hold!(self.hooks.is_empty(), "at rest {:?} run", self.hooks);
        hold!(sup.next_deadline().is_none(), "it waits for {:?} though all is at rest", sup.next_deadline());
        for (id, known) in &self.known {
            let rests = known.state == Name::Running || known.state.is_down() || conditions::waits(sup, *id);
            hold!(rests, "{id:?} rests in {}", known.state);
        }
        Ok(())
    }

    /// After it left: nothing of ours lives, nobody waits.
    pub fn after_leave(&self, sup: &Supervisor, kernel: &Kernel) -> Broken {
        hold!(self.left, "it never left");
        hold!(self.open.is_empty(), "never answered: {:?}", self.open);
        hold!(sup.next_deadline().is_none(), "it left and waits for {:?}", sup.next_deadline());
        for known in self.known.values() {
            hold!(known.state.is_down(), "it left while {} was {}", known.config.name, known.state);
        }
        let left = kernel.procs.values().find(|proc| proc.leader && !proc.untouchable);
        hold!(left.is_none(), "it left and there is {left:?}");
        Ok(())
    }
}
