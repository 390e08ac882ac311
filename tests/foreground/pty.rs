//! A terminal of our own with somebody typing at it.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use nix::pty::openpty;

use crate::support::{TIMEOUT, VISOR, clean_command};

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const CTRL_Z: &str = "\x1a";

/// A command with a session and a controlling terminal of its own, killed when dropped.
pub struct Pty {
    keyboard: std::fs::File,
    child: Child,
    screen: Arc<(Mutex<String>, Condvar)>,
    place: tempfile::TempDir,
}

impl Pty {
    /// `visor` and `dumb-init` are in the path of the command; `$SVC_SOCKET` is not set.
    pub fn start(words: &[&str]) -> Pty {
        let place = tempfile::tempdir().expect("a directory");
        for name in ["visor", "dumb-init", "tini"] {
            symlink(VISOR, place.path().join(name)).expect("a link");
        }
        let ends = openpty(None, None).expect("a terminal");
        let mut command = clean_command("setsid");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", place.path().display());
        command.arg("--ctty").args(words).env("PATH", path).env("PS1", "").env("TERM", "dumb");
        let child = on(command, ends.slave);
        let screen = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let keyboard = std::fs::File::from(ends.master);
        let (mut eyes, shared) = (keyboard.try_clone().expect("a copy"), screen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A terminal that nobody has open answers EIO.
            while let Ok(count @ 1..) = eyes.read(&mut bytes) {
                shared.0.lock().expect("no panic").push_str(&String::from_utf8_lossy(&bytes[..count]));
                shared.1.notify_all();
            }
        });
        Pty { keyboard, child, screen, place }
    }

    /// An interactive shell with job control, which shows what is typed no second time.
    pub fn shell() -> Pty {
        let mut pty = Pty::start(&["bash", "--norc", "--noprofile", "--noediting", "-i"]);
        // The words are not on the screen as they are typed, so only what is done shows them.
        pty.line("stty -echo; set -b; echo be''gin");
        pty.wait_for("begin");
        pty
    }

    /// Presses keys.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("keys are taken");
    }

    /// Types a line.
    pub fn line(&mut self, text: &str) {
        self.keys(&format!("{text}\n"));
    }

    /// What the screen shows.
    pub fn screen(&self) -> String {
        self.screen.0.lock().expect("no panic").clone()
    }

    /// Waits until the screen shows `phrase`.
    pub fn wait_for(&self, phrase: &str) {
        self.wait_for_times(phrase, 1);
    }

    /// Waits until the screen shows `phrase` so many times.
    pub fn wait_for_times(&self, phrase: &str, times: usize) {
        let until = Instant::now() + TIMEOUT;
        let mut screen = self.screen.0.lock().expect("no panic");
        while screen.matches(phrase).count() < times {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the screen shows `{phrase}` {times} times:\n{}", *screen);
            screen = self.screen.1.wait_timeout(screen, left).expect("no panic").0;
        }
    }

    /// Waits for the end of the command; its exit code.
    pub fn wait_exit(&mut self) -> Option<i32> {
        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(exit) = self.child.try_wait().expect("our own child") {
                return exit.code();
            }
            assert!(Instant::now() < until, "it ends:\n{}", self.screen());
            std::thread::yield_now();
        }
    }
}

/// The terminal is all three descriptors.
fn on(mut command: Command, slave: OwnedFd) -> Child {
    let copy = || Stdio::from(slave.try_clone().expect("a copy"));
    command.stdin(copy()).stdout(copy()).stderr(copy());
    command.spawn().expect("setsid starts")
}

impl Drop for Pty {
    fn drop(&mut self) {
        for pid in crate::support::descendants(i32::try_from(self.child.id()).expect("a pid")) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = &self.place;
    }
}
