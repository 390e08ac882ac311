//! Who may come in.
//!
//! Owns: Basic logins, their comparison, the delay of those that guess. Does not own: what a login may do in detail, which visor decides
//! by the rights of its control connections.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use sha1::{Digest as _, Sha1};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::time::Instant;

use crate::protocol::handover::{Door, Login, Rights};

/// Peers whose failures are remembered; of more the one whose last failure is longest ago is forgotten.
const MAX_GUESSERS: usize = 1024;
/// Failures that cost nothing: people mistype.
const FREE_FAILURES: u32 = 3;
/// What the next failure costs; each doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// The longest delay of one answer.
const LONGEST_DELAY: Duration = Duration::from_secs(8);
/// After so long without a failure a peer is as good as new.
const FORGIVEN_AFTER: Duration = Duration::from_secs(300);
/// What marks a password as the hash of one.
const HASHED: &str = "{SHA}";

/// What the credentials of a request are worth at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Come in.
    Welcome(Rights),
    /// There are none, and some are needed.
    Missing,
    /// They are of nobody we know, or cannot be read.
    Wrong,
}

/// Judges a request's `Authorization`. A door without a login lets everybody do everything; one with only a read-only login lets
/// those who show it look, and nobody do more.
#[must_use]
pub fn judge(door: &Door, headers: &HeaderMap) -> Verdict {
    if door.login.is_none() && door.readonly.is_none() {
        return Verdict::Welcome(Rights::All);
    }
    let mut given = headers.get_all(AUTHORIZATION).into_iter();
    let (Some(header), None) = (given.next(), given.next()) else {
        return if headers.contains_key(AUTHORIZATION) { Verdict::Wrong } else { Verdict::Missing };
    };
    let Some((user, password)) = credentials(header.as_bytes()) else { return Verdict::Wrong };
    // Both are compared, whatever the first says, so that time tells nothing.
    let all = door.login.as_ref().map_or(Choice::from(0), |login| matches(login, &user, &password));
    let look = door.readonly.as_ref().map_or(Choice::from(0), |login| matches(login, &user, &password));
    if bool::from(all) {
        Verdict::Welcome(Rights::All)
    } else if bool::from(look) {
        Verdict::Welcome(Rights::Observe)
    } else {
        Verdict::Wrong
    }
}

/// User and password of a `Basic` header.
fn credentials(header: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let space = header.iter().position(|&byte| byte == b' ')?;
    let (scheme, rest) = header.split_at(space);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let plain = STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = plain.iter().position(|&byte| byte == b':')?;
    let (user, password) = plain.split_at(colon);
    Some((user.to_vec(), password.get(1..).unwrap_or_default().to_vec()))
}

/// Compares hashes of equal length, so that neither content nor length shows in the time it takes.
fn matches(login: &Login, user: &[u8], password: &[u8]) -> Choice {
    let same_user = hash(login.username.as_bytes()).ct_eq(&hash(user));
    let same_password = match login.password.strip_prefix(HASHED) {
        Some(expected) => hex(&hash(password)).as_bytes().ct_eq(expected.to_ascii_lowercase().as_bytes()),
        None => hash(login.password.as_bytes()).ct_eq(&hash(password)),
    };
    same_user & same_password
}

fn hash(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Those who have shown wrong credentials, and how long each waits for the next answer.
#[derive(Debug, Default)]
pub struct Guessers {
    known: RefCell<BTreeMap<String, Guesser>>,
}

#[derive(Debug, Clone, Copy)]
struct Guesser {
    failures: u32,
    last: Instant,
}

impl Guessers {
    /// How long a peer waits for what comes of its next try, be it right or wrong: who does not wait for the answer learns nothing.
    pub fn pause(&self, peer: &str, now: Instant) -> Duration {
        match self.known.borrow().get(&network(peer)) {
            Some(guesser) if now.duration_since(guesser.last) <= FORGIVEN_AFTER => delay(guesser.failures),
            Some(_) | None => Duration::ZERO,
        }
    }

    /// Counts a failure of `peer`.
    pub fn failed(&self, peer: &str, now: Instant) {
        let mut known = self.known.borrow_mut();
        let name = network(peer);
        if !known.contains_key(&name) && known.len() >= MAX_GUESSERS {
            let oldest = known.iter().min_by_key(|(_, guesser)| guesser.last).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                known.remove(&oldest);
            }
        }
        let guesser = known.entry(name).or_insert(Guesser { failures: 0, last: now });
        if now.duration_since(guesser.last) > FORGIVEN_AFTER {
            guesser.failures = 0;
        }
        guesser.failures = guesser.failures.saturating_add(1);
        guesser.last = now;
    }

    /// Forgets the failures of a peer who has shown the right credentials.
    pub fn succeeded(&self, peer: &str) {
        let mut known = self.known.borrow_mut();
        if !known.is_empty() {
            known.remove(&network(peer));
        }
    }
}

fn delay(failures: u32) -> Duration {
    let Some(counted) = failures.checked_sub(FREE_FAILURES + 1) else { return Duration::ZERO };
    let factor = 2_u32.checked_pow(counted).unwrap_or(u32::MAX);
    FIRST_DELAY.checked_mul(factor).unwrap_or(LONGEST_DELAY).min(LONGEST_DELAY)
}

