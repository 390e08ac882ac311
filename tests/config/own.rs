//! Our own configurations: what was understood, and what is said about mistakes.

use std::path::{Path, PathBuf};

use visor::config::{Config, Host, Mistake, Overrides, diff, dump, read, read_ctl, search_paths};

use crate::table::Table;

const MAIN: &str = "/here/main.conf";

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn text(name: &str) -> Vec<u8> {
    std::fs::read(data(name)).unwrap()
}

/// Compares with a stored text, or stores it when `VISOR_BLESS` is set.
fn assert_stored(name: &str, found: &str) {
    let path = data(name);
    if std::env::var_os("VISOR_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    let difference = stored.lines().zip(found.lines()).find(|(stored, found)| stored != found);
    assert_eq!(difference, None, "{name}: first line that differs (stored, found)");
    assert_eq!(stored.lines().count(), found.lines().count(), "{name}: number of lines");
}

fn mistakes(table: &Table, overrides: &Overrides) -> Vec<Mistake> {
    read(table, MAIN, overrides).unwrap_err()
}

fn sentences(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

fn good(text: &str) -> Config {
    read(&Table::with_file(MAIN, text), MAIN, &Overrides::default())
        .unwrap_or_else(|mistakes| panic!("{}", sentences(&mistakes)))
}

fn whole() -> Table {
    let mut table = Table::with_file(MAIN, text("whole.conf"));
    table.files.insert("/here/whole.d/extra.conf".into(), text("whole.d/extra.conf"));
    table.globs.insert("/here/whole.d/*.conf".into(), vec!["/here/whole.d/extra.conf".into()]);
    table.environment.insert("SITE".into(), "north".into());
    table.environment.insert("HOME".into(), "/root".into());
    table
}

#[test]
fn whole_file_is_understood_as_stored() {
    let config = read(&whole(), MAIN, &Overrides::default()).unwrap_or_else(|m| panic!("{}", sentences(&m)));
    assert_stored("whole.dump", &dump(&config));
    let warnings: String = config
        .warnings
        .iter()
        .map(|warning| format!("{}:{}: {}\n", warning.file, warning.line, warning.text))
        .collect();
    assert_stored("whole.warnings", &warnings);
    assert_eq!(config.included, ["/here/whole.d/extra.conf"]);
}

#[test]
fn broken_file_lists_every_mistake_with_its_place() {
    let mut table = Table::with_file(MAIN, text("broken.conf"));
    table.missing_directories.push("/missing".into());
    assert_stored("broken.mistakes", &sentences(&mistakes(&table, &Overrides::default())));
}

#[test]
fn unknown_names_are_warnings_and_with_strict_mistakes() {
    let table = Table::with_file(MAIN, text("typos.conf"));
    let config = read(&table, MAIN, &Overrides::default()).unwrap();
    let texts: Vec<&str> = config.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "[supervisord] unknown key `nodeamon`; did you mean `nodaemon`?",
            "[programme:x] unknown section; did you mean `program:x`?",
            "[program:x] unknown key `auto_start`; did you mean `autostart`?",
            "[program:x] unknown key `colour`",
        ]
    );
    let lines: Vec<usize> = config.warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [2, 3, 7, 8]);
    let strict = Overrides { strict: true, ..Overrides::default() };
    assert_eq!(mistakes(&table, &strict).len(), 4);
}

#[test]
fn missing_main_file_is_one_mistake() {
    let mistakes = read(&Table::default(), "nowhere.conf", &Overrides::default()).unwrap_err();
    assert_eq!(sentences(&mistakes), "nowhere.conf: could not find config file nowhere.conf\n");
}

#[test]
fn file_without_supervisord_is_refused() {
    let table = Table::with_file(MAIN, "[program:a]\ncommand=x\n");
    assert_eq!(
        sentences(&mistakes(&table, &Overrides::default())),
        "/here/main.conf: .ini file does not include supervisord section\n"
    );
}

#[test]
fn command_line_values_win_and_are_checked() {
    let table = Table::with_file(MAIN, "[supervisord]\nloglevel=debug\nnodaemon=false\n");
    let typed = |level: &str| Overrides {
        loglevel: Some(level.into()),
        umask: Some("077".into()),
        nodaemon: true,
        ..Overrides::default()
    };
    let config = read(&table, MAIN, &typed("error")).unwrap();
    let daemon = &config.daemon;
    assert_eq!((daemon.loglevel, daemon.umask, daemon.nodaemon), (visor::config::LogLevel::Error, 0o77, true));
    assert_eq!(
        sentences(&mistakes(&table, &typed("loud"))),
        "command line: --loglevel: `loud`: invalid value for --loglevel 'loud': bad logging level name 'loud'\n"
    );
}

#[test]
fn numeric_user_without_passwd_entry_is_accepted_with_its_own_group() {
    let config = good("[supervisord]\n[program:a]\ncommand=x\nuser=4321\n");
    let user = config.groups[0].processes[0].user.clone().unwrap();
    assert_eq!((user.name.as_str(), user.uid, user.gid, user.groups), ("4321", 4321, 4321, vec![4321]));
}

#[test]
fn equal_names_are_left_out_with_a_warning() {
    let config = good(
        "[supervisord]\n[program:a]\ncommand=one\n[program:b]\ncommand=two\nprocess_name=a\n\
         [group:g]\nprograms=a,b\n[eventlistener:g]\ncommand=x\nevents=EVENT\npriority=1000\n",
    );
    assert_eq!(config.groups.len(), 1);
    assert_eq!(config.groups[0].processes.len(), 1);
    assert_eq!(config.groups[0].processes[0].command, "two");
    assert_eq!(config.warnings.len(), 2);
}

