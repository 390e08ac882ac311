//! The gateway's process: when it is started, what it gets, how it ends. What is said to it is in `gateway_talk`.
//!
//! It is nobody's program and is trusted with nothing: it crashes, hangs, floods or lies, and visor goes on. While it rests or is not there,
//! who speaks HTTP gets a fixed answer.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal as Number;

use super::environment::DEFAULT_PATH;
use super::gateway_talk::{Link, Unable};
use super::{Daemon, Poll, Token, leftovers};
use crate::config::LogLevel;
use crate::list::List as _;
use crate::logs::Lines;
use crate::program::{Exit, Now};
use crate::sorted::{Map, Set};
use crate::supervisor::Input;
use crate::sys::fds::{self, Read};
use crate::sys::poll::Interest;
use crate::sys::reap::{self, Stops};
use crate::sys::spawn::{self, Credentials, ExecStatus, Lead, Output, Signals, Spec, Stdin};
use crate::sys::{channel, command, users};

/// Its name, beside our own binary or in PATH.
const NAME: &str = "visor-http";
/// Whom it becomes, and the number where that name is unknown.
const NOBODY: &str = "nobody";
const NOBODY_ID: u32 = 65534;
/// Its umask: whatever it may write is nobody else's.
const UMASK: u32 = 0o077;
/// One that fails before this age failed because it was started.
const YOUNG: Duration = Duration::from_secs(60);
/// The longest rest after a failure; the first is a second, each further one twice as long.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long one that was asked to leave may take to finish what is under way.
const RETIRED_PATIENCE: Duration = Duration::from_secs(300);
/// How long one may live that has closed its channel unasked.
const LOST_PATIENCE: Duration = Duration::from_secs(1);
/// Such that were asked to leave, at once; the oldest beyond is killed.
const MAX_RETIRED: usize = 4;
/// At the end of the run: to leave by itself, from TERM to KILL, and after KILL.
const END_PATIENCES: [(Option<Number>, Duration); 3] = [
    (None, Duration::from_secs(1)),
    (Some(Number::SIGTERM), Duration::from_secs(1)),
    (Some(Number::SIGKILL), Duration::from_secs(1)),
];
/// Bytes of its stderr read in one turn.
const ERROR_BYTES: usize = 4096;
/// Bytes of its stderr read when it has ended; a pipe holds as much.
const LAST_ERROR_CHUNKS: usize = 16;

/// The gateway, and its earlier lives that finish what is under way.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    /// The channel to the one that serves.
    pub link: Option<Link>,
    processes: Map<i32, Process>,
    /// Failures in a row.
    failures: u32,
    /// It is not started before.
    rest_until: Duration,
    /// How often it was started.
    pub starts: u64,
    /// That it is not installed was told.
    missing_told: bool,
}

/// One life of it.
#[derive(Debug)]
struct Process {
    since: Duration,
    /// Its end is wanted, or was counted already.
    asked: bool,
    kill_at: Option<Duration>,
    /// Its failure was counted already.
    counted: bool,
    /// Whether it could be executed.
    status: OwnedFd,
    errors: Option<OwnedFd>,
    lines: Lines,
}

/// How long to rest after so many failures in a row.
fn rest(failures: u32) -> Duration {
    let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).map_or(LONGEST_REST, Duration::from_secs);
    doubled.min(LONGEST_REST)
}

impl Gateway {
    /// When something is to be done about it next.
    pub fn deadline(&self) -> Option<Duration> {
        let looks = self.link.as_ref().and_then(Link::deadline);
        self.processes.values().filter_map(|process| process.kill_at).chain(looks).min()
    }

    /// It has failed: it rests.
    fn fail(&mut self, now: Now) {
        self.failures = self.failures.saturating_add(1);
        self.rest_until = now.mono.saturating_add(rest(self.failures));
    }

