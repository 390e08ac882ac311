//! The main file and the files it includes → one document.

use std::sync::Arc;

use super::document::Document;
use super::error::Mistake;
use super::host::{Host, ReadError};
use super::ini;
use super::path::{absolute, directory_of, join};
use super::reader::{Names, Reader};
use super::server;
use super::types::{Ctl, Warning};
use crate::list::List as _;

/// All files together.
pub(super) struct Files {
    pub document: Document,
    /// `[supervisorctl]` of the main file alone: the original's client follows no `[include]`.
    pub ctl: Result<Option<Ctl>, Vec<Mistake>>,
    /// Absolute path of the main file, and its directory.
    pub file: String,
    pub here: String,
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<Warning>,
    pub included: Vec<String>,
}

/// Reads the main file and nothing else.
///
/// # Errors
/// When the file cannot be read at all.
pub(super) fn main_file(host: &dyn Host, file: &str) -> Result<Files, Box<Mistake>> {
    let path = absolute(host, file);
    let bytes = host.read(&path).map_err(|error| match error {
        ReadError::Missing => Box::new(Mistake::of_file(file, format!("could not find config file {file}"))),
        ReadError::Unreadable(reason) => {
            Box::new(Mistake::of_file(file, format!("could not read config file {file}: {reason}")))
        }
    })?;
    let name: Arc<str> = Arc::from(path.as_str());
    let mut mistakes = Vec::new();
    let mut document = Document::new(&name);
    document.merge(&name, ini::parse(&path, &bytes, &mut mistakes));
    Ok(Files {
        ctl: server::ctl_of(host, &document, directory_of(&path)),
        document,
        here: directory_of(&path).to_owned(),
        file: path,
        mistakes,
        warnings: Vec::new(),
        included: Vec::new(),
    })
}

/// Follows the main file's `[include]`, if it has one.
pub(super) fn follow(host: &dyn Host, files: &mut Files) {
    let Some(line) = files.document.section("include").map(|section| section.line) else {
        return;
    };
    files.document.replace_here(&files.here);
    let patterns = patterns(host, files);
    for pattern in patterns {
        let pattern = join(&files.here, &pattern);
        let paths = host.glob(&pattern);
        if paths.is_empty() {
            files.warnings.push(Warning {
                file: files.file.clone(),
                line,
                text: format!("No file matches via include \"{pattern}\""),
                original: true,
            });
        }
        for path in paths {
            include(host, files, path, line);
        }
    }
}

/// The words of `files`, expanded.
fn patterns(host: &dyn Host, files: &mut Files) -> Vec<String> {
    const LABEL: &str = "include.files";
    let Some(section) = files.document.section("include") else {
        return Vec::new();
    };
    let Some(entry) = files.document.entry(section, "files") else {
        let reason = ".ini file has [include] section, but no files setting";
        files.mistakes.push(section.mistake(Some("files"), reason));
        return Vec::new();
    };
    let mut reader = Reader::new(host, &files.document, &files.here);
    let names = Names { node: true, ..Names::HERE };
    let text = reader.expand(section, "files", entry, &entry.value, LABEL, &names);
    let mistakes = reader.mistakes;
    files.mistakes.extend(mistakes);
    let text = text.unwrap_or_default();
    text.split_whitespace().map(str::to_owned).list()
}

/// Merges one included file. One that cannot be read is passed over, as the original does, but said.
fn include(host: &dyn Host, files: &mut Files, path: String, line: usize) {
    match host.read(&path) {
        Ok(bytes) => {
            let name: Arc<str> = Arc::from(path.as_str());
            let items = ini::parse(&path, &bytes, &mut files.mistakes);
            files.document.merge(&name, items);
            let here = absolute(host, directory_of(&path));
            files.document.replace_here(&here);
        }
        Err(error) => {
            let reason = match error {
                ReadError::Missing => "it is gone".to_owned(),
                ReadError::Unreadable(reason) => reason,
            };
            files.warnings.push(Warning {
                file: files.file.clone(),
                line,
                text: format!("cannot read included file `{path}`: {reason}"),
                original: false,
            });
        }
    }
    files.included.push(path);
}
