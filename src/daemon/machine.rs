//! visor as the init of a machine: what comes before and after the loop.
//!
//! Owns: the words of the kernel's command line, how often visor may fail, the order in which the run of a machine ends. Does not own: the
//! calls themselves ([`crate::sys::machine`]), stopping of programs (the supervisor's).

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use super::foreground::Refusal;
use super::setup::{self, find_config, tell, tell_mistakes};
use super::{Daemon, Options, leftovers};
use crate::cli::{ExitCode, Personality};
use crate::config::{self, Config, LogLevel, Overrides};
use crate::list::List as _;
use crate::machine::Machine;
use crate::protocol::{Code, Ending, Line};
use crate::supervisor::{Ask, ClientId, Phase};
use crate::sys::signals::SelfPipe;
use crate::sys::{self, fds, guard, machine, process};

/// Carries the start times of earlier selves over an exec.
pub(super) const RESTARTS: &str = "VISOR_RESTARTS";
/// So many failures within [`RESTART_WINDOW_SECONDS`] and there is only a shell.
const MOST_RESTARTS: usize = 5;
const RESTART_WINDOW_SECONDS: u64 = 60;
/// Rest before another try when even that fails.
const REST: Duration = Duration::from_secs(1);
/// How long writing to disks and unmounting may take.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(10);
const COMMAND_LINE: &str = "/proc/cmdline";
const HOST_NAME: &str = "/etc/hostname";
/// PATH of programs: the kernel starts its init without one.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The configuration of `single`.
pub(super) const SINGLE: &str = "[supervisord]\nlogfile=NONE\nnocleanup=true\nminfds=0\nminprocs=0\n\
    pidfile=/run/visor.pid\n[visor]\nmachine=true\n\
    [program:shell]\ncommand=/bin/sh\ntty=/dev/console\nautorestart=true\nstartretries=1000000\n";

/// What the kernel's command line says to us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct KernelWords {
    /// `visor.config=FILE`
    config: Option<String>,
    /// `single`
    single: bool,
    /// `visor.panic=SECONDS[,TIMES]`
    #[cfg(feature = "fault-injection")]
    panic: Option<(Duration, usize)>,
}

impl KernelWords {
    /// Reads a command line, and the words of it that the kernel gave us as arguments. What comes after `--` is not the kernel's.
    fn parse(line: &str, arguments: &[String]) -> KernelWords {
        let mut found = KernelWords::default();
        let words = split(line);
        for word in words.iter().take_while(|word| *word != "--").chain(arguments) {
            match word.split_once('=') {
                None if word == "single" => found.single = true,
                Some(("visor.config", file)) if !file.is_empty() => found.config = Some(file.to_owned()),
                #[cfg(feature = "fault-injection")]
                Some(("visor.panic", text)) => found.panic = injection(text),
                Some(_) | None => {}
            }
        }
        found
    }
}

#[cfg(feature = "fault-injection")]
fn injection(text: &str) -> Option<(Duration, usize)> {
    let (seconds, times) = text.split_once(',').unwrap_or((text, ""));
    Some((Duration::from_secs(seconds.parse().ok()?), times.parse().unwrap_or(usize::MAX)))
}

/// Words between white space; double quotes hold one together and are dropped, as the kernel does it.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// When earlier selves of ours started, in seconds since boot, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Restarts(Vec<u64>);

impl Restarts {
    /// Reads what [`Restarts::next`] wrote; what is no time is passed over.
    fn parse(text: &str) -> Restarts {
        Restarts(text.split(' ').filter_map(|word| word.parse().ok()).list())
    }

    /// Whether we fail so often that there is no sense in another try.
    fn too_many(&self, now: u64) -> bool {
        let recent = self.0.iter().filter(|at| now.saturating_sub(**at) < RESTART_WINDOW_SECONDS);
        recent.count() >= MOST_RESTARTS
    }

    /// What our next self is to know.
    fn next(&self, now: u64) -> String {
        let surplus = self.0.len().saturating_add(1).saturating_sub(MOST_RESTARTS);
        let kept = self.0.iter().skip(surplus).chain([&now]);
        kept.map(u64::to_string).list().join(" ")
    }
}

/// Whether visor was started as an init.
#[must_use]
pub fn is_init() -> bool {
    process::is_pid1()
}

/// Whether the configuration that would be read makes us the init of a machine.
#[must_use]
pub fn asks_for_machine(argv: &[OsString], given: Option<String>) -> bool {
    find_config(argv, given, Personality::Own).is_ok_and(|file| config::asks_for_machine(&Machine, &file))
}

