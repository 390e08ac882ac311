//! The original daemon's command line, flag by flag.

use std::ffi::OsString;

use argh::ArgsInfo;

use super::normalise::{HELP, flags_of, normalise};
use super::{Exit, VERSION, help, operands_as_text, usage_error};
use crate::list::List as _;

/// Options of `supervisord`; a `None` or `false` leaves the configuration's word. Values are as written: who knows the option
/// checks them.
#[derive(ArgsInfo, Debug, Clone, PartialEq, Eq, Default)]
pub struct SupervisordArgs {
    /// read FILENAME (default: search the usual places)
    #[argh(option, short = 'c', arg_name = "FILENAME")]
    pub configuration: Option<String>,
    /// stay in the foreground, as nodaemon=true does
    #[argh(switch, short = 'n')]
    pub nodaemon: bool,
    /// write no log to stdout, as silent=true does
    #[argh(switch, short = 's')]
    pub silent: bool,
    /// print the version number and leave
    #[argh(switch, short = 'v')]
    pub version: bool,
    /// become USER, a name or a number, at start
    #[argh(option, short = 'u', arg_name = "USER")]
    pub user: Option<String>,
    /// set UMASK when daemonizing (default 022)
    #[argh(option, short = 'm', arg_name = "UMASK")]
    pub umask: Option<String>,
    /// change to DIRECTORY when daemonizing
    #[argh(option, short = 'd', arg_name = "DIRECTORY")]
    pub directory: Option<String>,
    /// use FILENAME as logfile path
    #[argh(option, short = 'l', arg_name = "FILENAME")]
    pub logfile: Option<String>,
    /// rotate the logfile at BYTES
    #[argh(option, short = 'y', arg_name = "BYTES")]
    pub logfile_maxbytes: Option<String>,
    /// keep NUM rotated logfiles
    #[argh(option, short = 'z', arg_name = "NUM")]
    pub logfile_backups: Option<String>,
    /// log what is at least LEVEL: critical, error, warn, info, debug, trace or blather
    #[argh(option, short = 'e', arg_name = "LEVEL")]
    pub loglevel: Option<String>,
    /// write the process id to FILENAME
    #[argh(option, short = 'j', arg_name = "FILENAME")]
    pub pidfile: Option<String>,
    /// name this supervisor STR
    #[argh(option, short = 'i', arg_name = "STR")]
    pub identifier: Option<String>,
    /// put automatic logs of processes into DIRECTORY
    #[argh(option, short = 'q', arg_name = "DIRECTORY")]
    pub childlogdir: Option<String>,
    /// keep automatic logs of an earlier run
    #[argh(switch, short = 'k')]
    pub nocleanup: bool,
    /// refuse to start with fewer file descriptors than NUM
    #[argh(option, short = 'a', arg_name = "NUM")]
    pub minfds: Option<String>,
    /// remove terminal escapes from the output of processes
    #[argh(switch, short = 't')]
    pub strip_ansi: bool,
    /// refuse to start where fewer processes than NUM are allowed
    #[argh(option, arg_name = "NUM")]
    pub minprocs: Option<String>,
    /// accepted and ignored: there is no profiler
    #[argh(option, arg_name = "LIST")]
    pub profile_options: Option<String>,
}

const NAME: &str = "supervisord";

/// Reads the command line, `argv[0]` included.
///
/// # Errors
/// What to print and the code to leave with: help, version, or wrong use.
pub fn parse(argv: &[OsString]) -> Result<SupervisordArgs, Exit> {
    let wrong = |message: String| usage_error(argv, NAME, &message);
    let words = normalise(flags_of::<SupervisordArgs>(), argv.get(1..).unwrap_or_default()).map_err(wrong)?;
    if !words.operands.is_empty() {
        let operands = operands_as_text(&words.operands).map_err(wrong)?;
        let quoted: Vec<String> = operands.iter().map(|word| format!("'{word}'")).list();
        return Err(wrong(format!("positional arguments are not supported: [{}]", quoted.join(", "))));
    }
    match words.first_of(&[HELP, "--version"]) {
        Some(HELP) => return Err(Exit::success(page(argv))),
        Some(_) => return Err(Exit::success(format!("{VERSION}\n"))),
        None => {}
    }
    words.once(&[]).map_err(wrong)?;
    let (value, has) = (|long| words.value(long), |long| words.has(long));
    Ok(SupervisordArgs {
        configuration: value("--configuration"),
        nodaemon: has("--nodaemon"),
        silent: has("--silent"),
        version: has("--version"),
        user: value("--user"),
        umask: value("--umask"),
        directory: value("--directory"),
        logfile: value("--logfile"),
        logfile_maxbytes: value("--logfile-maxbytes"),
        logfile_backups: value("--logfile-backups"),
        loglevel: value("--loglevel"),
        pidfile: value("--pidfile"),
        identifier: value("--identifier"),
        childlogdir: value("--childlogdir"),
        minfds: value("--minfds"),
        minprocs: value("--minprocs"),
        profile_options: value("--profile-options"),
        nocleanup: has("--nocleanup"),
        strip_ansi: has("--strip-ansi"),
    })
}

fn page(argv: &[OsString]) -> String {
    let invoked = argv.first().map_or(NAME.into(), |name| name.to_string_lossy());
    let usage = format!("{invoked} [options]");
    help::of_supervisor(flags_of::<SupervisordArgs>(), "supervisord -- run a set of applications as daemons.", &usage)
}

#[cfg(test)]
mod tests {
    use super::super::ExitCode;
    use super::*;

