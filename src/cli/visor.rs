//! `visor [options]`, `visor check [options]`.

use std::ffi::OsString;

use argh::ArgsInfo;

use super::command::{self, CommandArgs};
use super::normalise::{HELP, flags_of, normalise};
use super::{Exit, VERSION, help, operands_as_text, usage_error};
use crate::config::{Bares, Signal};
use crate::list::List as _;

/// What the init is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VisorCommand {
    /// Run the programs of a configuration in the foreground.
    Run {
        /// The file; `None` = search the default places.
        config: Option<String>,
        /// Warnings of the configuration are errors.
        strict: bool,
        /// Be the init of a machine.
        machine: bool,
    },
    /// Run one command in the foreground, with the programs of a configuration beside it if there is one.
    Command {
        /// The file; `None` = the command alone.
        config: Option<String>,
        /// Warnings of the configuration are errors.
        strict: bool,
        /// The command.
        command: CommandArgs,
    },
    /// Run programs that no configuration has.
    Several(Bares),
    /// Read a configuration, report and leave.
    Check {
        /// The file; `None` = search the default places.
        config: Option<String>,
        /// Print what was understood.
        dump: bool,
        /// Warnings are errors.
        strict: bool,
    },
}

/// options of `visor`
#[derive(ArgsInfo, Debug)]
struct RunArgs {
    /// the configuration file (default: searched as Supervisor does)
    #[argh(option, short = 'c', arg_name = "FILE")]
    configuration: Option<String>,
    /// treat warnings of the configuration as errors
    #[argh(switch)]
    strict: bool,
    /// be the init of a machine: mount what is missing, end with reboot(2) (only as PID 1)
    #[argh(switch)]
    machine: bool,
    /// with `--`: send signals to the command's process group
    #[argh(switch, short = 'g')]
    group: bool,
    /// with `--`: send another signal than came: `15:3`; 0 drops it (may be given several times)
    #[argh(option, arg_name = "S:R")]
    rewrite: Vec<String>,
    /// with `--`: exit code of the command that becomes 0 (may be given several times)
    #[argh(option, short = 'e', arg_name = "CODE")]
    expect: Vec<String>,
    /// with `--`: signal to get when the parent process dies
    #[argh(option, short = 'p', arg_name = "SIGNAL")]
    parent_death: Option<String>,
    /// run the programs of a Procfile (lines `name: command`); the first that ends ends all
    #[argh(option, arg_name = "FILE")]
    procfile: Option<String>,
    /// print the version and leave
    #[argh(switch, short = 'V')]
    #[expect(dead_code, reason = "acts before the values are made")]
    version: bool,
}

/// options of `visor check`
#[expect(dead_code, reason = "describes the options")]
#[derive(ArgsInfo)]
struct CheckArgs {
    /// the configuration file (default: searched as Supervisor does)
    #[argh(option, short = 'c', arg_name = "FILE")]
    configuration: Option<String>,
    /// print every effective option of every process
    #[argh(switch)]
    dump: bool,
    /// treat warnings as errors
    #[argh(switch)]
    strict: bool,
}

const NAME: &str = "visor";
/// Between options and a command, and between commands.
const SEPARATOR: &str = "--";
/// What stands for it in a command.
const QUOTED: &str = "\\--";
const CHECK: &str = "check";
const AFTER: &str = "
`visor check` reads the configuration, lists every mistake and leaves with 0 or 2; with --dump it prints what it understood.
As PID 1 with --machine, or with `[visor] machine=true`, it is the init of a machine: TERM powers it off, INT (Ctrl-Alt-Del) reboots it,
and the kernel's command line may say `visor.config=FILE` or `single`, which is a shell on the console and nothing else.
Of several commands, or those of a Procfile, the first that ends ends all, with its exit code; a `--` that is meant for a command
and not followed by an option is written `\\--`.
Called as `supervisord` it takes that program's options. Talk to a running visor with `svc`.

Example: visor -c /etc/supervisord.conf
";

