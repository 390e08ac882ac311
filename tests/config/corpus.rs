//! The oracle: real files, and what Supervisor 4.3.0 itself understood, key by key.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use visor::config::{
    AutoRestart, Channel, Config, Ctl, Group, GroupKind, LogLevel, Logfile, MainLogfile, Mistake, Overrides, Owner,
    Process, Server, ServerAddress, read, read_ctl,
};

use crate::table::Table;

const MAIN: &str = "/here/supervisord.conf";
const INCLUDED: &str = "/here/included.conf";
/// Differences that are meant: file, path of the key, why.
const MEANT: &[(&str, &str, &str)] = &[];

fn folder() -> PathBuf {
    match std::env::var_os("VISOR_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
    }
}

#[test]
fn corpus_files_are_read_as_the_original_reads_them() {
    let folder = folder();
    let Ok(entries) = std::fs::read_dir(&folder) else {
        assert!(std::env::var_os("VISOR_CORPUS").is_none(), "VISOR_CORPUS names no folder: {}", folder.display());
        // Past the output that the harness captures: nothing is left out in silence.
        let _ = writeln!(
            std::io::stderr(),
            "left out: comparison with the original on files found in the wild; no folder {} (VISOR_CORPUS \
             names another)",
            folder.display()
        );
        return;
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && folder.join("expected").join(json_name(path)).is_file())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files with an answer in {}", folder.display());
    let mut differences = Vec::new();
    for path in &files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let expected = std::fs::read(folder.join("expected").join(json_name(path))).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let found = compare_file(&std::fs::read(path).unwrap(), &expected);
        differences.extend(found.into_iter().filter_map(|(key, text)| {
            let meant = MEANT.iter().any(|(file, at, _)| *file == name && *at == key);
            (!meant).then(|| format!("{name}: {key}: {text}"))
        }));
    }
    assert!(
        differences.is_empty(),
        "{} differences in {} files:\n{}",
        differences.len(),
        files.len(),
        differences.join("\n")
    );
    println!("{} files compared", files.len());
}

fn json_name(path: &Path) -> String {
    format!("{}.json", path.file_stem().unwrap_or_default().to_string_lossy())
}

/// Paths of keys and how they differ.
type Differences = Vec<(String, String)>;

/// Every pattern of `[include]` finds nothing, except ours for a file that is read as an included one.
fn machine(text: &[u8], expected: &Value) -> Table {
    let mut table = match expected["mode"].as_str() {
        Some("included") => {
            let main = "[supervisord]\n[include]\nfiles = included.conf\n";
            let mut table = Table::with_file(MAIN, main);
            table.files.insert(INCLUDED.to_owned(), text.to_owned());
            table.globs.insert(INCLUDED.to_owned(), vec![INCLUDED.to_owned()]);
            table
        }
        _ => Table::with_file(MAIN, text),
    };
    for (name, value) in expected["needs"]["environment"].as_object().unwrap() {
        let value = value.as_str().unwrap().to_owned();
        table.environment.insert(name.clone(), value);
    }
    table
}

fn compare_file(text: &[u8], expected: &Value) -> Differences {
    let table = machine(text, expected);
    let mut found = Vec::new();
    match (read(&table, MAIN, &Overrides::default()), expected["result"].as_str()) {
        (Ok(config), Some("reads")) => {
            compare("", &config_json(&table, &config), &reduced(expected), &mut found);
        }
        (Err(mistakes), Some("error")) => {
            let error = expected["error"].as_str().unwrap();
            if !told(&mistakes, error) {
                let mistakes = list(&mistakes);
                found.push(("error".to_owned(), format!("{error:?} is not among:\n{mistakes}")));
            }
        }
        (Ok(_), _) => found.push(("result".to_owned(), format!("read, not {}", expected["error"]))),
        (Err(mistakes), _) => found.push(("result".to_owned(), list(&mistakes))),
    }
    let alone = Table { environment: table.environment.clone(), ..Table::with_file(MAIN, text) };
    let ctl = match read_ctl(&alone, MAIN) {
        Ok(ctl) => ctl.as_ref().map_or(Value::Null, ctl_json),
        Err(_) => Value::String("error".to_owned()),
    };
    let expected_ctl = match &expected["supervisorctl"] {
        Value::Object(answer) if answer.contains_key("error") => Value::String("error".to_owned()),
        answer => answer.clone(),
    };
    compare("supervisorctl", &ctl, &expected_ctl, &mut found);
    found
}

