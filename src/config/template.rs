//! `[template:x]`, `extends=` and `[program-default]`: what a program section inherits becomes its own before anything is read, each
//! entry with the place it comes from. No key has a meaning here but `extends`.

use crate::list::List as _;
use crate::sorted::Map;

use super::document::{Document, Entry, Section};
use super::error::Mistake;
use super::known;

/// What stands before the colon of a template's name.
pub(super) const TEMPLATE: &str = "template:";
/// The template of every program that is no event listener.
pub(super) const PROGRAM_DEFAULT: &str = "program-default";
/// Names the template that a section continues.
const EXTENDS: &str = "extends";
/// Keys that hold values by name, which add up.
const BY_NAME: [&str; 2] = ["environment", "secret"];
/// Sections that the template of every program is meant for.
const DEFAULTED: [&str; 2] = ["program:", "fcgi-program:"];
/// Sections that may extend a template.
const EXTENDING: [&str; 3] = ["program:", "fcgi-program:", "eventlistener:"];

/// Gives every program what it inherits. A template that is not there, or extends itself, is told where that stands.
pub(super) fn apply(document: &mut Document, mistakes: &mut Vec<Mistake>) {
    for template in document.sections.iter().filter(|section| is(section, &[TEMPLATE])) {
        chain(document, template, mistakes);
    }
    let mut of_all: Vec<&Section> = Vec::new();
    if let Some(default) = document.section(PROGRAM_DEFAULT) {
        of_all.push(default);
        of_all.extend(chain(document, default, mistakes));
    }
    let mut inherited = Vec::new();
    for (at, section) in document.sections.iter().enumerate().filter(|(_, section)| is(section, &EXTENDING)) {
        let mut above = chain(document, section, mistakes);
        if is(section, &DEFAULTED) {
            above.extend(&of_all);
        }
        if !above.is_empty() {
            inherited.push((at, merged(section, &above)));
        }
    }
    for (at, entries) in inherited {
        if let Some(section) = document.sections.get_mut(at) {
            section.entries = entries;
        }
    }
}

fn is(section: &Section, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| section.name.starts_with(kind))
}

/// The templates that a section extends, the nearest first.
fn chain<'d>(document: &'d Document, section: &'d Section, mistakes: &mut Vec<Mistake>) -> Vec<&'d Section> {
    let mut chain: Vec<&Section> = Vec::new();
    let mut last = section;
    while let Some(entry) = last.entries.get(EXTENDS) {
        let reason = match template(document, entry.value.trim()) {
            Some(next) if std::ptr::eq(next, section) || chain.iter().any(|met| std::ptr::eq(*met, next)) => {
                format!("[{}] extends itself by this", next.name)
            }
            Some(next) => {
                chain.push(next);
                last = next;
                continue;
            }
            None => unknown(document, last, entry.value.trim()),
        };
        mistakes.push(entry.mistake(&last.name, EXTENDS, reason));
        break;
    }
    chain
}

fn template<'d>(document: &'d Document, name: &str) -> Option<&'d Section> {
    document.sections.iter().find(|section| title(section) == Some(name))
}

fn title(section: &Section) -> Option<&str> {
    section.name.strip_prefix(TEMPLATE).map(str::trim)
}

fn unknown(document: &Document, from: &Section, name: &str) -> String {
    let templates: Vec<&str> =
        document.sections.iter().filter(|section| section.name != from.name).filter_map(title).list();
    let is_program = || EXTENDING.iter().any(|kind| document.section(&format!("{kind}{name}")).is_some());
    let hint = match known::nearest(name, &templates) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if is_program() => format!("; a program cannot be extended, only a [{TEMPLATE}…]"),
        None => String::new(),
    };
    format!("there is no [{TEMPLATE}{name}]{hint}")
}

