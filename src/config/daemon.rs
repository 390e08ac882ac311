//! `[supervisord]` and `[visor]`, and the command line's values over the former.

use super::document::Section;
use super::error::Mistake;
use super::host::Host;
use super::path::{absolute, directory_of, expand_home, join};
use super::reader::{Names, Reader};
use super::types::{Daemon, LogLevel, MainLogfile, User, Visor};
use super::{command, people, value};

use crate::sorted::Map;

const LOGFILE: &str = "supervisord.log";
const PIDFILE: &str = "supervisord.pid";
const IDENTIFIER: &str = "supervisor";
const MAXBYTES: i64 = 50 << 20;
const BACKUPS: i64 = 10;
const UMASK: u32 = 0o022;
const MINFDS: i64 = 1024;
const MINPROCS: i64 = 200;
/// What a mistake on the command line names as its file.
const COMMAND_LINE: &str = "command line";

/// Values of supervisord's command line, as typed; each wins over the file's. Flags that are `false` say
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--user`
    pub user: Option<String>,
    /// `--umask`, octal
    pub umask: Option<String>,
    /// `--directory`
    pub directory: Option<String>,
    /// `--logfile`
    pub logfile: Option<String>,
    /// `--logfile_maxbytes`
    pub logfile_maxbytes: Option<String>,
    /// `--logfile_backups`
    pub logfile_backups: Option<String>,
    /// `--loglevel`
    pub loglevel: Option<String>,
    /// `--pidfile`
    pub pidfile: Option<String>,
    /// `--identifier`
    pub identifier: Option<String>,
    /// `--childlogdir`
    pub childlogdir: Option<String>,
    /// `--minfds`
    pub minfds: Option<String>,
    /// `--minprocs`
    pub minprocs: Option<String>,
    /// `--nodaemon`
    pub nodaemon: bool,
    /// `--silent`
    pub silent: bool,
    /// `--nocleanup`
    pub nocleanup: bool,
    /// `--strip_ansi`
    pub strip_ansi: bool,
    /// A program, and its `numprocs`; no flag of the command line.
    pub numprocs: Option<(String, i64)>,
    /// Unknown keys and sections are mistakes instead of warnings.
    pub strict: bool,
}

/// One key of `[supervisord]` that the command line may override.
struct Source<'r, 'a> {
    reader: &'r mut Reader<'a>,
    section: &'a Section,
}

impl Source<'_, '_> {
    /// The file's value, which must be right even when the command line has another.
    fn get<T>(
        &mut self,
        key: &str,
        typed: Option<&String>,
        default: T,
        parse: fn(&dyn Host, &str) -> Result<T, String>,
    ) -> T {
        let written = self.reader.value(self.section, key, &Names::HERE, &parse);
        let Some(typed) = typed else {
            return written.unwrap_or(default);
        };
        match parse(self.reader.host, typed) {
            Ok(value) => value,
            Err(reason) => {
                self.mistyped(key, typed, &reason);
                default
            }
        }
    }

    fn mistyped(&mut self, key: &str, typed: &str, reason: &str) {
        self.reader.mistakes.push(Mistake {
            key: Some(format!("--{key}")),
            text: Some(typed.to_owned()),
            ..Mistake::of_file(COMMAND_LINE, format!("invalid value for --{key} '{typed}': {reason}"))
        });
    }

    fn flag(&mut self, key: &str, typed: bool) -> bool {
        let written = self.reader.value(self.section, key, &Names::HERE, &|_, text| value::boolean(text));
        typed || written.unwrap_or(false)
    }
}

/// Reads `[supervisord]`. Its `environment` joins the names that later sections may use.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, overrides: &Overrides) -> Daemon {
    let host = reader.host;
    let mut source = Source { reader, section };
    let typed = overrides;
    let minfds = source.get("minfds", typed.minfds.as_ref(), MINFDS, number);
    let minprocs = source.get("minprocs", typed.minprocs.as_ref(), MINPROCS, number);
    let directory = source.get("directory", typed.directory.as_ref(), None, directory);
    let user = source.get("user", typed.user.as_ref(), None, some_user);
    let umask = source.get("umask", typed.umask.as_ref(), UMASK, |_, text| value::octal(text));
    let logfile =
        source.get("logfile", typed.logfile.as_ref(), MainLogfile::File(absolute(host, LOGFILE)), main_logfile);
    let logfile_maxbytes =
        source.get("logfile_maxbytes", typed.logfile_maxbytes.as_ref(), MAXBYTES, |_, text| value::byte_size(text));
    let backups = typed.logfile_backups.as_ref();
    let logfile_backups = source.get("logfile_backups", backups, BACKUPS, number);
    let loglevel = source.get("loglevel", typed.loglevel.as_ref(), LogLevel::Info, |_, text| value::log_level(text));
    let default_pidfile = absolute(host, PIDFILE);
    let pidfile = source.get("pidfile", typed.pidfile.as_ref(), default_pidfile, |host, text| {
        Ok(absolute(host, &value::file_path(host, text)?))
    });
    let identifier =
        source.get("identifier", typed.identifier.as_ref(), IDENTIFIER.to_owned(), |_, text| Ok(text.to_owned()));
    let nodaemon = source.flag("nodaemon", typed.nodaemon);
    let silent = source.flag("silent", typed.silent);
    let default_childlogdir = host.temporary_directory();
    let childlogdir = source.get("childlogdir", typed.childlogdir.as_ref(), default_childlogdir, |host, text| {
        let directory = value::existing_directory(host, text)?;
        Ok(join(&host.current_directory(), &directory))
    });
    let nocleanup = source.flag("nocleanup", typed.nocleanup);
    let strip_ansi = source.flag("strip_ansi", typed.strip_ansi);
    Daemon {
        logfile,
        logfile_maxbytes,
        logfile_backups,
        loglevel,
        pidfile,
        umask,
        nodaemon,
        silent,
        minfds,
        minprocs,
        nocleanup,
        childlogdir,
        user,
        directory,
        strip_ansi,
        environment: environment(reader, section),
        identifier,
    }
}

fn number(_: &dyn Host, text: &str) -> Result<i64, String> {
    value::integer(text)
}

fn some_user(host: &dyn Host, text: &str) -> Result<Option<User>, String> {
    value::user(host, text).map(Some)
}

fn directory(host: &dyn Host, text: &str) -> Result<Option<String>, String> {
    let directory = value::existing_directory(host, text)?;
    Ok(Some(join(&host.current_directory(), &directory)))
}

fn main_logfile(host: &dyn Host, text: &str) -> Result<MainLogfile, String> {
    match text.to_lowercase().as_str() {
        "none" | "off" => Ok(MainLogfile::None),
        "syslog" if text == "syslog" => Ok(MainLogfile::Syslog),
        _ => Ok(MainLogfile::File(absolute(host, &value::file_path(host, text)?))),
    }
}

/// `[supervisord] environment`, which also becomes `ENV_` names. The original expands it twice.
fn environment<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Map<String, String> {
    let names = Names { node: true, ..Names::HERE };
    let Some(once) = reader.text(section, "environment", &names) else {
        reader.environment_incomplete |= reader.entry(section, "environment").is_some();
        return Default::default();
    };
    let twice = reader.expand_again(once, &names);
    match command::environment(&twice) {
        Ok(environment) => {
            let own = environment.iter().map(|(k, v)| (k.clone(), v.clone()));
            reader.environment.extend(own);
            environment
        }
        Err(reason) => {
            reader.environment_incomplete = true;
            reader.refuse(section, "environment", reason);
            Default::default()
        }
    }
}

/// Reads `[visor]`.
pub(super) fn visor<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Visor {
    Visor {
        socket: reader.value(section, "socket", &Names::HERE, &socket),
        socket_mode: reader.value(section, "socket_mode", &Names::HERE, &|_, text| value::octal(text)),
        socket_owner: reader.value(section, "socket_owner", &Names::HERE, &value::owner).unwrap_or_default(),
        machine: machine(reader, section),
        hostname: reader.value(section, "hostname", &Names::HERE, &|_, text| value::host_name(text)),
        http_user: reader.value(section, "http_user", &Names::HERE, &value::user),
        allowed_hosts: reader
            .value(section, "allowed_hosts", &Names::HERE, &|_, text| value::called_hosts(text))
            .unwrap_or_default(),
        gateway: reader.value(section, "gateway", &Names::HERE, &program),
        exit_when_all_done: reader
            .value(section, "exit_when", &Names::HERE, &|_, text| exit_when(text))
            .unwrap_or(false),
        shutdown_timeout: reader.value(section, "shutdown_timeout", &Names::HERE, &|_, text| value::duration(text)),
        access: people::access(reader, section),
    }
}

/// Whether visor leaves when all is done.
fn exit_when(text: &str) -> Result<bool, String> {
    match text {
        "never" => Ok(false),
        "all-done" => Ok(true),
        _ => Err(format!("`{text}` is neither never nor all-done")),
    }
}

/// The path of a program, absolute.
fn program(host: &dyn Host, text: &str) -> Result<String, String> {
    if text.is_empty() || text.ends_with('/') {
        return Err("this is no path of a program".to_owned());
    }
    Ok(absolute(host, &expand_home(host, text)))
}

/// `[visor] machine`.
pub(super) fn machine<'a>(reader: &mut Reader<'a>, section: &'a Section) -> bool {
    reader.value(section, "machine", &Names::HERE, &|_, text| value::boolean(text)).unwrap_or(false)
}

fn socket(host: &dyn Host, text: &str) -> Result<String, String> {
    let path = absolute(host, &expand_home(host, text));
    if text.is_empty() || text.ends_with('/') || directory_of(&path) == path {
        return Err("this is no path of a socket".to_owned());
    }
    Ok(path)
}
