//! Every system call visor makes, and all its `unsafe`. Knows nothing of programs.
#![allow(unsafe_code)]
