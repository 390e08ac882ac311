//! A configuration as lines `place.key = value`, for people and for comparisons: the same configuration
//! always gives the same lines. Texts are quoted, absent values are `none`.

use std::fmt::{self, Display, Write as _};

use super::conditions::{AtBoot, Conditions, OnFailure};
use super::people::{Access, Person};
use super::policy::{ExitOn, Policy};
use super::schedule;
use super::types::{
    AutoRestart, Channel, Config, Daemon, Group, GroupKind, LogLevel, Logfile, MainLogfile, Owner, Process, Server,
    ServerAddress, Source, Sources,
};

use crate::list::List as _;
use crate::sorted::Map;
use crate::span::in_millis;

/// Everything understood, one line per option, groups and processes in start order.
#[must_use]
pub fn dump(config: &Config) -> String {
    let mut out = Lines::default();
    daemon(&mut out, &config.daemon);
    out.at("visor");
    out.put("socket", text(config.visor.socket.as_deref()));
    out.put("socket_mode", mode(config.visor.socket_mode));
    out.put("socket_owner", owner(config.visor.socket_owner));
    out.put("machine", config.visor.machine);
    out.put("hostname", text(config.visor.hostname.as_deref()));
    out.put("http_user", text(config.visor.http_user.as_ref().map(|user| user.name.as_str())));
    out.put("allowed_hosts", list(&config.visor.allowed_hosts));
    out.put("gateway", text(config.visor.gateway.as_deref()));
    if config.visor.exit_when_all_done {
        out.put("exit_when", "all-done");
    }
    if let Some(timeout) = config.visor.shutdown_timeout {
        out.put("shutdown_timeout", in_millis(timeout));
    }
    let Access { observe, operate, admin } = &config.visor.access;
    people(&mut out, "observe", observe);
    people(&mut out, "operate", operate);
    people(&mut out, "admin", admin);
    for server in &config.servers {
        dump_server(&mut out, server);
    }
    out.at("server");
    out.put("url", text(config.server_url.as_deref()));
    for interface in &config.rpc_interfaces {
        out.at(&format!("rpcinterface:{}", interface.name));
        out.put("supervisor.rpcinterface_factory", quoted(&interface.factory));
        out.map("option", &interface.options);
    }
    if let Some(ctl) = &config.ctl {
        out.at("supervisorctl");
        out.put("serverurl", quoted(&ctl.serverurl));
        out.put("username", text(ctl.username.as_deref()));
        out.put("password", secret(ctl.password.as_deref()));
        out.put("prompt", quoted(&ctl.prompt));
        out.put("history_file", text(ctl.history_file.as_deref()));
    }
    for item in &config.groups {
        group(&mut out, item);
    }
    out.text
}

/// The options of a process as its section has them, the kind of its group among them.
pub(super) fn options(of_group: &GroupKind, item: &Process) -> Vec<(String, String)> {
    let mut out = Lines::default();
    process(&mut out, item);
    kind(&mut out, of_group);
    out.options()
}

/// Those of a process alone.
pub(super) fn process_options(item: &Process) -> Vec<(String, String)> {
    let mut out = Lines::default();
    process(&mut out, item);
    out.options()
}

/// Those of a group, without its processes.
pub(super) fn group_options(item: &Group) -> Vec<(String, String)> {
    let mut out = Lines::default();
    out.put("priority", item.priority);
    kind(&mut out, &item.kind);
    out.options()
}

/// The lines so far, and where the next ones belong.
#[derive(Default)]
struct Lines {
    text: String,
    place: String,
}

impl Lines {
    /// Lines without a place, as options.
    fn options(&self) -> Vec<(String, String)> {
        let pairs = self.text.lines().filter_map(|line| line.strip_prefix('.')?.split_once(" = "));
        let is_option = |key: &str| !matches!(key, "section" | "kind" | "argv_error") && !key.starts_with("argv.");
        pairs.filter(|(key, _)| is_option(key)).map(|(key, value)| (key.to_owned(), value.to_owned())).list()
    }

    fn at(&mut self, place: &str) {
        place.clone_into(&mut self.place);
    }

    fn put(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.text, "{}.{key} = {value}", self.place);
    }

    fn map(&mut self, key: &str, map: &Map<String, String>) {
        for (name, value) in map {
            self.put(&format!("{key}.{name}"), quoted(value));
        }
    }
}

/// A text in double quotes, on one line.
pub(super) struct Quoted<'a>(&'a str);

pub(super) fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(out, "\\{c}")?,
                '\n' => out.write_str("\\n")?,
                '\r' => out.write_str("\\r")?,
                '\t' => out.write_str("\\t")?,
                c if c.is_control() => write!(out, "\\u{{{:x}}}", u32::from(c))?,
                c => out.write_char(c)?,
            }
        }
        out.write_char('"')
    }
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn text(value: Option<&str>) -> String {
    or_none(value.map(Quoted))
}