fn list(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Whether the original's error is one of ours. The wording of its parser is Python's, so for that the
/// lines must be the same.
fn told(mistakes: &[Mistake], error: &str) -> bool {
    let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
    if let Some((_, rest)) = error.split_once("no section headers.") {
        let line = rest.split_once("line: ").and_then(|(_, rest)| rest.lines().next());
        return line.and_then(|line| line.trim().parse().ok()).is_some_and(|line| lines.contains(&line));
    }
    if error.starts_with("Source contains parsing errors") {
        return error
            .split("[line ")
            .skip(1)
            .filter_map(|part| part.split_once(']')?.0.trim().parse().ok())
            .all(|line| lines.contains(&line));
    }
    // The original puts the wrong section before this: the last program of the group that was found.
    let core = |text: &str| match text.split_once("] name") {
        Some((_, rest)) => rest.to_owned(),
        None => text.to_owned(),
    };
    mistakes.iter().any(|mistake| core(error).starts_with(&core(&mistake.reason)))
}

/// The answer without what is said elsewhere or decided later by the original.
fn reduced(expected: &Value) -> Value {
    let mut map = expected.as_object().unwrap().clone();
    for key in ["error", "main_error", "mode", "needs", "reference", "result", "supervisorctl"] {
        map.remove(key);
    }
    leave_out_ours(&mut map["ignored"]);
    for group in map["groups"].as_array_mut().unwrap() {
        let group = group.as_object_mut().unwrap();
        if let Some(events) = group.get_mut("events") {
            sort(events);
        }
        for process in group["processes"].as_array_mut().unwrap() {
            let process = process.as_object_mut().unwrap();
            for key in ["stdout_logfile", "stderr_logfile"] {
                if process[key] == "" {
                    process.insert(key.to_owned(), Value::Null);
                }
            }
        }
    }
    // What the original makes of equal names when it starts.
    let groups = map["groups"].as_array_mut().unwrap();
    let mut seen = Vec::new();
    groups.retain(|group| {
        let fresh = !seen.contains(&group["name"]);
        seen.push(group["name"].clone());
        fresh
    });
    for group in groups {
        let mut kept: Vec<Value> = Vec::new();
        for process in group["processes"].as_array().unwrap().clone() {
            match kept.iter_mut().find(|other| other["name"] == process["name"]) {
                Some(other) => *other = process,
                None => kept.push(process),
            }
        }
        group["processes"] = Value::Array(kept);
    }
    Value::Object(map)
}

/// Keys that the original does not know and visor does.
fn leave_out_ours(ignored: &mut Value) {
    let sections = ignored.as_object_mut().unwrap();
    for keys in sections.values_mut().filter_map(Value::as_array_mut) {
        keys.retain(|key| !key.as_str().unwrap().starts_with("dependent_startup"));
    }
    sections.retain(|_, keys| keys.as_array().is_none_or(|keys| !keys.is_empty()));
}

fn sort(value: &mut Value) {
    if let Some(items) = value.as_array_mut() {
        items.sort_by_key(ToString::to_string);
    }
}

/// Compares what we made with the answer; a key missing on one side is a difference.
fn compare(at: &str, ours: &Value, theirs: &Value, found: &mut Differences) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let mut keys: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match (ours.get(key), theirs.get(key)) {
                    (Some(ours), Some(theirs)) => compare(&at, ours, theirs, found),
                    (ours, theirs) => found.push((at, format!("{ours:?}, not {theirs:?}"))),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{at}.{index}"), ours, theirs, found);
            }
        }
        _ if ours == theirs || above_root(ours, theirs) => {}
        _ => found.push((at.to_owned(), format!("{ours}, not {theirs}"))),
    }
}