#[test]
fn ctl_section_is_read_alone() {
    let table = Table::with_file(MAIN, "[supervisorctl]\nserverurl=unix://~/s\n[program:x]\nnumprocs=many\n");
    let ctl = read_ctl(&table, MAIN).unwrap().unwrap();
    assert_eq!((ctl.serverurl.as_str(), ctl.prompt.as_str()), ("unix:///root/s", "supervisor"));
    let none = Table::with_file(MAIN, "[supervisord]\n");
    assert_eq!(read_ctl(&none, MAIN).unwrap(), None);
    let wrong = Table::with_file(MAIN, "[supervisorctl]\nprompt=%(x)s\njunk\n");
    assert_eq!(read_ctl(&wrong, MAIN).unwrap_err().len(), 2);
}

#[test]
fn search_paths_begin_beside_the_program() {
    assert_eq!(
        search_paths("/opt/v/bin/visor"),
        [
            "/opt/v/etc/supervisord.conf",
            "/opt/v/supervisord.conf",
            "supervisord.conf",
            "etc/supervisord.conf",
            "/etc/supervisord.conf",
            "/etc/supervisor/supervisord.conf",
        ]
    );
    assert_eq!(search_paths("visor")[0], "etc/supervisord.conf");
}

#[test]
fn diff_names_groups_and_processes_that_changed() {
    let old = good(
        "[supervisord]\n[program:same]\ncommand=x\n[program:gone]\ncommand=x\n[program:a]\ncommand=x\n\
         [program:b]\ncommand=x\n[program:c]\ncommand=x\n[group:g]\nprograms=a,b,c\n",
    );
    let new = good(
        "[supervisord]\n[program:same]\ncommand=x\n[program:fresh]\ncommand=x\n[program:a]\ncommand=x\n\
         [program:b]\ncommand=y\n[program:d]\ncommand=x\n[group:g]\nprograms=a,b,d\npriority=1\n",
    );
    let found = difference(&old, &new);
    assert_eq!(found.added, ["fresh"]);
    // `c` is no longer in the file, so it is gone from its group too.
    assert_eq!(found.removed, ["gone"]);
    assert_eq!(found.changed.len(), 1);
    let change = &found.changed[0];
    assert_eq!((change.name.as_str(), change.settings), ("g", true));
    assert_eq!((&change.added[..], &change.changed[..]), (&["d".to_owned()][..], &["b".to_owned()][..]));
    assert_eq!((&change.removed[..], &change.unchanged[..]), (&["c".to_owned()][..], &["a".to_owned()][..]));
    assert!(difference(&old, &old).is_empty());
}

#[test]
fn auto_log_that_becomes_a_file_is_a_change() {
    let old = good("[supervisord]\n[program:a]\ncommand=x\n");
    let new = good("[supervisord]\n[program:a]\ncommand=x\nstdout_logfile=/l\n");
    assert_eq!(difference(&old, &new).changed[0].changed, ["a"]);
    assert_eq!(difference(&new, &old).changed[0].changed, ["a"]);
}

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
}

#[test]
fn mangled_files_never_panic_the_reader() {
    const ROUNDS: usize = 500;
    let pieces: [&[u8]; 16] = [
        b"%",
        b"%(",
        b"\"",
        b"\\",
        b"\n ",
        b"\r",
        b"\0",
        b"\xff",
        b"[",
        b"]",
        b"=",
        b":",
        b"99999999999999999999",
        b"-",
        "é\u{feff}".as_bytes(),
        b"%(process_num)05d",
    ];
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/environment.conf");
    let originals = [text("whole.conf"), text("broken.conf"), std::fs::read(example).unwrap()];
    let mut dice = Dice(0x5eed_cafe);
    for round in 0..ROUNDS {
        let mut bytes = originals[round % originals.len()].clone();
        for _ in 0..=dice.roll(6) {
            let at = dice.roll(bytes.len());
            let end = (at + dice.roll(4)).min(bytes.len());
            bytes.splice(at..end, pieces[dice.roll(pieces.len())].iter().copied());
        }
        let table = Table { files: [(MAIN.to_owned(), bytes)].into(), ..whole() };
        match read(&table, MAIN, &Overrides::default()) {
            Ok(config) => assert!(dump(&config).lines().count() > 10),
            Err(mistakes) => assert!(!mistakes.is_empty()),
        }
    }
}

#[test]
fn table_answers_like_a_machine() {
    let table = Table::default();
    let web = table.user_by_name("web").unwrap();
    assert_eq!(table.name_of(web.uid), "web");
    assert_eq!(table.user_by_name("no_body"), None);
}

/// The difference between the groups of two configurations.
fn difference(old: &Config, new: &Config) -> visor::config::Diff {
    diff(&old.groups.iter().collect::<Vec<_>>(), &new.groups.iter().collect::<Vec<_>>())
}

#[test]
fn mistakes_in_what_may_be_a_secret_do_not_tell_it() {
    let text = "[supervisord]\nenvironment=A=\"hunter2%x\"\n[inet_http_server]\nport=1\nusername=u\npassword=hunter2%\n\
        [template:t]\nenvironment=B=\"hunter2'%(nope)s\"\n[program:a]\ncommand=x\nextends=t\n\
        [program:b]\ncommand=x\nenvironment=C=%(ENV_TOKEN)s,hunter2\n";
    let mut table = Table::with_file(MAIN, text);
    table.environment.insert("TOKEN".to_owned(), "hunter2".to_owned());
    let told = sentences(&mistakes(&table, &Overrides::default()));
    assert_eq!(told.lines().count(), 4, "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(
        told.contains(":2: [supervisord] environment: Format string (not shown) for 'supervisord.environment'"),
        "{told}"
    );
}