    /// The channel is closed; who was behind it is to end.
    fn close(&mut self, poll: &mut Poll, asked: bool, kill_at: Duration) -> Option<i32> {
        let pid = self.link.take()?.pid;
        poll.remove(Token::Gateway);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.asked |= asked;
            process.kill_at = Some(kill_at);
        }
        Some(pid)
    }
}

impl Daemon {
    /// Starts it if it does not run.
    ///
    /// # Errors
    /// Why nobody can be served.
    pub(super) fn wake_gateway(&mut self, now: Now) -> Result<(), Unable> {
        if self.gateway.link.is_some() {
            return Ok(());
        }
        if self.leaving {
            return Err(Unable::Busy);
        }
        let rest = self.gateway.rest_until.saturating_sub(now.mono);
        if !rest.is_zero() {
            return Err(Unable::Resting(rest));
        }
        let Some(path) = self.find_gateway() else {
            if !std::mem::replace(&mut self.gateway.missing_told, true) {
                self.log(LogLevel::Warn, "somebody came who speaks HTTP, and visor-http is not installed");
            }
            return Err(Unable::NotInstalled);
        };
        self.gateway.missing_told = false;
        if let Err(text) = self.start_gateway(&path, now) {
            self.gateway.fail(now);
            self.complain(&format!("cannot start `{}`: {text}", path.display()));
            return Err(Unable::Resting(self.gateway.rest_until.saturating_sub(now.mono)));
        }
        Ok(())
    }

    fn find_gateway(&self) -> Option<PathBuf> {
        let executable = |path: &PathBuf| command::find(path.to_str()?, "").ok();
        if let Some(path) = &self.settings.visor.gateway {
            return executable(&PathBuf::from(path));
        }
        let beside = std::env::current_exe().ok().and_then(|own| executable(&own.parent()?.join(NAME)));
        let path = self.environment.iter().find(|(key, _)| key == "PATH");
        let path = path.and_then(|(_, value)| value.to_str()).filter(|path| !path.is_empty()).unwrap_or(DEFAULT_PATH);
        beside.or_else(|| command::find(NAME, path).ok())
    }

    fn start_gateway(&mut self, path: &std::path::Path, now: Now) -> Result<(), String> {
        let (ours, theirs) = channel::packets().map_err(|error| error.to_string())?;
        let credentials = self.gateway_user();
        let child = spawn::spawn(&Spec {
            path,
            argv: &[NAME.into()],
            env: &[],
            directory: Some("/"),
            umask: Some(UMASK),
            lead: Lead::Alone,
            signals: Signals::Default,
            limits: None,
            credentials: credentials.as_ref(),
            redirect_stderr: false,
            stdin: Stdin::Null,
            stdout: Output::Null,
            stderr: Output::Pipe,
            keep: &[],
            listen: &[theirs.as_raw_fd()],
            extra: None,
            confined: true,
        })
        .map_err(|error| error.to_string())?;
        let pid = child.pid;
        if let Some(errors) = &child.stderr {
            self.poll.set(Token::GatewayErrors(pid), errors.as_raw_fd(), Interest::READ);
        }
        self.poll.set(Token::Gateway, ours.as_raw_fd(), Interest::READ);
        let process = Process {
            since: now.mono,
            asked: false,
            kill_at: None,
            counted: false,
            status: child.status,
            errors: child.stderr,
            lines: Lines::default(),
        };
        self.gateway.processes.insert(pid, process);
        self.gateway.link = Some(Link::new(pid, ours));
        self.gateway.starts = self.gateway.starts.saturating_add(1);
        self.log(LogLevel::Debug, &format!("started visor-http with pid {pid}"));
        self.input(Input::NumberTaken { pid }, now);
        self.brief_gateway(now);
        Ok(())
    }

