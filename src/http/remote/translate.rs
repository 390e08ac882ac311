//! Values of the original's API → lines of visor's language. Pure.

use super::failure;
use crate::http::faults::Kind;
use crate::http::xml::Value;
use crate::protocol::{Code, Line, display_name};

/// The status of an item that went well, in results about several processes.
const SUCCESS: i32 = Kind::Success.code();
/// What the original writes where an option is not set.
const UNSET: &str = "none";
/// Members of a configuration that have other names here.
const RENAMED: [(&str, &str); 3] =
    [("name", "process"), ("process_prio", "priority"), ("group_prio", "group_priority")];

/// What a name of a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Everything.
    All,
    /// All processes of a group.
    Group(String),
    /// One process.
    Process {
        /// Its group.
        group: String,
        /// Its name in the group.
        process: String,
    },
}

impl Name {
    /// Reads `all`, `name`, `group:process`, `group:*` or `group:`.
    pub fn parse(text: &str) -> Name {
        match text.split_once(':') {
            None if text == "all" => Name::All,
            None => Name::Process { group: text.to_owned(), process: text.to_owned() },
            Some((group, "" | "*")) => Name::Group(group.to_owned()),
            Some((group, process)) => Name::Process { group: group.to_owned(), process: process.to_owned() },
        }
    }

    /// Whether it means the process of an information.
    pub fn covers(&self, info: &Value) -> bool {
        match self {
            Name::All => true,
            Name::Group(group) => text(info, "group") == group,
            Name::Process { group, process } => text(info, "group") == group && text(info, "name") == process,
        }
    }

    /// The line of a name that nobody has.
    pub fn unknown(&self) -> Line {
        match self {
            Name::All => failed("name", "all", Code::BadName, ""),
            Name::Group(group) => failed("group", group, Code::BadName, "no such group"),
            Name::Process { group, process } => {
                failed("name", &display_name(group, process), Code::BadName, "no such process")
            }
        }
    }
}

/// A line of these keys and values.
pub fn data(pairs: &[(&str, &str)]) -> Line {
    Line::Data(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// The line of an item that failed.
pub fn failed(key: &str, subject: &str, code: Code, text: &str) -> Line {
    data(&[(key, subject), ("error", code.word()), ("text", text)])
}

/// A text member; empty when there is none.
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    match value.member(member) {
        Some(Value::String(text)) => text,
        Some(_) | None => "",
    }
}

/// A number member; 0 when there is none.
pub fn number(value: &Value, member: &str) -> i32 {
    match value.member(member) {
        Some(Value::Int(number)) => *number,
        Some(_) | None => 0,
    }
}

/// The items of an array; none when it is none.
pub fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Int(_)
        | Value::Bool(_)
        | Value::String(_)
        | Value::Double(_)
        | Value::DateTime(_)
        | Value::Base64(_)
        | Value::Struct(_) => &[],
    }
}

