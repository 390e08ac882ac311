//! Limits of programs, and with `kill_tree` their descendants that left the process group.
//!
//! Where cgroups can be made the kernel knows who descends from a program. Elsewhere /proc is asked: who is below the program, who is in
//! its process group, who became our child and carries the program's mark in its environment, and who is below any of these. What left its
//! parents and forgot its environment is not found then.
//!
//! When the program is stopped its descendants get the stop signal once it is gone, and KILL when its patience is over; when it ends by itself
//! they are killed at once, and it is not started again before they are gone.

use std::ffi::OsString;
use std::time::Duration;

use nix::sys::signal::Signal as Number;

use super::cgroups::Cgroups;
use super::launch::other_failure;
use super::{Daemon, clock};
use crate::config::{IoPriority, LogLevel, Process, Signal};
use crate::list::List as _;
use crate::program::{self, Exit, Now, SpawnFailure, State};
use crate::protocol::display_name;
use crate::sorted::Map;
use crate::supervisor::{Input, ProcessId};
use crate::sys::cgroup::Cgroup;
use crate::sys::descent::{self, Someone};
use crate::sys::limits::{self, Limits, Rlimit};
use crate::sys::{process, reap};

/// The variable that marks descendants of a program where there is no cgroup.
const MARK: &str = "VISOR_TREE";
/// How often the end of descendants is looked for while a start waits for it.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How long a start waits for the end of killed descendants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Descendants of programs with `kill_tree`, and cgroups.
#[derive(Debug, Default)]
pub(super) struct Trees {
    cgroups: Cgroups,
    trees: Map<ProcessId, Tree>,
    /// Groups of programs that are no more, with somebody in them.
    left: Vec<Cgroup>,
}

#[derive(Debug, Default)]
struct Tree {
    /// The program's pid, which is its process group; `None` when that is empty.
    leader: Option<i32>,
    account: Account,
    /// Who was found last.
    seen: Vec<Someone>,
    held: Option<Held>,
}

/// How its members are known.
#[derive(Debug, Default, PartialEq)]
enum Account {
    /// There are none.
    #[default]
    Closed,
    Cgroup(Cgroup),
    /// `VISOR_TREE=…`, in the environment.
    Mark(String),
}

impl Account {
    fn cgroup(&self) -> Option<&Cgroup> {
        match self {
            Account::Cgroup(cgroup) => Some(cgroup),
            Account::Mark(_) | Account::Closed => None,
        }
    }
}

/// A start waits for the end of what its predecessor left.
#[derive(Debug, Clone, Copy)]
struct Held {
    look_at: Duration,
    until: Duration,
}

impl Trees {
    /// When [`Daemon::look_for_held`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        self.trees.values().filter_map(|tree| Some(tree.held?.look_at)).min()
    }

    /// The program of a tree was started.
    pub fn led_by(&mut self, id: ProcessId, pid: i32) {
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.leader = Some(pid);
            tree.seen.clear();
        }
    }

    /// Other limits for a program that runs, if it has a cgroup; what cannot be had.
    pub fn retune(&mut self, id: ProcessId, name: &str, limits: &crate::config::Limits) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.trees.get(&id).is_some_and(|tree| tree.account.cgroup().is_some()) {
            self.cgroups.prepare(name, limits, &mut warnings);
        }
        warnings
    }

    /// A program is known no more.
    pub fn remove(&mut self, id: ProcessId) {
        let Some(tree) = self.trees.remove(&id) else { return };
        if let Account::Cgroup(cgroup) = tree.account
            && cgroup.remove().is_err()
        {
            self.left.push(cgroup);
        }
    }

    /// visor ends: groups go with it.
    pub fn leave(&mut self) {
        for cgroup in self.trees.values().filter_map(|tree| tree.account.cgroup()).chain(&self.left) {
            let _ = cgroup.remove();
        }
        self.cgroups.leave();
    }
}

impl Tree {
    /// Who is left, when the kernel does not keep account.
    fn find(&mut self) -> Vec<Someone> {
        let Account::Mark(mark) = &self.account else { return Vec::new() };
        let all = descent::everybody();
        let ours = i32::try_from(process::pid()).unwrap_or(0);
        if !all.iter().any(|who| Some(who.group) == self.leader) {
            // The number may be somebody else's group from now on.
            self.leader = None;
        }
        let belongs = |who: &&Someone| {
            Some(who.group) == self.leader
                || Some(who.parent) == self.leader
                || self.seen.contains(who)
                || (who.parent == ours && who.carries(mark))
        };
        let roots: Vec<i32> = all.iter().filter(belongs).map(|who| who.pid).list();
        let mut found = descent::below(&all, &roots);
        found.retain(|who| Some(who.pid) != self.leader && who.pid != ours);
        self.seen.clone_from(&found);
        found
    }

