//! Everything but XML-RPC that is served: the status page and what it needs, logs as text, metrics, probes.
//!
//! Owns: which address answers what, actions, the headers every answer has. Does not own: logins and host names, which were looked at before.
//!
//! The page is one HTML document (`page.html` holds styles and script) that works with scripts off; its script listens to `events`.

mod action;
mod live;
mod render;
pub mod row;
mod token;

use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use self::action::{Action, Outcome};
use self::render::View;
use self::row::Row;
use super::body::{self, Body};
use super::context::Context;
use super::control::AskError;
use super::{metrics, proc, stream};
use crate::protocol::{Code, Request as Ask, Stream};
use crate::sys::clock;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// The cookie that carries what an action has to say over the redirect; who can only make links cannot set it.
const MESSAGE: &str = "visor-message";
/// Seconds that it lives, should nobody read it.
const MESSAGE_SECONDS: u32 = 60;
/// Characters of a message; cookies are short.
const MESSAGE_CHARACTERS: usize = 800;
/// Bytes of a log that `tail.html` shows, at least and at most.
const TAIL_BYTES: (u64, u64) = (1024, 1024 * 1024);
/// What a page must not do that is not HTML of ours.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// Answers a request; `None` = this address is nothing here.
pub async fn handle(request: &Request<Bytes>, cx: &Context) -> Option<Response<Body>> {
    let (method, path) = (request.method(), request.uri().path());
    let query = request.uri().query().unwrap_or_default();
    let may_read = method == Method::GET || method == Method::HEAD;
    let mut response = match path {
        "/" | "/index.html" if method == Method::POST => act(request, cx).await,
        "/" | "/index.html" | "/tail.html" | "/ok.html" | "/events" | "/metrics" | "/healthz" | "/readyz"
            if !may_read =>
        {
            body::failure(StatusCode::METHOD_NOT_ALLOWED, "")
        }
        "/" | "/index.html" => look(request, cx, query).await,
        "/tail.html" => tail(cx, query).await,
        "/ok.html" => body::answer(StatusCode::OK, "text/plain", "OK"),
        "/events" => events(cx),
        "/metrics" => metrics::metrics(cx).await,
        "/healthz" => metrics::healthz(cx).await,
        "/readyz" => metrics::readyz(cx).await,
        "/mainlogtail" => stream::mainlogtail(cx, method, query).await,
        _ => {
            if let Some(rest) = path.strip_prefix("/logtail/") {
                stream::logtail(cx, method, rest, query).await
            } else if let Some(rest) = path.strip_prefix("/log/") {
                stream::last(cx, method, rest, query).await
            } else {
                return None;
            }
        }
    };
    guard(&mut response);
    Some(response)
}

