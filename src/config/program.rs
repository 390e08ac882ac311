//! The options of a program section, and the processes they make inside a group.

use std::sync::Arc;

use super::conditions;
use super::document::Section;
use super::hooks;
use super::host::Host;
use super::limits::Limits;
use super::logline::{self, LogLines, Upkeep};
use super::people::{self, Person};
use super::policy::{self, Policy};
use super::reader::{Names, Reader};
use super::sources;
use super::types::{AutoRestart, Channel, Logfile, Process, Signal, User};
use super::{check, command, schedule, value};

use crate::order;
use crate::schedule::Schedule;
use crate::sorted::Map;

const PRIORITY: i64 = 999;
const STARTSECS: i64 = 1;
const STARTRETRIES: i64 = 3;
const STOPWAITSECS: i64 = 10;
const EXIT_CODE: i64 = 0;
const STOPSIGNAL: Signal = Signal(15);
/// What stops a program on a terminal unless told otherwise: shells there are deaf to TERM, and a hang-up is what they expect.
const HANGUP: Signal = Signal(1);
const LOG_MAXBYTES: i64 = 50 << 20;
const LOG_BACKUPS: i64 = 10;
const PROCESS_NAME: &str = "%(program_name)s";
/// What `process_name` must contain when there is more than one process.
const PROCESS_NUM: &str = "%(process_num)";
/// Processes one section may ask for; more is taken for a slip of the finger.
const MOST_PROCESSES: i64 = 65_536;

/// Options that are the same for all processes of a section.
struct Common {
    priority: i64,
    autostart: bool,
    autorestart: AutoRestart,
    startsecs: i64,
    startretries: i64,
    stopsignal: Signal,
    stopwaitsecs: i64,
    stopasgroup: bool,
    killasgroup: bool,
    exitcodes: Vec<i64>,
    redirect_stderr: bool,
    user: Option<User>,
    umask: Option<u32>,
    serverurl: Option<String>,
    tty: Option<String>,
    policy: Policy,
    schedule: Option<Arc<Schedule>>,
    listen: Vec<String>,
    limits: Limits,
    operate: Vec<Person>,
    log_lines: LogLines,
    stdout: Stream,
    stderr: Stream,
}

/// What is common to all processes in one stream's options.
#[derive(Clone, Copy)]
struct Stream {
    keys: &'static StreamKeys,
    capture_maxbytes: i64,
    events_enabled: bool,
    upkeep: Upkeep,
}

/// The keys of one stream.
struct StreamKeys {
    logfile: &'static str,
    maxbytes: &'static str,
    backups: &'static str,
    capture_maxbytes: &'static str,
    events_enabled: &'static str,
    syslog: &'static str,
    upkeep: (&'static str, &'static str),
}

const STDOUT: StreamKeys = StreamKeys {
    logfile: "stdout_logfile",
    maxbytes: "stdout_logfile_maxbytes",
    backups: "stdout_logfile_backups",
    capture_maxbytes: "stdout_capture_maxbytes",
    events_enabled: "stdout_events_enabled",
    syslog: "stdout_syslog",
    upkeep: ("stdout_logfile_max_age", "stdout_logfile_compress"),
};
const STDERR: StreamKeys = StreamKeys {
    logfile: "stderr_logfile",
    maxbytes: "stderr_logfile_maxbytes",
    backups: "stderr_logfile_backups",
    capture_maxbytes: "stderr_capture_maxbytes",
    events_enabled: "stderr_events_enabled",
    syslog: "stderr_syslog",
    upkeep: ("stderr_logfile_max_age", "stderr_logfile_compress"),
};

/// Where a stream goes, with the old `syslog` spelling still in it.
#[derive(PartialEq)]
enum Target {
    Log(Logfile),
    /// An empty path: no file, but the original takes it for one where it warns.
    Empty,
    Syslog,
}

/// One section being read, for one group.
struct Program<'r, 'a> {
    reader: &'r mut Reader<'a>,
    section: &'a Section,
}

