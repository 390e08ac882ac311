//! The configuration reader from outside: our own files against stored dumps, and real files found in the
//! wild against what Supervisor 4.3.0 made of them.

mod conditions;
mod corpus;
mod own;
mod schedules;
mod table;
mod templates;
