//! `echo_supervisord_conf`: a configuration to begin with.

use super::Exit;

/// The text. Its examples are commented so that taking the semicolon away makes them work.
const SAMPLE: &str = include_str!("sample.conf");

/// Prints it; arguments are not looked at, as the original does.
#[must_use]
pub fn echo() -> Exit {
    Exit::success(SAMPLE.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{self, Config, Overrides};
    use crate::machine::Machine;

    /// The sample with every example switched on.
    fn uncommented() -> String {
        let is_example = |line: &str| {
            line.strip_prefix(';').is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_lowercase() || it == '['))
        };
        SAMPLE.lines().map(|line| if is_example(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
    }

    fn read(folder: &Path, text: &str) -> Config {
        let file = folder.join("sample.conf");
        std::fs::write(&file, text).unwrap();
        let overrides = Overrides { strict: true, ..Overrides::default() };
        config::read(&Machine, file.to_str().unwrap(), &overrides).unwrap()
    }

    #[test]
    fn sample_reads_without_a_warning_as_it_is_and_with_every_example() {
        let folder = tempfile::tempdir().unwrap();
        let plain = read(folder.path(), SAMPLE);
        assert!(plain.warnings.is_empty(), "{:?}", plain.warnings);
        assert_eq!(plain.groups.len(), 0);

        std::fs::create_dir(folder.path().join("supervisord.d")).unwrap();
        std::fs::write(folder.path().join("supervisord.d/more.conf"), "[program:more]\ncommand=true\n").unwrap();
        let whole = read(folder.path(), &uncommented());
        let told: Vec<_> = whole.warnings.iter().map(crate::daemon::warning_text).collect();
        // That another file is read is told, too.
        assert!(told.iter().all(|text| text.starts_with("Included extra file")), "{told:?}");
        let names: Vec<_> = whole.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["mail", "tools", "more", "web"]);
    }
}
