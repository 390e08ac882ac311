//! FastCGI programs.
