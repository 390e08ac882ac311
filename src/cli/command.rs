//! One command in the foreground: `visor [options] -- CMD ARGS…`, and the command lines of `tini` and `dumb-init`.
//!
//! Owns: words → [`CommandArgs`]. Does not own: what is done with them; the environment is handed in.

use std::ffi::{OsStr, OsString};

use argh::ArgsInfo;

use super::normalise::{Flags, HELP, Words, flags_of, normalise};
use super::{Exit, VERSION, help, usage_error};
use crate::config::Signal;
use crate::list::List as _;

/// Highest signal number there is.
const HIGHEST_SIGNAL: i32 = 64;

/// A command to run in the foreground.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandArgs {
    /// The command and its arguments, any bytes; at least one word.
    pub argv: Vec<OsString>,
    /// Signals go to the command's whole process group.
    pub group: bool,
    /// The command leads a session of its own.
    pub session: bool,
    /// (signal that comes, signal that goes on; 0 = none).
    pub rewrites: Vec<(i32, i32)>,
    /// Exit codes of the command that become 0.
    pub forgiven: Vec<u8>,
    /// The signal visor gets when its own parent dies.
    pub parent_death: Option<Signal>,
}

/// options of `tini`
#[expect(dead_code, reason = "describes the options")]
#[derive(ArgsInfo)]
struct TiniArgs {
    /// send signals to the command's process group
    #[argh(switch, short = 'g')]
    group: bool,
    /// become a subreaper (visor always does)
    #[argh(switch, short = 's')]
    subreaper: bool,
    /// signal to get when the parent process dies
    #[argh(option, short = 'p', arg_name = "SIGNAL")]
    parent_death: Option<String>,
    /// exit code that becomes 0 (may be given several times)
    #[argh(option, short = 'e', arg_name = "CODE")]
    expect: Vec<String>,
    /// verbosity (taken, visor has nothing to say)
    #[argh(switch, short = 'v')]
    verbose: bool,
    /// warn when processes are reaped (taken)
    #[argh(switch, short = 'w')]
    warn: bool,
    /// print the licence and leave
    #[argh(switch, short = 'l')]
    licence: bool,
    /// print the version and leave
    #[argh(switch)]
    version: bool,
}

/// options of `dumb-init`
#[expect(dead_code, reason = "describes the options")]
#[derive(ArgsInfo)]
struct DumbInitArgs {
    /// send signals to the command only, not to its session
    #[argh(switch, short = 'c')]
    single_child: bool,
    /// send another signal than came: `15:3`; 0 drops it (may be given several times)
    #[argh(option, short = 'r', arg_name = "S:R")]
    rewrite: Vec<String>,
    /// verbosity (taken, visor has nothing to say)
    #[argh(switch, short = 'v')]
    verbose: bool,
    /// print the version and leave
    #[argh(switch, short = 'V')]
    version: bool,
}

/// The command line of the small init that visor was called as; `None` = it was called as none of them.
pub fn as_small_init(
    argv: &[OsString],
    environment: impl Fn(&str) -> Option<OsString>,
) -> Option<Result<CommandArgs, Exit>> {
    match super::program_name(argv.first(), "").as_str() {
        "tini" | "tini-static" => Some(tini(argv, environment)),
        "dumb-init" => Some(dumb_init(argv, environment)),
        _ => None,
    }
}

/// The command line of `tini`.
///
/// # Errors
/// What to print and the code to leave with: help, version, or wrong use.
pub fn tini(argv: &[OsString], environment: impl Fn(&str) -> Option<OsString>) -> Result<CommandArgs, Exit> {
    let wrong = |message: String| usage_error(argv, "tini", &message);
    let words = normalise(flags_of::<TiniArgs>(), argv.get(1..).unwrap_or_default()).map_err(wrong)?;
    match words.first_of(&[HELP, "--version", "--licence"]) {
        Some(HELP) => return Err(Exit::success(page(flags_of::<TiniArgs>(), "tini"))),
        Some("--version") => return Err(Exit::success(format!("tini (visor {VERSION})\n"))),
        Some(_) => return Err(Exit::success("visor is licensed under the MIT license\n".to_owned())),
        None => {}
    }
    Ok(CommandArgs {
        argv: command(&words).map_err(wrong)?,
        group: words.has("--group") || environment("TINI_KILL_PROCESS_GROUP").is_some(),
        session: false,
        rewrites: Vec::new(),
        forgiven: codes(&words.values("--expect")).map_err(wrong)?,
        parent_death: words.value("--parent-death").as_deref().map(Signal::parse).transpose().map_err(wrong)?,
    })
}

