//! `svc [options] [ACTION [ARGUMENTS]]`, here or, with `-H`, on another machine.

use std::ffi::OsString;

use argh::ArgsInfo;

use super::normalise::{HELP, Words, flags_of, normalise};
use super::{Exit, VERSION, help, operands_as_text, usage_error};

/// Options of `svc`, and the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvcArgs {
    /// The socket, as a path or `unix://PATH`, or `http://HOST:PORT`.
    pub socket: Option<String>,
    /// For a server that asks who we are.
    pub username: Option<String>,
    /// What proves it.
    pub password: Option<String>,
    /// The machine on which to run svc instead.
    pub host: Option<Host>,
    /// The command line without `argv[0]` and the host, for that machine.
    pub words: Vec<String>,
    /// The action and its arguments, joined by spaces; empty = open the prompt.
    pub action: String,
}

/// A machine that ssh reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `[user@]host`.
    pub name: String,
    /// ssh's port, if it is not the usual one.
    pub port: Option<u16>,
}

impl Host {
    /// Reads `[user@]host[:port]`; an IPv6 address stands in brackets when a port comes after it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Host, String> {
        let wrong = |why: &str| Err(format!("invalid value for -H '{text}': {why}"));
        if text.starts_with('-') {
            return wrong("a host does not begin with `-`");
        }
        let (user, address) = match text.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, text),
        };
        let (name, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, "")) => (name, None),
            Some((name, rest)) => (name, Some(rest.strip_prefix(':').unwrap_or(rest))),
            None => match address.split_once(':') {
                Some((name, port)) if !port.contains(':') => (name, Some(port)),
                Some(_) | None => (address, None),
            },
        };
        if name.is_empty() || user == Some("") {
            return wrong("not of the form [user@]host[:port]");
        }
        if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return wrong("a host has no blanks");
        }
        let port = match port.map(str::parse) {
            Some(Ok(0) | Err(_)) => return wrong("not a port"),
            Some(Ok(port)) => Some(port),
            None => None,
        };
        Ok(Host { name: user.map_or(name.to_owned(), |user| format!("{user}@{name}")), port })
    }
}

/// options of `svc`
#[expect(dead_code, reason = "describes the options")]
#[derive(ArgsInfo)]
struct Options {
    /// visor's control socket, or unix:///path or http://host:port of a supervisord (default: $SVC_SOCKET, then the place where visor puts it)
    #[argh(option, short = 's', arg_name = "PATH")]
    socket: Option<String>,
    /// name for a server that wants one
    #[argh(option, short = 'u', arg_name = "USER")]
    username: Option<String>,
    /// password for it
    #[argh(option, short = 'p', arg_name = "PASSWORD")]
    password: Option<String>,
    /// run svc there, over ssh: [user@]host[:port]
    #[argh(option, short = 'H', arg_name = "HOST")]
    host: Option<String>,
    /// print the version and leave
    #[argh(switch, short = 'V')]
    version: bool,
}

const NAME: &str = "svc";
const AFTER: &str = "
Actions:
  status [--json] [--state STATE] [NAME...]
                                       what runs and what does not
  start|stop|restart NAME...           NAME is `web`, `group:web`, `group:*`, `all` or a pattern: `web-*`, `*:worker?`
  rolling [--timeout TIME] NAME...     restart one after the other, each when the one before is ready
  signal SIGNAL NAME...                send a signal
  reload-program NAME...               have programs read their own configuration
  logs [-f] [NAME...]                  output of several processes, each line with its name
  tail [-f|-N] NAME [stdout|stderr]    end of one log; maintail for visor's own
  fg NAME                              a process' output here, your lines to its input
  watch [NAME...]                      every change of state as it happens
  wait NAME... [--for WHAT] [--timeout TIME]
                                       until they are ready (or running, stopped, exited, healthy)
  top [--once] [NAME...]               CPU and memory, the busiest first
  config NAME                          every option of a process, and where it stands
  why NAME                             what a process waits for, or why it is down
  healthy [NAME...]                    exit code 0 when all that should run runs
  reread, update [GROUP...], reload    read the configuration again; apply it
  avail, add|remove GROUP...           groups of the configuration
  clear NAME..., reopen                empty logs; open them anew
  pid [NAME...], version, shutdown     about visor itself
  poweroff, reboot, halt               end the run of the machine whose init visor is
  help [ACTION]                        more on each

Without an action svc opens a prompt. Called as `supervisorctl` it takes that program's options.

