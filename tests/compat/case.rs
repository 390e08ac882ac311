//! What a compatibility case is: a piece of configuration, steps, and what is looked at afterwards.

use nix::sys::signal::Signal;

/// One thing done to a running daemon. The same on both sides.
#[derive(Debug, Clone)]
pub enum Step {
    /// `supervisorctl ARGS`; its screen and exit code are compared.
    Ctl(&'static str),
    /// The same where only the first line and the exit code are compared: help texts are ours.
    CtlHead(&'static str),
    /// The same where the order of the screen's lines is nobody's promise.
    CtlSorted(&'static str),
    /// [`Step::Ctl`] that runs beside the following steps.
    Background(&'static str),
    /// Waits until this many lines of the main log hold the phrase.
    Until(&'static str, usize),
    /// Signals the process of this name from outside.
    Kill(&'static str, Signal),
    /// Signals the daemon.
    SignalDaemon(Signal),
    /// Whether the pid in this file is alive is compared.
    Alive(&'static str),
    /// Replaces the sections of the configuration.
    Rewrite(&'static str),
    /// Renames a file of the scene's directory.
    Rename(&'static str, &'static str),
    /// Compares what a file holds now.
    File(&'static str),
    /// Emits a `REMOTE_COMMUNICATION` event of this type with this data.
    Say(&'static str, &'static str),
    /// `supervisorctl ARGS` with somebody at it; everything it showed and its exit code are compared.
    Dialog(&'static str, Seat, Vec<Act>),
    /// Runs a program that the test did not make, with its words; each of its lines, `subject => what came`, is compared.
    /// `$DIR`, `$PORT`, `$PYTHON`, `$VENV`, `$BIN` and `$TOOLS` are of the run.
    Program(&'static [&'static str]),
    /// Waits for the end of the daemon; its exit code is compared.
    End,
}

/// What somebody who talks with the control program sits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// Pipes.
    Pipe,
    /// A terminal.
    Terminal,
}

/// What somebody does who talks with the control program.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Waits until this comes, after what was waited for before.
    See(&'static str),
    /// Types it.
    Type(&'static str),
    /// Presses Ctrl-C.
    Interrupt,
    /// Says that no more comes: the end of the input, or Ctrl-D.
    Hangup,
    /// Another `supervisorctl ARGS` beside it, whose screen is not looked at.
    Ctl(&'static str),
    /// Kills the control program, for one that would not leave.
    Kill,
}

/// Who speaks to the daemon, and through which door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Client {
    /// Each side's own control program.
    #[default]
    Own,
    /// The original's control program on both sides, through this door.
    Original(Door),
}

/// A server of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A Unix socket that asks for nothing.
    Unix,
    /// A Unix socket with a login.
    UnixLogin,
    /// A TCP port with a login.
    Inet,
}

/// The login of the doors that ask for one.
pub const USERNAME: &str = "boss";
/// Its password, with what is special in one place or the other.
pub const PASSWORD: &str = "c:o=p&p er<";

/// A place where visor differs on purpose.
#[derive(Debug, Clone)]
pub struct Intended {
    /// The subject it is about, as the report names it.
    pub subject: &'static str,
    /// What visor says there.
    pub visor: &'static [&'static str],
    /// Why that is better.
    pub reason: &'static str,
}

/// One case.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// State and input, as a sentence.
    pub name: &'static str,
    /// Its sections. `$DIR` is the scene's directory, a different one on either side.
    pub conf: String,
    /// Processes whose lines in the main log, and whose states where the scene watches them, are compared.
    pub processes: Vec<&'static str>,
    /// In order.
    pub steps: Vec<Step>,
    /// Files put into the directory first: name, mode, content.
    pub given: Vec<(&'static str, u32, &'static str)>,
    /// Log lines with this phrase are compared on neither side, for this reason.
    pub except: Vec<(&'static str, &'static str)>,
    /// Compare `waiting for NAME to stop` too: the original tells it when it finds the process alive after the
    /// signal, so it does so for sure only where stopping takes long.
    pub slow_stop: bool,
    /// Where the original fails inside (`HTTP 500`, an answer that is no XML), any other answer is right.
    pub original_may_fail: bool,
    /// How often something repeats is not compared: it depends on when a step falls into it.
    pub repeats: bool,
    /// Subjects in which visor differs on purpose.
    pub intended: Vec<Intended>,
}

impl Case {
    /// A case without anything.
    pub fn new(name: &'static str) -> Case {
        Case { name, ..Case::default() }
    }

    /// A `[program:NAME]` whose only process has that name, and whose log is compared.
    pub fn program(mut self, name: &'static str, options: &str) -> Case {
        self.conf += &format!("[program:{name}]\n{options}\n");
        self.process(name)
    }

    /// Any sections.
    pub fn section(mut self, text: &str) -> Case {
        self.conf += &format!("{text}\n");
        self
    }

    /// A process of a section whose log is compared.
    pub fn process(mut self, name: &'static str) -> Case {
        self.processes.push(name);
        self
    }

    /// A file that is there before the start.
    pub fn given(mut self, name: &'static str, mode: u32, content: &'static str) -> Case {
        self.given.push((name, mode, content));
        self
    }

    /// See [`Step::Ctl`].
    pub fn ctl(self, arguments: &'static str) -> Case {
        self.step(Step::Ctl(arguments))
    }

    /// See [`Step::CtlHead`].
    pub fn ctl_head(self, arguments: &'static str) -> Case {
        self.step(Step::CtlHead(arguments))
    }

    /// See [`Step::CtlSorted`].
    pub fn ctl_sorted(self, arguments: &'static str) -> Case {
        self.step(Step::CtlSorted(arguments))
    }

    /// Waits for the first line that holds the phrase.
    pub fn until(self, phrase: &'static str) -> Case {
        self.step(Step::Until(phrase, 1))
    }

    /// See [`Step::Until`].
    pub fn until_count(self, phrase: &'static str, count: usize) -> Case {
        self.step(Step::Until(phrase, count))
    }

    /// See [`Step::Kill`].
    pub fn kill(self, process: &'static str, signal: Signal) -> Case {
        self.step(Step::Kill(process, signal))
    }

    /// See [`Step::Alive`].
    pub fn alive(self, pid_file: &'static str) -> Case {
        self.step(Step::Alive(pid_file))
    }

    /// See [`Step::File`].
    pub fn file(self, name: &'static str) -> Case {
        self.step(Step::File(name))
    }

    /// See [`Step::Rewrite`].
    pub fn rewrite(self, sections: &'static str) -> Case {
        self.step(Step::Rewrite(sections))
    }

    /// See [`Step::Dialog`], on a terminal.
    pub fn terminal(self, arguments: &'static str, acts: &[Act]) -> Case {
        self.step(Step::Dialog(arguments, Seat::Terminal, acts.to_vec()))
    }

    /// See [`Step::Dialog`], on pipes.
    pub fn pipe(self, arguments: &'static str, acts: &[Act]) -> Case {
        self.step(Step::Dialog(arguments, Seat::Pipe, acts.to_vec()))
    }

    /// Any step.
    pub fn step(mut self, step: Step) -> Case {
        self.steps.push(step);
        self
    }

    /// See [`Case::except`].
    pub fn except(mut self, phrase: &'static str, reason: &'static str) -> Case {
        self.except.push((phrase, reason));
        self
    }

    /// See [`Case::slow_stop`].
    pub fn slow_stop(mut self) -> Case {
        self.slow_stop = true;
        self
    }

    /// See [`Case::repeats`].
    pub fn repeats(mut self) -> Case {
        self.repeats = true;
        self
    }

    /// See [`Intended`].
    pub fn intended(mut self, subject: &'static str, visor: &'static [&'static str], reason: &'static str) -> Case {
        self.intended.push(Intended { subject, visor, reason });
        self
    }
}

/// Cases that share one pair of daemons; their steps run side by side.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Lines for `[supervisord]`.
    pub supervisord: &'static str,
    /// Whether the sequences of states are compared; then nothing may be started automatically.
    pub watch_states: bool,
    /// Whether the daemon is stopped with this signal at the end; its whole log and exit code are compared then.
    pub stop: Option<Signal>,
    /// Who speaks to the daemons.
    pub client: Client,
    /// The cases.
    pub cases: Vec<Case>,
}
