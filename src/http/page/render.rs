//! The page's HTML.
//!
//! Owns: what is written where, escaped (maud's work). Does not own: styles and script, which are `page.html`.

use maud::{Markup, PreEscaped, html};

use super::row::Row;

/// The frame of every page, with styles and script; `@@…@@` is filled in.
const FRAME: &str = include_str!("page.html");
/// What a name in a path or query may keep as it is.
const PLAIN: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b':').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const MIB: u64 = 1024 * 1024;
const KIB: u64 = 1024;

/// What the status page shows.
#[derive(Debug)]
pub struct View<'a> {
    /// `[supervisord] identifier`.
    pub identifier: &'a str,
    /// visor's version.
    pub version: &'a str,
    /// Every process, and its resident memory in bytes where that is known.
    pub rows: &'a [(Row, Option<u64>)],
    /// What is to be said, and whether it is good news.
    pub message: Option<(&'a str, bool)>,
    /// What forms must repeat; `None` = this login may only look.
    pub token: Option<&'a str>,
}

/// A whole document.
#[must_use]
pub fn document(title: &str, nonce: &str, body: &Markup) -> String {
    let title = html! { (title) }.into_string();
    let mut out = String::with_capacity(FRAME.len() + body.0.len() + title.len());
    for (at, part) in FRAME.split("@@").enumerate() {
        // Marks stand between the parts.
        match (at % 2, part) {
            (1, "title") => out.push_str(&title),
            (1, "nonce") => out.push_str(nonce),
            (1, "body") => out.push_str(&body.0),
            _ => out.push_str(part),
        }
    }
    out
}

/// A process' name as part of an address.
#[must_use]
pub fn in_address(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, PLAIN).to_string()
}

/// The status page's body.
#[must_use]
pub fn status(view: &View<'_>) -> Markup {
    html! {
        a.skip href="#processes" { "Skip to the processes" }
        header {
            h1 { span.brand { "visor · " } span #identifier { (view.identifier) } }
            span.push {}
            @if view.token.is_none() { span.quiet { "you may look only" } }
            span #link.js-only data-link="connecting" role="status" { "connecting" }
        }
        main {
            div #gone.note.js-only hidden { span {} }
            (note(view.message))
            div.unseen #spoken role="status" aria-live="polite" {}
            (bar(view.token))
            div.sheet { (table(view)) }
            details #events.sheet.js-only open {
                summary { "Events" }
                ol #feed aria-label="Events" tabindex="0" {}
            }
        }
        footer {
            span { "visor " (view.version) }
            a #main-log href="mainlogtail" { "visor’s own log" }
            a href="metrics" { "metrics" }
        }
        div #peek popover="manual" role="tooltip" { p {} pre {} }
        (log_dialog(view.token.is_some()))
        dialog #ask aria-labelledby="ask-text" {
            p #ask-text {}
            form method="dialog" { button value="no" { "Cancel" } button.danger value="yes" {} }
        }
    }
}

fn note(message: Option<(&str, bool)>) -> Markup {
    let (text, good) = message.unwrap_or(("", true));
    html! {
        div #note.note.status_msg role="status" data-kind=(if good { "good" } else { "bad" }) hidden[text.is_empty()] {
            span { (text) }
            button.plain.js-only type="button" aria-label="Dismiss the message" { "✕" }
        }
    }
}

fn bar(token: Option<&str>) -> Markup {
    let chips = [
        ("", "all"),
        ("running", "running"),
        ("changing", "changing"),
        ("trouble", "in trouble"),
        ("stopped", "stopped"),
    ];
    html! {
        div.bar {
            div.chips.js-only role="group" aria-label="Show only" {
                @for (kind, label) in chips {
                    button type="button" data-kind=(kind) data-count="0" aria-pressed=(if kind.is_empty() { "true" } else { "false" }) {
                        b { "0" } " " (label)
                    }
                }
            }
            input #filter.js-only type="search" placeholder="Filter  ( / )" aria-label="Filter by name, state or description" autocomplete="off" spellcheck="false";
            label #sort-small.js-only {
                select #sort aria-label="Sort by" {
                    @for (key, label) in [("name", "name"), ("state", "state"), ("description", "uptime"), ("cpu", "CPU"), ("memory", "memory")] {
                        option value=(key) { "by " (label) }
                    }
                }
            }
            span.push {}
            form.no-js method="get" action="./" { button name="action" value="refresh" { "Refresh" } }
            @if let Some(token) = token {
                form #everything method="post" action="./" {
                    input type="hidden" name="token" value=(token);
                    button name="action" value="restartall" data-ask="Restart every process?" { "Restart All" }
                    button name="action" value="stopall" data-ask="Stop every process?" { "Stop All" }
                }
            }
        }
    }
}