    /// Whether anybody is left. Those who were found last are looked at first: that is cheap.
    fn is_populated(&mut self) -> bool {
        match &self.account {
            Account::Closed => false,
            Account::Cgroup(cgroup) => cgroup.is_populated(),
            Account::Mark(_) => {
                self.leader.take_if(|group| !reap::group_lives(*group));
                self.seen.iter().any(Someone::lives) || !self.find().is_empty()
            }
        }
    }

    /// Signals who is left; not those in the process group when they have it already.
    fn signal(&mut self, signal: Signal, but_group: bool) {
        let kill = signal.0 == Number::SIGKILL as i32;
        let left = match &self.account {
            Account::Cgroup(cgroup) if kill && cgroup.kill().is_ok() => return,
            Account::Cgroup(cgroup) => cgroup.all_members().into_iter().filter_map(descent::someone).list(),
            Account::Mark(_) | Account::Closed => self.find(),
        };
        for who in left.iter().filter(|who| !(but_group && Some(who.group) == self.leader)) {
            descent::signal(who, signal.0);
            if !kill {
                descent::signal(who, Number::SIGCONT as i32);
            }
        }
    }
}

impl Daemon {
    /// What a process sets for itself, and a tree for it if it needs one.
    pub(super) fn limits_of(
        &mut self,
        id: ProcessId,
        process: &Process,
        group: &str,
        env: &mut Vec<(OsString, OsString)>,
    ) -> Result<Option<Limits>, SpawnFailure> {
        let wanted = &process.limits;
        if *wanted == crate::config::Limits::default() {
            self.trees.remove(id);
            return Ok(None);
        }
        let mut warnings = Vec::new();
        let cgroup = self.trees.cgroups.prepare(&display_name(group, &process.name), wanted, &mut warnings);
        for text in warnings {
            self.log(LogLevel::Warn, &text);
        }
        let mut set = own_limits(wanted);
        if let Some(cgroup) = &cgroup {
            let failed = |error| other_failure(format!("cannot open cgroup `{}`: {error}", cgroup.path().display()));
            set.cgroup = Some(cgroup.door().map_err(failed)?);
        }
        let account = match cgroup {
            Some(cgroup) => Account::Cgroup(cgroup),
            None if wanted.kill_tree => {
                let mark = self.mark(id);
                env.retain(|(key, _)| key != MARK);
                env.push((MARK.into(), mark.as_str().into()));
                Account::Mark(format!("{MARK}={mark}"))
            }
            None => Account::Closed,
        };
        self.trees.trees.insert_new(id, Tree::default);
        if let Some(tree) = self.trees.trees.get_mut(&id) {
            tree.account = account;
        }
        Ok(Some(set))
    }

    /// A text that no other process of this or any other visor has.
    fn mark(&self, id: ProcessId) -> String {
        format!("{}.{}.{}", process::pid(), self.started.mono.as_nanos(), id.0)
    }

    /// Whether anybody is left of the tree of a program that is gone.
    pub(super) fn tree_is_populated(&mut self, id: ProcessId) -> bool {
        self.kills_tree(id) && self.trees.trees.get_mut(&id).is_some_and(Tree::is_populated)
    }

    fn kills_tree(&self, id: ProcessId) -> bool {
        self.supervisor.entry(id).is_some_and(|entry| entry.config.limits.kill_tree)
    }

    /// A signal for a program with `kill_tree`. True when that was all there is to do: its leader is gone.
    pub(super) fn signal_tree_of(&mut self, id: ProcessId, pid: i32, group: bool, signal: Signal) -> bool {
        if !self.kills_tree(id) {
            return false;
        }
        let leads = self.supervisor.entry(id).and_then(|entry| entry.life.state.pid()) == Some(pid);
        let Some(tree) = self.trees.trees.get_mut(&id) else { return false };
        if leads {
            // Whoever leaves its parents from now on is known.
            tree.find();
            return false;
        }
        if group {
            tree.signal(signal, false);
        }
        group
    }

