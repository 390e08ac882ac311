//! Command lines and start-up errors: what is written, where, and the exit code.

use super::compare::{side_by_side, wanted};
use super::normal::Places;
use super::original;
use super::run::{Side, screen};
use super::support::{clean_command, in_directory};

/// One run of a program that ends by itself.
struct Line {
    arguments: &'static str,
    /// `$DIR/test.conf`.
    conf: &'static str,
}

const fn line(arguments: &'static str) -> Line {
    Line { arguments, conf: "" }
}

const fn bad(conf: &'static str) -> Line {
    Line { arguments: "supervisord -n -c $DIR/test.conf", conf }
}

/// Everything on the screen and the exit code agree.
const LINES: &[Line] = &[
    line("supervisord -c /nonexistent/x.conf"),
    line("supervisord -c $DIR"),
    line("supervisord -Z"),
    line("supervisord --nosuch"),
    line("supervisord -c"),
    line("supervisord --configuration"),
    line("supervisord --log"),
    line("supervisord --nodaemon=1"),
    line("supervisord -n -n -c $DIR/test.conf"),
    line("supervisord -c $DIR/test.conf argument"),
    Line { arguments: "supervisord -e loud -c $DIR/test.conf", conf: "[supervisord]\n" },
    Line { arguments: "supervisord -m 9 -c $DIR/test.conf", conf: "[supervisord]\n" },
    line("supervisord -n"),
    line("supervisorctl -c /nonexistent/x.conf status"),
    line("supervisorctl -c $DIR status"),
    line("supervisorctl -Z"),
    line("supervisorctl -s unix://$DIR/nothing.sock status"),
    line("supervisorctl -s unix://$DIR/nothing.sock start x"),
    line("supervisorctl -s unix://$DIR/nothing.sock shutdown"),
    line("supervisorctl -s unix://$DIR/nothing.sock pid"),
    line("supervisorctl -s nonsense status"),
    bad("[program:x]\ncommand=true\n"),
    bad("key=value\n"),
    bad("[supervisord]\nloglevel=loud\n"),
    bad("[supervisord]\nlogfile=/nonexistent/x.log\n"),
    bad("[supervisord]\nchildlogdir=/nonexistent\n"),
    bad("[supervisord]\nuser=no-such-user\n"),
    bad("[supervisord]\numask=9\n"),
    bad("[supervisord]\nnodaemon=perhaps\n"),
    bad("[supervisord]\n[program:x]\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nstartsecs=soon\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nautorestart=often\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nexitcodes=0,256\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nstopsignal=NOSUCH\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nnumprocs=2\n"),
    bad("[supervisord]\n[program:x]\ncommand=%(nosuch)s\n"),
    bad("[supervisord]\n[program:x]\ncommand=100%\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nstopasgroup=true\nkillasgroup=false\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nstdout_logfile=/nonexistent/x.log\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nstdout_logfile_maxbytes=5k\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nuser=no-such-user\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\nenvironment=A\n"),
    bad("[supervisord]\n[program:x]\ncommand=true\npriority=high\n"),
    bad("[supervisord]\n[program:x y]\ncommand=true\n"),
    bad("[supervisord]\n[group:g]\nprograms=nosuch\n"),
    bad("[supervisord]\n[include]\n"),
    bad("[supervisord]\n[unix_http_server]\nchmod=0700\n"),
    bad("[supervisord]\n[inet_http_server]\nport=70000\n"),
];

fn run_line(side: Side, line: &Line) -> Vec<String> {
    let directory = tempfile::Builder::new().prefix("compat-").tempdir().expect("a temporary directory");
    let place = directory.path();
    std::fs::write(place.join("test.conf"), in_directory(line.conf, place)).expect("a configuration");
    let programs = side.programs(place);
    let mut words = line.arguments.split(' ').map(|word| in_directory(word, place));
    let program = words.next().unwrap_or_default();
    let mut command = clean_command(programs.join(program));
    command.args(words).current_dir(place);
    screen(&Places { directory: place, programs: &programs }, command)
}