fn table(view: &View<'_>) -> Markup {
    let may_act = view.token.is_some();
    let head = |key: &str, class: &str, label: &str| {
        html! {
            th scope="col" role="columnheader" class=(class) data-key=(key) aria-sort=[(key == "name").then_some("ascending")] {
                button.js-only type="button" { (label) } span.no-js { (label) }
            }
        }
    };
    html! {
        form #act method="post" action="./" {
            @if let Some(token) = view.token { input type="hidden" name="token" value=(token); }
            table #processes role="table" tabindex="-1" aria-label="Processes" {
                thead role="rowgroup" {
                    tr role="row" {
                        (head("state", "state", "State"))
                        (head("name", "name", "Name"))
                        (head("description", "description", "Description"))
                        (head("cpu", "number cpu js-only", "CPU"))
                        (head("memory", "number memory", "Memory"))
                        th.actions scope="col" role="columnheader" { (if may_act { "Action" } else { "Log" }) }
                    }
                }
                tbody role="rowgroup" {
                    @for (row, memory) in view.rows { (table_row(row, *memory, may_act)) }
                }
            }
        }
        p #none.empty hidden[!view.rows.is_empty()] { "No programs to manage" }
        template #row { (table_row(&Row::default(), None, may_act)) }
    }
}

fn table_row(row: &Row, memory: Option<u64>, may_act: bool) -> Markup {
    let class = match row.state.as_str() {
        "RUNNING" => "statusrunning",
        "FATAL" | "BACKOFF" => "statuserror",
        _ => "statusnominal",
    };
    html! {
        tr role="row" data-name=(row.name) data-state=(row.state) {
            td.state role="cell" { span class={ "badge " (class) } { (row.state.to_lowercase()) } }
            th scope="row" role="rowheader" {
                a href={ "tail.html?processname=" (in_address(&row.name)) } {
                    @if row.group == row.name { (row.name) } @else { span.group { (row.group) ":" } (row.process) }
                }
            }
            td.description role="cell" { (row.description) }
            td.number.cpu.none.js-only role="cell" data-label="CPU" { "–" }
            td.number.memory.none[memory.is_none()] role="cell" data-label="Memory" { (memory.map_or("–".to_owned(), size)) }
            td.actions role="cell" { (actions(row, may_act)) }
        }
    }
}

fn actions(row: &Row, may_act: bool) -> Markup {
    let state = row.state.as_str();
    let shown = |verb: &str| match verb {
        "start" => matches!(state, "STOPPED" | "EXITED" | "FATAL" | "UNKNOWN"),
        "restart" => state == "RUNNING",
        _ => matches!(state, "RUNNING" | "STARTING" | "BACKOFF"),
    };
    let button = |verb: &str, label: &str| {
        html! {
            button name="action" value={ (verb) " " (row.name) } data-verb=(verb) aria-label={ (label) " " (row.name) } hidden[!shown(verb)] {
                (label)
            }
        }
    };
    let tail = |stream: &str, end: &str, there: bool| {
        html! {
            a href={ "logtail/" (in_address(&row.name)) (end) } data-stream=(stream) hidden[!there]
                aria-label={ (stream) " of " (row.name) ", live" } { (stream) }
        }
    };
    html! {
        div {
            @if may_act {
                span.first { (button("start", "Start")) (button("restart", "Restart")) }
                span.second { (button("stop", "Stop")) }
            }
            span.tail { (tail("stdout", "", row.logs.0)) }
            span.tail { (tail("stderr", "/stderr", row.logs.1)) }
            @if may_act {
                button.plain name="action" value={ "clearlog " (row.name) } data-verb="clearlog" aria-label={ "Clear Log of " (row.name) } {
                    "Clear"
                }
            }
        }
    }
}