    /// Whom it becomes; only root can become anybody.
    fn gateway_user(&self) -> Option<Credentials> {
        if users::effective_uid() != 0 {
            return None;
        }
        if let Some(user) = &self.settings.visor.http_user {
            return Some(Credentials { uid: user.uid, gid: user.gid, groups: user.groups.clone() });
        }
        let (uid, gid) = users::by_name(NOBODY).map_or((NOBODY_ID, NOBODY_ID), |user| (user.uid, user.gid));
        Some(Credentials { uid, gid, groups: vec![gid] })
    }

    /// Lets it go: it finishes what is under way, and the next connection finds a new one.
    pub(super) fn retire_gateway(&mut self, now: Now) {
        self.gateway.failures = 0;
        self.gateway.close(&mut self.poll, true, now.mono.saturating_add(RETIRED_PATIENCE));
        let mut retired: Vec<(Duration, i32)> =
            self.gateway.processes.iter().map(|(pid, process)| (process.since, *pid)).list();
        crate::order::sort(&mut retired);
        let surplus = retired.len().saturating_sub(MAX_RETIRED);
        for (_, pid) in retired.into_iter().take(surplus) {
            kill(pid, Number::SIGKILL);
        }
    }

    /// It has closed its channel; if it does not end on its own it is made to.
    pub(super) fn lose_gateway(&mut self, now: Now) {
        let lost = self.gateway.close(&mut self.poll, false, now.mono.saturating_add(LOST_PATIENCE));
        let Some(process) = lost.and_then(|pid| self.gateway.processes.get_mut(&pid)) else { return };
        // One that crashes says so here first: the next one rests already.
        if !process.asked && now.mono.saturating_sub(process.since) < YOUNG {
            process.counted = true;
            self.gateway.fail(now);
        }
    }

    /// Ends one that cannot be used.
    pub(super) fn kill_gateway(&mut self, why: &str, now: Now) {
        let Some(pid) = self.gateway.close(&mut self.poll, true, now.mono.saturating_add(LOST_PATIENCE)) else {
            return;
        };
        self.gateway.fail(now);
        self.log(LogLevel::Warn, &format!("killed visor-http (pid {pid}): {why}"));
        kill(pid, Number::SIGKILL);
    }

    /// What is due of it.
    pub(super) fn look_after_gateway(&mut self, now: Now) {
        if self.gateway.link.as_mut().is_some_and(|link| link.is_stuck(now)) {
            self.kill_gateway("it does not read what it is sent", now);
        }
        for (pid, process) in self.gateway.processes.iter_mut() {
            if process.kill_at.is_some_and(|at| at <= now.mono) {
                process.kill_at = Some(now.mono.saturating_add(LOST_PATIENCE));
                kill(*pid, Number::SIGKILL);
            }
        }
    }

    /// If the child that died is the gateway, or was.
    pub(super) fn gateway_died(&mut self, pid: i32, exit: Exit, now: Now) -> bool {
        if !self.gateway.processes.contains_key(&pid) {
            return false;
        }
        for _ in 0..LAST_ERROR_CHUNKS {
            if !self.read_gateway_errors(pid) {
                break;
            }
        }
        self.poll.remove(Token::GatewayErrors(pid));
        let Some(mut process) = self.gateway.processes.remove(&pid) else { return true };
        let mut last = Vec::new();
        process.lines.flush(&mut |piece| last.push(piece.text.to_vec()));
        self.tell_gateway_errors(&last);
        if self.gateway.link.as_ref().is_some_and(|link| link.pid == pid) {
            self.gateway.link = None;
            self.poll.remove(Token::Gateway);
        }
        self.lose_controls(Some(pid), now);
        if let ExecStatus::Failed(error) = spawn::read_status(&process.status) {
            self.complain(&format!("cannot start visor-http: {error}"));
        } else if process.asked {
            self.log(LogLevel::Debug, &format!("visor-http (pid {pid}) has left ({exit})"));
        } else {
            self.log(LogLevel::Warn, &format!("visor-http (pid {pid}) ended unexpectedly ({exit})"));
        }
        if process.counted {
            self.gateway.rest_until = now.mono.saturating_add(rest(self.gateway.failures));
        } else if !process.asked {
            if now.mono.saturating_sub(process.since) < YOUNG {
                self.gateway.fail(now);
            } else {
                self.gateway.failures = 0;
            }
        }
        true
    }