/// The headers that every answer has, unless it has its own.
fn guard(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-cache, no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with it browsers send forms without saying where they come from.
        (REFERRER_POLICY, "same-origin"),
        (CONTENT_SECURITY_POLICY, NOTHING),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

fn events(cx: &Context) -> Response<Body> {
    let mut response = Response::new(live::events(cx));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The status page. An `action` in its address does nothing, but for `refresh`, which is nothing.
async fn look(request: &Request<Bytes>, cx: &Context, query: &str) -> Response<Body> {
    let kept = cookie(request, MESSAGE).and_then(|value| kept_outcome(&value));
    let refreshed = || (field(query.as_bytes(), "action")? == "refresh").then(|| Action::Refresh.outcome(None, &now()));
    let used = kept.is_some();
    let mut response = page(request, cx, StatusCode::OK, kept.or_else(refreshed)).await;
    if used {
        add(&mut response, SET_COOKIE, &format!("{MESSAGE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"));
    }
    response
}

async fn page(request: &Request<Bytes>, cx: &Context, status: StatusCode, said: Option<Outcome>) -> Response<Body> {
    let rows = match cx.ask(&Ask::Status(Vec::new())).await {
        Ok(answer) => Row::all(&answer.lines),
        Err(error) => return body::unavailable(&error),
    };
    let pids: Vec<u32> = rows.iter().map(|row| row.pid).filter(|pid| *pid != 0).collect();
    let usage = tokio::task::spawn_blocking(move || proc::sample(&pids)).await.unwrap_or_default();
    let rows: Vec<(Row, Option<u64>)> = rows
        .into_iter()
        .map(|row| (usage.get(&row.pid).map(|usage| usage.resident), row))
        .map(|(m, row)| (row, m))
        .collect();
    let known = token::of_cookies(request.headers());
    let Some(token) = known.clone().or_else(token::fresh) else {
        return body::failure(StatusCode::SERVICE_UNAVAILABLE, "The kernel has no random numbers yet");
    };
    let view = View {
        identifier: &cx.settings.identifier,
        version: &cx.settings.version,
        rows: &rows,
        message: said.as_ref().map(|said| (said.message.as_str(), said.ok)),
        token: cx.may_change().then_some(token.as_str()),
    };
    let title = format!("{} · visor", cx.settings.identifier);
    let mut response = document(status, &title, &render::status(&view));
    if known.is_none() && cx.may_change() {
        add(&mut response, SET_COOKIE, &token::set_cookie(&token));
    }
    response
}

/// An HTML document with a policy that lets only its own styles and script run.
fn document(status: StatusCode, title: &str, content: &maud::Markup) -> Response<Body> {
    let Some(nonce) = token::fresh() else {
        return body::failure(StatusCode::SERVICE_UNAVAILABLE, "The kernel has no random numbers yet");
    };
    let mut response = body::answer(status, HTML, render::document(title, &nonce, content));
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    add(&mut response, CONTENT_SECURITY_POLICY, &policy);
    response
}

/// A POST: does it if it comes from our page and the login may. A script gets JSON, a form is led back to the page.
async fn act(request: &Request<Bytes>, cx: &Context) -> Response<Body> {
    let form = request.body();
    let wants_json = request.headers().get(ACCEPT).is_some_and(|accept| accept == JSON);
    let refuse = |status, message: &str| refuse(request, cx, wants_json, status, message.to_owned());
    if !cx.may_change() {
        return refuse(StatusCode::FORBIDDEN, "This login may only look; nothing was done.").await;
    }
    if !token::same_site(request.headers()) {
        return refuse(StatusCode::FORBIDDEN, "Another site has sent this; nothing was done.").await;
    }
    if !token::matches(request.headers(), field(form, "token").as_deref()) {
        let text = "This page was too old, or cookies are off; nothing was done. Please try again.";
        return refuse(StatusCode::FORBIDDEN, text).await;
    }
    let (action, process) = (field(form, "action").unwrap_or_default(), field(form, "processname"));
    let Some(action) = Action::parse(&action, process.as_deref()) else {
        return refuse(StatusCode::BAD_REQUEST, "There is no such action; nothing was done.").await;
    };
    match perform(&action, cx).await {
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()).await,
        Ok(outcome) if wants_json => as_json(StatusCode::OK, &outcome, None),
        Ok(outcome) => {
            let mut response = body::answer(StatusCode::SEE_OTHER, HTML, "");
            add(&mut response, LOCATION, "./");
            add(&mut response, SET_COOKIE, &kept_cookie(&outcome));
            response
        }
    }
}

async fn perform(action: &Action, cx: &Context) -> Result<Outcome, AskError> {
    let mut whole = None;
    if let Action::Process(_, name) = action {
        let status = cx.ask(&Ask::Status(vec![name.clone()])).await?;
        let Some(row) = status.lines.iter().filter_map(Row::of).find(|row| row.is_called(name)) else {
            return Ok(action::no_such_process(name));
        };
        // A program may be called `all`, which alone means everything.
        whole = Some(format!("{}:{}", row.group, row.process));
    }
    let answer = match action.request(whole) {
        Some(request) => Some(cx.ask(&request).await?),
        None => None,
    };
    Ok(action.outcome(answer.as_ref(), &now()))
}

/// Nothing was done: the page again, with the reason, or the reason alone for a script. The new token makes the next try a good one.
async fn refuse(
    request: &Request<Bytes>,
    cx: &Context,
    json: bool,
    status: StatusCode,
    message: String,
) -> Response<Body> {
    let outcome = Outcome { ok: false, message };
    if !json {
        return page(request, cx, status, Some(outcome)).await;
    }
    let known = token::of_cookies(request.headers());
    let token = known.clone().or_else(token::fresh).filter(|_| cx.may_change() && token::same_site(request.headers()));
    let mut response = as_json(status, &outcome, token.as_deref());
    if let (None, Some(token)) = (known, token) {
        add(&mut response, SET_COOKIE, &token::set_cookie(&token));
    }
    response
}

fn as_json(status: StatusCode, outcome: &Outcome, token: Option<&str>) -> Response<Body> {
    let told = serde_json::json!({ "ok": outcome.ok, "message": outcome.message, "token": token });
    body::answer(status, JSON, told.to_string())
}

/// `tail.html`, as the original: the last bytes of a process' stdout log.
async fn tail(cx: &Context, query: &str) -> Response<Body> {
    let name = field(query.as_bytes(), "processname").filter(|name| !name.is_empty());
    let asked = field(query.as_bytes(), "limit").and_then(|limit| limit.parse().ok()).unwrap_or(0);
    let (least, most) = TAIL_BYTES;
    let limit = u64::clamp(asked, least, most);
    let text = match &name {
        None => "No process name found".to_owned(),
        Some(name) => match cx.ask(&Ask::Tail { name: name.clone(), stream: Stream::Stdout, bytes: limit }).await {
            Err(error) => return body::unavailable(&error),
            Ok(answer) => match answer.failure() {
                None => String::from_utf8_lossy(&answer.bytes()).into_owned(),
                Some((Code::BadName, _)) => format!("ERROR: unexpected rpc fault [10] BAD_NAME: {name}"),
                Some((Code::NoFile, _)) => format!("No file for {name}"),
                Some((_, text)) => format!("ERROR: unexpected rpc fault [30] FAILED: {text}"),
            },
        },
    };
    let name = name.unwrap_or_default();
    document(StatusCode::OK, &format!("Supervisor tail of process {name}"), &render::tail(&name, &text, limit))
}

/// The value of a field of a form or query; the first, if it is there more than once.
fn field(encoded: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(encoded).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn cookie(request: &Request<Bytes>, name: &str) -> Option<String> {
    let headers = request.headers().get_all(COOKIE);
    let mut pairs = headers.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.find_map(|pair| Some(pair.trim().strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

fn kept_cookie(outcome: &Outcome) -> String {
    let mark = if outcome.ok { '+' } else { '-' };
    let short: String = outcome.message.chars().take(MESSAGE_CHARACTERS).collect();
    format!(
        "{MESSAGE}={mark}{}; Path=/; Max-Age={MESSAGE_SECONDS}; HttpOnly; SameSite=Strict",
        render::in_address(&short)
    )
}

fn kept_outcome(value: &str) -> Option<Outcome> {
    let ok = value.starts_with('+');
    let text = value.strip_prefix(['+', '-']).filter(|text| !text.is_empty())?;
    let message = percent_encoding::percent_decode_str(text).decode_utf8().ok()?.into_owned();
    Some(Outcome { ok, message })
}

/// Adds a header whose value is of our making; what cannot be one is left out.
fn add(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

/// The time of day as `ctime(3)` writes it.
fn now() -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = clock::local(i64::try_from(clock::wall().as_secs()).unwrap_or(0));
    let day = DAYS.get(time.weekday as usize).unwrap_or(&"");
    let month = MONTHS.get(time.month.saturating_sub(1) as usize).unwrap_or(&"");
    format!("{day} {month} {:2} {:02}:{:02}:{:02} {}", time.day, time.hour, time.minute, time.second, time.year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_survives_the_redirect_and_cannot_break_the_cookie() {
        for ok in [true, false] {
            let outcome = Outcome { ok, message: "Process a; b=\"ü\"\r\nSet-Cookie: x=y".to_owned() };
            let cookie = kept_cookie(&outcome);
            assert_eq!(cookie.split(';').count(), 5, "{cookie}");
            assert!(cookie.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
            let value = cookie.split(';').next().unwrap().strip_prefix("visor-message=").unwrap();
            assert_eq!(kept_outcome(value), Some(outcome));
        }
        for bad in ["", "+", "x", "+%ff"] {
            assert_eq!(kept_outcome(bad), None, "{bad}");
        }
    }

    #[test]
    fn fields_are_decoded_and_the_first_counts() {
        assert_eq!(field(b"a=1&b=x+y%3A&b=z", "b").as_deref(), Some("x y:"));
        assert_eq!(field(b"a=1", "b"), None);
    }

    #[test]
    fn time_of_day_has_ctimes_form() {
        let text = now();
        assert_eq!(text.len(), "Mon Nov 23 04:50:24 2026".len(), "{text}");
        assert_eq!(text.split_whitespace().count(), 5);
    }
}
