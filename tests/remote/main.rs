//! `svc` and what is not on this machine or not visor: foreign servers through the bridge, other machines through ssh; and the small
//! programs of Supervisor that visor stands in for.

mod actions;
mod fake;
mod pidproxy;
mod ssh;
mod strange;
#[path = "../support/mod.rs"]
mod support;
