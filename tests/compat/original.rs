//! The original: made once, in a virtual environment under the build directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The release that is the reference.
const RELEASE: &str = "supervisor==4.3.0";
/// Written when the environment is whole; without it it is made again.
const MARK: &str = "complete";
/// What others wrote, by its mark: releases for the same environment.
const SUPERLANCE: (&str, &[&str]) = ("superlance", &["superlance==2.0.0"]);
const CLIENTS: (&str, &[&str]) =
    ("clients", &["supervisord-dependent-startup==1.4.0", "toposort==1.10", "nagios-check-supervisord==2.2.1"]);
/// Ansible has an environment of its own; of its collections, which are large, only one is kept.
const ANSIBLE: [&str; 2] = ["ansible-core==2.19.4", "ansible==12.2.0"];
const COLLECTION: &str = "
import sys, zipfile, pathlib
wheel = next(pathlib.Path(sys.argv[1]).glob('ansible-*.whl'))
archive = zipfile.ZipFile(wheel)
names = [name for name in archive.namelist() if name.startswith('ansible_collections/community/general/')]
archive.extractall(sys.argv[1], names)
wheel.unlink()
";
/// Clients for Node.js.
const NODE: [&str; 2] = ["supervisord@0.1.0", "node-supervisord@1.0.6-rc.2"];

/// The directory with `supervisord` and `supervisorctl`; `None`, with the reason on stderr, where it cannot be made.
pub fn programs() -> Option<&'static Path> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match MADE.get_or_init(make) {
        Ok(path) => Some(path),
        Err(reason) => {
            super::support::left_out(&format!("every comparison with the original: {reason}"));
            None
        }
    }
}

/// The directory with the programs of superlance; `None`, with the reason on stderr, where it cannot be had.
pub fn superlance() -> Option<&'static Path> {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    let programs = programs()?;
    told(MADE.get_or_init(|| add(programs, SUPERLANCE)), "the listeners of superlance").then_some(programs)
}

/// Whether the clients from the package index are there; if not, the reason is on stderr.
pub fn has_clients() -> bool {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    let Some(programs) = programs() else { return false };
    told(MADE.get_or_init(|| add(programs, CLIENTS)), "clients that others wrote in Python")
}

/// Whether `$TOOLS/ansible` is there, with its collection; if not, the reason is on stderr.
pub fn has_ansible() -> bool {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    programs().is_some() && told(MADE.get_or_init(make_ansible), "Ansible's module")
}

/// Whether `$TOOLS/node` is there, with its clients; if not, the reason is on stderr.
pub fn has_node() -> bool {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    programs().is_some() && told(MADE.get_or_init(make_node), "clients for Node.js")
}

/// Where all this is.
pub fn tools() -> PathBuf {
    // target/debug/visor → target
    let target = Path::new(env!("CARGO_BIN_EXE_visor")).ancestors().nth(2).unwrap_or(Path::new("."));
    target.join("compat-tools")
}

fn told(made: &Result<(), String>, what: &str) -> bool {
    if let Err(reason) = made {
        super::support::left_out(&format!("{what}: {reason}"));
    }
    made.is_ok()
}

fn add(programs: &Path, (mark, releases): (&str, &[&str])) -> Result<(), String> {
    let mark = programs.parent().ok_or("no environment")?.join(mark);
    if !mark.exists() {
        let mut command = Command::new(programs.join("pip"));
        run(command.args(["install", "--quiet", "--disable-pip-version-check"]).args(releases))?;
        std::fs::write(mark, releases.join(" ")).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn make_ansible() -> Result<(), String> {
    let place = tools().join("ansible");
    if place.join(MARK).exists() {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(&place);
    let [core, collections] = ANSIBLE;
    let pip = |arguments: &[&str]| {
        let mut command = Command::new(place.join("bin/pip"));
        command.args(["--quiet", "--disable-pip-version-check"]).args(arguments);
        command
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    run(&mut pip(&["install", core]))?;
    run(pip(&["download", "--no-deps", collections, "--dest"]).arg(&place))?;
    run(Command::new(place.join("bin/python3")).args(["-c", COLLECTION]).arg(&place))?;
    std::fs::write(place.join(MARK), core).map_err(|error| error.to_string())
}

fn make_node() -> Result<(), String> {
    let place = tools().join("node");
    if place.join(MARK).exists() {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
        .arg(&place)
        .args(NODE))?;
    std::fs::write(place.join(MARK), NODE.join(" ")).map_err(|error| error.to_string())
}

fn make() -> Result<PathBuf, String> {
    // target/debug/visor → target
    let target = Path::new(super::support::VISOR).ancestors().nth(2).ok_or("no build directory")?;
    let place = target.join("compat-venv");
    if !place.join(MARK).exists() {
        let _ = std::fs::remove_dir_all(&place);
        run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        run(Command::new(place.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", RELEASE]))?;
        std::fs::write(place.join(MARK), RELEASE).map_err(|error| error.to_string())?;
    }
    Ok(place.join("bin"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&said).trim()))
}
