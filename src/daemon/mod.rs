//! The loop, and the descriptors and pids behind it. Carries out what the supervisor decides.
//!
//! Owns: processes' pipes, control connections, visor's own log. Does not own: policy, which is asked of
//! [`crate::supervisor`]; system calls, which are in [`crate::sys`].

mod actions;
mod attempts;
mod cgroups;
mod checks;
mod children;
mod client;
mod clients;
mod clock;
mod consoles;
mod doorstep;
mod dotenv;
mod environment;
mod foreground;
mod gateway;
mod gateway_talk;
mod hooks;
mod launch;
mod leftovers;
mod listeners;
mod log_requests;
mod machine;
mod outputs;
mod packing;
mod pipes;
mod requests;
mod retune;
mod rights;
mod setup;
mod shaper;
mod shaping;
mod sockets;
mod streams;
mod trees;
mod voice;
mod wall_clock;
mod words;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

pub use listeners::default_socket;
pub use machine::{asks_for_machine, is_init, run_machine};
pub use setup::{Options, find_config, run, tell_mistakes, warning_text};

use crate::config::{Config, Daemon as Settings};
use crate::program::Now;
use crate::protocol::Ending;
use crate::supervisor::{Action, ClientId, Input, ProcessId, Supervisor};
use crate::sys::poll::{Event, Interest};
use crate::sys::signals::SelfPipe;
use children::{Children, PipeId};
use clients::Clients;
use foreground::Foreground;
use gateway::Gateway;
use listeners::Doors;
use outputs::Outputs;

/// What a descriptor in the poll set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Signals,
    /// The alarm that rings at a moment of the wall clock.
    WallClock,
    Listener(usize),
    Client(ClientId),
    /// A child's output.
    Pipe(PipeId),
    /// Whether a child has executed its command.
    Status(ProcessId),
    /// A child's stdin that was full.
    Stdin(ProcessId),
    /// What an attempt of a check waits for.
    Check(ProcessId),
    /// By which a child says that it is ready.
    Line(ProcessId),
    /// A child's `NOTIFY_SOCKET`.
    Notify(ProcessId),
    /// An inherited descriptor that was full.
    Console(RawFd),
    /// Whether the command in the foreground has executed its file.
    Foreground,
    /// The channel to the gateway.
    Gateway,
    /// The stderr of a gateway, by its pid.
    GatewayErrors(i32),
}

type Poll = crate::sys::poll::Poll<Token>;

/// Bytes read from a pipe at a time; a pipe holds as much unless it was enlarged.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long the last output may take to get out when all is stopped.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long the loop rests when poll fails, as for want of memory.
const POLL_REST: Duration = Duration::from_millis(100);
/// How long a listener rests after an error: without descriptors it would be readable for ever.
const LISTENER_REST: Duration = Duration::from_millis(100);

/// All of visor while it runs.
struct Daemon {
    supervisor: Supervisor,
    /// Settings of `[supervisord]` that hold.
    settings: Arc<Config>,
    options: Options,
    /// The environment visor was started with.
    environment: Vec<(OsString, OsString)>,
    poll: Poll,
    signals: SelfPipe,
    doors: Doors,
    gateway: Gateway,
    /// When resting listeners are looked at again.
    listen_again: Option<Duration>,
    /// When all of this began.
    started: Now,
    children: Children,
    foreground: Foreground,
    clients: Clients,
    refusals: rights::Refusals,
    outputs: Outputs,
    /// Pipes that rest are the first to get room in a console.
    pipes_first: bool,
    checks: checks::Checks,
    sockets: sockets::Sockets,
    trees: trees::Trees,
    wall_clock: wall_clock::WallClock,
    hooks: hooks::Hooks,
    /// What is to be done, in order.
    actions: VecDeque<Action>,
    /// Reused by every call of the supervisor.
    decided: Vec<Action>,
    /// Children may wait to be reaped, of whom no signal will tell any more.
    more_dead: bool,
    /// Reused by every read.
    chunk: Vec<u8>,
    leaving: bool,
    /// As the init of a machine: how its run is to end.
    machine: Option<Ending>,
    /// When a test wants visor to fail.
    #[cfg(feature = "fault-injection")]
    panic_at: Option<Duration>,
}

impl Daemon {
    /// The loop: until all is stopped.
    fn turn_until_gone(&mut self) {
        let mut events: Vec<Event<Token>> = Vec::new();
        // Whoever started us may have left zombies, of which no signal tells.
        self.reap(clock::now());
        while !self.leaving {
            self.align_checks();
            self.await_wall_clock();
            let timeout = self.patience();
            if let Err(error) = self.poll.wait(timeout, &mut events) {
                self.complain(&format!("cannot poll: {error}"));
                // The next try would fail as fast.
                std::thread::sleep(POLL_REST);
            }
            self.forget_invalid(&events);
            let now = clock::now();
            self.take_signals(now);
            self.read_outputs(&events, now);
            self.serve_clients(&events, now);
            self.hear_wall_clock(&events, now);
            self.take_due_timers(now);
            #[cfg(feature = "fault-injection")]
            self.inject_panic();
            self.carry_out(now);
            self.pack(now);
            self.flush_clients(now);
        }
    }

    /// A number that is not open, such as `/dev/fd/9` as a log and closed since, would end every wait at once.
    fn forget_invalid(&mut self, events: &[Event<Token>]) {
        for event in events.iter().filter(|event| event.invalid) {
            self.poll.remove(event.token);
            self.complain(&format!("cannot wait for {:?}: it is not open", event.token));
        }
    }

    /// How long there is nothing to do; `None` = for ever.
    fn patience(&self) -> Option<Duration> {
        if self.clients.are_busy() || self.more_dead {
            return Some(Duration::ZERO);
        }
        self.next_deadline().map(|at| at.saturating_sub(clock::now().mono))
    }

    fn next_deadline(&self) -> Option<Duration> {
        let deadlines = [
            self.supervisor.next_deadline(),
            self.listen_again,
            self.trees.deadline(),
            self.hooks.deadline(),
            self.checks.deadline(),
            self.foreground_deadline(),
            self.gateway.deadline(),
            self.wall_clock.deadline(),
            self.outputs.due,
        ];
        #[cfg(feature = "fault-injection")]
        let deadlines = [&deadlines[..], &[self.panic_at]].concat();
        deadlines.into_iter().flatten().min()
    }

    fn take_due_timers(&mut self, now: Now) {
        self.kill_late_foreground(now);
        self.look_for_held(now);
        self.end_late_hooks(now);
        self.look_after_gateway(now);
        self.tell_dropped(now);
        self.run_due_checks(now);
        if self.supervisor.next_deadline().is_some_and(|at| at <= now.mono) {
            self.input(Input::Deadline, now);
        }
        if self.listen_again.is_some_and(|at| at <= now.mono) {
            self.listen_again = None;
            for (door, fd) in self.doors.descriptors() {
                self.poll.set(Token::Listener(door), fd, Interest::READ);
            }
        }
    }

    /// Asks the supervisor; what it wants done is queued.
    fn input(&mut self, input: Input, now: Now) {
        let mut decided = std::mem::take(&mut self.decided);
        self.supervisor.handle(input, now, &mut decided);
        self.actions.extend(decided.drain(..));
        self.decided = decided;
        self.checks.touch();
    }

    /// Carries out actions until none is left; what they lead to is queued behind them.
    fn carry_out(&mut self, now: Now) {
        while let Some(action) = self.actions.pop_front() {
            self.perform(action, now);
        }
    }
}
