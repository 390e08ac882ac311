//! Which groups there are, in which order, and which processes each has.

use std::sync::Arc;

use super::document::Section;
use super::program;
use super::reader::{Names, Reader};
use super::types::{FcgiSocket, Group, GroupKind, Owner, Process, Warning};
use super::{server, socket, value};
use crate::list::List as _;
use crate::order;
use crate::sorted::{Map, Set};

const PRIORITY: i64 = 999;
/// Listeners start first and stop last.
const LISTENER_PRIORITY: i64 = -1;
const BUFFER_SIZE: i64 = 10;
const RESULT_HANDLER: &str = "supervisor.dispatchers:default_handler";
const SOCKET_MODE: u32 = 0o700;
const HIGHEST_BACKLOG: i64 = 65_535;
/// Every type of event one can subscribe to.
const EVENTS: [&str; 30] = [
    "EVENT",
    "PROCESS_STATE",
    "PROCESS_STATE_STOPPED",
    "PROCESS_STATE_EXITED",
    "PROCESS_STATE_STARTING",
    "PROCESS_STATE_STOPPING",
    "PROCESS_STATE_BACKOFF",
    "PROCESS_STATE_FATAL",
    "PROCESS_STATE_RUNNING",
    "PROCESS_STATE_UNKNOWN",
    "PROCESS_COMMUNICATION",
    "PROCESS_COMMUNICATION_STDOUT",
    "PROCESS_COMMUNICATION_STDERR",
    "PROCESS_LOG",
    "PROCESS_LOG_STDOUT",
    "PROCESS_LOG_STDERR",
    "REMOTE_COMMUNICATION",
    "SUPERVISOR_STATE_CHANGE",
    "SUPERVISOR_STATE_CHANGE_RUNNING",
    "SUPERVISOR_STATE_CHANGE_STOPPING",
    "TICK",
    "TICK_5",
    "TICK_60",
    "TICK_3600",
    "PROCESS_GROUP",
    "PROCESS_GROUP_ADDED",
    "PROCESS_GROUP_REMOVED",
    // Visor's own.
    "PROCESS_HEALTH",
    "PROCESS_HEALTH_HEALTHY",
    "PROCESS_HEALTH_UNHEALTHY",
];

/// All groups, in start order.
pub(super) fn groups(reader: &mut Reader) -> Vec<Group> {
    let document = reader.document;
    let of_kind =
        |prefix: &'static str| document.sections.iter().filter(move |section| section.name.starts_with(prefix));
    let mut groups = Vec::new();
    let mut in_groups = Set::new();
    for section in of_kind("group:") {
        groups.extend(group(reader, section, &mut in_groups));
    }
    for section in of_kind("program:").filter(|s| !in_groups.contains(&s.name)) {
        groups.extend(single(reader, section, PRIORITY, |_, _| Some(GroupKind::Program)));
    }
    for section in of_kind("eventlistener:") {
        groups.extend(single(reader, section, LISTENER_PRIORITY, listener));
    }
    for section in of_kind("fcgi-program:").filter(|s| !in_groups.contains(&s.name)) {
        groups.extend(single(reader, section, PRIORITY, fcgi));
    }
    order::sort_by(&mut groups, |a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    without_doubles(reader, groups)
}

/// A `[group:x]` and the programs it lists.
fn group<'a>(reader: &mut Reader<'a>, section: &'a Section, in_groups: &mut Set<String>) -> Option<Group> {
    let programs =
        reader.value(section, "programs", &Names::HERE, &|_, text| Ok(value::words(text))).unwrap_or_default();
    let priority = priority(reader, section, PRIORITY);
    let name = value::name(section.title());
    let mut processes = Vec::new();
    for program in programs {
        let kinds = [format!("program:{program}"), format!("fcgi-program:{program}")];
        let [plain, fcgi] = kinds.each_ref().map(|name| reader.document.section(name));
        let member = match (plain, fcgi) {
            (Some(member), None) | (None, Some(member)) => member,
            (None, None) => {
                let reason = format!("[{}] names unknown program or fcgi-program {program}", section.name);
                reader.refuse(section, "programs", reason);
                continue;
            }
            (Some(_), Some(_)) => {
                let reason =
                    format!("[{}] name {program} is ambiguous (exists as program and fcgi-program)", section.name);
                reader.refuse(section, "programs", reason);
                in_groups.extend(kinds);
                continue;
            }
        };
        in_groups.insert(member.name.clone());
        let group = name.as_deref().unwrap_or(section.title());
        processes.extend(program::processes(reader, member, group));
    }
    let name = name.map_err(|reason| reader.mistakes.push(section.mistake(None, reason))).ok()?;
    Some(Group { name, priority, kind: GroupKind::Group, processes: shared(processes) })
}

/// A section that is a group of its own.
fn single<'a>(
    reader: &mut Reader<'a>,
    section: &'a Section,
    default_priority: i64,
    kind: fn(&mut Reader<'a>, &'a Section) -> Option<GroupKind>,
) -> Option<Group> {
    let priority = priority(reader, section, default_priority);
    let kind = kind(reader, section);
    // A listener's own name is not trimmed; a bad one is told by its processes.
    let name = match &kind {
        Some(GroupKind::EventListener { .. }) => section.title(),
        Some(GroupKind::Group | GroupKind::Program | GroupKind::FcgiProgram { .. }) | None => section.title().trim(),
    };
    let processes = program::processes(reader, section, name);
    Some(Group { name: name.to_owned(), priority, kind: kind?, processes: shared(processes) })
}

fn priority<'a>(reader: &mut Reader<'a>, section: &'a Section, default: i64) -> i64 {
    reader.value(section, "priority", &Names::HERE, &|_, text| value::integer(text)).unwrap_or(default)
}

