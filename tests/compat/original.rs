//! The original: made once, in a virtual environment under the build directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The release that is the reference.
const RELEASE: &str = "supervisor==4.3.0";
/// Written when the environment is whole; without it it is made again.
const MARK: &str = "complete";
/// Listeners that others wrote, and their mark.
const SUPERLANCE: (&str, &str) = ("superlance==2.0.0", "superlance");

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
    match MADE.get_or_init(|| add_superlance(programs)) {
        Ok(()) => Some(programs),
        Err(reason) => {
            super::support::left_out(&format!("the listeners of superlance: {reason}"));
            None
        }
    }
}

fn add_superlance(programs: &Path) -> Result<(), String> {
    let (release, mark) = SUPERLANCE;
    let mark = programs.parent().ok_or("no environment")?.join(mark);
    if !mark.exists() {
        run(Command::new(programs.join("pip")).args(["install", "--quiet", "--disable-pip-version-check", release]))?;
        std::fs::write(mark, release).map_err(|error| error.to_string())?;
    }
    Ok(())
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
