//! `visor -- A -- B` and `visor --procfile FILE`: several programs without a configuration.

use nix::sys::signal::Signal;

use crate::support::{Foreground, TIMEOUT, can_be_pid1, clean_command};
use crate::{outcome, visor};

/// Waits for a file `gate` in its directory.
const WAITS: &str = "until [ -e gate ]; do sleep 0.02; done";

fn in_place(place: &tempfile::TempDir, arguments: &[&str]) -> std::process::Command {
    let mut command = visor(arguments);
    command.current_dir(place.path());
    command
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn open_gate(place: &tempfile::TempDir) {
    std::fs::write(place.path().join("gate"), "").expect("a gate");
}

fn lines(visor: &Foreground, ends: &str) -> Vec<String> {
    visor.log().into_iter().filter(|line| line.ends_with(ends)).collect()
}

#[test]
fn first_that_ends_stops_the_others_and_its_code_is_visors() {
    for (end, code) in [("exit 7", 7), ("exit 0", 0), ("kill -KILL $$", 137)] {
        let place = place();
        let script = format!("echo one; {WAITS}; {end}");
        let two = "trap 'echo two stops; exit 9' TERM; echo two; sleep 1000 & wait";
        let command = in_place(&place, &["--", "sh", "-c", &script, "--", "sh", "-c", two]);
        let visor = Foreground::start(command, false);
        visor.wait_for_log("one");
        visor.wait_for_log("two");
        open_gate(&place);
        assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(code));
        assert_eq!(lines(&visor, "two stops").len(), 1, "{:?}", visor.log());
    }
}

#[test]
fn several_under_pid_1_are_no_different_and_leave_nothing_behind() {
    if !can_be_pid1("several commands under visor as PID 1") {
        return;
    }
    let mut command = clean_command("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", crate::support::VISOR]);
    command.args(["--", "sh", "-c", "setsid sleep 1000 & exit 5", "--", "sleep", "1000"]);
    assert_eq!(Foreground::start(command, false).wait_exit(TIMEOUT).code(), Some(5));
}

#[test]
fn term_and_int_stop_all_and_leave_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let script = |name: &str| format!("trap 'echo {name} stops; exit 9' TERM; echo {name} up; sleep 1000 & wait");
        let command = visor(&["--", "sh", "-c", &script("one"), "--", "sh", "-c", &script("two")]);
        let visor = Foreground::start(command, false);
        visor.wait_for_log("one up");
        visor.wait_for_log("two up");
        visor.signal(signal);
        assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(0));
        assert_eq!(lines(&visor, "stops").len(), 2, "{:?}", visor.log());
    }
}

#[test]
fn words_reach_the_commands_as_they_are_and_stdin_is_empty() {
    let show = |end: &str| format!("cat; printf '%s|' \"$0\" \"$@\"; echo; {end}");
    let (one, two) = (show("sleep 1000"), show("exit 3"));
    let arguments = ["--", "sh", "-c", &one, "a  b", "%d%%", "\\--", "--", "sh", "-c", &two, "it's\n\"new\"", "$HOME"];
    let visor = Foreground::start(visor(&arguments), false);
    // The one that ends may be faster than the other.
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(3));
    let log = visor.log();
    assert!(log.contains(&"sh-2 | it's".to_owned()) && log.contains(&"sh-2 | \"new\"|$HOME|".to_owned()), "{log:?}");
    assert_eq!(outcome(crate::visor(&["--", "echo", "a", "\\--", "b"])), (Some(0), "a -- b\n".into(), String::new()));
    assert_eq!(outcome(crate::visor(&["--", "echo", "a", "--", "-g"])), (Some(0), "a -- -g\n".into(), String::new()));
}

#[test]
fn missing_command_starts_none_of_them() {
    let (code, screen, errors) = outcome(visor(&["--", "echo", "ran", "--", "no-such-command", "x"]));
    assert_eq!((code, screen.as_str()), (Some(127), ""));
    let hint = "(a `--` separates commands; `\\--` stands for one that is meant)";
    assert_eq!(errors, format!("visor: cannot execute `no-such-command`: command not found {hint}\n"));
    assert_eq!(outcome(visor(&["--", "/etc/passwd", "--", "echo", "ran"])).0, Some(126));
}

