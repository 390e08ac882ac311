//! visor: a tiny init and process supervisor that reads `supervisord.conf`.
//!
//! Data moves one way: text → values → decisions → system calls. An arrow means "imports";
//! there is no other import (`DESIGN.md` section 2 holds the same picture and its reasons).
//!
//! ```text
//! main.rs ──▶ daemon ──▶ supervisor ──▶ program ──▶ config ──▶ schedule
//!               │  │          └──────▶ event, protocol, schedule
//!               │  └──▶ logs, protocol                 bin/svc.rs ──▶ svc ──▶ client ──▶ protocol
//!               ├─────▶ sys                                 └──▶ config, machine ([supervisorctl], times)
//!               └─────▶ machine ──▶ config, sys       bin/visor-http.rs ──▶ http ──▶ protocol, sys
//! ```

// Command lines, help texts and exit codes of the binaries.
pub mod cli;
// Connect to visor, send a request, read its reply.
pub mod client;
// Text of a configuration file → `Config`.
pub mod config;
// The loop, descriptors and pids; carries out what the supervisor decides.
pub mod daemon;
// What happened, and its wire text.
pub mod event;
// Things that need each other: their order, or their cycle.
pub mod graph;
// The gateway: what speaks HTTP, in a process of its own.
#[cfg(feature = "http")]
pub mod http;
// Lists of what iterators give.
pub mod list;
// Log files: write, rotate, reopen, tail, line formats.
pub mod logs;
// The machine, as the reader of configurations asks for it.
pub mod machine;
// One stable sort for all lists.
pub mod order;
// `pidproxy`: stands in for a daemon that detaches itself.
pub mod pidproxy;
// The life of one process as a pure function.
pub mod program;
// The control language: requests, replies, framing.
pub mod protocol;
// Numbers that look random.
pub mod scatter;
// When a program is due: cron, time zones.
pub mod schedule;
// Maps and sets as sorted lists.
pub mod sorted;
// Spans of time as numbers and words.
pub mod span;
// All programs together: every decision of the daemon.
pub mod supervisor;
// The companion's actions and the words it prints.
pub mod svc;
// Every system call, and all `unsafe`.
pub mod sys;
// Names by pattern.
pub mod wildcard;
