//! The page with scripts on, in Chromium: what happens is seen without a reload, and lost connections are told and come back.

use crate::browser::{Browser, Screen};
use crate::site::Site;

/// The page at a site, connected. `window.same` tells whether it was loaded anew since.
fn look(site: &Site, screen: Screen) -> Option<Browser> {
    let browser = Browser::start(screen)?;
    browser.go(&format!("http://127.0.0.1:{}/", site.port));
    browser.until("document.querySelector('#link').dataset.link === 'live'");
    browser.run("window.same = true");
    Some(browser)
}

fn row(name: &str) -> String {
    format!("#processes tr[data-name=\"{name}\"]")
}

fn state_is(browser: &Browser, name: &str, state: &str) {
    browser.until(&format!("document.querySelector('{}').dataset.state === '{state}'", row(name)));
}

fn said(browser: &Browser, text: &str) {
    browser.until(&format!(
        "document.querySelector('#note span').textContent === {text:?} && !document.querySelector('#note').hidden"
    ));
}

fn press(browser: &Browser, name: &str, verb: &str) {
    browser.click(&format!("{} button[data-verb={verb}]", row(name)));
}

fn starts_stops_and_restarts(screen: Screen) {
    let site = Site::open();
    let Some(browser) = look(&site, screen) else { return };
    press(&browser, "idle", "start");
    state_is(&browser, "idle", "RUNNING");
    said(&browser, "Process idle started");
    assert_eq!(site.daemon.state_of("idle"), "RUNNING");
    let before = site.daemon.pid_of("pair:pair_0");
    press(&browser, "pair:pair_0", "restart");
    said(&browser, "Process pair:pair_0 restarted");
    assert_ne!(site.daemon.pid_of("pair:pair_0"), before);
    press(&browser, "idle", "stop");
    state_is(&browser, "idle", "STOPPED");
    said(&browser, "Process idle stopped");
    press(&browser, "gone", "start");
    said(&browser, "ERROR: Process gone: no such file");
    assert_eq!(browser.text("document.querySelector('#note').dataset.kind"), "bad");
    // What others do is seen too, and is in the feed.
    site.daemon.svc_ok(&["stop", "talker"]);
    state_is(&browser, "talker", "STOPPED");
    browser.until("document.querySelector('#feed').innerText.includes('talker') && document.querySelector('#feed').innerText.includes('→ stopped')");
    // Everything at once is asked again.
    browser.click("button[value=stopall]");
    browser.click("#ask button[value=no]");
    assert_eq!(site.daemon.state_of("merged"), "RUNNING");
    browser.click("button[value=stopall]");
    browser.click("#ask button[value=yes]");
    state_is(&browser, "pair:pair_1", "STOPPED");
    browser.until("document.querySelector('#note span').textContent.startsWith('All stopped at ')");
    assert_eq!(browser.text("window.same"), "true", "nothing of this loaded the page anew");
}

#[test]
fn buttons_work_without_a_reload_at_a_desk() {
    starts_stops_and_restarts(Screen::Desk);
}

#[test]
fn buttons_work_without_a_reload_on_a_phone() {
    starts_stops_and_restarts(Screen::Phone);
}

#[test]
fn buttons_work_with_scripts_off() {
    let site = Site::open();
    let Some(browser) = Browser::start(Screen::NoScript) else { return };
    browser.go(&format!("http://127.0.0.1:{}/", site.port));
    browser.click(&format!("{} button[data-verb=start]", row("idle")));
    browser.until("document.querySelector('#note').innerText.includes('Process idle started')");
    assert_eq!(site.daemon.state_of("idle"), "RUNNING");
    browser.click("button[value=stopall]");
    browser.until("document.querySelector('#note').innerText.includes('All stopped at')");
    assert_eq!(site.daemon.state_of("talker"), "STOPPED");
    browser.picture("desk-without-scripts");
}

fn log_is_live(screen: Screen) {
    let site = Site::open();
    let Some(browser) = look(&site, screen) else { return };
    site.say("a line of before");
    site.daemon.wait_for_file("talker.log", |text| text.contains("before"));
    browser.click(&format!("{} a[data-stream=stdout]", row("talker")));
    let lines = "document.querySelector('#log-lines').innerText";
    browser.until(&format!("{lines}.includes('a line of before')"));
    site.say("a \u{1b}[31mred\u{1b}[0m line");
    browser.until(&format!("{lines}.includes('a red line')"));
    browser.click("#log-filter");
    browser.keys("red");
    browser.until(&format!("!{lines}.includes('before') && {lines}.includes('red')"));
    site.say("nothing of interest");
    site.say("red again");
    browser.until(&format!("{lines}.includes('red again') && !{lines}.includes('interest')"));
    // The process can be handled from here.
    browser.click("#log button[data-verb=stop]");
    browser.until("document.querySelector('#log').dataset.state === 'STOPPED'");
    browser.until("document.querySelector('#log-said').textContent === 'Process talker stopped'");
    browser.picture(if screen == Screen::Phone { "phone-log" } else { "desk-log" });
    browser.click("#log-close");
    browser.until("!document.querySelector('#log').open");
    assert_eq!(browser.text("window.same"), "true");
}

#[test]
fn log_is_shown_as_it_is_written_at_a_desk() {
    log_is_live(Screen::Desk);
}

#[test]
fn log_is_shown_as_it_is_written_on_a_phone() {
    log_is_live(Screen::Phone);
}

