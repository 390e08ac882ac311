//! What a process' options are and where each comes from, for people. Nothing of this is kept: who asks has the files read again.

use std::sync::Arc;

use super::document::{Document, Entry, Section};
use super::error::Mistake;
use super::host::Host;
use super::types::{Group, Process};
use super::{Overrides, command, dump, include, read_on};
use crate::list::List as _;
use crate::wildcard;

/// Stands for the value of a variable; who may ask is not always who may know it.
const NOT_SHOWN: &str = "(not shown)";
const NONE: &str = "none";
/// The option is not there. `none` is something else: a value of `capabilities`.
const UNSET: &str = "unset";
const ENVIRONMENT: &str = "environment";

/// One process of the files as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Name of its group.
    pub group: String,
    /// Its name in the group.
    pub process: String,
    /// Its section, `program:x`.
    pub section: String,
    /// Every option, in the order of `dump`.
    pub settings: Vec<Setting>,
}

/// One option of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As in the file; `environment.NAME` and `secret.NAME` for one variable.
    pub key: String,
    /// As `dump` writes it; of a variable nothing.
    pub value: String,
    /// What the process has that runs, if that is something else.
    pub running: Option<String>,
    /// Where it stands; `None` = it is the default.
    pub place: Option<Place>,
}

/// Where an option stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// Section that says it: the process' own, a template, `DEFAULT` or `supervisord`.
    pub section: String,
}

/// What the files say now of the processes that `name` means (`name`, `group:process`, `group:*`, `all`, patterns); `running` is what runs of a group
/// and process.
///
/// # Errors
/// Every mistake found in the files.
pub fn explain(
    host: &dyn Host,
    file: &str,
    overrides: &Overrides,
    name: &str,
    running: &dyn Fn(&str, &str) -> Option<Arc<Process>>,
) -> Result<Vec<Explained>, Vec<Mistake>> {
    let mut files = include::main_file(host, file).map_err(|mistake| vec![*mistake])?;
    let config = read_on(host, &mut files, overrides)?;
    let mut all = Vec::new();
    for group in &config.groups {
        for process in
            group.processes.iter().filter(|process| name == "all" || wildcard::means(name, &group.name, &process.name))
        {
            let now = running(&group.name, &process.name);
            all.push(explained(&files.document, group, process, now.as_deref()));
        }
    }
    Ok(all)
}

fn explained(document: &Document, group: &Group, process: &Process, running: Option<&Process>) -> Explained {
    let mut every = dump::options(&group.kind, process);
    let runs = running.map(|running| dump::options(&group.kind, running)).unwrap_or_default();
    let find = |key: &str, options: &[(String, String)]| {
        options.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    for (key, _) in &runs {
        if find(key, &every).is_none() {
            every.push((key.clone(), NONE.to_owned()));
        }
    }
    let settings = every.into_iter().map(|(key, value)| {
        let other = running.map(|_| find(&key, &runs).unwrap_or_else(|| NONE.to_owned()));
        let other = other.filter(|other| *other != value);
        let [running, value] = [other, Some(value)].map(|value| value.map(|value| shown(&key, Some(&value))));
        let value = value.unwrap_or_default();
        Setting { place: place(document, &process.section, &key), running, value, key }
    });
    Explained {
        group: group.name.clone(),
        process: process.name.clone(),
        section: process.section.clone(),
        settings: settings.list(),
    }
}

/// A value for people; `None` = the option is not there.
pub(super) fn shown(key: &str, value: Option<&str>) -> String {
    match value {
        None => UNSET,
        Some(NONE) => NONE,
        Some(_) if is_hidden(key) => NOT_SHOWN,
        Some(value) => value,
    }
    .to_owned()
}

fn is_hidden(key: &str) -> bool {
    key.split_once('.').is_some_and(|(key, _)| key == ENVIRONMENT)
}

fn place(document: &Document, section: &str, key: &str) -> Option<Place> {
    let own = document.section(section)?;
    let Some((key, variable)) = key.split_once('.') else {
        return document.entry(own, key).map(|entry| place_of(own, key, entry));
    };
    let common = document.section(super::SUPERVISORD).filter(|_| key == ENVIRONMENT);
    [Some(own), common].into_iter().flatten().find_map(|section| {
        let entry = document.entry(section, key)?;
        let layer = entry.layers().rev().find(|layer| sets(&layer.value, variable))?;
        Some(place_of(section, key, layer))
    })
}

/// Whether a list of `NAME=value` or `NAME:path` has a name. What cannot be read before it is expanded may have it.
fn sets(text: &str, variable: &str) -> bool {
    match command::environment(text) {
        Ok(environment) if environment.contains_key(variable) => true,
        Ok(_) | Err(_) => text.split([',', '\n']).any(|word| {
            word.trim_start().strip_prefix(variable).is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
        }),
    }
}

fn place_of(section: &Section, key: &str, entry: &Entry) -> Place {
    let inherited = if section.entries.contains_key(key) { section.name.as_str() } else { "DEFAULT" };
    Place {
        file: entry.file.to_string(),
        line: entry.line,
        section: entry.from.as_deref().unwrap_or(inherited).to_owned(),
    }
}
