//! Listeners written for these tests, and what they saw.

use std::collections::BTreeMap;

use crate::support::{Builder, Daemon, clean_command, left_out as tell_left_out};

/// Writes every event into the file of its first argument as a line of JSON, header and payload, and answers with its
/// other arguments in order, with OK once these are used up. `DIE` ends it without an answer, `HANG` never answers.
const SCRIPT: &str = r"
import json, os, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
answers = sys.argv[2:]
stdin = sys.stdin.buffer
def say(text):
    os.write(1, text)
while True:
    say(b'READY\n')
    head = stdin.readline()
    if not head:
        sys.exit()
    words = dict(word.split(':', 1) for word in head.decode().split())
    body = stdin.read(int(words['len']))
    answer = answers.pop(0) if answers else 'OK'
    seen = [head.decode().rstrip('\n'), body.decode(), os.environ['SUPERVISOR_PROCESS_NAME'], answer]
    os.write(out, json.dumps(seen).encode() + b'\n')
    if answer == 'DIE':
        os._exit(1)
    while answer == 'HANG':
        stdin.read(1) or sys.exit()
    say(b'RESULT %d\n%s' % (len(answer), answer.encode()))
";

/// An event that a listener got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its header line.
    pub header: String,
    /// Its payload.
    pub payload: String,
    /// The process that got it.
    pub by: String,
    /// What that answered.
    pub answer: String,
}

impl Seen {
    fn of(line: &str) -> Seen {
        let words: Vec<String> = serde_json::from_str(line).unwrap_or_else(|error| panic!("`{line}`: {error}"));
        let [header, payload, by, answer] = words.try_into().expect("four strings");
        Seen { header, payload, by, answer }
    }

    /// The words of the header.
    pub fn words(&self) -> BTreeMap<&str, &str> {
        self.header.split(' ').filter_map(|word| word.split_once(':')).collect()
    }

    /// The type of the event.
    pub fn name(&self) -> &str {
        self.words().get("eventname").copied().unwrap_or_default()
    }

    /// A number of the header.
    pub fn number(&self, key: &str) -> u64 {
        let number = self.words().get(key).and_then(|word| word.parse().ok());
        number.unwrap_or_else(|| panic!("`{}` has a number `{key}`", self.header))
    }
}

/// Whether there is a Python for listeners; if not, says what is left out.
pub fn has_python(left_out: &str) -> bool {
    match clean_command("python3").arg("--version").output() {
        Ok(_) => true,
        Err(error) => {
            tell_left_out(&format!("{left_out}: python3: {error}"));
            false
        }
    }
}

/// A builder with the script of the listeners in its directory.
pub fn builder() -> Builder {
    Daemon::builder().given("listener.py", 0o644, SCRIPT)
}

/// The section of a pool that writes into `$DIR/NAME.seen`; `arguments` are its answers.
pub fn pool(name: &str, arguments: &str, options: &str) -> String {
    format!(
        "[eventlistener:{name}]\ncommand=python3 $DIR/listener.py $DIR/{name}.seen {arguments}\nstartsecs=0\n\
         buffer_size=1000\n{options}\n"
    )
}

/// What a pool has seen so far.
pub fn seen(daemon: &Daemon, pool: &str) -> Vec<Seen> {
    let text = std::fs::read_to_string(daemon.file(&format!("{pool}.seen"))).unwrap_or_default();
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| text.split_at(end).0);
    whole.lines().map(Seen::of).collect()
}

/// Waits until a pool has seen what `is_there` wants; all that it has seen.
pub fn wait_for(daemon: &Daemon, pool: &str, is_there: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    crate::support::eventually(&format!("listener {pool} sees what is waited for"), || {
        let seen = seen(daemon, pool);
        is_there(&seen).then_some(seen)
    })
}

/// Waits until a listener of this pool is ready.
pub fn wait_until_ready(daemon: &Daemon, process: &str) {
    daemon.wait_for_log(&format!("{process}: ACKNOWLEDGED -> READY"));
}

/// A fact of the status line of a process.
pub fn fact(daemon: &Daemon, process: &str, key: &str) -> String {
    let reply = daemon.request_ok(&format!("status {process}"));
    let value = reply.data.first().and_then(|line| line.get(key)).cloned();
    value.unwrap_or_else(|| panic!("`{process}` has `{key}`: {reply:?}"))
}
