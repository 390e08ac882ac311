//! The environment a child gets: ours, what Supervisor adds, what the configuration says, what its files say, the later over the earlier.
//!
//! Files are read at each start, and only here. Nothing here waits: what is no regular file is refused, whatever its name says. No
//! complaint holds anything of a file's content.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use super::dotenv;
use crate::config::{Account, Process, Source, Sources};
use crate::list::List as _;
use crate::sorted::Map;
use crate::sys::failure::failure;
use crate::sys::{fds, files};

/// Where commands are looked for when PATH is not set.
pub(super) const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";
/// Longest file of `env_file`, in bytes.
const FILE_LIMIT: usize = 256 << 10;
/// Longest file that is one variable, in bytes; the kernel takes 128 KiB, its name included.
const VARIABLE_LIMIT: usize = 64 << 10;
/// Most files in a directory of `env_dir`.
const DIRECTORY_LIMIT: usize = 4096;

type Variables = Map<OsString, OsString>;

/// The environment of a process in `group`; `ours` is what visor was started with.
///
/// # Errors
/// What could not be read, and why.
pub(super) fn of(
    process: &Process,
    group: &str,
    server_url: Option<&str>,
    ours: &[(OsString, OsString)],
) -> Result<Vec<(OsString, OsString)>, String> {
    let sources = process.sources.as_deref();
    let clear = sources.is_some_and(|sources| sources.clear);
    let mut all: Variables = if clear { Variables::new() } else { ours.iter().cloned().collect() };
    let mut set = |key: &str, value: &str| {
        all.insert(key.into(), value.into());
    };
    set("SUPERVISOR_ENABLED", "1");
    if let Some(url) = process.serverurl.as_deref().or(server_url) {
        set("SUPERVISOR_SERVER_URL", url);
    }
    set("SUPERVISOR_PROCESS_NAME", &process.name);
    set("SUPERVISOR_GROUP_NAME", group);
    if !process.listen.is_empty() {
        // LISTEN_PID, which belongs to them, only the child can know.
        set("LISTEN_FDS", &process.listen.len().to_string());
        set("LISTEN_FDNAMES", &vec![process.name.as_str(); process.listen.len()].join(":"));
    }
    if let Some(Account { name, home, shell }) = sources.and_then(|sources| sources.account.as_ref()) {
        for (key, value) in [("HOME", home), ("USER", name), ("LOGNAME", name), ("SHELL", shell)] {
            set(key, value);
        }
    }
    for (key, value) in &process.environment {
        set(key, value);
    }
    if let Some(sources) = sources {
        read(sources, &mut all)?;
    }
    Ok(all.into_iter().list())
}

/// The PATH in which the command of a process with this environment is looked for.
pub(super) fn search_path(environment: &[(OsString, OsString)]) -> String {
    match environment.iter().find(|(key, _)| key == "PATH") {
        Some((_, path)) if !path.is_empty() => path.to_string_lossy().into_owned(),
        Some(_) | None => DEFAULT_PATH.to_string(),
    }
}

fn read(sources: &Sources, all: &mut Variables) -> Result<(), String> {
    for source in &sources.files {
        let path = &source.path;
        let failed = |text: String| format!("cannot read env_file `{path}`{text}");
        let Some(bytes) = open(source, FILE_LIMIT).map_err(|reason| failed(format!(": {reason}")))? else { continue };
        let variables =
            dotenv::parse(&bytes).map_err(|wrong| failed(format!(", line {}: {}", wrong.line, wrong.reason)))?;
        all.extend(variables);
    }
    for source in &sources.directories {
        directory(source, all).map_err(|reason| format!("cannot read env_dir `{}`: {reason}", source.path))?;
    }
    for (name, source) in &sources.secrets {
        let value =
            secret(source).map_err(|reason| format!("cannot read secret {name} of `{}`: {reason}", source.path))?;
        if let Some(value) = value {
            all.insert(name.into(), OsString::from_vec(value));
        }
    }
    Ok(())
}

