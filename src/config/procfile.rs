//! Programs without a configuration: several commands of a command line, or the lines of a Procfile.
//!
//! Owns: their names, and what holds for each. Does not own: whether a command can be found.

use std::sync::Arc;

use super::error::Mistake;
use super::host::{Host, ReadError};
use super::types::Config;
use super::{Overrides, path};
use crate::list::List as _;

/// What runs a line of a Procfile.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// A program whose command has no name that can be one.
const NAMELESS: &str = "command";
/// What holds for all of them. Their first end is visor's, and what is told of it goes to stderr.
const COMMON: &str = "[supervisord]
logfile=/dev/stderr
logfile_maxbytes=0
loglevel=warn
silent=true
nocleanup=true
minfds=0
minprocs=0
[program-default]
command=-
startsecs=0
startretries=0
autorestart=false
essential=true
stopasgroup=true
killasgroup=true
log_format=prefix
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
";

/// A program that is its command and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bare {
    /// Its name; no two have the same.
    pub name: String,
    /// The command; at least one word.
    pub argv: Vec<String>,
    /// Where it runs; `None` = where visor does.
    pub directory: Option<String>,
}

/// Programs that no configuration has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bares {
    /// Commands of a command line, at least one word each.
    Commands(Vec<Vec<String>>),
    /// Those of a Procfile, by its path.
    Procfile(String),
}

impl Bares {
    /// The programs; a Procfile is read for it.
    ///
    /// # Errors
    /// Every mistake in the Procfile.
    pub fn programs(&self, host: &dyn Host) -> Result<Vec<Bare>, Vec<Mistake>> {
        match self {
            Bares::Commands(commands) => Ok(of_commands(commands)),
            Bares::Procfile(file) => of_procfile(host, file),
        }
    }
}

/// Programs of commands, each named after its file; of several such, the second is `name-2`.
fn of_commands(commands: &[Vec<String>]) -> Vec<Bare> {
    let mut programs: Vec<Bare> = Vec::new();
    for argv in commands {
        let base = base_name(argv);
        let is_free = |name: &String| programs.iter().all(|program| program.name != *name);
        let numbered = (2..).map(|number: u32| format!("{base}-{number}"));
        let name = [base.clone()].into_iter().chain(numbered).find(is_free).unwrap_or_default();
        programs.push(Bare { name, argv: argv.clone(), directory: None });
    }
    programs
}

/// The last part of a command's first word, with nothing in it that names cannot have.
fn base_name(argv: &[String]) -> String {
    let word = argv.first().map_or("", String::as_str);
    let name: String =
        word.rsplit('/').next().unwrap_or(word).chars().map(|c| if is_of_a_name(c) { c } else { '_' }).collect();
    if name.is_empty() { NAMELESS.to_owned() } else { name }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Programs of a Procfile: lines `name: command`, the command for the shell, run where the file is; `#` begins a comment line.
fn of_procfile(host: &dyn Host, file: &str) -> Result<Vec<Bare>, Vec<Mistake>> {
    let bytes = host.read(file).map_err(|error| {
        let reason = match error {
            ReadError::Missing => "there is no such file".to_owned(),
            ReadError::Unreadable(reason) => reason,
        };
        vec![Mistake::of_file(file, reason)]
    })?;
    let directory = Some(path::directory_of(file)).filter(|directory| !directory.is_empty());
    let (mut programs, mut mistakes): (Vec<Bare>, Vec<Mistake>) = (Vec::new(), Vec::new());
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        match entry(bytes, &programs) {
            Ok(None) => {}
            Ok(Some((name, command))) => {
                let argv = SHELL.iter().chain([&command]).map(|word| (*word).to_owned()).list();
                let directory = directory.map(str::to_owned);
                programs.push(Bare { name: name.to_owned(), argv, directory });
            }
            Err(reason) => mistakes.push(Mistake { line, ..Mistake::of_file(file, reason) }),
        }
    }
    if programs.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake::of_file(file, "it names no command"));
    }
    if mistakes.is_empty() { Ok(programs) } else { Err(mistakes) }
}

