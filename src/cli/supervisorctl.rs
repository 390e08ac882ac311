//! The original client's command line.

use std::ffi::OsString;

use argh::ArgsInfo;

use super::normalise::{HELP, flags_of, normalise};
use super::{Exit, help, operands_as_text, usage_error};

/// Options of `supervisorctl`, and the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorctlArgs {
    /// The configuration file; `None` = search the default places.
    pub configuration: Option<String>,
    /// Open the prompt after the action too.
    pub interactive: bool,
    /// Where the daemon is, over what the configuration says.
    pub serverurl: Option<String>,
    /// For a daemon that asks who we are, over what the configuration says.
    pub username: Option<String>,
    /// What proves it.
    pub password: Option<String>,
    /// History of the prompt.
    pub history_file: Option<String>,
    /// The action and its arguments, joined by spaces; empty = open the prompt.
    pub action: String,
}

/// options of `supervisorctl`
#[expect(dead_code, reason = "describes the options")]
#[derive(ArgsInfo)]
struct Options {
    /// read FILENAME (default: search the usual places)
    #[argh(option, short = 'c', arg_name = "FILENAME")]
    configuration: Option<String>,
    /// start an interactive shell after executing commands
    #[argh(switch, short = 'i')]
    interactive: bool,
    /// talk to the daemon at URL: unix:///path/to/socket or http://host:port
    #[argh(option, short = 's', arg_name = "URL")]
    serverurl: Option<String>,
    /// name for a daemon that wants one; visor's own socket does not
    #[argh(option, short = 'u', arg_name = "USERNAME")]
    username: Option<String>,
    /// password for it
    #[argh(option, short = 'p', arg_name = "PASSWORD")]
    password: Option<String>,
    /// accepted and ignored: the shell keeps no history yet
    #[argh(option, short = 'r', arg_name = "FILENAME")]
    history_file: Option<String>,
}

const NAME: &str = "supervisorctl";

/// Reads the command line, `argv[0]` included.
///
/// # Errors
/// What to print and the code to leave with: help or wrong use.
pub fn parse(argv: &[OsString]) -> Result<SupervisorctlArgs, Exit> {
    let wrong = |message: String| usage_error(argv, NAME, &message);
    let words = normalise(flags_of::<Options>(), argv.get(1..).unwrap_or_default()).map_err(wrong)?;
    if words.first_of(&[HELP]).is_some() {
        return Err(Exit::success(page(argv)));
    }
    words.once(&[]).map_err(wrong)?;
    let serverurl = words.value("--serverurl");
    if let Some(url) = serverurl.as_ref().filter(|url| !is_url(url)) {
        return Err(wrong(format!("invalid value for -s '{url}': value '{url}' is not a URL")));
    }
    Ok(SupervisorctlArgs {
        configuration: words.value("--configuration"),
        interactive: words.has("--interactive"),
        serverurl,
        username: words.value("--username"),
        password: words.value("--password"),
        history_file: words.value("--history-file"),
        action: operands_as_text(&words.operands).map_err(wrong)?.join(" "),
    })
}

/// Something before `:` and something after it.
fn is_url(text: &str) -> bool {
    let scheme_and_rest = text.split_once(':');
    scheme_and_rest.is_some_and(|(scheme, rest)| !scheme.is_empty() && !matches!(rest, "" | "//"))
}

fn page(argv: &[OsString]) -> String {
    let invoked = argv.first().map_or(NAME.into(), |name| name.to_string_lossy());
    let headline = "supervisorctl -- control applications run by supervisord from the cmd line.";
    let mut page =
        help::of_supervisor(flags_of::<Options>(), headline, &format!("{invoked} [options] [action [arguments]]"));
    page.push_str("\nWithout an action an interactive shell is started; the action help lists the others.\n");
    page
}

#[cfg(test)]
mod tests {
    use super::super::ExitCode;
    use super::*;

    fn read(words: &[&str]) -> Result<SupervisorctlArgs, Exit> {
        let argv: Vec<OsString> = ["supervisorctl"].iter().chain(words).map(OsString::from).collect();
        parse(&argv)
    }

    #[test]
    fn a_server_that_is_no_url_is_wrong_use() {
        assert!(read(&["-s", "nonsense", "status"]).is_err());
        assert!(read(&["-s", "unix://", "status"]).is_err());
        assert!(read(&["-s", "unix:///run/x.sock", "status"]).is_ok());
        assert!(read(&["-s", "http://localhost:9001", "status"]).is_ok());
    }

    #[test]
    fn options_end_at_the_action() {
        let args = read(&["-s", "unix:///s", "-u", "me", "-p", "-secret", "-ic", "f", "tail", "-f", "web"]).unwrap();
        assert_eq!(args.serverurl.as_deref(), Some("unix:///s"));
        assert_eq!(args.configuration.as_deref(), Some("f"));
        assert!(args.interactive);
        assert_eq!((args.username.as_deref(), args.password.as_deref()), (Some("me"), Some("-secret")));
        assert_eq!(args.action, "tail -f web");
    }

    #[test]
    fn no_action_is_empty() {
        assert_eq!(read(&[]).unwrap().action, "");
    }

    #[test]
    fn help_begins_with_the_original_line_and_wrong_use_exits_2() {
        let page = read(&["--help"]).unwrap_err().stdout;
        assert!(page.starts_with("supervisorctl -- control applications run by supervisord from the cmd line.\n"));
        assert!(page.contains("\n-i/--interactive -- start an interactive shell after executing commands\n"));
        assert_eq!(read(&["-v"]).unwrap_err().code, ExitCode::Usage);
    }
}