Examples: svc restart web
          svc -H root@host status
          svc -s http://host:9001 -u user -p password tail -f web
";

/// Reads the command line, `argv[0]` included.
///
/// # Errors
/// What to print and the code to leave with: help, version, or wrong use.
pub fn parse(argv: &[OsString]) -> Result<SvcArgs, Exit> {
    let wrong = |message: String| usage_error(argv, NAME, &message);
    let words = normalise(flags_of::<Options>(), argv.get(1..).unwrap_or_default()).map_err(wrong)?;
    match words.first_of(&[HELP, "--version"]) {
        Some(HELP) => return Err(Exit::success(page())),
        Some(_) => return Err(Exit::success(format!("svc {VERSION}\n"))),
        None => {}
    }
    words.once(&[]).map_err(wrong)?;
    let operands = operands_as_text(&words.operands).map_err(wrong)?;
    if words.value("--host").is_some() && words.value("--password").is_some() {
        return Err(wrong(
            "--password with --host would be seen by everybody over there: put it into [supervisorctl] there"
                .to_owned(),
        ));
    }
    Ok(SvcArgs {
        socket: words.value("--socket"),
        username: words.value("--username"),
        password: words.value("--password"),
        host: words.value("--host").as_deref().map(Host::parse).transpose().map_err(wrong)?,
        action: operands.join(" "),
        words: elsewhere(&words, operands),
    })
}

/// The same command line without its host.
fn elsewhere(words: &Words, operands: Vec<String>) -> Vec<String> {
    let mut all = Vec::new();
    for found in words.options.iter().filter(|found| found.long != "--host") {
        all.push(found.long.clone());
        all.extend(found.value.clone());
    }
    if operands.first().is_some_and(|word| word.starts_with('-')) {
        all.push("--".to_owned());
    }
    all.extend(operands);
    all
}

fn page() -> String {
    help::of_visor(flags_of::<Options>(), "svc -- talk to visor.", &["svc [options] [ACTION [ARGUMENTS]]"], AFTER)
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
        let args = read(&["-s", "/s", "-ume", "-p", "-x", "status", "-s", "x"]).unwrap();
        assert_eq!((args.socket.as_deref(), args.action.as_str()), (Some("/s"), "status -s x"));
        assert_eq!((args.username.as_deref(), args.password.as_deref()), (Some("me"), Some("-x")));
        assert_eq!(args.host, None);
        assert_eq!(read(&["-s/s", "--", "status"]).unwrap().action, "status");
    }

    #[test]
    fn host_is_taken_out_of_what_is_said_there() {
        let args = read(&["-s", "/s", "-H", "me@far:2222", "-u", "x", "tail", "-f", "a b"]).unwrap();
        assert_eq!(args.host, Some(Host { name: "me@far".to_owned(), port: Some(2222) }));
        assert_eq!(args.words, ["--socket", "/s", "--username", "x", "tail", "-f", "a b"]);
        assert_eq!(read(&["-Hfar", "--", "-f"]).unwrap().words, ["--", "-f"]);
        assert_eq!(read(&["--host=far"]).unwrap().words, Vec::<String>::new());
    }

    #[test]
    fn hosts_are_told_from_what_is_none() {
        let host = |text| Host::parse(text).map(|host| (host.name, host.port));
        let some = |name: &str, port| Ok((name.to_owned(), port));
        assert_eq!(host("far"), some("far", None));
        assert_eq!(host("me@far:22"), some("me@far", Some(22)));
        assert_eq!(host("::1"), some("::1", None));
        assert_eq!(host("[::1]"), some("::1", None));
        assert_eq!(host("a@b@[fe80::1]:222"), some("a@b@fe80::1", Some(222)));
        for bad in [
            "",
            "-oProxyCommand=x",
            "-",
            "@far",
            "me@",
            "far:",
            "far:0",
            "far:65536",
            "far:x",
            "[::1]22x",
            "a b",
            "a\nb",
        ] {
            assert!(host(bad).unwrap_err().contains("-H"), "{bad}");
        }
    }

    #[test]
    fn help_and_version_leave_well() {
        assert!(read(&["-h"]).unwrap_err().stdout.contains("Actions:"));
        assert_eq!(read(&["-V"]), Err(Exit::success(format!("svc {VERSION}\n"))));
        assert!(read(&["-q"]).unwrap_err().stderr.starts_with("Error: option -q not recognized\n"));
    }
}
