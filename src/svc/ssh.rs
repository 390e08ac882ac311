//! `svc -H HOST …`: the same command line, said by ssh on another machine.
//!
//! Owns: ssh's arguments, and the one place where words are quoted for a shell.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use crate::cli::svc::Host;
use crate::cli::{Exit, ExitCode};
use crate::list::List as _;
use crate::sys::another;

/// The program that reaches other machines.
const SSH: &str = "ssh";
/// Ourselves, on that machine's PATH.
const SVC: &str = "svc";
/// Actions that a person watches or types into.
const INTERACTIVE: [&str; 2] = ["fg", "watch"];
/// The argument that makes an action go on until Ctrl-C.
const FOLLOW: &str = "-f";
/// Options of svc that have a value; the first other word is the action.
const WITH_VALUE: [&str; 3] = ["--socket", "--username", "--password"];

/// Becomes ssh. Coming back means that it cannot be.
pub fn run(host: &Host, words: &[String]) -> Exit {
    let has_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let Err(error) = become_ssh(host, words, has_terminal);
    let (why, code) = match error.kind() {
        io::ErrorKind::NotFound => ("it is not installed".to_owned(), ExitCode::NotInstalled),
        _ => (error.to_string(), ExitCode::Failure),
    };
    Exit { code, stdout: String::new(), stderr: format!("svc: cannot run `{SSH}`: {why}\n") }
}

fn become_ssh(host: &Host, words: &[String], has_terminal: bool) -> io::Result<Infallible> {
    another::become_program(SSH, &arguments(host, words, has_terminal))
}

/// ssh's arguments. The command is one of them: ssh would only join several with blanks.
fn arguments(host: &Host, words: &[String], has_terminal: bool) -> Vec<OsString> {
    let mut arguments = Vec::new();
    if has_terminal && is_interactive(words) {
        arguments.push("-t".to_owned());
    }
    if let Some(port) = host.port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    arguments.extend(["--".to_owned(), host.name.clone(), command(words)]);
    arguments.into_iter().map(OsString::from).list()
}

/// Whether Ctrl-C, or what is typed, is for the svc over there.
fn is_interactive(words: &[String]) -> bool {
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if WITH_VALUE.contains(&word) {
            rest.next();
        } else if word != "--" {
            return INTERACTIVE.contains(&word) || rest.any(|word| word == FOLLOW);
        }
    }
    true
}

/// What the other machine's shell is given.
fn command(words: &[String]) -> String {
    std::iter::once(SVC.to_owned()).chain(words.iter().map(|word| quoted(word))).list().join(" ")
}

/// A word as every POSIX shell reads it back unchanged: inside single quotes nothing has a meaning but the quote itself.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,@+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn every_word_comes_back_from_a_shell_as_it_was() {
        let nasty = [
            "",
            " ",
            "'",
            "''",
            "a'b\"c",
            "$HOME",
            "`id`",
            "$(id)",
            "\\",
            "\\'",
            "a\nb",
            "*",
            "~",
            "!x",
            "#x",
            "a;b&c|d<e>f(g){h}",
            "é ü",
            "-f",
            "--",
            "g:*",
            "A=1",
            "\t",
            "\u{1}",
        ];
        for word in nasty {
            let script = format!("printf %s {}", quoted(word));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{script}");
        }
    }

    #[test]
    fn ssh_gets_a_port_a_terminal_only_where_one_helps_and_one_command() {
        let said = |port, line: &[&str], has_terminal| {
            let host = Host { name: "me@far".to_owned(), port };
            arguments(&host, &words(line), has_terminal).join(&OsString::from("|")).into_string().unwrap()
        };
        assert_eq!(said(None, &["status"], true), "--|me@far|svc status");
        assert_eq!(said(Some(22), &["start", "a b", "g:*"], true), "-p|22|--|me@far|svc start 'a b' 'g:*'");
        assert_eq!(said(None, &[], true), "-t|--|me@far|svc");
        assert_eq!(said(None, &[], false), "--|me@far|svc");
        assert_eq!(said(None, &["--socket", "watch", "fg", "x"], true), "-t|--|me@far|svc --socket watch fg x");
        assert_eq!(said(None, &["--socket", "watch", "pid"], true), "--|me@far|svc --socket watch pid");
        assert_eq!(said(None, &["tail", "-f", "x"], true), "-t|--|me@far|svc tail -f x");
    }
}