/// A path that climbs from `%(here)s` above the pinned `/here` has two leading slashes in the answers: that is
/// how the machine was pinned, and no path that a system would give (`/here/../var` is `/var` in Python too).
fn above_root(ours: &Value, theirs: &Value) -> bool {
    match (ours.as_str(), theirs.as_str()) {
        (Some(ours), Some(theirs)) => theirs.starts_with("//") && theirs.strip_prefix('/') == Some(ours),
        _ => false,
    }
}

fn map_json(map: &visor::sorted::Map<String, String>) -> Value {
    map.iter().map(|(key, text)| (key.clone(), json!(text))).collect::<Map<_, _>>().into()
}

fn config_json(table: &Table, config: &Config) -> Value {
    let original: Vec<&str> =
        config.warnings.iter().filter(|warning| warning.original).map(|warning| warning.text.as_str()).collect();
    json!({
        "groups": config.groups.iter().map(|g| group_json(table, g)).collect::<Vec<_>>(),
        "ignored": ignored(config),
        "rpcinterfaces": config.rpc_interfaces.iter().map(|interface| json!({
            "name": interface.name, "factory": interface.factory, "options": map_json(&interface.options),
        })).collect::<Vec<_>>(),
        "servers": config.servers.iter().map(|s| server_json(table, s)).collect::<Vec<_>>(),
        "serverurl": config.server_url,
        "supervisord": daemon_json(config),
        "warnings": original,
    })
}

