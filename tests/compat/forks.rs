//! The original's control program, started a thousand times over: as forks of one Python that has it loaded.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::original;
use super::support::{TIMEOUT, clean_command};

/// What a run left.
pub struct Run {
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
    /// Exit code.
    pub code: i64,
}

/// Python, which ends with us: its standard input is ours to hold.
struct Server {
    place: tempfile::TempDir,
    _python: Child,
}

/// Runs a `supervisorctl` command.
pub fn run(command: &Command) -> Run {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let place = SERVER.get_or_init(start).place.path();
    let mut stream = UnixStream::connect(place.join("socket")).expect("Python listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    writeln!(stream, "{}", serde_json::json!(words)).expect("Python reads");
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line);
    let answer: serde_json::Value =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{words:?} ends: {read:?} {error}"));
    let text = |key: &str| answer.get(key).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    let code = answer.get("code").and_then(serde_json::Value::as_i64).unwrap_or(-1);
    Run { output: text("output"), errors: text("errors"), code }
}

fn start() -> Server {
    let place = tempfile::Builder::new().prefix("compat-").tempdir().expect("a temporary directory");
    let mut command = clean_command(original::programs().expect("asked for before").join("python3"));
    command.args(["-c", include_str!("control.py")]).arg(place.path().join("socket"));
    let mut python = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut line = String::new();
    let output = python.stdout.take().expect("a pipe");
    let read = BufReader::new(output).read_line(&mut line);
    assert_eq!(line, "ready\n", "{read:?}");
    Server { place, _python: python }
}
