//! The same small configurations under the original Supervisor and under visor: what they log, which states their
//! processes go through, what the control program says and what the files hold must agree.
//!
//! A test is a scene: a pair of daemons side by side with many cases at once. A place where visor differs on purpose
//! stands in its case with the reason; one that does not differ (any more) fails. `COMPAT_SHOW=1` prints what the
//! original did. Where the original cannot be had, that is printed and nothing is compared.

mod boot;
mod case;
mod clients;
mod command_line;
mod compare;
mod control;
mod dialog;
mod events;
mod forks;
mod life;
mod normal;
mod original;
mod reload;
mod remote;
mod rpc;
mod run;
mod shutdown;
mod superlance;
#[path = "../support/mod.rs"]
mod support;
mod words;
