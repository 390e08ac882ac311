//! What a configuration file means, as values.
//!
//! Owns: the shapes (`Config` and below) and the way from text to them:
//!
//! ```text
//! bytes ─ ini ─▶ items ─ document, include, template ─▶ sections ─ reader (expand, value, command) ─▶ Config
//! ```
//!
//! Does not own: processes, the clock, any system call; what the reader needs of the machine it asks of
//! its [`Host`]. Everything that is wrong is collected; nothing stops at the first mistake.

mod check;
mod command;
mod conditions;
mod daemon;
mod diff;
mod document;
mod dump;
mod error;
mod expand;
mod group;
mod hooks;
mod host;
mod include;
mod ini;
mod known;
mod limits;
mod live;
mod logline;
mod origin;
mod path;
mod people;
mod policy;
mod procfile;
mod program;
mod python;
mod reader;
mod relations;
mod schedule;
mod server;
mod socket;
mod sources;
mod template;
mod types;
mod value;

pub use check::{Check, Checks, OnUnhealthy, Probe, Url};
pub use command::split;
pub use conditions::{AtBoot, Conditions, Need, NeedState, OnFailure, Reached};
pub use daemon::Overrides;
pub use diff::{Diff, GroupChange, diff};
pub use dump::dump;
pub use error::Mistake;
pub use hooks::{Hooks, Reload};
pub use host::{Host, ReadError};
pub use limits::{Capabilities, IoPriority, Limits, ResourceLimit, UNLIMITED};
pub use live::{KeyChange, group_changes, process_changes};
pub use logline::{LogFormat, LogLines, LogRate, Overflow, PrefixPart, Upkeep};
pub use origin::{Explained, Place, Setting, explain};
pub use people::{Access, Person};
pub use policy::{ExitOn, Policy, Restart};
pub use procfile::{Bare, Bares, read as read_bare, text_of};
pub use relations::{Meant, meant};
pub use types::*;
pub use value::duration;

use std::sync::Arc;

use include::Files;
use reader::Reader;

use crate::order;

/// The section without which there is no configuration.
const SUPERVISORD: &str = "supervisord";
/// Where a configuration is looked for below the program's own place.
const FILE: &str = "supervisord.conf";

/// Paths searched for a configuration, first wins, for a program invoked as `argv0`.
#[must_use]
pub fn search_paths(argv0: &str) -> Vec<String> {
    let above = path::directory_of(path::directory_of(argv0));
    vec![
        path::join(above, &format!("etc/{FILE}")),
        path::join(above, FILE),
        FILE.to_owned(),
        format!("etc/{FILE}"),
        format!("/etc/{FILE}"),
        format!("/etc/supervisor/{FILE}"),
    ]
}

/// Reads a main file, everything it includes, and puts the command line's values over it.
///
/// # Errors
/// Every mistake found, in the order of the files; then nothing of the configuration may be used.
pub fn read(host: &dyn Host, file: &str, overrides: &Overrides) -> Result<Config, Vec<Mistake>> {
    let mut files = include::main_file(host, file).map_err(|mistake| vec![*mistake])?;
    read_on(host, &mut files, overrides)
}

/// Reads all the rest, and leaves in `files` what was read.
fn read_on(host: &dyn Host, files: &mut Files, overrides: &Overrides) -> Result<Config, Vec<Mistake>> {
    include::follow(host, files);
    // What a template says is told where it stands, not in each program that has it.
    let unknown = known::unknown(&files.document);
    template::apply(&mut files.document, &mut files.mistakes);
    let mut reader = Reader::new(host, &files.document, &files.here);
    reader.numprocs.clone_from(&overrides.numprocs);
    reader.mistakes = std::mem::take(&mut files.mistakes);
    reader.warnings = std::mem::take(&mut files.warnings);
    report_unknown(&mut reader, unknown, overrides.strict);
    let config = understand(&mut reader, files, overrides);
    let mistakes = std::mem::take(&mut reader.mistakes);
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        Some(_) | None => Err(sorted(mistakes)),
    }
}