/// Reads the command line, `argv[0]` included.
///
/// # Errors
/// What to print and the code to leave with: help, version, or wrong use.
pub fn parse(argv: &[OsString]) -> Result<VisorCommand, Exit> {
    let wrong = |message: String| usage_error(argv, NAME, &message);
    let ours = argv.get(1..).unwrap_or_default();
    let (ours, command) = match ours.iter().position(|word| word == "--") {
        Some(at) => (ours.get(..at).unwrap_or_default(), ours.get(at.saturating_add(1)..)),
        None => (ours, None),
    };
    let words = normalise(flags_of::<RunArgs>(), ours).map_err(wrong)?;
    match words.first_of(&[HELP, "--version"]) {
        Some(HELP) => return Err(Exit::success(page())),
        Some(_) => return Err(Exit::success(format!("visor {VERSION}\n"))),
        None => {}
    }
    words.once(&["--rewrite", "--expect"]).map_err(wrong)?;
    let run = RunArgs {
        configuration: words.value("--configuration"),
        strict: words.has("--strict"),
        machine: words.has("--machine"),
        group: words.has("--group"),
        rewrite: words.values("--rewrite"),
        expect: words.values("--expect"),
        parent_death: words.value("--parent-death"),
        procfile: words.value("--procfile"),
        version: words.has("--version"),
    };
    if let Some(argv) = command.filter(|argv| !argv.is_empty()) {
        if let Some(word) = words.operands.first() {
            return Err(wrong(format!("no such command: `{}`", word.to_string_lossy())));
        }
        if run.machine {
            return Err(wrong("`--machine` takes no command".to_owned()));
        }
        return commands(run, argv).map_err(wrong);
    }
    if run.is_of_a_command() {
        return Err(wrong("options of a command need one: `visor [options] -- COMMAND`".to_owned()));
    }
    if let Some(file) = run.procfile {
        if run.machine || run.configuration.is_some() || !words.operands.is_empty() {
            return Err(wrong("`--procfile` goes with no other configuration or command".to_owned()));
        }
        return Ok(VisorCommand::Several(Bares::Procfile(file)));
    }
    match words.operands.split_first() {
        None => Ok(VisorCommand::Run { config: run.configuration, strict: run.strict, machine: run.machine }),
        Some(_) if run.machine => Err(wrong("`--machine` takes no command".to_owned())),
        Some((word, rest)) if word == CHECK => check(argv, rest, run),
        Some((word, _)) => Err(wrong(format!("no such command: `{}`", word.to_string_lossy()))),
    }
}

/// The command line without the words that the kernel puts in front of our options when it does not know them itself (`single`), and those
/// words.
#[must_use]
pub fn without_kernel_words(argv: &[OsString]) -> (Vec<OsString>, Vec<String>) {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let ours = argv.get(1..).unwrap_or_default();
    let (words, options) = ours.split_at(ours.iter().position(is_option).unwrap_or(ours.len()));
    let rest = argv.first().into_iter().chain(options).cloned().list();
    (rest, words.iter().map(|word| word.to_string_lossy().into_owned()).list())
}

/// `--machine` is not for everybody.
#[must_use]
pub fn not_init(argv: &[OsString]) -> Exit {
    usage_error(argv, NAME, "`--machine` is for PID 1")
}

impl RunArgs {
    fn is_of_a_command(&self) -> bool {
        self.group || !self.rewrite.is_empty() || !self.expect.is_empty() || self.parent_death.is_some()
    }
}

/// The words of one command, or of several with a lone `--` between them. It is the command's own when an option or nothing follows, as in
/// `npm run x -- --port 80`, and when it is written `\--`.
fn split(words: &[OsString]) -> Vec<Vec<OsString>> {
    let mut commands = vec![Vec::new()];
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let separates = word == SEPARATOR && rest.peek().is_some_and(|next| !next.as_encoded_bytes().starts_with(b"-"));
        if separates {
            commands.push(Vec::new());
        } else if let Some(command) = commands.last_mut() {
            command.push(if word == QUOTED { SEPARATOR.into() } else { word.clone() });
        }
    }
    commands
}