/// The texts of an array.
pub fn texts(value: &Value) -> Vec<String> {
    let text = |item: &Value| match item {
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    items(value).iter().filter_map(text).collect()
}

/// How people call the process of an information or result.
pub fn name_of(info: &Value) -> String {
    display_name(text(info, "group"), text(info, "name"))
}

/// One item of the result of a method about several processes; `done` is what is said of success. Beside it the failure, if it is one.
pub fn result(item: &Value, done: &str) -> (Line, Option<(Code, String)>) {
    let name = name_of(item);
    let (status, description) = (number(item, "status"), text(item, "description"));
    if status == SUCCESS {
        return (data(&[("name", &name), ("result", done)]), None);
    }
    let (code, text) = (failure::code_of(status), failure::text_of(status, description));
    (failed("name", &name, code, &text), Some((code, text)))
}

/// A line of `status`. What the original does not tell is left out.
pub fn status(info: &Value) -> Line {
    let (group, process, state) = (text(info, "group"), text(info, "name"), text(info, "statename"));
    let (start, stop, now) = (number(info, "start"), number(info, "stop"), number(info, "now"));
    let mut pairs: Vec<(&str, String)> = vec![
        ("name", display_name(group, process)),
        ("group", group.to_owned()),
        ("process", process.to_owned()),
        ("state", state.to_owned()),
        ("pid", number(info, "pid").to_string()),
        ("start", start.to_string()),
        ("stop", stop.to_string()),
        ("now", now.to_string()),
    ];
    if stop > 0 {
        pairs.push(("exit", number(info, "exitstatus").to_string()));
    }
    if state == "RUNNING" {
        pairs.push(("uptime", now.saturating_sub(start).max(0).to_string()));
    }
    let shown = [("error", "spawnerr"), ("stdout", "stdout_logfile"), ("stderr", "stderr_logfile")];
    for (key, member) in shown {
        pairs.extend(Some(text(info, member)).filter(|text| !text.is_empty()).map(|text| (key, text.to_owned())));
    }
    pairs.push(("description", text(info, "description").to_owned()));
    Line::Data(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A line of `config`: what `svc avail` shows first, then every other option under the original's name.
pub fn configuration(info: &Value) -> Line {
    let Value::Struct(members) = info else { return Line::Data(Vec::new()) };
    let mut pairs = vec![("name".to_owned(), name_of(info))];
    for (member, value) in members {
        let key = RENAMED.iter().find(|(from, _)| from == member).map_or(member.as_str(), |(_, to)| to);
        pairs.push((key.to_owned(), option(value)));
    }
    Line::Data(pairs)
}

fn option(value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::String(text) | Value::DateTime(text) if text == UNSET => String::new(),
        Value::String(text) | Value::DateTime(text) => text.clone(),
        Value::Base64(_) | Value::Struct(_) => String::new(),
        Value::Array(items) => items.iter().map(option).collect::<Vec<_>>().join(","),
    }
}

/// Whether a process should run and does not, as far as one can tell from outside: a stopped one was stopped by somebody, which counts
/// only for `named` ones; one that exited counts when that was unexpected.
pub fn is_missing(info: &Value, named: bool) -> bool {
    match text(info, "statename") {
        "RUNNING" | "STOPPING" => false,
        "STOPPED" => named,
        "EXITED" => !text(info, "spawnerr").is_empty(),
        _ => true,
    }
}

/// The sentence of `why`.
pub fn why(info: &Value) -> String {
    let (name, state, description) = (name_of(info), text(info, "statename"), text(info, "description"));
    let meaning = match state {
        "RUNNING" => "it runs",
        "STARTING" => "it was started and has not been up for its `startsecs` yet",
        "BACKOFF" => "it could not be started and is tried again",
        "STOPPING" => "it was asked to stop and has not ended yet",
        "STOPPED" => "nobody started it, or somebody stopped it",
        "EXITED" => "it ended by itself",
        "FATAL" => "it could not be started, and no more tries are made",
        _ => "supervisord has lost track of it",
    };
    let error = text(info, "spawnerr");
    let detail = if error.is_empty() || error == description { description } else { error };
    match detail {
        "" => format!("{name} is {state}: {meaning}"),
        detail => format!("{name} is {state}: {meaning} ({detail})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(group: &str, name: &str, state: &str, members: &[(&str, Value)]) -> Value {
        let first = [("name", Value::text(name)), ("group", Value::text(group)), ("statename", Value::text(state))];
        let all = first.into_iter().chain(members.iter().cloned());
        Value::Struct(all.map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn written(line: &Line) -> String {
        let mut out = Vec::new();
        line.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_mean_everything_a_group_or_a_process() {
        let process = |group: &str, process: &str| Name::Process { group: group.into(), process: process.into() };
        assert_eq!(Name::parse("all"), Name::All);
        assert_eq!(Name::parse("web"), process("web", "web"));
        assert_eq!(Name::parse("g:a"), process("g", "a"));
        assert_eq!(Name::parse("g:*"), Name::Group("g".to_owned()));
        assert_eq!(Name::parse("g:"), Name::Group("g".to_owned()));
        assert_eq!(Name::parse("all:x"), process("all", "x"));
        assert_eq!(written(&Name::parse("g:*").unknown()), " group=g error=bad-name text=no%20such%20group\n");
        assert_eq!(written(&Name::parse("w:w").unknown()), " name=w error=bad-name text=no%20such%20process\n");
        let one = info("g", "a", "RUNNING", &[]);
        assert!(["all", "g:*", "g:a"].iter().all(|name| Name::parse(name).covers(&one)));
        assert!(!["g", "a", "g:b", "h:*"].iter().any(|name| Name::parse(name).covers(&one)));
    }

    #[test]
    fn items_of_results_are_lines_with_codes() {
        let item = |status: i32, text: &str| {
            info("g", "a", "", &[("status", Value::Int(status)), ("description", Value::text(text))])
        };
        assert_eq!(written(&result(&item(80, "OK"), "stopped").0), " name=g:a result=stopped\n");
        let (line, failure) = result(&item(50, "SPAWN_ERROR: g:a"), "started");
        assert_eq!(written(&line), " name=g:a error=spawn-error text=g:a\n");
        assert_eq!(failure, Some((Code::SpawnError, "g:a".to_owned())));
    }

    #[test]
    fn status_has_what_the_original_knows() {
        let number = |number| Value::Int(number);
        let running = info(
            "web",
            "web",
            "RUNNING",
            &[
                ("pid", number(7)),
                ("start", number(100)),
                ("now", number(104)),
                ("stdout_logfile", Value::text("/l/o")),
                ("stderr_logfile", Value::text("")),
                ("description", Value::text("pid 7, uptime 0:00:04")),
            ],
        );
        assert_eq!(
            written(&status(&running)),
            " name=web group=web process=web state=RUNNING pid=7 start=100 stop=0 now=104 uptime=4 stdout=/l/o \
             description=pid%207,%20uptime%200:00:04\n"
        );
        let exited = [("stop", number(9)), ("exitstatus", number(-1)), ("spawnerr", Value::text("Bad exit code -1"))];
        let line = status(&info("g", "x", "EXITED", &exited));
        assert_eq!((line.get("exit"), line.get("error")), (Some("-1"), Some("Bad exit code -1")));
        assert_eq!(line.get("uptime"), None);
    }

    #[test]
    fn configuration_keeps_every_option_under_our_names() {
        let members = [
            ("group_prio", Value::Int(5)),
            ("process_prio", Value::Int(6)),
            ("inuse", Value::Bool(true)),
            ("directory", Value::text("none")),
            ("exitcodes", Value::Array(vec![Value::Int(0), Value::Int(2)])),
        ];
        let line = configuration(&info("g", "x", "", &members));
        let get = |key| line.get(key);
        assert_eq!((get("name"), get("process"), get("group")), (Some("g:x"), Some("x"), Some("g")));
        assert_eq!((get("group_priority"), get("priority"), get("inuse")), (Some("5"), Some("6"), Some("yes")));
        assert_eq!((get("directory"), get("exitcodes")), (Some(""), Some("0,2")));
    }

    #[test]
    fn missing_is_what_should_run_as_far_as_one_can_tell() {
        let bad = [("spawnerr", Value::text("Bad exit code 1"))];
        for (state, members, missing, when_named) in [
            ("RUNNING", &bad[..0], false, false),
            ("STARTING", &bad[..0], true, true),
            ("BACKOFF", &bad[..0], true, true),
            ("FATAL", &bad[..0], true, true),
            ("UNKNOWN", &bad[..0], true, true),
            ("STOPPED", &bad[..0], false, true),
            ("EXITED", &bad[..0], false, false),
            ("EXITED", &bad[..], true, true),
        ] {
            let info = info("g", "a", state, members);
            assert_eq!((is_missing(&info, false), is_missing(&info, true)), (missing, when_named), "{state}");
        }
    }

    #[test]
    fn why_is_a_sentence_with_the_error() {
        let fatal = [
            ("spawnerr", Value::text("can't find command 'x'")),
            ("description", Value::text("can't find command 'x'")),
        ];
        assert_eq!(
            why(&info("a", "a", "FATAL", &fatal)),
            "a is FATAL: it could not be started, and no more tries are made (can't find command 'x')"
        );
        assert!(why(&info("a", "a", "STOPPING", &[])).ends_with("has not ended yet"));
    }
}
