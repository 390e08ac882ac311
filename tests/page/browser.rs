//! Chromium without a screen, over WebDriver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http;
use crate::support::{self, eventually};

const DRIVER: &str = "chromedriver";
/// What the driver prints before its port.
const STARTED: &str = "started successfully on port ";
/// How WebDriver names an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What the page is looked at with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Desk,
    /// 390 × 844, with a finger.
    Phone,
    /// A desk's with scripts off.
    NoScript,
}

/// A browser with one window; it ends with its test.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// `None`, with the reason printed, where there is no Chromium.
    pub fn start(screen: Screen) -> Option<Browser> {
        let driver = Command::new(DRIVER).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) => {
                support::left_out(&format!("the page in a browser: {DRIVER}: {error}"));
                return None;
            }
        };
        let lines = BufReader::new(driver.stdout.take().expect("its stdout")).lines();
        let port =
            lines.map_while(Result::ok).find_map(|line| line.split_once(STARTED)?.1.trim_end_matches('.').parse().ok());
        let mut browser = Browser { driver, port: port.expect("the driver tells its port"), session: String::new() };
        let asked = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options(screen), "unhandledPromptBehavior": "dismiss",
        } } });
        let answer = browser.call("POST", "/session", &asked);
        match answer["sessionId"].as_str() {
            Some(session) => browser.session = format!("/session/{session}"),
            None => {
                support::left_out(&format!("the page in a browser: {}", answer["message"]));
                return None;
            }
        }
        Some(browser)
    }

    pub fn go(&self, address: &str) {
        self.command("url", &json!({ "url": address }));
    }

    /// Prefers dark or light colours from now on.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.command("goog/cdp/execute", &command);
    }

    /// Runs a function's body in the page; what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The same for a body that calls its last argument when it is done.
    pub fn run_slowly(&self, script: &str) -> Value {
        self.command("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The text of what an expression evaluates to.
    pub fn text(&self, expression: &str) -> String {
        let script = format!("return String({expression})");
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true in the page.
    pub fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        let last = std::cell::RefCell::new(Value::Null);
        let look = || {
            let value = self.run(&script);
            let found = (value == Value::Bool(true)).then_some(());
            last.replace(value);
            found
        };
        eventually(&format!("`{expression}`"), look);
    }

    /// Clicks what a selector finds, as a person would: it must be visible.
    pub fn click(&self, selector: &str) {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        let element = found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector} is there: {found}")).to_owned();
        let answer = self.call("POST", &format!("{}/element/{element}/click", self.session), &json!({}));
        assert!(answer.is_null(), "{selector} can be clicked: {answer}");
    }

    /// Moves the pointer to the middle of what a selector finds.
    pub fn point_at(&self, selector: &str) {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        let step = json!({ "type": "pointerMove", "duration": 0, "origin": found, "x": 0, "y": 0 });
        self.command("actions", &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": [step] }] }));
    }

    /// Types; the keys of WebDriver, such as `\u{E004}` for Tab, are characters too.
    pub fn keys(&self, text: &str) {
        let steps: Vec<Value> = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        self.command("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": steps }] }));
    }

    /// Keeps a picture under the build directory, for people to look at.
    pub fn picture(&self, name: &str) {
        let answer = self.call("GET", &format!("{}/screenshot", self.session), &Value::Null);
        let bytes = STANDARD.decode(answer.as_str().unwrap_or_default()).expect("a picture");
        let Some(target) = std::path::Path::new(support::VISOR).ancestors().nth(2) else { return };
        let place = target.join("page-pictures");
        std::fs::create_dir_all(&place).expect("a directory for pictures");
        std::fs::write(place.join(format!("{name}.png")), bytes).expect("the picture is kept");
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        let answer = self.call("POST", &format!("{}/{path}", self.session), body);
        assert!(answer.get("error").is_none(), "{path} {body}: {answer}");
        answer
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http::open(self.port, "1.1", &format!("{method} {path}"), &body).answer();
        let value: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        value["value"].clone()
    }
}

fn options(screen: Screen) -> Value {
    let mut options = json!({
        "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900"],
    });
    match screen {
        Screen::Desk => {}
        Screen::Phone => {
            let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2, "mobile": true, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        Screen::NoScript => options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 }),
    }
    options
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that is not told to go would outlive its driver; what fails here must not hide why the test failed.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if std::thread::panicking() {
                let name = std::thread::current().name().unwrap_or("failed").replace("::", "-");
                self.picture(&name);
            }
        }));
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if !self.session.is_empty() {
                self.call("DELETE", &self.session, &Value::Null);
            }
        }));
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(self.driver.id()).unwrap_or(0)),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.driver.wait();
    }
}
