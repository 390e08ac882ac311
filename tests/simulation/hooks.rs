//! Invented hooks: they end well, badly, late, or not before they are killed.

use std::collections::BTreeMap;
use std::time::Duration;

use visor::config::{Hooks as Commands, Reload, Signal};
use visor::program::{Hook, Input as Happened};
use visor::supervisor::{Input, ProcessId};

use crate::checks::Broken;
use crate::rng::Rng;
use crate::world::World;

/// The time each may take: what the daemon sees to.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Hooks that run: when each ends, and how.
#[derive(Default)]
pub struct Hooks {
    running: BTreeMap<(ProcessId, Hook), (Duration, Result<(), String>)>,
}

impl Hooks {
    pub fn next(&self) -> Option<Duration> {
        self.running.values().map(|(at, _)| *at).min()
    }

    /// Kills one, or all of a process.
    pub fn end(&mut self, rng: &mut Rng, id: ProcessId, hook: Option<Hook>, now: Duration) {
        for ((of, which), end) in &mut self.running {
            if *of == id && hook.is_none_or(|hook| hook == *which) {
                let at = now + rng.millis(0, 1);
                if at < end.0 {
                    *end = (at, Err("killed".to_string()));
                }
            }
        }
    }
}

impl World {
    pub(crate) fn run_hook(&mut self, id: ProcessId, hook: Hook) -> Broken {
        let calm = self.kernel.calm;
        if !calm && self.rng.chance(10) {
            return self.tell_hook(id, hook, Err("no such command".to_string()));
        }
        let (pause, result) = match self.rng.below(10) {
            0..=1 if !calm => (TIMEOUT, Err("timed out".to_string())),
            2..=3 if !calm => (self.rng.millis(0, 2000), Err("exit status 1".to_string())),
            4..=6 if !calm => (self.rng.millis(0, 2500), Ok(())),
            _ => (self.rng.millis(0, 3), Ok(())),
        };
        self.hooks.running.insert((id, hook), (self.mono + pause, result));
        let pid = self.kernel.free_pid(&mut self.rng);
        self.feed(Input::NumberTaken { pid })
    }

    /// Tells of those that have ended.
    pub(crate) fn end_hooks(&mut self) -> Broken {
        let due = self.hooks.running.iter().filter(|(_, (at, _))| *at <= self.mono);
        let due: Vec<(ProcessId, Hook)> = due.map(|(key, _)| *key).collect();
        for (id, hook) in due {
            if let Some((_, result)) = self.hooks.running.remove(&(id, hook)) {
                self.tell_hook(id, hook, result)?;
            }
        }
        Ok(())
    }

    fn tell_hook(&mut self, id: ProcessId, hook: Hook, result: Result<(), String>) -> Broken {
        self.watch.hook_ended(id, hook, result.is_ok());
        self.feed(Input::Process(id, Happened::HookEnded(hook, result)))
    }
}

/// Any hooks; most processes have none.
pub fn any(rng: &mut Rng) -> Option<Box<Commands>> {
    if !rng.chance(35) {
        return None;
    }
    let mut command = || rng.chance(50).then(|| "/bin/hook".to_string());
    let [pre_start, post_stop, stop, reload] = [command(), command(), command(), command()];
    let reload = reload.map(Reload::Command).or(rng.chance(20).then_some(Reload::Signal(Signal(1))));
    Some(Box::new(Commands { pre_start, post_stop, stop, reload, timeout: TIMEOUT }))
}