/// Sections and keys our warnings call unknown, in the form of the answer.
fn ignored(config: &Config) -> Value {
    let mut ignored: Map<String, Value> = Map::new();
    for warning in &config.warnings {
        let Some((section, rest)) = warning.text.strip_prefix('[').and_then(|t| t.split_once("] unknown ")) else {
            continue;
        };
        if rest.starts_with("section") {
            ignored.insert(section.to_owned(), Value::Null);
        } else if let Some(key) = rest.split('`').nth(1) {
            let keys = ignored.entry(section).or_insert_with(|| json!([]));
            keys.as_array_mut().unwrap().push(json!(key));
        }
    }
    for keys in ignored.values_mut() {
        sort(keys);
    }
    Value::Object(ignored)
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// As the answer writes a umask: one leading zero.
fn umask(mask: u32) -> String {
    format!("0{mask:o}")
}

fn names_json(table: &Table, owner: Owner) -> Value {
    json!([owner.uid.map(|uid| table.name_of(uid)), owner.gid.map(|gid| table.name_of(gid))])
}

fn owner_json(table: &Table, owner: Owner) -> Value {
    if owner == Owner::default() { Value::Null } else { names_json(table, owner) }
}

fn daemon_json(config: &Config) -> Value {
    let daemon = &config.daemon;
    json!({
        "childlogdir": daemon.childlogdir,
        "directory": daemon.directory,
        "environment": map_json(&daemon.environment),
        "identifier": daemon.identifier,
        "logfile": match &daemon.logfile {
            MainLogfile::File(path) => path.clone(),
            MainLogfile::Syslog => "syslog".to_owned(),
            MainLogfile::None => "none".to_owned(),
        },
        "logfile_backups": daemon.logfile_backups,
        "logfile_maxbytes": daemon.logfile_maxbytes,
        "loglevel": match daemon.loglevel {
            LogLevel::Critical => "critical",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
            LogLevel::Blather => "blather",
        },
        "minfds": daemon.minfds,
        "minprocs": daemon.minprocs,
        "nocleanup": daemon.nocleanup,
        "nodaemon": daemon.nodaemon,
        "pidfile": daemon.pidfile,
        "silent": daemon.silent,
        "strip_ansi": daemon.strip_ansi,
        "umask": umask(daemon.umask),
        "user": daemon.user.as_ref().map(|user| &user.name),
    })
}

fn server_json(table: &Table, server: &Server) -> Value {
    let mut value = json!({
        "name": server.name,
        "section": server.section,
        "username": server.username,
        "password": server.password,
    });
    let map = value.as_object_mut().unwrap();
    match &server.address {
        ServerAddress::Unix { file, chmod, chown } => {
            map.insert("family".into(), json!("unix"));
            map.insert("file".into(), json!(file));
            map.insert("chmod".into(), json!(octal(*chmod)));
            map.insert("chown".into(), names_json(table, *chown));
        }
        ServerAddress::Inet { host, port } => {
            map.insert("family".into(), json!("inet"));
            map.insert("host".into(), json!(host));
            map.insert("port".into(), json!(port));
        }
    }
    value
}

fn ctl_json(ctl: &Ctl) -> Value {
    json!({
        "history_file": ctl.history_file,
        "password": ctl.password,
        "prompt": ctl.prompt,
        "serverurl": ctl.serverurl,
        "username": ctl.username,
    })
}

fn group_json(table: &Table, group: &Group) -> Value {
    let mut value = json!({
        "name": group.name,
        "priority": group.priority,
        "processes": group.processes.iter().map(|p| process_json(table, p)).collect::<Vec<_>>(),
    });
    let map = value.as_object_mut().unwrap();
    let kind = match &group.kind {
        GroupKind::Group => "group",
        GroupKind::Program => "program",
        GroupKind::EventListener { events, buffer_size, result_handler } => {
            let mut events = json!(events);
            sort(&mut events);
            map.insert("events".into(), events);
            map.insert("buffer_size".into(), json!(buffer_size));
            map.insert("result_handler".into(), json!(result_handler));
            "eventlistener"
        }
        GroupKind::FcgiProgram { socket } => {
            let socket = json!({
                "url": socket.url,
                "owner": owner_json(table, socket.owner),
                "mode": socket.mode.map(octal),
                "backlog": socket.backlog,
            });
            map.insert("socket".into(), socket);
            "fcgi-program"
        }
    };
    map.insert("kind".into(), json!(kind));
    value
}

fn process_json(table: &Table, process: &Process) -> Value {
    let mut value = json!({
        "autorestart": match process.autorestart {
            AutoRestart::Always => json!(true),
            AutoRestart::Never => json!(false),
            AutoRestart::Unexpected => json!("unexpected"),
        },
        "autostart": process.autostart,
        "command": process.command,
        "directory": process.directory,
        "environment": map_json(&process.environment),
        "exitcodes": process.exitcodes,
        "killasgroup": process.killasgroup,
        "name": process.name,
        "priority": process.priority,
        "redirect_stderr": process.redirect_stderr,
        "section": process.section,
        "serverurl": process.serverurl,
        "startretries": process.startretries,
        "startsecs": process.startsecs,
        "stopasgroup": process.stopasgroup,
        "stopsignal": process.stopsignal.name().trim_start_matches("SIG"),
        "stopwaitsecs": process.stopwaitsecs,
        "umask": process.umask.map(umask),
        "user": process.user.as_ref().map(|user| table.name_of(user.uid)),
    });
    let map = value.as_object_mut().unwrap();
    match &process.argv {
        Ok(argv) => map.insert("argv".into(), json!(argv)),
        Err(reason) => map.insert("argv_error".into(), json!(reason)),
    };
    for (stream, channel) in [("stdout", &process.stdout), ("stderr", &process.stderr)] {
        map.extend(channel_json(stream, channel));
    }
    value
}

fn channel_json(stream: &str, channel: &Channel) -> Vec<(String, Value)> {
    let logfile = match &channel.logfile {
        Logfile::Auto => json!("AUTO"),
        Logfile::None | Logfile::Terminal => Value::Null,
        Logfile::File(path) => json!(path),
    };
    [
        ("logfile", logfile),
        ("logfile_maxbytes", json!(channel.maxbytes)),
        ("logfile_backups", json!(channel.backups)),
        ("capture_maxbytes", json!(channel.capture_maxbytes)),
        ("events_enabled", json!(channel.events_enabled)),
        ("syslog", json!(channel.syslog)),
    ]
    .map(|(key, value)| (format!("{stream}_{key}"), value))
    .into()
}
