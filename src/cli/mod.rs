//! Command lines of the binaries: words in, a value out, or what to print and the exit code.
//!
//! Owns: options, help texts, usage errors, exit codes. Does not own: behaviour, files, the environment.
//!
//! The options of a binary are one structure whose doc comments are its help; `argh` makes a list of them. The words are
//! taken apart by that list here (`normalise`), so that Supervisor's habits work: clusters of short options,
//! `--option=value`, `_` in long names, unique prefixes.

// One command in the foreground: `visor -- CMD`, `tini`, `dumb-init`.
pub mod command;
mod exit;
mod help;
mod normalise;
// `echo_supervisord_conf`: a configuration to begin with.
pub mod sample;
// `supervisorctl`: the original client's command line.
pub mod supervisorctl;
// `supervisord`: the original daemon's command line.
pub mod supervisord;
// `svc`: the companion's command line.
pub mod svc;
// `visor`: the init's command line.
pub mod visor;

use crate::list::List as _;
use std::ffi::{OsStr, OsString};
use std::path::Path;

pub use exit::{Exit, ExitCode};

/// visor's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Which command line a binary speaks, by the name it was called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personality {
    /// The binary's own.
    Own,
    /// That of the program of Supervisor it stands in for.
    Supervisor,
}

impl Personality {
    /// By `argv[0]`: `supervisord` or `supervisorctl`, with whatever folder before it, are Supervisor's.
    #[must_use]
    pub fn of(argv0: Option<&OsString>) -> Personality {
        match program_name(argv0, "").as_str() {
            "supervisord" | "supervisorctl" => Personality::Supervisor,
            _ => Personality::Own,
        }
    }
}

/// Whether `argv[0]` is the name of the companion, or of the program of Supervisor that it stands in for.
#[must_use]
pub fn is_client(argv0: Option<&OsString>) -> bool {
    matches!(program_name(argv0, "").as_str(), "svc" | "supervisorctl")
}

/// The last part of `argv[0]`, or `default` when there is none.
#[must_use]
pub fn program_name(argv0: Option<&OsString>, default: &str) -> String {
    argv0
        .and_then(|name| Path::new(name).file_name())
        .map_or_else(|| default.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// An error of usage as Supervisor words it: on stderr, exit code 2.
pub(crate) fn usage_error(argv: &[OsString], default_name: &str, message: &str) -> Exit {
    let invoked = argv.first().map_or(OsStr::new(default_name), OsString::as_os_str).to_string_lossy();
    Exit {
        code: ExitCode::Usage,
        stdout: String::new(),
        stderr: format!("Error: {message}\nFor help, use {invoked} -h\n"),
    }
}

/// All operands as text.
fn operands_as_text(operands: &[OsString]) -> Result<Vec<String>, String> {
    operands.iter().map(|word| normalise::as_text(word).map(str::to_owned)).list_all()
}
