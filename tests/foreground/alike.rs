//! Under the names of `tini` and `dumb-init`, side by side with the real ones: same exit codes, same output.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::outcome;
use crate::support::{Foreground, TIMEOUT, VISOR, clean_command};

/// Arguments and environment.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

/// The real program, if there is one; says what is left out if not. Past the test's captured output, so that it is seen.
fn real(name: &str) -> Option<String> {
    match clean_command(name).arg("--version").output() {
        Ok(_) => Some(name.to_owned()),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "left out: comparison with {name}: {error}");
            None
        }
    }
}

/// Runs a case under both, and compares what `see` sees.
fn compare<T: PartialEq + std::fmt::Debug>(name: &str, see: impl Fn(&str) -> T) -> Option<T> {
    let place = tempfile::tempdir().expect("a directory");
    let ours = place.path().join(name);
    symlink(VISOR, &ours).expect("a link");
    let ours = see(ours.to_str().expect("text"));
    let theirs = see(&real(name)?);
    assert_eq!(ours, theirs, "ours, then that of {name}");
    Some(ours)
}

fn command(program: &str, words: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = clean_command(program);
    command.args(words).envs(variables.iter().copied());
    command
}

/// Exit code and stdout; the wording of stderr is each program's own.
fn seen(program: &str, words: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let (code, screen, _) = outcome(command(program, words, variables));
    (code, screen)
}

/// Exit code and what was said when TERM comes after `ready`.
fn after_term(program: &str, words: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let process = Foreground::start(command(program, words, variables), false);
    process.wait_for_log("ready");
    process.signal(nix::sys::signal::Signal::SIGTERM);
    let code = process.wait_exit(TIMEOUT).code();
    let mut log = process.log();
    log.sort();
    (code, log)
}

const PAIR: &str = r#"up=$(mktemp -u)
bash -c 'trap "echo child got TERM; exit" TERM; sleep 1000 & touch $0; wait; wait' $up &
until [ -e $up ]; do sleep 0.01; done; rm $up
trap "echo parent got TERM; wait; exit 4" TERM; echo ready; wait"#;
/// What is blocked and ignored of the signals up to 28: the C library of the tests' own process ignores two higher ones.
const LOW_SIGNALS: &str = r"sed -En 's/^(Sig...):.*(.{7})$/\1 \2/p' /proc/self/status | grep -v Cgt";
const TELLS_QUIT: &str = r#"trap "echo got QUIT; kill %1; exit 5" QUIT; trap "echo got TERM; kill %1; exit 6" TERM; sleep 1000 & echo ready; wait"#;

#[test]
fn tini_passes_codes_and_signals_like_the_real_one() {
    let cases: [Case; 13] = [
        (&["true"], &[]),
        (&["--", "sh", "-c", "exit 17"], &[]),
        (&["--", "sh", "-c", "kill -KILL $$"], &[]),
        (&["--", "sh", "-c", "kill -40 $$"], &[]),
        (&["-e", "143", "--", "sh", "-c", "kill -TERM $$"], &[]),
        (&["-e", "3", "-e", "4", "--", "sh", "-c", "exit 4"], &[]),
        (&["-s", "--", "sh", "-c", "exit 2"], &[]),
        (&["-w", "-g", "--", "echo", "-g", "--", "x"], &[]),
        (&["true"], &[("TINI_SUBREAPER", "1"), ("TINI_VERBOSITY", "0")]),
        (&["-p", "SIGTERM", "--", "echo", "parent"], &[]),
        (&["no-such-command"], &[]),
        (&["/etc/passwd"], &[]),
        (&["--", "sh", "-c", LOW_SIGNALS], &[]),
    ];
    for (words, variables) in cases {
        let Some(ours) = compare("tini", |program| seen(program, words, variables)) else { return };
        assert!(ours.0.is_some(), "{words:?}");
    }
}

#[test]
fn tini_signals_the_group_like_the_real_one() {
    for (words, variables) in [
        (&["-g", "--", "bash", "-c", PAIR][..], &[][..]),
        (&["--", "bash", "-c", PAIR], &[("TINI_KILL_PROCESS_GROUP", "1")]),
        (&["-e", "5", "--", "bash", "-c", TELLS_QUIT], &[]),
    ] {
        let Some(ours) = compare("tini", |program| after_term(program, words, variables)) else { return };
        assert!(ours.1.len() >= 2, "{ours:?}");
    }
}

#[test]
fn dumb_init_passes_codes_and_signals_like_the_real_one() {
    // What differs on purpose: a missing command is 127 here and 2 there.
    let cases: [Case; 8] = [
        (&["true"], &[]),
        (&["sh", "-c", "exit 17"], &[]),
        (&["--", "sh", "-c", "exit 18"], &[]),
        (&["sh", "-c", "kill -KILL $$"], &[]),
        (&["-v", "--", "echo", "a", "--", "-c"], &[]),
        (&["--single-child", "echo", "alone"], &[]),
        (&["--rewrite", "15:0", "echo", "x"], &[("DUMB_INIT_DEBUG", "0")]),
        (&["sh", "-c", LOW_SIGNALS], &[]),
    ];
    for (words, variables) in cases {
        let Some(ours) = compare("dumb-init", |program| seen(program, words, variables)) else { return };
        assert!(ours.0.is_some(), "{words:?}");
    }
}

#[test]
fn dumb_init_signals_its_session_like_the_real_one() {
    let end_child = format!("{PAIR}; true");
    for (words, variables) in [
        (&["bash", "-c", PAIR][..], &[][..]),
        (&["-r", "15:3", "bash", "-c", TELLS_QUIT], &[]),
        (&["--rewrite=15:3", "-c", "bash", "-c", TELLS_QUIT], &[]),
        (&["bash", "-c", TELLS_QUIT], &[("DUMB_INIT_SETSID", "0")]),
        (&["bash", "-c", &end_child], &[("DUMB_INIT_SETSID", "1")]),
    ] {
        let Some(ours) = compare("dumb-init", |program| after_term(program, words, variables)) else { return };
        assert!(ours.1.len() >= 2, "{ours:?}");
    }
}

#[test]
fn wrong_use_under_both_names_is_told() {
    let place = tempfile::tempdir().expect("a directory");
    for (name, words, text) in [
        ("tini", &["-vvv", "-e", "x", "true"][..], "`x`"),
        ("tini", &[][..], "no command is given"),
        ("tini", &["-x", "true"], "option -x not recognized"),
        ("tini", &["-e", "300", "true"], "`300`"),
        ("dumb-init", &["-r", "15:99", "true"], "cannot rewrite `15:99`: `99` is no signal"),
        ("dumb-init", &["-r", "nonsense", "true"], "not of the form FROM:TO"),
    ] {
        let link = place.path().join(name);
        let _ = symlink(VISOR, &link);
        let (code, screen, errors) = outcome(command(link.to_str().expect("text"), words, &[]));
        assert!(code == Some(2) && screen.is_empty() && errors.contains(text), "{name} {words:?}: {code:?} {errors}");
    }
}
