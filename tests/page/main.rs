//! The page, logs as text, metrics and probes, over HTTP: the real visor and its gateway, asked by hand and by Chromium.
//!
//! What needs a browser, Python's parser of metrics or the checker of accessibility is left out, and that is printed, where they cannot be had.

mod actions;
mod browser;
mod http;
mod live;
mod look;
mod metrics;
mod site;
mod streams;
#[path = "../support/mod.rs"]
mod support;