    fn read(words: &[&str]) -> Result<SupervisordArgs, Exit> {
        let argv: Vec<OsString> = ["/usr/bin/supervisord"].iter().chain(words).map(OsString::from).collect();
        parse(&argv)
    }

    fn message(words: &[&str]) -> String {
        let exit = read(words).unwrap_err();
        assert_eq!(exit.code, ExitCode::Usage, "{words:?}");
        let stderr = exit.stderr.strip_prefix("Error: ").expect("says Error");
        stderr.strip_suffix("\nFor help, use /usr/bin/supervisord -h\n").expect("says where help is").to_owned()
    }

    #[test]
    fn clusters_attached_values_underscores_and_prefixes_are_understood() {
        let expected = SupervisordArgs {
            configuration: Some("f".to_owned()),
            nodaemon: true,
            silent: true,
            logfile_maxbytes: Some("1MB".to_owned()),
            ..SupervisordArgs::default()
        };
        for words in [
            &["-nsc", "f", "--logfile_maxbytes=1MB"][..],
            &["-nscf", "-y1MB"],
            &["--nodaemon", "--silent", "--conf", "f", "--logfile-maxbytes", "1MB"],
            &["--nod", "--si", "--configuration=f", "--logfile_max", "1MB"],
        ] {
            assert_eq!(read(words), Ok(expected.clone()), "{words:?}");
        }
    }

    #[test]
    fn every_value_reaches_its_field() {
        let words = "-u1 -m2 -d3 -l4 -y5 -z6 -e7 -j8 -i9 -q10 -a11 --minprocs=12 --profile_options=13 -k -t";
        let args = read(&words.split(' ').collect::<Vec<_>>()).unwrap();
        let text = |number: &str| Some(number.to_owned());
        assert_eq!(
            args,
            SupervisordArgs {
                user: text("1"),
                umask: text("2"),
                directory: text("3"),
                logfile: text("4"),
                logfile_maxbytes: text("5"),
                logfile_backups: text("6"),
                loglevel: text("7"),
                pidfile: text("8"),
                identifier: text("9"),
                childlogdir: text("10"),
                minfds: text("11"),
                minprocs: text("12"),
                profile_options: text("13"),
                nocleanup: true,
                strip_ansi: true,
                ..SupervisordArgs::default()
            }
        );
    }

    #[test]
    fn value_may_begin_with_a_dash_or_be_empty() {
        assert_eq!(read(&["-c", "-n"]).unwrap().configuration.as_deref(), Some("-n"));
        assert_eq!(read(&["-i", ""]).unwrap().identifier.as_deref(), Some(""));
        assert_eq!(read(&["--identifier="]).unwrap().identifier.as_deref(), Some(""));
        assert_eq!(read(&["-i", "--"]).unwrap().identifier.as_deref(), Some("--"));
    }

    #[test]
    fn wrong_use_has_the_original_words() {
        assert_eq!(message(&["-Z"]), "option -Z not recognized");
        assert_eq!(message(&["-nZ"]), "option -Z not recognized");
        assert_eq!(message(&["--zebra"]), "option --zebra not recognized");
        assert_eq!(message(&["-c"]), "option -c requires argument");
        assert_eq!(message(&["--logfile"]), "option --logfile requires argument");
        assert_eq!(message(&["--log"]), "option --log not a unique prefix");
        assert_eq!(message(&["--nodaemon=1"]), "option --nodaemon must not have an argument");
        assert_eq!(message(&["-n", "-n"]), "conflicting command line option '-n'");
        assert_eq!(message(&["-l", "a", "--logfile", "b"]), "conflicting command line option '--logfile'");
        assert_eq!(message(&["foo"]), "positional arguments are not supported: ['foo']");
        assert_eq!(message(&["-n", "a", "-b"]), "positional arguments are not supported: ['a', '-b']");
        assert_eq!(message(&["-"]), "positional arguments are not supported: ['-']");
    }

    #[test]
    fn help_has_supervisors_form() {
        let exit = read(&["-h"]).unwrap_err();
        let lines: Vec<&str> = exit.stdout.lines().collect();
        assert_eq!(exit.code, ExitCode::Success);
        assert_eq!(
            lines[..5],
            [
                "supervisord -- run a set of applications as daemons.",
                "",
                "Usage: /usr/bin/supervisord [options]",
                "",
                "Options:"
            ]
        );
        for line in [
            "-l/--logfile FILENAME -- use FILENAME as logfile path",
            "-y/--logfile_maxbytes BYTES -- rotate the logfile at BYTES",
            "-h/--help -- display usage information",
            "-t/--strip_ansi -- remove terminal escapes from the output of processes",
            "--minprocs NUM -- refuse to start where fewer processes than NUM are allowed",
        ] {
            assert!(lines.contains(&line), "{line}");
        }
    }

    #[test]
    fn help_or_version_acts_by_whichever_comes_first() {
        assert_eq!(read(&["-v"]), Err(Exit::success(format!("{VERSION}\n"))));
        assert_eq!(read(&["-n", "-n", "-vh"]), Err(Exit::success(format!("{VERSION}\n"))));
        assert!(read(&["-?v"]).unwrap_err().stdout.contains("Options:"));
        assert_eq!(message(&["-v", "-Z"]), "option -Z not recognized");
    }

    #[test]
    fn argument_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let argv = [OsString::from("supervisord"), OsString::from("-c"), OsString::from_vec(vec![0xff])];
        assert_eq!(parse(&argv).unwrap_err().code, ExitCode::Usage);
    }
}
