//! The gateway's binary: visor starts it when the first HTTP connection comes.

fn main() -> std::process::ExitCode {
    // svc starts it so, to talk to foreign servers.
    if std::env::args_os().nth(1).is_some_and(|word| word == "bridge") {
        return visor::http::remote::main();
    }
    visor::http::server::main()
}