fn log_dialog(may_act: bool) -> Markup {
    html! {
        dialog #log aria-labelledby="log-name" {
            div.top {
                span #log-state.badge {}
                h2 #log-name {}
                button type="button" data-stream="stdout" aria-pressed="true" { "stdout" }
                button type="button" data-stream="stderr" aria-pressed="false" { "stderr" }
                input #log-filter type="search" placeholder="Lines with…" aria-label="Show only lines with" autocomplete="off" spellcheck="false";
                label { input #log-stick type="checkbox" checked; "Follow" }
                label { input #log-wrap type="checkbox" checked; "Wrap" }
                span.push {}
                form #log-actions method="post" action="./" {
                    @if may_act {
                        @for (verb, label) in [("start", "Start"), ("restart", "Restart"), ("stop", "Stop"), ("clearlog", "Clear Log")] {
                            button name="action" data-verb=(verb) { (label) } " "
                        }
                    }
                }
                a.button #log-raw target="_blank" rel="noopener" { "Raw" }
                button #log-close type="button" { "Close" }
            }
            div #log-box tabindex="0" role="region" aria-label="Log lines" { pre #log-lines {} }
            div #log-foot role="status" { span #log-link {} span #log-said {} }
        }
    }
}

/// The body of `tail.html`.
#[must_use]
pub fn tail(name: &str, text: &str, limit: u64) -> Markup {
    html! {
        header { h1 { "Tail of " (name) } span.push {} }
        main {
            div.bar {
                form method="get" action="tail.html" {
                    input type="hidden" name="processname" value=(name);
                    input type="hidden" name="limit" value=(limit);
                    button { "Refresh" }
                    a.button href="./" { "All processes" }
                }
            }
            div.sheet.text { pre { (PreEscaped("\n")) (text) } }
        }
    }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| bytes.saturating_mul(10).div_euclid(unit);
    let gib = MIB * KIB;
    if bytes >= gib {
        format!("{}.{} GiB", tenths(gib) / 10, tenths(gib) % 10)
    } else if bytes >= 10 * MIB {
        format!("{} MiB", bytes / MIB)
    } else if bytes >= MIB {
        format!("{}.{} MiB", tenths(MIB) / 10, tenths(MIB) % 10)
    } else {
        format!("{} KiB", bytes.div_ceil(KIB))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, state: &str) -> Row {
        Row {
            name: name.to_owned(),
            group: name.to_owned(),
            process: name.to_owned(),
            state: state.to_owned(),
            logs: (true, false),
            ..Row::default()
        }
    }

    fn page(rows: &[(Row, Option<u64>)], token: Option<&str>, message: Option<(&str, bool)>) -> String {
        let view = View { identifier: "<id>", version: "1", rows, message, token };
        document("t<itle", "NONCE", &status(&view))
    }

    #[test]
    fn everything_from_outside_is_escaped() {
        let text = page(&[(row("\"><script>x", "RUNNING"), None)], Some("tok"), Some(("<b>&", true)));
        assert!(
            !text.contains("<script>x") && !text.contains("<b>&") && !text.contains("<id>") && !text.contains("t<itle")
        );
        assert!(text.contains("&lt;b&gt;&amp;") && text.contains("tail.html?processname=%22%3E%3Cscript%3Ex"));
        assert!(!text.contains("@@"));
    }

    #[test]
    fn name_that_looks_like_a_mark_stays_a_name() {
        let text = page(&[(row("@@nonce@@", "RUNNING"), None)], None, None);
        assert!(text.contains("data-name=\"@@nonce@@\""));
    }

    #[test]
    fn buttons_fit_the_state() {
        let text = |state| table_row(&row("x", state), None, true).into_string();
        let shows = |text: &str, verb: &str| {
            let at = text.find(&format!("data-verb=\"{verb}\"")).unwrap();
            !text[at..].split('>').next().unwrap().contains("hidden")
        };
        for (state, start, restart, stop) in [
            ("RUNNING", false, true, true),
            ("STOPPED", true, false, false),
            ("EXITED", true, false, false),
            ("FATAL", true, false, false),
            ("STARTING", false, false, true),
            ("BACKOFF", false, false, true),
            ("STOPPING", false, false, false),
        ] {
            let text = text(state);
            assert_eq!(
                (shows(&text, "start"), shows(&text, "restart"), shows(&text, "stop")),
                (start, restart, stop),
                "{state}"
            );
            assert!(shows(&text, "clearlog"));
        }
    }

    #[test]
    fn who_may_only_look_sees_no_button_of_an_action() {
        let text = page(&[(row("x", "RUNNING"), None)], None, None);
        assert!(!text.contains("name=\"action\" value=\"stop") && !text.contains("data-verb=\"clearlog\""));
        assert!(page(&[], Some("t"), None).contains("No programs to manage"));
    }

    #[test]
    fn sizes_have_their_units() {
        for (bytes, text) in [(1, "1 KiB"), (1024 * 1024, "1.0 MiB"), (15 * MIB + 1, "15 MiB"), (1536 * MIB, "1.5 GiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
