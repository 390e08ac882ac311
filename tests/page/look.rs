//! How the page looks, at two sizes and in two lights: nothing sticks out, colours follow, and axe-core finds nothing to complain of.

use std::path::Path;
use std::process::Command;

use crate::browser::{Browser, Screen};
use crate::site::Site;
use crate::support;

const CHECKER: &str = "axe-core@4.10.3";

/// The checker's script; `None`, with the reason printed, where it cannot be had.
fn checker() -> Option<String> {
    let place = Path::new(support::VISOR).ancestors().nth(2)?.join("page-axe");
    let script = place.join("node_modules/axe-core/axe.min.js");
    if !script.exists() {
        let npm = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&place)
            .arg(CHECKER)
            .output();
        let reason = match npm {
            Ok(output) if output.status.success() => String::new(),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => format!("npm: {error}"),
        };
        if !script.exists() {
            support::left_out(&format!("the check of accessibility: {reason}"));
            return None;
        }
    }
    std::fs::read_to_string(script).ok()
}

/// What the checker complains of, a line each.
fn complaints(browser: &Browser, checker: &str) -> Vec<String> {
    browser.run(checker);
    let found = browser.run_slowly(
        "const done = arguments[0]; axe.run().then(result => done(result.violations.flatMap(\
         rule => rule.nodes.map(node => `${rule.id}: ${rule.help}: ${node.html}`))))",
    );
    found.as_array().expect("a list").iter().map(|line| line.to_string()).collect()
}

#[test]
fn page_fits_every_screen_and_light_and_can_be_read_by_all() {
    let site = Site::open();
    site.daemon.svc(&["start", "bad"]);
    for (screen, name) in [(Screen::Desk, "desk"), (Screen::Phone, "phone")] {
        let Some(browser) = Browser::start(screen) else { return };
        for light in ["light", "dark"] {
            browser.prefer(light);
            browser.go(&format!("http://127.0.0.1:{}/", site.port));
            browser.until("document.querySelector('#link').dataset.link === 'live'");
            browser.until("/%/.test(document.querySelector('tr[data-name=talker] .cpu').textContent)");
            browser.picture(&format!("{name}-{light}"));
            assert_eq!(browser.text("document.documentElement.scrollWidth <= innerWidth"), "true", "{name}");
            let sum =
                "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)";
            let bright = browser.text(&format!("{sum} > 384"));
            assert_eq!(bright, if light == "light" { "true" } else { "false" }, "{name} {light}");
            if let Some(checker) = checker() {
                assert_eq!(complaints(&browser, &checker), Vec::<String>::new(), "{name} {light}");
                browser.click("tr[data-name=talker] a[data-stream=stdout]");
                browser.until("document.querySelector('#log').open");
                assert_eq!(complaints(&browser, &checker), Vec::<String>::new(), "the log, {name} {light}");
            }
        }
    }
}

#[test]
fn names_as_long_as_they_may_be_do_not_break_the_phone() {
    let site = Site::open();
    let Some(browser) = Browser::start(Screen::Phone) else { return };
    let long = "a".repeat(180);
    let conf = format!("{}\n[program:{long}]\ncommand=cat\nstartsecs=0\n", site.conf());
    site.daemon.rewrite_conf(&conf);
    site.daemon.svc_ok(&["update"]);
    browser.go(&format!("http://127.0.0.1:{}/", site.port));
    browser.until(&format!("document.querySelector('tr[data-name=\"{long}\"]')"));
    assert_eq!(browser.text("document.documentElement.scrollWidth <= innerWidth"), "true");
}