/// The processes of a section inside a group, by priority, then name. What is wrong with them is told to
/// the reader, and leaves processes out.
pub(super) fn processes<'a>(reader: &mut Reader<'a>, section: &'a Section, group: &str) -> Vec<Process> {
    let program_name = match value::name(section.title()) {
        Ok(name) => name,
        Err(reason) => {
            let mistake = section.mistake(None, reason);
            reader.mistakes.push(mistake);
            return Vec::new();
        }
    };
    let names = Names { here: true, node: true, program: Some(&program_name), group: Some(group), ..Names::default() };
    let mut program = Program { reader, section };
    let common = program.common(&names);
    let template = program.process_name();
    let numbers = program.numbers(&names, template.as_deref().unwrap_or(PROCESS_NUM));
    let count = numbers.end - numbers.start;
    let mut made = Vec::new();
    let mut earlier = Map::new();
    for number in numbers {
        let names = Names { process: Some((number, count)), ..names };
        let mistakes = program.reader.mistakes.len();
        made.extend(program.process(&common, &names, template.as_deref(), &mut earlier));
        if program.reader.mistakes.len() > mistakes {
            // The others would say the same again.
            break;
        }
    }
    order::sort_by(&mut made, |a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    made
}

impl<'a> Program<'_, 'a> {
    fn get<T>(&mut self, key: &str, names: &Names, parse: fn(&dyn Host, &str) -> Result<T, String>) -> Option<T> {
        self.reader.value(self.section, key, names, &parse)
    }

    fn boolean(&mut self, key: &str, names: &Names, default: bool) -> bool {
        self.get(key, names, |_, text| value::boolean(text)).unwrap_or(default)
    }

    fn integer(&mut self, key: &str, names: &Names, default: i64) -> i64 {
        self.get(key, names, |_, text| value::integer(text)).unwrap_or(default)
    }

    fn bytes(&mut self, key: &str, names: &Names, default: i64) -> i64 {
        self.get(key, names, |_, text| value::byte_size(text)).unwrap_or(default)
    }

    fn common(&mut self, names: &Names) -> Common {
        let mistakes = self.reader.mistakes.len();
        let stopasgroup = self.boolean("stopasgroup", names, false);
        let killasgroup = self.boolean("killasgroup", names, stopasgroup);
        if stopasgroup && !killasgroup && self.reader.mistakes.len() == mistakes {
            let reason = "Cannot set stopasgroup=true and killasgroup=false";
            self.reader.refuse(self.section, "killasgroup", reason);
        }
        let tty = self.get("tty", names, |_, text| value::terminal(text));
        let stopsignal = if tty.is_some() { HANGUP } else { STOPSIGNAL };
        let schedule = schedule::read(self.reader, self.section, names);
        let scheduled = schedule.is_some();
        let policy = policy::read(self.reader, self.section, names, scheduled);
        // What is over when it has ended need not stay up, and does not begin again.
        let (startsecs, autorestart) =
            if policy.oneshot { (0, AutoRestart::Never) } else { (STARTSECS, AutoRestart::Unexpected) };
        Common {
            policy,
            schedule,
            priority: self.integer("priority", names, PRIORITY),
            autostart: self.boolean("autostart", names, !scheduled),
            autorestart: self.get("autorestart", names, |_, text| value::auto_restart(text)).unwrap_or(autorestart),
            startsecs: self.integer("startsecs", names, startsecs),
            startretries: self.integer("startretries", names, STARTRETRIES),
            stopsignal: self.get("stopsignal", names, |_, text| Signal::parse(text)).unwrap_or(stopsignal),
            stopwaitsecs: self.integer("stopwaitsecs", names, STOPWAITSECS),
            stopasgroup,
            killasgroup,
            exitcodes: self
                .get("exitcodes", names, |_, text| value::exit_codes(text))
                .unwrap_or_else(|| vec![EXIT_CODE]),
            redirect_stderr: self.boolean("redirect_stderr", names, false),
            user: self.get("user", names, value::user),
            umask: self.get("umask", names, |_, text| value::octal(text)),
            serverurl: self
                .get("serverurl", names, |_, text| Ok(text.to_owned()))
                .filter(|url| !url.trim().eq_ignore_ascii_case("auto")),
            tty,
            listen: self.get("listen", names, |_, text| super::socket::listening(text)).unwrap_or_default(),
            limits: super::limits::read(self.reader, self.section, names),
            operate: people::read(self.reader, self.section, "operate", names),
            log_lines: logline::read(self.reader, self.section, names),
            stdout: self.stream(&STDOUT, names),
            stderr: self.stream(&STDERR, names),
        }
    }

    fn stream(&mut self, keys: &'static StreamKeys, names: &Names) -> Stream {
        Stream {
            keys,
            capture_maxbytes: self.bytes(keys.capture_maxbytes, names, 0),
            events_enabled: self.boolean(keys.events_enabled, names, false),
            upkeep: logline::upkeep(self.reader, self.section, keys.upkeep, names),
        }
    }

    /// The unexpanded `process_name`; `None` when it is wrong.
    fn process_name(&mut self) -> Option<String> {
        let written = self.reader.entry(self.section, "process_name");
        match value::name(written.map_or(PROCESS_NAME, |entry| &entry.value)) {
            Ok(name) => Some(name),
            Err(reason) => {
                self.reader.refuse(self.section, "process_name", reason);
                None
            }
        }
    }

    /// The numbers of the section's processes.
    fn numbers(&mut self, names: &Names, template: &str) -> std::ops::Range<i64> {
        let written = self.integer("numprocs", names, 1);
        let other = self.reader.numprocs.as_ref().filter(|(program, _)| program == self.section.title());
        let count = other.map_or(written, |(_, count)| *count);
        let start = self.integer("numprocs_start", names, 0);
        if count > 1 && !template.contains(PROCESS_NUM) {
            let reason = format!("{PROCESS_NUM} must be present within process_name when numprocs > 1");
            self.reader.refuse(self.section, "process_name", reason);
            return start..start.saturating_add(1);
        }
        if count > MOST_PROCESSES {
            let reason = format!("{count} is above upper bound ({MOST_PROCESSES})");
            self.reader.refuse(self.section, "numprocs", reason);
            return start..start.saturating_add(1);
        }
        // A negative count makes an empty range, and no process.
        start..start.saturating_add(count)
    }

    fn process(
        &mut self,
        common: &Common,
        names: &Names,
        template: Option<&str>,
        earlier: &mut Map<String, String>,
    ) -> Option<Process> {
        let mistakes = self.reader.mistakes.len();
        let before = std::mem::take(earlier);
        let own = self.environment(&Names { earlier: Some(&before), ..*names });
        let names = &Names { own: own.as_ref(), earlier: Some(&before), ..*names };
        let incomplete = self.reader.environment_incomplete;
        self.reader.environment_incomplete |= own.is_none();
        let directory = self.get("directory", names, |_, text| Ok(text.to_owned()));
        let unset = if common.tty.is_some() { Logfile::Terminal } else { Logfile::Auto };
        let (stdout, _) = self.channel(common.stdout, &unset, names);
        let (mut stderr, stderr_named) = self.channel(common.stderr, &unset, names);
        if common.redirect_stderr {
            if stderr_named {
                let text = format!(
                    "For [{}], redirect_stderr=true but stderr_logfile has also been set to a filename, \
                     the filename has been ignored",
                    self.section.name
                );
                self.reader.warn(self.section, "stderr_logfile", text);
            }
            stderr.logfile = Logfile::None;
        }
        let command = self.command(names);
        let name = template.and_then(|template| self.expanded_name(template, names));
        let hooks = hooks::read(self.reader, self.section, names);
        let conditions = conditions::read(self.reader, self.section, names);
        let checks = check::read(self.reader, self.section, names, directory.as_deref());
        let sources = sources::read(self.reader, self.section, common.user.as_ref(), names);
        self.reader.environment_incomplete = incomplete;
        let own = own.unwrap_or_default();
        earlier.extend(before);
        earlier.extend(own.iter().map(|(key, text)| (key.clone(), text.clone())));
        if self.reader.mistakes.len() > mistakes {
            return None;
        }
        let command = command?;
        let process = Process {
            conditions,
            hooks,
            name: name?,
            section: self.section.name.clone(),
            argv: command::split(&command),
            command,
            directory,
            umask: common.umask,
            priority: common.priority,
            autostart: common.autostart,
            autorestart: common.autorestart,
            startsecs: common.startsecs,
            startretries: common.startretries,
            exitcodes: common.exitcodes.clone(),
            stopsignal: common.stopsignal,
            stopwaitsecs: common.stopwaitsecs,
            stopasgroup: common.stopasgroup,
            killasgroup: common.killasgroup,
            user: common.user.clone(),
            redirect_stderr: common.redirect_stderr,
            stdout,
            stderr,
            environment: own,
            serverurl: common.serverurl.clone(),
            tty: common.tty.clone(),
            policy: common.policy,
            schedule: common.schedule.clone(),
            checks,
            listen: common.listen.clone(),
            sources,
            limits: common.limits.clone(),
            operate: common.operate.clone(),
            log_lines: common.log_lines.clone(),
        };
        check::agree(self.reader, self.section, &process).then_some(process)
    }

    fn command(&mut self, names: &Names) -> Option<String> {
        if self.reader.entry(self.section, "command").is_none() {
            let reason = format!("program section {} does not specify a command", self.section.name);
            self.reader.refuse(self.section, "command", reason);
        }
        self.get("command", names, |_, text| Ok(text.to_owned()))
    }

    /// The section's own environment for one process; `None` when it is wrong.
    fn environment(&mut self, names: &Names) -> Option<Map<String, String>> {
        let Some(entry) = self.reader.entry(self.section, "environment") else {
            return Some(Map::new());
        };
        let (section, key) = (self.section, "environment");
        let mut all = Map::new();
        for layer in entry.layers() {
            let text = self.reader.expand(section, key, layer, &layer.value, key, names)?;
            match command::environment(&text) {
                Ok(environment) => all.extend(environment),
                Err(reason) => {
                    self.reader.mistakes.push(layer.mistake(&section.name, key, reason));
                    return None;
                }
            }
        }
        Some(all)
    }

    fn expanded_name(&mut self, template: &str, names: &Names) -> Option<String> {
        let key = "process_name";
        match self.reader.entry(self.section, key) {
            Some(entry) => self.reader.expand(self.section, key, entry, template, key, names),
            None => names.program.map(str::to_owned),
        }
    }

    /// One stream, and whether its file is a named one. `unset` is where it goes when nothing is said.
    fn channel(&mut self, stream: Stream, unset: &Logfile, names: &Names) -> (Channel, bool) {
        let keys = stream.keys;
        let target = self.target(keys.logfile, unset, names);
        let maxbytes = self.bytes(keys.maxbytes, names, LOG_MAXBYTES);
        let mut syslog = self.boolean(keys.syslog, names, false);
        let section = &self.section.name;
        if target == Target::Syslog {
            let text = format!(
                "For [{section}], {}=syslog but this is deprecated and will be removed.  \
                 Use {}=true to enable syslog instead.",
                keys.logfile, keys.syslog
            );
            self.reader.warn(self.section, keys.logfile, text);
            syslog = true;
        }
        if target == Target::Log(Logfile::Auto) && maxbytes == 0 {
            let text = format!(
                "For [{section}], AUTO logging used for {} without rollover, set maxbytes > 0 to avoid \
                 filling up filesystem unintentionally",
                keys.logfile
            );
            self.reader.warn(self.section, keys.logfile, text);
        }
        let (logfile, named) = match target {
            Target::Log(Logfile::File(path)) => (Logfile::File(path), true),
            Target::Log(logfile @ (Logfile::Auto | Logfile::None | Logfile::Terminal)) => (logfile, false),
            Target::Empty => (Logfile::None, true),
            Target::Syslog => (Logfile::None, false),
        };
        let channel = Channel {
            logfile,
            maxbytes,
            backups: self.integer(keys.backups, names, LOG_BACKUPS),
            capture_maxbytes: stream.capture_maxbytes,
            events_enabled: stream.events_enabled,
            syslog,
            upkeep: stream.upkeep,
        };
        (channel, named)
    }

    /// Where a stream goes. The original expands the value twice.
    fn target(&mut self, key: &'static str, unset: &Logfile, names: &Names) -> Target {
        let Some(once) = self.get(key, names, |_, text| Ok(text.to_owned())) else {
            return Target::Log(unset.clone());
        };
        let text = self.reader.expand_again(once, names);
        match text.to_lowercase().as_str() {
            "" => return Target::Empty,
            "none" | "off" => return Target::Log(Logfile::None),
            "auto" => return Target::Log(Logfile::Auto),
            "syslog" => return Target::Syslog,
            _ => {}
        }
        match value::file_path(self.reader.host, &text) {
            Ok(path) => Target::Log(Logfile::File(path)),
            Err(reason) => {
                self.reader.refuse(self.section, key, reason);
                Target::Log(Logfile::Auto)
            }
        }
    }
}
