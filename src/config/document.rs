//! Sections of all files merged, as Supervisor merges them: a repeated section continues the first one,
//! later keys win, `[DEFAULT]` answers for every section. No key has a meaning here.

use std::sync::Arc;

use super::error::{self, Mistake};
use super::ini::{Item, What};
use super::python::repr;

use crate::list::List as _;
use crate::sorted::Map;

/// Section whose keys every other section inherits.
const DEFAULT: &str = "DEFAULT";
/// Replaced by a file's own directory right after that file is read.
const HERE: &str = "%(here)s";

/// One key and its value, and where they stand.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub value: String,
    pub file: Arc<str>,
    pub line: usize,
    pub value_column: usize,
    /// The template it comes from; `None` = it stands in the section itself.
    pub from: Option<Arc<str>>,
    /// What a template says under it, for keys that add up.
    pub under: Option<Box<Entry>>,
}

/// One section.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub name: String,
    /// Where its header stood first.
    pub file: Arc<str>,
    pub line: usize,
    pub entries: Map<String, Entry>,
}

impl Section {
    fn new(name: String, file: &Arc<str>, line: usize) -> Self {
        Self { name, file: Arc::clone(file), line, entries: Map::new() }
    }

    /// What follows the first colon of the name.
    pub(super) fn title(&self) -> &str {
        self.name.split_once(':').map_or("", |(_, title)| title)
    }

    /// A mistake about the section itself.
    pub(super) fn mistake(&self, key: Option<&str>, reason: impl Into<String>) -> Mistake {
        Mistake {
            line: self.line,
            column: 1,
            section: Some(self.name.clone()),
            key: key.map(str::to_owned),
            ..Mistake::of_file(&self.file, reason)
        }
    }
}

impl Entry {
    /// Puts an entry under all that are there.
    pub(super) fn lay_under(&mut self, lowest: Entry) {
        match &mut self.under {
            Some(under) => under.lay_under(lowest),
            None => self.under = Some(Box::new(lowest)),
        }
    }

    /// What adds up, the lowest first, this entry last.
    pub(super) fn layers(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        let mut layers: Vec<&Entry> = std::iter::successors(Some(self), |entry| entry.under.as_deref()).list();
        layers.reverse();
        layers.into_iter()
    }

    /// A mistake about this entry's value, which is not told where it may be a secret.
    pub(super) fn mistake(&self, section: &str, key: &str, reason: impl Into<String>) -> Mistake {
        let section = self.from.as_deref().unwrap_or(section);
        let secret = error::may_be_secret(key);
        let reason = if secret { reason.into().replace(&repr(&self.value), "(not shown)") } else { reason.into() };
        Mistake {
            line: self.line,
            column: self.value_column,
            section: Some(section.to_owned()),
            key: Some(key.to_owned()),
            text: (!secret).then(|| self.value.clone()),
            ..Mistake::of_file(&self.file, reason)
        }
    }
}

/// All sections in the order of their first header.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub sections: Vec<Section>,
    index: Map<String, usize>,
    pub defaults: Section,
}

impl Document {
    /// Nothing read yet.
    pub(super) fn new(file: &Arc<str>) -> Self {
        Self { sections: Vec::new(), index: Map::new(), defaults: Section::new(DEFAULT.to_owned(), file, 0) }
    }

    /// Appends what a file says.
    pub(super) fn merge(&mut self, file: &Arc<str>, items: Vec<Item>) {
        let mut current: Option<usize> = None;
        for item in items {
            match item.what {
                What::Header(name) if name == DEFAULT => current = None,
                What::Header(name) => {
                    let next = self.sections.len();
                    let at = self.index.get(&name).copied().unwrap_or(next);
                    if at == next {
                        self.index.insert(name.clone(), at);
                        self.sections.push(Section::new(name, file, item.line));
                    }
                    current = Some(at);
                }
                What::Option { key, value, value_column } => {
                    let (file, line) = (Arc::clone(file), item.line);
                    let entry = Entry { value, file, line, value_column, from: None, under: None };
                    let section = match current {
                        Some(at) => self.sections.get_mut(at),
                        None => Some(&mut self.defaults),
                    };
                    if let Some(section) = section {
                        section.entries.insert(key, entry);
                    }
                }
            }
        }
    }

    /// Replaces the exact text `%(here)s` everywhere it still stands. A value inherited from
    /// `[DEFAULT]` becomes the section's own, so that each file's directory reaches its own sections.
    pub(super) fn replace_here(&mut self, here: &str) {
        let inherited: Vec<(String, Entry)> = self
            .defaults
            .entries
            .iter()
            .filter(|(_, entry)| entry.value.contains(HERE))
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .list();
        for section in &mut self.sections {
            for (key, entry) in &inherited {
                section.entries.insert_new(key.clone(), || entry.clone());
            }
            for entry in section.entries.values_mut() {
                if entry.value.contains(HERE) {
                    entry.value = entry.value.replace(HERE, here);
                }
            }
        }
    }

    /// A section by its exact name.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.index.get(name).and_then(|at| self.sections.get(*at))
    }

    /// A key of a section, or of `[DEFAULT]`.
    pub(super) fn entry<'a>(&'a self, section: &'a Section, key: &str) -> Option<&'a Entry> {
        section.entries.get(key).or_else(|| self.defaults.entries.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ini;

    fn document(text: &str) -> Document {
        let file: Arc<str> = Arc::from("f");
        let mut document = Document::new(&file);
        document.merge(&file, ini::parse("f", text.as_bytes(), &mut Vec::new()));
        document
    }

    #[test]
    fn merge_repeated_section_last_key_wins_first_place_stays() {
        let document = document("[b]\nx=1\ny=1\n[a]\n[b]\nx=2\n");
        let names: Vec<_> = document.sections.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        let b = document.section("b").unwrap();
        assert_eq!(document.entry(b, "x").unwrap().value, "2");
        assert_eq!(document.entry(b, "x").unwrap().line, 6);
        assert_eq!(document.entry(b, "y").unwrap().value, "1");
    }

    #[test]
    fn entry_missing_key_comes_from_default() {
        let document = document("[a]\nx=1\n[DEFAULT]\nx=9\nz=9\n");
        let a = document.section("a").unwrap();
        assert_eq!(document.entry(a, "x").unwrap().value, "1");
        assert_eq!(document.entry(a, "z").unwrap().value, "9");
        assert!(document.section("DEFAULT").is_none());
    }

    #[test]
    fn replace_here_default_key_is_bound_to_sections_read_so_far() {
        let file: Arc<str> = Arc::from("f");
        let mut document = document("[DEFAULT]\nd=%(here)s\n[a]\n");
        document.replace_here("/one");
        document.merge(&file, ini::parse("g", b"[b]\nx=%(here)s/x", &mut Vec::new()));
        document.replace_here("/two");
        let value = |section: &str, key: &str| {
            let section = document.section(section).unwrap();
            document.entry(section, key).unwrap().value.clone()
        };
        assert_eq!(value("a", "d"), "/one");
        assert_eq!(value("b", "d"), "/two");
        assert_eq!(value("b", "x"), "/two/x");
    }
}