fn listener<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Option<GroupKind> {
    let name = &section.name;
    let mistakes = reader.mistakes.len();
    let buffer_size = reader
        .value(section, "buffer_size", &Names::HERE, &|_, text| {
            let size = value::integer(text)?;
            if size < 1 {
                return Err(format!("[{name}] section sets invalid buffer_size ({size})"));
            }
            Ok(size)
        })
        .unwrap_or(BUFFER_SIZE);
    let result_handler = reader
        .value(section, "result_handler", &Names::HERE, &|_, text| server::plugin(text, name))
        .unwrap_or_else(|| RESULT_HANDLER.to_owned());
    if result_handler != RESULT_HANDLER {
        let text = format!("[{name}] result_handler: `{result_handler}` is Python, which visor does not run");
        reader.remark(section, "result_handler", text);
    }
    let events = events(reader, section);
    let redirected = reader.value(section, "redirect_stderr", &Names::HERE, &|_, text| value::boolean(text));
    if redirected == Some(true) {
        let reason = format!(
            "[{name}] section sets redirect_stderr=true but this is not allowed because it will interfere \
             with the eventlistener protocol"
        );
        reader.refuse(section, "redirect_stderr", reason);
    }
    (reader.mistakes.len() == mistakes).then_some(GroupKind::EventListener { events, buffer_size, result_handler })
}

fn events<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Vec<String> {
    let name = &section.name;
    let mistakes = reader.mistakes.len();
    let words = reader.value(section, "events", &Names::HERE, &|_, text| Ok(value::words(text))).unwrap_or_default();
    if words.is_empty() && reader.mistakes.len() == mistakes {
        let reason = format!("[{name}] section requires an \"events\" line");
        reader.refuse(section, "events", reason);
    }
    let mut events = Vec::new();
    for word in words {
        let event = word.to_ascii_uppercase();
        if !EVENTS.contains(&event.as_str()) {
            let reason = format!("Unknown event type {event} in [{name}] events");
            reader.refuse(section, "events", reason);
        } else if !events.contains(&event) {
            events.push(event);
        }
    }
    events
}

fn fcgi<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Option<GroupKind> {
    let program = section.title().trim();
    let names = Names { program: Some(program), ..Names::HERE };
    let backlog = reader.value(section, "socket_backlog", &Names::HERE, &|_, text| {
        let length = value::integer(text)?;
        if (1..=HIGHEST_BACKLOG).contains(&length) {
            Ok(length)
        } else {
            Err(format!("Invalid socket_backlog value {length}"))
        }
    });
    let owner = reader.value(section, "socket_owner", &Names::HERE, &|host, text| {
        value::owner(host, text).map_err(|_| format!("Invalid socket_owner value {text}"))
    });
    let mode = reader.value(section, "socket_mode", &Names::HERE, &|_, text| {
        value::octal(text).map_err(|_| format!("Invalid socket_mode value {text}"))
    });
    // Its mistakes are told where the processes are read.
    let mistakes = reader.mistakes.len();
    let user = reader.value(section, "user", &Names::HERE, &value::user);
    reader.mistakes.truncate(mistakes);
    let written = reader.text(section, "socket", &names);
    if written.as_deref().unwrap_or_default().is_empty() {
        if reader.mistakes.len() == mistakes {
            let reason = format!("[{}] section requires a \"socket\" line", section.name);
            reader.refuse(section, "socket", reason);
        }
        return None;
    }
    let limited = ["socket_owner", "socket_mode"].into_iter().any(|key| reader.entry(section, key).is_some());
    match socket::url(&written.unwrap_or_default(), limited) {
        Ok(url) => {
            let unix = url.starts_with("unix://");
            // The user's own socket, unless it is said otherwise.
            let of_user = user
                .filter(|user| unix && user.uid != 0)
                .map(|user| Owner { uid: Some(user.uid), gid: Some(user.gid) });
            let socket = FcgiSocket {
                owner: owner.or(of_user).unwrap_or_default(),
                mode: mode.or(unix.then_some(SOCKET_MODE)),
                backlog,
                url,
            };
            Some(GroupKind::FcgiProgram { socket })
        }
        Err(reason) => {
            let reason = format!("{reason} in [{}] socket", section.name);
            reader.refuse(section, "socket", reason);
            None
        }
    }
}

fn shared(processes: Vec<Process>) -> Vec<Arc<Process>> {
    processes.into_iter().map(Arc::new).list()
}

/// Of groups with one name the first is kept, of processes with one name in a group the last, at the place
/// of the first: what the original does when it makes them.
fn without_doubles(reader: &mut Reader, groups: Vec<Group>) -> Vec<Group> {
    let mut kept: Vec<Group> = Vec::new();
    let mut names = Set::new();
    for mut group in groups {
        if !names.insert(group.name.clone()) {
            warn(reader, format!("there are two groups named `{}`; the later one is left out", group.name));
            continue;
        }
        let mut places: Map<String, usize> = Map::new();
        let mut processes: Vec<Arc<Process>> = Vec::new();
        for process in std::mem::take(&mut group.processes) {
            let next = processes.len();
            places.insert_new(process.name.clone(), || next);
            let place = places.get(&process.name).copied().unwrap_or(next);
            match processes.get_mut(place) {
                None => processes.push(process),
                Some(first) => {
                    warn(
                        reader,
                        format!(
                            "group `{}` has two processes named `{}`; the first one is left out",
                            group.name, process.name
                        ),
                    );
                    *first = process;
                }
            }
        }
        group.processes = processes;
        kept.push(group);
    }
    kept
}

fn warn(reader: &mut Reader, text: String) {
    let file = reader.document.defaults.file.to_string();
    reader.warnings.push(Warning { file, line: 0, text, original: false });
}
