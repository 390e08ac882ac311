//! Exit codes, and what is said when there is no command to run.

use std::os::unix::fs::PermissionsExt;

use crate::support::clean_command;
use crate::{outcome, visor};

fn code_of(options: &[&str], script: &str) -> Option<i32> {
    outcome(visor(&[options, &["--", "sh", "-c", script]].concat())).0
}

#[test]
fn code_of_the_command_is_passed_on() {
    for code in [0, 1, 2, 63, 125, 126, 127, 128, 129, 143, 254, 255] {
        assert_eq!(code_of(&[], &format!("exit {code}")), Some(code));
    }
}

#[test]
fn death_by_a_signal_is_128_and_its_number() {
    for signal in [1, 2, 3, 6, 9, 10, 13, 14, 15, 34, 40, 64] {
        assert_eq!(code_of(&[], &format!("ulimit -c 0; kill -{signal} $$")), Some(128 + signal));
    }
}

#[test]
fn forgiven_codes_become_0_and_others_do_not() {
    assert_eq!(code_of(&["-e", "143"], "kill -TERM $$"), Some(0));
    assert_eq!(code_of(&["-e", "3", "-e", "143"], "exit 3"), Some(0));
    assert_eq!(code_of(&["-e", "3", "-e", "143"], "exit 4"), Some(4));
    assert_eq!(code_of(&["-e", "0"], "exit 0"), Some(0));
}

#[test]
fn command_that_cannot_be_run_is_127_or_126_with_the_reason() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str, mode: u32| {
        let path = place.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = path("plain", "", 0o644);
    let lost = path("lost", "#!/nowhere/interpreter\n", 0o755);
    let folder = place.path().to_str().unwrap();
    for (word, code, text) in [
        ("no-such-command", 127, "cannot execute `no-such-command`: command not found".to_owned()),
        ("/nowhere/x", 127, "cannot execute `/nowhere/x`: command not found".to_owned()),
        ("", 127, "cannot execute ``: command not found".to_owned()),
        (&plain, 126, format!("cannot execute `{plain}`: permission denied")),
        (folder, 126, format!("cannot execute `{folder}`: it is a directory")),
        (&lost, 127, format!("cannot execute `{lost}`: No such file or directory")),
    ] {
        assert_eq!(outcome(visor(&["--", word])), (Some(code), String::new(), format!("visor: {text}\n")), "`{word}`");
    }
}

#[test]
fn wrong_use_is_2_with_the_reason() {
    for (arguments, text) in [
        (&["--rewrite", "9:15", "--", "true"][..], "cannot rewrite `9:15`: KILL and STOP cannot be caught"),
        (&["--rewrite", "15", "--", "true"], "cannot rewrite `15`: not of the form FROM:TO"),
        (&["--rewrite", "15:65", "--", "true"], "cannot rewrite `15:65`: `65` is no signal"),
        (&["-e", "256", "--", "true"], "not an exit code (0 to 255): `256`"),
        (&["-p", "NONSENSE", "--", "true"], "NONSENSE"),
        (&["-g"], "options of a command need one: `visor [options] -- COMMAND`"),
        (&["true", "--", "true"], "no such command: `true`"),
        (&["-c", "/nowhere/visor.conf", "--", "true"], "could not find config file /nowhere/visor.conf"),
    ] {
        let (code, screen, errors) = outcome(visor(arguments));
        assert_eq!((code, screen.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(text), "{arguments:?}: {errors}");
    }
}

#[test]
fn mistakes_of_the_file_are_told_and_the_command_does_not_run() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("v.conf");
    std::fs::write(&file, "[program:a]\n").unwrap();
    let (code, screen, errors) = outcome(visor(&["-c", file.to_str().unwrap(), "--", "echo", "ran"]));
    assert_eq!((code, screen.as_str()), (Some(2), ""));
    assert!(errors.contains("command"), "{errors}");
}

#[test]
fn script_without_interpreter_is_run_by_the_shell() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("script");
    std::fs::write(&file, "echo \"$0 has $*\"; exit 5\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    let word = file.to_str().unwrap();
    let expected = (Some(5), format!("{word} has a b c\n"), String::new());
    assert_eq!(outcome(visor(&["--", word, "a", "b c"])), expected);
}

#[test]
fn descriptors_and_words_reach_the_command_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("input"), "from five\n").unwrap();
    let mut shell = clean_command("bash");
    let script = r#"exec 5<input 1023</dev/null; exec "$0" -- sh -c 'cat <&5; printf "%s|" "$@"' - "$@""#;
    shell.args(["-c", script, crate::support::VISOR, "a b", "", "--", "-g"]).current_dir(place.path());
    assert_eq!(outcome(shell), (Some(0), "from five\na b||--|-g|".to_owned(), String::new()));
}
