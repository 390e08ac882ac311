//! Options of actions that may stand anywhere among their words: `--name value` and `--name=value`. Pure.

use std::time::{Duration, Instant};

/// A limit of time as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    text: String,
    length: Duration,
}

impl Limit {
    /// When it is over, counted from now; `None` = too far away to come.
    pub fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.length)
    }

    /// As it was written, with its unit.
    pub fn text(&self) -> String {
        let bare = self.text.bytes().all(|byte| byte.is_ascii_digit());
        if bare { format!("{} s", self.text) } else { self.text.clone() }
    }
}

/// Takes an option out of the words; the last one wins.
///
/// # Errors
/// It has no value.
pub fn take<'a>(words: &mut Vec<&'a str>, name: &str) -> Result<Option<&'a str>, String> {
    let mut found = None;
    let mut rest = std::mem::take(words).into_iter();
    while let Some(word) = rest.next() {
        match word.strip_prefix(name) {
            Some("") => found = Some(rest.next().ok_or_else(|| format!("Error: {name} requires a value"))?),
            Some(tail) if tail.starts_with('=') => found = tail.get(1..),
            Some(_) | None => words.push(word),
        }
    }
    Ok(found)
}

/// Takes a word without a value out of the words; whether it was there.
pub fn take_switch(words: &mut Vec<&str>, name: &str) -> bool {
    let before = words.len();
    words.retain(|word| *word != name);
    words.len() < before
}

/// Takes `--timeout TIME` out of the words.
///
/// # Errors
/// It is no time.
pub fn take_limit(words: &mut Vec<&str>) -> Result<Option<Limit>, String> {
    let Some(text) = take(words, "--timeout")? else { return Ok(None) };
    let length = crate::config::duration(text).map_err(|error| format!("Error: --timeout: {error}"))?;
    Ok(Some(Limit { text: text.to_owned(), length }))
}

/// Refuses what looks like an option and is none.
///
/// # Errors
/// It, in words.
pub fn no_more(words: &[&str]) -> Result<(), String> {
    match words.iter().find(|word| word.starts_with('-')) {
        Some(word) => Err(format!("Error: bad argument {word}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_wherever_they_stand() {
        let mut words = vec!["a", "--for", "ready", "b", "--timeout=5m", "--for=stopped", "--fort"];
        assert_eq!(take(&mut words, "--for"), Ok(Some("stopped")));
        let limit = take_limit(&mut words).unwrap().unwrap();
        assert_eq!((limit.length, limit.text().as_str()), (Duration::from_secs(300), "5m"));
        assert_eq!(words, ["a", "b", "--fort"]);
        assert_eq!(no_more(&words), Err("Error: bad argument --fort".to_owned()));
        assert!(take_switch(&mut words, "--fort") && !take_switch(&mut words, "--fort"));
        assert_eq!(no_more(&words), Ok(()));
        assert_eq!(take(&mut words, "--for"), Ok(None));
    }

    #[test]
    fn option_without_value_and_what_is_no_time_are_refused() {
        assert_eq!(take(&mut vec!["a", "--for"], "--for"), Err("Error: --for requires a value".to_owned()));
        for bad in ["--timeout=", "--timeout=x", "--timeout=-1", "--timeout=5y"] {
            assert!(take_limit(&mut vec![bad]).unwrap_err().starts_with("Error: --timeout: "), "{bad}");
        }
        assert_eq!(take_limit(&mut vec!["--timeout", "7"]).unwrap().unwrap().text(), "7 s");
    }
}
