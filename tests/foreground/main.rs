//! `visor -- COMMAND` as a black box: exit codes, signals, what is left over, the terminal, programs beside the command;
//! and side by side with the small inits it stands in for.

mod alike;
mod codes;
mod file;
mod healthy;
mod leftovers;
mod pty;
mod several;
mod signals;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::process::Command;

use support::{Foreground, VISOR, clean_command, run};

/// `visor` with these arguments.
fn visor(arguments: &[&str]) -> Command {
    let mut command = clean_command(VISOR);
    command.args(arguments);
    command
}

/// `visor OPTIONS -- sh -c SCRIPT`, started. Its stdout is the log.
fn start_script(options: &[&str], script: &str) -> Foreground {
    Foreground::start(visor(&[options, &["--", "bash", "-c", script]].concat()), false)
}

/// Its exit code, stdout and stderr.
fn outcome(command: Command) -> (Option<i32>, String, String) {
    let output = run(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
