//! The bridge to foreign servers: `visor-http bridge`, which svc starts when the server it is to talk to does not speak visor's language.
//!
//! Descriptor 3 is a socket to svc. Its first line says whom to reach (`protocol::remote`); the bridge looks whether a supervisord
//! is there and says so; from then on it answers every request of the control language by calls of XML-RPC. It ends when svc hangs up.
//!
//! Owns: the conversation. Does not own: what svc makes of it.

mod answer;
mod controls;
mod failure;
mod logs;
mod reply;
mod server;
mod target;
mod translate;
mod watch;

use std::io::Write as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::ExitCode;

use tokio::net::UnixStream;

use self::failure::Failure;
use self::reply::{Lines, Out, Stop, ok};
use self::server::Server;
use crate::http::xml::Value;
use crate::protocol::remote::{Target, Trouble};
use crate::protocol::{Code, Line, Request};
use crate::sys::another;

/// The version of the API that is spoken here.
const API_VERSION: &str = "3.0";
/// Its answer tells whether a supervisord is there.
const FIRST_CALL: &str = "supervisor.getVersion";

/// Runs the bridge on the descriptor svc has given it, until svc hangs up.
#[must_use]
pub fn main() -> ExitCode {
    let started = another::socket_of_starter().and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok((socket, tokio::runtime::Builder::new_current_thread().enable_all().build()?))
    });
    let (socket, runtime) = match started {
        Ok(started) => started,
        Err(error) => {
            let _ = writeln!(
                std::io::stderr(),
                "visor-http: cannot talk to svc over descriptor 3: {error}; svc starts the bridge itself"
            );
            return ExitCode::FAILURE;
        }
    };
    let end = runtime.block_on(converse(socket));
    // A name that is still looked up in a thread of its own is not waited for.
    runtime.shutdown_background();
    if end { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The whole conversation; whether there was one.
async fn converse(socket: StdUnixStream) -> bool {
    let Ok(stream) = UnixStream::from_std(socket) else { return false };
    let (reader, writer) = stream.into_split();
    let (mut lines, mut out) = (Lines::new(reader), Out(writer));
    let Some(target) = lines.next().await else { return false };
    let greeted = tokio::select! {
        greeted = greet(&target, &mut out) => greeted,
        () = lines.hung_up() => return true,
    };
    let Some(server) = greeted else { return false };
    while let Some(line) = lines.next().await {
        let goes_on = tokio::select! {
            answered = answer_line(&server, &line, &mut out) => answered.is_ok(),
            () = lines.hung_up() => false,
        };
        if !goes_on {
            break;
        }
    }
    true
}

async fn answer_line(server: &Server, line: &[u8], out: &mut Out) -> Result<(), Stop> {
    match Request::parse(line) {
        Ok(request) => answer::answer(server, request, out).await,
        Err(error) => out.line(&Line::Error(error.code, error.text)).await,
    }
}

/// Looks who is there, and tells svc. `None`: nobody to talk to.
async fn greet(target: &[u8], out: &mut Out) -> Option<Server> {
    match find(target).await {
        Ok(server) => {
            out.line(&ok()).await.ok()?;
            Some(server)
        }
        Err((trouble, text)) => {
            // svc may be gone already; there is nothing left to do either way.
            let _ = out.line(&trouble.to_line()).await;
            let _ = out.line(&Line::Error(Code::Failed, text)).await;
            None
        }
    }
}

async fn find(target: &[u8]) -> Result<Server, (Trouble, String)> {
    let wrong = |text: &str| (Trouble::Other, text.to_owned());
    let target = Target::of_line(target).ok_or_else(|| wrong("the first line names no server"))?;
    let server = Server::new(&target).map_err(|failure| failure.trouble())?;
    match server.call(FIRST_CALL, &[]).await {
        Ok(Value::String(version)) if version == API_VERSION => Ok(server),
        Ok(Value::String(version)) => Err((Trouble::OtherVersion, other_version(&version))),
        Ok(_) => Err(Failure::Other("its version is no text".to_owned()).trouble()),
        Err(failure) => Err(failure.trouble()),
    }
}

/// Supervisor's words.
fn other_version(version: &str) -> String {
    format!(
        "Sorry, this version of supervisorctl expects to talk to a server with API version {API_VERSION}, but the \
         remote version is {version}."
    )
}
