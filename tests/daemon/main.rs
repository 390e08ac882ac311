//! The real binaries, from outside: what visor promises, seen as a user, a program and the kernel see it.
//!
//! A file per subject. Nothing sleeps a fixed time; what cannot be had on this machine is said on stderr.

mod checks;
mod console;
mod control;
mod delegation;
mod environment;
mod environments;
mod fake_gateway;
mod gateway;
mod gateway_life;
mod gateway_trouble;
mod hooks;
mod kernel;
mod limits;
mod listening;
mod live;
mod loglines;
mod operation;
mod output;
mod personality;
mod policies;
mod reading;
mod reaping;
mod reload;
mod rights;
mod schedules;
mod signals;
mod socket;
mod start_stop;
#[path = "../support/mod.rs"]
mod support;
mod trouble;
