//! One output stream on its way to its log when its bytes alone are not enough: lines in their form, as many as may pass, and what waits
//! for a console that is full. Knows no descriptor.

use std::time::Duration;

use crate::config::{LogFormat, LogLines, Overflow, PrefixPart};
use crate::list::List as _;
use crate::logs::{End, Format, Limiter, Part, Speaker, Whole, utc};
use crate::program::Now;

/// Bytes of a stream that wait for a console.
const HELD_BYTES: usize = 64 * 1024;
/// Room that is kept between two chunks for lines in their form.
const KEPT_BYTES: usize = 16 * 1024;
/// What was dropped is told at most so often.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Has lines cut and gives each to what is passed with them.
type Cut<'c> = &'c mut dyn FnMut(&mut Whole, &mut dyn FnMut(&[u8], End));

/// Shapes one stream.
#[derive(Debug)]
pub(super) struct Shaper {
    whole: Whole,
    format: Format,
    limiter: Option<Limiter>,
    /// What becomes of the rest of a line whose beginning was written already, or dropped.
    amid: Option<bool>,
    /// Lines that the limiter dropped since that was told.
    limited: u64,
    /// How long dropped lines are counted before that is told.
    pause: Duration,
    /// When that is told.
    pub tell_at: Option<Duration>,
    overflow: Overflow,
    /// Whole lines that wait for the console.
    held: Vec<u8>,
    /// Lines for which it had no room since that was told.
    overflowed: u64,
    /// Bytes dropped ever, for whatever reason.
    pub lost: u64,
    /// What came out since [`Shaper::begin`].
    pub out: Vec<u8>,
}

impl Shaper {
    /// A shaper for lines that need one; it has to be told who speaks.
    pub fn new(lines: &LogLines) -> Option<Shaper> {
        if lines.format == LogFormat::Raw && lines.rate.is_none() && lines.overflow == Overflow::Block {
            return None;
        }
        Some(Shaper {
            whole: Whole::default(),
            format: Format::Raw,
            limiter: lines.rate.map(|rate| Limiter::new(rate.lines, rate.per)),
            amid: None,
            limited: 0,
            pause: lines.rate.map_or(SHORTEST_PAUSE, |rate| rate.per.max(SHORTEST_PAUSE)),
            tell_at: None,
            overflow: lines.overflow,
            held: Vec::new(),
            overflowed: 0,
            lost: 0,
            out: Vec::new(),
        })
    }

    /// From now on it is this one who speaks.
    pub fn introduce(&mut self, format: &LogFormat, of: Speaker) {
        self.format = match format {
            LogFormat::Raw => Format::Raw,
            LogFormat::Prefix(parts) => Format::Prefix(parts.iter().map(|part| rendered(part, of)).list()),
            LogFormat::Logfmt => Format::logfmt(of),
            LogFormat::Json => Format::json(of),
        };
    }

    /// Takes over the settings of another one; what came so far goes on.
    pub fn adopt(&mut self, other: Shaper) {
        (self.limiter, self.pause, self.overflow) = (other.limiter, other.pause, other.overflow);
    }

    /// Whether the program is to wait for a console that is full.
    pub fn blocks(&self) -> bool {
        self.overflow == Overflow::Block
    }