/// Runs visor as the init of a machine. `words` of the kernel's command line came as arguments. Comes back only where the kernel does not
/// let us end the machine's run, as in a container.
#[must_use]
pub fn run_machine(
    argv: &[OsString],
    given: Option<String>,
    overrides: Overrides,
    words: &[String],
) -> std::process::ExitCode {
    let missing = fds::open_missing_standard();
    fds::close_on_exec_from(fds::FIRST_PRIVATE);
    let now = sys::clock::monotonic().as_secs();
    let restarts = Restarts::parse(&std::env::var(RESTARTS).unwrap_or_default());
    let mut notes = stand_guard(argv, &restarts.next(now));
    if restarts.too_many(now) {
        std::thread::sleep(REST);
    }
    notes.extend(prepare(missing));
    let mut words = KernelWords::parse(&std::fs::read_to_string(COMMAND_LINE).unwrap_or_default(), words);
    if restarts.too_many(now) {
        tell(&format!(
            "failed {MOST_RESTARTS} times within {RESTART_WINDOW_SECONDS} seconds: starting nothing but a shell"
        ));
        words.single = true;
    }
    let (options, config) = match choose(argv, given, overrides, &words) {
        Ok(chosen) => chosen,
        Err(code) => return code.into(),
    };
    if let Some(name) = &config.visor.hostname {
        notes.extend(machine::set_name(name).err().map(|trouble| trouble.to_string()));
    }
    match live(options, config, &words, &restarts, notes) {
        Ok((ending, signals)) => end(ending, &signals),
        Err((text, _)) => {
            tell(&text);
            std::thread::sleep(REST);
            guard::execute_anew()
        }
    }
}

/// From now on no fault of ours is the end.
fn stand_guard(argv: &[OsString], restarts: &str) -> Vec<String> {
    let mut environment: Vec<(OsString, OsString)> = std::env::vars_os().filter(|(key, _)| key != RESTARTS).list();
    environment.push((RESTARTS.into(), restarts.into()));
    #[cfg(panic = "unwind")]
    {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            usual(panic);
            guard::execute_anew()
        }));
    }
    let failed = guard::install(argv, &environment).err();
    failed.map(|error| format!("a fault of visor would be the end: {error}")).into_iter().list()
}

/// Brings the machine into the state that programs expect; what cannot be had is a warning.
fn prepare(missing: [bool; 3]) -> Vec<String> {
    let mut troubles = machine::mount_missing();
    troubles.extend(machine::open_console(missing).err());
    let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    if let Some(name) = name.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')) {
        troubles.extend(machine::set_name(name).err());
    }
    troubles.extend(machine::raise_loopback().err());
    troubles.extend(machine::catch_ctrl_alt_del().err());
    troubles.iter().map(ToString::to_string).list()
}

/// The configuration that holds. One that cannot be used is no reason to leave the machine to nobody.
fn choose(
    argv: &[OsString],
    given: Option<String>,
    overrides: Overrides,
    words: &KernelWords,
) -> Result<(Options, Arc<Config>), ExitCode> {
    let mut options = Options { overrides, machine: true, ..Options::default() };
    if !words.single {
        match find_config(argv, words.config.clone().or(given), Personality::Own) {
            Err(exit) => tell(exit.stderr.lines().next().unwrap_or_default()),
            Ok(file) => {
                options.file = Some(file);
                match options.read() {
                    Ok(config) => {
                        // A change of directory must not change which file a reload reads.
                        options.file = Some(config.file.clone());
                        return Ok((options, Arc::new(config)));
                    }
                    Err(mistakes) => {
                        let _ = tell_mistakes(&mistakes);
                    }
                }
            }
        }
        tell("no configuration can be used: starting nothing but a shell");
    }
    options.file = None;
    let config = options.read().map_err(|mistakes| tell_mistakes(&mistakes))?;
    Ok((options, Arc::new(config)))
}

/// The run of the machine, from the first program to the last process.
fn live(
    options: Options,
    config: Arc<Config>,
    words: &KernelWords,
    restarts: &Restarts,
    notes: Vec<String>,
) -> Result<(Ending, SelfPipe), Refusal> {
    let single = options.file.is_none();
    let (mut daemon, pidfile) = setup::set_up(options, config, setup::catch_signals(false)?, None)?;
    let mut ending = Ending::Poweroff;
    for note in notes {
        daemon.log(LogLevel::Warn, &note);
    }
    if !restarts.0.is_empty() {
        daemon.log(
            LogLevel::Critical,
            "visor failed and was executed anew: ending what its earlier self left, starting afresh",
        );
        leftovers::clear_out(&daemon.signals);
    }
    daemon.machine = Some(ending);
    daemon.plan_panic(words, restarts, single);
    daemon.start(None, Vec::new())?;
    daemon.turn_until_gone();
    daemon.say_farewell();
    daemon.end_logs();
    daemon.end_gateway();
    leftovers::clear_out(&daemon.signals);
    setup::remove_pidfile(pidfile.as_deref());
    ending = daemon.machine.unwrap_or(ending);
    daemon.log(LogLevel::Info, &format!("all processes have ended, {} follows", ending.word()));
    daemon.say_farewell();
    Ok((ending, daemon.into_signals()))
}