#[test]
fn last_lines_pop_up_for_a_pointer_and_for_the_keyboard() {
    let site = Site::open();
    site.say("the last word");
    site.daemon.wait_for_file("talker.log", |text| text.contains("word"));
    let Some(browser) = look(&site, Screen::Desk) else { return };
    let shown = "document.querySelector('#peek').matches(':popover-open') && document.querySelector('#peek').innerText.includes('the last word')";
    let hidden = "!document.querySelector('#peek').matches(':popover-open')";
    browser.point_at(&format!("{} th a", row("talker")));
    browser.until(shown);
    browser.picture("desk-last-lines");
    browser.point_at("h1");
    browser.until(hidden);
    // By keyboard: from the link before it with Tab, away with Escape.
    browser.run(&format!("document.querySelector('{} button[data-verb=stop]').focus()", row("talker")));
    browser.keys("\u{E004}");
    browser.until(shown);
    assert_eq!(browser.text("document.activeElement.getAttribute('aria-describedby')"), "peek");
    browser.keys("\u{E00C}");
    browser.until(hidden);
}

#[test]
fn rows_are_filtered_and_sorted() {
    let site = Site::open();
    let Some(browser) = look(&site, Screen::Desk) else { return };
    let names =
        "[...document.querySelectorAll('#processes tbody tr:not([hidden])')].map(row => row.dataset.name).join(' ')";
    assert_eq!(browser.text(names), "bad flood gone idle merged pair:pair_0 pair:pair_1 silent talker");
    browser.keys("/pair");
    browser.until(&format!("{names} === 'pair:pair_0 pair:pair_1'"));
    // A change does not bring back what is filtered out.
    site.daemon.svc_ok(&["start", "idle"]);
    state_is(&browser, "idle", "RUNNING");
    assert_eq!(browser.text(names), "pair:pair_0 pair:pair_1");
    browser.run(
        "const filter = document.querySelector('#filter'); filter.value = ''; filter.dispatchEvent(new Event('input'))",
    );
    browser.click(".chips button[data-kind=stopped]");
    browser.until(&format!("{names} === 'bad flood gone'"));
    browser.click(".chips button[data-kind='']");
    browser.click("th[data-key=name] button");
    browser.until(&format!("{names} === 'talker silent pair:pair_1 pair:pair_0 merged idle gone flood bad'"));
    assert_eq!(browser.text("document.querySelector('th[data-key=name]').getAttribute('aria-sort')"), "descending");
    browser.click("th[data-key=state] button");
    browser.until(&format!("{names} === 'idle merged pair:pair_0 pair:pair_1 silent talker bad flood gone'"));
    // Memory is measured while somebody looks.
    browser.until("/[KM]iB/.test(document.querySelector('tr[data-name=talker] .memory').textContent)");
    browser.until("/%/.test(document.querySelector('tr[data-name=talker] .cpu').textContent)");
}

#[test]
fn keyboard_alone_is_enough_and_focus_stays_where_it_was() {
    let site = Site::open();
    let Some(browser) = look(&site, Screen::Desk) else { return };
    browser.keys("\u{E004}");
    assert_eq!(browser.text("document.activeElement.className"), "skip", "the first Tab offers to skip");
    browser.keys("\u{E007}");
    browser.until("document.activeElement.id === 'processes'");
    browser.run(&format!("document.querySelector('{} button[data-verb=stop]').focus()", row("talker")));
    browser.keys("\u{E007}");
    state_is(&browser, "talker", "STOPPED");
    said(&browser, "Process talker stopped");
    // The button is gone; its place in the row is not.
    let active = "document.activeElement.value";
    browser.until(&format!("{active} === 'start talker'"));
    browser.keys(" ");
    state_is(&browser, "talker", "RUNNING");
    browser.until("document.querySelector('#spoken').textContent.includes('talker running')");
    // Others come and go around it.
    browser.until(&format!("{active} === 'restart talker'"));
    site.daemon.svc_ok(&["stop", "merged"]);
    state_is(&browser, "merged", "STOPPED");
    assert_eq!(browser.text(active), "restart talker");
}

#[test]
fn killed_gateway_is_told_and_the_page_comes_back_by_itself() {
    let site = Site::open();
    let Some(browser) = look(&site, Screen::Desk) else { return };
    // The page keeps what it was told.
    browser.run(
        "window.told = []; new MutationObserver(() => told.push(document.querySelector('#link').dataset.link))\
         .observe(document.querySelector('#link'), { attributes: true })",
    );
    site.kill_gateway();
    browser.until("told.includes('lost')");
    browser.until("document.querySelector('#gone span').textContent.startsWith('Connection lost at ')");
    browser.until("document.querySelector('#link').dataset.link === 'live'");
    browser.until("document.querySelector('#gone').hidden");
    // The token outlives the gateway that gave it.
    press(&browser, "idle", "start");
    said(&browser, "Process idle started");
    state_is(&browser, "idle", "RUNNING");
    assert_eq!(browser.text("window.same"), "true");
}

#[test]
fn wrong_password_shows_nothing_and_the_right_ones_what_they_may() {
    let site = Site::locked();
    let Some(browser) = Browser::start(Screen::Desk) else { return };
    let go = |login: &str| browser.go(&format!("http://{login}127.0.0.1:{}/", site.port));
    for login in ["", "boss:wrong@", "guest:secret@"] {
        go(login);
        assert_eq!(browser.text("document.querySelectorAll('#processes').length"), "0", "{login}");
    }
    go("guest:look@");
    browser.until("document.querySelector('#link').dataset.link === 'live'");
    assert_eq!(browser.text("document.querySelectorAll('button[name=action]:not([value=refresh])').length"), "0");
    browser.picture("desk-only-looking");
    let Some(browser) = Browser::start(Screen::Desk) else { return };
    browser.go(&format!("http://boss:secret@127.0.0.1:{}/", site.port));
    browser.until("document.querySelector('#link').dataset.link === 'live'");
    browser.click(&format!("{} button[data-verb=start]", row("idle")));
    said(&browser, "Process idle started");
}
