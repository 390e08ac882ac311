//! The keys that make a process' environment besides `environment`: what they name, not what stands there.

use super::document::Section;
use super::host::Host;
use super::path::{absolute, expand_home};
use super::python::repr;
use super::reader::{Names, Reader};
use super::types::{Account, Source, Sources, User};
use super::value;
use crate::list::List as _;

/// Before a path that may be missing, as in systemd's units.
const OPTIONAL: char = '-';
const SECRET: &str = "secret";

/// What a section says for one process; `None` = nothing. Mistakes are told to the reader.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    section: &'a Section,
    user: Option<&User>,
    names: &Names,
) -> Option<Box<Sources>> {
    let list = |reader: &mut Reader<'a>, key: &str| reader.value(section, key, names, &paths).unwrap_or_default();
    let flag = |reader: &mut Reader<'a>, key: &str| {
        reader.value(section, key, names, &|_, text| value::boolean(text)).unwrap_or(false)
    };
    let mut sources = Sources {
        clear: flag(reader, "clear_env"),
        files: list(reader, "env_file"),
        directories: list(reader, "env_dir"),
        ..Sources::default()
    };
    if flag(reader, "user_env") {
        sources.account = account(reader, section, user);
    }
    secrets(reader, section, names, &mut sources);
    (sources != Sources::default()).then(|| Box::new(sources))
}

fn account(reader: &mut Reader, section: &Section, user: Option<&User>) -> Option<Account> {
    let uid = user.map(|user| user.uid).or(reader.user);
    let account = reader.host.account(uid);
    if account.is_none() {
        let whom = uid.map_or_else(|| "visor runs as".to_owned(), |uid| format!("with the number {uid}"));
        reader.refuse(section, "user_env", format!("the password database does not have the user {whom}"));
    }
    account
}

fn secrets<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names, sources: &mut Sources) {
    let Some(entry) = reader.entry(section, SECRET) else { return };
    let label = format!("{}.{SECRET}", section.name);
    for layer in entry.layers() {
        let Some(text) = reader.expand(section, SECRET, layer, &layer.value, &label, names) else { continue };
        for word in words(&text) {
            match secret(reader.host, word) {
                Ok((name, source)) => drop(sources.secrets.insert(name, source)),
                Err(reason) => reader.mistakes.push(layer.mistake(&section.name, SECRET, reason)),
            }
        }
    }
}

/// `NAME:PATH`
fn secret(host: &dyn Host, text: &str) -> Result<(String, Source), String> {
    let (name, path) = text.split_once(':').ok_or_else(|| format!("not `NAME:/path/of/a/file`: {}", repr(text)))?;
    let name = name.trim_end();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(fits) {
        return Err(format!("not a name of a variable: {}", repr(name)));
    }
    Ok((name.to_owned(), source(host, path)?))
}

fn paths(host: &dyn Host, text: &str) -> Result<Vec<Source>, String> {
    words(text).map(|word| source(host, word)).list_all()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn source(host: &dyn Host, text: &str) -> Result<Source, String> {
    let text = text.trim();
    let (optional, path) = match text.strip_prefix(OPTIONAL) {
        Some(path) => (true, path.trim_start()),
        None => (false, text),
    };
    if path.is_empty() || path.contains(['\0', '\n']) {
        return Err(format!("not a path: {}", repr(text)));
    }
    Ok(Source { path: absolute(host, &expand_home(host, path)), optional })
}
