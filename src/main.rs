//! visor: arguments in, exit code out.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode as Code;

use visor::cli::command::CommandArgs;
use visor::cli::visor::VisorCommand;
use visor::cli::{self, Exit, ExitCode, Personality};
use visor::config::{self, Config, Overrides};
use visor::daemon::{self, Options};
use visor::machine::Machine;

fn main() -> Code {
    let argv: Vec<OsString> = std::env::args_os().collect();
    #[cfg(feature = "one-binary")]
    if cli::is_client(argv.first()) {
        return visor::svc::main(&argv, &visor::machine::read_ctl);
    }
    match cli::program_name(argv.first(), "").as_str() {
        "pidproxy" => return visor::pidproxy::main(&argv),
        "echo_supervisord_conf" => return cli::sample::echo().finish(),
        _ => {}
    }
    let small_init = cli::command::as_small_init(&argv, |key| std::env::var_os(key));
    let outcome = match (small_init, Personality::of(argv.first())) {
        (Some(args), _) => args.map(alone),
        (None, Personality::Own) => own(&argv),
        (None, Personality::Supervisor) => supervisord(&argv),
    };
    outcome.unwrap_or_else(Exit::finish)
}

/// One command and nothing else.
fn alone(command: CommandArgs) -> Code {
    daemon::run(Options { command: Some(command), ..Options::default() })
}

/// As the init of a machine, if that is asked for.
fn machine(argv: &[OsString]) -> Option<Code> {
    if !daemon::is_init() {
        return None;
    }
    if argv.get(1).is_some_and(|word| word == "check") {
        return None;
    }
    let (argv, words) = cli::visor::without_kernel_words(argv);
    let Ok(VisorCommand::Run { config, strict, machine }) = cli::visor::parse(&argv) else { return None };
    if !machine && !daemon::asks_for_machine(&argv, config.clone()) {
        return None;
    }
    Some(daemon::run_machine(&argv, config, Overrides { strict, ..Overrides::default() }, &words))
}

fn own(argv: &[OsString]) -> Result<Code, Exit> {
    if let Some(code) = machine(argv) {
        return Ok(code);
    }
    match cli::visor::parse(argv)? {
        VisorCommand::Run { machine: true, .. } => Err(cli::visor::not_init(argv)),
        VisorCommand::Run { config, strict, machine: false } => {
            let file = Some(daemon::find_config(argv, config, Personality::Own)?);
            let overrides = Overrides { strict, ..Overrides::default() };
            Ok(daemon::run(Options { file, overrides, ..Options::default() }))
        }
        VisorCommand::Command { config: None, strict: _, command } => Ok(alone(command)),
        VisorCommand::Command { config: given, strict, command } => {
            let file = Some(daemon::find_config(argv, given, Personality::Own)?);
            let overrides = Overrides { strict, ..Overrides::default() };
            Ok(daemon::run(Options { file, overrides, command: Some(command), ..Options::default() }))
        }
        VisorCommand::Several(bares) => Ok(daemon::run(Options { bare: Some(bares), ..Options::default() })),
        VisorCommand::Check { config, dump, strict } => {
            let file = daemon::find_config(argv, config, Personality::Own)?;
            let overrides = Overrides { strict, ..Overrides::default() };
            Ok(check(&file, &overrides, dump).into())
        }
    }
}

fn supervisord(argv: &[OsString]) -> Result<Code, Exit> {
    let args = cli::supervisord::parse(argv)?;
    let file = Some(daemon::find_config(argv, args.configuration.clone(), Personality::Supervisor)?);
    let overrides = Overrides {
        user: args.user,
        umask: args.umask,
        directory: args.directory,
        logfile: args.logfile,
        logfile_maxbytes: args.logfile_maxbytes,
        logfile_backups: args.logfile_backups,
        loglevel: args.loglevel,
        pidfile: args.pidfile,
        identifier: args.identifier,
        childlogdir: args.childlogdir,
        minfds: args.minfds,
        minprocs: args.minprocs,
        nodaemon: args.nodaemon,
        silent: args.silent,
        nocleanup: args.nocleanup,
        strip_ansi: args.strip_ansi,
        numprocs: None,
        strict: false,
    };
    Ok(daemon::run(Options { file, overrides, daemonize: true, ..Options::default() }))
}

fn check(file: &str, overrides: &Overrides, dump: bool) -> ExitCode {
    match config::read(&Machine, file, overrides) {
        Err(mistakes) => daemon::tell_mistakes(&mistakes),
        Ok(config) => {
            report(file, &config, dump);
            ExitCode::Success
        }
    }
}

fn report(file: &str, config: &Config, dump: bool) {
    for warning in &config.warnings {
        let _ = writeln!(std::io::stderr(), "warning: {}", daemon::warning_text(warning));
    }
    let processes: usize = config.groups.iter().map(|group| group.processes.len()).sum();
    let text = if dump {
        config::dump(config)
    } else {
        format!("{file}: ok, {} groups, {processes} processes\n", config.groups.len())
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
}