/// Whose failures count together: one who has an IPv6 address has 2^64 of them.
fn network(peer: &str) -> String {
    match peer.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V6(_) | IpAddr::V4(_)) | Err(_) => peer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(username: &str, password: &str) -> Option<Login> {
        Some(Login { username: username.to_owned(), password: password.to_owned() })
    }

    fn door(login: Option<Login>, readonly: Option<Login>) -> Door {
        Door { server: 0, kind: "inet".to_owned(), address: String::new(), login, readonly }
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn judged(door: &Door, headers: &[&str]) -> Verdict {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(AUTHORIZATION, header.parse().unwrap());
        }
        judge(door, &map)
    }

    #[test]
    fn door_without_login_is_open() {
        let open = door(None, None);
        assert_eq!(judged(&open, &[]), Verdict::Welcome(Rights::All));
        assert_eq!(judged(&open, &["rubbish"]), Verdict::Welcome(Rights::All));
    }

    #[test]
    fn right_login_comes_in_and_wrong_ones_do_not() {
        let door = door(login("user", "pass:word"), None);
        assert_eq!(judged(&door, &[&basic("user:pass:word")]), Verdict::Welcome(Rights::All));
        assert_eq!(
            judged(&door, &[&basic("user:pass:word").replace("Basic", "bASIC ")]),
            Verdict::Welcome(Rights::All)
        );
        assert_eq!(judged(&door, &[]), Verdict::Missing);
        for wrong in ["user:", "user:pass", "USER:pass:word", ":", "user", "", "user:pass:word\0", "xuser:pass:word"] {
            assert_eq!(judged(&door, &[&basic(wrong)]), Verdict::Wrong, "{wrong}");
        }
        let right = basic("user:pass:word");
        for malformed in ["", "Basic", "Basic ", "Basic !!!", "Bearer x", "Basic dXNlcg"] {
            assert_eq!(judged(&door, &[malformed]), Verdict::Wrong, "{malformed}");
        }
        assert_eq!(judged(&door, &[&right, &right]), Verdict::Wrong, "two are one too many");
    }

    #[test]
    fn hashed_password_is_compared_by_its_hash_only() {
        // SHA-1 of `thepassword`.
        let hashed = "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d";
        for written in [hashed.to_owned(), hashed.replace("ab876d", "AB876D")] {
            let door = door(login("u", &written), None);
            assert_eq!(judged(&door, &[&basic("u:thepassword")]), Verdict::Welcome(Rights::All));
            assert_eq!(judged(&door, &[&basic(&format!("u:{hashed}"))]), Verdict::Wrong);
        }
        let broken = door(login("u", "{SHA}"), None);
        assert_eq!(judged(&broken, &[&basic("u:")]), Verdict::Wrong);
    }

    #[test]
    fn readonly_login_may_look() {
        let both = door(login("a", "1"), login("r", "2"));
        assert_eq!(judged(&both, &[&basic("a:1")]), Verdict::Welcome(Rights::All));
        assert_eq!(judged(&both, &[&basic("r:2")]), Verdict::Welcome(Rights::Observe));
        assert_eq!(judged(&both, &[&basic("r:1")]), Verdict::Wrong);
        let only = door(None, login("r", "2"));
        assert_eq!(judged(&only, &[]), Verdict::Missing);
        assert_eq!(judged(&only, &[&basic("r:2")]), Verdict::Welcome(Rights::Observe));
    }

    #[test]
    fn delays_grow_to_a_limit_and_are_forgiven() {
        let guessers = Guessers::default();
        let start = Instant::now();
        let fails = |peer: &str, at: Instant| {
            guessers.failed(peer, at);
            guessers.pause(peer, at).as_millis()
        };
        let delays: Vec<u128> = (0..12).map(|_| fails("1.2.3.4", start)).collect();
        assert_eq!(delays, [0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
        assert_eq!(guessers.pause("1.2.3.5", start), Duration::ZERO, "others do not pay");
        assert_eq!(delay(u32::MAX), LONGEST_DELAY);
        guessers.succeeded("1.2.3.4");
        assert_eq!(fails("1.2.3.4", start), 0);
        for _ in 0..9 {
            guessers.failed("1.2.3.4", start);
        }
        let later = start + FORGIVEN_AFTER + Duration::from_secs(1);
        assert_eq!(guessers.pause("1.2.3.4", later), Duration::ZERO);
        assert_eq!(fails("1.2.3.4", later), 0);
    }

    #[test]
    fn neighbours_of_one_ipv6_network_count_together() {
        let guessers = Guessers::default();
        let now = Instant::now();
        for n in 0..6 {
            guessers.failed(&format!("2001:db8::{n}"), now);
            guessers.failed(&format!("::ffff:1.2.3.{n}"), now);
        }
        assert!(guessers.pause("2001:db8::7", now) > Duration::ZERO);
        assert_eq!(guessers.pause("2001:db9::7", now), Duration::ZERO);
        assert_eq!(guessers.pause("::ffff:1.2.3.4", now), Duration::ZERO);
    }

    #[test]
    fn table_of_guessers_is_bounded() {
        let guessers = Guessers::default();
        let now = Instant::now();
        for n in 0..(MAX_GUESSERS as u32 * 3) {
            guessers.failed(&std::net::Ipv4Addr::from(n).to_string(), now + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(guessers.known.borrow().len(), MAX_GUESSERS);
    }
}