fn commands(run: RunArgs, words: &[OsString]) -> Result<VisorCommand, String> {
    let mut commands = split(words);
    if run.procfile.is_some() {
        return Err("`--procfile` goes with no other configuration or command".to_owned());
    }
    if commands.iter().any(Vec::is_empty) {
        return Err("the first command is empty".to_owned());
    }
    if commands.len() == 1
        && let Some(argv) = commands.pop()
    {
        return in_foreground(run, &argv);
    }
    if run.is_of_a_command() || run.configuration.is_some() {
        return Err("several commands take none of the options of one, and no file".to_owned());
    }
    let texts: Result<Vec<Vec<String>>, String> = commands.iter().map(|words| operands_as_text(words)).list_all();
    Ok(VisorCommand::Several(Bares::Commands(texts?)))
}

fn in_foreground(run: RunArgs, argv: &[OsString]) -> Result<VisorCommand, String> {
    let command = CommandArgs {
        argv: argv.to_vec(),
        group: run.group,
        session: false,
        rewrites: command::rewrites(&run.rewrite)?,
        forgiven: command::codes(&run.expect)?,
        parent_death: run.parent_death.as_deref().map(Signal::parse).transpose()?,
    };
    Ok(VisorCommand::Command { config: run.configuration, strict: run.strict, command })
}

/// Options before the word `check` count as well.
fn check(argv: &[OsString], rest: &[OsString], run: RunArgs) -> Result<VisorCommand, Exit> {
    let wrong = |message: String| usage_error(argv, NAME, &message);
    let words = normalise(flags_of::<CheckArgs>(), rest).map_err(wrong)?;
    if words.first_of(&[HELP]).is_some() {
        return Err(Exit::success(check_page()));
    }
    words.once(&[]).map_err(wrong)?;
    let configuration = words.value("--configuration");
    if let Some(word) = words.operands.first() {
        return Err(wrong(format!("`check` takes no arguments: `{}`", word.to_string_lossy())));
    }
    if run.configuration.is_some() && configuration.is_some() {
        return Err(wrong("conflicting command line option '-c'".to_owned()));
    }
    Ok(VisorCommand::Check {
        config: configuration.or(run.configuration),
        dump: words.has("--dump"),
        strict: words.has("--strict") || run.strict,
    })
}

fn page() -> String {
    let usage = [
        "visor [-c FILE] [--strict] [--machine]",
        "visor [-c FILE] [-g] [-e CODE] [--rewrite S:R] [-p SIGNAL] -- COMMAND [ARGUMENT…]",
        "visor -- COMMAND [ARGUMENT…] -- COMMAND [ARGUMENT…] …",
        "visor --procfile FILE",
        "visor check [-c FILE] [--dump] [--strict]",
    ];
    help::of_visor(
        flags_of::<RunArgs>(),
        "visor -- run the programs of a supervisord.conf, as PID 1 or not.",
        &usage,
        AFTER,
    )
}

fn check_page() -> String {
    let usage = ["visor check [-c FILE] [--dump] [--strict]"];
    help::of_visor(
        flags_of::<CheckArgs>(),
        "visor check -- read a configuration, list its mistakes and leave.",
        &usage,
        "",
    )
}

#[cfg(test)]
mod tests {
    use super::super::ExitCode;
    use super::*;

    fn read(words: &[&str]) -> Result<VisorCommand, Exit> {
        let argv: Vec<OsString> = ["visor"].iter().chain(words).map(OsString::from).collect();
        parse(&argv)
    }

