//! Arguments in, exit code out.

use std::ffi::OsString;

use visor::config::Ctl;

fn main() -> std::process::ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    visor::svc::main(&argv, &read_ctl)
}

/// `[supervisorctl]` of a configuration file.
fn read_ctl(_file: &str) -> Result<Option<Ctl>, String> {
    Err("reading a configuration file is not wired yet: use -s unix:///PATH".to_owned())
}
