//! Job control: a shell, visor under it, a command under that, and somebody at the keyboard.

use crate::pty::{CTRL_C, CTRL_D, CTRL_Z, Pty};

/// A command that tells of INT, and leaves with 3 at QUIT.
const TELLS_INT: &str =
    r#"bash -c 'trap "echo got-int" INT; trap "exit 3" QUIT; sleep 1000 & echo rea""dy; while :; do wait; done'"#;

#[test]
fn ctrl_c_reaches_the_command_once() {
    let mut pty = Pty::shell();
    for (times, line) in
        [format!("visor -- {TELLS_INT}"), format!("visor -- {TELLS_INT} </dev/null")].iter().enumerate()
    {
        pty.line(line);
        pty.wait_for_times("ready", times + 1);
        pty.keys(CTRL_C);
        pty.wait_for_times("got-int", times + 1);
        pty.keys("\x1c");
        pty.line("echo co''de $?");
        pty.wait_for_times("code 3", times + 1);
        assert_eq!(pty.screen().matches("got-int").count(), times + 1);
    }
}

#[test]
fn ctrl_c_ends_a_whole_pipeline_and_the_shell_goes_on() {
    let mut pty = Pty::shell();
    pty.line("visor -- sh -c '{ echo sta''rted >&2; sleep 1000; } | cat; echo never'; echo co''de $?");
    pty.wait_for("started");
    pty.keys(CTRL_C);
    pty.wait_for("code 130");
    assert!(!pty.screen().contains("never"));
}

#[test]
fn ctrl_z_gives_the_prompt_back_and_fg_goes_on() {
    let mut pty = Pty::shell();
    pty.line("visor -- sh -c 'echo sta''rted; exec cat'");
    pty.wait_for("started");
    pty.keys(CTRL_Z);
    pty.wait_for("Stopped");
    pty.line("echo the-pro''mpt");
    pty.wait_for("the-prompt");
    pty.line("fg");
    pty.line("for the cat");
    pty.wait_for("for the cat");
    // Once more, to see that the way is not worn out.
    pty.keys(CTRL_Z);
    pty.wait_for_times("Stopped", 2);
    pty.line("fg");
    pty.line("again");
    pty.wait_for("again");
    pty.keys(CTRL_D);
    pty.line("echo co''de $?");
    pty.wait_for("code 0");
}

#[test]
fn background_read_stops_and_fg_lets_it_read() {
    let mut pty = Pty::shell();
    pty.line("visor -- cat &");
    pty.wait_for("Stopped");
    pty.line("echo the-pro''mpt");
    pty.wait_for("the-prompt");
    pty.line("fg");
    pty.line("for the cat");
    pty.wait_for("for the cat");
    pty.keys(CTRL_D);
    pty.line("echo co''de $?");
    pty.wait_for("code 0");
}

#[test]
fn command_brought_to_the_foreground_while_running_can_read() {
    let mut pty = Pty::shell();
    pty.line(r#"visor -- sh -c 'echo up; sleep 0.3; read x; echo "re""ad $x"' &"#);
    pty.wait_for("up");
    pty.line("fg");
    pty.line("line");
    pty.wait_for("read line");
}

#[test]
fn terminal_stays_with_the_shell_when_a_background_command_ends() {
    let mut pty = Pty::shell();
    pty.line("visor -- sh -c 'kill -STOP 0; echo o''ver'");
    pty.wait_for("Stopped");
    pty.line("bg");
    pty.wait_for("over");
    pty.line("wait; cat");
    pty.line("read by the shell's own cat");
    pty.wait_for("read by the shell's own cat");
    pty.keys(CTRL_D);
    pty.line("echo al''ive");
    pty.wait_for("alive");
}

#[test]
fn command_in_the_background_never_gets_the_terminal() {
    let mut pty = Pty::shell();
    pty.line("visor -- sleep 1000 & sleep 0");
    pty.line("cat");
    pty.line("the foreground reads");
    pty.wait_for("the foreground reads");
    pty.keys(CTRL_D);
    pty.line("jobs; kill %1; wait %1; echo co''de $?");
    pty.wait_for("code 143");
}

#[test]
fn pager_behind_visor_has_the_keyboard() {
    let mut pty = Pty::shell();
    pty.line(r#"visor -- sh -c 'echo text; sleep 0.2' | sh -c 'read x </dev/tty; echo "re""ad $x"; cat'"#);
    pty.line("a key");
    pty.wait_for("read a key");
    pty.wait_for("text");
}

#[test]
fn command_with_another_stdin_gets_the_terminal_when_it_asks_for_it() {
    let mut pty = Pty::shell();
    pty.line(r#"visor -- sh -c 'read x </dev/tty; echo "re""ad $x"' </dev/null"#);
    pty.line("a line");
    pty.wait_for("read a line");
}

#[test]
fn stop_where_nobody_could_continue_goes_on_at_once() {
    // bash forks: a shell that has its child borrow its memory cannot be stopped before the child has executed its file, which is stopped, too.
    let mut pty = Pty::start(&["visor", "--", "bash", "-c", "stty -echo; echo up; cat; exit 5"]);
    pty.wait_for("up");
    pty.keys(CTRL_Z);
    pty.line("still there");
    pty.wait_for("still there");
    pty.keys(CTRL_D);
    assert_eq!(pty.wait_exit(), Some(5));
}

#[test]
fn shell_under_visor_has_job_control() {
    for init in ["visor", "tini", "dumb-init"] {
        let mut pty = Pty::start(&[init, "--", "bash", "--norc", "--noprofile", "--noediting", "-i"]);
        pty.line("stty -echo; echo be''gin");
        pty.wait_for("begin");
        pty.line("sh -c 'echo sta''rted; exec cat'");
        pty.wait_for("started");
        pty.keys(CTRL_Z);
        pty.wait_for("Stopped");
        pty.line("fg");
        pty.line("for the cat");
        pty.wait_for("for the cat");
        pty.keys(CTRL_D);
        pty.line("exit 4");
        assert_eq!(pty.wait_exit(), Some(4), "{init}: {}", pty.screen());
        assert!(!pty.screen().contains("no job control"), "{init}: {}", pty.screen());
    }
}

#[test]
fn dumb_init_under_a_shell_can_be_stopped_and_continued() {
    let mut pty = Pty::shell();
    // As above: bash, that forks.
    pty.line("dumb-init bash -c 'echo sta''rted; sleep 0.2; echo o''ver'");
    pty.wait_for("started");
    pty.keys(CTRL_Z);
    pty.wait_for("Stopped");
    pty.line("fg; echo co''de $?");
    pty.wait_for("code 0");
    assert!(pty.screen().contains("over"));
}
