//! Hooks as children: fork, output, time, end.
//!
//! Owns: their pids. A hook is known from its fork until it is reaped, whatever becomes of its process meanwhile. Does not own: when one
//! runs, and what its end leads to, which is the supervisor's.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal as Number;

use super::children::{Life, PipeId};
use super::launch::{Beside, exec_text, spawn_beside};
use super::{Daemon, clock};
use crate::config::{Hooks as Commands, LogLevel, Process, Reload, split};
use crate::list::List as _;
use crate::program::{self, Exit, Hook, Now};
use crate::protocol::Stream;
use crate::sorted::Map;
use crate::span;
use crate::supervisor::{Entry, Input, ProcessId};
use crate::sys::reap;
use crate::sys::spawn::{self, ExecStatus, Output};

const NAME: &str = "VISOR_HOOK";
const PID: &str = "VISOR_PID";
const REASON: &str = "VISOR_REASON";
const EXIT_CODE: &str = "VISOR_EXIT_CODE";
const EXIT_SIGNAL: &str = "VISOR_EXIT_SIGNAL";
/// Hooks that run.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    running: Map<(ProcessId, Hook), Running>,
}

#[derive(Debug)]
struct Running {
    pid: i32,
    process: Arc<Process>,
    /// The first of its command.
    word: String,
    until: Duration,
    /// Whether its command was executed; read when it is dead.
    status: OwnedFd,
    pipes: Vec<PipeId>,
    /// Why it was killed.
    ending: Option<String>,
}

impl Running {
    /// Its process group cannot be somebody else's: it is not reaped.
    fn kill(&mut self, why: String) {
        if self.ending.is_none() {
            self.ending = Some(why);
            let _ = reap::kill_group(self.pid, Number::SIGKILL as i32);
        }
    }

    fn result(&self, exit: Exit) -> Result<(), String> {
        if let ExecStatus::Failed(error) = spawn::read_status(&self.status) {
            return Err(exec_text(&self.process, &self.word, &error));
        }
        match (exit, &self.ending) {
            (Exit::Code(0), _) => Ok(()),
            (_, Some(why)) => Err(why.clone()),
            (exit, None) => Err(exit.to_string()),
        }
    }
}

impl Hooks {
    /// When [`Daemon::end_late_hooks`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        let waiting = self.running.values().filter(|running| running.ending.is_none());
        waiting.map(|running| running.until).min()
    }

    /// A process is known no more, or a hook of it is not wanted any more.
    pub fn end(&mut self, id: ProcessId, hook: Option<Hook>) {
        for ((of, which), running) in self.running.iter_mut() {
            if *of == id && hook.is_none_or(|hook| hook == *which) {
                running.kill("it was ended before it was done".to_owned());
            }
        }
    }
}

impl Daemon {
    /// Runs a hook, or sends the signal in its place. Its end is told when it is reaped, or now when there is none.
    pub(super) fn run_hook(&mut self, id: ProcessId, hook: Hook) {
        let now = clock::now();
        let result = match self.fork_hook(id, hook, now) {
            Ok(Some(pid)) => return self.input(Input::NumberTaken { pid }, now),
            Ok(None) => Ok(()),
            Err(text) => Err(text),
        };
        self.input(Input::Process(id, program::Input::HookEnded(hook, result)), now);
    }