/// A password is never shown, only whether there is one.
fn secret(value: Option<&str>) -> &'static str {
    if value.is_some() { "set" } else { "none" }
}

fn mode(value: Option<u32>) -> String {
    or_none(value.map(octal))
}

fn octal(value: u32) -> String {
    format!("{value:04o}")
}

fn owner(owner: Owner) -> String {
    format!("{}:{}", or_none(owner.uid), or_none(owner.gid))
}

fn list(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).list();
    items.join(",")
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Critical => "critical",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
        LogLevel::Blather => "blather",
    }
}

fn daemon(out: &mut Lines, daemon: &Daemon) {
    out.at("supervisord");
    match &daemon.logfile {
        MainLogfile::File(path) => out.put("logfile", quoted(path)),
        MainLogfile::Syslog => out.put("logfile", "syslog"),
        MainLogfile::None => out.put("logfile", "none"),
    }
    out.put("logfile_maxbytes", daemon.logfile_maxbytes);
    out.put("logfile_backups", daemon.logfile_backups);
    out.put("loglevel", level(daemon.loglevel));
    out.put("pidfile", quoted(&daemon.pidfile));
    out.put("umask", octal(daemon.umask));
    out.put("nodaemon", daemon.nodaemon);
    out.put("silent", daemon.silent);
    out.put("minfds", daemon.minfds);
    out.put("minprocs", daemon.minprocs);
    out.put("nocleanup", daemon.nocleanup);
    out.put("childlogdir", quoted(&daemon.childlogdir));
    out.put("user", text(daemon.user.as_ref().map(|user| user.name.as_str())));
    out.put("directory", text(daemon.directory.as_deref()));
    out.put("strip_ansi", daemon.strip_ansi);
    out.put("identifier", quoted(&daemon.identifier));
    out.map("environment", &daemon.environment);
}

fn dump_server(out: &mut Lines, server: &Server) {
    out.at(&server.section);
    match &server.address {
        ServerAddress::Unix { file, chmod, chown } => {
            out.put("file", quoted(file));
            out.put("chmod", octal(*chmod));
            out.put("chown", owner(*chown));
        }
        ServerAddress::Inet { host, port } => {
            out.put("host", quoted(host));
            out.put("port", port);
        }
    }
    out.put("username", text(server.username.as_deref()));
    out.put("password", secret(server.password.as_deref()));
    out.put("readonly_username", text(server.readonly_username.as_deref()));
    out.put("readonly_password", secret(server.readonly_password.as_deref()));
}

fn group(out: &mut Lines, group: &Group) {
    out.at(&format!("group:{}", group.name));
    out.put("priority", group.priority);
    kind(out, &group.kind);
    for item in &group.processes {
        out.at(&format!("process:{}:{}", group.name, item.name));
        process(out, item);
    }
}

fn kind(out: &mut Lines, kind: &GroupKind) {
    match kind {
        GroupKind::Group => out.put("kind", "group"),
        GroupKind::Program => out.put("kind", "program"),
        GroupKind::EventListener { events, buffer_size, result_handler } => {
            out.put("kind", "eventlistener");
            out.put("events", list(events));
            out.put("buffer_size", buffer_size);
            out.put("result_handler", quoted(result_handler));
        }
        GroupKind::FcgiProgram { socket } => {
            out.put("kind", "fcgi-program");
            out.put("socket", quoted(&socket.url));
            out.put("socket_owner", owner(socket.owner));
            out.put("socket_mode", mode(socket.mode));
            out.put("socket_backlog", or_none(socket.backlog));
        }
    }
}

