//! A mistake in a configuration, as data, and its sentence.

use std::fmt;

/// Characters of the user's text shown in a message.
const SHOWN_TEXT: usize = 120;

/// One thing that is wrong, where it stands and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, or `command line`.
    pub file: String,
    /// Line in it, from 1; 0 = the whole file.
    pub line: usize,
    /// Column in characters, from 1; 0 = the whole line.
    pub column: usize,
    /// Section the mistake is in.
    pub section: Option<String>,
    /// Key the mistake is in.
    pub key: Option<String>,
    /// What the user wrote.
    pub text: Option<String>,
    /// Why it is refused; Supervisor's own wording where it has one.
    pub reason: String,
}

impl Mistake {
    /// A mistake about a whole file.
    pub(super) fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, section: None, key: None, text: None, reason: reason.into() }
    }
}

/// Whether mistakes in a key do not tell its value: they go to the log, which others read than the file.
pub(super) fn may_be_secret(key: &str) -> bool {
    matches!(key, "environment" | "password" | "readonly_password")
}

/// The beginning of the user's text on one line.
fn shown(text: &str) -> String {
    let flat = text.replace('\n', "\\n");
    if flat.chars().count() <= SHOWN_TEXT {
        return flat;
    }
    flat.chars().take(SHOWN_TEXT).chain(['…']).collect()
}

impl fmt::Display for Mistake {
    /// ``file:line: [section] key: `text`: reason``, without the parts that are unknown.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.file)?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
        }
        out.write_str(": ")?;
        if let Some(section) = &self.section {
            write!(out, "[{section}]")?;
            out.write_str(if self.key.is_some() { " " } else { ": " })?;
        }
        if let Some(key) = &self.key {
            write!(out, "{key}: ")?;
        }
        if let Some(text) = &self.text {
            write!(out, "`{}`: ", shown(text))?;
        }
        out.write_str(&self.reason)
    }
}

impl std::error::Error for Mistake {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistake_with_everything_shows_all_parts() {
        let mistake = Mistake {
            line: 3,
            column: 7,
            section: Some("program:a".into()),
            key: Some("autostart".into()),
            text: Some("may\nbe".into()),
            ..Mistake::of_file("/x.conf", "not a valid boolean value: 'maybe'")
        };
        assert_eq!(
            mistake.to_string(),
            "/x.conf:3: [program:a] autostart: `may\\nbe`: not a valid boolean value: 'maybe'"
        );
    }

    #[test]
    fn mistake_of_file_shows_file_and_reason() {
        let mistake = Mistake::of_file("/x.conf", "no");
        assert_eq!(mistake.to_string(), "/x.conf: no");
    }
}
