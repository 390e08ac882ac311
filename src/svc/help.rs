//! The words of `help`.

use super::action::{self, Action};
use crate::list::List as _;
use crate::protocol::Ending;

/// Columns of a screen that [`list`] fills.
const WIDTH: usize = 79;
/// Blanks between two columns.
const GAP: usize = 2;

/// Use and meaning of an action, a line each.
#[must_use]
pub fn of(action: Action) -> &'static [&'static str] {
    match action {
        Action::Add => &["add <name> [...]\tActivate the configured group <name>"],
        Action::Avail => &["avail\t\t\tList every configured process"],
        Action::Clear => &[
            "clear <name>\t\tEmpty the logs of a process",
            "clear <name> <name>\tEmpty the logs of several",
            "clear all\t\tEmpty the logs of all",
        ],
        Action::Config => &[
            "config <name>\t\tEvery option of a process, and the file and line it comes from",
            "config <gname>:*\tThe same of a group",
        ],
        Action::End(Ending::Poweroff) => &["poweroff\tStop every process and power the machine off"],
        Action::End(Ending::Reboot) => &["reboot\t\tStop every process and start the machine again"],
        Action::End(Ending::Halt) => &["halt\t\tStop every process and halt the machine, leaving its power on"],
        Action::Quit => &["quit\tLeave the prompt", "exit\tLeave the prompt"],
        Action::Fg => &[
            "fg <process>\tBring a process to the foreground: see its output, type its input",
            "Press Ctrl-C to leave; the process stays",
        ],
        Action::Healthy => &[
            "healthy\t\t\tExit code 0 if everything that should run runs, else 1 and a list",
            "healthy <name> <name>\tThe same of some",
        ],
        Action::Help => &["help\t\tPrint a list of available actions", "help <action>\tPrint help for <action>"],
        Action::Logs => &[
            "logs [-f] [<name>...]\tEnd of the output of several processes, each line with its name",
            "logs -f\t\t\tThe output of all, as it comes (Ctrl-C to leave)",
        ],
        Action::Maintail => &[
            "maintail\tThe last 1600 *bytes* of visor's own log",
            "maintail -100\tThe last 100 *bytes*",
            "maintail -f\tGo on with what is added (Ctrl-C to leave)",
        ],
        Action::Open => &["open <url>\tTalk to the server at unix:///path or http://host:port from now on"],
        Action::Pid => &[
            "pid\t\t\tThe process id of visor",
            "pid <name>\t\tThe process id of a process",
            "pid all\t\t\tThose of all processes, one per line",
        ],
        Action::Reload => &["reload\t\tRead the configuration and apply all of it"],
        Action::ReloadProgram => &[
            "reload-program <name>\t\tHave a program read its own configuration again",
            "reload-program <gname>:*\tThe same for those of a group that know how",
            "How is told by reload_command or reload_signal",
        ],
        Action::Remove => &["remove <name> [...]\tForget the stopped group <name>"],
        Action::Reopen => &["reopen\t\t\tOpen all log files anew, after they were moved away"],
        Action::Reread => &["reread\t\t\tRead the configuration and say what differs, changing nothing"],
        Action::Restart => &[
            "restart <name>\t\tRestart a process",
            "restart <gname>:*\tRestart all processes in a group",
            "restart <name> <name>\tRestart several processes or groups",
            "restart all\t\tRestart all processes",
            "The configuration is not read again: see reread and update",
        ],
        Action::Rolling => &[
            "rolling <name> [...]\tRestart processes one after the other, the next when the one before is ready",
            "rolling --timeout 30s <name>\tAt most so long for each",
            "It stops at the first that fails and says which ones are left",
        ],
        Action::Scale => {
            &["scale <program>=<n> [...]\tHave so many processes of a program, until the next update or reload"]
        }
        Action::Shutdown => &["shutdown\tStop every process and visor itself"],
        Action::Signal => &[
            "signal <signal> <name>\t\tSend a signal to a process",
            "signal <signal> <gname>:*\tSend it to all processes in a group",
            "signal <signal> <name> <name>\tSend it to several processes or groups",
            "signal <signal> all\t\tSend it to all processes",
        ],
        Action::Start => &[
            "start <name>\t\tStart a process",
            "start <gname>:*\t\tStart all processes in a group",
            "start <name> <name>\tStart multiple processes or groups",
            "start all\t\tStart all processes",
            "start --no-wait <name>\tThe same, without waiting until it counts as started",
        ],
        Action::Status => &[
            "status\t\t\tState of all processes",
            "status <name> <name>\tState of some",
            "status <gname>:*\tState of a group",
            "status --json [<name>]\tThe same for programs",
            "status --state FATAL\tOnly those in a state, or in one of several: FATAL,BACKOFF",
        ],
        Action::Stop => &[
            "stop <name>\t\tStop a process",
            "stop <gname>:*\t\tStop all processes in a group",
            "stop <name> <name>\tStop several processes or groups",
            "stop all\t\tStop all processes",
            "stop --no-wait <name>\tThe same, without waiting until it is gone",
        ],
        Action::Tail => &[
            "tail [-f] <name> [stdout|stderr]\tThe end of a process' log (default stdout)",
            "tail -f <name>\t\tGo on with what is added (Ctrl-C to leave)",
            "tail -100 <name>\tThe last 100 *bytes*; 1600 when not told, -0 for all",
            "tail <name> stderr\tThe end of its stderr",
        ],
        Action::Top => &[
            "top [<name>...]\t\tCPU, memory and threads of processes and their groups, anew every 2 seconds (Ctrl-C to leave)",
            "top --once\t\tOne list, after a second; so it is where the output is no terminal",
        ],
        Action::Update => &[
            "update\t\t\tRead the configuration; add, remove and restart what changed",
            "update all\t\tThe same",
            "update <gname> [...]\tThe same for some groups",
            "update --dry-run [<gname>...]\tSay what would change, and what of it needs a restart; change nothing",
        ],
        Action::Version => &["version\t\t\tThe version of the visor we talk to"],
        Action::Event => &["event <type> [<data>]\tTell event listeners something (REMOTE_COMMUNICATION)"],
        Action::Wait => &[
            "wait <name> [...]\tWait until processes are ready",
            "wait <name> --for <what>\tready, running, stopped, exited (by itself, and well) or healthy",
            "wait <name> --timeout 30s\tAt most so long; a number is seconds",
            "Exit code 0 when it is so, 124 when the time is over, 7 when it will not come by itself",
        ],
        Action::Watch => &[
            "watch [<name>...]\tEvery change of state as it happens (Ctrl-C to leave)",
            "watch --json\t\tThe same, an object a line",
            "watch --type <type>\tOnly events of a type or family, such as PROCESS_STATE or TICK_5",
        ],
        Action::Why => &["why <name>\tOne sentence: what it waits for, why it is down, what comes next"],
    }
}