fn process(out: &mut Lines, process: &Process) {
    out.put("section", quoted(&process.section));
    out.put("command", quoted(&process.command));
    match &process.argv {
        Ok(words) => {
            for (index, word) in words.iter().enumerate() {
                out.put(&format!("argv.{index}"), quoted(word));
            }
        }
        Err(reason) => out.put("argv_error", quoted(reason)),
    }
    out.put("directory", text(process.directory.as_deref()));
    out.put("umask", mode(process.umask));
    out.put("priority", process.priority);
    out.put("autostart", process.autostart);
    out.put(
        "autorestart",
        match process.autorestart {
            AutoRestart::Always => "true",
            AutoRestart::Never => "false",
            AutoRestart::Unexpected => "unexpected",
        },
    );
    out.put("startsecs", process.startsecs);
    out.put("startretries", process.startretries);
    out.put("exitcodes", list(&process.exitcodes));
    out.put("stopsignal", process.stopsignal.name());
    out.put("stopwaitsecs", process.stopwaitsecs);
    out.put("stopasgroup", process.stopasgroup);
    out.put("killasgroup", process.killasgroup);
    out.put("user", text(process.user.as_ref().map(|user| user.name.as_str())));
    out.put("redirect_stderr", process.redirect_stderr);
    channel(out, "stdout", &process.stdout);
    channel(out, "stderr", &process.stderr);
    out.put("serverurl", text(process.serverurl.as_deref()));
    out.put("tty", text(process.tty.as_deref()));
    out.put("listen", quoted(&process.listen.join(" ")));
    policy(out, &process.policy);
    for (key, value) in process.schedule.as_ref().map(|schedule| schedule::lines(schedule)).unwrap_or_default() {
        out.put(key, quoted(&value));
    }
    for (key, value) in process.checks.as_ref().map(|checks| checks.lines()).unwrap_or_default() {
        match key.as_str() {
            "ready" | "health" => out.put(&key, quoted(&value)),
            _ => out.put(&key, value),
        }
    }
    if let Some(conditions) = &process.conditions {
        dump_conditions(out, conditions);
    }
    let hooks = process.hooks.as_ref().map(|hooks| hooks.lines()).unwrap_or_default();
    for (key, value) in [process.limits.lines(), process.log_lines.lines(), hooks].concat() {
        out.put(key, value);
    }
    people(out, "operate", &process.operate);
    out.map("environment", &process.environment);
    if let Some(sources) = &process.sources {
        dump_sources(out, sources);
    }
}

fn people(out: &mut Lines, key: &str, people: &[Person]) {
    if !people.is_empty() {
        out.put(key, list(people));
    }
}

/// Only what is said: files without these keys have none of these lines.
fn dump_sources(out: &mut Lines, sources: &Sources) {
    if sources.clear {
        out.put("clear_env", true);
    }
    if let Some(account) = &sources.account {
        out.put("user_env", quoted(&account.name));
    }
    for (key, paths) in [("env_file", &sources.files), ("env_dir", &sources.directories)] {
        if !paths.is_empty() {
            out.put(key, quoted(&paths.iter().map(source).list().join(", ")));
        }
    }
    for (name, path) in &sources.secrets {
        out.put(&format!("secret.{name}"), quoted(&source(path)));
    }
}

/// Where it is read from; what stands there is nobody's business.
fn source(source: &Source) -> String {
    format!("{}{}", if source.optional { "-" } else { "" }, source.path)
}

/// Only what is said.
fn dump_conditions(out: &mut Lines, conditions: &Conditions) {
    for (key, theirs, between) in [("depends_on", false, ", "), ("dependent_startup_wait_for", true, " ")] {
        let needs = conditions.needs.iter().filter(|need| need.is_reached() == theirs);
        let needs: Vec<String> = needs.map(ToString::to_string).list();
        if !needs.is_empty() {
            out.put(key, quoted(&needs.join(between)));
        }
    }
    match conditions.at_boot {
        AtBoot::AsSaid | AtBoot::Never => {}
        AtBoot::Always => out.put("dependent_startup", true),
    }
    if conditions.on_failure != OnFailure::Fail {
        out.put("on_dependency_failure", conditions.on_failure.word());
    }
}

/// Only what is not as in Supervisor.
fn policy(out: &mut Lines, policy: &Policy) {
    if policy.oneshot {
        out.put("type", "oneshot");
    }
    let ExitOn { success, failure, fatal } = policy.exit_on;
    let words = [(success, "success"), (failure, "failure"), (fatal, "fatal")];
    let on: Vec<&str> = words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).list();
    if !on.is_empty() {
        out.put("exit_on", on.join(","));
    }
    if let Some(restart) = &policy.restart {
        out.put("restart_delay", in_millis(restart.delay));
        out.put("restart_factor", format!("{}%", restart.factor));
        out.put("restart_max_delay", in_millis(restart.max_delay));
        out.put("restart_jitter", format!("{}%", restart.jitter));
        out.put("restart_reset_after", in_millis(restart.reset_after));
    }
}

fn channel(out: &mut Lines, stream: &str, channel: &Channel) {
    let key = |key: &str| format!("{stream}_{key}");
    match &channel.logfile {
        Logfile::Auto => out.put(&key("logfile"), "auto"),
        Logfile::None => out.put(&key("logfile"), "none"),
        Logfile::Terminal => out.put(&key("logfile"), "tty"),
        Logfile::File(path) => out.put(&key("logfile"), quoted(path)),
    }
    out.put(&key("logfile_maxbytes"), channel.maxbytes);
    out.put(&key("logfile_backups"), channel.backups);
    out.put(&key("capture_maxbytes"), channel.capture_maxbytes);
    out.put(&key("events_enabled"), channel.events_enabled);
    out.put(&key("syslog"), channel.syslog);
    if let Some(age) = channel.upkeep.max_age {
        out.put(&key("logfile_max_age"), in_millis(age));
    }
    if channel.upkeep.compress {
        out.put(&key("logfile_compress"), true);
    }
}
