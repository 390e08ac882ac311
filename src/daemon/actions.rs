//! Carrying out what the supervisor decided; what comes of it goes back as an input.

use std::sync::Arc;

use nix::errno::Errno;

use super::Daemon;
use crate::config::{Config, LogLevel, Signal};
use crate::list::List as _;
use crate::program::{self, Now};
use crate::protocol::Stream;
use crate::supervisor::{Action, Input, JobId, ProcessId};
use crate::sys::reap;

impl Daemon {
    pub(super) fn perform(&mut self, action: Action, now: Now) {
        match action {
            Action::Spawn(id) => self.spawn(id),
            Action::Signal { id, pid, group, signal } => self.signal(id, pid, group, signal, now),
            Action::Hook(id, hook) => self.run_hook(id, hook),
            Action::EndHook(id, hook) => self.hooks.end(id, Some(hook)),
            Action::LookForGroup { id, group } => self.look_for_group(id, group, now),
            Action::LookUp { job, ids } => self.look_up(job, &ids, now),
            Action::Log(level, text) => self.log(level, &text),
            Action::Event(event) => self.clients.event(&event, now),
            Action::Deliver(id, bytes) => self.deliver(id, &bytes, now),
            Action::Reply(client, line) => self.clients.reply(client, &line),
            Action::ReadConfig(job) => self.read_config(job, None, now),
            Action::ReadScaled { job, program, count } => self.read_config(job, Some((program, i64::from(count))), now),
            Action::Added(id) => {
                self.add_process(id);
                self.judge_streams();
            }
            Action::Removed(id) => {
                // A last line without an end would wait for an end of file that nobody reads any more.
                for stream in [Stream::Stdout, Stream::Stderr] {
                    self.outputs.end(id, stream, now, &mut self.poll);
                }
                self.children.remove(id, &mut self.poll);
                self.checks.remove(id, &mut self.poll);
                self.trees.remove(id);
                self.hooks.end(id, None);
                self.close_listening(id);
                self.close_unused_sockets();
                self.outputs.remove(id);
                self.clients.process_removed(id);
            }
            Action::Tuned(id, before) => {
                self.retune(id, &before);
                self.judge_streams();
            }
            Action::Adopt(config) => {
                self.adopt(config, now);
                self.judge_streams();
            }
            // Asked for by other ways than the command's end, it waits for that.
            Action::Leave => self.leaving = !self.end_foreground(now),
        }
    }

    pub(super) fn add_process(&mut self, id: ProcessId) {
        if let Some(entry) = self.supervisor.entry(id) {
            self.outputs.add(id, &entry.config, &entry.group, &self.settings.daemon, &mut self.poll);
        }
    }

    fn signal(&mut self, id: ProcessId, pid: i32, group: bool, signal: Signal, now: Now) {
        if !self.supervisor.holds(id, pid, group) {
            return;
        }
        if self.signal_tree_of(id, pid, group, signal) {
            return;
        }
        let result = if group { reap::kill_group(pid, signal.0) } else { reap::kill(pid, signal.0) };
        let Err(error) = result else { return };
        if error.raw_os_error() == Some(Errno::ESRCH as i32) {
            // Its end is on the way to us.
            let text = format!("unable to signal pid {pid}, it probably just exited on its own: {error}");
            self.log(LogLevel::Debug, &text);
            return;
        }
        let input = program::Input::SignalFailed { signal, error: error.to_string() };
        self.input(Input::Process(id, input), now);
    }

    fn look_for_group(&mut self, id: ProcessId, group: i32, now: Now) {
        let alive = reap::group_lives(group) || self.tree_is_populated(id);
        self.input(Input::Process(id, program::Input::Group { alive }), now);
    }

    /// `numprocs`: of a program, instead of what its section says.
    fn read_config(&mut self, job: JobId, numprocs: Option<(String, i64)>, now: Now) {
        self.options.overrides.numprocs = numprocs;
        let read = self.options.read();
        self.options.overrides.numprocs = None;
        let result = match read {
            Ok(config) => {
                for warning in &config.warnings {
                    let text = super::setup::warning_text(warning);
                    self.log(LogLevel::Warn, &text);
                }
                Ok(Box::new(config))
            }
            Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).list()),
        };
        self.input(Input::ConfigRead(job, result), now);
    }

    /// Takes what can be changed while running; the rest is named.
    fn adopt(&mut self, config: Arc<Config>, now: Now) {
        let briefing = self.briefing();
        let (old, new) = (&self.settings.daemon, &config.daemon);
        self.outputs.voice.set_level(new.loglevel);
        let mut kept = Vec::new();
        let mut fixed = |key: &'static str, same: bool| {
            if !same {
                kept.push(key);
            }
        };
        fixed("logfile", old.logfile == new.logfile);
        fixed("logfile_maxbytes", old.logfile_maxbytes == new.logfile_maxbytes);
        fixed("logfile_backups", old.logfile_backups == new.logfile_backups);
        fixed("pidfile", old.pidfile == new.pidfile);
        fixed("user", old.user == new.user);
        fixed("minfds", old.minfds == new.minfds);
        fixed("minprocs", old.minprocs == new.minprocs);
        let (was, is) = (&self.settings.visor, &config.visor);
        fixed("[visor] socket", was.socket == is.socket);
        fixed("[visor] machine", was.machine == is.machine);
        fixed("[visor] hostname", was.hostname == is.hostname);
        let same_gateway = was.gateway == is.gateway && was.http_user == is.http_user;
        let text = kept.join("`, `");
        if !text.is_empty() {
            let text = format!("`{text}` changed, which takes effect when visor is started again");
            self.log(LogLevel::Warn, &text);
        }
        self.settings = config;
        let settings = Arc::clone(&self.settings);
        self.renew_doors(&settings);
        if (!same_gateway || self.briefing() != briefing) && self.gateway.link.is_some() {
            self.log(LogLevel::Info, "visor-http is started anew with the next connection: its settings changed");
            self.retire_gateway(now);
        }
    }

    pub(super) fn log(&mut self, level: LogLevel, text: &str) {
        self.outputs.log(level, text, &mut self.poll);
    }

    /// Something failed that the loop goes on without.
    pub(super) fn complain(&mut self, text: &str) {
        self.log(LogLevel::Error, text);
    }

    pub(super) fn reopen_logs(&mut self) {
        self.log(LogLevel::Info, "received SIGUSR2 indicating log reopen request");
        self.log(LogLevel::Info, "supervisord logreopen");
        self.outputs.reopen(&mut self.poll);
        self.restore_listeners();
    }
}
