//! What went wrong with a log, worded for the main log.

use std::fmt;
use std::io;
use std::path::Path;

/// What a [`Trouble`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// The file could not be opened; output is lost until it can.
    Open,
    /// A write failed; output is lost until it works.
    Write,
    /// A rotation failed; the current file goes on growing and loses nothing.
    Rotate,
    /// The file had been deleted or replaced by somebody; it was opened anew at its path.
    Replaced,
    /// A log could not be emptied.
    Clear,
    /// A left-over AUTO log could not be deleted.
    Clean,
    /// Good news: what was wrong before works again.
    Resumed {
        /// Bytes of output that were dropped in between.
        lost: u64,
    },
}

/// One message for the main log. Each trouble is told when it begins and when it is over, not
/// for every write in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it is about. Where two things happened in one call, the later one.
    pub kind: TroubleKind,
    /// The whole sentence, without level or newline.
    pub message: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl Trouble {
    /// True for the end of a trouble rather than its beginning.
    pub fn is_over(&self) -> bool {
        matches!(self.kind, TroubleKind::Resumed { .. })
    }

    pub(super) fn new(kind: TroubleKind, attempt: &str, path: &Path, error: &io::Error) -> Trouble {
        Trouble { kind, message: format!("{attempt} `{}`: {}", path.display(), cause(error)) }
    }

    pub(super) fn open(path: &Path, error: &io::Error) -> Trouble {
        Trouble::new(TroubleKind::Open, "cannot open log", path, error)
    }

    pub(super) fn write(path: &Path, error: &io::Error) -> Trouble {
        Trouble::new(TroubleKind::Write, "cannot write log", path, error)
    }

    pub(super) fn clear(path: &Path, error: &io::Error) -> Trouble {
        Trouble::new(TroubleKind::Clear, "cannot empty log", path, error)
    }

    pub(super) fn replaced(path: &Path) -> Trouble {
        let message = format!("log `{}` was moved or deleted: opened a new one", path.display());
        Trouble { kind: TroubleKind::Replaced, message }
    }

    pub(super) fn resumed(path: &Path, lost: u64) -> Trouble {
        let message = match lost {
            0 => format!("log `{}` works again, nothing was lost", path.display()),
            1 => format!("log `{}` works again, 1 byte was lost", path.display()),
            _ => format!("log `{}` works again, {lost} bytes were lost", path.display()),
        };
        Trouble { kind: TroubleKind::Resumed { lost }, message }
    }
}

/// Joins what two steps of one call had to say.
pub(super) fn join(first: Option<Trouble>, then: Option<Trouble>) -> Option<Trouble> {
    match (first, then) {
        (Some(first), Some(then)) => {
            Some(Trouble { kind: then.kind, message: format!("{}; {}", first.message, then.message) })
        }
        (first, then) => first.or(then),
    }
}

/// The cause in words, without the number that `io::Error` appends.
pub(super) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_os_error_is_told_without_its_number() {
        let trouble = Trouble::open(Path::new("/x/y"), &io::Error::from_raw_os_error(2));
        assert_eq!(trouble.to_string(), "cannot open log `/x/y`: No such file or directory");
        assert_eq!(trouble.kind, TroubleKind::Open);
        assert!(!trouble.is_over());
    }

    #[test]
    fn two_troubles_join_to_the_later_kind_with_both_texts() {
        let joined = join(Some(Trouble::replaced(Path::new("a"))), Some(Trouble::resumed(Path::new("a"), 2))).unwrap();
        assert_eq!(joined.kind, TroubleKind::Resumed { lost: 2 });
        assert_eq!(
            joined.message,
            "log `a` was moved or deleted: opened a new one; log `a` works again, 2 bytes were lost"
        );
        assert_eq!(join(None, None), None);
    }
}