    /// Control connections end with the gateway that asked for them, whoever has them by now; `None` = all.
    fn lose_controls(&mut self, of: Option<i32>, now: Now) {
        let theirs = self.clients.of_gateway.iter().filter(|(_, pid)| of.is_none_or(|of| of == **pid));
        for client in theirs.map(|(client, _)| *client).list() {
            self.lose_client(client, now);
        }
    }

    /// What it says on its stderr is in visor's log. Whether there may be more.
    pub(super) fn read_gateway_errors(&mut self, pid: i32) -> bool {
        let Some(process) = self.gateway.processes.get_mut(&pid) else { return false };
        let Some(errors) = &process.errors else { return false };
        let mut chunk = [0; ERROR_BYTES];
        match fds::read(errors, &mut chunk) {
            Ok(Read::Bytes(count)) => {
                let mut lines = Vec::new();
                process
                    .lines
                    .push(chunk.get(..count).unwrap_or_default(), &mut |piece| lines.push(piece.text.to_vec()));
                self.tell_gateway_errors(&lines);
                true
            }
            Ok(Read::WouldBlock) => false,
            Ok(Read::End) | Err(_) => {
                self.poll.remove(Token::GatewayErrors(pid));
                process.errors = None;
                false
            }
        }
    }

    fn tell_gateway_errors(&mut self, lines: &[Vec<u8>]) {
        for line in lines {
            // It may be anybody who speaks here: nothing but text gets to a terminal.
            let text = String::from_utf8_lossy(line).replace(char::is_control, "?");
            self.log(LogLevel::Warn, &format!("visor-http: {text}"));
        }
    }

    /// The end of the run: everybody was answered, and nobody is served any more.
    pub(super) fn end_gateway(&mut self) {
        let now = super::clock::now();
        self.lose_controls(None, now);
        self.gateway.close(&mut self.poll, true, now.mono);
        let mut left: Set<i32> = Set::new();
        left.extend(self.gateway.processes.keys().copied());
        for (signal, patience) in END_PATIENCES {
            if left.is_empty() {
                break;
            }
            for (pid, signal) in left.iter().zip(std::iter::repeat(signal)) {
                signal.into_iter().for_each(|signal| kill(*pid, signal));
            }
            leftovers::until(patience, &self.signals, || {
                while let Some((pid, _)) = reap::reap(Stops::Untold) {
                    left.remove(&pid);
                }
                left.is_empty().then_some(())
            });
        }
        let lives: Vec<i32> = self.gateway.processes.keys().copied().list();
        for pid in lives {
            self.gateway_died(pid, Exit::Code(0), now);
        }
    }
}

/// It leads a group of its own, and its children are its own affair.
fn kill(pid: i32, signal: Number) {
    // It may be gone already; its end is on the way to us. Before it has its group there is only itself.
    let _ = reap::kill_group(pid, signal as i32);
    let _ = reap::kill(pid, signal as i32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_doubles_up_to_its_limit() {
        let seconds: Vec<u64> = (0..9).map(|failures| rest(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(rest(u32::MAX), LONGEST_REST);
    }

    #[test]
    fn failures_in_a_row_lengthen_the_rest() {
        let mut gateway = Gateway::default();
        let now = Now { mono: Duration::from_secs(100), wall: Duration::ZERO };
        gateway.fail(now);
        assert_eq!(gateway.rest_until, Duration::from_secs(101));
        gateway.fail(now);
        assert_eq!(gateway.rest_until, Duration::from_secs(102));
        assert_eq!(gateway.deadline(), None);
    }
}