/// Name and command of a line; `None` = it has none.
fn entry<'a>(line: &'a [u8], known: &[Bare]) -> Result<Option<(&'a str, &'a str)>, String> {
    let line = str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, command) = line.split_once(':').map_or((line, ""), |(name, command)| (name.trim(), command.trim()));
    if name.is_empty() || command.is_empty() || !name.chars().all(is_of_a_name) {
        return Err(format!(
            "`{line}` is not of the form `name: command`, with letters, digits, -, _ and . in the name"
        ));
    }
    if known.iter().any(|program| program.name == name) {
        return Err(format!("there is a `{name}` already"));
    }
    Ok(Some((name, command)))
}

/// The text of a configuration with these programs, all but their commands.
#[must_use]
pub fn text_of(programs: &[Bare]) -> String {
    let sections = programs.iter().map(|program| format!("[program:{}]\n", program.name));
    [COMMON.to_owned()].into_iter().chain(sections).collect()
}

/// Reads what [`text_of`] made, which `host` has, and gives each program its command: its bytes are nobody's to expand or split.
///
/// # Errors
/// What the reader has against it.
pub fn read(host: &dyn Host, overrides: &Overrides, programs: &[Bare]) -> Result<Config, Vec<Mistake>> {
    let mut config = super::read(host, "-", overrides)?;
    for process in config.groups.iter_mut().flat_map(|group| &mut group.processes) {
        if let Some(program) = programs.iter().find(|program| program.name == process.name)
            && let Some(process) = Arc::get_mut(process)
        {
            process.command = program.argv.join(" ");
            process.argv = Ok(program.argv.clone());
            process.directory.clone_from(&program.directory);
        }
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn names(commands: &[&[&str]]) -> Vec<String> {
        let commands: Vec<Vec<String>> =
            commands.iter().map(|argv| argv.iter().map(|word| (*word).to_owned()).collect()).collect();
        of_commands(&commands).into_iter().map(|program| program.name).collect()
    }

    #[test]
    fn commands_are_named_after_their_files_and_no_two_alike() {
        assert_eq!(
            names(&[&["/bin/sh", "-c", "x"], &["web"], &["sh"], &["./sh-2"], &["sh"]]),
            ["sh", "web", "sh-2", "sh-2-2", "sh-3"]
        );
        assert_eq!(names(&[&["/"], &["a b:c%d]"], &["é"]]), ["command", "a_b_c_d_", "_"]);
    }

    fn procfile(text: &[u8]) -> Result<Vec<Bare>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Procfile");
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let told = |mistake: &Mistake| mistake.to_string().replace(file, "P");
        of_procfile(&Machine, file).map_err(|mistakes| mistakes.iter().map(told).collect())
    }

    #[test]
    fn lines_are_a_name_and_a_command_for_the_shell() {
        let programs = procfile(b"# comment\nweb: serve --port $PORT && echo %s\r\n\n  a.b-c_1:x:y\n").unwrap();
        let shown: Vec<(&str, &str)> =
            programs.iter().map(|program| (program.name.as_str(), program.argv[2].as_str())).collect();
        assert_eq!(shown, [("web", "serve --port $PORT && echo %s"), ("a.b-c_1", "x:y")]);
        assert_eq!(programs[0].argv[..2], ["/bin/sh", "-c"]);
        assert!(programs[0].directory.as_deref().is_some_and(|directory| directory.starts_with('/')));
    }

    #[test]
    fn every_bad_line_is_told_with_its_place() {
        let form = |line: &str| {
            format!("`{line}` is not of the form `name: command`, with letters, digits, -, _ and . in the name")
        };
        assert_eq!(
            procfile(b"web\na b: c\nx:\n: y\nw: 1\nw: 2\n\xff: z\n"),
            Err(vec![
                format!("P:1: {}", form("web")),
                format!("P:2: {}", form("a b: c")),
                format!("P:3: {}", form("x:")),
                format!("P:4: {}", form(": y")),
                "P:6: there is a `w` already".to_owned(),
                "P:7: it is not UTF-8".to_owned(),
            ])
        );
        assert_eq!(procfile(b"# nothing\n\n"), Err(vec!["P: it names no command".to_owned()]));
        let missing = of_procfile(&Machine, "/no/such/Procfile").unwrap_err();
        assert_eq!(missing[0].to_string(), "/no/such/Procfile: there is no such file");
    }
}