    /// The program of a process died and is about to be told so: what is left of it gets its signal.
    pub(super) fn sweep(&mut self, id: ProcessId, exit: Exit) {
        let Some(entry) = self.supervisor.entry(id) else { return };
        let (process, stopping) = (&entry.config, matches!(entry.life.state, State::Stopping { .. }));
        if !process.limits.kill_tree {
            return;
        }
        let kill = Signal(Number::SIGKILL as i32);
        let was_killed = matches!(exit, Exit::Signal { signal, .. } if signal == kill);
        let asked = if stopping && !was_killed { process.stopsignal } else { kill };
        let but_group = asked != kill && process.stopasgroup;
        if let Some(tree) = self.trees.trees.get_mut(&id) {
            tree.signal(asked, but_group);
            if !stopping {
                // Nobody awaits its group: who is left was seen just now, and its number may soon be another's.
                tree.leader = None;
            }
        }
    }

    /// Somebody died: groups may be empty now, and starts that waited for that go on.
    pub(super) fn tidy_trees(&mut self, now: Now) {
        self.trees.left.retain(|cgroup| cgroup.remove().is_err());
        for (id, tree) in self.trees.trees.iter_mut() {
            let lives = self.supervisor.entry(*id).is_some_and(|entry| entry.life.state.pid().is_some());
            if !lives && tree.account.cgroup().is_some_and(|cgroup| cgroup.remove().is_ok()) {
                tree.account = Account::Closed;
            }
        }
        self.start_held(now, &|_| true);
    }

    /// Whether a start waits because something is left of the last run; then it is asked for again.
    pub(super) fn is_held(&mut self, id: ProcessId, now: Now) -> bool {
        if !self.kills_tree(id) {
            return false;
        }
        let Some(tree) = self.trees.trees.get_mut(&id) else { return false };
        if !tree.is_populated() {
            return false;
        }
        tree.signal(Signal(Number::SIGKILL as i32), false);
        let look_at = now.mono.saturating_add(LOOK_PAUSE);
        tree.held = Some(Held { look_at, until: now.mono.saturating_add(PATIENCE) });
        true
    }

    /// Looks at starts that wait, when their time has come.
    pub(super) fn look_for_held(&mut self, now: Now) {
        self.start_held(now, &|held| held.look_at <= now.mono);
    }

    fn start_held(&mut self, now: Now, is_due: &dyn Fn(Held) -> bool) {
        let due = |(id, tree): (&ProcessId, &Tree)| tree.held.filter(|held| is_due(*held)).map(|held| (*id, held));
        let due: Vec<(ProcessId, Held)> = self.trees.trees.iter().filter_map(due).list();
        for (id, held) in due {
            let Some(tree) = self.trees.trees.get_mut(&id) else { continue };
            let populated = tree.is_populated();
            if populated && now.mono < held.until {
                tree.signal(Signal(Number::SIGKILL as i32), false);
                tree.held = Some(Held { look_at: now.mono.saturating_add(LOOK_PAUSE), ..held });
                continue;
            }
            tree.held = None;
            let state = self.supervisor.entry(id).map(|entry| &entry.life.state);
            let unwanted = matches!(state, Some(State::Spawning { stop: true, .. }));
            if populated || unwanted {
                let text =
                    if unwanted { "it is not wanted any more" } else { "what is left of its last run does not end" };
                let input = program::Input::SpawnFailed(other_failure(text.to_owned()));
                self.input(Input::Process(id, input), clock::now());
            } else {
                self.spawn(id);
            }
        }
    }
}

/// Limits as the kernel has them, without those of a cgroup.
pub(super) fn own_limits(wanted: &crate::config::Limits) -> Limits {
    const REALTIME: u8 = 1;
    const BEST_EFFORT: u8 = 2;
    const IDLE: u8 = 3;
    let priority = |priority| match priority {
        IoPriority::Realtime(level) => limits::io_priority(REALTIME, level),
        IoPriority::BestEffort(level) => limits::io_priority(BEST_EFFORT, level),
        IoPriority::Idle => limits::io_priority(IDLE, 0),
    };
    Limits {
        rlimits: wanted.rlimits.iter().filter_map(|limit| Rlimit::new(limit.key, limit.soft, limit.hard)).list(),
        nice: wanted.nice,
        oom_score_adj: wanted.oom_score_adj.map(|score| score.to_string()),
        ioprio: wanted.ioprio.map(priority),
        no_new_privs: wanted.no_new_privs,
        capabilities: wanted.capabilities.map(|set| set.0),
        cgroup: None,
    }
}
