//! Events as listeners, watchers and FastCGI programs outside of visor meet them.
//!
//! A listener is a small Python script that writes down what it reads, an event a line; the tests look at that file.
//! Where Python or nginx are not installed, that is printed and nothing is tested.

mod bad;
mod capture;
mod fastcgi;
mod listener;
mod load;
mod pools;
#[path = "../support/mod.rs"]
mod support;
mod types;
mod watch;
