//! A daemon in the foreground: its log lines as they come, its exit, its descendants.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long any single wait may take before the test fails.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// A process whose output is its log.
#[derive(Debug)]
pub struct Foreground {
    pid: Pid,
    in_namespace: bool,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    errors: String,
    readers_left: usize,
    exit: Option<ExitStatus>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `find` finds something; `None` after `timeout`.
    fn wait<T>(&self, timeout: Duration, find: impl Fn(&Seen) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut seen = self.lock();
        loop {
            if let Some(found) = find(&seen) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            seen = self.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Foreground {
    /// Starts it. `in_namespace`: the command is an `unshare` whose only child is the daemon.
    pub fn start(mut command: Command, in_namespace: bool) -> Foreground {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} starts: {error}"));
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        let shared = Arc::new(Shared::default());
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        shared.change(|seen| seen.readers_left = 2);
        let reader = shared.clone();
        std::thread::spawn(move || {
            read_lines(output.expect("a pipe"), |line| reader.change(|seen| seen.lines.push(line)));
            reader.change(|seen| seen.readers_left -= 1);
        });
        let reader = shared.clone();
        std::thread::spawn(move || {
            read_lines(errors.expect("a pipe"), |line| reader.change(|seen| seen.errors += &format!("{line}\n")));
            reader.change(|seen| seen.readers_left -= 1);
        });
        let waiter = shared.clone();
        std::thread::spawn(move || {
            let exit = child.wait().expect("our own child");
            waiter.change(|seen| seen.exit = Some(exit));
        });
        Foreground { pid, in_namespace, shared }
    }

    /// The daemon's pid. In a namespace: the outer number, known once its first line was seen.
    pub fn pid(&self) -> i32 {
        if !self.in_namespace {
            return self.pid.as_raw();
        }
        let inner = children_of(self.pid.as_raw());
        *inner.first().unwrap_or_else(|| panic!("unshare has a child"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        assert!(self.shared.lock().exit.is_none(), "{signal} is for a running daemon");
        kill(Pid::from_raw(self.pid()), signal).expect("the daemon can be signalled");
    }

    /// Everything logged so far.
    pub fn log(&self) -> Vec<String> {
        self.shared.lock().lines.clone()
    }

    /// Everything written to stderr so far.
    pub fn errors(&self) -> String {
        self.shared.lock().errors.clone()
    }

    /// A place in the log: what comes from now on is after it.
    pub fn mark(&self) -> usize {
        self.shared.lock().lines.len()
    }

    /// Waits until a line holds `phrase`; that line.
    pub fn wait_for_log(&self, phrase: &str) -> String {
        self.wait_for_log_after(0, phrase)
    }

    /// As [`Self::wait_for_log`], looking only at what came after `mark`.
    pub fn wait_for_log_after(&self, mark: usize, phrase: &str) -> String {
        self.nth_log(mark, phrase, 1)
    }

    /// Waits until `count` lines hold `phrase`.
    pub fn wait_for_log_count(&self, phrase: &str, count: usize) {
        self.nth_log(0, phrase, count);
    }

    fn nth_log(&self, mark: usize, phrase: &str, count: usize) -> String {
        let find = |seen: &Seen| {
            let mut lines = seen.lines.iter().skip(mark).filter(|line| line.contains(phrase));
            let found = lines.nth(count - 1).cloned();
            let over = seen.exit.is_some() && seen.readers_left == 0;
            found.map(Ok).or(over.then_some(Err(seen.exit)))
        };
        match self.shared.wait(TIMEOUT, find) {
            Some(Ok(line)) => line,
            Some(Err(exit)) => panic!("the log says `{phrase}` {count} times: it ended with {exit:?}"),
            None => panic!("the log says `{phrase}` {count} times within {TIMEOUT:?}"),
        }
    }

    /// Waits until it has exited and all its output was read.
    pub fn wait_exit(&self, timeout: Duration) -> ExitStatus {
        let find = |seen: &Seen| seen.exit.filter(|_| seen.readers_left == 0);
        self.shared.wait(timeout, find).unwrap_or_else(|| panic!("the daemon exits within {timeout:?}"))
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.shared.lock().exit.is_none()
    }

    /// Kills it and all its descendants, and waits for the end.
    pub fn kill_all(&self) {
        let mut victims = descendants(self.pid.as_raw());
        if self.is_running() {
            victims.insert(0, self.pid.as_raw());
        }
        for victim in victims {
            let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
        }
        // A descendant that was missed may hold the pipes: only the exit counts here.
        let _ = self.shared.wait(TIMEOUT, |seen| seen.exit);
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        self.kill_all();
        if std::thread::panicking() {
            let seen = self.shared.lock();
            eprintln!("--- log ---\n{}\n--- stderr ---\n{}\n---", seen.lines.join("\n"), seen.errors);
        }
    }
}

fn read_lines(pipe: impl Read, mut each: impl FnMut(String)) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line);
        each(text.trim_end_matches('\n').to_owned());
        line.clear();
    }
}

/// Runs a command to its end and collects what it wrote; a panic when it takes longer than [`TIMEOUT`].
pub fn run(command: Command) -> Output {
    run_within(command, TIMEOUT)
}

/// As [`run`], for one that may take longer.
pub fn run_within(mut command: Command, timeout: Duration) -> Output {
    let what = format!("{command:?}");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child: Child = command.spawn().unwrap_or_else(|error| panic!("{what} starts: {error}"));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(timeout) {
        Ok(output) => output.unwrap_or_else(|error| panic!("{what} is read: {error}")),
        Err(_) => {
            let _ = kill(pid, Signal::SIGKILL);
            panic!("{what} ends within {timeout:?}")
        }
    }
}

/// Every living descendant of a process, parents before children.
pub fn descendants(root: i32) -> Vec<i32> {
    let table = parents();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(table.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

fn children_of(parent: i32) -> Vec<i32> {
    parents().into_iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid).collect()
}

/// (pid, parent) of everything alive.
fn parents() -> Vec<(i32, i32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect()
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything: the fields begin after the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let _state = fields.next().filter(|state| *state != "Z")?;
    fields.next()?.parse().ok()
}
