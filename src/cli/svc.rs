//! `svc [options] [ACTION [ARGUMENTS]]`.

use std::ffi::OsString;

use argh::{ArgsInfo, FromArgs};

use super::normalise::{HELP, normalise};
use super::{Exit, VERSION, help, operands_as_text, options, usage_error};

/// Options of `svc`, and the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvcArgs {
    /// The socket, as a path or `unix://PATH`.
    pub socket: Option<String>,
    /// The action and its arguments, joined by spaces; empty = open the prompt.
    pub action: String,
}

/// options of `svc`
#[derive(FromArgs, ArgsInfo, Debug)]
struct Options {
    /// visor's control socket (default: $SVC_SOCKET, then the place where visor puts it)
    #[argh(option, short = 's', arg_name = "PATH")]
    socket: Option<String>,
    /// print the version and leave
    #[argh(switch, short = 'V')]
    #[expect(dead_code, reason = "acts before the values are made")]
    version: bool,
}

const NAME: &str = "svc";
const AFTER: &str = "
Actions:
  status [--json] [NAME...]            what runs and what does not
  start|stop|restart NAME...           NAME is `web`, `group:web`, `group:*` or `all`
  signal SIGNAL NAME...                send a signal
  logs [-f] [NAME...]                  output of several processes, each line with its name
  tail [-f|-N] NAME [stdout|stderr]    end of one log; maintail for visor's own
  fg NAME                              a process' output here, your lines to its input
  watch [NAME...]                      every change of state as it happens
  why NAME                             what a process waits for, or why it is down
  healthy [NAME...]                    exit code 0 when all that should run runs
  reread, update [GROUP...], reload    read the configuration again; apply it
  avail, add|remove GROUP...           groups of the configuration
  clear NAME..., reopen                empty logs; open them anew
  pid [NAME...], version, shutdown     about visor itself
  poweroff, reboot, halt               end the run of the machine whose init visor is
  help [ACTION]                        more on each

Without an action svc opens a prompt. Called as `supervisorctl` it takes that program's options.

Example: svc restart web
";

/// Reads the command line, `argv[0]` included.
///
/// # Errors
/// What to print and the code to leave with: help, version, or wrong use.
pub fn parse(argv: &[OsString]) -> Result<SvcArgs, Exit> {
    let wrong = |message: String| usage_error(argv, NAME, &message);
    let words = normalise::<Options>(argv.get(1..).unwrap_or_default()).map_err(wrong)?;
    match words.first_of(&[HELP, "--version"]) {
        Some(HELP) => return Err(Exit::success(page())),
        Some(_) => return Err(Exit::success(format!("svc {VERSION}\n"))),
        None => {}
    }
    let options: Options = options(&words).map_err(wrong)?;
    Ok(SvcArgs { socket: options.socket, action: operands_as_text(&words.operands).map_err(wrong)?.join(" ") })
}

fn page() -> String {
    help::of_visor::<Options>("svc -- talk to visor.", &["svc [options] [ACTION [ARGUMENTS]]"], AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<SvcArgs, Exit> {
        let argv: Vec<OsString> = ["svc"].iter().chain(words).map(OsString::from).collect();
        parse(&argv)
    }

    #[test]
    fn socket_and_action_are_told_apart() {
        let expected = SvcArgs { socket: Some("/s".to_owned()), action: "status -s x".to_owned() };
        assert_eq!(read(&["-s", "/s", "status", "-s", "x"]), Ok(expected));
        assert_eq!(read(&["-s/s", "--", "status"]).unwrap().action, "status");
    }

    #[test]
    fn help_and_version_leave_well() {
        assert!(read(&["-h"]).unwrap_err().stdout.contains("Actions:"));
        assert_eq!(read(&["-V"]), Err(Exit::success(format!("svc {VERSION}\n"))));
        assert!(read(&["-q"]).unwrap_err().stderr.starts_with("Error: option -q not recognized\n"));
    }
}
