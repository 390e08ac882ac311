//! Help texts, made from the same structures that are parsed.

use argh::{FlagInfo, FlagInfoKind};

use super::normalise::{Flags, HELP};

/// Widest left column of [`of_visor`]'s list of options.
const OPTION_COLUMN: usize = 26;

/// The page of one of Supervisor's programs: `-l/--logfile FILENAME -- use FILENAME as logfile path`, a line per option.
pub(super) fn of_supervisor(flags: Flags, headline: &str, usage: &str) -> String {
    let mut page = format!("{headline}\n\nUsage: {usage}\n\nOptions:\n");
    for flag in flags {
        let long = format!("--{}", flag.long.trim_start_matches('-').replace('-', "_"));
        let value = value_name(flag).map(|name| format!(" {name}")).unwrap_or_default();
        let short = match flag.short {
            Some(letter) => format!("-{letter}/"),
            None if flag.long == HELP => "-h/".to_owned(),
            None => String::new(),
        };
        page.push_str(&format!("{short}{long}{value} -- {}\n", flag.description));
    }
    page
}

/// The page of one of our own binaries; `after` is put below the options.
pub(super) fn of_visor(flags: Flags, headline: &str, usage: &[&str], after: &str) -> String {
    let mut page = format!("{headline}\n\nUsage: {}\n\nOptions:\n", usage.join("\n       "));
    for flag in flags {
        let value = value_name(flag).map(|name| format!(" {name}")).unwrap_or_default();
        let short = match flag.short {
            Some(letter) => format!("-{letter}, "),
            None if flag.long == HELP => "-h, ".to_owned(),
            None => "    ".to_owned(),
        };
        let left = format!("{short}{}{value}", flag.long);
        page.push_str(&format!("  {left:<OPTION_COLUMN$}  {}\n", flag.description));
    }
    page.push_str(after);
    page
}

fn value_name<'a>(flag: &FlagInfo<'a>) -> Option<&'a str> {
    match flag.kind {
        FlagInfoKind::Switch => None,
        FlagInfoKind::Option { arg_name } => Some(arg_name),
    }
}
