//! Words as people and scripts write them → options with their values, and operands.
//!
//! Owns: clusters (`-nc FILE`), `--option=value`, `_` for `-`, unique prefixes, where options end. Does not own: what options
//! there are (it asks `argh`) and what their values mean.

use crate::list::List as _;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};

use argh::{ArgsInfo, FlagInfo, FlagInfoKind};

/// The long name of the option that every command line has, without which `argh` knows no short form of it.
pub(super) const HELP: &str = "--help";
/// Short forms of [`HELP`].
const HELP_LETTERS: [char; 2] = ['h', '?'];

/// A command line taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// In the order written.
    pub options: Vec<Found>,
    /// From the first word that is no option; a `--` before it is gone.
    pub operands: Vec<OsString>,
}

/// One option.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Full long name, `--logfile-maxbytes`.
    pub long: String,
    /// As it was written, `-y` or `--logfile_max`.
    pub spelled: String,
    /// Its value, when it takes one.
    pub value: Option<String>,
}

impl Words {
    /// Whether an option was given.
    pub fn has(&self, long: &str) -> bool {
        self.options.iter().any(|found| found.long == long)
    }

    /// The values of an option in the order written.
    pub fn values(&self, long: &str) -> Vec<String> {
        self.options.iter().filter(|found| found.long == long).filter_map(|found| found.value.clone()).list()
    }

    /// The value of an option, the last one.
    pub fn value(&self, long: &str) -> Option<String> {
        self.values(long).pop()
    }

    /// Refuses an option that was given before, unless it is one that may be given `several` times.
    ///
    /// # Errors
    /// Supervisor's sentence.
    pub fn once(&self, several: &[&str]) -> Result<(), String> {
        let is_repeated = |(index, found): &(usize, &Found)| {
            !several.contains(&found.long.as_str())
                && self.options.iter().take(*index).any(|earlier| earlier.long == found.long)
        };
        match self.options.iter().enumerate().find(is_repeated) {
            Some((_, found)) => Err(format!("conflicting command line option '{}'", found.spelled)),
            None => Ok(()),
        }
    }

    /// The first option that is one of `longs`: such options act at once, whatever comes after.
    pub fn first_of(&self, longs: &[&str]) -> Option<&str> {
        self.options.iter().map(|found| found.long.as_str()).find(|long| longs.contains(long))
    }
}

/// The options a command line has. Values, not a type: what reads them is compiled once.
pub(super) type Flags = &'static [FlagInfo<'static>];

/// The options that a structure describes.
pub(super) fn flags_of<T: ArgsInfo>() -> Flags {
    T::get_args_info().flags
}

/// Takes the words after `argv[0]` apart by these options. Options end at the first operand or `--`.
///
/// # Errors
/// Supervisor's sentence.
pub(super) fn normalise(flags: Flags, arguments: &[OsString]) -> Result<Words, String> {
    let mut rest: VecDeque<&OsString> = arguments.iter().collect();
    let mut options = Vec::new();
    while let Some(word) = rest.pop_front() {
        if word == "--" {
            break;
        }
        if word == "-" || !word.as_encoded_bytes().starts_with(b"-") {
            rest.push_front(word);
            break;
        }
        let word = as_text(word)?;
        if let Some(long) = word.strip_prefix("--") {
            options.push(take_long(long, flags, &mut rest)?);
        } else {
            take_cluster(word, flags, &mut rest, &mut options)?;
        }
    }
    Ok(Words { options, operands: rest.into_iter().cloned().list() })
}

/// A word as text.
///
/// # Errors
/// It is not UTF-8.
pub(super) fn as_text(word: &OsStr) -> Result<&str, String> {
    word.to_str().ok_or_else(|| format!("argument is not UTF-8: `{}`", word.to_string_lossy()))
}

fn take_long(word: &str, flags: &[FlagInfo<'_>], rest: &mut VecDeque<&OsString>) -> Result<Found, String> {
    let (typed, attached) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let flag = find_long(typed, flags)?;
    let spelled = format!("--{typed}");
    let value = match (takes_value(flag), attached) {
        (true, Some(value)) => Some(value.to_owned()),
        (true, None) => Some(next_value(&spelled, rest)?),
        (false, Some(_)) => return Err(format!("option {spelled} must not have an argument")),
        (false, None) => None,
    };
    Ok(Found { long: flag.long.to_owned(), spelled, value })
}

fn find_long<'a, 'b>(typed: &str, flags: &'a [FlagInfo<'b>]) -> Result<&'a FlagInfo<'b>, String> {
    let wanted = format!("--{}", typed.replace('_', "-"));
    if let Some(exact) = flags.iter().find(|flag| flag.long == wanted) {
        return Ok(exact);
    }
    let mut matching = flags.iter().filter(|flag| flag.long.starts_with(&wanted));
    match (matching.next(), matching.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(format!("option --{typed} not a unique prefix")),
        (None, _) => Err(format!("option --{typed} not recognized")),
    }
}

fn take_cluster(
    word: &str,
    flags: &[FlagInfo<'_>],
    rest: &mut VecDeque<&OsString>,
    options: &mut Vec<Found>,
) -> Result<(), String> {
    let mut letters = word.chars();
    letters.next();
    while let Some(letter) = letters.next() {
        let spelled = format!("-{letter}");
        let is_it =
            |flag: &&FlagInfo<'_>| flag.short == Some(letter) || (flag.long == HELP && HELP_LETTERS.contains(&letter));
        let Some(flag) = flags.iter().find(is_it) else {
            return Err(format!("option {spelled} not recognized"));
        };
        let value = match (takes_value(flag), letters.as_str()) {
            (false, _) => None,
            (true, "") => Some(next_value(&spelled, rest)?),
            (true, attached) => {
                let attached = attached.to_owned();
                letters = "".chars();
                Some(attached)
            }
        };
        options.push(Found { long: flag.long.to_owned(), spelled, value });
    }
    Ok(())
}

fn next_value(spelled: &str, rest: &mut VecDeque<&OsString>) -> Result<String, String> {
    match rest.pop_front() {
        Some(value) => as_text(value).map(str::to_owned),
        None => Err(format!("option {spelled} requires argument")),
    }
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    match flag.kind {
        FlagInfoKind::Switch => false,
        FlagInfoKind::Option { .. } => true,
    }
}
