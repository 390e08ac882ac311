//! What the documents show is true: their configurations are read, their commands exist.

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use support::{SVC, VISOR, clean_command, run};

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn readme() -> String {
    std::fs::read_to_string(project("README.md")).expect("README.md is readable")
}

/// `visor check --strict` has nothing to say against a file.
fn check(file: &Path) {
    let mut command = clean_command(VISOR);
    command.args(["check", "--strict", "-c"]).arg(file);
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{} is right: {errors}", file.display());
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned())).collect()
}

/// What stands between backticks and begins with `svc `, up to the first argument.
fn actions(text: &str) -> Vec<String> {
    let codes = text.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("svc "));
    let words = codes.filter_map(|code| code.split(' ').next());
    words.filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase())).map(str::to_owned).collect()
}

#[test]
fn examples_are_read_without_a_warning() {
    let entries = std::fs::read_dir(project("examples")).expect("there are examples");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    // A Procfile has a test of its own.
    let files: Vec<PathBuf> = paths.filter(|path| !path.ends_with("Procfile")).collect();
    assert!(!files.is_empty(), "there are examples");
    files.iter().for_each(|file| check(file));
}

#[test]
fn configurations_of_the_readme_are_read_without_a_warning() {
    let blocks = blocks(&readme(), "ini");
    assert!(!blocks.is_empty(), "the readme shows a configuration");
    let directory = tempfile::tempdir().expect("a temporary directory");
    for block in blocks {
        let file = directory.path().join("readme.conf");
        std::fs::write(&file, block).expect("the configuration is written");
        check(&file);
    }
}

#[test]
fn actions_of_the_readme_are_known_to_svc() {
    let actions = actions(&readme().replace("\n```", ""));
    assert!(actions.len() > 10, "the readme shows actions: {actions:?}");
    for action in actions {
        let mut command = clean_command(SVC);
        command.args(["help", &action]);
        let screen = String::from_utf8_lossy(&run(command).stdout).into_owned();
        assert!(screen.starts_with(&action), "`svc {action}` is an action: {screen}");
    }
}
