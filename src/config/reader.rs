//! What all sections need to be read: the machine, the names values may use, and where mistakes and
//! warnings are collected. What a key means is decided by the file of its section.

use super::document::{Document, Entry, Section};
use super::error::Mistake;
use super::expand::{Meaning, Scope, expand};
use super::host::Host;
use super::types::Warning;

use crate::sorted::Map;

/// Reads values and remembers what was wrong with them.
pub(super) struct Reader<'a> {
    pub host: &'a dyn Host,
    pub document: &'a Document,
    /// Directory of the main file.
    pub here: String,
    pub node_name: String,
    /// What `ENV_` names stand for: visor's environment, later with `[supervisord] environment` over it.
    pub environment: Map<String, String>,
    /// Whether an `ENV_` name may be missing only because of a mistake told before.
    pub environment_incomplete: bool,
    /// Number of `[supervisord] user`, whom programs without a user run as.
    pub user: Option<u32>,
    /// A program, and how many processes it has whatever its section says.
    pub numprocs: Option<(String, i64)>,
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    /// A reader of a document.
    pub(super) fn new(host: &'a dyn Host, document: &'a Document, here: &str) -> Self {
        Self {
            host,
            document,
            here: here.to_owned(),
            node_name: host.node_name(),
            environment: host.environment(),
            environment_incomplete: false,
            user: None,
            numprocs: None,
            mistakes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The key's entry, of the section or of `[DEFAULT]`.
    pub(super) fn entry(&self, section: &'a Section, key: &str) -> Option<&'a Entry> {
        self.document.entry(section, key)
    }

    /// The key's text, expanded; `None` when absent or wrong.
    pub(super) fn text(&mut self, section: &'a Section, key: &str, names: &Names) -> Option<String> {
        self.value(section, key, names, &|_, text| Ok(text.to_owned()))
    }

    /// The key's text, expanded and understood by `parse`; `None` when absent or wrong. There once for each kind of value, not for each key.
    pub(super) fn value<T>(
        &mut self,
        section: &'a Section,
        key: &str,
        names: &Names,
        parse: &dyn Fn(&dyn Host, &str) -> Result<T, String>,
    ) -> Option<T> {
        let (entry, text) = self.written(section, key, names)?;
        match parse(self.host, &text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.misunderstood(section, key, entry, reason);
                None
            }
        }
    }

    /// The key's entry and its text, expanded.
    fn written(&mut self, section: &'a Section, key: &str, names: &Names) -> Option<(&'a Entry, String)> {
        let entry = self.entry(section, key)?;
        let label = format!("{}.{key}", section.name);
        Some((entry, self.expand(section, key, entry, &entry.value, &label, names)?))
    }

    fn misunderstood(&mut self, section: &Section, key: &str, entry: &Entry, reason: String) {
        self.mistakes.push(entry.mistake(&section.name, key, reason));
    }

    /// Expands a text of an entry; `label` is what messages call it.
    pub(super) fn expand(
        &mut self,
        section: &Section,
        key: &str,
        entry: &Entry,
        text: &str,
        label: &str,
        names: &Names,
    ) -> Option<String> {
        if !text.contains('%') {
            return Some(text.to_owned());
        }
        let scope = names.scope(self);
        let failure = match expand(text, &scope) {
            Ok(expanded) => return Some(expanded),
            Err(failure) => failure,
        };
        if !(self.environment_incomplete && failure.is_unknown_environment()) {
            let reason = failure.sentence(text, label, &scope);
            self.mistakes.push(entry.mistake(&section.name, key, reason));
        }
        None
    }

    /// Expands what an expansion gave once more, as the original does with a few values. There a `%` left
    /// over is a mistake; here it stays what it is.
    pub(super) fn expand_again(&self, text: String, names: &Names) -> String {
        expand(&text, &names.scope(self)).unwrap_or(text)
    }

    /// Remembers a mistake in a key that is there, or of the section when it is not.
    pub(super) fn refuse(&mut self, section: &Section, key: &str, reason: impl Into<String>) {
        let mistake = match self.document.entry(section, key) {
            Some(entry) => entry.mistake(&section.name, key, reason),
            None => section.mistake(Some(key), reason),
        };
        self.mistakes.push(mistake);
    }

    /// A remark in the original's words.
    pub(super) fn warn(&mut self, section: &Section, key: &str, text: String) {
        let warning = self.warning(section, key, text, true);
        self.warnings.push(warning);
    }

    /// A remark of our own.
    pub(super) fn remark(&mut self, section: &Section, key: &str, text: String) {
        let warning = self.warning(section, key, text, false);
        self.warnings.push(warning);
    }

    /// The same, but told once however many processes of the section say it.
    pub(super) fn remark_once(&mut self, section: &Section, key: &str, text: String) {
        let warning = self.warning(section, key, text, false);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn warning(&self, section: &Section, key: &str, text: String, original: bool) -> Warning {
        let (file, line) = match self.document.entry(section, key) {
            Some(entry) => (&entry.file, entry.line),
            None => (&section.file, section.line),
        };
        Warning { file: file.to_string(), line, text, original }
    }
}

/// Which names besides the environment a value may use.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names<'n> {
    pub here: bool,
    pub node: bool,
    pub program: Option<&'n str>,
    pub group: Option<&'n str>,
    /// `process_num` and `numprocs`.
    pub process: Option<(i64, i64)>,
    /// The process' own environment, over the common one.
    pub own: Option<&'n Map<String, String>>,
    /// What earlier processes of the section set, under the common one.
    pub earlier: Option<&'n Map<String, String>>,
}

impl<'n> Names<'n> {
    /// Nothing but the environment.
    pub(super) const ENVIRONMENT: Self =
        Self { here: false, node: false, program: None, group: None, process: None, own: None, earlier: None };
    /// `here` and the environment.
    pub(super) const HERE: Self = Self { here: true, ..Self::ENVIRONMENT };

    fn scope<'s>(&self, reader: &'s Reader) -> Scope<'s>
    where
        'n: 's,
    {
        let mut names = Vec::new();
        if self.here {
            names.push(("here", Meaning::Text(reader.here.as_str())));
        }
        if self.node {
            names.push(("host_node_name", Meaning::Text(reader.node_name.as_str())));
        }
        if let Some(program) = self.program {
            names.push(("program_name", Meaning::Text(program)));
        }
        if let Some(group) = self.group {
            names.push(("group_name", Meaning::Text(group)));
        }
        if let Some((number, count)) = self.process {
            names.push(("process_num", Meaning::Number(number)));
            names.push(("numprocs", Meaning::Number(count)));
        }
        let mut environments = Vec::new();
        environments.extend(self.own);
        environments.push(&reader.environment);
        environments.extend(self.earlier);
        Scope { names, environments }
    }
}