/// A section's entries, with those of `above` where it has none.
fn merged(section: &Section, above: &[&Section]) -> Map<String, Entry> {
    let mut entries = section.entries.clone();
    for base in above {
        for (key, entry) in &base.entries {
            let inherited = || Entry { from: Some(base.name.as_str().into()), ..entry.clone() };
            match entries.get_mut(key) {
                None if key == EXTENDS => {}
                None => drop(entries.insert(key.clone(), inherited())),
                Some(own) if BY_NAME.contains(&key.as_str()) => own.lay_under(inherited()),
                Some(_) => {}
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::ini;

    fn applied(text: &str) -> (Document, Vec<String>) {
        let file: Arc<str> = Arc::from("f");
        let mut document = Document::new(&file);
        document.merge(&file, ini::parse("f", text.as_bytes(), &mut Vec::new()));
        let mut mistakes = Vec::new();
        apply(&mut document, &mut mistakes);
        (document, mistakes.iter().map(ToString::to_string).collect())
    }

    fn value(document: &Document, section: &str, key: &str) -> Option<(String, usize)> {
        let section = document.section(section).unwrap();
        document.entry(section, key).map(|entry| (entry.value.clone(), entry.line))
    }

    #[test]
    fn key_is_taken_from_the_nearest_that_has_it() {
        let (document, mistakes) = applied(
            "[DEFAULT]\nd=0\nc=0\n[program:x]\na=1\nextends=t\n[template:t]\na=2\nb=2\nextends = u\n[template: u ]\nb=3\nc=3\n\
             [program-default]\nc=4\ne=4\n[eventlistener:l]\na=1\n[fcgi-program:y]\n",
        );
        assert_eq!(mistakes, Vec::<String>::new());
        for (key, expected) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "0"), ("e", "4")] {
            assert_eq!(value(&document, "program:x", key).unwrap().0, expected, "{key}");
        }
        assert_eq!(value(&document, "program:x", "b").unwrap().1, 9);
        assert_eq!(value(&document, "fcgi-program:y", "c").unwrap().0, "4");
        assert_eq!(value(&document, "eventlistener:l", "e"), None);
        let x = document.section("program:x").unwrap();
        assert_eq!(x.entries.get("b").unwrap().from.as_deref(), Some("template:t"));
        assert_eq!(x.entries.get("a").unwrap().from, None);
    }

    #[test]
    fn what_has_names_adds_up_and_keeps_its_places() {
        let (document, _) = applied(
            "[program-default]\nenvironment=A=0\n[program:x]\nenvironment=A=2\nextends=t\n\
             [template:t]\nenvironment=A=1\nsecret=S:/s\n",
        );
        let x = document.section("program:x").unwrap();
        let layers: Vec<_> =
            x.entries.get("environment").unwrap().layers().map(|layer| (layer.value.as_str(), layer.line)).collect();
        assert_eq!(layers, [("A=0", 2), ("A=1", 7), ("A=2", 4)]);
        assert_eq!(x.entries.get("secret").unwrap().layers().count(), 1);
    }

    #[test]
    fn template_that_is_not_there_or_a_program_is_told_with_its_place() {
        let (_, mistakes) = applied("[program:web]\nextends=bas\n[template:base]\n[program:b]\nextends=web\n");
        assert_eq!(
            mistakes,
            [
                "f:2: [program:web] extends: `bas`: there is no [template:bas]; did you mean `base`?",
                "f:5: [program:b] extends: `web`: there is no [template:web]; a program cannot be extended, only a [template:…]",
            ]
        );
    }

    #[test]
    fn cycle_is_told_and_ends() {
        let (_, mistakes) = applied(
            "[template:a]\nextends=b\n[template:b]\nextends=a\n[program:x]\nextends=a\n[template:s]\nextends=s\n",
        );
        for expected in [
            "f:4: [template:b] extends: `a`: [template:a] extends itself by this",
            "f:8: [template:s] extends: `s`: [template:s] extends itself by this",
        ] {
            assert!(mistakes.contains(&expected.to_owned()), "{mistakes:?}");
        }
    }
}