fn secret(source: &Source) -> Result<Option<Vec<u8>>, String> {
    let Some(mut value) = open(source, VARIABLE_LIMIT)? else { return Ok(None) };
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    if value.is_empty() {
        return Err("it is empty".to_owned());
    }
    if value.contains(&0) {
        return Err("a NUL byte cannot be in a variable".to_owned());
    }
    Ok(Some(value))
}

/// A file for each variable.
fn directory(source: &Source, all: &mut Variables) -> Result<(), String> {
    let entries = match fs::read_dir(&source.path) {
        Err(error) if source.optional && is_missing(&error) => return Ok(()),
        entries => entries.map_err(|error| error.to_string())?,
    };
    for (count, entry) in entries.enumerate() {
        if count >= DIRECTORY_LIMIT {
            return Err(format!("it holds more than {DIRECTORY_LIMIT} files"));
        }
        let name = entry.map_err(|error| error.to_string())?.file_name();
        if name.as_bytes().starts_with(b".") {
            continue;
        }
        let shown = || format!("`{}`: ", name.to_string_lossy());
        if name.as_bytes().contains(&b'=') {
            return Err(shown() + "a name cannot hold a `=`");
        }
        let path = Path::new(&source.path).join(&name);
        let bytes = read_file(&path, VARIABLE_LIMIT).map_err(|error| shown() + &error.to_string())?;
        match first_line(bytes) {
            Some(value) => drop(all.insert(name, value)),
            None => drop(all.remove::<OsStr>(&name)),
        }
    }
    Ok(())
}

/// A file's first line as a value; `None` for an empty file.
fn first_line(bytes: Vec<u8>) -> Option<OsString> {
    let line = bytes.split(|byte| *byte == b'\n').next().filter(|_| !bytes.is_empty())?;
    let value = line.trim_ascii_end().iter().map(|byte| if *byte == 0 { b'\n' } else { *byte });
    Some(OsString::from_vec(value.list()))
}