#[test]
fn wrong_use_of_several_is_2_with_the_reason() {
    let empty = "the first command is empty";
    let options = "several commands take none of the options of one, and no file";
    let alone = "`--procfile` goes with no other configuration or command";
    for (arguments, text) in [
        (&["--", "--", "true"][..], empty),
        (&["-g", "--", "true", "--", "true"], options),
        (&["-e", "1", "--", "true", "--", "true"], options),
        (&["-c", "x", "--", "true", "--", "true"], options),
        (&["--procfile", "x", "--", "true"], alone),
        (&["--procfile", "x", "-c", "y"], alone),
        (&["--procfile", "x", "check"], alone),
        (&["--procfile", "x", "--machine"], alone),
        (&["--procfile", "x", "-g"], "options of a command need one: `visor [options] -- COMMAND`"),
        (&["--procfile"], "option --procfile requires argument"),
        (&["--procfile", "/no/such/Procfile"], "/no/such/Procfile: there is no such file"),
    ] {
        let (code, screen, errors) = outcome(visor(arguments));
        assert_eq!((code, screen.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(text), "{arguments:?}: {errors}");
    }
}

#[test]
fn lines_of_a_procfile_are_run_by_the_shell_where_it_is() {
    let place = place();
    let text = format!(
        "# two\nweb: {WAITS} && echo \"$GREETING from $(basename $PWD)\"; exit 6\r\n\nworker: exec sleep 1000\n"
    );
    let folder = place.path().join("app");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("Procfile"), text).expect("a Procfile");
    let mut command = in_place(&place, &["--procfile", "app/Procfile"]);
    command.env("GREETING", "hello");
    let visor = Foreground::start(command, false);
    std::fs::write(folder.join("gate"), "").expect("a gate");
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(6));
    assert_eq!(lines(&visor, "hello from app").len(), 1, "{:?}", visor.log());
    assert!(visor.errors().contains("exited: web (exit status 6; not expected)"), "{}", visor.errors());
}

#[test]
fn procfile_with_mistakes_starts_nothing_and_all_are_told() {
    let place = place();
    std::fs::write(place.path().join("Procfile"), "good: echo ran\nno name\nx y: z\ngood: again\n")
        .expect("a Procfile");
    let (code, screen, errors) = outcome(in_place(&place, &["--procfile", "Procfile"]));
    assert_eq!((code, screen.as_str()), (Some(2), ""));
    for line in [
        "Error: Procfile:2: `no name` is not",
        "Error: Procfile:3: `x y: z` is",
        "Error: Procfile:4: there is a `good`",
    ] {
        assert!(errors.contains(line), "{line}: {errors}");
    }
}

#[test]
fn hangup_reads_the_procfile_again() {
    let place = place();
    let file = place.path().join("Procfile");
    std::fs::write(&file, "one: echo one is up; exec sleep 1000\n").expect("a Procfile");
    let visor = Foreground::start(in_place(&place, &["--procfile", "Procfile"]), false);
    visor.wait_for_log("one is up");
    std::fs::write(&file, "one: echo one is up; exec sleep 1000\ntwo: echo two is up; exec sleep 1000\n")
        .expect("a Procfile");
    visor.signal(Signal::SIGHUP);
    visor.wait_for_log("two is up");
    assert_eq!(lines(&visor, "one is up").len(), 1, "what did not change lives on");
    visor.signal(Signal::SIGTERM);
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn example_is_a_procfile() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/Procfile")).expect("an example");
    let place = place();
    std::fs::write(place.path().join("Procfile"), text).expect("a copy");
    let mut command = in_place(&place, &["--procfile", "Procfile"]);
    command.env("RUNS", "1");
    let visor = Foreground::start(command, false);
    visor.wait_for_log("the clock stops");
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(0));
}
