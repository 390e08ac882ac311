//! The gateway's binary: visor starts it when the first HTTP connection comes.

fn main() -> std::process::ExitCode {
    visor::http::server::main()
}
