//! Arguments in, exit code out.

use std::ffi::OsString;

use visor::config::{self, Ctl};
use visor::machine::Machine;

fn main() -> std::process::ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    visor::svc::main(&argv, &read_ctl)
}

/// `[supervisorctl]` of a configuration file.
fn read_ctl(file: &str) -> Result<Option<Ctl>, String> {
    config::read_ctl(&Machine, file)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}
