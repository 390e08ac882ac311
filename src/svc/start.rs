//! From the command line to a session: which visor, which personality, prompt or action.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::screen::Screen;
use super::server::Server;
use super::{Session, ssh};
use crate::cli::supervisorctl::SupervisorctlArgs;
use crate::cli::svc::SvcArgs;
use crate::cli::{self, Exit, ExitCode, Personality};
use crate::config::{self, Ctl};
use crate::protocol::handover::Login;

/// What the prompt shows when no configuration says.
const PROMPT: &str = "supervisor";

/// Reads `[supervisorctl]` of the file at a path; `None` = it has no such section.
///
/// # Errors
/// What is wrong with the file, without `Error: ` before it.
pub type ReadCtl<'a> = &'a dyn Fn(&str) -> Result<Option<Ctl>, String>;

/// The whole of `svc`: does what the command line asks for and gives the exit code.
#[must_use]
pub fn main(argv: &[OsString], read_ctl: ReadCtl<'_>) -> std::process::ExitCode {
    let personality = Personality::of(argv.first());
    let begun = match personality {
        Personality::Own => match cli::svc::parse(argv) {
            Ok(SvcArgs { host: Some(host), words, .. }) => return ssh::run(&host, &words).finish(),
            args => args.map(own),
        },
        Personality::Supervisor => cli::supervisorctl::parse(argv).and_then(|args| supervisor(argv, args, read_ctl)),
    };
    match begun {
        Ok(begin) => begin.run(personality).into(),
        Err(exit) => exit.finish(),
    }
}

/// What a command line comes to.
struct Begin {
    server: Server,
    login: Option<Login>,
    prompt: String,
    action: String,
    prompt_after: bool,
}

impl Begin {
    fn run(self, personality: Personality) -> ExitCode {
        let mut session = Session::new(self.server, self.login, Screen::standard(), personality, self.prompt);
        let has_action = !self.action.is_empty();
        let code = if has_action { session.run_line(&self.action) } else { ExitCode::Success };
        if !has_action || self.prompt_after {
            session.shell();
            return ExitCode::Success;
        }
        code
    }
}

fn own(args: SvcArgs) -> Begin {
    let server = args.socket.as_deref().map_or_else(default_server, Server::parse);
    let login = login(args.username, args.password);
    Begin { server, login, prompt: PROMPT.to_owned(), action: args.action, prompt_after: false }
}

fn default_server() -> Server {
    let runtime_folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let is_root = nix::unistd::Uid::effective().is_root();
    let exists = |path: &Path| path.exists();
    Server::default_of(std::env::var("SVC_SOCKET").ok(), is_root, runtime_folder.as_deref(), &exists)
}

fn supervisor(argv: &[OsString], args: SupervisorctlArgs, read_ctl: ReadCtl<'_>) -> Result<Begin, Exit> {
    let wrong = |message: String| cli::usage_error(argv, "supervisorctl", &message);
    let exists = |path: &str| Path::new(path).exists();
    let file = match &args.configuration {
        Some(file) if !exists(file) => return Err(wrong(format!("could not find config file {file}"))),
        Some(file) => Some(file.clone()),
        // Told where the daemon is, it needs no file that nobody named.
        None if args.serverurl.is_some() => None,
        None => config::search_paths(&invoked(argv)).into_iter().find(|file| exists(file)),
    };
    let ctl = match file {
        None => None,
        Some(file) => match read_ctl(&file).map_err(wrong)? {
            None => return Err(wrong(".ini file does not include supervisorctl section".to_owned())),
            ctl => ctl,
        },
    };
    let of_ctl = |get: fn(&Ctl) -> &Option<String>| ctl.as_ref().and_then(|ctl| get(ctl).clone());
    let login = login(
        args.username.or_else(|| of_ctl(|ctl| &ctl.username)),
        args.password.or_else(|| of_ctl(|ctl| &ctl.password)),
    );
    let url = args.serverurl.or(ctl.as_ref().map(|ctl| ctl.serverurl.clone()));
    Ok(Begin {
        server: url.as_deref().map_or_else(default_server, Server::parse),
        login,
        prompt: ctl.map_or_else(|| PROMPT.to_owned(), |ctl| ctl.prompt),
        action: args.action,
        prompt_after: args.interactive,
    })
}

/// A password may be empty, a name not.
fn login(username: Option<String>, password: Option<String>) -> Option<Login> {
    let username = username.filter(|name| !name.is_empty())?;
    Some(Login { username, password: password.unwrap_or_default() })
}

fn invoked(argv: &[OsString]) -> String {
    argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(words: &[&str], read_ctl: ReadCtl<'_>) -> Result<Begin, Exit> {
        let argv: Vec<OsString> = ["supervisorctl"].iter().chain(words).map(OsString::from).collect();
        cli::supervisorctl::parse(&argv).and_then(|args| supervisor(&argv, args, read_ctl))
    }

    fn ctl(url: &str) -> Ctl {
        Ctl {
            serverurl: url.to_owned(),
            username: Some("file".to_owned()),
            password: Some("secret".to_owned()),
            prompt: "mysupervisor".to_owned(),
            history_file: None,
        }
    }

    #[test]
    fn flag_wins_over_the_configuration() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let read = |_: &str| Ok(Some(ctl("unix:///from/file")));
        let from_file = begin(&["-c", path, "status"], &read).unwrap();
        assert_eq!(from_file.server, Server::Unix("/from/file".into()));
        assert_eq!(from_file.prompt, "mysupervisor");
        let from_flag = begin(&["-c", path, "-s", "unix:///flag", "status"], &read).unwrap();
        assert_eq!(from_flag.server, Server::Unix("/flag".into()));
        let login = |name: &str, password: &str| Login { username: name.to_owned(), password: password.to_owned() };
        assert_eq!(from_file.login, Some(login("file", "secret")));
        assert_eq!(begin(&["-c", path, "-u", "me", "status"], &read).unwrap().login, Some(login("me", "secret")));
        assert_eq!(begin(&["-s", "unix:///x", "-u", "", "status"], &read).unwrap().login, None);
    }

    #[test]
    fn configuration_that_is_missing_wrong_or_without_section_is_wrong_use() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let message = |words: &[&str], read: ReadCtl<'_>| begin(words, read).err().unwrap().stderr;
        let absent = |_: &str| Ok(None);
        assert!(message(&["-c", "/no/such"], &absent).starts_with("Error: could not find config file /no/such\n"));
        let text = message(&["-c", path], &absent);
        assert!(text.starts_with("Error: .ini file does not include supervisorctl section\n"), "{text}");
        let broken = |_: &str| Err("too broken".to_owned());
        assert!(message(&["-c", path], &broken).starts_with("Error: too broken\n"));
    }
}
