//! Arguments in, exit code out.

use std::ffi::OsString;

fn main() -> std::process::ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    visor::svc::main(&argv, &visor::machine::read_ctl)
}
