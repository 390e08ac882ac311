//! The environment a child gets: ours, what Supervisor adds, what the configuration says, the later over the earlier.

use std::ffi::OsString;

use crate::config::Process;
use crate::sorted::Map;

/// Where commands are looked for when PATH is not set.
pub(super) const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// The environment of a process in `group`; `ours` is what visor was started with.
pub(super) fn of(
    process: &Process,
    group: &str,
    server_url: Option<&str>,
    ours: &[(OsString, OsString)],
) -> Vec<(OsString, OsString)> {
    let mut all: Map<OsString, OsString> = ours.iter().cloned().collect();
    let mut set = |key: &str, value: &str| {
        all.insert(key.into(), value.into());
    };
    set("SUPERVISOR_ENABLED", "1");
    if let Some(url) = process.serverurl.as_deref().or(server_url) {
        set("SUPERVISOR_SERVER_URL", url);
    }
    set("SUPERVISOR_PROCESS_NAME", &process.name);
    set("SUPERVISOR_GROUP_NAME", group);
    if !process.listen.is_empty() {
        // LISTEN_PID, which belongs to them, only the child can know.
        set("LISTEN_FDS", &process.listen.len().to_string());
        set("LISTEN_FDNAMES", &vec![process.name.as_str(); process.listen.len()].join(":"));
    }
    for (key, value) in &process.environment {
        set(key, value);
    }
    all.into_iter().collect()
}

/// The PATH in which a process' command is looked for: its own if it sets one, else ours.
pub(super) fn search_path(process: &Process, ours: &[(OsString, OsString)]) -> String {
    let own = process.environment.get("PATH").cloned();
    let inherited =
        || ours.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.to_string_lossy().into_owned());
    match own.or_else(inherited) {
        Some(path) if !path.is_empty() => path,
        Some(_) | None => DEFAULT_PATH.to_string(),
    }
}
