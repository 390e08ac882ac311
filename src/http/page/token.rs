//! Whether a POST comes from our own page.
//!
//! Owns: the token (a random cookie that a form must repeat) and what the browser says of the sender. The cookie lives in the browser,
//! so it outlasts this gateway. Does not own: logins, `Host` and `Origin`, and what
//! the request wants.

use hyper::HeaderMap;
use hyper::header::COOKIE;
use subtle::ConstantTimeEq;

/// Name of the cookie, and of the form's field.
const NAME: &str = "visor-token";
/// Random bytes in a token.
const BYTES: usize = 16;
/// What a browser says of where the request comes from, where it trusts the connection.
const FETCH_SITE: &str = "sec-fetch-site";

/// The token that the browser already has, if it has one.
#[must_use]
pub fn of_cookies(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == NAME && is_token(value))
        .map(|(_, value)| value.to_owned())
}

fn is_token(text: &str) -> bool {
    text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A new one; `None` when the kernel has no randomness.
#[must_use]
pub fn fresh() -> Option<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The header that gives it to the browser.
#[must_use]
pub fn set_cookie(token: &str) -> String {
    format!("{NAME}={token}; Path=/; HttpOnly; SameSite=Strict")
}

/// Whether what the form says is what the browser's cookie says.
#[must_use]
pub fn matches(headers: &HeaderMap, field: Option<&str>) -> bool {
    match (of_cookies(headers), field) {
        (Some(cookie), Some(field)) => cookie.as_bytes().ct_eq(field.as_bytes()).into(),
        (None, _) | (_, None) => false,
    }
}

/// Whether the browser, if it says so at all, says that our own page sent this. Other ways to tell were looked at before.
#[must_use]
pub fn same_site(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_none_or(|site| site == "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    const ONE: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn cookie_is_found_among_others_and_a_misshapen_one_is_not() {
        let found = of_cookies(&headers(&[("cookie", "a=b; visor-token=00112233445566778899aabbccddeeff;c=d")]));
        assert_eq!(found.as_deref(), Some(ONE));
        for bad in ["visor-token=", "visor-token=xx112233445566778899aabbccddeeff", "visor-tokens=1", ""] {
            assert_eq!(of_cookies(&headers(&[("cookie", bad)])), None);
        }
    }

    #[test]
    fn fresh_tokens_are_tokens_and_differ() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert!(is_token(&one) && is_token(&other) && one != other);
        assert!(set_cookie(&one).contains("SameSite=Strict"));
    }

    #[test]
    fn form_without_or_with_another_token_does_not_match() {
        let cookie = headers(&[("cookie", "visor-token=00112233445566778899aabbccddeeff")]);
        assert!(matches(&cookie, Some(ONE)));
        assert!(!matches(&cookie, None));
        assert!(!matches(&cookie, Some("")));
        assert!(!matches(&cookie, Some("10112233445566778899aabbccddeeff")));
        assert!(!matches(&HeaderMap::new(), Some(ONE)));
        assert!(!matches(&headers(&[("cookie", "visor-token=")]), Some("")));
    }

    #[test]
    fn only_our_own_page_may_be_named_as_the_sender() {
        assert!(same_site(&HeaderMap::new()));
        for (site, ours) in [("same-origin", true), ("same-site", false), ("cross-site", false), ("none", false)] {
            assert_eq!(same_site(&headers(&[("sec-fetch-site", site)])), ours, "{site}");
        }
    }
}
