//! svc: arguments in, exit code out.

use std::ffi::OsString;

use visor::config::{self, Ctl};
use visor::daemon::Machine;

fn main() -> std::process::ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    visor::svc::main(&argv, &read_ctl)
}

/// `[supervisorctl]` of a configuration file, or every mistake in it.
fn read_ctl(file: &str) -> Result<Option<Ctl>, String> {
    config::read_ctl(&Machine, file).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        mistakes.join("\nError: ")
    })
}