/// The command line of `dumb-init`.
///
/// # Errors
/// What to print and the code to leave with: help, version, or wrong use.
pub fn dumb_init(argv: &[OsString], environment: impl Fn(&str) -> Option<OsString>) -> Result<CommandArgs, Exit> {
    let wrong = |message: String| usage_error(argv, "dumb-init", &message);
    let words = normalise(flags_of::<DumbInitArgs>(), argv.get(1..).unwrap_or_default()).map_err(wrong)?;
    match words.first_of(&[HELP, "--version"]) {
        Some(HELP) => return Err(Exit::success(page(flags_of::<DumbInitArgs>(), "dumb-init"))),
        Some(_) => return Err(Exit::success(format!("dumb-init (visor {VERSION})\n"))),
        None => {}
    }
    let session = !words.has("--single-child") && environment("DUMB_INIT_SETSID").as_deref() != Some(OsStr::new("0"));
    Ok(CommandArgs {
        argv: command(&words).map_err(wrong)?,
        group: session,
        session,
        rewrites: rewrites(&words.values("--rewrite")).map_err(wrong)?,
        ..CommandArgs::default()
    })
}

fn command(words: &Words) -> Result<Vec<OsString>, String> {
    if words.operands.is_empty() { Err("no command is given".to_owned()) } else { Ok(words.operands.clone()) }
}

fn page(flags: Flags, name: &str) -> String {
    let usage = format!("{name} [options] COMMAND [ARGUMENT…]");
    let title = format!("{name} -- run one command as its init (this is visor).");
    help::of_visor(flags, &title, &[&usage], "")
}

/// `15:3` and the like, by number or name.
///
/// # Errors
/// What is no pair of signals.
pub(super) fn rewrites(words: &[String]) -> Result<Vec<(i32, i32)>, String> {
    words.iter().map(|word| rewrite(word)).list_all()
}

fn rewrite(word: &str) -> Result<(i32, i32), String> {
    let wrong = |why: &str| format!("cannot rewrite `{word}`: {why}");
    let (from, to) = word.split_once(':').ok_or_else(|| wrong("not of the form FROM:TO"))?;
    let number = |text: &str| {
        Signal::parse(text)
            .map(|signal| signal.0)
            .or_else(|error| text.parse::<i32>().map_err(|_| error))
            .ok()
            .filter(|number| (0..=HIGHEST_SIGNAL).contains(number))
            .ok_or_else(|| wrong(&format!("`{text}` is no signal")))
    };
    match (number(from)?, number(to)?) {
        (0, _) => Err(wrong("signal 0 never comes")),
        (KILL | STOP, _) => Err(wrong("KILL and STOP cannot be caught")),
        pair => Ok(pair),
    }
}

const KILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;
const STOP: i32 = nix::sys::signal::Signal::SIGSTOP as i32;

/// Exit codes.
///
/// # Errors
/// What is no exit code.
pub(super) fn codes(words: &[String]) -> Result<Vec<u8>, String> {
    words.iter().map(|word| word.parse().map_err(|_| format!("not an exit code (0 to 255): `{word}`"))).list_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn tini_flags_and_environment_are_understood() {
        let args = tini(&words(&["tini", "-gs", "-e", "143", "-e1", "-p", "SIGKILL", "--", "cat", "-v"]), |_| None);
        let args = args.unwrap();
        assert!(args.group);
        assert_eq!(args.forgiven, [143, 1]);
        assert_eq!(args.parent_death, Some(Signal(9)));
        assert_eq!(args.argv, words(&["cat", "-v"]));
        let group = tini(&words(&["tini", "cat"]), |key| (key == "TINI_KILL_PROCESS_GROUP").then(OsString::new));
        assert!(group.unwrap().group);
    }

    #[test]
    fn dumb_init_rewrites_and_single_child_are_understood() {
        let args = dumb_init(&words(&["dumb-init", "-r", "15:3", "--rewrite=1:0", "sh", "-c", "x"]), |_| None).unwrap();
        assert_eq!(args.rewrites, [(15, 3), (1, 0)]);
        assert!(args.group && args.session);
        assert_eq!(args.argv, words(&["sh", "-c", "x"]));
        let single = dumb_init(&words(&["dumb-init", "-c", "sh"]), |_| None).unwrap();
        assert!(!single.group && !single.session);
        let setsid = |key: &str| (key == "DUMB_INIT_SETSID").then(|| OsString::from("0"));
        assert!(!dumb_init(&words(&["dumb-init", "sh"]), setsid).unwrap().session);
    }

    #[test]
    fn impossible_rewrites_are_refused_with_the_reason() {
        for (word, why) in [
            ("15", "not of the form FROM:TO"),
            ("0:3", "signal 0 never comes"),
            ("9:15", "KILL and STOP cannot be caught"),
            ("15:99", "`99` is no signal"),
            ("x:3", "`x` is no signal"),
            ("15:-1", "`-1` is no signal"),
        ] {
            let error = rewrites(&[word.to_owned()]).unwrap_err();
            assert_eq!(error, format!("cannot rewrite `{word}`: {why}"));
        }
        assert_eq!(rewrites(&["TERM:QUIT".to_owned()]), Ok(vec![(15, 3)]));
        assert_eq!(rewrites(&["40:15".to_owned()]), Ok(vec![(40, 15)]));
    }

    #[test]
    fn missing_command_and_bad_code_are_wrong_use() {
        assert!(tini(&words(&["tini"]), |_| None).unwrap_err().stderr.contains("no command is given"));
        assert!(tini(&words(&["tini", "-e", "256", "x"]), |_| None).unwrap_err().stderr.contains("`256`"));
    }
}