    fn message(words: &[&str]) -> String {
        let exit = read(words).unwrap_err();
        assert_eq!(exit.code, ExitCode::Usage);
        assert_eq!(exit.stdout, "");
        exit.stderr.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn nothing_given_runs_the_default_configuration() {
        assert_eq!(read(&[]), Ok(VisorCommand::Run { config: None, strict: false, machine: false }));
    }

    #[test]
    fn configuration_is_taken_in_every_spelling() {
        let expected = Ok(VisorCommand::Run { config: Some("f=1".to_owned()), strict: false, machine: false });
        for words in [
            &["-c", "f=1"][..],
            &["-cf=1"],
            &["--configuration", "f=1"],
            &["--configuration=f=1"],
            &["--conf=f=1"],
            &["-c", "f=1", "--"],
        ] {
            assert_eq!(read(words), expected, "{words:?}");
        }
    }

    #[test]
    fn words_of_the_kernel_are_told_from_options() {
        let argv: Vec<OsString> = ["/init", "single", "splash", "--machine", "-c", "x"].map(OsString::from).to_vec();
        let (rest, words) = without_kernel_words(&argv);
        assert_eq!(words, ["single", "splash"]);
        assert_eq!(rest, ["/init", "--machine", "-c", "x"]);
        assert_eq!(without_kernel_words(&[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn machine_takes_no_command() {
        assert_eq!(read(&["--machine"]), Ok(VisorCommand::Run { config: None, strict: false, machine: true }));
        for words in [&["--machine", "check"][..], &["--machine", "--", "x"]] {
            assert_eq!(message(words), "Error: `--machine` takes no command");
        }
    }

    #[test]
    fn lone_dashes_separate_commands_unless_an_option_follows_or_they_are_quoted() {
        let split = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let shown = |words: Vec<OsString>| words.join(std::ffi::OsStr::new(" ")).into_string().unwrap();
            split(&words).into_iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(split("a b"), ["a b"]);
        assert_eq!(split("a x -- b -- c -y"), ["a x", "b", "c -y"]);
        assert_eq!(split("npm run x -- --port 80"), ["npm run x -- --port 80"]);
        assert_eq!(split("a \\-- b -- c --"), ["a -- b", "c --"]);
        assert_eq!(split("-- b"), ["", "b"]);
    }

    #[test]
    fn several_commands_and_procfiles_take_no_options_of_one() {
        let several = |commands: &[&[&str]]| {
            let commands = commands.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            Ok(VisorCommand::Several(Bares::Commands(commands.collect())))
        };
        assert_eq!(read(&["--", "a", "x", "--", "b"]), several(&[&["a", "x"], &["b"]]));
        assert_eq!(read(&["--procfile=P"]), Ok(VisorCommand::Several(Bares::Procfile("P".to_owned()))));
        let options = "Error: several commands take none of the options of one, and no file";
        assert_eq!(message(&["-g", "--", "a", "--", "b"]), options);
        assert_eq!(message(&["-c", "f", "--", "a", "--", "b"]), options);
        assert_eq!(message(&["--", "--", "b"]), "Error: the first command is empty");
        let alone = "Error: `--procfile` goes with no other configuration or command";
        for words in
            [&["--procfile", "P", "check"][..], &["--procfile", "P", "-c", "f"], &["--procfile", "P", "--", "a"]]
        {
            assert_eq!(message(words), alone);
        }
    }

    #[test]
    fn check_takes_options_on_both_sides() {
        let expected = Ok(VisorCommand::Check { config: Some("f".to_owned()), dump: true, strict: true });
        assert_eq!(read(&["check", "-c", "f", "--dump", "--strict"]), expected);
        assert_eq!(read(&["--strict", "-c", "f", "check", "--dump"]), expected);
        assert_eq!(message(&["-c", "f", "check", "-c", "g"]), "Error: conflicting command line option '-c'");
    }

    #[test]
    fn wrong_use_is_told_and_exits_2() {
        assert_eq!(message(&["frob"]), "Error: no such command: `frob`");
        assert_eq!(message(&["check", "x"]), "Error: `check` takes no arguments: `x`");
        assert_eq!(message(&["-x"]), "Error: option -x not recognized");
        assert_eq!(message(&["-c"]), "Error: option -c requires argument");
        assert_eq!(message(&["--strict=yes"]), "Error: option --strict must not have an argument");
        assert_eq!(read(&["-x"]).unwrap_err().stderr, "Error: option -x not recognized\nFor help, use visor -h\n");
    }

    #[test]
    fn help_and_version_go_to_stdout_and_exit_0() {
        for words in [&["-h"][..], &["--help"], &["-?"], &["--strict", "-h", "-V"], &["check", "-h"]] {
            let exit = read(words).unwrap_err();
            assert_eq!((exit.code, exit.stderr.as_str()), (ExitCode::Success, ""));
            assert!(exit.stdout.contains("-c, --configuration FILE"), "{}", exit.stdout);
        }
        for words in [&["-V"][..], &["--version"], &["--vers", "-h"]] {
            assert_eq!(read(words), Err(Exit::success(format!("visor {VERSION}\n"))));
        }
    }
}