fn open(source: &Source, limit: usize) -> Result<Option<Vec<u8>>, String> {
    match read_file(Path::new(&source.path), limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if source.optional && is_missing(&error) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A regular file of at most `limit` bytes.
fn read_file(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let file = files::regular(files::open(path)?)?;
    // One byte more tells a file that is too long, also one that still grows.
    let bytes = fds::read_at_most(&file, limit.saturating_add(1))?;
    if bytes.len() > limit {
        return Err(failure(io::ErrorKind::Other, format!("it is longer than {} KB", limit >> 10)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::sample::process;

    fn source(path: &Path) -> Source {
        Source { path: path.to_string_lossy().into_owned(), optional: false }
    }

    fn environment(process: &Process) -> Result<Map<String, String>, String> {
        let ours = [("PATH".into(), "/ours".into()), ("OURS".into(), "1".into())];
        let text = |it: OsString| it.into_string().unwrap();
        of(process, "g", Some("unix:///s"), &ours)
            .map(|all| all.into_iter().map(|(key, value)| (text(key), text(value))).collect())
    }

    fn with(sources: Sources) -> Process {
        Process { sources: Some(Box::new(sources)), ..process("p") }
    }

    #[test]
    fn later_sources_are_over_earlier_ones() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &[u8]| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            source(&path)
        };
        let files =
            vec![file("one", b"A=file\nB=file\nPATH=/file\nD=file\nHOME=/file"), file("two", b"B=two\nC=two\nD=two")];
        file("dir/C", b"dir \t\nsecond line");
        file("dir/OURS", b"");
        file("dir/D", b"x\0y");
        file("dir/.hidden", b"no");
        let account = Account { name: "n".into(), home: "/h".into(), shell: "/s".into() };
        let mut process = with(Sources {
            account: Some(account),
            files,
            directories: vec![source(&place.path().join("dir"))],
            secrets: [("E".to_owned(), file("secret", b"top\nsecret\n\n"))].into(),
            ..Sources::default()
        });
        process.environment =
            [("A", "own"), ("USER", "own"), ("E", "own")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let all = environment(&process).unwrap();
        let expected = [
            ("A", "file"),
            ("B", "two"),
            ("C", "dir"),
            ("D", "x\ny"),
            ("E", "top\nsecret\n"),
            ("HOME", "/file"),
            ("LOGNAME", "n"),
            ("PATH", "/file"),
            ("SHELL", "/s"),
            ("SUPERVISOR_ENABLED", "1"),
            ("SUPERVISOR_GROUP_NAME", "g"),
            ("SUPERVISOR_PROCESS_NAME", "p"),
            ("SUPERVISOR_SERVER_URL", "unix:///s"),
            ("USER", "own"),
        ];
        assert_eq!(all, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn cleared_environment_has_nothing_of_ours() {
        let all = environment(&with(Sources { clear: true, ..Sources::default() })).unwrap();
        assert!(all.keys().all(|key| key.starts_with("SUPERVISOR_")), "{all:?}");
        assert_eq!(search_path(&[]), DEFAULT_PATH);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_path_and_cause() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| source(&place.path().join(name));
        let fifo = place.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(place.path().join("wrong"), "A=1\nhunter2\n").unwrap();
        fs::write(place.path().join("empty"), "\n").unwrap();
        fs::write(place.path().join("nul"), "hunter\x002").unwrap();
        fs::write(place.path().join("long"), "x".repeat(300 << 10)).unwrap();
        fs::create_dir(place.path().join("dir")).unwrap();
        fs::write(place.path().join("dir/a=b"), "hunter2").unwrap();
        let file = |name: &str| Sources { files: vec![at(name)], ..Sources::default() };
        let directory = |name: &str| Sources { directories: vec![at(name)], ..Sources::default() };
        let secret = |name: &str| Sources { secrets: [("S".to_owned(), at(name))].into(), ..Sources::default() };
        for (sources, start, end) in [
            (file("fifo"), "cannot read env_file `", "/fifo`: it is not a regular file"),
            (file("gone"), "cannot read env_file `", "/gone`: No such file or directory (os error 2)"),
            (file("wrong"), "cannot read env_file `", "/wrong`, line 2: this is not `NAME=value`"),
            (file("long"), "cannot read env_file `", "/long`: it is longer than 256 KB"),
            (file("dir"), "cannot read env_file `", "/dir`: it is not a regular file"),
            (secret("fifo"), "cannot read secret S of `", "/fifo`: it is not a regular file"),
            (secret("empty"), "cannot read secret S of `", "/empty`: it is empty"),
            (secret("nul"), "cannot read secret S of `", "/nul`: a NUL byte cannot be in a variable"),
            (secret("long"), "cannot read secret S of `", "/long`: it is longer than 64 KB"),
            (directory("gone"), "cannot read env_dir `", "/gone`: No such file or directory (os error 2)"),
            (directory("dir"), "cannot read env_dir `", "/dir`: `a=b`: a name cannot hold a `=`"),
        ] {
            let text = environment(&with(sources)).unwrap_err();
            assert!(text.starts_with(start) && text.ends_with(end), "{text}");
            assert!(!text.contains("hunter"), "{text}");
        }
    }

    #[test]
    fn optional_source_may_be_missing_but_not_wrong() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| Source { optional: true, ..source(&place.path().join(name)) };
        let missing = Sources {
            files: vec![at("gone"), at("gone/below")],
            directories: vec![at("gone")],
            secrets: [("S".to_owned(), at("gone"))].into(),
            ..Sources::default()
        };
        assert!(!environment(&with(missing)).unwrap().contains_key("S"));
        fs::write(place.path().join("wrong"), "junk").unwrap();
        let wrong = Sources { files: vec![at("wrong")], ..Sources::default() };
        assert!(environment(&with(wrong)).is_err());
    }
}