/// The page of `help` without a topic.
#[must_use]
pub fn list() -> Vec<String> {
    const HEADLINE: &str = "default commands (type help <topic>):";
    let mut lines = vec![String::new(), HEADLINE.to_owned(), "=".repeat(HEADLINE.len())];
    lines.extend(columns(&action::topics(), WIDTH));
    lines.push(String::new());
    lines
}

/// Words in columns, filled downwards, in as few rows as the width allows.
fn columns(words: &[&str], width: usize) -> Vec<String> {
    (1..=words.len()).find_map(|rows| table(words, rows, width)).unwrap_or_default()
}

/// `None`: wider than allowed, while there is more than one column.
fn table(words: &[&str], rows: usize, width: usize) -> Option<Vec<String>> {
    let widths: Vec<usize> =
        words.chunks(rows).map(|column| column.iter().map(|word| word.len()).max().unwrap_or(0)).list();
    let total = widths.iter().sum::<usize>() + GAP * (widths.len() - 1);
    if total > width && widths.len() > 1 {
        return None;
    }
    let row = |index: usize| {
        let cells = words.iter().skip(index).step_by(rows).zip(&widths);
        cells.map(|(word, &width)| format!("{word:<width$}")).list().join("  ")
    };
    Some((0..rows).map(row).list())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_laid_out_as_the_original_does() {
        let words = "add avail clear exit fg maintail open pid quit reload remove reread restart shutdown signal \
                     start status stop tail update version";
        let expected = [
            "add    exit      open  reload  restart   start   tail   ",
            "avail  fg        pid   remove  shutdown  status  update ",
            "clear  maintail  quit  reread  signal    stop    version",
        ];
        assert_eq!(columns(&words.split_whitespace().collect::<Vec<_>>(), WIDTH), expected);
    }

    #[test]
    fn few_or_wide_words_still_have_a_table() {
        assert_eq!(columns(&[], 10), Vec::<String>::new());
        assert_eq!(columns(&["a", "b"], 10), ["a  b"]);
        assert_eq!(columns(&["a-very-long-word", "b"], 10), ["a-very-long-word", "b               "]);
    }

    #[test]
    fn every_topic_has_help() {
        for topic in action::topics() {
            let action = Action::from_name(topic).unwrap();
            assert!(of(action).first().is_some_and(|line| line.contains('\t')), "{topic}");
        }
        assert!(list().iter().all(|line| line.len() <= 80));
    }
}