    /// The child; `None` = nothing had to be run.
    fn fork_hook(&mut self, id: ProcessId, hook: Hook, now: Now) -> Result<Option<i32>, String> {
        let Some(entry) = self.supervisor.entry(id) else { return Ok(None) };
        let (process, pid) = (Arc::clone(&entry.config), entry.life.state.pid());
        let Some(hooks) = &process.hooks else { return Ok(None) };
        match (hook, &hooks.reload, pid) {
            (Hook::Reload, _, None) => return Err("not running".to_owned()),
            // It ended by itself meanwhile.
            (Hook::Stop, _, None) => return Ok(None),
            (Hook::Reload, Some(Reload::Signal(signal)), Some(pid)) => {
                return reap::kill(pid, signal.0).map(|()| None).map_err(|error| error.to_string());
            }
            (Hook::PreStart | Hook::PostStop | Hook::Stop | Hook::Reload, _, _) => {}
        }
        let Some(text) = command(hooks, hook) else { return Ok(None) };
        let words = split(text)?;
        let told = told(entry, hook);
        let group = entry.group.clone();
        self.outputs.prepare(id, &mut self.poll);
        let beside = Beside { words: &words, told, redirect_stderr: process.redirect_stderr, stderr: Output::Pipe };
        let ours = (self.settings.server_url.as_deref(), self.environment.as_slice());
        let child = spawn_beside(&process, &group, ours, beside)?;
        let (pid, status, until) = (child.pid, child.status, now.mono.saturating_add(hooks.timeout));
        self.log(LogLevel::Debug, &format!("{hook} of {} runs with pid {pid}", process.name));
        let pipes = self.adopt_pipes(id, [(child.stdout, Stream::Stdout), (child.stderr, Stream::Stderr)]);
        let word = words.into_iter().next().unwrap_or_default();
        let running = Running { pid, process, word, until, status, pipes, ending: None };
        self.hooks.running.insert((id, hook), running);
        Ok(Some(pid))
    }

    /// Its pipes are read as those of earlier children are: to their end, even when that comes after the hook's.
    fn adopt_pipes(&mut self, id: ProcessId, ends: [(Option<OwnedFd>, Stream); 2]) -> Vec<PipeId> {
        self.children.lives.insert_new(id, Life::default);
        let add = |(fd, stream): (Option<OwnedFd>, Stream)| {
            fd.map(|fd| self.children.add_pipe(fd, id, stream, &mut self.poll))
        };
        let pipes: Vec<PipeId> = ends.into_iter().filter_map(add).list();
        self.leave_over(id, pipes.clone());
        pipes
    }

    /// Kills hooks whose time is over.
    pub(super) fn end_late_hooks(&mut self, now: Now) {
        for running in self.hooks.running.values_mut().filter(|running| running.until <= now.mono) {
            let timeout = running.process.hooks.as_ref().map_or(Duration::ZERO, |hooks| hooks.timeout);
            let words = match timeout.subsec_millis() {
                0 => format!("{}s", timeout.as_secs()),
                _ => span::in_millis(timeout),
            };
            running.kill(format!("timed out after {words}"));
        }
    }

    /// Whether the dead child was a hook, which is then told.
    pub(super) fn hook_died(&mut self, pid: i32, exit: Exit, now: Now) -> bool {
        let found = self.hooks.running.iter().find(|(_, running)| running.pid == pid).map(|(key, _)| *key);
        let Some((id, hook)) = found else { return false };
        let Some(running) = self.hooks.running.remove(&(id, hook)) else { return false };
        self.drain_pipes(running.pipes.clone(), now);
        let result = running.result(exit);
        self.input(Input::Process(id, program::Input::HookEnded(hook, result)), now);
        true
    }
}

fn command(hooks: &Commands, hook: Hook) -> Option<&str> {
    match hook {
        Hook::PreStart => hooks.pre_start.as_deref(),
        Hook::PostStop => hooks.post_stop.as_deref(),
        Hook::Stop => hooks.stop.as_deref(),
        Hook::Reload => match &hooks.reload {
            Some(Reload::Command(text)) => Some(text),
            Some(Reload::Signal(_)) | None => None,
        },
    }
}

/// What a hook is told of its program.
fn told(entry: &Entry, hook: Hook) -> Vec<(OsString, OsString)> {
    let life = &entry.life;
    let mut told: Vec<(&str, String)> = vec![(NAME, hook.key().to_owned())];
    match hook {
        Hook::PreStart => {}
        Hook::Stop | Hook::Reload => told.extend(life.state.pid().map(|pid| (PID, pid.to_string()))),
        Hook::PostStop => {
            told.push((REASON, life.end.word().to_owned()));
            told.extend(life.last.map(|exit| match exit {
                Exit::Code(code) => (EXIT_CODE, code.to_string()),
                Exit::Signal { signal, .. } => (EXIT_SIGNAL, signal.name()),
            }));
        }
    }
    told.into_iter().map(|(key, value)| (key.into(), value.into())).list()
}
