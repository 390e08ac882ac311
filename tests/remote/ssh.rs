//! `svc -H HOST`: what ssh is told, and a real one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::support::{SVC, clean_command, left_out};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Says its arguments, one in a line, and leaves with a code of its own; `$$` in the last is what a shell makes of it.
const FAKE: &str = "#!/bin/sh\nfor word; do printf '<%s>\\n' \"$word\"; done\nexit 42\n";
/// Does what sshd does: gives the last argument to a shell.
const SHELL: &str = "#!/bin/sh\nfor word; do :; done\nPATH=$(dirname \"$0\"):$PATH exec sh -c \"$word\"\n";
/// A svc that says its arguments.
const ECHO: &str = "#!/bin/sh\nprintf '<%s>' \"$@\"\n";

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn with_path(folder: &Path, words: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.display());
    clean_command(SVC).env("PATH", path).args(words).output().unwrap()
}

#[test]
fn ssh_gets_host_port_and_one_command_and_its_exit_code_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "ssh", FAKE);
    let run = |words: &[&str]| {
        let output = with_path(folder.path(), words);
        assert_eq!(output.status.code(), Some(42));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&["-H", "me@far", "status"]), "<-->\n<me@far>\n<svc status>\n");
    assert_eq!(
        run(&["-s", "/x", "-Hfar:2222", "start", "g:*"]),
        "<-p>\n<2222>\n<-->\n<far>\n<svc --socket /x start 'g:*'>\n"
    );
    assert_eq!(run(&["--host=[::1]:22"]), "<-p>\n<22>\n<-->\n<::1>\n<svc>\n");
}

#[test]
fn nasty_words_reach_the_other_svc_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "ssh", SHELL);
    program(folder.path(), "svc", ECHO);
    let words = ["event", "t", "a b", "$(id)", "`id`", "'", "\"$HOME\"", ";exit", "\\", "*", "é\n", "", "-x"];
    let output = with_path(folder.path(), &[&["-H", "far", "-u", "p w'd"], &words[..]].concat());
    let mut expected = "<--username><p w'd>".to_owned();
    words.iter().for_each(|word| expected.push_str(&format!("<{word}>")));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn host_that_would_be_an_option_is_refused_and_missing_ssh_is_told() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "ssh", FAKE);
    let output = with_path(folder.path(), &["-H", "-oProxyCommand=touch x", "status"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a host does not begin with `-`"));

    let output = with_path(folder.path(), &["-H", "far", "-p", "secret", "status"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("would be seen by everybody over there"));

    let empty = tempfile::tempdir().unwrap();
    let output = clean_command(SVC).env("PATH", empty.path()).args(["-H", "far", "status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "svc: cannot run `ssh`: it is not installed\n");
}

/// A real sshd for one test, on a port of its own, with keys of its own.
struct Sshd {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// `None`, with the reason on stderr, where there is none.
    fn start() -> Option<Sshd> {
        let sshd = Path::new("/usr/sbin/sshd");
        if !sshd.exists() || !Path::new("/usr/bin/ssh").exists() {
            left_out("svc -H over a real ssh: openssh-server or openssh-client is not installed");
            return None;
        }
        if !nix::unistd::geteuid().is_root() {
            left_out("svc -H over a real ssh: it needs root for a sshd of its own");
            return None;
        }
        std::fs::create_dir_all("/run/sshd").ok()?;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)).status();
            assert!(made.is_ok_and(|status| status.success()), "a key is made");
        }
        std::fs::copy(at("user.pub"), at("authorized")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let show = |name: &str| at(name).display().to_string();
        let conf = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PidFile none\nPermitRootLogin yes\nPasswordAuthentication no\nPermitUserEnvironment yes\nAcceptEnv SVC_SOCKET\n\
             SetEnv PATH={}:/usr/bin:/bin\n",
            show("host"),
            show("authorized"),
            Path::new(SVC).parent().unwrap().display(),
        );
        std::fs::write(at("sshd_config"), conf).unwrap();
        let child =
            Command::new(sshd).args(["-D", "-e", "-f"]).arg(at("sshd_config")).stderr(Stdio::null()).spawn().unwrap();
        let sshd = Sshd { child, folder, port };
        sshd.wait();
        Some(sshd)
    }

    fn wait(&self) {
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "sshd listens");
            std::thread::yield_now();
        }
    }

    /// A home whose `.ssh` knows the key and trusts the host: ssh itself looks up the home of the user, so a program in front of it names the files.
    fn path(&self) -> PathBuf {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let text = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F none -i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile={} -o LogLevel=ERROR \"$@\"\n",
            at("user"),
            at("known"),
        );
        let bin = self.folder.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        program(&bin, "ssh", &text);
        bin
    }
}

#[test]
fn real_ssh_brings_words_screen_and_exit_code() {
    let Some(sshd) = Sshd::start() else { return };
    let host = format!("127.0.0.1:{}", sshd.port);
    let path = sshd.path();
    let missing = sshd.folder.path().join("no such'socket");
    let url = missing.to_str().unwrap();
    let output = with_path(&path, &["-H", &host, "-s", url, "pid"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("unix://{url} no such file\n"), "{stderr}");
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    let output = with_path(&path, &["-H", &host, "frob"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "*** Unknown syntax: frob\n");
    assert_eq!(output.status.code(), Some(1));
}
