//! What people see: text out, in colour where that helps.

use std::io::{self, IsTerminal as _, Write};

/// Colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Good.
    Green,
    /// On its way.
    Yellow,
    /// Bad.
    Red,
    /// Neither.
    Plain,
    /// One of six, to tell names apart.
    Name(usize),
}

/// Escape codes of [`Colour::Name`].
const NAME_CODES: [u8; 6] = [36, 33, 32, 35, 34, 31];

impl Colour {
    fn code(self) -> Option<u8> {
        match self {
            Colour::Green => Some(32),
            Colour::Yellow => Some(33),
            Colour::Red => Some(31),
            Colour::Plain => None,
            Colour::Name(index) => NAME_CODES.get(index % NAME_CODES.len()).copied(),
        }
    }
}

/// Where an action writes. Nothing is seen before [`Screen::flush`].
pub struct Screen {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    pending: Vec<u8>,
    colour: bool,
    gone: bool,
}

/// Bytes held before they are written without being asked.
const PENDING_BYTES: usize = 64 * 1024;

impl Screen {
    /// stdout and stderr; colour on a terminal unless `NO_COLOR` is set.
    #[must_use]
    pub fn standard() -> Screen {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = io::stdout().is_terminal() && !no_colour;
        Screen::new(Box::new(io::stdout()), Box::new(io::stderr()), colour)
    }

    /// Any two writers.
    #[must_use]
    pub fn new(out: Box<dyn Write>, err: Box<dyn Write>, colour: bool) -> Screen {
        Screen { out, err, pending: Vec::new(), colour, gone: false }
    }

    /// Adds a line.
    pub fn line(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(b"\n");
    }

    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PENDING_BYTES {
            self.flush();
        }
    }

    /// Writes a line to stderr, after what is pending.
    pub fn remark(&mut self, text: &str) {
        self.flush();
        let _ = writeln!(self.err, "{text}");
    }

    /// Makes all of it seen.
    pub fn flush(&mut self) {
        let written = self.out.write_all(&self.pending).and_then(|()| self.out.flush());
        self.pending.clear();
        self.gone |= written.is_err();
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// `text` in a colour, if this screen has any.
    #[must_use]
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        match colour.code() {
            Some(code) if self.colour => format!("\x1b[{code}m{text}\x1b[0m"),
            Some(_) | None => text.to_owned(),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_only_painted_where_there_is_some() {
        let screen = |colour| Screen::new(Box::new(io::sink()), Box::new(io::sink()), colour);
        assert_eq!(screen(true).paint(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(screen(true).paint(Colour::Plain, "x"), "x");
        assert_eq!(screen(false).paint(Colour::Red, "x"), "x");
    }

    #[test]
    fn closed_output_is_noticed_and_harms_nothing() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut screen = Screen::new(Box::new(Closed), Box::new(Closed), false);
        screen.line("x");
        assert!(!screen.is_gone());
        screen.flush();
        assert!(screen.is_gone());
        screen.remark("y");
    }
}