    /// What comes out is gathered anew.
    pub fn begin(&mut self) {
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES);
    }

    /// Takes a chunk; the lines that are whole come out.
    pub fn feed(&mut self, chunk: &[u8], now: Now) {
        self.tell(now);
        self.pass(now, &mut |whole, each| whole.push(chunk, each));
    }

    /// The stream has ended: what is left comes out.
    pub fn finish(&mut self, now: Now) {
        self.pass(now, &mut |whole, each| whole.finish(each));
        self.tell_at = self.tell_at.map(|_| now.mono);
        self.tell(now);
    }

    /// What the limiter dropped comes out as a line, when it is time to tell.
    pub fn tell(&mut self, now: Now) {
        if self.tell_at.is_some_and(|at| at <= now.mono) {
            self.tell_at = None;
            let lines = std::mem::take(&mut self.limited);
            self.format.dropped(&mut self.out, &utc(now.wall), lines, "log_rate");
        }
    }

    fn pass(&mut self, now: Now, cut: Cut) {
        let Shaper { whole, format, limiter, amid, limited, lost, out, .. } = self;
        let time = utc(now.wall);
        cut(whole, &mut |text, end| {
            let may_pass = amid.unwrap_or_else(|| limiter.as_mut().is_none_or(|limiter| limiter.allows(now.mono)));
            if may_pass {
                format.line(out, &time, text, end);
            } else {
                *limited = limited.saturating_add(u64::from(amid.is_none()));
                *lost = lost.saturating_add(text.len() as u64).saturating_add(u64::from(end == End::Newline));
            }
            *amid = (end == End::Partial).then_some(may_pass);
        });
        if self.limited > 0 && self.tell_at.is_none() {
            self.tell_at = Some(now.mono.saturating_add(self.pause));
        }
    }

    /// Whether these lines may be written to the console now; else it was decided what becomes of them.
    pub fn may_write(&mut self, lines: &[u8], full: bool) -> bool {
        if !full {
            return true;
        }
        match self.overflow {
            // Its pipe rests; what comes all the same is the end of something, or not from there.
            Overflow::Block => return true,
            Overflow::DropNew => self.drop_lines(lines),
            Overflow::DropOldest => {
                self.held.extend_from_slice(lines);
                let surplus = self.held.len().saturating_sub(HELD_BYTES);
                if surplus > 0 {
                    let mut held = std::mem::take(&mut self.held);
                    let after = held.iter().skip(surplus - 1).position(|&byte| byte == b'\n');
                    let end = after.map_or(held.len(), |after| surplus.saturating_add(after));
                    self.drop_lines(held.get(..end).unwrap_or_default());
                    held.drain(..end.min(held.len()));
                    self.held = held;
                }
            }
        }
        false
    }

    fn drop_lines(&mut self, lines: &[u8]) {
        let count = lines.iter().filter(|&&byte| byte == b'\n').count();
        self.overflowed = self.overflowed.saturating_add(count as u64);
        self.lost = self.lost.saturating_add(lines.len() as u64);
    }

    /// Whether something waits for the console.
    pub fn waits(&self) -> bool {
        self.overflowed > 0 || !self.held.is_empty()
    }

    /// What waited for the console, behind a line that says what did not.
    pub fn release(&mut self, now: Now) -> Vec<u8> {
        let mut out = Vec::new();
        let lines = std::mem::take(&mut self.overflowed);
        if lines > 0 {
            self.format.dropped(&mut out, &utc(now.wall), lines, "log_overflow");
        }
        out.append(&mut self.held);
        self.held = Vec::new();
        out
    }
}

