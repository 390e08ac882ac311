//! The gateway: Supervisor's XML-RPC, a page and metrics over HTTP, as a client of visor's control protocol.
//!
//! Owns: HTTP, XML, logins. Does not own: sockets that are listened on and processes, which are visor's.

// Who may come in: logins.
pub mod auth;
// What is answered with: bytes at once, or a stream of them.
pub mod body;
// Descriptor 3: connections come, control connections are asked for.
pub mod channel;
// Control connections: a pool, asking, listening.
pub mod control;
// What one request is answered with: whom it came from, what it may do, how visor is asked.
pub mod context;
// The kinds of faults, their numbers and names.
pub mod faults;
// From a request as it came to its answer: strangers, logins, bodies.
mod gate;
// By what names browsers may call us.
pub mod hosts;
// How long a connection may take for what.
mod meter;
// Metrics and probes.
pub mod metrics;
// The status page and everything else that is served.
pub mod page;
// CPU and memory, as the kernel tells.
pub mod proc;
// Which page answers what.
mod route;
// The bridge that svc starts to talk to foreign servers.
pub mod remote;
// XML-RPC.
pub mod rpc;
// Connections and their limits; the gateway's life.
pub mod server;
// Logs as text, whole and followed.
pub mod stream;
// XML-RPC's values to and from XML.
pub mod xml;
