//! Somebody who talks with a program: what it shows is waited for, then something is typed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::case::Seat;
use super::support::{TIMEOUT, clean_command};

/// Between two looks at whether a program has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    server.local_addr().expect("an address").port()
}

/// A program, what it has shown, and how far that was looked at. Killed when dropped.
pub struct Dialog {
    seat: Seat,
    child: Child,
    keyboard: Option<std::fs::File>,
    screen: Arc<Screen>,
    seen: usize,
    what: String,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Default)]
struct Shown {
    text: Vec<u8>,
    over: bool,
}

impl Dialog {
    /// Starts it there. Its output and its errors are one screen.
    pub fn start(command: Command, seat: Seat) -> Dialog {
        let what = format!("{command:?}");
        let (child, keyboard, eyes) = match seat {
            Seat::Pipe => on_pipes(command),
            Seat::Terminal => on_terminal(&command),
        };
        let screen = Arc::new(Screen::default());
        let shared = screen.clone();
        std::thread::spawn(move || watch(eyes, &shared));
        Dialog { seat, child, keyboard: Some(keyboard), screen, seen: 0, what }
    }

    /// Waits until `phrase` is shown, after what was waited for before.
    pub fn see(&mut self, phrase: &str) {
        let deadline = Instant::now() + TIMEOUT;
        let mut shown = self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let text = String::from_utf8_lossy(&shown.text).into_owned();
            if let Some(at) = text.get(self.seen..).and_then(|new| new.find(phrase)) {
                self.seen += at + phrase.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !shown.over, "{} shows `{phrase}` after {}:\n{text}", self.what, self.seen);
            shown = self.screen.changed.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Types.
    pub fn write(&mut self, text: &str) {
        let keyboard = self.keyboard.as_mut().expect("nobody has hung up");
        keyboard.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{} reads {text:?}: {error}", self.what));
    }

    /// Ctrl-C.
    pub fn interrupt(&mut self) {
        match self.seat {
            Seat::Pipe => self.signal(Signal::SIGINT),
            Seat::Terminal => self.write(CTRL_C),
        }
    }

    /// The end of what is typed.
    pub fn hang_up(&mut self) {
        match self.seat {
            Seat::Pipe => drop(self.keyboard.take()),
            Seat::Terminal => self.write(CTRL_D),
        }
    }

    /// For a program that would not leave.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it can be signalled");
    }

    fn text(&self) -> String {
        let shown = self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&shown.text).into_owned()
    }

    /// Waits for the program's end; everything it showed and its exit code.
    pub fn end(mut self) -> (String, Option<i32>) {
        let deadline = Instant::now() + TIMEOUT;
        let exit = loop {
            if let Some(exit) = self.child.try_wait().expect("our own child") {
                break exit;
            }
            assert!(Instant::now() < deadline, "{} ends within {TIMEOUT:?}:\n{}", self.what, self.text());
            std::thread::sleep(LOOK_PAUSE);
        };
        let shown = self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let over = self.screen.changed.wait_timeout_while(shown, Duration::from_secs(5), |shown| !shown.over);
        let (shown, _) = over.unwrap_or_else(PoisonError::into_inner);
        (String::from_utf8_lossy(&shown.text).replace("\r\n", "\n"), exit.code())
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watch(mut eyes: std::fs::File, screen: &Screen) {
    let mut bytes = [0; 4096];
    // A terminal that nobody has open answers EIO.
    while let Ok(count @ 1..) = eyes.read(&mut bytes) {
        let mut shown = screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.text.extend_from_slice(bytes.get(..count).unwrap_or_default());
        screen.changed.notify_all();
    }
    screen.shown.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    screen.changed.notify_all();
}

fn on_pipes(mut command: Command) -> (Child, std::fs::File, std::fs::File) {
    let (eyes, output) = std::io::pipe().expect("a pipe");
    let (input, keyboard) = std::io::pipe().expect("a pipe");
    let copy = output.try_clone().expect("a copy");
    // Without it what is shown would wait for the end.
    command.env("PYTHONUNBUFFERED", "1").stdin(input).stdout(output).stderr(copy);
    let child = command.spawn().expect("the program starts");
    (child, OwnedFd::from(keyboard).into(), OwnedFd::from(eyes).into())
}

fn on_terminal(command: &Command) -> (Child, std::fs::File, std::fs::File) {
    let ends = openpty(None, None).expect("a terminal");
    // What other threads start meanwhile must not keep it open.
    for end in [&ends.master, &ends.slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("a flag");
    }
    let mut session = clean_command("setsid");
    session.arg("--ctty").arg(command.get_program()).args(command.get_args()).env("TERM", "dumb");
    let copy = || Stdio::from(ends.slave.try_clone().expect("a copy"));
    session.stdin(copy()).stdout(copy()).stderr(copy());
    let child = session.spawn().expect("setsid starts");
    let keyboard = std::fs::File::from(ends.master);
    let eyes = keyboard.try_clone().expect("a copy");
    (child, keyboard, eyes)
}