fn rendered(part: &PrefixPart, of: Speaker) -> Part {
    Part::Text(match part {
        PrefixPart::Time => return Part::Time,
        PrefixPart::Text(text) => text.clone(),
        PrefixPart::Name => of.name.to_owned(),
        PrefixPart::Group => of.group.to_owned(),
        PrefixPart::Stream => of.stream.to_owned(),
        PrefixPart::Pid => of.pid.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogRate;

    const OF: Speaker = Speaker { name: "web", group: "all", stream: "stdout", pid: 7 };

    fn at(millis: u64) -> Now {
        let mono = Duration::from_millis(millis);
        Now { mono, wall: mono }
    }

    fn limited(lines: u32) -> Shaper {
        let rate = Some(LogRate { lines, per: Duration::from_secs(1) });
        Shaper::new(&LogLines { rate, ..LogLines::default() }).unwrap()
    }

    fn overflowing(overflow: Overflow) -> Shaper {
        Shaper::new(&LogLines { overflow, ..LogLines::default() }).unwrap()
    }

    fn fed(shaper: &mut Shaper, chunk: &str, now: Now) -> String {
        shaper.begin();
        shaper.feed(chunk.as_bytes(), now);
        String::from_utf8(shaper.out.clone()).unwrap()
    }

    #[test]
    fn plain_lines_need_no_shaper() {
        assert!(Shaper::new(&LogLines::default()).is_none());
        assert!(Shaper::new(&LogLines { ring: Some(1), ..LogLines::default() }).is_none());
    }

    #[test]
    fn prefix_has_the_names_of_who_speaks() {
        let text = |text: &str| PrefixPart::Text(text.to_owned());
        let parts = vec![
            PrefixPart::Group,
            text(":"),
            PrefixPart::Name,
            text("/"),
            PrefixPart::Stream,
            text(" "),
            PrefixPart::Pid,
        ];
        let lines = LogLines { format: LogFormat::Prefix(parts), ..LogLines::default() };
        let mut shaper = Shaper::new(&lines).unwrap();
        shaper.introduce(&lines.format, OF);
        assert_eq!(fed(&mut shaper, "a\nb", at(0)), "all:web/stdout 7 a\n");
        shaper.introduce(&lines.format, Speaker { pid: 8, ..OF });
        assert_eq!(fed(&mut shaper, "c\n", at(0)), "all:web/stdout 8 bc\n");
    }

    #[test]
    fn dropped_lines_are_told_once_in_a_while_and_at_the_end() {
        let mut shaper = limited(2);
        assert_eq!(fed(&mut shaper, "1\n2\n3\n4\n", at(100)), "1\n2\n");
        assert_eq!((shaper.lost, shaper.tell_at), (4, Some(at(1100).mono)));
        assert_eq!(fed(&mut shaper, "5\n", at(200)), "");
        assert_eq!(fed(&mut shaper, "6\n", at(1100)), "visor: 3 lines were dropped: log_rate\n6\n");
        assert_eq!(shaper.tell_at, None);
        assert_eq!(fed(&mut shaper, "7\n8\n9\n", at(1101)), "7\n");
        shaper.begin();
        shaper.finish(at(1102));
        assert_eq!(shaper.out, b"visor: 2 lines were dropped: log_rate\n");
        assert_eq!(shaper.tell_at, None);
    }

    #[test]
    fn long_line_counts_once_and_is_dropped_whole() {
        let long = "x".repeat(40_000);
        let mut shaper = limited(1);
        assert_eq!(fed(&mut shaper, &format!("{long}\n"), at(0)), format!("{long}\n"));
        assert_eq!(fed(&mut shaper, &long, at(1)), "");
        // Its end comes when there is a token again.
        assert_eq!(fed(&mut shaper, "y\nz\n", at(1000)), "z\n");
        assert_eq!((shaper.limited, shaper.lost), (1, 40_002));
    }

    #[test]
    fn new_lines_are_dropped_while_the_console_is_full() {
        let mut shaper = overflowing(Overflow::DropNew);
        assert!(shaper.may_write(b"a\n", false) && !shaper.waits());
        assert!(!shaper.may_write(b"b\nc\n", true));
        assert!(shaper.waits());
        assert_eq!(shaper.release(at(0)), b"visor: 2 lines were dropped: log_overflow\n");
        assert!(!shaper.waits() && shaper.lost == 4);
    }

    #[test]
    fn oldest_lines_are_dropped_whole_when_too_many_wait() {
        let mut shaper = overflowing(Overflow::DropOldest);
        let line = |n: usize| format!("{n:07}\n");
        for n in 0..HELD_BYTES / 8 + 10 {
            assert!(!shaper.may_write(line(n).as_bytes(), true));
            assert!(shaper.held.len() <= HELD_BYTES);
        }
        let released = String::from_utf8(shaper.release(at(0))).unwrap();
        assert!(released.starts_with("visor: 10 lines were dropped: log_overflow\n0000010\n"), "{:.100}", released);
        assert!(released.ends_with(&line(HELD_BYTES / 8 + 9)));
        assert_eq!(shaper.lost, 80);
        assert!(!shaper.may_write(&vec![b'x'; HELD_BYTES + 1], true));
        assert_eq!((shaper.held.len(), shaper.lost), (0, 80 + HELD_BYTES as u64 + 1));
    }

    #[test]
    fn blocking_writes_whatever_comes() {
        let mut shaper = limited(1);
        assert!(shaper.blocks() && shaper.may_write(b"a", true) && !shaper.waits());
    }
}