/// What is compared of a screen: visor lists every mistake, with its place; the original's sentence must be in its list.
fn agree(truth: &[String], ours: &[String]) -> bool {
    if truth == ours {
        return true;
    }
    let sentence = truth.iter().find_map(|line| line.strip_prefix("stderr: Error: "));
    let codes = (truth.last(), ours.last());
    codes.0 == codes.1 && sentence.is_some_and(|sentence| ours.iter().any(|line| line.contains(essence(sentence))))
}

/// The sentence without the place that visor tells in its own way, and without a value that may be a secret.
fn essence(sentence: &str) -> &str {
    let sentence = sentence.split(" in section '").next().unwrap_or(sentence);
    let sentence = sentence.split(" in value '").next().unwrap_or(sentence);
    // `invalid value for -e 'loud': reason`: visor names the long form of the flag.
    let reason = sentence.strip_prefix("invalid value for -").and_then(|rest| rest.split_once("': "));
    reason.map_or(sentence, |(_, reason)| reason)
}

#[test]
fn errors() {
    if original::programs().is_none() {
        return;
    }
    let ours_too = !wanted("COMPAT_ORIGINAL_ONLY");
    let show = wanted("COMPAT_SHOW");
    let faults: Vec<String> = std::thread::scope(|scope| {
        let check = |line: &Line| {
            let truth = run_line(Side::Original, line);
            let ours = if ours_too { run_line(Side::Visor, line) } else { truth.clone() };
            let text = format!("`{}` {:?}:\n{}", line.arguments, line.conf, side_by_side(&truth, &ours));
            if show {
                println!("{text}");
            }
            (!agree(&truth, &ours)).then_some(text)
        };
        // Few at a time: each is a start of the original's interpreter.
        let workers: Vec<_> = LINES.chunks(LINES.len().div_ceil(4)).collect();
        let workers: Vec<_> = workers
            .into_iter()
            .map(|part| scope.spawn(move || part.iter().filter_map(check).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no line breaks off")).collect()
    });
    assert!(faults.is_empty(), "{} of {} lines differ\n\n{}", faults.len(), LINES.len(), faults.join("\n"));
}

#[test]
fn help_and_version() {
    if original::programs().is_none() || wanted("COMPAT_ORIGINAL_ONLY") {
        return;
    }
    for program in ["supervisord", "supervisorctl"] {
        for flag in ["-h", "--help", "-?"] {
            let line = Line { arguments: Box::leak(format!("{program} {flag}").into_boxed_str()), conf: "" };
            let (truth, ours) = (run_line(Side::Original, &line), run_line(Side::Visor, &line));
            assert_eq!(truth.first(), ours.first(), "the first line of `{program} {flag}`");
            assert_eq!(truth.last(), ours.last(), "the exit code of `{program} {flag}`");
            let missing: Vec<_> =
                options(&truth).into_iter().filter(|option| !options(&ours).contains(option)).collect();
            assert!(
                missing.is_empty(),
                "`{program} {flag}` tells every option of the original: {missing:?}\n{ours:#?}"
            );
        }
    }
    for flag in ["-v", "--version"] {
        let line = Line { arguments: Box::leak(format!("supervisord {flag}").into_boxed_str()), conf: "" };
        let ours = run_line(Side::Visor, &line);
        assert_eq!(ours.last().map(String::as_str), Some("exit code: Some(0)"), "{ours:?}");
        assert_eq!(ours.len(), 2, "one line on stdout: {ours:?}");
    }
}

/// `-c/--configuration` of `-c/--configuration FILENAME -- …`. Its help writes `--history-file` for `--history_file`.
fn options(help: &[String]) -> Vec<String> {
    let starts = help.iter().filter(|line| line.starts_with('-') && line.contains(" -- "));
    starts.filter_map(|line| line.split(' ').next()).map(|option| option.replace('_', "-")).collect()
}
