//! A supervisord of which only the answers are real.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use visor::http::xml::{Value, parse_call, write_fault, write_response};

use super::support::{SVC, clean_command};

/// The method that tells a supervisord from others.
pub const VERSION: &str = "supervisor.getVersion";

/// What a method is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    Value(Value),
    Fault(i32, &'static str),
    /// A whole response of HTTP, and then the end.
    Raw(Vec<u8>),
    /// The head of a response and these pieces, and then nothing more.
    Stream(Vec<&'static str>),
}

/// A text.
pub fn text(text: &str) -> Value {
    Value::text(text)
}

/// A struct.
pub fn record(members: &[(&str, Value)]) -> Value {
    Value::Struct(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// What a process is.
pub fn info(group: &str, name: &str, state: &str, pid: i32, more: &[(&str, Value)]) -> Value {
    let mut members =
        vec![("name", text(name)), ("group", text(group)), ("statename", text(state)), ("pid", Value::Int(pid))];
    members.extend(more.iter().cloned());
    record(&members)
}

/// An item of a result about several.
pub fn item(group: &str, name: &str, status: i32, description: &str) -> Value {
    record(&[
        ("name", text(name)),
        ("group", text(group)),
        ("status", Value::Int(status)),
        ("description", text(description)),
    ])
}

/// A request as it came.
#[derive(Debug)]
pub struct Came {
    /// The method, or `GET` and the path.
    pub what: String,
    pub params: Vec<Value>,
    pub headers: Vec<String>,
}

/// The server; its threads end with the test.
pub struct Fake {
    pub url: String,
    came: Receiver<Came>,
    folder: tempfile::TempDir,
}

type Answers = Arc<HashMap<String, Answer>>;

impl Fake {
    /// Over TCP.
    pub fn inet(answers: &[(&str, Answer)]) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, came, answers) = Self::parts(answers);
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let (reader, answers, sender) = (peer.try_clone().unwrap(), answers.clone(), sender.clone());
                thread::spawn(move || serve(reader, peer, &answers, &sender, ""));
            }
        });
        Fake { url, came, folder: tempfile::tempdir().unwrap() }
    }

    /// Over a Unix socket.
    pub fn unix(answers: &[(&str, Answer)]) -> Fake {
        Self::unix_that_tells_others(answers, "")
    }

    /// The same, with an answer for who does not speak HTTP.
    pub fn unix_that_tells_others(answers: &[(&str, Answer)], others: &'static str) -> Fake {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let url = format!("unix://{}", folder.path().join("s").display());
        let (sender, came, answers) = Self::parts(answers);
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let (reader, answers, sender) = (peer.try_clone().unwrap(), answers.clone(), sender.clone());
                thread::spawn(move || serve(reader, peer, &answers, &sender, others));
            }
        });
        Fake { url, came, folder }
    }

    fn parts(answers: &[(&str, Answer)]) -> (Sender<Came>, Receiver<Came>, Answers) {
        let mut all = HashMap::from([(VERSION.to_owned(), Answer::Value(text("3.0")))]);
        all.extend(answers.iter().map(|(method, answer)| ((*method).to_owned(), answer.clone())));
        let (sender, came) = channel();
        (sender, came, Arc::new(all))
    }

    pub fn command(&self, words: &[&str]) -> Command {
        svc(&[&["-s", self.url.as_str()], words].concat())
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Every request so far.
    pub fn came(&self) -> Vec<Came> {
        self.came.try_iter().collect()
    }

    /// What was asked beside who is there, as `method(parameters)`.
    pub fn calls(&self) -> Vec<String> {
        let shown = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Bool(yes) => yes.to_string(),
            other => format!("{other:?}"),
        };
        let line = |came: Came| {
            let params: Vec<String> = came.params.iter().map(shown).collect();
            format!("{}({})", came.what.trim_start_matches("supervisor."), params.join(","))
        };
        self.came().into_iter().filter(|came| came.what != VERSION).map(line).collect()
    }
}

/// svc with nothing of the tester's environment.
pub fn svc(words: &[&str]) -> Command {
    let mut command = clean_command(SVC);
    command.args(words);
    command
}

/// svc under the name of the original's client.
pub fn supervisorctl(folder: &Path, words: &[&str]) -> Command {
    let path: PathBuf = folder.join("supervisorctl");
    if !path.exists() {
        std::os::unix::fs::symlink(SVC, &path).unwrap();
    }
    let mut command = clean_command(path);
    command.args(words);
    command
}

/// A response of HTTP.
pub fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn serve(reader: impl Read, mut writer: impl Write, answers: &Answers, sender: &Sender<Came>, others: &str) {
    let mut reader = BufReader::new(reader);
    let Some((head, body)) = read_request(&mut reader) else {
        let _ = writer.write_all(others.as_bytes());
        return;
    };
    let request_line = head.first().cloned().unwrap_or_default();
    let came = match parse_call(&body) {
        Ok(call) => Came { what: call.method, params: call.params, headers: head },
        Err(_) => {
            let what = request_line.trim_end_matches(" HTTP/1.1").to_owned();
            Came { what, params: Vec::new(), headers: head }
        }
    };
    let answer = answers.get(&came.what).cloned();
    let _ = sender.send(came);
    let unknown = write_fault(1, "UNKNOWN_METHOD");
    let _ = match answer {
        Some(Answer::Value(value)) => writer.write_all(&response("200 OK", write_response(&value).as_bytes())),
        Some(Answer::Fault(code, text)) => writer.write_all(&response("200 OK", write_fault(code, text).as_bytes())),
        Some(Answer::Raw(bytes)) => writer.write_all(&bytes),
        Some(Answer::Stream(pieces)) => {
            let _ = stream(&mut writer, &pieces);
            // Until the reader has enough of it.
            reader.read(&mut [0]).map(drop)
        }
        None => writer.write_all(&response("200 OK", unknown.as_bytes())),
    };
}

fn stream(writer: &mut impl Write, pieces: &[&str]) -> std::io::Result<()> {
    writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for piece in pieces {
        writer.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())?;
    }
    writer.flush()
}

/// Head and body; `None` for who is no HTTP client, which gets what the original gives: nothing.
fn read_request(reader: &mut impl BufRead) -> Option<(Vec<String>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    head.first().filter(|line| line.ends_with(" HTTP/1.1"))?;
    let length = head.iter().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