/// Disks first, then the machine itself.
fn end(ending: Ending, signals: &SelfPipe) -> std::process::ExitCode {
    match machine::start_unmounting() {
        Ok(pid) => match leftovers::wait_for(pid, UNMOUNT_PATIENCE, signals) {
            Some(true) => {}
            Some(false) => tell("some file systems could not be unmounted or made read-only"),
            None => tell("unmounting takes too long: going on without"),
        },
        Err(error) => tell(&format!("cannot unmount: {error}")),
    }
    let how = match ending {
        Ending::Poweroff => machine::End::PowerOff,
        Ending::Reboot => machine::End::Restart,
        Ending::Halt => machine::End::Halt,
    };
    let error = machine::end(how);
    tell(&format!("cannot {}: {error}", ending.word()));
    ExitCode::Success.into()
}

impl Daemon {
    /// All is over: logs, sockets and pipes are closed.
    fn into_signals(self) -> SelfPipe {
        self.signals
    }

    /// How the run of the machine is to end, once it ends. Nobody changes it when that has begun.
    pub(super) fn choose_ending(&mut self, ending: Ending) {
        let undecided = match self.supervisor.phase() {
            Phase::Starting | Phase::Running => true,
            Phase::ShuttingDown | Phase::Gone => false,
        };
        if let Some(chosen) = self.machine.as_mut().filter(|_| undecided) {
            *chosen = ending;
        }
    }

    /// A client asks for the end.
    pub(super) fn end_machine(&mut self, client: ClientId, ending: Ending, now: crate::program::Now) {
        if self.machine.is_none() {
            let text = "visor is not the init of a machine here".to_owned();
            self.clients.reply(client, &Line::Error(Code::Failed, text));
            return;
        }
        self.choose_ending(ending);
        self.ask(client, Ask::Shutdown, now);
    }

    #[cfg(feature = "fault-injection")]
    fn plan_panic(&mut self, words: &KernelWords, restarts: &Restarts, single: bool) {
        let due = words.panic.filter(|(_, times)| !single && restarts.0.len() < *times);
        self.panic_at = due.map(|(after, _)| sys::clock::monotonic().saturating_add(after));
    }

    #[cfg(not(feature = "fault-injection"))]
    fn plan_panic(&mut self, _words: &KernelWords, _restarts: &Restarts, _single: bool) {}

    /// The fault that a test asked for.
    #[cfg(feature = "fault-injection")]
    pub(super) fn inject_panic(&self) {
        let due = self.panic_at.is_some_and(|at| at <= sys::clock::monotonic());
        assert!(!due, "a test asked for this panic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> KernelWords {
        KernelWords::parse(line, &[])
    }

    #[test]
    fn words_for_us_are_found_among_the_others() {
        let found = words("BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro visor.config=/etc/a.conf quiet single\n");
        assert_eq!((found.config.as_deref(), found.single), (Some("/etc/a.conf"), true));
        let found = words("visor.config=/a visor.config=\"/b c/d=e\"");
        assert_eq!((found.config.as_deref(), found.single), (Some("/b c/d=e"), false));
    }

    #[test]
    fn single_as_an_argument_counts_and_after_two_dashes_it_does_not() {
        assert!(KernelWords::parse("quiet", &["single".to_owned()]).single);
        assert!(!words("quiet -- single visor.config=/x").single);
        assert_eq!(words("-- visor.config=/x").config, None);
    }

    #[test]
    fn nothing_or_nonsense_says_nothing() {
        for line in
            ["", "\n", "\"", "visor.config=", "single=yes", "nosingle", "visor.config", "\"single quiet", "= =="]
        {
            assert_eq!(words(line), KernelWords::default(), "{line:?}");
        }
    }

    #[test]
    fn five_failures_within_a_minute_are_too_many() {
        let mut text = String::new();
        for (start, expected) in [(100, false), (101, false), (102, false), (103, false), (104, false), (105, true)] {
            let restarts = Restarts::parse(&text);
            assert_eq!(restarts.too_many(start), expected, "{start}");
            text = restarts.next(start);
        }
        assert_eq!(text, "101 102 103 104 105");
        assert!(Restarts::parse(&text).too_many(160));
        assert!(!Restarts::parse(&text).too_many(161));
    }

    #[test]
    fn times_that_are_none_are_passed_over() {
        assert_eq!(Restarts::parse("x 7  -1 99999999999999999999"), Restarts(vec![7]));
        assert!(!Restarts::parse("7 7 7 7 7").too_many(1000));
    }

    #[test]
    fn configuration_of_single_is_a_shell_on_the_console() {
        let options = Options { machine: true, ..Options::default() };
        let config = options.read().unwrap();
        let processes: Vec<_> = config.groups.iter().flat_map(|group| &group.processes).collect();
        assert_eq!(processes.len(), 1);
        assert_eq!(processes[0].tty.as_deref(), Some("/dev/console"));
        assert!(config.visor.machine && config.warnings.is_empty());
    }
}
