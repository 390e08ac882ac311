//! The gateway: Supervisor's XML-RPC, a page and metrics over HTTP, as a client of visor's control protocol.
//!
//! Owns: HTTP, XML, logins. Does not own: sockets that are listened on and processes, which are visor's.
