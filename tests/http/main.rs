//! The gateway, over real connections to a real visor: what it answers, and what it puts up with.
#![cfg(feature = "http")]

#[path = "../support/mod.rs"]
mod support;

mod client;

mod calls;
mod hostile;
mod life;
mod login;
mod logs;
mod names;
mod transport;