/// Reads `[supervisorctl]` of a main file alone, without what it includes; `None` when there is no such
/// section.
///
/// # Errors
/// Every mistake in the file's form and in that section.
pub fn read_ctl(host: &dyn Host, file: &str) -> Result<Option<Ctl>, Vec<Mistake>> {
    let files = include::main_file(host, file).map_err(|mistake| vec![*mistake])?;
    let mut mistakes = files.mistakes;
    let ctl = files.ctl.unwrap_or_else(|wrong| {
        mistakes.extend(wrong);
        None
    });
    if mistakes.is_empty() { Ok(ctl) } else { Err(sorted(mistakes)) }
}

/// Whether `[visor] machine` of a main file alone, without what it includes, says yes. What else is wrong with the file does not matter:
/// the init of a machine has to do something about it.
#[must_use]
pub fn asks_for_machine(host: &dyn Host, file: &str) -> bool {
    let Ok(files) = include::main_file(host, file) else { return false };
    let mut reader = Reader::new(host, &files.document, &files.here);
    files.document.section("visor").is_some_and(|section| daemon::machine(&mut reader, section))
}

/// Everything in a document; `None` without `[supervisord]`.
fn understand(reader: &mut Reader, files: &Files, overrides: &Overrides) -> Option<Config> {
    let document = reader.document;
    let section = document.section(SUPERVISORD);
    if section.is_none() {
        reader.mistakes.push(Mistake::of_file(&files.file, ".ini file does not include supervisord section"));
    }
    let daemon = section.map(|section| daemon::read(reader, section, overrides));
    reader.user = daemon.as_ref().and_then(|daemon| daemon.user.as_ref()).map(|user| user.uid);
    let rpc_interfaces = server::rpc_interfaces(reader);
    let mut groups = group::groups(reader);
    relations::check(reader, &mut groups);
    let servers = server::servers(reader);
    let visor = document.section("visor").map(|section| daemon::visor(reader, section)).unwrap_or_default();
    if let Err(wrong) = &files.ctl {
        // Nothing the daemon needs stands there, so it is no reason to refuse the file.
        reader.warnings.extend(wrong.iter().map(unusable_ctl));
    }
    let daemon = daemon?;
    for process in groups.iter_mut().flat_map(|group| &mut group.processes) {
        inherit_environment(process, &daemon);
    }
    Some(Config {
        file: files.file.clone(),
        visor,
        server_url: server::url(&servers),
        servers,
        rpc_interfaces,
        ctl: files.ctl.as_ref().ok().cloned().flatten(),
        groups,
        warnings: std::mem::take(&mut reader.warnings),
        included: files.included.clone(),
        daemon,
    })
}

fn unusable_ctl(mistake: &Mistake) -> Warning {
    Warning {
        file: mistake.file.clone(),
        line: mistake.line,
        text: format!("[supervisorctl] cannot be used: {}", mistake.reason),
        original: false,
    }
}

/// Puts the common environment under a process' own.
fn inherit_environment(process: &mut Arc<Process>, daemon: &Daemon) {
    // Nobody else has it yet.
    let Some(process) = Arc::get_mut(process) else { return };
    for (key, text) in &daemon.environment {
        process.environment.insert_new(key.clone(), || text.clone());
    }
}

fn report_unknown(reader: &mut Reader, unknown: Vec<Mistake>, strict: bool) {
    if strict {
        reader.mistakes.extend(unknown);
    } else {
        let warnings = unknown.iter().map(known::as_warning);
        reader.warnings.extend(warnings);
    }
}

/// Each mistake once (a program in two groups has its mistakes twice), files in the order met, lines in
/// order.
fn sorted(mistakes: Vec<Mistake>) -> Vec<Mistake> {
    let mut files: Vec<String> = Vec::new();
    for mistake in &mistakes {
        if files.last() != Some(&mistake.file) && !files.contains(&mistake.file) {
            files.push(mistake.file.clone());
        }
    }
    let mut once: Vec<Mistake> = Vec::new();
    for mistake in mistakes {
        if !once.contains(&mistake) {
            once.push(mistake);
        }
    }
    let place = |mistake: &Mistake| (files.iter().position(|file| *file == mistake.file), mistake.line);
    order::sort_by(&mut once, |a, b| place(a).cmp(&place(b)));
    once
}
